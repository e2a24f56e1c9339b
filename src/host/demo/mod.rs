//! The demo machine: a host laid out in a real directory, so that everything can be tried without one of one's own.
//!
//! Its files lie below `ROOT/tree`, what its tools know in `ROOT/state.json`, which every process reads and writes under the lock
//! `ROOT/lock`. Its tools answer in the real tools' formats and obey changes; what they do not know they refuse with exit status 127.
//! Some it borrows from the machine that domkeep runs on ([`borrowed`]): `mke2fs` makes a real file system in a file of its tree.
//! Block devices are sparse files underneath: reading one reads real bytes. Its clock stands still, so that screens can be compared.
//!
//! ```text
//! ROOT/.domkeep-demo   the mark: only a directory that carries it is used or removed
//! ROOT/state.json      domains, volumes, drives, mounts, the clock
//! ROOT/tree/           /
//! ```

#![allow(clippy::format_push_string, clippy::format_collect, reason = "the tools' outputs are long texts built line by line")]
#![allow(clippy::disallowed_methods, reason = "the directory of the demo machine is this room's own; below it, only openat2 is used")]

mod act;
mod blocks;
mod borrowed;
mod change;
mod config;
mod content;
mod counters;
mod describe;
mod dm;
mod domains;
mod exports;
mod guest;
mod ids;
mod kvm;
mod layout;
mod lvm;
mod lvm_fields;
mod lvm_select;
mod machine;
mod machines;
mod reply;
mod save_image;
mod shared;
mod store;
mod tree;
mod xenstore;
mod xl;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};

use self::machine::{Machine, Node};
use self::reply::Reply;
use self::store::Store;
use self::tree::kind_of;
use super::{Answer, Blocks, DeviceFacts, FileType, HostError, Listing, Look, Place, Space, Stat};
use crate::model::{Cmd, Effect, Extent, Output};
use crate::problem::Problem;

/// A demo machine.
pub struct Demo {
    name: String,
    root: PathBuf,
    store: Store,
}

/// The machine that `--demo` without a name means.
pub const DEFAULT: &str = "guides";

impl Demo {
    /// Opens the machine in `root` and lays it out first when there is no such directory. A directory that no demo machine, or another
    /// one, lies in is refused.
    pub fn open(name: &str, root: &Path) -> Result<Self, Problem> {
        let store = Store::open(name, root)?;
        Ok(Self { name: name.to_owned(), root: root.to_owned(), store })
    }

    /// Removes what lies in `root` and lays the machine out anew. Refuses a directory that carries no demo machine.
    pub fn reset(name: &str, root: &Path) -> Result<Self, Problem> {
        Store::remove(root)?;
        Self::open(name, root)
    }

    /// The machines for people, the default first.
    pub fn names() -> &'static [&'static str] {
        &machines::NAMES
    }

    /// Whether there is a machine of that name: one for people, or one that only tests open.
    pub fn is_one(name: &str) -> bool {
        machines::NAMES.contains(&name) || machines::FOR_TESTS.contains(&name)
    }

    /// One sentence about a machine.
    pub fn about(name: &str) -> Option<String> {
        machines::describe(name).ok().map(|description| description.about)
    }

    /// Where a machine lies when nobody says otherwise: root's below /var/lib, anybody else's in their own state directory.
    pub fn default_root(name: &str) -> PathBuf {
        let base = if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib")
        } else {
            let set = |key: &str| std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
            set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state"))).unwrap_or_else(|| PathBuf::from("/tmp"))
        };
        base.join("domkeep/demo").join(name)
    }

    /// Carries any command line out, looking or changing: what a person at this host's console would do. For trying things and tests.
    pub fn machine(&self, argv: &[String]) -> Output {
        if let Some((program, args)) = argv.split_first()
            && let Some(answer) = borrowed::change(self.now(), self.store.tree(), &Cmd::changes(program, args.to_vec()), &mut ())
        {
            return answer.unwrap_or_else(|error| Reply::bad(127, format!("{error}\n")).into_output());
        }
        let looked = self.look(argv);
        let answer = match looked {
            Ok(reply) if reply.exit != 127 => Ok(reply),
            unknown => match self.store.change(|machine, tree| change::carry_out(machine, tree, argv, &[])) {
                Ok(Some(reply)) => Ok(reply),
                Ok(None) => unknown,
                Err(error) => Err(error),
            },
        };
        answer.unwrap_or_else(|error| Reply::bad(127, format!("{error}\n"))).into_output()
    }

    fn blocks(&self, path: &Path, write: bool) -> Answer<Blocks> {
        let machine = self.store.load()?;
        if let Some(node) = Self::node_at(&machine, &self.store.tree().resolve(path)?) {
            if node.broken {
                return Err(HostError::Failed { why: "Input/output error (os error 5)".into() });
            }
            // As the kernel's O_EXCL: it sees mounts and volume groups, and no guest.
            let mounted = machine.mounts.iter().any(|mount| (mount.major, mount.minor) == (node.major, node.minor));
            if write && (mounted || machine.groups.iter().any(|group| group.drive == node.kname)) {
                let shown = crate::model::HostPath::from(path);
                return Err(HostError::Refused { why: format!("{shown} is mounted, or held by another device, on this host") });
            }
            if write && node.read_only {
                return Err(HostError::Refused { why: format!("{} is read-only", crate::model::HostPath::from(path)) });
            }
        }
        let file = self.store.tree().open_file(path, write)?;
        let stat = self.stat(path, true)?;
        let device = stat.kind == FileType::Block;
        let bytes = if device { self.device(path)?.bytes } else { stat.size };
        Ok(Blocks { file, device, bytes, inode: (stat.dev, stat.ino) })
    }

    fn node_at(machine: &Machine, real: &Path) -> Option<Node> {
        machine.node(real.strip_prefix("/dev").ok()?.to_str()?)
    }

    fn look(&self, argv: &[String]) -> Answer<Reply> {
        let (program, words) = argv.split_first().ok_or_else(|| HostError::Failed { why: "an empty command".into() })?;
        let machine = self.store.load()?;
        let tree = self.store.tree();
        let host = &machine.host;
        let known = match program.as_str() {
            "xl" | "xenstore-ls" | "xenstore-read" => host.xen,
            "lvs" | "vgs" | "pvs" | "dmsetup" | "lvmconfig" => host.lvm,
            // Only its rehearsal is a look.
            "lvextend" => host.lvm && words.iter().any(|word| word == "--test"),
            "lsblk" | "losetup" | "qemu-img" | "exportfs" | "sfdisk" => true,
            "virsh" => !machine.kvm.is_empty(),
            _ => false,
        };
        if !known {
            return Err(HostError::NoTool { program: program.clone() });
        }
        let reply = match program.as_str() {
            "xl" => xl::look(&machine, words),
            "xenstore-ls" | "xenstore-read" => xenstore::look(&machine, tree, program, words),
            "lvs" | "vgs" | "pvs" => lvm::look(&machine, tree, program, words),
            "dmsetup" => dm::dmsetup(&machine, words),
            "lvmconfig" => dm::lvmconfig(words),
            "lvextend" => change::rehearse_extension(&machine, words),
            "lsblk" => blocks::lsblk(&machine, tree, words),
            "losetup" => blocks::losetup(&machine, tree, words),
            "qemu-img" => change::qemu_img::info(tree, words),
            "exportfs" => exports::look(tree, words),
            "virsh" => kvm::look(&machine, tree, words),
            "sfdisk" => change::sfdisk::look(tree, words),
            _ => None,
        };
        Ok(reply.unwrap_or_else(|| Reply::unknown(argv)))
    }
}

impl Look for Demo {
    fn place(&self) -> Place {
        Place::Demo { name: self.name.clone(), root: self.root.clone() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.store.load().map_or(DateTime::UNIX_EPOCH, |machine| machine.clock)
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        if cmd.effect != Effect::Reads {
            return Err(HostError::Refused { why: "this only looks; the command would change the host".into() });
        }
        if let Some(seconds) = self.store.load()?.host.silent_seconds {
            let seconds = seconds.min(cmd.limit_seconds);
            std::thread::sleep(Duration::from_secs(seconds));
            return Err(HostError::TimedOut { seconds });
        }
        if let Some(answer) = borrowed::look(self.store.load()?.clock, self.store.tree(), cmd) {
            return answer;
        }
        let argv: Vec<String> = cmd.argv().map(str::to_owned).collect();
        Ok(self.look(&argv)?.into_output())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        let machine = self.store.load()?;
        let tree = self.store.tree();
        if let Some(number) = counters::device_of(path) {
            let text = counters::stat(&machine, tree, number)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
            return Ok(text.as_bytes().get(start..start.saturating_add(len).min(text.len())).unwrap_or_default().to_vec());
        }
        if Self::node_at(&machine, &tree.resolve(path)?).is_some_and(|node| node.broken) {
            return Err(HostError::Failed { why: "Input/output error (os error 5)".into() });
        }
        tree.read_at(path, offset, len)
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        let machine = self.store.load()?;
        let tree = self.store.tree();
        let mut listing = tree.list(dir, limit)?;
        if tree.resolve(dir)? == Path::new("/dev") {
            let nodes = machine.nodes();
            for entry in &mut listing.entries {
                if entry.kind == FileType::Regular && nodes.iter().any(|node| entry.name.as_bytes() == node.kname.as_bytes()) {
                    entry.kind = FileType::Block;
                }
            }
        }
        Ok(listing)
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        let machine = self.store.load()?;
        let (found, real) = self.store.tree().locate(path, follow)?;
        let facts = rustix::fs::fstat(&found)?;
        let kind = kind_of(facts.st_mode);
        let node = if kind == FileType::Regular { Self::node_at(&machine, &real) } else { None };
        // Nothing on the machine is of the future: what was written without a time was written now. The time of the last change is the
        // real one: no screen shows it, and who watches a disk sees by it each write, though the machine's clock stands still.
        let modified = time(facts.st_mtime, facts.st_mtime_nsec).min(machine.clock);
        let changed = time(facts.st_ctime, facts.st_ctime_nsec);
        let dev = match machine.mount_of(&real) {
            _ if real.starts_with("/dev") => rustix::fs::makedev(0, 5),
            Some(mount) => rustix::fs::makedev(mount.major, mount.minor),
            None => rustix::fs::makedev(0, 1),
        };
        let (kind, size, blocks, mode, rdev) = match node {
            Some(node) => (FileType::Block, 0, 0, 0o060_660, (node.major, node.minor)),
            None => (kind, unsigned(facts.st_size), unsigned(facts.st_blocks), facts.st_mode, (0, 0)),
        };
        Ok(Stat { kind, dev, ino: facts.st_ino, size, blocks, mode, uid: 0, gid: 0, modified, changed, rdev })
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.store.tree().resolve(path)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.store.tree().readlink(path)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.store.tree().extents(path)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        let machine = self.store.load()?;
        let real = self.store.tree().resolve(path)?;
        let mount = machine.mount_of(&real).ok_or(HostError::NotFound)?;
        Ok(Space { total: mount.bytes, free: mount.free })
    }

    fn open_for_reading(&self, path: &Path) -> Answer<Blocks> {
        self.blocks(path, false)
    }

    fn open_directory(&self, path: &Path) -> Answer<std::os::fd::OwnedFd> {
        self.store.tree().open_dir(path)
    }

    fn connect(&self, socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        kvm::connect(&*self.store.load()?, self.store.tree(), socket)
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        let host = &self.store.load()?.host;
        Ok(match name {
            "xl" | "xenstore-ls" | "xenstore-read" => host.xen,
            "lvs" | "vgs" | "pvs" | "lvcreate" | "lvremove" | "lvextend" | "lvchange" | "pvcreate" | "pvremove" | "vgcreate"
            | "vgremove" | "vgextend" | "vgreduce" | "lvconvert" | "thin_check" | "dmsetup" | "lvmconfig" => host.lvm,
            "virsh" => !self.store.load()?.kvm.is_empty(),
            "lsblk" | "losetup" | "rm" | "blkdiscard" | "truncate" | "qemu-img" | "exportfs" | "sfdisk" | "timeout" => true,
            _ => borrowed::is_there(name),
        })
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        let machine = self.store.load()?;
        let real = self.store.tree().resolve(path)?;
        let node = Self::node_at(&machine, &real).ok_or_else(|| HostError::Refused { why: "not a block device".into() })?;
        Ok(DeviceFacts { bytes: node.bytes, read_only: node.read_only, logical_sector: 512 })
    }
}

fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> DateTime<Utc> {
    Utc.timestamp_opt(seconds, nanoseconds.try_into().unwrap_or(0)).single().unwrap_or(DateTime::UNIX_EPOCH)
}

fn unsigned(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests;
