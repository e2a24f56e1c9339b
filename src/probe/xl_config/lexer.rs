//! Bytes to words. Lexical errors do not end the reading: xl skips the rest of the word, goes on, and refuses the file at the end.

use super::{MAX_ERRORS, Position, SyntaxError, number::strtol_base};
use crate::model::shown;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Ident(String),
    Number(String),
    Text(Vec<u8>),
    Comma,
    Open,
    Close,
    Assign,
    Append,
    Semicolon,
    /// A line end, with the comment before it.
    Newline,
    End,
}

pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    here: Position,
    pub(super) errors: Vec<SyntaxError>,
    pub(super) looks_like_python: bool,
    /// xl tells only the first error of a line with a lexical error.
    last_bad_line: u32,
}

/// Characters of one complaint.
const MAX_SENTENCE: usize = 300;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, here: Position { line: 1, column: 1 }, errors: Vec::new(), looks_like_python: false, last_bad_line: 0 }
    }

    /// The next word and where it begins.
    pub(super) fn next(&mut self) -> (Token, Position) {
        loop {
            let start = self.here;
            let Some(first) = self.peek() else { return (Token::End, start) };
            let single = match first {
                b' ' | b'\t' => {
                    self.advance();
                    continue;
                }
                b',' => Some(Token::Comma),
                b'[' => Some(Token::Open),
                b']' => Some(Token::Close),
                b'=' => Some(Token::Assign),
                b';' => Some(Token::Semicolon),
                b'\n' => Some(Token::Newline),
                _ => None,
            };
            if let Some(token) = single {
                self.advance();
                return (token, start);
            }
            match first {
                b'a'..=b'z' => {
                    let word = self.take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_'));
                    return (Token::Ident(word), start);
                }
                b'0'..=b'9' => {
                    let word = self.take_while(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f' | b'x'));
                    return (Token::Number(word), start);
                }
                b'+' if self.bytes.get(self.at + 1) == Some(&b'=') => {
                    self.advance();
                    self.advance();
                    return (Token::Append, start);
                }
                b'#' if self.skip_comment() => return (Token::Newline, start),
                b'\'' | b'"' => {
                    if let Some(raw) = self.quoted(first) {
                        return (Token::Text(self.dequote(raw, start)), start);
                    }
                }
                _ => {}
            }
            if self.bad_word(first) {
                return (Token::Newline, start);
            }
        }
    }

    /// An error of the grammar; left out on a line whose spelling is already wrong.
    pub(super) fn syntax_error(&mut self, at: Position, what: String) {
        if at.line > self.last_bad_line {
            self.keep(at, what);
        }
    }

    fn lexical_error(&mut self, at: Position, what: String) {
        if at.line > self.last_bad_line {
            self.last_bad_line = at.line;
            self.keep(at, what);
        }
    }

    fn keep(&mut self, at: Position, what: String) {
        if self.errors.len() < MAX_ERRORS {
            // What is quoted may be as long as the file.
            let what = match what.char_indices().nth(MAX_SENTENCE) {
                Some((cut, _)) => format!("{}…", what.get(..cut).unwrap_or_default()),
                None => what,
            };
            self.errors.push(SyntaxError { at, what });
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self) {
        match self.peek() {
            Some(b'\n') => self.here = Position { line: self.here.line.saturating_add(1), column: 1 },
            // The bytes after the first of a UTF-8 character take no column of their own.
            Some(0x80..=0xbf) | None => {}
            Some(_) => self.here.column = self.here.column.saturating_add(1),
        }
        self.at = self.at.saturating_add(1);
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&belongs) {
            self.advance();
        }
        String::from_utf8_lossy(self.bytes.get(start..self.at).unwrap_or_default()).into_owned()
    }

    /// Skips a comment with its line end; false, and nothing skipped, when the file ends without one.
    fn skip_comment(&mut self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|c| *c == b'\n') else { return false };
        self.at = self.at.saturating_add(length);
        self.advance();
        true
    }

    /// The inside of a quoted string, escapes untouched; nothing when it does not end on its line.
    fn quoted(&mut self, quote: u8) -> Option<&'a [u8]> {
        let inside = self.bytes.get(self.at + 1..)?;
        let mut length = 0;
        loop {
            match inside.get(length)? {
                b'\n' => return None,
                b'\\' if matches!(inside.get(length + 1), None | Some(b'\n')) => return None,
                b'\\' => length += 2,
                c if *c == quote => break,
                _ => length += 1,
            }
        }
        for _ in 0..length + 2 {
            self.advance();
        }
        inside.get(..length)
    }

    /// Resolves escapes the way xl does, its faults included: `\xHH` is always refused, `\OOO` yields nothing.
    fn dequote(&mut self, raw: &[u8], start: Position) -> Vec<u8> {
        if raw.contains(&0) {
            self.lexical_error(start, "a NUL byte in a string: xl breaks off at it".to_owned());
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            at += 1;
            if byte != b'\\' {
                out.push(byte);
                continue;
            }
            let Some(&escaped) = raw.get(at) else { break };
            at += 1;
            match escaped {
                b'"' | b'\'' | b'\\' => out.push(escaped),
                b'a' => out.push(7),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'v' => out.push(11),
                b'0'..=b'7' => {
                    let digits = raw.get(at..raw.len().min(at + 3)).unwrap_or_default();
                    let number = strtol_base(digits, Some(10));
                    if number.taken <= 1 {
                        self.lexical_error(
                            start,
                            "a backslash with a number in a string needs three digits, and then yields nothing".to_owned(),
                        );
                        break;
                    }
                    at += number.taken;
                }
                b'x' => {
                    self.lexical_error(start, "`\\x` in a string: xl always refuses it; write the character itself".to_owned());
                    break;
                }
                other => {
                    let what = format!(
                        "`\\{}` in a string: xl does not know this escape; a backslash itself is written `\\\\`",
                        shown::bytes(&[other])
                    );
                    self.lexical_error(start, what);
                    break;
                }
            }
        }
        out
    }

    /// Says what is wrong with a character, and skips the word it begins; true when that took the line end.
    fn bad_word(&mut self, first: u8) -> bool {
        let start = self.here;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if matches!(first, b'+'..=b'.' | b'(' | b')' | b':') {
            self.looks_like_python = true;
        }
        let what = complaint(first, rest, self.at);
        self.advance();
        let mut line_end = false;
        match self.peek() {
            Some(b' ' | b'\t') => self.advance(),
            Some(b'\n') => {
                self.advance();
                line_end = true;
            }
            _ => {
                while self.peek().is_some_and(|c| !matches!(c, b' ' | b'\t' | b'\n')) {
                    self.advance();
                }
            }
        }
        self.lexical_error(start, what);
        line_end
    }
}

/// What is wrong with a character that begins no word; `rest` begins with it, `offset` bytes into the file.
fn complaint(first: u8, rest: &[u8], offset: usize) -> String {
    let line = rest.split(|c| *c == b'\n').next().unwrap_or_default();
    match first {
        b'\r' if rest.get(1) == Some(&b'\n') => {
            "CR LF line ends: xl reads the carriage return as an error; convert the file with `sed -i 's/\\r$//' FILE`".to_owned()
        }
        b'\r' => "a carriage return: xl reads it as an error; line ends are a single line feed".to_owned(),
        b'#' => "the last line is a comment without a line end: xl refuses the file; add a line end".to_owned(),
        b'\'' | b'"' => "a string that does not end on its line".to_owned(),
        0 => "a NUL byte".to_owned(),
        _ if offset == 0 && rest.starts_with(BYTE_ORDER_MARK) => {
            "a byte order mark at the start: xl reads it as an error; save the file as UTF-8 without it".to_owned()
        }
        b'\\' => "a backslash outside of a string: xl joins no lines; lists may go over several lines without it".to_owned(),
        b'-' if line.get(1).is_some_and(u8::is_ascii_digit) => "a negative number: xl has none; write it in quotes".to_owned(),
        b'+'..=b'.' | b'(' | b')' | b':' => {
            format!("`{}` outside of a string: this looks like Python, which xm ran and xl refuses", char::from(first))
        }
        b'{' | b'}' | b'%' | b'*' | b'/' | b'<' | b'>' => {
            format!("`{}` outside of a string: xl knows only strings, numbers and lists", char::from(first))
        }
        b'A'..=b'Z' => {
            let word: Vec<u8> = line.iter().copied().take_while(|c| c.is_ascii_alphanumeric() || *c == b'_').take(40).collect();
            format!("`{}`: keys are written in lower case, texts in quotes, true and false as 1 and 0", shown::bytes(&word))
        }
        0x80.. => "a character that is not ASCII outside of a string or comment (a typographic quote or a hard blank?)".to_owned(),
        _ => format!("`{}` may not stand here", shown::bytes(&[first])),
    }
}
