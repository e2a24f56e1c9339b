//! Inventory -> findings. One rule a file; the table of rules is here.
//!
//! A rule is pure: it reads one [`Inventory`] and says what is dangerous about it, on which evidence, why that matters to somebody who
//! meets it for the first time, and what to type. It never guesses: what is not known makes no danger, and is said.

#![allow(clippy::format_push_string, reason = "a short text; `write!` would add an error that cannot come")]

mod backing_chain;
mod base_written;
mod config_files;
mod coverage;
mod disk_missing;
mod disk_shared;
mod disk_trouble;
mod domain_files;
mod drift;
mod explanation;
mod image_overcommit;
mod libvirt;
mod mounted;
mod nfs_root;
mod origin_written;
mod power;
mod save_config;
mod save_places;
mod save_stale;
mod scene;
mod settle;
mod snapshots;
mod stale;
mod unreferenced;

#[cfg(test)]
mod tests;

pub use coverage::{Coverage, Lack, coverage};
pub use drift::drift;
pub use explanation::Explanation;
pub use scene::shared_disks;
pub use settle::settle;
pub use unreferenced::{Unreferenced, unreferenced};

use crate::model::{Code, Finding, Inventory, Severity, Subject, Verdicts};
use scene::Scene;

/// From which fill, in percent, a snapshot store or thin pool is a warning and a danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub snapshot_warning_percent: u8,
    pub snapshot_danger_percent: u8,
}

/// One rule: what it is called, what it teaches, and how it looks.
pub(crate) struct Rule {
    pub explanation: Explanation,
    /// One or two sentences under every finding of this rule: why it matters.
    pub why: &'static str,
    pub look: fn(&Scene<'_>, &mut Vec<Finding>),
}

impl Rule {
    /// A finding of this rule, still without evidence.
    fn finding(&self, severity: Severity, subject: Subject, title: impl Into<String>) -> Finding {
        Finding {
            code: Code(self.explanation.code),
            severity,
            subject,
            domains: Vec::new(),
            title: title.into(),
            evidence: Vec::new(),
            why: self.why.to_owned(),
            advice: Vec::new(),
            mend: None,
        }
    }
}

/// Every rule, in the order in which `domkeep explain` lists them.
static RULES: &[&Rule] = &[
    &disk_shared::SHARED_RW,
    &disk_shared::SHARED_MIXED,
    &nfs_root::RULE,
    &mounted::MOUNTED,
    &disk_missing::RULE,
    &disk_trouble::RULE,
    &backing_chain::MISSING,
    &backing_chain::RAW_OR_QCOW2,
    &image_overcommit::RULE,
    &drift::ATTACHED_NOT_IN_CONFIG,
    &drift::IN_CONFIG_NOT_ATTACHED,
    &save_stale::RULE,
    &save_config::RULE,
    &save_places::TRUNCATED,
    &save_places::RESUMED_AT_BOOT,
    &save_places::READABLE,
    &snapshots::OVERFLOWED,
    &snapshots::NEARLY_FULL,
    &snapshots::POOL_NEARLY_FULL,
    &origin_written::RULE,
    &base_written::RULE,
    &config_files::REJECTED,
    &config_files::NOT_AS_MEANT,
    &config_files::NAME_DIFFERS,
    &domain_files::WITHOUT_CONFIG,
    &power::SUSPENDED,
    &power::PRESERVED,
    &libvirt::IO_ERROR,
    &libvirt::OVERLAY_LEFT,
    &libvirt::BLOCK_JOB,
    &libvirt::NVRAM_MISSING,
];

/// Everything that follows from one look at a host. Pure.
pub fn examine(inventory: &Inventory, limits: Limits) -> Verdicts {
    let scene = Scene::new(inventory, limits);
    let mut findings = Vec::new();
    for rule in RULES {
        (rule.look)(&scene, &mut findings);
    }
    findings.sort_by(|a, b| (a.severity, place_in_table(a.code), &a.subject).cmp(&(b.severity, place_in_table(b.code), &b.subject)));
    let Scene { stale, shared, drift, .. } = scene;
    Verdicts { findings, stale, shared_disks: shared, drift }
}

fn place_in_table(code: Code) -> usize {
    RULES.iter().position(|rule| rule.explanation.code == code.0).unwrap_or(usize::MAX)
}

/// The long text behind a finding's code.
pub fn explain(code: &str) -> Option<&'static Explanation> {
    explanations().find(|explanation| explanation.code == code)
}

/// The long texts of all rules, in the table's order.
pub fn explanations() -> impl Iterator<Item = &'static Explanation> {
    RULES.iter().map(|rule| &rule.explanation)
}
