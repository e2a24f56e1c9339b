//! A backup of a domain that runs: for the time of the copy it writes to overlays, and its images stand still. Then what it wrote goes into the
//! images, and it goes on with them. As long as it is on the overlays, its stored definition names them too: whatever cuts the job, the way back
//! is the same, and is found by looking at where the domain is.

use super::aside::{self, Aside};
use super::{Virsh, agent, gather};
use crate::model::request::ColdBackup;
use crate::model::{Action, Check, Cleanup, Domain, FoldOverlay, HostPath, Plan, Request, Risk, Strategy};
use crate::plan::cold_backup::gather::Gathered;
use crate::plan::cold_backup::{self, place};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go};
use crate::plan::{Setting, paths, text};

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting, domain: &Domain) -> Go<Plan> {
    let virsh = Virsh::of(domain)?;
    super::look_at_running(request, facts, domain, Strategy::Overlay)?;
    super::no_increment(request, domain)?;
    let (mut gathered, definition) = gather::gather(request, facts, domain, &virsh)?;
    let asides = aside::look(facts, setting, domain, &mut gathered, "overlay")?;
    let folds = folds(domain, &virsh, &gathered, &asides, definition.said());
    let destination = place::look(request, facts, setting, domain, &gathered)?;
    let freezes = agent::answers(facts, domain, &virsh)?;
    paths::tools(facts, &[("qemu-img", "qemu-utils")])?;

    let mut draft =
        Draft::new(format!("Back up {} to {}", domain.name, destination.bundle), &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    cold_backup::begin(&mut draft, domain, &gathered, &destination);
    super::say_agent(&mut draft, domain, freezes);
    let first = destination.steps(&mut draft);
    definition.write(&mut draft, &virsh, &destination);
    prepare(&mut draft, &virsh, &folds);
    let begun = begin(&mut draft, &virsh, domain, &folds, freezes);
    aside::assume(&mut draft, &virsh, &asides, begun);
    if freezes {
        agent::thawed_by_libvirt(&mut draft, &virsh, begun);
    }
    cold_backup::witness(&mut draft, &gathered, None);
    cold_backup::copy(&mut draft, request, &gathered, &destination);
    cold_backup::compare(&mut draft);
    for fold in &folds {
        draft.step(
            format!("Write what {} wrote to {} meanwhile into its image, and let it go on with that", virsh.name, fold.vdev),
            "The image below is named, so that no template is written to. That nothing names the overlay any more is proven before it is removed.",
            Action::FoldOverlay { fold: Box::new(fold.clone()) },
        );
    }
    let manifest = super::manifest(domain, &gathered, &definition, setting, Strategy::Overlay, freezes);
    let sealed = destination.seal(&mut draft, manifest, Some(begun));
    destination.assumptions(&mut draft, first, sealed);
    destination.read_back(&mut draft, request);
    Ok(draft.finish())
}

fn folds(domain: &Domain, virsh: &Virsh, gathered: &Gathered, asides: &[Aside], definition: &[u8]) -> Vec<FoldOverlay> {
    let all: Vec<HostPath> = asides.iter().map(|one| one.path.clone()).collect();
    let moving = gathered.disks.iter().filter_map(|source| aside::written(domain, source));
    let base = |disk: &crate::model::Disk| disk.path.clone().unwrap_or_default();
    moving
        .zip(asides)
        .map(|(disk, aside)| FoldOverlay {
            uri: virsh.uri.clone(),
            uuid: virsh.uuid.clone(),
            domain: virsh.name.clone(),
            vdev: aside.vdev.clone(),
            base: base(disk),
            overlay: aside.path.clone(),
            all: all.clone(),
            definition: definition.to_vec(),
        })
        .collect()
}

/// A step of its own for each disk, so that each has its way back.
fn prepare(draft: &mut Draft, virsh: &Virsh, folds: &[FoldOverlay]) {
    for fold in folds {
        let there = Check::Exists { path: fold.overlay.clone() };
        let step = draft.step(
            format!("Look whether nothing stands where the overlay of {} goes", fold.vdev),
            "What stands there would be taken for this job's.",
            Action::WaitFor { check: there.clone().negated(), limit_seconds: 0 },
        );
        let cleanup = Cleanup {
            says: format!("Bring {} back to {}, if it is not", virsh.name, fold.base),
            action: Action::FoldOverlay { fold: Box::new(fold.clone()) },
            needed: Some(there),
        };
        draft.cleanup_by(step, cleanup);
    }
}

/// Gives the step: its beginning is the instant.
fn begin(draft: &mut Draft, virsh: &Virsh, domain: &Domain, folds: &[FoldOverlay], freezes: bool) -> usize {
    let mut more: Vec<String> = ["--disk-only", "--atomic", "--no-metadata"].map(str::to_owned).to_vec();
    more.extend(freezes.then(|| "--quiesce".to_owned()));
    for fold in folds {
        more.extend(["--diskspec".to_owned(), format!("{},snapshot=external,file={}", fold.vdev, comma(&fold.overlay))]);
    }
    for vdev in domain.disks.iter().filter(|disk| disk.attached).filter_map(|disk| disk.vdev.as_ref()) {
        if !folds.iter().any(|fold| fold.vdev == *vdev) {
            more.extend(["--diskspec".to_owned(), format!("{vdev},snapshot=no")]);
        }
    }
    let words: Vec<&str> = more.iter().map(String::as_str).collect();
    let step = draft.run(
        format!("Let {} write to overlays from this instant on", virsh.name),
        "All of one instant. Its images stand still from now on, and its definition names the overlays.",
        virsh.changes("snapshot-create-as", &words),
    );
    if let Some(fold) = folds.first() {
        draft.done(step, fold.is_named());
    }
    step
}

/// virsh splits a specification at commas; two of them stand for one.
fn comma(path: &HostPath) -> String {
    text(path).replace(',', ",,")
}

/// What keeps its images from being frozen that way.
pub(super) fn why_not(domain: &Domain) -> Option<String> {
    let facts = domain.libvirt.as_ref()?;
    if facts.persistent != Some(true) {
        return Some("it is transient: if it stopped while it is on an overlay, nobody would know of that".into());
    }
    match &facts.checkpoints {
        Some(checkpoints) if checkpoints.is_empty() => {}
        Some(_) => return Some("it has checkpoints, whose bitmaps do not follow it onto an overlay and back".into()),
        None => return Some("whether it has checkpoints could not be found out".into()),
    }
    let plugged = domain.disks.iter().find(|disk| disk.attached && !disk.in_config);
    if let Some(disk) = plugged {
        return Some(format!(
            "{} was plugged in while it runs: if it stopped while it is on an overlay, nobody would know of that",
            disk.vdev.as_deref().unwrap_or("?")
        ));
    }
    let odd = domain.disks.iter().find(|disk| disk.attached && disk.libvirt.as_ref().is_some_and(|xml| xml.shareable || xml.transient));
    odd.map(|disk| format!("{} is shared or thrown away at its end", disk.vdev.as_deref().unwrap_or("?")))
}
