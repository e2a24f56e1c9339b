//! Jobs: all of this host, and the one that is looked at. They are asked for often only while somebody watches one that runs.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::errand::Errand;
use super::proposal;
use crate::engine::Work;
use crate::model::told::is_starting;
use crate::model::{JobDetail, JobId, JobState, JobSummary, Outcome, shown, told};
use crate::problem::Problem;
use crate::tui::model::{Model, Screen, Toast};
use crate::tui::msg::{Effect, Timer};
use crate::tui::overlay::{Ask, Deed, Overlay};
use crate::tui::update;

/// A running job is looked at four times a second while its screen is shown, the list once a second while something runs.
const JOB: Duration = Duration::from_millis(250);
const LIST: Duration = Duration::from_secs(1);
/// So many lines of what a job did or will do are named in a question.
const NAMED: usize = 6;

#[derive(Clone, Debug)]
pub struct Follow {
    /// Nothing before the first answer.
    pub jobs: Option<Result<Vec<JobSummary>, String>>,
    /// The job of the job screen.
    pub detail: Option<JobDetail>,
    pub trouble: Option<(JobId, String)>,
    /// The host's clock, to the second.
    pub now: Option<DateTime<Utc>>,
    /// The log's end is kept in sight.
    pub tail: bool,
}

impl Default for Follow {
    fn default() -> Self {
        Self { jobs: None, detail: None, trouble: None, now: None, tail: true }
    }
}

impl Follow {
    pub fn list(&self) -> &[JobSummary] {
        match &self.jobs {
            Some(Ok(jobs)) => jobs,
            _ => &[],
        }
    }

    pub fn leftovers(&self) -> impl Iterator<Item = &JobSummary> {
        self.list().iter().filter(|job| is_leftover(job))
    }

    pub fn running(&self) -> impl Iterator<Item = &JobSummary> {
        self.list().iter().filter(|job| job.state == JobState::Running)
    }

    /// The job of the screen, once it is known.
    pub fn job(&self, id: &JobId) -> Option<&JobDetail> {
        self.detail.as_ref().filter(|detail| detail.summary.id == *id)
    }
}

fn is_leftover(job: &JobSummary) -> bool {
    matches!(job.state, JobState::Leftover { .. }) && !is_starting(job)
}

fn is_alive(job: &JobSummary) -> bool {
    job.state == JobState::Running || is_starting(job)
}

/// Where one stands now, asked at once when one comes there.
pub fn ask(model: &Model) -> Option<Effect> {
    match model.screen() {
        Screen::Jobs => Some(Effect::Jobs),
        Screen::Job(id) => Some(Effect::Job(id.clone())),
        _ => None,
    }
}

/// When to ask again; never where nobody looks or nothing moves.
fn again(model: &Model) -> Option<Effect> {
    if model.paused {
        return None;
    }
    let pace = |fast: Duration| if model.face.slow { LIST.max(fast) } else { fast };
    match model.screen() {
        Screen::Job(id) if model.changing.follow.job(id).is_none_or(|detail| is_alive(&detail.summary)) => {
            Some(Effect::After(pace(JOB), Timer::Jobs))
        }
        Screen::Jobs if model.changing.follow.list().iter().any(is_alive) => Some(Effect::After(LIST, Timer::Jobs)),
        _ => None,
    }
}

pub fn listed(model: &mut Model, answer: Result<Vec<JobSummary>, Problem>, now: DateTime<Utc>) -> Vec<Effect> {
    let first = model.changing.follow.jobs.is_none();
    let ended = match &answer {
        Ok(jobs) => model.changing.follow.running().find_map(|old| jobs.iter().find(|job| job.id == old.id && !is_alive(job))).cloned(),
        Err(_) => None,
    };
    let answer = Some(answer.map_err(|problem| problem.to_string()));
    if model.changing.follow.jobs != answer {
        model.changing.follow.jobs = answer;
        model.dirty = true;
    }
    tick(model, now);
    if let Some(told) = first.then(|| leftover_words(model)).flatten() {
        // Stays until a key: whoever comes back after a power cut must not miss it.
        model.toast = Some(Toast { text: told, sticky: true });
        model.dirty = true;
    }
    let mut effects: Vec<Effect> = again(model).into_iter().collect();
    effects.extend(ended.into_iter().flat_map(|job| told_end(model, &job)));
    effects
}

/// What is said at the start of jobs that were interrupted.
fn leftover_words(model: &Model) -> Option<String> {
    let follow = &model.changing.follow;
    let first = follow.leftovers().next()?;
    let words = told::interrupted(first)?;
    Some(match follow.leftovers().count() {
        1 => format!("{words}: finish or undo it: J"),
        more => format!("{words}, {} more too: J", more.saturating_sub(1)),
    })
}

/// The host is another one when a job has ended: it is looked at again.
fn told_end(model: &mut Model, job: &JobSummary) -> Vec<Effect> {
    let words = match &job.state {
        JobState::Ended { outcome: Outcome::Done } => format!("Done: {}.", shown::text(&job.title)),
        state => format!("{}: {}. {}", told::state(state), shown::text(&job.title), told::meaning(job).unwrap_or_default()),
    };
    let mut effects = update::say(model, words);
    effects.extend(update::look(model));
    effects
}

pub fn detailed(model: &mut Model, id: &JobId, answer: Result<JobDetail, Problem>, now: DateTime<Utc>) -> Vec<Effect> {
    let follow = &mut model.changing.follow;
    let ended = match answer {
        Ok(detail) => {
            let was_alive = follow.job(id).is_some_and(|old| is_alive(&old.summary));
            let ended = Some(detail.summary.clone()).filter(|summary| was_alive && !is_alive(summary));
            // The list knows it as well, so that its end is told once.
            if let Some(Ok(jobs)) = &mut follow.jobs
                && let Some(job) = jobs.iter_mut().find(|job| job.id == *id)
            {
                job.clone_from(&detail.summary);
            }
            if follow.detail.as_ref() != Some(&detail) || follow.trouble.is_some() {
                follow.trouble = None;
                follow.detail = Some(detail);
                model.dirty = true;
            }
            ended
        }
        Err(problem) => {
            let trouble = Some((id.clone(), problem.to_string()));
            if follow.trouble != trouble {
                follow.trouble = trouble;
                model.dirty = true;
            }
            return Vec::new();
        }
    };
    tick(model, now);
    let mut effects: Vec<Effect> = again(model).into_iter().collect();
    if let Some(job) = ended {
        effects.push(Effect::Jobs);
        effects.extend(told_end(model, &job));
    }
    effects
}

/// Time is drawn only where a running job shows it.
fn tick(model: &mut Model, now: DateTime<Utc>) {
    let shows = match model.screen() {
        Screen::Job(id) => model.changing.follow.job(id).is_some_and(|detail| is_alive(&detail.summary)),
        Screen::Jobs => model.changing.follow.list().iter().any(is_alive),
        _ => false,
    };
    let before = model.changing.follow.now.map(|at| at.timestamp());
    if before != Some(now.timestamp()) {
        model.changing.follow.now = Some(now);
        model.dirty |= shows;
    }
}

/// The job that a key means: the one looked at, or the selected one.
pub fn meant(model: &Model) -> Option<&JobSummary> {
    let follow = &model.changing.follow;
    match model.screen() {
        Screen::Job(id) => follow.job(id).map(|detail| &detail.summary),
        Screen::Jobs => follow.list().iter().find(|job| Some(job.id.as_str()) == model.selected(0)),
        _ => None,
    }
}

pub fn why_not_cancel(model: &Model) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    match (meant(model).map(|job| &job.state), &model.changing.fixed) {
        (None, _) => no("no job is selected"),
        (_, Some(fixed)) => Some(fixed.clone()),
        (Some(JobState::Running), _) => None,
        (Some(JobState::Leftover { .. }), _) => no("it was interrupted: finish it (F) or undo it (U)"),
        (Some(_), _) => no("it does not run"),
    }
}

pub fn why_not_resume(model: &Model, work: Work) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    let Some(job) = meant(model) else { return no("no job is selected") };
    if let Some(fixed) = &model.changing.fixed {
        return Some(fixed.clone());
    }
    if is_alive(job) {
        return no("it runs: C cancels it");
    }
    let can = if work == Work::Finish { &job.can_finish } else { &job.can_undo };
    can.as_ref().err().cloned()
}

/// What is left of a list too long for a question.
fn named(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines.into_iter().map(|line| format!("  - {line}")).collect()
}

/// What a job has done so far would be taken back like this, last step first; nothing when its plan is not known here.
pub fn undone_by(model: &Model, id: &JobId) -> Option<Vec<String>> {
    let detail = model.changing.follow.job(id)?;
    let stages = told::stages(detail);
    let begun = |step: usize| stages.get(step).is_some_and(|stage| !matches!(stage, told::Stage::ToCome | told::Stage::TakenBack));
    Some(told::taken_back(detail.plan.as_ref()?, begun))
}

/// The steps that are still to be done.
fn to_come(model: &Model, id: &JobId) -> Option<Vec<String>> {
    let detail = model.changing.follow.job(id)?;
    let stages = told::stages(detail);
    let steps = detail.plan.as_ref()?.steps.iter().enumerate().filter(|(number, _)| stages.get(*number) != Some(&told::Stage::Done));
    Some(steps.map(|(number, step)| format!("step {}: {}", number.saturating_add(1), shown::text(&step.says))).collect())
}

pub fn ask_cancel(model: &mut Model) {
    let Some(job) = meant(model).cloned() else { return };
    let mut says = vec!["The job stops at the next safe moment, and what it did is taken back:".to_owned()];
    says.extend(undone(model, &job.id));
    let title = format!("Cancel: {}?", shown::text(&job.title));
    model.overlays.push(Overlay::Ask(Ask::new(title, says, "Cancel the job", Deed::Cancel(job.id))));
}

fn undone(model: &Model, id: &JobId) -> Vec<String> {
    match undone_by(model, id) {
        Some(lines) if lines.is_empty() => vec!["  - nothing so far".to_owned()],
        Some(lines) => named(lines),
        None => vec!["  - what its journal says it made (Enter on the job shows it)".to_owned()],
    }
}

pub fn ask_resume(model: &mut Model, work: Work) {
    let Some(job) = meant(model).cloned() else { return };
    let title = shown::text(&job.title);
    let mut says: Vec<String> = told::meaning(&job).into_iter().collect();
    let (title, yes) = if work == Work::Finish {
        says.push("Finish goes on where it stopped; each step looks first whether it is done:".to_owned());
        says.extend(to_come(model, &job.id).map_or_else(|| vec!["  - the steps that are not done".to_owned()], named));
        (format!("Finish: {title}?"), "Finish it")
    } else {
        says.push("Undo takes back what the job made, and nothing that somebody else made:".to_owned());
        says.extend(undone(model, &job.id));
        (format!("Undo: {title}?"), "Undo it")
    };
    model.overlays.push(Overlay::Ask(Ask::new(title, says, yes, Deed::Resume(job.id, work == Work::Finish))));
}

pub fn cancel(id: JobId) -> Vec<Effect> {
    vec![Effect::Errand(Box::new(Errand::Cancel(id)))]
}

pub fn resume(id: JobId, finish: bool) -> Vec<Effect> {
    vec![Effect::Errand(Box::new(Errand::Resume(id, if finish { Work::Finish } else { Work::Undo })))]
}

/// A job was told something.
pub fn obeyed(model: &mut Model, answer: Result<String, Problem>) -> Vec<Effect> {
    match answer {
        Ok(words) => {
            let mut effects = update::say(model, words);
            effects.extend(ask(model));
            effects
        }
        Err(problem) => {
            proposal::failed(model, &problem);
            Vec::new()
        }
    }
}
