//! Carries plans out; the only room that is handed a [`crate::host::Act`]. The journal's words are in [`crate::model::job`].

use crate::host::Act;
use crate::model::{Check, Event, Held, HostPath, JobDetail, JobId, JobSummary, Outcome, Plan};
use crate::problem::Problem;

/// What is to be done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Run,
    /// Go on with a leftover.
    Finish,
    /// Take back what a leftover, failed or cancelled job did.
    Undo,
}

/// The folder of all jobs.
#[derive(Clone, Debug)]
pub struct Store {}

/// One job's folder.
#[derive(Debug)]
pub struct Folder {
    id: JobId,
}

impl Folder {
    pub fn id(&self) -> &JobId {
        &self.id
    }
}

impl Store {
    pub fn create(&self, _plan: &Plan) -> Result<Folder, Problem> {
        Err(Problem::new("not built"))
    }

    pub fn open(&self, _id: &JobId) -> Result<Folder, Problem> {
        Err(Problem::new("not built"))
    }

    pub fn dir_of(&self, id: &JobId) -> HostPath {
        HostPath::from("/var/lib/domkeep/jobs").join(id.as_str())
    }

    pub fn list(&self) -> Result<Vec<JobSummary>, Problem> {
        Ok(Vec::new())
    }

    pub fn detail(&self, _id: &JobId) -> Result<JobDetail, Problem> {
        Err(Problem::new("not built"))
    }

    pub fn cancel(&self, _id: &JobId) -> Result<(), Problem> {
        Err(Problem::new("not built"))
    }
}

/// Starts this program again as a detached runner.
#[derive(Clone, Debug)]
pub struct Launcher {}

impl Launcher {
    pub fn start(&self, _folder: &Folder) -> Result<(), Problem> {
        Err(Problem::new("not built"))
    }

    pub fn resume(&self, _folder: &Folder, _work: Work) -> Result<(), Problem> {
        Err(Problem::new("not built"))
    }
}

pub fn carry_out(
    _store: &Store,
    _id: &JobId,
    _work: Work,
    _act: &dyn Act,
    _holds: &dyn Fn(&Check) -> Held,
    _listen: &mut dyn FnMut(&Event),
) -> Result<Outcome, Problem> {
    Err(Problem::new("not built"))
}

/// A plan that destroys data wants a name typed; `--yes` never stands for it.
pub fn check_typed(plan: &Plan, typed: Option<&str>) -> Result<(), Problem> {
    match &plan.confirm {
        Some(confirm) if typed != Some(confirm.name.as_str()) => {
            Err(Problem::new(format!("{}: the name `{}` must be typed first", plan.title, confirm.name))
                .because(&confirm.loses)
                .hint(format!("--confirm {}", crate::model::cmd::shell_word(&confirm.name))))
        }
        _ => Ok(()),
    }
}

/// 64 bits that nobody can guess.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
