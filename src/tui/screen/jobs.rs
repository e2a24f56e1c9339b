//! All jobs of the host, also those that other terminals launched, newest first; below, what the selected one is about.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::split;
use crate::model::told::{is_starting, word};
use crate::model::{JobState, JobSummary, Outcome, bytes, shown, told};
use crate::tui::face::Face;
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::bar::percent_word;
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::{prose, text};

/// In fewer columns what a job does is worth more than when it began.
const NARROW: usize = 70;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let (upper, lower) = split(body, body.height.saturating_sub(7).max(body.height / 2));
    let columns = Pane::columns(upper);
    let filter = model.filters.get(&Screen::Jobs).map_or("", String::as_str);
    let mut rows = Vec::new();
    match &model.changing.follow.jobs {
        None => rows.push(Row::text(format!("The jobs are being read {}", model.face.glyphs.ellipsis))),
        Some(Err(why)) => prose::says(&mut rows, "", &format!("The jobs cannot be read: {}", flat(why)), model.face.danger(), columns),
        Some(Ok(jobs)) => {
            let wanted = |job: &&JobSummary| passes(filter, &format!("{} {} {}", job.title, word(job), job.id));
            rows.extend(jobs.iter().filter(wanted).map(|job| row(model, job, columns)));
            if rows.is_empty() {
                nothing(model, filter, columns, &mut rows);
            }
        }
    }
    let header = if columns < NARROW {
        "STATE       STEP    COPIED    TIME  WHAT"
    } else {
        "STATE       STEP    COPIED  STARTED (UTC)       TIME  WHAT"
    };
    let header = Line::from(Span::styled(header, model.face.dim()));
    let selected = model.changing.follow.list().iter().find(|job| Some(job.id.as_str()) == model.selected(0));
    let about = selected.map(|job| about(model, job, Pane::columns(lower))).unwrap_or_default();
    vec![
        Pane { area: upper, header: Some(header), rows, ..Pane::default() },
        Pane { area: lower, title: Some("about it: Enter opens it".to_owned()), rows: about, ..Pane::default() },
    ]
}

/// A problem's lines as one.
fn flat(why: &str) -> String {
    why.lines().map(|line| shown::text(line.trim())).collect::<Vec<_>>().join("; ")
}

fn nothing(model: &Model, filter: &str, columns: usize, rows: &mut Vec<Row>) {
    if !filter.is_empty() {
        rows.push(Row::text(format!("No job matches the filter {}; Esc clears it.", shown::text(filter))));
        return;
    }
    rows.push(Row::blank());
    let words = match &model.changing.fixed {
        Some(why) => format!("No job has run here yet, and none can be started: {}.", shown::text(why)),
        None => {
            "No job has run here yet. Every change runs as a job, and outlives this screen: press 1, go to a domain, press c.".to_owned()
        }
    };
    prose::says(rows, "", &words, Style::default(), columns);
}

pub fn style(face: &Face, job: &JobSummary) -> Style {
    match &job.state {
        JobState::Running => face.strong(),
        _ if is_starting(job) => face.strong(),
        JobState::Ended { outcome: Outcome::Done } => face.good(),
        JobState::Ended { outcome: Outcome::Cancelled | Outcome::Undone } => face.dim(),
        JobState::Ended { .. } | JobState::Leftover { .. } => face.danger(),
        JobState::Unreadable { .. } => face.warning(),
    }
}

/// How long it took, or takes so far.
pub fn took(model: &Model, job: &JobSummary) -> Option<u64> {
    let running = job.state == JobState::Running;
    let end = job.ended.or(model.changing.follow.now.filter(|_| running))?;
    u64::try_from(end.signed_duration_since(job.started?).num_seconds()).ok()
}

fn row(model: &Model, job: &JobSummary, columns: usize) -> Row {
    let face = &model.face;
    let dots = face.glyphs.ellipsis;
    let (done, total) = told::together(&job.copies);
    // Without a copy at work there is nothing to say; with one of unknown size it is unknown.
    let copied = if job.copies.is_empty() { String::new() } else { percent_word(bytes::percent(Some(done), total)) };
    let started = job.started.map_or_else(|| "not yet".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
    let time = took(model, job).map_or_else(String::new, told::duration);
    let steps = format!("{}/{}", job.steps_done, job.steps);
    let facts = if columns < NARROW {
        format!(" {steps:<7} {copied:>6} {time:>7}  ")
    } else {
        format!(" {steps:<7} {copied:>6}  {started:<16} {time:>7}  ")
    };
    let room = columns.saturating_sub(11).saturating_sub(text::width(&facts));
    let line = Line::from(vec![
        Span::styled(text::left(word(job), 11, dots), style(face, job)),
        Span::raw(facts),
        Span::raw(text::cut(&shown::text(&job.title), room, dots)),
    ]);
    Row::of(job.id.to_string(), line)
}

fn about(model: &Model, job: &JobSummary, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let plain = Style::default();
    let mut rows = Vec::new();
    prose::says(&mut rows, "", &shown::text(&job.title), face.strong(), columns);
    if let Some(words) = told::interrupted(job) {
        prose::says(&mut rows, "! ", &format!("{words}."), face.danger(), columns);
    }
    if let Some(now) = &job.now {
        let lead = if job.state == JobState::Running { "now: " } else { "at:  " };
        prose::says(&mut rows, lead, &shown::text(now), plain, columns);
    }
    if let Some(meaning) = told::meaning(job) {
        prose::says(&mut rows, "", &meaning, plain, columns);
    }
    if matches!(job.state, JobState::Leftover { .. }) && !is_starting(job) {
        let can = |can: &Result<(), String>, yes: &str| match can {
            Ok(()) => yes.to_owned(),
            Err(why) => format!("{} (not now: {})", yes, shown::text(why)),
        };
        prose::says(&mut rows, "", &can(&job.can_finish, "F goes on with it"), plain, columns);
        prose::says(&mut rows, "", &can(&job.can_undo, "U takes back what it did"), plain, columns);
    }
    prose::says(&mut rows, "", &format!("job {}", job.id), face.dim(), columns);
    rows
}
