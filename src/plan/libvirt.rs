//! Changes to domains that libvirt drives, through virsh: what all of these plans share.

mod agent;
pub(super) mod cold;
pub(super) mod gather;
mod pull;
pub(super) mod restore;
pub(super) mod table;
mod xml;

use super::Setting;
use super::facts::{Facts, Go, no};
use crate::model::request::ColdBackup;
use crate::model::{Check, Cmd, Domain, LibvirtCheck, LibvirtIs, Plan, Power, Strategy, Toolstack, cmd::shell_word};

/// The connection whose domains are changed. Others are seen, and left alone.
pub(super) const SYSTEM: &str = "qemu:///system";

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
        other => no(
            "strategy-not-here",
            format!("{} cannot be done with {}: domkeep does not do it with libvirt's domains yet", other.as_str(), domain.name),
            "`domkeep strategies` shows the ways that there are",
        ),
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
