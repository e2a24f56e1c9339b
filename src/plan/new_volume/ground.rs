//! The volume group of a new volume: one that is there, or one that is made first on a device with nothing on it.

use super::future_group;
use crate::model::volumes::NewVolume;
use crate::model::{
    Action, Check, Cmd, DiskKind, GroupNow, HostPath, Inventory, Lvm, Plan, Question, Risk, Signature, Stands, Undo, bytes,
};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, lvm, lvm_now, paths, text};

/// Smaller than LVM's own metadata and a few extents.
const SMALLEST: u64 = 16 << 20;

pub(super) struct Ground {
    pub group: GroupNow,
    /// The device that becomes a physical volume, and whether it is one already.
    make: Option<(HostPath, bool)>,
    bytes: u64,
}

pub(super) fn questions(request: &NewVolume) -> Vec<Question> {
    let Some(device) = &request.device else { return Vec::new() };
    let path = || device.clone();
    vec![
        Question::Place { path: path() },
        Question::SignatureOf { path: path() },
        Question::UseOf { path: path() },
        Question::Place { path: HostPath::from("/dev").join(request.group.as_str()) },
    ]
}

pub(super) fn look(request: &NewVolume, now: &Lvm, facts: &Facts<'_>) -> Go<Ground> {
    let Some(device) = &request.device else {
        let group = lvm_now::group(now, &request.group)?.clone();
        return Ok(Ground { group, make: None, bytes: 0 });
    };
    paths::tools(facts, &[("pvcreate", "lvm2"), ("pvremove", "lvm2"), ("vgcreate", "lvm2"), ("vgremove", "lvm2")])?;
    new_group_name(request, now, facts)?;
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
    Ok(Ground { group: future_group(&request.group, size), make: Some((real, physical.is_some())), bytes: size })
}

fn new_group_name(request: &NewVolume, now: &Lvm, facts: &Facts<'_>) -> Go<()> {
    let name = &request.group;
    if now.group(name).is_some() {
        return no(
            "vg-exists",
            format!("there is a volume group {name} already"),
            format!("leave the device out to make the volume in it, choose another name, or give it the device: vgextend {name} DEVICE"),
        );
    }
    if facts.place(&HostPath::from("/dev").join(name.as_str()))?.stands != Stands::Nothing {
        return no(
            "name-taken",
            format!("there is a /dev/{name} already, where the group's volumes would get their names"),
            "choose another name",
        );
    }
    Ok(())
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

impl Ground {
    pub fn steps(&self, draft: &mut Draft, request: &NewVolume, setting: &Setting) {
        let Some((device, is_physical)) = &self.make else { return };
        let name = &request.group;
        let shown = text(device);
        draft.lock(Plan::disk_lock(device));
        draft.risk(Risk::Touches);
        draft.saw(format!("{device} has {}, and nothing was recognised on it", bytes::human(self.bytes)), "its first and last blocks");
        draft.warn(format!("Only what has a known signature can be recognised. If {device} holds something else, it is lost."));
        if shown.starts_with("/dev/loop") {
            draft.warn(format!("{device} is a loop device: after a reboot it is gone until losetup is run again, and the group with it."));
        }
        if !is_physical {
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
        let tag = lvm::tag(&setting.id);
        let select = format!("vg_name={name} && vg_tags={tag}");
        let step = draft.run(
            format!("Make the volume group {name}"),
            "Its volumes take their room from it. More disks can join it later: vgextend.",
            Cmd::changes("vgcreate", ["--addtag", &tag, name, &shown]),
        );
        let cmd = Cmd::reads("vgs", ["--reportformat", "json", "--units", "b", "-o", "vg_name", "-S", &select]);
        draft.done(step, Check::Says { cmd, text: format!("\"vg_name\":\"{name}\"") });
        // Without -y and -f: a group that somebody made volumes in meanwhile stays.
        let remove = Cmd::changes("vgremove", ["-S", &format!("{select} && lv_count=0")]);
        draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: remove }) });
    }
}
