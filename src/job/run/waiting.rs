//! Waiting: for something to hold, and for a command that an interrupted runner left behind.

use std::time::{Duration, Instant};

use super::{Deed, Runner, Trouble};
use crate::job::child;
use crate::model::{Check, Held};
use crate::problem::Problem;

const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(2);
/// How long a wish to stop may be overheard.
const EAR: Duration = Duration::from_millis(100);

impl Runner<'_> {
    /// Looks again and again, less often as time goes by.
    pub(super) fn wait_for(&mut self, check: &Check, limit_seconds: u64) -> Deed {
        let until = Instant::now().checked_add(Duration::from_secs(limit_seconds));
        let mut pause = SOONEST;
        loop {
            let held = (self.holds)(check);
            let late = until.is_some_and(|until| Instant::now() >= until);
            match held {
                Held::Yes => return Ok(()),
                Held::No { because } if late => {
                    return Err(Trouble::Failed(format!("it did not happen in {limit_seconds} s: {because}")));
                }
                Held::Unknown { why } if late => {
                    return Err(Trouble::Failed(format!("after {limit_seconds} s it is still unknown whether it happened: {why}")));
                }
                Held::No { .. } | Held::Unknown { .. } => self.pause(pause)?,
            }
            pause = pause.saturating_mul(2).min(LATEST);
        }
    }

    fn pause(&self, pause: Duration) -> Deed {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.check_stop()?;
            std::thread::sleep(EAR.min(until.saturating_duration_since(Instant::now())));
        }
        self.check_stop()
    }

    /// A command that the interrupted runner started may still be at work: nothing is done beside it.
    pub(super) fn wait_for_child(&mut self) -> Deed {
        let Some(child) = self.history.child.clone() else { return Ok(()) };
        if !child::lives(&child) {
            return Ok(());
        }
        self.note(format!("step {}: its command still runs (process {}); it is waited for", child.step.saturating_add(1), child.pid))?;
        while child::lives(&child) {
            if self.pause(Duration::from_millis(500)).is_err() {
                return Err(Trouble::Halt(
                    Problem::new("the job stays as it was")
                        .because(format!("its command (process {}) still runs, and the waiting was stopped", child.pid)),
                ));
            }
        }
        self.saw_end_of = Some(child.step);
        Ok(())
    }
}
