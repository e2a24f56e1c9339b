//! A backup of a domain that runs: QEMU offers all its disks as they were at one instant, over NBD, and keeps aside what the guest overwrites until
//! they are copied. The domain's definition and its images stay what they are: nothing has to be mended when the job is cut.

use super::aside::{self, Aside};
use super::chain::{self, Chain};
use super::{SOCKETS, Virsh, agent, gather};
use crate::model::begin_backup::BeginBackup;
use crate::model::libvirt_check::escaped;
use crate::model::request::ColdBackup;
use crate::model::{Action, Check, Cmd, Domain, HostPath, LibvirtIs, Location, Plan, Request, Risk, Strategy};
use crate::plan::cold_backup::gather::Gathered;
use crate::plan::cold_backup::place::{self, Destination};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go};
use crate::plan::{Setting, cold_backup, increment, text};

/// How long libvirt's daemon may take to be there again.
const ANSWERS_WITHIN: u64 = 30;
/// How long libvirt may take to end its job.
const ENDS_WITHIN: u64 = 60;

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let virsh = Virsh::of(domain)?;
    super::look_at_running(request, facts, domain, Strategy::Pull)?;
    let (mut gathered, definition) = gather::gather(request, facts, domain, &virsh)?;
    let socket = HostPath::from(SOCKETS).join(format!("domkeep-{}.sock", place::random_part(setting)));
    let offered = aside::look(facts, setting, domain, &mut gathered, "scratch")?;
    offer(domain, &mut gathered, &offered, &socket);
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let chain = Chain::look(facts, setting, domain, &virsh, &offered)?;
    let increments =
        increment::look_with(request, facts, setting, &mut gathered, &destination, &|source, since| chain.book(source, since))?;
    let freezes = agent::answers(facts, domain, &virsh)?;

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    super::say_agent(&mut draft, domain, freezes);
    let first = destination.steps(&mut draft);
    let written = definition.write(&mut draft, &virsh, &destination);
    // QEMU removes its socket at the end of the job, and leaves it when it is destroyed before.
    let remove = Cmd::changes("rm", ["-f".to_owned(), "--".to_owned(), text(&socket)]);
    draft.cleanup(written, "Remove the socket, if QEMU left it", remove, Check::Exists { path: socket.clone() });
    if freezes {
        agent::before_freeze(&mut draft, &virsh);
    }
    let checkpoint = (request.incremental.wanted() && chain.keeps()).then(|| chain.before_begin(&mut draft, &virsh));
    let xml = backup_xml(&offered, &socket, &|vdev| chain::attributes(vdev, &gathered, domain, &increments));
    let begin = BeginBackup { uri: virsh.uri.clone(), uuid: virsh.uuid.clone(), xml: xml.into_bytes(), checkpoint };
    let begun = begin_job(&mut draft, &virsh, &offered, &socket, &begin, freezes);
    if freezes {
        agent::thawed(&mut draft, &virsh);
    }
    let kept = increments.before_copy(&mut draft, setting, &[]);
    copy(&mut draft, request, &gathered, &destination);
    end(&mut draft, &virsh, &socket);
    let mut manifest = super::manifest(domain, &gathered, &definition, setting, Strategy::Pull, freezes);
    manifest.full_because = increments.full_because();
    let sealed = destination.seal(&mut draft, manifest, Some(begun));
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    increments.after_seal(&mut draft, setting, &kept);
    if begin.checkpoint.is_some() {
        chain.after_seal(&mut draft, &virsh);
    }
    Ok(draft.finish())
}

/// Every disk that the guest may write to comes from QEMU, as raw bytes and without the images below it; one that it only reads is copied as it lies.
fn offer(domain: &Domain, gathered: &mut Gathered, offered: &[Aside], socket: &HostPath) {
    let below = |name: &str, vdev: &str| name.starts_with(&format!("{}.below-", crate::model::bundle_names::component(vdev)));
    gathered.disks.retain(|source| !offered.iter().any(|one| below(&source.piece.name, &one.vdev)));
    let of_chain = |warning: &str| {
        warning.contains("that file is copied too") && offered.iter().any(|one| warning.starts_with(&format!("{} (", one.vdev)))
    };
    gathered.warnings.retain(|warning| !of_chain(warning));
    for source in &mut gathered.disks {
        let Some(one) = aside::written(domain, source).and_then(|disk| offered.iter().find(|one| Some(&one.vdev) == disk.vdev.as_ref()))
        else {
            continue;
        };
        source.from = Location::Nbd { socket: socket.clone(), export: one.vdev.clone() };
        source.piece.format = Some("raw".into());
        source.piece.bytes = one.size;
        source.needs = one.size;
        source.surely = 0;
    }
}

/// Gives the step: its beginning is the instant.
fn begin_job(draft: &mut Draft, virsh: &Virsh, offered: &[Aside], socket: &HostPath, begin: &BeginBackup, freezes: bool) -> usize {
    let name = &virsh.name;
    let backing_up = virsh.is(LibvirtIs::BackingUp { text: text(socket) });
    let what = if offered.len() == 1 { "its disk".to_owned() } else { format!("its {} disks", offered.len()) };
    let kept = "All of one instant. What the guest overwrites from now on is first kept aside; QEMU itself removes that at the end.";
    let step = if freezes {
        draft.run(
            format!("Freeze the file systems of {name}, let QEMU offer {what} as they are at this instant, and thaw"),
            format!(
                "Everything that was written is on its disks then, and nothing is half-written. A process of its own runs virsh domfsfreeze, backup-begin and \
                 domfsthaw: it thaws the guest whatever becomes of this job. {kept}"
            ),
            begin.begin_frozen(),
        )
    } else {
        draft.run(format!("Let QEMU offer {what} as they are at this instant"), kept, begin.begin())
    };
    draft.done(step, backing_up.clone());
    draft.cleanup(step, format!("End the backup job of {name}, if it is still at work"), virsh.changes("domjobabort", &[]), backing_up);
    aside::assume(draft, virsh, offered, step);
    step
}

/// See https://libvirt.org/formatbackup.html. A disk that is not named is not offered.
fn backup_xml(offered: &[Aside], socket: &HostPath, more: &dyn Fn(&str) -> String) -> String {
    let mut out = format!("<domainbackup mode='pull'>\n  <server transport='unix' socket='{}'/>\n  <disks>\n", escaped(&text(socket)));
    for one in offered {
        let scratch = escaped(&text(&one.path));
        out.push_str("    <disk name='");
        out.push_str(&one.vdev);
        out.push_str("' backup='yes' type='file' exportname='");
        out.push_str(&one.vdev);
        out.push('\'');
        out.push_str(&more(&one.vdev));
        out.push_str("><driver type='qcow2'/><scratch file='");
        out.push_str(&scratch);
        out.push_str("'/></disk>\n");
    }
    out.push_str("  </disks>\n</domainbackup>\n");
    out
}

fn copy(draft: &mut Draft, request: &ColdBackup, gathered: &Gathered, destination: &Destination) {
    let what = if gathered.disks.len() == 1 { "the disk".to_owned() } else { format!("{} disks", gathered.disks.len()) };
    let copies = gathered.disks.iter().map(|disk| disk.copy(&destination.partial)).collect();
    draft.step(
        format!("Copy {what}"),
        "Read from QEMU, which tells what is data and what reads as zeros; each MiB is hashed while it is copied.",
        Action::Copy { copies, at_once: gathered.at_once, rate: request.rate },
    );
    if !gathered.configs.is_empty() {
        draft.step(
            "Copy the UEFI variables",
            "The file as it is now: firmware seldom writes it.",
            Action::Copy {
                copies: gathered.configs.iter().map(|config| config.copy(&destination.partial)).collect(),
                at_once: 1,
                rate: None,
            },
        );
    }
}

fn end(draft: &mut Draft, virsh: &Virsh, socket: &HostPath) {
    let name = &virsh.name;
    let backing_up = virsh.is(LibvirtIs::BackingUp { text: text(socket) });
    draft.step(
        "Look whether the backup job lived to the end of the copy",
        "If it did not, nobody kept aside what the guest overwrote, and the copy is given up.",
        // A daemon that is just started anew answers in a moment; QEMU serves on meanwhile.
        Action::WaitFor { check: backing_up.clone(), limit_seconds: ANSWERS_WITHIN },
    );
    let step = draft.run(
        format!("End the backup job of {name}"),
        "This is its usual end: QEMU closes the socket and removes what it kept aside.",
        // One that is just ending for a runner that was killed is over before it can be ended again; the next step tells.
        virsh.changes("domjobabort", &[]).or_exit(1),
    );
    draft.done(step, backing_up.clone().negated());
    draft.step(
        "Look whether it has ended",
        "As long as it is at work, libvirt takes no other job for the domain.",
        Action::WaitFor { check: backing_up.negated(), limit_seconds: ENDS_WITHIN },
    );
}
