//! Directories of our own, held open: every name below the first is opened beneath its directory and never through a link, and a directory
//! that somebody else owns or may write to is refused, because what lies in it is carried out later.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::model::HostPath;
use crate::problem::Problem;

#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const OURS_ALONE: Mode = Mode::RWXU;

/// As [`Dir::just_made`], for what lies above our own.
fn sync_new(dir: &Path) -> Result<(), Errno> {
    for one in [Some(dir), dir.parent()].into_iter().flatten() {
        rustix::fs::fsync(rustix::fs::open(one, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)?;
    }
    Ok(())
}

impl Dir {
    /// The topmost directory of ours. Its last part is no link; what lies above it is the system's. Nothing when it is not there.
    pub fn top(path: &Path) -> Result<Option<Self>, Problem> {
        let opened = match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened,
        };
        checked(opened, path).map(Some)
    }

    /// As [`Dir::top`]; it and the directories above it are made when they are missing.
    pub fn make_top(path: &Path) -> Result<Self, Problem> {
        let mut missing = Vec::new();
        let mut at = Some(path);
        while let Some(dir) = at.filter(|dir| matches!(rustix::fs::lstat(*dir), Err(Errno::NOENT))) {
            missing.push(dir);
            at = dir.parent();
        }
        for dir in missing.into_iter().rev() {
            match rustix::fs::mkdir(dir, OURS_ALONE) {
                Ok(()) => sync_new(dir).map_err(|error| cannot(path, error))?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(cannot(path, error)),
            }
        }
        checked(rustix::fs::open(path, DIRECTORY, Mode::empty()), path)
    }

    pub fn sub(&self, name: &str) -> Result<Option<Self>, Problem> {
        let opened = match rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened,
        };
        checked(opened, &self.path.join(name)).map(Some)
    }

    pub fn make_sub(&self, name: &str) -> Result<Self, Problem> {
        match rustix::fs::mkdirat(&self.fd, name, OURS_ALONE) {
            Ok(()) => self.just_made(name),
            Err(Errno::EXIST) => self.there(name),
            Err(error) => Err(cannot(&self.path.join(name), error)),
        }
    }

    /// A directory that did not exist.
    pub fn make_new_sub(&self, name: &str) -> Result<Self, Problem> {
        rustix::fs::mkdirat(&self.fd, name, OURS_ALONE).map_err(|error| cannot(&self.path.join(name), error))?;
        self.just_made(name)
    }

    fn there(&self, name: &str) -> Result<Self, Problem> {
        checked(rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()), &self.path.join(name))
    }

    /// Brings a new directory to the disk: itself, for a file system without a journal keeps the two apart, and its name.
    fn just_made(&self, name: &str) -> Result<Self, Problem> {
        let sub = self.there(name)?;
        sub.sync().and_then(|()| self.sync()).map_err(|error| cannot(&sub.path, error))?;
        Ok(sub)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A regular file's bytes; nothing when it is not there.
    pub fn read(&self, name: &str, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open_for_reading(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(std::io::Error::other(format!("larger than {}", crate::model::bytes::human(limit))));
        }
        Ok(Some(bytes))
    }

    pub fn open_for_reading(&self, name: &str) -> std::io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(file) => Ok(Some(regular(file)?)),
        }
    }

    /// For appending and locking; made when it is not there.
    pub fn open_for_writing(&self, name: &str) -> std::io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        regular(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?)
    }

    /// A synced file in the place of whatever had the name: it is there whole or not at all.
    pub fn put(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let partial = format!(".{name}.partial");
        let _ = self.remove(&partial);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.fd, &partial, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(bytes)?;
        file.sync_all()?;
        rustix::fs::renameat(&self.fd, &partial, &self.fd, name)?;
        Ok(self.sync()?)
    }

    pub fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Seconds since the epoch at which a file was last written.
    pub fn modified(&self, name: &str) -> Option<i64> {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_mtime)
    }

    /// Bytes of a file; nothing when it is not there.
    pub fn length(&self, name: &str) -> Option<u64> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(stat.st_size).ok()
    }

    pub fn remove(&self, name: &str) -> std::io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    pub fn remove_sub(&self, name: &str) -> std::io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// Gives a directory another name that nobody has, and brings both names to the disk.
    pub fn rename_sub(&self, from: &str, to: &str) -> std::io::Result<()> {
        rustix::fs::renameat_with(&self.fd, from, &self.fd, to, rustix::fs::RenameFlags::NOREPLACE)?;
        Ok(self.sync()?)
    }

    /// At most `limit` names.
    pub fn names(&self, limit: usize) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
            if names.len() >= limit {
                break;
            }
        }
        Ok(names)
    }

    pub fn sync(&self) -> Result<(), Errno> {
        rustix::fs::fsync(&self.fd)
    }
}

fn regular(file: OwnedFd) -> std::io::Result<File> {
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::other("not a regular file"));
    }
    Ok(file.into())
}

fn checked(opened: Result<OwnedFd, Errno>, path: &Path) -> Result<Dir, Problem> {
    let fd = opened.map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => refused(path, "it is a symbolic link or no directory"),
        error => cannot(path, error),
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| cannot(path, error))?;
    let us = rustix::process::geteuid().as_raw();
    if stat.st_uid != us {
        return Err(refused(path, &format!("it belongs to user {}, and domkeep runs as user {us}", stat.st_uid)));
    }
    let writers = Mode::from_raw_mode(stat.st_mode) & (Mode::WGRP | Mode::WOTH);
    if !writers.is_empty() {
        return Err(refused(path, &format!("others may write to it (mode {:o})", stat.st_mode & 0o7777)));
    }
    Ok(Dir { fd, path: path.to_owned() })
}

fn refused(path: &Path, why: &str) -> Problem {
    let shown = shown(path);
    Problem::new(format!("the jobs in {shown} are not touched"))
        .because(why)
        .because("what lies there is carried out later: nobody else may have put it there")
        .hint(format!("look at {shown}; move it away, or give it to the user that runs domkeep, with mode 700"))
}

fn cannot(path: &Path, error: Errno) -> Problem {
    Problem::new(format!("{} cannot be used for the jobs", shown(path))).because(std::io::Error::from(error))
}

fn shown(path: &Path) -> String {
    HostPath::from_bytes(OsStr::as_bytes(path.as_os_str())).to_string()
}
