//! A backup of a domain that runs: it stands still for as long as its memory and its disks must belong to one instant, and no longer.

mod group;

use std::cell::RefCell;

use super::cold_backup::gather::{self, Gathered, Source};
use super::cold_backup::place::{self, Destination};
use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::freeze::{self, Frozen, Stores, Way};
use super::increment::{self, Increments};
use super::saved::facts_of;
use super::{Setting, cold_backup, domains};
use crate::model::bundle::{MANIFEST_VERSION, Manifest, Piece};
use crate::model::request::ColdBackup;
use crate::model::saved::DiskFacts;
use crate::model::{
    Action, Afterwards, Check, Cmd, DiskCopy, Domain, HostPath, Inventory, Keeping, Location, Mode, Plan, Power, Question, Request, Risk,
    SaveDomain, Strategy, StrategyTable, bundle_names,
};

pub(super) const MEMORY: &str = "memory.save";

pub(super) use group::plan as group;

pub(super) fn plan(
    request: &ColdBackup,
    strategy: Strategy,
    table: &StrategyTable,
    facts: &Facts<'_>,
    setting: &Setting,
    domain: &Domain,
) -> Go<Plan> {
    let mut gathered = gather::gather(request, facts, domain)?;
    if strategy.writes_memory() {
        gathered.save = Some(memory_piece(domain, "/var/lib/xen")?);
    }
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let increments = increment::look(request, facts, setting, &mut gathered, &destination)?;
    let freezing = Freezing::of(facts, domain, &gathered, strategy)?;
    let watchers = if strategy == Strategy::Checkpoint { watchers(facts, domain)? } else { Vec::new() };

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    draft.saw(format!("{}: {}", strategy.as_str(), strategy.gives()), "`domkeep strategies`");
    for warning in &freezing.warnings {
        draft.warn(warning.clone());
    }
    say_downtime(&mut draft, table, strategy, domain);
    super::hooks::steps(&mut draft, facts, setting, &domain.name, &destination.bundle)?;
    let first = destination.steps(&mut draft);
    let made = Making {
        inventory: facts.inventory(),
        request,
        strategy,
        domain,
        gathered: &gathered,
        destination: &destination,
        setting,
        freezing: &freezing,
        increments: &increments,
        kept: RefCell::default(),
        first_number: 0,
        together: String::new(),
    };
    let (instant, still) = made.steps(&mut draft, &watchers);
    let name = domain.name.clone();
    draft.assume(format!("{name} runs"), Check::DomainIs { name, power: Power::Running }, Some(still));
    let sealed = made.seal(&mut draft, instant);
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    increments.after_seal(&mut draft, setting, &made.kept.borrow());
    Ok(draft.finish())
}

fn say_downtime(draft: &mut Draft, table: &StrategyTable, strategy: Strategy, domain: &Domain) {
    let Some(row) = table.row(strategy) else { return };
    let long = match row.downtime.milliseconds {
        Some(milliseconds) => format!("about {}.{} s, as measured on this host", milliseconds / 1000, milliseconds % 1000 / 100),
        None => "for a time that was not measured on this host yet".to_owned(),
    };
    draft.warn(format!("{} stands still {long} ({}).", domain.name, row.downtime.of));
}

/// The domain's memory, which is yet to be written. Its usual place after a restore is beside the toolstack's own, not where the host resumes
/// everything at boot.
pub(super) fn memory_piece(domain: &Domain, directory: &str) -> Go<Source> {
    let Some(bytes) = domain.memory.bytes else {
        return no("memory-unknown", format!("how much memory {} has could not be found out", domain.name), "ask as root");
    };
    let place = HostPath::from(directory).join(format!("{}.save", bundle_names::component(&domain.name)));
    let piece = Piece::new(MEMORY, "save", bytes, place.clone());
    let from = Location::File { path: place.clone() };
    Ok(Source {
        piece,
        from,
        lock: place,
        needs: bytes,
        surely: bytes,
        lies_on: Vec::new(),
        file_system: None,
        keeping: Keeping::default(),
    })
}

/// What of the domain is frozen, disk by disk as they were gathered.
struct Freezing<'a> {
    ways: Vec<Way<'a>>,
    stores: Vec<Stores>,
    warnings: Vec<String>,
}

impl<'a> Freezing<'a> {
    fn of(facts: &Facts<'a>, domain: &Domain, gathered: &Gathered, strategy: Strategy) -> Go<Self> {
        if !strategy.freezes() {
            return Ok(Self { ways: vec![Way::Still; gathered.disks.len()], stores: Vec::new(), warnings: Vec::new() });
        }
        let inventory = facts.inventory();
        let mut ways = Vec::new();
        for source in &gathered.disks {
            let key = source.lock.to_string();
            let writes =
                domain.disks.iter().filter(|disk| disk.backing.as_ref() == Some(&key)).any(|disk| disk.mode.is_none_or(Mode::writes));
            let way = inventory
                .backings
                .get(&key)
                .ok_or_else(|| "is not known".to_owned())
                .and_then(|backing| freeze::way(inventory, backing, writes));
            match way {
                Ok(way) => ways.push(way),
                Err(why) => return no("strategy-not-here", format!("{} {why}", source.piece.source), "see `domkeep strategies`"),
            }
        }
        for (source, _) in gathered.disks.iter().zip(&ways).filter(|(_, way)| matches!(way, Way::Reflink)) {
            if !super::cloning::shares(facts, &source.lock)? {
                return no(
                    "strategy-not-here",
                    format!("{} lies on a file system that was made without shared blocks", source.piece.source),
                    "move it to btrfs, or to an XFS made with reflink=1; or see `domkeep strategies`",
                );
            }
        }
        if ways.iter().any(|way| matches!(way, Way::Classic(_) | Way::Thin(_))) {
            super::paths::tools(facts, &[("lvcreate", "lvm2"), ("lvremove", "lvm2")])?;
        }
        let warnings = freeze::pools(inventory, &ways).or_else(|why| {
            no("no-room", format!("{} {why}", domain.name), "give the pool more room (`domkeep grow`), or see `domkeep strategies`")
        })?;
        match freeze::stores(inventory, &ways) {
            Ok(stores) => Ok(Self { ways, stores, warnings }),
            Err(why) => {
                no("strategy-not-here", format!("{} {why}", domain.name), "make room in the volume group, or see `domkeep strategies`")
            }
        }
    }
}

/// The toolstack's processes that wait for this domain's end: each takes a suspend for the end, and must not see it.
fn watchers(facts: &Facts<'_>, domain: &Domain) -> Go<Vec<crate::model::question::Watcher>> {
    facts.want([Question::Watchers { domain: domain.name.clone() }])?;
    let watchers = facts.watchers(&domain.name)?.to_vec();
    if !watchers.is_empty() {
        super::paths::tools(facts, &[("kill", "procps"), ("ps", "procps")])?;
    }
    Ok(watchers)
}

struct Making<'a> {
    inventory: &'a Inventory,
    request: &'a ColdBackup,
    strategy: Strategy,
    domain: &'a Domain,
    gathered: &'a Gathered,
    destination: &'a Destination,
    setting: &'a Setting,
    freezing: &'a Freezing<'a>,
    increments: &'a Increments,
    /// The snapshots that stay for the next backup.
    kept: RefCell<Vec<Option<increment::Volume>>>,
    /// Of the snapshots' names: those of other domains in the same job have others.
    first_number: usize,
    /// What is said of the domains that were frozen in the same instant.
    together: String,
}

impl Making<'_> {
    /// Gives the step whose beginning is the instant, and the first one that stops the domain.
    fn steps(&self, draft: &mut Draft, watchers: &[crate::model::question::Watcher]) -> (usize, usize) {
        match self.strategy {
            Strategy::Cold | Strategy::SaveCopy => self.save_copy(draft),
            Strategy::SaveSnapshot => self.save_snapshot(draft),
            Strategy::Checkpoint => self.checkpoint(draft, watchers),
            // Of Xen's domains none is backed up by the last ways.
            Strategy::Live | Strategy::Pull | Strategy::Overlay => self.live(draft),
        }
    }

    fn save_copy(&self, draft: &mut Draft) -> (usize, usize) {
        let saved = self.save(draft, Afterwards::Gone);
        let disks: Vec<Location> = self.gathered.disks.iter().map(|disk| disk.from.clone()).collect();
        self.find_changed(draft, &[]);
        self.copy(draft, &disks);
        // A job that was interrupted may be finished after others started the domain.
        cold_backup::compare(draft);
        self.resume(draft);
        self.rest(draft);
        (saved, saved)
    }

    fn save_snapshot(&self, draft: &mut Draft) -> (usize, usize) {
        let saved = self.save(draft, Afterwards::Gone);
        let frozen = self.freeze(draft);
        cold_backup::compare(draft);
        self.resume(draft);
        self.copy_frozen(draft, &frozen);
        self.rest(draft);
        (saved, saved)
    }

    fn checkpoint(&self, draft: &mut Draft, watchers: &[crate::model::question::Watcher]) -> (usize, usize) {
        if watchers.is_empty() {
            draft.warn(format!(
                "No process of xl waits for the end of {}: when it shuts down or reboots, nothing happens by itself. So it was before, and so it stays.",
                self.domain.name
            ));
        }
        for watcher in watchers {
            stop_watcher(draft, watcher, &self.domain.name);
        }
        let saved = self.save(draft, Afterwards::Paused);
        draft.cleanup(saved, format!("Let {} go on, if it still stands", self.domain.name), self.xl("unpause"), self.paused());
        let frozen = self.freeze(draft);
        self.stood_still(draft);
        for watcher in watchers {
            draft.run(
                "Let xl wait for the domain's end again",
                "It sees a domain that is there, and waits on.",
                Cmd::changes("kill", ["-CONT".to_owned(), watcher.pid.to_string()]),
            );
            let last = draft.len().saturating_sub(1);
            draft.done(last, watcher_stopped(watcher.pid).negated());
        }
        self.unpause(draft);
        self.copy_frozen(draft, &frozen);
        self.rest(draft);
        (saved, saved)
    }

    fn live(&self, draft: &mut Draft) -> (usize, usize) {
        let paused = self.pause(draft);
        let frozen = self.freeze(draft);
        self.stood_still(draft);
        self.unpause(draft);
        self.copy_frozen(draft, &frozen);
        self.rest(draft);
        (paused, paused)
    }

    fn pause(&self, draft: &mut Draft) -> usize {
        let paused =
            draft.run(format!("Pause {}", self.domain.name), "While it stands still, its disks belong to one instant.", self.xl("pause"));
        draft.done(paused, self.paused());
        draft.cleanup(paused, format!("Let {} go on, if it still stands", self.domain.name), self.xl("unpause"), self.paused());
        paused
    }

    fn xl(&self, command: &str) -> Cmd {
        let words = std::iter::once(command.to_owned()).chain(domains::word(&self.domain.name));
        Cmd::changes("xl", words)
    }

    fn paused(&self) -> Check {
        Check::DomainIs { name: self.domain.name.clone(), power: Power::Paused }
    }

    fn save(&self, draft: &mut Draft, afterwards: Afterwards) -> usize {
        let name = &self.domain.name;
        let (says, why) = match afterwards {
            Afterwards::Gone => (
                format!("Save {name}"),
                "Its memory is written and looked through to the last record before the file gets its name; then the disks are witnessed: \
                 the domain is only resumed if nobody writes to them.",
            ),
            Afterwards::Paused => (
                format!("Write the memory of {name}, and leave it paused"),
                "Memory and disks belong to one instant, without a restore. The file is looked through to its last record before it gets its name.",
            ),
        };
        let disks =
            if afterwards == Afterwards::Gone { self.gathered.disks.iter().map(|disk| disk.from.clone()).collect() } else { Vec::new() };
        let facts = if afterwards == Afterwards::Gone { self.disk_facts() } else { Vec::new() };
        let save = SaveDomain { domain: name.clone(), image: self.image(), afterwards, disks, libvirt: None, facts };
        draft.step(says, why, Action::SaveDomain { save: Box::new(save) })
    }

    /// Written down beside the image, for the case that the domain does not come back by itself.
    fn disk_facts(&self) -> Vec<DiskFacts> {
        let of = |disk: &Source| {
            let backing = self.inventory.backings.get(&disk.lock.to_string())?;
            Some(facts_of(self.inventory, backing, disk.from.clone()))
        };
        self.gathered.disks.iter().filter_map(of).collect()
    }

    fn image(&self) -> HostPath {
        self.destination.partial.join(MEMORY)
    }

    fn resume(&self, draft: &mut Draft) {
        let name = &self.domain.name;
        let step = draft.step(
            format!("Resume {name}"),
            "It goes on where it was saved; if its disks were written to meanwhile it is not resumed, because that would destroy them.",
            Action::ResumeSaved { domain: name.clone(), image: self.image(), libvirt: None },
        );
        draft.done(step, Check::DomainPresent { name: name.clone() });
    }

    fn unpause(&self, draft: &mut Draft) {
        let name = &self.domain.name;
        let step = draft.run(format!("Let {name} go on"), "Its disks are frozen: it is not needed any more.", self.xl("unpause"));
        let runs = Check::DomainIs { name: name.clone(), power: Power::Running };
        draft.done(step, runs.clone());
        draft.step(
            format!("Look whether {name} runs"),
            "xl says nothing when it could not let a domain go on.",
            Action::WaitFor { check: runs, limit_seconds: 20 },
        );
    }

    /// Somebody else may have let it go on between two snapshots, above all while an interrupted job waited to be finished.
    fn stood_still(&self, draft: &mut Draft) {
        draft.step(
            format!("Look whether {} stood still", self.domain.name),
            "If somebody let it go on meanwhile, what was frozen does not fit together, and the backup is given up.",
            Action::WaitFor { check: self.paused(), limit_seconds: 0 },
        );
    }

    fn freeze(&self, draft: &mut Draft) -> Vec<Frozen> {
        let disks = self.gathered.disks.iter().zip(&self.freezing.ways).enumerate();
        disks
            .map(|(number, (disk, way))| {
                let vdev = disk.piece.vdev.as_deref().unwrap_or(&disk.piece.name);
                freeze::step(
                    draft,
                    &self.setting.id,
                    self.first_number.saturating_add(number),
                    vdev,
                    &disk.from,
                    *way,
                    &self.freezing.stores,
                )
            })
            .collect()
    }

    fn copy_frozen(&self, draft: &mut Draft, frozen: &[Frozen]) {
        let from: Vec<Location> = frozen.iter().map(|one| one.from.clone()).collect();
        let volumes: Vec<Option<increment::Volume>> = frozen.iter().map(|one| one.volume.clone()).collect();
        self.find_changed(draft, &volumes);
        self.copy(draft, &from);
        let goes =
            frozen.iter().enumerate().filter(|(number, one)| one.volume.is_none() || !self.increments.keeps(*number)).map(|(_, one)| one);
        for (one, remove) in goes.filter_map(|one| Some((one, one.remove.clone()?))) {
            draft.step(
                format!("Remove {}", one.called),
                "It is copied. As long as it is there, every write of the domain costs more. If it cannot be removed now, that is tried again at the end.",
                Action::Try { that: Box::new(Action::Run { cmd: remove }) },
            );
        }
    }

    fn find_changed(&self, draft: &mut Draft, frozen: &[Option<increment::Volume>]) {
        *self.kept.borrow_mut() = self.increments.before_copy(draft, self.setting, frozen);
    }

    fn copy(&self, draft: &mut Draft, from: &[Location]) {
        let partial = &self.destination.partial;
        let copies: Vec<DiskCopy> =
            self.gathered.disks.iter().zip(from).map(|(disk, from)| DiskCopy { from: from.clone(), ..disk.copy(partial) }).collect();
        let what = if copies.len() == 1 { "the disk".to_owned() } else { format!("{} disks", copies.len()) };
        if !copies.is_empty() {
            let why = "Holes are not read, and each MiB is hashed while it is copied.";
            draft.step(format!("Copy {what}"), why, Action::Copy { copies, at_once: self.gathered.at_once, rate: self.request.rate });
        }
    }

    /// What the domain need not stand still for.
    fn rest(&self, draft: &mut Draft) {
        if self.gathered.save.is_some() {
            draft.step(
                "Hash the memory",
                "So that it can be compared later, block by block, as the disks are.",
                Action::HashPiece {
                    label: MEMORY.into(),
                    path: self.image(),
                    hashes_to: self.destination.partial.join(bundle_names::hashes_name(MEMORY)),
                },
            );
        }
        if !self.gathered.configs.is_empty() {
            let copies = self.gathered.configs.iter().map(|config| config.copy(&self.destination.partial)).collect();
            draft.step("Copy the configuration", "Byte for byte, as it is.", Action::Copy { copies, at_once: 1, rate: None });
        }
    }

    fn seal(&self, draft: &mut Draft, instant: usize) -> usize {
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            id: place::random_part(self.setting).to_owned(),
            domain: self.domain.name.clone(),
            uuid: self.domain.uuid.clone(),
            host: self.setting.host_id.clone(),
            tool: env!("CARGO_PKG_VERSION").into(),
            consistency: format!("{}{}", self.strategy.gives(), self.together),
            strategy: Some(self.strategy.as_str().into()),
            torn: None,
            full_because: self.increments.full_because(),
            started: self.setting.now,
            instant: self.setting.now,
            ended: self.setting.now,
            pieces: self.gathered.all().map(|source| source.piece.clone()).collect(),
            left_out: self.gathered.left_out.clone(),
        };
        self.destination.seal(draft, manifest, Some(instant))
    }
}

fn watcher_stopped(pid: i32) -> Check {
    Check::Says { cmd: Cmd::reads("ps", ["-o", "stat=", "-p", &pid.to_string()]), text: "T".into() }
}

/// A process that is stopped sees neither the suspend nor what it could take it for; once it goes on, the domain is as it was.
fn stop_watcher(draft: &mut Draft, watcher: &crate::model::question::Watcher, domain: &str) {
    let pid = watcher.pid.to_string();
    let step = draft.run(
        format!("Let the process of xl that waits for the end of {domain} sleep"),
        "It would take the writing of the memory for the end, and nobody would see the real one: a shutdown would leave the domain half there.",
        Cmd::changes("kill", ["-STOP", pid.as_str()]),
    );
    let stopped = watcher_stopped(watcher.pid);
    draft.done(step, stopped.clone());
    draft.cleanup(step, "Wake the process of xl that waits for the domain's end", Cmd::changes("kill", ["-CONT", pid.as_str()]), stopped);
    draft.assume(
        format!("process {pid} is xl's, and waits for {domain}"),
        Check::Says { cmd: Cmd::reads("ps", ["-o", "lstart=,args=", "-p", pid.as_str()]), text: watcher.says.clone() },
        Some(step),
    );
}
