//! Clones that boot beside each other, snapshots that are dropped, origins that are rolled back, and what is not removed.

use anyhow::Result;

use super::changes::{caught_and_settled, outcome_is};
use crate::host::{Host, Said};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

/// Runs domkeep and keeps what it said, for the case that the scenario fails.
fn domkeep(host: &mut dyn Host, see: &mut See, args: &[&str]) -> Result<Said> {
    let said = host.domkeep(args)?;
    see.heard.push(said.clone());
    Ok(said)
}

/// Two clones are started from their configurations and run at the same time.
fn both_run(host: &mut dyn Host, see: &mut See, one: &str, other: &str) -> Result<()> {
    let up = host.does(&format!(
        "start {one}; start {other}; xl domid {one} && xl domid {other} && grep -h 'guest up' /var/log/xen/console/guest-{one}.log /var/log/xen/console/guest-{other}.log"
    ))?;
    see.that(up.text().matches("mounted=1").count() == 2, "two clones of one original would not run at the same time", || up.to_string());
    Ok(())
}

/// Kills a clone's job in each of its steps while the file system in it must be mounted to be changed.
fn killed_inside(host: &mut dyn Host, see: &mut See, make: &str, kind: &str) -> Result<()> {
    host.does(&format!(
        "lvcreate -q -y -W y -L 320M --addtag scratch -n one1 xenvols && {make} /dev/xenvols/one1 && mkdir -p /srv/small && mount /dev/xenvols/one1 /srv/small && mkdir /srv/small/etc && \
         echo one1 >/srv/small/etc/hostname && echo \"UUID=$(blkid -o value -s UUID /dev/xenvols/one1) / {kind} defaults 0 0\" >/srv/small/etc/fstab && umount /srv/small; \
         printf 'name = \"one1\"\nkernel = \"/var/lib/xen/images/guest-vmlinuz\"\nramdisk = \"/var/lib/xen/images/guest-initrd.gz\"\nmemory = 88\ndisk = [ \"/dev/xenvols/one1,raw,xvda,rw\" ]\n' >/etc/xen/one1.cfg; \
         md5sum </dev/xenvols/one1 >/root/lab/one1.md5"
    ))?;
    let mut steps = 0;
    for step in 0..32 {
        let way = if step % 2 == 0 { "undo" } else { "finish" };
        let Some(job) = caught_and_settled(host, see, step, "clone one1 --names one2 --inside yes", way)? else { break };
        steps += 1;
        let left = host.does(
            "md5sum </dev/xenvols/one1 | cmp - /root/lab/one1.md5 && echo untouched; grep domkeep /proc/mounts; ls -A /etc/xen | grep -E 'one2|partial'; lvs --noheadings -o lv_name xenvols | grep -E 'one2|domkeep' | tr -d ' '; \
             [ ! -e /dev/xenvols/one2 ] || { mount -o ro /dev/xenvols/one2 /srv/small && cat /srv/small/etc/hostname && grep -q \"UUID=$(blkid -o value -s UUID /dev/xenvols/one2) /\" /srv/small/etc/fstab && echo finds-root; \
             blkid -o value -s UUID /dev/xenvols/one1 /dev/xenvols/one2 | sort -u | wc -l; umount /srv/small; lvremove -q -y xenvols/one2 >/dev/null; }; rm -f /etc/xen/one2.cfg",
        )?;
        let wanted = if outcome_is(&job, "undone") { "untouched\n" } else { "untouched\none2.cfg\none2\none2\nfinds-root\n2\n" };
        see.that(
            left.text() == wanted,
            &format!("a clone of {kind} killed in step {step} and then told to {way} would leave a mess, or half an identity"),
            || format!("wanted {wanted}\n{job}\n{left}"),
        );
    }
    see.that(steps > 5, "the steps would not have been tried", || steps.to_string());
    host.does("rm -f /etc/xen/one[12].cfg; lvremove -q -y xenvols/one2 xenvols/one1 >/dev/null").map(drop)
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("two classic clones of one volume run at the same time and differ, and the original is as it was", |host, see| {
            host.does("start web1\nxl shutdown web1\nwait_gone web1\nmd5sum </dev/xenvols/web1-disk >/root/lab/web1.md5")?;
            let said = domkeep(host, see, &["clone", "web1", "--names", "web2,web3", "--store", "32M", "--yes"])?;
            see.exit(&said, 0, "a user could not clone a domain");
            both_run(host, see, "web2", "web3")?;
            let differ = host.does("sleep 20; xl shutdown web2; xl shutdown web3; wait_gone web2; wait_gone web3; cmp -s /dev/xenvols/web2-disk /dev/xenvols/web3-disk; echo \"differ $?\"; md5sum </dev/xenvols/web1-disk | cmp - /root/lab/web1.md5 && echo untouched; grep -h -E '^(uuid|name|disk)' /etc/xen/web[23].cfg")?;
            see.that(differ.text().contains("differ 1"), "two clones would be one disk", || differ.to_string());
            see.that(differ.text().contains("untouched"), "a clone would write to its original", || differ.to_string());

            // What is in the way of a removal, and what goes.
            let origin = domkeep(host, see, &["remove", "xenvols/web1-disk", "--yes", "--confirm", "xenvols/web1-disk"])?;
            see.that(origin.exit != Some(0) && origin.to_string().contains("web2"), "an origin would be removed, and its snapshots with it", || origin.to_string());
            let named = domkeep(host, see, &["remove", "xenvols/web2-disk", "--yes", "--confirm", "xenvols/web2-disk"])?;
            see.that(named.exit != Some(0) && named.to_string().contains("web2.cfg"), "a disk that a configuration names would be removed", || named.to_string());
            let untyped = domkeep(host, see, &["remove", "xenvols/web2-disk", "--config-file", "/etc/xen/web2.cfg", "--yes"])?;
            see.that(untyped.exit != Some(0), "--yes alone would remove a disk", || untyped.to_string());
            let gone = domkeep(host, see, &["remove", "xenvols/web2-disk", "--config-file", "/etc/xen/web2.cfg", "--yes", "--confirm", "web2"])?;
            see.exit(&gone, 0, "a user could not remove a clone");
            let left = host.does("lvs --noheadings -o lv_name xenvols | tr -d ' ' | grep web; ls /etc/xen")?;
            see.that(
                !left.text().contains("web2-disk") && left.text().contains("web3-disk") && left.text().contains("web1-disk") && !left.text().contains("web2.cfg\n"),
                "a removal would take the wrong volume, or leave the clone's configuration",
                || left.to_string(),
            );
            Ok(())
        })
        .short(),
        scenario("clones with a UUID, an fstab and a host name of their own inside boot beside each other", |host, see| {
            host.does(
                "mkdir -p /srv/new; e2fsck -f -y /dev/xenvols/web1-disk >/dev/null 2>&1; echo web1 >/srv/new/hostname; \
                 echo \"UUID=$(blkid -o value -s UUID /dev/xenvols/web1-disk) / ext4 defaults 0 1\" >/srv/new/fstab; \
                 printf 'mkdir etc\\ncd etc\\nrm fstab\\nrm hostname\\nwrite /srv/new/fstab fstab\\nwrite /srv/new/hostname hostname\\n' | debugfs -w /dev/xenvols/web1-disk >/dev/null 2>&1; \
                 md5sum </dev/xenvols/web1-disk >/root/lab/web1.md5",
            )?;
            let said = domkeep(host, see, &["clone", "web1", "--names", "web2,web3", "--store", "32M", "--inside", "yes", "--yes"])?;
            see.exit(&said, 0, "a user could not give clones identities of their own");
            let now = host.does(
                "md5sum </dev/xenvols/web1-disk | cmp - /root/lab/web1.md5 && echo untouched; for n in 1 2 3; do blkid -o value -s UUID /dev/xenvols/web$n-disk; done | sort -u | wc -l; \
                 for n in 2 3; do debugfs -R 'cat /etc/fstab' /dev/xenvols/web$n-disk 2>/dev/null | grep -q \"UUID=$(blkid -o value -s UUID /dev/xenvols/web$n-disk) /\" && echo finds-root; done; true",
            )?;
            see.that(now.text() == "untouched\n3\nfinds-root\nfinds-root\n", "clones would collide, not find their root, or be written into their original", || {
                now.to_string()
            });
            both_run(host, see, "web2", "web3")?;
            let names = host.does("grep -h '^guest reads /etc/hostname' /var/log/xen/console/guest-web[23].log; xl destroy web2; xl destroy web3; sleep 2; debugfs -w -R 'rm etc/fstab' /dev/xenvols/web1-disk 2>/dev/null; debugfs -w -R 'rm etc/hostname' /dev/xenvols/web1-disk 2>/dev/null; true")?;
            see.that(names.text().contains(": web2") && names.text().contains(": web3"), "two hosts would have one name", || names.to_string());
            Ok(())
        }),
        scenario("a clone of XFS that crashed has a UUID, an fstab and a host name of its own inside", |host, see| {
            host.does(
                "lvcreate -q -y -L 320M --addtag scratch -n xfs1 xenvols && mkfs.xfs -q -f /dev/xenvols/xfs1 && mkdir -p /srv/small && mount /dev/xenvols/xfs1 /srv/small && mkdir /srv/small/etc && echo xfs1 >/srv/small/etc/hostname && \
                 echo \"UUID=$(blkid -o value -s UUID /dev/xenvols/xfs1) / xfs defaults 0 0\" >/srv/small/etc/fstab && sync -f /srv/small && touch /srv/small/since && xfs_io -x -c 'shutdown -f' /srv/small; umount /srv/small; xfs_logprint -t /dev/xenvols/xfs1 | grep -o '<DIRTY>' || exit 1; \
                 printf 'name = \"xfs1\"\nkernel = \"/var/lib/xen/images/guest-vmlinuz\"\nramdisk = \"/var/lib/xen/images/guest-initrd.gz\"\nmemory = 88\ndisk = [ \"/dev/xenvols/xfs1,raw,xvda,rw\" ]\n' >/etc/xen/xfs1.cfg; \
                 md5sum </dev/xenvols/xfs1 >/root/lab/xfs1.md5",
            )?;
            let said = domkeep(host, see, &["clone", "xfs1", "--names", "xfs2", "--store", "64M", "--inside", "yes", "--yes"])?;
            see.that(said.exit == Some(1) && said.to_string().contains("--store"), "xfs_admin writes zeros over the log, and the snapshot would overflow", || said.to_string());
            let said = domkeep(host, see, &["clone", "xfs1", "--names", "xfs2", "--inside", "yes", "--yes"])?;
            see.exit(&said, 0, "a user could not give a clone of XFS an identity of its own");
            let now = host.does(
                "md5sum </dev/xenvols/xfs1 | cmp - /root/lab/xfs1.md5 && echo untouched; grep domkeep /proc/mounts; \
                 for n in 1 2; do blkid -o value -s UUID /dev/xenvols/xfs$n; done | sort -u | wc -l; mount -o ro /dev/xenvols/xfs2 /srv/small && cat /srv/small/etc/hostname && \
                 grep -q \"UUID=$(blkid -o value -s UUID /dev/xenvols/xfs2) /\" /srv/small/etc/fstab && echo finds-root; umount /srv/small; rm -f /etc/xen/xfs[12].cfg; lvremove -q -y xenvols/xfs2 xenvols/xfs1 >/dev/null",
            )?;
            see.that(
                now.text() == "untouched\n2\nxfs2\nfinds-root\n",
                "clones would collide, not find their root, stay mounted, or be written into their original",
                || now.to_string(),
            );
            Ok(())
        }),
        scenario("kill -9 in each step of a clone that gets an identity inside a mounted XFS and btrfs: nothing stays mounted", |host, see| {
            killed_inside(host, see, "mkfs.xfs -q -f", "xfs")?;
            killed_inside(host, see, "mkfs.btrfs -q -f -M", "btrfs")
        }),
        scenario("a thin clone is active at once and boots; another is made of it", |host, see| {
            host.does("printf 'name = \"thin1\"\\nkernel = \"/var/lib/xen/images/guest-vmlinuz\"\\nramdisk = \"/var/lib/xen/images/guest-initrd.gz\"\\nmemory = 88\\ndisk = [ \"/dev/xenvols/thin0,raw,xvda,rw\" ]\\n' >/etc/xen/thin1.cfg")?;
            let said = domkeep(host, see, &["clone", "thin1", "--names", "thin2", "--yes"])?;
            see.exit(&said, 0, "a user could not clone a domain on a thin volume");
            let said = domkeep(host, see, &["clone", "thin2", "--names", "thin3", "--yes"])?;
            see.exit(&said, 0, "a user could not clone a clone");
            both_run(host, see, "thin2", "thin3")
        }),
        scenario("overlays on one file boot beside each other; nobody starts the original under them", |host, see| {
            host.does("start files\nxl shutdown files\nwait_gone files\nmd5sum </srv/xen/img/file0.img >/root/lab/file0.md5")?;
            let said = domkeep(host, see, &["clone", "files", "--names", "files2,files3", "--how", "overlay", "--directory", "/srv/xen/img", "--yes"])?;
            see.exit(&said, 0, "a user could not make overlays");
            both_run(host, see, "files2", "files3")?;
            let start = domkeep(host, see, &["start", "files", "--yes"])?;
            see.that(start.exit != Some(0), "a domain would be started that destroys all overlays on its disk", || start.to_string());
            let more = domkeep(host, see, &["clone", "files", "--names", "files4", "--how", "overlay", "--directory", "/srv/xen/img", "--yes"])?;
            see.exit(&more, 0, "a third overlay could not be made while two run");
            let base = domkeep(host, see, &["remove", "/srv/xen/img/file0.img", "--yes", "--confirm", "/srv/xen/img/file0.img"])?;
            see.that(base.exit != Some(0), "the base of overlays would be removed", || base.to_string());
            let same = host.does("md5sum </srv/xen/img/file0.img | cmp - /root/lab/file0.md5 && echo untouched; ls -A /srv/xen/img")?;
            see.that(same.text().contains("untouched") && !same.text().contains("partial"), "an overlay would write to what it stands on", || same.to_string());
            host.does("xl destroy files2; xl destroy files3; sleep 2; rm -f /srv/xen/img/files[234].qcow2")?;
            Ok(())
        }),
        scenario("a file on XFS is cloned by sharing its blocks, boots, and takes no room until it differs", |host, see| {
            host.does("lvcreate -q -y -L 400M --addtag scratch -n small xenvols && mkfs.xfs -q -m reflink=1 /dev/xenvols/small && mkdir -p /srv/small && mount /dev/xenvols/small /srv/small && cp /srv/xen/img/file0.img /srv/small/share1.img; \
                       printf 'name = \"share1\"\\nkernel = \"/var/lib/xen/images/guest-vmlinuz\"\\nramdisk = \"/var/lib/xen/images/guest-initrd.gz\"\\nmemory = 88\\ndisk = [ \"/srv/small/share1.img,raw,xvda,rw\" ]\\n' >/etc/xen/share1.cfg; \
                       dd if=/dev/urandom of=/srv/small/share1.img bs=1M seek=40 count=20 conv=notrunc,fsync 2>/dev/null; df -B1 --output=avail /srv/small | tail -1 >/root/lab/avail")?;
            let said = domkeep(host, see, &["clone", "share1", "--names", "share2,share3", "--yes"])?;
            see.exit(&said, 0, "a user could not clone a file on XFS");
            let room = host.does("sync; now=$(df -B1 --output=avail /srv/small | tail -1); echo $(( $(cat /root/lab/avail) - now )); cmp /srv/small/share1.img /srv/small/share2.img && stat -c %a /srv/small/share2.img")?;
            let took = room.text().lines().next().and_then(|bytes| bytes.trim().parse::<i64>().ok()).unwrap_or(i64::MAX);
            see.that(took < 4 << 20, "the disk would be copied, not shared", || room.to_string());
            see.that(room.text().contains("600\n"), "others on the host could read a clone's disk", || room.to_string());
            both_run(host, see, "share2", "share3")?;
            host.does("xl destroy share2; xl destroy share3; sleep 2; umount /srv/small")?;
            Ok(())
        }),
        scenario("a file system that cannot share, a group without room, a name that exists: refused before anything changed", |host, see| {
            host.does("lvs --noheadings -o lv_name xenvols >/root/lab/before")?;
            for (args, says) in [
                (["files", "--names", "files2", "--how", "reflink"], "ext4"),
                (["web1", "--names", "web2", "--store", "100G"], "free"),
                (["web1", "--names", "files", "--how", "classic"], "files"),
                (["web1", "--names", "web2", "--how", "thin"], "thin pool"),
            ] {
                let mut words = vec!["clone"];
                words.extend(args);
                words.push("--yes");
                let said = domkeep(host, see, &words)?;
                // A store is never larger than what its origin needs.
                let fits = args.contains(&"100G");
                see.that(fits || said.exit != Some(0) && said.to_string().contains(says), "a clone that cannot be made would be begun", || said.to_string());
                if fits {
                    host.does("lvremove -q -y xenvols/web2-disk; rm /etc/xen/web2.cfg")?;
                }
            }
            let same = host.does("lvs --noheadings -o lv_name xenvols | cmp - /root/lab/before && echo same")?;
            see.that(same.text().contains("same"), "a refused clone would leave something", || same.to_string());
            Ok(())
        }),
        scenario("an origin is rolled back and boots with its old content; while it is used, that is refused", |host, see| {
            host.does("debugfs -w -R 'write /etc/hostname lab-marker' /dev/xenvols/web1-disk 2>/dev/null; lvcreate -q -y -s -L 32M -n before0 xenvols/web1-disk; start web1")?;
            let used = domkeep(host, see, &["roll-back", "xenvols/before0", "--yes", "--confirm", "xenvols/web1-disk"])?;
            see.that(used.exit != Some(0) && used.to_string().contains("web1"), "a roll-back of a disk in use would be put off to the next boot", || used.to_string());
            host.does("xl shutdown web1; wait_gone web1; debugfs -w -R 'rm lab-marker' /dev/xenvols/web1-disk 2>/dev/null")?;
            let said = domkeep(host, see, &["roll-back", "xenvols/before0", "--yes", "--confirm", "xenvols/web1-disk"])?;
            see.exit(&said, 0, "a user could not roll a volume back");
            let up = host.does("lvs -a --noheadings -o lv_name xenvols | grep before0; start web1; cat /var/log/xen/console/guest-web1.log")?;
            see.that(
                up.text().contains("guest reads /lab-marker") && !up.text().contains("before0"),
                "the origin would not have its old content, or the snapshot would still be there",
                || up.to_string(),
            );
            host.does("xl destroy web1; sleep 1; debugfs -w -R 'rm lab-marker' /dev/xenvols/web1-disk 2>/dev/null; true")?;
            Ok(())
        }),
        scenario("a snapshot is dropped, and its origin stays as it is", |host, see| {
            host.does("lvcreate -q -y -s -L 8M -n drop0 xenvols/origin0; md5sum </dev/xenvols/origin0 >/root/lab/origin0.md5")?;
            let said = domkeep(host, see, &["remove", "xenvols/drop0", "--yes", "--confirm", "xenvols/drop0"])?;
            see.exit(&said, 0, "a user could not drop a snapshot");
            let left = host.does("lvs -a --noheadings -o lv_name,lv_attr xenvols | grep -E 'drop0|origin0'; md5sum </dev/xenvols/origin0 | cmp - /root/lab/origin0.md5 && echo untouched")?;
            see.that(!left.text().contains("drop0") && left.text().contains("untouched"), "dropping a snapshot would touch its origin", || left.to_string());
            Ok(())
        })
        .short(),
    ]
}
