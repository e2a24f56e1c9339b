//! What plans ask of LVM before they change it: groups that can be changed, room in them, names that can be taken.

use super::facts::{Facts, Go, no};
use super::paths;
use crate::model::{GroupNow, LogicalVolume, Lvm, bytes};

/// LVM's tools are there, and what they say now.
pub(super) fn look<'a>(facts: &Facts<'a>, tools: &[&'static str]) -> Go<&'a Lvm> {
    let all: Vec<(&str, &str)> = ["lvs", "vgs", "pvs"].iter().chain(tools).map(|name| (*name, "lvm2")).collect();
    paths::tools(facts, &all)?;
    facts.lvm()
}

/// A group that can be changed.
pub(super) fn group<'a>(lvm: &'a Lvm, name: &str) -> Go<&'a GroupNow> {
    let Some(group) = lvm.group(name) else {
        let all: Vec<&str> = lvm.groups.iter().map(|group| group.group.name.as_str()).collect();
        let there = if all.is_empty() { "there is none on this host".to_owned() } else { format!("there are: {}", all.join(", ")) };
        return no("vg-missing", format!("there is no volume group {name}; {there}"), "name one that is there, or make one on a disk");
    };
    if group.is_exported() {
        return no(
            "vg-exported",
            format!("the volume group {name} is exported: it was made ready for another host"),
            format!("vgimport {name}"),
        );
    }
    if group.is_partial() {
        return no(
            "vg-partial",
            format!("a disk of the volume group {name} is missing"),
            format!("bring the disk back first; pvs and vgs {name} say which"),
        );
    }
    if group.is_read_only() {
        return no(
            "vg-read-only",
            format!("the volume group {name} may not be changed: its metadata lacks WRITE (r in vgs)"),
            format!(
                "somebody took it away on purpose. If it shall be changed: vgcfgbackup -f FILE {name}, put \"WRITE\" back into the group's status \
                 there, and vgcfgrestore -f FILE {name} (with it read-only LVM neither activates nor deactivates its volumes)"
            ),
        );
    }
    Ok(group)
}

/// Refuses a group that has no room for so many bytes more.
pub(super) fn room(group: &GroupNow, needed: u64) -> Go<()> {
    let (name, free) = (&group.group.name, group.group.free);
    if needed <= free {
        return Ok(());
    }
    no(
        "vg-no-room",
        format!("the volume group {name} has {} free, and {} are needed", bytes::exact(free), bytes::exact(needed)),
        format!("take less, remove a volume that nobody needs, or give {name} one more disk: --device (`pvcreate`, `vgextend`)"),
    )
}

/// `VG/LV`, a path below /dev of a volume, or nothing that LVM knows.
pub(super) fn volume_named<'a>(lvm: &'a Lvm, text: &str) -> Option<&'a LogicalVolume> {
    let plain = text.strip_prefix("/dev/").unwrap_or(text);
    let by_mapper = plain.strip_prefix("mapper/");
    lvm.volumes.iter().filter(|volume| !volume.hidden).find(|volume| match by_mapper {
        Some(mapper) => mapper == format!("{}-{}", volume.vg.replace('-', "--"), volume.name.replace('-', "--")),
        None => plain == volume.full_name(),
    })
}

/// A volume that can be changed, and its group.
pub(super) fn volume<'a>(lvm: &'a Lvm, text: &str) -> Go<(&'a LogicalVolume, &'a GroupNow)> {
    let Some(volume) = volume_named(lvm, text) else {
        return no("no-volume", format!("there is no volume {text}"), "name one as VG/LV; `domkeep storage` shows all");
    };
    let group = group(lvm, &volume.vg)?;
    healthy(volume)?;
    Ok((volume, group))
}

/// Refuses a volume in a state in which LVM's next step is anybody's guess.
fn healthy(volume: &LogicalVolume) -> Go<()> {
    let name = volume.full_name();
    let at = |index: usize| volume.attr.as_bytes().get(index).copied().unwrap_or(b'-');
    if matches!(at(4), b's' | b'S' | b'M' | b'C') {
        return no(
            "lv-suspended",
            format!("{name} is suspended: everything that reads or writes it waits"),
            "find out who suspended it (a killed lvcreate leaves it so); `dmsetup resume` wakes it",
        );
    }
    if at(0) == b'p' || !volume.health.is_empty() && volume.health == "partial" {
        return no(
            "lv-partial",
            format!("a disk below {name} is missing, or is being moved"),
            "wait for pvmove, or bring the disk back first",
        );
    }
    if volume.merging || at(0) == b'O' {
        return no("lv-merging", format!("a snapshot is being merged into {name}"), "wait until lvs shows it no more");
    }
    Ok(())
}
