//! A virtual disk (VBD) of a domain.

use serde::{Deserialize, Serialize};

use super::{HostPath, LibvirtDisk};

/// How a domain may use a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "w")]
    Write,
    /// xm's "write although somebody else has it"; xl refuses it.
    #[serde(rename = "w!")]
    ForceWrite,
}

impl Mode {
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
            Self::ForceWrite => "w!",
        }
    }
}

/// What kind of thing holds a disk's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    File,
    Lvm,
    Partition,
    /// A whole disk, or another block device that is none of the others (multipath, md).
    Disk,
    Loop,
    Nbd,
    Rbd,
    Iscsi,
    Drbd,
    NfsRoot,
    /// A removable drive without a medium.
    Empty,
    #[default]
    Unknown,
}

impl DiskKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Lvm => "lvm",
            Self::Partition => "partition",
            Self::Disk => "disk",
            Self::Loop => "loop",
            Self::Nbd => "nbd",
            Self::Rbd => "rbd",
            Self::Iscsi => "iscsi",
            Self::Drbd => "drbd",
            Self::NfsRoot => "nfs-root",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// Its bytes lie under somebody else's care: domkeep names it and leaves it alone.
    pub fn managed_elsewhere(self) -> bool {
        matches!(self, Self::Nbd | Self::Rbd | Self::Iscsi | Self::Drbd | Self::NfsRoot)
    }
}

/// One disk of a domain: what a config says of it, what is attached, and which backing holds its bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// The guest's name for it (`xvda`, `hdc`); nothing for an NFS root.
    pub vdev: Option<String>,
    pub mode: Option<Mode>,
    pub kind: DiskKind,
    /// The source as the toolstack names it: an absolute path, a network target, `server:path` for an NFS root; nothing for an empty drive.
    pub path: Option<HostPath>,
    /// The target as it was written, where that differs from `path` (a relative `phy:vg/lv`).
    pub written_as: Option<String>,
    /// `raw`, `qcow2`, `vhd` ..., `empty`; nothing for an NFS root.
    pub format: Option<String>,
    pub bytes: Option<u64>,
    pub allocated: Option<u64>,
    pub exists: Option<bool>,
    pub removable: bool,
    /// `phy`, `qdisk`, `tap`: who serves it in the backend domain, once known.
    pub backend: Option<String>,
    /// The backend domain when it is not dom0.
    pub backend_domain: Option<String>,
    /// The hotplug script, when the config or xenstore names one that is not the usual one.
    pub script: Option<String>,
    pub in_config: bool,
    pub attached: bool,
    /// Attached, but the toolstack refused or lost it: an error text of the hotplug script.
    pub trouble: Option<String>,
    /// Key of its [`super::Backing`] in the inventory.
    pub backing: Option<String>,
    /// As libvirt's XML has it; nothing for a disk that no libvirt knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt: Option<LibvirtDisk>,
}
