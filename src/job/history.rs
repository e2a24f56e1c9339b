//! What a journal's events add up to: pure, so that every interruption can be tried as data.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::job::CopyResult;
use crate::model::{Event, Made, Outcome, Phase, Progress, What};

/// What happened to one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// It was begun: assumptions that fail end a step without it.
    pub acted: bool,
    pub began: Option<DateTime<Utc>>,
    pub work: Stage,
    pub undo: Stage,
    pub cleanup: Stage,
    /// Oldest first.
    pub made: Vec<Made>,
    pub parts: BTreeMap<usize, Part>,
    pub witnessed: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Never,
    Started,
    Ended(Outcome),
}

impl Stage {
    pub fn is_done(&self) -> bool {
        *self == Self::Ended(Outcome::Done)
    }

    pub fn was_started(&self) -> bool {
        *self != Self::Never
    }
}

/// What happened to one copy of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub label: String,
    pub progress: Progress,
    pub result: Option<CopyResult>,
}

/// A command that was started, and whose end is not in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenChild {
    pub step: usize,
    pub pid: i32,
    pub started_ticks: u64,
    pub boot_id: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub started: Option<DateTime<Utc>>,
    pub runs: usize,
    /// The end of the last run; none while it works, or when it was interrupted.
    pub ended: Option<(DateTime<Utc>, Outcome)>,
    pub child: Option<OpenChild>,
    pub torn: Option<String>,
    /// The first thing that went wrong, or the wish to stop.
    pub setback: Option<Outcome>,
    /// The step that was last begun, and in which phase.
    pub at: Option<(usize, Phase)>,
    steps: BTreeMap<usize, Past>,
}

impl History {
    pub fn of(events: &[Event]) -> Self {
        let mut history = Self::default();
        for event in events {
            history.take(event);
        }
        history
    }

    pub fn step(&self, step: usize) -> Past {
        self.steps.get(&step).cloned().unwrap_or_default()
    }

    pub fn past(&self, step: usize) -> Option<&Past> {
        self.steps.get(&step)
    }

    pub fn done(&self) -> usize {
        self.steps.values().filter(|past| past.work.is_done()).count()
    }

    /// Whether the job is on its way back: something went wrong, or its undo has begun.
    pub fn goes_back(&self) -> bool {
        self.setback.is_some() || self.steps.values().any(|past| past.undo.was_started())
    }

    pub fn take(&mut self, event: &Event) {
        match &event.what {
            What::JobStarted { .. } => {
                self.started.get_or_insert(event.at);
                self.runs = self.runs.saturating_add(1);
                self.ended = None;
            }
            What::JobEnded { outcome } => {
                self.ended = Some((event.at, outcome.clone()));
                self.child = None;
            }
            What::StepStarted { step, phase } => {
                self.at = Some((*step, *phase));
                if *phase == Phase::Do {
                    let past = self.entry(*step);
                    past.acted = true;
                    past.began.get_or_insert(event.at);
                }
                *self.stage(*step, *phase) = Stage::Started;
            }
            What::StepEnded { step, phase, outcome } => {
                *self.stage(*step, *phase) = Stage::Ended(outcome.clone());
                self.child = None;
                if *phase == Phase::Do && *outcome != Outcome::Done {
                    self.setback.get_or_insert_with(|| outcome.clone());
                }
            }
            What::Child { step, pid, started_ticks, boot_id } => {
                self.child = Some(OpenChild { step: *step, pid: *pid, started_ticks: *started_ticks, boot_id: boot_id.clone() });
            }
            What::Made { step, made } => self.entry(*step).made.push(made.clone()),
            What::Copied { step, part, label, progress } => {
                let part = self.part(*step, *part, label);
                part.progress = *progress;
            }
            What::CopyEnded { step, part, label, result } => {
                let part = self.part(*step, *part, label);
                part.progress.done = result.bytes;
                part.result = Some(result.clone());
            }
            What::Witnessed { step, seen } => self.entry(*step).witnessed = Some(seen.clone()),
            What::Torn { why, .. } => {
                self.torn.get_or_insert_with(|| why.clone());
            }
            What::Again { steps } => {
                for step in steps {
                    let past = self.entry(*step);
                    past.work = Stage::Never;
                    past.cleanup = Stage::Never;
                }
            }
            What::Map { .. } | What::Said { .. } | What::Assumption { .. } | What::Note { .. } => {}
        }
    }

    fn entry(&mut self, step: usize) -> &mut Past {
        self.steps.entry(step).or_default()
    }

    fn part(&mut self, step: usize, part: usize, label: &str) -> &mut Part {
        let part = self.entry(step).parts.entry(part).or_default();
        label.clone_into(&mut part.label);
        part
    }

    fn stage(&mut self, step: usize, phase: Phase) -> &mut Stage {
        let past = self.entry(step);
        match phase {
            Phase::Do => &mut past.work,
            Phase::Undo => &mut past.undo,
            Phase::Cleanup => &mut past.cleanup,
        }
    }

    /// Everything that the job made, oldest first, with the step that made it.
    pub fn made(&self) -> impl Iterator<Item = (usize, &Made)> {
        self.steps.iter().flat_map(|(step, past)| past.made.iter().map(move |made| (*step, made)))
    }

    pub fn witnessed(&self) -> Option<&serde_json::Value> {
        self.steps.values().rev().find_map(|past| past.witnessed.as_ref())
    }

    /// The results of copies, by label.
    pub fn results(&self) -> impl Iterator<Item = (&str, &CopyResult)> {
        self.steps.values().flat_map(|past| past.parts.values()).filter_map(|part| Some((part.label.as_str(), part.result.as_ref()?)))
    }
}
