//! Clones of a domain's disks, and the end of snapshots, clones and disks: what is asked for.

use serde::{Deserialize, Serialize};

use super::HostPath;

/// One or several clones of one domain: its disks, and a configuration for each clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cloning {
    pub domain: String,
    /// The configuration that the clones' are made of; needed when several name the domain.
    pub config: Option<HostPath>,
    /// The clones' names.
    pub names: Vec<String>,
    /// Disks that are cloned, by vdev; none: all that the domain writes to.
    pub disks: Vec<String>,
    pub how: CloneHow,
    /// Bytes of each classic snapshot's store; nothing: a tenth of its origin.
    pub store: Option<u64>,
    /// Where clones in files go; nothing: beside the file that they are made of.
    pub directory: Option<HostPath>,
    /// The file system's UUID and the host name inside each clone become its own.
    #[serde(default)]
    pub inside: bool,
}

/// Snapshots, clones or disks that are to be no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Removing {
    /// `VG/LV`, or the path of a file.
    pub things: Vec<String>,
    /// A configuration that goes with them: it is set aside, and does not count as somebody who needs them.
    pub config: Option<HostPath>,
}

/// How a disk is cloned without copying it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloneHow {
    /// What suits each disk: a thin snapshot of a thin volume, a classic one of another volume, a shared file where the file system can, an
    /// overlay elsewhere.
    Suited,
    /// A classic LVM snapshot, with a store of a fixed size.
    Classic,
    /// A snapshot of a thin volume, in its pool.
    Thin,
    /// A file that shares its blocks with the original until one of them is written to (FICLONE).
    Reflink,
    /// A qcow2 image that holds what differs, on top of the original, which nobody may write to any more.
    Overlay,
}

impl CloneHow {
    pub const ALL: [Self; 5] = [Self::Suited, Self::Classic, Self::Thin, Self::Reflink, Self::Overlay];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suited => "suited",
            Self::Classic => "classic",
            Self::Thin => "thin",
            Self::Reflink => "reflink",
            Self::Overlay => "overlay",
        }
    }
}
