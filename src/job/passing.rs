//! Jobs that must not touch a disk while they run: the guard's. They lie on a tmpfs, and their record is brought to where all jobs lie
//! afterwards. A kill at any moment leaves a record on the tmpfs, which the next start of the guard finds; a lost tmpfs (a reboot) loses
//! no more than the record, for what LVM did stands in its own metadata.

use std::fs::File;
use std::path::Path;

use super::dir::Dir;
use super::{Store, locks};
use crate::host::{Answer, HostError};
use crate::model::{JobId, JobState};
use crate::problem::Problem;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// Files of a job's folder; larger ones are none of the guard's.
const MOST_FILE: u64 = 64 << 20;
const MOST_FILES: usize = 64;

/// What was found in a store of passing jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Prepared, never begun.
    Armed(JobId),
    /// Begun, and interrupted.
    Leftover(JobId),
    Ended(JobId),
}

impl Store {
    /// Whether what is written here goes to memory and to no disk.
    pub fn is_in_memory(&self) -> Result<bool, Problem> {
        let dir = Dir::make_top(self.base())?;
        let stat = rustix::fs::statfs(dir.path())
            .map_err(|error| Problem::new(format!("{} cannot be looked at", self.base().display())).because(std::io::Error::from(error)))?;
        Ok(u64::try_from(stat.f_type).is_ok_and(|kind| IN_MEMORY.contains(&kind)))
    }

    /// The one lock of that name; nothing when another process has it. Held until it is dropped.
    pub fn only_one(&self, name: &str) -> Result<Option<File>, Problem> {
        let cannot = |error: std::io::Error| Problem::new(format!("{name} cannot be locked")).because(error);
        let file = Dir::make_top(self.base())?.open_for_writing(name).map_err(cannot)?;
        Ok(locks::try_lock(&file).map_err(cannot)?.then_some(file))
    }

    /// Puts a small file beside the jobs.
    pub fn put_beside(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        let dir = Dir::make_top(self.base()).map_err(|problem| HostError::Failed { why: problem.to_string() })?;
        Ok(dir.put(name, bytes)?)
    }

    pub fn remove_beside(&self, name: &str) {
        if let Ok(Some(dir)) = Dir::top(self.base()) {
            let _ = dir.remove(name);
        }
    }

    /// What lies in this store.
    pub fn found(&self) -> Result<Vec<Found>, Problem> {
        let found = |folder: super::Folder| {
            let never_began = folder.told().is_ok_and(|told| told.events.is_empty());
            match folder.detail().summary.state {
                _ if never_began => Some(Found::Armed(folder.id().clone())),
                JobState::Leftover { .. } => Some(Found::Leftover(folder.id().clone())),
                JobState::Ended { .. } => Some(Found::Ended(folder.id().clone())),
                // Somebody works on it, or it is of another version: it stays.
                JobState::Running | JobState::Unreadable { .. } => None,
            }
        };
        Ok(self.folders()?.into_iter().filter_map(found).collect())
    }

    /// Brings the record of a job that has ended from `passing` to this store, and forgets it there. Whole or not at all: it is put together
    /// under a name that no job has. Doing it again, after a kill in its middle, does no harm.
    pub fn adopt(&self, passing: &Self, id: &JobId) -> Result<(), Problem> {
        let cannot =
            |why: String| Problem::new(format!("the record of job {id} could not be brought to {}", self.base().display())).because(why);
        let folder = passing.open(id)?;
        let jobs = Dir::make_top(self.base())?.make_sub(super::store::JOBS)?;
        if jobs.sub(id.as_str())?.is_none() {
            let partial = format!(".{id}.partial");
            if let Some(half) = jobs.sub(&partial)? {
                empty(&half).map_err(|error| cannot(error.to_string()))?;
                jobs.remove_sub(&partial).map_err(|error| cannot(error.to_string()))?;
            }
            let fresh = jobs.make_new_sub(&partial)?;
            for name in folder.dir().names(MOST_FILES).map_err(|error| cannot(error.to_string()))? {
                // A lock is its holder's; `kept` is a directory, and the guard replaces no files.
                if name == "lock" || name.starts_with('.') {
                    continue;
                }
                let bytes = folder.dir().read(&name, MOST_FILE).map_err(|error| cannot(format!("{name}: {error}")))?;
                if let Some(bytes) = bytes {
                    fresh.put(&name, &bytes).map_err(|error| cannot(format!("{name}: {error}")))?;
                }
            }
            jobs.rename_sub(&partial, id.as_str()).map_err(|error| cannot(error.to_string()))?;
        }
        passing.forget(id)
    }

    /// Removes a job of the guard's that never ran, or whose record is kept elsewhere.
    pub fn forget(&self, id: &JobId) -> Result<(), Problem> {
        let folder = self.open(id)?;
        let cannot = |error: std::io::Error| Problem::new(format!("job {id} cannot be forgotten")).because(error);
        // The journal goes first: a plan without one is a job that never began, and is forgotten the next time.
        let _ = folder.dir().remove(super::journal::NAME);
        empty(folder.dir()).map_err(cannot)?;
        let jobs = self.jobs()?.ok_or_else(|| Problem::new(format!("there is no job {id}")))?;
        jobs.remove_sub(id.as_str()).map_err(cannot)
    }
}

fn empty(dir: &Dir) -> std::io::Result<()> {
    for name in dir.names(MOST_FILES)? {
        dir.remove(&name)?;
    }
    Ok(())
}

/// Where a guard keeps its jobs beside a store: on this machine below /run, elsewhere below the machine's own /run. Nobody but root has one.
pub(super) fn beside(base: &Path) -> Option<(std::path::PathBuf, &'static str)> {
    let root = base.to_str()?.strip_suffix("/var/lib/domkeep")?;
    Some((Path::new(if root.is_empty() { "/" } else { root }).join("run/domkeep"), "/run/domkeep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_has_a_place_only_where_jobs_are_the_hosts() {
        assert_eq!(beside(Path::new("/var/lib/domkeep")).unwrap().0, Path::new("/run/domkeep"));
        assert_eq!(beside(Path::new("/tmp/demo/tree/var/lib/domkeep")).unwrap().0, Path::new("/tmp/demo/tree/run/domkeep"));
        assert_eq!(beside(Path::new("/home/ann/.local/state/domkeep")), None, "a user's guard would write to the user's disk");
    }
}
