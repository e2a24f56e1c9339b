//! Volumes: made from nothing, thin, grown, moved to and from; with the commands that the plans show.

use anyhow::Result;

use super::changes::{GUEST, TREE, caught_and_settled, domkeep, outcome_is};
use crate::host::{Host, Said};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

/// A spare device: an empty loop device.
const SPARE: &str = "truncate -s 400M /srv/new/spare.img\nlosetup /dev/loop7 /srv/new/spare.img";

const FILLED: [&str; 8] = ["--file-system", "ext4", "--populate", "directory", "--source", "/srv/new/tree", "--fstab", "yes"];

fn new_volume(host: &mut dyn Host, see: &mut See, volume: &str, name: &str, more: &[&str]) -> Result<Said> {
    let config = format!("/etc/xen/{name}.cfg");
    let mut words = vec!["new-volume", volume, "--attach", "new", "--config-file", &config, "--name", name];
    words.extend(GUEST);
    words.extend(FILLED);
    words.extend(more);
    domkeep(host, see, &words)
}

const PARTS_AWAY: &str = "lvremove -q -y small0/parts >/dev/null; vgremove -q -y small0 >/dev/null; pvremove -q -y /dev/loop7 /dev/loop8 >/dev/null; losetup -d /dev/loop7; losetup -d /dev/loop8; \
                          rm -f /etc/xen/parts.cfg; true";

/// A domain of its own with a disk in a file, which nobody else names.
const MOVER: &str = "mkdir -p /srv/new; cp --sparse=always /srv/xen/img/file0.img /srv/new/mover.img\necho 'it is here' >/srv/new/marker\n\
                     e2fsck -f -y /srv/new/mover.img >/dev/null 2>&1; debugfs -w -R 'write /srv/new/marker lab-marker' /srv/new/mover.img 2>/dev/null; cp --sparse=always /srv/new/mover.img /root/lab/mover.img\n\
                     config mover.cfg mover <<'E'\ndisk = [ \"file:/srv/new/mover.img,xvda,w\" ]\nE";

/// Boots a domain and looks whether it has what its disk was filled with.
fn boots(host: &mut dyn Host, see: &mut See, name: &str, says: &str) -> Result<()> {
    let up = host.does(&format!("start {name}; grep '^guest ' /var/log/xen/console/guest-{name}.log"))?;
    let text = up.text();
    see.that(text.contains("guest reads /lab-marker: it is here") && text.contains("mounted=1"), says, || up.to_string());
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a volume on a spare device, from nothing: group, volume, system, domain; it boots", |host, see| {
            host.does(&format!("{TREE}\n{SPARE}"))?;
            let plan = new_volume(host, see, "spare/vol1", "vol1", &["--size", "64M", "--device", "/dev/loop7", "--dry-run"])?;
            for line in ["pvcreate /dev/loop7", "vgcreate --addtag", "blkdiscard -z /dev/spare/vol1", "mke2fs"] {
                see.that(plan.text().contains(line), "a user would not see the command before it runs", || format!("{line}\n{plan}"));
            }
            let said = new_volume(host, see, "spare/vol1", "vol1", &["--size", "64M", "--device", "/dev/loop7", "--yes"])?;
            see.exit(&said, 0, "a user could not make a volume on an empty device");
            boots(host, see, "vol1", "a domain would not boot from a new volume")?;
            let again = domkeep(host, see, &["new-volume", "other/x", "--size", "32M", "--device", "/dev/loop7", "--yes"])?;
            see.that(again.exit != Some(0) && again.to_string().contains("pv-in-use"), "a disk in use would be made empty", || {
                again.to_string()
            });
            host.does("lvcreate -q -y -L 32M --addtag scratch -n full0 xenvols; mkfs.ext4 -q /dev/xenvols/full0")?;
            for (device, what) in [("/dev/xenvols/full0", "ext4"), ("/dev/vdb2", "forms2"), ("/dev/vdb", "in use")] {
                let full = domkeep(host, see, &["new-volume", "other/x", "--size", "32M", "--device", device, "--yes"])?;
                see.that(full.exit == Some(1) && full.to_string().contains(what), "what is on a device would be lost", || full.to_string());
            }
            Ok(())
        }),
        scenario("nothing of a former volume shows through in a new one", |host, see| {
            host.does("lvcreate -q -y -L 32M -n former xenvols\nyes secret | dd of=/dev/xenvols/former bs=1M count=32 iflag=fullblock 2>/dev/null\nlvremove -q -y xenvols/former")?;
            let said = domkeep(host, see, &["new-volume", "xenvols/later", "--size", "32M", "--file-system", "none", "--yes"])?;
            see.exit(&said, 0, "a user could not make a volume without a file system");
            let looked = host.does("tr -d '\\0' </dev/xenvols/later | wc -c")?;
            see.that(looked.text().trim() == "0", "a new guest could read what an old one wrote", || looked.to_string());
            Ok(())
        }),
        scenario("a thin volume with its pool is made by the commands that are shown, as a script, and boots", |host, see| {
            host.does(TREE)?;
            let script = new_volume(
                host,
                see,
                "xenvols/vol2",
                "vol2",
                &["--size", "64M", "--thin-pool", "vol2pool", "--pool-size", "128M", "--script"],
            )?;
            see.exit(&script, 0, "a user could not have the plan as a script");
            let ran =
                host.does(&format!("cat >/srv/new/plan.sh <<'END OF THE PLAN'\n{}\nEND OF THE PLAN\nsh /srv/new/plan.sh", script.text()))?;
            see.exit(&ran, 0, "the commands that are shown would not do what the plan does");
            boots(host, see, "vol2", "a domain would not boot from a new thin volume")?;
            let more = domkeep(host, see, &["grow", "xenvols/vol2pool", "--by", "32M", "--yes"])?;
            see.exit(&more, 0, "a user could not grow a pool that is in use");
            let metadata = domkeep(host, see, &["grow", "xenvols/vol2pool", "--by", "4M", "--metadata", "yes", "--yes"])?;
            see.exit(&metadata, 0, "a user could not grow a pool's metadata");
            let sizes = host.does("lvs --noheadings --units m -o lv_size,lv_metadata_size xenvols/vol2pool")?;
            see.that(sizes.text().contains("160.00m") && sizes.text().contains("8.00m"), "the pool would not have grown", || {
                sizes.to_string()
            });
            Ok(())
        }),
        scenario("a running guest sees its volume grow, and its file; what is off grows with its file system", |host, see| {
            host.does(TREE)?;
            let said = new_volume(host, see, "xenvols/vol3", "vol3", &["--size", "64M", "--yes"])?;
            see.exit(&said, 0, "a user could not make a volume");
            boots(host, see, "vol3", "a domain would not boot from a new volume")?;
            let grown = domkeep(host, see, &["grow", "xenvols/vol3", "--by", "32M", "--yes"])?;
            see.exit(&grown, 0, "a user could not grow a disk of a running domain");
            let heard = host.does("wait_for /var/log/xen/console/guest-vol3.log 'capacity change from 131072 to 196608' 60")?;
            see.exit(&heard, 0, "the running guest would not learn of the new size, and domkeep says that it does");
            host.does("xl destroy vol3\nwait_gone vol3")?;
            let off = domkeep(host, see, &["grow", "/dev/xenvols/vol3", "--to", "128M", "--yes"])?;
            see.exit(&off, 0, "a user could not grow a disk whose guest crashed");
            let inside = host.does(
                "dumpe2fs -h /dev/xenvols/vol3 2>/dev/null | awk '/^Block count/ { c = $3 } /^Block size/ { s = $3 } END { print c * s }'",
            )?;
            see.that(inside.text().trim() == "134217728", "the file system would not fill the larger disk", || inside.to_string());
            boots(host, see, "vol3", "the guest would not boot from its grown disk")?;
            host.does("xl destroy vol3\nwait_gone vol3\nstart files")?;
            let file = domkeep(host, see, &["grow", "/srv/xen/img/file0.img", "--to", "72M", "--yes"])?;
            see.exit(&file, 0, "a user could not grow the file of a running domain");
            let heard = host.does("wait_for /var/log/xen/console/guest-files.log 'capacity change from 131072 to 147456' 60")?;
            see.exit(&heard, 0, "the running guest would not learn of the new size, and domkeep says that it does");
            host.does("xl destroy files\nwait_gone files\ntruncate -s 64M /srv/xen/img/file0.img")?;
            Ok(())
        }),
        scenario("the last partition grows with its disk, and the file system in it; one disk more joins the group for that", |host, see| {
            // Not on the device itself: parted would map its partitions, and so hold it.
            host.does(&format!(
                "mkdir -p /srv/new; {SPARE}; truncate -s 200M /srv/new/group.img; losetup /dev/loop8 /srv/new/group.img; vgcreate -q -y small0 /dev/loop8 && lvcreate -q -y -L 96M -n parts small0 && \
                 truncate -s 96M /srv/new/parts.img && parted -s /srv/new/parts.img mklabel gpt mkpart one 1MiB 17MiB mkpart two 17MiB 100% && dd if=/srv/new/parts.img of=/dev/small0/parts bs=1M 2>/dev/null && \
                 mkfs.ext4 -q -F -E offset=$((17 << 20)) /dev/small0/parts 77M && \
                 echo 'it is here' >/srv/new/marker && debugfs -w -R 'write /srv/new/marker lab-marker' \"/dev/small0/parts?offset=$((17 << 20))\" 2>/dev/null; \
                 printf 'name = \"parts\"\nkernel = \"/var/lib/xen/images/guest-vmlinuz\"\nmemory = 88\ndisk = [ \"/dev/small0/parts,raw,xvda,rw\" ]\n' >/etc/xen/parts.cfg"
            ))?;
            if host.does("command -v sfdisk || echo none")?.text().contains("none") {
                let said = domkeep(host, see, &["grow", "small0/parts", "--to", "400M", "--device", "/dev/loop7", "--yes"])?;
                see.that(said.exit == Some(1) && said.to_string().contains("fdisk"), "a job would begin without the program that it needs", || said.to_string());
                return host.does(PARTS_AWAY).map(drop);
            }
            let full = domkeep(host, see, &["grow", "small0/parts", "--to", "400M", "--yes"])?;
            see.that(full.exit == Some(1) && full.to_string().contains("--device"), "a group without room would be told too late", || full.to_string());
            let said = domkeep(host, see, &["grow", "small0/parts", "--to", "400M", "--device", "/dev/loop7", "--yes"])?;
            see.exit(&said, 0, "a user could not grow a partition with its disk");
            let now = host.does(
                "sfdisk --verify /dev/small0/parts 2>&1 | grep -c 'No errors'; pvs --noheadings -o vg_name /dev/loop7 | tr -d ' '; losetup -f --show -P /dev/small0/parts >/root/lab/loop; udevadm settle; \
                 loop=$(cat /root/lab/loop); e2fsck -fn ${loop}p2 >/dev/null 2>&1; echo checked $?; \
                 echo $(( ($(blockdev --getsize64 ${loop}p2) - $(dumpe2fs -h ${loop}p2 2>/dev/null | awk '/^Block count/ { c = $3 } /^Block size/ { s = $3 } END { print c * s }')) >> 20 )) $(( $(blockdev --getsize64 ${loop}p2) >> 20 )); \
                 debugfs -R 'cat lab-marker' ${loop}p2 2>/dev/null; losetup -d $loop",
            )?;
            host.does(PARTS_AWAY)?;
            see.that(
                now.text() == "1\nsmall0\nchecked 0\n0 382\nit is here\n",
                "the partition or its file system would not fill the larger disk, or be broken",
                || now.to_string(),
            );
            Ok(())
        })
        .short(),
        scenario("a disk moves from a file into a volume and back, and its domain boots from both", |host, see| {
            host.does(MOVER)?;
            let there = domkeep(host, see, &["move-disk", "mover", "xvda", "--to", "xenvols/moved", "--yes"])?;
            see.exit(&there, 0, "a user could not move a file disk into a volume");
            let same = host.does("cmp /srv/new/mover.img /dev/xenvols/moved && cat /etc/xen/mover.cfg")?;
            see.that(same.text().contains("target=/dev/xenvols/moved"), "the domain would start from its old disk", || same.to_string());
            boots(host, see, "mover", "a domain would not boot from the volume that its disk was moved into")?;
            let running = domkeep(host, see, &["move-disk", "mover", "xvda", "--to", "/srv/new/back.img", "--yes"])?;
            see.that(running.exit == Some(1), "the disk of a running domain would be copied while it changes", || running.to_string());
            host.does("xl shutdown mover\nwait_gone mover")?;
            let back = domkeep(host, see, &["move-disk", "mover", "xvda", "--to", "/srv/new/back.img", "--yes"])?;
            see.exit(&back, 0, "a user could not move a volume into a file");
            host.does("cmp /srv/new/back.img /dev/xenvols/moved")?;
            boots(host, see, "mover", "a domain would not boot from the file that its volume was moved into")?;
            let used = host.does("losetup -a; xl destroy mover; wait_gone mover")?;
            see.that(used.text().contains("/srv/new/back.img"), "the domain would run from the old disk", || used.to_string());
            Ok(())
        }),
        scenario("kill -9 in each step of a disk that moves into a volume: the domain keeps one whole disk", |host, see| {
            let mut steps = 0;
            for step in 0..16 {
                host.does(MOVER)?;
                let way = if step % 2 == 0 { "undo" } else { "finish" };
                let Some(job) = caught_and_settled(host, see, step, "move-disk mover xvda --to xenvols/moved", way)? else { break };
                steps += 1;
                let left = host.does(
                    "grep -o -E 'mover.img|xenvols/moved' /etc/xen/mover.cfg; ls -A /srv/new /etc/xen | grep -E 'partial|domkeep'; cmp /root/lab/mover.img /srv/new/mover.img && echo old; \
                     [ ! -e /dev/xenvols/moved ] || { echo volume; cmp /srv/new/mover.img /dev/xenvols/moved && echo same; }; \
                     lvremove -q -y xenvols/moved >/dev/null 2>&1; true",
                )?;
                let wanted = if outcome_is(&job, "undone") { "mover.img\nold\n" } else { "xenvols/moved\nold\nvolume\nsame\n" };
                see.that(
                    left.text() == wanted,
                    &format!("a disk whose move was killed in step {step} and then told to {way} would be torn, or its domain without one"),
                    || format!("{wanted}\n{job}\n{left}"),
                );
            }
            see.that(steps > 4, "the steps would not have been tried", || steps.to_string());
            host.does("rm -f /root/lab/mover.img").map(drop)
        }),
        scenario("kill -9 in each step of a volume from nothing: finish and undo both end clean", |host, see| {
            host.does(&format!("{TREE}\n{SPARE}"))?;
            let wizard = "new-volume each/vol --device /dev/loop7 --size 40M --file-system ext4 --populate directory --source /srv/new/tree --fstab yes \
                          --attach new --config-file /etc/xen/each.cfg --name each --memory 88 --vcpus 1 --vdev xvda --boot kernel \
                          --kernel /var/lib/xen/images/guest-vmlinuz --ramdisk /var/lib/xen/images/guest-initrd.gz";
            let mut steps = Vec::new();
            for step in 0..40 {
                let way = if step % 2 == 0 { "undo" } else { "finish" };
                let Some(job) = caught_and_settled(host, see, step, wizard, way)? else { break };
                steps.push(step);
                let left = host.does(
                    "grep domkeep /proc/mounts; vgs --noheadings -o vg_name each 2>/dev/null; pvs --noheadings -o pv_name /dev/loop7 2>/dev/null; ls /etc/xen | grep each; \
                     ! [ -e /dev/each/vol ] || { e2fsck -fn /dev/each/vol >&2 && debugfs -R 'cat /lab-marker' /dev/each/vol; }; \
                     rm -f /etc/xen/each.cfg; vgremove -q -y -f each >/dev/null 2>&1; pvremove -q -y /dev/loop7 >/dev/null 2>&1; true",
                )?;
                let text = left.text();
                let whole = text.contains("it is here") && text.contains("each.cfg");
                let nothing = !text.contains("each") && !text.contains("loop7");
                let ended = if outcome_is(&job, "undone") { nothing } else { whole };
                see.that(
                    !text.contains("/proc/") && ended,
                    &format!("a volume's job killed in step {step} and then told to {way} would leave a mess"),
                    || format!("{job}\n{left}"),
                );
            }
            see.that(steps.len() > 8, "the steps would not have been tried", || format!("{steps:?}"));
            Ok(())
        }),
    ]
}
