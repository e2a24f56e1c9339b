//! One job: each disk's progress and map, the steps done and to come, what cancel would take back; below, the log of what happened.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::jobs::{style, took};
use super::{split, split_wide};
use crate::model::job::CopyResult;
use crate::model::told::{self, Stage, is_starting, word};
use crate::model::{JobDetail, JobId, JobState, Outcome, Phase, Progress, What, bytes, shown};
use crate::tui::changing::follow;
use crate::tui::model::Model;
use crate::tui::widget::bar::{bar, percent_word};
use crate::tui::widget::map::{legend, map, signs};
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::{prose, text};

/// Windows from this width on have the log beside the rest.
const BESIDE: u16 = 150;
/// Columns of a bar.
const BAR: usize = 24;
/// Rows of a map where there is room for more than one.
const ROWS: usize = 3;

pub fn panes(model: &Model, id: &JobId, body: Rect) -> Vec<Pane> {
    let Some(detail) = model.changing.follow.job(id) else {
        let columns = Pane::columns(body);
        let mut rows = vec![Row::blank()];
        match &model.changing.follow.trouble {
            Some((of, why)) if of == id => {
                prose::says(&mut rows, "", "This job cannot be read:", model.face.danger(), columns);
                for line in why.lines() {
                    prose::says(&mut rows, "  ", &shown::text(line.trim()), Style::default(), columns);
                }
            }
            _ => rows.push(Row::text(format!("The job is being read {}", model.face.glyphs.ellipsis))),
        }
        return vec![Pane { area: body, rows, ..Pane::default() }];
    };
    let (upper, lower) = if body.width >= BESIDE {
        split_wide(body, body.width.saturating_mul(3) / 5)
    } else {
        split(body, body.height.saturating_sub(body.height / 3))
    };
    let tail = if model.changing.follow.tail { "log: f keeps what you read in sight" } else { "log: f follows its end" };
    vec![
        Pane { area: upper, rows: state(model, detail, Pane::columns(upper), upper.height), ..Pane::default() },
        Pane { area: lower, title: Some(tail.to_owned()), rows: log(detail, Pane::columns(lower)), ..Pane::default() },
    ]
}

fn state(model: &Model, detail: &JobDetail, columns: usize, height: u16) -> Vec<Row> {
    let face = &model.face;
    let plain = Style::default();
    let job = &detail.summary;
    let mut rows = Vec::new();
    let mut times = took(model, job).map_or_else(String::new, |seconds| format!("  time {}", told::duration(seconds)));
    times += &job.started.map_or_else(String::new, |at| format!("  since {} UTC", at.format("%Y-%m-%d %H:%M")));
    let title = text::cut(&shown::text(&job.title), columns.saturating_sub(text::width(&times)), face.glyphs.ellipsis);
    rows.push(Row::of("job", Line::from(vec![Span::styled(title, face.strong()), Span::raw(times)])));
    let at = job.now.as_deref().map_or_else(String::new, |now| format!(": {}", shown::text(now)));
    let facts = if matches!(job.state, JobState::Ended { .. }) {
        format!("  {} of {} steps done", job.steps_done, job.steps)
    } else {
        format!("  step {} of {}{at}", job.steps_done.saturating_add(1).min(job.steps.max(1)), job.steps)
    };
    rows.push(Row::text(Line::from(vec![Span::styled(word(job), style(face, job)), Span::raw(facts)])));
    if let Some(meaning) = told::meaning(job) {
        prose::says(&mut rows, "! ", &meaning, style(face, job), columns);
    }
    if matches!(job.state, JobState::Leftover { .. }) && !is_starting(job) {
        prose::says(&mut rows, "", "F goes on with it, U takes back what it did. Both ask first.", face.strong(), columns);
    }
    copies(model, detail, columns, height, &mut rows);
    prose::heading(&mut rows, "STEPS", face.heading());
    let stages = told::stages(detail);
    for (number, stage) in stages.iter().enumerate() {
        let says = detail.plan.as_ref().and_then(|plan| plan.steps.get(number)).map_or_else(String::new, |step| shown::text(&step.says));
        let style = match stage {
            Stage::ToCome => face.dim(),
            Stage::Now => face.strong(),
            Stage::Done => face.good(),
            Stage::TakenBack => plain,
            Stage::Torn | Stage::Failed | Stage::Interrupted => face.danger(),
        };
        let room = columns.saturating_sub(12);
        let line = vec![
            Span::styled(text::left(stage.as_str(), 8, ""), style),
            Span::raw(format!("{:>2} {}", number.saturating_add(1), text::cut(&says, room, face.glyphs.ellipsis))),
        ];
        rows.push(Row::of(format!("step {number}"), Line::from(line)));
    }
    taken_back(model, detail, columns, &mut rows);
    rows
}

/// What cancel or undo would take back.
fn taken_back(model: &Model, detail: &JobDetail, columns: usize, rows: &mut Vec<Row>) {
    let heading = match &detail.summary.state {
        JobState::Running => "CANCEL WOULD TAKE BACK",
        JobState::Leftover { .. } => "UNDO WOULD TAKE BACK",
        _ => return,
    };
    let Some(lines) = follow::undone_by(model, &detail.summary.id) else { return };
    prose::heading(rows, heading, model.face.heading());
    if lines.is_empty() {
        rows.push(Row::of("nothing back", "nothing so far"));
    }
    for (number, line) in lines.into_iter().enumerate() {
        prose::told(rows, Some(format!("back {number}")), "- ", &line, Style::default(), columns);
    }
}

/// A copy as the journal tells it last.
struct Copy<'a> {
    step: usize,
    label: &'a str,
    progress: Option<Progress>,
    ended: bool,
    /// How its own end was told; the reading back of a bundle is told by its step alone.
    result: Option<&'a CopyResult>,
    map: Option<(&'a str, u64)>,
}

/// Every copy of the job, in the order they were begun.
fn of(detail: &JobDetail) -> Vec<Copy<'_>> {
    let mut copies: Vec<((usize, usize), Copy)> = Vec::new();
    for event in &detail.events {
        if let What::StepEnded { step, phase: Phase::Do, outcome: Outcome::Done } = &event.what {
            copies.iter_mut().filter(|((of, _), _)| of == step).for_each(|(_, copy)| copy.ended = true);
        }
        let (key, label) = match &event.what {
            What::Map { step, part, label, .. } | What::Copied { step, part, label, .. } | What::CopyEnded { step, part, label, .. } => {
                ((*step, *part), label)
            }
            _ => continue,
        };
        let place = copies.iter().position(|(of, _)| *of == key).unwrap_or_else(|| {
            copies.push((key, Copy { step: key.0, label, progress: None, ended: false, result: None, map: None }));
            copies.len().saturating_sub(1)
        });
        let Some((_, copy)) = copies.get_mut(place) else { continue };
        match &event.what {
            What::Map { total, cells, .. } => copy.map = Some((cells, *total)),
            What::Copied { progress, .. } if !copy.ended => copy.progress = Some(*progress),
            What::CopyEnded { result, .. } => {
                copy.ended = true;
                copy.result = Some(result);
            }
            _ => {}
        }
    }
    copies.into_iter().map(|(_, copy)| copy).collect()
}

fn copies(model: &Model, detail: &JobDetail, columns: usize, height: u16, rows: &mut Vec<Row>) {
    let face = &model.face;
    let copies = of(detail);
    if copies.is_empty() {
        return;
    }
    let signs = signs(face);
    let mut heading = vec![Span::styled("COPIES", face.heading())];
    if copies.iter().any(|copy| copy.map.is_some() && !copy.ended) {
        heading.push(Span::styled(format!("  {}", legend(signs)), face.dim()));
    }
    rows.push(Row::text(Line::from(heading)));
    let label = copies.iter().map(|copy| text::width(&shown::text(copy.label))).max().unwrap_or(0).min(16);
    let indent = " ".repeat(label.saturating_add(1));
    for (number, copy) in copies.iter().enumerate() {
        let progress = copy.progress.unwrap_or_default();
        let name = text::left(&shown::text(copy.label), label, face.glyphs.ellipsis);
        let words = if copy.ended { outcome(copy) } else { pace(&progress, copy.progress.is_some(), columns, label) };
        rows.push(Row::of(format!("copy {} {number}", copy.step), Line::from(format!("{name} {words}"))));
        if copy.ended {
            continue;
        }
        let mut facts = vec![
            format!("holes {}", bytes::human(progress.holes)),
            format!("zeros {}", bytes::human(progress.zeros)),
            format!("written {}", bytes::human(progress.written)),
        ];
        if progress.verifying {
            facts.insert(0, "reading it back".to_owned());
        }
        if progress.unreadable > 0 {
            facts.push(format!("UNREADABLE {}", bytes::human(progress.unreadable)));
        }
        let style = if progress.unreadable > 0 { face.danger() } else { face.dim() };
        rows.push(Row::text(Line::from(vec![Span::raw(indent.clone()), Span::styled(facts.join("  "), style)])));
        let Some((cells, total)) = copy.map else { continue };
        let room = columns.saturating_sub(text::width(&indent));
        let lines = if height >= 24 { ROWS } else { 1 };
        let picture: Vec<char> = map(cells, progress.done, total, room.saturating_mul(lines), signs).chars().collect();
        for line in picture.chunks(room.max(1)) {
            rows.push(Row::text(format!("{indent}{}", line.iter().collect::<String>())));
        }
    }
}

/// How a copy came out, on one line.
fn outcome(copy: &Copy) -> String {
    match copy.result {
        None => "done".to_owned(),
        Some(result) => {
            let facts = format!(
                "done  {}  holes {}  zeros {}  written {}",
                bytes::human(result.bytes),
                bytes::human(result.holes),
                bytes::human(result.zeros),
                bytes::human(result.written)
            );
            let lost = result.unreadable.iter().fold(0u64, |sum, (_, length)| sum.saturating_add(*length));
            if lost > 0 { format!("{facts}  UNREADABLE {}", bytes::human(lost)) } else { facts }
        }
    }
}

/// `[######......]  41 %  8.2 GiB of 20 GiB  112 MiB/s  1:45 left`
fn pace(progress: &Progress, begun: bool, columns: usize, label: usize) -> String {
    if !begun {
        return "waits".to_owned();
    }
    let percent = bytes::percent(Some(progress.done), progress.total);
    let of = format!("{} of {}", bytes::human(progress.done), bytes::human_or_unknown(progress.total));
    let room = columns.saturating_sub(label);
    // In a narrow window the numbers are worth more than the bar.
    let mut words = if room < 68 {
        format!("{:>5}  {of}", percent_word(percent))
    } else {
        format!("{} {:>5}  {of:<20}", bar(percent, BAR.min(room.saturating_sub(60))), percent_word(percent))
    };
    let rate = progress.bytes_per_second.map_or_else(|| "? /s".to_owned(), |rate| format!("{}/s", bytes::human(rate)));
    let left = told::time_left(progress).map_or_else(|| "time left unknown".to_owned(), |left| format!("{} left", told::duration(left)));
    words += &if room < 68 { format!("  {rate}  {left}") } else { format!(" {rate:>10}  {left}") };
    words
}

fn log(detail: &JobDetail, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for event in &detail.events {
        if let Some(words) = told::event(event, detail.plan.as_ref()) {
            prose::says(&mut rows, &format!("{} ", event.at.format("%H:%M:%S")), &words, Style::default(), columns);
        }
    }
    if rows.is_empty() {
        rows.push(Row::text("Nothing has happened yet."));
    }
    rows
}
