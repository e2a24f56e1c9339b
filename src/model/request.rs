//! What a person may ask for: a filled-in form, checked in shape only. Plans are made of it; nothing else leads to a change.

use serde::{Deserialize, Serialize};

use super::retention::Policy;
use super::{AttachDisk, DetachDisk, HostPath, Location, NfsRoot};

/// A wish. The enum is closed: what is not here cannot be asked of domkeep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Make a sparse file disk, fill it, and name it in a domain's config.
    NewFileDisk(NewDisk),
    /// Copy a domain into a bundle.
    ColdBackup(ColdBackup),
    /// Bring a bundle, or some of its disks, back.
    Restore(Restore),
    /// Boot a domain, having looked whether that loses anything.
    Start { domain: String, config: Option<HostPath> },
    /// Resume a save image, having looked whether its disks are as they were.
    Resume {
        save: HostPath,
        #[serde(default, skip_serializing_if = "super::saved::IfChanged::is_usual")]
        if_changed: super::saved::IfChanged,
    },
    /// Save a domain to a file.
    Save(super::saved::SaveWish),
    /// Copy one disk to another place.
    Copy { from: Location, to: Location, rate: Option<u64>, verify: bool },
    /// Give a domain a disk that exists.
    AttachDisk(AttachDisk),
    /// Take a disk away from a domain.
    DetachDisk(DetachDisk),
    /// Write an attached disk into the domain's config; nothing: into the only one that there is.
    PersistDisk { domain: String, vdev: String, config: Option<HostPath> },
    /// Clone a domain: its disks without copying them, and its configuration.
    Clone(super::cloning::Cloning),
    /// Remove restore points that no rule keeps.
    Prune(Prune),
    /// Remove snapshots, clones or disks that nobody needs.
    Remove(super::cloning::Removing),
    /// Give an origin the state back that one of its snapshots holds; the snapshot is used up.
    RollBack { snapshot: String },
    /// Put a domain's root on this host's NFS server.
    NfsRoot(NfsRoot),
    /// Remove a snapshot.
    RemoveSnapshot { volume: String },
    /// Make a volume, fill it, and name it in a domain's config.
    NewVolume(Box<super::volumes::NewVolume>),
    /// Copy a disk to another place, and name that in the domain's config.
    MoveDisk(super::volumes::MoveDisk),
    /// More room for a disk, and for what lies on it.
    Grow(super::volumes::Grow),
    /// Grow a classic snapshot's store, or a thin pool's data.
    ExtendSnapshot { volume: String, by_bytes: u64 },
    /// Grow a thin pool's metadata.
    ExtendMetadata { volume: String, by_bytes: u64 },
    /// More room for a store that is about to be full: the guard's.
    Relieve(super::fuse::Relief),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewDisk {
    pub path: HostPath,
    pub bytes: u64,
    pub file_system: FileSystem,
    pub label: Option<String>,
    pub populate: Populate,
    /// Written to /etc/hostname inside.
    pub hostname: Option<String>,
    /// Write /etc/fstab inside, so that the guest finds its root under its vdev.
    pub fstab: bool,
    pub attach: Attach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    Ext4,
    Ext3,
    Xfs,
    Btrfs,
    None,
}

impl FileSystem {
    pub const ALL: [Self; 5] = [Self::Ext4, Self::Ext3, Self::Xfs, Self::Btrfs, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Ext3 => "ext3",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::None => "none",
        }
    }
}

/// What a new file system is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Populate {
    Nothing,
    /// A directory, with the meaning of `cp -ax`: owners, times, links, extended attributes; other file systems below it are left out.
    Directory {
        path: HostPath,
    },
    /// A tar archive, compressed or not.
    Archive {
        path: HostPath,
    },
}

/// Into which domain's config a new disk goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "kebab-case")]
pub enum Attach {
    Nobody,
    Existing {
        domain: String,
        config: HostPath,
        vdev: String,
    },
    /// A config file that does not exist yet.
    New {
        config: HostPath,
        name: String,
        vdev: String,
        memory_mib: u64,
        vcpus: u32,
        boot: Boot,
    },
}

/// How a new domain boots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Boot {
    /// A kernel of dom0, with its ramdisk and what is added to its command line.
    Kernel { kernel: HostPath, ramdisk: Option<HostPath>, extra: String },
    /// pygrub reads the kernel from the disk.
    Pygrub,
    /// HVM: the disk's own boot loader.
    Hvm,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColdBackup {
    pub domain: String,
    /// Other domains that are frozen in the same instant, each into a bundle of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The directory that bundles go to.
    pub destination: HostPath,
    /// Whether it takes over what did not change since the last one.
    #[serde(default, skip_serializing_if = "super::Incremental::is_no")]
    pub incremental: super::Incremental,
    /// Nothing: the best that is possible.
    #[serde(default = "cold")]
    pub strategy: Option<super::Strategy>,
    /// Of a cold one.
    pub how: WhenRunning,
    /// Read the bundle back at the end.
    pub verify: bool,
    /// Bytes per second.
    pub rate: Option<u64>,
    /// Disks that are left out, by vdev.
    pub leave_out: Vec<String>,
}

/// A request that was written down before there was another way.
#[allow(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
fn cold() -> Option<super::Strategy> {
    Some(super::Strategy::Cold)
}

/// What a cold backup does with a domain that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "when-running", rename_all = "kebab-case")]
pub enum WhenRunning {
    /// Refuse: it must be off, or saved.
    Refuse,
    /// Ask it to shut down, wait at most so long, and start it again afterwards. It is never destroyed.
    ShutDown { limit_seconds: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restore {
    pub bundle: HostPath,
    /// Names of pieces; none: all.
    pub pieces: Vec<String>,
    pub to: RestoreTo,
    /// The backup is known to be damaged: it is brought back as far as it is readable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "kebab-case")]
pub enum RestoreTo {
    /// Where each piece came from.
    OldPlace,
    /// As files in this directory; the config with them, naming them, under this domain name (nothing: the old name).
    Beside { directory: HostPath, name: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prune {
    /// The directory that bundles are looked for in.
    pub directory: HostPath,
    /// The name of the only domain whose restore points are looked at.
    pub only: Option<String>,
    pub policy: Policy,
}
