//! Wishes to stop: the marker in the job's folder, and signals. SIGHUP is heard and left alone: a terminal that goes away ends no job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::folder::Folder;

pub struct Stop<'a> {
    folder: &'a Folder,
    signalled: Arc<AtomicBool>,
    heard: Vec<SigId>,
}

impl<'a> Stop<'a> {
    /// Hears signals until it is dropped.
    pub fn listen(folder: &'a Folder) -> std::io::Result<Self> {
        let signalled = Arc::new(AtomicBool::new(false));
        let unheard = Arc::new(AtomicBool::new(false));
        let mut stop = Self { folder, signalled, heard: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            stop.heard.push(signal_hook::flag::register(signal, Arc::clone(&stop.signalled))?);
        }
        stop.heard.push(signal_hook::flag::register(SIGHUP, unheard)?);
        Ok(stop)
    }

    pub fn is_wanted(&self) -> bool {
        self.signalled.load(Ordering::Relaxed) || self.folder.is_cancelled()
    }
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        for id in self.heard.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
