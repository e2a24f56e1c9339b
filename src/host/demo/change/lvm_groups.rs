//! `pvcreate`, `pvremove`, `vgcreate`, `vgremove`, `lvchange -ay`; with the messages of LVM 2.03.16.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::lvm_more::{no_group, targets};
use crate::host::Answer;
use crate::host::demo::content;
use crate::host::demo::ids::lvm_uuid;
use crate::host::demo::layout::make_node;
use crate::host::demo::lvm::{Report, Row, open_minors, room_on, selected};
use crate::host::demo::machine::{Group, Machine, Node, VolumeKind};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

/// Where LVM's label begins, and how it does: `LABELONE`, its sector, a sum, and the kind.
const LABEL_AT: u64 = 512;
const LABEL: [u8; 32] = *b"LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001";

/// The device that a word names: a drive or a loop device.
fn device(machine: &Machine, tree: &Tree, word: &str) -> Option<Node> {
    let real = tree.resolve(Path::new(word)).ok()?;
    let node = machine.node(real.strip_prefix("/dev").ok()?.to_str()?)?;
    node.mapper.is_none().then_some(node)
}

fn no_device(word: &str) -> Reply {
    Reply::bad(5, format!("  No device found for {word}.\n"))
}

pub fn make_physical(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-y", "--yes"], &[]) else { return Ok(None) };
    let [word] = args.operands.as_slice() else { return Ok(None) };
    let Some(node) = device(machine, tree, word) else { return Ok(Some(no_device(word))) };
    if let Some(group) = machine.groups.iter().find(|group| group.drive == node.kname) {
        let why = format!("  Can't initialize physical volume \"{word}\" of volume group \"{}\" without -ff\n", group.name);
        return Ok(Some(Reply::bad(5, format!("{why}  {word}: physical volume not initialized.\n"))));
    }
    let parts = machine.drives.iter().any(|drive| drive.of.as_deref() == Some(node.kname.as_str()));
    if parts || machine.mounts.iter().any(|mount| (mount.major, mount.minor) == (node.major, node.minor)) {
        return Ok(Some(Reply::bad(5, format!("  Cannot use {word}: device is partitioned\n"))));
    }
    let path = Path::new("/dev").join(&node.kname);
    let (found, _, _) = content::recognise(&tree.read_at(&path, 0, 8192)?);
    let is_physical = machine.physical.iter().any(|lone| lone.drive == node.kname);
    if let Some(kind) = found.filter(|_| !is_physical && !args.has(&["-y", "--yes"])) {
        let why =
            format!("WARNING: {kind} signature detected on {word} at offset 1080. Wipe it? [y/n]: [n]\n  Aborted wiping of {kind}.\n");
        return Ok(Some(Reply::bad(5, format!("{why}  1 existing signature left on the device.\n  Aborting pvcreate on {word}.\n"))));
    }
    tree.open_file(&path, true)?.write_all_at(&LABEL, LABEL_AT)?;
    if !is_physical {
        let drive_uuid = lvm_uuid(&format!("{}/{}/{}", machine.name, node.kname, machine.clock.timestamp()));
        machine.physical.push(Group { drive: node.kname, drive_uuid, ..Group::default() });
    }
    Ok(Some(Reply::good(format!("  Physical volume \"{word}\" successfully created.\n"))))
}

pub fn remove_physical(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-y", "--yes"], &[]) else { return Ok(None) };
    let [word] = args.operands.as_slice() else { return Ok(None) };
    let Some(node) = device(machine, tree, word) else { return Ok(Some(no_device(word))) };
    if let Some(group) = machine.groups.iter().find(|group| group.drive == node.kname) {
        let why = format!("  PV {word} is used by VG {} so please use vgreduce first.\n", group.name);
        return Ok(Some(Reply::bad(5, why)));
    }
    if let Some(joined) = machine.physical.iter().find(|lone| lone.drive == node.kname && !lone.name.is_empty()) {
        let why = format!("  PV {word} is used by VG {} so please use vgreduce first.\n", joined.name);
        return Ok(Some(Reply::bad(5, why)));
    }
    let before = machine.physical.len();
    machine.physical.retain(|lone| lone.drive != node.kname);
    if machine.physical.len() == before {
        return Ok(Some(Reply::bad(5, format!("  No PV found on device {word}.\n"))));
    }
    tree.open_file(&Path::new("/dev").join(&node.kname), true)?.write_all_at(&[0; LABEL.len()], LABEL_AT)?;
    Ok(Some(Reply::good(format!("  Labels on physical volume \"{word}\" successfully wiped.\n"))))
}

pub fn make_group(machine: &mut Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let Ok(args) = Args::parse(words, &["-y", "--yes"], &["--addtag"]) else { return None };
    let [name, word] = args.operands.as_slice() else { return None };
    if tree.locate(&Path::new("/dev").join(name), false).is_ok() {
        return Some(Reply::bad(
            3,
            format!("  /dev/{name}: already exists in filesystem\n  Run `vgcreate --help' for more information.\n"),
        ));
    }
    if machine.group(name).is_some() {
        return Some(Reply::bad(5, format!("  A volume group called {name} already exists.\n")));
    }
    let Some(at) = lone(machine, tree, word) else { return Some(no_device(word)) };
    let physical = machine.physical.remove(at);
    let uuid = lvm_uuid(&format!("{}/{name}/{}", machine.name, machine.clock.timestamp()));
    let tags = args.values(&["--addtag"]).map(str::to_owned).collect();
    machine.groups.push(Group { name: name.clone(), uuid, tags, ..physical });
    Some(Reply::good(format!("  Volume group \"{name}\" successfully created\n")))
}

/// Where a physical volume stands that no group has.
fn lone(machine: &Machine, tree: &Tree, word: &str) -> Option<usize> {
    let node = device(machine, tree, word)?;
    machine.physical.iter().position(|lone| lone.drive == node.kname && lone.name.is_empty())
}

pub fn extend_group(machine: &mut Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let Ok(args) = Args::parse(words, &["-y", "--yes"], &[]) else { return None };
    let [name, word] = args.operands.as_slice() else { return None };
    if machine.group(name).is_none() {
        return Some(no_group(name));
    }
    let at = lone(machine, tree, word);
    let Some(physical) = at.and_then(|at| machine.physical.get_mut(at)) else {
        let why = format!("  Physical volume '{word}' is already in volume group or is none\n  Unable to add physical volume '{word}'\n");
        return Some(Reply::bad(5, why));
    };
    physical.name.clone_from(name);
    Some(Reply::good(format!("  Volume group \"{name}\" successfully extended\n")))
}

pub fn reduce_group(machine: &mut Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let Ok(args) = Args::parse(words, &["-y", "--yes"], &[]) else { return None };
    let [name, word] = args.operands.as_slice() else { return None };
    let Some(node) = device(machine, tree, word) else { return Some(no_device(word)) };
    let at = machine.physical.iter().position(|one| one.drive == node.kname && one.name == *name);
    let Some(one) = at.and_then(|at| machine.physical.get(at)) else {
        return Some(Reply::bad(5, format!("  Physical volume \"{word}\" not in volume group \"{name}\".\n")));
    };
    let (bytes, free) = room_on(machine, one);
    if free < bytes {
        return Some(Reply::bad(5, format!("  Physical volume \"{word}\" still in use\n")));
    }
    if let Some(one) = at.and_then(|at| machine.physical.get_mut(at)) {
        one.name = String::new();
    }
    Some(Reply::good(format!("  Removed \"{word}\" from volume group \"{name}\"\n")))
}

pub fn remove_group(machine: &mut Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let Ok(args) = Args::parse(words, &[], &["-S", "--select"]) else { return None };
    let names: Vec<String> = match args.value(&["-S", "--select"]) {
        Some(select) => {
            let report = Report { machine, open: open_minors(machine, tree), suffix: "B" };
            let rows: Vec<Row<'_>> = machine.groups.iter().map(|group| Row { group, volume: None }).collect();
            match selected(&report, &rows, select) {
                Ok(marks) => rows.iter().zip(marks).filter(|(_, mark)| *mark).map(|(row, _)| row.group.name.clone()).collect(),
                Err(refusal) => return Some(refusal),
            }
        }
        None => args.operands.clone(),
    };
    let mut said = String::new();
    for name in names {
        let Some(at) = machine.groups.iter().position(|group| group.name == name) else { return Some(no_group(&name)) };
        let volumes = machine.groups.get(at).map_or(0, |group| group.volumes.len());
        if volumes > 0 {
            let why = format!("Do you really want to remove volume group \"{name}\" containing {volumes} logical volumes? [y/n]: [n]\n");
            return Some(Reply::bad(5, format!("{why}  Volume group \"{name}\" not removed\n")));
        }
        let group = machine.groups.remove(at);
        machine.physical.push(Group { drive: group.drive, drive_uuid: group.drive_uuid, ..Group::default() });
        let _ = tree.rmdir(&Path::new("/dev").join(&name));
        said.push_str(&format!("  Volume group \"{name}\" successfully removed\n"));
    }
    Some(Reply::good(said))
}

/// Only `-ay`: the bytes of a volume lie in its device, and with it they would go.
pub fn activate(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-y", "--yes", "-K", "--ignoreactivationskip"], &["-a", "--activate"]) else { return Ok(None) };
    if args.value(&["-a", "--activate"]) != Some("y") {
        return Ok(None);
    }
    let targets = match targets(machine, tree, &args) {
        Ok(Some(targets)) => targets,
        Ok(None) => return Ok(None),
        Err(refusal) => return Ok(Some(refusal)),
    };
    let forced = args.has(&["-K", "--ignoreactivationskip"]);
    for (vg, lv) in targets {
        let before = machine.nodes();
        let minor = machine.take_minor();
        let Some(volume) = machine.volume_mut(&vg, &lv) else { continue };
        let skipped = matches!(volume.kind, VolumeKind::Thin { origin: Some(_), .. }) && !forced;
        if volume.minor.is_some() || skipped {
            continue;
        }
        volume.minor = Some(minor);
        for node in machine.nodes().iter().filter(|node| !before.iter().any(|old| old.kname == node.kname)) {
            make_node(tree, node)?;
        }
    }
    Ok(Some(Reply::good("")))
}
