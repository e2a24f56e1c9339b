//! Which paths hang together.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::workers::Ticket;

/// Links that are followed in one path, as many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// File systems that live on another machine or in another process, and hang with it.
const REMOTE: [&str; 15] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p", "afs", "autofs", "lustre", "beegfs", "ocfs2", "gfs2", "virtiofs"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beneath {
    /// This path and everything below it.
    All(PathBuf),
    Only(PathBuf),
}

impl Beneath {
    fn holds(&self, path: &Path) -> bool {
        match self {
            Self::All(top) => path.starts_with(top),
            Self::Only(one) => path == one,
        }
    }
}

/// Something that hung.
pub struct Hang {
    pub places: Vec<Beneath>,
    pub since: Instant,
    /// The calls that hang there.
    pub tickets: Vec<Arc<Ticket>>,
}

impl Hang {
    pub fn holds(&self, path: &Path) -> bool {
        self.places.iter().any(|place| place.holds(path))
    }
}

/// What is refused with a path when nothing better is known: its directory. A device hangs alone, and `/` is never given up.
pub fn neighbours(path: &Path) -> Beneath {
    match path.parent() {
        Some(parent)
            if parent.parent().is_some() && !path.starts_with("/dev") && !path.starts_with("/proc") && !path.starts_with("/sys") =>
        {
            Beneath::All(parent.to_path_buf())
        }
        _ => Beneath::Only(path.to_path_buf()),
    }
}

/// The directory of a volume group, `/dev/VG`, when a volume in it hangs and another one did before: they lie on the same disks, and to
/// wait for each of them would take minutes.
pub fn volume_group(path: &Path, known: &[Hang]) -> Option<Beneath> {
    let group = path.parent()?;
    let name = group.strip_prefix("/dev").ok()?;
    if name.components().count() != 1 || ["mapper", "disk", "block", "char", "shm", "pts"].iter().any(|other| name == Path::new(other)) {
        return None;
    }
    let beside = |place: &Beneath| matches!(place, Beneath::Only(other) if other != path && other.parent() == Some(group));
    known.iter().any(|hang| hang.places.iter().any(beside)).then(|| Beneath::All(group.to_path_buf()))
}

#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    at: PathBuf,
    remote: bool,
}

/// Mount points and whether they are remote, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
pub fn mounts(mountinfo: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let at = unescaped(words.nth(4)?);
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        let kind = String::from_utf8_lossy(kind).into_owned();
        Some(Mount { at, remote: kind.starts_with("fuse") || REMOTE.contains(&kind.as_str()) })
    };
    mountinfo.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// `\040` and the like as the byte they stand for.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let octal = if first == b'\\' { after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()) } else { None };
        let (byte, after) = match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (byte, after.get(3..).unwrap_or_default()),
            None => (first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// The mount that covers a path. Of several at one place the last one made covers the others.
fn covering<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.components().count())
}

/// Walks a path from the root and stops at the first mount of another machine. Names beyond it are not asked about. A root file system on
/// NFS is not given up as a whole.
pub fn remote_mount_on_the_way(mounts: &[Mount], path: &Path, readlink: impl Fn(&Path) -> Option<PathBuf>) -> Option<PathBuf> {
    let mut at = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = words(path);
    let mut links = 0;
    while let Some(word) = ahead.pop_front() {
        if word == OsStr::from_bytes(b"..") {
            at.pop();
            continue;
        }
        let next = at.join(&word);
        if let Some(mount) = covering(mounts, &next).filter(|mount| mount.remote && mount.at != Path::new("/")) {
            return Some(mount.at.clone());
        }
        match readlink(&next) {
            Some(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for word in words(&target).into_iter().rev() {
                    ahead.push_front(word);
                }
            }
            _ => at = next,
        }
    }
    None
}

fn words(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:44 / /srv/my\\040images rw shared:2 - nfs4 192.0.2.1:/x rw\n\
        41 40 0:45 / /srv/my\\040images/local rw - ext4 /dev/sdb1 rw\n\
        garbage\n";

    #[test]
    fn a_link_into_a_dead_mount_is_found_without_touching_the_mount() {
        let mounts = mounts(MOUNTINFO);
        let asked = std::cell::RefCell::new(Vec::new());
        let readlink = |link: &Path| {
            asked.borrow_mut().push(link.to_path_buf());
            (link == Path::new("/images")).then(|| PathBuf::from("srv/./x/../my images"))
        };
        let found = remote_mount_on_the_way(&mounts, "/images/web.img".as_ref(), readlink);
        assert_eq!(found, Some("/srv/my images".into()));
        assert!(!asked.borrow().iter().any(|path| path.starts_with("/srv/my images")), "the search would hang as well");
        assert_eq!(remote_mount_on_the_way(&mounts, "/var/lib".as_ref(), |_| None), None);
        assert_eq!(remote_mount_on_the_way(&mounts, "/l".as_ref(), |_| Some("l".into())), None, "a loop of links must end");
    }

    #[test]
    fn neither_the_root_nor_all_devices_are_given_up() {
        assert_eq!(neighbours("/srv".as_ref()), Beneath::Only("/srv".into()));
        assert_eq!(neighbours("/dev/vg/web".as_ref()), Beneath::Only("/dev/vg/web".into()));
        assert_eq!(neighbours("/srv/images/web.img".as_ref()), Beneath::All("/srv/images".into()));
    }
}
