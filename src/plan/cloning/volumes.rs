//! Clones in LVM: a classic snapshot with its store, or a snapshot of a thin volume in its pool.

use super::names::Target;
use super::origin::Origin;
use super::ways::Way;
use crate::model::bytes;
use crate::plan::draft::Draft;
use crate::plan::{Setting, lvm};

/// Gives the step's index.
pub(super) fn make(draft: &mut Draft, setting: &Setting, origin: &Origin<'_>, target: &Target, store: u64) -> usize {
    let (Target::Volume { vg, lv }, Some(of)) = (target, origin.volume) else { return 0 };
    let name = lvm::Name { vg, lv };
    let from = of.full_name();
    if origin.way == Way::Thin {
        return lvm::create(
            draft,
            &setting.id,
            format!("Make {} of {from}, a snapshot in the thin pool {}", name.full(), of.pool.as_deref().unwrap_or("?")),
            "It takes no room of its own until it differs, and lives on when the original is removed. -kn: LVM would not activate it otherwise.",
            name,
            &["-kn", "-s", &from],
        );
    }
    lvm::create(
        draft,
        &setting.id,
        format!("Make {} of {from}, a snapshot with a store of {}", name.full(), bytes::human(store)),
        "It shows the original as it is now. What changes, in the one or in the other, goes into the store.",
        name,
        &["-s", "-L", &format!("{store}b"), &from],
    )
}
