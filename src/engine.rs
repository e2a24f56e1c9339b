//! The one facade: scan, check, explain. Screens, command line and tests act only through it.

mod bundles;
mod changes;
mod fuses;
pub mod guard;
mod script;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use crate::check;
pub use crate::check::{Coverage, Explanation, Lack, Unreferenced, coverage, examine, explain, explanations, unreferenced};
use crate::config::Settings;
pub use crate::host::logged::Entry as CommandEntry;
pub use crate::host::{HostError, Place};
use crate::host::{Look, Watch, logged};
pub use crate::job::{Follower, Work, become_runner, outcome_says};
use crate::model::{Inventory, Verdicts};
use crate::probe;
pub use changes::Workshop;

/// Configurations and save images; and the status files of libvirt's daemons, which tell of every start and end of a domain without
/// anybody asking them.
const WATCHED: [&str; 9] = [
    "/etc/xen",
    "/etc/xen/auto",
    "/var/lib/xen",
    "/var/lib/xen/save",
    "/etc/libvirt/qemu",
    "/run/libvirt/qemu",
    "/var/lib/libvirt/qemu/save",
    "/etc/libvirt/libxl",
    "/run/libvirt/libxl",
];

/// One look at a host with what follows from it. Cheap to clone, never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub inventory: Arc<Inventory>,
    pub verdicts: Arc<Verdicts>,
}

/// A host, and what domkeep can do with it.
#[derive(Clone)]
pub struct Engine {
    host: Arc<dyn Look>,
    settings: Arc<Settings>,
    workshop: Option<Workshop>,
    /// Jobs may be read, and nothing may be changed.
    read_only: bool,
    fuses: Arc<fuses::FuseLog>,
}

impl Engine {
    pub fn new(host: Arc<dyn Look>, settings: Settings) -> Self {
        Self { host, settings: Arc::new(settings), workshop: None, read_only: false, fuses: Arc::default() }
    }

    /// With what it takes to change this host.
    #[must_use]
    pub fn with_workshop(self, workshop: Workshop) -> Self {
        Self { workshop: Some(workshop), ..self }
    }

    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    pub fn host(&self) -> &Arc<dyn Look> {
        &self.host
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Looks at everything once. Ends within the sum of its commands' time limits; what did not answer is a gap.
    pub fn scan(&self) -> Picture {
        let mut inventory = probe::look(self.host.as_ref(), &self.settings);
        self.fuses.add(self.host.as_ref(), &mut inventory);
        let mut verdicts = check::examine(&inventory, self.settings.limits());
        if check::settle(&mut inventory, &verdicts) {
            verdicts = check::examine(&inventory, self.settings.limits());
        }
        Picture { inventory: Arc::new(inventory), verdicts: Arc::new(verdicts) }
    }

    /// Calls `tell` when something that a look shows may have changed. `None`: this host cannot be watched.
    pub fn watch(&self, tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        let mut paths: Vec<PathBuf> = WATCHED.iter().map(PathBuf::from).collect();
        paths.extend(self.settings.config_dirs.iter().chain(&self.settings.save_dirs).cloned());
        self.host.watch(&paths, tell)
    }

    /// Seconds between two looks, for what nobody can watch (the fill of a snapshot). `None`: nothing can change, or the settings say no.
    pub fn poll_seconds(&self) -> Option<u64> {
        let changes = !matches!(self.host.place(), Place::Replay { .. });
        Some(self.settings.poll_seconds).filter(|seconds| changes && *seconds > 0)
    }

    /// Every command that ran so far, oldest first.
    pub fn commands(&self) -> Vec<logged::Entry> {
        self.host.log()
    }
}
