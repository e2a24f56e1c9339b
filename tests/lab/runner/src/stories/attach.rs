//! Disks given to domains and taken away, drift mended, and a root on NFS.

use super::changes::{caught_and_settled, domkeep, outcome_is};
use crate::host::ask;
use crate::scenario::{Scenario, scenario};

/// State 4 of a disk's back end: the guest has it.
const CONNECTED: &str = "xenstore-ls -f /local/domain/0/backend/vbd/$(xl domid web1) | grep -E '/(51728|51744)/state'; true";
const DRIFT: &str = "findings[code=drift-attached-not-in-config,subject~web1]";
const MISSED: &str = "findings[code=drift-in-config-not-attached,subject~web1]";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("an attached partition survives destroy and create, and is taken away for good", |host, see| {
            host.does("start web1")?;
            let attach = ["attach", "web1", "/dev/vdb2", "--vdev", "xvdb", "--where", "both", "--yes"];
            let named = domkeep(host, see, &attach)?;
            see.that(
                named.exit != Some(0) && named.to_string().contains("forms2"),
                "two domains could come to write to one partition, unsaid",
                || named.to_string(),
            );
            let said = domkeep(host, see, &[attach.as_slice(), &["--confirm", "web1"]].concat())?;
            see.exit(&said, 0, "a user could not attach a partition");
            let there = host.does(CONNECTED)?;
            see.that(there.text().contains("51728/state = \"4\""), "the guest would not have the disk that it was given", || {
                there.to_string()
            });
            let twice = domkeep(host, see, &["attach", "web1", "/dev/vdb2", "--vdev", "xvdc", "--where", "both", "--yes"])?;
            see.that(twice.exit != Some(0), "a domain would get one disk twice", || twice.to_string());
            host.does("xl destroy web1; sleep 2; start web1")?;
            let again = host.does(CONNECTED)?;
            see.that(again.text().contains("51728/state = \"4\""), "the disk would be lost at the next start", || again.to_string());
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, DRIFT, "a disk that is named would be called drift");
            let gone = domkeep(host, see, &["detach", "web1", "xvdb", "--where", "both", "--yes"])?;
            see.exit(&gone, 0, "a user could not take a disk away");
            let left = host.does(&format!("{CONNECTED}; grep -c vdb2 /etc/xen/web1.cfg; true"))?;
            see.that(left.text().trim() == "0", "the disk would be there still, or come back", || left.to_string());
            Ok(())
        })
        .short(),
        scenario("drift is mended by keeping it and by giving it up", |host, see| {
            host.does("start web1\nxl block-attach web1 phy:/dev/xenvols/orphan,xvdb,w; xl block-attach web1 phy:/dev/vdb2,xvdc,w")?;
            let list = ask(host, see, &["list"])?;
            see.has(&list, DRIFT, "nobody would be told that two disks are gone at the next start");
            let kept = domkeep(host, see, &["attach", "web1", "--vdev", "xvdb", "--where", "config", "--yes"])?;
            see.exit(&kept, 0, "a user could not keep a disk that was attached");
            let given_up = domkeep(host, see, &["detach", "web1", "xvdc", "--where", "live", "--yes"])?;
            see.exit(&given_up, 0, "a user could not give up a disk that was attached");
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, DRIFT, "what was mended would be called drift");
            let config = host.does("cat /etc/xen/web1.cfg; xl destroy web1; sleep 2; start web1")?;
            see.that(config.text().contains("orphan") && !config.text().contains("vdb2"), "the wrong disk would be kept", || {
                config.to_string()
            });
            let again = host.does(CONNECTED)?;
            see.that(again.text().contains("51728/state = \"4\""), "the disk that was kept would be lost at the next start", || {
                again.to_string()
            });
            // The other way round: named, and not attached.
            host.does("xl block-detach web1 xvdb")?;
            let list = ask(host, see, &["list"])?;
            see.has(&list, MISSED, "nobody would be told that a disk is missing");
            let back = domkeep(host, see, &["attach", "web1", "--vdev", "xvdb", "--where", "live", "--yes"])?;
            see.exit(&back, 0, "a user could not bring back a disk that the configuration names");
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, MISSED, "what was mended would be called drift");
            Ok(())
        }),
        scenario("a disk that somebody has is given to nobody", |host, see| {
            host.does("start web1\nmkdir -p /root/lab/mnt; mount /dev/vdb2 /root/lab/mnt")?;
            let before = host.does("cat /etc/xen/web1.cfg; xenstore-ls -f /libxl/$(xl domid web1)")?;
            for (target, mode) in
                [("/dev/vdb2", "rw"), ("/dev/vdb2", "ro"), ("/dev/vdb1", "ro"), ("/dev/vdb", "rw"), ("/dev/xenvols/nothing", "rw")]
            {
                let said = domkeep(host, see, &["attach", "web1", target, "--vdev", "xvdb", "--mode", mode, "--where", "both", "--yes"])?;
                see.that(said.exit != Some(0), &format!("{target}, which is in use, would be given away"), || said.to_string());
            }
            let after = host.does("umount /root/lab/mnt; cat /etc/xen/web1.cfg; xenstore-ls -f /libxl/$(xl domid web1)")?;
            see.that(before.text() == after.text(), "a refusal would change something", || after.to_string());
            Ok(())
        }),
        scenario("a domain boots from a root on NFS that the wizard made", |host, see| {
            host.does(&format!("{TREE}; systemctl stop nfs-server; cp /etc/exports /root/lab/exports.kept"))?;
            let root = [
                "nfs-root",
                "nfs1",
                "--directory",
                "/srv/new/nfs1-root",
                "--populate",
                "directory",
                "--source",
                "/srv/new/tree",
                "--hostname",
                "nfs1.example.com",
                "--fstab",
                "yes",
                "--clients",
                "192.168.77.21",
                "--server",
                "192.168.77.1",
                "--network",
                "192.168.77.21::192.168.77.1:255.255.255.0:nfs1:eth0:off",
                "--bridge",
                "xenbr0",
                "--yes",
            ];
            let off = domkeep(host, see, &root)?;
            see.that(
                off.exit != Some(0) && off.to_string().contains("nfs-server"),
                "a root would be exported by a server that does not run",
                || off.to_string(),
            );
            host.does("systemctl start nfs-server; sed -i 's/ lab.write=0//' /etc/xen/nfs1.cfg")?;
            let said = domkeep(host, see, &root)?;
            see.exit(&said, 0, "a user could not put a root on NFS");
            let table = host.does("exportfs -s; cat /etc/xen/nfs1.cfg; ls -A /srv/new")?;
            see.that(
                table.text().contains("/srv/new/nfs1-root  192.168.77.21(") && !table.text().contains("partial"),
                "the root would not be exported",
                || table.to_string(),
            );
            let up = host.does("start nfs1; cat /var/log/xen/console/guest-nfs1.log; sleep 20; cat /srv/new/nfs1-root/heartbeat")?;
            for (what, says) in [
                ("guest reads /lab-marker: it is here", "the guest would not have the files that were asked"),
                ("guest reads /etc/hostname: nfs1.example.com", "the guest would not have the name that was asked"),
                ("mounted=1", "the guest would not find its root"),
            ] {
                see.that(up.text().contains(what), says, || up.to_string());
            }
            let shown = ask(host, see, &["list"])?;
            see.has(&shown, "domains[name=nfs1].disks[path=192.168.77.1:/srv/new/nfs1-root]", "nobody would see where its state lies");
            host.does("xl destroy nfs1; cp /root/lab/exports.kept /etc/exports; exportfs -r -a; systemctl stop nfs-server")?;
            Ok(())
        }),
        scenario(
            "kill -9 in each step of a disk that is given and one that is taken: the domain and its file agree after it",
            |host, see| {
                host.does("start web1")?;
                for (words, begin) in
                    [("attach web1 /dev/xenvols/orphan --vdev xvdb --where both", GIVEN_NOT), ("detach web1 xvdb --where both", GIVEN)]
                {
                    let mut steps = 0;
                    for step in 0..12 {
                        host.does(begin)?;
                        let Some(job) = caught_and_settled(host, see, step, words, if step % 2 == 0 { "undo" } else { "finish" })? else {
                            break;
                        };
                        steps += 1;
                        let had = begin == GIVEN;
                        let has = had == outcome_is(&job, "undone");
                        let now = host.does(&format!("echo config $(grep -c orphan /etc/xen/web1.cfg) files $(ls -A /etc/xen | grep -c -E 'domkeep|partial'); {CONNECTED}"))?;
                        let text = now.text();
                        let (config, live) = (text.contains("config 1"), text.contains("51728/state = \"4\""));
                        see.that(
                            config == has && live == has && text.contains("files 0"),
                            &format!("`{words}` killed in step {step} would leave the domain and its file in disagreement"),
                            || format!("{job}\n{now}"),
                        );
                    }
                    see.that(steps > 1, "the steps would not have been tried", || format!("{words}: {steps}"));
                }
                Ok(())
            },
        ),
        scenario("kill -9 in each step of a root on NFS: no export, directory or line of a configuration is left behind", |host, see| {
            host.does(&format!("{TREE}; systemctl start nfs-server; cp /etc/exports /root/lab/exports.kept"))?;
            let wizard = "nfs-root nfs1 --directory /srv/new/nfs1-root --populate directory --source /srv/new/tree --hostname nfs1.example.com --fstab yes \
                          --clients 192.168.77.21 --server 192.168.77.1 --network 192.168.77.21::192.168.77.1:255.255.255.0:nfs1:eth0:off --bridge xenbr0";
            let mut steps = 0;
            for step in 0..24 {
                let Some(job) = caught_and_settled(host, see, step, wizard, if step % 2 == 0 { "undo" } else { "finish" })? else { break };
                steps += 1;
                let done = usize::from(!outcome_is(&job, "undone"));
                let left = host.does(
                    "echo table $(exportfs -s | grep -c nfs1-root) list $(grep -c nfs1-root /etc/exports) config $(grep -c nfs1-root /etc/xen/nfs1.cfg) \
                     files $(cat /srv/new/nfs1-root/lab-marker 2>/dev/null | grep -c 'it is here') hidden $(ls -A /srv/new /etc /etc/xen | grep -c -E 'partial|domkeep\\.'); \
                     ls -A /srv/new; cat /etc/exports; rm -rf /srv/new/nfs1-root; cp /root/lab/exports.kept /etc/exports; exportfs -r -a; cp /root/lab/etc-xen/nfs1.cfg /etc/xen/nfs1.cfg",
                )?;
                let wanted = format!("table {done} list {done} config {done} files {done} hidden 0");
                see.that(
                    left.text().contains(&wanted),
                    &format!("a root on NFS whose job was killed in step {step} would be left half made"),
                    || format!("{wanted}\n{job}\n{left}"),
                );
            }
            see.that(steps > 5, "the steps would not have been tried", || steps.to_string());
            host.does("systemctl stop nfs-server").map(drop)
        }),
    ]
}

const TREE: &str = "mkdir -p /srv/new/tree/etc; echo 'it is here' >/srv/new/tree/lab-marker; echo old >/srv/new/tree/etc/hostname; \
                    echo '/dev/sda1 / ext4' >/srv/new/tree/etc/fstab";

/// `web1` runs, and has no second disk.
const GIVEN_NOT: &str = "cp /root/lab/etc-xen/web1.cfg /etc/xen/web1.cfg; xl block-detach web1 xvdb 2>/dev/null; sleep 1; true";
/// It has one, and its file says so.
const GIVEN: &str = "cp /root/lab/etc-xen/web1.cfg /etc/xen/web1.cfg; sed -i 's|,w\" ]|,w\", \"phy:/dev/xenvols/orphan,xvdb,w\" ]|' /etc/xen/web1.cfg; \
                     grep -q orphan /etc/xen/web1.cfg || exit 1; xl block-list web1 | grep -q 51728 || xl block-attach web1 phy:/dev/xenvols/orphan,xvdb,w";
