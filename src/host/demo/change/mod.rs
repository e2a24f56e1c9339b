//! The commands that change the demo machine.

mod lvm;
mod lvm_extend;
mod lvm_more;
mod rm;
mod xl;
mod xl_save;

pub use lvm_extend::rehearse as rehearse_extension;

use super::machine::Machine;
use super::reply::Reply;
use super::tree::Tree;
use crate::host::Answer;

/// Carries a command out; nothing when the demo does not know it.
pub fn carry_out(machine: &mut Machine, tree: &Tree, argv: &[String]) -> Answer<Option<Reply>> {
    let Some((program, words)) = argv.split_first() else { return Ok(None) };
    match program.as_str() {
        "xl" if machine.host.xen => xl::change(machine, tree, words),
        "lvcreate" if machine.host.lvm => lvm::create(machine, tree, words),
        "lvremove" if machine.host.lvm => lvm_more::remove(machine, tree, words),
        "lvextend" if machine.host.lvm => lvm_extend::extend(machine, tree, words),
        "rm" => Ok(rm::remove(tree, words)),
        "demo-write" => lvm_more::write(machine, tree, words),
        _ => Ok(None),
    }
}
