//! LVM as it is at this moment: what a plan asks for anew, because an inventory may be minutes old.

use serde::{Deserialize, Serialize};

use super::{LogicalVolume, PhysicalVolume, VolumeGroup};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lvm {
    pub groups: Vec<GroupNow>,
    /// With the hidden parts of pools.
    pub volumes: Vec<LogicalVolume>,
    pub physical: Vec<PhysicalVolume>,
}

/// A volume group, and the six characters of its `vg_attr` (vgs(8)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupNow {
    pub group: VolumeGroup,
    pub attr: String,
}

impl GroupNow {
    fn at(&self, index: usize) -> u8 {
        self.attr.as_bytes().get(index).copied().unwrap_or(b'-')
    }

    pub fn is_read_only(&self) -> bool {
        self.at(0) == b'r'
    }

    pub fn is_exported(&self) -> bool {
        self.at(2) == b'x'
    }

    /// A physical volume is missing.
    pub fn is_partial(&self) -> bool {
        self.at(3) == b'p' || self.group.missing_pvs > 0
    }

    /// Whole extents that hold so many bytes.
    pub fn rounded(&self, bytes: u64) -> u64 {
        let extent = self.group.extent_bytes.max(1);
        bytes.max(1).checked_next_multiple_of(extent).unwrap_or(bytes)
    }
}

impl Lvm {
    pub fn group(&self, name: &str) -> Option<&GroupNow> {
        self.groups.iter().find(|group| group.group.name == name)
    }

    pub fn volume(&self, vg: &str, lv: &str) -> Option<&LogicalVolume> {
        self.volumes.iter().find(|volume| volume.vg == vg && volume.name == lv)
    }

    /// Bytes of a thin pool's metadata.
    pub fn metadata_of(&self, pool: &LogicalVolume) -> Option<u64> {
        self.volume(&pool.vg, &format!("{}_tmeta", pool.name)).map(|part| part.bytes)
    }

    /// Bytes that LVM keeps aside in a group for the repair of a pool.
    pub fn spare_of(&self, vg: &str) -> u64 {
        let spare = |volume: &&LogicalVolume| volume.vg == vg && volume.hidden && volume.name.ends_with("_pmspare");
        self.volumes.iter().find(spare).map_or(0, |volume| volume.bytes)
    }
}
