//! What writing over a volume takes from where it draws its blocks: a thin pool, or the store of a snapshot. A pool that is full lets every
//! write wait or fail, of all that lies on it; a store that is full loses its snapshot for ever.

use super::facts::{Facts, Go, no};
use super::lvm_now;
use crate::model::{HostPath, LogicalVolume, Lvm, bytes};

/// Percent of a pool's metadata from which nothing more is put on it.
const METADATA_FULL: f64 = 95.0;

/// What one volume takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The volume itself, `vg/lv`.
    pub volume: String,
    /// The thin pool, or the snapshot whose store it is.
    pub source: String,
    pub is_pool: bool,
    /// Bytes at most, and the bytes that are free there.
    pub takes: u64,
    pub free: u64,
    /// Classic snapshots of the volume whose stores cannot take what is overwritten.
    pub lost: Vec<String>,
}

/// Nothing: it is no volume.
pub(super) fn of_device(facts: &Facts<'_>, path: &HostPath, bytes: u64) -> Go<Option<Taken>> {
    let known = facts.inventory().volumes.iter().find(|volume| volume.path == *path && !volume.hidden);
    let Some(known) = known else { return Ok(None) };
    let lvm = lvm_now::look(facts, &[])?;
    let Some(volume) = lvm.volume(&known.vg, &known.name) else { return Ok(None) };
    let mut taken = Taken {
        volume: volume.full_name(),
        source: volume.full_name(),
        is_pool: false,
        takes: 0,
        free: u64::MAX,
        lost: lost(lvm, volume, bytes),
    };
    if let Some(pool) = &volume.pool {
        let pool = lvm.volume(&volume.vg, pool).filter(|pool| !pool.hidden);
        let Some((pool, free)) = pool.and_then(|pool| Some((pool, free_in(pool)?))) else {
            return no(
                "not-known",
                format!("how full the thin pool of {} is could not be found out", volume.full_name()),
                "activate the pool, and try again",
            );
        };
        if !pool.health.is_empty() {
            return no(
                "pool-not-well",
                format!("the thin pool {} is in trouble: {}", pool.full_name(), pool.health),
                "mend it first (`domkeep explain thin-pool-nearly-full`)",
            );
        }
        taken = Taken { source: pool.full_name(), is_pool: true, takes: bytes.saturating_sub(own(lvm, volume)), free, ..taken };
        if pool.metadata_percent.is_some_and(|percent| percent >= METADATA_FULL) {
            taken.free = 0;
        }
    } else if let (true, Some(store)) = (volume.is_classic_snapshot(), volume.store_bytes) {
        // Each chunk that is written for the first time; which ones those are nobody says.
        taken = Taken { takes: bytes, free: left(store, volume.data_percent.unwrap_or(100.0)), ..taken };
    }
    Ok(Some(taken))
}

/// Bytes of a pool that no volume has yet; nothing: LVM does not say.
pub(super) fn free_in(pool: &LogicalVolume) -> Option<u64> {
    Some(left(pool.bytes, pool.data_percent?))
}

pub(super) fn metadata_is_full(pool: &LogicalVolume) -> bool {
    pool.metadata_percent.is_some_and(|percent| percent >= METADATA_FULL)
}

/// Blocks that a thin volume has and shares with nobody: they are written in place.
fn own(lvm: &Lvm, volume: &LogicalVolume) -> u64 {
    let shares = volume.origin.is_some()
        || lvm
            .volumes
            .iter()
            .any(|other| other.vg == volume.vg && other.pool == volume.pool && other.origin.as_ref() == Some(&volume.name));
    if shares { 0 } else { used(volume.bytes, volume.data_percent.unwrap_or(0.0)) }
}

/// Snapshots of a volume that overflow when so many bytes of it are written.
fn lost(lvm: &Lvm, volume: &LogicalVolume, bytes: u64) -> Vec<String> {
    let of_it = |other: &&LogicalVolume| {
        other.vg == volume.vg && other.origin.as_ref() == Some(&volume.name) && other.is_classic_snapshot() && !other.invalid
    };
    let full = |snapshot: &&LogicalVolume| left(snapshot.store_bytes.unwrap_or(0), snapshot.data_percent.unwrap_or(100.0)) < bytes;
    lvm.volumes.iter().filter(of_it).filter(full).map(LogicalVolume::full_name).collect()
}

fn left(bytes: u64, percent: f64) -> u64 {
    // LVM rounds to two digits behind the point.
    used(bytes, 100.0 - percent - 0.01)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a size")]
fn used(bytes: u64, percent: f64) -> u64 {
    (bytes as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64
}

/// Refuses where what several volumes take together is not there.
pub(super) fn refuse_without_room(all: &[Taken]) -> Go<()> {
    for one in all {
        let same = all.iter().filter(|other| other.source == one.source);
        let takes = same.fold(0_u64, |sum, other| sum.saturating_add(other.takes));
        if takes <= one.free {
            continue;
        }
        let (free, takes) = (bytes::human(one.free), bytes::human(takes));
        if one.is_pool {
            return no(
                "no-room",
                format!(
                    "up to {takes} would be taken from the thin pool {}, and {free} is free in it: when it is full, whatever writes to it waits or fails",
                    one.source
                ),
                format!(
                    "give the pool more room (`domkeep grow {}`), remove snapshots on it that nobody needs, or restore beside",
                    one.source
                ),
            );
        }
        return no(
            "no-room",
            format!(
                "{} is a snapshot whose store has {free} left, and up to {takes} would be written: a snapshot whose store is full is lost",
                one.source
            ),
            format!("give it more room (`domkeep grow {}`), or restore beside", one.source),
        );
    }
    Ok(())
}

/// What is lost besides, for who must type a name.
pub(super) fn lost_besides(all: &[Taken]) -> Option<String> {
    let lost: Vec<String> = all.iter().flat_map(|one| one.lost.clone()).collect();
    (!lost.is_empty()).then(|| {
        format!("What is overwritten goes into the stores of snapshots that have no room for it, and these are lost: {}.", lost.join(", "))
    })
}
