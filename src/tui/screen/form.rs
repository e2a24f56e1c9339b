//! A form: the questions one under another, and below them what the selected one means. Every question teaches.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::split;
use crate::model::form::Choice;
use crate::model::{Field, FieldKind, shown};
use crate::tui::changing::draft::{BUTTON, Draft, options};
use crate::tui::layout::Layout;
use crate::tui::model::Model;
use crate::tui::widget::pane::{GUTTER, Pane, Row};
use crate::tui::widget::{prose, text};

/// Columns of the questions, at most.
const LABEL: usize = 26;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let Some(draft) = &model.changing.draft else {
        let rows = vec![Row::blank(), Row::text("There is no form here any more. Esc goes back.")];
        return vec![Pane { area: body, rows, ..Pane::default() }];
    };
    let columns = Pane::columns(body);
    let list = questions(model, draft, columns);
    let about = about(model, draft, columns);
    let wanted = u16::try_from(list.len()).unwrap_or(u16::MAX);
    // The questions come first; what is left is for the words about the selected one, and never less than a third.
    let upper = wanted.min(body.height.saturating_sub((body.height / 3).max(5)));
    let (upper, lower) = split(body, upper);
    vec![
        Pane { area: upper, rows: list, ..Pane::default() },
        Pane { area: lower, title: Some(title(model, draft)), rows: about, ..Pane::default() },
    ]
}

fn title(model: &Model, draft: &Draft) -> String {
    let selected = model.selected(0).and_then(|key| draft.field(key));
    selected.map_or_else(|| "the plan comes first".to_owned(), |field| shown::text(&field.label))
}

fn label_width(draft: &Draft) -> usize {
    draft.asked().map(|field| text::width(&shown::text(&field.label))).max().unwrap_or(0).min(LABEL)
}

fn questions(model: &Model, draft: &Draft, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let dots = face.glyphs.ellipsis;
    let mut rows = Vec::new();
    prose::says(&mut rows, "", &shown::text(&draft.form.teaches), face.dim(), columns);
    rows.push(Row::blank());
    let label = label_width(draft);
    for field in draft.asked() {
        let room = columns.saturating_sub(label).saturating_sub(2);
        let mut spans = vec![Span::raw(text::left(&shown::text(&field.label), label, dots)), Span::raw("  ")];
        spans.extend(value(model, draft, field, room));
        rows.push(Row::of(field.key.clone(), Line::from(spans)));
        if let Some(trouble) = draft.trouble(field) {
            let lead = format!("{}  ! ", " ".repeat(label));
            prose::says(&mut rows, &lead, &shown::text(trouble), face.danger(), columns);
        }
    }
    for trouble in draft.other_troubles() {
        prose::says(&mut rows, "! ", &shown::text(&trouble.says), face.danger(), columns);
    }
    rows.push(Row::of(BUTTON, Line::from(vec![Span::styled("[ Show the plan ]", face.strong()), Span::raw("  changes nothing yet")])));
    rows
}

fn value(model: &Model, draft: &Draft, field: &Field, room: usize) -> Vec<Span<'static>> {
    let face = &model.face;
    let dots = face.glyphs.ellipsis;
    if let Some(options) = options(&field.kind) {
        let label = options.iter().find(|choice| choice.value == field.value);
        let label = label.map_or_else(|| "choose".to_owned(), |choice| shown::text(&choice.label));
        return vec![Span::raw(text::cut(&format!("< {label} >"), room, dots))];
    }
    let here = model.selected(0) == Some(&field.key);
    let typing = draft.typing.as_ref().filter(|(key, _)| here && *key == field.key);
    let words = match typing {
        Some((_, typing)) => typing.window(room).0,
        None if matches!(field.kind, FieldKind::Path) => text::cut_path(&shown::text(&field.value), room, dots),
        None => text::cut(&shown::text(&field.value), room, dots),
    };
    if words.is_empty() && !here {
        let word = if field.required { "(needed)" } else { "(nothing)" };
        return vec![Span::styled(word, face.dim())];
    }
    vec![Span::raw(words)]
}

/// What the selected question means, and every choice with what it is for or why it is none.
fn about(model: &Model, draft: &Draft, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let plain = ratatui::style::Style::default();
    let mut rows = Vec::new();
    let Some(field) = model.selected(0).and_then(|key| draft.field(key)) else {
        let words = "Enter makes the plan and shows it: every step with its exact command, and what undoes it. Nothing is changed before you \
                     launch it there.";
        prose::says(&mut rows, "", words, plain, columns);
        return rows;
    };
    if let Some(trouble) = draft.trouble(field) {
        prose::says(&mut rows, "! ", &shown::text(trouble), face.danger(), columns);
    }
    prose::says(&mut rows, "", &shown::text(&field.help), plain, columns);
    prose::says(&mut rows, "", written_as(field), face.dim(), columns);
    if let FieldKind::Choice { options } = &field.kind {
        // What is chosen comes first: the list may be longer than the window.
        let (chosen, others): (Vec<&Choice>, Vec<&Choice>) = options.iter().partition(|choice| choice.value == field.value);
        for choice in chosen.into_iter().chain(others) {
            option(model, field, choice, columns, &mut rows);
        }
    }
    rows
}

fn written_as(field: &Field) -> &'static str {
    match field.kind {
        FieldKind::Text => "",
        FieldKind::Path => "A whole path, from / on.",
        FieldKind::Size => "As 512M, 20G or 1.5T: powers of 1024.",
        FieldKind::Number => "A number.",
        FieldKind::Flag => "Space changes it; y and n answer it.",
        FieldKind::Choice { .. } => "Space takes the next one, Enter opens the list.",
    }
}

fn option(model: &Model, field: &Field, choice: &Choice, columns: usize, rows: &mut Vec<Row>) {
    let face = &model.face;
    let mark = if choice.value == field.value { "(*)" } else { "( )" };
    let label = shown::text(&choice.label);
    match &choice.not_here {
        Some(why) => prose::says(rows, "    ", &format!("{label}: not here: {}", shown::text(why)), face.dim(), columns),
        None if choice.help.is_empty() => prose::says(rows, &format!("{mark} "), &label, face.strong(), columns),
        None => {
            let words = format!("{label}: {}", shown::text(&choice.help));
            prose::says(rows, &format!("{mark} "), &words, ratatui::style::Style::default(), columns);
        }
    }
}

/// The terminal's own cursor stands where the next letter goes.
pub fn cursor(model: &Model, now: &Layout, frame: &mut Frame) {
    let (Some(draft), Some(pane)) = (&model.changing.draft, now.panes.first()) else { return };
    let Some((key, typing)) = &draft.typing else { return };
    let typed = draft.field(key).is_some_and(|field| options(&field.kind).is_none());
    let Some(row) = pane.rows.iter().position(|row| row.key.as_ref() == Some(key)).filter(|_| typed) else { return };
    let Some(row) = row.checked_sub(model.cursor(0).offset).filter(|row| *row < pane.height()) else { return };
    let list = pane.list();
    let lead = label_width(draft).saturating_add(2);
    let (_, at) = typing.window(Pane::columns(pane.area).saturating_sub(lead));
    let x = usize::from(list.x).saturating_add(usize::from(GUTTER)).saturating_add(lead).saturating_add(at);
    let x = u16::try_from(x).unwrap_or(u16::MAX).min(list.right().saturating_sub(1));
    frame.set_cursor_position(Position { x, y: list.y.saturating_add(u16::try_from(row).unwrap_or(0)) });
}
