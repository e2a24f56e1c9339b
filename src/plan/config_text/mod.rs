//! Editing the text of an xl configuration, comments and layout untouched; and writing a new one.
//!
//! Only what is surely understood is edited: one statement a key, strings and numbers and lists of strings, as xl.cfg(5) has them. Anything
//! else (Python, several `disk =` lines, `+=`) is refused with a reason, and a person adds the line by hand.

mod scan;
mod spec;

use scan::{Element, Statement, Value, scan};
pub(crate) use spec::source_of;

/// Why a text is left alone: one sentence.
pub(crate) type Wont = String;

/// The text with one more disk at the end of its `disk` list.
pub(crate) fn add_disk(text: &[u8], spec: &[u8]) -> Result<Vec<u8>, Wont> {
    add_string(text, "disk", spec)
}

/// The text with one more string at the end of a list.
pub(crate) fn add_string(text: &[u8], key: &str, string: &[u8]) -> Result<Vec<u8>, Wont> {
    let literal = quoted(string)?;
    let statements = scan(text)?;
    match only(&statements, key)? {
        None => Ok(with_line(text, &[key.as_bytes(), b" = [ ", literal.as_slice(), b" ]"].concat())),
        Some(Statement { value: Value::List { open, close, elements }, .. }) => add_element(text, *open, *close, elements, &literal),
        Some(statement) => Err(format!("the value of `{key}` on line {} is no list", line_of(text, statement.start))),
    }
}

/// A key's string, without quotes and escapes; a number as it is written; nothing when it is not set.
pub(crate) fn text_of(text: &[u8], key: &str) -> Result<Option<Vec<u8>>, Wont> {
    match only(&scan(text)?, key)? {
        None => Ok(None),
        Some(Statement { value: Value::Single(span), .. }) => {
            let literal = text.get(span.0..span.1).unwrap_or_default();
            Ok(Some(scan::unquoted(literal).unwrap_or_else(|| literal.to_vec())))
        }
        Some(statement) => Err(format!("the value of `{key}` on line {} is a list", line_of(text, statement.start))),
    }
}

/// The text without one of its disks, counted from 0 as they stand in its list.
pub(crate) fn remove_disk(text: &[u8], index: usize) -> Result<Vec<u8>, Wont> {
    let statements = scan(text)?;
    let Some(Statement { value: Value::List { close, elements, .. }, .. }) = only(&statements, "disk")? else {
        return Err("it has no plain list `disk`".into());
    };
    let Some(element) = elements.get(index) else { return Err("the list `disk` has fewer disks".into()) };
    let end = if element.comma { after_comma(text, element.end, *close) } else { element.end };
    let line_start = text.get(..element.start).unwrap_or_default().iter().rposition(|c| *c == b'\n').map_or(0, |at| at + 1);
    let rest = text.get(end..).unwrap_or_default();
    let line_end = rest.iter().position(|c| *c == b'\n');
    let tail = rest.get(..line_end.unwrap_or(rest.len())).unwrap_or_default();
    let blank = |bytes: &[u8]| bytes.iter().all(|c| matches!(c, b' ' | b'\t'));
    let before = text.get(line_start..element.start).unwrap_or_default();
    // A comment behind it is about it.
    let alone = blank(before) && blank(tail.split(|c| *c == b'#').next().unwrap_or_default());
    let (from, to) = match (line_end, index.checked_sub(1).and_then(|before| elements.get(before))) {
        (Some(line_end), _) if alone => (line_start, end + line_end + 1),
        (_, Some(previous)) if !element.comma && is_comma(text, previous.end, element.start) => (previous.end, end),
        _ => (element.start, end + rest.iter().take_while(|c| element.comma && matches!(c, b' ' | b'\t')).count()),
    };
    let out = spliced(text, from, to, b"");
    let mut wanted = strings(text, "disk")?;
    wanted.remove(index);
    if strings(&out, "disk")? == wanted { Ok(out) } else { Err("the disk does not stand in the list `disk` as is usual".into()) }
}

/// Where the comma after an element ends: blanks and comments may stand before it.
fn after_comma(text: &[u8], from: usize, close: usize) -> usize {
    let mut comment = false;
    for (at, byte) in text.iter().enumerate().take(close).skip(from) {
        match byte {
            b'\n' => comment = false,
            b'#' => comment = true,
            b',' if !comment => return at + 1,
            _ => {}
        }
    }
    from
}

fn is_comma(text: &[u8], from: usize, to: usize) -> bool {
    let between = text.get(from..to).unwrap_or_default();
    between.iter().all(|c| matches!(c, b' ' | b'\t' | b','))
}

/// The text with a key set to another string; added at the end when it is not set.
pub(crate) fn set_text(text: &[u8], key: &str, value: &[u8]) -> Result<Vec<u8>, Wont> {
    let literal = quoted(value)?;
    match only(&scan(text)?, key)? {
        None => Ok(with_line(text, &[key.as_bytes(), b" = ", literal.as_slice()].concat())),
        Some(Statement { value: Value::Single(span), .. }) => Ok(spliced(text, span.0, span.1, &literal)),
        Some(statement) => Err(format!("the value of `{key}` on line {} is a list", line_of(text, statement.start))),
    }
}

/// The text with a key's statement made a comment.
pub(crate) fn comment_out(text: &[u8], key: &str) -> Result<Vec<u8>, Wont> {
    let statements = scan(text)?;
    let Some(statement) = only(&statements, key)? else { return Ok(text.to_vec()) };
    let line_start = text.get(..statement.start).unwrap_or_default().iter().rposition(|c| *c == b'\n').map_or(0, |at| at + 1);
    let alone = text.get(line_start..statement.start).unwrap_or_default().iter().all(|c| matches!(c, b' ' | b'\t'));
    let rest = text.get(statement.end..).unwrap_or_default();
    let rest = rest.split(|c| *c == b'\n').next().unwrap_or_default();
    if !alone || matches!(statement.value, Value::List { .. }) || rest.contains(&b';') {
        return Err(format!("`{key}` on line {} does not stand alone", line_of(text, statement.start)));
    }
    Ok(spliced(text, statement.start, statement.start, b"# "))
}

/// The strings of a list, unquoted; empty when it is not set.
pub(crate) fn strings(text: &[u8], key: &str) -> Result<Vec<Vec<u8>>, Wont> {
    match only(&scan(text)?, key)? {
        None => Ok(Vec::new()),
        Some(Statement { value: Value::List { elements, .. }, .. }) => Ok(elements.iter().map(|element| element.text.clone()).collect()),
        Some(statement) => Err(format!("the value of `{key}` on line {} is no list", line_of(text, statement.start))),
    }
}

/// The text with each string of a list given anew by `change`; nothing leaves one as it is.
pub(crate) fn map_strings(text: &[u8], key: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Wont> {
    let statements = scan(text)?;
    let Some(Statement { value: Value::List { elements, .. }, .. }) = only(&statements, key)? else { return Ok(text.to_vec()) };
    let mut out = text.to_vec();
    for element in elements.iter().rev() {
        if let Some(new) = change(&element.text) {
            out = spliced(&out, element.start, element.end, &quoted(&new)?);
        }
    }
    Ok(out)
}

/// The text without those strings of a list that `goes` names; comments stay where they are.
pub(crate) fn drop_strings(text: &[u8], key: &str, goes: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Wont> {
    let statements = scan(text)?;
    let Some(Statement { value: Value::List { elements, .. }, .. }) = only(&statements, key)? else { return Ok(text.to_vec()) };
    let mut out = text.to_vec();
    for element in elements.iter().rev().filter(|element| goes(&element.text)) {
        // Its comma goes with it. One that is left behind the last of a list is none that xl would refuse.
        let comma = element.comma.then(|| comma_after(text, element.end)).flatten();
        if let Some(comma) = comma {
            out = spliced(&out, comma, comma + 1, b"");
        }
        out = spliced(&out, element.start, element.end, b"");
    }
    Ok(out)
}

/// Where the next comma stands that is not in a comment.
fn comma_after(text: &[u8], from: usize) -> Option<usize> {
    let mut comment = false;
    for (at, byte) in text.iter().enumerate().skip(from) {
        match byte {
            b'#' => comment = true,
            b'\n' => comment = false,
            b',' if !comment => return Some(at),
            _ => {}
        }
    }
    None
}

/// A disk in xl's words. The target stands last, where it takes the rest of the text whatever its characters.
pub(crate) fn disk_spec(target: &[u8], vdev: &str, format: &str, writes: bool) -> Vec<u8> {
    let access = if writes { "rw" } else { "r" };
    let mut spec = format!("vdev={vdev},format={format},access={access},target=").into_bytes();
    spec.extend_from_slice(target);
    if target.ends_with(b",") {
        // xl drops one comma at the end.
        spec.push(b',');
    }
    spec
}

/// A text as xl's scanner reads it back: in quotes, with its own escapes.
pub(crate) fn quoted(text: &[u8]) -> Result<Vec<u8>, Wont> {
    let quote = if text.contains(&b'\'') && !text.contains(&b'"') { b'"' } else { b'\'' };
    let mut out = vec![quote];
    for byte in text {
        match byte {
            b'\\' | b'\'' | b'"' if *byte == quote || *byte == b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..=31 | 127 => return Err("control characters cannot be written into a configuration".into()),
            _ => out.push(*byte),
        }
    }
    out.push(quote);
    Ok(out)
}

fn add_element(text: &[u8], open: usize, close: usize, elements: &[Element], literal: &[u8]) -> Result<Vec<u8>, Wont> {
    let Some(last) = elements.last() else {
        return Ok(spliced(text, open + 1, open + 1, &[b" ", literal].concat()));
    };
    let before_close = text.get(last.end..close).ok_or("the list could not be found again")?;
    let line_start = text.get(..last.start).unwrap_or_default().iter().rposition(|c| *c == b'\n').map_or(0, |at| at + 1);
    let indent: Vec<u8> = text.get(line_start..last.start).unwrap_or_default().to_vec();
    let on_own_line = line_start > open && indent.iter().all(|c| matches!(c, b' ' | b'\t'));
    let Some(line_end) = before_close.iter().position(|c| *c == b'\n').filter(|_| on_own_line) else {
        return Ok(spliced(text, last.end, last.end, &[b", ", literal].concat()));
    };
    // The last disk has a line of its own, perhaps with a comment: the new one gets the line below it.
    let comma: &[u8] = if last.comma { b"" } else { b"," };
    let tail: &[u8] = if last.comma { b",\n" } else { b"\n" };
    let mut line = text.get(last.end..=last.end + line_end).unwrap_or_default().to_vec();
    let comma_on_a_later_line = last.comma && !line.split(|c| *c == b'#').next().unwrap_or_default().contains(&b',');
    if comma_on_a_later_line {
        return Ok(spliced(text, last.end, last.end, &[b",\n", indent.as_slice(), literal].concat()));
    }
    line.extend_from_slice(&indent);
    line.extend_from_slice(literal);
    line.extend_from_slice(tail);
    Ok(spliced(text, last.end, last.end + line_end + 1, &[comma, line.as_slice()].concat()))
}

/// The one statement that sets a key.
fn only<'a>(statements: &'a [Statement], key: &str) -> Result<Option<&'a Statement>, Wont> {
    let mut found = statements.iter().filter(|statement| statement.key == key.as_bytes());
    let first = found.next();
    if found.next().is_some() {
        return Err(format!("`{key}` is set more than once"));
    }
    if first.is_some_and(|statement| statement.adds) {
        return Err(format!("`{key}` is built with `+=`"));
    }
    Ok(first)
}

fn with_line(text: &[u8], line: &[u8]) -> Vec<u8> {
    let end: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
    [text, end, line, b"\n"].concat()
}

fn spliced(text: &[u8], from: usize, to: usize, new: &[u8]) -> Vec<u8> {
    [text.get(..from).unwrap_or_default(), new, text.get(to..).unwrap_or_default()].concat()
}

fn line_of(text: &[u8], at: usize) -> usize {
    text.iter().take(at).filter(|c| **c == b'\n').count() + 1
}
