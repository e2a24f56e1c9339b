//! What a running job tells: one stream for the live view, the journal, recovery and `--json`.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::HostPath;
use super::plan::{Held, Plan};

/// `20261121-144501-0123456789abcdef`: the time (UTC) for people, 64 random bits so that no other thing has it. Checked wherever it is
/// read, because it becomes a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    pub fn new(at: DateTime<Utc>, random: u64) -> Self {
        Self(format!("{}-{random:016x}", at.format("%Y%m%d-%H%M%S")))
    }

    /// Nothing when the text is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [day, time, random] = parts.as_slice() else { return None };
        let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = random.len() == 16 && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (digits(day, 8) && digits(time, 6) && hexadecimal).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no job id"))
    }
}

/// How far a copy is. No percent: the total may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of the source accounted for, holes and zeros included.
    pub done: u64,
    pub total: Option<u64>,
    /// Bytes that need not be read: holes, and what an earlier backup holds.
    pub holes: u64,
    /// Bytes that were read and are zero.
    pub zeros: u64,
    pub unreadable: u64,
    /// Bytes written to the destination.
    pub written: u64,
    pub bytes_per_second: Option<u64>,
    /// The destination is being read back.
    pub verifying: bool,
}

/// How a finished copy came out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyResult {
    pub bytes: u64,
    pub holes: u64,
    pub zeros: u64,
    pub written: u64,
    /// `blake3:...` of the list of block hashes.
    pub digest: String,
    /// Ranges of the source that could not be read: offset and length. Zeros stand there instead.
    pub unreadable: Vec<(u64, u64)>,
    /// Ranges that are not what was once written (of a damaged backup): offset and length. They were copied as they lie there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<(u64, u64)>,
    pub verified: bool,
    /// What it came to, when an earlier copy stood at the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<super::IncrementResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Done,
    /// It ran to its end, but its result is not good: somebody wrote meanwhile.
    Torn {
        why: String,
    },
    Failed {
        why: String,
    },
    Cancelled,
    /// Everything that it made was taken back.
    Undone,
}

/// Something that the job made, told so that undo finds exactly it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "made", rename_all = "kebab-case")]
pub enum Made {
    /// A file, journaled under its partial name before it gets its own.
    File {
        path: HostPath,
        partial: Option<HostPath>,
        inode: (u64, u64),
    },
    Directory {
        path: HostPath,
        partial: Option<HostPath>,
        inode: (u64, u64),
    },
    /// A directory of segments, and all segments that are in it.
    Segments {
        path: HostPath,
        partial: HostPath,
        inode: (u64, u64),
    },
    Renamed {
        from: HostPath,
        to: HostPath,
        inode: (u64, u64),
    },
    /// The old bytes lie in the job's folder under `kept`.
    Replaced {
        path: HostPath,
        kept: String,
        new_blake3: String,
        old_blake3: String,
    },
}

/// One line of a job's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub what: What,
}

/// Which part of the job a step event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The step itself.
    Do,
    Cleanup,
    Undo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    JobStarted {
        pid: i32,
        boot_id: String,
    },
    /// Journaled and synced before the step acts.
    StepStarted {
        step: usize,
        phase: Phase,
    },
    /// The child that the step runs, as soon as it is known. Start time in ticks of /proc/PID/stat, so that a reused pid is told apart.
    Child {
        step: usize,
        pid: i32,
        started_ticks: u64,
        boot_id: String,
    },
    Made {
        step: usize,
        made: Made,
    },
    /// What a copy is about to do, as a strip of at most 512 cells: `d` data, `h` hole, `m` both.
    Map {
        step: usize,
        part: usize,
        label: String,
        total: u64,
        cells: String,
    },
    /// Not synced; at most a few a second.
    Copied {
        step: usize,
        part: usize,
        label: String,
        progress: Progress,
    },
    CopyEnded {
        step: usize,
        part: usize,
        label: String,
        result: CopyResult,
    },
    /// A line that the step's command wrote, escaped.
    Said {
        step: usize,
        line: String,
    },
    /// What a witness remembered; `job` alone reads it.
    Witnessed {
        step: usize,
        seen: serde_json::Value,
    },
    Torn {
        step: usize,
        why: String,
    },
    /// These steps were cut off in the middle of their stretch, and are done once more from the first on.
    Again {
        steps: Vec<usize>,
    },
    /// An assumption was looked at again and did not hold.
    Assumption {
        step: usize,
        says: String,
        held: Held,
    },
    Note {
        text: String,
    },
    StepEnded {
        step: usize,
        phase: Phase,
        outcome: Outcome,
    },
    JobEnded {
        outcome: Outcome,
    },
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum JobState {
    /// A runner holds its lock.
    Running,
    Ended {
        outcome: Outcome,
    },
    /// No end, and nobody holds its lock: it was interrupted. domkeep offers to finish or undo it.
    Leftover {
        /// A command that it started still runs.
        child: Option<i32>,
    },
    /// It cannot be read: of a newer version, or damaged.
    Unreadable {
        why: String,
    },
}

/// One job, as the lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    pub id: JobId,
    pub title: String,
    pub state: JobState,
    pub started: Option<DateTime<Utc>>,
    pub ended: Option<DateTime<Utc>>,
    /// Steps that ended well, and all of them.
    pub steps_done: usize,
    pub steps: usize,
    /// The sentence of the step at work, or at which it stopped.
    pub now: Option<String>,
    /// The copies of the step at work.
    pub copies: Vec<(String, Progress)>,
    /// Whether finish and undo are possible, with the reason when not.
    pub can_finish: Result<(), String>,
    pub can_undo: Result<(), String>,
}

/// A job with all that its folder says.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    pub summary: JobSummary,
    pub plan: Option<Plan>,
    /// Progress events: only the last of each copy.
    pub events: Vec<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_an_id() {
        let id = JobId::new(DateTime::from_timestamp(1_790_000_000, 0).unwrap(), 0xab);
        assert_eq!(JobId::parse(id.as_str()), Some(id.clone()), "a job could not be found again by its id {id}");
        for wrong in ["", "../../etc", "20261121-144501-0123456789abcdeF", "20261121-144501-0123456789abcdef/x", "2026-1-2"] {
            assert_eq!(JobId::parse(wrong), None, "a file outside the jobs' folder could be named by {wrong:?}");
        }
    }
}
