//! What is dangerous, with its evidence.

use serde::{Deserialize, Serialize};

use super::{HostPath, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Data is being lost, or the next ordinary command loses it. `domkeep check` exits 3.
    Danger,
    /// Something will go wrong if nobody acts.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    /// One ASCII character for a column; meaning is never colour alone.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Danger => "!",
            Self::Warning => "*",
            Self::Note => "-",
        }
    }
}

/// A finding's stable code (`disk-missing`), for scripts and `domkeep explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Code(pub &'static str);

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Domain {
        name: String,
    },
    Disk {
        domain: String,
        vdev: String,
    },
    Backing {
        path: HostPath,
    },
    Save {
        path: HostPath,
    },
    Config {
        path: HostPath,
    },
    Volume {
        name: String,
    },
    /// A backup, by its directory.
    Bundle {
        path: HostPath,
    },
    Host,
}

impl Subject {
    /// The subject in a few characters, fit to be shown.
    pub fn label(&self) -> String {
        match self {
            Self::Disk { domain, vdev } => super::shown::text(&format!("{domain} {vdev}")),
            Self::Backing { path } | Self::Save { path } | Self::Config { path } | Self::Bundle { path } => path.to_string(),
            Self::Domain { name } | Self::Volume { name } => super::shown::text(name),
            Self::Host => "this host".to_owned(),
        }
    }
}

/// One observation behind a finding, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub what: String,
    /// The command or file that said so.
    pub source: String,
}

impl Evidence {
    pub fn new(what: impl Into<String>, source: impl Into<String>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub subject: Subject,
    /// The domains it concerns, by [`super::Domain::id`]: their lists show a mark.
    pub domains: Vec<String>,
    /// One sentence.
    pub title: String,
    pub evidence: Vec<Evidence>,
    /// Why it matters, for somebody who meets it for the first time.
    pub why: String,
    /// What to do now, in words; commands as they would be typed.
    pub advice: Vec<String>,
    /// The request that would mend it, once that request exists.
    pub mend: Option<Request>,
}
