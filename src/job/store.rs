//! The folder of all jobs of a host, and where it lies.

use std::path::{Path, PathBuf};

use super::dir::Dir;
use super::folder::Folder;
use super::journal::Follower;
use super::locks;
use crate::model::{HostPath, JobDetail, JobId, JobState, JobSummary, Plan};
use crate::problem::Problem;

pub(super) const JOBS: &str = "jobs";
const LOCKS: &str = "locks";
/// More are not listed.
const MOST_JOBS: usize = 10_000;

/// Where jobs lie: `BASE/jobs/ID/`, and `BASE/locks/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    base: PathBuf,
    seen: HostPath,
}

impl Store {
    /// This machine's: /var/lib/domkeep for root, whatever the environment says; the state directory of anybody else.
    pub fn of_this_machine(xdg_state_home: Option<&Path>, home: Option<&Path>) -> Result<Self, Problem> {
        let base = if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib/domkeep")
        } else {
            let absolute = |path: Option<&Path>| path.filter(|path| path.is_absolute()).map(Path::to_path_buf);
            let state = absolute(xdg_state_home).or_else(|| Some(absolute(home)?.join(".local/state")));
            let state = state.ok_or_else(|| {
                Problem::new("there is no place for jobs").because("neither XDG_STATE_HOME nor HOME is set").hint("set HOME")
            })?;
            state.join("domkeep")
        };
        Ok(Self { seen: HostPath::from(base.as_path()), base })
    }

    /// A demo machine's, in its tree, so that a job's folder has the same name for the machine's tools as on a real host.
    pub fn of_demo(root: &Path) -> Self {
        Self { base: root.join("tree/var/lib/domkeep"), seen: HostPath::from("/var/lib/domkeep") }
    }

    /// Where the guard's jobs lie while they run: in memory. Nothing where only a user's own jobs lie.
    pub fn passing(&self) -> Option<Self> {
        super::passing::beside(&self.base).map(|(base, seen)| Self { base, seen: HostPath::from(seen) })
    }

    /// As the looked-at host names it.
    pub fn seen(&self) -> &HostPath {
        &self.seen
    }

    /// A file beside the jobs, as the looked-at host names it.
    pub fn path_beside(&self, name: &str) -> HostPath {
        self.seen.join(name)
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// A job's folder as the looked-at host names it.
    pub fn dir_of(&self, id: &JobId) -> HostPath {
        self.seen.join(JOBS).join(id.as_str())
    }

    /// Writes a plan down as a job that can be started. Refused while another job works on its domain or disks.
    pub fn create(&self, plan: &Plan) -> Result<Folder, Problem> {
        let base = Dir::make_top(&self.base)?;
        self.refuse_leftovers(plan)?;
        drop(locks::take(&base.make_sub(LOCKS)?, &plan.locks, &plan.id)?);
        let made = base.make_sub(JOBS)?.make_new_sub(plan.id.as_str())?;
        let folder = Folder::new(plan.id.clone(), made, self.dir_of(&plan.id));
        folder.write_plan(plan)?;
        Ok(folder)
    }

    /// What an interrupted job left half-done must not be built upon.
    fn refuse_leftovers(&self, plan: &Plan) -> Result<(), Problem> {
        for folder in self.folders()? {
            let summary = folder.summary();
            if !matches!(summary.state, JobState::Leftover { .. }) {
                continue;
            }
            let shared = folder.plan().ok().and_then(|other| other.locks.into_iter().find(|lock| plan.locks.contains(lock)));
            let Some(lock) = shared else { continue };
            return Err(Problem::new(format!("an interrupted job stands in the way: {} works on {lock}", summary.id))
                .because(format!("{}: it has neither ended nor been taken back", summary.title))
                .hint(format!("`domkeep jobs finish {0}`, or `domkeep jobs undo {0}`", summary.id)));
        }
        Ok(())
    }

    pub fn open(&self, id: &JobId) -> Result<Folder, Problem> {
        let none = || Problem::new(format!("there is no job {id}")).hint("`domkeep jobs` lists them");
        let jobs = self.jobs()?.ok_or_else(none)?;
        let dir = jobs.sub(id.as_str())?.ok_or_else(none)?;
        Ok(Folder::new(id.clone(), dir, self.dir_of(id)))
    }

    /// The locks of a plan, for as long as the answer is held.
    pub fn lock(&self, plan: &Plan) -> Result<locks::Held, Problem> {
        locks::take(&Dir::make_top(&self.base)?.make_sub(LOCKS)?, &plan.locks, &plan.id)
    }

    pub(super) fn jobs(&self) -> Result<Option<Dir>, Problem> {
        Dir::top(&self.base)?.map_or(Ok(None), |base| base.sub(JOBS))
    }

    /// Newest first.
    pub(super) fn folders(&self) -> Result<Vec<Folder>, Problem> {
        let Some(jobs) = self.jobs()? else { return Ok(Vec::new()) };
        let names = jobs.names(MOST_JOBS).map_err(|error| Problem::new("the jobs cannot be listed").because(error))?;
        let mut ids: Vec<JobId> = names.iter().filter_map(|name| JobId::parse(name)).collect();
        ids.sort_by(|one, other| other.cmp(one));
        let mut folders = Vec::new();
        for id in ids {
            // One that was removed meanwhile is none.
            if let Some(dir) = jobs.sub(id.as_str())? {
                folders.push(Folder::new(id.clone(), dir, self.dir_of(&id)));
            }
        }
        Ok(folders)
    }

    /// Newest first.
    pub fn list(&self) -> Result<Vec<JobSummary>, Problem> {
        Ok(self.folders()?.iter().map(Folder::summary).collect())
    }

    pub fn detail(&self, id: &JobId) -> Result<JobDetail, Problem> {
        Ok(self.open(id)?.detail())
    }

    /// The job's events from its first on, as they come.
    pub fn follow(&self, id: &JobId) -> Result<Follower, Problem> {
        Ok(Follower::new(self.open(id)?.into_dir()))
    }

    pub fn cancel(&self, id: &JobId) -> Result<(), Problem> {
        let folder = self.open(id)?;
        match folder.detail().summary.state {
            JobState::Running => folder.wish_to_cancel(),
            JobState::Ended { outcome } => {
                Err(Problem::new(format!("job {id} cannot be cancelled"))
                    .because(format!("it has ended: {}", super::outcome_says(&outcome))))
            }
            JobState::Leftover { .. } => Err(Problem::new(format!("job {id} cannot be cancelled"))
                .because("it was interrupted: nobody works on it")
                .hint(format!("`domkeep jobs undo {id}` takes it back"))),
            JobState::Unreadable { why } => Err(Problem::new(format!("job {id} cannot be cancelled")).because(why)),
        }
    }

    /// Takes away the folder of a job that was written down and could not be started.
    pub fn forget_unstarted(&self, id: &JobId) {
        let Ok(folder) = self.open(id) else { return };
        let never_ran = folder.told().is_ok_and(|told| told.events.is_empty());
        let Ok(Some(_lock)) = folder.lock() else { return };
        if never_ran {
            folder.clear();
            if let Ok(Some(jobs)) = self.jobs() {
                let _ = jobs.remove_sub(id.as_str());
            }
        }
    }
}
