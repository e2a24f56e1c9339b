//! Writing a running domain's memory to a file, as one deed: the file is whole and only its owner's from its first byte on.

use serde::{Deserialize, Serialize};

use super::{Check, Cmd, HostPath, LibvirtCheck, LibvirtIs, Location};

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
    /// Nothing: xl drives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt: Option<OfLibvirt>,
    /// What is known of them besides, for what is written beside the image; nothing: nothing is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<super::saved::DiskFacts>,
}

/// A domain that libvirt drives: whom to ask for it, and as what. It has a stored definition, so that it is off once it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfLibvirt {
    pub uri: String,
    pub uuid: String,
}

impl OfLibvirt {
    pub fn is(&self, is: LibvirtIs) -> Check {
        Check::Libvirt(LibvirtCheck { uri: self.uri.clone(), uuid: self.uuid.clone(), is })
    }

    fn words(&self, command: &str) -> Vec<String> {
        ["-q", "-c", &self.uri, command].map(str::to_owned).to_vec()
    }
}

/// Longest that a save or a restore may take before it is called slow, in seconds. Neither is ever killed.
const SLOW: u64 = 3600;

impl SaveDomain {
    /// The command that writes to `file`.
    pub fn cmd(&self, file: &HostPath) -> Cmd {
        if let Some(of) = &self.libvirt {
            let more = ["--domain".to_owned(), of.uuid.clone(), "--file".to_owned(), text(file), "--running".to_owned()];
            return Cmd::changes("virsh", of.words("save").into_iter().chain(more)).within(SLOW);
        }
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
pub fn restore(file: &HostPath, libvirt: Option<&OfLibvirt>) -> Cmd {
    if let Some(of) = libvirt {
        return Cmd::changes("virsh", of.words("restore").into_iter().chain(["--file".to_owned(), text(file)])).within(SLOW);
    }
    Cmd::changes("xl", ["restore".to_owned(), text(file)]).within(SLOW)
}

/// Paths are UTF-8 once a plan has passed them.
fn text(path: &HostPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
