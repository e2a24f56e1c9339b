//! What screens look up again and again, worked out once a picture.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{self, Coverage, Picture};
use crate::model::{Disk, DiskKind, HostPath, LogicalVolume, Severity};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    /// The worst finding of each domain.
    pub risk: BTreeMap<String, Severity>,
    /// Who uses a backing: `web01 xvda`, by the backing's key.
    pub users: BTreeMap<String, Vec<User>>,
    /// Key of the backing that is a volume, by `vg/lv`.
    pub volumes: BTreeMap<String, String>,
    /// Paths of volumes and images that nothing refers to.
    pub unreferenced: BTreeSet<HostPath>,
    pub dangers: usize,
    pub warnings: usize,
    /// Each domain's restore points, and what they lack.
    pub coverage: Vec<Coverage>,
}

/// A disk of a domain that lies on some backing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub domain: String,
    pub vdev: String,
}

impl Index {
    pub fn of(picture: &Picture) -> Self {
        let mut index = Self::default();
        for finding in &picture.verdicts.findings {
            match finding.severity {
                Severity::Danger => index.dangers += 1,
                Severity::Warning => index.warnings += 1,
                Severity::Note => {}
            }
            for domain in &finding.domains {
                let worst = index.risk.entry(domain.clone()).or_insert(finding.severity);
                *worst = finding.severity.min(*worst);
            }
        }
        for domain in &picture.inventory.domains {
            for disk in &domain.disks {
                if let Some(key) = &disk.backing {
                    let vdev = disk.vdev.clone().unwrap_or_else(|| "root".to_owned());
                    index.users.entry(key.clone()).or_default().push(User { domain: domain.id.clone(), vdev });
                }
            }
        }
        for (key, backing) in &picture.inventory.backings {
            if let Some(volume) = &backing.volume {
                index.volumes.insert(volume.clone(), key.clone());
            }
        }
        index.unreferenced = engine::unreferenced(&picture.inventory).into_iter().map(|thing| thing.path).collect();
        index.coverage = engine::coverage(&picture.inventory);
        index
    }

    pub fn users_of_volume(&self, volume: &LogicalVolume) -> &[User] {
        self.volumes.get(&volume.full_name()).map_or(&[], |key| self.users_of(key))
    }

    pub fn users_of(&self, backing: &str) -> &[User] {
        self.users.get(backing).map_or(&[], Vec::as_slice)
    }
}

/// Disks that hold bytes; an empty drive holds none.
pub fn real_disks(disks: &[Disk]) -> impl Iterator<Item = &Disk> {
    disks.iter().filter(|disk| disk.kind != DiskKind::Empty)
}

/// The sum, when every part is known.
pub fn known_sum(mut parts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    parts.try_fold(0u64, |sum, part| Some(sum.saturating_add(part?)))
}
