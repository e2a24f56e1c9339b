//! A pane: a rectangle with a title, a header and rows, of which one may be selected.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::cursor::Cursor;
use super::text;
use crate::tui::face::Face;

/// Columns left of every row: the mark of the selected one.
pub const GUTTER: u16 = 2;

/// One line of a pane.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Identity of the thing; `None` for headings and text.
    pub key: Option<String>,
    pub line: Line<'static>,
}

impl Row {
    pub fn of(key: impl Into<String>, line: impl Into<Line<'static>>) -> Self {
        Self { key: Some(key.into()), line: line.into() }
    }

    pub fn text(line: impl Into<Line<'static>>) -> Self {
        Self { key: None, line: line.into() }
    }

    pub fn blank() -> Self {
        Self::default()
    }
}

/// A pane as it stands in this frame; built from the model by both update (page size, clicks) and view.
#[derive(Clone, Debug, Default)]
pub struct Pane {
    pub area: Rect,
    /// A rule with a word in it above the pane.
    pub title: Option<String>,
    pub header: Option<Line<'static>>,
    pub rows: Vec<Row>,
}

impl Pane {
    pub fn keys(&self) -> Vec<Option<&str>> {
        self.rows.iter().map(|row| row.key.as_deref()).collect()
    }

    /// Where the rows are.
    pub fn list(&self) -> Rect {
        let above = u16::from(self.title.is_some()) + u16::from(self.header.is_some());
        let above = above.min(self.area.height);
        Rect { y: self.area.y.saturating_add(above), height: self.area.height.saturating_sub(above), ..self.area }
    }

    pub fn height(&self) -> usize {
        usize::from(self.list().height)
    }

    /// Columns for a row's own text.
    pub fn columns(area: Rect) -> usize {
        usize::from(area.width.saturating_sub(GUTTER))
    }

    /// How much there is below the last line that is seen.
    fn below(&self, cursor: &Cursor) -> String {
        match self.rows.len().saturating_sub(cursor.offset.saturating_add(self.height())) {
            0 => String::new(),
            rows => format!("{rows} more below"),
        }
    }

    pub fn draw(&self, buffer: &mut Buffer, cursor: &Cursor, focused: bool, face: &Face) {
        let mut above = self.area;
        above.height = above.height.min(1);
        if let Some(title) = &self.title {
            rule(buffer, above, title, &self.below(cursor), focused, face);
            above.y = above.y.saturating_add(1);
        }
        if let (Some(header), true) = (&self.header, above.y < self.area.bottom()) {
            put(buffer, inset(above), header.clone(), face);
        }
        let list = self.list();
        for (y, row) in (list.top()..list.bottom()).zip(self.rows.iter().skip(cursor.offset)) {
            let place = Rect { y, height: 1, ..list };
            let selected = row.key.is_some() && row.key == cursor.key;
            put(buffer, inset(place), row.line.clone(), face);
            if selected {
                select(buffer, place, focused, face);
            }
        }
    }
}

/// The row inside the gutter.
fn inset(place: Rect) -> Rect {
    let by = GUTTER.min(place.width);
    Rect { x: place.x.saturating_add(by), width: place.width.saturating_sub(by), ..place }
}

/// Marks a row: a sign in the gutter always, and reversed where the line is fast enough for 200 bytes a step.
fn select(buffer: &mut Buffer, place: Rect, focused: bool, face: &Face) {
    buffer.set_stringn(place.x, place.y, face.glyphs.pointer, usize::from(place.width), Style::default());
    if focused && !face.slow {
        // One style for the whole row: colours inside a reversed row cost bytes and are hard to read.
        for x in place.left()..place.right() {
            if let Some(cell) = buffer.cell_mut((x, place.y)) {
                cell.set_style(Style::reset().add_modifier(Modifier::REVERSED));
            }
        }
    }
}

/// A line of spans, cut to its place with a mark.
pub fn put(buffer: &mut Buffer, place: Rect, line: Line<'static>, face: &Face) {
    let line = text::fit(line, usize::from(place.width), face.glyphs.ellipsis);
    buffer.set_line(place.x, place.y, &line, place.width);
}

/// `── Title ────── right ──`
pub fn rule(buffer: &mut Buffer, place: Rect, title: &str, right: &str, focused: bool, face: &Face) {
    let style = if focused { face.strong() } else { face.dim() };
    let dash = face.glyphs.rule;
    let right = if right.is_empty() { dash.to_owned() } else { format!(" {right} {dash}") };
    let title = text::cut(title, usize::from(place.width).saturating_sub(text::width(&right)).saturating_sub(5), face.glyphs.ellipsis);
    let used = text::width(&title).saturating_add(text::width(&right)).saturating_add(4);
    let rest = format!("{dash}{}{right}", dash.repeat(usize::from(place.width).saturating_sub(used)));
    let line = Line::from(vec![
        Span::styled(format!("{dash} "), face.dim()),
        Span::styled(title, style),
        Span::styled(format!(" {rest}"), face.dim()),
    ]);
    buffer.set_line(place.x, place.y, &line, place.width);
}
