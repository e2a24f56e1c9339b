//! What is known of a save image's disks from the moment at which domkeep saved the domain, and what is to be done when they are not so any more.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{HostPath, Location};

/// One disk, as a plan knows it: what is remembered of it beside its size, times, counters and samples.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DiskFacts {
    pub at: Location,
    /// The volume that it is, `vg/lv`.
    pub volume: Option<String>,
    /// Where file systems begin on it, in bytes: their superblocks are remembered.
    pub spots: Vec<u64>,
    /// A file system on it keeps the time of its last write, so that one cannot happen unseen.
    pub keeps_time: bool,
    /// The snapshot that is taken of it in the same moment, `vg/lv`.
    pub snapshot: Option<String>,
}

impl DiskFacts {
    pub fn path(&self) -> Option<&HostPath> {
        match &self.at {
            Location::File { path } | Location::Device { path } => Some(path),
            Location::Nbd { .. } | Location::Piece { .. } => None,
        }
    }
}

/// The disks of a save image now, beside what they were when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDisks {
    /// When it was remembered.
    pub at: Option<DateTime<Utc>>,
    /// Each with the reason, in words.
    pub changed: Vec<ChangedDisk>,
    /// What could not be found out or is no proof, in words.
    pub unsure: Vec<String>,
    /// What was compared and is the same, in words.
    pub same: Vec<String>,
}

impl SavedDisks {
    /// Nothing changed, and nothing could have without being seen.
    pub fn is_proven(&self) -> bool {
        self.changed.is_empty() && self.unsure.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedDisk {
    pub path: HostPath,
    pub why: String,
    pub volume: Option<String>,
    /// The snapshot of the moment of the save, `vg/lv`.
    pub snapshot: Option<String>,
}

/// What is done when a disk was changed since the save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfChanged {
    #[default]
    Refuse,
    /// Keep the save image aside, and boot.
    Boot,
    /// Give the changed disks the state back that was frozen with the save, then resume.
    RollBack,
    /// Resume all the same: it destroys file systems.
    Resume,
}

impl IfChanged {
    pub const ALL: [Self; 4] = [Self::Refuse, Self::Boot, Self::RollBack, Self::Resume];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Boot => "boot",
            Self::RollBack => "roll-back",
            Self::Resume => "resume",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }

    pub fn is_usual(&self) -> bool {
        *self == Self::Refuse
    }
}

/// A domain that is to be saved to a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaveWish {
    pub domain: String,
    pub to: HostPath,
    /// A snapshot of each volume is taken in the same moment, to which it can be rolled back.
    pub snapshots: bool,
}

/// `.NAME.disks` beside an image. Hidden: the host resumes every file that it sees in /var/lib/xen/save.
pub fn record_of(image: &HostPath) -> HostPath {
    let path = image.as_path();
    let mut name = b".".to_vec();
    name.extend_from_slice(path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default());
    name.extend_from_slice(b".disks");
    HostPath::from(path.parent().unwrap_or(std::path::Path::new("/"))).join(HostPath::from_bytes(&name))
}

/// Whether this is what domkeep writes beside an image.
pub fn is_record(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "version")]
        _version: u32,
        image: serde_json::Map<String, serde_json::Value>,
        #[serde(rename = "disks")]
        _disks: Vec<serde_json::Value>,
    }
    serde_json::from_slice::<Told>(bytes).is_ok_and(|told| told.image.contains_key("bytes"))
}
