//! What can still be done with a job that stopped: pure decisions from its plan and its history.

use super::history::{History, Past};
use crate::model::{Action, Effect, Outcome, Plan, Stretch, Undo};

/// Steps whose effects still stand and are to be taken back, and cleanups that did not run: last step first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    pub undos: Vec<usize>,
    pub cleanups: Vec<usize>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.undos.is_empty() && self.cleanups.is_empty()
    }
}

pub fn pending(plan: &Plan, history: &History) -> Pending {
    let acted = |step: &usize| history.past(*step).is_some_and(|past| past.acted);
    let steps: Vec<usize> = (0..plan.steps.len()).rev().filter(acted).collect();
    let undone = |step: &usize| history.past(*step).is_some_and(|past| past.undo.is_done());
    let clean = |step: &usize| {
        plan.steps.get(*step).is_none_or(|planned| planned.cleanup.is_none())
            || history.past(*step).is_some_and(|past| past.cleanup.is_done())
    };
    Pending {
        undos: steps.iter().copied().filter(|step| !undone(step)).collect(),
        cleanups: steps.iter().copied().filter(|step| !clean(step)).collect(),
    }
}

/// A step that was begun and whose end is not in the journal.
pub fn interrupted(history: &History, step: usize) -> bool {
    history.past(step).is_some_and(|past| past.work == super::history::Stage::Started)
}

pub fn can_finish(plan: &Plan, history: &History) -> Result<(), String> {
    let pending = pending(plan, history);
    match history.ended.as_ref().map(|(_, outcome)| outcome) {
        Some(Outcome::Done) => Err("it ended well: nothing is left to do".into()),
        Some(Outcome::Torn { .. }) => Err("it ran to its end, and its result is not good: start it anew".into()),
        Some(Outcome::Undone) => Err("it was taken back".into()),
        Some(Outcome::Cancelled) => Err("it was cancelled and taken back".into()),
        Some(Outcome::Failed { .. }) if history.goes_back() && pending.is_empty() => {
            Err("it failed, and what it did was taken back: start it anew".into())
        }
        Some(Outcome::Failed { .. }) => Ok(()),
        None if history.goes_back() => Ok(()),
        None => undecided(plan, history).map_or(Ok(()), Err),
    }
}

/// A command that was interrupted, and of which nobody can tell whether it did its work.
fn undecided(plan: &Plan, history: &History) -> Option<String> {
    let step = (0..plan.steps.len()).find(|step| interrupted(history, *step))?;
    if plan.stretches.iter().any(|stretch| (stretch.first..=stretch.last).contains(&step)) {
        return None;
    }
    let planned = plan.steps.get(step)?;
    let nobody_knows = matches!(planned.action, Action::Run { .. }) && !only_looks(&planned.action) && planned.done.is_none();
    nobody_knows.then(|| unknown_step(step, &planned.says, "the host cannot be asked"))
}

/// The steps of a stretch that are to be done once more, because it was cut off before its end: those that cannot be asked about.
pub fn to_begin_again(plan: &Plan, history: &History, stretch: &Stretch) -> Vec<usize> {
    if history.past(stretch.last).is_some_and(|past| past.work.is_done()) {
        return Vec::new();
    }
    let begun = |step: &usize| history.past(*step).is_some_and(|past| past.work.was_started());
    let redone = |step: &usize| {
        let action = plan.steps.get(*step).map(|step| &step.action);
        matches!(action, Some(Action::Run { .. } | Action::WaitFor { .. } | Action::WriteBeneath { .. }))
    };
    (stretch.first..=stretch.last).filter(begun).filter(redone).collect()
}

/// A command that changes nothing can be run once more, whatever became of it.
pub fn only_looks(action: &Action) -> bool {
    matches!(action, Action::Run { cmd } if cmd.effect == Effect::Reads)
}

pub fn unknown_step(step: usize, says: &str, why: &str) -> String {
    format!("step {} was interrupted, and nobody knows whether it is done ({says}): {why}; undo takes the job back", step.saturating_add(1))
}

pub fn can_undo(plan: &Plan, history: &History) -> Result<(), String> {
    let nothing_left = pending(plan, history).is_empty();
    match history.ended.as_ref().map(|(_, outcome)| outcome) {
        Some(Outcome::Done) => Err("it ended well: what it made is in use".into()),
        Some(Outcome::Torn { .. }) => Err("it ran to its end; what it made is marked as not good and can be removed by hand".into()),
        Some(Outcome::Undone) => Err("it was taken back already".into()),
        Some(Outcome::Cancelled | Outcome::Failed { .. }) if nothing_left => Err("what it did was taken back already".into()),
        Some(Outcome::Cancelled | Outcome::Failed { .. }) | None => Ok(()),
    }
}

/// Whether the step's own undo applies: a command's undo does not, when the command never did its work.
pub fn wants_undo(undo: &Undo, past: &Past) -> bool {
    match undo {
        Undo::By { .. } => past.work.is_done() || past.work == super::history::Stage::Started,
        Undo::Own | Undo::Impossible { .. } | Undo::Nothing => true,
    }
}
