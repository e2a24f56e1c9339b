//! What goes wrong on purpose, for tests: the first command whose line begins so fails, spoils what it made, or is followed by something else.

use super::carry_out;
use crate::host::Answer;
use crate::host::demo::machine::{Fault, Machine, VolumeKind};
use crate::host::demo::reply::Reply;
use crate::host::demo::tree::Tree;

/// Takes a fault that fits a command line; it happens once.
pub fn take(machine: &mut Machine, argv: &[String]) -> Option<Fault> {
    let line = argv.join(" ");
    let at = machine.faults.iter().position(|fault| line.starts_with(&fault.words))?;
    let fault = machine.faults.get_mut(at)?;
    if fault.after > 0 {
        fault.after = fault.after.saturating_sub(1);
        return None;
    }
    Some(machine.faults.remove(at))
}

/// The answer to a command that meets a fault.
pub fn happen(machine: &mut Machine, tree: &Tree, argv: &[String], stdin: &[u8], fault: &Fault) -> Answer<Option<Reply>> {
    if fault.halfway {
        // The toolstack empties its file first, writes a perfect header, and lets the domain go on.
        let file = argv.last().map(String::as_str).unwrap_or_default();
        let path = std::path::Path::new(file);
        let named = argv.iter().rev().nth(1).map(String::as_str).unwrap_or_default();
        if let Some(domain) = machine.domain(named).cloned() {
            crate::host::demo::layout::write_save(tree, path, &domain.guest, 0o644, machine.clock)?;
            let whole = tree.open_file(path, true)?;
            let length = whole.metadata().map_or(0, |facts| facts.len());
            whole.set_len(length / 2)?;
        }
        return Ok(Some(Reply::bad(fault.exit, format!("{}\n", fault.says))));
    }
    if fault.exit != 0 {
        return Ok(Some(Reply::bad(fault.exit, format!("{}\n", fault.says))));
    }
    let reply = carry_out(machine, tree, argv, stdin)?;
    if fault.overflows {
        let newest = machine.groups.iter_mut().filter_map(|group| group.volumes.last_mut());
        for volume in newest {
            if let VolumeKind::Snapshot { invalid, .. } = &mut volume.kind {
                *invalid = true;
            }
        }
    }
    if !fault.then.is_empty() {
        let words: Vec<String> = fault.then.split_whitespace().map(str::to_owned).collect();
        carry_out(machine, tree, &words, &[])?;
    }
    Ok(reply)
}
