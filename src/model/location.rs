//! Where bytes are copied from and to, and which of them matter. The copier's words, kept here so that plans can speak them.

use serde::{Deserialize, Serialize};

use super::HostPath;

/// One end of a block copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Location {
    /// A regular file, sparse or not.
    File { path: HostPath },
    /// A block device of dom0: a volume, a partition, a disk, a loop device.
    Device { path: HostPath },
    /// An NBD export: a UNIX socket and the export's name.
    Nbd { socket: HostPath, export: String },
    /// A piece of a bundle, by its name in the manifest.
    Piece { bundle: HostPath, piece: String },
}

/// A run of bytes of one disk, in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    pub start: u64,
    pub length: u64,
    pub kind: ExtentKind,
}

impl Extent {
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// What lies in an extent. What could not be read is a map of its own, not an extent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtentKind {
    /// Bytes that must be read.
    Data,
    /// Known to read as zeros: a hole, an unmapped range of a thin volume.
    Zero,
    /// Unchanged since `reference` (an earlier bundle's piece), from `changed block` sources.
    Same { reference: String },
}
