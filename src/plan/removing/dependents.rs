//! What depends on a disk: domains, configurations, save images, snapshots, overlays, thin volumes, backups that hold it.

use crate::model::{ConfigSource, Disk, HostPath, Inventory, LogicalVolume, Lvm};

/// One that would lose something.
pub(in crate::plan) struct Dependent {
    /// Whole words: `the configuration /etc/xen/web02.cfg names it as xvda`.
    pub says: String,
    /// The volume (`vg/lv`) or file that depends, when it is one: it may be removed together with the disk.
    pub thing: Option<String>,
}

impl Dependent {
    fn says(says: String) -> Self {
        Self { says, thing: None }
    }
}

/// `without`: a configuration that goes with the disk, and does not count.
pub(in crate::plan) fn of(
    inventory: &Inventory,
    lvm: Option<&Lvm>,
    path: &HostPath,
    volume: Option<&LogicalVolume>,
    without: Option<&HostPath>,
) -> Vec<Dependent> {
    let backing = inventory.backings.values().find(|backing| {
        backing.path == *path
            || backing.aliases.contains(path)
            || volume.is_some_and(|volume| backing.volume.as_ref() == Some(&volume.full_name()))
    });
    let key = backing.map(|backing| &backing.key);
    let is_it = |disk: &Disk| disk.path.as_ref() == Some(path) || key.is_some() && disk.backing.as_ref() == key;
    let mut found = Vec::new();
    for config in inventory.configs.iter().filter(|config| without != Some(&config.path)) {
        for disk in config.disks.iter().filter(|disk| is_it(disk)) {
            let vdev = disk.vdev.as_deref().unwrap_or("a disk");
            found.push(Dependent::says(match config.source {
                ConfigSource::SaveImage => {
                    format!("the save image {} was made with it as {vdev}, and can be resumed only with it", config.path)
                }
                _ => format!("the configuration {} names it as {vdev}", config.path),
            }));
        }
    }
    for domain in &inventory.domains {
        for disk in domain.disks.iter().filter(|disk| disk.attached && is_it(disk)) {
            let vdev = disk.vdev.as_deref().unwrap_or("a disk");
            found.push(Dependent::says(format!("{} has it as {vdev} now", domain.name)));
        }
    }
    for above in inventory.backings.values().filter(|above| above.backing_file.as_ref().is_some_and(|(_, below)| Some(below) == key)) {
        let thing = String::from_utf8_lossy(above.path.as_bytes()).into_owned();
        found.push(Dependent { says: format!("the image {} stands on it, and is nothing without it", above.path), thing: Some(thing) });
    }
    if let Some(bundle) = inventory.bundles.iter().find(|bundle| path.as_path().starts_with(bundle.path.as_path())) {
        found.push(Dependent::says(format!("it is a part of the backup {}", bundle.path)));
    }
    if let (Some(lvm), Some(volume)) = (lvm, volume) {
        found.extend(in_lvm(lvm, volume));
    }
    found
}

fn in_lvm(lvm: &Lvm, volume: &LogicalVolume) -> Vec<Dependent> {
    let same_group = |other: &&LogicalVolume| other.vg == volume.vg && other.name != volume.name;
    let mut found = Vec::new();
    for other in lvm.volumes.iter().filter(same_group) {
        let name = other.full_name();
        if other.origin.as_ref() == Some(&volume.name) && other.is_classic_snapshot() {
            found.push(Dependent { says: format!("{name} is a classic snapshot of it, and would go with it"), thing: Some(name) });
        } else if other.origin.as_ref() == Some(&volume.name) && volume.role.split(',').any(|role| role == "extthinorigin") {
            found.push(Dependent { says: format!("{name} reads from it what it has not written itself"), thing: Some(name) });
        } else if other.pool.as_ref() == Some(&volume.name) && !other.hidden {
            found.push(Dependent { says: format!("{name} lies in it"), thing: Some(name) });
        }
    }
    found
}
