//! A Python file's logical lines: comments dropped, brackets and backslashes joined, each line cut into words.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(Vec<u8>),
    /// A whole number; `None` when it does not fit.
    Int(Option<i64>),
    Float(String),
    /// An operator or bracket: `+`, `+=`, `==`, `(` ...
    Sign(&'static str),
    /// What is no word of Python, and why.
    Bad(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Blanks before the first word (a tab goes to the next multiple of 8, as in Python 2).
    pub(super) indent: usize,
    /// From 1.
    pub(super) number: u32,
    pub(super) tokens: Vec<Token>,
}

const SIGNS: [&str; 45] = [
    "**=", "//=", "<<=", ">>=", "...", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "==", "!=", "<=", ">=", "<>", "**", "//", "<<",
    ">>", "->", "+", "-", "*", "/", "%", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", "@", "&", "|", "^", "~",
];

pub(super) fn split(bytes: &[u8]) -> Vec<Line> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut cutter = Cutter { bytes, at: 0, number: 1 };
    let mut lines = Vec::new();
    while cutter.at < bytes.len() {
        cutter.logical_line(&mut lines);
    }
    lines
}

struct Cutter<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u32,
}

impl Cutter<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn newline(&mut self) {
        self.at += 1;
        self.number = self.number.saturating_add(1);
    }

    fn indent(&mut self) -> usize {
        let mut indent = 0;
        loop {
            match self.peek(0) {
                Some(b' ') => indent += 1,
                Some(b'\t') => indent = (indent / 8 + 1) * 8,
                Some(b'\x0c') => indent = 0,
                _ => return indent,
            }
            self.at += 1;
        }
    }

    fn logical_line(&mut self, lines: &mut Vec<Line>) {
        let indent = self.indent();
        let mut line = Line { indent, number: self.number, tokens: Vec::new() };
        let mut brackets = 0_usize;
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\x0c' => self.at += 1,
                b'\n' => {
                    self.newline();
                    if brackets == 0 {
                        break;
                    }
                }
                b'#' => {
                    while self.peek(0).is_some_and(|c| c != b'\n') {
                        self.at += 1;
                    }
                }
                b'\\' if self.peek(1) == Some(b'\n') => {
                    self.at += 1;
                    self.newline();
                }
                b'\\' if self.peek(1) == Some(b'\r') && self.peek(2) == Some(b'\n') => {
                    self.at += 2;
                    self.newline();
                }
                b';' if brackets == 0 => {
                    self.at += 1;
                    let next = Line { indent, number: self.number, tokens: Vec::new() };
                    push(lines, std::mem::replace(&mut line, next));
                }
                _ => {
                    let token = self.word(byte);
                    match token {
                        Token::Sign("(" | "[" | "{") => brackets += 1,
                        Token::Sign(")" | "]" | "}") => brackets = brackets.saturating_sub(1),
                        _ => {}
                    }
                    line.tokens.push(token);
                }
            }
        }
        if brackets > 0 {
            line.tokens.push(Token::Bad("a bracket is not closed"));
        }
        push(lines, line);
    }

    fn word(&mut self, byte: u8) -> Token {
        if byte.is_ascii_alphabetic() || byte == b'_' {
            let start = self.at;
            while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_') {
                self.at += 1;
            }
            let name = self.bytes.get(start..self.at).unwrap_or_default();
            if matches!(self.peek(0), Some(b'\'' | b'"')) && name.len() <= 2 {
                return match name.to_ascii_lowercase().as_slice() {
                    b"u" | b"b" => self.text(false),
                    b"r" | b"ur" | b"br" => self.text(true),
                    _ => Token::Bad("a word before a text"),
                };
            }
            return Token::Name(String::from_utf8_lossy(name).into_owned());
        }
        if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        if matches!(byte, b'\'' | b'"') {
            return self.text(false);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign.as_bytes())) {
            self.at += sign.len();
            return Token::Sign(sign);
        }
        self.at += 1;
        Token::Bad("a character that Python does not know")
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == b'.') {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(self.bytes.get(start..self.at).unwrap_or_default()).to_ascii_lowercase();
        let whole = text.strip_suffix('l').unwrap_or(&text);
        let (digits, base) = if let Some(hex) = whole.strip_prefix("0x") {
            (hex, 16)
        } else if let Some(octal) = whole.strip_prefix("0o") {
            (octal, 8)
        } else if let Some(binary) = whole.strip_prefix("0b") {
            (binary, 2)
        } else if whole.len() > 1 && whole.starts_with('0') {
            (whole.trim_start_matches('0'), 8)
        } else {
            (whole, 10)
        };
        if digits.is_empty() && base == 8 {
            Token::Int(Some(0))
        } else if !digits.is_empty() && digits.chars().all(|c| c.is_digit(base)) {
            Token::Int(i64::from_str_radix(digits, base).ok())
        } else if text.parse::<f64>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            Token::Float(text)
        } else {
            Token::Bad("not a number")
        }
    }

    /// A text from its opening quote on; `raw` keeps backslashes.
    fn text(&mut self, raw: bool) -> Token {
        const UNENDED: Token = Token::Bad("a text that does not end on its line");
        let Some(quote) = self.peek(0) else { return UNENDED };
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if triple { 3 } else { 1 };
        let mut out = Vec::new();
        loop {
            let Some(byte) = self.peek(0) else { return UNENDED };
            if byte == quote && (!triple || (self.peek(1) == Some(quote) && self.peek(2) == Some(quote))) {
                self.at += if triple { 3 } else { 1 };
                return Token::Text(out);
            }
            match byte {
                b'\n' if !triple => return UNENDED,
                b'\n' => {
                    out.push(b'\n');
                    self.newline();
                }
                b'\r' if self.peek(1) == Some(b'\n') => self.at += 1,
                b'\\' => {
                    self.at += 1;
                    self.escape(raw, &mut out);
                }
                _ => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, raw: bool, out: &mut Vec<u8>) {
        if self.peek(0) == Some(b'\r') && self.peek(1) == Some(b'\n') {
            self.at += 1;
        }
        let Some(byte) = self.peek(0) else { return };
        if raw {
            out.push(b'\\');
        }
        if byte == b'\n' {
            self.newline();
            if raw {
                out.push(b'\n');
            }
            return;
        }
        self.at += 1;
        if raw {
            out.push(byte);
            return;
        }
        match byte {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' | b'\'' | b'"' => out.push(byte),
            b'x' => self.digits(16, 2, out),
            b'0'..=b'7' => {
                self.at -= 1;
                self.digits(8, 3, out);
            }
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }

    fn digits(&mut self, base: u32, most: usize, out: &mut Vec<u8>) {
        let mut value: u32 = 0;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|c| char::from(c).to_digit(base)) else { break };
            value = value * base + digit;
            self.at += 1;
        }
        out.push(u8::try_from(value & 0xff).unwrap_or_default());
    }
}

fn push(lines: &mut Vec<Line>, line: Line) {
    if !line.tokens.is_empty() {
        lines.push(line);
    }
}
