//! The ways to back a domain of libvirt's up: which are possible, what each gives and costs.

use crate::model::bundle::LeftOut;
use crate::model::strategy::{Downtime, StrategyRow};
use crate::model::{Disk, Domain, Figures, Inventory, Power, Strategy, StrategyTable};
use crate::plan::cold_backup::gather;

/// All ways for one domain.
pub(in crate::plan) fn table(inventory: &Inventory, domain: &Domain, leave_out: &[String], figures: &Figures) -> StrategyTable {
    let mut not_covered = Vec::new();
    let mut disks: Vec<(&Disk, Option<u64>)> = Vec::new();
    for disk in &domain.disks {
        match gather::why_left_out(leave_out, disk) {
            Some(why) => not_covered.push(LeftOut { what: gather::shown(disk), why: why.to_owned() }),
            None => disks.push((disk, inventory.backing(disk.backing.as_ref()).and_then(|backing| backing.bytes))),
        }
    }
    let room = disks.iter().try_fold(0_u64, |sum, (_, bytes)| Some(sum.saturating_add((*bytes)?)));
    let mut rows: Vec<StrategyRow> = Strategy::LIBVIRT
        .into_iter()
        .map(|strategy| StrategyRow {
            strategy,
            not_here: not_here(strategy, domain, &disks),
            gives: strategy.gives().to_owned(),
            downtime: downtime(strategy, domain),
            room,
            snapshots: Vec::new(),
            best: false,
        })
        .collect();
    let best = if domain.power == Power::Running { Strategy::Pull } else { Strategy::Cold };
    for row in &mut rows {
        row.best = row.strategy == best && row.not_here.is_none();
    }
    StrategyTable { domain: domain.name.clone(), rows, not_covered, figures: figures.clone() }
}

fn not_here(strategy: Strategy, domain: &Domain, disks: &[(&Disk, Option<u64>)]) -> Option<String> {
    let name = &domain.name;
    let facts = domain.libvirt.as_ref()?;
    if facts.uri != super::SYSTEM {
        return Some(format!("only domains of {} are changed, and this is one of {}", super::SYSTEM, facts.uri));
    }
    if let Some(job) = &facts.job {
        return Some(format!("libvirt has a job at work on it: {job}"));
    }
    if facts.managed_save != Some(false) && !domain.power.is_present() {
        return Some("its managed save is no restore point: the next start uses it up, and it fits its disks only as they are now".into());
    }
    match (domain.power, strategy) {
        (Power::Off, Strategy::Cold) => None,
        (Power::Off, _) => Some(format!("{name} is off: a cold backup is as good, and stops nothing")),
        (Power::Unknown, _) => Some(format!("whether {name} runs could not be found out")),
        (Power::Running, Strategy::Cold) => {
            (facts.persistent != Some(true)).then(|| "it is transient: shut down, it would be gone, and could not be started again".into())
        }
        (Power::Running, Strategy::Pull) => why_not_while_it_runs(domain, disks),
        (Power::Running, Strategy::SaveCopy) => why_not_while_it_runs(domain, disks)
            .or_else(|| (facts.persistent != Some(true)).then(|| "it is transient: saved, nobody but the file would know of it".into())),
        (Power::Running, Strategy::Overlay) => why_not_while_it_runs(domain, disks).or_else(|| super::overlay::why_not(domain)),
        (Power::Running, _) => Some("domkeep does not do it with libvirt's domains yet".into()),
        (power, _) => Some(format!("{name} is {}", power.as_str())),
    }
}

/// What keeps QEMU from offering its disks as they were at one instant.
pub(super) fn why_not_while_it_runs(domain: &Domain, disks: &[(&Disk, Option<u64>)]) -> Option<String> {
    if disks.is_empty() {
        return Some("it has no disk that could be copied".into());
    }
    if domain.attached_unknown {
        return Some("which disks it has now could not be found out".into());
    }
    let mirrored = disks.iter().find(|(disk, _)| disk.libvirt.as_ref().is_some_and(|xml| xml.mirror.is_some()));
    if let Some((disk, _)) = mirrored {
        return Some(format!("{} has a block job at work on it", gather::shown(disk)));
    }
    disks
        .iter()
        .find(|(disk, bytes)| bytes.is_none() || disk.backing.is_none())
        .map(|(disk, _)| format!("what {} lies on is unknown", gather::shown(disk)))
}

fn downtime(strategy: Strategy, domain: &Domain) -> Downtime {
    let (milliseconds, of) = match strategy {
        Strategy::Cold if domain.power == Power::Off => (Some(0), "it does not run"),
        // How long a guest takes to shut down and to boot is its own affair.
        Strategy::Cold => (None, "the shutdown, the whole copy, the boot"),
        Strategy::Pull => {
            (Some(0), "QEMU keeps aside what the guest overwrites; its file systems are frozen for a moment where its agent answers")
        }
        Strategy::Overlay => {
            (Some(0), "QEMU changes its images twice, for a moment each; its file systems are frozen for a moment where its agent answers")
        }
        _ => (None, "the save, the whole copy, the restore"),
    };
    Downtime { milliseconds, of: of.to_owned() }
}
