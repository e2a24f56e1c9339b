//! A cold backup of a domain of libvirt's: it is off, or is asked to shut down for it, never destroyed.

use super::{Virsh, gather};
use crate::model::bundle::Manifest;
use crate::model::request::{ColdBackup, WhenRunning};
use crate::model::{Action, Domain, LibvirtIs, Plan, Power, Request, Risk, Undo, cmd::shell_word};
use crate::plan::cold_backup::place::{self, Destination};
use crate::plan::cold_backup::{self, gather::Gathered};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, increment};

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let virsh = Virsh::of(domain)?;
    let shut_down = look_at_power(request, domain)?;
    let (mut gathered, definition) = gather::gather(request, facts, domain, &virsh)?;
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let increments = increment::look(request, facts, setting, &mut gathered, &destination)?;

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    if let Some(limit_seconds) = shut_down {
        ask_to_shut_down(&mut draft, &virsh, limit_seconds);
    }
    let first = destination.steps(&mut draft);
    definition.write(&mut draft, &virsh, &destination);
    let off = virsh.is(LibvirtIs::Off);
    let witnessed = cold_backup::witness(&mut draft, &gathered, None);
    if shut_down.is_none() {
        draft.assume(format!("{} is off", domain.name), off.clone(), Some(witnessed));
    }
    let kept = increments.before_copy(&mut draft, setting, &[]);
    cold_backup::copy(&mut draft, request, &gathered, &destination);
    draft.step(
        format!("Look whether {} is still off", domain.name),
        "If somebody started it meanwhile, the copy is of no use, and is given up.",
        Action::WaitFor { check: off, limit_seconds: 0 },
    );
    cold_backup::compare(&mut draft);
    if shut_down.is_some() {
        let step = draft.run(
            format!("Start {} again", domain.name),
            "All is copied: nothing more needs the domain to be off.",
            virsh.changes("start", &[]),
        );
        draft.done(step, virsh.is(LibvirtIs::Running));
    }
    let manifest =
        Manifest { full_because: increments.full_because(), ..manifest(domain, &gathered, &definition, setting, shut_down.is_some()) };
    finish(&mut draft, request, &destination, manifest, first);
    increments.after_seal(&mut draft, setting, &kept);
    Ok(draft.finish())
}

fn finish(draft: &mut Draft, request: &ColdBackup, destination: &Destination, manifest: Manifest, first: usize) {
    let sealed = destination.seal(draft, manifest, None);
    destination.assumptions(draft, first, sealed);
    destination.read_back(draft, request);
}

fn manifest(domain: &Domain, gathered: &Gathered, definition: &gather::Definition, setting: &Setting, shut_down: bool) -> Manifest {
    let mut manifest = cold_backup::manifest(domain, gathered, setting, shut_down);
    manifest.pieces.push(definition.piece.clone());
    manifest
}

/// Seconds that it is given to shut down; nothing: it is off.
fn look_at_power(request: &ColdBackup, domain: &Domain) -> Go<Option<u64>> {
    let name = &domain.name;
    let facts = domain.libvirt.as_ref();
    // Its disks and its memory belong together, and the next start uses the memory up.
    if facts.and_then(|facts| facts.managed_save) != Some(false) && !domain.power.is_present() {
        return no(
            "managed-save",
            format!(
                "libvirt keeps a managed save of {name}, or could not say that there is none: its disks are those of a domain that stands still, not of one that shut down"
            ),
            format!(
                "a managed save is no restore point: the next start uses it up. Start {name}, and back it up while it runs or after it shut down"
            ),
        );
    }
    match (domain.power, request.how) {
        (Power::Off, _) => Ok(None),
        (Power::Running, WhenRunning::Refuse) => no(
            "domain-running",
            format!("{name} runs: what is copied while it writes would not fit together"),
            "shut it down first, or let domkeep do it: --when-running shut-down",
        ),
        (Power::Running, WhenRunning::ShutDown { .. }) if facts.and_then(|facts| facts.persistent) != Some(true) => no(
            "domain-transient",
            format!("libvirt has no stored definition of {name}: it is gone when it shuts down, and could not be started again"),
            format!("store its definition first: virsh dumpxml {0} > FILE, virsh define FILE", shell_word(name)),
        ),
        (Power::Running, WhenRunning::ShutDown { limit_seconds }) => Ok(Some(limit_seconds)),
        (Power::Unknown, _) => no(
            "domain-unknown",
            format!("whether {name} runs could not be found out"),
            "ask as root; `domkeep list` says what could not be read",
        ),
        (power, _) => {
            let instead = match power {
                Power::Paused => format!("`virsh resume {}` first: a paused guest cannot shut down", shell_word(name)),
                Power::Crashed => format!("`virsh destroy {}` when its memory is not needed any more", shell_word(name)),
                _ => "wait until that is over, and look again".into(),
            };
            no("domain-not-still", format!("{name} is {}: its disks are still open", power.as_str()), instead)
        }
    }
}

fn ask_to_shut_down(draft: &mut Draft, virsh: &Virsh, limit_seconds: u64) {
    draft.risk(Risk::Touches);
    let off = virsh.is(LibvirtIs::Off);
    let name = &virsh.name;
    let step = draft.run(
        format!("Ask {name} to shut down"),
        "A guest that shuts down itself leaves clean file systems. It is asked, never destroyed.",
        virsh.changes("shutdown", &[]),
    );
    draft.undo(step, Undo::Nothing);
    // Asked twice, it shuts down once.
    draft.done(step, off.clone());
    draft.cleanup(step, format!("Start {name} again, if it is off"), virsh.changes("start", &[]), off.clone());
    draft.step(
        format!("Wait until {name} is off, at most {limit_seconds} s"),
        "If it does not shut down in that time, nothing is copied.",
        Action::WaitFor { check: off, limit_seconds },
    );
}
