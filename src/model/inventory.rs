//! One look at one host.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Backing, Config, Domain, HostPath, ImageFile, LogicalVolume, MountUse, PhysicalVolume, Save, Store, VolumeGroup};

/// Everything that one look at a host found, and what it could not find out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    pub host: HostFacts,
    pub domains: Vec<Domain>,
    pub saves: Vec<Save>,
    pub configs: Vec<Config>,
    pub unreadable_configs: Vec<UnreadableConfig>,
    /// Every backing that a disk, a save image's packaged config or an image directory names, by its key.
    pub backings: BTreeMap<String, Backing>,
    pub volume_groups: Vec<VolumeGroup>,
    pub physical_volumes: Vec<PhysicalVolume>,
    pub volumes: Vec<LogicalVolume>,
    /// What fills until something breaks, with its pace where there were looks before this one.
    #[serde(default)]
    pub fuses: Vec<super::Fuse>,
    pub stores: Vec<Store>,
    pub images: Vec<ImageFile>,
    pub mounts: Vec<MountUse>,
    /// Backups, in the directories of the settings.
    #[serde(default)]
    pub bundles: Vec<super::bundle::FoundBundle>,
    pub gaps: Vec<Gap>,
}

/// The host itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    pub name: String,
    /// `this machine`, `demo NAME`, `replay DIR`.
    pub place: String,
    pub taken: Option<DateTime<Utc>>,
    /// `4.17`, from `xl info`; nothing when no xl answered.
    pub xen: Option<String>,
    pub kernel: Option<String>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    pub free_memory_bytes: Option<u64>,
    /// Whether the looker was root there.
    pub root: Option<bool>,
}

/// A configuration file that the toolstack would refuse, or that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableConfig {
    pub path: HostPath,
    pub why: String,
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// xm's Python: shown, never run.
    pub python: bool,
}

/// Something that could not be found out. Never an empty list instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What was asked: a command line or a path.
    pub source: String,
    /// What a person does not see because of it.
    pub missing: String,
    pub reason: GapReason,
    /// The reason in words, with the tool's own complaint.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The tool is not on this host.
    NoTool,
    NotRoot,
    PermissionDenied,
    /// No answer within the time limit.
    TimedOut,
    /// The tool answered with an error.
    Failed,
    /// It answered something that cannot be understood.
    Unreadable,
    /// Too large, too many, or not a regular file.
    Refused,
    /// The capture does not hold the answer.
    NotCaptured,
    /// Of this host nobody asked: switched off in the settings.
    NotAsked,
}

impl Inventory {
    /// What a gap misses when the toolstack did not say which domains run.
    pub const WHICH_RUN: &str = "which domains run";

    /// There is no toolstack on this host that could be asked for its domains: what was found are only files.
    pub fn has_no_toolstack(&self) -> bool {
        self.gaps.iter().any(|gap| gap.reason == GapReason::NoTool && gap.missing == Self::WHICH_RUN)
    }

    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|d| d.id == name).or_else(|| self.domains.iter().find(|d| d.name == name))
    }

    pub fn save(&self, path: &HostPath) -> Option<&Save> {
        self.saves.iter().find(|s| &s.path == path)
    }

    pub fn config(&self, path: &HostPath) -> Option<&Config> {
        self.configs.iter().find(|c| &c.path == path && c.source != super::ConfigSource::SaveImage)
    }

    /// The configuration packaged inside a save image.
    pub fn packaged_config(&self, save: &HostPath) -> Option<&Config> {
        self.configs.iter().find(|c| &c.path == save && c.source == super::ConfigSource::SaveImage)
    }

    /// The fuses of a volume, by its full name.
    pub fn fuses_of<'a>(&'a self, volume: &'a LogicalVolume) -> impl Iterator<Item = &'a super::Fuse> {
        self.fuses.iter().filter(|fuse| fuse.vg == volume.vg && fuse.lv == volume.name)
    }

    /// The fuses that a writer to this volume (`vg/lv`) burns: its own store, its pool's, and those of its snapshots.
    pub fn fuses_burnt_by(&self, volume: &str) -> Vec<&super::Fuse> {
        let Some(volume) = self.volumes.iter().find(|known| known.full_name() == volume) else { return Vec::new() };
        let concerned = |other: &&LogicalVolume| {
            let snapshot = other.is_classic_snapshot() && other.origin.as_deref() == Some(volume.name.as_str());
            other.vg == volume.vg && (other.name == volume.name || snapshot || volume.pool.as_deref() == Some(other.name.as_str()))
        };
        self.volumes.iter().filter(concerned).flat_map(|volume| self.fuses_of(volume)).collect()
    }

    pub fn backing(&self, key: Option<&String>) -> Option<&Backing> {
        key.and_then(|k| self.backings.get(k))
    }
}
