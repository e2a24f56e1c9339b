//! More room for a disk, and for the file system on it: a volume, a snapshot's store, a thin pool, a thin volume, an image file.

mod image;
mod inside;
mod people;
mod table;

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, extend, lvm_now, paths, physical};
use crate::model::volumes::{Grow, NewSize};
use crate::model::{GroupNow, HostPath, LogicalVolume, Lvm, Plan, Question, Request, bytes};
use people::People;

pub(super) fn plan(request: &Grow, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let whole = Request::Grow(request.clone());
    let target = request.target.trim_end_matches('/');
    if target.starts_with('/') && !target.starts_with("/dev/") {
        return image::plan(request, &whole, &HostPath::from(target), facts, setting);
    }
    let now = lvm_now::look(facts, &["lvextend"])?;
    let (volume, group) = lvm_now::volume(now, target)?;
    if volume.is_classic_snapshot() || volume.is_thin_pool() || request.metadata {
        let old = match (request.metadata, volume.store_bytes) {
            (true, _) => now.metadata_of(volume).unwrap_or_default(),
            (false, Some(store)) => store,
            (false, None) => volume.bytes,
        };
        let by = new_size(request.size, old, target)?.saturating_sub(old);
        let part = if request.metadata { extend::Part::Metadata } else { extend::Part::Data };
        let name = volume.full_name();
        return extend::plan(&whole, extend::More { name: &name, bytes: by, part, device: request.device.as_ref() }, facts, setting);
    }
    of_volume(request, &whole, now, volume, group, facts, setting)
}

/// The size that is asked for; refused when it is not larger.
fn new_size(asked: NewSize, old: u64, target: &str) -> Go<u64> {
    let new = match asked {
        NewSize::By(by) => old.checked_add(by),
        NewSize::To(to) => Some(to),
    };
    match new.filter(|new| *new > old) {
        Some(new) => Ok(new),
        None => no(
            "not-larger",
            format!("{target} has {} already", bytes::exact(old)),
            "give a larger size. domkeep makes nothing smaller: that loses data when it goes wrong",
        ),
    }
}

fn of_volume(
    request: &Grow,
    whole: &Request,
    now: &Lvm,
    volume: &LogicalVolume,
    group: &GroupNow,
    facts: &Facts<'_>,
    setting: &Setting,
) -> Go<Plan> {
    let name = volume.full_name();
    let path = volume.path.clone();
    can_grow(now, volume)?;
    let thin = volume.attr.starts_with('V');
    if let Some(pool) = volume.pool.as_ref().filter(|_| thin && request.device.is_some()) {
        return no(
            "thin-has-pool",
            format!("{name} is thin: a new disk of the group gives room to its pool {pool}, not to it"),
            format!("grow the pool with the disk (`domkeep grow {}/{pool} --device ...`), and then {name} without", volume.vg),
        );
    }
    let (device, group) = physical::group_with(request.device.as_ref(), group, now, facts)?;
    let new = group.rounded(new_size(request.size, volume.bytes, &name)?);
    if !thin {
        lvm_now::room(&group, new.saturating_sub(volume.bytes))?;
    }
    facts.want([
        Question::Place { path: path.clone() },
        Question::UseOf { path: path.clone() },
        Question::SignatureOf { path: path.clone() },
    ])?;
    let people = People::of(&path, facts)?;
    let found = facts.signatures(&path)?;
    let origin = Some(volume.name.as_str());
    let has_snapshots = now.volumes.iter().any(|one| one.vg == volume.vg && one.origin.as_deref() == origin);
    let growing = inside::Growing { disk: &path, found, new, has_snapshots };
    let inside = inside::look(request, growing, &people, facts, setting)?;

    let mut draft = Draft::new(format!("Grow {name} to {}", bytes::human(new)), whole, setting);
    draft.lock(Plan::disk_lock(&super::domains::lock_of_path(facts.inventory(), &path, &path)));
    draft.saw(format!("{name} has {}, {} free in its group", bytes::human(volume.bytes), bytes::human(group.group.free)), "lvs, vgs");
    inside.before(&mut draft, setting);
    if let Some(device) = &device {
        device.join(&mut draft, &volume.vg, false);
    }
    let what = if thin { "the thin volume" } else { "the volume" };
    let step = extend::step(&mut draft, volume, what, (volume.bytes, new), "-L");
    if thin {
        let pool = volume.pool.as_deref().unwrap_or("its pool");
        draft.warn(format!("{name} only may take more: the room comes from {pool} when it is written. Look that {pool} has it."));
    }
    let through = inside.after(&mut draft, step);
    people.assume(&mut draft, &path, through);
    people.tell(&mut draft, &inside);
    Ok(draft.finish())
}

fn can_grow(now: &Lvm, volume: &LogicalVolume) -> Go<()> {
    let name = volume.full_name();
    let classic =
        |one: &&LogicalVolume| one.vg == volume.vg && one.is_classic_snapshot() && one.origin.as_deref() == Some(volume.name.as_str());
    if let Some(snapshot) = now.volumes.iter().find(classic) {
        return no(
            "origin-has-snapshots",
            format!("{name} has the classic snapshot {}: LVM resizes such an origin only while it is inactive", snapshot.name),
            format!(
                "remove the snapshot first when it is not needed any more, or stop every user and: lvchange -an {name}, lvextend, lvchange -ay"
            ),
        );
    }
    if !matches!(volume.attr.chars().next(), Some('-' | 'V')) {
        return no(
            "volume-kind",
            format!("{name} is {} ({}): how much room it needs to grow is not known here", volume.layout, volume.attr),
            format!("lvextend -L +SIZE {name}, by hand"),
        );
    }
    if !volume.active {
        return no("volume-inactive", format!("{name} is not active: what is on it cannot be seen"), format!("lvchange -ay -K {name}"));
    }
    Ok(())
}

/// A tool with Debian's package of it.
fn tools(facts: &Facts<'_>, wanted: &[(&str, &str)]) -> Go<()> {
    paths::tools(facts, wanted)
}
