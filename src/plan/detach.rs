//! A disk is taken away from a domain: out of its configuration, from the running domain, or both. Its bytes stay.
//!
//! The configuration comes first, as it can be taken back for certain; a guest may refuse to let go.

use super::attach::file::File;
use super::attach::live::Live;
use super::attach::words::Words;
use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, config_text, domains};
use crate::model::{Config, DetachDisk, Disk, DiskKind, Domain, Plan, Request, Where};

const BY_HAND: &str = "take it away only live (--where live), and edit the file by hand";

pub(super) fn plan(wanted: &DetachDisk, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &wanted.domain)?;
    domains::by_xl(domain, "use `virsh detach-disk`, with --config and --live")?;
    let live =
        if wanted.place.is_live() { Some((Live::look(facts, domain, &wanted.vdev)?, attached(domain, &wanted.vdev)?)) } else { None };
    let file = if wanted.place.is_config() { Some(File::open(facts, domain, wanted.config.as_ref(), BY_HAND)?) } else { None };
    let request = Request::DetachDisk(wanted.clone());
    let mut draft = Draft::new(format!("Take {} away from {}", wanted.vdev, domain.name), &request, setting);
    draft.lock(Plan::domain_lock(&domain.name));
    if let Some(file) = &file {
        let index = index_in(file.config, file, &wanted.vdev)?;
        let after = file.edited(config_text::remove_disk(file.before, index), BY_HAND)?;
        file.replace(
            &mut draft,
            format!("Take {} out of {}", wanted.vdev, file.path),
            "The domain does not get it at its next start. The old file is kept in the job's folder.",
            after,
        );
    }
    if let Some((live, disk)) = &live {
        if is_first(domain, disk) {
            draft.confirm(
                &domain.name,
                &format!(
                    "{} is the first disk of a domain that runs: its system most likely lies on it, and fails without it.",
                    wanted.vdev
                ),
            );
        }
        if disk.trouble.is_none() {
            draft.warn(format!(
                "Unmount {} in the guest first. A guest that still uses it does not let go; the disk is then half taken away, and goes when the guest lets go of it.",
                wanted.vdev
            ));
        }
        let spec = Words::of_disk(disk).ok().map(|words| words.text()).filter(|_| disk.trouble.is_none());
        live.unplug(&mut draft, spec.as_deref());
    }
    tell_of_the_other(&mut draft, wanted, domain);
    Ok(draft.finish())
}

/// The disk that it has, or the rest of one that was refused.
fn attached<'a>(domain: &'a Domain, vdev: &str) -> Go<&'a Disk> {
    let found = domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(vdev) && (disk.attached || disk.trouble.is_some()));
    match found {
        Some(disk) => Ok(disk),
        None => no("not-attached", format!("{} has no disk {vdev} now", domain.name), "`domkeep show` lists the disks that it has"),
    }
}

/// Where the disk stands in the file's list. The whole file was read by the same rules as xl's: its disks are in the same order.
fn index_in(config: &Config, file: &File<'_>, vdev: &str) -> Go<usize> {
    let disks: Vec<&Disk> = config.disks.iter().filter(|disk| disk.kind != DiskKind::NfsRoot).collect();
    let mut named = disks.iter().enumerate().filter(|(_, disk)| disk.vdev.as_deref() == Some(vdev));
    let Some((index, _)) = named.next() else {
        return no("not-in-config", format!("{} names no disk {vdev}", file.path), "take it away only live (--where live)");
    };
    if named.next().is_some() {
        return no("vdev-twice", format!("{} names {vdev} twice", file.path), "mend the file by hand first");
    }
    let written = file.edited(config_text::strings(file.before, "disk").map(|all| vec![u8::from(all.len() == disks.len())]), BY_HAND)?;
    let texts = config_text::strings(file.before, "disk").unwrap_or_default();
    let is_it = texts.get(index).is_some_and(|text| names(text, vdev));
    if written == [1] && is_it {
        return Ok(index);
    }
    no(
        "config-not-edited",
        format!("{} is not edited: which of its lines is {vdev} is not clear, or it was changed just now", file.path),
        BY_HAND,
    )
}

/// The words of one disk hold the name as a word of its own.
fn names(spec: &[u8], vdev: &str) -> bool {
    let text = String::from_utf8_lossy(spec);
    text.split([',', '=', ':']).any(|word| word.trim() == vdev)
}

/// Drives without a medium do not count.
fn is_first(domain: &Domain, disk: &Disk) -> bool {
    let mut real = domain.disks.iter().filter(|disk| disk.attached && !disk.removable && disk.vdev.is_some());
    real.next().is_some_and(|first| first.vdev == disk.vdev)
}

/// What the other side keeps, when only one is changed.
fn tell_of_the_other(draft: &mut Draft, wanted: &DetachDisk, domain: &Domain) {
    let disk = domain.disks.iter().find(|disk| disk.vdev.as_ref() == Some(&wanted.vdev));
    match wanted.place {
        Where::Live if disk.is_some_and(|disk| disk.in_config) => {
            draft.warn(format!("{} has it again at its next start: its configuration names it.", domain.name));
        }
        Where::Config if disk.is_some_and(|disk| disk.attached) => {
            draft.warn(format!("{} keeps it until it is shut down.", domain.name));
        }
        Where::Live | Where::Config | Where::Both => {}
    }
}
