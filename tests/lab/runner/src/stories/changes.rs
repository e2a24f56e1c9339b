//! Changes: a disk is made, a domain is backed up, verified and brought back; and what is left when something goes wrong in the middle.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use domkeep_terminal::{Options, Session};
use serde_json::{Value, json};

use crate::host::{Host, Said, ask};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

const SOON: Duration = Duration::from_secs(240);

/// Runs domkeep and keeps what it said, for the case that the scenario fails.
pub(super) fn domkeep(host: &mut dyn Host, see: &mut See, args: &[&str]) -> Result<Said> {
    let said = host.domkeep(args)?;
    see.heard.push(said.clone());
    Ok(said)
}

/// The path of the newest bundle below a directory.
pub(super) fn newest_bundle(host: &mut dyn Host, dir: &str) -> Result<String> {
    let said = host.does(&format!("find {dir} -name manifest.toml -printf '%T@ %h\\n' | sort -n | tail -1 | cut -d' ' -f2-"))?;
    let path = said.text().trim().to_owned();
    if path.is_empty() {
        bail!("there is no bundle below {dir}");
    }
    Ok(path)
}

/// The newest job's state, asked until `is` likes it.
pub(super) fn wait_job(host: &mut dyn Host, see: &mut See, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let start = Instant::now();
    loop {
        let list = ask(host, see, &["jobs"])?;
        let newest = list.json["jobs"].as_array().and_then(|jobs| jobs.first()).cloned().unwrap_or(Value::Null);
        if is(&newest) || start.elapsed() > SOON {
            return Ok(newest);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

pub(super) fn id_of(job: &Value) -> String {
    job["id"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn state_of(job: &Value) -> String {
    job["state"]["state"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn outcome_is(job: &Value, outcome: &str) -> bool {
    job["state"]["outcome"] == json!(outcome)
}

/// Kills a job in a step and then has it finished or undone. The job as it ended; nothing: it has no such step.
pub(super) fn caught_and_settled(host: &mut dyn Host, see: &mut See, step: usize, words: &str, way: &str) -> Result<Option<Value>> {
    let caught = host.does(&format!("caught {step} {words}; [ $? -le 2 ]"))?;
    let id = caught.text().trim().to_owned();
    if id.is_empty() {
        return Ok(None);
    }
    let job = wait_job(host, see, |job| state_of(job) != "running")?;
    see.that(matches!(state_of(&job).as_str(), "leftover" | "ended"), "a job that was killed would not be found", || job.to_string());
    if state_of(&job) == "leftover" {
        see.that(job["can_finish"]["Err"].is_null(), &format!("a job killed in step {step} could only be taken back"), || job.to_string());
        let settled = domkeep(host, see, &["jobs", way, &id])?;
        let job = wait_job(host, see, |job| state_of(job) == "ended")?;
        let ended = outcome_is(&job, "undone") || outcome_is(&job, "done");
        see.that(ended, &format!("a job killed in step {step} could not be brought to an end by {way}"), || format!("{settled}\n{job}"));
        return Ok(Some(job));
    }
    Ok(Some(job))
}

/// A tree for a guest's disk.
pub(super) const TREE: &str = "mkdir -p /srv/new/tree/etc /srv/new/tree/dev; echo 'it is here' >/srv/new/tree/lab-marker; \
                    ln -s /etc/shadow /srv/new/tree/a-link; touch -d @1000000000 /srv/new/tree/old; chown 1234:56 /srv/new/tree/old";

pub(super) const GUEST: [&str; 12] = [
    "--memory",
    "88",
    "--vcpus",
    "1",
    "--boot",
    "kernel",
    "--kernel",
    "/var/lib/xen/images/guest-vmlinuz",
    "--ramdisk",
    "/var/lib/xen/images/guest-initrd.gz",
    "--vdev",
    "xvda",
];

fn new_disk(host: &mut dyn Host, see: &mut See, name: &str, more: &[&str]) -> Result<Said> {
    let (path, config) = (format!("/srv/new/{name}.img"), format!("/etc/xen/{name}.cfg"));
    let mut words = vec!["new-disk", &path, "--attach", "new", "--config-file", &config, "--name", name, "--yes"];
    words.extend(GUEST);
    words.extend(more);
    domkeep(host, see, &words)
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a disk made by the wizard boots in a new domain and holds what was asked", |host, see| {
            host.does(TREE)?;
            let said = new_disk(
                host,
                see,
                "made1",
                &[
                    "--size", "80M", "--file-system", "ext4", "--populate", "directory", "--source", "/srv/new/tree", "--hostname", "made1.example.com",
                    "--fstab", "yes",
                ],
            )?;
            see.exit(&said, 0, "a user could not make a disk");
            let looked = host.does("e2fsck -fn /srv/new/made1.img; stat -c '%s %b %a' /srv/new/made1.img; debugfs -R 'stat /old' /srv/new/made1.img; debugfs -R 'stat /a-link' /srv/new/made1.img; ls -A /srv/new; losetup -a | grep made1 | grep -v deleted; grep domkeep /proc/mounts; true")?;
            let text = looked.text();
            see.that(text.contains("83886080"), "the disk would have another size than was asked", || looked.to_string());
            see.that(text.contains(" 600\n"), "others on the host could read a guest's disk", || looked.to_string());
            see.that(text.contains("User:  1234") && text.contains("Group:    56"), "files would lose their owners", || looked.to_string());
            see.that(!text.contains("partial") && !text.contains("/dev/loop") && !text.contains("domkeep"), "a mount, loop device or half-made file would be left", || looked.to_string());
            let up = host.does("start made1; cat /var/log/xen/console/guest-made1.log")?;
            for (what, says) in [
                ("guest reads /etc/hostname: made1.example.com", "the guest would not have the name that was asked"),
                ("guest reads /lab-marker: it is here", "the guest would not have the files that were asked"),
                ("guest reads /etc/fstab: ", "the guest would not find its root at the next boot"),
                ("mounted=1", "the disk would not be a file system to the guest"),
            ] {
                see.that(up.text().contains(what), says, || up.to_string());
            }
            Ok(())
        })
        .short(),
        scenario("a disk of each file system is made, from an archive too", |host, see| {
            host.does(&format!("{TREE}; tar -C /srv/new/tree -cf /srv/new/tree.tar ."))?;
            for (name, file_system, size) in [("fs3", "ext3", "64M"), ("fsx", "xfs", "320M"), ("fsb", "btrfs", "160M"), ("fsn", "none", "8M")] {
                let path = format!("/srv/new/{name}.img");
                let mut words = vec!["new-disk", &path, "--size", size, "--file-system", file_system, "--yes"];
                if file_system != "none" {
                    words.extend(["--populate", "archive", "--source", "/srv/new/tree.tar", "--fstab", "no"]);
                }
                let said = domkeep(host, see, &words)?;
                see.exit(&said, 0, &format!("a user could not make a disk with {file_system}"));
                let kind = host.does(&format!("blkid -o value -s TYPE {path}; true"))?;
                let wanted = if file_system == "none" { "" } else { file_system };
                see.that(kind.text().trim() == wanted, &format!("the disk would not hold {file_system}"), || kind.to_string());
            }
            let marker = host.does("mkdir -p /root/lab/mnt; for n in fs3 fsx fsb; do mount -o loop /srv/new/$n.img /root/lab/mnt && cat /root/lab/mnt/lab-marker; umount /root/lab/mnt; done")?;
            see.that(marker.text().matches("it is here").count() == 3, "an archive would not be unpacked into the disk", || marker.to_string());
            Ok(())
        }),
        scenario("a cold backup of a file disk is verified, restored and boots again", |host, see| {
            host.does("start files\nxl shutdown files\nwait_gone files\nmkdir -p /srv/backup")?;
            let said = domkeep(host, see, &["backup", "files", "--to", "/srv/backup", "--yes"])?;
            see.exit(&said, 0, "a user could not back up a domain that is off");
            let bundle = newest_bundle(host, "/srv/backup")?;
            let same = host.does(&format!("cmp /srv/xen/img/file0.img {bundle}/xvda.img && stat -c %a {bundle} {bundle}/xvda.img && cp --sparse=always {bundle}/xvda.img /root/kept.img"))?;
            see.that(same.text() == "700\n600\n", "others could read the backup of a guest's disk", || same.to_string());
            let verified = domkeep(host, see, &["verify", &bundle])?;
            see.exit(&verified, 0, "a good backup would be called bad");
            // The disk is lost; the backup brings it back.
            host.does("rm /srv/xen/img/file0.img")?;
            let restored = domkeep(host, see, &["restore", &bundle, "--to", "old-place", "--yes"])?;
            see.exit(&restored, 0, "a user whose disk is gone could not bring it back");
            let checked = host.does("cmp /srv/xen/img/file0.img /root/kept.img && e2fsck -fn /srv/xen/img/file0.img && rm /root/kept.img")?;
            see.that(checked.exit == Some(0), "what comes back would not be what was saved", || checked.to_string());
            host.does("start files")?;
            // A flipped bit is found, and where.
            host.does(&format!("xl destroy files; printf '\\377' | dd of={bundle}/xvda.img bs=1 seek=20000000 conv=notrunc 2>/dev/null"))?;
            let bad = domkeep(host, see, &["verify", &bundle])?;
            see.that(bad.exit != Some(0) && bad.to_string().contains("xvda.img"), "a backup that went bad would be called good", || bad.to_string());
            Ok(())
        })
        .short(),
        scenario("a running domain with two volumes is shut down, backed up, and started again; RESTORE.txt alone brings it back", |host, see| {
            host.does("mkdir -p /srv/backup\nstart db1 /etc/xen/database.cfg")?;
            let said = domkeep(host, see, &["backup", "db1", "--to", "/srv/backup", "--when-running", "shut-down", "--yes"])?;
            see.exit(&said, 0, "a user could not back up a running domain in the simplest safe way");
            let up = host.does("xl domid db1")?;
            see.that(up.exit == Some(0), "the domain would stay down after its backup", || up.to_string());
            let bundle = newest_bundle(host, "/srv/backup")?;
            let verified = domkeep(host, see, &["verify", &bundle])?;
            see.exit(&verified, 0, "a good backup would be called bad");
            let text = host.does(&format!("cat {bundle}/RESTORE.txt"))?;
            // By hand, with the commands that stand there: the first block of each disk is destroyed before.
            host.does("xl destroy db1; sleep 2; for v in db1-root db1-data; do dd if=/dev/zero of=/dev/xenvols/$v bs=1M count=8 conv=fsync 2>/dev/null; done")?;
            let by_hand = host.does(&format!(
                "cd {bundle}; for n in $(sed -n 's/^# begin sh: \\(piece-.*\\)$/\\1/p' RESTORE.txt); do sh -c \"$(sed -n \"/^# begin sh: $n\\$/,/^# end sh\\$/p\" RESTORE.txt)\" || exit 1; done; cmp xvda.img /dev/xenvols/db1-root && cmp xvdb.img /dev/xenvols/db1-data && e2fsck -fn /dev/xenvols/db1-root && e2fsck -fn /dev/xenvols/db1-data"
            ));
            see.that(by_hand.is_ok(), "somebody without domkeep could not restore by RESTORE.txt", || format!("{}\n{:?}", text.text(), by_hand.map(|said| said.to_string())));
            host.does("start db1 /etc/xen/database.cfg")?;
            Ok(())
        }),
        scenario("a volume is restored in place only with its name typed, and holds what it held, zeros included", |host, see| {
            host.does("start web1\nxl shutdown web1\nwait_gone web1\nmkdir -p /srv/backup")?;
            let said = domkeep(host, see, &["backup", "web1", "--to", "/srv/backup", "--yes"])?;
            see.exit(&said, 0, "a user could not back up a domain with a volume");
            let bundle = newest_bundle(host, "/srv/backup")?;
            host.does("tr '\\0' '\\377' </dev/zero | dd of=/dev/xenvols/web1-disk bs=1M count=96 iflag=fullblock conv=fsync 2>/dev/null")?;
            let refused = domkeep(host, see, &["restore", &bundle, "--to", "old-place", "--yes"])?;
            see.that(refused.exit != Some(0), "--yes alone would overwrite a volume", || refused.to_string());
            let wanted = ask(host, see, &["restore", &bundle, "--to", "old-place", "--dry-run"])?;
            let name = wanted.json["plan"]["confirm"]["name"].as_str().or(wanted.json["confirm"]["name"].as_str()).unwrap_or("web1").to_owned();
            let restored = domkeep(host, see, &["restore", &bundle, "--to", "old-place", "--yes", "--confirm", &name])?;
            see.exit(&restored, 0, "a user could not bring a volume back");
            let same = host.does(&format!("cmp {bundle}/xvda.img /dev/xenvols/web1-disk && e2fsck -fn /dev/xenvols/web1-disk"));
            see.that(same.is_ok(), "old bytes would show through where the backup has zeros", || format!("{:?}", same.map(|said| said.to_string())));
            host.does("start web1")?;
            Ok(())
        }),
        scenario("a domain that is started in the middle of its backup makes it torn, never good", |host, see| {
            host.does("mkdir -p /srv/backup\nfull_disk 40 20")?;
            // Slow enough to be caught in the middle.
            host.does("(domkeep backup files --to /srv/backup --rate 2M --yes >/root/lab/torn.out 2>&1; echo \"exit $?\" >>/root/lab/torn.out) &\nsleep 6; start files")?;
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            let outcome = job["state"]["outcome"].to_string();
            see.that(!outcome.contains("done"), "a backup of a disk that changed would be called good", || job.to_string());
            let good = ask(host, see, &["bundles", "/srv/backup"])?;
            let text = good.json.to_string();
            see.that(!text.contains("\"good\""), "a torn backup would stand among the good ones", || text.clone());
            let runs = host.does("xl domid files; cat /root/lab/torn.out")?;
            see.that(runs.text().lines().next().is_some_and(|id| id.parse::<u32>().is_ok()), "the domain that was started would be harmed", || runs.to_string());
            Ok(())
        }),
        scenario("kill -9 in the middle of a copy: found, finished, and the bundle is good", |host, see| {
            host.does("mkdir -p /srv/backup\nfull_disk 30 30")?;
            host.does("domkeep backup files --to /srv/backup --rate 4M --yes --detach; sleep 5; pkill -KILL -f 'domkeep.*run-job'; sleep 1")?;
            let job = wait_job(host, see, |job| state_of(job) == "leftover")?;
            see.that(state_of(&job) == "leftover", "an interrupted backup would not be found", || job.to_string());
            let finished = domkeep(host, see, &["jobs", "finish", &id_of(&job)])?;
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            see.that(job["state"]["outcome"] == json!("done"), "an interrupted backup could not be finished", || format!("{finished}\n{job}"));
            let bundle = newest_bundle(host, "/srv/backup")?;
            let same = host.does(&format!("cmp /srv/xen/img/file0.img {bundle}/xvda.img; ls -A {bundle} $(dirname {bundle})"))?;
            see.that(same.exit == Some(0) && !same.text().contains("partial"), "a finished backup would not hold the disk", || same.to_string());
            let verified = domkeep(host, see, &["verify", &bundle])?;
            see.exit(&verified, 0, "a finished backup would be called bad");
            Ok(())
        }),
        scenario("kill -9 while a disk is filled: undone, nothing mounted, a stranger's file untouched", |host, see| {
            host.does(&format!("{TREE}; for i in $(seq 1 1500); do echo $i >/srv/new/tree/file$i; done; echo mine >/srv/new/.left1.img.partial"))?;
            host.does("domkeep new-disk /srv/new/left1.img --size 80M --file-system ext4 --populate directory --source /srv/new/tree --fstab no --yes --detach; \
                       for i in $(seq 1 300); do grep -q domkeep /proc/mounts && break; sleep 0.1; done; pkill -KILL -f 'domkeep.*run-job'; sleep 2")?;
            let job = wait_job(host, see, |job| state_of(job) == "leftover")?;
            see.that(state_of(&job) == "leftover", "an interrupted wizard would not be found", || job.to_string());
            let undone = domkeep(host, see, &["jobs", "undo", &id_of(&job)])?;
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            let left = host.does("grep domkeep /proc/mounts; losetup -a | grep left1; ls -A /srv/new; cat /srv/new/.left1.img.partial")?;
            let text = left.text();
            see.that(!text.contains("/proc") && !text.contains("/dev/loop") && !text.contains("left1.img\n") && text.contains("mine"), "an undone wizard would leave something, or take what is a stranger's", || {
                format!("{undone}\n{job}\n{left}")
            });
            Ok(())
        }),
        scenario("kill -9 in each step of the wizard: finish and undo both end clean", |host, see| {
            host.does(&format!("{TREE}; echo mine >/srv/new/.each.img.partial"))?;
            let wizard = "new-disk /srv/new/each.img --size 40M --file-system ext4 --populate directory --source /srv/new/tree --hostname each.example.com --fstab yes \
                          --attach new --config-file /etc/xen/each.cfg --name each --memory 88 --vcpus 1 --vdev xvda --boot kernel \
                          --kernel /var/lib/xen/images/guest-vmlinuz --ramdisk /var/lib/xen/images/guest-initrd.gz";
            let mut steps = Vec::new();
            for step in 0..40 {
                let way = if step % 2 == 0 { "undo" } else { "finish" };
                let Some(job) = caught_and_settled(host, see, step, wizard, way)? else { break };
                steps.push(step);
                let left = host.does("grep domkeep /proc/mounts; losetup -a | grep each; cat /srv/new/.each.img.partial; ls -A /srv/new /etc/xen | grep each; \
                                      ! [ -e /srv/new/each.img ] || { e2fsck -fn /srv/new/each.img >&2 && debugfs -R 'cat /lab-marker' /srv/new/each.img; }; rm -f /srv/new/each.img /etc/xen/each.cfg")?;
                let text = left.text();
                let whole = text.contains("it is here") && text.contains("each.cfg");
                let nothing = !text.contains("each.img\n") && !text.contains("each.cfg");
                let clean = !text.contains("/proc/") && !text.contains("/dev/loop") && text.starts_with("mine\n");
                // What was done before it was killed is done.
                let ended = if outcome_is(&job, "undone") { nothing } else { whole };
                see.that(clean && ended && left.exit == Some(0), &format!("the wizard killed in step {step} and then told to {way} would leave a mess"), || {
                    format!("{job}\n{left}")
                });
            }
            see.that(steps.len() > 6, "the steps of the wizard would not have been tried", || format!("{steps:?}"));
            Ok(())
        }),
        scenario("kill -9 in each step of a backup that shuts its domain down: it runs again, and the bundle is good or gone", |host, see| {
            host.does("mkdir -p /srv/backup\nfull_disk 30 6")?;
            let mut steps = Vec::new();
            for step in 0..40 {
                let way = if step % 2 == 0 { "finish" } else { "undo" };
                // A guest that still boots hears no wish to shut down.
                host.does("xl destroy files 2>/dev/null; wait_gone files; start files")?;
                let Some(job) = caught_and_settled(host, see, step, "backup files --to /srv/backup --when-running shut-down", way)? else { break };
                steps.push(step);
                let left = host.does("xl domid files >/dev/null && echo runs; find /srv/backup -name '*partial*'; find /srv/backup -name manifest.toml")?;
                let text = left.text();
                let bundle = text.contains("manifest.toml");
                let right = if outcome_is(&job, "undone") { !bundle } else { bundle };
                see.that(text.contains("runs\n") && !text.contains("partial") && right, &format!("a backup killed in step {step} and then told to {way} would leave a mess"), || {
                    format!("{job}\n{left}")
                });
                if bundle {
                    let path = newest_bundle(host, "/srv/backup")?;
                    let verified = domkeep(host, see, &["verify", &path])?;
                    see.exit(&verified, 0, "a backup that was killed and finished would be bad");
                }
                host.does("rm -rf /srv/backup/*")?;
            }
            see.that(steps.len() > 8, "the steps of the backup would not have been tried", || format!("{steps:?}"));
            Ok(())
        }),
        scenario("the line is cut in the middle of a backup that was started from the screen: the job ends good, the next login sees it", |host, see| {
            host.does("mkdir -p /srv/backup\nfull_disk 30 30")?;
            let words = host.person()?;
            let (program, args) = words.split_first().ok_or_else(|| anyhow::anyhow!("nothing to start"))?;
            let options = Options::default().size(80, 24).env("TERM", "xterm-256color").env("HOME", "/root");
            let mut session = Session::start(program, args, &options)?;
            for (keys, sees) in [
                ("", "web1"),
                ("/files<enter>", "files"),
                ("b", "Back up files"),
                ("/srv/backup<tab><tab><tab>1M", "1M"),
                ("<c-s>", "STEPS ("),
                ("<enter>", "Yes: Launch it"),
                ("<enter>", "Copy the disk"),
            ] {
                session.keys(keys)?;
                let seen = session.wait_for_text(sees, SOON);
                see.that(seen.is_ok(), "a user could not start a backup from the screen", || format!("after {keys}\n{}", session.screen_text()));
                session.wait_quiet(Duration::from_millis(500)).ok();
            }
            let job = wait_job(host, see, |job| state_of(job) == "running")?;
            see.that(state_of(&job) == "running", "the backup would not be at work when the line is cut", || job.to_string());
            session.hang_up();
            std::thread::sleep(Duration::from_secs(3));
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            see.that(job["state"]["outcome"] == json!("done"), "a cut line would take the backup with it", || job.to_string());
            let bundle = newest_bundle(host, "/srv/backup")?;
            let verified = domkeep(host, see, &["verify", &bundle])?;
            see.exit(&verified, 0, "a backup whose starter was cut off would be bad");
            Ok(())
        }),
        scenario("the whole machine stops in the middle of a backup: the next boot finds it, and both ways end clean", |host, see| {
            for way in ["undo", "finish"] {
                host.does("mkdir -p /srv/backup\nfull_disk 30 30; sync")?;
                host.does("domkeep backup files --to /srv/backup --rate 3M --yes --detach; sleep 8")?;
                host.power_cut()?;
                let job = wait_job(host, see, |job| state_of(job) == "leftover")?;
                see.that(state_of(&job) == "leftover", "after a power cut nobody would be told of the backup that was at work", || job.to_string());
                let said = domkeep(host, see, &["jobs", way, &id_of(&job)])?;
                let job = wait_job(host, see, |job| state_of(job) == "ended")?;
                if way == "undo" {
                    let left = host.does("find /srv/backup -mindepth 1")?;
                    see.that(outcome_is(&job, "undone") && left.text().is_empty(), "after a power cut an undone backup would leave something", || {
                        format!("{said}\n{job}\n{left}")
                    });
                    continue;
                }
                see.that(outcome_is(&job, "done"), "after a power cut a backup could not be finished", || format!("{said}\n{job}"));
                let bundle = newest_bundle(host, "/srv/backup")?;
                let same = host.does(&format!("cmp /srv/xen/img/file0.img {bundle}/xvda.img"));
                see.that(same.is_ok(), "after a power cut a finished backup would not hold the disk", || format!("{:?}", same.map(|said| said.to_string())));
            }
            Ok(())
        })
        .fresh(),
        scenario("the destination fills up in the middle: a clear error, nothing half-made with a good name", |host, see| {
            host.does("lvcreate -q -y -L 48M --addtag scratch -n small xenvols && mkfs.ext4 -q -m 0 /dev/xenvols/small && mkdir -p /srv/small && mount /dev/xenvols/small /srv/small\n\
                       full_disk 4 36")?;
            let refused = domkeep(host, see, &["backup", "files", "--to", "/srv/small", "--yes"])?;
            see.that(refused.exit != Some(0), "a backup that does not fit would be started", || refused.to_string());
            // It fits when it is planned, and does not any more while it is copied.
            host.does("dd if=/dev/zero of=/srv/xen/img/file0.img bs=1M seek=4 count=20 conv=notrunc 2>/dev/null; fallocate -d /srv/xen/img/file0.img; \
                       (domkeep backup files --to /srv/small --rate 2M --yes >/root/lab/full.out 2>&1; echo \"exit $?\" >>/root/lab/full.out) & sleep 4; fallocate -l 44M /srv/small/filler || dd if=/dev/zero of=/srv/small/filler bs=1M count=44 2>/dev/null; wait; true")?;
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            let out = host.does("cat /root/lab/full.out; find /srv/small -name manifest.toml; find /srv/small -name '*.img'")?;
            see.that(out.text().contains("no room left") && !out.text().contains("manifest.toml\n"), "a full disk would not be named, or leave half a backup", || format!("{job}\n{out}"));
            host.does("umount /srv/small")?;
            Ok(())
        }),
        scenario("a disk with a bad block is copied as far as it can be read, and what is missing is said", |host, see| {
            host.does("mkdir -p /srv/backup; n=$(blockdev --getsz /dev/xenvols/hot0); \
                       printf '0 40960 linear /dev/xenvols/hot0 0\\n40960 8 error\\n40968 %s linear /dev/xenvols/hot0 40968\\n' $((n - 40968)) | dmsetup create lab-bad")?;
            let said = domkeep(host, see, &["copy", "/dev/mapper/lab-bad", "/srv/backup/bad.img", "--yes", "--json"])?;
            see.that(said.text().contains("20971520"), "nobody would be told which bytes could not be read", || said.to_string());
            see.that(said.exit != Some(0), "a copy with holes in it would be called good", || said.to_string());
            host.does("dmsetup remove lab-bad")?;
            Ok(())
        }),
        scenario("a copy onto a device full of ones is identical; one that is mounted or held is refused", |host, see| {
            host.does("lvcreate -q -y -L 96M --addtag scratch -n ones xenvols; tr '\\0' '\\377' </dev/zero | dd of=/dev/xenvols/ones bs=1M count=96 iflag=fullblock conv=fsync 2>/dev/null")?;
            let refused = domkeep(host, see, &["copy", "/dev/xenvols/web1-disk", "/dev/xenvols/ones", "--yes"])?;
            see.that(refused.exit != Some(0), "--yes alone would overwrite a volume", || refused.to_string());
            let said = domkeep(host, see, &["copy", "/dev/xenvols/web1-disk", "/dev/xenvols/ones", "--yes", "--confirm", "/dev/xenvols/ones", "--verify", "yes"])?;
            see.exit(&said, 0, "a user could not copy a volume onto another");
            let same = host.does("cmp /dev/xenvols/web1-disk /dev/xenvols/ones");
            see.that(same.is_ok(), "old bytes would show through where the source has zeros", || format!("{:?}", same.map(|said| said.to_string())));
            host.does("mkdir -p /root/lab/mnt; mount /dev/xenvols/ones /root/lab/mnt; place web1")?;
            for target in ["/dev/xenvols/ones", "/dev/xenvols/web1-disk", "/dev/vdb1"] {
                let said = domkeep(host, see, &["copy", "/dev/xenvols/hot0", target, "--yes", "--confirm", target])?;
                see.that(said.exit != Some(0), &format!("{target}, which is in use, would be overwritten"), || said.to_string());
            }
            host.does("umount /root/lab/mnt; e2fsck -fn /dev/xenvols/ones")?;
            Ok(())
        }),
        scenario("two jobs want one disk: the second is refused and told by whom", |host, see| {
            host.does("mkdir -p /srv/backup\nfull_disk 30 30\n\
                       domkeep backup files --to /srv/backup --rate 1M --yes --detach; sleep 2")?;
            let second = domkeep(host, see, &["backup", "files", "--to", "/srv/backup", "--yes"])?;
            see.that(second.exit != Some(0), "two jobs would work on one disk", || second.to_string());
            let job = wait_job(host, see, |_| true)?;
            domkeep(host, see, &["jobs", "cancel", &id_of(&job)])?;
            let job = wait_job(host, see, |job| state_of(job) == "ended")?;
            let left = host.does("find /srv/backup -name '*.img' -o -name manifest.toml")?;
            see.that(state_of(&job) == "ended" && left.text().is_empty(), "a cancelled backup would leave something behind", || format!("{job}\n{left}"));
            Ok(())
        }),
        scenario("a start and a resume look first: a stale image is not resumed without the name typed", |host, see| {
            host.does("start web1\nxl save web1 /root/web1.save")?;
            let start = domkeep(host, see, &["start", "web1", "--yes"])?;
            see.that(start.exit != Some(0), "a start would silently throw the saved memory away", || start.to_string());
            host.does("start web1\nxl destroy web1")?;
            let resume = domkeep(host, see, &["resume", "/root/web1.save", "--yes"])?;
            see.that(resume.exit != Some(0), "an image whose disk changed would be resumed, and destroy the file system", || resume.to_string());
            let gone = host.does("xl domid web1 2>&1; true")?;
            see.that(gone.text().contains("does not exist"), "a refused resume would have started the domain", || gone.to_string());
            host.does("rm /root/web1.save")?;
            let start = domkeep(host, see, &["start", "web1", "--yes"])?;
            see.exit(&start, 0, "a user could not start a domain");
            Ok(())
        }),
    ]
}
