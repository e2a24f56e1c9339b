//! What a running job tells: one stream for the live view, the journal, recovery and `--json`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How far a copy is. No percent: the total may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of the source accounted for, holes and zeros included.
    pub done: u64,
    pub total: Option<u64>,
    pub holes: u64,
    pub zeros: u64,
    pub unreadable: u64,
    pub bytes_per_second: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Done,
    Failed { why: String },
    Cancelled,
}

/// One line of a job's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: DateTime<Utc>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// Journaled and synced before the step acts; the child's pid follows once it is known.
    StepStarted {
        step: usize,
    },
    Child {
        step: usize,
        pid: i32,
        started_ticks: u64,
        boot_id: String,
    },
    Copied {
        step: usize,
        progress: Progress,
    },
    Note {
        text: String,
    },
    StepEnded {
        step: usize,
        outcome: Outcome,
    },
    JobEnded {
        outcome: Outcome,
    },
}
