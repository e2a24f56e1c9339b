//! How a piece lies in its bundle, and what it takes over from the bundle before it.

use serde::{Deserialize, Serialize};

use super::{HostPath, Location};

/// Segments of one piece at most: a directory of more is no joy to anybody.
const MOST_SEGMENTS: u64 = 65_536;
const LEAST_SEGMENT: u64 = super::bundle::HASH_BLOCK;

/// Bytes of the segments that a disk of so many bytes is cut into: 1 MiB up to 64 GiB, twice that up to 128 GiB, and so on.
pub fn segment_bytes(disk: u64) -> u64 {
    disk.div_ceil(MOST_SEGMENTS).max(LEAST_SEGMENT).checked_next_power_of_two().unwrap_or(LEAST_SEGMENT)
}

/// Whether a backup takes over what did not change since the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incremental {
    /// All is copied, and nothing is kept on the host for the next time.
    #[default]
    No,
    /// Where the last good backup allows it; else all is copied, and it is said why.
    Auto,
    /// As `auto`, and refused where all would have to be read.
    Yes,
}

impl Incremental {
    pub const ALL: [Self; 3] = [Self::No, Self::Auto, Self::Yes];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Auto => "auto",
            Self::Yes => "yes",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn wanted(self) -> bool {
        self != Self::No
    }

    pub fn is_no(&self) -> bool {
        *self == Self::No
    }
}

/// How a copy lies at its destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// Bytes of one segment of a directory of segments; nothing: one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u64>,
    /// What it takes over; nothing: all is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

impl Keeping {
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A piece of an earlier bundle, whose bytes stand for what did not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    pub bundle: HostPath,
    /// The bundle's id, as its manifest says it.
    pub id: String,
    pub piece: String,
    pub bytes: u64,
    /// `blake3:...` of its list of block hashes.
    pub digest: String,
    /// Of the blocks that are believed unchanged, so many are read and compared all the same, chosen by this seed.
    pub audit_blocks: u64,
    pub audit_seed: u64,
}

/// The disk whose changes an [`super::Action::FindChanged`] finds, and who keeps book of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindChanged {
    /// The label of the copy that they are for.
    pub label: String,
    /// Bytes of the disk.
    pub bytes: u64,
    pub book: Book,
}

/// Who keeps book of what is written to a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "book", rename_all = "kebab-case")]
pub enum Book {
    /// A thin pool: two of its volumes are compared by their mappings.
    Thin { vg: String, pool: String, old: String, new: String },
    /// A classic snapshot's exception store. `origin` is the disk.
    Store { vg: String, snapshot: String, origin: Location },
    /// QEMU, in a qcow2 image: the dirty bitmap since a checkpoint, offered with the disk itself.
    Bitmap { socket: HostPath, export: String, bitmap: String },
}

/// The newest good backup in a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastBundle {
    pub path: HostPath,
    pub manifest: super::bundle::Manifest,
}

/// What an increment came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncrementResult {
    /// Bytes of the source that were read because they may have changed.
    pub read: u64,
    /// Bytes of blocks that were really different.
    pub changed: u64,
    /// Blocks that were read to see whether what is believed unchanged is unchanged, and the seed that chose them.
    pub audited: u64,
    pub seed: u64,
    /// Of these, the first that had changed: then all was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<u64>,
    /// Why all of the source was read; nothing: only what may have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_all_because: Option<String>,
}

/// What a manifest says of a piece that took something over. The piece is whole without the other bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncrementSaid {
    /// Id of the bundle that it took over from.
    pub since: String,
    pub result: IncrementResult,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_grow_with_the_disk_and_stay_few() {
        assert_eq!(segment_bytes(0), 1 << 20);
        assert_eq!(segment_bytes(64 << 30), 1 << 20);
        assert_eq!(segment_bytes((64 << 30) + 1), 2 << 20);
        assert_eq!(segment_bytes(1 << 40), 16 << 20);
        for disk in [1, 5 << 30, 3 << 40, u64::MAX >> 1] {
            assert!(disk.div_ceil(segment_bytes(disk)) <= 65_536, "a directory of a disk of {disk} bytes would be too large to list");
        }
    }
}
