//! Bundles: found, and read against their hashes. Changes nothing.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::Engine;
use crate::model::bundle::{BundleVerdict, FoundBundle, Verifying};
use crate::model::{Gap, HostPath};
use crate::probe;
use crate::problem::Problem;

impl Engine {
    /// The bundles below these directories; none given: below those of the settings. And what could not be looked at.
    pub fn bundles(&self, dirs: &[PathBuf]) -> (Vec<FoundBundle>, Vec<Gap>) {
        let asker = probe::ask::Asker::new(self.host.as_ref());
        let dirs = if dirs.is_empty() { &self.settings.backup_dirs } else { dirs };
        let found = probe::bundles::look(&asker, dirs);
        (found, asker.into_gaps())
    }

    /// Reads the pieces of a bundle that are named, or all, against their hashes. `tell` is called from several threads, for every block.
    pub fn verify(
        &self,
        path: &HostPath,
        pieces: &[String],
        tell: &(dyn Fn(&Verifying) + Sync),
        stop: &AtomicBool,
    ) -> Result<BundleVerdict, Problem> {
        probe::bundles::verify(self.host.as_ref(), path, pieces, tell, stop)
    }
}
