//! Jobs, line by line: all of them, one, what can be done with it, and following it. Every event is told once.

use std::io;

use super::road::Road;
use super::{Talk, text};
use crate::engine::Work;
use crate::model::{JobDetail, JobId, JobState, JobSummary, shown, told};

pub fn list(talk: &mut Talk, road: &dyn Road) -> io::Result<()> {
    let jobs = match road.jobs() {
        Ok(jobs) => jobs,
        Err(problem) => return talk.say(&problem.to_string()),
    };
    if jobs.is_empty() {
        return talk.say("No job has run here.");
    }
    for (index, job) in jobs.iter().enumerate() {
        talk.say(&format!("{} {}", index + 1, text::summary(job)))?;
    }
    talk.say("0 back")?;
    let Some(answer) = talk.ask("Your choice")? else { return Ok(()) };
    match answer.parse::<usize>().ok().and_then(|number| jobs.get(number.checked_sub(1)?)) {
        Some(job) => one(talk, road, &job.id),
        None if matches!(answer.as_str(), "0" | "") => Ok(()),
        None => talk.say("There is no such job."),
    }
}

fn one(talk: &mut Talk, road: &dyn Road, id: &JobId) -> io::Result<()> {
    let detail = match road.job(id) {
        Ok(detail) => detail,
        Err(problem) => return talk.say(&problem.to_string()),
    };
    talk.text(&text::job(&detail))?;
    let job = &detail.summary;
    let running = job.state == JobState::Running;
    talk.say("")?;
    talk.say(&offer("1 follow it", running.then_some(()).ok_or("it does not run")))?;
    talk.say(&offer("2 cancel it, and take back what it did", running.then_some(()).ok_or("it does not run")))?;
    talk.say(&offer("3 finish it: go on where it stopped", job.can_finish.as_ref().map(|&()| ()).map_err(String::as_str)))?;
    talk.say(&offer("4 undo it: take back what it made", job.can_undo.as_ref().map(|&()| ()).map_err(String::as_str)))?;
    talk.say("0 back")?;
    let Some(answer) = talk.ask("Your choice")? else { return Ok(()) };
    match answer.as_str() {
        "1" if running => follow(talk, road, id),
        "2" if running => {
            undone(talk, &detail)?;
            if talk.yes("Cancel it", false)? { told_so(talk, road.cancel(id), "It is told to stop.") } else { Ok(()) }
        }
        "3" if job.can_finish.is_ok() => resume(talk, road, &detail, Work::Finish),
        "4" if job.can_undo.is_ok() => {
            undone(talk, &detail)?;
            resume(talk, road, &detail, Work::Undo)
        }
        "0" | "" => Ok(()),
        _ => talk.say("That cannot be done now."),
    }
}

fn offer(words: &str, can: Result<(), &str>) -> String {
    can.map_or_else(|why| format!("{words} (not now: {})", shown::text(why)), |()| words.to_owned())
}

fn undone(talk: &mut Talk, detail: &JobDetail) -> io::Result<()> {
    talk.say("This would be taken back, and nothing that somebody else made:")?;
    let stages = told::stages(detail);
    let begun = |step: usize| stages.get(step).is_some_and(|stage| !matches!(stage, told::Stage::ToCome | told::Stage::TakenBack));
    let lines = detail.plan.as_ref().map(|plan| told::taken_back(plan, begun)).unwrap_or_default();
    if lines.is_empty() {
        return talk.say("- nothing so far");
    }
    lines.iter().try_for_each(|line| talk.say(&format!("- {line}")))
}

fn resume(talk: &mut Talk, road: &dyn Road, detail: &JobDetail, work: Work) -> io::Result<()> {
    let (question, words) = if work == Work::Finish { ("Finish it", "It goes on.") } else { ("Undo it", "It is being undone.") };
    if !talk.yes(question, false)? {
        return Ok(());
    }
    let id = &detail.summary.id;
    told_so(talk, road.resume(id, work), words)?;
    if talk.yes("Follow it", true)? { follow(talk, road, id) } else { Ok(()) }
}

fn told_so(talk: &mut Talk, answer: Result<(), crate::problem::Problem>, words: &str) -> io::Result<()> {
    match answer {
        Ok(()) => talk.say(words),
        Err(problem) => talk.say(&problem.to_string()),
    }
}

/// Tells what happens until the job ends: each event once, a copy at every tenth of its way.
pub fn follow(talk: &mut Talk, road: &dyn Road, id: &JobId) -> io::Result<()> {
    talk.say("Following; Ctrl-C leaves domkeep, and the job goes on.")?;
    let mut told_events = 0usize;
    let mut tenths: Vec<(String, u64)> = Vec::new();
    let mut waited = 0usize;
    loop {
        let detail = match road.job(id) {
            Ok(detail) => detail,
            Err(problem) => return talk.say(&problem.to_string()),
        };
        let events: Vec<String> = detail.events.iter().filter_map(|event| told::event(event, detail.plan.as_ref())).collect();
        for words in events.iter().skip(told_events) {
            talk.say(words)?;
        }
        told_events = told_events.max(events.len());
        progress(talk, &detail.summary, &mut tenths)?;
        // A runner takes a moment to begin.
        let starting = detail.summary.started.is_none() && waited < 30;
        if detail.summary.state != JobState::Running && !starting {
            return talk.say(&end(&detail.summary));
        }
        waited = waited.saturating_add(1);
        road.pause();
    }
}

fn end(job: &JobSummary) -> String {
    let mut words = format!("{}: {}.", shown::text(&job.title), told::state(&job.state));
    words += &told::meaning(job).map_or_else(String::new, |meaning| format!(" {meaning}"));
    words
}

fn progress(talk: &mut Talk, job: &JobSummary, tenths: &mut Vec<(String, u64)>) -> io::Result<()> {
    for (label, progress) in &job.copies {
        let tenth = progress.total.filter(|total| *total > 0).map_or(progress.done >> 30, |total| {
            u64::try_from(u128::from(progress.done).saturating_mul(10) / u128::from(total)).unwrap_or(u64::MAX)
        });
        if tenths.iter().any(|(of, told)| of == label && *told == tenth) {
            continue;
        }
        tenths.retain(|(of, _)| of != label);
        tenths.push((label.clone(), tenth));
        talk.say(&text::copy(label, progress))?;
    }
    Ok(())
}
