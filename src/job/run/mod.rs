//! The runner: one job from its first step to its last, on, or back.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `forward` | the order of things on the way to the end: assumptions, journal, deed |
//! | `backward` | taking back and cleaning up, last step first |
//! | `settle` | what an interrupted step left, and whether it is done |
//! | `made` | taking back one thing that the journal says was made |
//! | `names` | the names of temporary things |
//! | `files`, `replace`, `command`, `waiting`, `copying`, `segments`, `changed`, `filling`, `saving`, `folding`, `witness`, `bundles`, `pruning` | the deeds |

mod backward;
mod bundles;
mod changed;
mod command;
mod copying;
mod files;
mod filling;
mod folding;
mod forward;
mod lost_files;
mod made;
mod merge_back;
mod names;
mod pruning;
mod replace;
mod salvage;
mod saving;
mod segments;
mod settle;
mod waiting;
mod witness;

use super::folder::Folder;
use super::history::History;
use super::journal::Journal;
use super::sabotage::Sabotage;
use super::stop::Stop;
use super::{Store, Work, child, recovery};
use crate::host::{Act, HostError};
use crate::model::{Check, Event, Held, HostPath, JobId, Made, Outcome, Plan, What};
use crate::problem::Problem;

/// Why something did not come to its end.
#[derive(Debug)]
enum Trouble {
    Failed(String),
    Cancelled,
    /// The runner itself cannot go on: nothing more is done, and the job is a leftover.
    Halt(Problem),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Halt(problem)
    }
}

impl Trouble {
    fn failed(what: impl std::fmt::Display, error: &HostError) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }
}

type Deed<T = ()> = Result<T, Trouble>;

struct Runner<'a> {
    plan: &'a Plan,
    folder: &'a Folder,
    act: &'a dyn Act,
    holds: &'a dyn Fn(&Check) -> Held,
    listen: &'a mut dyn FnMut(&Event),
    journal: Journal,
    history: History,
    stop: Stop<'a>,
    /// A wish to stop is not heard any more: what was begun is being taken back or cleaned up.
    deaf: bool,
    /// The step whose save this runner saw end: nobody had the time to write to a disk before it was looked at.
    saw_end_of: Option<usize>,
}

/// Carries a job out, on, or back. Ends with the journal's last word; an error before that leaves a leftover.
///
/// A job that has ended and of which nothing is left to do is answered with its outcome, and nothing is touched.
pub fn carry_out(
    store: &Store,
    id: &JobId,
    work: Work,
    act: &dyn Act,
    holds: &dyn Fn(&Check) -> Held,
    listen: &mut dyn FnMut(&Event),
) -> Result<Outcome, Problem> {
    let folder = store.open(id)?;
    // Whoever launched it may not see what it writes to its standard error.
    carry_out_in(&folder, store, work, act, holds, listen).inspect_err(|problem| folder.log(problem))
}

fn carry_out_in(
    folder: &Folder,
    store: &Store,
    work: Work,
    act: &dyn Act,
    holds: &dyn Fn(&Check) -> Held,
    listen: &mut dyn FnMut(&Event),
) -> Result<Outcome, Problem> {
    let id = folder.id();
    let cannot = |why: String| Problem::new(format!("job {id} cannot be carried out")).because(why);
    let _lock = lock(folder)?;
    let plan = folder.plan().map_err(|no| {
        let by_hand = if no.by_hand.is_empty() { String::new() } else { format!("by hand: {}", no.by_hand.join("; ")) };
        let problem = cannot(no.why);
        if by_hand.is_empty() { problem } else { problem.hint(by_hand) }
    })?;
    let told = folder.told().map_err(cannot)?;
    let history = History::of(&told.events);
    let possible = match work {
        Work::Run if history.runs > 0 => Err("it was started before".to_owned()),
        Work::Run => Ok(()),
        Work::Finish => recovery::can_finish(&plan, &history),
        Work::Undo => recovery::can_undo(&plan, &history),
    };
    if let Err(why) = possible {
        return match history.ended {
            Some((_, outcome)) => Ok(outcome),
            None => Err(cannot(why)),
        };
    }
    let _locks = store.lock(&plan)?;
    let stop = Stop::listen(folder).map_err(|error| cannot(format!("signals cannot be heard: {error}")))?;
    if work != Work::Run {
        folder.forget_cancel();
    }
    let sabotage = Sabotage::asked_for(&act.place());
    let journal =
        Journal::open(folder.dir(), &told, sabotage).map_err(|error| cannot(format!("its journal cannot be written: {error}")))?;
    let mut runner = Runner { plan: &plan, folder, act, holds, listen, journal, history, stop, deaf: false, saw_end_of: None };
    runner.carry_out(work)
}

/// Somebody who only looks whether a job is at work holds the lock for a moment.
fn lock(folder: &Folder) -> Result<std::fs::File, Problem> {
    for _ in 0..20 {
        if let Some(lock) = folder.lock()? {
            return Ok(lock);
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    Err(Problem::new(format!("job {} is at work already", folder.id())).hint(format!("`domkeep jobs follow {}` shows it", folder.id())))
}

impl Runner<'_> {
    fn carry_out(&mut self, work: Work) -> Result<Outcome, Problem> {
        let halted = |trouble: Trouble| match trouble {
            Trouble::Halt(problem) => problem,
            Trouble::Failed(why) => Problem::new("the job stopped").because(why),
            Trouble::Cancelled => Problem::new("the job stopped").because("it was told to"),
        };
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        self.tell(What::JobStarted { pid, boot_id: child::boot_id() }).map_err(halted)?;
        let outcome = self.work(work).map_err(halted)?;
        self.tell(What::JobEnded { outcome: outcome.clone() }).map_err(halted)?;
        self.folder.remember(self.plan, &self.history);
        Ok(outcome)
    }

    fn work(&mut self, work: Work) -> Deed<Outcome> {
        self.wait_for_child()?;
        let mut back = work == Work::Undo || self.history.goes_back();
        if !back {
            back = match self.forward() {
                Ok(()) => false,
                Err(Trouble::Halt(problem)) => return Err(Trouble::Halt(problem)),
                // Both stand in the journal as the end of their step.
                Err(Trouble::Failed(_) | Trouble::Cancelled) => true,
            };
        }
        let left = self.wind_up(back)?;
        Ok(outcome(work, back, &self.history, &left))
    }

    /// Writes an event down, then tells it.
    fn tell(&mut self, what: What) -> Deed {
        let event = Event { at: self.act.now(), what };
        self.journal.append(&event).map_err(|error| {
            Problem::new(format!("the journal of job {} cannot be written", self.folder.id()))
                .because(error)
                .because("nothing more is done: what cannot be written down could not be taken back")
                .hint(format!("make room where the jobs lie, then `domkeep jobs finish {0}` or `domkeep jobs undo {0}`", self.folder.id()))
        })?;
        self.history.take(&event);
        (self.listen)(&event);
        Ok(())
    }

    fn note(&mut self, text: impl Into<String>) -> Deed {
        self.tell(What::Note { text: text.into() })
    }

    fn made(&mut self, step: usize, made: Made) -> Deed {
        self.tell(What::Made { step, made })
    }

    fn check_stop(&self) -> Deed {
        if !self.deaf && self.stop.is_wanted() { Err(Trouble::Cancelled) } else { Ok(()) }
    }

    /// The device and inode that a name stands for; nothing when there is no such name.
    fn inode(&self, path: &HostPath) -> Deed<Option<(u64, u64)>> {
        match self.act.stat(path.as_path(), false) {
            Ok(stat) => Ok(Some((stat.dev, stat.ino))),
            Err(HostError::NotFound) => Ok(None),
            Err(error) => Err(Trouble::failed(path, &error)),
        }
    }
}

/// How the job ended, from the way that it went and from what could not be taken back.
fn outcome(work: Work, back: bool, history: &History, left: &[String]) -> Outcome {
    let left = left.join("; ");
    if !back {
        return match &history.torn {
            _ if !left.is_empty() => Outcome::Failed { why: format!("all steps are done, but cleaning up failed: {left}") },
            Some(why) => Outcome::Torn { why: why.clone() },
            None => match unreadable(history) {
                Some(why) => Outcome::Torn { why },
                None => Outcome::Done,
            },
        };
    }
    let tail = if left.is_empty() { String::new() } else { format!("; not everything could be taken back: {left}") };
    match &history.setback {
        _ if work == Work::Undo && left.is_empty() => Outcome::Undone,
        Some(Outcome::Failed { why }) => Outcome::Failed { why: format!("{why}{tail}") },
        Some(Outcome::Cancelled) if left.is_empty() => Outcome::Cancelled,
        Some(Outcome::Cancelled) => Outcome::Failed { why: format!("cancelled{tail}") },
        _ if left.is_empty() => Outcome::Undone,
        _ => Outcome::Failed { why: format!("not everything could be taken back: {left}") },
    }
}

/// A copy with zeros in the place of what could not be read is no good copy.
fn unreadable(history: &History) -> Option<String> {
    let bad = history.results().filter(|(_, result)| !result.unreadable.is_empty()).map(|(label, result)| {
        let bytes = result.unreadable.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        format!("{bytes} bytes of {label} could not be read: zeros stand there instead")
    });
    let damaged = history.results().filter(|(_, result)| !result.damaged.is_empty()).map(|(label, result)| {
        let bytes = result.damaged.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        format!("{bytes} bytes of {label} lie in blocks that are not as they were written")
    });
    let bad: Vec<String> = bad.chain(damaged).collect();
    (!bad.is_empty()).then(|| bad.join("; "))
}
