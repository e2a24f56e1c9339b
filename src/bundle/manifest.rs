//! `manifest.toml` of a bundle, `DEST/<host id>/<domain>/<UTC time>-<id>/`.
//!
//! Written under a partial name, synced, then renamed: a bundle with a manifest is whole. Anyone can restore without domkeep: a disk
//! piece is the raw image (or that compressed with zstd), `RESTORE.txt` has the commands, `<piece>.hashes` the blake3 of every 1 MiB
//! block, one line each (`zero` for a block known to be zero, which is not hashed).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::HostPath;

/// Version of the manifest's form. A reader refuses a newer one and names it.
pub const MANIFEST_VERSION: u32 = 1;
/// Bytes of a disk that one hash covers.
pub const HASH_BLOCK: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub vdev: Option<String>,
    /// `sha256:...` or `blake3:...` of the file.
    pub digest: String,
    /// `none` or `zstd`.
    pub compression: String,
    /// Ranges of the source that could not be read: zeros stand there instead.
    #[serde(default)]
    pub unreadable: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    pub what: String,
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_its_file() {
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            id: "0123456789abcdef".into(),
            domain: "web1".into(),
            uuid: None,
            host: "host.example.com".into(),
            tool: "0.1.0".into(),
            consistency: "the domain was off".into(),
            started: time,
            instant: time,
            ended: time,
            pieces: vec![Piece {
                name: "xvda.img".into(),
                kind: "disk".into(),
                bytes: 1 << 30,
                source: "/dev/vg/web1".into(),
                source_identity: "lv:RZ2V3w".into(),
                vdev: Some("xvda".into()),
                digest: "blake3:00".into(),
                compression: "none".into(),
                unreadable: vec![(4096, 512)],
            }],
            left_out: vec![],
        };
        let text = toml::to_string(&manifest).unwrap();
        assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), manifest, "a backup could not be read back:\n{text}");
    }
}
