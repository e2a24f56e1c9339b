//! A plan before it is launched: each step with its exact command and why, what it takes for granted, what it changes in files, what undoes
//! it. Or why there is no plan, and what would make it possible.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{split, split_wide};
use crate::model::diff::{Change, diff};
use crate::model::{Edit, Held, Plan, Refusal, Risk, Step, shown, told};
use crate::tui::changing::proposal::{Proposal, Rehearsal, Stage};
use crate::tui::face::Face;
use crate::tui::model::Model;

use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::{prose, text};

/// Windows from this width on have the step's words beside the list.
const BESIDE: u16 = 140;
/// Lines of one edit that are drawn; the whole file is in the script.
const EDIT: usize = 400;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let columns = Pane::columns(body);
    let plain = Style::default();
    let mut rows = Vec::new();
    let whole = |rows| vec![Pane { area: body, rows, ..Pane::default() }];
    let Some(proposal) = &model.changing.proposal else {
        prose::says(&mut rows, "", "There is no plan here any more. Esc goes back.", plain, columns);
        return whole(rows);
    };
    match &proposal.stage {
        Stage::Asked => {
            rows.push(Row::blank());
            prose::says(&mut rows, "", "The host is being asked, and the plan is made. Nothing is changed by that.", plain, columns);
            whole(rows)
        }
        Stage::Refused(refusal) => whole(refused(model, proposal, refusal, columns)),
        Stage::Made(plan) => {
            let (upper, lower) = if body.width >= BESIDE {
                split_wide(body, body.width.saturating_mul(11) / 20)
            } else {
                split(body, body.height.saturating_mul(3) / 5)
            };
            let (number, title, rows) = about(model, plan, Pane::columns(lower));
            let title = number.map_or(title, |number| format!("step {number} of {}", plan.steps.len()));
            vec![
                Pane { area: upper, rows: list(model, proposal, plan, Pane::columns(upper)), ..Pane::default() },
                Pane { area: lower, title: Some(title), rows, ..Pane::default() },
            ]
        }
    }
}

fn refused(model: &Model, proposal: &Proposal, refusal: &Refusal, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let mut rows = vec![Row::blank()];
    prose::heading(&mut rows, "domkeep does not do that now.", face.danger());
    rows.push(Row::blank());
    prose::heading(&mut rows, "What is in the way", face.heading());
    prose::says(&mut rows, "  ", &shown::text(&refusal.fact), Style::default(), columns);
    prose::heading(&mut rows, "What would make it possible", face.heading());
    prose::says(&mut rows, "  ", &shown::text(&refusal.instead), Style::default(), columns);
    rows.push(Row::blank());
    let back =
        if model.changing.draft.is_some() { "Esc goes back to the form; what you filled in is still there." } else { "Esc goes back." };
    prose::says(&mut rows, "", back, face.dim(), columns);
    prose::says(&mut rows, "", &format!("(rule {})", shown::text(&refusal.rule)), face.dim(), columns);
    if let Some(rehearsal) = &proposal.rehearsal {
        rehearsed(face, rehearsal, columns, &mut rows);
    }
    rows
}

/// The whole plan in lines of which each can be selected.
fn list(model: &Model, proposal: &Proposal, plan: &Plan, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let dots = face.glyphs.ellipsis;
    let mut rows = Vec::new();
    prose::told(&mut rows, Some("plan".to_owned()), "", &shown::text(&plan.title), face.strong(), columns);
    let style = if plan.risk == Risk::Destroys { face.danger() } else { Style::default() };
    prose::says(&mut rows, "", told::risk(plan), style, columns);
    if let Some(busy) = proposal.busy {
        prose::says(&mut rows, "", &format!("It is {busy} {dots}"), face.strong(), columns);
    }
    if let Some(rehearsal) = &proposal.rehearsal {
        rehearsed(face, rehearsal, columns, &mut rows);
    }
    if !plan.warnings.is_empty() {
        prose::heading(&mut rows, "BEWARE", face.heading());
    }
    for (number, warning) in plan.warnings.iter().enumerate() {
        prose::told(&mut rows, Some(format!("warning {number}")), "! ", &shown::text(warning), face.warning(), columns);
    }
    prose::heading(&mut rows, &format!("STEPS ({})", plan.steps.len()), face.heading());
    for (number, step) in plan.steps.iter().enumerate() {
        let lead = format!("{:>2} ", number.saturating_add(1));
        let says = text::cut(&shown::text(&step.says), columns.saturating_sub(3), dots);
        rows.push(Row::of(format!("step {number}"), Line::from(vec![Span::raw(lead), Span::raw(says)])));
        let line = text::cut(&told::line(&step.action), columns.saturating_sub(5), dots);
        rows.push(Row::text(Line::from(vec![Span::raw("     "), Span::styled(line, face.dim())])));
    }
    if !plan.assumptions.is_empty() {
        prose::heading(&mut rows, "TAKEN FOR GRANTED, and looked at again before each step", face.heading());
    }
    for (number, assumption) in plan.assumptions.iter().enumerate() {
        prose::told(&mut rows, Some(format!("assumption {number}")), " - ", &shown::text(&assumption.says), Style::default(), columns);
    }
    for (number, edit) in plan.edits.iter().enumerate() {
        edited(face, number, edit, columns, &mut rows);
    }
    if !plan.evidence.is_empty() {
        prose::heading(&mut rows, "SEEN", face.heading());
    }
    for (number, seen) in plan.evidence.iter().enumerate() {
        prose::told(
            &mut rows,
            Some(format!("seen {number}")),
            " - ",
            &shown::text(&format!("{} ({})", seen.what, seen.source)),
            Style::default(),
            columns,
        );
    }
    rows
}

fn rehearsed(face: &Face, rehearsal: &Rehearsal, columns: usize, rows: &mut Vec<Row>) {
    prose::heading(rows, "DRY RUN: nothing was changed", face.heading());
    match &rehearsal.again {
        Ok(_) => {
            prose::says(rows, "  ", "Planned again from a fresh look: this is the plan as it would be launched now.", face.good(), columns);
        }
        Err(refusal) => {
            prose::says(rows, "  ", &format!("It would be refused now: {}", shown::text(&refusal.fact)), face.danger(), columns);
        }
    }
    for (says, held) in &rehearsal.held {
        let style = match held {
            Held::Yes => face.good(),
            Held::No { .. } => face.danger(),
            Held::Unknown { .. } => face.warning(),
        };
        prose::says(rows, "  - ", &format!("{}: {}", shown::text(says), told::held(held)), style, columns);
    }
}

fn edited(face: &Face, number: usize, edit: &Edit, columns: usize, rows: &mut Vec<Row>) {
    let word = if edit.before.is_some() { "CHANGES IN" } else { "NEW FILE" };
    rows.push(Row::of(format!("edit {number}"), Line::from(Span::styled(format!("{word} {}", edit.path), face.heading()))));
    // Each line can be selected: that is how one reaches the end of a long edit.
    for (line_number, change) in diff(edit.before.as_deref().unwrap_or_default(), &edit.after).into_iter().take(EDIT).enumerate() {
        let (lead, line, style) = match change {
            Change::Same(line) => ("  ", shown::text(line), Style::default()),
            Change::Goes(line) => ("- ", shown::text(line), face.danger()),
            Change::Comes(line) => ("+ ", shown::text(line), face.good()),
            Change::Skipped(lines) => ("  ", format!("({} as before)", text::count(lines, "line")), face.dim()),
        };
        let blank = line.is_empty();
        let key = format!("edit {number} {line_number}");
        prose::told(rows, Some(key), lead, if blank { " " } else { &line }, style, columns);
    }
}

/// What there is to say of the selected line.
fn about(model: &Model, plan: &Plan, columns: usize) -> (Option<usize>, String, Vec<Row>) {
    let face = &model.face;
    let mut rows = Vec::new();
    let selected = model.selected(0).unwrap_or_default();
    if let Some((number, step)) = selected
        .strip_prefix("step ")
        .and_then(|number| number.parse::<usize>().ok())
        .and_then(|number| plan.steps.get(number).map(|step| (number, step)))
    {
        step_rows(face, plan, number, step, columns, &mut rows);
        return (Some(number.saturating_add(1)), String::new(), rows);
    }
    if selected.starts_with("edit ") {
        let words = "Lines with - go, lines with + come. The old file is kept in the job's folder, and undo brings it back.";
        prose::says(&mut rows, "", words, Style::default(), columns);
        return (None, "the file".to_owned(), rows);
    }
    let words = "Enter launches it, after a question. It then runs as a job of its own that outlives this screen and this terminal.";
    prose::says(&mut rows, "", words, Style::default(), columns);
    let words = "d tries it without changing anything, w writes it as a script, y copies a command, Esc goes back.";
    prose::says(&mut rows, "", words, Style::default(), columns);
    if let Some(confirm) = &plan.confirm {
        prose::says(&mut rows, "! ", &shown::text(&confirm.loses), face.danger(), columns);
    }
    (None, "the plan".to_owned(), rows)
}

fn step_rows(face: &Face, plan: &Plan, number: usize, step: &Step, columns: usize, rows: &mut Vec<Row>) {
    let plain = Style::default();
    prose::says(rows, "", &shown::text(&step.says), face.strong(), columns);
    prose::says(rows, "why      ", &shown::text(&step.why), plain, columns);
    for (number, line) in told::lines(&step.action).into_iter().enumerate() {
        prose::says(rows, if number == 0 { "command  " } else { "         " }, &line, plain, columns);
    }
    prose::says(rows, "undo     ", &told::undo(step), plain, columns);
    if let Some(cleanup) = &step.cleanup {
        prose::says(rows, "at last  ", &format!("{}, also when it fails", shown::text(cleanup.says.trim_end_matches('.'))), plain, columns);
    }
    for assumption in plan.assumptions.iter().filter(|assumption| assumption.through.is_none_or(|last| number <= last)) {
        prose::says(rows, "only if  ", &shown::text(&assumption.says), face.dim(), columns);
    }
}
