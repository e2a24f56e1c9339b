//! The bytes that go to the terminal: a ratatui backend of our own.
//!
//! It sends the sixteen palette colours as `3N`/`9N`, which every colour terminal since the first knows (crossterm sends `38;5;N`, where a
//! terminal that does not know it reads 5 as blink); without colours it sends none at all (crossterm sends an empty one, which resets the
//! reversed row). A frame is gathered and sent with one write. Control sequences: ECMA-48 CUP, ED, SGR; DECTCEM.

use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Bytes and frames sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    pub bytes: u64,
    pub frames: u64,
}

pub struct Wire<W> {
    out: W,
    frame: Vec<u8>,
    size: Size,
    colour: bool,
    /// Nothing but ASCII may be sent: bytes from 0x80 on are commands to an 8-bit terminal.
    ascii: bool,
    cursor: Position,
    cursor_shown: Option<bool>,
    meter: Meter,
}

impl<W: Write> Wire<W> {
    /// A frame larger than this is sent in several writes.
    const FRAME: usize = 64 * 1024;

    pub fn new(out: W, size: Size, colour: bool, ascii: bool) -> Self {
        let frame = Vec::with_capacity(Self::FRAME);
        Self { out, frame, size, colour, ascii, cursor: Position::ORIGIN, cursor_shown: None, meter: Meter::default() }
    }

    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    pub fn meter(&self) -> Meter {
        self.meter
    }

    #[cfg(test)]
    pub fn sent(&self) -> &W {
        &self.out
    }

    /// Bytes that go with the next [`Wire::send`].
    pub fn say(&mut self, bytes: &[u8]) {
        self.frame.extend_from_slice(bytes);
    }

    /// The terminal was somebody else's meanwhile: what it shows and whether its cursor is visible is not known.
    pub fn forget(&mut self) {
        self.cursor_shown = None;
    }

    /// Sends what was gathered, in one write.
    pub fn send(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        self.meter.bytes = self.meter.bytes.saturating_add(self.frame.len() as u64);
        self.meter.frames = self.meter.frames.saturating_add(1);
        let sent = self.out.write_all(&self.frame).and_then(|()| self.out.flush());
        self.frame.clear();
        self.frame.shrink_to(Self::FRAME);
        sent
    }

    fn go(&mut self, x: u16, y: u16) {
        let (row, column) = (u32::from(y) + 1, u32::from(x) + 1);
        self.frame.extend_from_slice(format!("\x1b[{row};{column}H").as_bytes());
    }

    fn style(&mut self, look: Look) {
        let mut codes = String::from("\x1b[0");
        for (modifier, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::UNDERLINED, ";4"), (Modifier::REVERSED, ";7")] {
            if look.modifier.contains(modifier) {
                codes.push_str(code);
            }
        }
        if let Some(code) = look.fg {
            codes += &format!(";{code}");
        }
        if let Some(code) = look.bg {
            codes += &format!(";{}", u16::from(code) + 10);
        }
        codes.push('m');
        // `ESC [ 0 ; 1 m` sets everything anew; the plain reset is written shorter.
        self.frame.extend_from_slice(if look == Look::default() { b"\x1b[m" } else { codes.as_bytes() });
    }

    fn symbol(&mut self, symbol: &str) {
        if self.ascii && !symbol.is_ascii() {
            let columns = super::widget::text::width(symbol).max(1);
            self.frame.extend(std::iter::repeat_n(b'?', columns));
        } else {
            self.frame.extend_from_slice(symbol.as_bytes());
        }
    }
}

/// A cell's style as it is sent.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    /// SGR code of the foreground, 30-37 or 90-97.
    fg: Option<u8>,
    bg: Option<u8>,
    modifier: Modifier,
}

impl Look {
    fn of(cell: &Cell, colour: bool) -> Self {
        if colour {
            Self { fg: code(cell.fg), bg: code(cell.bg), modifier: cell.modifier }
        } else {
            Self { fg: None, bg: None, modifier: cell.modifier }
        }
    }

    /// A blank looks the same in any foreground.
    fn same_on_blank(self, other: Self) -> bool {
        let shows = Modifier::UNDERLINED.union(Modifier::REVERSED);
        !self.modifier.intersects(shows) && !other.modifier.intersects(shows) && self.bg == other.bg
    }
}

/// SGR's foreground code of a palette colour; other colours are not used and not sent.
fn code(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

impl<W: Write> Backend for Wire<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut look = Look::default();
        let mut next: Option<(u16, u16)> = None;
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                self.go(x, y);
            }
            let wanted = Look::of(cell, self.colour);
            if wanted != look && !(cell.symbol() == " " && wanted.same_on_blank(look)) {
                self.style(wanted);
                look = wanted;
            }
            self.symbol(cell.symbol());
            // After a wide character, and after the last column, where the cursor stands is the terminal's affair: it is placed anew.
            let columns = super::widget::text::width(cell.symbol());
            next = (columns == 1 && x.saturating_add(1) < self.size.width).then(|| (x.saturating_add(1), y));
        }
        if look != Look::default() {
            self.style(Look::default());
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown != Some(false) {
            self.say(b"\x1b[?25l");
            self.cursor_shown = Some(false);
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown != Some(true) {
            self.say(b"\x1b[?25h");
            self.cursor_shown = Some(true);
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.go(self.cursor.x, self.cursor.y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        self.say(match kind {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[0J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[0K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    /// ratatui flushes several times a frame; the frame is sent once, by [`Wire::send`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
