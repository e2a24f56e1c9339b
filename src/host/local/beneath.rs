//! Writes inside a tree that a stranger may have laid out: a mounted guest file system, a directory that an archive was unpacked into.
//! Every path is resolved with the tree as its root (openat2(2), `RESOLVE_IN_ROOT`): `/etc` of a guest that is a link to `/` stays inside.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::facts::{a_kind, stat_of};
use super::reach::{directory, refused, shown, sync};
use crate::host::{Answer, FileType};

/// openat2(2) answers EAGAIN to a path with `..` when anything on the system was renamed at that moment.
const MOST_TRIES: usize = 1000;

fn open_in(root: &File, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..MOST_TRIES {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => std::thread::yield_now(),
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Writes a file at `path` below `root`, in the place of what stands there; a link that stands there is replaced, not followed. `/etc` is
/// made when the tree has none; any other directory must be there.
pub fn write(root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
    write_in(&directory(root)?, path, bytes, mode)
}

/// The same, below a directory that is held open.
pub fn write_in(tree: &File, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused(format!("{} is no file's name", shown(path))));
    };
    let wanted = OFlags::RDONLY | OFlags::DIRECTORY;
    let dir = match open_in(tree, parent, wanted) {
        Err(Errno::NOENT) if parent == Path::new("/etc") || parent == Path::new("etc") => {
            rustix::fs::mkdirat(tree, "etc", Mode::from_raw_mode(0o755)).map_err(|error| match error {
                Errno::EXIST => refused("/etc of that tree is a link to what is not there"),
                other => other.into(),
            })?;
            let made = open_in(tree, parent, wanted)?;
            rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
            sync(tree)?;
            made
        }
        Err(Errno::NOENT) => return Err(refused(format!("there is no directory {} in that tree", shown(parent)))),
        Err(Errno::NOTDIR) => return Err(refused(format!("{} of that tree is not a directory", shown(parent)))),
        Err(Errno::NOSYS) => {
            return Err(refused("this kernel has no openat2(2) (it needs Linux 5.6): a link in that tree could lead out of it"));
        }
        other => other?,
    };
    let dir = File::from(dir);
    match rustix::fs::openat(&dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(there) => {
            let kind = stat_of(&File::from(there).metadata()?).kind;
            if !matches!(kind, FileType::Regular | FileType::Symlink) {
                return Err(refused(format!("{} of that tree is {}", shown(path), a_kind(kind))));
            }
            rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
        }
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(0o600))?);
    file.write_all(bytes)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    sync(&file)?;
    sync(&dir)
}
