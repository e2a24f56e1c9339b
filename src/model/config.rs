//! A domain's configuration, wherever it lies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Disk, HostPath};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigSource {
    /// An xl or xm file.
    File,
    /// Packaged inside a save image.
    SaveImage,
    /// libvirt's XML.
    Libvirt,
    /// A xend managed domain's config.sxp.
    Xend,
}

impl ConfigSource {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::SaveImage => "save-image",
            Self::Libvirt => "libvirt",
            Self::Xend => "xend",
        }
    }
}

/// Something that the toolstack will not do with a file as its author meant it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigTrouble {
    /// xl refuses the file because of this (otherwise it starts, and does something else than meant).
    pub fatal: bool,
    /// Line and column, both from 1.
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// What xl does, and what to write instead.
    pub what: String,
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub source: ConfigSource,
    /// The file; for a packaged configuration, the save image.
    pub path: HostPath,
    /// `xl`, `xm` (evaluated without running it), `sxp`, `json`, `xml`.
    pub grammar: String,
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub memory_bytes: Option<u64>,
    pub guest_type: Option<String>,
    pub disks: Vec<Disk>,
    /// Linked or lying in /etc/xen/auto (or libvirt's autostart).
    pub autostart: bool,
    pub modified: Option<DateTime<Utc>>,
    pub trouble: Vec<ConfigTrouble>,
    /// `kernel`, `ramdisk`, `bootloader`, `cmdline` ... as they are set, secrets masked.
    pub settings: Vec<(String, String)>,
}

impl Config {
    /// Whether the toolstack takes the file.
    pub fn accepted(&self) -> bool {
        !self.trouble.iter().any(|t| t.fatal)
    }
}
