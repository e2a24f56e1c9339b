//! One inventory with what several rules need of it: who uses which backing, and how.

use std::collections::BTreeMap;

use super::{Limits, drift, stale};
use crate::model::cmd::shell_bytes;
use crate::model::{
    Backing, Config, ConfigSource, Disk, DiskKind, Domain, Drift, HostPath, Inventory, LogicalVolume, Mode, Power, SharedDisk, StaleVerdict,
};

/// One domain's use of one backing.
#[derive(Clone, Copy)]
pub(crate) struct Use<'a> {
    pub domain: &'a Domain,
    pub disk: &'a Disk,
    /// The strongest way in which the domain has or would have it.
    pub mode: Mode,
}

impl Use<'_> {
    /// The domain has it now, and may write. One that has ended only holds it.
    pub fn writes_now(&self) -> bool {
        let ended = matches!(self.domain.power, Power::Preserved | Power::Crashed | Power::Dying);
        self.disk.attached && self.domain.power.is_present() && !ended && self.mode.writes()
    }

    /// `web1 (running, w)`.
    pub fn label(&self) -> String {
        format!("{} ({}, {})", self.domain.name, self.domain.power.as_str(), self.mode.as_str())
    }

    /// Where the use is written down.
    pub fn source(&self) -> String {
        if self.disk.attached {
            attached_source(self.domain)
        } else {
            self.domain.configs.first().map_or_else(|| "its configuration".to_owned(), ToString::to_string)
        }
    }
}

pub(crate) struct Scene<'a> {
    pub inventory: &'a Inventory,
    pub limits: Limits,
    /// By backing key; one entry a domain, in the order of the domains' names.
    pub uses: BTreeMap<String, Vec<Use<'a>>>,
    pub shared: Vec<SharedDisk>,
    pub drift: Vec<Drift>,
    pub stale: BTreeMap<HostPath, StaleVerdict>,
}

impl<'a> Scene<'a> {
    pub fn new(inventory: &'a Inventory, limits: Limits) -> Self {
        Self {
            inventory,
            limits,
            uses: uses(inventory),
            shared: shared_disks(inventory),
            drift: drift::drift(inventory),
            stale: stale::verdicts(inventory),
        }
    }

    /// The backing behind a disk, however the disk names it.
    pub fn backing(&self, disk: &Disk) -> Option<&'a Backing> {
        backing_of(self.inventory, disk)
    }

    /// The path that people use for a backing's key.
    pub fn path_of(&self, key: &str) -> HostPath {
        self.inventory.backings.get(key).map_or_else(|| HostPath::from(key), |backing| backing.path.clone())
    }
}

/// Who told which disks a domain has now.
pub(crate) fn attached_source(domain: &Domain) -> String {
    if domain.by_libvirt_only() { format!("{} dumpxml", domain.virsh()) } else { "xl list -l, xenstore-ls".to_owned() }
}

/// Who told what a domain is doing.
pub(crate) fn power_source(domain: &Domain) -> String {
    if domain.by_libvirt_only() { format!("{} domstate --reason", domain.virsh()) } else { "xl list".to_owned() }
}

/// The configurations that the toolstack would start a domain from (never the one packaged in a save image).
pub(crate) fn configs_of<'a>(inventory: &'a Inventory, domain: &'a Domain) -> impl Iterator<Item = &'a Config> {
    inventory.configs.iter().filter(|config| {
        config.source != ConfigSource::SaveImage
            && (domain.configs.contains(&config.path) || config.name.as_deref() == Some(domain.name.as_str()))
    })
}

pub(crate) fn backing_of<'a>(inventory: &'a Inventory, disk: &Disk) -> Option<&'a Backing> {
    inventory.backing(disk.backing.as_ref()).or_else(|| {
        let path = disk.path.as_ref()?;
        inventory.backings.values().find(|backing| &backing.path == path || backing.aliases.contains(path))
    })
}

/// Identity of what a disk lies on: its backing's key, else its path; nothing for an empty drive.
pub(crate) fn key_of(inventory: &Inventory, disk: &Disk) -> Option<String> {
    if disk.kind == DiskKind::Empty {
        return None;
    }
    backing_of(inventory, disk)
        .map(|backing| backing.key.clone())
        .or_else(|| disk.backing.clone())
        .or_else(|| disk.path.as_ref().filter(|path| !path.is_empty()).map(|path| path.as_path().to_string_lossy().into_owned()))
}

/// How a disk is used. The toolstacks' own default is to write, so a mode that is not known counts as writing.
pub(crate) fn mode_of(disk: &Disk) -> Mode {
    disk.mode.unwrap_or(Mode::Write)
}

pub(crate) fn volume_of<'a>(inventory: &'a Inventory, backing: &Backing) -> Option<&'a LogicalVolume> {
    let (vg, name) = backing.volume.as_ref()?.split_once('/')?;
    inventory.volumes.iter().find(|volume| volume.name == name && volume.vg == vg)
}

/// Pairs of keys of used backings of which the second lies in the first: a disk and its partition, a physical volume and a volume on it.
pub(crate) fn nested<'u>(inventory: &Inventory, uses: &'u BTreeMap<String, Vec<Use<'_>>>) -> Vec<(&'u str, &'u str)> {
    let mut holders: BTreeMap<(u32, u32), &'u str> = BTreeMap::new();
    for key in uses.keys() {
        let Some(backing) = inventory.backings.get(key) else { continue };
        holders.extend(backing.device.iter().chain(&backing.loop_devices).map(|number| (*number, key.as_str())));
    }
    let mut pairs = Vec::new();
    for key in uses.keys() {
        let below = inventory.backings.get(key).map(|backing| backing.lies_on.as_slice()).unwrap_or_default();
        pairs.extend(below.iter().filter_map(|number| Some((*holders.get(number)?, key.as_str()))).filter(|(outer, _)| *outer != key));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn uses(inventory: &Inventory) -> BTreeMap<String, Vec<Use<'_>>> {
    let mut uses: BTreeMap<String, Vec<Use<'_>>> = BTreeMap::new();
    for domain in &inventory.domains {
        for disk in domain.disks.iter().filter(|disk| disk.kind != DiskKind::NfsRoot) {
            let Some(key) = key_of(inventory, disk) else { continue };
            let users = uses.entry(key).or_default();
            let mode = mode_of(disk);
            match users.iter_mut().find(|user| user.domain.id == domain.id) {
                // The same backing twice in one domain: what is attached tells more than what is written, and writing more than reading.
                Some(user) if (disk.attached, mode) > (user.disk.attached, user.mode) => *user = Use { domain, disk, mode },
                Some(_) => {}
                None => users.push(Use { domain, disk, mode }),
            }
        }
    }
    for users in uses.values_mut() {
        users.sort_by(|a, b| (&a.domain.name, &a.domain.id).cmp(&(&b.domain.name, &b.domain.id)));
    }
    uses
}

/// Every backing that more than one domain has, read-only ones too; a partition also when another domain has the whole disk.
pub fn shared_disks(inventory: &Inventory) -> Vec<SharedDisk> {
    let uses = uses(inventory);
    let mut users = uses.clone();
    for (outer, inner) in nested(inventory, &uses) {
        let (Some(whole), Some(part)) = (uses.get(outer), users.get_mut(inner)) else { continue };
        for user in whole {
            if !part.iter().any(|known| known.domain.id == user.domain.id) {
                part.push(*user);
            }
        }
        part.sort_by(|a, b| (&a.domain.name, &a.domain.id).cmp(&(&b.domain.name, &b.domain.id)));
    }
    users
        .into_iter()
        .filter(|(_, users)| users.len() > 1)
        .map(|(key, users)| SharedDisk {
            path: inventory.backings.get(&key).map_or_else(|| HostPath::from(key), |backing| backing.path.clone()),
            domains: users.iter().map(|user| user.domain.name.clone()).collect(),
            modes: users.iter().map(|user| user.mode).collect(),
        })
        .collect()
}

/// A path as one would type it in a shell, whatever its bytes.
pub(crate) fn typed(path: &HostPath) -> String {
    shell_bytes(path.as_bytes())
}
