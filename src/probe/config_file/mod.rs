//! A file in /etc/xen (or a directory of the settings): a domain's configuration for xl, an old one for xm, or something else.

mod disks;
mod meaning;
pub mod nfs_root;
pub mod secrets;

#[cfg(test)]
mod tests;

use crate::model::{Config, ConfigSource, ConfigTrouble, HostPath, inventory::UnreadableConfig};

use super::xl_config::{self, Parsed, Position};
use super::xm_config::{self, Evaluated};

pub use disks::{disk as disk_of_spec, kind_of};
pub use nfs_root::{NfsRoot, nfsroot_of};

/// Keys of which a domain's configuration has at least one besides its name.
const DOMAIN_KEYS: [&str; 8] = ["kernel", "bootloader", "type", "builder", "firmware", "disk", "memory", "ramdisk"];
/// A file without a name is one all the same when it has this many of [`DOMAIN_KEYS`].
const ENOUGH_WITHOUT_NAME: usize = 2;
/// Characters of one complaint.
const MAX_SENTENCE: usize = 600;
/// Troubles that are kept of one file.
const MAX_TROUBLE: usize = 100;

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    Domain(Box<DomainFile>),
    /// Surely a domain's configuration, but not even a name or a disk could be made out.
    Unreadable(UnreadableConfig),
    NotADomain {
        why: &'static str,
    },
}

/// A domain's configuration, as far as it can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainFile {
    /// Its name is missing when only running the file (xm's Python) would tell it.
    pub config: Config,
    /// xl refuses the file: why, and where.
    pub unreadable: Option<UnreadableConfig>,
}

/// Whose rules a file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    Xl,
    Xm,
}

/// Reads one file. `path` is only a name here; nothing is opened.
pub fn read(path: &HostPath, bytes: &[u8]) -> Reading {
    if let Some(why) = other_kind(bytes) {
        return Reading::NotADomain { why };
    }
    let parsed = xl_config::parse(bytes);
    if parsed.errors.is_empty() {
        return if is_domain(|key| parsed.get(key).is_some()) {
            Reading::Domain(Box::new(read_xl(path, &parsed)))
        } else {
            Reading::NotADomain { why: "it sets none of the keys of a domain" }
        };
    }
    let evaluated = xm_config::evaluate(bytes);
    let known = |key: &str| {
        parsed.get(key).is_some() || evaluated.why_not_read(key).is_some() || evaluated.values.iter().any(|(name, _, _)| name == key)
    };
    if bytes.len() <= xl_config::MAX_BYTES && !is_domain(known) {
        return Reading::NotADomain { why: "it sets none of the keys of a domain" };
    }
    read_refused(path, &parsed, &evaluated)
}

/// The `output_format` of xl.conf: `sxp` makes `xl list -l` print S-expressions. Nothing when it is not set or xl refuses the file.
pub fn output_format(xl_conf: &[u8]) -> Option<String> {
    let parsed = xl_config::parse(xl_conf);
    if parsed.errors.is_empty() { parsed.string("output_format") } else { None }
}

fn is_domain(known: impl Fn(&str) -> bool) -> bool {
    let keys = DOMAIN_KEYS.into_iter().filter(|key| known(key)).count();
    keys >= if known("name") { 1 } else { ENOUGH_WITHOUT_NAME }
}

/// Files that are surely of another kind, by their first bytes.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..256).unwrap_or(bytes);
    let first_line = start.split(|c| *c == b'\n').next().unwrap_or_default();
    if first_line.starts_with(b"#!") && !first_line.windows(6).any(|part| part == b"python") {
        return Some("a script");
    }
    if start.starts_with(b"\x7fELF") || start.split(|c| *c == 0).count() > start.len() / 16 + 2 {
        return Some("not a text");
    }
    let first = start.iter().find(|c| !c.is_ascii_whitespace());
    match first {
        None => Some("an empty file"),
        Some(b'<') => Some("XML"),
        Some(b'(') => Some("an S-expression of xend"),
        _ => None,
    }
}

fn read_xl(path: &HostPath, parsed: &Parsed) -> DomainFile {
    let config = meaning::config(path, parsed, Grammar::Xl, None);
    let unreadable = config.trouble.iter().find(|trouble| trouble.fatal).map(|trouble| UnreadableConfig {
        path: path.clone(),
        why: trouble.what.clone(),
        line: trouble.line,
        column: trouble.column,
        python: false,
    });
    DomainFile { config, unreadable }
}

/// A file that xl's grammar refuses: xm's rules tell what its author meant.
fn read_refused(path: &HostPath, parsed: &Parsed, evaluated: &Evaluated) -> Reading {
    let first = parsed.errors.first();
    let mut why = first.map_or_else(String::new, |error| error.what.clone());
    if evaluated.python {
        why = format!("Python, which xm ran and xl refuses: {why}");
    }
    for not_read in evaluated.not_read.iter().filter(|n| n.key == "name" || n.key == "disk") {
        why = format!("{why}; {} not read, because {} (line {})", not_read.key, not_read.why, not_read.line);
    }
    let unreadable = UnreadableConfig {
        path: path.clone(),
        why: clipped(&secrets::masked(&why)),
        line: first.map(|error| error.at.line),
        column: first.map(|error| error.at.column),
        python: evaluated.python,
    };
    let mut config = meaning::config(path, &evaluated.settings(), Grammar::Xm, Some(evaluated));
    if config.name.is_none() && config.disks.is_empty() {
        return Reading::Unreadable(unreadable);
    }
    let refusals = parsed.errors.iter().map(|error| trouble(true, Some(error.at), error.what.clone()));
    let not_read = evaluated.not_read.iter().filter(|n| meaning::is_known_key(&n.key)).map(|n| ConfigTrouble {
        fatal: false,
        line: Some(n.line),
        column: None,
        what: format!("`{}` is not read, because {}", n.key, n.why),
    });
    let rest = std::mem::take(&mut config.trouble);
    config.trouble = refusals.chain(not_read).chain(rest).take(MAX_TROUBLE).collect();
    Reading::Domain(Box::new(DomainFile { config, unreadable: Some(unreadable) }))
}

fn trouble(fatal: bool, at: Option<Position>, what: impl Into<String>) -> ConfigTrouble {
    ConfigTrouble { fatal, line: at.map(|at| at.line), column: at.map(|at| at.column), what: clipped(&secrets::masked(&what.into())) }
}

/// A sentence of a length that a person reads: what it quotes may be a megabyte.
fn clipped(sentence: &str) -> String {
    match sentence.char_indices().nth(MAX_SENTENCE) {
        Some((cut, _)) => format!("{}…", sentence.get(..cut).unwrap_or_default()),
        None => sentence.to_owned(),
    }
}

/// An empty configuration of a file.
fn blank(path: &HostPath, grammar: Grammar) -> Config {
    Config {
        source: ConfigSource::File,
        path: path.clone(),
        grammar: match grammar {
            Grammar::Xl => "xl".to_owned(),
            Grammar::Xm => "xm".to_owned(),
        },
        name: None,
        uuid: None,
        memory_bytes: None,
        guest_type: None,
        disks: Vec::new(),
        autostart: false,
        modified: None,
        trouble: Vec::new(),
        settings: Vec::new(),
    }
}
