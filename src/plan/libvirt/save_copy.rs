//! A backup with the memory of a domain of libvirt's: saved, its disks copied while nobody has them, resumed. Memory and disks of one instant.

use super::{Virsh, gather};
use crate::model::request::ColdBackup;
use crate::model::{Action, Afterwards, Domain, LibvirtIs, Location, OfLibvirt, Plan, Request, Risk, SaveDomain, Strategy, bundle_names};
use crate::plan::Setting;
use crate::plan::cold_backup::{self, place};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go};
use crate::plan::warm_backup::{MEMORY, memory_piece};

/// Where the image goes in a restore over the old place: not where libvirt takes it for a managed save.
const MEMORIES: &str = "/var/lib/libvirt/qemu";

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let virsh = Virsh::of(domain)?;
    super::look_at_running(request, facts, domain, Strategy::SaveCopy)?;
    super::no_increment(request, domain)?;
    let (mut gathered, definition) = gather::gather(request, facts, domain, &virsh)?;
    let memory = memory_piece(domain, MEMORIES)?;
    gathered.save = Some(memory_piece(domain, MEMORIES)?);
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    // It is written there by the save itself.
    gathered.save = None;

    let name = &domain.name;
    let mut draft = Draft::new(format!("Back up {name} to {}", destination.bundle), &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    draft.warn(format!("{name} stands still for the save, the whole copy and the restore."));
    let first = destination.steps(&mut draft);
    definition.write(&mut draft, &virsh, &destination);
    let of = OfLibvirt { uri: virsh.uri.clone(), uuid: virsh.uuid.clone() };
    let image = destination.partial.join(MEMORY);
    let disks: Vec<Location> = gathered.disks.iter().map(|disk| disk.from.clone()).collect();
    let save = SaveDomain {
        domain: name.clone(),
        image: image.clone(),
        afterwards: Afterwards::Gone,
        disks,
        libvirt: Some(of.clone()),
        facts: Vec::new(),
    };
    let saved = draft.step(
        format!("Save {name}"),
        "Its memory is written, and the file looked through, before it gets its name; then the disks are witnessed: the domain is only resumed if nobody \
         writes to them. This is no managed save: libvirt does not use it up.",
        Action::SaveDomain { save: Box::new(save) },
    );
    draft.assume(format!("{name} runs"), virsh.is(LibvirtIs::Running), Some(saved));
    draft.assume(format!("no job of libvirt's is at work on {name}"), virsh.is(LibvirtIs::Idle), Some(saved));
    cold_backup::copy(&mut draft, request, &gathered, &destination);
    cold_backup::compare(&mut draft);
    let resumed = draft.step(
        format!("Resume {name}"),
        "It goes on where it was saved; if its disks were written to meanwhile it is not resumed, because that would destroy them.",
        Action::ResumeSaved { domain: name.clone(), image: image.clone(), libvirt: Some(of) },
    );
    draft.done(resumed, virsh.is(LibvirtIs::Running));
    draft.step(
        "Hash the memory",
        "So that it can be compared later, block by block, as the disks are.",
        Action::HashPiece { label: MEMORY.into(), path: image, hashes_to: destination.partial.join(bundle_names::hashes_name(MEMORY)) },
    );
    let mut manifest = super::manifest(domain, &gathered, &definition, setting, Strategy::SaveCopy, false);
    manifest.consistency = Strategy::SaveCopy.gives().into();
    manifest.pieces.push(memory.piece);
    let sealed = destination.seal(&mut draft, manifest, Some(saved));
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    Ok(draft.finish())
}
