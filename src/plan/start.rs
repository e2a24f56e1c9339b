//! Booting a domain, having looked first: a save image of it would be ruined, and a disk that somebody else has would be destroyed.

use super::draft::Draft;
use super::facts::{Facts, Go, if_known, no};
use super::{Setting, domains, paths};
use crate::model::{Check, Cmd, Config, Disk, DiskKind, Domain, HostPath, Plan, Power, Question, Request, Risk, Save, Stands, Undo, bytes};

pub(super) fn plan(name: &str, given: Option<&HostPath>, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, name)?;
    domains::by_xl(domain, &format!("start it with `virsh start {}`", crate::model::cmd::shell_word(&domain.name)))?;
    if domain.power.is_present() {
        return no("already-there", format!("{} is {} already", domain.name, domain.power.as_str()), "there is nothing to start");
    }
    if domain.power == Power::Unknown {
        return no(
            "domain-unknown",
            format!("whether {} runs could not be found out", domain.name),
            "ask as root; `domkeep list` says what could not be read",
        );
    }
    let config = domains::config(facts, domain, given)?;
    paths::check(&config.path)?;
    look_at_kernel(facts, config)?;
    look_at_targets(config)?;
    domains::can_get_disks(facts.inventory(), domain, &config.disks)?;
    let read = if_known(facts.bytes(&config.path))?;

    let request = Request::Start { domain: name.to_owned(), config: given.cloned() };
    let mut draft = Draft::new(format!("Start {}", domain.name), &request, setting);
    draft.risk(Risk::Touches);
    draft.lock(Plan::domain_lock(&domain.name));
    for disk in &config.disks {
        if let Some(path) = domains::lock_path(facts.inventory(), disk) {
            draft.lock(Plan::disk_lock(&path));
        }
    }
    look_at_saves(&mut draft, facts, domain);
    look_at_memory(&mut draft, facts, config);
    if domain.likely_config.is_some() {
        draft.saw(format!("{} was probably started from another file before", domain.name), "xenstore");
    }
    let step = draft.run(
        format!("Boot {} from {}", domain.name, config.path),
        "A fresh start: the guest boots as after switching it on.",
        Cmd::changes("xl", ["create".to_owned(), super::text(&config.path)]),
    );
    let there = Check::DomainPresent { name: domain.name.clone() };
    draft.done(step, there.clone());
    draft
        .undo(step, Undo::Impossible { why: "a domain that was booted has written to its disks; shut it down if it is not wanted".into() });
    draft.assume(format!("{} is not there", domain.name), there.negated(), Some(step));
    if let Some((bytes, _)) = read {
        let hash = blake3::hash(bytes).to_hex().to_string();
        draft.assume(format!("{} is as it was read", config.path), Check::Holds { path: config.path.clone(), blake3: hash }, Some(step));
    }
    Ok(draft.finish())
}

fn look_at_kernel(facts: &Facts<'_>, config: &Config) -> Go<()> {
    let files = config.settings.iter().filter(|(key, _)| matches!(key.as_str(), "kernel" | "ramdisk"));
    let files: Vec<(&str, HostPath)> =
        files.map(|(key, value)| (key.as_str(), HostPath::from(value.as_str()))).filter(|(_, path)| path.is_absolute()).collect();
    facts.want(files.iter().map(|(_, path)| Question::Place { path: path.clone() }))?;
    for (key, path) in files {
        if if_known(facts.place(&path))?.is_some_and(|place| place.stands == Stands::Nothing) {
            return no(
                "boot-file-missing",
                format!("the {key} of {} is not there: {path}", config.path),
                "bring it back, or name another in the configuration",
            );
        }
    }
    Ok(())
}

/// xm looked for a relative target below /dev; xl looks where it was started.
fn look_at_targets(config: &Config) -> Go<()> {
    let stays =
        |disk: &&Disk| disk.script.is_none() && matches!(disk.kind, DiskKind::File | DiskKind::Lvm | DiskKind::Partition | DiskKind::Disk);
    let relative = |disk: &Disk| disk.written_as.clone().filter(|written| !written.starts_with('/'));
    match config.disks.iter().filter(stays).find_map(|disk| Some((disk, relative(disk)?))) {
        Some((disk, written)) => {
            let vdev = disk.vdev.as_deref().unwrap_or("?");
            let whole = disk.path.as_ref().map_or_else(|| format!("/dev/{written}"), ToString::to_string);
            no(
                "disk-relative",
                format!(
                    "{} names {vdev} as {written}, without a directory: xl looks for it in the directory that it is started in",
                    config.path
                ),
                format!("write the whole path into the configuration: {whole}"),
            )
        }
        None => Ok(()),
    }
}

/// A boot changes the disks under a save image: what the image holds can then never be resumed.
fn look_at_saves(draft: &mut Draft, facts: &Facts<'_>, domain: &Domain) {
    for save in domain.saves.iter().filter_map(|path| facts.inventory().save(path)) {
        if save.complete == Some(false) {
            draft.warn(format!("The save image {} is damaged and cannot be resumed anyway.", save.path));
            continue;
        }
        draft.confirm(&domain.name, &loses(save));
        draft.saw(format!("save image {}, {}", save.path, bytes::human(save.bytes)), "its header and records");
    }
}

fn loses(save: &Save) -> String {
    let written = save.created.map_or_else(String::new, |at| format!(" of {}", at.format("%Y-%m-%d %H:%M UTC")));
    format!(
        "The memory in the save image {}{written} is lost: once the domain has booted, its disks differ, and resuming the image would destroy their file systems. To keep it, resume it instead.",
        save.path
    )
}

fn look_at_memory(draft: &mut Draft, facts: &Facts<'_>, config: &Config) {
    if let (Some(free), Some(wanted)) = (facts.inventory().host.free_memory_bytes, config.memory_bytes)
        && free < wanted
    {
        draft.warn(format!(
            "The domain wants {} of memory, and {} is free: xl may refuse, or take memory from dom0.",
            bytes::human(wanted),
            bytes::human(free)
        ));
    }
}
