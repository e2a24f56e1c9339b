//! What was overwritten comes back from the snapshot that was taken before.

use super::{Deed, Runner, Trouble};
use crate::model::action::merge_back;
use crate::model::{Check, Held, HostPath};

impl Runner<'_> {
    /// Of a volume that somebody has open LVM only promises it for the next activation, and ends well: that would take away what was written
    /// until then.
    pub(super) fn merge_back(&mut self, step: usize, snapshot: &str, origin: &HostPath) -> Deed {
        match self.ask(&Check::InUse { path: origin.clone() }) {
            Held::No { .. } => self.run_command(step, &merge_back(snapshot)),
            Held::Yes => Err(Trouble::Failed(format!(
                "{origin} is in use: what it held before is in the snapshot {snapshot}. Stop who uses it, and take the job back again"
            ))),
            Held::Unknown { why } => Err(Trouble::Failed(why)),
        }
    }
}
