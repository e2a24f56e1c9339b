//! What only libvirt's domains can suffer.

mod block_job;
mod io_error;
mod nvram;
mod overlay;

pub(super) use block_job::RULE as BLOCK_JOB;
pub(super) use io_error::RULE as IO_ERROR;
pub(super) use nvram::RULE as NVRAM_MISSING;
pub(super) use overlay::RULE as OVERLAY_LEFT;

use super::Scene;
use crate::model::{Domain, Libvirt};

/// The domains that libvirt knows.
fn known<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a Domain, &'a Libvirt)> {
    scene.inventory.domains.iter().filter_map(|domain| Some((domain, domain.libvirt.as_ref()?)))
}
