//! A backing: one thing that holds a disk's bytes (a file, a volume, a partition ...), whoever uses it and under whatever name.
//!
//! Several disks, in several domains, may name the same backing by different paths (a symbolic link, /dev/mapper/VG-LV and /dev/VG/LV,
//! a loop device and its file). The probe finds that out once; rules and screens then compare backings, never strings.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DiskKind, HostPath};

/// One backing. `None` everywhere means "not known", never "none".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backing {
    /// Identity within one inventory: the canonical path, or the target of a network disk.
    pub key: String,
    /// The path that people use for it: /dev/VG/LV for a volume, the file's path for a file.
    pub path: HostPath,
    /// All other paths under which it was met.
    pub aliases: Vec<HostPath>,
    pub kind: DiskKind,
    pub exists: Option<bool>,
    /// What has the disk's name and can be none: `a directory`, `an empty file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_disk: Option<String>,
    /// Bytes that a guest sees: the virtual size.
    pub bytes: Option<u64>,
    /// Bytes that it takes on its file system or in its pool.
    pub allocated: Option<u64>,
    /// Bytes of the file itself (differs from `bytes` for qcow2 and vhd).
    pub file_bytes: Option<u64>,
    pub modified: Option<DateTime<Utc>>,
    /// Device and inode of a file.
    pub inode: Option<(u64, u64)>,
    /// Major and minor number of a block device.
    pub device: Option<(u32, u32)>,
    /// Numbers of the loop devices that are bound to it.
    pub loop_devices: Vec<(u32, u32)>,
    /// Numbers of the devices that its bytes lie on, at any depth: the disk of a partition, the physical volumes of a volume.
    pub lies_on: Vec<(u32, u32)>,
    /// `vg/lv` when it is a logical volume.
    pub volume: Option<String>,
    /// Loop devices that are bound to it (`/dev/loop0`).
    pub loops: Vec<HostPath>,
    /// Image format by content: `raw` only when nothing else was recognised.
    pub format_seen: Option<String>,
    /// qcow2's or vhd's backing file as written in its header, and the key of the backing it resolves to.
    pub backing_file: Option<(HostPath, String)>,
    /// What was recognised in the bytes: file systems (with their partition), partition table, LVM, swap ...
    pub signatures: Vec<Signature>,
    /// Mounts of this backing (or a partition or loop device of it) in dom0.
    pub mounts: Vec<MountUse>,
    /// What else is stacked on it in dom0: device-mapper, md, swap.
    pub holders: Vec<Holder>,
    /// From the backing down to the metal, for the state map.
    pub layers: Vec<Layer>,
    /// Why some of the above is not known.
    pub trouble: Vec<String>,
}

/// One layer below a disk, top first: volume, volume group, physical volume, partition, disk; or file, mount, device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// `volume`, `volume group`, `thin pool`, `snapshot of`, `partition`, `disk`, `file`, `file system`, `loop`, `network`.
    pub what: String,
    pub name: String,
    pub bytes: Option<u64>,
    pub used: Option<u64>,
}

/// A mount in dom0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountUse {
    /// What is mounted: the device or the source as the kernel names it.
    pub source: String,
    pub at: HostPath,
    pub read_write: bool,
    pub fs: String,
}

/// Something of dom0 that has the backing open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    pub name: String,
    pub what: String,
}

/// What was recognised at one place of a backing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Offset in bytes from the start of the backing.
    pub offset: u64,
    /// Partition number, or nothing when it begins at the start of the disk.
    pub partition: Option<u32>,
    /// `ext2`, `ext3`, `ext4`, `xfs`, `btrfs`, `ntfs`, `fat`, `swap`, `hibernated swap`, `lvm2-pv`, `luks`, `md`, `iso9660`, `ocfs2`, `gfs2`,
    /// `zfs`, `exfat`, `ext journal`, `mbr`, `gpt`, `blank` (first blocks all zero).
    pub kind: String,
    pub uuid: Option<String>,
    pub label: Option<String>,
    /// Size of the file system in bytes, as its superblock says.
    pub bytes: Option<u64>,
    pub times: Option<SuperblockTimes>,
}

/// ext2/3/4 superblock fields that tell about writers (kernel Documentation/filesystems/ext4; offsets in `probe::superblock`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SuperblockTimes {
    /// Last read-write mount, by the mounting system's clock.
    pub mounted: Option<DateTime<Utc>>,
    /// Last superblock write: a lower bound of the last write, for it does not move while mounted.
    pub written: Option<DateTime<Utc>>,
    pub mount_count: Option<u32>,
    /// Path it was last mounted at, inside the system that mounted it.
    pub last_mounted_at: Option<String>,
    /// The journal wants replay: mounted read-write now, or not unmounted cleanly.
    pub needs_recovery: Option<bool>,
}
