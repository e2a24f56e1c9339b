//! An overlay that a domain of libvirt's writes to for a while, so that the image below it stands still; and how it goes away again.

use serde::{Deserialize, Serialize};

use super::{Check, Cmd, HostPath, LibvirtCheck, LibvirtIs};

/// What is written into the image below, and then removed. Safe to be done again, from wherever it was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldOverlay {
    pub uri: String,
    pub uuid: String,
    pub domain: String,
    /// The disk, as the guest names it.
    pub vdev: String,
    /// The image that the domain runs on otherwise: named, because the lowest image of a chain may be a template of others.
    pub base: HostPath,
    pub overlay: HostPath,
    /// Those of all its disks: a domain that stopped on them is only defined as before when none of them holds anything any more.
    pub all: Vec<HostPath>,
    /// The stored definition as it was before, for a domain that stopped meanwhile.
    pub definition: Vec<u8>,
}

impl FoldOverlay {
    pub fn is(&self, is: LibvirtIs) -> Check {
        Check::Libvirt(LibvirtCheck { uri: self.uri.clone(), uuid: self.uuid.clone(), is })
    }

    /// The running instance or the stored definition names the overlay.
    pub fn is_named(&self) -> Check {
        self.names(&self.overlay)
    }

    pub fn names(&self, path: &HostPath) -> Check {
        self.is(LibvirtIs::Names { path: path.to_string() })
    }

    /// Writes what the overlay holds into the image below while the guest runs, and lets the guest go on with that. Never ends a job without the
    /// pivot: that would leave the guest on the overlay.
    pub fn commit(&self) -> Cmd {
        let base = self.base.to_string();
        let words =
            ["-q", "-c", &self.uri, "blockcommit", "--domain", &self.uuid, "--path", &self.vdev, "--base", &base, "--active", "--pivot"];
        Cmd::changes("virsh", words).within(24 * 60 * 60)
    }

    /// A block job is at work on one of its disks.
    pub fn has_job(&self) -> Check {
        let cmd = Cmd::reads("virsh", ["-r", "-q", "-c", &self.uri, "dumpxml", "--domain", &self.uuid]).within(20);
        Check::Says { cmd, text: "<mirror ".to_owned() }
    }

    /// Ends a block job that nobody waits for any more. The guest stays on the overlay.
    pub fn abort(&self) -> Cmd {
        Cmd::changes("virsh", ["-q", "-c", &self.uri, "blockjob", "--domain", &self.uuid, "--path", &self.vdev, "--abort"])
    }

    /// The same for a domain that is off. The overlay itself names what it stands on.
    pub fn commit_off(overlay: &HostPath) -> Cmd {
        Cmd::changes("qemu-img", ["commit".to_owned(), "-q".to_owned(), "-f".to_owned(), "qcow2".to_owned(), overlay.to_string()])
    }

    pub fn define(&self) -> Cmd {
        let words = ["-q", "-c", &self.uri, "define", "--file", "/dev/stdin"];
        Cmd { stdin: self.definition.clone(), ..Cmd::changes("virsh", words) }
    }
}
