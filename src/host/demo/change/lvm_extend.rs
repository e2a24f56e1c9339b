//! `lvextend`: a volume, a snapshot's store, a thin pool's data or metadata; with the messages of LVM 2.03.16.

use std::path::Path;

use super::lvm_more::{extents, human, named};
use crate::host::Answer;
use crate::host::demo::ids::size;
use crate::host::demo::lvm::{EXTENT, room};
use crate::host::demo::machine::{Group, Machine, Volume, VolumeKind};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Metadata,
}

/// An extension that was checked, and is not yet done.
struct Checked {
    vg: String,
    lv: String,
    part: Part,
    old: u64,
    new: u64,
}

/// The refusal as a reply; nothing for words that are not known here.
fn checked(machine: &Machine, words: &[String]) -> Option<Result<Checked, Reply>> {
    let valued = ["-L", "--size", "--poolmetadatasize", "-A", "--autobackup"];
    let args = Args::parse(words, &["-y", "--yes", "-t", "--test"], &valued).ok()?;
    let [operand] = args.operands.as_slice() else { return None };
    let (part, asked) = match (args.value(&["-L", "--size"]), args.value(&["--poolmetadatasize"])) {
        (Some(asked), None) => (Part::Data, asked),
        (None, Some(asked)) => (Part::Metadata, asked),
        _ => return None,
    };
    let refuse = |exit: i32, why: String| Some(Err(Reply::bad(exit, why)));
    let Some((vg, lv)) = named(operand) else {
        return refuse(3, "  Please specify a logical volume path.\n  Run `lvextend --help' for more information.\n".to_owned());
    };
    let Some((group, volume)) = machine.group(vg).zip(machine.volume(vg, lv)) else {
        return refuse(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n"));
    };
    let old = match (&volume.kind, part) {
        (VolumeKind::Pool { metadata, .. }, Part::Metadata) => *metadata,
        (_, Part::Metadata) => {
            return refuse(5, "  --poolmetadatasize can be used only with thin pool or VDO pool volumes.\n".to_owned());
        }
        (VolumeKind::Snapshot { store, .. }, _) => *store,
        _ => volume.bytes,
    };
    let bytes = size(asked.trim_start_matches('+'))?;
    let new = if asked.starts_with('+') { old.saturating_add(bytes) } else { bytes }.next_multiple_of(EXTENT);
    if let Some(refusal) = refused(machine, group, volume, part, old, new) {
        return Some(Err(refusal));
    }
    Some(Ok(Checked { vg: vg.to_owned(), lv: lv.to_owned(), part, old, new }))
}

/// `lvextend --test`: everything but the deed.
pub fn rehearse(machine: &Machine, words: &[String]) -> Option<Reply> {
    let test = "  TEST MODE: Metadata will NOT be updated and volumes will not be (de)activated.\n";
    Some(checked(machine, words)?.map_or_else(|refusal| refusal, |_| Reply::good("")).with_err(test))
}

pub fn extend(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Checked { vg, lv, part, old, new } = match checked(machine, words) {
        None => return Ok(None),
        Some(Err(refusal)) => return Ok(Some(refusal)),
        Some(Ok(checked)) => checked,
    };
    let is_pool = machine.volume(&vg, &lv).is_some_and(Volume::is_pool);
    if let Some(volume) = machine.volume_mut(&vg, &lv) {
        match (&mut volume.kind, part) {
            (VolumeKind::Snapshot { store, .. }, _) => *store = new,
            (VolumeKind::Pool { metadata, .. }, Part::Metadata) => *metadata = new,
            _ => volume.bytes = new,
        }
    }
    for node in machine.nodes().iter().filter(|node| node.mapper.is_some()) {
        let file = tree.open_file(&Path::new("/dev").join(&node.kname), true)?;
        if file.metadata()?.len() != node.bytes {
            file.set_len(node.bytes)?;
        }
    }
    let change = |bytes: u64| format!("{} ({} extents)", human(bytes), extents(bytes));
    let shown = match (part, is_pool) {
        (Part::Metadata, _) => format!("{lv}_tmeta"),
        (Part::Data, true) => format!("{lv}_tdata"),
        (Part::Data, false) => lv.clone(),
    };
    Ok(Some(Reply::good(format!(
        "  Size of logical volume {vg}/{shown} changed from {} to {}.\n  Logical volume {vg}/{lv} successfully resized.\n",
        change(old),
        change(new)
    ))))
}

fn refused(machine: &Machine, group: &Group, volume: &Volume, part: Part, old: u64, new: u64) -> Option<Reply> {
    let classic = |other: &Volume| matches!(&other.kind, VolumeKind::Snapshot { origin, .. } if *origin == volume.name);
    if volume.minor.is_some() && group.volumes.iter().any(classic) {
        return Some(Reply::bad(5, "  Snapshot origin volumes can be resized only while inactive: try lvchange -an.\n"));
    }
    if new == old {
        return Some(Reply::bad(5, format!("  New size ({0} extents) matches existing size ({0} extents).\n", extents(old))));
    }
    if new < old {
        let why = format!("  New size given ({} extents) not larger than existing size ({} extents)\n", extents(new), extents(old));
        return Some(Reply::bad(5, why));
    }
    let (_, free) = room(machine, group);
    // The spare for a repair grows with a pool's metadata.
    let needed = match (&volume.kind, part) {
        (VolumeKind::Thin { .. }, _) => 0,
        (_, Part::Metadata) => (new - old).saturating_mul(2),
        _ => new - old,
    };
    (needed > free).then(|| {
        let why = format!("  Insufficient free space: {} extents needed, but only {} available\n", extents(needed), extents(free));
        Reply::bad(5, why)
    })
}
