//! Every command that ran on the host, oldest first, its time and exit; below it the whole line and its complaint.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{WIDE, split, split_wide};
use crate::engine::CommandEntry as Entry;
use crate::model::shown;
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

fn key(number: usize, entry: &Entry) -> String {
    format!("{} {number}", entry.at.timestamp_micros())
}

/// How a command ended, in a word.
fn end(entry: &Entry) -> String {
    match &entry.result {
        Ok(0) => "ok".to_owned(),
        Ok(exit) => format!("exit {exit}"),
        Err(error) => match error.reason() {
            crate::model::GapReason::NoTool => "no tool".to_owned(),
            crate::model::GapReason::TimedOut => "no answer".to_owned(),
            _ => "failed".to_owned(),
        },
    }
}

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let filter = model.filters.get(&Screen::Commands).map_or("", String::as_str);
    let dots = model.face.glyphs.ellipsis;
    let mut rows = Vec::new();
    // Only what can be seen is written out.
    let first = model.cursor(0).offset;
    let seen = first..first.saturating_add(usize::from(body.height));
    for (number, entry) in model.commands.iter().enumerate() {
        let end = end(entry);
        if !filter.is_empty() && !passes(filter, &format!("{} {end}", entry.cmd)) {
            continue;
        }
        if !seen.contains(&rows.len()) {
            rows.push(Row::of(key(number, entry), Line::default()));
            continue;
        }
        let style = if entry.result == Ok(0) { model.face.dim() } else { model.face.warning() };
        let spans = vec![
            Span::raw(entry.at.format("%H:%M:%S").to_string()),
            Span::raw(format!(" {:>7} ms  ", entry.took.as_millis())),
            Span::styled(text::left(&end, 9, dots), style),
            Span::raw(format!(" {}", entry.cmd)),
        ];
        rows.push(Row::of(key(number, entry), Line::from(spans)));
    }
    if rows.is_empty() {
        rows.push(Row::text(if filter.is_empty() {
            "No command has run on this host yet.".to_owned()
        } else {
            format!("No command matches the filter {}; Esc clears it.", shown::text(filter))
        }));
    }
    let header = Line::from(Span::styled("TIME (UTC)     TOOK  END       COMMAND", model.face.dim()));
    let (upper, lower) = if body.width >= WIDE {
        split_wide(body, body.width.saturating_mul(3) / 5)
    } else {
        split(body, body.height.saturating_mul(3) / 5)
    };
    vec![
        Pane { area: upper, header: Some(header), rows, ..Pane::default() },
        Pane {
            area: lower,
            title: Some("the command, and what could not be read".to_owned()),
            rows: detail(model, Pane::columns(lower)),
            ..Pane::default()
        },
    ]
}

pub fn selected(model: &Model) -> Option<&Entry> {
    let selected = model.cursors.get(&(Screen::Commands, 0))?.key.as_deref()?;
    model.commands.iter().enumerate().find(|(number, entry)| key(*number, entry) == selected).map(|(_, entry)| entry)
}

fn detail(model: &Model, columns: usize) -> Vec<Row> {
    let mut lines = Vec::new();
    if let Some(entry) = selected(model) {
        lines.extend(text::wrap(&entry.cmd.to_string(), columns));
        let ended = match &entry.result {
            Ok(exit) => format!("exit status {exit}, {} ms, {} bytes of output", entry.took.as_millis(), entry.stdout_bytes),
            Err(error) => format!("did not end: {}", shown::text(&error.to_string())),
        };
        lines.push(ended);
        if let Some(complaint) = &entry.complaint {
            lines.extend(text::wrap(&format!("it said: {}", shown::text(complaint)), columns));
        }
        lines.push(String::new());
    }
    let gaps = model.inventory().map_or(&[][..], |inventory| &inventory.gaps);
    lines.push(if gaps.is_empty() {
        "Everything that was asked could be read.".to_owned()
    } else {
        format!("{} could not be read:", text::count(gaps.len(), "thing"))
    });
    for gap in gaps {
        let words = format!("{}: {} (not seen: {})", shown::text(&gap.source), shown::text(&gap.why), shown::text(&gap.missing));
        lines.extend(text::wrap(&words, columns));
    }
    lines.into_iter().map(Row::text).collect()
}
