//! `lvremove`, and the demo's own `demo-write` that lets a guest's writes fill a snapshot.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::host::Answer;
use crate::host::demo::ids::size;
use crate::host::demo::layout::remove_node;
use crate::host::demo::lvm::{EXTENT, Report, open_minors, pool_used, selected, volume_rows};
use crate::host::demo::machine::{Machine, Node, VolumeKind};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

pub fn extents(bytes: u64) -> u64 {
    bytes / EXTENT
}

/// A size as LVM prints it: two decimals.
pub fn human(bytes: u64) -> String {
    let (shift, unit) = [(40, "TiB"), (30, "GiB"), (20, "MiB")].into_iter().find(|(shift, _)| bytes >> shift > 0).unwrap_or((10, "KiB"));
    format!("{:.2} {unit}", bytes as f64 / f64::from(1_u32 << (shift - 10)) / 1024.0)
}

pub fn named(operand: &str) -> Option<(&str, &str)> {
    operand.strip_prefix("/dev/").unwrap_or(operand).split_once('/')
}

pub fn remove(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-y", "--yes", "-f", "--force"], &["-S", "--select"]) else { return Ok(None) };
    let sure = args.has(&["-y", "--yes", "-f", "--force"]);
    let targets = match targets(machine, tree, &args) {
        Ok(Some(targets)) => targets,
        Ok(None) => return Ok(None),
        Err(refusal) => return Ok(Some(refusal)),
    };
    let mut whole = Reply::default();
    for (vg, lv) in targets {
        // It may have gone with its origin.
        if machine.volume(&vg, &lv).is_none() {
            continue;
        }
        let reply = remove_one(machine, tree, &vg, &lv, sure)?;
        whole = Reply { exit: whole.exit.max(reply.exit), out: whole.out + &reply.out, err: whole.err + &reply.err };
    }
    Ok(Some(whole))
}

/// The volumes that a command means: one by its name, or those that `-S` selects, in one group or in all. Nothing: the demo does not know.
pub fn targets(machine: &Machine, tree: &Tree, args: &Args) -> Result<Option<Vec<(String, String)>>, Reply> {
    let Some(select) = args.value(&["-S", "--select"]) else {
        let [operand] = args.operands.as_slice() else { return Ok(None) };
        let Some((vg, lv)) = named(operand) else { return Ok(None) };
        if machine.group(vg).is_none() {
            return Err(no_group(vg));
        }
        if machine.volume(vg, lv).is_none() {
            return Err(Reply::bad(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n")));
        }
        return Ok(Some(vec![(vg.to_owned(), lv.to_owned())]));
    };
    if let Some(missing) = args.operands.iter().find(|vg| machine.group(vg).is_none()) {
        return Err(no_group(missing));
    }
    let report = Report { machine, open: open_minors(machine, tree), suffix: "B" };
    let mut rows = volume_rows(machine, false);
    rows.retain(|row| args.operands.is_empty() || args.operands.contains(&row.group.name));
    let marks = selected(&report, &rows, select)?;
    let chosen = rows.iter().zip(marks).filter(|(_, mark)| *mark);
    Ok(Some(chosen.filter_map(|(row, _)| Some((row.group.name.clone(), row.volume.as_ref()?.name.clone()))).collect()))
}

pub fn no_group(vg: &str) -> Reply {
    Reply::bad(5, format!("  Volume group \"{vg}\" not found\n  Cannot process volume group {vg}\n"))
}

fn remove_one(machine: &mut Machine, tree: &Tree, vg: &str, lv: &str, sure: bool) -> Answer<Reply> {
    let Some(volume) = machine.volume(vg, lv).cloned() else {
        return Ok(Reply::bad(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n")));
    };
    // Without -y lvremove asks, and nobody is there to answer.
    if !sure {
        let why =
            format!("Do you really want to remove active logical volume {vg}/{lv}? [y/n]: [n]\n  Logical volume {vg}/{lv} not removed.\n");
        return Ok(Reply::bad(5, why));
    }
    // A classic origin goes with its snapshots, a pool with its thin volumes; thin snapshots outlive their origin.
    let goes = |kind: &VolumeKind| match kind {
        VolumeKind::Snapshot { origin, .. } => origin == lv,
        VolumeKind::Thin { pool, .. } => pool == lv,
        VolumeKind::Linear | VolumeKind::Pool { .. } => false,
    };
    let mut leaving: Vec<String> = machine
        .group(vg)
        .map(|group| group.volumes.iter().filter(|other| goes(&other.kind)).map(|other| other.name.clone()).collect())
        .unwrap_or_default();
    leaving.push(lv.to_owned());
    let open = open_minors(machine, tree);
    let busy = leaving.iter().find(|name| machine.volume(vg, name).and_then(|one| one.minor).is_some_and(|minor| open.contains(&minor)));
    if let Some(busy) = busy {
        return Ok(Reply::bad(5, format!("  Logical volume {vg}/{busy} in use.\n")));
    }
    let before: Vec<Node> = machine.nodes();
    if let Some(group) = machine.groups.iter_mut().find(|group| group.name == vg) {
        group.volumes.retain(|other| !leaving.contains(&other.name));
        let origins: Vec<String> = group
            .volumes
            .iter()
            .filter_map(|other| match &other.kind {
                VolumeKind::Snapshot { origin, .. } => Some(origin.clone()),
                _ => None,
            })
            .collect();
        for other in &mut group.volumes {
            // The layer below an origin goes with its last snapshot.
            if Some(other.name.as_str()) == volume.origin() && !origins.contains(&other.name) {
                other.layer = None;
            }
            if let VolumeKind::Thin { origin, .. } = &mut other.kind {
                // It lives on without an origin.
                *origin = origin.take().filter(|origin| origin != lv);
            }
        }
    }
    let after = machine.nodes();
    for node in before.iter().filter(|node| !after.iter().any(|other| other.kname == node.kname)) {
        remove_node(tree, node)?;
    }
    Ok(Reply::good(leaving.iter().map(|name| format!("  Logical volume \"{name}\" successfully removed.\n")).collect::<String>()))
}

/// `lvchange` with tags only. A tag that is there already, or is not, is no error.
pub fn change_tags(machine: &mut Machine, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["-y", "--yes"], &["--addtag", "--deltag"]).ok()?;
    let [operand] = args.operands.as_slice() else { return None };
    let (vg, lv) = named(operand)?;
    let Some(volume) = machine.volume_mut(vg, lv) else {
        return Some(Reply::bad(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n")));
    };
    for tag in args.values(&["--deltag"]) {
        volume.tags.retain(|known| known != tag);
    }
    for tag in args.values(&["--addtag"]) {
        if !volume.tags.iter().any(|known| known == tag) {
            volume.tags.push(tag.to_owned());
        }
    }
    Some(Reply::good(format!("  Logical volume {vg}/{lv} changed.\n")))
}

/// `demo-write VG/LV BYTES`: as if a guest wrote so many bytes to fresh places of the volume.
pub fn write(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    /// What really lands in the sparse file; the rest is only counted.
    const WRITTEN: u64 = 1 << 20;
    let [operand, bytes] = words else { return Ok(None) };
    let (Some((vg, lv)), Some(bytes)) = (named(operand), bytes.parse::<u64>().ok().or_else(|| size(bytes))) else { return Ok(None) };
    let Some(volume) = machine.volume(vg, lv).cloned() else {
        return Ok(Some(Reply::bad(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n"))));
    };
    let full = match &volume.kind {
        VolumeKind::Thin { pool, .. } => {
            let used = machine.group(vg).map_or(0, |group| pool_used(group, pool));
            machine.volume(vg, pool).is_none_or(|pool| used.saturating_add(bytes) > pool.bytes)
        }
        VolumeKind::Pool { .. } => return Ok(None),
        VolumeKind::Linear | VolumeKind::Snapshot { .. } => false,
    };
    if full || volume.minor.is_none() {
        return Ok(Some(Reply::bad(1, format!("demo-write: {vg}/{lv}: No space left on device\n"))));
    }
    let stamp = blake3::hash(format!("{lv}/{}", machine.clock.timestamp()).as_bytes());
    let length = usize::try_from(bytes.min(WRITTEN).min(volume.bytes.saturating_sub(2 << 20)) / 32).unwrap_or(0);
    if let Some(minor) = volume.minor {
        tree.open_file(Path::new(&format!("/dev/dm-{minor}")), true)?.write_all_at(&stamp.as_bytes().repeat(length), 2 << 20)?;
    }
    let Some(group) = machine.groups.iter_mut().find(|group| group.name == vg) else { return Ok(None) };
    for other in &mut group.volumes {
        let own = other.name == lv;
        let most = other.bytes;
        match &mut other.kind {
            VolumeKind::Thin { mapped, .. } if own => *mapped = mapped.saturating_add(bytes).min(most),
            VolumeKind::Snapshot { origin, store, used, invalid } if own || origin == lv => {
                *used = used.saturating_add(bytes.next_multiple_of(4096)).min(*store);
                *invalid |= used == store;
            }
            _ => {}
        }
    }
    Ok(Some(Reply::good("")))
}
