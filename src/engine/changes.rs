//! The road to a change: form, request, plan, job.

use std::sync::Arc;

use super::{Engine, Picture};
use crate::host::{Act, Place};
use crate::job::{self, Launcher, Store};
use crate::model::{
    Assumption, Check, Domain, Event, Fact, FieldTrouble, Figures, Form, Held, HostPath, JobDetail, JobId, JobSummary, Outcome, Plan,
    Refusal, Request, StrategyTable, Subject, Wish,
};
use crate::plan::{self, Known, Setting};
use crate::probe;
use crate::problem::Problem;

/// What it takes to change a host; a replay has none of it, and neither has a reader.
#[derive(Clone)]
pub struct Workshop {
    pub jobs: Store,
    pub launcher: Launcher,
    /// Only the runner calls it.
    pub act: Arc<dyn Fn() -> Result<Arc<dyn Act>, Problem> + Send + Sync>,
}

/// Names of a directory that are shown to choose from.
const MOST_NAMES: usize = 2000;
/// Rounds of questions before a plan is refused: each answer may raise one more.
const MOST_ROUNDS: usize = 32;

impl Engine {
    pub fn form(&self, wish: Wish, picture: &Picture, subject: Option<&Subject>) -> Form {
        plan::form(wish, &picture.inventory, subject)
    }

    /// A form that no host has filled in.
    #[cfg(test)]
    pub fn empty_form(wish: Wish) -> Form {
        plan::form(wish, &crate::model::Inventory::default(), None)
    }

    pub fn request(form: &Form) -> Result<Request, Vec<FieldTrouble>> {
        plan::request(form)
    }

    /// Asks the host what the plan needs to know, and makes it. Changes nothing.
    pub fn plan(&self, request: &Request, picture: &Picture) -> Result<Plan, Refusal> {
        let setting = self.setting(picture);
        let mut facts: Vec<Fact> = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let known = Known { inventory: &picture.inventory, verdicts: &picture.verdicts, facts: &facts };
            let questions = plan::questions(request, known, &setting);
            if questions.is_empty() {
                break;
            }
            let answers: Vec<Fact> =
                questions.iter().map(|question| probe::facts::answer(self.host.as_ref(), &picture.inventory, question)).collect();
            facts.extend(answers);
        }
        plan::make(request, Known { inventory: &picture.inventory, verdicts: &picture.verdicts, facts: &facts }, &setting)
    }

    pub fn script(plan: &Plan) -> String {
        plan::script(plan)
    }

    /// Names in a directory of the host, and whether each is a directory; a name that is not UTF-8 is left out.
    pub fn entries(&self, dir: &str) -> Result<Vec<(String, bool)>, Problem> {
        let cannot = |error| Problem::new(format!("{dir} cannot be listed")).because(error);
        let listing = self.host.list(std::path::Path::new(dir), MOST_NAMES).map_err(cannot)?;
        let named = |entry: &crate::host::Entry| {
            let name = entry.name.as_path().to_str()?.to_owned();
            Some((name, entry.kind == crate::host::FileType::Directory))
        };
        Ok(listing.entries.iter().filter_map(named).collect())
    }

    /// What the plan takes for granted, and whether it holds now. Changes nothing.
    pub fn assumptions_now(&self, plan: &Plan) -> Vec<(String, Held)> {
        let ask = |assumption: &Assumption| (assumption.says.clone(), probe::holds::holds(self.host.as_ref(), &assumption.check));
        plan.assumptions.iter().map(ask).collect()
    }

    /// Whether a file is a domain's save image, whole to its last record.
    pub fn save_is_whole(&self, file: &HostPath, domain: &str) -> Held {
        probe::holds::holds(self.host.as_ref(), &Check::SaveWhole { path: file.clone(), domain: domain.to_owned() })
    }

    /// Whether the disks of a save image are as they were when domkeep saved its domain.
    pub fn disks_are_as_saved(&self, image: &HostPath, bytes_only: bool) -> Held {
        probe::holds::holds(self.host.as_ref(), &Check::DisksAsSaved { image: image.clone(), bytes_only })
    }

    /// Starts the plan as a job of its own, which outlives this process. `typed` is the name that the plan wants typed.
    pub fn launch(&self, plan: &Plan, typed: Option<&str>) -> Result<JobId, Problem> {
        let workshop = self.workshop()?;
        job::check_typed(plan, typed)?;
        let folder = workshop.jobs.create(plan)?;
        workshop.launcher.start(&folder)?;
        Ok(plan.id.clone())
    }

    /// Runs the plan in this process: `domkeep copy`.
    pub fn run_here(&self, plan: &Plan, typed: Option<&str>, listen: &mut dyn FnMut(&Event)) -> Result<Outcome, Problem> {
        let workshop = self.workshop()?;
        job::check_typed(plan, typed)?;
        let folder = workshop.jobs.create(plan)?;
        self.carry_out(folder.id(), job::Work::Run, listen)
    }

    /// Carries a job of the store out, or on, or back, in this process: what the detached runner does.
    pub fn carry_out(&self, id: &JobId, work: job::Work, listen: &mut dyn FnMut(&Event)) -> Result<Outcome, Problem> {
        let workshop = self.workshop()?;
        let act = (workshop.act)()?;
        let holds = |check: &crate::model::Check| probe::holds::holds(act.as_ref(), check);
        job::carry_out(&workshop.jobs, id, work, act.as_ref(), &holds, listen)
    }

    /// Begins a backup job with the guest's file systems frozen: what a runner starts as a process of its own.
    pub fn begin_frozen(&self, begin: &crate::model::begin_backup::BeginBackup) -> Result<(), Problem> {
        let act = (self.workshop()?.act)()?;
        let holds = |check: &crate::model::Check| probe::holds::holds(act.as_ref(), check);
        job::begin_frozen(begin, &act, &holds)
    }

    /// Every job of this host, newest first.
    pub fn jobs(&self) -> Result<Vec<JobSummary>, Problem> {
        self.records()?.list()
    }

    pub fn job(&self, id: &JobId) -> Result<JobDetail, Problem> {
        self.records()?.detail(id)
    }

    /// A job's events from its first on, as they come.
    pub fn follow(&self, id: &JobId) -> Result<job::Follower, Problem> {
        self.records()?.follow(id)
    }

    /// Asks a running job to stop: what it did is then taken back.
    pub fn cancel(&self, id: &JobId) -> Result<(), Problem> {
        self.workshop()?.jobs.cancel(id)
    }

    /// Goes on with a leftover, or takes it back, as a job of its own.
    pub fn resume_job(&self, id: &JobId, work: job::Work) -> Result<(), Problem> {
        let workshop = self.workshop()?;
        let folder = workshop.jobs.open(id)?;
        workshop.launcher.resume(&folder, work)
    }

    pub fn can_change(&self) -> bool {
        self.workshop.is_some() && !self.read_only
    }

    /// Why no job can be started on this host, when that is so.
    pub fn nothing_may_change(&self) -> Option<Problem> {
        self.workshop().err()
    }

    /// Whether there is a place where jobs lie: what they did can be read, even where nothing may be changed.
    pub fn has_jobs(&self) -> bool {
        self.workshop.is_some()
    }

    /// Why nothing can be changed here; nothing: it can.
    pub fn why_fixed(&self) -> Option<String> {
        if self.can_change() {
            return None;
        }
        let why = match self.host.place() {
            Place::Replay { .. } => "a replay is a recording: it cannot be changed",
            _ if self.read_only => "--read-only was given",
            _ => "there is no place for jobs: neither XDG_STATE_HOME nor HOME is set",
        };
        Some(why.to_owned())
    }

    pub(super) fn workshop(&self) -> Result<&Workshop, Problem> {
        let open = self.workshop.as_ref().filter(|_| !self.read_only);
        open.ok_or_else(|| Problem::new("nothing can be changed here").because(self.why_fixed().unwrap_or_default()))
    }

    /// Where jobs lie, to read what they did.
    fn records(&self) -> Result<&Store, Problem> {
        let none = || Problem::new("there are no jobs here").because(self.why_fixed().unwrap_or_default());
        self.workshop.as_ref().map(|workshop| &workshop.jobs).ok_or_else(none)
    }

    /// What earlier jobs took on this host.
    fn figures(&self) -> Figures {
        self.workshop.as_ref().map(|workshop| job::figures::of(&workshop.jobs)).unwrap_or_default()
    }

    /// The ways to back a domain up, possible or not, with what each gives and costs.
    pub fn strategies(&self, picture: &Picture, domain: &Domain) -> StrategyTable {
        plan::strategies(&picture.inventory, domain, &self.figures())
    }

    fn setting(&self, picture: &Picture) -> Setting {
        let now = self.host.now();
        let id = JobId::new(now, job::random());
        let job_dir = match &self.workshop {
            Some(workshop) => workshop.jobs.dir_of(&id),
            // A plan can be read on a replay too; it will not be launched.
            None => HostPath::from("/var/lib/domkeep/jobs").join(id.as_str()),
        };
        let can_mount = matches!(self.host.place(), Place::ThisMachine) && rustix::process::geteuid().is_root();
        let host_id = if picture.inventory.host.name.is_empty() { "host".to_owned() } else { picture.inventory.host.name.clone() };
        let figures = self.figures();
        let named = |text: &str| (!text.is_empty()).then(|| HostPath::from(text));
        let hooks = plan::Hooks {
            before: named(&self.settings.hook_before_backup),
            after: named(&self.settings.hook_after_backup),
            seconds: self.settings.hook_seconds,
        };
        Setting { id, job_dir, now, host_id, can_mount, figures, hooks }
    }
}
