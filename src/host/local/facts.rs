//! Names, types, room, devices.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::host::{Answer, DeviceFacts, Entry, FileType, HostError, Listing, Space, Stat};
use crate::model::HostPath;

/// Names that are looked at in one directory before it is called cut; a mail spool by mistake must not take minutes.
const NAMES_LOOKED_AT: usize = 1_000_000;

pub fn kind_of(kind: fs::FileType) -> FileType {
    match kind {
        k if k.is_file() => FileType::Regular,
        k if k.is_dir() => FileType::Directory,
        k if k.is_symlink() => FileType::Symlink,
        k if k.is_block_device() => FileType::Block,
        k if k.is_char_device() => FileType::Character,
        k if k.is_fifo() => FileType::Fifo,
        k if k.is_socket() => FileType::Socket,
        _ => FileType::Unknown,
    }
}

pub fn stat_of(facts: &fs::Metadata) -> Stat {
    let kind = kind_of(facts.file_type());
    let device = matches!(kind, FileType::Block | FileType::Character);
    Stat {
        kind,
        dev: facts.dev(),
        ino: facts.ino(),
        size: if device { 0 } else { facts.size() },
        blocks: facts.blocks(),
        mode: facts.mode(),
        uid: facts.uid(),
        gid: facts.gid(),
        modified: time(facts.mtime(), facts.mtime_nsec()),
        changed: time(facts.ctime(), facts.ctime_nsec()),
        rdev: if device { (rustix::fs::major(facts.rdev()), rustix::fs::minor(facts.rdev())) } else { (0, 0) },
    }
}

/// A file system may hold any number for a time; one that no calendar knows is the epoch.
fn time(seconds: i64, nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, u32::try_from(nanoseconds).unwrap_or(0)).unwrap_or_default()
}

/// The `limit` names of a directory that sort first, in bounded memory however many there are.
pub fn list(dir: &Path, limit: usize) -> Answer<Listing> {
    let mut first: BTreeMap<OsString, FileType> = BTreeMap::new();
    let mut cut = false;
    for (seen, entry) in fs::read_dir(dir)?.enumerate() {
        if seen >= NAMES_LOOKED_AT {
            cut = true;
            break;
        }
        let entry = entry?;
        let name = entry.file_name();
        if first.len() >= limit {
            cut = true;
            if first.last_key_value().is_none_or(|(last, _)| *last <= name) {
                continue;
            }
            first.pop_last();
        }
        // The type comes with the name on every usual file system; where it does not, a name that went away is unknown.
        first.insert(name, entry.file_type().map_or(FileType::Unknown, kind_of));
    }
    let entries = first.into_iter().map(|(name, kind)| Entry { name: HostPath::from_bytes(name.as_bytes()), kind }).collect();
    Ok(Listing { entries, cut })
}

pub fn space(path: &Path) -> Answer<Space> {
    let facts = rustix::fs::statvfs(path)?;
    Ok(Space { total: facts.f_blocks.saturating_mul(facts.f_frsize), free: facts.f_bavail.saturating_mul(facts.f_frsize) })
}

/// Facts about a block device from sysfs, so that the device is not opened. Sizes in sysfs are in units of 512 bytes whatever the
/// device's sectors are (Documentation/ABI/stable/sysfs-block).
pub fn device(path: &Path) -> Answer<DeviceFacts> {
    let stat = stat_of(&fs::metadata(path)?);
    if stat.kind != FileType::Block {
        return Err(HostError::Refused { why: format!("{}, not a block device", a_kind(stat.kind)) });
    }
    let (major, minor) = stat.rdev;
    let sys = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let bytes = number(&sys.join("size"))?.saturating_mul(512);
    let read_only = number(&sys.join("ro"))? != 0;
    // A partition has no queue of its own; the kernel takes `..` after following the link, so it is the whole disk's directory.
    let sector = number(&sys.join("queue/logical_block_size")).or_else(|_| number(&sys.join("../queue/logical_block_size")))?;
    let logical_sector = u32::try_from(sector).map_err(|_| HostError::Failed { why: format!("a sector of {sector} bytes") })?;
    Ok(DeviceFacts { bytes, read_only, logical_sector })
}

fn number(path: &Path) -> Answer<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| HostError::Failed { why: format!("{} holds no number", path.display()) })
}

/// `a FIFO`, for sentences.
pub fn a_kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Regular => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Block => "a block device",
        FileType::Character => "a character device",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::Unknown => "something of unknown type",
    }
}
