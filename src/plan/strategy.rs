//! Which ways to back a domain up are possible, what each gives and costs, and which is the best. Pure, from what one look saw.

use super::cold_backup::{self, gather};
use super::facts::{Facts, Go, no};
use super::freeze::{self, Stores, Way};
use super::{Setting, domains, libvirt, warm_backup};
use crate::model::bundle::LeftOut;
use crate::model::request::ColdBackup;
use crate::model::strategy::{Downtime, StrategyRow};
use crate::model::{Domain, Figures, Inventory, Mode, Plan, Power, Strategy, StrategyTable, Toolstack};

/// A backup by the way that was asked for, or by the best.
pub(super) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    if !request.with.is_empty() {
        return warm_backup::group(request, facts, setting);
    }
    let domain = domains::named(facts, &request.domain)?;
    if libvirt::drives(domain) {
        return libvirt::backup(request, facts, setting, domain);
    }
    domains::by_xl(domain, "libvirt's domains cannot be backed up yet; stop it and copy its disks with `domkeep copy`")?;
    let runs = domain.power == Power::Running;
    let strategy = match request.strategy {
        Some(strategy) => strategy,
        None if !runs => Strategy::Cold,
        None => best(facts, domain, request, setting)?,
    };
    if strategy == Strategy::Cold {
        return cold_backup::plan(request, facts, setting);
    }
    let table = table(facts.inventory(), domain, &request.leave_out, &setting.figures);
    let why_not = table.row(strategy).map_or_else(|| Some("only libvirt's QEMU does it".to_owned()), |row| row.not_here.clone());
    if let Some(why) = why_not {
        let others: Vec<&str> = table.rows.iter().filter(|row| row.not_here.is_none()).map(|row| row.strategy.as_str()).collect();
        let instead = match others.as_slice() {
            [] => "nothing else is possible either: see `domkeep strategies`".to_owned(),
            others => format!("possible: {}; `domkeep strategies` says what each gives", others.join(", ")),
        };
        return no("strategy-not-here", format!("{} cannot be done with {}: {why}", strategy.as_str(), domain.name), instead);
    }
    warm_backup::plan(request, strategy, &table, facts, setting, domain)
}

fn best(facts: &Facts<'_>, domain: &Domain, request: &ColdBackup, setting: &Setting) -> Go<Strategy> {
    let table = table(facts.inventory(), domain, &request.leave_out, &setting.figures);
    if let Some(row) = table.best() {
        return Ok(row.strategy);
    }
    let why = table.row(Strategy::SaveCopy).and_then(|row| row.not_here.clone()).unwrap_or_default();
    no(
        "no-strategy",
        format!("{} cannot be backed up while it runs: {why}", domain.name),
        "shut it down for it: --strategy cold --when-running shut-down",
    )
}

/// All ways for one domain.
pub(super) fn table(inventory: &Inventory, domain: &Domain, leave_out: &[String], figures: &Figures) -> StrategyTable {
    if libvirt::drives(domain) {
        return libvirt::table::table(inventory, domain, leave_out, figures);
    }
    let look = Look::new(inventory, domain, leave_out);
    let mut rows: Vec<StrategyRow> = Strategy::XEN.into_iter().map(|strategy| look.row(strategy, figures)).collect();
    let best = if look.is_still() {
        Some(Strategy::Cold)
    } else {
        let possible = |strategy: &Strategy| rows.iter().any(|row| row.strategy == *strategy && row.not_here.is_none());
        Strategy::BEST_FIRST.into_iter().find(possible)
    };
    for row in &mut rows {
        row.best = Some(row.strategy) == best && row.not_here.is_none();
    }
    StrategyTable { domain: domain.name.clone(), rows, not_covered: look.left_out, figures: figures.clone() }
}

/// What decides.
struct Look<'a> {
    domain: &'a Domain,
    /// Bytes of each disk that would be copied.
    disks: Vec<Option<u64>>,
    frozen: Vec<Way<'a>>,
    /// The first disk that cannot be frozen, and why.
    cannot_freeze: Option<String>,
    stores: Vec<Stores>,
    left_out: Vec<LeftOut>,
}

impl<'a> Look<'a> {
    fn new(inventory: &'a Inventory, domain: &'a Domain, leave_out: &[String]) -> Self {
        let mut look =
            Self { domain, disks: Vec::new(), frozen: Vec::new(), cannot_freeze: None, stores: Vec::new(), left_out: Vec::new() };
        for disk in &domain.disks {
            let shown = gather::shown(disk);
            if let Some(why) = gather::why_left_out(leave_out, disk) {
                look.left_out.push(LeftOut { what: shown, why: why.to_owned() });
                continue;
            }
            let Some(backing) = inventory.backing(disk.backing.as_ref()) else {
                look.disks.push(None);
                look.cannot_freeze.get_or_insert(format!("what {shown} lies on is unknown"));
                continue;
            };
            look.disks.push(backing.file_bytes.or(backing.bytes));
            match freeze::way(inventory, backing, disk.mode.is_none_or(Mode::writes)) {
                Ok(way) => look.frozen.push(way),
                Err(why) => {
                    look.cannot_freeze.get_or_insert(format!("{shown} {why}"));
                }
            }
        }
        if let Err(why) = freeze::pools(inventory, &look.frozen) {
            look.cannot_freeze.get_or_insert(format!("it {why}"));
        }
        match freeze::stores(inventory, &look.frozen) {
            Ok(stores) => look.stores = stores,
            Err(why) => {
                look.cannot_freeze.get_or_insert(format!("it {why}"));
            }
        }
        look
    }

    fn is_still(&self) -> bool {
        matches!(self.domain.power, Power::Off | Power::Saved)
    }

    fn row(&self, strategy: Strategy, figures: &Figures) -> StrategyRow {
        let snapshots =
            if strategy.freezes() { self.stores.iter().map(|group| (group.vg.clone(), group.sum())).collect() } else { Vec::new() };
        StrategyRow {
            strategy,
            not_here: self.not_here(strategy),
            gives: strategy.gives().to_owned(),
            downtime: self.downtime(strategy, figures),
            room: self.room(strategy),
            snapshots,
            best: false,
        }
    }

    fn not_here(&self, strategy: Strategy) -> Option<String> {
        let name = &self.domain.name;
        if !self.domain.toolstacks.is_empty() && !self.domain.toolstacks.contains(&Toolstack::Xl) {
            return Some("xl does not drive it: its own toolstack would not know of it".into());
        }
        match self.domain.power {
            Power::Off | Power::Saved if strategy == Strategy::Cold => return None,
            Power::Off | Power::Saved => {
                return Some(format!("{name} is {}: a cold backup is as good, and stops nothing", self.domain.power.as_str()));
            }
            Power::Running => {}
            Power::Unknown => return Some(format!("whether {name} runs could not be found out")),
            power => return Some(format!("{name} is {}", power.as_str())),
        }
        if strategy == Strategy::Cold {
            let startable = !self.domain.configs.is_empty() || self.domain.likely_config.is_some();
            return (!startable).then(|| "no configuration was found that it could be started from again".into());
        }
        if strategy.freezes()
            && let Some(why) = &self.cannot_freeze
        {
            return Some(why.clone());
        }
        if self.disks.is_empty() {
            return Some("it has no disk that could be copied".into());
        }
        if strategy == Strategy::Checkpoint {
            match self.domain.guest_type.as_deref() {
                Some("pv") => {}
                Some(other) => {
                    return Some(format!("only PV guests are known to come back from it; this is a {} guest", other.to_uppercase()));
                }
                None => return Some("only PV guests are known to come back from it; what this one is could not be found out".into()),
            }
        }
        None
    }

    fn downtime(&self, strategy: Strategy, figures: &Figures) -> Downtime {
        let memory = self.domain.memory.bytes;
        let all: Option<u64> = self.disks.iter().try_fold(0_u64, |sum, bytes| Some(sum.saturating_add((*bytes)?)));
        let at_rate = |bytes: Option<u64>, rate: Option<u64>| bytes?.saturating_mul(1000).checked_div(rate?);
        let save = at_rate(memory, figures.save_rate);
        let resume = at_rate(memory, figures.resume_rate);
        let copy = at_rate(all, figures.copy_rate);
        let freeze = self.frozen.iter().try_fold(0_u64, |sum, way| {
            let one = match way {
                Way::Still => Some(0),
                Way::Classic(_) | Way::Thin(_) => figures.snapshot_ms,
                Way::Reflink => figures.reflink_ms,
            };
            Some(sum.saturating_add(one?))
        });
        let sum = |parts: &[Option<u64>]| parts.iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add((*part)?)));
        let (milliseconds, of) = match strategy {
            Strategy::Cold if self.is_still() => (Some(0), "it does not run"),
            // How long a guest takes to shut down and to boot is its own affair.
            Strategy::Cold => (None, "the shutdown, the whole copy, the boot"),
            Strategy::SaveCopy => (sum(&[save, copy, resume]), "the save, the whole copy, the restore"),
            Strategy::SaveSnapshot => (sum(&[save, freeze, resume]), "the save, the freezing of the disks, the restore"),
            Strategy::Checkpoint => (sum(&[save, freeze, figures.pause_ms]), "the writing of the memory, the freezing of the disks"),
            Strategy::Live => (sum(&[freeze, figures.pause_ms]), "the freezing of the disks"),
            Strategy::Pull | Strategy::Overlay => (None, "nothing of Xen's"),
        };
        Downtime { milliseconds, of: of.to_owned() }
    }

    fn room(&self, strategy: Strategy) -> Option<u64> {
        let disks = self.disks.iter().try_fold(0_u64, |sum, bytes| Some(sum.saturating_add((*bytes)?)))?;
        let memory = if strategy.writes_memory() { self.domain.memory.bytes? } else { 0 };
        Some(disks.saturating_add(memory))
    }
}
