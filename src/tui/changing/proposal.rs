//! A plan that is being read: made, tried without a change, written down, launched.

use std::sync::Arc;

use super::errand::Errand;
use crate::model::{Held, JobId, Plan, Refusal, Request, Risk, shown, told};
use crate::problem::Problem;
use crate::tui::model::{Model, Screen};
use crate::tui::msg::Effect;
use crate::tui::overlay::{Ask, Deed, Overlay, Typing};
use crate::tui::{travel, update};

#[derive(Clone, Debug)]
pub struct Proposal {
    pub request: Request,
    /// The question whose answer is awaited.
    ticket: u64,
    pub stage: Stage,
    pub rehearsal: Option<Rehearsal>,
    /// What is being done with it: nothing else is begun meanwhile.
    pub busy: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub enum Stage {
    /// The host is being asked.
    Asked,
    Made(Arc<Plan>),
    Refused(Refusal),
}

/// What a dry run found.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// Each assumption and whether it holds now.
    pub held: Vec<(String, Held)>,
    /// The plan that was made anew; what differs from the one before is not told, it is shown.
    pub again: Result<Arc<Plan>, Refusal>,
}

impl Rehearsal {
    pub fn is_good(&self) -> bool {
        self.again.is_ok() && self.held.iter().all(|(_, held)| *held == Held::Yes)
    }
}

pub fn plan(model: &Model) -> Option<&Arc<Plan>> {
    match &model.changing.proposal.as_ref()?.stage {
        Stage::Made(plan) => Some(plan),
        _ => None,
    }
}

/// Has the plan of a request made, and shows it.
pub fn propose(model: &mut Model, request: Request) -> Vec<Effect> {
    let ticket = model.changing.next_ticket();
    model.changing.proposal = Some(Proposal { request: request.clone(), ticket, stage: Stage::Asked, rehearsal: None, busy: None });
    model.cursors.retain(|(screen, _), _| *screen != Screen::Plan);
    travel::enter(model, Screen::Plan);
    model.dirty = true;
    vec![Effect::Errand(Box::new(Errand::Plan { ticket, request }))]
}

/// The proposal that an answer is for, if it is still looked at.
fn awaited(model: &mut Model, ticket: u64) -> Option<&mut Proposal> {
    model.changing.proposal.as_mut().filter(|proposal| proposal.ticket == ticket)
}

pub fn planned(model: &mut Model, ticket: u64, answer: Result<Arc<Plan>, Refusal>) {
    if let Some(proposal) = awaited(model, ticket) {
        proposal.stage = match answer {
            Ok(plan) => Stage::Made(plan),
            Err(refusal) => Stage::Refused(refusal),
        };
        model.dirty = true;
    }
}

pub fn rehearsed(model: &mut Model, ticket: u64, rehearsal: Rehearsal) -> Vec<Effect> {
    let Some(proposal) = awaited(model, ticket) else { return Vec::new() };
    proposal.busy = None;
    let good = rehearsal.is_good();
    match &rehearsal.again {
        // What is launched is what was seen last.
        Ok(plan) => proposal.stage = Stage::Made(Arc::clone(plan)),
        Err(refusal) => proposal.stage = Stage::Refused(refusal.clone()),
    }
    proposal.rehearsal = Some(rehearsal);
    // The answer stands at the top.
    model.cursors.retain(|(screen, _), _| *screen != Screen::Plan);
    let words =
        if good { "Dry run: all still holds. Nothing was changed." } else { "Dry run: it would not go well now. Nothing was changed." };
    update::say(model, words.to_owned())
}

/// Why the plan cannot be launched, tried or written down now.
pub fn why_not(model: &Model) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    match model.changing.proposal.as_ref() {
        None => no("there is no plan"),
        Some(Proposal { busy: Some(busy), .. }) => Some(format!("it is {busy}")),
        Some(Proposal { stage: Stage::Asked, .. }) => no("the plan is still being made"),
        Some(Proposal { stage: Stage::Refused(_), .. }) => no("there is no plan: Esc goes back"),
        Some(_) => None,
    }
}

pub fn ask_launch(model: &mut Model) {
    let Some(plan) = plan(model).cloned() else { return };
    let title = shown::text(&plan.title);
    let mut says = Vec::new();
    let ask = match (&plan.confirm, plan.risk) {
        (Some(confirm), _) => {
            says.push(shown::text(&confirm.loses));
            let mut ask = Ask::new(format!("{title}?"), says, "Launch it", Deed::Launch);
            ask.name = Some(confirm.name.clone());
            ask.typing = Some(Typing::default());
            ask
        }
        (None, risk) => {
            says.push(told::risk(&plan).to_owned());
            says.extend(plan.warnings.iter().take(3).map(|warning| format!("! {}", shown::text(warning))));
            says.push("It runs as a job of its own: leaving domkeep does not stop it.".to_owned());
            let ask = Ask::new(format!("{title}?"), says, "Launch it", Deed::Launch);
            if risk == Risk::Destroys { ask } else { ask.yes_first() }
        }
    };
    model.overlays.push(Overlay::Ask(ask));
}

pub fn launch(model: &mut Model, typed: Option<String>) -> Vec<Effect> {
    let Some(plan) = plan(model).cloned() else { return Vec::new() };
    busy(model, "being launched");
    vec![Effect::Errand(Box::new(Errand::Launch { plan, typed }))]
}

fn busy(model: &mut Model, with: &'static str) {
    if let Some(proposal) = &mut model.changing.proposal {
        proposal.busy = Some(with);
    }
    model.dirty = true;
}

pub fn launched(model: &mut Model, answer: Result<JobId, Problem>) -> Vec<Effect> {
    match answer {
        Ok(id) => {
            model.changing.draft = None;
            model.changing.proposal = None;
            travel::root(model, Screen::Jobs);
            travel::enter(model, Screen::Job(id));
            update::say(model, "Launched. It runs on its own: leaving domkeep does not stop it.".to_owned())
        }
        Err(problem) => {
            idle(model);
            failed(model, &problem);
            Vec::new()
        }
    }
}

/// The errand has ended; the plan can be used again.
pub fn idle(model: &mut Model) {
    if let Some(proposal) = &mut model.changing.proposal {
        proposal.busy = None;
    }
    model.dirty = true;
}

pub fn failed(model: &mut Model, problem: &Problem) {
    let mut paragraphs: Vec<String> = problem.why.clone();
    paragraphs.extend(problem.hint.iter().map(|hint| format!("next: {hint}")));
    model.overlays.push(Overlay::error(&problem.what, &paragraphs));
    model.dirty = true;
}

pub fn dry_run(model: &mut Model) -> Vec<Effect> {
    let ticket = model.changing.next_ticket();
    let Some(plan) = plan(model).cloned() else { return Vec::new() };
    let Some(proposal) = &mut model.changing.proposal else { return Vec::new() };
    proposal.ticket = ticket;
    proposal.busy = Some("being tried");
    proposal.rehearsal = None;
    vec![Effect::Errand(Box::new(Errand::Rehearse { ticket, request: proposal.request.clone(), plan }))]
}

pub fn ask_script(model: &mut Model) {
    let says = vec![
        "The file to write the plan into, as a script for sh, on the machine domkeep runs on. A file that is there is left as it is."
            .to_owned(),
    ];
    let mut ask = Ask::new("Write the plan as a script", says, "Write it", Deed::Script);
    ask.typing = Some(Typing::default());
    model.overlays.push(Overlay::Ask(ask));
}

pub fn write_script(model: &mut Model, path: String) -> Vec<Effect> {
    let Some(plan) = plan(model).cloned() else { return Vec::new() };
    vec![Effect::Errand(Box::new(Errand::Script { plan, path }))]
}

pub fn written(model: &mut Model, answer: Result<String, Problem>) -> Vec<Effect> {
    match answer {
        Ok(path) => update::say(model, format!("Written: {}", shown::text(&path))),
        Err(problem) => {
            failed(model, &problem);
            Vec::new()
        }
    }
}
