//! What follows from an inventory: findings, and the three views that the list's JSON and several screens share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Evidence, Finding, HostPath, Mode};

/// Whether the disks of a save image were changed after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stale {
    Yes,
    /// Proven unchanged. Rare: times only hint.
    No,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleVerdict {
    pub stale: Stale,
    /// What was seen, for and against.
    pub evidence: Vec<Evidence>,
}

/// A backing that more than one domain names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedDisk {
    pub path: HostPath,
    /// Names of the domains, sorted; `modes` goes with them by position.
    pub domains: Vec<String>,
    pub modes: Vec<Mode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    AttachedNotInConfig,
    InConfigNotAttached,
}

/// A present domain's attached disks differ from its config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub domain: String,
    pub vdev: String,
    pub path: Option<HostPath>,
    pub kind: DriftKind,
}

/// Everything that the `check` room says about one inventory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// By the save image's path.
    pub stale: BTreeMap<HostPath, StaleVerdict>,
    pub shared_disks: Vec<SharedDisk>,
    pub drift: Vec<Drift>,
}
