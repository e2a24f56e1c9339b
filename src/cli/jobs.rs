//! `domkeep jobs`: what was launched, how it goes, and what can be done with it.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::{JobsCommand, Json, WorkName};
use super::ink::Ink;
use super::live::Live;
use super::{as_json, print};
use crate::engine::{Engine, Work, become_runner, outcome_says};
use crate::model::begin_backup::BeginBackup;
use crate::model::bytes::human;
use crate::model::{Event, Held, HostPath, JobId, JobState, JobSummary, Made, Outcome, Phase, Plan, Progress, What, shown};
use crate::problem::{Exit, Problem};

const MOST_XML: u64 = 1 << 20;
/// Between two looks at the journal.
const EVERY: Duration = Duration::from_millis(200);
/// Between two looks whether the runner still lives.
const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// Between two lines about one copy.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub fn run(command: Option<&JobsCommand>, json: Json, engine: &Engine, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    match command {
        None => {
            let jobs = engine.jobs()?;
            let text = if json.json { as_json(&json!({"schema": 1, "jobs": jobs}))? } else { list(&jobs, ink) };
            print(out, &text).map(|()| Exit::Good)
        }
        Some(JobsCommand::Follow { id, json: own }) => follow(engine, &known(engine, id)?, json.json || own.json, ink, out),
        Some(JobsCommand::Cancel { id }) => {
            let id = known(engine, id)?;
            engine.cancel(&id)?;
            let said = format!("Job {id} is told to stop; what it did is taken back. `domkeep jobs follow {id}` shows it.\n");
            print(out, &said).map(|()| Exit::Good)
        }
        Some(JobsCommand::Finish { id }) => resume(engine, id, Work::Finish, json.json, ink, out),
        Some(JobsCommand::Undo { id }) => resume(engine, id, Work::Undo, json.json, ink, out),
    }
}

fn resume(engine: &Engine, id: &str, work: Work, json: bool, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    let id = known(engine, id)?;
    engine.resume_job(&id, work)?;
    follow(engine, &id, json, ink, out)
}

/// What a launched change runs as.
pub fn run_job(id: &str, work: WorkName, engine: &Engine) -> Result<Exit, Problem> {
    let id = JobId::parse(id).ok_or_else(|| Problem::usage(format!("`{id}` is no job's id")))?;
    become_runner();
    let work = match work {
        WorkName::Run => Work::Run,
        WorkName::Finish => Work::Finish,
        WorkName::Undo => Work::Undo,
    };
    let outcome = engine.carry_out(&id, work, &mut |_| ())?;
    Ok(exit(&outcome))
}

/// What a runner starts beside itself.
pub fn begin_frozen(uri: &str, uuid: &str, checkpoint: Option<&str>, engine: &Engine) -> Result<Exit, Problem> {
    let mut xml = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin().lock(), MOST_XML), &mut xml);
    read.map_err(|error| Problem::new("the XML of the backup job could not be read from standard input").because(error))?;
    let begin = BeginBackup { uri: uri.to_owned(), uuid: uuid.to_owned(), xml, checkpoint: checkpoint.map(HostPath::from) };
    engine.begin_frozen(&begin).map(|()| Exit::Good)
}

pub fn exit(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Done | Outcome::Undone => Exit::Good,
        Outcome::Failed { .. } | Outcome::Cancelled => Exit::Failed,
        Outcome::Torn { .. } => Exit::Partial,
    }
}

/// The job that a person names by its id, or by a beginning that only it has.
fn known(engine: &Engine, text: &str) -> Result<JobId, Problem> {
    if let Some(id) = JobId::parse(text) {
        return Ok(id);
    }
    let jobs = engine.jobs()?;
    let mut found = jobs.into_iter().map(|job| job.id).filter(|id| !text.is_empty() && id.as_str().starts_with(text));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Problem::usage(format!("several jobs begin with `{text}`")).hint("`domkeep jobs` lists them")),
        (None, _) => Err(Problem::usage(format!("there is no job `{text}`")).hint("`domkeep jobs` lists them")),
    }
}

fn list(jobs: &[JobSummary], ink: Ink) -> String {
    if jobs.is_empty() {
        return "No jobs: nothing was launched here yet.\n".to_owned();
    }
    let mut text = String::new();
    for job in jobs {
        text.push_str(&format!("{}  {}\n", ink.bold(job.id.as_str()), shown::text(&job.title)));
        text.push_str(&format!("    {}\n", standing(job)));
        for (label, progress) in &job.copies {
            text.push_str(&format!("    {}: {}\n", shown::text(label), progress_says(progress)));
        }
        if let JobState::Leftover { .. } = job.state {
            for (verb, possible) in [("finish", &job.can_finish), ("undo", &job.can_undo)] {
                match possible {
                    Ok(()) => text.push_str(&format!("    domkeep jobs {verb} {}\n", job.id)),
                    Err(why) => text.push_str(&format!("    cannot {verb}: {}\n", shown::text(why))),
                }
            }
        }
    }
    text
}

/// One line: the state, how far it is, and what it is at.
fn standing(job: &JobSummary) -> String {
    let steps = format!("{} of {} steps done", job.steps_done, job.steps);
    let at = job.now.as_ref().map(|now| format!(", at: {}", shown::text(now))).unwrap_or_default();
    match &job.state {
        JobState::Running => format!("running, {steps}{at}"),
        JobState::Ended { outcome } => shown::text(&outcome_says(outcome)),
        JobState::Leftover { child: None } => format!("interrupted, {steps}{at}"),
        JobState::Leftover { child: Some(pid) } => format!("interrupted, {steps}{at}; its command still runs (process {pid})"),
        JobState::Unreadable { why } => format!("cannot be read: {}", shown::text(why)),
    }
}

fn progress_says(progress: &Progress) -> String {
    let of = progress.total.map(|total| format!(" of {}", human(total))).unwrap_or_default();
    let rate = progress.bytes_per_second.map(|rate| format!(", {}/s", human(rate))).unwrap_or_default();
    let verifying = if progress.verifying { ", read back" } else { "" };
    let unreadable = if progress.unreadable > 0 { format!(", {} unreadable", human(progress.unreadable)) } else { String::new() };
    format!("{}{of}{verifying}, holes {}{rate}{unreadable}", human(progress.done), human(progress.holes))
}

/// Prints a job's events until it ends: sentences, or JSON lines as they stand in the journal.
pub fn follow(engine: &Engine, id: &JobId, json: bool, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    let mut follower = engine.follow(id)?;
    let plan = engine.job(id)?.plan;
    let mut teller = Teller { plan, told: HashMap::new() };
    let mut live = Live::new(ink).filter(|_| !json);
    let mut last: Option<Outcome> = None;
    let mut looked = Instant::now();
    // Asked for at once when there is nothing to wait for.
    let mut alive = false;
    loop {
        let events = follower.next_events().map_err(|why| Problem::new(format!("job {id} cannot be followed")).because(why))?;
        for event in &events {
            let told = live.as_mut().is_some_and(|live| live.hear(event));
            let line = match told {
                true => None,
                false if json => serde_json::to_string(event).ok(),
                false => teller.line(event),
            };
            if let Some(line) = line {
                if let Some(live) = &mut live {
                    live.clear(out)?;
                }
                print(out, &format!("{line}\n"))?;
            }
            match &event.what {
                What::JobEnded { outcome } => last = Some(outcome.clone()),
                What::JobStarted { .. } => last = None,
                _ => {}
            }
        }
        if !events.is_empty() {
            if let Some(live) = &mut live {
                live.draw(out)?;
            }
            continue;
        }
        if !alive || looked.elapsed() >= ALIVE_EVERY || last.is_some() {
            looked = Instant::now();
            match engine.job(id)?.summary.state {
                JobState::Running => alive = true,
                JobState::Ended { outcome } if last.as_ref() == Some(&outcome) => return Ok(exit(&outcome)),
                // Its last words are in the journal by now.
                JobState::Ended { .. } => {}
                JobState::Leftover { .. } => {
                    if let Some(live) = &mut live {
                        live.clear(out)?;
                    }
                    return Err(Problem { exit: Exit::Partial, ..Problem::new(format!("job {id} was interrupted")) }
                        .hint(format!("`domkeep jobs finish {id}`, or `domkeep jobs undo {id}`")));
                }
                JobState::Unreadable { why } => return Err(Problem::new(format!("job {id} cannot be read")).because(why)),
            }
        }
        std::thread::sleep(EVERY);
    }
}

/// Events as sentences.
struct Teller {
    plan: Option<Plan>,
    /// When a copy was last told of.
    told: HashMap<(usize, usize), Instant>,
}

impl Teller {
    fn says(&self, step: usize, phase: Phase) -> String {
        let planned = self.plan.as_ref().and_then(|plan| plan.steps.get(step));
        let says = match (planned, phase) {
            (None, _) => String::new(),
            (Some(planned), Phase::Cleanup) => planned.cleanup.as_ref().map_or_else(String::new, |cleanup| cleanup.says.clone()),
            (Some(planned), Phase::Do | Phase::Undo) => planned.says.clone(),
        };
        let total = self.plan.as_ref().map_or_else(String::new, |plan| format!(" of {}", plan.steps.len()));
        let word = match phase {
            Phase::Do => "step",
            Phase::Cleanup => "clean up after step",
            Phase::Undo => "take back step",
        };
        format!("{word} {}{total}: {}", step.saturating_add(1), shown::text(&says))
    }

    fn line(&mut self, event: &Event) -> Option<String> {
        let text = match &event.what {
            What::JobStarted { pid, .. } => format!("started (process {pid})"),
            What::StepStarted { step, phase } => self.says(*step, *phase),
            What::StepEnded { outcome: Outcome::Done, .. } | What::Map { .. } | What::Witnessed { .. } => return None,
            What::StepEnded { step, outcome, .. } => format!("  step {}: {}", step.saturating_add(1), outcome_says(outcome)),
            What::Child { pid, .. } => format!("  process {pid}"),
            What::Made { made, .. } => format!("  {}", made_says(made)),
            What::Copied { step, part, label, progress } => {
                let now = Instant::now();
                let told = self.told.get(&(*step, *part));
                if told.is_some_and(|told| now.duration_since(*told) < PROGRESS_EVERY) {
                    return None;
                }
                self.told.insert((*step, *part), now);
                format!("  {label}: {}", progress_says(progress))
            }
            What::CopyEnded { label, result, .. } => {
                let unreadable = match result.unreadable.len() {
                    0 => String::new(),
                    ranges => format!(", {ranges} ranges could not be read"),
                };
                let verified = if result.verified { ", read back and equal" } else { "" };
                format!("  {label}: {} copied, {} of it holes{verified}{unreadable}", human(result.bytes), human(result.holes))
            }
            What::Said { line, .. } => format!("  | {line}"),
            What::Torn { why, .. } => format!("  not good: {why}"),
            What::Again { steps } => format!("  {}", crate::model::told::again(steps)),
            What::Assumption { says, held, .. } => match held {
                Held::Yes => return None,
                Held::No { because } => format!("  no longer so: {says}: {because}"),
                Held::Unknown { why } => format!("  unknown: {says}: {why}"),
            },
            What::Note { text } => format!("  note: {text}"),
            What::JobEnded { outcome } => outcome_says(outcome),
        };
        let time = event.at.format("%H:%M:%S");
        Some(format!("{time} {}", shown::text(&text)))
    }
}

fn made_says(made: &Made) -> String {
    match made {
        Made::File { path, .. } => format!("making {path}"),
        Made::Directory { path, .. } => format!("making directory {path}"),
        Made::Segments { path, .. } => format!("making directory {path} with its segments"),
        Made::Renamed { from, to, .. } => format!("renaming {from} to {to}"),
        Made::Replaced { path, kept, .. } => format!("replacing {path}; the old one is kept as {kept} in the job's folder"),
    }
}
