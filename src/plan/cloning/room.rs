//! Stores of classic snapshots: how large, how long they last, whether the group has room for them.

use std::collections::BTreeMap;

use super::origin::Origin;
use super::ways::Way;
use crate::model::cloning::Cloning;
use crate::model::{LogicalVolume, bytes};
use crate::plan::Setting;
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};

const MIB: u64 = 1 << 20;
/// What LVM gives a group when nobody says otherwise.
const USUAL_EXTENT: u64 = 4 * MIB;
/// A smaller store is full before a guest has booted.
const LEAST_STORE: u64 = 8 * MIB;
/// Share of the origin that a store gets when nobody says otherwise.
const SHARE: u64 = 10;
/// From this fill on a pool has hardly room for what its volumes write.
const POOL_NEARLY_FULL: f64 = 80.0;
const DAY: f64 = 86_400.0;

/// Bytes of each classic snapshot's store, by its origin's full name.
pub(super) struct Stores {
    bytes: BTreeMap<String, u64>,
}

impl Stores {
    pub fn of(&self, origin: &Origin<'_>) -> u64 {
        origin.volume.and_then(|volume| self.bytes.get(&volume.full_name())).copied().unwrap_or_default()
    }
}

/// `writes`: bytes that are written at once to each clone of a disk, by the disk's index.
pub(super) fn look(
    request: &Cloning,
    facts: &Facts<'_>,
    origins: &[Origin<'_>],
    clones: usize,
    writes: impl Fn(usize) -> u64,
) -> Go<Stores> {
    let mut stores = BTreeMap::new();
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    let clones = u64::try_from(clones).unwrap_or(u64::MAX);
    let classic = origins.iter().enumerate().filter(|(_, origin)| origin.way == Way::Classic);
    for (at, volume) in classic.filter_map(|(at, origin)| Some((at, origin.volume?))) {
        let extent = extent(facts, volume);
        let writes = writes(at);
        let least = if writes > 0 { writes.saturating_add(writes / 256).saturating_add(LEAST_STORE) } else { 0 };
        if let Some(asked) = request.store.filter(|asked| *asked < least.min(most(volume, extent))) {
            return no(
                "store-too-small",
                format!(
                    "to change what is inside a clone of {} writes {} to it at once, and a store of {} would overflow",
                    volume.full_name(),
                    bytes::human(writes),
                    bytes::human(asked)
                ),
                format!("take at least {} (--store), or leave it as it is (--inside no)", bytes::human(least)),
            );
        }
        let store = request.store.unwrap_or_else(|| (volume.bytes / SHARE).max(LEAST_STORE).saturating_add(least));
        let store = store.checked_next_multiple_of(extent).unwrap_or(u64::MAX).min(most(volume, extent));
        stores.insert(volume.full_name(), store);
        let sum = wanted.entry(&volume.vg).or_default();
        *sum = sum.saturating_add(store.saturating_mul(clones));
    }
    for (vg, wanted) in wanted {
        let free = facts.inventory().volume_groups.iter().find(|group| group.name == vg).map_or(0, |group| group.free);
        if wanted > free {
            return no(
                "group-full",
                format!("the stores take {}, and the group {vg} has {} free", bytes::human(wanted), bytes::human(free)),
                "make the stores smaller (--store), remove what is not needed, or give the group another disk (`vgextend`)",
            );
        }
    }
    for pool in origins.iter().filter(|origin| origin.way == Way::Thin).filter_map(|origin| pool(facts, origin)) {
        if !pool.health.is_empty() {
            return no(
                "pool-not-well",
                format!("the thin pool {} is in trouble: {}", pool.full_name(), pool.health),
                "mend it first (`domkeep explain thin-pool-nearly-full`)",
            );
        }
    }
    Ok(Stores { bytes: stores })
}

fn pool<'a>(facts: &Facts<'a>, origin: &Origin<'_>) -> Option<&'a LogicalVolume> {
    let volume = origin.volume?;
    let named = volume.pool.as_ref()?;
    facts.inventory().volumes.iter().find(|pool| pool.vg == volume.vg && pool.name == *named && !pool.hidden)
}

fn extent(facts: &Facts<'_>, volume: &LogicalVolume) -> u64 {
    let group = facts.inventory().volume_groups.iter().find(|group| group.name == volume.vg);
    group.map(|group| group.extent_bytes).filter(|bytes| *bytes > 0).unwrap_or(USUAL_EXTENT)
}

/// A store that can never overflow: the whole origin, 16 bytes for each of its chunks of 4 KiB, and the header. LVM makes none larger.
fn most(volume: &LogicalVolume, extent: u64) -> u64 {
    let all = volume.bytes.saturating_add(volume.bytes / 256).saturating_add(2 * 4096);
    all.checked_next_multiple_of(extent).unwrap_or(u64::MAX)
}

pub(super) fn say(draft: &mut Draft, setting: &Setting, facts: &Facts<'_>, origins: &[Origin<'_>], stores: &Stores) {
    for origin in origins.iter().filter(|origin| origin.way == Way::Classic) {
        let Some(volume) = origin.volume else { continue };
        let store = stores.of(origin);
        let size = bytes::human(store);
        if store >= most(volume, extent(facts, volume)) {
            draft.saw(format!("a store of {size} can take every block of {}: it never overflows", volume.full_name()), "its size");
            continue;
        }
        let lasts = match rate(setting, facts, volume) {
            Some((rate, seen_in)) if rate > 0.0 => {
                draft.saw(
                    format!("{} is written at about {} a day", volume.full_name(), bytes::human(whole(rate * DAY))),
                    format!("the fill of {seen_in}"),
                );
                let days = store as f64 / (rate * DAY);
                format!("at the rate seen so far it lasts about {}, if the clone itself writes nothing", in_days(days))
            }
            Some(_) => "nothing was written to its origin so far; what the clone writes fills it too".to_owned(),
            None => {
                "how fast it fills is not known: what is written to the origin and to the clone for the first time goes into it".to_owned()
            }
        };
        draft.warn(format!(
            "Each clone of {} has room for {size} of changes: {lasts}. When it is full the clone is lost, at once and for ever. Watch it (`domkeep storage`), or let `lvextend` give it more in time.",
            volume.full_name()
        ));
    }
    for pool in origins.iter().filter(|origin| origin.way == Way::Thin).filter_map(|origin| pool(facts, origin)) {
        let fill = pool.data_percent.map_or_else(|| "to an unknown degree".to_owned(), |percent| format!("to {percent:.0} %"));
        draft.saw(format!("the thin pool {} is filled {fill}", pool.full_name()), "lvs");
        if pool.data_percent.is_none_or(|percent| percent >= POOL_NEARLY_FULL) {
            draft.warn(format!(
                "The thin pool {} is filled {fill}. When it is full, every domain on it gets write errors: give it more room first.",
                pool.full_name()
            ));
        }
    }
}

/// Bytes in a second that were written to fresh blocks of the origin, as one of its snapshots tells; and which one.
fn rate(setting: &Setting, facts: &Facts<'_>, origin: &LogicalVolume) -> Option<(f64, String)> {
    let of_it = |volume: &&LogicalVolume| {
        volume.vg == origin.vg && volume.origin.as_ref() == Some(&origin.name) && volume.is_classic_snapshot() && !volume.invalid
    };
    let seen = facts.inventory().volumes.iter().filter(of_it).filter_map(|snapshot| {
        let seconds = setting.now.signed_duration_since(snapshot.created?).num_seconds();
        // What was seen for less than an hour says nothing about days.
        let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds >= 3600)?;
        let used = snapshot.store_bytes? as f64 * snapshot.data_percent? / 100.0;
        Some((seconds, used / f64::from(seconds), snapshot.full_name()))
    });
    seen.max_by_key(|(seconds, ..)| *seconds).map(|(_, rate, name)| (rate, name))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a sentence; what does not fit is the largest")]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

fn in_days(days: f64) -> String {
    if days >= 2.0 {
        format!("{days:.0} days")
    } else if days * 24.0 >= 2.0 {
        format!("{:.0} hours", days * 24.0)
    } else {
        format!("{:.0} minutes", days * 24.0 * 60.0)
    }
}
