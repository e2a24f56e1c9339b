//! A disk that exists, for a domain: in its configuration, in the running domain, or in both in one plan.
//!
//! The configuration comes first: what can be taken back for certain is done before what Xen may refuse.

pub(super) mod file;
pub(super) mod live;
mod sharing;
mod target;
pub(super) mod words;

use self::file::File;
use self::live::Live;
use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, config_text, domains, new_disk, paths};
use crate::model::{AttachDisk, Check, DiskSource, Domain, Plan, Question, Request, Where};

const BY_HAND: &str = "give it only live (--where live), and write it into the file by hand";

pub(super) fn plan(wanted: &AttachDisk, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &wanted.domain)?;
    domains::by_xl(domain, "use `virsh attach-disk`, with --config and --live")?;
    new_disk::check_vdev(&wanted.vdev)?;
    ask_ahead(wanted, domain, facts)?;
    let live = if wanted.place.is_live() { Some(Live::look(facts, domain, &wanted.vdev)?) } else { None };
    let named = wanted.source == DiskSource::Configured;
    if named && wanted.place != Where::Live {
        return no("already-has-it", format!("the configuration of {} names it already", domain.name), "attach it live");
    }
    let file = if wanted.place.is_config() { Some(File::open(facts, domain, wanted.config.as_ref(), BY_HAND)?) } else { None };
    let config = if named { Some(domains::config(facts, domain, wanted.config.as_ref())?) } else { file.as_ref().map(|file| file.config) };
    free(wanted, domain, config, named)?;
    let target = target::look(wanted, facts, domain, config)?;
    if live.is_some() {
        has_a_server(domain, &target.words)?;
    }
    let spec = target.words.text();

    let title = format!("Attach {} to {} as {}", target.says, domain.name, wanted.vdev);
    let mut draft = Draft::new(title, &Request::AttachDisk(wanted.clone()), setting);
    draft.lock(Plan::domain_lock(&domain.name));
    if let Some(path) = &target.lock {
        draft.lock(Plan::disk_lock(path));
    }
    target.shared.tell(&mut draft, &domain.name);
    for warning in &target.warnings {
        draft.warn(warning.clone());
    }
    if let Some(file) = &file {
        let after = file.edited(config_text::add_disk(file.before, spec.as_bytes()), BY_HAND)?;
        file.replace(
            &mut draft,
            format!("Name it as {} in {}", wanted.vdev, file.path),
            "So that it is there at every start. The old file is kept in the job's folder.",
            after,
        );
    }
    if let Some(live) = &live {
        let step = live.plug_in(&mut draft, &spec);
        if let Some(path) = target.path.filter(|_| target.shared.free) {
            draft.assume(format!("nobody uses {path}"), Check::InUse { path }.negated(), Some(step));
        }
    }
    tell_of_the_other(&mut draft, wanted, domain, named);
    Ok(draft.finish())
}

/// What is surely needed, asked in one round.
fn ask_ahead(wanted: &AttachDisk, domain: &Domain, facts: &Facts<'_>) -> Go<()> {
    let mut questions = Vec::new();
    if let DiskSource::Path { path, .. } = &wanted.source {
        paths::check(path)?;
        questions.push(Question::Place { path: path.clone() });
    }
    if let Some(config) = wanted.config.as_ref().or_else(|| domain.configs.first()).filter(|_| wanted.place.is_config()) {
        questions.extend([Question::Place { path: config.clone() }, Question::BytesOf { path: config.clone() }]);
    }
    if wanted.place.is_live() {
        questions.extend(live::TOOLS.iter().map(|(name, _)| Question::Tool { name: (*name).to_owned() }));
    }
    facts.want(questions)
}

/// QEMU serves images. A PV domain has one of its own only when it was started with a disk that needs it: without it, `xl block-attach`
/// says that all is well, the guest waits for ever, and the disk cannot be taken away again without force.
fn has_a_server(domain: &Domain, words: &words::Words) -> Go<()> {
    let by_qemu = words.by_qemu || (words.script.is_none() && words.format != "raw");
    let has_qemu = domain.guest_type.as_deref() == Some("hvm")
        || domain.disks.iter().any(|disk| disk.attached && disk.backend.as_deref() == Some("qdisk"));
    if !by_qemu || has_qemu {
        return Ok(());
    }
    no(
        "no-device-model",
        format!("QEMU would serve this disk, and {} was started without QEMU: it can get such a disk only at its start", domain.name),
        "name it in the configuration (--where config) and restart the domain, or attach a raw file or a device",
    )
}

/// The name is free, where it shall be used.
fn free(wanted: &AttachDisk, domain: &Domain, config: Option<&crate::model::Config>, named: bool) -> Go<()> {
    let taken = domain.disks.iter().find(|disk| disk.vdev.as_ref() == Some(&wanted.vdev) && (disk.attached || disk.trouble.is_some()));
    if let Some(disk) = taken.filter(|disk| disk.trouble.is_some()) {
        return no(
            "vdev-taken",
            format!("{} has the rest of a disk {} that was refused: {}", domain.name, wanted.vdev, disk.trouble.as_deref().unwrap_or("?")),
            format!("clear it away first: domkeep detach {} {} --where live", domain.name, wanted.vdev),
        );
    }
    if named {
        return match taken {
            Some(_) => no("already-has-it", format!("{} has {} already", domain.name, wanted.vdev), "there is nothing to attach"),
            None => Ok(()),
        };
    }
    new_disk::free_vdev(domain, config, &wanted.vdev)
}

/// What the other side has, when only one is changed.
fn tell_of_the_other(draft: &mut Draft, wanted: &AttachDisk, domain: &Domain, named: bool) {
    match wanted.place {
        Where::Live if !named => draft.warn(format!(
            "{} loses it at its next start: its configuration does not name it (--where both writes it there too).",
            domain.name
        )),
        Where::Config if domain.power.is_present() => {
            draft.warn(format!("{} runs: it sees the disk after its next start (--where both gives it at once).", domain.name));
        }
        Where::Config if domain.power == crate::model::Power::Saved => {
            draft.warn("A save image brings its own configuration: when it is resumed, the disk is not there.");
        }
        Where::Live | Where::Config | Where::Both => {}
    }
}
