//! Freezing a disk at an instant: a snapshot of a volume, a reflink of a file. What is frozen carries the job's tag or id and is removed when
//! it was copied; at the end of the job in any case.

use super::draft::Draft;
use super::{lvm, paths, pool_room, text};
use crate::model::{Action, Backing, Check, Cmd, DiskKind, HostPath, Inventory, JobId, Location, LogicalVolume, bytes};

/// How one disk can be frozen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// The domain cannot write to it.
    Still,
    Classic(&'a LogicalVolume),
    Thin(&'a LogicalVolume),
    Reflink,
}

/// File systems whose files can share their blocks.
const SHARING: [&str; 2] = ["xfs", "btrfs"];
/// Smallest store of a classic snapshot. The usual one is a share of its origin, so that a fifth of the disk may be rewritten while it is copied.
const SMALLEST_STORE: u64 = 32 << 20;
const USUAL_SHARE: u64 = 5;
/// The least that is still worth trying.
const LEAST_SHARE: u64 = 20;
/// Chunks of 4 KiB, each with 16 bytes in the store, and its header.
const STORE_OVERHEAD: u64 = 256;

/// The way, or why there is none, as the end of a sentence about the disk.
pub(super) fn way<'a>(inventory: &'a Inventory, backing: &Backing, writes: bool) -> Result<Way<'a>, String> {
    if !writes {
        return Ok(Way::Still);
    }
    if let Some(name) = &backing.volume {
        let volume = inventory.volumes.iter().find(|volume| volume.full_name() == *name);
        return of_volume(volume.ok_or_else(|| format!("lies on {name}, of which LVM says nothing"))?);
    }
    if backing.kind != DiskKind::File {
        return Err(format!("is a {}: it cannot be frozen", backing.kind.as_str()));
    }
    let store = inventory.stores.iter().filter(|store| backing.path.starts_with(store.mount.as_path()));
    match store.max_by_key(|store| store.mount.as_bytes().len()) {
        Some(store) if SHARING.contains(&store.fs.as_str()) => Ok(Way::Reflink),
        Some(store) => Err(format!("is a file on {}, which cannot freeze files as XFS and btrfs can", store.fs)),
        None => Err("is a file on a file system of which nothing is known".into()),
    }
}

pub(super) fn of_volume(volume: &LogicalVolume) -> Result<Way<'_>, String> {
    if volume.pool.is_some() {
        return Ok(Way::Thin(volume));
    }
    if volume.is_classic_snapshot() {
        return Err("is itself a snapshot, and LVM makes no snapshot of one".into());
    }
    if volume.merging {
        return Err("is being merged".into());
    }
    if !volume.health.is_empty() {
        return Err(format!("is not well ({})", volume.health));
    }
    Ok(Way::Classic(volume))
}

/// What the snapshots of a domain take from one volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stores {
    pub vg: String,
    /// Volume and bytes of its snapshot's store.
    pub sizes: Vec<(String, u64)>,
}

impl Stores {
    pub fn sum(&self) -> u64 {
        self.sizes.iter().map(|(_, size)| *size).fold(0, u64::saturating_add)
    }
}

/// The size of each classic snapshot's store: the usual share of its origin, or what the group has. The error is the end of a sentence.
pub(super) fn stores(inventory: &Inventory, ways: &[Way<'_>]) -> Result<Vec<Stores>, String> {
    let mut groups: Vec<Stores> = Vec::new();
    let classic = ways.iter().filter_map(|way| match way {
        Way::Classic(volume) => Some(*volume),
        _ => None,
    });
    for volume in classic {
        let at = groups.iter().position(|group| group.vg == volume.vg);
        let entry = (volume.full_name(), volume.bytes);
        match at.and_then(|at| groups.get_mut(at)) {
            Some(group) => group.sizes.push(entry),
            None => groups.push(Stores { vg: volume.vg.clone(), sizes: vec![entry] }),
        }
    }
    for group in &mut groups {
        let facts = inventory.volume_groups.iter().find(|known| known.name == group.vg);
        let Some(facts) = facts else { return Err(format!("needs room in {}, of which LVM says nothing", group.vg)) };
        let extent = facts.extent_bytes.max(1 << 20);
        let of = |share: u64| group.sizes.iter().map(|(name, bytes)| (name.clone(), store(*bytes, share, extent))).collect::<Vec<_>>();
        let fits = |sizes: &[(String, u64)]| sizes.iter().map(|(_, size)| *size).fold(0, u64::saturating_add) <= facts.free;
        let shares = [USUAL_SHARE, 8, 12, LEAST_SHARE];
        let Some(sizes) = shares.into_iter().map(of).find(|sizes| fits(sizes)) else {
            let least: u64 = of(LEAST_SHARE).iter().map(|(_, size)| *size).fold(0, u64::saturating_add);
            return Err(format!("needs {} for snapshots in {}, where {} is free", bytes::human(least), group.vg, bytes::human(facts.free)));
        };
        group.sizes = sizes;
    }
    Ok(groups)
}

/// Whether the thin pools have room for what the domain writes while its snapshots are there: each block that is written for the first time is
/// taken anew. Gives a warning for those that have little. The error is the end of a sentence.
pub(super) fn pools(inventory: &Inventory, ways: &[Way<'_>]) -> Result<Vec<String>, String> {
    let mut seen: Vec<(String, u64)> = Vec::new();
    let thin = ways.iter().filter_map(|way| match way {
        Way::Thin(volume) => Some((*volume, format!("{}/{}", volume.vg, volume.pool.as_deref().unwrap_or_default()))),
        _ => None,
    });
    for (volume, pool) in thin {
        match seen.iter_mut().find(|(name, _)| *name == pool) {
            Some((_, bytes)) => *bytes = bytes.saturating_add(volume.bytes),
            None => seen.push((pool, volume.bytes)),
        }
    }
    let mut warnings = Vec::new();
    for (name, volumes) in seen {
        let pool = inventory.volumes.iter().find(|volume| !volume.hidden && volume.full_name() == name);
        let Some((pool, free)) = pool.and_then(|pool| Some((pool, pool_room::free_in(pool)?))) else {
            return Err(format!("lies on the thin pool {name}, and how full that is could not be found out"));
        };
        if !pool.health.is_empty() {
            return Err(format!("lies on the thin pool {name}, which is not well ({})", pool.health));
        }
        if pool_room::metadata_is_full(pool) {
            return Err(format!("lies on the thin pool {name}, whose metadata is nearly full"));
        }
        let (least, usual) = (volumes / LEAST_SHARE, volumes / USUAL_SHARE);
        if free < least {
            return Err(format!(
                "lies on the thin pool {name}, where {} is free and a snapshot may take {} and more while it is copied: a full pool stops all that lies on it",
                bytes::human(free),
                bytes::human(least)
            ));
        }
        if free < usual {
            warnings.push(format!(
                "The thin pool {name} has {} free. What the domain writes while its snapshots are there takes room in it; when it is full, all that lies on it stands still. It is looked at while the disks are copied, and the backup is given up before that.",
                bytes::human(free)
            ));
        }
    }
    Ok(warnings)
}

/// LVM makes a store larger than its origin needs smaller by itself.
fn store(origin: u64, share: u64, extent: u64) -> u64 {
    let most = origin.saturating_add(origin / STORE_OVERHEAD).saturating_add(extent);
    let wanted = (origin / share.max(1)).max(SMALLEST_STORE).min(most);
    wanted.checked_next_multiple_of(extent).unwrap_or(wanted)
}

/// A store that no write overflows.
pub(super) fn whole_store(origin: u64, extent: u64) -> u64 {
    store(origin, 1, extent.max(1 << 20))
        .saturating_add(origin / STORE_OVERHEAD)
        .checked_next_multiple_of(extent.max(1 << 20))
        .unwrap_or(u64::MAX)
}

/// What is frozen of one disk: where its bytes are read from, and what removes it.
pub(super) struct Frozen {
    pub from: Location,
    pub remove: Option<Cmd>,
    /// The snapshot, when it is a volume.
    pub volume: Option<super::increment::Volume>,
    /// The volume, or the file.
    pub called: String,
}

/// The step that freezes a disk; of one that stands still anyway, nothing.
pub(super) fn step(draft: &mut Draft, id: &JobId, number: usize, vdev: &str, from: &Location, way: Way<'_>, stores: &[Stores]) -> Frozen {
    const WHY: &str = "In this moment its bytes are kept as they are; what the domain writes from now on goes elsewhere.";
    match (way, from) {
        (Way::Classic(volume) | Way::Thin(volume), _) => {
            let lv = format!("domkeep-{}-{number}", id.as_str().rsplit('-').next().unwrap_or_default());
            let name = lvm::Name { vg: &volume.vg, lv: &lv };
            let size =
                stores.iter().flat_map(|group| &group.sizes).find(|(of, _)| *of == volume.full_name()).map(|(_, size)| format!("{size}b"));
            let origin = volume.full_name();
            let words: Vec<&str> = match &size {
                Some(size) => vec!["-s", "-L", size, &origin],
                // Thin snapshots are not active by themselves.
                None => vec!["-s", "-kn", &origin],
            };
            let step = lvm::create(draft, id, format!("Freeze {vdev}: a snapshot of {origin}"), WHY, name, &words);
            let remove = lvm::remove_made(id, name);
            draft.cleanup(step, format!("Remove the snapshot {}", name.full()), remove.clone(), lvm::made(id, name));
            let path = HostPath::from(format!("/dev/{}/{lv}", volume.vg));
            Frozen {
                from: Location::Device { path },
                remove: Some(remove),
                volume: Some(super::increment::Volume { vg: volume.vg.clone(), lv: lv.clone() }),
                called: name.full(),
            }
        }
        (Way::Reflink, Location::File { path }) => {
            let to = paths::partial(path, id);
            let share = Action::Reflink { from: path.clone(), to: to.clone(), mode: 0o600 };
            let step = draft.step(format!("Freeze {vdev}: {path} under another name, with the same blocks"), WHY, share);
            let remove = Cmd::changes("rm", ["-f".to_owned(), "--".into(), text(&to)]);
            draft.cleanup(step, format!("Remove {to}"), remove.clone(), Check::Exists { path: to.clone() });
            Frozen { from: Location::File { path: to.clone() }, remove: Some(remove), volume: None, called: to.to_string() }
        }
        (Way::Reflink | Way::Still, from) => Frozen { from: from.clone(), remove: None, volume: None, called: String::new() },
    }
}
