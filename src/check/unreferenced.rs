//! Volumes and image files that nothing refers to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::scene::{backing_of, key_of};
use crate::model::{Disk, HostPath, ImageFile, Inventory, LogicalVolume, MountUse};

/// A volume or image file that no domain, configuration, save image, mount or other image refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreferenced {
    pub path: HostPath,
    /// `volume` or `image`.
    pub kind: &'static str,
    pub bytes: Option<u64>,
}

/// What nothing refers to. Left out: LVM's own parts, pools, snapshots (they are listed with their origins), and CD images.
pub fn unreferenced(inventory: &Inventory) -> Vec<Unreferenced> {
    let named: BTreeSet<String> = all_disks(inventory).filter_map(|disk| key_of(inventory, disk)).collect();
    let mut volumes: BTreeSet<String> = all_disks(inventory).filter_map(|disk| backing_of(inventory, disk)?.volume.clone()).collect();
    let busy = inventory.backings.values().filter(|backing| !backing.mounts.is_empty() || !backing.holders.is_empty());
    volumes.extend(busy.filter_map(|backing| backing.volume.clone()));
    // Whoever uses a snapshot uses its origin, and the origin's origin.
    loop {
        let origins: Vec<String> = inventory
            .volumes
            .iter()
            .filter(|volume| volumes.contains(&volume.full_name()))
            .filter_map(|volume| volume.origin.as_ref().map(|origin| format!("{}/{origin}", volume.vg)))
            .collect();
        let before = volumes.len();
        volumes.extend(origins);
        if volumes.len() == before {
            break;
        }
    }

    let free_volumes = inventory
        .volumes
        .iter()
        .filter(|volume| !volume.hidden && !is_pool(volume) && volume.origin.is_none())
        .filter(|volume| !volumes.contains(&volume.full_name()) && !mounted(inventory, &volume.path, &volume.full_name()))
        // Open, and no domain has it: something else of this host uses it.
        .filter(|volume| !volume.open)
        .map(|volume| Unreferenced { path: volume.path.clone(), kind: "volume", bytes: Some(volume.bytes) });
    let bases = bases(inventory);
    let idle = |image: &&ImageFile| !image.referenced && !named.contains(&image.backing) && !bases.contains(image.path.as_path());
    let free_images = inventory.images.iter().filter(idle).filter(|image| !is_cd(inventory, image)).map(|image| {
        let bytes = inventory.backings.get(&image.backing).and_then(|backing| backing.bytes);
        Unreferenced { path: image.path.clone(), kind: "image", bytes }
    });
    free_volumes.chain(free_images).collect()
}

/// Pools of every kind: thin, VDO, cache.
fn is_pool(volume: &LogicalVolume) -> bool {
    volume.is_thin_pool() || volume.layout.split(',').any(|word| word == "pool")
}

/// A CD image lies about to be put into a drive some day: that nothing names it now says nothing.
fn is_cd(inventory: &Inventory, image: &ImageFile) -> bool {
    let ending =
        image.path.as_path().extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ending.eq_ignore_ascii_case("iso"));
    let backing = inventory.backings.get(&image.backing);
    ending || backing.is_some_and(|backing| backing.signatures.iter().any(|signature| signature.kind == "iso9660"))
}

/// The files that the headers of other images name as theirs to stand on, by the path that the header means.
fn bases(inventory: &Inventory) -> BTreeSet<PathBuf> {
    let images = inventory.images.iter().filter_map(|image| inventory.backings.get(&image.backing));
    images
        .filter_map(|backing| {
            let (written, _) = backing.backing_file.as_ref()?;
            Some(backing.path.as_path().parent()?.join(written.as_path()))
        })
        .collect()
}

fn all_disks(inventory: &Inventory) -> impl Iterator<Item = &Disk> {
    let of_domains = inventory.domains.iter().flat_map(|domain| &domain.disks);
    of_domains.chain(inventory.configs.iter().flat_map(|config| &config.disks))
}

/// Mounted in dom0.
fn mounted(inventory: &Inventory, path: &HostPath, full_name: &str) -> bool {
    inventory.mounts.iter().any(|mount| is_source_of(path, full_name, mount))
}

/// Whether a mount is of this volume, by either of the names that device-mapper gives it.
pub(super) fn is_source_of(path: &HostPath, full_name: &str, mount: &MountUse) -> bool {
    let mapper = full_name.split_once('/').map(|(vg, lv)| format!("/dev/mapper/{}-{}", vg.replace('-', "--"), lv.replace('-', "--")));
    mount.source == path.to_string() || Some(&mount.source) == mapper.as_ref()
}
