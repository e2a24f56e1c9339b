//! S-expressions as xend wrote them (xend-config.sxp, config.sxp, the header of an `xm save` file).
//!
//! Source: Xen 4.1, tools/python/xen/xend/sxp.py: lists in parentheses, atoms between blanks, strings in either quote with escapes,
//! `#` comments to the line's end.

/// More bytes than this are not read.
pub const MAX_BYTES: usize = 4 << 20;
const MAX_NESTING: usize = 64;
const MAX_NODES: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sxp {
    /// A word or a string.
    Atom(Vec<u8>),
    List(Vec<Sxp>),
}

/// Why a text is no S-expression; the line counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SxpError {
    pub line: u32,
    pub what: &'static str,
}

impl Sxp {
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Atom(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::List(_) => None,
        }
    }

    /// The first word of a list: what it is.
    pub fn head(&self) -> Option<&[u8]> {
        match self {
            Self::List(items) => match items.first() {
                Some(Self::Atom(word)) => Some(word),
                _ => None,
            },
            Self::Atom(_) => None,
        }
    }

    /// What follows the first word of a list.
    pub fn rest(&self) -> &[Sxp] {
        match self {
            Self::List(items) => items.get(1..).unwrap_or_default(),
            Self::Atom(_) => &[],
        }
    }

    /// All lists in this one that begin with `name`.
    pub fn children<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Sxp> + use<'a, 'n> {
        self.rest().iter().filter(move |child| child.head() == Some(name.as_bytes()))
    }

    /// The value of `(name value)` in this list; nothing when it is missing or empty, as in `(ramdisk )`.
    pub fn value(&self, name: &str) -> Option<&Sxp> {
        self.children(name).find_map(|child| child.rest().first())
    }

    /// [`Sxp::value`] as text.
    pub fn string(&self, name: &str) -> Option<String> {
        self.value(name).and_then(Sxp::text)
    }
}

/// Reads all expressions of a text.
pub fn parse(bytes: &[u8]) -> Result<Vec<Sxp>, SxpError> {
    let mut line: u32 = 1;
    let fail = |line, what| Err(SxpError { line, what });
    if bytes.len() > MAX_BYTES {
        return fail(1, "too large");
    }
    let mut open: Vec<Vec<Sxp>> = Vec::new();
    let mut done: Vec<Sxp> = Vec::new();
    let mut nodes = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let atom = match byte {
            b'\n' => {
                line = line.saturating_add(1);
                continue;
            }
            b' ' | b'\t' | b'\r' | 0 => continue,
            b'#' => {
                while bytes.get(at).is_some_and(|c| *c != b'\n') {
                    at += 1;
                }
                continue;
            }
            b'(' => {
                if open.len() >= MAX_NESTING {
                    return fail(line, "lists are nested too deep");
                }
                open.push(Vec::new());
                continue;
            }
            b')' => {
                let Some(list) = open.pop() else { return fail(line, "a `)` without its `(`") };
                Sxp::List(list)
            }
            b'\'' | b'"' => {
                let Some((text, next)) = string(bytes, at, byte) else { return fail(line, "a string without its end") };
                let lines = bytes.get(at..next).unwrap_or_default().split(|c| *c == b'\n').count().saturating_sub(1);
                line = line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
                at = next;
                Sxp::Atom(text)
            }
            first => {
                let start = at - 1;
                // Other brackets and `;` are words of their own.
                if !is_separator(first) {
                    while bytes.get(at).is_some_and(|c| !c.is_ascii_whitespace() && !is_separator(*c) && !matches!(c, b'\'' | b'"' | b'#'))
                    {
                        at += 1;
                    }
                }
                Sxp::Atom(bytes.get(start..at).unwrap_or_default().to_vec())
            }
        };
        nodes += 1;
        if nodes > MAX_NODES {
            return fail(line, "too many words");
        }
        open.last_mut().unwrap_or(&mut done).push(atom);
    }
    if open.is_empty() { Ok(done) } else { fail(line, "a `(` without its `)`") }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'(' | b')' | b'<' | b'>' | b'[' | b']' | b';')
}

/// The string that begins at `at`, and where it ends.
fn string(bytes: &[u8], mut at: usize, quote: u8) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        if byte == quote {
            return Some((text, at));
        }
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let escaped = *bytes.get(at)?;
        at += 1;
        text.push(match escaped {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'x' => digits(bytes, &mut at, 16, 2),
            b'0'..=b'7' => {
                at -= 1;
                digits(bytes, &mut at, 8, 3)
            }
            other => other,
        });
    }
}

/// At most `most` digits as one byte.
fn digits(bytes: &[u8], at: &mut usize, base: u32, most: usize) -> u8 {
    let mut value: u32 = 0;
    for _ in 0..most {
        let Some(digit) = bytes.get(*at).and_then(|c| char::from(*c).to_digit(base)) else { break };
        value = value * base + digit;
        *at += 1;
    }
    u8::try_from(value & 0xff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_words_and_strings_are_read() {
        let all = parse(b"# c\n(domain (name 'a b') (memory 64) (ramdisk ) (x \"q\\x41\\102\\n\"))\n").unwrap();
        let domain = &all[0];
        assert_eq!(domain.head(), Some(b"domain".as_slice()));
        assert_eq!(domain.string("name").as_deref(), Some("a b"));
        assert_eq!(domain.string("memory").as_deref(), Some("64"));
        assert_eq!(domain.value("ramdisk"), None, "an unset value must not be taken for a text");
        assert_eq!(domain.string("x").as_deref(), Some("qAB\n"));
    }

    #[test]
    fn what_is_broken_says_where() {
        assert_eq!(parse(b"\n(a").unwrap_err().line, 2);
        assert!(parse(b")").is_err());
        assert!(parse(b"('a").is_err());
        assert!(parse(&vec![b'('; 100_000]).is_err(), "a file of brackets could overflow the stack");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn pieces_are_answered(parts in proptest::collection::vec(prop::sample::select(vec!["(", ")", "'", "\\", "a", " ", "#", "\n", "\\x4"]), 0..60)) {
            let _ = parse(parts.concat().as_bytes());
        }
    }
}
