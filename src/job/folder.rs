//! One job's folder: the plan, the journal, the lock, the wish to cancel, and what is kept.
//!
//! ```text
//! plan.json       written and synced before anything is done
//! journal.jsonl   what was done
//! lock            held by the runner
//! cancel          somebody wants it to stop
//! summary.json    of a job that has ended: a list of many jobs need not read their journals
//! kept/           files as they were before they were replaced
//! runner.log      why the runner could not do its work
//! copy-*.json     how far a copy is
//! ```

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::dir::Dir;
use super::history::History;
use super::journal::{self, Told};
use super::{child, locks, summary};
use crate::model::plan::PLAN_SCHEMA;
use crate::model::{HostPath, JobDetail, JobId, JobState, JobSummary, Plan};
use crate::problem::Problem;

const PLAN: &str = "plan.json";
const LOCK: &str = "lock";
const CANCEL: &str = "cancel";
const SUMMARY: &str = "summary.json";
pub(super) const LOG: &str = "runner.log";
const MOST_PLAN: u64 = 64 << 20;
const MOST_SUMMARY: u64 = 1 << 20;
/// A runner has begun its journal by then.
const SECONDS_TO_START: i64 = 15;

#[derive(Debug)]
pub struct Folder {
    id: JobId,
    dir: Dir,
    seen: HostPath,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlan {
    pub why: String,
    /// What the plan would do, as far as it can be read.
    pub by_hand: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Known {
    journal: u64,
    summary: JobSummary,
}

impl Folder {
    pub(super) fn new(id: JobId, dir: Dir, seen: HostPath) -> Self {
        Self { id, dir, seen }
    }

    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// As the looked-at host names it.
    pub fn path(&self) -> &HostPath {
        &self.seen
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn into_dir(self) -> Dir {
        self.dir
    }

    /// Removes what a job that never ran has: its plan, lock and log.
    pub(super) fn clear(&self) {
        for name in [PLAN, LOCK, CANCEL, LOG, journal::NAME] {
            let _ = self.dir.remove(name);
        }
    }

    /// Why the runner could not do its work.
    pub(super) fn log(&self, problem: &Problem) {
        let _ = self.dir.put(LOG, format!("{problem}\n").as_bytes());
    }

    pub(super) fn write_plan(&self, plan: &Plan) -> Result<(), Problem> {
        let cannot = |why: String| Problem::new("the plan could not be written to the job's folder").because(why);
        let bytes = serde_json::to_vec_pretty(plan).map_err(|error| cannot(error.to_string()))?;
        if bytes.len() as u64 > MOST_PLAN {
            return Err(cannot(format!("it is larger than {}", crate::model::bytes::human(MOST_PLAN))));
        }
        self.dir.put(PLAN, &bytes).map_err(|error| cannot(error.to_string()))
    }

    pub fn plan(&self) -> Result<Plan, NoPlan> {
        let no = |why: String| NoPlan { why, by_hand: Vec::new() };
        let bytes = self.dir.read(PLAN, MOST_PLAN).map_err(|error| no(format!("its plan cannot be read: {error}")))?;
        let bytes = bytes.ok_or_else(|| no("it has no plan: it was never begun".into()))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| no(format!("its plan is damaged: {error}")))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64);
        if schema != Some(u64::from(PLAN_SCHEMA)) {
            let version = schema.map_or_else(|| "an unknown version".to_owned(), |schema| format!("version {schema}"));
            let why = format!("its plan has {version} of the form, and this domkeep knows version {PLAN_SCHEMA}");
            return Err(NoPlan { why, by_hand: by_hand(&value) });
        }
        let plan: Plan = serde_json::from_value(value.clone())
            .map_err(|error| NoPlan { why: format!("its plan is damaged: {error}"), by_hand: by_hand(&value) })?;
        if plan.id != self.id {
            return Err(no(format!("its plan belongs to job {}", plan.id)));
        }
        Ok(plan)
    }

    pub fn told(&self) -> Result<Told, String> {
        journal::read(&self.dir)
    }

    /// Nothing when a runner has it.
    pub fn lock(&self) -> Result<Option<File>, Problem> {
        let cannot = |error: std::io::Error| Problem::new(format!("job {} cannot be locked", self.id)).because(error);
        let file = self.dir.open_for_writing(LOCK).map_err(cannot)?;
        Ok(locks::try_lock(&file).map_err(cannot)?.then_some(file))
    }

    fn is_locked(&self) -> bool {
        // Taken for a moment, as shared: a runner that starts in this moment tries again.
        match self.dir.open_for_reading(LOCK) {
            Ok(Some(file)) => {
                matches!(rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared), Err(rustix::io::Errno::WOULDBLOCK))
            }
            _ => false,
        }
    }

    pub fn wish_to_cancel(&self) -> Result<(), Problem> {
        self.dir.put(CANCEL, b"").map_err(|error| Problem::new(format!("job {} could not be told to stop", self.id)).because(error))
    }

    pub fn is_cancelled(&self) -> bool {
        self.dir.has(CANCEL)
    }

    pub fn forget_cancel(&self) {
        let _ = self.dir.remove(CANCEL);
    }

    /// Where old files are kept.
    pub fn kept(&self) -> Result<Dir, Problem> {
        self.dir.make_sub("kept")
    }

    /// What the lists show. Of a job that has ended it was written down at its end, with the length of the journal that it was made from.
    pub fn summary(&self) -> JobSummary {
        let known = self.dir.read(SUMMARY, MOST_SUMMARY).ok().flatten().and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok());
        match known {
            Some(known) if Some(known.journal) == self.dir.length(journal::NAME) && known.summary.id == self.id => known.summary,
            _ => self.detail().summary,
        }
    }

    /// Called by the runner, after its last word.
    pub(super) fn remember(&self, plan: &Plan, history: &History) {
        let Some((_, outcome)) = &history.ended else { return };
        let summary = summary::of(plan, history, JobState::Ended { outcome: outcome.clone() });
        let Some(journal) = self.dir.length(journal::NAME) else { return };
        if let Ok(bytes) = serde_json::to_vec(&Known { journal, summary }) {
            // Without it the journal is read.
            let _ = self.dir.put(SUMMARY, &bytes);
        }
    }

    pub fn detail(&self) -> JobDetail {
        let told = self.told();
        let plan = self.plan();
        // Looked at after the journal: a job that ended in between is no leftover.
        let locked = self.is_locked();
        let told = if locked { told } else { self.told() };
        match (plan, told) {
            (Ok(plan), Ok(told)) => {
                let history = History::of(&told.events);
                let state = self.state(&history, locked);
                JobDetail { summary: summary::of(&plan, &history, state), plan: Some(plan), events: told.events }
            }
            (Err(no), told) => {
                let mut why = no.why;
                if !no.by_hand.is_empty() {
                    why.push_str("; what it would do: ");
                    why.push_str(&no.by_hand.join("; "));
                }
                let events = told.map(|told| told.events).unwrap_or_default();
                JobDetail { summary: self.unreadable(why), plan: None, events }
            }
            (Ok(plan), Err(why)) => {
                let title = plan.title.clone();
                let steps = plan.steps.len();
                JobDetail { summary: JobSummary { title, steps, ..self.unreadable(why) }, plan: Some(plan), events: Vec::new() }
            }
        }
    }

    fn state(&self, history: &History, locked: bool) -> JobState {
        if locked {
            return JobState::Running;
        }
        match &history.ended {
            Some((_, outcome)) => JobState::Ended { outcome: outcome.clone() },
            None if history.runs == 0 && self.is_new() => JobState::Running,
            None => {
                let child = history.child.as_ref().filter(|child| child::lives(child)).map(|child| child.pid);
                JobState::Leftover { child }
            }
        }
    }

    /// Its runner may be about to start.
    fn is_new(&self) -> bool {
        if self.dir.has(journal::NAME) {
            return false;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
        matches!((now, self.dir.modified(PLAN)), (Some(now), Some(then)) if (0..SECONDS_TO_START).contains(&now.saturating_sub(then)))
    }

    fn unreadable(&self, why: String) -> JobSummary {
        let no = Err(why.clone());
        JobSummary {
            id: self.id.clone(),
            title: "a job that cannot be read".into(),
            state: JobState::Unreadable { why },
            started: None,
            ended: None,
            steps_done: 0,
            steps: 0,
            now: None,
            copies: Vec::new(),
            can_finish: no.clone(),
            can_undo: no,
        }
    }
}

/// The steps of a plan of another version, as far as its words are known: a person can go on by them.
fn by_hand(plan: &serde_json::Value) -> Vec<String> {
    let steps = plan.get("steps").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said = |step: &serde_json::Value| {
        let says = step.get("says").and_then(serde_json::Value::as_str).map(crate::model::shown::text);
        let action = step.get("action").and_then(|action| serde_json::from_value::<crate::model::Action>(action.clone()).ok());
        let line =
            action.map(|action| action.command().iter().map(|word| crate::model::cmd::shell_word(word)).collect::<Vec<_>>().join(" "));
        match (says, line) {
            (Some(says), Some(line)) => format!("{says} ({line})"),
            (Some(says), None) => says,
            (None, Some(line)) => line,
            (None, None) => "a step that cannot be read".into(),
        }
    };
    steps.iter().take(200).enumerate().map(|(number, step)| format!("{}. {}", number.saturating_add(1), said(step))).collect()
}
