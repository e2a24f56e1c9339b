//! Wishes about disks that exist: to give one to a domain, and to take it away.

use serde::{Deserialize, Serialize};

use super::HostPath;

/// Where a change of a domain's disks is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// In the running domain: gone at its next start.
    Live,
    /// In its configuration file: from its next start on.
    Config,
    Both,
}

impl Where {
    pub const ALL: [Self; 3] = [Self::Both, Self::Live, Self::Config];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Config => "config",
            Self::Both => "both",
        }
    }

    pub fn is_live(self) -> bool {
        self != Self::Config
    }

    pub fn is_config(self) -> bool {
        self != Self::Live
    }
}

/// What a domain is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DiskSource {
    /// A block device or a file of dom0. `format` as xl spells it (`raw`, `qcow2`, `vhd`); nothing: as its content says.
    Path { path: HostPath, format: Option<String> },
    /// What a block script of Xen makes of its argument: `block-iscsi`, and `iqn=...,portal=...`.
    Script { script: String, argument: String },
    /// What the domain's configuration names under this vdev.
    Configured,
}

/// Give a domain a disk that exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttachDisk {
    pub domain: String,
    pub source: DiskSource,
    pub vdev: String,
    pub writes: bool,
    pub place: Where,
    /// Nothing: the only one that there is.
    pub config: Option<HostPath>,
}

/// Take a disk away from a domain. Its bytes stay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetachDisk {
    pub domain: String,
    pub vdev: String,
    pub place: Where,
    pub config: Option<HostPath>,
}
