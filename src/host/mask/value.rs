//! Where the value of a secret's name lies, in each of the shapes that configurations come in.

use std::ops::Range;

use super::{Name, Secret, rest};

/// Marks that open and close a quoted value, the longer before those they begin with.
const QUOTES: [&[u8]; 8] = [b"\"\"\"", b"'''", b"\\\"", b"\\'", b"&quot;", b"&apos;", b"\"", b"'"];

/// How far back QEMU's word `secret` may stand before its `data=`, and how far an XML tag may reach.
const NEARBY: usize = 512;

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn quote_at(bytes: &[u8], at: usize) -> Option<&'static [u8]> {
    QUOTES.into_iter().find(|quote| rest(bytes, at).starts_with(quote))
}

fn skip(bytes: &[u8], at: usize, skipped: impl Fn(u8) -> bool) -> usize {
    at + rest(bytes, at).iter().take_while(|byte| skipped(**byte)).count()
}

/// The secrets that belong to the name at `name`.
pub fn after(bytes: &[u8], name: &Range<usize>, kind: Name) -> Vec<Secret> {
    if kind == Name::Data && !beside_the_word_secret(bytes, name.start) {
        return Vec::new();
    }
    let before = name.start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    match before {
        Some(b'<') if kind == Name::Sure => return element_text(bytes, name.end).into_iter().collect(),
        Some(b'<') => return Vec::new(),
        Some(b'(') if rest(bytes, name.end).first().is_some_and(|byte| blank(*byte)) => {
            let start = skip(bytes, name.end, blank);
            return quoted_or(bytes, start, |bytes| until(bytes, start, |byte| byte == b')' || byte == b'\n'));
        }
        _ => {}
    }
    if bytes.get(name.clone()).is_some_and(|name| name.starts_with(b"--")) && matches!(rest(bytes, name.end).first(), Some(b' ' | 0)) {
        let start = name.end + 1;
        return quoted_or(bytes, start, |bytes| until(bytes, start, |byte| byte.is_ascii_whitespace() || byte == 0));
    }
    assigned(bytes, name, before)
}

fn beside_the_word_secret(bytes: &[u8], at: usize) -> bool {
    let window = bytes.get(at.saturating_sub(NEARBY)..at).unwrap_or_default();
    let line = window.rsplit(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
    line.windows(6).any(|word| word.eq_ignore_ascii_case(b"secret"))
}

/// The text of `<password ...>text<`.
fn element_text(bytes: &[u8], at: usize) -> Option<Secret> {
    let tag = rest(bytes, at).iter().take(NEARBY).position(|byte| *byte == b'>')?;
    if rest(bytes, at).get(..tag)?.ends_with(b"/") {
        return None;
    }
    let start = skip(bytes, at + tag + 1, |byte| byte.is_ascii_whitespace());
    some(until(bytes, start, |byte| byte == b'<'))
}

fn assigned(bytes: &[u8], name: &Range<usize>, before: Option<u8>) -> Vec<Secret> {
    let key_quote = quote_at(bytes, name.end);
    let key_end = name.end + key_quote.map_or(0, <[u8]>::len);
    let sign = skip(bytes, key_end, blank);
    let after_sign = sign + 1;
    let is_json = match rest(bytes, sign).first() {
        Some(b'=') => false,
        Some(b':') if key_quote.is_some() => true,
        // `password: x` in prose and YAML; `secret:id=x` is a part of something else.
        Some(b':') if rest(bytes, after_sign).first().is_some_and(|byte| blank(*byte)) => false,
        _ => return Vec::new(),
    };
    let start = if is_json { skip(bytes, after_sign, |byte| byte.is_ascii_whitespace()) } else { skip(bytes, after_sign, blank) };
    if rest(bytes, start).first() == Some(&b'[') {
        return strings_of_array(bytes, start + 1);
    }
    if is_json {
        return quoted_or(bytes, start, |_| start..start).into_iter().chain(json_number(bytes, start)).collect();
    }
    let spaced = sign > key_end || start > after_sign;
    quoted_or(bytes, start, |bytes| bare(bytes, name.start, start, before, spaced))
}

fn some(range: Range<usize>) -> Option<Secret> {
    (!range.is_empty()).then(|| Secret::stars(range))
}

fn until(bytes: &[u8], start: usize, ends: impl Fn(u8) -> bool) -> Range<usize> {
    start..skip(bytes, start, |byte| !ends(byte))
}

/// A number stays one: `*` would make the whole document unreadable.
fn json_number(bytes: &[u8], start: usize) -> Option<Secret> {
    let range = until(bytes, start, |byte| !byte.is_ascii_digit());
    (!range.is_empty()).then_some(Secret { range, with: b'9' })
}

/// Every string of `["a", "b"]`.
fn strings_of_array(bytes: &[u8], start: usize) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b']' | 0) {
            break;
        }
        match quote_at(bytes, at) {
            Some(quote) => {
                let text = quoted(bytes, at + quote.len(), quote);
                at = (text.end + quote.len()).max(at + 1);
                secrets.extend(some(text));
            }
            None => at += 1,
        }
    }
    secrets
}

/// A quoted value with what is glued to it (`"a" "b"`, `'a' + 'b'`), or else what `otherwise` finds.
fn quoted_or(bytes: &[u8], start: usize, otherwise: impl Fn(&[u8]) -> Range<usize>) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut at = start;
    while let Some(quote) = quote_at(bytes, at) {
        let text = quoted(bytes, at + quote.len(), quote);
        at = skip(bytes, text.end + quote.len(), |byte| blank(byte) || byte == b'+');
        secrets.extend(some(text));
    }
    if at == start {
        secrets.extend(some(otherwise(bytes)));
    }
    secrets
}

/// The text up to its closing mark, or to the end of the line when that is missing.
fn quoted(bytes: &[u8], start: usize, quote: &[u8]) -> Range<usize> {
    let many_lines = quote.len() == 3;
    let escaped = quote.len() == 2;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            let run = rest(bytes, at).iter().take_while(|byte| **byte == b'\\').count();
            let closes = escaped && run % 4 == 1 && quote.last() == bytes.get(at + run);
            if closes {
                at += run - 1;
                break;
            }
            // Once escaped, a quote stands behind one backslash; twice escaped (JSON in a string) behind three.
            let covers_next = if escaped { true } else { run % 2 == 1 };
            at += run + usize::from(covers_next && bytes.get(at + run).is_some_and(|next| !matches!(next, b'\n' | 0)));
            continue;
        }
        if rest(bytes, at).starts_with(quote) || byte == 0 || (byte == b'\n' && !many_lines) {
            break;
        }
        at += 1;
    }
    start..at.min(bytes.len())
}

/// A value without quotes. What ends it depends on what its name stands in: an option string, a command line, a line of its own.
fn bare(bytes: &[u8], name: usize, start: usize, before: Option<u8>, spaced: bool) -> Range<usize> {
    let line_start = bytes.get(..name).unwrap_or_default().iter().rev().find(|byte| !blank(**byte)).is_none_or(|byte| *byte == b'\n');
    let whole_line = spaced && line_start;
    let in_options = matches!(before, Some(b',' | b'"' | b'\'' | b';'));
    let in_colons = before == Some(b':');
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let following = rest(bytes, at + 1);
        let ends = match byte {
            b'\n' | b'\r' | 0 | b'"' | b'\'' | b'<' => true,
            b' ' | b'\t' => !whole_line,
            b'&' => quote_at(bytes, at).is_some(),
            b'\\' if quote_at(bytes, at).is_some() => true,
            b'\\' => {
                at += 1;
                false
            }
            b',' => in_options && option_follows(following),
            b':' | b')' => in_colons,
            _ => false,
        };
        if ends {
            break;
        }
        at += 1;
    }
    start..at.min(bytes.len())
}

/// `name=`, or the end of the option string: then a comma parts options and is no part of a password.
fn option_follows(bytes: &[u8]) -> bool {
    let name = bytes.iter().take_while(|byte| super::is_name_byte(**byte) || blank(**byte)).count();
    bytes.get(name).is_none_or(|byte| matches!(byte, b'=' | b'"' | b'\'' | b'\n' | 0))
}
