//! The guest's agent: asked first whether it answers, and what it froze is always thawed, which is then proven.

use super::Virsh;
use crate::model::libvirt_check::AGENT_SECONDS;
use crate::model::{Action, Check, Domain, LibvirtIs};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, if_known};

/// Seconds until the guest must have thawed.
const THAWS_WITHIN: u64 = 20;

/// Whether the agent answers now. A channel alone says nothing: there may be nobody at its other end.
pub(super) fn answers(facts: &Facts<'_>, domain: &Domain, virsh: &Virsh) -> Go<bool> {
    if domain.libvirt.as_ref().is_none_or(|facts| facts.agent_channel.is_none()) {
        return Ok(false);
    }
    let ping = virsh.reads("qemu-agent-command", &["--timeout", AGENT_SECONDS, "--cmd", r#"{"execute":"guest-ping"}"#]);
    Ok(if_known(facts.said(&ping))?.is_some_and(|said| String::from_utf8_lossy(said).contains("return")))
}

/// Before anything is frozen. Whatever becomes of the job and of the process that freezes, the thaw is tried at its end unless the agent says that
/// nothing is frozen.
pub(super) fn before_freeze(draft: &mut Draft, virsh: &Virsh) {
    let name = &virsh.name;
    let thawed = virsh.is(LibvirtIs::Thawed);
    let step = draft.step(
        format!("Look whether nobody else keeps the file systems of {name} frozen"),
        "What somebody else froze would be thawed under their hands.",
        Action::WaitFor { check: thawed.clone(), limit_seconds: 0 },
    );
    draft.cleanup(step, format!("Thaw the file systems of {name}, if they are not"), virsh.changes("domfsthaw", &[]), thawed.negated());
}

/// libvirt freezes and thaws by itself around one of its commands, whatever becomes of its caller. That it thawed is proven.
pub(super) fn thawed_by_libvirt(draft: &mut Draft, virsh: &Virsh, step: usize) {
    let thawed = virsh.is(LibvirtIs::Thawed);
    let name = &virsh.name;
    let says = format!("Thaw the file systems of {name}, if they are not");
    draft.cleanup(step, says, virsh.changes("domfsthaw", &[]), thawed.clone().negated());
    prove(draft, name, thawed);
}

/// That a guest which was frozen is not any more.
pub(super) fn thawed(draft: &mut Draft, virsh: &Virsh) {
    prove(draft, &virsh.name, virsh.is(LibvirtIs::Thawed));
}

fn prove(draft: &mut Draft, name: &str, thawed: Check) {
    draft.step(
        format!("Look whether {name} has thawed"),
        "Its agent is asked: a guest that stays frozen stands still for its users.",
        Action::WaitFor { check: thawed, limit_seconds: THAWS_WITHIN },
    );
}
