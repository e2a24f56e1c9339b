//! Copies of blocks.

use super::{Deed, Runner, Trouble};
use crate::model::DiskCopy;

impl Runner<'_> {
    pub(super) fn copy(&mut self, _step: usize, _copies: &[DiskCopy], _at_once: usize, _rate: Option<u64>) -> Deed {
        Err(Trouble::Failed("not built".into()))
    }
}
