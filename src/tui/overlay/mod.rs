//! What lies over a screen: a stack; keys go to the top one only.

mod ask;
mod changes;
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

pub use ask::{Ask, Deed};
pub use field::Typing;
pub use gaps::{gaps, next_step};
pub use picker::{Kind, Picker};

use super::changing::draft;
use super::keymap::{self, Action, Context};
use super::layout::Layout;
use super::model::{Model, Screen};
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
    Ask(Ask),
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

/// Which keys mean something to an overlay.
pub fn context(overlay: &Overlay) -> Context {
    match overlay {
        Overlay::Reader(_) => Context::Reader,
        Overlay::Ask(Ask { typing: None, .. }) => Context::Ask,
        _ => Context::Field,
    }
}

/// Before a message is taken in: what was drawn by now, a person has seen.
pub fn note_seen(model: &mut Model) {
    if !model.dirty
        && let Some(Overlay::Ask(ask)) = model.overlays.last_mut()
    {
        ask.seen = true;
    }
}

/// Keys of the top overlay.
pub fn press(model: &mut Model, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let Some(top) = model.overlays.last() else { return Vec::new() };
    let context = context(top);
    let asks = matches!(top, Overlay::Ask(_));
    if let Some(action) = keymap::lookup(&[context], name) {
        return match action {
            _ if asks && !matches!(action, Action::QuitNow | Action::Redraw | Action::Suspend) => ask::act(model, action),
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
    if model.overlays.is_empty() && *model.screen() == Screen::Form {
        return draft::paste(model, text);
    }
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
        Some(Overlay::Ask(Ask { typing: Some(typing), seen: true, trouble, .. })) => {
            change(typing);
            *trouble = None;
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
                // The reason stands on the status line; the list stays open for another choice.
                Some(item) if picker.kind == Kind::Choices && item.why_not.is_some() => return Vec::new(),
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
        Overlay::Ask(ask) => Some(&mut ask.cursor),
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
        Overlay::Ask(ask) => (ask.rows(model, columns), u16::from(ask.typing.is_some())),
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
    // What is searched is typed above the list, what is answered below the question.
    let above = if matches!(overlay, Overlay::Ask(_)) { 0 } else { typed };
    let inside = Rect {
        x: frame.x.saturating_add(1),
        y: frame.y.saturating_add(1 + above),
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
        Overlay::Ask(ask) => (ask.title.clone(), ask.cursor.clone()),
        Overlay::Filter(_) => return,
    };
    border(model, *area, &title, frame);
    pane.draw(frame.buffer_mut(), &cursor, true, &model.face);
    let (typing, y, hint) = match overlay {
        Overlay::Picker(picker) => (&picker.typing, area.y.saturating_add(1), " type to search"),
        Overlay::Ask(Ask { typing: Some(typing), .. }) => (typing, area.bottom().saturating_sub(2), ""),
        _ => return,
    };
    let line = Rect { x: area.x.saturating_add(1), y, width: area.width.saturating_sub(2), height: 1 };
    field_line(model, typing, line, hint, frame);
}

/// `> typed`, its end in sight, and the cursor in it.
fn field_line(model: &Model, typing: &Typing, line: Rect, hint: &str, frame: &mut Frame) {
    put(frame.buffer_mut(), line, Line::from("> "), &model.face);
    let rest = Rect { x: line.x.saturating_add(2), width: line.width.saturating_sub(2), ..line };
    if typing.input.value().is_empty() {
        put(frame.buffer_mut(), rest, Line::from(Span::styled(hint.to_owned(), model.face.dim())), &model.face);
    }
    let (words, at) = typing.window(usize::from(rest.width));
    put(frame.buffer_mut(), rest, Line::from(words), &model.face);
    let at = u16::try_from(at).unwrap_or(u16::MAX);
    frame.set_cursor_position(Position { x: rest.x.saturating_add(at).min(rest.right().saturating_sub(1)), y: rest.y });
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
