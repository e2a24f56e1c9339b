//! Inventory -> findings. One rule a file; the table of rules is here.

use crate::model::{Inventory, Verdicts};

/// From which fill, in percent, a snapshot store or thin pool is a warning and a danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub snapshot_warning_percent: u8,
    pub snapshot_danger_percent: u8,
}

/// Everything that follows from one look at a host. Pure.
pub fn examine(_inventory: &Inventory, _limits: Limits) -> Verdicts {
    Verdicts::default()
}
