//! What a plan knows of the disks of a domain that is saved: what is written down of them beside the image.

use super::domains;
use crate::model::saved::DiskFacts;
use crate::model::{Backing, DiskKind, Inventory, Location};

/// Of one disk, as the picture shows it.
pub(super) fn facts_of(inventory: &Inventory, backing: &Backing, at: Location) -> DiskFacts {
    let known: Vec<_> = backing.signatures.iter().filter(|signature| signature.kind != "blank").collect();
    // What lies in a swap area is worth nothing after a boot.
    let keeps_time = known.iter().all(|signature| signature.times.is_some() || signature.kind == "swap");
    let named = |name: &String| inventory.volumes.iter().any(|volume| volume.full_name() == *name && !volume.uuid.is_empty());
    DiskFacts {
        at,
        volume: backing.volume.clone().filter(|name| named(name)),
        spots: known.iter().map(|signature| signature.offset).collect(),
        keeps_time: keeps_time && known.iter().any(|signature| signature.times.is_some()),
        snapshot: None,
    }
}

/// Where the bytes of a backing are read.
pub(super) fn location_of(backing: &Backing) -> Location {
    if backing.kind == DiskKind::File {
        Location::File { path: domains::lock_of_backing(backing) }
    } else {
        Location::Device { path: backing.path.clone() }
    }
}
