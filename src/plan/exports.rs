//! The text of /etc/exports (exports(5)): a path, then clients, each with its options directly attached. A blank between a client and its
//! parenthesis would export to that client read-only, and to the whole world with those options.

/// Why a text is left alone: one sentence.
pub(super) type Wont = String;

/// Larger texts are no exports.
const LARGEST: usize = 1 << 20;
/// The guest's root is root there, and what it was told to be written is written.
const OPTIONS: &str = "rw,sync,no_root_squash,no_subtree_check";

/// One line of the file, continued lines joined.
struct Entry {
    /// From 1.
    line: usize,
    path: Vec<u8>,
    rest: String,
}

/// What the file says of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exported {
    No,
    /// To this client, writable, and root is root: nothing is to be done.
    AsWanted,
    /// In another way: the line, and what it says.
    Otherwise {
        line: usize,
        says: String,
    },
}

pub(super) fn of(text: &[u8], path: &[u8], client: &str) -> Result<Exported, Wont> {
    let entries = entries(text)?;
    let mut found = entries.iter().filter(|entry| entry.path == path);
    let Some(entry) = found.next() else { return Ok(Exported::No) };
    let wanted = entry.rest.split_whitespace().any(|word| {
        let Some(options) = word.strip_prefix(client).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')')) else { return false };
        let options: Vec<&str> = options.split(',').collect();
        options.contains(&"rw") && options.contains(&"no_root_squash")
    });
    if wanted && found.next().is_none() {
        return Ok(Exported::AsWanted);
    }
    Ok(Exported::Otherwise { line: entry.line, says: entry.rest.trim().to_owned() })
}

/// The text with one more line.
pub(super) fn with(text: &[u8], path: &[u8], client: &str) -> Vec<u8> {
    let end: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
    [text, end, line(path, client).as_bytes(), b"\n"].concat()
}

/// Every path that is exported.
pub(super) fn paths(text: &[u8]) -> Vec<crate::model::HostPath> {
    entries(text).unwrap_or_default().iter().map(|entry| crate::model::HostPath::from_bytes(&entry.path)).collect()
}

/// No blank before the parenthesis.
fn line(path: &[u8], client: &str) -> String {
    format!("{} {client}({OPTIONS})", escaped(path))
}

/// A path as the file and the server's table have it.
pub(super) fn escaped(path: &[u8]) -> String {
    let mut out = String::new();
    for byte in path {
        match byte {
            b'!'..=b'~' if !b"\"\\#".contains(byte) => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out
}

fn entries(text: &[u8]) -> Result<Vec<Entry>, Wont> {
    if text.len() > LARGEST {
        return Err("it is too large for a list of exports".into());
    }
    let Ok(text) = std::str::from_utf8(text) else { return Err("it is not UTF-8".into()) };
    if text.ends_with('\\') || text.ends_with("\\\n") {
        return Err("its last line is continued, and a new one would be part of it".into());
    }
    let mut entries = Vec::new();
    let mut joined = String::new();
    let mut first = 1;
    for (number, line) in text.lines().enumerate() {
        if joined.is_empty() {
            first = number.saturating_add(1);
        }
        if let Some(part) = line.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
        } else {
            joined.push_str(line);
            entries.extend(entry(&joined, first));
            joined.clear();
        }
    }
    Ok(entries)
}

fn entry(line: &str, number: usize) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let (path, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
    };
    if path.is_empty() {
        return None;
    }
    let mut path = unescaped(path);
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    Some(Entry { line: number, path, rest: rest.to_owned() })
}

/// `\040` is a blank.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(value) = octal.filter(|_| *byte == b'\\') {
            out.push(value);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_exports_to_its_client_and_to_nobody_else() {
        assert_eq!(line(b"/srv/root", "192.0.2.21"), "/srv/root 192.0.2.21(rw,sync,no_root_squash,no_subtree_check)");
        assert!(line(b"/srv/a b#", "192.0.2.21").starts_with("/srv/a\\040b\\043 192.0.2.21("), "the path would end at its blank");
        assert_eq!(with(b"/a b(ro)", b"/c", "d"), b"/a b(ro)\n/c d(rw,sync,no_root_squash,no_subtree_check)\n");
    }

    #[test]
    fn what_is_exported_already_is_found_however_it_is_written() {
        let text = b"# /srv/root is not yet\n/srv/other *(ro)\n\"/srv/a b\" \\\n  192.0.2.21(rw,no_root_squash)\n/srv/c/ host (rw,no_root_squash)\n";
        let of = |path: &str| of(text, path.as_bytes(), "192.0.2.21").unwrap();
        assert_eq!(of("/srv/root"), Exported::No);
        assert_eq!(of("/srv/a b"), Exported::AsWanted);
        assert_eq!(of("/srv/other"), Exported::Otherwise { line: 2, says: "*(ro)".into() });
        assert_eq!(
            of("/srv/c"),
            Exported::Otherwise { line: 5, says: "host (rw,no_root_squash)".into() },
            "the blank opens it to the world"
        );
        assert!(super::of(b"/a b(ro) \\\n", b"/c", "d").is_err(), "the new line would become part of the last one");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for path in ["/srv/root", "/srv/a b", "/srv/a#\"b\\", "/srv/\u{e4}"] {
            let text = with(b"/x y(ro)\n", path.as_bytes(), "192.0.2.0/24");
            assert_eq!(of(&text, path.as_bytes(), "192.0.2.0/24"), Ok(Exported::AsWanted), "{path} would be exported twice");
        }
    }
}
