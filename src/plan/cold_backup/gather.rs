//! What belongs into the backup of a domain, and what cannot.

use crate::model::Keeping;
use crate::model::bundle::{LeftOut, Piece};
use crate::model::request::{ColdBackup, WhenRunning};
use crate::model::{
    Backing, ConfigSource, Disk, DiskCopy, DiskKind, Domain, Evidence, HostPath, Inventory, Location, LogicalVolume, Power, Save, Stale,
    Stands, bundle_names, bytes,
};
use crate::plan::facts::{Facts, Go, if_known, no};
use crate::plan::{domains, paths};

/// More disks at once only fight for the destination.
const MOST_AT_ONCE: usize = 4;
/// Images below images.
const MOST_BELOW: usize = 32;

#[derive(Default)]
pub(in crate::plan) struct Gathered {
    pub disks: Vec<Source>,
    pub save: Option<Source>,
    pub configs: Vec<Source>,
    pub left_out: Vec<LeftOut>,
    pub warnings: Vec<String>,
    pub evidence: Vec<Evidence>,
    pub at_once: usize,
}

impl Gathered {
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.disks.iter().chain(&self.save).chain(&self.configs)
    }
}

/// One piece of the bundle in the making.
pub(in crate::plan) struct Source {
    pub piece: Piece,
    pub from: Location,
    /// The canonical path.
    pub lock: HostPath,
    /// Bytes that the copy takes at most, and those that it surely takes: of a volume nobody knows how much of it is zeros.
    pub needs: u64,
    pub surely: u64,
    /// Device numbers that it lies on, its own file system or device first.
    pub lies_on: Vec<(u32, u32)>,
    /// Device number of the file system that the file lies on.
    pub file_system: Option<u64>,
    /// How it lies in the bundle.
    pub keeping: Keeping,
}

impl Source {
    pub fn copy(&self, partial: &HostPath) -> DiskCopy {
        DiskCopy {
            label: self.piece.name.clone(),
            from: self.from.clone(),
            to: Location::File { path: partial.join(&self.piece.name) },
            new: true,
            hashes_to: Some(partial.join(bundle_names::hashes_name(&self.piece.name))),
            hashes_from: None,
            verify: false,
            keeping: self.keeping.clone(),
        }
    }
}

pub(in crate::plan) fn gather(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain) -> Go<Gathered> {
    let mut gathered = disks(request, facts, domain)?;
    take_saves(&mut gathered, facts, domain)?;
    take_configs(&mut gathered, facts, domain)?;
    settle(&mut gathered, domain)?;
    Ok(gathered)
}

/// The disks alone.
pub(in crate::plan) fn disks(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain) -> Go<Gathered> {
    let mut gathered = Gathered { at_once: 1, ..Gathered::default() };
    for vdev in &request.leave_out {
        if !domain.disks.iter().any(|disk| disk.vdev.as_ref() == Some(vdev)) {
            return no("no-such-disk", format!("{} has no disk {vdev}", domain.name), "`domkeep show` lists its disks");
        }
    }
    if domain.attached_unknown {
        gathered
            .warnings
            .push(format!("Which disks {} has now could not be found out; those of its configuration are copied.", domain.name));
    }
    for disk in &domain.disks {
        take_disk(&mut gathered, request, facts, domain, disk)?;
    }
    Ok(gathered)
}

/// What follows from all that was gathered.
pub(in crate::plan) fn settle(gathered: &mut Gathered, domain: &Domain) -> Go<()> {
    if gathered.all().next().is_none() {
        return no(
            "nothing-to-back-up",
            format!("nothing of {} can be copied", domain.name),
            "see what is left out, and why, with `domkeep show`",
        );
    }
    gathered.at_once = at_once(&gathered.disks);
    for left in &gathered.left_out {
        gathered.warnings.push(format!("Not in the backup: {}, because {}.", left.what, left.why));
    }
    Ok(())
}

/// `xvda (/dev/vg0/web01)`
pub(in crate::plan) fn shown(disk: &Disk) -> String {
    let vdev = disk.vdev.clone().unwrap_or_else(|| "root".to_owned());
    disk.path.as_ref().map_or_else(|| vdev.clone(), |path| format!("{vdev} ({path})"))
}

/// Why a disk is in no backup; nothing: it is.
pub(in crate::plan) fn why_left_out(leave_out: &[String], disk: &Disk) -> Option<&'static str> {
    let vdev = disk.vdev.clone().unwrap_or_else(|| "root".to_owned());
    if leave_out.contains(&vdev) {
        Some("it was asked to be left out")
    } else if disk.kind == DiskKind::Empty {
        Some("the drive is empty")
    } else if disk.kind == DiskKind::NfsRoot {
        Some("it is a directory of a server, and is backed up there")
    } else if disk.kind.managed_elsewhere() {
        Some("its bytes are managed elsewhere")
    } else if disk.backend_domain.is_some() {
        Some("another domain than dom0 serves it")
    } else if disk.script.is_some() {
        Some("a hotplug script makes it, and it is only there while the domain runs")
    } else {
        None
    }
}

fn take_disk(gathered: &mut Gathered, request: &ColdBackup, facts: &Facts<'_>, domain: &Domain, disk: &Disk) -> Go<()> {
    let inventory = facts.inventory();
    let vdev = disk.vdev.clone().unwrap_or_else(|| "root".to_owned());
    let shown = shown(disk);
    let left = |why: &str| LeftOut { what: shown.clone(), why: why.to_owned() };
    if let Some(why) = why_left_out(&request.leave_out, disk) {
        gathered.left_out.push(left(why));
        return Ok(());
    }
    if disk.exists == Some(false) {
        return no(
            "disk-missing",
            format!("{shown} of {} is not there", domain.name),
            format!("bring it back, or leave it out: --leave-out {vdev}"),
        );
    }
    let Some(backing) = inventory.backing(disk.backing.as_ref()).filter(|_| disk.exists.is_some() && disk.kind != DiskKind::Unknown) else {
        return no(
            "disk-unknown",
            format!("what {shown} of {} lies on could not be found out", domain.name),
            format!("ask as root, or leave it out: --leave-out {vdev}"),
        );
    };
    look_at_users(gathered, request, inventory, domain, disk, backing, &shown)?;
    let name = format!("{}.img", bundle_names::component(&vdev));
    push(gathered, inventory, backing, name, Some(vdev.clone()))?;
    let cold = request.strategy == Some(crate::model::Strategy::Cold);
    if cold && disk.attached && !disk.in_config && domain.power == Power::Running {
        gathered.warnings.push(format!(
            "{shown} was plugged in while {} runs and stands in no configuration: after the restart the domain will not have it.",
            domain.name
        ));
    }
    // What the guest writes to a raw disk may look like an image that stands on any file of the host.
    let deepest = if disk.format.as_deref() == Some("raw") { 0 } else { MOST_BELOW };
    let mut below = backing;
    for depth in 1..=deepest {
        let Some((written, key)) = &below.backing_file else { break };
        let Some(next) = inventory.backings.get(key).filter(|next| next.exists == Some(true)) else {
            return no(
                "backing-file-missing",
                format!("{shown} stands on {written}, which is not there"),
                "bring it back: without it the disk cannot be read",
            );
        };
        push(gathered, inventory, next, format!("{}.below-{depth}.img", bundle_names::component(&vdev)), None)?;
        gathered.warnings.push(format!("{shown} stands on {written}: that file is copied too, and both are needed."));
        below = next;
    }
    Ok(())
}

/// Who writes to a disk while it is copied tears the copy.
fn look_at_users(
    gathered: &mut Gathered,
    request: &ColdBackup,
    inventory: &Inventory,
    domain: &Domain,
    disk: &Disk,
    backing: &Backing,
    shown: &str,
) -> Go<()> {
    for user in domains::users(inventory, backing, domain) {
        if user.writes {
            return no(
                user.rule,
                format!("{shown} of {} is {}", domain.name, user.says),
                "a disk can only be copied while nobody writes to it: stop who uses it first",
            );
        }
        gathered.warnings.push(format!("{shown} is {}.", user.says));
    }
    // An attached disk of a domain that is off: left behind by the toolstack. `WhenRunning` decides over one that runs.
    if disk.attached && !domain.power.is_present() && request.how == WhenRunning::Refuse {
        gathered.warnings.push(format!("{shown} still looks attached although {} is {}.", domain.name, domain.power.as_str()));
    }
    Ok(())
}

fn push(gathered: &mut Gathered, inventory: &Inventory, backing: &Backing, name: String, vdev: Option<String>) -> Go<()> {
    let canonical = domains::lock_of_backing(backing);
    paths::check(&backing.path)?;
    let file = backing.kind == DiskKind::File;
    let from = if file { Location::File { path: canonical.clone() } } else { Location::Device { path: backing.path.clone() } };
    let image = backing.file_bytes.or(backing.bytes);
    let thin = backing
        .volume
        .as_ref()
        .and_then(|name| inventory.volumes.iter().find(|volume| volume.full_name() == *name))
        .is_some_and(|volume| volume.pool.is_some());
    let allocated = backing.allocated.filter(|_| file || thin);
    let Some(needs) = allocated.or(image) else {
        return no("disk-unknown", format!("the size of {} could not be found out", backing.path), "ask as root");
    };
    if gathered.all().any(|source| source.piece.name == name) {
        return no("disk-twice", format!("the domain has two disks called {name}"), "mend its configuration first");
    }
    let bytes = if file { image.unwrap_or_default() } else { backing.bytes.or(image).unwrap_or_default() };
    let piece = Piece {
        source_identity: identity(inventory, backing),
        vdev,
        source_kind: Some(backing.kind.as_str().into()),
        format: backing.format_seen.clone(),
        ..Piece::new(name, "disk", bytes, backing.path.clone())
    };
    let lies_on = backing.device.into_iter().chain(backing.lies_on.iter().copied()).collect();
    gathered.disks.push(Source {
        piece,
        from,
        lock: canonical,
        needs,
        surely: allocated.filter(|_| file).unwrap_or(0),
        lies_on,
        file_system: backing.inode.map(|inode| inode.0),
        keeping: Keeping::default(),
    });
    Ok(())
}

/// What tells a disk from another one under the same name.
fn identity(inventory: &Inventory, backing: &Backing) -> String {
    let volume = |name: &String| inventory.volumes.iter().find(|volume: &&LogicalVolume| volume.full_name() == *name);
    if let Some(volume) = backing.volume.as_ref().and_then(volume).filter(|volume| !volume.uuid.is_empty()) {
        return format!("lv:{}", volume.uuid);
    }
    match (backing.inode, backing.device) {
        (Some((dev, inode)), _) => format!("file:{dev}:{inode}"),
        (None, Some((major, minor))) => format!("device:{major}:{minor}"),
        (None, None) => String::new(),
    }
}

fn take_saves(gathered: &mut Gathered, facts: &Facts<'_>, domain: &Domain) -> Go<()> {
    let saves: Vec<&Save> = domain.saves.iter().filter_map(|path| facts.inventory().save(path)).collect();
    for save in saves.iter().filter(|save| save.complete == Some(false)) {
        gathered.left_out.push(LeftOut { what: save.path.to_string(), why: "the save image is damaged".into() });
    }
    let whole = saves.iter().filter(|save| save.complete != Some(false) && domain.power == Power::Saved);
    let Some(save) = whole.max_by_key(|save| save.created) else { return Ok(()) };
    for other in saves.iter().filter(|other| other.complete != Some(false) && other.path != save.path) {
        gathered.left_out.push(LeftOut { what: other.path.to_string(), why: format!("{} is newer", save.path) });
    }
    if let Some(verdict) = facts.verdicts().stale.get(&save.path) {
        if verdict.stale == Stale::Yes {
            gathered.warnings.push(format!("The save image {} is stale: its disks were changed after it was written. It must not be resumed, also not from this backup.", save.path));
        }
        gathered.evidence.extend(verdict.evidence.iter().cloned());
    }
    gathered
        .evidence
        .push(Evidence::new(format!("{} holds its memory, {}", save.path, bytes::human(save.bytes)), "the save image's header"));
    gathered.save = Some(file_piece(facts, &save.path, "memory.save", "save", save.bytes)?);
    Ok(())
}

fn take_configs(gathered: &mut Gathered, facts: &Facts<'_>, domain: &Domain) -> Go<()> {
    let inventory = facts.inventory();
    facts.want(domain.configs.iter().map(|path| crate::model::Question::Place { path: path.clone() }))?;
    for path in &domain.configs {
        let kind = match inventory.config(path).map(|config| config.source) {
            Some(ConfigSource::Libvirt) => "xml",
            _ => "config",
        };
        let Some((place, _)) = if_known(paths::follow(facts, path))? else {
            gathered.left_out.push(LeftOut { what: path.to_string(), why: "it could not be read".into() });
            continue;
        };
        if place.stands != Stands::File {
            gathered.left_out.push(LeftOut { what: path.to_string(), why: "it is no regular file".into() });
            continue;
        }
        let size = place.bytes.unwrap_or_default();
        let name = match gathered.configs.len() {
            0 => kind.to_owned(),
            before => format!("{kind}-{}", before + 1),
        };
        let source = file_piece(facts, path, &name, kind, size)?;
        gathered.configs.push(source);
    }
    if domain.configs.is_empty() && gathered.save.is_none() {
        let why = match &domain.likely_config {
            Some(likely) => format!(
                "No configuration names {}; it was probably started from {likely}. Without one, the domain cannot be started again from this backup.",
                domain.name
            ),
            None => {
                format!("No configuration of {} was found. Without one, the domain cannot be started again from this backup.", domain.name)
            }
        };
        gathered.warnings.push(why);
    }
    Ok(())
}

pub(in crate::plan) fn file_piece(facts: &Facts<'_>, path: &HostPath, name: &str, kind: &str, size: u64) -> Go<Source> {
    let (place, real) = paths::follow(facts, path)?;
    let (dev, inode) = place.inode.unwrap_or_default();
    let piece = Piece { source_identity: format!("file:{dev}:{inode}"), ..Piece::new(name, kind, size, path.clone()) };
    Ok(Source {
        piece,
        from: Location::File { path: real.clone() },
        lock: real,
        needs: size,
        surely: size,
        lies_on: Vec::new(),
        file_system: Some(dev),
        keeping: Keeping::default(),
    })
}

/// Several at once only when none of them shares a device with another.
fn at_once(disks: &[Source]) -> usize {
    let known = disks.iter().all(|disk| !disk.lies_on.is_empty());
    let apart = disks
        .iter()
        .enumerate()
        .all(|(index, one)| disks.iter().skip(index + 1).all(|other| !one.lies_on.iter().any(|device| other.lies_on.contains(device))));
    if known && apart { disks.len().clamp(1, MOST_AT_ONCE) } else { 1 }
}
