//! `lvconvert --merge VG/SNAPSHOT`, with the messages of LVM 2.03.16: the origin gets the bytes that the snapshot shows, and the snapshot goes.

use std::path::Path;

use super::lvm::copy;
use super::lvm_more::named;
use crate::host::Answer;
use crate::host::demo::layout::remove_node;
use crate::host::demo::lvm::open_minors;
use crate::host::demo::machine::{Machine, Node, VolumeKind};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

pub fn merge(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-y", "--yes", "--merge"], &[]) else { return Ok(None) };
    let ([operand], true) = (args.operands.as_slice(), args.has(&["--merge"])) else { return Ok(None) };
    let Some((vg, lv)) = named(operand) else { return Ok(None) };
    let Some(snapshot) = machine.volume(vg, lv).cloned() else {
        return Ok(Some(Reply::bad(5, format!("  Failed to find logical volume \"{vg}/{lv}\"\n"))));
    };
    let Some(origin) = snapshot.origin().and_then(|origin| machine.volume(vg, origin)).cloned() else {
        let why = format!("  Command on LV {vg}/{lv} does not accept LV type linear.\n");
        return Ok(Some(Reply::bad(5, why)));
    };
    if matches!(snapshot.kind, VolumeKind::Snapshot { invalid: true, .. }) {
        return Ok(Some(Reply::bad(5, format!("  Unable to merge invalidated snapshot LV {vg}/{lv}.\n"))));
    }
    let open = open_minors(machine, tree);
    if [origin.minor, snapshot.minor].into_iter().flatten().any(|minor| open.contains(&minor)) {
        // The real one waits for the origin's next activation, which the demo has none of.
        return Ok(Some(Reply::bad(
            127,
            format!("the demo machine does not put off a merge: {vg}/{} or {vg}/{lv} is open\n", origin.name),
        )));
    }
    if let (Some(from), Some(to)) = (snapshot.minor, origin.minor) {
        let device = format!("/dev/dm-{to}");
        let file = tree.open_file(Path::new(&device), true)?;
        // Blocks that the snapshot has as holes are zeros again.
        file.set_len(0)?;
        file.set_len(origin.bytes)?;
        copy(tree, from, to)?;
    }
    let before: Vec<Node> = machine.nodes();
    if let Some(group) = machine.groups.iter_mut().find(|group| group.name == vg) {
        group.volumes.retain(|other| other.name != lv);
        let classic = |kind: &VolumeKind| matches!(kind, VolumeKind::Snapshot { origin: of, .. } if *of == origin.name);
        let last = !group.volumes.iter().any(|other| classic(&other.kind));
        for other in &mut group.volumes {
            if other.name == origin.name && last {
                other.layer = None;
            }
            if let VolumeKind::Thin { origin: of, .. } = &mut other.kind
                && of.as_deref() == Some(lv)
            {
                *of = Some(origin.name.clone());
            }
        }
    }
    let after = machine.nodes();
    for node in before.iter().filter(|node| !after.iter().any(|other| other.kname == node.kname)) {
        remove_node(tree, node)?;
    }
    Ok(Some(Reply::good(match snapshot.kind {
        VolumeKind::Thin { .. } => format!("  Volume {vg}/{lv} replaced origin {vg}/{}.\n", origin.name),
        _ => format!("  Merging of volume {vg}/{lv} started.\n  {vg}/{}: Merged: 100.00%\n", origin.name),
    })))
}
