//! Changes to domains that libvirt drives, through virsh: what all of these plans share.

mod agent;
mod aside;
mod chain;
pub(super) mod cold;
pub(super) mod gather;
mod overlay;
mod pull;
pub(super) mod restore;
mod save_copy;
pub(super) mod table;
mod xml;

use super::Setting;
use super::cold_backup::gather::Gathered;
use super::cold_backup::place;
use super::draft::Draft;
use super::facts::{Facts, Go, no};
use crate::model::bundle::{MANIFEST_VERSION, Manifest};
use crate::model::request::ColdBackup;
use crate::model::{Check, Cmd, Domain, Figures, LibvirtCheck, LibvirtIs, Plan, Power, Strategy, Toolstack, cmd::shell_word};

/// The connection whose domains are changed. Others are seen, and left alone.
pub(super) const SYSTEM: &str = "qemu:///system";

/// Where QEMU may make a socket, whatever user it runs as: its own driver's directory.
const SOCKETS: &str = "/var/lib/libvirt/qemu";

/// Whether libvirt's QEMU driver, and nobody else, says what the domain does.
pub(super) fn drives(domain: &Domain) -> bool {
    domain.toolstacks == [Toolstack::LibvirtQemu]
}

/// A backup by the way that was asked for, or by the best.
pub(super) fn backup(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let best = if domain.power == Power::Running { Strategy::Pull } else { Strategy::Cold };
    match request.strategy.unwrap_or(best) {
        Strategy::Cold => cold::plan(request, facts, setting, domain),
        Strategy::Pull => pull::plan(request, facts, setting, domain),
        Strategy::Overlay => overlay::plan(request, facts, setting, domain),
        Strategy::SaveCopy => save_copy::plan(request, facts, setting, domain),
        other => no(
            "strategy-not-here",
            format!("{} cannot be done with {}: domkeep does not do it with libvirt's domains yet", other.as_str(), domain.name),
            "`domkeep strategies` shows the ways that there are",
        ),
    }
}

/// A way that needs the domain to run.
fn look_at_running(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain, strategy: Strategy) -> Go<()> {
    if domain.power != Power::Running {
        return no(
            "domain-not-running",
            format!("{} is {}: {} is for a domain that runs", domain.name, domain.power.as_str(), strategy.as_str()),
            "take a cold backup: --strategy cold",
        );
    }
    let table = table::table(facts.inventory(), domain, &request.leave_out, &Figures::default());
    match table.row(strategy).and_then(|row| row.not_here.clone()) {
        Some(why) => {
            no("strategy-not-here", format!("{} cannot be done with {}: {why}", strategy.as_str(), domain.name), "see `domkeep strategies`")
        }
        None => Ok(()),
    }
}

fn say_agent(draft: &mut Draft, domain: &Domain, freezes: bool) {
    if !freezes {
        draft
            .warn(format!("No agent answers in {}: its file systems are not frozen, and the backup is as after a power cut.", domain.name));
    }
}

fn no_increment(request: &ColdBackup, domain: &Domain) -> Go<()> {
    if request.incremental.wanted() {
        return no(
            "no-increment",
            format!("what changed on the disks of {} since its last backup is not asked of QEMU yet", domain.name),
            "take all of it: --incremental no",
        );
    }
    Ok(())
}

/// What a backup of a domain that runs says of itself.
fn manifest(
    domain: &Domain,
    gathered: &Gathered,
    definition: &gather::Definition,
    setting: &Setting,
    strategy: Strategy,
    frozen: bool,
) -> Manifest {
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
        strategy: Some(strategy.as_str().into()),
        torn: None,
        full_because: None,
        started: setting.now,
        instant: setting.now,
        ended: setting.now,
        pieces: gathered.all().map(|source| source.piece.clone()).chain([definition.piece.clone()]).collect(),
        left_out: gathered.left_out.clone(),
    }
}

/// A domain as virsh is told of it.
#[derive(Clone, Debug)]
pub(super) struct Virsh {
    pub uri: String,
    pub uuid: String,
    pub name: String,
}

impl Virsh {
    /// Refuses a connection that nothing was tried on.
    pub fn of(domain: &Domain) -> Go<Self> {
        let facts = domain.libvirt.as_ref().filter(|facts| facts.uri == SYSTEM).zip(domain.uuid.as_ref());
        let Some((facts, uuid)) = facts else {
            let uri = domain.libvirt.as_ref().map_or("?", |facts| facts.uri.as_str());
            return no(
                "libvirt-connection",
                format!("{} belongs to the connection {}", domain.name, crate::model::shown::text(uri)),
                format!("only domains of {SYSTEM} are changed; use virsh -c {} for this one", shell_word(uri)),
            );
        };
        if let Some(job) = &facts.job {
            return no(
                "job-at-work",
                format!("libvirt has a job at work on {}: {}", domain.name, crate::model::shown::text(job)),
                format!(
                    "wait until it is over (virsh domjobinfo {0}); one that nobody waits for any more is ended with virsh domjobabort {0}",
                    shell_word(&domain.name)
                ),
            );
        }
        Ok(Self { uri: facts.uri.clone(), uuid: uuid.clone(), name: domain.name.clone() })
    }

    pub fn changes(&self, command: &str, more: &[&str]) -> Cmd {
        Cmd::changes("virsh", self.words(command).into_iter().chain(more.iter().map(|word| (*word).to_owned())))
    }

    pub fn reads(&self, command: &str, more: &[&str]) -> Cmd {
        Cmd::reads("virsh", self.words(command).into_iter().chain(more.iter().map(|word| (*word).to_owned()))).within(20)
    }

    fn words(&self, command: &str) -> Vec<String> {
        ["-q", "-c", &self.uri, command, "--domain", &self.uuid].map(str::to_owned).to_vec()
    }

    pub fn is(&self, is: LibvirtIs) -> Check {
        Check::Libvirt(LibvirtCheck { uri: self.uri.clone(), uuid: self.uuid.clone(), is })
    }

    /// The definition that the next start takes, passwords included.
    pub fn definition(&self) -> Cmd {
        LibvirtCheck { uri: self.uri.clone(), uuid: self.uuid.clone(), is: LibvirtIs::Defined { blake3: String::new() } }.cmd()
    }
}
