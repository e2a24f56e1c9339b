//! Finds what a change is about, and holds it: a directory or a thing that was looked at is changed through the very descriptor it was
//! looked at with, so that nobody can put another in its place meanwhile.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::facts::{a_kind, stat_of};
use crate::host::{Answer, FileType, HostError, Stat};
use crate::model::HostPath;

/// Links to links that are followed; as many as the kernel follows.
const MOST_LINKS: usize = 40;

pub(super) fn refused(why: impl Into<String>) -> HostError {
    HostError::Refused { why: why.into() }
}

pub(super) fn shown(path: &Path) -> String {
    HostPath::from(path).to_string()
}

/// Something that was found and is held without being opened (`O_PATH`).
pub(super) struct Reached {
    pub fd: OwnedFd,
    pub stat: Stat,
    /// The last part of the path was a symbolic link.
    pub through_link: bool,
}

/// Finds what a path stands for. A symbolic link in its last part is followed only when root or the asker made it: whoever else may put a
/// link into a directory must not choose what is changed.
pub(super) fn reach(path: &Path) -> Answer<Reached> {
    let mut at = path.to_path_buf();
    for links in 0..MOST_LINKS {
        let fd = rustix::fs::open(&at, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let stat = stat_of(&File::from(fd.try_clone()?).metadata()?);
        if stat.kind != FileType::Symlink {
            return Ok(Reached { fd, stat, through_link: links > 0 });
        }
        if stat.uid != 0 && stat.uid != rustix::process::geteuid().as_raw() {
            return Err(refused(format!("{} is a symbolic link that user {} made; it is not followed", shown(&at), stat.uid)));
        }
        // The text of the very link that was looked at.
        let target = rustix::fs::readlinkat(&fd, "", Vec::new())?;
        let target = PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(target.into_bytes()));
        at = at.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(Errno::LOOP.into())
}

impl Reached {
    /// Opens that very thing.
    pub fn open(&self, flags: OFlags) -> Result<File, Errno> {
        let through = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        rustix::fs::open(through, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()).map(File::from)
    }
}

/// A name in a directory that is held open.
pub(super) struct Named {
    pub dir: File,
    pub name: OsString,
}

impl Named {
    pub fn of(path: &Path) -> Answer<Self> {
        let (Some(parent), Some(name)) = (path.parent().filter(|_| path.is_absolute()), path.file_name()) else {
            return Err(refused(format!("{} is not the full path of a name in a directory", shown(path))));
        };
        Ok(Self { dir: directory(parent)?, name: name.to_owned() })
    }

    /// What stands there now, unfollowed.
    pub fn stat(&self) -> Answer<Stat> {
        let fd = self.open_at(OFlags::PATH)?;
        Ok(stat_of(&fd.metadata()?))
    }

    /// Opens what stands there; a symbolic link is not followed.
    pub fn open_at(&self, flags: OFlags) -> Result<File, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        // NONBLOCK beside PATH is ignored by the kernel's old openat(2).
        rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty()).map(File::from)
    }

    pub fn unlink(&self, directory: bool) -> Result<(), Errno> {
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(&self.dir, &self.name, flags)
    }

    pub fn sync_directory(&self) -> Answer<()> {
        sync(&self.dir)
    }
}

/// Opens a directory.
pub(super) fn directory(path: &Path) -> Answer<File> {
    let reached = reach(path)?;
    if reached.stat.kind != FileType::Directory {
        return Err(refused(format!("{} is {}, not a directory", shown(path), a_kind(reached.stat.kind))));
    }
    Ok(reached.open(OFlags::RDONLY | OFlags::DIRECTORY)?)
}

/// Brings a directory's names, or a file's bytes, to the disk. A file system that has no such call for directories (some of FUSE) is
/// taken at its word that it needs none.
pub(super) fn sync(file: &File) -> Answer<()> {
    match rustix::fs::fsync(file) {
        Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
