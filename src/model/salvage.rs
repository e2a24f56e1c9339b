//! A piece of a damaged backup, brought back as far as it is readable.

use serde::{Deserialize, Serialize};

use super::{HostPath, Location};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvage {
    /// What a person calls it: `xvda`.
    pub label: String,
    pub bundle: HostPath,
    pub piece: String,
    /// Bytes that it must come to.
    pub bytes: u64,
    /// Bytes of each of its segments; nothing: it is one file.
    pub segment: Option<u64>,
    /// `blake3:...` of its list of hashes: one that differs is not believed.
    pub digest: String,
    pub to: Location,
    /// The destination is made by this; otherwise it is a device, and zeros are written to it.
    pub new: bool,
}

/// A disk that was salvaged, and where ext file systems begin on it, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedDisk {
    pub label: String,
    pub disk: HostPath,
    pub systems: Vec<u64>,
}
