//! A snapshot of each volume that is about to be overwritten, so that the restore can be taken back: where groups and pools have room for ones that
//! cannot overflow. Either all of them or none: disks of which only some can be taken back would be of two instants. A file that is replaced is
//! set aside in any case.

use std::collections::BTreeMap;

use super::Job;
use crate::model::bundle::Piece;
use crate::model::{Action, Check, HostPath, LogicalVolume, Undo, cmd::shell_word};
use crate::plan::draft::Draft;
use crate::plan::facts::Go;
use crate::plan::freeze::{self, Way};
use crate::plan::pool_room::{self, Taken};
use crate::plan::{lvm, paths};

/// Devices that get a snapshot, with the bytes of its store; nothing: it is thin.
pub(super) type Kept = BTreeMap<HostPath, Option<u64>>;

fn volume_at<'a>(job: &Job<'a>, path: &HostPath) -> Option<&'a LogicalVolume> {
    job.facts.inventory().volumes.iter().find(|volume| volume.path == *path && !volume.hidden)
}

/// Which devices get a snapshot.
pub(super) fn decide(job: &Job<'_>, draft: &mut Draft) -> Go<Kept> {
    let device = |piece: &&&Piece| piece.kind == "disk" && matches!(piece.source_kind.as_deref(), Some("lvm" | "partition" | "disk"));
    let pieces: Vec<&Piece> = job.pieces.iter().filter(device).copied().collect();
    if pieces.is_empty() {
        return Ok(Kept::new());
    }
    match all(job, &pieces)? {
        Ok(kept) => {
            paths::tools(job.facts, &[("lvcreate", "lvm2"), ("lvremove", "lvm2"), ("lvconvert", "lvm2")])?;
            Ok(kept)
        }
        Err(why) => {
            draft.warn(format!(
                "What stands on the disks now is lost: {why}, so no snapshot is taken before. If you may need it, copy it away first (`domkeep copy`)."
            ));
            Ok(Kept::new())
        }
    }
}

/// The error is a part of a sentence.
fn all(job: &Job<'_>, pieces: &[&Piece]) -> Go<Result<Kept, String>> {
    let mut kept = Kept::new();
    let mut groups: BTreeMap<&str, u64> = BTreeMap::new();
    let mut pools: Vec<Taken> = Vec::new();
    for piece in pieces {
        let Some(volume) = volume_at(job, &piece.source) else { return Ok(Err(format!("{} is no volume of LVM", piece.source))) };
        match freeze::of_volume(volume) {
            Ok(Way::Thin(_)) => {
                pools.extend(
                    pool_room::of_device(job.facts, &piece.source, piece.bytes)?.map(|taken| Taken { takes: piece.bytes, ..taken }),
                );
                kept.insert(piece.source.clone(), None);
            }
            Ok(Way::Classic(_)) => {
                let group = job.facts.inventory().volume_groups.iter().find(|group| group.name == volume.vg);
                let Some(group) = group else { return Ok(Err(format!("nothing is known of the group {}", volume.vg))) };
                let store = freeze::whole_store(volume.bytes, group.extent_bytes);
                let sum = groups.entry(&volume.vg).or_default();
                *sum = sum.saturating_add(store);
                // Half of what is free stays for what must grow.
                if *sum > group.free / 2 {
                    return Ok(Err(format!("the group {} has too little room", volume.vg)));
                }
                kept.insert(piece.source.clone(), Some(store));
            }
            Ok(Way::Still | Way::Reflink) => return Ok(Err(format!("{} cannot be frozen", piece.source))),
            Err(why) => return Ok(Err(format!("{} {why}", piece.source))),
        }
    }
    for pool in &pools {
        let sum = pools.iter().filter(|other| other.source == pool.source).fold(0_u64, |sum, other| sum.saturating_add(other.takes));
        if sum > pool.free / 2 {
            return Ok(Err(format!("the thin pool {} has too little room", pool.source)));
        }
    }
    Ok(Ok(kept))
}

/// What takes the overwriting back, and how the host is asked whether that is still to be done; nothing: it cannot be taken back.
pub(super) fn snapshot(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Option<(Undo, Check)> {
    let store = *job.kept.borrow().get(&piece.source)?;
    let volume = volume_at(job, &piece.source)?;
    let part = job.setting.id.as_str().rsplit('-').next().unwrap_or_default();
    let lv = format!("domkeep-before-{part}-{}", draft.len());
    let (name, origin) = (lvm::Name { vg: &volume.vg, lv: &lv }, volume.full_name());
    let size = store.map(|bytes| format!("{bytes}b"));
    let words: Vec<&str> = match &size {
        Some(size) => vec!["-s", "-L", size, &origin],
        None => vec!["-s", &origin],
    };
    let says = format!("Keep what stands on {origin} now: a snapshot, {}", name.full());
    let why = "If the restore fails, what stood there comes back from it. It has room for all that is overwritten.";
    lvm::create(draft, &job.setting.id, says, why, name, &words);
    let word = shell_word(&name.full());
    draft.warn(format!(
        "{} stays: `domkeep roll-back {word}` brings back what stood there, `domkeep remove {word}` removes it. As long as it is there, writes to {origin} cost more.",
        name.full()
    ));
    let undo = Undo::By { action: Box::new(Action::MergeBack { snapshot: name.full(), origin: piece.source.clone() }) };
    Some((undo, lvm::made(&job.setting.id, name)))
}
