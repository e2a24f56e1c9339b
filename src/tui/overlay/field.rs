//! One line of typed text.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use crate::model::shown;
use crate::tui::widget::text;

#[derive(Clone, Debug, Default)]
pub struct Typing {
    pub input: Input,
    /// What stood there before, to come back on Esc.
    pub before: String,
}

/// Nobody types more into a filter; what is pasted beyond it is cut.
const LONGEST: usize = 500;

impl Typing {
    pub fn new(before: &str) -> Self {
        Self { input: Input::new(before.to_owned()), before: before.to_owned() }
    }

    pub fn insert(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.input.value().chars().count());
        for character in text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(room) {
            self.input.handle(InputRequest::InsertChar(character));
        }
    }

    /// The part of the value that is seen in `columns`, and the column of the cursor in it: the cursor is always in sight.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let before = shown::text(self.input.value().get(..self.cursor_byte()).unwrap_or_default());
        let after = shown::text(self.input.value().get(self.cursor_byte()..).unwrap_or_default());
        let room = columns.saturating_sub(1);
        let wide = text::width(&before);
        if wide.saturating_add(text::width(&after)) <= room || wide <= room {
            return (before + &after, wide);
        }
        let tail = text::ending(&before, room);
        (tail.to_owned(), text::width(tail))
    }

    /// Where the cursor stands, in bytes of the value.
    pub fn cursor_byte(&self) -> usize {
        let value = self.input.value();
        value.char_indices().nth(self.input.cursor()).map_or(value.len(), |(at, _)| at)
    }
}

/// What a key does to the text; the usual ones of a shell.
pub fn request(name: &str, key: &KeyEvent) -> Option<InputRequest> {
    Some(match (name, key.code) {
        ("Backspace" | "Ctrl-h", _) => InputRequest::DeletePrevChar,
        ("Delete", _) => InputRequest::DeleteNextChar,
        ("Left" | "Ctrl-b", _) => InputRequest::GoToPrevChar,
        ("Right" | "Ctrl-f", _) => InputRequest::GoToNextChar,
        ("Home" | "Ctrl-a", _) => InputRequest::GoToStart,
        ("End" | "Ctrl-e", _) => InputRequest::GoToEnd,
        ("Ctrl-w", _) => InputRequest::DeletePrevWord,
        ("Ctrl-u", _) => InputRequest::DeleteFromStart,
        ("Ctrl-k", _) => InputRequest::DeleteTillEnd,
        (_, KeyCode::Char(c)) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => InputRequest::InsertChar(c),
        _ => return None,
    })
}
