//! A backup of a domain that runs: QEMU offers all its disks as they were at one instant, over NBD, and keeps aside what the guest overwrites until
//! they are copied. The domain's definition and its images stay what they are: nothing has to be mended when the job is cut.

use super::{Virsh, agent, gather, table, xml};
use crate::model::bundle::{MANIFEST_VERSION, Manifest};
use crate::model::request::ColdBackup;
use crate::model::{
    Action, Check, Cmd, Disk, Domain, HostPath, LibvirtIs, Location, Mode, Plan, Power, Question, Request, Risk, Strategy, bytes,
};
use crate::plan::cold_backup;
use crate::plan::cold_backup::gather::{Gathered, Source};
use crate::plan::cold_backup::place::{self, Destination};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, paths, text};

/// Where QEMU may make a socket, whatever user it runs as: its own driver's directory.
const SOCKETS: &str = "/var/lib/libvirt/qemu";
/// Where QEMU's user may make files, for disks that are no files.
const IMAGES: &str = "/var/lib/libvirt/images";
/// The guest cannot write any more once what it overwrites finds no room: so much of each disk must be free at least, one part of so many.
const LEAST_SHARE: u64 = 20;
/// How long libvirt may take to end its job.
const ENDS_WITHIN: u64 = 60;

/// A disk that QEMU offers.
struct Offered {
    vdev: String,
    scratch: HostPath,
    /// What must be free there.
    least: u64,
}

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let virsh = Virsh::of(domain)?;
    look_at_domain(request, facts, domain)?;
    let (mut gathered, definition) = gather::gather(request, facts, domain, &virsh)?;
    let socket = HostPath::from(SOCKETS).join(format!("domkeep-{}.sock", place::random_part(setting)));
    let mut warnings = Vec::new();
    let offered = offer(facts, setting, domain, &mut gathered, &socket, &mut warnings)?;
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let freezes = agent::answers(facts, domain, &virsh)?;
    if !freezes {
        warnings
            .push(format!("No agent answers in {}: its file systems are not frozen, and the backup is as after a power cut.", domain.name));
    }
    if request.incremental.wanted() {
        return no(
            "no-increment",
            format!("what changed on the disks of {} since its last backup is not asked of QEMU yet", domain.name),
            "take all of it: --incremental no",
        );
    }

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    for warning in warnings {
        draft.warn(warning);
    }
    let first = destination.steps(&mut draft);
    let written = definition.write(&mut draft, &virsh, &destination);
    // QEMU removes its socket at the end of the job, and leaves it when it is destroyed before.
    let remove = Cmd::changes("rm", ["-f".to_owned(), "--".to_owned(), text(&socket)]);
    draft.cleanup(written, "Remove the socket, if QEMU left it", remove, Check::Exists { path: socket.clone() });
    if freezes {
        agent::freeze(&mut draft, &virsh);
    }
    let begun = begin(&mut draft, &virsh, &offered, &socket);
    if freezes {
        agent::thaw(&mut draft, &virsh);
    }
    copy(&mut draft, request, &gathered, &destination);
    end(&mut draft, &virsh, &socket);
    let manifest = manifest(domain, &gathered, &definition, setting, freezes);
    let sealed = destination.seal(&mut draft, manifest, Some(begun));
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    Ok(draft.finish())
}

fn look_at_domain(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain) -> Go<()> {
    if domain.power != Power::Running {
        return no(
            "domain-not-running",
            format!("{} is {}: QEMU offers the disks of a domain that runs", domain.name, domain.power.as_str()),
            "take a cold backup: --strategy cold",
        );
    }
    let disks: Vec<(&Disk, Option<u64>)> = domain
        .disks
        .iter()
        .filter(|disk| cold_backup::gather::why_left_out(&request.leave_out, disk).is_none())
        .map(|disk| (disk, facts.inventory().backing(disk.backing.as_ref()).and_then(|backing| backing.bytes)))
        .collect();
    match table::why_no_pull(domain, &disks) {
        Some(why) => no("strategy-not-here", format!("pull cannot be done with {}: {why}", domain.name), "see `domkeep strategies`"),
        None => Ok(()),
    }
}

/// Every disk that the guest may write to comes from QEMU, as raw bytes and without the images below it; one that it only reads is copied as it lies.
fn offer(
    facts: &Facts<'_>,
    setting: &Setting,
    domain: &Domain,
    gathered: &mut Gathered,
    socket: &HostPath,
    warnings: &mut Vec<String>,
) -> Go<Vec<Offered>> {
    let inventory = facts.inventory();
    let writes = |vdev: &str| {
        domain.disks.iter().any(|disk| disk.vdev.as_deref() == Some(vdev) && disk.attached && disk.mode.is_none_or(Mode::writes))
    };
    let on_qemu = |source: &Source| source.piece.vdev.as_deref().filter(|vdev| writes(vdev)).map(str::to_owned);
    let tops: Vec<String> = gathered.disks.iter().filter_map(on_qemu).collect();
    // What stands below comes with the disk itself.
    gathered.disks.retain(|source| {
        !tops.iter().any(|vdev| source.piece.name.starts_with(&format!("{}.below-", crate::model::bundle_names::component(vdev))))
    });
    gathered.warnings.retain(|warning| {
        !tops.iter().any(|vdev| warning.starts_with(&format!("{vdev} (")) && warning.contains("that file is copied too"))
    });
    facts.want(
        gathered.disks.iter().filter(|source| on_qemu(source).is_some()).map(|source| Question::Place { path: scratch_directory(source) }),
    )?;
    let mut offered = Vec::new();
    for source in &mut gathered.disks {
        let Some(vdev) = on_qemu(source) else { continue };
        check_word(&vdev)?;
        let disk = domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(&vdev));
        let size = disk.and_then(|disk| inventory.backing(disk.backing.as_ref())).and_then(|backing| backing.bytes).unwrap_or_default();
        let directory = scratch_directory(source);
        let (place, real) = paths::directory(facts, &directory)?;
        let least = (size / LEAST_SHARE).max(1 << 20);
        if place.free < least {
            return no(
                "no-room",
                format!(
                    "what {} overwrites on {vdev} while it is copied is kept in {real}, where {} is free",
                    domain.name,
                    bytes::human(place.free)
                ),
                "make room there: without it the guest could not write any more",
            );
        }
        if place.free < size {
            warnings.push(format!(
                "What {} overwrites on {vdev} while it is copied is kept in {real}, where {} is free. When that is full, the guest cannot write any more.",
                domain.name,
                bytes::human(place.free)
            ));
        }
        if disk.is_some_and(|disk| !disk.in_config) {
            warnings
                .push(format!("{vdev} was plugged in while {} runs: it is in the backup, and not in the definition that is.", domain.name));
        }
        let scratch = real.join(format!(".domkeep-{}-{vdev}.scratch", place::random_part(setting)));
        source.from = Location::Nbd { socket: socket.clone(), export: vdev.clone() };
        source.piece.format = Some("raw".into());
        source.piece.bytes = size;
        source.needs = size;
        source.surely = 0;
        offered.push(Offered { vdev, scratch, least });
    }
    if offered.is_empty() {
        return no("strategy-not-here", format!("{} writes to none of its disks", domain.name), "see `domkeep strategies`");
    }
    Ok(offered)
}

/// Beside the disk, where QEMU may open files already.
fn scratch_directory(source: &Source) -> HostPath {
    if source.piece.source_kind.as_deref() == Some("file") { paths::parent(&source.lock) } else { HostPath::from(IMAGES) }
}

/// It becomes a part of file names and of XML.
fn check_word(vdev: &str) -> Go<()> {
    if !vdev.is_empty() && vdev.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    no("disk-name", format!("{} is no usual name of a disk", crate::model::shown::text(vdev)), "leave it out")
}

/// Gives the step: its beginning is the instant.
fn begin(draft: &mut Draft, virsh: &Virsh, offered: &[Offered], socket: &HostPath) -> usize {
    let name = &virsh.name;
    let backing_up = virsh.is(LibvirtIs::BackingUp { text: text(socket) });
    let what = if offered.len() == 1 { "its disk".to_owned() } else { format!("its {} disks", offered.len()) };
    let cmd = Cmd { stdin: backup_xml(offered, socket).into_bytes(), ..virsh.changes("backup-begin", &["--backupxml", "/dev/stdin"]) };
    let step = draft.run(
        format!("Let QEMU offer {what} as they are at this instant"),
        "All of one instant. What the guest overwrites from now on is first kept aside; QEMU itself removes that at the end.",
        cmd,
    );
    draft.done(step, backing_up.clone());
    draft.cleanup(step, format!("End the backup job of {name}, if it is still at work"), virsh.changes("domjobabort", &[]), backing_up);
    draft.assume(format!("{name} runs"), virsh.is(LibvirtIs::Running), Some(step));
    draft.assume(format!("no job of libvirt's is at work on {name}"), virsh.is(LibvirtIs::Idle), Some(step));
    for one in offered {
        let directory = paths::parent(&one.scratch);
        draft.assume(
            format!("{} is free in {directory}", bytes::human(one.least)),
            Check::Space { path: directory, bytes: one.least },
            Some(step),
        );
    }
    step
}

/// See https://libvirt.org/formatbackup.html. A disk that is not named is not offered.
fn backup_xml(offered: &[Offered], socket: &HostPath) -> String {
    let mut out = format!("<domainbackup mode='pull'>\n  <server transport='unix' socket='{}'/>\n  <disks>\n", xml::escaped(&text(socket)));
    for one in offered {
        let scratch = xml::escaped(&text(&one.scratch));
        out.push_str("    <disk name='");
        out.push_str(&one.vdev);
        out.push_str("' backup='yes' type='file' exportname='");
        out.push_str(&one.vdev);
        out.push_str("'><driver type='qcow2'/><scratch file='");
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
        Action::WaitFor { check: backing_up.clone(), limit_seconds: 0 },
    );
    let step = draft.run(
        format!("End the backup job of {name}"),
        "This is its usual end: QEMU closes the socket and removes what it kept aside.",
        virsh.changes("domjobabort", &[]),
    );
    draft.done(step, backing_up.clone().negated());
    draft.step(
        "Look whether it has ended",
        "As long as it is at work, libvirt takes no other job for the domain.",
        Action::WaitFor { check: backing_up.negated(), limit_seconds: ENDS_WITHIN },
    );
}

fn manifest(domain: &Domain, gathered: &Gathered, definition: &gather::Definition, setting: &Setting, frozen: bool) -> Manifest {
    let consistency = if frozen {
        "all disks of one instant, at which the guest's agent had frozen its file systems; there is no memory in it"
    } else {
        "crash-consistent, all disks of one instant: as after a power cut; there is no memory in it"
    };
    Manifest {
        version: MANIFEST_VERSION,
        id: place::random_part(setting).to_owned(),
        domain: domain.name.clone(),
        uuid: domain.uuid.clone(),
        host: setting.host_id.clone(),
        tool: env!("CARGO_PKG_VERSION").into(),
        consistency: consistency.into(),
        strategy: Some(Strategy::Pull.as_str().into()),
        torn: None,
        full_because: None,
        started: setting.now,
        instant: setting.now,
        ended: setting.now,
        pieces: gathered.all().map(|source| source.piece.clone()).chain([definition.piece.clone()]).collect(),
        left_out: gathered.left_out.clone(),
    }
}
