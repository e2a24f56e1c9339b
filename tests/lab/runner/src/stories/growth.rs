//! Disks that grow while their job is killed: whatever it was told to do then, the file system on them is whole and holds what it held.

use anyhow::{Result, bail};

use super::changes::{caught_and_settled, outcome_is};
use crate::host::Host;
use crate::scenario::{Scenario, scenario};
use crate::see::See;

/// A volume of 320 MiB with a file system that dom0 mounts.
fn mounted(kind: &str) -> String {
    let make = match kind {
        "ext4" => "mkfs.ext4 -q",
        "xfs" => "mkfs.xfs -q -f",
        _ => "mkfs.btrfs -q -f -M",
    };
    format!(
        "lvcreate -q -y -W y --addtag scratch -L 320M -n growing xenvols && {make} /dev/xenvols/growing && mkdir -p /srv/small && mount /dev/xenvols/growing /srv/small && \
         echo 'it is here' >/srv/small/marker && sync -f /srv/small"
    )
}

/// Unmounts it, has its own checker read it, and says how large the device and the file system on it are (MiB).
fn whole(kind: &str) -> &'static str {
    match kind {
        "ext4" => {
            "cat /srv/small/marker; umount /srv/small && e2fsck -fn /dev/xenvols/growing >&2 && echo checked; \
             dumpe2fs -h /dev/xenvols/growing 2>/dev/null | awk '/^Block count/ { c = $3 } /^Block size/ { s = $3 } END { print \"system\", c * s / 1048576 }'"
        }
        "xfs" => {
            "cat /srv/small/marker; umount /srv/small && xfs_repair -n /dev/xenvols/growing >&2 && echo checked; \
             xfs_db -r -c 'sb 0' -c 'p dblocks blocksize' /dev/xenvols/growing | awk '{ n[NR] = $3 } END { print \"system\", n[1] * n[2] / 1048576 }'"
        }
        _ => {
            "cat /srv/small/marker; umount /srv/small && btrfs check --readonly /dev/xenvols/growing >&2 && echo checked; \
             btrfs inspect-internal dump-super /dev/xenvols/growing | awk '/^total_bytes/ { print \"system\", $2 / 1048576 }'"
        }
    }
}

fn killed_while_mounted(host: &mut dyn Host, see: &mut See, kind: &str) -> Result<()> {
    let mut steps = 0;
    for step in 0..12 {
        host.does(&mounted(kind))?;
        let way = if step % 2 == 0 { "finish" } else { "undo" };
        let settled = caught_and_settled(host, see, step, "grow xenvols/growing --to 400M", way)?;
        let left = host.does(&format!(
            "{}; echo device $(($(blockdev --getsize64 /dev/xenvols/growing) >> 20)); grep -c domkeep /proc/mounts; lvremove -q -y xenvols/growing >/dev/null",
            whole(kind)
        ))?;
        let Some(job) = settled else { break };
        steps += 1;
        let text = left.text();
        see.that(
            text.starts_with("it is here\nchecked\nsystem ") && text.ends_with("\n0\n"),
            &format!("{kind} that grew while it was mounted would be broken by a job killed in step {step}"),
            || format!("{job}\n{left}"),
        );
        let grown = text.contains("system 400\ndevice 400\n");
        let as_before = text.contains("system 320\n");
        see.that(
            if outcome_is(&job, "done") { grown } else { grown || as_before },
            &format!("{kind} would not fill its disk after a job killed in step {step} was told to {way}"),
            || format!("{job}\n{left}"),
        );
    }
    if steps < 2 {
        bail!("only {steps} steps were tried");
    }
    Ok(())
}

/// A volume with two partitions; the last one has a file system with a file in it.
const PARTS: &str = "mkdir -p /srv/new; lvcreate -q -y -W y --addtag scratch -L 96M -n growing xenvols && truncate -s 96M /srv/new/parts.img && \
     parted -s /srv/new/parts.img mklabel gpt mkpart one 1MiB 17MiB mkpart two 17MiB 100% && dd if=/srv/new/parts.img of=/dev/xenvols/growing bs=1M 2>/dev/null && \
     mkfs.ext4 -q -F -E offset=$((17 << 20)) /dev/xenvols/growing 77M && echo 'it is here' >/srv/new/marker && \
     debugfs -w -R 'write /srv/new/marker lab-marker' \"/dev/xenvols/growing?offset=$((17 << 20))\" 2>/dev/null";

/// The table's verdict, the checker's, the file, how far the file system is from filling its partition and the partition's size (MiB).
const PARTS_NOW: &str = "sfdisk --verify /dev/xenvols/growing 2>&1 | grep -c 'No errors'; losetup -f --show -P /dev/xenvols/growing >/root/lab/loop; udevadm settle; loop=$(cat /root/lab/loop); \
     e2fsck -fn ${loop}p2 >&2; echo checked $?; debugfs -R 'cat lab-marker' ${loop}p2 2>/dev/null; \
     echo $(( ($(blockdev --getsize64 ${loop}p2) - $(dumpe2fs -h ${loop}p2 2>/dev/null | awk '/^Block count/ { c = $3 } /^Block size/ { s = $3 } END { print c * s }')) >> 20 )) \
     $(( $(blockdev --getsize64 ${loop}p2) >> 20 )); losetup -d $loop; losetup -a | grep -c growing; lvremove -q -y xenvols/growing >/dev/null";

fn partition_killed(host: &mut dyn Host, see: &mut See) -> Result<()> {
    let mut steps = 0;
    for step in 0..16 {
        host.does(PARTS)?;
        let way = if step % 2 == 0 { "finish" } else { "undo" };
        let settled = caught_and_settled(host, see, step, "grow xenvols/growing --to 160M", way)?;
        let left = host.does(PARTS_NOW)?;
        let Some(job) = settled else { break };
        steps += 1;
        let text = left.text();
        // An undo leaves the disk larger; its table and file system are whole, wherever the job was stopped.
        let whole = text.starts_with("1\nchecked 0\nit is here\n") && text.ends_with("\n0\n");
        let grown = text.contains("\n0 142\n");
        see.that(
            whole && (grown || outcome_is(&job, "undone")),
            &format!("a partition that grows would be torn by a job killed in step {step} and told to {way}"),
            || format!("{job}\n{left}"),
        );
    }
    if steps < 3 {
        bail!("only {steps} steps were tried");
    }
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("kill -9 in each step of a file system that grows while dom0 mounts it: ext4, XFS and btrfs stay whole", |host, see| {
            for kind in ["ext4", "xfs", "btrfs"] {
                killed_while_mounted(host, see, kind)?;
            }
            Ok(())
        }),
        scenario("kill -9 in each step of a partition that grows with its disk: table and file system stay whole", partition_killed),
    ]
}
