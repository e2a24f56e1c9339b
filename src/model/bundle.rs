//! A bundle: one backup of one domain, `DEST/<host id>/<domain>/<UTC time>-<id>/`. The words; the `bundle` room reads and writes them.
//!
//! A disk piece may lie as a directory of segments instead (`<piece>.d/000000`, ...), so that the next backup can share what did not change: since
//! version 2. Each bundle is whole by itself, whatever becomes of the one before it.
//!
//! Written under a partial name, synced, then renamed: a bundle with a manifest is whole. Anyone can restore without domkeep: a disk
//! piece is the raw image (or that compressed with zstd), `RESTORE.txt` has the commands, `<piece>.hashes` the blake3 of every 1 MiB
//! block, one line each, as `b3sum` prints it (`zero` for a block known to be zero, which is not hashed).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::HostPath;

/// Version of the manifest's form. A reader refuses a newer one and names it.
pub const MANIFEST_VERSION: u32 = 2;
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
    /// `cold`, `save-copy`, `live` ... ([`super::Strategy`]); nothing: an older domkeep wrote it, cold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Why this backup is not good: somebody wrote to a disk while it was copied. Nothing: it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<String>,
    /// Why everything was copied although an increment was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_because: Option<String>,
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
    /// How its bytes are to be read: `raw`, `qcow2`; nothing: it is no disk, or an older domkeep wrote it, and its source's configuration tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `blake3:...` of the piece's list of block hashes.
    pub digest: String,
    /// `none` or `zstd`.
    pub compression: String,
    /// Bytes of each of its segments, the last one shorter; nothing: it is one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<u64>,
    /// Ranges of the source that could not be read: zeros stand there instead.
    #[serde(default)]
    pub unreadable: Vec<(u64, u64)>,
    /// What it took over from an earlier bundle; nothing: all was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<super::IncrementSaid>,
}

impl Piece {
    /// One that is yet to be copied whole, as one file.
    pub fn new(name: impl Into<String>, kind: &str, bytes: u64, source: HostPath) -> Self {
        Self {
            name: name.into(),
            kind: kind.to_owned(),
            bytes,
            source,
            source_identity: String::new(),
            vdev: None,
            source_kind: None,
            format: None,
            digest: String::new(),
            compression: "none".to_owned(),
            segment_bytes: None,
            unreadable: Vec::new(),
            increment: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub what: String,
    pub why: String,
}

/// A bundle that a look found: what its manifest says, and whether its files are there. Their bytes were not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundBundle {
    pub path: HostPath,
    #[serde(flatten)]
    pub state: BundleState,
    /// What the manifest says, when it could be read.
    pub said: Option<BundleSaid>,
    /// Bytes that its files take on the disk, as far as they could be looked at.
    pub allocated: Option<u64>,
}

/// How a bundle stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum BundleState {
    /// Whole, and its domain was quiet: of a found one, as far as names and sizes tell.
    Good,
    /// Somebody wrote to a disk while it was copied.
    Torn { why: String },
    /// Not whole: whoever wrote it was interrupted, or is still at work.
    Partial,
    /// Files are missing or of the wrong size, or the manifest is not as it was written.
    Damaged { why: String },
    /// A newer domkeep wrote it, or it is compressed: this one cannot tell.
    Unknown { why: String },
}

impl BundleState {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Torn { .. } => "torn",
            Self::Partial => "partial",
            Self::Damaged { .. } => "damaged",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether enough is known of it to say what it is worth.
    pub fn is_judged(&self) -> bool {
        matches!(self, Self::Good | Self::Torn { .. })
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Good | Self::Partial => None,
            Self::Torn { why } | Self::Damaged { why } | Self::Unknown { why } => Some(why),
        }
    }
}

/// A manifest in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSaid {
    pub id: String,
    pub domain: String,
    pub uuid: Option<String>,
    pub host: String,
    pub consistency: String,
    pub instant: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Bytes of all that it stands for: the disks' virtual sizes, the save image, the config.
    pub bytes: u64,
    /// Bytes of the sources that could not be read: zeros stand there instead.
    pub unreadable: u64,
    pub pieces: Vec<PieceSaid>,
    pub left_out: Vec<LeftOut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceSaid {
    pub name: String,
    pub kind: String,
    pub bytes: u64,
    pub vdev: Option<String>,
    pub source: HostPath,
    /// It lies as a directory of segments.
    #[serde(default)]
    pub segmented: bool,
}

impl From<&Manifest> for BundleSaid {
    fn from(manifest: &Manifest) -> Self {
        let sum = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0, u64::saturating_add);
        Self {
            id: manifest.id.clone(),
            domain: manifest.domain.clone(),
            uuid: manifest.uuid.clone(),
            host: manifest.host.clone(),
            consistency: manifest.consistency.clone(),
            instant: manifest.instant,
            ended: manifest.ended,
            bytes: sum(&mut manifest.pieces.iter().map(|piece| piece.bytes)),
            unreadable: sum(&mut manifest.pieces.iter().map(Piece::unreadable_bytes)),
            pieces: manifest.pieces.iter().map(PieceSaid::from).collect(),
            left_out: manifest.left_out.clone(),
        }
    }
}

impl From<&Piece> for PieceSaid {
    fn from(piece: &Piece) -> Self {
        Self {
            name: piece.name.clone(),
            kind: piece.kind.clone(),
            bytes: piece.bytes,
            vdev: piece.vdev.clone(),
            source: piece.source.clone(),
            segmented: piece.segment_bytes.is_some(),
        }
    }
}

impl Piece {
    pub fn unreadable_bytes(&self) -> u64 {
        self.unreadable.iter().map(|(_, length)| *length).fold(0, u64::saturating_add)
    }
}

/// What reading a bundle against its hashes found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundleVerdict {
    pub path: HostPath,
    pub said: BundleSaid,
    /// Why the backup is torn, as its manifest says.
    pub torn: Option<String>,
    pub pieces: Vec<PieceVerdict>,
    /// Pieces that nobody asked for.
    pub not_read: Vec<String>,
    /// What is wrong with the bundle besides its pieces.
    pub troubles: Vec<String>,
    /// What a person may want to know and is not wrong: files that the manifest does not name, what was left out.
    pub notes: Vec<String>,
    /// It was asked to stop.
    pub stopped: bool,
}

impl BundleVerdict {
    /// Every byte that was asked for is as it was written, and what was written is good.
    pub fn good(&self) -> bool {
        self.intact() && self.torn.is_none()
    }

    /// Every byte that was asked for is as it was written.
    pub fn intact(&self) -> bool {
        !self.stopped && self.troubles.is_empty() && self.pieces.iter().all(PieceVerdict::good)
    }
}

/// What reading one piece found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceVerdict {
    pub name: String,
    pub kind: String,
    /// Bytes that it should have, and the bytes that its file has; nothing: there is no file.
    pub bytes: u64,
    pub found: Option<u64>,
    pub blocks: u64,
    pub bad_blocks: u64,
    /// Offset and length of the first range that is not what was written, in whole blocks; exact where bytes are missing or too many.
    pub first_bad: Option<(u64, u64)>,
    /// What is wrong, in words. Empty: nothing.
    pub troubles: Vec<String>,
    /// Bytes of the source that could not be read when the backup was made: zeros stand there instead.
    pub unreadable: u64,
}

impl PieceVerdict {
    pub fn good(&self) -> bool {
        self.troubles.is_empty()
    }
}

/// What a verification tells while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Verifying {
    Piece {
        name: String,
        number: usize,
        of: usize,
        bytes: u64,
    },
    /// At most a few a second reach a face: it leaves out the others.
    Read {
        name: String,
        progress: super::Progress,
    },
    PieceEnded {
        verdict: PieceVerdict,
    },
}
