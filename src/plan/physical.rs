//! A device that becomes a physical volume: for a new volume group, or as more room for one that is there. Refused when it holds anything.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{paths, text};
use crate::model::{
    Action, Check, Cmd, DiskKind, GroupNow, HostPath, Inventory, Lvm, Plan, Question, Risk, Signature, Stands, Undo, bytes,
};

/// Smaller than LVM's own metadata and a few extents.
const SMALLEST: u64 = 16 << 20;
/// LVM's own label and metadata.
const ITS_OWN: u64 = 1 << 20;

pub(super) struct Physical {
    path: HostPath,
    /// It is one already, of no group.
    is_one: bool,
    pub bytes: u64,
}

pub(super) fn questions(device: &HostPath) -> [Question; 3] {
    let path = || device.clone();
    [Question::Place { path: path() }, Question::SignatureOf { path: path() }, Question::UseOf { path: path() }]
}

/// Bytes that volumes can have on a device of so many.
pub(super) fn usable(device_bytes: u64, extent: u64) -> u64 {
    device_bytes.saturating_sub(ITS_OWN).checked_div(extent).unwrap_or_default().saturating_mul(extent)
}

pub(super) fn look(device: &HostPath, now: &Lvm, facts: &Facts<'_>) -> Go<Physical> {
    paths::check(device)?;
    let place = facts.place(device)?;
    match place.stands {
        Stands::Device => {}
        Stands::Nothing => {
            return no("no-device", format!("there is no {device}"), "name a partition, a disk or a loop device; lsblk shows all");
        }
        Stands::File => {
            return no(
                "not-a-device",
                format!("{device} is a file"),
                format!("bind it to a loop device first, and name that: losetup -f --show {device}"),
            );
        }
        _ => {
            return no(
                "not-a-device",
                format!("{device} is no block device"),
                "name a partition, a disk or a loop device; lsblk shows all",
            );
        }
    }
    let real = place.canonical.clone().unwrap_or_else(|| device.clone());
    let physical = now.physical.iter().find(|one| one.path == *device || one.path == real);
    if let Some(physical) = physical.filter(|one| !one.vg.is_empty()) {
        return no(
            "pv-in-use",
            format!("{device} is a physical volume of the group {}", physical.vg),
            "make the volume in that group, or take another device".to_string(),
        );
    }
    let users: Vec<&String> = facts.users(device)?.iter().filter(|user| physical.is_none() || !user.contains("physical volume")).collect();
    if let Some(user) = users.first() {
        return no("device-in-use", format!("{device} is in use: {user}"), "take another device; what is on this one would be lost");
    }
    if let Some(domain) = domain_with(facts.inventory(), device, &real) {
        return no(
            "device-of-domain",
            format!("{device} is a disk of the domain {domain}"),
            "take another device; what is on this one would be lost",
        );
    }
    let found: Vec<&Signature> = facts.signatures(device)?.iter().filter(|one| !is_nothing(one, physical.is_some())).collect();
    if !found.is_empty() {
        let kinds: Vec<String> = found.iter().map(|one| described(one)).collect();
        return no(
            "device-not-empty",
            format!("{device} is not empty: {}", kinds.join(", ")),
            format!("look at it first. If nobody needs what is on it: wipefs -a {device}"),
        );
    }
    let Some(size) = place.bytes else {
        return no("not-known", format!("the size of {device} could not be found out"), "ask as root");
    };
    if size < SMALLEST {
        return no("device-too-small", format!("{device} has only {}", bytes::human(size)), "take a larger one");
    }
    Ok(Physical { path: real, is_one: physical.is_some(), bytes: size })
}

/// A device for a group that is there, and the group as it will be.
pub(super) fn joining(device: &HostPath, group: &GroupNow, now: &Lvm, facts: &Facts<'_>) -> Go<(Physical, GroupNow)> {
    paths::tools(facts, &[("pvcreate", "lvm2"), ("pvremove", "lvm2"), ("vgextend", "lvm2"), ("vgreduce", "lvm2")])?;
    facts.want(questions(device))?;
    let physical = look(device, now, facts)?;
    let mut larger = group.clone();
    let more = usable(physical.bytes, group.group.extent_bytes);
    larger.group.bytes = larger.group.bytes.saturating_add(more);
    larger.group.free = larger.group.free.saturating_add(more);
    Ok((physical, larger))
}

/// The group that a plan may take room from: as it is, or with one more device.
pub(super) fn group_with(device: Option<&HostPath>, group: &GroupNow, now: &Lvm, facts: &Facts<'_>) -> Go<(Option<Physical>, GroupNow)> {
    let Some(device) = device else { return Ok((None, group.clone())) };
    let (physical, larger) = joining(device, group, now, facts)?;
    Ok((Some(physical), larger))
}

/// A domain whose configuration names the device, running or not.
fn domain_with(inventory: &Inventory, device: &HostPath, real: &HostPath) -> Option<String> {
    let is_it = |path: &HostPath| path == device || path == real;
    let names = |disk: &crate::model::Disk| {
        disk.kind != DiskKind::Empty
            && (disk.path.as_ref().is_some_and(is_it)
                || inventory.backing(disk.backing.as_ref()).is_some_and(|backing| {
                    is_it(&backing.path) || backing.key.as_bytes() == real.as_bytes() || backing.aliases.iter().any(is_it)
                }))
    };
    inventory.domains.iter().find(|domain| domain.disks.iter().any(names)).map(|domain| domain.name.clone())
}

fn is_nothing(signature: &Signature, physical: bool) -> bool {
    signature.kind == "blank" || physical && signature.kind == "lvm2-pv"
}

fn described(signature: &Signature) -> String {
    let mut words = signature.kind.clone();
    if let Some(label) = &signature.label {
        words.push_str(&format!(" `{}`", crate::model::shown::text(label)));
    }
    if let Some(number) = signature.partition {
        words.push_str(&format!(" in partition {number}"));
    }
    words
}

impl Physical {
    /// Makes it a physical volume. Gives the device's name.
    pub fn make(&self, draft: &mut Draft) -> String {
        let device = &self.path;
        let shown = text(device);
        draft.lock(Plan::disk_lock(device));
        draft.risk(Risk::Touches);
        draft.saw(format!("{device} has {}, and nothing was recognised on it", bytes::human(self.bytes)), "its first and last blocks");
        draft.warn(format!("Only what has a known signature can be recognised. If {device} holds something else, it is lost."));
        if shown.starts_with("/dev/loop") {
            draft.warn(format!("{device} is a loop device: after a reboot it is gone until losetup is run again, and the group with it."));
        }
        if !self.is_one {
            let step = draft.run(
                format!("Make {device} a physical volume"),
                "LVM writes its label. It asks before it wipes anything that it knows; nobody answers here, and so it would stop.",
                Cmd::changes("pvcreate", [shown.clone()]),
            );
            let cmd = Cmd::reads("pvs", ["--reportformat", "json", "--units", "b", "-o", "pv_fmt", &shown]);
            draft.done(step, Check::Says { cmd, text: "\"pv_fmt\":\"lvm2\"".into() });
            draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: Cmd::changes("pvremove", [shown.clone()]) }) });
            draft.assume(format!("nobody uses {device}"), Check::InUse { path: device.clone() }.negated(), Some(step));
        }
        shown
    }

    /// Makes it one, and gives it to a group that is there. `taken_back`: once the plan's own volumes are gone, nothing lies on it.
    pub fn join(&self, draft: &mut Draft, group: &str, taken_back: bool) {
        let shown = self.make(draft);
        let step = draft.run(
            format!("Give it to the volume group {group}"),
            "Its room becomes the group's. Where one of the group's disks fails, what lies on that disk is lost: a group of two disks is less safe than each alone.",
            Cmd::changes("vgextend", [group, &shown]),
        );
        let cmd = Cmd::reads("pvs", ["--reportformat", "json", "--units", "b", "-o", "vg_name", &shown]);
        draft.done(step, Check::Says { cmd, text: format!("\"vg_name\":\"{group}\"") });
        // Refused by LVM while anything lies on it.
        let leave = Cmd::changes("vgreduce", [group, &shown]);
        let stays = Undo::Impossible { why: format!("{shown} stays in {group}; while nothing lies on it: {leave}") };
        draft.undo(step, if taken_back { Undo::By { action: Box::new(Action::Run { cmd: leave }) } } else { stays });
    }
}
