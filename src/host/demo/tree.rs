//! The demo machine's files: a directory that stands for `/`. Every path is resolved beneath it (openat2(2), `RESOLVE_IN_ROOT`), so that
//! absolute symbolic links and `..` stay inside, and whoever runs the demo as root cannot touch the real /etc/xen through it.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::{AtFlags, FileType as RawType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};

use crate::host::{Answer, Entry, FileType, HostError, Listing};
use crate::model::{Extent, ExtentKind, HostPath};

pub struct Tree {
    dir: OwnedFd,
    /// Canonical, as /proc/self/fd names it.
    path: PathBuf,
}

impl Tree {
    pub fn open(path: &Path) -> Answer<Self> {
        let dir = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = path_of(&dir)?;
        Ok(Self { dir, path })
    }

    fn openat(&self, path: &Path, flags: OFlags, mode: Mode) -> Answer<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel answers EAGAIN to a path with `..` when anything on the system was renamed at that moment (openat2(2)).
        for _ in 0..1000 {
            match rustix::fs::openat2(&self.dir, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
                other => return Ok(other?),
            }
        }
        Err(HostError::Failed { why: "the directory is renamed all the time".into() })
    }

    /// A name, unopened: for its facts and its canonical path.
    pub fn locate(&self, path: &Path, follow: bool) -> Answer<(OwnedFd, PathBuf)> {
        let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        let found = self.openat(path, flags, Mode::empty())?;
        let real = path_of(&found)?;
        let beneath = real.strip_prefix(&self.path).map_err(|_| HostError::Refused { why: "outside of the demo machine".into() })?;
        Ok((found, Path::new("/").join(beneath)))
    }

    pub fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        Ok(self.locate(path, true)?.1)
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.locate(path, true).is_ok()
    }

    pub fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        let (link, _) = self.locate(path, false)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new())?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
    }

    /// Opens a regular file (a demo volume is one underneath); everything else is refused unopened.
    pub fn open_file(&self, path: &Path, write: bool) -> Answer<std::fs::File> {
        let (found, _) = self.locate(path, true)?;
        if RawType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) != RawType::RegularFile {
            return Err(HostError::Refused { why: "neither a regular file nor a block device".into() });
        }
        let flags = if write { OFlags::RDWR } else { OFlags::RDONLY };
        Ok(self.openat(path, flags | OFlags::NONBLOCK, Mode::empty())?.into())
    }

    /// Opens a directory.
    pub fn open_dir(&self, path: &Path) -> Answer<OwnedFd> {
        self.openat(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    pub fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        let file = self.open_file(path, false)?;
        let size = rustix::fs::fstat(&file)?.st_size;
        let left = u64::try_from(size).unwrap_or(0).saturating_sub(offset);
        let want = len.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut bytes = vec![0; want];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = rustix::io::pread(&file, rest, offset.saturating_add(filled as u64))?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// A whole file of the machine's own making; cut at 4 MiB.
    pub fn read(&self, path: &Path) -> Answer<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path, false)?.take(4 << 20).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        let opened = self.openat(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut entries = Vec::new();
        let mut cut = false;
        for entry in rustix::fs::Dir::read_from(&opened)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if entries.len() >= limit {
                cut = true;
                break;
            }
            let kind = match entry.file_type() {
                RawType::Unknown => self
                    .locate(&dir.join(std::ffi::OsStr::from_bytes(name)), false)
                    .and_then(|(found, _)| Ok(kind_of(rustix::fs::fstat(&found)?.st_mode)))
                    .unwrap_or(FileType::Unknown),
                known => kind_of(known.as_raw_mode()),
            };
            entries.push(Entry { name: HostPath::from_bytes(name), kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Listing { entries, cut })
    }

    /// Data and holes by SEEK_DATA and SEEK_HOLE.
    pub fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        use rustix::fs::SeekFrom;
        let file = self.open_file(path, false)?;
        let size = u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        let mut extents = Vec::new();
        let mut at = 0;
        while at < size {
            let data = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                Ok(data) => data,
                Err(rustix::io::Errno::NXIO) => size,
                Err(error) => return Err(error.into()),
            };
            if data > at {
                extents.push(Extent { start: at, length: data - at, kind: ExtentKind::Zero });
            }
            if data >= size {
                break;
            }
            let hole = rustix::fs::seek(&file, SeekFrom::Hole(data))?.min(size);
            if hole <= data {
                break;
            }
            extents.push(Extent { start: data, length: hole - data, kind: ExtentKind::Data });
            at = hole;
        }
        Ok(extents)
    }

    /// Makes a directory and those above it.
    pub fn make_dir(&self, path: &Path, mode: u32) -> Answer<()> {
        let mut above = PathBuf::from("/");
        for part in path.components().skip(1) {
            above.push(part);
            match self.mkdir(&above, if above == path { mode } else { 0o755 }) {
                Err(HostError::Refused { .. }) | Ok(()) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Makes one directory; refused when the name is taken.
    pub fn mkdir(&self, path: &Path, mode: u32) -> Answer<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(mode)) {
            Err(rustix::io::Errno::EXIST) => return Err(HostError::Refused { why: "the name is taken".into() }),
            other => other?,
        }
        // Whatever the umask is.
        let made =
            rustix::fs::openat(&parent, &name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        Ok(rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?)
    }

    /// Makes a new empty file of that apparent size; refused when the name is taken.
    pub fn create(&self, path: &Path, size: u64, mode: u32) -> Answer<std::fs::File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let (parent, name) = self.parent(path)?;
        let made = match rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(mode)) {
            Err(rustix::io::Errno::EXIST) => return Err(HostError::Refused { why: "the name is taken".into() }),
            other => other?,
        };
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?;
        if size > 0 {
            rustix::fs::ftruncate(&made, size)?;
        }
        Ok(made.into())
    }

    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
        let mut file = self.create(path, 0, mode)?;
        Ok(file.write_all(bytes)?)
    }

    /// Puts a file in the place of whatever stands there.
    pub fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
        self.unlink_if_there(path)?;
        self.write(path, bytes, mode)
    }

    pub fn symlink(&self, target: &Path, link: &Path) -> Answer<()> {
        let (parent, name) = self.parent(link)?;
        Ok(rustix::fs::symlinkat(target, &parent, &name)?)
    }

    /// A second name for a file: how a loop device shows the bytes of its backing file.
    pub fn hard_link(&self, path: &Path, second: &Path) -> Answer<()> {
        let (from, name) = self.parent(&self.resolve(path)?)?;
        let (to, other) = self.parent(second)?;
        Ok(rustix::fs::linkat(&from, &name, &to, &other, AtFlags::empty())?)
    }

    pub fn unlink(&self, path: &Path) -> Answer<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, &name, AtFlags::empty())?)
    }

    pub fn unlink_if_there(&self, path: &Path) -> Answer<()> {
        match self.unlink(path) {
            Err(HostError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Renames without replacing what may stand there.
    pub fn rename(&self, from: &Path, to: &Path) -> Answer<()> {
        let ((old_dir, old), (new_dir, new)) = (self.parent(from)?, self.parent(to)?);
        match rustix::fs::renameat_with(&old_dir, &old, &new_dir, &new, rustix::fs::RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => Err(HostError::Refused { why: "the name is taken".into() }),
            other => Ok(other?),
        }
    }

    /// Exchanges two names at once.
    pub fn exchange(&self, one: &Path, other: &Path) -> Answer<()> {
        let ((one_dir, one), (other_dir, other)) = (self.parent(one)?, self.parent(other)?);
        Ok(rustix::fs::renameat_with(&one_dir, &one, &other_dir, &other, rustix::fs::RenameFlags::EXCHANGE)?)
    }

    pub fn rmdir(&self, path: &Path) -> Answer<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR)?)
    }

    /// Removes a name and all that lies below it; links are removed, not followed.
    pub fn remove_all(&self, path: &Path) -> Answer<()> {
        let (parent, name) = self.parent(path)?;
        remove_at(&parent, &name, 0)
    }

    pub fn set_mode(&self, path: &Path, mode: u32) -> Answer<()> {
        Ok(rustix::fs::fchmod(self.open_file(path, false)?, Mode::from_raw_mode(mode))?)
    }

    pub fn sync_dir(&self, dir: &Path) -> Answer<()> {
        Ok(rustix::fs::fsync(self.openat(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)?)
    }

    /// Sets access and modification time of a name, of a symbolic link itself too.
    pub fn set_time(&self, path: &Path, time: DateTime<Utc>) -> Answer<()> {
        let (parent, name) = self.parent(path)?;
        let stamp = Timespec { tv_sec: time.timestamp(), tv_nsec: i64::from(time.timestamp_subsec_nanos()) };
        let times = Timestamps { last_access: stamp, last_modification: stamp };
        Ok(rustix::fs::utimensat(&parent, &name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn parent(&self, path: &Path) -> Answer<(OwnedFd, std::ffi::OsString)> {
        let refused = || HostError::Refused { why: "not a file name".into() };
        let name = path.file_name().ok_or_else(refused)?;
        let dir = path.parent().ok_or_else(refused)?;
        let dir = if dir.as_os_str().is_empty() { Path::new("/") } else { dir };
        Ok((self.openat(dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, name.to_owned()))
    }
}

/// Directories in directories that are gone into.
const MOST_DEEP: usize = 256;

fn remove_at(dir: &OwnedFd, name: &std::ffi::OsStr, depth: usize) -> Answer<()> {
    let below = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(dir, name, below, Mode::empty()) {
        Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?),
        other => other?,
    };
    if depth >= MOST_DEEP {
        return Err(HostError::Refused { why: "directories nest too deep".into() });
    }
    for entry in rustix::fs::Dir::read_from(&opened)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove_at(&opened, std::ffi::OsStr::from_bytes(name), depth + 1)?;
        }
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

fn path_of(opened: &impl AsFd) -> Answer<PathBuf> {
    let link = format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd());
    let target = rustix::fs::readlink(link, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

pub fn kind_of(mode: u32) -> FileType {
    match RawType::from_raw_mode(mode) {
        RawType::RegularFile => FileType::Regular,
        RawType::Directory => FileType::Directory,
        RawType::Symlink => FileType::Symlink,
        RawType::BlockDevice => FileType::Block,
        RawType::CharacterDevice => FileType::Character,
        RawType::Fifo => FileType::Fifo,
        RawType::Socket => FileType::Socket,
        RawType::Unknown => FileType::Unknown,
    }
}
