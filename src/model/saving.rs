//! Writing a running domain's memory to a file, as one deed: the file is whole and only its owner's from its first byte on.

use serde::{Deserialize, Serialize};

use super::{Cmd, HostPath, Location};

/// What becomes of the domain once its memory is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Afterwards {
    /// It is gone from the hypervisor: its disks are nobody's.
    Gone,
    /// It stands still, and holds its disks.
    Paused,
}

/// `xl save` into a partial name, walked to its end, then renamed; and, of a domain that is gone, what would tell that its disks were
/// written to since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaveDomain {
    pub domain: String,
    /// The final name.
    pub image: HostPath,
    pub afterwards: Afterwards,
    /// Disks that are witnessed as soon as the domain is gone.
    pub disks: Vec<Location>,
}

/// Longest that a save or a restore may take before it is called slow, in seconds. Neither is ever killed.
const SLOW: u64 = 3600;

impl SaveDomain {
    /// The command that writes to `file`.
    pub fn cmd(&self, file: &HostPath) -> Cmd {
        let mut words = vec!["save".to_owned()];
        if self.afterwards == Afterwards::Paused {
            words.push("-p".into());
        }
        if self.domain.starts_with('-') {
            words.push("--".into());
        }
        words.extend([self.domain.clone(), text(file)]);
        Cmd::changes("xl", words).within(SLOW)
    }
}

/// The command that brings a save image back into memory.
pub fn restore(file: &HostPath) -> Cmd {
    Cmd::changes("xl", ["restore".to_owned(), text(file)]).within(SLOW)
}

/// Paths are UTF-8 once a plan has passed them.
fn text(path: &HostPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
