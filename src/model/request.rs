//! What a person may ask for: a filled-in form, checked in shape only. Plans are made of it; nothing else leads to a change.

use serde::{Deserialize, Serialize};

use super::HostPath;

/// A wish. The enum is closed: what is not here cannot be asked of domkeep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Make a sparse file disk and name it in a domain's config.
    NewFileDisk { domain: String, vdev: String, path: HostPath, bytes: u64, file_system: String },
    /// Copy a domain that is off (or saved) into a bundle.
    ColdBackup { domain: String, destination: HostPath },
    /// Bring a bundle back.
    Restore { bundle: HostPath, domain: String },
    /// Write an attached disk into the domain's config.
    PersistDisk { domain: String, vdev: String },
    /// Remove a snapshot.
    RemoveSnapshot { volume: String },
    /// Grow a snapshot's store.
    ExtendSnapshot { volume: String, by_bytes: u64 },
}
