//! The ways of cloning a disk without copying it, and why one is not possible for a disk. Asked by the form (is there a disk of the domain that
//! can be cloned so?) and by the plan.

use crate::model::cloning::CloneHow;
use crate::model::{Backing, Disk, DiskKind, Inventory, LogicalVolume, Refusal};
use crate::plan::facts::refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Classic,
    Thin,
    Reflink,
    Overlay,
}

impl Way {
    /// Nothing: what suits the disk.
    pub fn asked(how: CloneHow) -> Option<Self> {
        match how {
            CloneHow::Suited => None,
            CloneHow::Classic => Some(Self::Classic),
            CloneHow::Thin => Some(Self::Thin),
            CloneHow::Reflink => Some(Self::Reflink),
            CloneHow::Overlay => Some(Self::Overlay),
        }
    }
}

/// A disk and what holds its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub disk: &'a Disk,
    pub backing: &'a Backing,
    pub volume: Option<&'a LogicalVolume>,
}

impl Ground<'_> {
    /// The name of its image format. What bytes and configuration disagree about is a finding of its own.
    pub fn format(&self) -> &str {
        self.disk.format.as_deref().unwrap_or("raw")
    }
}

pub(crate) fn ground<'a>(inventory: &'a Inventory, disk: &'a Disk) -> Option<Ground<'a>> {
    let backing = inventory.backing(disk.backing.as_ref())?;
    let named = backing.volume.as_ref();
    let volume = named.and_then(|name| inventory.volumes.iter().find(|volume| volume.full_name() == **name));
    Some(Ground { disk, backing, volume })
}

/// The file systems that can share blocks between files; on XFS it depends on how it was made, which the plan asks.
pub(super) const SHARING: [&str; 2] = ["xfs", "btrfs"];

/// Why a disk cannot be cloned that way, as far as the last look at the host tells.
pub(crate) fn why_not(way: Way, ground: Ground<'_>, inventory: &Inventory) -> Option<Refusal> {
    match way {
        Way::Classic => of_classic(ground).or_else(|| of_group(ground, inventory)),
        Way::Thin => of_thin(ground).or_else(|| of_group(ground, inventory)),
        Way::Reflink => of_reflink(ground, inventory),
        Way::Overlay => of_overlay(ground),
    }
}

fn of_volume(ground: Ground<'_>) -> Result<&LogicalVolume, Refusal> {
    let path = &ground.backing.path;
    let Some(volume) = ground.volume else {
        return Err(refusal(
            "not-a-volume",
            format!("{path} is no logical volume of this host"),
            "let each disk be cloned as suits it, or choose a way for files",
        ));
    };
    if volume.merging || matches!(volume.attr.as_bytes().first(), Some(b'O' | b'S')) {
        return Err(refusal(
            "volume-merging",
            format!("{} is being rolled back to a snapshot", volume.full_name()),
            "wait until the merge is over; `lvs -a` shows how far it is",
        ));
    }
    if volume.health == "partial" || volume.invalid {
        return Err(refusal(
            "volume-not-well",
            format!("{} is not whole: a physical volume is missing, or its store overflowed", volume.full_name()),
            "mend the volume group first, or clone from another copy",
        ));
    }
    Ok(volume)
}

fn of_classic(ground: Ground<'_>) -> Option<Refusal> {
    let volume = match of_volume(ground) {
        Ok(volume) => volume,
        Err(no) => return Some(no),
    };
    if volume.is_classic_snapshot() {
        let origin = volume.origin.as_ref().map_or_else(|| "its origin".to_owned(), |origin| format!("{}/{origin}", volume.vg));
        return Some(refusal(
            "snapshot-of-snapshot",
            format!("{} is itself a classic snapshot, and LVM makes no snapshot of one", volume.full_name()),
            format!("clone {origin} instead, make overlays on it while its domain is off, or copy it (`domkeep copy`)"),
        ));
    }
    None
}

fn of_thin(ground: Ground<'_>) -> Option<Refusal> {
    let volume = match of_volume(ground) {
        Ok(volume) => volume,
        Err(no) => return Some(no),
    };
    if volume.pool.is_none() || volume.is_thin_pool() {
        return Some(refusal(
            "not-thin",
            format!("{} lies in no thin pool", volume.full_name()),
            "make a classic snapshot of it, or move the disk into a thin pool first",
        ));
    }
    None
}

fn of_group(ground: Ground<'_>, inventory: &Inventory) -> Option<Refusal> {
    let volume = ground.volume?;
    let Some(group) = inventory.volume_groups.iter().find(|group| group.name == volume.vg) else {
        return Some(refusal(
            "group-unknown",
            format!("the volume group {} is not one that this host may change", volume.vg),
            "it may belong to another host (`vgs --foreign -o +systemid`), or could not be read; ask as root",
        ));
    };
    (group.missing_pvs > 0).then(|| {
        refusal(
            "group-not-whole",
            format!("{} physical volumes of the group {} are missing: LVM changes nothing in it", group.missing_pvs, group.name),
            "bring the missing disks back first",
        )
    })
}

fn of_reflink(ground: Ground<'_>, inventory: &Inventory) -> Option<Refusal> {
    let path = &ground.backing.path;
    if ground.backing.kind != DiskKind::File {
        return Some(refusal(
            "not-a-file",
            format!("{path} is no file"),
            "let each disk be cloned as suits it, or make a snapshot of the volume",
        ));
    }
    let holds = |mount: &&crate::model::Store| path.as_path().starts_with(mount.mount.as_path());
    let store = inventory.stores.iter().filter(holds).max_by_key(|store| store.mount.as_bytes().len());
    store.filter(|store| !SHARING.contains(&store.fs.as_str())).map(|store| {
        refusal(
            "no-reflink",
            format!("{path} lies on {}, where files cannot share blocks", store.fs),
            "make overlays, or move the disk to XFS or btrfs",
        )
    })
}

fn of_overlay(ground: Ground<'_>) -> Option<Refusal> {
    let path = &ground.backing.path;
    if !matches!(ground.backing.kind, DiskKind::File | DiskKind::Lvm | DiskKind::Partition | DiskKind::Disk | DiskKind::Loop) {
        return Some(refusal("no-base", format!("{path} is nothing that qemu-img can build on"), "clone it where it is kept"));
    }
    if !matches!(ground.format(), "raw" | "qcow2") {
        return Some(refusal(
            "base-format",
            format!("{path} is {}: overlays are made on raw and qcow2 disks", ground.format()),
            "convert it first (`qemu-img convert`)",
        ));
    }
    if let Some(seen) = ground.backing.format_seen.as_deref().filter(|seen| *seen != ground.format()) {
        return Some(refusal(
            "format-unclear",
            format!("{path} is configured as {}, but its bytes look like {seen}", ground.format()),
            "find out which is right before anything is built on it (`domkeep explain raw-looks-like-qcow2`)",
        ));
    }
    None
}
