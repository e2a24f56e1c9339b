//! The mouse, when a person switched it on: wheel, click on rows, tabs and hints.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::layout::{hints, layout, tabs};
use super::model::Model;
use super::msg::Effect;
use super::widget::text;
use super::{travel, update};

/// Lines a notch of the wheel moves.
const NOTCH: isize = 3;

pub fn update(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    if !model.mouse || !model.overlays.is_empty() {
        return Vec::new();
    }
    match event.kind {
        MouseEventKind::ScrollDown => travel::step(model, NOTCH),
        MouseEventKind::ScrollUp => travel::step(model, -NOTCH),
        MouseEventKind::Down(MouseButton::Left) => return click(model, Position { x: event.column, y: event.row }),
        _ => return Vec::new(),
    }
    model.dirty = true;
    Vec::new()
}

fn click(model: &mut Model, at: Position) -> Vec<Effect> {
    let Some(now) = layout(model.size, model) else { return Vec::new() };
    model.dirty = true;
    let within = |x: u16, wide: usize| (usize::from(x)..usize::from(x).saturating_add(wide)).contains(&usize::from(at.x));
    if at.y == now.tabs.y {
        let hit = tabs(model).into_iter().find(|tab| within(tab.x, text::width(&tab.text)));
        return hit.map_or_else(Vec::new, |tab| update::act(model, tab.action));
    }
    if at.y == now.hints.y {
        let hit =
            hints(model, now.hints.width).into_iter().find(|hint| within(hint.x, text::width(hint.key) + text::width(hint.label) + 1));
        return hit.map_or_else(Vec::new, |hint| update::act(model, hint.action));
    }
    let Some(pane) = now.panes.iter().position(|pane| pane.list().contains(at)) else { return Vec::new() };
    if let Some(stop) = model.trail.last_mut() {
        stop.focus = pane;
    }
    travel::with(model, pane, |cursor, pane| {
        let row = usize::from(at.y.saturating_sub(pane.list().y)).saturating_add(cursor.offset);
        cursor.point(&pane.keys(), row);
    });
    Vec::new()
}
