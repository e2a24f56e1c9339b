//! How long things took on this host, from the journals of the newest backups: what a plan can promise before it begins.

use chrono::{DateTime, Utc};

use super::Store;
use crate::model::{Action, Event, Figures, Outcome, Phase, Plan, Request, What};

/// Backups that are looked at. Older ones may tell of another disk.
const NEWEST: usize = 12;
/// A copy of less says more of its beginning and end than of the disk.
const LEAST_COPY: u64 = 1 << 20;

/// The median of each figure. What was never measured stays unknown.
pub fn of(store: &Store) -> Figures {
    let mut heap = Heap::default();
    for (plan, events) in store.backups(NEWEST) {
        for (number, step) in plan.steps.iter().enumerate() {
            if let Some(milliseconds) = took(&events, number) {
                heap.take(&step.action, milliseconds, bytes_of(&plan, &events, number, &step.action));
            }
        }
    }
    heap.figures()
}

impl Store {
    fn backups(&self, most: usize) -> Vec<(Plan, Vec<Event>)> {
        let Ok(jobs) = self.list() else { return Vec::new() };
        let told = |id| {
            let folder = self.open(id).ok()?;
            let plan = folder.plan().ok().filter(|plan| matches!(plan.request, Request::ColdBackup(_)))?;
            Some((plan, folder.told().ok()?.events))
        };
        jobs.iter().filter_map(|job| told(&job.id)).take(most).collect()
    }
}

/// Milliseconds of a step that was done in one go.
fn took(events: &[Event], number: usize) -> Option<u64> {
    let mut began: Option<DateTime<Utc>> = None;
    for event in events {
        match &event.what {
            What::StepStarted { step, phase: Phase::Do } if *step == number => {
                if began.is_some() {
                    return None;
                }
                began = Some(event.at);
            }
            What::StepEnded { step, phase: Phase::Do, outcome: Outcome::Done } if *step == number => {
                return u64::try_from((event.at - began?).num_milliseconds()).ok();
            }
            _ => {}
        }
    }
    None
}

/// What the step moved.
fn bytes_of(plan: &Plan, events: &[Event], number: usize, action: &Action) -> Option<u64> {
    match action {
        Action::Copy { .. } => Some(events.iter().fold(0_u64, |sum, event| match &event.what {
            What::CopyEnded { step, result, .. } if *step == number => sum.saturating_add(result.bytes),
            _ => sum,
        })),
        // The image's size is that of the memory.
        Action::SaveDomain { .. } | Action::ResumeSaved { .. } => plan.steps.iter().enumerate().find_map(|(hashed, step)| {
            matches!(step.action, Action::HashPiece { .. }).then_some(())?;
            events.iter().find_map(|event| match &event.what {
                What::CopyEnded { step, result, .. } if *step == hashed => Some(result.bytes),
                _ => None,
            })
        }),
        _ => None,
    }
}

#[derive(Default)]
struct Heap {
    saves: Vec<u64>,
    resumes: Vec<u64>,
    copies: Vec<u64>,
    snapshots: Vec<u64>,
    reflinks: Vec<u64>,
    pauses: Vec<u64>,
}

impl Heap {
    fn take(&mut self, action: &Action, milliseconds: u64, bytes: Option<u64>) {
        let rate = bytes.filter(|bytes| *bytes >= LEAST_COPY).and_then(|bytes| bytes.saturating_mul(1000).checked_div(milliseconds));
        match action {
            Action::SaveDomain { .. } => self.saves.extend(rate),
            Action::ResumeSaved { .. } => self.resumes.extend(rate),
            Action::Reflink { .. } => self.reflinks.push(milliseconds),
            Action::Copy { rate: None, .. } => self.copies.extend(rate),
            Action::Run { cmd } => match (cmd.program.as_str(), cmd.args.first().map(String::as_str)) {
                ("lvcreate", _) if cmd.args.iter().any(|word| word == "-s") => self.snapshots.push(milliseconds),
                ("xl", Some("unpause")) => self.pauses.push(milliseconds),
                _ => {}
            },
            _ => {}
        }
    }

    fn figures(self) -> Figures {
        Figures {
            save_rate: median(self.saves),
            resume_rate: median(self.resumes),
            copy_rate: median(self.copies),
            snapshot_ms: median(self.snapshots),
            reflink_ms: median(self.reflinks),
            // Pausing takes as long.
            pause_ms: median(self.pauses).map(|milliseconds| milliseconds.saturating_mul(2)),
        }
    }
}

fn median(mut measured: Vec<u64>) -> Option<u64> {
    measured.sort_unstable();
    measured.get(measured.len() / 2).copied()
}
