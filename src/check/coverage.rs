//! What of a host's domains lies in a backup, and what does not.

use std::collections::BTreeMap;

use super::unreferenced::is_source_of;
use crate::model::bundle::{BundleSaid, BundleState, FoundBundle};
use crate::model::{Disk, DiskKind, Domain, HostPath, Inventory, MountUse};

/// A domain and the restore points of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// Id of the domain of this host; nothing: the restore points are of another one, or of one that is gone.
    pub domain: Option<String>,
    /// Its name; `?` where no manifest tells it.
    pub name: String,
    /// The host that a stranger's restore points are of.
    pub host: Option<String>,
    /// Newest first, as places in [`Inventory::bundles`].
    pub points: Vec<usize>,
    pub lacks: Vec<Lack>,
}

/// What a restore would not bring back, or what makes it unsure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No restore point was found where backups are looked for. There may be one elsewhere, or of another tool.
    NoneFound,
    /// There are restore points, and none of them is good.
    NoneGood,
    /// The newest good one does not hold this disk.
    Disk { vdev: String },
    /// This disk's bytes lie under somebody else's care.
    ElsewhereManaged { vdev: String },
    /// The newest good one holds zeros for so many bytes that could not be read.
    Unreadable { bytes: u64 },
    /// What takes this disk takes the newest good one with it: they share a file system or a volume group.
    SamePlace { vdev: String, place: String },
}

impl Lack {
    pub fn says(&self) -> String {
        match self {
            Self::NoneFound => "no backup of it was found".to_owned(),
            Self::NoneGood => "none of its restore points is good".to_owned(),
            Self::Disk { vdev } => format!("{vdev} is not in the newest good one"),
            Self::ElsewhereManaged { vdev } => format!("{vdev} is managed elsewhere and is in no backup of domkeep"),
            Self::Unreadable { bytes } => {
                format!("{} of its disks could not be read: zeros stand there instead", crate::model::bytes::human(*bytes))
            }
            Self::SamePlace { vdev, place } => format!("{vdev} and its backup both lie in {place}: what takes one takes the other"),
        }
    }
}

impl Coverage {
    /// Its restore points, newest first, in the inventory that it was made of.
    pub fn points<'a>(&self, inventory: &'a Inventory) -> impl Iterator<Item = &'a FoundBundle> {
        self.points.iter().filter_map(|at| inventory.bundles.get(*at))
    }

    pub fn newest_good<'a>(&self, inventory: &'a Inventory) -> Option<&'a FoundBundle> {
        self.points(inventory).find(|point| point.state == BundleState::Good)
    }
}

/// The host's domains first, each with its restore points; then restore points of domains that are not here; last what is not whole.
pub fn coverage(inventory: &Inventory) -> Vec<Coverage> {
    let guests: Vec<&Domain> = inventory.domains.iter().filter(|domain| domain.domid != Some(0)).collect();
    let mut own: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut strange: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    let mut nameless = Vec::new();
    for (at, bundle) in inventory.bundles.iter().enumerate() {
        match &bundle.said {
            None => nameless.push(at),
            Some(said) => match guests.iter().find(|domain| is_of(said, domain, inventory)) {
                Some(domain) => own.entry(domain.id.as_str()).or_default().push(at),
                None => strange.entry((said.domain.clone(), said.host.clone())).or_default().push(at),
            },
        }
    }
    let guests = guests.into_iter().map(|domain| {
        let points = newest_first(inventory, own.remove(domain.id.as_str()).unwrap_or_default());
        let covered = Coverage { domain: Some(domain.id.clone()), name: domain.name.clone(), host: None, points, lacks: Vec::new() };
        Coverage { lacks: lacks(inventory, domain, &covered), ..covered }
    });
    let mut all: Vec<Coverage> = guests.collect();
    all.extend(strange.into_iter().map(|((name, host), points)| {
        let host = (host != inventory.host.name).then_some(host);
        Coverage { domain: None, name, host, points: newest_first(inventory, points), lacks: Vec::new() }
    }));
    if !nameless.is_empty() {
        all.push(Coverage { domain: None, name: "?".to_owned(), host: None, points: nameless, lacks: Vec::new() });
    }
    all
}

/// A domain keeps its uuid when it is renamed or comes from another host; without one, the name on this host tells.
fn is_of(said: &BundleSaid, domain: &Domain, inventory: &Inventory) -> bool {
    match (&said.uuid, &domain.uuid) {
        (Some(then), Some(now)) => then.eq_ignore_ascii_case(now),
        _ => said.domain == domain.name && said.host == inventory.host.name,
    }
}

fn newest_first(inventory: &Inventory, mut points: Vec<usize>) -> Vec<usize> {
    let instant = |at: usize| inventory.bundles.get(at)?.said.as_ref().map(|said| said.instant);
    points.sort_by_key(|at| std::cmp::Reverse(instant(*at)));
    points
}

fn lacks(inventory: &Inventory, domain: &Domain, covered: &Coverage) -> Vec<Lack> {
    let Some((good, said)) = covered.newest_good(inventory).and_then(|good| Some((good, good.said.as_ref()?))) else {
        return vec![if covered.points.is_empty() { Lack::NoneFound } else { Lack::NoneGood }];
    };
    let mut lacks = Vec::new();
    for disk in domain.disks.iter().filter(|disk| disk.kind != DiskKind::Empty && !disk.removable) {
        let vdev = disk.vdev.clone().unwrap_or_else(|| "root".to_owned());
        let held = said.pieces.iter().any(|piece| piece.kind == "disk" && piece.vdev.as_deref() == Some(vdev.as_str()));
        if disk.kind.managed_elsewhere() {
            lacks.push(Lack::ElsewhereManaged { vdev });
        } else if !held {
            lacks.push(Lack::Disk { vdev });
        } else if let Some(place) = same_place(inventory, disk, &good.path) {
            lacks.push(Lack::SamePlace { vdev, place });
        }
    }
    if said.unreadable > 0 {
        lacks.push(Lack::Unreadable { bytes: said.unreadable });
    }
    lacks
}

/// What holds both the disk and the backup. Nothing where it is not known: that is no promise.
fn same_place(inventory: &Inventory, disk: &Disk, backup: &HostPath) -> Option<String> {
    let below = mount_of(inventory, backup)?;
    let path = disk.path.as_ref()?;
    if disk.kind == DiskKind::File {
        return (mount_of(inventory, path)? == below).then(|| format!("the file system {}", below.at));
    }
    let volume = inventory.backing(disk.backing.as_ref())?.volume.as_ref()?;
    let (group, _) = volume.split_once('/')?;
    let same = inventory.volumes.iter().any(|other| other.vg == group && is_source_of(&other.path, &other.full_name(), below));
    same.then(|| format!("the volume group {group}"))
}

/// What is mounted above a path, the innermost; of several mounts on one place the last covers the others.
fn mount_of<'a>(inventory: &'a Inventory, path: &HostPath) -> Option<&'a MountUse> {
    inventory.mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.as_bytes().len())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::model::bundle::PieceSaid;
    use crate::model::{Backing, HostFacts, LogicalVolume};

    const UUID: &str = "0a7b5c0e-0000-4000-8000-000000000001";

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + hour * 3600, 0).unwrap()
    }

    fn bundle(domain: &str, uuid: Option<&str>, hour: i64, state: BundleState) -> FoundBundle {
        let piece = PieceSaid {
            name: "xvda.img".into(),
            kind: "disk".into(),
            bytes: 1,
            vdev: Some("xvda".into()),
            source: "/srv/a.img".into(),
            segmented: false,
        };
        let said = BundleSaid {
            id: "0".into(),
            domain: domain.into(),
            uuid: uuid.map(str::to_owned),
            host: "here".into(),
            instant: at(hour),
            ended: at(hour),
            pieces: vec![piece],
            ..BundleSaid::default()
        };
        FoundBundle { path: format!("/backup/here/{domain}/{hour}").as_str().into(), state, said: Some(said), allocated: None }
    }

    fn mount(at: &str, source: &str) -> MountUse {
        MountUse { source: source.into(), at: at.into(), read_write: true, fs: "ext4".into() }
    }

    fn host() -> Inventory {
        let file = Disk { vdev: Some("xvda".into()), kind: DiskKind::File, path: Some("/srv/a.img".into()), ..Disk::default() };
        let web = Domain { id: "web".into(), name: "web".into(), uuid: Some(UUID.into()), disks: vec![file], ..Domain::default() };
        let dom0 = Domain { id: "Domain-0".into(), name: "Domain-0".into(), domid: Some(0), ..Domain::default() };
        Inventory {
            host: HostFacts { name: "here".into(), ..HostFacts::default() },
            domains: vec![dom0, web],
            mounts: vec![mount("/", "/dev/vda1"), mount("/backup", "/dev/mapper/vg-back--up")],
            ..Inventory::default()
        }
    }

    fn of_web(inventory: &Inventory) -> Vec<Lack> {
        coverage(inventory).into_iter().find(|one| one.name == "web").unwrap().lacks
    }

    #[test]
    fn a_domain_without_a_good_backup_is_said_to_have_none() {
        let mut inventory = host();
        assert_eq!(of_web(&inventory), [Lack::NoneFound], "nobody learns that there is no backup of it");
        assert!(coverage(&inventory).iter().all(|one| one.name != "Domain-0"), "the host itself was taken for a guest");
        inventory.bundles = vec![bundle("web", Some(UUID), 1, BundleState::Torn { why: "written to".into() })];
        assert_eq!(of_web(&inventory), [Lack::NoneGood], "a torn backup counts as one");
        inventory.bundles.push(bundle("web", Some(UUID), 0, BundleState::Good));
        let all = coverage(&inventory);
        let web = all.iter().find(|one| one.name == "web").unwrap();
        assert_eq!(web.points(&inventory).next().unwrap().said.as_ref().unwrap().instant, at(1), "the newest does not come first");
        assert_eq!(web.newest_good(&inventory).unwrap().said.as_ref().unwrap().instant, at(0));
        assert_eq!(web.lacks, []);
    }

    #[test]
    fn a_renamed_domain_keeps_its_backups_and_a_namesake_gets_none() {
        let mut inventory = host();
        inventory.bundles = vec![bundle("old-name", Some(&UUID.to_uppercase()), 0, BundleState::Good)];
        assert_eq!(of_web(&inventory), []);
        inventory.bundles = vec![bundle("web", Some("another"), 0, BundleState::Good)];
        assert_eq!(of_web(&inventory), [Lack::NoneFound], "the backup of another machine of the same name passes for its own");
        assert!(coverage(&inventory).iter().any(|one| one.domain.is_none() && one.name == "web"), "that backup is shown nowhere");
        inventory.bundles = vec![FoundBundle { path: "/backup/x".into(), state: BundleState::Partial, said: None, allocated: None }];
        assert_eq!(coverage(&inventory).last().unwrap().name, "?", "half a backup is shown nowhere");
    }

    #[test]
    fn a_disk_that_no_backup_holds_is_named() {
        let mut inventory = host();
        inventory.bundles = vec![bundle("web", Some(UUID), 0, BundleState::Good)];
        let disk = |vdev: &str, kind| Disk { vdev: Some(vdev.into()), kind, path: Some("/srv/b.img".into()), ..Disk::default() };
        inventory.domains[1].disks.extend([
            disk("xvdb", DiskKind::File),
            disk("xvdc", DiskKind::Rbd),
            Disk { removable: true, ..disk("hdc", DiskKind::File) },
        ]);
        let lacks = of_web(&inventory);
        assert_eq!(lacks, [Lack::Disk { vdev: "xvdb".into() }, Lack::ElsewhereManaged { vdev: "xvdc".into() }], "a CD is no state");
    }

    #[test]
    fn a_backup_beside_its_disk_is_no_second_place() {
        let mut inventory = host();
        inventory.bundles = vec![bundle("web", Some(UUID), 0, BundleState::Good)];
        assert_eq!(of_web(&inventory), [], "the disk lies in another file system");
        inventory.domains[1].disks[0].path = Some("/backup/a.img".into());
        assert_eq!(of_web(&inventory), [Lack::SamePlace { vdev: "xvda".into(), place: "the file system /backup".into() }]);
        inventory.domains[1].disks[0] = Disk {
            vdev: Some("xvda".into()),
            kind: DiskKind::Lvm,
            path: Some("/dev/vg/web".into()),
            backing: Some("key".into()),
            ..Disk::default()
        };
        inventory.backings.insert("key".into(), Backing { volume: Some("vg/web".into()), ..Backing::default() });
        let volume = |name: &str| LogicalVolume {
            vg: "vg".into(),
            name: name.into(),
            path: format!("/dev/vg/{name}").as_str().into(),
            ..LogicalVolume::default()
        };
        inventory.volumes = vec![volume("web"), volume("back-up")];
        assert_eq!(of_web(&inventory), [Lack::SamePlace { vdev: "xvda".into(), place: "the volume group vg".into() }]);
        inventory.volumes[1].vg = "other".into();
        assert_eq!(of_web(&inventory), []);
    }
}
