//! How text output looks: colours or none, Unicode or ASCII, and how wide it may be. Meaning is never in the colour alone.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::model::{Severity, shown};

/// What a command may print with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    pub color: bool,
    pub ascii: bool,
    /// Columns to stay within; nothing when the output goes to a file or pipe, where no line is cut.
    pub width: Option<usize>,
}

impl Ink {
    pub const PLAIN: Self = Self { color: false, ascii: true, width: None };

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Danger => self.paint("1;31", text),
            Severity::Warning => self.paint("33", text),
            Severity::Note => text.to_owned(),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A stranger's text made safe, and cut to `columns` when there is a width to keep.
    pub fn cell(self, raw: &str, columns: usize) -> String {
        let text = shown::text(raw);
        if self.width.is_none() || text.width() <= columns {
            return text;
        }
        let mark = if self.ascii { "~" } else { "…" };
        let mut cut = String::new();
        for grapheme in text.graphemes(true) {
            if cut.width() + grapheme.width() + 1 > columns {
                break;
            }
            cut.push_str(grapheme);
        }
        cut + mark
    }
}

/// A text filled up with blanks to a width on the screen; longer ones stay as they are.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// A text in lines of at most `columns`, broken between words, each after `indent`. A word that is too long keeps a line of its own.
pub fn wrap(text: &str, columns: usize, indent: &str) -> String {
    hang(text, columns, indent, indent)
}

/// Like [`wrap`], with something else before the first line than before the others: a label with its text beside it.
pub fn hang(text: &str, columns: usize, first: &str, others: &str) -> String {
    let mut out = String::new();
    let mut line = String::new();
    let mut indent = first;
    for word in text.split_whitespace() {
        let room = columns.saturating_sub(indent.width()).max(20);
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            out.push_str(&format!("{indent}{line}\n"));
            indent = others;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

/// `1 domain`, `3 domains`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_kind_stays_in_its_column() {
        let ink = Ink { width: Some(80), ..Ink::PLAIN };
        for name in ["web", "a\x1b[31m\n", &"x".repeat(4000), "漢字漢字漢字漢字漢字", "\u{202e}evil"] {
            let cell = ink.cell(name, 12);
            assert!(cell.width() <= 12, "{cell:?} runs into the next column");
            assert!(!cell.chars().any(shown::is_unsafe), "{cell:?} could steer the terminal");
        }
        assert_eq!(Ink::PLAIN.cell(&"x".repeat(50), 12).len(), 50, "a path that goes to a file was cut: a script could not use it");
    }

    #[test]
    fn wrapping_loses_no_word() {
        let text = "one two three four five six seven eight nine ten";
        let wrapped = wrap(text, 24, "  ");
        assert!(wrapped.lines().all(|line| line.len() <= 24), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>().join(" "), text);
    }
}
