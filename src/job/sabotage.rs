//! For tests on the demo machine: the runner kills itself at its N-th point (`DOMKEEP_STOP_AT=N`), so that every interruption can be tried.
//! A point lies before and after each event that is synced, and between deeds that have no event between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::host::Place;

/// Nothing anywhere but on a demo machine, and there only when it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Sabotage(Option<Arc<AtomicU64>>);

impl Sabotage {
    pub fn asked_for(place: &Place) -> Self {
        if !matches!(place, Place::Demo { .. }) {
            return Self::default();
        }
        let at = std::env::var("DOMKEEP_STOP_AT").ok().and_then(|text| text.parse().ok()).filter(|at| *at > 0);
        Self(at.map(|at: u64| Arc::new(AtomicU64::new(at))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts down; at 1 this process dies as it would by a power cut.
    pub fn point(&self) {
        let Some(left) = &self.0 else { return };
        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}
