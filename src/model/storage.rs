//! What disks lie on: volume groups and their volumes, and file systems that hold image files.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::HostPath;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeGroup {
    pub name: String,
    pub uuid: String,
    pub bytes: u64,
    pub free: u64,
    pub extent_bytes: u64,
    pub missing_pvs: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhysicalVolume {
    pub path: HostPath,
    /// Empty when it belongs to no volume group yet.
    pub vg: String,
    pub bytes: u64,
    pub free: u64,
    pub missing: bool,
}

/// A logical volume. `bytes` of a classic snapshot is its origin's size; its store's size is `store_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogicalVolume {
    pub vg: String,
    pub name: String,
    pub uuid: String,
    pub path: HostPath,
    /// The ten characters of lvs(8).
    pub attr: String,
    pub bytes: u64,
    /// Linear, thin, thin-pool, snapshot ... as lvs calls the layout.
    pub layout: String,
    pub role: String,
    pub active: bool,
    pub open: bool,
    /// An LVM-internal part (`[pool_tdata]`).
    pub hidden: bool,
    /// Name of the origin, for classic and thin snapshots.
    pub origin: Option<String>,
    /// Classic snapshot: bytes of its exception store.
    pub store_bytes: Option<u64>,
    /// Classic snapshot: fill of its store. Thin volume: mapped share. Thin pool: data.
    pub data_percent: Option<f64>,
    pub metadata_percent: Option<f64>,
    /// The store overflowed: the snapshot is lost for ever.
    pub invalid: bool,
    pub merging: bool,
    pub pool: Option<String>,
    pub created: Option<DateTime<Utc>>,
    pub tags: Vec<String>,
    /// `partial`, `out_of_data`, `metadata_read_only`, `failed` ...; empty is well.
    pub health: String,
    pub device: Option<(u32, u32)>,
}

impl LogicalVolume {
    /// `vg/lv`, LVM's own full name.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.vg, self.name)
    }

    /// A classic (copy-on-write store) snapshot.
    pub fn is_classic_snapshot(&self) -> bool {
        self.store_bytes.is_some()
    }

    pub fn is_thin_pool(&self) -> bool {
        self.attr.starts_with('t')
    }
}

/// A file system that holds image files, save images or configs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Store {
    pub mount: HostPath,
    pub source: String,
    pub fs: String,
    pub bytes: Option<u64>,
    pub free: Option<u64>,
    pub read_write: bool,
}

/// An image file found in a directory of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageFile {
    pub path: HostPath,
    /// Key of its [`super::Backing`].
    pub backing: String,
    /// A domain, a config, a save image or another image refers to it.
    pub referenced: bool,
}
