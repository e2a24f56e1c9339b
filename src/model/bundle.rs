//! A bundle: one backup of one domain, `DEST/<host id>/<domain>/<UTC time>-<id>/`. The words; the `bundle` room reads and writes them.
//!
//! Written under a partial name, synced, then renamed: a bundle with a manifest is whole. Anyone can restore without domkeep: a disk
//! piece is the raw image (or that compressed with zstd), `RESTORE.txt` has the commands, `<piece>.hashes` the blake3 of every 1 MiB
//! block, one line each, as `b3sum` prints it (`zero` for a block known to be zero, which is not hashed).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::HostPath;

/// Version of the manifest's form. A reader refuses a newer one and names it.
pub const MANIFEST_VERSION: u32 = 1;
/// Bytes of a disk that one hash covers.
pub const HASH_BLOCK: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// Random, 16 hexadecimal digits; also in the directory's name.
    pub id: String,
    pub domain: String,
    pub uuid: Option<String>,
    pub host: String,
    /// Version of the domkeep that wrote it.
    pub tool: String,
    /// In words: `crash-consistent, all disks from one instant`.
    pub consistency: String,
    /// Why this backup is not good: somebody wrote to a disk while it was copied. Nothing: it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<String>,
    pub started: DateTime<Utc>,
    /// The instant whose state the pieces hold.
    pub instant: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub pieces: Vec<Piece>,
    /// What of the domain is not in here, and why (disks that are managed elsewhere).
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// File name in the bundle; checked to be a single component before it is opened.
    pub name: String,
    /// `disk`, `save`, `config`, `xml`, `nvram`, `tpm`. Kinds stay open: an unknown one is kept, verified and shown.
    pub kind: String,
    /// Bytes of what it stands for (a disk's virtual size), not of the file.
    pub bytes: u64,
    pub source: HostPath,
    /// What tells the source from another of the same name: LV uuid, device and inode, file system uuid.
    pub source_identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vdev: Option<String>,
    /// What the source was: `file`, `lvm`, `partition` ... ([`super::DiskKind`]); nothing for what is no disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// `blake3:...` of the piece's list of block hashes.
    pub digest: String,
    /// `none` or `zstd`.
    pub compression: String,
    /// Ranges of the source that could not be read: zeros stand there instead.
    #[serde(default)]
    pub unreadable: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub what: String,
    pub why: String,
}
