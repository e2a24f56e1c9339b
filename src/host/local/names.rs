//! Names that change: made without replacing, renamed without replacing, exchanged, and removed only when they still stand for what was
//! meant. Every call syncs the directories that it changed before it returns.

use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use super::facts::{a_kind, stat_of};
use super::reach::{Named, Reached, directory, reach, refused, shown, sync};
use crate::host::{Answer, Blocks, FileType, HostError, Stat};

/// What the kernel answers where a file system does not know a flag of renameat2(2) (NFS, old FUSE).
const UNKNOWN_TO_THE_FILE_SYSTEM: [Errno; 3] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];

fn taken(path: &Path) -> HostError {
    refused(format!("the name is taken: something stands at {} already", shown(path)))
}

fn is_taken(path: &Path) -> impl Fn(Errno) -> HostError + '_ {
    move |error| if error == Errno::EXIST { taken(path) } else { error.into() }
}

/// Makes an empty file. Its mode is set whatever the umask is.
pub fn create(path: &Path, mode: u32) -> Answer<Blocks> {
    let named = Named::of(path)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let made = rustix::fs::openat(&named.dir, &named.name, flags, Mode::from_raw_mode(0o600)).map_err(is_taken(path))?;
    let file = std::fs::File::from(made);
    let finished = (|| {
        set_mode(&file, mode)?;
        named.sync_directory()?;
        let stat = stat_of(&file.metadata()?);
        Ok((stat.dev, stat.ino))
    })();
    match finished {
        Ok(inode) => Ok(Blocks { file, device: false, bytes: 0, inode }),
        Err(error) => {
            // Nobody heard of it yet, so nobody else would take it away.
            let _ = named.unlink(false);
            Err(error)
        }
    }
}

/// The mode of what was just made. A file system without modes (FAT, exFAT on a disk for backups) says that this is not permitted; its mount
/// decides who may read.
fn set_mode(made: &std::fs::File, mode: u32) -> Answer<()> {
    match rustix::fs::fchmod(made, Mode::from_raw_mode(mode & 0o7777)) {
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub fn mkdir(path: &Path, mode: u32) -> Answer<Stat> {
    let named = Named::of(path)?;
    rustix::fs::mkdirat(&named.dir, &named.name, Mode::from_raw_mode(0o700)).map_err(is_taken(path))?;
    let finished = (|| {
        let made = named.open_at(OFlags::RDONLY | OFlags::DIRECTORY)?;
        set_mode(&made, mode)?;
        // A file system without a journal brings the name to the disk with the directory above, but not what the name stands for.
        made.sync_all()?;
        named.sync_directory()?;
        Ok(stat_of(&made.metadata()?))
    })();
    if finished.is_err() {
        let _ = named.unlink(true);
    }
    finished
}

/// Renames without replacing. What is renamed is synced first: a final name must not stand for bytes that a power cut takes away.
///
/// Where the file system does not know `RENAME_NOREPLACE`, a file gets a second name by linkat(2), which replaces nothing, and loses its
/// first; killed between the two, it has both. A directory is renamed plainly there: that can replace an empty directory, and nothing else.
pub fn rename(from: &Path, to: &Path) -> Answer<()> {
    let (old, new) = (Named::of(from)?, Named::of(to)?);
    sync_what_stands(&old)?;
    match rustix::fs::renameat_with(&old.dir, &old.name, &new.dir, &new.name, RenameFlags::NOREPLACE) {
        Err(error) if UNKNOWN_TO_THE_FILE_SYSTEM.contains(&error) => rename_by_hand(&old, &new, to)?,
        Err(Errno::XDEV) => return Err(refused("another file system: a name cannot be moved there, only copied")),
        other => other.map_err(is_taken(to))?,
    }
    new.sync_directory()?;
    old.sync_directory()
}

pub(super) fn rename_by_hand(old: &Named, new: &Named, to: &Path) -> Answer<()> {
    let stat = old.stat()?;
    if stat.kind == FileType::Directory {
        if new.stat().is_ok() {
            return Err(taken(to));
        }
        return rustix::fs::renameat(&old.dir, &old.name, &new.dir, &new.name).map_err(|error| match error {
            Errno::NOTEMPTY | Errno::NOTDIR | Errno::EXIST => taken(to),
            other => other.into(),
        });
    }
    rustix::fs::linkat(&old.dir, &old.name, &new.dir, &new.name, AtFlags::empty()).map_err(|error| match error {
        Errno::EXIST => taken(to),
        Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK => {
            refused("this file system can neither rename without replacing nor give a file a second name")
        }
        other => other.into(),
    })?;
    let still = old.stat()?;
    if (still.dev, still.ino) != (stat.dev, stat.ino) {
        return Err(HostError::Failed { why: "another file took the old name meanwhile; it was left there".into() });
    }
    Ok(old.unlink(false)?)
}

fn sync_what_stands(named: &Named) -> Answer<()> {
    if !matches!(named.stat()?.kind, FileType::Regular | FileType::Directory) {
        return Ok(());
    }
    match named.open_at(OFlags::RDONLY) {
        Ok(file) => sync(&file),
        // Its owner may rename what he may not read.
        Err(Errno::ACCESS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub fn exchange(one: &Path, other: &Path) -> Answer<()> {
    let (first, second) = (Named::of(one)?, Named::of(other)?);
    sync_what_stands(&first)?;
    sync_what_stands(&second)?;
    match rustix::fs::renameat_with(&first.dir, &first.name, &second.dir, &second.name, RenameFlags::EXCHANGE) {
        Err(error) if UNKNOWN_TO_THE_FILE_SYSTEM.contains(&error) => {
            return Err(refused(format!(
                "the file system of {} cannot exchange two names at once (NFS and some others), and without that a file cannot be replaced \
                 without a moment in which it is not there",
                shown(one)
            )));
        }
        Err(Errno::XDEV) => return Err(refused("the two names lie on different file systems")),
        result => result?,
    }
    first.sync_directory()?;
    second.sync_directory()
}

/// Removes a name that stands for this very file, link or empty directory. Between the look and the removal lies nothing but the two
/// system calls, in a directory that is held open.
pub fn remove(path: &Path, inode: (u64, u64)) -> Answer<()> {
    let named = Named::of(path)?;
    let stat = named.stat()?;
    if (stat.dev, stat.ino) != inode {
        return Err(refused(format!("another file stands at {} now; it was left there", shown(path))));
    }
    if !matches!(stat.kind, FileType::Regular | FileType::Symlink | FileType::Directory) {
        return Err(refused(format!("{} is {}; no job makes one", shown(path), a_kind(stat.kind))));
    }
    named.unlink(stat.kind == FileType::Directory).map_err(|error| match error {
        Errno::NOTEMPTY | Errno::EXIST => refused(format!("{} is not empty: something else lies in it", shown(path))),
        Errno::BUSY => refused(format!("{} is in use: something is mounted there", shown(path))),
        other => other.into(),
    })?;
    named.sync_directory()
}

/// Owner first: changing it takes the set-user-id bits away.
pub fn like(path: &Path, model: &Stat) -> Answer<()> {
    let named = Named::of(path)?;
    let there = named.stat()?;
    if !matches!(there.kind, FileType::Regular | FileType::Directory) {
        return Err(refused(format!("{} is {}", shown(path), a_kind(there.kind))));
    }
    let file = named.open_at(OFlags::RDONLY)?;
    let now = stat_of(&file.metadata()?);
    if (now.uid, now.gid) != (model.uid, model.gid) {
        rustix::fs::fchown(&file, Some(Uid::from_raw(model.uid)), Some(Gid::from_raw(model.gid)))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(model.mode & 0o7777))?;
    sync(&file)
}

pub fn sync_dir(path: &Path) -> Answer<()> {
    sync(&directory(path)?)
}

/// Opens a file or device for reading and writing. A symbolic link leads to a device only (/dev/VG/LV is one).
pub fn open_for_writing(path: &Path) -> Answer<Blocks> {
    let reached = reach(path)?;
    match reached.stat.kind {
        FileType::Block => open_device(path, &reached),
        FileType::Regular if reached.through_link => {
            Err(refused(format!("{} is a symbolic link; name the file that it stands for", shown(path))))
        }
        FileType::Regular => {
            let file = reached.open(OFlags::RDWR | OFlags::NONBLOCK)?;
            let stat = stat_of(&file.metadata()?);
            Ok(Blocks { file, device: false, bytes: stat.size, inode: (stat.dev, stat.ino) })
        }
        other => Err(refused(format!("{}, neither a file nor a block device", a_kind(other)))),
    }
}

fn open_device(path: &Path, reached: &Reached) -> Answer<Blocks> {
    // The kernel's claim: it fails while anybody of this host mounts or holds the device. A guest's disk it does not see.
    let file = reached.open(OFlags::RDWR | OFlags::EXCL | OFlags::NONBLOCK).map_err(|error| match error {
        Errno::BUSY => refused(format!("{} is mounted, or held by another device, on this host", shown(path))),
        Errno::ROFS => refused(format!("{} is read-only", shown(path))),
        Errno::ACCESS if super::facts::device(path).is_ok_and(|facts| facts.read_only) => refused(format!("{} is read-only", shown(path))),
        other => other.into(),
    })?;
    let bytes = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    Ok(Blocks { file, device: true, bytes, inode: (reached.stat.dev, reached.stat.ino) })
}

/// Opens a file or device for reading, links followed: reading changes nothing. Not with O_DIRECT; who wants that sets it.
pub fn open_directory(path: &Path) -> Answer<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

pub fn open_for_reading(path: &Path) -> Answer<Blocks> {
    let name = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = stat_of(&std::fs::File::from(name.try_clone()?).metadata()?);
    let device = match stat.kind {
        FileType::Regular => false,
        FileType::Block => true,
        other => return Err(refused(format!("{}, neither a file nor a block device", a_kind(other)))),
    };
    let reached = Reached { fd: name, stat, through_link: false };
    let plain = OFlags::RDONLY | OFlags::NONBLOCK;
    // NOATIME is for a file's owner.
    let file = reached.open(plain | OFlags::NOATIME).or_else(|_| reached.open(plain))?;
    let bytes = if device {
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        end
    } else {
        file.metadata()?.len()
    };
    Ok(Blocks { file, device, bytes, inode: (reached.stat.dev, reached.stat.ino) })
}
