//! A cold backup: all that is left of a domain while nothing of it runs, copied into a bundle.

pub(super) mod gather;
pub(super) mod place;

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, domains, increment};
use crate::model::bundle::{MANIFEST_VERSION, Manifest};
use crate::model::request::{ColdBackup, WhenRunning};
use crate::model::{Action, Check, Cmd, Domain, HostPath, Location, Plan, Power, Request, Risk, Strategy, cmd::shell_word};
use gather::Gathered;
use place::Destination;

pub(super) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &request.domain)?;
    domains::by_xl(domain, "libvirt's domains cannot be backed up yet; stop it and copy its disks with `domkeep copy`")?;
    let restart = look_at_power(request, facts, domain)?;
    let mut gathered = gather::gather(request, facts, domain)?;
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let increments = increment::look(request, facts, setting, &mut gathered, &destination)?;

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    begin(&mut draft, domain, &gathered, &destination);
    super::hooks::steps(&mut draft, facts, setting, &domain.name, &destination.bundle)?;
    if let Some(restart) = &restart {
        shut_down(&mut draft, domain, restart);
    }
    let first = destination.steps(&mut draft);
    let mut kept = Vec::new();
    let witnessed =
        copy_steps(&mut draft, request, domain, &gathered, &destination, &mut |draft| kept = increments.before_copy(draft, setting, &[]));
    if let Some(restart) = &restart {
        let step = draft.run(
            format!("Start {} again", domain.name),
            "All is copied: nothing more needs the domain to be off.",
            Cmd::changes("xl", ["create".to_owned(), super::text(&restart.config)]),
        );
        draft.done(step, Check::DomainPresent { name: domain.name.clone() });
    } else {
        let says = format!("{} is off", domain.name);
        draft.assume(says, Check::DomainPresent { name: domain.name.clone() }.negated(), Some(witnessed));
    }
    let manifest = Manifest { full_because: increments.full_because(), ..manifest(domain, &gathered, setting, restart.is_some()) };
    let sealed = destination.seal(&mut draft, manifest, None);
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    increments.after_seal(&mut draft, setting, &kept);
    Ok(draft.finish())
}

/// Locks, warnings and evidence that every backup has.
pub(super) fn begin(draft: &mut Draft, domain: &Domain, gathered: &Gathered, destination: &Destination) {
    lock(draft, domain, gathered, destination);
    for warning in gathered.warnings.iter().chain(&destination.warnings) {
        draft.warn(warning.clone());
    }
    for evidence in &gathered.evidence {
        draft.saw(evidence.what.clone(), evidence.source.clone());
    }
}

/// How a domain that runs is shut down, and what it is started from again.
struct Restart {
    config: HostPath,
    limit_seconds: u64,
    /// The guest has no drivers that would hear `xl shutdown`.
    acpi: bool,
}

fn look_at_power(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain) -> Go<Option<Restart>> {
    match (domain.power, request.how) {
        (Power::Off | Power::Saved, _) => Ok(None),
        (Power::Running, WhenRunning::Refuse) => no(
            "domain-running",
            format!("{} runs: what is copied while it writes would not fit together", domain.name),
            "shut it down first, or let domkeep do it: --when-running shut-down",
        ),
        (Power::Running, WhenRunning::ShutDown { limit_seconds }) => {
            let config = domains::config(facts, domain, domain.likely_config.as_ref().filter(|_| domain.configs.is_empty()))?;
            super::paths::check(&config.path)?;
            let acpi = domain.guest_type.as_deref() == Some("hvm");
            Ok(Some(Restart { config: config.path.clone(), limit_seconds, acpi }))
        }
        (Power::Unknown, _) => no(
            "domain-unknown",
            format!("whether {} runs could not be found out", domain.name),
            "ask as root; `domkeep list` says what could not be read",
        ),
        (power, _) => {
            let instead = match power {
                Power::Paused => format!("`xl unpause {}` first: a paused guest cannot shut down", shell_word(&domain.name)),
                Power::Crashed | Power::Preserved => {
                    format!("`xl destroy {}` when its memory is not needed any more", shell_word(&domain.name))
                }
                _ => "wait until that is over, and look again".into(),
            };
            no("domain-not-still", format!("{} is {}: its disks are still open", domain.name, power.as_str()), instead)
        }
    }
}

pub(super) fn lock(draft: &mut Draft, domain: &Domain, gathered: &Gathered, destination: &Destination) {
    draft.lock(Plan::domain_lock(&domain.name));
    for disk in &gathered.disks {
        draft.lock(Plan::disk_lock(&disk.lock));
    }
    draft.lock(Plan::disk_lock(&destination.partial));
}

fn shut_down(draft: &mut Draft, domain: &Domain, restart: &Restart) {
    draft.risk(Risk::Touches);
    let mut words = vec!["shutdown".to_owned()];
    words.extend(restart.acpi.then(|| "-F".to_owned()));
    words.extend(domains::word(&domain.name));
    let there = Check::DomainPresent { name: domain.name.clone() };
    let step = draft.run(
        format!("Ask {} to shut down", domain.name),
        "A guest that shuts down itself leaves clean file systems. It is asked, never destroyed.",
        Cmd::changes("xl", words),
    );
    // Asked twice, it shuts down once.
    draft.done(step, there.clone().negated());
    draft.cleanup(
        step,
        format!("Start {} again, if it is not there", domain.name),
        Cmd::changes("xl", ["create".to_owned(), super::text(&restart.config)]),
        there.clone().negated(),
    );
    draft.step(
        format!("Wait until {} is off, at most {} s", domain.name, restart.limit_seconds),
        "If it does not shut down in that time, nothing is copied.",
        Action::WaitFor { check: there.negated(), limit_seconds: restart.limit_seconds },
    );
}

/// Witness, copy, compare. Gives the index of the first of them: until then the domain must be off. Whether it stayed off is for the comparison
/// to say: a domain that is started later makes the backup torn.
fn copy_steps(
    draft: &mut Draft,
    request: &ColdBackup,
    domain: &Domain,
    gathered: &Gathered,
    destination: &Destination,
    before_copy: &mut dyn FnMut(&mut Draft),
) -> usize {
    let witnessed = witness(draft, gathered, Some(domain.name.clone()));
    before_copy(draft);
    copy(draft, request, gathered, destination);
    compare(draft);
    witnessed
}

/// `domain`: xl's, which must be off then and at the comparison.
pub(super) fn witness(draft: &mut Draft, gathered: &Gathered, domain: Option<String>) -> usize {
    let disks: Vec<Location> = gathered.disks.iter().map(|disk| disk.from.clone()).collect();
    draft.step(
        "Remember what would tell that somebody writes",
        "Sizes, times, counters of writes and some samples of every disk. A cold backup is only good if nothing of that changes.",
        Action::Witness { domain, disks },
    )
}

pub(super) fn compare(draft: &mut Draft) {
    draft.step("Look whether anybody wrote meanwhile", "If so, the backup is called torn, never good.", Action::CompareWitness);
}

/// Disks, memory and files of configuration.
pub(super) fn copy(draft: &mut Draft, request: &ColdBackup, gathered: &Gathered, destination: &Destination) {
    let total = gathered.disks.len();
    if total > 0 {
        let what = if total == 1 { "the disk".to_owned() } else { format!("{total} disks") };
        let why = if gathered.at_once > 1 {
            "They lie on different devices, so several are copied at once. Holes are not read, and each MiB is hashed."
        } else {
            "Holes are not read, and each MiB is hashed while it is copied."
        };
        let copies = gathered.disks.iter().map(|disk| disk.copy(&destination.partial)).collect();
        draft.step(format!("Copy {what}"), why, Action::Copy { copies, at_once: gathered.at_once, rate: request.rate });
    }
    if let Some(save) = &gathered.save {
        draft.step(
            "Copy the save image",
            "The domain's memory: it belongs to exactly these disks.",
            Action::Copy { copies: vec![save.copy(&destination.partial)], at_once: 1, rate: request.rate },
        );
    }
    if !gathered.configs.is_empty() {
        draft.step(
            "Copy the configuration",
            "Byte for byte, as it is.",
            Action::Copy {
                copies: gathered.configs.iter().map(|config| config.copy(&destination.partial)).collect(),
                at_once: 1,
                rate: None,
            },
        );
    }
}

pub(super) fn manifest(domain: &Domain, gathered: &Gathered, setting: &Setting, shut_down: bool) -> Manifest {
    let consistency = match (domain.power, shut_down) {
        (Power::Saved, _) => "cold: the domain was saved, and its memory is in the backup",
        (_, true) => "cold: the domain was shut down for the backup",
        _ => "cold: the domain was off",
    };
    Manifest {
        version: MANIFEST_VERSION,
        id: place::random_part(setting).to_owned(),
        domain: domain.name.clone(),
        uuid: domain.uuid.clone(),
        host: setting.host_id.clone(),
        tool: env!("CARGO_PKG_VERSION").into(),
        consistency: consistency.into(),
        strategy: Some(Strategy::Cold.as_str().into()),
        torn: None,
        full_because: None,
        started: setting.now,
        instant: setting.now,
        ended: setting.now,
        pieces: gathered.all().map(|source| source.piece.clone()).collect(),
        left_out: gathered.left_out.clone(),
    }
}
