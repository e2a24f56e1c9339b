//! Sentences about plans and jobs: every face says the same thing in the same words.

use chrono::{DateTime, Utc};

use super::action::{Action, Line};
use super::job::{CopyResult, Event, JobDetail, JobState, JobSummary, Made, Outcome, Phase, Progress, What};
use super::plan::{Held, Plan, Risk, Step, Undo};
use super::{bytes, shown};

/// The command lines that do the same as an action, every word quoted; what a line reads is told behind it.
pub fn lines(action: &Action) -> Vec<String> {
    let told = |line: &Line| match &line.stdin {
        None => line.to_string(),
        Some(bytes) => format!("{line}   # reads {} bytes", bytes.len()),
    };
    let lines: Vec<String> = action.lines().iter().map(told).collect();
    if lines.is_empty() { vec!["(domkeep itself: no command does that)".to_owned()] } else { lines }
}

/// The first of [`lines`], and how many more there are.
pub fn line(action: &Action) -> String {
    let lines = lines(action);
    let more = lines.len().saturating_sub(1);
    let first = lines.into_iter().next().unwrap_or_default();
    if more == 0 { first } else { format!("{first}   # and {more} more") }
}

pub fn risk(plan: &Plan) -> &'static str {
    let stays = plan.steps.iter().any(|step| matches!(step.undo, Undo::Impossible { .. }));
    match (plan.risk, stays) {
        (Risk::Adds, false) => "It only adds; undo removes what it added.",
        (Risk::Adds, true) => "It only adds. Not all of it can be taken back: each step says what undoes it.",
        (Risk::Touches, false) => "It touches a running domain or a file that exists; undo brings back what was.",
        (Risk::Touches, true) => {
            "It touches a running domain or a file that exists. Not all of it can be taken back: each step says what undoes it."
        }
        (Risk::Destroys, _) => "It overwrites or deletes data: a name must be typed first.",
    }
}

/// What takes a step back, as a sentence without its full stop.
pub fn undo(step: &Step) -> String {
    match &step.undo {
        Undo::Own => match &step.action {
            Action::ReplaceFile { path, .. } => format!("the old {path} comes back"),
            Action::Rename { from, .. } => format!("it gets its old name {from} back"),
            _ => "what it made is removed again".to_owned(),
        },
        Undo::By { action } => line(action),
        Undo::Nothing => "nothing to take back".to_owned(),
        Undo::Impossible { why } => format!("cannot be taken back: {}", shown::text(why)),
    }
}

/// What taking back the first `steps` of a plan does, last step first. A step that leaves nothing is not told.
pub fn taken_back(plan: &Plan, done: impl Fn(usize) -> bool) -> Vec<String> {
    let told = |(number, step): (usize, &Step)| match step.undo {
        Undo::Nothing => None,
        _ if !done(number) => None,
        _ => Some(format!("step {}, {}: {}", number.saturating_add(1), shown::text(step.says.trim_end_matches('.')), undo(step))),
    };
    plan.steps.iter().enumerate().rev().filter_map(told).collect()
}

/// How an outcome is called.
pub fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Torn { .. } => "TORN",
        Outcome::Failed { .. } => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::Undone => "undone",
    }
}

/// Why an outcome is not good.
pub fn reason(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Torn { why } | Outcome::Failed { why } => Some(why),
        Outcome::Done | Outcome::Cancelled | Outcome::Undone => None,
    }
}

/// A job's state in a word.
pub fn state(state: &JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Ended { outcome: ended } => outcome(ended),
        JobState::Leftover { .. } => "interrupted",
        JobState::Unreadable { .. } => "unreadable",
    }
}

/// A job that has just been launched has no runner yet for a moment: that is no interruption.
pub fn is_starting(job: &JobSummary) -> bool {
    matches!(job.state, JobState::Leftover { child: None }) && job.started.is_none()
}

/// A job in a word.
pub fn word(job: &JobSummary) -> &'static str {
    if is_starting(job) { "starting" } else { state(&job.state) }
}

/// What a job's state means, where the word alone does not say it.
pub fn meaning(summary: &JobSummary) -> Option<String> {
    Some(match &summary.state {
        _ if is_starting(summary) => return None,
        JobState::Running => return None,
        JobState::Ended { outcome } => shown::text(reason(outcome)?),
        JobState::Leftover { child: Some(pid) } => {
            format!("Its runner is gone, but a command that it started still runs (process {pid}): it is waited for first.")
        }
        JobState::Leftover { child: None } => {
            "Its runner is gone: it was killed, or the host went down. Nothing goes on by itself.".to_owned()
        }
        JobState::Unreadable { why } => format!("Its folder cannot be read: {}", shown::text(why)),
    })
}

/// `Back up web01 was interrupted at step 4 of 9`; nothing when it was not.
pub fn interrupted(summary: &JobSummary) -> Option<String> {
    if !matches!(summary.state, JobState::Leftover { .. }) || is_starting(summary) {
        return None;
    }
    let at = summary.steps_done.saturating_add(1).min(summary.steps.max(1));
    Some(format!("{} was interrupted at step {at} of {}", shown::text(&summary.title), summary.steps))
}

/// How far all copies of a job are together; the total only when every one is known.
pub fn together(copies: &[(String, Progress)]) -> (u64, Option<u64>) {
    let done = copies.iter().fold(0u64, |sum, (_, copy)| sum.saturating_add(copy.done));
    let total = copies.iter().try_fold(0u64, |sum, (_, copy)| Some(sum.saturating_add(copy.total?)));
    (done, total.filter(|_| !copies.is_empty()))
}

/// Seconds left at the present rate; nothing when total or rate are not known.
pub fn time_left(progress: &Progress) -> Option<u64> {
    let left = progress.total?.saturating_sub(progress.done);
    let rate = progress.bytes_per_second.filter(|rate| *rate > 0)?;
    Some(left.div_ceil(rate))
}

/// `0:45`, `12:03`, `1:02:03`, `3 days 04:05`.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, hours) => format!("{hours}:{minutes:02}:{rest:02}"),
        (1, hours) => format!("1 day {hours:02}:{minutes:02}"),
        (days, hours) => format!("{days} days {hours:02}:{minutes:02}"),
    }
}

/// Where a step of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    ToCome,
    Now,
    Done,
    Torn,
    Failed,
    /// It was begun, and nobody is at it any more.
    Interrupted,
    TakenBack,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToCome => "to come",
            Self::Now => "now",
            Self::Done => "done",
            Self::Torn => "TORN",
            Self::Failed => "failed",
            Self::Interrupted => "halfway",
            Self::TakenBack => "undone",
        }
    }
}

/// The stage of every step of the plan, as the journal tells it.
pub fn stages(detail: &JobDetail) -> Vec<Stage> {
    let steps = detail.plan.as_ref().map_or(detail.summary.steps, |plan| plan.steps.len());
    let mut stages = vec![Stage::ToCome; steps];
    for event in &detail.events {
        let (step, stage) = match &event.what {
            What::StepStarted { step, phase: Phase::Do } => (*step, Stage::Now),
            What::StepEnded { step, phase: Phase::Do, outcome } => (
                *step,
                match outcome {
                    Outcome::Done => Stage::Done,
                    Outcome::Torn { .. } => Stage::Torn,
                    Outcome::Failed { .. } | Outcome::Cancelled => Stage::Failed,
                    Outcome::Undone => Stage::TakenBack,
                },
            ),
            What::StepEnded { step, phase: Phase::Undo, outcome: Outcome::Done | Outcome::Undone } => (*step, Stage::TakenBack),
            _ => continue,
        };
        if let Some(place) = stages.get_mut(step) {
            *place = stage;
        }
    }
    if detail.summary.state != JobState::Running {
        for stage in stages.iter_mut().filter(|stage| **stage == Stage::Now) {
            *stage = Stage::Interrupted;
        }
    }
    stages
}

/// An event as a line of the log; nothing for those that are drawn (maps, progress).
pub fn event(event: &Event, plan: Option<&Plan>) -> Option<String> {
    let number = |step: usize| step.saturating_add(1);
    let step_of = |step: usize| plan.and_then(|plan| plan.steps.get(step));
    Some(match &event.what {
        What::JobStarted { pid, .. } => format!("the runner starts, process {pid}"),
        What::StepStarted { step, phase } => {
            let says = match phase {
                Phase::Do => step_of(*step).map(|step| shown::text(&step.says)),
                Phase::Cleanup => step_of(*step).and_then(|step| step.cleanup.as_ref()).map(|cleanup| shown::text(&cleanup.says)),
                Phase::Undo => step_of(*step).map(undo),
            };
            let what = match phase {
                Phase::Do => "step",
                Phase::Cleanup => "cleaning up after step",
                Phase::Undo => "taking back step",
            };
            format!("{what} {}{}", number(*step), says.map_or_else(String::new, |says| format!(": {says}")))
        }
        What::Child { step, pid, .. } => format!("step {} runs as process {pid}", number(*step)),
        What::Made { made, .. } => match made {
            Made::File { path, .. } => format!("made the file {path}"),
            Made::Directory { path, .. } => format!("made the directory {path}"),
            Made::Segments { path, .. } => format!("made the directory {path} for segments"),
            Made::Renamed { from, to, .. } => format!("{from} is called {to} now"),
            Made::Replaced { path, .. } => format!("replaced {path}; the old one is kept in the job's folder"),
        },
        What::Map { .. } | What::Copied { .. } | What::Witnessed { .. } => return None,
        What::CopyEnded { label, result, .. } => copied(label, result),
        What::Said { line, .. } => format!("it says: {}", shown::text(line)),
        What::Again { steps } => again(steps),
        What::Torn { why, .. } => format!("TORN: {}", shown::text(why)),
        What::Assumption { says, held: held_now, .. } => format!("{}: {}", shown::text(says), held(held_now)),
        What::Note { text } => shown::text(text),
        What::StepEnded { step, phase, outcome: ended } => {
            let why = reason(ended).map_or_else(String::new, |why| format!(": {}", shown::text(why)));
            let what = match phase {
                Phase::Do => "",
                Phase::Cleanup => "cleaning up after ",
                Phase::Undo => "taking back ",
            };
            format!("{what}step {} {}{why}", number(*step), outcome(ended))
        }
        What::JobEnded { outcome: ended } => {
            let why = reason(ended).map_or_else(String::new, |why| format!(": {}", shown::text(why)));
            format!("the job is {}{why}", outcome(ended))
        }
    })
}

fn copied(label: &str, result: &CopyResult) -> String {
    let mut words = format!(
        "{}: {} copied, {} of it holes and {} zeros, {} written",
        shown::text(label),
        bytes::human(result.bytes),
        bytes::human(result.holes),
        bytes::human(result.zeros),
        bytes::human(result.written)
    );
    words.push_str(if result.verified { "; read back and equal" } else { "" });
    if !result.unreadable.is_empty() {
        let lost = result.unreadable.iter().fold(0u64, |sum, (_, length)| sum.saturating_add(*length));
        words += &format!("; {} could not be read", bytes::human(lost));
    }
    words
}

/// Steps that are begun again.
pub fn again(steps: &[usize]) -> String {
    let number = |step: Option<&usize>| step.map_or(0, |step| step.saturating_add(1));
    match (number(steps.first()), number(steps.last())) {
        (first, last) if first == last => format!("step {first} was cut off: it is begun again"),
        (first, last) => format!("steps {first} to {last} were cut off: they are begun again"),
    }
}

/// The answer to a check, in words.
pub fn held(held: &Held) -> String {
    match held {
        Held::Yes => "yes".to_owned(),
        Held::No { because } => format!("NO: {}", shown::text(because)),
        Held::Unknown { why } => format!("unknown: {}", shown::text(why)),
    }
}

/// `5 min`, `3 h`, `12 days`.
pub fn age(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = now.signed_duration_since(then).num_minutes();
    match minutes {
        ..0 => "in the future".to_owned(),
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_never_made_up() {
        let progress = Progress { done: 25, total: Some(100), bytes_per_second: Some(10), ..Progress::default() };
        assert_eq!(time_left(&progress), Some(8), "the last bytes were forgotten");
        for unknown in [
            Progress { total: None, ..progress },
            Progress { bytes_per_second: None, ..progress },
            Progress { bytes_per_second: Some(0), ..progress },
        ] {
            assert_eq!(time_left(&unknown), None, "a copy that stands still would promise an end: {unknown:?}");
        }
        assert_eq!([5, 65, 3725, 90_000].map(duration), ["0:05", "1:05", "1:02:05", "1 day 01:00"]);
    }

    #[test]
    fn a_total_is_known_only_when_every_part_is() {
        let known = Progress { done: 5, total: Some(10), ..Progress::default() };
        let unknown = Progress { done: 5, total: None, ..Progress::default() };
        assert_eq!(together(&[("a".into(), known), ("b".into(), known)]), (10, Some(20)));
        assert_eq!(
            together(&[("a".into(), known), ("b".into(), unknown)]),
            (10, None),
            "a job would look nearly done while a disk's size is unknown"
        );
        assert_eq!(together(&[]), (0, None), "a job without copies would be shown as 100 %");
    }
}
