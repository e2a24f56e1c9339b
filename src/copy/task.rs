//! What is asked of the copier, and how it ended.

use std::io;
use std::time::Duration;

use crate::model::Extent;
use crate::model::bytes::human;
use crate::model::job::CopyResult;

use super::{Checkpoint, HashList, Pacer, Since};

/// What the other end is, so that nobody has to guess whether what is not written there reads as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A regular file made for this copy. What it may hold is cut off, so that it is known to be zero: zeros are left out.
    New,
    /// A regular file that stood there: all of it is replaced, and it gets the source's length.
    Replaced,
    /// A regular file that holds an earlier copy ([`Options::since`]): only what differs is written.
    Earlier,
    /// Keeps its size, as a block device does (on the demo machine a file stands for it). What lies beyond the source's end is left as it is.
    Device {
        /// Known to read as zeros (a thin volume that was just made): zeros are left out.
        zero: bool,
    },
}

/// One copy between two open files.
#[derive(Clone, Debug)]
pub struct Task {
    pub destination: Destination,
    /// Which bytes of the source matter; what it does not name is a hole. Nothing: the file is asked (SEEK_DATA, SEEK_HOLE), and a device is all data.
    pub source_map: Option<Vec<Extent>>,
    pub options: Options,
}

impl Task {
    pub fn new(destination: Destination) -> Self {
        Self { destination, source_map: None, options: Options::default() }
    }
}

/// How it is copied. The default: hashes, no reading back, as fast as it goes, no checkpoints.
#[derive(Clone, Debug)]
pub struct Options {
    /// Make the list of block hashes. Verifying, expecting and checkpoints make it anyway.
    pub hash: bool,
    /// Read the destination back and compare.
    pub verify: bool,
    /// What the source must hold. A block that differs is not written.
    pub expect: Option<HashList>,
    /// Shared by all copies that hold a clone of it.
    pub pace: Option<Pacer>,
    /// Workers; nothing: by the processors that are there. Each holds two blocks of memory.
    pub threads: Option<usize>,
    /// Go on from here. What the destination holds below it is read and compared first; what differs is copied again.
    pub resume: Option<Checkpoint>,
    /// Sync and tell a checkpoint this often; nothing: never.
    pub checkpoint_every: Option<Duration>,
    /// An earlier copy that stands at the destination: only what changed since is read and written. Nothing: all is.
    pub since: Option<Since>,
    /// Ranges that could not be read, before the source is given up.
    pub most_unreadable: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hash: true,
            verify: false,
            expect: None,
            pace: None,
            threads: None,
            resume: None,
            checkpoint_every: None,
            since: None,
            most_unreadable: 65_536,
        }
    }
}

impl Options {
    pub(super) fn hashes(&self) -> bool {
        self.hash
            || self.verify
            || self.since.is_some()
            || self.expect.is_some()
            || self.resume.is_some()
            || self.checkpoint_every.is_some()
    }
}

/// A copy that ran to its end: all is written and synced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub result: CopyResult,
    /// Of every block as it was written; empty without [`Options::hash`].
    pub hashes: HashList,
    /// Whole sentences: what went another way than it should (O_DIRECT refused, a checkpoint that could not be used).
    pub notes: Vec<String>,
}

/// Why there is no copy. Offsets and lengths in bytes.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("stopped")]
    Stopped { checkpoint: Option<Box<Checkpoint>> },
    #[error("the destination has {}, the source {}", exact(*has), exact(*needs))]
    TooSmall { needs: u64, has: u64 },
    #[error("the ends could not be prepared: {why}")]
    Prepare { why: io::Error },
    /// Not a spot that cannot be read (those are reported and filled with zeros): the source as a whole.
    #[error("reading at byte {offset}: {why}")]
    Read { offset: u64, why: io::Error },
    #[error("the source has {} now; it had {} when the copy began", exact(*is), exact(*was))]
    SourceChanged { was: u64, is: u64 },
    #[error("more than {ranges} ranges of the source could not be read")]
    TooManyUnreadable { ranges: usize },
    #[error("writing at byte {offset}: {why}")]
    Write { offset: u64, why: io::Error },
    #[error("no room left at byte {offset}: about {} more had to be written", exact(*missing))]
    NoSpace { offset: u64, missing: u64 },
    #[error("bringing the copy to the disk: {why}")]
    Sync { why: io::Error },
    #[error("bytes {offset} to {} of the source are not what they should be", offset.saturating_add(*length))]
    NotAsExpected { offset: u64, length: u64 },
    #[error("bytes {offset} to {} read back differ from what was written", offset.saturating_add(*length))]
    Differs { offset: u64, length: u64 },
}

impl Failed {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Stopped { .. } => "start it again: it goes on from where it was synced last",
            Self::TooSmall { .. } => "choose a destination that is at least as large; nothing was written",
            Self::Prepare { .. } => "see what the reason says; nothing was written",
            Self::Read { .. } => "look at the kernel's log (dmesg) for the source's device",
            Self::SourceChanged { .. } => "somebody writes to the source: copy it when nobody does",
            Self::TooManyUnreadable { .. } => "the source's device fails: rescue it with ddrescue first",
            Self::Write { .. } | Self::Sync { .. } => "look at the kernel's log (dmesg) for the destination's device",
            Self::NoSpace { .. } => "make room on the destination, or choose another, and start again",
            Self::NotAsExpected { .. } => "the source is damaged or not what it is taken for: use another copy of it",
            Self::Differs { .. } => "do not trust the destination's device: copy to another, and look at the kernel's log (dmesg)",
        }
    }
}

/// Sizes that differ by a sector look alike when rounded.
fn exact(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", human(bytes))
}
