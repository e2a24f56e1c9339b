//! Moving: within a pane, between panes, between screens.

use super::layout::{Layout, layout};
use super::model::{Model, Screen, Stop};
use super::widget::cursor::Cursor;
use super::widget::pane::Pane;

/// Changes the cursor of the focused pane; when the first pane's selection moves, the others begin at their top again.
fn with_pane(model: &mut Model, change: impl FnOnce(&mut Cursor, &Pane)) {
    let focus = model.focus();
    with(model, focus, change);
}

/// The same for any pane.
pub fn with(model: &mut Model, focus: usize, change: impl FnOnce(&mut Cursor, &Pane)) {
    let Some(now) = layout(model.size, model) else { return };
    let Some(pane) = now.panes.get(focus) else { return };
    let screen = model.screen().clone();
    let cursor = model.cursors.entry((screen.clone(), focus)).or_default();
    let before = cursor.key.clone();
    change(cursor, pane);
    if focus == 0 && cursor.key != before {
        model.cursors.retain(|(of, pane), _| *of != screen || *pane == 0);
    }
}

pub fn settle_pane(model: &mut Model, layout: &Layout, pane: usize) {
    let Some(shown) = layout.panes.get(pane) else { return };
    let there = model.is_there();
    let cursor = model.cursors.entry((model.trail.last().map_or(Screen::Domains, |stop| stop.screen.clone()), pane)).or_default();
    // Before the first look there is nothing to select; what was asked for is kept.
    if there {
        cursor.settle(&shown.keys(), shown.height());
    }
}

pub fn step(model: &mut Model, by: isize) {
    with_pane(model, |cursor, pane| cursor.step(&pane.keys(), by, pane.height()));
}

/// `by` pages, each divided by `parts`.
pub fn pages(model: &mut Model, by: isize, parts: usize) {
    with_pane(model, |cursor, pane| {
        let lines = isize::try_from(pane.height() / parts.max(1)).unwrap_or(1).max(1);
        cursor.step(&pane.keys(), by.saturating_mul(lines), pane.height());
    });
}

pub fn end(model: &mut Model, last: bool) {
    with_pane(
        model,
        |cursor, pane| if last { cursor.last(&pane.keys(), pane.height()) } else { cursor.first(&pane.keys(), pane.height()) },
    );
}

pub fn pane(model: &mut Model, by: isize) {
    let count = super::screen::pane_count(model).max(1);
    if let Some(stop) = model.trail.last_mut() {
        let to = if by < 0 { stop.focus.saturating_add(count).saturating_sub(1) } else { stop.focus.saturating_add(1) };
        stop.focus = to % count;
    }
}

/// To a main screen: the way there begins anew.
pub fn root(model: &mut Model, screen: Screen) {
    model.trail = vec![Stop { screen, focus: 0 }];
}

/// One screen further in.
pub fn enter(model: &mut Model, screen: Screen) {
    if let Screen::Domain(id) = &screen {
        model.cursors.insert((Screen::Domains, 0), Cursor::on(id.clone()));
    }
    if *model.screen() != screen {
        model.trail.push(Stop { screen, focus: 0 });
    }
    // Going round in circles must not grow a trail without end.
    if model.trail.len() > 8 {
        model.trail.remove(1);
    }
}

pub fn back(model: &mut Model) {
    if model.trail.len() > 1 {
        model.trail.pop();
    }
}

/// Peels one layer: the filter, then the screen. Never leaves the program.
pub fn escape(model: &mut Model) {
    let screen = model.screen().clone();
    if model.filters.remove(&screen).is_none_or(|filter| filter.is_empty()) {
        back(model);
    }
}
