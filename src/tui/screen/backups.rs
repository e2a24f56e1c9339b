//! Restore points: each domain with how well it is covered, its restore points below it; what the selected one holds and lacks.

use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Target, split};
use crate::engine::{Coverage, Lack};
use crate::model::bundle::{BundleState, FoundBundle};
use crate::model::{HostPath, Inventory, bytes, shown, told};
use crate::tui::face::Face;
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::{prose, text};

/// Lines below the list; the rest of the window is the list's.
const ABOUT: u16 = 8;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let (upper, lower) = split(body, body.height.saturating_sub(ABOUT).max(body.height / 2));
    let Some(inventory) = model.inventory() else { return Vec::new() };
    let (columns, filter) = (Pane::columns(upper), model.filters.get(&Screen::Backups).map_or("", String::as_str));
    let mut rows = Vec::new();
    for one in &model.index.coverage {
        let head = domain_row(model, inventory, one, columns);
        let mut points: Vec<Row> = one.points(inventory).map(|point| point_row(model, inventory, point, columns)).collect();
        // Where the domain's own line matches, all of its restore points are shown.
        if !passes(filter, &head.line.to_string()) {
            points.retain(|row| passes(filter, &row.line.to_string()));
            if points.is_empty() {
                continue;
            }
        }
        rows.push(head);
        rows.extend(points);
    }
    if rows.is_empty() {
        let words = match filter {
            "" => "No domain, and no backup in the directories of the settings (backup_dirs).".to_owned(),
            filter => format!("Nothing matches the filter {}; Esc clears it.", shown::text(filter)),
        };
        rows.push(Row::text(words));
    }
    let about = model.selected(0).map(|key| about(model, inventory, key, Pane::columns(lower))).unwrap_or_default();
    vec![
        Pane { area: upper, header: Some(header(&model.face)), rows, ..Pane::default() },
        Pane { area: lower, title: Some("about it".to_owned()), rows: about, ..Pane::default() },
    ]
}

fn header(face: &Face) -> Line<'static> {
    Line::from(Span::styled("DOMAIN, INSTANT (UTC)      AGE  STATE        SIZE    TAKES  CONSISTENCY", face.dim()))
}

fn domain_key(one: &Coverage) -> String {
    match (&one.domain, &one.host) {
        (Some(domain), _) => format!("domain {domain}"),
        (None, Some(host)) => format!("gone {} {host}", one.name),
        (None, None) => format!("gone {}", one.name),
    }
}

fn point_key(point: &FoundBundle) -> String {
    format!("bundle {}", point.path)
}

/// Its name, how many restore points, and the worst of what is lacking.
fn domain_row(model: &Model, inventory: &Inventory, one: &Coverage, columns: usize) -> Row {
    let face = &model.face;
    let name = if one.points.is_empty() || one.name != "?" { shown::text(&one.name) } else { "not whole, or not understood".to_owned() };
    let whose = match (&one.domain, &one.host) {
        (Some(_), _) => String::new(),
        (None, Some(host)) => format!(" of {}", shown::text(host)),
        (None, None) if one.name == "?" => String::new(),
        (None, None) => " (no such domain here)".to_owned(),
    };
    let mut spans = vec![Span::styled(text::cut(&name, columns / 3, face.glyphs.ellipsis), face.strong()), Span::raw(whose)];
    let (words, style) = state(inventory, one, face);
    if !words.is_empty() {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(words, style));
    }
    Row::of(domain_key(one), Line::from(spans))
}

fn state(inventory: &Inventory, one: &Coverage, face: &Face) -> (String, Style) {
    match one.lacks.first() {
        Some(lack @ (Lack::NoneFound | Lack::NoneGood)) => (format!("! {}", lack.says()), face.warning()),
        Some(lack) => {
            let more = one.lacks.len().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            (format!("! {}{more}", lack.says()), face.warning())
        }
        None => match one.newest_good(inventory).and_then(|point| point.said.as_ref()) {
            Some(said) => (format!("newest good one {} old", age(inventory, said.instant)), face.good()),
            None => (String::new(), Style::default()),
        },
    }
}

fn age(inventory: &Inventory, instant: DateTime<Utc>) -> String {
    inventory.host.taken.map_or_else(|| "?".to_owned(), |now| told::age(instant, now))
}

fn state_style(face: &Face, state: &BundleState) -> Style {
    match state {
        BundleState::Good => face.good(),
        BundleState::Partial | BundleState::Unknown { .. } => face.warning(),
        BundleState::Torn { .. } | BundleState::Damaged { .. } => face.danger(),
    }
}

fn point_row(model: &Model, inventory: &Inventory, point: &FoundBundle, columns: usize) -> Row {
    let face = &model.face;
    let dots = face.glyphs.ellipsis;
    let takes = bytes::human_or_unknown(point.allocated);
    let state = text::left(point.state.as_str(), 8, dots);
    let (lead, size, how) = match &point.said {
        Some(said) => (
            format!("  {:<16} {:>11}  ", said.instant.format("%Y-%m-%d %H:%M"), age(inventory, said.instant)),
            bytes::human(said.bytes),
            shown::text(&said.consistency),
        ),
        None => {
            (format!("  {}  ", text::left(&text::cut_path(&point.path.to_string(), 28, dots), 28, dots)), "?".to_owned(), String::new())
        }
    };
    let facts = format!(" {size:>8} {takes:>8}  ");
    let room = columns.saturating_sub(text::width(&lead)).saturating_sub(8).saturating_sub(text::width(&facts));
    let line = Line::from(vec![
        Span::raw(lead),
        Span::styled(state, state_style(face, &point.state)),
        Span::raw(facts),
        Span::raw(text::cut(&how, room, dots)),
    ]);
    Row::of(point_key(point), line)
}

fn about(model: &Model, inventory: &Inventory, key: &str, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(one) = model.index.coverage.iter().find(|one| domain_key(one) == key) {
        about_domain(&mut rows, model, inventory, one, columns);
    } else if let Some(point) = inventory.bundles.iter().find(|point| point_key(point) == key) {
        about_point(&mut rows, model, point, columns);
    }
    rows
}

fn about_domain(rows: &mut Vec<Row>, model: &Model, inventory: &Inventory, one: &Coverage, columns: usize) {
    let (face, plain) = (&model.face, Style::default());
    let points = text::count(one.points.len(), "restore point");
    match one.newest_good(inventory).and_then(|point| point.said.as_ref()) {
        Some(said) => {
            prose::says(rows, "", &format!("{points}; the newest good one is {} old.", age(inventory, said.instant)), plain, columns);
        }
        None if one.points.is_empty() => {}
        None => prose::says(rows, "", &format!("{points}."), plain, columns),
    }
    for lack in &one.lacks {
        prose::says(rows, "! ", &format!("{}.", shown::text(&lack.says())), face.warning(), columns);
    }
    if one.domain.is_some() {
        prose::says(rows, "", "b backs it up.", face.dim(), columns);
    }
    prose::says(rows, "", "Backups are looked for in the directories of the setting backup_dirs.", face.dim(), columns);
}

fn about_point(rows: &mut Vec<Row>, model: &Model, point: &FoundBundle, columns: usize) {
    let (face, plain) = (&model.face, Style::default());
    // A path stays whole as long as it can: it will be copied (y).
    prose::says(rows, "", &point.path.to_string(), face.strong(), columns);
    if let Some(why) = point.state.why() {
        prose::says(rows, "! ", &shown::text(why), state_style(face, &point.state), columns);
    }
    if point.state == BundleState::Partial {
        prose::says(rows, "! ", "Whoever wrote it was interrupted, or is still at work: see Jobs (6).", face.warning(), columns);
    }
    let Some(said) = &point.said else { return };
    prose::says(rows, "consistency: ", &shown::text(&said.consistency), plain, columns);
    let pieces: Vec<String> =
        said.pieces.iter().map(|piece| format!("{} {}", shown::text(&piece.name), bytes::human(piece.bytes))).collect();
    prose::says(rows, "holds: ", &pieces.join(", "), plain, columns);
    for left in &said.left_out {
        prose::says(rows, "! ", &format!("left out: {}, {}", shown::text(&left.what), shown::text(&left.why)), face.warning(), columns);
    }
    if said.unreadable > 0 {
        let lack = Lack::Unreadable { bytes: said.unreadable };
        prose::says(rows, "! ", &lack.says(), face.danger(), columns);
    }
    prose::says(rows, "", "R brings it back; y copies its path, for `domkeep verify`, which compares every byte.", face.dim(), columns);
}

/// The backup under the cursor.
pub fn selected(model: &Model) -> Option<&HostPath> {
    let key = model.cursors.get(&(Screen::Backups, 0))?.key.as_deref()?;
    model.inventory()?.bundles.iter().find(|point| point_key(point) == key).map(|point| &point.path)
}

/// Enter goes to the domain that the line is about.
pub fn target(model: &Model) -> Option<Target> {
    let key = model.selected(0)?;
    let inventory = model.inventory()?;
    let is_it = |one: &&Coverage| domain_key(one) == key || one.points(inventory).any(|point| point_key(point) == key);
    model.index.coverage.iter().find(is_it)?.domain.clone().map(Target::Domain)
}
