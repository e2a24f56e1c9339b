//! The ways to back a domain up, what each of them gives, and which are possible for a domain.

use serde::{Deserialize, Serialize};

use super::bundle::LeftOut;

/// One way to get at a state of a domain that fits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nothing runs while the disks are copied: the domain is off, saved, or shut down for it.
    Cold,
    /// Saved, its disks copied, resumed.
    SaveCopy,
    /// Saved, each disk frozen, resumed; copied from what was frozen.
    SaveSnapshot,
    /// Its memory written while it stays paused, each disk frozen, unpaused; copied from what was frozen.
    Checkpoint,
    /// Paused, each disk frozen, unpaused; copied from what was frozen.
    Live,
    /// QEMU offers the disks of one instant while the domain runs on; copied from there.
    Pull,
    /// The domain writes to overlays for a while, and its images stand still; what it wrote goes into them afterwards.
    Overlay,
}

impl Strategy {
    pub const ALL: [Self; 7] = [Self::Cold, Self::SaveCopy, Self::SaveSnapshot, Self::Checkpoint, Self::Live, Self::Pull, Self::Overlay];
    /// Those of domains that xl drives.
    pub const XEN: [Self; 5] = [Self::Cold, Self::SaveCopy, Self::SaveSnapshot, Self::Checkpoint, Self::Live];
    /// Those of domains of libvirt's QEMU, also those that are not done yet.
    pub const LIBVIRT: [Self; 4] = [Self::Cold, Self::SaveCopy, Self::Pull, Self::Overlay];
    /// For a domain that runs, the best first: memory and disks of one instant with the shortest pause, then the shortest pause, then
    /// what works with every disk.
    pub const BEST_FIRST: [Self; 4] = [Self::Checkpoint, Self::Live, Self::SaveSnapshot, Self::SaveCopy];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::SaveCopy => "save-copy",
            Self::SaveSnapshot => "save-snapshot",
            Self::Checkpoint => "checkpoint",
            Self::Live => "live",
            Self::Pull => "pull",
            Self::Overlay => "overlay",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text)
    }

    /// What is done, in a few words.
    pub fn does(self) -> &'static str {
        match self {
            Self::Cold => "copy while nothing runs",
            Self::SaveCopy => "save, copy, resume",
            Self::SaveSnapshot => "save, freeze the disks, resume, copy",
            Self::Checkpoint => "write the memory, freeze the disks, unpause, copy",
            Self::Live => "pause, freeze the disks, unpause, copy",
            Self::Pull => "copy what QEMU offers of one instant, while the guest runs on",
            Self::Overlay => "let the guest write to overlays, copy its images, write the overlays into them",
        }
    }

    /// What the backup will be worth, in plain words. Stands in the manifest too.
    pub fn gives(self) -> &'static str {
        match self {
            Self::Cold => "clean: the domain had shut down, or was saved, and nothing wrote while its disks were copied",
            Self::SaveCopy => "memory and disks of one instant: the domain was saved while its disks were copied",
            Self::SaveSnapshot => "memory and disks of one instant: the domain was saved, and its disks were frozen before it went on",
            Self::Checkpoint => {
                "memory and disks of one instant: the domain stood still while its memory was written and its disks were frozen"
            }
            Self::Live => "crash-consistent, all disks of one instant: as after a power cut; there is no memory in it",
            Self::Pull | Self::Overlay => {
                "all disks of one instant, crash-consistent: as after a power cut; with file systems frozen where the guest's agent answers; no memory"
            }
        }
    }

    /// It works on what was frozen, not on the disks themselves.
    pub fn freezes(self) -> bool {
        matches!(self, Self::SaveSnapshot | Self::Checkpoint | Self::Live)
    }

    /// The domain's memory is part of the backup, written for it.
    pub fn writes_memory(self) -> bool {
        matches!(self, Self::SaveCopy | Self::SaveSnapshot | Self::Checkpoint)
    }
}

/// What earlier backups on this host took. Nothing: it was never measured here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Bytes of guest memory a second.
    pub save_rate: Option<u64>,
    pub resume_rate: Option<u64>,
    /// Bytes of disks a second.
    pub copy_rate: Option<u64>,
    /// Milliseconds for one disk.
    pub snapshot_ms: Option<u64>,
    pub reflink_ms: Option<u64>,
    /// Milliseconds for `xl pause` and `xl unpause` together.
    pub pause_ms: Option<u64>,
}

/// How long the domain will stand still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Nothing: not all of it was measured on this host yet.
    pub milliseconds: Option<u64>,
    /// What it is made of: `the save, 2 snapshots, the restore`.
    pub of: String,
}

/// One way for one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyRow {
    pub strategy: Strategy,
    /// Why it is not possible; nothing: it is.
    pub not_here: Option<String>,
    pub gives: String,
    pub downtime: Downtime,
    /// Bytes that the destination needs at most, and those that each volume group needs meanwhile.
    pub room: Option<u64>,
    pub snapshots: Vec<(String, u64)>,
    /// What `auto` takes.
    pub best: bool,
}

/// All ways for one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyTable {
    pub domain: String,
    pub rows: Vec<StrategyRow>,
    /// Disks that no backup covers.
    pub not_covered: Vec<LeftOut>,
    pub figures: Figures,
}

impl StrategyTable {
    pub fn row(&self, strategy: Strategy) -> Option<&StrategyRow> {
        self.rows.iter().find(|row| row.strategy == strategy)
    }

    pub fn best(&self) -> Option<&StrategyRow> {
        self.rows.iter().find(|row| row.best)
    }
}
