//! What the disks lie on, as text: volume groups with their volumes, file systems, and what nothing refers to.

use super::ink::Ink;
use crate::engine::{self, Picture};
use crate::model::bytes::{human, human_or_unknown};
use crate::model::fuse::brief;
use crate::model::{Inventory, LogicalVolume, shown};

pub fn text(picture: &Picture, ink: Ink) -> String {
    let inventory = &*picture.inventory;
    let mut out = String::new();
    for group in &inventory.volume_groups {
        let head = format!("Volume group {}", shown::text(&group.name));
        out.push_str(&format!("{}: {}, {} free\n", ink.bold(&head), human(group.bytes), human(group.free)));
        for volume in inventory.volumes.iter().filter(|volume| volume.vg == group.name && !volume.hidden) {
            out.push_str(&format!("  {}\n", one(volume, inventory)));
        }
    }
    if inventory.volume_groups.is_empty() {
        out.push_str("No volume groups.\n");
    }
    for store in &inventory.stores {
        let how = if store.read_write { "" } else { ", read-only" };
        out.push_str(&format!(
            "File system {} ({}{how}): {}, {} free\n",
            store.mount,
            shown::text(&store.fs),
            human_or_unknown(store.bytes),
            human_or_unknown(store.free)
        ));
    }
    for thing in engine::unreferenced(inventory) {
        out.push_str(&format!("No domain uses {} {}: {}\n", thing.kind, thing.path, human_or_unknown(thing.bytes)));
    }
    out
}

fn one(volume: &LogicalVolume, inventory: &Inventory) -> String {
    let mut text = format!("{} {}", shown::text(&volume.name), human(volume.bytes));
    if let Some(origin) = &volume.origin {
        text.push_str(&format!(", snapshot of {}", shown::text(origin)));
    }
    if let Some(pool) = &volume.pool {
        text.push_str(&format!(", in pool {}", shown::text(pool)));
    }
    if volume.invalid {
        text.push_str(", LOST: it overflowed");
    } else if let Some(percent) = volume.data_percent {
        text.push_str(&format!(", {percent:.1} % full"));
    }
    for fuse in inventory.fuses_of(volume) {
        text.push_str(&format!(", {} {}", fuse.part.as_str(), brief(fuse)));
    }
    text
}
