//! What lies over a screen: a stack; keys go to the top one only.

pub mod copy;
pub mod field;
mod gaps;
mod help;
mod palette;
pub mod picker;
mod sort;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

pub use field::Typing;
pub use gaps::{gaps, next_step};
pub use picker::{Kind, Picker};

use super::keymap::{self, Action, Context};
use super::layout::Layout;
use super::model::Model;
use super::msg::Effect;
use super::widget::cursor::Cursor;
use super::widget::pane::{Pane, Row, put};
use super::widget::text;
use crate::model::shown;

#[derive(Clone, Debug)]
pub enum Overlay {
    Picker(Picker),
    /// The filter of the list below, shown on the status line.
    Filter(Typing),
    Reader(Reader),
}

/// A text to read.
#[derive(Clone, Debug)]
pub struct Reader {
    pub title: String,
    /// Paragraphs, wrapped when drawn; an empty one is an empty line.
    pub paragraphs: Vec<String>,
    pub cursor: Cursor,
}

impl Overlay {
    pub fn picker(kind: Kind) -> Self {
        Self::Picker(Picker::new(kind))
    }

    pub fn filter(before: &str) -> Self {
        Self::Filter(Typing::new(before))
    }

    pub fn reader(title: impl Into<String>, paragraphs: Vec<String>) -> Self {
        Self::Reader(Reader { title: title.into(), paragraphs, cursor: Cursor::default() })
    }

    pub fn error(title: &str, paragraphs: &[String]) -> Self {
        let paragraphs = paragraphs.iter().flat_map(|text| shown::lines(text)).collect();
        Self::reader(format!("Error: {title}"), paragraphs)
    }
}

/// Keys of the top overlay.
pub fn press(model: &mut Model, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let Some(top) = model.overlays.last() else { return Vec::new() };
    let context = if matches!(top, Overlay::Reader(_)) { Context::Reader } else { Context::Field };
    if let Some(action) = keymap::lookup(context, name) {
        return match action {
            Action::QuitNow | Action::Redraw | Action::Suspend => super::update::act(model, action),
            Action::Escape => close(model),
            Action::Open => take(model),
            _ => travel(model, action),
        };
    }
    if let Some(request) = field::request(name, key) {
        edit(model, |typing| {
            typing.input.handle(request);
        });
    }
    Vec::new()
}

/// Pasted text goes into a field, on one line; anywhere else it is thrown away, for it is not keys.
pub fn paste(model: &mut Model, text: &str) -> bool {
    edit(model, |typing| typing.insert(text))
}

fn edit(model: &mut Model, change: impl FnOnce(&mut Typing)) -> bool {
    let screen = model.screen().clone();
    match model.overlays.last_mut() {
        Some(Overlay::Filter(typing)) => {
            change(typing);
            model.filters.insert(screen, typing.input.value().to_owned());
        }
        Some(Overlay::Picker(picker)) => {
            change(&mut picker.typing);
            picker.cursor = Cursor::default();
        }
        _ => return false,
    }
    true
}

fn close(model: &mut Model) -> Vec<Effect> {
    let screen = model.screen().clone();
    if let Some(Overlay::Filter(typing)) = model.overlays.pop() {
        model.filters.insert(screen, typing.before);
    }
    Vec::new()
}

fn take(model: &mut Model) -> Vec<Effect> {
    let chosen = match model.overlays.last() {
        Some(Overlay::Picker(picker)) => {
            let items = picker::matching(model, picker);
            match items.into_iter().find(|item| Some(&item.key) == picker.cursor.key.as_ref()) {
                Some(item) => Some(item.choice),
                None => return Vec::new(),
            }
        }
        _ => None,
    };
    model.overlays.pop();
    chosen.map_or_else(Vec::new, |choice| picker::choose(model, choice))
}

fn travel(model: &mut Model, action: Action) -> Vec<Effect> {
    if matches!(model.overlays.last(), Some(Overlay::Filter(_))) {
        match action {
            Action::Down => super::travel::step(model, 1),
            Action::Up => super::travel::step(model, -1),
            Action::PageDown => super::travel::pages(model, 1, 1),
            _ => super::travel::pages(model, -1, 1),
        }
        return Vec::new();
    }
    let Some(now) = super::layout::layout(model.size, model) else { return Vec::new() };
    let Some((_, pane)) = now.overlay else { return Vec::new() };
    let (keys, height) = (pane.keys(), pane.height());
    let page = isize::try_from(height).unwrap_or(1);
    if let Some(cursor) = cursor(model) {
        match action {
            Action::Down => cursor.step(&keys, 1, height),
            Action::Up => cursor.step(&keys, -1, height),
            Action::PageDown => cursor.step(&keys, page, height),
            Action::PageUp => cursor.step(&keys, -page, height),
            Action::First => cursor.first(&keys, height),
            Action::Last => cursor.last(&keys, height),
            _ => {}
        }
    }
    Vec::new()
}

fn cursor(model: &mut Model) -> Option<&mut Cursor> {
    match model.overlays.last_mut()? {
        Overlay::Picker(picker) => Some(&mut picker.cursor),
        Overlay::Reader(reader) => Some(&mut reader.cursor),
        Overlay::Filter(_) => None,
    }
}

pub fn settle(model: &mut Model, layout: &Layout) {
    if let (Some((_, pane)), Some(cursor)) = (&layout.overlay, cursor(model)) {
        cursor.settle(&pane.keys(), pane.height());
    }
}

/// The box of an overlay and the pane in it; nothing for the filter, which has no box.
pub fn pane(model: &Model, overlay: &Overlay, body: Rect) -> Option<(Rect, Pane)> {
    let width = body.width.saturating_sub(4).min(96);
    let columns = usize::from(width.saturating_sub(6));
    let (rows, typed) = match overlay {
        Overlay::Filter(_) => return None,
        Overlay::Picker(picker) => (picker::rows(model, picker, columns), 1),
        Overlay::Reader(reader) => {
            let lines = reader.paragraphs.iter().flat_map(|paragraph| text::wrap_indented(paragraph, columns));
            (lines.map(Row::text).collect(), 0)
        }
    };
    let wanted = u16::try_from(rows.len().max(1)).unwrap_or(u16::MAX).saturating_add(2 + typed);
    let height = wanted.min(body.height);
    let x = body.x + body.width.saturating_sub(width) / 2;
    let y = body.y + body.height.saturating_sub(height) / 2;
    let frame = Rect { x, y, width, height };
    let inside = Rect {
        x: frame.x.saturating_add(1),
        y: frame.y.saturating_add(1 + typed),
        width: frame.width.saturating_sub(2),
        height: frame.height.saturating_sub(2 + typed),
    };
    Some((frame, Pane { area: inside, rows, ..Pane::default() }))
}

pub fn draw(model: &Model, now: &Layout, frame: &mut Frame) {
    let (Some((area, pane)), Some(overlay)) = (&now.overlay, model.overlays.last()) else { return };
    Clear.render(*area, frame.buffer_mut());
    let (title, cursor) = match overlay {
        Overlay::Picker(picker) => (picker.kind.title().to_owned(), picker.cursor.clone()),
        Overlay::Reader(reader) => (reader.title.clone(), reader.cursor.clone()),
        Overlay::Filter(_) => return,
    };
    border(model, *area, &title, frame);
    pane.draw(frame.buffer_mut(), &cursor, true, &model.face);
    if let Overlay::Picker(picker) = overlay {
        let line = Rect { x: area.x.saturating_add(1), y: area.y.saturating_add(1), width: area.width.saturating_sub(2), height: 1 };
        let value = shown::text(picker.typing.input.value());
        let hint = if value.is_empty() { Span::styled(" type to search", model.face.dim()) } else { Span::raw("") };
        put(frame.buffer_mut(), line, Line::from(vec![Span::raw("> "), Span::raw(value), hint]), &model.face);
        let typed = picker.typing.input.value().get(..picker.typing.cursor_byte()).unwrap_or_default();
        let at = u16::try_from(text::width(&shown::text(typed))).unwrap_or(u16::MAX);
        frame.set_cursor_position(Position { x: line.x.saturating_add(2).saturating_add(at).min(line.right()), y: line.y });
    }
}

fn border(model: &Model, area: Rect, title: &str, frame: &mut Frame) {
    let glyphs = &model.face.glyphs;
    let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
    let inner = usize::from(area.width.saturating_sub(2));
    let title = text::cut(&shown::text(title), inner.saturating_sub(4), glyphs.ellipsis);
    let rest = glyphs.rule.repeat(inner.saturating_sub(text::width(&title)).saturating_sub(3));
    let top = Line::from(vec![
        Span::raw(format!("{top_left}{} ", glyphs.rule)),
        Span::styled(title, model.face.strong()),
        Span::raw(format!(" {rest}{top_right}")),
    ]);
    let buffer = frame.buffer_mut();
    put(buffer, Rect { height: 1, ..area }, top, &model.face);
    for y in area.top().saturating_add(1)..area.bottom().saturating_sub(1) {
        for x in [area.left(), area.right().saturating_sub(1)] {
            put(buffer, Rect { x, y, width: 1, height: 1 }, Line::from(glyphs.upright), &model.face);
        }
    }
    let bottom = Line::from(format!("{bottom_left}{}{bottom_right}", glyphs.rule.repeat(inner)));
    put(buffer, Rect { y: area.bottom().saturating_sub(1), height: 1, ..area }, bottom, &model.face);
}
