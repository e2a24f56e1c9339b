//! The disks that are cloned: which, each in which way, and what there is to be said of them.

use super::ways::{self, Ground, Way};
use crate::model::cloning::Cloning;
use crate::model::{Backing, Check, Cmd, Config, Disk, DiskKind, Domain, HostPath, LogicalVolume, Question, Stands};
use crate::plan::facts::{Facts, Go, Stop, each, no};
use crate::plan::paths;

pub(super) struct Origin<'a> {
    pub vdev: String,
    pub way: Way,
    pub backing: &'a Backing,
    pub volume: Option<&'a LogicalVolume>,
    /// `raw`, `qcow2` ...
    pub format: String,
    /// The file or device, every link resolved.
    pub path: HostPath,
    pub warnings: Vec<String>,
    /// How many overlays on it are in use now.
    pub users_now: usize,
}

/// The disks that are cloned, in the configuration's order.
pub(super) fn look<'a>(request: &Cloning, facts: &Facts<'a>, domain: &Domain, config: &'a Config) -> Go<Vec<Origin<'a>>> {
    if let Some(unknown) = request.disks.iter().find(|vdev| !config.disks.iter().any(|disk| disk.vdev.as_ref() == Some(vdev))) {
        return no("no-such-disk", format!("{} has no disk {unknown}", config.path), "`domkeep show` lists its disks");
    }
    if config.disks.iter().any(|disk| disk.kind == DiskKind::NfsRoot) || config.settings.iter().any(|(key, _)| key == "nfs_root") {
        return no(
            "nfs-root",
            format!("{} keeps its files on an NFS server: two domains on one root destroy it", domain.name),
            "copy the directory on the server, and give the copy to the clone",
        );
    }
    let mut origins = each(config.disks.iter().filter(|disk| is_cloned(request, disk)), |disk| origin(request, facts, disk))?;
    if origins.is_empty() {
        return no("nothing-to-clone", format!("{} has no disk that it writes to", domain.name), "name the disks that shall be cloned");
    }
    let bases = origins.iter_mut().filter(|origin| origin.way == Way::Overlay);
    each(bases, |origin| still(facts, &origin.path).map(|users| origin.users_now = users))?;
    Ok(origins)
}

/// Without a list: what the domain writes to.
pub(super) fn is_cloned(request: &Cloning, disk: &Disk) -> bool {
    match &disk.vdev {
        Some(vdev) if !request.disks.is_empty() => request.disks.contains(vdev),
        Some(_) => !stays(disk),
        None => false,
    }
}

/// A disk that original and clones can have together: a drive without a medium, or one that is only read.
pub(super) fn stays(disk: &Disk) -> bool {
    disk.kind == DiskKind::Empty || disk.removable || disk.mode.is_some_and(|mode| !mode.writes())
}

fn origin<'a>(request: &Cloning, facts: &Facts<'a>, disk: &'a Disk) -> Go<Origin<'a>> {
    let vdev = disk.vdev.clone().unwrap_or_default();
    if disk.kind.managed_elsewhere() || disk.script.is_some() || disk.backend_domain.as_deref().is_some_and(|domain| domain != "0") {
        return no(
            "disk-elsewhere",
            format!("{vdev} is kept elsewhere ({}): it cannot be cloned from here", disk.kind.as_str()),
            "clone it where it is kept, or name the other disks with --disks",
        );
    }
    let (Some(ground), Some(path)) = (ways::ground(facts.inventory(), disk), disk.path.as_ref()) else {
        return no(
            "disk-unknown",
            format!("nothing is known of what holds the bytes of {vdev}"),
            "ask as root, and look with `domkeep show`",
        );
    };
    paths::check(path)?;
    let (place, real) = paths::follow(facts, path)?;
    if !matches!(place.stands, Stands::File | Stands::Device) {
        return no("disk-missing", format!("{vdev} is not there: {path}"), "bring it back, or name the other disks with --disks");
    }
    let way = match Way::asked(request.how) {
        Some(way) => way,
        None => suited(facts, ground, &real)?,
    };
    if let Some(no) = ways::why_not(way, ground, facts.inventory()) {
        return Err(Stop::Refused(no));
    }
    match way {
        Way::Reflink if !shares(facts, &real)? => {
            return no(
                "no-reflink",
                format!("files on the file system of {real} cannot share blocks"),
                "make overlays, or move the disk to btrfs, or to an XFS that was made with reflink=1",
            );
        }
        Way::Classic | Way::Thin => writable_group(facts, ground)?,
        Way::Reflink | Way::Overlay => {}
    }
    let warnings = warnings(&vdev, way, ground);
    let path = if place.stands == Stands::File { real } else { ground.backing.path.clone() };
    Ok(Origin {
        vdev,
        way,
        backing: ground.backing,
        volume: ground.volume,
        format: ground.format().to_owned(),
        path,
        warnings,
        users_now: 0,
    })
}

fn suited(facts: &Facts<'_>, ground: Ground<'_>, real: &HostPath) -> Go<Way> {
    let possible = |way: Way| ways::why_not(way, ground, facts.inventory()).is_none();
    if possible(Way::Thin) {
        return Ok(Way::Thin);
    }
    if possible(Way::Classic) {
        return Ok(Way::Classic);
    }
    if ground.volume.is_some_and(|volume| !volume.is_classic_snapshot()) {
        // What stands in the way of a snapshot is to be told, not gone around.
        return Ok(Way::Classic);
    }
    if possible(Way::Reflink) && shares(facts, real)? { Ok(Way::Reflink) } else { Ok(Way::Overlay) }
}

/// Whether files of the file system that holds the path can share blocks.
pub(in crate::plan) fn shares(facts: &Facts<'_>, path: &HostPath) -> Go<bool> {
    let above = paths::parent(path);
    let place = facts.place(&above)?;
    match (place.file_system.as_deref(), &place.mounted_at) {
        (Some("btrfs"), _) => Ok(true),
        // Before 5.1 mkfs.xfs made file systems that cannot.
        (Some("xfs"), Some(at)) => {
            let cmd = Cmd::reads("xfs_info", [crate::plan::text(at)]);
            facts.holds(&Check::Says { cmd, text: "reflink=1".into() })
        }
        _ => Ok(false),
    }
}

fn writable_group(facts: &Facts<'_>, ground: Ground<'_>) -> Go<()> {
    let Some(volume) = ground.volume else { return Ok(()) };
    let cmd = Cmd::reads("vgs", ["--reportformat", "json", "--units", "b", "-o", "vg_attr", volume.vg.as_str()]);
    if facts.holds(&Check::Says { cmd, text: "\"vg_attr\":\"wz-".into() })? {
        return Ok(());
    }
    no(
        "group-read-only",
        format!("nothing new can be made in the group {}: it is read-only, exported, or belongs to another host", volume.vg),
        "see `vgs -o +vg_attr,systemid`. If it is yours: vgimport takes in an exported one, vgchange --systemid one of another host; for a read-only one put WRITE back into its metadata (vgcfgbackup, vgcfgrestore)",
    )
}

/// An overlay stands on bytes that never change again. Gives how many overlays on it are in use: they only read it.
fn still(facts: &Facts<'_>, path: &HostPath) -> Go<usize> {
    facts.want([Question::UseOf { path: path.clone() }])?;
    let users = facts.users(path)?;
    let writers: Vec<&String> = users.iter().filter(|user| !user.starts_with("it is a backing file of ")).collect();
    if let Some(first) = writers.first() {
        return no(
            "base-in-use",
            format!("{path} is in use: {first}. What an overlay stands on must never be written to again"),
            "stop who uses it first, or clone it another way",
        );
    }
    Ok(users.len())
}

fn warnings(vdev: &str, way: Way, ground: Ground<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let found = &ground.backing.signatures;
    let path = &ground.backing.path;
    if found.iter().any(|signature| signature.kind == "lvm2-pv") {
        warnings.push(format!(
            "{vdev} holds LVM of its own. Each clone has the same UUIDs: never let dom0 look into them, and never attach original and clone to one guest before `vgimportclone` was run there."
        ));
    }
    if found.iter().any(|signature| signature.kind == "btrfs") {
        warnings.push(format!(
            "{vdev} holds btrfs. A kernel that sees original and clone at once confuses them: do not mount either in dom0 while both are there."
        ));
    }
    if way == Way::Overlay && ground.backing.mounts.iter().any(|mount| mount.read_write) {
        warnings.push(format!("{path} is mounted in dom0: unmount it, and do not mount it for writing again."));
    }
    warnings
}
