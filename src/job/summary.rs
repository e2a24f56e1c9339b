//! A job as the lists show it: pure.

use super::history::{History, Stage};
use super::recovery;
use crate::model::{JobState, JobSummary, Outcome, Phase, Plan};

pub fn of(plan: &Plan, history: &History, state: JobState) -> JobSummary {
    let at = history.at.and_then(|(step, phase)| Some((step, phase, plan.steps.get(step)?)));
    let goes_on = matches!(state, JobState::Running | JobState::Leftover { .. });
    let now = at.filter(|_| goes_on || history.setback.is_some()).map(|(_, phase, step)| match phase {
        Phase::Do => step.says.clone(),
        Phase::Cleanup => step.cleanup.as_ref().map_or_else(|| step.says.clone(), |cleanup| cleanup.says.clone()),
        Phase::Undo => format!("taking back: {}", step.says),
    });
    let copies = at
        .and_then(|(number, _, _)| history.past(number))
        .filter(|past| past.work == Stage::Started)
        .map(|past| past.parts.values().map(|part| (part.label.clone(), part.progress)).collect())
        .unwrap_or_default();
    let (can_finish, can_undo) = match &state {
        JobState::Running => (Err("it is at work".to_owned()), Err("it is at work: cancel it first".to_owned())),
        JobState::Unreadable { why } => (Err(why.clone()), Err(why.clone())),
        JobState::Leftover { .. } | JobState::Ended { .. } => (recovery::can_finish(plan, history), recovery::can_undo(plan, history)),
    };
    JobSummary {
        id: plan.id.clone(),
        title: plan.title.clone(),
        started: history.started,
        ended: history.ended.as_ref().map(|(at, _)| *at).filter(|_| matches!(state, JobState::Ended { .. })),
        state,
        steps_done: history.done(),
        steps: plan.steps.len(),
        now,
        copies,
        can_finish,
        can_undo,
    }
}

/// What a person reads of an outcome.
pub fn outcome_says(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Torn { why } => format!("torn, not good: {why}"),
        Outcome::Failed { why } => format!("failed: {why}"),
        Outcome::Cancelled => "cancelled; what it did was taken back".into(),
        Outcome::Undone => "undone".into(),
    }
}
