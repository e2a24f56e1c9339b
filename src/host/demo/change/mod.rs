//! The commands that change the demo machine.

mod devices;
mod faults;
mod hooks;
mod lvm;
mod lvm_extend;
mod lvm_groups;
mod lvm_merge;
mod lvm_more;
pub mod qemu_img;
mod rm;
pub mod sfdisk;
mod xl;
mod xl_save;

pub use lvm_extend::rehearse as rehearse_extension;

use super::exports;
use super::kvm;
use super::machine::Machine;
use super::reply::Reply;
use super::tree::Tree;
use crate::host::Answer;
use crate::model::Cmd;

/// The same, when something goes wrong on purpose.
pub fn carry_out_or_fail(machine: &mut Machine, tree: &Tree, argv: &[String], stdin: &[u8]) -> Answer<Option<Reply>> {
    match faults::take(machine, argv) {
        Some(fault) => faults::happen(machine, tree, argv, stdin, &fault),
        None => carry_out(machine, tree, argv, stdin),
    }
}

/// Carries a command out; nothing when the demo does not know it.
pub fn carry_out(machine: &mut Machine, tree: &Tree, argv: &[String], stdin: &[u8]) -> Answer<Option<Reply>> {
    let Some((program, words)) = argv.split_first() else { return Ok(None) };
    match program.as_str() {
        "xl" if machine.host.xen => xl::change(machine, tree, words),
        "lvcreate" if machine.host.lvm => lvm::create(machine, tree, words),
        "lvchange" if machine.host.lvm => Ok(lvm_more::change_tags(machine, words)),
        "lvremove" if machine.host.lvm => lvm_more::remove(machine, tree, words),
        "lvextend" if machine.host.lvm => lvm_extend::extend(machine, tree, words),
        "pvcreate" if machine.host.lvm => lvm_groups::make_physical(machine, tree, words),
        "pvremove" if machine.host.lvm => lvm_groups::remove_physical(machine, tree, words),
        "vgextend" if machine.host.lvm => Ok(lvm_groups::extend_group(machine, tree, words)),
        "vgreduce" if machine.host.lvm => Ok(lvm_groups::reduce_group(machine, tree, words)),
        "vgcreate" if machine.host.lvm => Ok(lvm_groups::make_group(machine, tree, words)),
        "vgremove" if machine.host.lvm => Ok(lvm_groups::remove_group(machine, tree, words)),
        "lvchange" if machine.host.lvm => lvm_groups::activate(machine, tree, words),
        "blkdiscard" => devices::discard(machine, tree, words),
        "truncate" => devices::truncate(tree, words),
        "losetup" => devices::bind(machine, tree, words),
        "lvconvert" if machine.host.lvm => lvm_merge::merge(machine, tree, words),
        "qemu-img" => qemu_img::create(machine, tree, words),
        "sfdisk" => sfdisk::change(tree, words, stdin),
        "exportfs" => exports::change(tree, words),
        "timeout" => hooks::run(tree, words),
        "rm" => Ok(rm::remove(tree, words)),
        "virsh" => kvm::change(machine, tree, &Cmd::changes(program, words.to_vec())),
        "demo-write" => lvm_more::write(machine, tree, words),
        _ => Ok(None),
    }
}
