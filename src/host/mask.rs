//! Passwords, keys and tokens replaced by `*` of the same length, for everything that leaves the host in a capture.
//!
//! The length stays because headers of image files and save images hold offsets into the text that follows them. Where text of a known
//! shape is cut by the mask it still parses: quotes stay, a JSON number becomes nines. Rather too much is masked than too little; what
//! is masked is the value, never the name, so that one still sees that a password is set.
//!
//! | shape | example (`_` is masked) |
//! | --- | --- |
//! | assignment: xl, kernel command line, sh, ini | `vncpasswd="___"`, `x.password=___`, `root_token = ___` |
//! | JSON, Python, escaped JSON | `"passwd": "___"`, `\"password\":\"___\"` |
//! | XML | `passwd='___'`, `<password>___</password>` |
//! | xend's s-expressions | `(vncpasswd ___)` |
//! | QEMU and rbd options | `secret,id=a,data=___`, `rbd:pool/image:key=___:mon_host=...` |
//! | command line | `--password ___` |
//! | URL | `http://user:___@host/` |
//! | PEM | `-----BEGIN PRIVATE KEY-----` ... |

mod value;

use std::ops::Range;

/// Masks every secret that is recognised. The length stays; UTF-8 stays UTF-8.
pub fn mask(bytes: &mut [u8]) {
    for secret in find(bytes) {
        for byte in bytes.get_mut(secret.range).unwrap_or_default() {
            *byte = secret.with;
        }
    }
}

/// [`mask`] for text.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    mask(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Bytes to be overwritten.
struct Secret {
    range: Range<usize>,
    with: u8,
}

impl Secret {
    fn stars(range: Range<usize>) -> Self {
        Self { range, with: b'*' }
    }
}

/// How surely a name is that of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// A password or the like, whatever its shape.
    Sure,
    /// `key`, `auth`: an XML element of that name holds something else.
    Likely,
    /// QEMU's `data=` beside `secret`.
    Data,
}

/// Longer names are looked at by their ends only.
const LONGEST_NAME: usize = 128;

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn name_kind(name: &[u8]) -> Option<Name> {
    const SURE: [&str; 7] = ["passwd", "password", "passphrase", "secret", "token", "credential", "passcode"];
    let end = name.get(name.len().saturating_sub(LONGEST_NAME)..).unwrap_or_default();
    let lower = String::from_utf8_lossy(end).to_ascii_lowercase();
    if SURE.iter().any(|word| lower.contains(word)) {
        return Some(Name::Sure);
    }
    let mut parts = lower.split(['.', '_', '-']).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or(first);
    if last.ends_with("key") || first == "auth" || last == "auth" {
        return Some(Name::Likely);
    }
    (lower == "data").then_some(Name::Data)
}

fn find(bytes: &[u8]) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b':' && rest(bytes, at).starts_with(b"://") {
            secrets.extend(password_in_url(bytes, at + 3).map(Secret::stars));
            at += 3;
        } else if byte == b'-' && rest(bytes, at).starts_with(b"-----BEGIN ") {
            let range = private_key(bytes, at);
            at = range.as_ref().map_or(at + 11, |range| range.end);
            secrets.extend(range.map(Secret::stars));
        } else if is_name_byte(byte) {
            let length = rest(bytes, at).iter().take_while(|byte| is_name_byte(**byte)).count();
            let name = at..at + length;
            at = name.end;
            if let Some(kind) = bytes.get(name.clone()).and_then(name_kind) {
                let found = value::after(bytes, &name, kind);
                at = found.iter().map(|secret| secret.range.end).fold(at, usize::max);
                secrets.extend(found);
            }
        } else {
            at += 1;
        }
    }
    secrets
}

fn rest(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// What stands between the first colon and the last `@` of an authority. QEMU's iSCSI URLs part user and password by `%`.
fn password_in_url(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'>' | b'?' | b'#' | b'\\' | 0);
    let length = rest(bytes, start).iter().take(4096).take_while(|byte| !ends(byte)).count();
    let authority = bytes.get(start..start + length)?;
    let at_sign = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority.get(..at_sign)?.iter().position(|byte| matches!(byte, b':' | b'%'))?;
    Some(start + colon + 1..start + at_sign)
}

/// The body of a PEM block whose label ends in `PRIVATE KEY`; to the end of what is there when its last line is missing.
fn private_key(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let line = rest(bytes, start).iter().position(|byte| *byte == b'\n')?;
    let label = bytes.get(start..start + line)?;
    if !String::from_utf8_lossy(label).contains("PRIVATE KEY-----") {
        return None;
    }
    let body = start + line + 1;
    let length = rest(bytes, body).windows(9).position(|window| window == b"-----END ").unwrap_or(rest(bytes, body).len());
    Some(body..body + length)
}

#[cfg(test)]
mod tests;
