//! Whether a save image's disks were changed after it was made: yes, no or unknown, and what speaks for it.
//!
//! Times only hint. A file system's superblock does not move while it is mounted, a guest's clock may be wrong, a block device has no time at
//! all: so times can prove `yes`, but never `no`. `No` is said only of an image whose guest has nothing that it could write to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::scene::{backing_of, key_of, mode_of, volume_of};
use crate::model::{Backing, Disk, DiskKind, Domain, Evidence, HostPath, Inventory, Power, Save, Stale, StaleVerdict};

/// After the memory is written, tearing the domain down still closes its disks: a qcow2 file is touched then.
const TEARING_DOWN: TimeDelta = TimeDelta::seconds(10);

/// Two clocks of one host and its guests may differ by this much.
const SKEW: TimeDelta = TimeDelta::seconds(60);

const FUTURE: &str = "which is still to come: the clock that wrote it was wrong, so this proves nothing";

/// When the image was made, and when the host was looked at (where that is known).
#[derive(Clone, Copy)]
struct Moments {
    created: DateTime<Utc>,
    now: Option<DateTime<Utc>>,
}

impl Moments {
    fn not_yet(self, at: DateTime<Utc>) -> bool {
        self.now.and_then(|now| now.checked_add_signed(SKEW)).is_some_and(|limit| at > limit)
    }
}

fn hypervisor(domain: &Domain) -> String {
    if domain.by_libvirt_only() { super::scene::power_source(domain) } else { "xl list -v, xenstore-ls /vm".to_owned() }
}

/// A verdict for every save image, by its path.
pub(super) fn verdicts(inventory: &Inventory) -> BTreeMap<HostPath, StaleVerdict> {
    inventory.saves.iter().map(|save| (save.path.clone(), verdict(inventory, save))).collect()
}

/// What was seen so far. `yes` is settled by one proof; a hint leaves the answer open and is shown.
#[derive(Default)]
struct Seen {
    proofs: Vec<Evidence>,
    hints: Vec<Evidence>,
    rest: Vec<Evidence>,
}

impl Seen {
    fn proof(&mut self, what: String, source: impl Into<String>) {
        self.proofs.push(Evidence::new(what, source));
    }

    fn hint(&mut self, what: String, source: impl Into<String>) {
        self.hints.push(Evidence::new(what, source));
    }

    fn rest(&mut self, what: String, source: impl Into<String>) {
        self.rest.push(Evidence::new(what, source));
    }

    fn len(&self) -> usize {
        self.proofs.len() + self.hints.len() + self.rest.len()
    }

    fn verdict(self) -> StaleVerdict {
        let stale = if self.proofs.is_empty() { Stale::Unknown } else { Stale::Yes };
        let evidence = [self.proofs, self.hints, self.rest].concat();
        StaleVerdict { stale, evidence }
    }
}

/// Whether an open verdict leans to `yes`: something was seen that speaks for a change.
pub(super) fn leans(verdict: &StaleVerdict) -> bool {
    verdict.stale == Stale::Unknown && verdict.evidence.iter().any(|evidence| evidence.what.starts_with(HINT))
}

/// How every hint begins, so that a reader sees at once that it is none of the proofs.
const HINT: &str = "perhaps: ";

fn verdict(inventory: &Inventory, save: &Save) -> StaleVerdict {
    let source = save.path.to_string();
    let mut seen = Seen::default();
    let Some(packaged) = inventory.packaged_config(&save.path) else {
        running_again(inventory, save, &BTreeSet::new(), &mut seen);
        seen.rest("the configuration inside the image could not be read, so its disks are not known".to_owned(), source);
        return seen.verdict();
    };
    let writable: Vec<&Disk> = packaged.disks.iter().filter(|disk| mode_of(disk).writes() && disk.kind != DiskKind::Empty).collect();
    if writable.is_empty() {
        let what = if packaged.disks.is_empty() { "the saved domain has no disks" } else { "the saved domain has all its disks read-only" };
        return StaleVerdict { stale: Stale::No, evidence: vec![Evidence::new(what, source)] };
    }
    let keys: BTreeSet<String> = writable.iter().filter_map(|disk| key_of(inventory, disk)).collect();
    running_again(inventory, save, &keys, &mut seen);
    for disk in &writable {
        one_disk(inventory, save, disk, &mut seen);
    }
    newer_save(inventory, save, &mut seen);
    seen.verdict()
}

/// A domain that is there now and is the saved one, or has its disks.
fn running_again(inventory: &Inventory, save: &Save, keys: &BTreeSet<String>, seen: &mut Seen) {
    for domain in inventory.domains.iter().filter(|domain| domain.power.is_present()) {
        let same = is_same(save, domain);
        let has_disk = domain
            .disks
            .iter()
            .any(|disk| disk.attached && mode_of(disk).writes() && key_of(inventory, disk).is_some_and(|key| keys.contains(&key)));
        if !same && !has_disk {
            if save.domain.as_deref() == Some(domain.name.as_str()) {
                seen.rest(format!("a domain named {} is there, with other disks", domain.name), hypervisor(domain));
            }
            continue;
        }
        // The saved disks are not among those that it has: another machine with a copied uuid or the old name, or its disks were exchanged.
        if same && !has_disk && !keys.is_empty() && !domain.attached_unknown {
            seen.hint(format!("{HINT}{} is there, with other disks than the saved ones", domain.name), hypervisor(domain));
            continue;
        }
        let who = if same { domain.name.clone() } else { format!("{}, which has a disk of it,", domain.name) };
        let started_later = matches!((domain.started, save.created), (Some(started), Some(created)) if started > created);
        if started_later {
            let started = domain.started.map(time).unwrap_or_default();
            seen.proof(format!("{who} was started at {started}, after the image was made"), hypervisor(domain));
            continue;
        }
        match domain.power {
            Power::Running => seen.proof(format!("{who} runs now and writes to its disks"), hypervisor(domain)),
            Power::Preserved | Power::Crashed if same => {
                seen.proof(format!("{who} ran on after the image was made: it is {} now", domain.power.as_str()), hypervisor(domain));
            }
            power => {
                seen.hint(
                    format!("{HINT}{who} is there, {}: it may have run since the image was made", power.as_str()),
                    hypervisor(domain),
                );
            }
        }
    }
}

fn is_same(save: &Save, domain: &Domain) -> bool {
    match (&save.uuid, &domain.uuid) {
        (Some(saved), Some(live)) => saved.eq_ignore_ascii_case(live),
        _ => save.domain.as_deref() == Some(domain.name.as_str()),
    }
}

fn one_disk(inventory: &Inventory, save: &Save, disk: &Disk, seen: &mut Seen) {
    let named = disk.path.as_ref().map_or_else(|| disk.vdev.clone().unwrap_or_default(), ToString::to_string);
    if disk.kind.managed_elsewhere() {
        seen.rest(format!("{named} lies elsewhere: nothing can be seen of it from here"), save.path.to_string());
        return;
    }
    let Some(top) = backing_of(inventory, disk) else {
        seen.rest(format!("nothing could be found out about {named}"), save.path.to_string());
        return;
    };
    if top.exists == Some(false) {
        gone(inventory, top, seen);
        return;
    }
    let before = seen.len();
    for mount in &top.mounts {
        let source = "/proc/self/mountinfo";
        if mount.read_write {
            seen.proof(format!("{named} is mounted read-write in dom0, at {}", mount.at), source);
        } else {
            seen.hint(format!("{HINT}{named} is mounted read-only in dom0, at {}: that may have replayed its journal", mount.at), source);
        }
    }
    let Some(created) = save.created else {
        seen.rest("when the image was made is not known, so no time can be compared".to_owned(), save.path.to_string());
        return;
    };
    let moments = Moments { created, now: inventory.host.taken };
    for backing in chain(inventory, top) {
        file_time(backing, moments, seen);
    }
    superblocks(top, moments, seen);
    if let Some(volume) = volume_of(inventory, top) {
        let name = volume.full_name();
        match volume.created {
            Some(made) if made > created => {
                seen.proof(format!("volume {name} was made at {}, after the image", time(made)), "lvs -o lv_time");
            }
            _ => {}
        }
        if volume.merging {
            seen.proof(format!("a snapshot is being merged into volume {name}"), "lvs");
        }
    }
    if seen.len() == before {
        seen.rest(format!("nothing shows whether {named} was written to: it keeps no time of its last write"), save.path.to_string());
    }
}

/// A disk that is not there any more. Only of a volume in a group that is wholly there can its removal be said.
fn gone(inventory: &Inventory, backing: &Backing, seen: &mut Seen) {
    let removed = backing.volume.as_ref().is_some_and(|volume| {
        let group = volume.split('/').next().unwrap_or_default();
        inventory.volume_groups.iter().any(|vg| vg.name == group && vg.missing_pvs == 0)
    });
    if removed {
        seen.proof(format!("{} was removed or renamed: its volume group is there, the volume is not", backing.path), "lvs -a");
    } else {
        seen.hint(
            format!("{HINT}{} is not there: it was removed, moved, or is not mounted or activated", backing.path),
            format!("stat {}", backing.path),
        );
    }
}

fn file_time(backing: &Backing, moments: Moments, seen: &mut Seen) {
    let Moments { created, .. } = moments;
    let (DiskKind::File | DiskKind::Loop, Some(modified)) = (backing.kind, backing.modified) else { return };
    let source = format!("stat {}", backing.path);
    let at = time(modified);
    if moments.not_yet(modified) {
        seen.hint(format!("{HINT}{} was written at {at}, {FUTURE}", backing.path), source);
    } else if later(modified, created) {
        seen.proof(format!("{} was written at {at}, after the image was made at {}", backing.path, time(created)), source);
    } else if modified > created {
        seen.rest(format!("{} was written at {at}, within seconds after the image: closing the disk can do that", backing.path), source);
    } else {
        seen.rest(
            format!("{} was last written at {at}, before the image was made; a time can be set back, so this proves nothing", backing.path),
            source,
        );
    }
}

fn superblocks(backing: &Backing, moments: Moments, seen: &mut Seen) {
    let Moments { created, .. } = moments;
    for signature in &backing.signatures {
        let Some(times) = &signature.times else { continue };
        let place = match signature.partition {
            Some(number) => format!("{} on partition {number} of {}", signature.kind, backing.path),
            None => format!("{} on {}", signature.kind, backing.path),
        };
        let source = format!("superblock of {}", backing.path);
        let mut later_seen = false;
        for (what, at) in [("mounted read-write", times.mounted), ("written", times.written)] {
            let Some(at) = at.filter(|at| later(*at, created)) else { continue };
            later_seen = true;
            if moments.not_yet(at) {
                seen.hint(format!("{HINT}{place} was {what} at {}, {FUTURE}", time(at)), source.clone());
                continue;
            }
            seen.proof(
                format!("{place} was {what} at {}, after the image was made (by the clock of who did it)", time(at)),
                source.clone(),
            );
        }
        if later_seen {
            continue;
        }
        match times.needs_recovery {
            Some(false) => seen.hint(
                format!("{HINT}{place} is clean, though a running guest that has it mounted leaves it unclean: it was mounted or checked since, or the guest had it unmounted, frozen or read-only"),
                source,
            ),
            Some(true) => seen.rest(
                format!("{place} is unclean, as a guest that was saved leaves it; its superblock would not show later writes, so this proves nothing"),
                source,
            ),
            None => {}
        }
    }
}

/// A later image of the same domain: it ran in between, unless the later file is a copy of this one.
fn newer_save(inventory: &Inventory, save: &Save, seen: &mut Seen) {
    let Some(created) = save.created else { return };
    let same = |other: &&Save| other.path != save.path && other.domain == save.domain && other.uuid == save.uuid && save.domain.is_some();
    for other in inventory.saves.iter().filter(same).filter(|other| other.created.is_some_and(|at| later(at, created))) {
        seen.hint(
            format!("{HINT}{} is a later image of the same domain: it ran in between, unless that file is a copy", other.path),
            other.path.to_string(),
        );
    }
}

/// A backing and the backing files below it.
fn chain<'a>(inventory: &'a Inventory, top: &'a Backing) -> Vec<&'a Backing> {
    let mut chain = vec![top];
    while let Some((_, key)) = chain.last().and_then(|last| last.backing_file.as_ref()) {
        match inventory.backings.get(key) {
            Some(next) if chain.len() < 64 && !chain.iter().any(|met| met.key == next.key) => chain.push(next),
            _ => break,
        }
    }
    chain
}

fn later(at: DateTime<Utc>, created: DateTime<Utc>) -> bool {
    created.checked_add_signed(TEARING_DOWN).is_some_and(|limit| at > limit)
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
