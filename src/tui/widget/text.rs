//! Cutting, padding and wrapping by display width and grapheme: a name is input from a stranger, and may be wide, long or combining.

use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Printable ASCII: a byte is a column.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The longest beginning of `text` that fits `columns`.
fn beginning(text: &str, columns: usize) -> &str {
    if let Some(head) = text.get(..columns.saturating_add(1).min(text.len())).filter(|head| is_plain(head)) {
        // What follows may combine with the character before it; only plain text is cut without looking.
        return head.get(..columns).unwrap_or(head);
    }
    let mut used = 0usize;
    for (at, grapheme) in text.grapheme_indices(true) {
        used = used.saturating_add(grapheme.width());
        if used > columns {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// The longest end of `text` that fits `columns`.
pub fn ending(text: &str, columns: usize) -> &str {
    let tail = text.len().saturating_sub(columns);
    if let Some(tail) = text.get(tail..).filter(|tail| is_plain(tail)) {
        return tail;
    }
    let mut used = 0usize;
    let mut start = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        used = used.saturating_add(grapheme.width());
        if used > columns {
            break;
        }
        start = at;
    }
    text.get(start..).unwrap_or_default()
}

/// Whether `text` needs more than `columns`, without walking all of a very long one.
fn is_wider(text: &str, columns: usize) -> bool {
    beginning(text, columns).len() < text.len()
}

/// `text` in at most `columns`, its end cut off.
pub fn cut(text: &str, columns: usize, ellipsis: &str) -> String {
    if !is_wider(text, columns) {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    if columns == 0 { String::new() } else { format!("{}{ellipsis}", beginning(text, room)) }
}

/// A path in at most `columns`: the middle is cut out, because its end tells most; whole names are kept where they fit.
pub fn cut_path(text: &str, columns: usize, ellipsis: &str) -> String {
    if !is_wider(text, columns) {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    // Most of the room for the names at the end; what is left for those at the front.
    let ends = text.match_indices('/').map(|(at, _)| text.get(at..).unwrap_or_default()).filter(|end| end.len() > 1);
    let fitting: Vec<&str> = ends.filter(|end| !is_wider(end, room)).collect();
    let most = room.saturating_mul(2) / 3;
    if let Some(end) = fitting.iter().find(|end| !is_wider(end, most)).or(fitting.last()) {
        let front = beginning(text, room.saturating_sub(width(end)));
        let front = front.rfind('/').and_then(|at| front.get(..=at)).unwrap_or_default();
        return format!("{front}{ellipsis}{end}");
    }
    let front = room / 3;
    if columns == 0 { String::new() } else { format!("{}{ellipsis}{}", beginning(text, front), ending(text, room.saturating_sub(front))) }
}

/// Exactly `columns` wide, text to the left.
pub fn left(text: &str, columns: usize, ellipsis: &str) -> String {
    let mut out = cut(text, columns, ellipsis);
    let used = width(&out);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// Exactly `columns` wide, text to the right: numbers.
pub fn right(text: &str, columns: usize, ellipsis: &str) -> String {
    let out = cut(text, columns, ellipsis);
    let mut padded: String = std::iter::repeat_n(' ', columns.saturating_sub(width(&out))).collect();
    padded.push_str(&out);
    padded
}

/// [`wrap`], every line as far in as the first one.
pub fn wrap_indented(text: &str, columns: usize) -> Vec<String> {
    let words = text.trim_start_matches(' ');
    let indent = text.len().saturating_sub(words.len()).min(columns / 2);
    let blank = " ".repeat(indent);
    wrap(words, columns.saturating_sub(indent)).into_iter().map(|line| format!("{blank}{line}")).collect()
}

/// `text` in lines of at most `columns`, broken at spaces where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0usize;
    for word in words_and_blanks(text) {
        let mut word = word;
        let wide = width(word);
        if used.saturating_add(wide) > columns && used > 0 {
            lines.push(line.trim_end().to_owned());
            line.clear();
            used = 0;
            if word.trim().is_empty() {
                continue;
            }
        }
        while is_wider(word, columns) {
            let mut head = beginning(word, columns).len();
            if head == 0 {
                head = word.graphemes(true).next().map_or(word.len(), str::len);
            }
            let (first, rest) = word.split_at(head);
            lines.push(first.to_owned());
            word = rest;
        }
        line.push_str(word);
        used = used.saturating_add(width(word));
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Words and the blanks between them, each on its own. A bracket stays with its word, and a path is one word.
fn words_and_blanks(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ').flat_map(|piece| {
        let word = piece.trim_end_matches(' ');
        [word, piece.get(word.len()..).unwrap_or_default()].into_iter().filter(|part| !part.is_empty())
    })
}

/// A line of spans in at most `columns`.
pub fn fit(line: Line<'static>, columns: usize, ellipsis: &str) -> Line<'static> {
    let total: usize = line.spans.iter().map(|span| width(&span.content)).sum();
    if total <= columns {
        return line;
    }
    let mut room = columns.saturating_sub(width(ellipsis));
    let mut spans = Vec::new();
    for span in line.spans {
        let wide = width(&span.content);
        if wide <= room {
            room -= wide;
            spans.push(span);
        } else {
            spans.push(Span::styled(format!("{}{ellipsis}", beginning(&span.content, room)), span.style));
            break;
        }
    }
    Line::from(spans)
}

/// The beginning of a stranger's text, fit to be shown: more than any line holds, so that a name of 4,000 characters costs no more than others.
pub fn brief(raw: &str) -> String {
    const MOST: usize = 200;
    let end = raw.char_indices().nth(MOST).map_or(raw.len(), |(at, _)| at);
    let mut out = crate::model::shown::text(raw.get(..end).unwrap_or_default());
    if end < raw.len() {
        out.push_str("...");
    }
    out
}

/// `1 disk`, `2 disks`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_the_eye_counts_columns() {
        assert_eq!(cut("漢字漢字", 5, "…"), "漢字…", "a wide name would push the next column out of line");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, "~"), "e\u{301}~", "an accent would fall on the wrong letter");
        assert_eq!(left("ab", 4, "…"), "ab  ");
        assert_eq!(right("ab", 4, "…"), "  ab");
        assert_eq!(cut("abc", 0, "…"), "");
        assert_eq!(cut("abce\u{301}", 4, "…"), "abce\u{301}", "a text that fits was cut");
        assert_eq!(wrap_indented("  one two three", 8), ["  one", "  two", "  three"]);
    }

    #[test]
    fn the_end_of_a_path_stays_readable() {
        assert_eq!(cut_path("/var/lib/xen/images/web01.img", 16, "…"), "/var/…/web01.img");
        assert_eq!(cut_path("/srv/xen/img/migrated-2024.img", 22, "…"), "/…/migrated-2024.img");
        assert_eq!(cut_path("xenvols/shop01-monday", 16, "…"), "…/shop01-monday");
        assert_eq!(cut_path("a-very-long-name-of-a-domain", 10, "…"), "a-v…domain");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_ever_wider_than_its_place(text in ".{0,60}", columns in 0usize..40) {
            let text = crate::model::shown::text(&text);
            for out in [cut(&text, columns, "…"), cut_path(&text, columns, "…"), left(&text, columns, "…")] {
                proptest::prop_assert!(width(&out) <= columns, "{out:?} would overwrite what stands beside it");
            }
            for line in wrap(&text, columns.max(2)) {
                proptest::prop_assert!(width(&line) <= columns.max(2), "{line:?} would be cut without a mark");
            }
        }
    }
}
