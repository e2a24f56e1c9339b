//! Successive looks at what fills: the pace of each fuse. One process that looks once knows none, unless the guard is at work and tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::host::{Look, Place, read_whole};
use crate::model::fuse::Looks;
use crate::model::{Fuse, FusePart, Inventory};

/// Where the guard tells what it sees, in memory that no disk backs.
pub const TOLD_BY_GUARD: &str = "/run/domkeep/fuses.json";
const MOST_TOLD: usize = 1 << 20;
/// What the guard said longer ago is no news.
const FRESH_SECONDS: i64 = 120;

/// What the guard tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub at: DateTime<Utc>,
    pub fuses: Vec<Fuse>,
}

/// Identity of a fuse. A volume that was removed and made anew has another uuid, and no past.
type Key = (String, String, FusePart);

#[derive(Debug, Default)]
pub struct FuseLog {
    looks: Mutex<BTreeMap<Key, Looks>>,
}

impl FuseLog {
    /// Fills in the fuses of a fresh look, with their pace where it is known.
    pub fn add(&self, host: &dyn Look, inventory: &mut Inventory) {
        let fuses: Vec<(String, Fuse)> = inventory
            .volumes
            .iter()
            .flat_map(|volume| Fuse::of(volume, inventory).into_iter().map(|fuse| (volume.uuid.clone(), fuse)))
            .collect();
        if fuses.is_empty() {
            return;
        }
        let at = inventory.host.taken.unwrap_or_else(|| host.now());
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<Key> = fuses.iter().map(|(uuid, fuse)| (uuid.clone(), fuse.full_name(), fuse.part)).collect();
        looks.retain(|key, _| known.contains(key));
        let mut told: Option<Vec<Fuse>> = None;
        for ((_, mut fuse), key) in fuses.into_iter().zip(known) {
            let seen = looks.entry(key).or_default();
            seen.add(at, fuse.used);
            fuse.pace = seen.pace();
            if fuse.pace.is_none() {
                let told = told.get_or_insert_with(|| told_by_guard(host, at));
                let same = |other: &&Fuse| (&other.vg, &other.lv, other.part) == (&fuse.vg, &fuse.lv, fuse.part);
                fuse.pace = told.iter().find(same).and_then(|told| told.pace);
            }
            inventory.fuses.push(fuse);
        }
    }
}

fn told_by_guard(host: &dyn Look, now: DateTime<Utc>) -> Vec<Fuse> {
    if matches!(host.place(), Place::Replay { .. }) {
        return Vec::new();
    }
    let bytes = read_whole(host, Path::new(TOLD_BY_GUARD), MOST_TOLD).unwrap_or_default();
    let told: Option<Told> = serde_json::from_slice(&bytes).ok();
    told.filter(|told| (now - told.at).num_seconds().abs() <= FRESH_SECONDS).map(|told| told.fuses).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::demo::Demo;
    use crate::model::Forecast;

    #[test]
    fn the_second_look_knows_how_fast_a_snapshot_fills() {
        let root = tempfile::tempdir().unwrap();
        let demo = std::sync::Arc::new(Demo::open("guides", &root.path().join("machine")).unwrap());
        let engine = crate::engine::Engine::new(demo.clone(), crate::config::Settings::default());
        let first = engine.scan();
        let snapshot =
            first.inventory.fuses.iter().find(|fuse| fuse.part == FusePart::Store).expect("a snapshot on the demo machine").clone();
        assert_eq!(snapshot.forecast(), Forecast::Unknown, "a pace was made up from one look");
        // As if a guest wrote: the demo's clock moves on by a minute.
        let wrote = demo.machine(&["demo-write".to_owned(), snapshot.full_name(), (8 << 20).to_string()]);
        assert_eq!(wrote.exit, 0, "{wrote:?}");
        let second = engine.scan();
        let again = second.inventory.fuses.iter().find(|fuse| fuse.full_name() == snapshot.full_name()).unwrap();
        assert!(
            matches!(again.forecast(), Forecast::Fills { bytes_per_second, .. } if bytes_per_second > 100_000),
            "nobody is told that the snapshot fills: {again:?}"
        );
    }
}
