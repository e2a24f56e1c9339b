//! More room for a classic snapshot's store, or a thin pool's data or metadata: one `lvextend`, and no file written before it, because the
//! pool that fills up may be the one below the job's own folder.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::physical::{self, Physical};
use super::{Setting, lvm, lvm_now};
use crate::model::{Cmd, GroupNow, HostPath, LogicalVolume, Lvm, Plan, Request, Undo, bytes};

/// A pool's metadata is never larger (dm-thin: 255 * (1 << 14) blocks of 4 KiB).
const MOST_METADATA: u64 = 255 * (1 << 14) * 4096;
/// Seconds. LVM waits for a lock, a device for its writes.
const SLOW: u64 = 600;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A snapshot's store, a pool's data.
    Data,
    Metadata,
}

/// What grows, and by how much.
#[derive(Clone, Copy)]
pub(super) struct More<'a> {
    pub name: &'a str,
    pub bytes: u64,
    pub part: Part,
    /// Joins the group first.
    pub device: Option<&'a HostPath>,
}

pub(super) fn plan(request: &Request, more: More<'_>, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let lvm = lvm_now::look(facts, &["lvextend"])?;
    let (volume, group) = lvm_now::volume(lvm, more.name)?;
    let (device, group) = physical::group_with(more.device, group, lvm, facts)?;
    let device = device.as_ref();
    if more.part == Part::Metadata {
        return metadata(request, lvm, volume, &group, device, more.bytes, setting);
    }
    if !volume.is_classic_snapshot() && !volume.is_thin_pool() {
        return no(
            "not-a-snapshot",
            format!("{} is neither a classic snapshot nor a thin pool", volume.full_name()),
            format!("`domkeep grow {}` makes a volume larger", volume.full_name()),
        );
    }
    let (old, what) = match volume.store_bytes {
        Some(store) => (store, "store of the snapshot"),
        None => (volume.bytes, "thin pool"),
    };
    let new = group.rounded(old.saturating_add(more.bytes));
    if let Some(store) = volume.store_bytes {
        snapshot(volume, store, new, &group)?;
    }
    lvm_now::room(&group, new.saturating_sub(old))?;
    Ok(grown(request, setting, volume, device, &format!("the {what}"), (old, new), "-L"))
}

/// What a store can never use is not given to it.
fn snapshot(volume: &LogicalVolume, store: u64, new: u64, group: &GroupNow) -> Go<()> {
    let name = volume.full_name();
    if volume.invalid {
        return no(
            "snapshot-lost",
            format!("{name} overflowed and is lost: more room does not bring it back"),
            format!("the origin is whole; remove the snapshot: lvremove {name}"),
        );
    }
    // The origin once, 16 bytes for each of its smallest chunks, and the header.
    let most = group.rounded(volume.bytes.saturating_add(volume.bytes / 256).saturating_add(16 << 10));
    if store >= most || new > most.saturating_add(group.group.extent_bytes) {
        return no(
            "snapshot-large-enough",
            format!("the store of {name} needs at most {}, and has {}", bytes::human(most), bytes::human(store)),
            format!("take at most {} more", bytes::human(most.saturating_sub(store))),
        );
    }
    Ok(())
}

fn metadata(
    request: &Request,
    lvm: &Lvm,
    pool: &LogicalVolume,
    group: &GroupNow,
    device: Option<&Physical>,
    by_bytes: u64,
    setting: &Setting,
) -> Go<Plan> {
    let name = pool.full_name();
    let Some(old) = lvm.metadata_of(pool).filter(|_| pool.is_thin_pool()) else {
        return no("not-a-pool", format!("{name} is no thin pool, and has no metadata"), "name a thin pool; `domkeep storage` shows all");
    };
    let new = group.rounded(old.saturating_add(by_bytes));
    if new > MOST_METADATA {
        return no(
            "metadata-too-large",
            format!("the metadata of {name} would have {}, and the kernel uses at most {}", bytes::human(new), bytes::human(MOST_METADATA)),
            "make a second pool",
        );
    }
    // The volume that is kept aside for a repair grows with it.
    let spare = new.saturating_sub(lvm.spare_of(&pool.vg));
    lvm_now::room(group, new.saturating_sub(old).saturating_add(spare))?;
    Ok(grown(request, setting, pool, device, "the metadata of the thin pool", (old, new), "--poolmetadatasize"))
}

fn grown(
    request: &Request,
    setting: &Setting,
    volume: &LogicalVolume,
    device: Option<&Physical>,
    what: &str,
    (old, new): (u64, u64),
    option: &str,
) -> Plan {
    let name = volume.full_name();
    let mut draft = Draft::new(format!("Grow {what} {name} to {}", bytes::human(new)), request, setting);
    draft.lock(Plan::disk_lock(&HostPath::from(format!("/dev/{name}").as_str())));
    let fill = match volume.data_percent {
        Some(percent) => format!("{what} {name} has {} and is {percent:.1} % full", bytes::human(old)),
        None => format!("{what} {name} has {}", bytes::human(old)),
    };
    draft.saw(fill, "lvs");
    if let Some(device) = device {
        device.join(&mut draft, &volume.vg, false);
    }
    step(&mut draft, volume, what, (old, new), option);
    draft.finish()
}

/// The one step. The size is the new one, not what is added: done twice, it is done once.
pub(super) fn step(draft: &mut Draft, volume: &LogicalVolume, what: &str, (old, new): (u64, u64), option: &str) -> usize {
    let name = volume.full_name();
    let size = format!("{new}b");
    let step = draft.run(
        format!("Grow {what} from {} to {}", bytes::human(old), bytes::human(new)),
        "LVM adds free extents of the volume group at its end. It works while it is in use.",
        Cmd::changes("lvextend", ["-y", option, &size, &name]).within(SLOW),
    );
    let field = if option == "-L" { "lv_size" } else { "lv_metadata_size" };
    draft.done(step, lvm::is_at_least(&name, field, new));
    draft.undo(step, Undo::Impossible { why: "it stays larger; making a volume smaller could lose data, and more room loses none".into() });
    step
}
