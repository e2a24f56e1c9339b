//! What can be asked for about volumes: a new one, another place for a disk, more room.

use serde::{Deserialize, Serialize};

use super::HostPath;
use super::request::NewDisk;

/// A new volume. Its path in `disk` is `/dev/GROUP/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewVolume {
    pub group: String,
    /// A partition, disk or loop device with nothing on it: the group is made on it, or gets it as more room; nothing: the group is there.
    pub device: Option<HostPath>,
    pub name: String,
    /// A thin volume in this pool; nothing: a linear one.
    pub pool: Option<ThinPool>,
    pub wipe: Wipe,
    pub disk: NewDisk,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ThinPool {
    pub name: String,
    /// Made with so many bytes for data; nothing: it is there.
    pub make: Option<u64>,
}

/// What happens to what former volumes left on the extents of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wipe {
    /// Zeros are written: sure on every device, and as slow as a copy.
    Zeros,
    /// Nothing: until it is overwritten, what former volumes held can be read.
    Leave,
}

/// Another place for a disk of a domain that is off.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MoveDisk {
    pub domain: String,
    pub vdev: String,
    /// The configuration file, where several name the domain.
    pub config: Option<HostPath>,
    pub to: DiskPlace,
    /// Bytes per second.
    pub rate: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiskPlace {
    File { path: HostPath },
    Volume { group: String, name: String, pool: Option<String> },
}

/// More room for a disk, and for what lies in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grow {
    /// `VG/LV`, or the path of a volume or of an image file.
    pub target: String,
    pub size: NewSize,
    /// The file system on it grows too.
    pub inside: bool,
    /// Of a thin pool: its metadata, not its data.
    pub metadata: bool,
    /// A device with nothing on it that joins the volume's group first, where that has no room.
    #[serde(default)]
    pub device: Option<HostPath>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "size", content = "bytes", rename_all = "kebab-case")]
pub enum NewSize {
    By(u64),
    To(u64),
}
