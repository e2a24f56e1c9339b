//! The only door to the outside. [`Look`] reads a host, [`Act`] changes one; probes are handed a `Look`, only the job runner an `Act`.
//!
//! | host | what it is |
//! | --- | --- |
//! | [`local`] | this machine |
//! | [`demo`] | a machine laid out in a real directory, answering `xl`, `lvs`, `virsh` ... |
//! | [`replay`] | a captured host; `Look` only |
//! | [`logged`], [`capture`], [`timed`] | decorators: the command log, a recorder, a time limit on every call |
//!
//! [`tools`] finds the host's programs; [`mask`] takes secrets out of what leaves it.

pub mod capture;
pub mod demo;
pub mod local;
pub mod logged;
pub mod mask;
pub mod replay;
pub mod timed;
pub mod tools;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Cmd, Extent, GapReason, Output};

/// Which host is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    ThisMachine,
    Demo { name: String, root: PathBuf },
    Replay { dir: PathBuf },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ThisMachine => f.write_str("this machine"),
            Self::Demo { name, .. } => write!(f, "demo {}", crate::model::shown::text(name)),
            Self::Replay { dir } => {
                write!(f, "replay {}", crate::model::shown::bytes(std::os::unix::ffi::OsStrExt::as_bytes(dir.as_os_str())))
            }
        }
    }
}

/// Why a host could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum HostError {
    /// There is no such file.
    #[error("no such file")]
    NotFound,
    /// There is no such tool in the fixed directories.
    #[error("{program} is not on this host")]
    NoTool { program: String },
    #[error("permission denied")]
    Denied,
    /// It is not a regular file or block device, or larger than the caller allows; or a change was asked of a read-only host.
    #[error("{why}")]
    Refused { why: String },
    #[error("no answer in {seconds} s")]
    TimedOut { seconds: u64 },
    /// The capture that is replayed does not hold the answer.
    #[error("the capture does not hold this")]
    NotCaptured,
    #[error("{why}")]
    Failed { why: String },
}

impl HostError {
    /// The gap that this error leaves in an inventory.
    pub fn reason(&self) -> GapReason {
        match self {
            Self::NotFound | Self::Failed { .. } => GapReason::Failed,
            Self::NoTool { .. } => GapReason::NoTool,
            Self::Denied => GapReason::PermissionDenied,
            Self::Refused { .. } => GapReason::Refused,
            Self::TimedOut { .. } => GapReason::TimedOut,
            Self::NotCaptured => GapReason::NotCaptured,
        }
    }
}

impl From<std::io::Error> for HostError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Failed { why: error.to_string() },
        }
    }
}

impl From<rustix::io::Errno> for HostError {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

pub type Answer<T> = Result<T, HostError>;

/// What a name in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    Regular,
    Directory,
    Symlink,
    Block,
    Character,
    Fifo,
    Socket,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// One path component.
    pub name: crate::model::HostPath,
    pub kind: FileType,
}

/// A directory's names, sorted by bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// There were more names than the caller's limit.
    pub cut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    pub kind: FileType,
    pub dev: u64,
    pub ino: u64,
    /// Apparent size in bytes; 0 for devices.
    pub size: u64,
    /// 512-byte units, whatever the file system's block size.
    pub blocks: u64,
    pub mode: u32,
    pub uid: u32,
    #[serde(default)]
    pub gid: u32,
    pub modified: DateTime<Utc>,
    pub changed: DateTime<Utc>,
    /// Major and minor number of a device node.
    pub rdev: (u32, u32),
}

impl Stat {
    pub fn allocated(&self) -> u64 {
        self.blocks.saturating_mul(512)
    }
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    pub total: u64,
    /// Free for the asker (without root's reserve for others).
    pub free: u64,
}

/// Facts about a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    pub bytes: u64,
    pub read_only: bool,
    pub logical_sector: u32,
}

/// Tells that something on the host may have changed; dropped to stop watching.
pub trait Watch: Send {}

/// Reading a host. Every call ends within its time limit; none follows a stranger's path out of a rooted host.
pub trait Look: Send + Sync {
    fn place(&self) -> Place;

    /// The host's clock: the demo's stands still, a replay's is the time of its capture.
    fn now(&self) -> DateTime<Utc>;

    /// Runs a command that only looks. One that changes is refused here.
    fn run(&self, cmd: &Cmd) -> Answer<Output>;

    /// At most `len` bytes from `offset` of a regular file or block device; fewer at its end. Anything else is refused unopened.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>>;

    /// Names in a directory, at most `limit` of them.
    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing>;

    /// Facts about a name; `follow` looks through symbolic links.
    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat>;

    /// The canonical path: every symbolic link resolved.
    fn resolve(&self, path: &Path) -> Answer<PathBuf>;

    fn readlink(&self, path: &Path) -> Answer<PathBuf>;

    /// Where a file's data and holes lie (SEEK_DATA, SEEK_HOLE).
    fn extents(&self, path: &Path) -> Answer<Vec<Extent>>;

    /// Room on the file system that holds `path`.
    fn space(&self, path: &Path) -> Answer<Space>;

    fn device(&self, path: &Path) -> Answer<DeviceFacts>;

    /// Opens a regular file or block device for reading many bytes (a bundle's piece, a disk). Refused where there are none.
    fn open_for_reading(&self, _path: &Path) -> Answer<Blocks> {
        Err(HostError::Refused { why: "this host is a recording: it holds no disks".into() })
    }

    /// Opens a directory, to make and to find names in it; a link is not followed.
    fn open_directory(&self, _path: &Path) -> Answer<std::os::fd::OwnedFd> {
        Err(HostError::Refused { why: "this host is a recording: it holds no files".into() })
    }

    /// Connects to a UNIX socket on which somebody offers bytes (QEMU's NBD server).
    fn connect(&self, _socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        Err(HostError::Refused { why: "this host is a recording: nobody listens on it".into() })
    }

    /// Whether the host has a tool of that name.
    fn has_tool(&self, _name: &str) -> Answer<bool> {
        Err(HostError::NotCaptured)
    }

    /// Calls `tell` when something that an inventory shows may have changed (xenstore, inotify). `None`: it must be polled.
    fn watch(&self, _paths: &[PathBuf], _tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        None
    }

    /// The commands that ran, when this host keeps a log ([`logged::Logged`]).
    fn log(&self) -> Vec<logged::Entry> {
        Vec::new()
    }
}

/// A host that several own is a host.
impl<H: Look + ?Sized> Look for std::sync::Arc<H> {
    fn place(&self) -> Place {
        (**self).place()
    }

    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        (**self).run(cmd)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        (**self).read_at(path, offset, len)
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        (**self).list(dir, limit)
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        (**self).stat(path, follow)
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        (**self).resolve(path)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        (**self).readlink(path)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        (**self).extents(path)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        (**self).space(path)
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        (**self).device(path)
    }

    fn open_for_reading(&self, path: &Path) -> Answer<Blocks> {
        (**self).open_for_reading(path)
    }

    fn open_directory(&self, path: &Path) -> Answer<std::os::fd::OwnedFd> {
        (**self).open_directory(path)
    }

    fn connect(&self, socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        (**self).connect(socket)
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        (**self).has_tool(name)
    }

    fn watch(&self, paths: &[PathBuf], tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        (**self).watch(paths, tell)
    }

    fn log(&self) -> Vec<logged::Entry> {
        (**self).log()
    }
}

/// A child that a changing command runs as, so that it can be found again when domkeep was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    pub pid: i32,
    /// Field 22 of /proc/PID/stat: with the boot id it tells a reused pid apart.
    pub started_ticks: u64,
}

/// What a changing command tells while it runs.
pub trait Listen {
    /// Right after the start, before the child could have done much.
    fn started(&mut self, child: &Child);
    /// A line of its output or errors, raw.
    fn line(&mut self, line: &[u8]);
}

/// For a caller that waits for the end only.
impl Listen for () {
    fn started(&mut self, _: &Child) {}
    fn line(&mut self, _: &[u8]) {}
}

/// Bytes of a disk, opened for the block copier.
#[derive(Debug)]
pub struct Blocks {
    pub file: std::fs::File,
    /// A block device of that host (on the demo machine a sparse file stands for it).
    pub device: bool,
    /// Bytes of the device or file.
    pub bytes: u64,
    pub inode: (u64, u64),
}

/// Changing a host. Only the job runner is handed one. No call follows a symbolic link in the last part of a path; new files are made with
/// O_EXCL. What `renames` and `makes` is synced, with its directory, before the call returns.
pub trait Act: Look {
    /// Runs a command that changes. It is never killed.
    fn change(&self, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output>;

    /// Makes an empty file that did not exist.
    fn create(&self, path: &Path, mode: u32) -> Answer<Blocks>;

    /// Opens a file or device that exists for reading and writing. Devices: exclusively (O_EXCL), so that a mounted one is refused.
    fn open_for_writing(&self, path: &Path) -> Answer<Blocks>;

    /// Lets a new file share all blocks of another (FICLONE): both must lie on one file system that can do it.
    fn share_blocks(&self, from: &Blocks, to: &Blocks) -> Answer<()> {
        Ok(rustix::fs::ioctl_ficlone(&to.file, &from.file)?)
    }

    /// Renames without replacing what may stand there.
    fn rename(&self, from: &Path, to: &Path) -> Answer<()>;

    /// Exchanges two names at once: how a file is replaced without a moment in which it is not there, and without losing what was there.
    fn exchange(&self, one: &Path, other: &Path) -> Answer<()>;

    /// Removes a file, link or empty directory, only when its device and inode are these.
    fn remove(&self, path: &Path, inode: (u64, u64)) -> Answer<()>;

    fn mkdir(&self, path: &Path, mode: u32) -> Answer<Stat>;

    /// Gives a file the mode and owner of another.
    fn like(&self, path: &Path, model: &Stat) -> Answer<()>;

    /// Writes a file beneath `root`, with no link of that tree leading outside; replaces what stands there. Owner root, or the asker.
    fn write_beneath(&self, root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Answer<()>;

    /// Brings a directory's names to the disk.
    fn sync_dir(&self, dir: &Path) -> Answer<()>;
}

/// A whole small file: refused when it is larger than `limit`.
pub fn read_whole(host: &dyn Look, path: &Path, limit: usize) -> Answer<Vec<u8>> {
    let bytes = host.read_at(path, 0, limit.saturating_add(1))?;
    if bytes.len() > limit {
        return Err(HostError::Refused {
            why: format!("larger than the {} that are read of such a file", crate::model::bytes::human(limit as u64)),
        });
    }
    Ok(bytes)
}
