//! Where the statements of an xl configuration stand in its text. Stricter than xl: what it would refuse is refused here, and more.

use super::{Wont, line_of};

/// Larger texts are no configuration.
const LARGEST: usize = 1 << 20;

pub(super) struct Statement {
    pub key: Vec<u8>,
    /// Set with `+=`.
    pub adds: bool,
    pub start: usize,
    pub end: usize,
    pub value: Value,
}

pub(super) enum Value {
    /// A string or number, and where it stands.
    Single((usize, usize)),
    /// A list of strings. Where its brackets stand.
    List { open: usize, close: usize, elements: Vec<Element> },
    /// A list that holds other things too.
    Other,
}

pub(super) struct Element {
    pub start: usize,
    pub end: usize,
    /// Without quotes and escapes.
    pub text: Vec<u8>,
    /// A comma follows.
    pub comma: bool,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Every statement of the text, in order.
pub(super) fn scan(text: &[u8]) -> Result<Vec<Statement>, Wont> {
    if text.len() > LARGEST {
        return Err("it is too large for a configuration".into());
    }
    let mut scanner = Scanner { text, at: 0 };
    let mut statements = Vec::new();
    loop {
        scanner.skip(true)?;
        while scanner.peek() == Some(b';') {
            scanner.at += 1;
            scanner.skip(true)?;
        }
        if scanner.peek().is_none() {
            return Ok(statements);
        }
        statements.push(scanner.statement()?);
    }
}

/// The text of one string in quotes.
pub(super) fn unquoted(literal: &[u8]) -> Option<Vec<u8>> {
    Scanner { text: literal, at: 0 }.single().ok()?.2
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Blanks and comments; line ends too where they mean nothing.
    fn skip(&mut self, lines: bool) -> Result<(), Wont> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\n') if lines => self.at += 1,
                Some(b'#') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let Some(length) = rest.iter().position(|c| *c == b'\n') else {
                        return Err("its last line is a comment without a line end, which xl refuses".into());
                    };
                    self.at += length;
                }
                _ => return Ok(()),
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, Wont> {
        let start = self.at;
        if !self.peek().is_some_and(|c| c.is_ascii_lowercase()) {
            return self.strange();
        }
        while self.peek().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'.')) {
            self.at += 1;
        }
        let key = self.text.get(start..self.at).unwrap_or_default().to_vec();
        self.skip_blanks();
        let adds = self.peek() == Some(b'+');
        if adds {
            self.at += 1;
        }
        if self.peek() != Some(b'=') {
            return self.strange();
        }
        self.at += 1;
        self.skip_blanks();
        let value = if self.peek() == Some(b'[') {
            self.list()?
        } else {
            let (from, to, _) = self.single()?;
            Value::Single((from, to))
        };
        let end = self.at;
        self.skip_blanks();
        match self.peek() {
            None | Some(b'\n' | b';' | b'#') => Ok(Statement { key, adds, start, end, value }),
            _ => self.strange(),
        }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn list(&mut self) -> Result<Value, Wont> {
        let open = self.at;
        self.at += 1;
        let mut elements: Vec<Element> = Vec::new();
        let mut other = false;
        // Lists in lists are walked by counting: nothing in them is ever edited.
        let mut depth = 1_usize;
        let mut expects_value = true;
        loop {
            self.skip(true)?;
            match self.peek() {
                Some(b']') => {
                    depth -= 1;
                    self.at += 1;
                    expects_value = false;
                    if depth == 0 {
                        let close = self.at - 1;
                        return Ok(if other { Value::Other } else { Value::List { open, close, elements } });
                    }
                }
                Some(b'[') if expects_value => {
                    other = true;
                    depth += 1;
                    self.at += 1;
                }
                Some(b',') if !expects_value => {
                    self.at += 1;
                    expects_value = true;
                    if let Some(last) = elements.last_mut() {
                        last.comma = true;
                    }
                }
                Some(_) if expects_value => {
                    let (start, end, text) = self.single()?;
                    expects_value = false;
                    match text {
                        Some(text) => elements.push(Element { start, end, text, comma: false }),
                        None => other = true,
                    }
                }
                _ => return self.strange(),
            }
        }
    }

    /// A string, with its text, or a number.
    fn single(&mut self) -> Result<(usize, usize, Option<Vec<u8>>), Wont> {
        let start = self.at;
        let Some(first) = self.peek() else { return self.strange() };
        if first.is_ascii_digit() {
            while self.peek().is_some_and(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f' | b'x')) {
                self.at += 1;
            }
            return Ok((start, self.at, None));
        }
        if !matches!(first, b'\'' | b'"') {
            return self.strange();
        }
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek() {
                Some(c) if c == first => {
                    self.at += 1;
                    return Ok((start, self.at, Some(text)));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let Some(escaped) = self.peek() else { return self.strange() };
                    text.push(match escaped {
                        b'\\' | b'\'' | b'"' => escaped,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return self.strange(),
                    });
                    self.at += 1;
                }
                None | Some(b'\n' | 0) => return self.strange(),
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn strange<T>(&self) -> Result<T, Wont> {
        let line = line_of(self.text, self.at);
        Err(match self.peek() {
            Some(b'\r') => format!("line {line} ends with a carriage return, which xl refuses"),
            Some(c @ (b'(' | b')' | b':' | b'%' | b'+' | b'.' | b'{' | b'}')) => {
                format!("`{}` on line {line}: this looks like Python, which is never edited", char::from(c))
            }
            Some(c) => format!("`{}` on line {line} is not what xl's language has there", crate::model::shown::bytes(&[c])),
            None => "it ends in the middle of a statement".into(),
        })
    }
}
