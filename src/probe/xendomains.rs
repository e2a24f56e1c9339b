//! Where the xendomains service puts the images of domains at the host's shutdown, and resumes them from at its boot: XENDOMAINS_SAVE in
//! /etc/default/xendomains (Debian) or /etc/sysconfig/xendomains, a file of assignments that a shell reads. Only plain assignments are
//! understood; nothing is run.

use std::path::{Path, PathBuf};

use super::ask::{Asker, shown};
use crate::host::{HostError, read_whole};
use crate::model::GapReason;

const USUAL: &str = "/var/lib/xen/save";
const FILES: [&str; 2] = ["/etc/default/xendomains", "/etc/sysconfig/xendomains"];
const LIMIT: usize = 64 << 10;
const MISSING: &str = "from which directory the next boot resumes domains";

/// The directory; nothing when the service saves and resumes none.
pub fn save_dir(asker: &Asker) -> Option<PathBuf> {
    for file in FILES {
        let path = Path::new(file);
        match read_whole(asker.host, path, LIMIT) {
            Ok(bytes) => match parse(&bytes) {
                Setting::Absent => {}
                Setting::Is(dir) if dir.is_empty() => return None,
                Setting::Is(dir) => return Some(PathBuf::from(dir)),
                Setting::NotPlain(line) => {
                    let why = format!("line {line} is no plain assignment; taken to be {USUAL}");
                    asker.gap(shown(path), MISSING, GapReason::Unreadable, why);
                }
            },
            // A host without the file has the usual directory; a recording from before it was asked for most likely too.
            Err(HostError::NotFound | HostError::NotCaptured) => {}
            Err(error) => asker.gap_of(shown(path), MISSING, &error),
        }
    }
    Some(PathBuf::from(USUAL))
}

#[derive(Debug, PartialEq, Eq)]
enum Setting {
    Absent,
    Is(String),
    /// Its value holds what only a shell could tell; the line, from 1.
    NotPlain(usize),
}

/// The last assignment counts, as it does for a shell.
fn parse(bytes: &[u8]) -> Setting {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Setting::Absent;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(value) = line.strip_prefix("export ").unwrap_or(line).strip_prefix("XENDOMAINS_SAVE=") else { continue };
        found = plain_value(value.trim_end()).map_or(Setting::NotPlain(index + 1), Setting::Is);
    }
    found
}

fn plain_value(value: &str) -> Option<String> {
    let (inside, after) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
        _ => value.split_once([' ', '\t']).unwrap_or((value, "")),
    };
    let rest = after.trim_start();
    let plain = !inside.contains(['$', '`', '\\', '"', '\'', ';', '&', '|', '*', '?', '~']) && (rest.is_empty() || rest.starts_with('#'));
    plain.then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_read_as_a_shell_reads_it() {
        let is = |dir: &str| Setting::Is(dir.to_owned());
        assert_eq!(parse(b"# comment\nXENDOMAINS_SAVE=/srv/save\n"), is("/srv/save"));
        assert_eq!(parse(b"XENDOMAINS_SAVE=/a\n  XENDOMAINS_SAVE=\"/srv/my save\" # here\n"), is("/srv/my save"), "the last one counts");
        assert_eq!(parse(b"XENDOMAINS_SAVE=''\n"), is(""), "an empty value switches saving off");
        assert_eq!(parse(b"#XENDOMAINS_SAVE=/a\nXENDOMAINS_SAVED=/b\n"), Setting::Absent);
        for shell in ["XENDOMAINS_SAVE=$HOME/x", "XENDOMAINS_SAVE=`id`", "XENDOMAINS_SAVE=\"/a", "XENDOMAINS_SAVE=/a; rm -rf /"] {
            assert_eq!(parse(shell.as_bytes()), Setting::NotPlain(1), "{shell}: a guess would be passed off as knowledge");
        }
    }
}
