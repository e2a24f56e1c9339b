//! An origin becomes again what it was when a snapshot of it was taken (`lvconvert --merge`). The snapshot is used up.
//!
//! Measured with LVM 2.03.16: a thin snapshot replaces its origin at once; a classic one is merged block by block while lvconvert waits. Where
//! origin or snapshot is open, LVM only promises to do it at the origin's next activation, perhaps at the next boot, and ends well: refused here.

use super::draft::Draft;
use super::facts::{Facts, Go, each, no};
use super::removing::{dependents, is_there};
use super::{Setting, domains, lvm_now};
use crate::model::{Action, Check, Cmd, ConfigSource, LogicalVolume, Lvm, Plan, Question, Request, Undo, bytes, cmd::shell_word};

/// Seconds. A classic merge copies every block that differs.
const LONGEST_MERGE: u64 = 24 * 60 * 60;

pub(super) fn plan(snapshot: &str, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let lvm = lvm_now::look(facts, &["lvconvert"])?;
    let (snapshot, _) = lvm_now::volume(lvm, snapshot)?;
    let origin = origin(lvm, snapshot)?;
    facts.want([snapshot, origin].map(|volume| Question::UseOf { path: volume.path.clone() }))?;
    each([origin, snapshot], |volume| unused(facts, volume))?;
    let needing = dependents::of(facts.inventory(), Some(lvm), &snapshot.path, Some(snapshot), None);
    if let Some(first) = needing.first() {
        return no(
            "needed",
            format!("{} is used up by this, and it is needed: {}", snapshot.full_name(), first.says),
            "remove what depends on it first, or copy the snapshot over its origin instead (`domkeep copy`)",
        );
    }

    let (name, of) = (snapshot.full_name(), origin.full_name());
    let request = Request::RollBack { snapshot: name.clone() };
    let mut draft = Draft::new(format!("Roll {of} back to {name}"), &request, setting);
    for volume in [origin, snapshot] {
        draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), &volume.path, &volume.path)));
    }
    let when = snapshot.created.map_or_else(|| "a time that is not known".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
    draft.confirm(&of, &format!("What was written to {of} since {when} is lost, and {name} is used up. There is no way back."));
    look_at_saves(&mut draft, facts, origin);
    look_at_others(&mut draft, lvm, origin, snapshot);
    steps(&mut draft, origin, snapshot);
    Ok(draft.finish())
}

pub(super) fn origin<'a>(lvm: &'a Lvm, snapshot: &LogicalVolume) -> Go<&'a LogicalVolume> {
    let name = snapshot.full_name();
    let Some(origin) = snapshot.origin.as_ref().and_then(|origin| lvm.volume(&snapshot.vg, origin)) else {
        return no(
            "no-origin",
            format!("{name} is no snapshot of a volume that is there"),
            "name a snapshot; `domkeep storage` shows them under their origins",
        );
    };
    if snapshot.invalid {
        return no(
            "snapshot-lost",
            format!("{name} overflowed: what it held is lost, and cannot be brought back"),
            "bring a backup back instead",
        );
    }
    if origin.is_classic_snapshot() {
        return no("snapshot-of-snapshot", format!("{} is a snapshot itself", origin.full_name()), "roll back to a snapshot of a volume");
    }
    if !snapshot.is_classic_snapshot() {
        let classic =
            |other: &&LogicalVolume| other.vg == origin.vg && other.origin.as_ref() == Some(&origin.name) && other.is_classic_snapshot();
        if let Some(other) = lvm.volumes.iter().find(classic) {
            return no(
                "classic-in-the-way",
                format!("{} has the classic snapshot {} too: LVM merges no thin one into it then", origin.full_name(), other.full_name()),
                format!("`domkeep remove {}` first", shell_word(&other.full_name())),
            );
        }
        if snapshot.role.split(',').any(|role| role == "extthinorigin") || origin.pool != snapshot.pool {
            return no(
                "other-pool",
                format!("{name} and its origin lie in different places"),
                "copy the one over the other (`domkeep copy`)",
            );
        }
    }
    Ok(origin)
}

pub(super) fn unused(facts: &Facts<'_>, volume: &LogicalVolume) -> Go<()> {
    let users = facts.users(&volume.path)?;
    let open = (users.is_empty() && volume.open).then(|| "something of this host has it open".to_owned());
    let Some(first) = users.first().cloned().or(open) else { return Ok(()) };
    no(
        "disk-in-use",
        format!(
            "{} is in use: {first}. LVM would put the roll-back off until nobody has it open, perhaps to the next boot",
            volume.full_name()
        ),
        "shut the domain down, or unmount it, first",
    )
}

fn look_at_saves(draft: &mut Draft, facts: &Facts<'_>, origin: &LogicalVolume) {
    let inventory = facts.inventory();
    let volume = |disk: &&crate::model::Disk| {
        inventory.backing(disk.backing.as_ref()).is_some_and(|backing| backing.volume.as_ref() == Some(&origin.full_name()))
    };
    for config in inventory.configs.iter().filter(|config| config.disks.iter().any(|disk| volume(&disk))) {
        if let Some(name) = &config.name {
            draft.lock(Plan::domain_lock(name));
        }
        if config.source == ConfigSource::SaveImage {
            draft.confirm(
                &origin.full_name(),
                &format!("The memory in the save image {} is lost too: its disk will be another one, and resuming it would destroy the file system.", config.path),
            );
        }
    }
}

fn look_at_others(draft: &mut Draft, lvm: &Lvm, origin: &LogicalVolume, snapshot: &LogicalVolume) {
    for other in lvm.volumes.iter().filter(|other| other.vg == origin.vg && other.name != snapshot.name) {
        if other.origin.as_ref() != Some(&origin.name) || !other.is_classic_snapshot() {
            continue;
        }
        let merged = snapshot.store_bytes.zip(snapshot.data_percent).map(|(store, percent)| share(store, percent));
        draft.warn(format!(
            "{} is a snapshot of {} too: what is rolled back is written to it, and goes into its store (up to {}). If that is full, it is lost.",
            other.full_name(),
            origin.full_name(),
            bytes::human_or_unknown(merged)
        ));
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a size for a sentence")]
fn share(store: u64, percent: f64) -> u64 {
    (store as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64
}

pub(super) fn steps(draft: &mut Draft, origin: &LogicalVolume, snapshot: &LogicalVolume) {
    let (name, of) = (snapshot.full_name(), origin.full_name());
    let classic = snapshot.is_classic_snapshot();
    let step = draft.run(
        format!("Merge {name} into {of}"),
        if classic {
            "Every block that differs is copied back. LVM tells how far it is."
        } else {
            "The snapshot takes the place of its origin, at once."
        },
        Cmd::changes("lvconvert", ["-y", "--merge", &name]).within(LONGEST_MERGE),
    );
    draft.done(step, shown(snapshot).negated());
    draft.undo(step, Undo::Impossible { why: format!("{of} is, or is becoming, what {name} was") });
    for volume in [origin, snapshot] {
        draft.assume(format!("nobody uses {}", volume.full_name()), Check::InUse { path: volume.path.clone() }.negated(), Some(step));
    }
    draft.assume(format!("{name} is still there"), is_there(snapshot), Some(step));
    draft.step(
        format!("Wait until {of} is whole"),
        "Until then a classic snapshot is hidden and still read from. If somebody opened the volume in the last moment, LVM waits for its next activation.",
        Action::WaitFor { check: hidden(snapshot).negated(), limit_seconds: LONGEST_MERGE },
    );
}

fn all_of(vg: &str) -> Cmd {
    Cmd::reads("lvs", ["-a", "--reportformat", "json", "--units", "b", "-o", "lv_name", vg])
}

/// It stands there as a snapshot of its own.
fn shown(snapshot: &LogicalVolume) -> Check {
    Check::Says { cmd: all_of(&snapshot.vg), text: format!("\"lv_name\":\"{}\"", snapshot.name) }
}

/// It is being merged: LVM shows it in brackets.
fn hidden(snapshot: &LogicalVolume) -> Check {
    Check::Says { cmd: all_of(&snapshot.vg), text: format!("\"lv_name\":\"[{}]\"", snapshot.name) }
}
