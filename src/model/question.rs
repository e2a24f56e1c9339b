//! What a plan must know that no inventory holds, and the answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::bundle::Manifest;
use super::{HostPath, Signature};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// What stands at a path, and on which file system; for a name that is not there, its nearest directory that is.
    Place { path: HostPath },
    /// What is recognised in a file's or device's bytes.
    SignatureOf { path: HostPath },
    /// The bytes of a small file (a config), for a diff.
    BytesOf { path: HostPath },
    /// Whether the host has a tool.
    Tool { name: String },
    /// The manifest of a bundle.
    Bundle { path: HostPath },
    /// How much of a piece of a bundle is no zeros.
    PieceRoom { bundle: HostPath, piece: String },
    /// Every bundle below a directory.
    Bundles { directory: HostPath },
    /// The newest good backup below a domain's directory of backups.
    LastBundle { directory: HostPath },
    /// Whether a disk is mounted in dom0, held, or used by a domain.
    UseOf { path: HostPath },
    /// Volume groups, volumes and physical volumes, asked of LVM anew.
    Lvm,
    /// Whether something holds now.
    Holds { check: Box<super::Check> },
    /// What a command that only looks writes to its standard output.
    Said { cmd: super::Cmd },
    /// What was written down of a save image's disks, beside what they are now.
    SavedDisks { image: HostPath },
    /// The toolstack's processes that wait for the end of a domain.
    Watchers { domain: String },
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    Place {
        path: HostPath,
        place: PlaceFact,
    },
    Signature {
        path: HostPath,
        found: Vec<Signature>,
    },
    Bytes {
        path: HostPath,
        bytes: Vec<u8>,
        mode: u32,
    },
    Tool {
        name: String,
        there: bool,
    },
    Bundle {
        path: HostPath,
        manifest: Box<Manifest>,
    },
    PieceRoom {
        bundle: HostPath,
        piece: String,
        room: PieceRoom,
    },
    Bundles {
        directory: HostPath,
        found: Vec<super::bundle::FoundBundle>,
    },
    LastBundle {
        directory: HostPath,
        found: Option<super::LastBundle>,
    },
    Use {
        path: HostPath,
        /// In words, one user each: `mounted at /mnt`, `xvda of web01 (running)`. Empty: nobody.
        users: Vec<String>,
        /// Where dom0 mounts it; each is a user, too.
        mounts: Vec<super::MountUse>,
    },
    Lvm {
        lvm: Box<super::Lvm>,
    },
    Holds {
        check: Box<super::Check>,
        yes: bool,
    },
    Said {
        cmd: super::Cmd,
        said: Vec<u8>,
    },
    SavedDisks {
        image: HostPath,
        /// Nothing: nothing was written down.
        disks: Option<super::saved::SavedDisks>,
    },
    Watchers {
        domain: String,
        watchers: Vec<Watcher>,
    },
    /// It could not be found out; a plan that needs it is refused.
    Unknown {
        question: Question,
        why: String,
    },
}

/// The room that a piece of a bundle takes where zeros take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRoom {
    /// Bytes of its blocks that are not zeros, in whole blocks of the list of hashes: at most so much.
    pub most: u64,
    /// Bytes that its file takes in the bundle, where that is less: its blocks are not full of data either.
    pub least: u64,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceFact {
    /// `nothing`, `file`, `directory`, `device`, `link`, `other`.
    pub stands: Stands,
    /// Bytes of a file or device.
    pub bytes: Option<u64>,
    pub inode: Option<(u64, u64)>,
    pub modified: Option<DateTime<Utc>>,
    /// The path with every symbolic link resolved, when something is there.
    pub canonical: Option<HostPath>,
    /// The nearest directory that exists: the path itself or above it.
    pub directory: HostPath,
    /// Device number, kind, source and room of the file system of `directory`.
    pub dev: u64,
    pub file_system: Option<String>,
    pub mounted_at: Option<HostPath>,
    pub free: u64,
    /// Its file system is mounted read-only, or the asker may not write there.
    pub read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    Nothing,
    File,
    Directory,
    Device,
    Link,
    Other,
}

/// A process of xl that waits for a domain to end, to clear it away or to start it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watcher {
    pub pid: i32,
    /// What `ps -o lstart=,args=` says of it: with it, another process of the same number is told apart.
    pub says: String,
}
