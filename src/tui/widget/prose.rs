//! Sentences as rows: wrapped, indented, in one style.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::pane::Row;
use super::text;

/// More lines of one text than a person reads on a screen.
const MOST: usize = 200;

/// `words` after `lead`; the lines below it stand as far in. Only the first can be selected, if there is a key.
pub fn told(rows: &mut Vec<Row>, mut key: Option<String>, lead: &str, words: &str, style: Style, columns: usize) {
    if words.is_empty() {
        return;
    }
    let blank = " ".repeat(text::width(lead));
    for (number, line) in text::wrap(words, columns.saturating_sub(text::width(lead)).max(8)).into_iter().take(MOST).enumerate() {
        let lead = if number == 0 { lead.to_owned() } else { blank.clone() };
        let line = Line::from(vec![Span::raw(lead), Span::styled(line, style)]);
        // Only the first line has it.
        rows.push(Row { key: key.take(), line });
    }
}

/// The same, that nobody selects.
pub fn says(rows: &mut Vec<Row>, lead: &str, words: &str, style: Style, columns: usize) {
    told(rows, None, lead, words, style, columns);
}

pub fn heading(rows: &mut Vec<Row>, words: &str, style: Style) {
    rows.push(Row::text(Line::from(Span::styled(words.to_owned(), style))));
}
