//! What growing or removing a volume or an image would touch: domains, snapshots, clones, configurations; and what a clone has of its own.

use crate::model::{ImageFile, Inventory, LogicalVolume, bytes, shown};
use crate::tui::model::Model;
use crate::tui::widget::text::count;

/// Names that are listed; more are counted.
const MOST: usize = 4;

pub fn lines(model: &Model, inventory: &Inventory, volume: &LogicalVolume) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(shares(volume));
    lines.push(format!("Growing it touches {}.", or_nothing(&growing(model, inventory, volume))));
    lines.push(format!("Removing it touches {}.", or_nothing(&removing(model, inventory, volume))));
    lines
}

pub fn of_image(model: &Model, inventory: &Inventory, image: &ImageFile, overlays: &[String]) -> Vec<String> {
    let users = model.index.users_of(&image.backing);
    let mut names: Vec<&str> = users.iter().map(|user| user.domain.as_str()).collect();
    names.dedup();
    let domains = (!names.is_empty()).then(|| listed(&names, "domain"));
    let above: Vec<&str> = overlays.iter().map(String::as_str).collect();
    let above = |what: &str| (!above.is_empty()).then(|| format!("{}, {what}", listed(&above, "image")));
    let growing: Vec<String> = above("which read from it: it must not change").into_iter().chain(domains.clone()).collect();
    let named = naming(inventory, |key| key == image.backing);
    let removing: Vec<String> = above("which it would ruin").into_iter().chain(domains).chain(named).collect();
    vec![format!("Growing it touches {}.", or_nothing(&growing)), format!("Removing it touches {}.", or_nothing(&removing))]
}

/// A clone's own bytes and those that it shares. A classic snapshot's store holds what differs; of a thin volume LVM tells only what is mapped.
pub fn shares(volume: &LogicalVolume) -> Option<String> {
    let origin = volume.origin.as_deref().map(shown::text)?;
    if volume.invalid {
        return Some(format!("Of its own and shared with {origin}: nothing any more, it is lost."));
    }
    if let Some(store) = volume.store_bytes {
        let own = volume.data_percent.map(|percent| share(store, percent));
        let shared = own.map(|own| volume.bytes.saturating_sub(own));
        return Some(format!("own {}, shared with {origin} {}", bytes::human_or_unknown(own), bytes::human_or_unknown(shared)));
    }
    let mapped = volume.data_percent.map(|percent| share(volume.bytes, percent));
    Some(format!("{} mapped; how much of it is its own and how much is {origin}'s is not known", bytes::human_or_unknown(mapped)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn share(whole: u64, percent: f64) -> u64 {
    (whole as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64
}

fn growing(model: &Model, inventory: &Inventory, volume: &LogicalVolume) -> Vec<String> {
    let mut touched = Vec::new();
    if volume.is_classic_snapshot() {
        // Its store grows, and nobody who reads it notices.
        return vec![format!("room in {}", shown::text(&volume.vg))];
    }
    let snapshots = classic_snapshots(inventory, volume);
    if !snapshots.is_empty() {
        touched.push(format!("{} (LVM grows their origin only while it is not active)", listed(&snapshots, "snapshot")));
    }
    touched.extend(domains(model, volume));
    if volume.pool.is_none() {
        touched.push(format!("room in {}", shown::text(&volume.vg)));
    }
    touched
}

fn removing(model: &Model, inventory: &Inventory, volume: &LogicalVolume) -> Vec<String> {
    let mut touched = Vec::new();
    let snapshots = classic_snapshots(inventory, volume);
    if !snapshots.is_empty() {
        touched.push(format!("{}, which would go with it", listed(&snapshots, "snapshot")));
    }
    let inside = of(inventory, volume, |other| other.pool.as_deref() == Some(&volume.name));
    if !inside.is_empty() {
        touched.push(format!("{}, which would go with it", listed(&inside, "volume")));
    }
    let clones = of(inventory, volume, |other| !other.is_classic_snapshot() && other.origin.as_deref() == Some(&volume.name));
    if !clones.is_empty() {
        touched.push(format!("{} (which would live on without an origin)", listed(&clones, "thin clone")));
    }
    touched.extend(domains(model, volume));
    touched.extend(configs(inventory, volume));
    if inventory.mounts.iter().any(|mount| mount.source == volume.path.to_string()) {
        touched.push("a mount in dom0".to_owned());
    }
    touched
}

fn of<'a>(inventory: &'a Inventory, volume: &LogicalVolume, is: impl Fn(&LogicalVolume) -> bool) -> Vec<&'a str> {
    inventory.volumes.iter().filter(|other| other.vg == volume.vg && !other.hidden && is(other)).map(|other| other.name.as_str()).collect()
}

fn classic_snapshots<'a>(inventory: &'a Inventory, volume: &LogicalVolume) -> Vec<&'a str> {
    of(inventory, volume, |other| other.is_classic_snapshot() && other.origin.as_deref() == Some(&volume.name))
}

fn domains(model: &Model, volume: &LogicalVolume) -> Option<String> {
    let mut names: Vec<&str> = model.index.users_of_volume(volume).iter().map(|user| user.domain.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| listed(&names, "domain"))
}

/// Configuration files that name it.
fn configs(inventory: &Inventory, volume: &LogicalVolume) -> Option<String> {
    naming(inventory, |key| inventory.backings.get(key).and_then(|backing| backing.volume.as_ref()) == Some(&volume.full_name()))
}

/// Configuration files with a disk of such a backing.
fn naming(inventory: &Inventory, is_it: impl Fn(&str) -> bool) -> Option<String> {
    let naming = inventory.configs.iter().filter(|config| config.disks.iter().any(|disk| disk.backing.as_deref().is_some_and(&is_it)));
    let mut paths: Vec<String> = naming.map(|config| config.path.to_string()).collect();
    paths.dedup();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    (!paths.is_empty()).then(|| listed(&paths, "configuration"))
}

/// `2 domains: web01, web02`.
fn listed(names: &[&str], what: &str) -> String {
    let shown: Vec<String> = names.iter().take(MOST).map(|name| shown::text(name)).collect();
    let more = names.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}: {}{more}", count(names.len(), what), shown.join(", "))
}

fn or_nothing(touched: &[String]) -> String {
    if touched.is_empty() { "nothing else that is known".to_owned() } else { touched.join("; ") }
}
