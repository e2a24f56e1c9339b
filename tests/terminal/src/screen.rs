//! What the terminal shows: cells with their styles, and the text of them.

/// A colour as the program asked for it; what it looks like is the terminal's business.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Color {
    #[default]
    Default,
    /// 0-7 normal, 8-15 bright, 16-231 a cube of 6 x 6 x 6, 232-255 greys.
    Index(u8),
    Rgb(u8, u8, u8),
}

impl From<vt100::Color> for Color {
    fn from(color: vt100::Color) -> Self {
        match color {
            vt100::Color::Default => Self::Default,
            vt100::Color::Idx(index) => Self::Index(index),
            vt100::Color::Rgb(red, green, blue) => Self::Rgb(red, green, blue),
        }
    }
}

/// One cell. The right half of a wide character is a cell with no text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cell {
    /// A character with its combining marks; empty where nothing was ever written.
    pub text: String,
    pub fg: Color,
    pub bg: Color,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub inverse: bool,
    /// This character takes two columns.
    pub wide: bool,
}

/// A picture of the screen at one moment. Rows and columns count from 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Screen {
    pub cols: u16,
    pub rows: u16,
    /// Row by row, `cols` cells each.
    pub cells: Vec<Cell>,
    /// Row and column, when the cursor is shown.
    pub cursor: Option<(u16, u16)>,
    pub alternate: bool,
}

impl Screen {
    pub(crate) fn of(screen: &vt100::Screen) -> Self {
        let (rows, cols) = screen.size();
        let (rows, cols) = (rows.get(), cols.get());
        let cells = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
        let cells = cells.map(|(row, col)| screen.cell(row, col).map(cell).unwrap_or_default()).collect();
        let cursor = (!screen.hide_cursor()).then(|| screen.cursor_position());
        Self { cols, rows, cells, cursor, alternate: screen.alternate_screen() }
    }

    pub fn cell(&self, row: u16, col: u16) -> Option<&Cell> {
        if row >= self.rows || col >= self.cols {
            return None;
        }
        self.cells.get(usize::from(row) * usize::from(self.cols) + usize::from(col))
    }

    /// The cells of a row; none below the last.
    pub fn row(&self, row: u16) -> &[Cell] {
        let width = usize::from(self.cols);
        self.cells.chunks(width.max(1)).nth(usize::from(row)).unwrap_or_default()
    }

    /// The text of a row without the blanks at its end.
    pub fn row_text(&self, row: u16) -> String {
        let mut text = String::new();
        let mut after_wide = false;
        for cell in self.row(row) {
            if !after_wide {
                text.push_str(if cell.text.is_empty() { " " } else { &cell.text });
            }
            after_wide = cell.wide;
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// All rows, joined by newlines.
    pub fn text(&self) -> String {
        (0..self.rows).map(|row| self.row_text(row)).collect::<Vec<_>>().join("\n")
    }

    /// The first row that holds this text.
    pub fn find_row(&self, text: &str) -> Option<u16> {
        (0..self.rows).find(|row| self.row_text(*row).contains(text))
    }

    /// The screen in a frame, for the message of a failed test.
    pub fn framed(&self) -> String {
        let edge = format!("+{}+", "-".repeat(usize::from(self.cols)));
        let lines = (0..self.rows).map(|row| format!("|{}", self.row_text(row))).collect::<Vec<_>>().join("\n");
        format!("{edge}\n{lines}\n{edge}")
    }
}

fn cell(cell: &vt100::Cell) -> Cell {
    Cell {
        text: cell.contents().to_owned(),
        fg: cell.fgcolor().into(),
        bg: cell.bgcolor().into(),
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underline: cell.underline(),
        inverse: cell.inverse(),
        wide: cell.is_wide(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Screen {
        let side = |n| std::num::NonZeroU16::new(n).unwrap();
        let mut parser = vt100::Parser::new(side(3), side(10), 0);
        parser.process(bytes);
        Screen::of(parser.screen())
    }

    #[test]
    fn styles_and_colours_come_through() {
        let screen = shown(b"\x1b[1;7;38;5;2mab\x1b[0m\x1b[48;2;1;2;3mc");
        let first = screen.cell(0, 0).unwrap();
        assert!(first.bold && first.inverse && first.fg == Color::Index(2), "{first:?}");
        let last = screen.cell(0, 2).unwrap();
        assert!(!last.bold && !last.inverse && last.bg == Color::Rgb(1, 2, 3), "{last:?}");
    }

    #[test]
    fn a_wide_character_takes_two_cells_but_is_one_in_the_text() {
        let screen = shown("a漢b".as_bytes());
        assert_eq!(screen.row_text(0), "a漢b");
        assert!(screen.cell(0, 1).unwrap().wide);
        assert_eq!(screen.cell(0, 3).unwrap().text, "b");
    }

    #[test]
    fn text_has_every_row_and_no_blanks_at_the_end() {
        let screen = shown(b"one  \r\n\r\n three");
        assert_eq!(screen.text(), "one\n\n three");
        assert_eq!(screen.find_row("three"), Some(2));
        assert_eq!(screen.cell(0, 10), None, "a column too far is not the next row's first cell");
    }
}
