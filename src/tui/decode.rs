//! Bytes of a keyboard -> keys, clicks and pasted text. Pure.
//!
//! Of our own, because crossterm waits on the terminal by itself: it never comes back from one that is gone, and loses the key that
//! arrives together with a change of the window's size. Sequences: ECMA-48 (CSI), xterm's ctlseqs (function keys, SGR mouse, bracketed
//! paste), `console_codes(4)` (the Linux console's F1 to F5), `rxvt`'s Home and End.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
}

/// Bytes that are kept of one paste, and of one sequence that does not end.
const PASTE: usize = 64 * 1024;
const SEQUENCE: usize = 64;
const PASTE_END: &[u8] = b"\x1b[201~";

#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of something that has not come to its end.
    waiting: Vec<u8>,
    pasting: bool,
}

enum Step {
    /// So many bytes mean this, or nothing that we know.
    Took(usize, Option<Input>),
    More,
    PasteBegins(usize),
}

impl Decoder {
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.waiting.extend_from_slice(bytes);
        let mut out = Vec::new();
        while !self.waiting.is_empty() {
            if self.pasting {
                let end = self.waiting.windows(PASTE_END.len()).position(|window| window == PASTE_END);
                if end.is_none() && self.waiting.len() < PASTE {
                    break;
                }
                let text = end.unwrap_or(self.waiting.len());
                out.push(Input::Paste(String::from_utf8_lossy(self.waiting.get(..text).unwrap_or_default()).into_owned()));
                self.drop_front(text.saturating_add(if end.is_some() { PASTE_END.len() } else { 0 }));
                // A paste that is too long goes on; what is left of it must not become keys.
                self.pasting = end.is_none();
                continue;
            }
            match step(&self.waiting) {
                Step::More => break,
                Step::PasteBegins(bytes) => {
                    self.drop_front(bytes);
                    self.pasting = true;
                }
                Step::Took(bytes, input) => {
                    self.drop_front(bytes.max(1));
                    out.extend(input);
                }
            }
        }
        out
    }

    /// Something has begun that may still go on: Escape, or the first byte of an arrow key on a slow line.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() && !self.pasting
    }

    /// Nothing came after it: a lone Escape is the key, anything else is dropped.
    pub fn give_up(&mut self) -> Vec<Input> {
        let escape = self.waiting == b"\x1b";
        self.waiting.clear();
        if escape { vec![key(KeyCode::Esc)] } else { Vec::new() }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.waiting.drain(..bytes.min(self.waiting.len()));
    }
}

fn key(code: KeyCode) -> Input {
    Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn step(bytes: &[u8]) -> Step {
    match bytes {
        [] | [0x1b] => Step::More,
        [0x1b, 0x1b, ..] => Step::Took(1, Some(key(KeyCode::Esc))),
        [0x1b, b'[', b'[', rest @ ..] => match rest.first() {
            None => Step::More,
            Some(letter @ b'A'..=b'E') => Step::Took(4, Some(key(KeyCode::F(letter - b'A' + 1)))),
            Some(_) => Step::Took(4, None),
        },
        [0x1b, b'[', rest @ ..] => csi(rest),
        [0x1b, b'O', rest @ ..] => match rest.first() {
            None => Step::More,
            Some(letter @ b'P'..=b'S') => Step::Took(3, Some(key(KeyCode::F(letter - b'P' + 1)))),
            Some(letter) => Step::Took(3, named(*letter).map(key)),
        },
        [0x1b, rest @ ..] => match step(rest) {
            Step::Took(taken, Some(Input::Key(event))) => {
                Step::Took(taken.saturating_add(1), Some(Input::Key(KeyEvent::new(event.code, event.modifiers | KeyModifiers::ALT))))
            }
            Step::Took(taken, _) => Step::Took(taken.saturating_add(1), None),
            other => other,
        },
        [b'\r' | b'\n', ..] => Step::Took(1, Some(key(KeyCode::Enter))),
        [b'\t', ..] => Step::Took(1, Some(key(KeyCode::Tab))),
        [0x08 | 0x7f, ..] => Step::Took(1, Some(key(KeyCode::Backspace))),
        [control @ 0x01..=0x1a, ..] => {
            let letter = char::from(control - 1 + b'a');
            Step::Took(1, Some(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))))
        }
        [0x00..=0x1f, ..] => Step::Took(1, None),
        _ => character(bytes),
    }
}

/// One character of UTF-8; a byte that begins none is dropped.
fn character(bytes: &[u8]) -> Step {
    let length = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let whole = bytes.get(..length.min(bytes.len())).unwrap_or_default();
    match std::str::from_utf8(whole) {
        Ok(text) => Step::Took(length, text.chars().next().map(|c| key(KeyCode::Char(c)))),
        Err(error) if error.error_len().is_none() && bytes.len() < length => Step::More,
        Err(_) => Step::Took(1, None),
    }
}

fn named(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'Z' => KeyCode::BackTab,
        b'P' => KeyCode::F(1),
        b'Q' => KeyCode::F(2),
        b'R' => KeyCode::F(3),
        b'S' => KeyCode::F(4),
        _ => return None,
    })
}

fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        4 | 8 => KeyCode::End,
        3 => KeyCode::Delete,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(u8::try_from(number - 10).ok()?),
        17..=21 => KeyCode::F(u8::try_from(number - 11).ok()?),
        23 | 24 => KeyCode::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// What follows `ESC [`.
fn csi(rest: &[u8]) -> Step {
    let Some(end) = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else {
        return if rest.len() > SEQUENCE { Step::Took(rest.len().saturating_add(2), None) } else { Step::More };
    };
    let taken = end.saturating_add(3);
    let (parameters, last) = (rest.get(..end).unwrap_or_default(), rest.get(end).copied().unwrap_or_default());
    if !(0x40..=0x7e).contains(&last) {
        // Broken off by something else, which is read anew.
        return Step::Took(taken.saturating_sub(1), None);
    }
    if let Some(mouse) = parameters.strip_prefix(b"<") {
        return Step::Took(taken, click(mouse, last));
    }
    let number = numbers(parameters).next().flatten();
    match (last, number) {
        (b'~', Some(200)) => Step::PasteBegins(taken),
        (b'~', Some(number)) => Step::Took(taken, numbered(number).map(key)),
        _ => Step::Took(taken, named(last).map(key)),
    }
}

fn numbers(parameters: &[u8]) -> impl Iterator<Item = Option<u16>> {
    parameters.split(|byte| *byte == b';').map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

/// SGR mouse: `ESC [ < button ; column ; row M`, counted from 1; `m` at the end is a release.
fn click(parameters: &[u8], last: u8) -> Option<Input> {
    let mut numbers = numbers(parameters);
    let (button, x, y) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let kind = match (button & !0b1_1100, last) {
        (0, b'M') => MouseEventKind::Down(MouseButton::Left),
        (64, b'M') => MouseEventKind::ScrollUp,
        (65, b'M') => MouseEventKind::ScrollDown,
        _ => return None,
    };
    Some(Input::Mouse(MouseEvent { kind, column: x.saturating_sub(1), row: y.saturating_sub(1), modifiers: KeyModifiers::NONE }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap;

    /// Names of the keys that these bytes are.
    fn names(bytes: &[u8]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut inputs = decoder.feed(bytes);
        inputs.extend(decoder.give_up());
        let named = inputs.into_iter().map(|input| match input {
            Input::Key(key) => keymap::name(&key).unwrap_or_default(),
            other => format!("{other:?}"),
        });
        named.collect()
    }

    #[test]
    fn every_key_of_the_table_is_understood() {
        for (bytes, wanted) in [
            (&b"j/:?@"[..], vec!["j", "/", ":", "?", "@"]),
            (b"\x1b[A\x1b[B\x1bOC\x1bOD", vec!["Up", "Down", "Right", "Left"]),
            (b"\x1b[H\x1b[F\x1b[1~\x1b[8~\x1b[5~\x1b[6~", vec!["Home", "End", "Home", "End", "PgUp", "PgDn"]),
            (b"\x1bOP\x1b[15~\x1b[21~\x1b[[A\x1b[[E", vec!["F1", "F5", "F10", "F1", "F5"]),
            (b"\r\t\x1b[Z\x7f\x08", vec!["Enter", "Tab", "Shift-Tab", "Backspace", "Backspace"]),
            (b"\x03\x1a\x0c\x04", vec!["Ctrl-c", "Ctrl-z", "Ctrl-l", "Ctrl-d"]),
            (b"\x1b\x1b", vec!["Esc", "Esc"]),
            (b"\x1b[1;5A\x1bx", vec!["Up", "Alt-x"]),
            ("ä漢".as_bytes(), vec!["ä", "漢"]),
        ] {
            assert_eq!(names(bytes), wanted, "a key does nothing, or something else");
        }
    }

    #[test]
    fn an_arrow_key_that_arrives_byte_by_byte_is_no_escape() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.feed(b"["), []);
        assert_eq!(decoder.feed(b"A"), [key(KeyCode::Up)], "on a slow line an arrow key would leave the screen");
        assert!(!decoder.is_waiting());
    }

    #[test]
    fn pasted_text_is_one_thing_whatever_is_in_it() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b[200~q\x1b[A"), []);
        assert!(!decoder.is_waiting(), "a slow paste is cut by the waiting time of a key");
        assert_eq!(decoder.feed(b"Q\x1b[201~j"), [Input::Paste("q\x1b[AQ".to_owned()), key(KeyCode::Char('j'))]);
    }

    #[test]
    fn clicks_are_counted_from_nought() {
        let at = |kind| Input::Mouse(MouseEvent { kind, column: 9, row: 4, modifiers: KeyModifiers::NONE });
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b[<0;10;5M\x1b[<0;10;5m"), [at(MouseEventKind::Down(MouseButton::Left))]);
        assert_eq!(decoder.feed(b"\x1b[<65;10;5M"), [at(MouseEventKind::ScrollDown)]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_can_hang_or_fill_the_decoder(chunks in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..80), 0..20)) {
            let mut decoder = Decoder::default();
            for chunk in &chunks {
                decoder.feed(chunk);
                proptest::prop_assert!(decoder.waiting.len() <= PASTE + 80);
            }
            decoder.give_up();
            if !decoder.pasting {
                proptest::prop_assert_eq!(decoder.feed(b"j").last().cloned(), Some(key(KeyCode::Char('j'))), "the keyboard is dead after line noise");
            }
        }
    }
}
