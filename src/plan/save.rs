//! Saving a domain to a file that it can be resumed from: what its disks are then is written down beside it, and on request each volume gets a
//! snapshot to which it can be rolled back.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::freeze::{self, Stores, Way};
use super::saved::{facts_of, location_of};
use super::{Setting, domains, lvm, lvm_names, lvm_now, paths};
use crate::model::saved::{DiskFacts, SaveWish, is_record, record_of};
use crate::model::{
    Action, Afterwards, Check, DiskKind, Domain, HostPath, LogicalVolume, Mode, Plan, Power, Request, Risk, SaveDomain, Stands, bytes,
    cmd::shell_word,
};

/// What lies beside the image.
const MARGIN: u64 = 1 << 20;

/// One disk that is remembered, and the volume of which a snapshot is taken.
struct Remembered<'a> {
    vdev: String,
    facts: DiskFacts,
    frozen: Option<(&'a LogicalVolume, Way<'a>)>,
}

pub(super) fn plan(request: &SaveWish, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &request.domain)?;
    domains::by_xl(domain, &format!("save it with `virsh save {} FILE`", shell_word(&domain.name)))?;
    look_at_power(domain)?;
    let Some(memory) = domain.memory.bytes else {
        return no("memory-unknown", format!("how much memory {} has could not be found out", domain.name), "ask as root");
    };
    let (place, image) = paths::vacant(facts, &request.to)?;
    let needed = memory.saturating_add(MARGIN);
    if place.free < needed {
        return no(
            "no-room",
            format!(
                "{} has {} free, and the memory of {} takes {}",
                place.directory,
                bytes::human(place.free),
                domain.name,
                bytes::human(memory)
            ),
            "make room there, or name another directory (--to)",
        );
    }
    place_of_record(facts, &image, "name another file (--to)")?;

    let asked = Request::Save(request.clone());
    let mut draft = Draft::new(format!("Save {} to {image}", domain.name), &asked, setting);
    draft.risk(Risk::Touches);
    draft.lock(Plan::domain_lock(&domain.name));
    draft.lock(Plan::disk_lock(&image));
    let mut disks = disks(&mut draft, facts, domain);
    let stores = if request.snapshots { snapshots(&mut draft, facts, setting, &mut disks)? } else { Vec::new() };
    for disk in &disks {
        if let Some(path) = disk.facts.path() {
            draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), path, path)));
        }
    }
    let save = SaveDomain {
        domain: domain.name.clone(),
        image: image.clone(),
        afterwards: Afterwards::Gone,
        disks: disks.iter().map(|disk| disk.facts.at.clone()).collect(),
        libvirt: None,
        facts: disks.iter().map(|disk| disk.facts.clone()).collect(),
    };
    let saved = draft.step(
        format!("Save {}", domain.name),
        "Its memory is written and looked through to the last record before the file gets its name. What its disks are in that moment is written \
         down beside it: `domkeep resume` compares them, because a guest that goes on over other disks destroys their file systems.",
        Action::SaveDomain { save: Box::new(save) },
    );
    for (volume, name) in disks.iter().filter_map(|disk| Some((disk.frozen?, disk.facts.snapshot.clone()?))) {
        freeze(&mut draft, setting, volume, &name, &stores);
    }
    let name = domain.name.clone();
    draft.assume(format!("{name} runs"), Check::DomainIs { name, power: Power::Running }, Some(saved));
    let above = paths::parent(&image);
    draft.assume(format!("{above} is the file system that was looked at"), Check::LiesOn { path: above, dev: place.dev }, Some(saved));
    draft.warn(format!("{} stays saved until you resume it: domkeep resume {}", domain.name, shell_word(&image.to_string())));
    Ok(draft.finish())
}

/// What a new image's disks are is written down beside it. What lies there of an image that is gone is taken away then; a stranger's file is not.
pub(super) fn place_of_record(facts: &Facts<'_>, image: &HostPath, instead: &str) -> Go<()> {
    let record = record_of(image);
    match facts.place(&record)?.stands {
        Stands::Nothing => Ok(()),
        Stands::File if is_record(facts.bytes(&record)?.0) => Ok(()),
        _ => no("exists", format!("{record} is there already, and is not what domkeep writes beside a save image"), instead),
    }
}

fn look_at_power(domain: &Domain) -> Go<()> {
    let name = &domain.name;
    match domain.power {
        Power::Running => Ok(()),
        Power::Unknown => no(
            "domain-unknown",
            format!("whether {name} runs could not be found out"),
            "ask as root; `domkeep list` says what could not be read",
        ),
        Power::Off | Power::Saved => no("not-running", format!("{name} is {}", domain.power.as_str()), "there is no memory to save"),
        power => no("domain-not-still", format!("{name} is {}", power.as_str()), "wait until that is over, or let it go on (`xl unpause`)"),
    }
}

fn disks<'a>(draft: &mut Draft, facts: &Facts<'a>, domain: &Domain) -> Vec<Remembered<'a>> {
    let inventory = facts.inventory();
    let mut disks: Vec<Remembered<'a>> = Vec::new();
    for disk in domain.disks.iter().filter(|disk| !matches!(disk.kind, DiskKind::Empty)) {
        let vdev = disk.vdev.clone().unwrap_or_else(|| "its root".to_owned());
        let writes = disk.mode.is_none_or(Mode::writes);
        let backing = inventory.backing(disk.backing.as_ref()).filter(|_| !disk.kind.managed_elsewhere() && disk.backend_domain.is_none());
        let Some(backing) = backing else {
            if writes {
                draft.warn(format!(
                    "{vdev} of {} cannot be looked at from here: whether it was changed, nobody will be able to tell.",
                    domain.name
                ));
            }
            continue;
        };
        if !writes || disks.iter().any(|known| known.facts.at == location_of(backing)) {
            continue;
        }
        let volume = backing.volume.as_ref().and_then(|name| inventory.volumes.iter().find(|volume| volume.full_name() == *name));
        let frozen = volume.and_then(|volume| Some((volume, freeze::way(inventory, backing, true).ok()?)));
        disks.push(Remembered { vdev, facts: facts_of(inventory, backing, location_of(backing)), frozen });
    }
    disks
}

/// Names a snapshot for each volume that can have one.
fn snapshots(draft: &mut Draft, facts: &Facts<'_>, setting: &Setting, disks: &mut [Remembered<'_>]) -> Go<Vec<Stores>> {
    let lvm = lvm_now::look(facts, &["lvcreate", "lvremove"])?;
    let part = setting.id.as_str().rsplit('-').next().unwrap_or_default();
    for (number, disk) in disks.iter_mut().enumerate() {
        let Some((volume, _)) = disk.frozen else {
            draft.warn(format!("{} gets no snapshot: only volumes of LVM do.", disk.vdev));
            continue;
        };
        let name = format!("domkeep-saved-{part}-{number}");
        lvm_names::new_name(lvm, &volume.vg, &name)?;
        disk.facts.snapshot = Some(format!("{}/{name}", volume.vg));
    }
    let ways: Vec<Way<'_>> = disks.iter().filter_map(|disk| disk.frozen).map(|(_, way)| way).collect();
    let sizes = freeze::pools(facts.inventory(), &ways).and_then(|_| freeze::stores(facts.inventory(), &ways));
    sizes.or_else(|why| no("no-room", format!("the domain {why}"), "make room, or save it without snapshots"))
}

fn freeze(draft: &mut Draft, setting: &Setting, (volume, way): (&LogicalVolume, Way<'_>), full: &str, stores: &[Stores]) {
    let Some((vg, lv)) = full.split_once('/') else { return };
    let origin = volume.full_name();
    let size = match way {
        Way::Classic(_) => stores.iter().flat_map(|group| &group.sizes).find(|(of, _)| *of == origin).map(|(_, size)| format!("{size}b")),
        _ => None,
    };
    let words: Vec<&str> = match &size {
        Some(size) => vec!["-s", "-L", size, &origin],
        None => vec!["-s", &origin],
    };
    let says = format!("Keep {origin} as it is now: a snapshot, {full}");
    lvm::create(
        draft,
        &setting.id,
        says,
        "If the disk is changed before the domain is resumed, it can be rolled back to this.",
        lvm::Name { vg, lv },
        &words,
    );
}
