//! What is to be attached: a device or a file of dom0, what a script makes of its argument, or what the configuration names already.

use super::sharing::{self, Shared};
use super::words::{FORMATS, Words};
use crate::model::{AttachDisk, Config, DiskKind, DiskSource, Domain, HostPath, Question, Stands};
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{domains, paths, text};

const SCRIPTS: &str = "/etc/xen/scripts";

pub(super) struct Target {
    pub words: Words,
    pub shared: Shared,
    /// What locks call it; a script's argument has no path.
    pub lock: Option<HostPath>,
    /// Where somebody else could take it meanwhile.
    pub path: Option<HostPath>,
    pub warnings: Vec<String>,
    pub says: String,
}

pub(super) fn look(wanted: &AttachDisk, facts: &Facts<'_>, domain: &Domain, config: Option<&Config>) -> Go<Target> {
    match &wanted.source {
        DiskSource::Path { path, format } => of_path(wanted, path, format.as_deref(), facts, domain),
        DiskSource::Script { script, argument } => of_script(wanted, script, argument, facts, domain),
        DiskSource::Configured => {
            let disk = config.and_then(|config| config.disks.iter().find(|disk| disk.vdev.as_ref() == Some(&wanted.vdev)));
            let Some(disk) = disk else {
                return no(
                    "not-in-config",
                    format!("the configuration of {} names no disk {}", domain.name, wanted.vdev),
                    "say which device or file is meant",
                );
            };
            let words = Words::of_disk(disk)?;
            if words.script.is_some() {
                return of_script(wanted, words.script.as_deref().unwrap_or_default(), &words.target, facts, domain);
            }
            let path = HostPath::from(words.target.as_str());
            let target = of_path(&AttachDisk { writes: words.writes, ..wanted.clone() }, &path, Some(&words.format), facts, domain)?;
            Ok(Target { words, ..target })
        }
    }
}

fn of_path(wanted: &AttachDisk, path: &HostPath, format: Option<&str>, facts: &Facts<'_>, domain: &Domain) -> Go<Target> {
    paths::check(path)?;
    let (place, real) = match facts.place(path)? {
        place if place.stands == Stands::Device => (place, place.canonical.clone().unwrap_or_else(|| path.clone())),
        _ => paths::follow(facts, path)?,
    };
    match place.stands {
        Stands::Device | Stands::File => {}
        Stands::Nothing | Stands::Link => {
            return no("target-missing", format!("there is no {path}"), "name a device or file that is there; `lsblk` lists devices");
        }
        _ => return no("target-no-disk", format!("{path} is neither a block device nor a file"), "name a device or an image file"),
    }
    if place.bytes == Some(0) {
        return no("target-no-disk", format!("{path} is empty"), "name a device or an image file that holds something");
    }
    facts.want([Question::UseOf { path: real.clone() }, Question::SignatureOf { path: real.clone() }])?;
    if let Some(own) = own_name_of(facts, wanted, domain, path, &real) {
        return no("already-has-it", format!("{} has {path} already, as {own}", domain.name), "one domain needs one disk only once");
    }
    if wanted.writes && place.stands == Stands::File && place.read_only {
        return no(
            "read-only",
            format!("{path} lies on a file system that is read-only, or you may not write there"),
            "attach it read-only (--mode ro), or ask as root",
        );
    }
    let format = format_of(facts, path, &real, format, place.stands == Stands::File)?;
    let shared = sharing::look(facts, domain, path, &real, wanted.writes)?;
    let mut warnings = Vec::new();
    if wanted.place.is_config() && is_unstable(path) {
        warnings.push(format!(
            "The kernel may give the name {path} to another disk at the next boot of the host. A name below /dev/disk/by-id stays with the disk."
        ));
    }
    let words = Words {
        vdev: wanted.vdev.clone(),
        format,
        writes: wanted.writes,
        script: None,
        by_qemu: shared.cluster,
        cdrom: false,
        target: text(path),
    };
    let lock = Some(domains::lock_of_path(facts.inventory(), path, &real));
    Ok(Target { says: path.to_string(), words, lock, path: Some(real), warnings, shared })
}

/// The name under which the domain has the disk now or in its configuration.
fn own_name_of(facts: &Facts<'_>, wanted: &AttachDisk, domain: &Domain, path: &HostPath, real: &HostPath) -> Option<String> {
    let backing = sharing::backing_of(facts.inventory(), path, real)?;
    let same = domain.disks.iter().filter(|disk| disk.backing.as_ref() == Some(&backing.key));
    let mut own = same.filter(|disk| disk.attached || disk.vdev.as_ref() != Some(&wanted.vdev));
    own.find_map(|disk| disk.vdev.clone())
}

/// A device is raw whatever lies on it: a guest may have written what looks like an image's head. So may it have in a raw file, and a file
/// that somebody has as raw is not taken for an image.
fn format_of(facts: &Facts<'_>, path: &HostPath, real: &HostPath, given: Option<&str>, is_file: bool) -> Go<String> {
    let seen = facts.signatures(real)?;
    let image = seen.iter().map(|found| found.kind.as_str()).find(|kind| is_image(kind)).filter(|_| is_file);
    if let Some(given) = given {
        if !FORMATS.contains(&given) {
            return no("format-unknown", format!("xl knows no format `{given}`"), "raw, qcow2 or vhd");
        }
        return Ok(given.to_owned());
    }
    let Some(image) = image else { return Ok("raw".to_owned()) };
    let backing = sharing::backing_of(facts.inventory(), path, real);
    let disks = facts.inventory().domains.iter().flat_map(|domain| &domain.disks);
    let mut theirs = disks.filter(|disk| backing.is_some_and(|backing| disk.backing.as_ref() == Some(&backing.key)));
    if theirs.any(|disk| disk.format.as_deref() == Some("raw")) {
        return no(
            "format-unclear",
            format!("{path} looks like {image}, and a domain has it as raw: its guest may have written what it looks like"),
            "say which is right: --format raw, or another",
        );
    }
    if FORMATS.contains(&image) {
        return Ok(image.to_owned());
    }
    no(
        "format-not-served",
        format!("{path} is an image of the kind {image}, which xl does not serve"),
        "convert it with `qemu-img convert`",
    )
}

fn is_image(kind: &str) -> bool {
    matches!(kind, "qcow" | "qcow2" | "vhd" | "vhdx" | "vmdk" | "vdi" | "qed" | "parallels")
}

/// /dev/sdb1 and its like are numbered anew at each boot.
fn is_unstable(path: &HostPath) -> bool {
    let name = text(path);
    let Some(name) = name.strip_prefix("/dev/") else { return false };
    !name.contains('/') && ["sd", "vd", "hd", "nvme", "xvd", "loop", "dm-", "md"].iter().any(|start| name.starts_with(start))
}

fn of_script(wanted: &AttachDisk, script: &str, argument: &str, facts: &Facts<'_>, domain: &Domain) -> Go<Target> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if script.is_empty() || !script.chars().all(plain) || script.starts_with('.') {
        return no("script-bad", format!("`{script}` is no script of {SCRIPTS}"), "give its bare name, such as block-iscsi");
    }
    if argument.is_empty() || argument.chars().any(|c| c.is_control() || crate::model::shown::is_unsafe(c)) {
        return no(
            "script-argument",
            format!("the argument of {script} is empty, or has control characters in it"),
            "give it as its manual has it",
        );
    }
    let file = HostPath::from(SCRIPTS).join(script);
    if !matches!(paths::follow(facts, &file)?.0.stands, Stands::File) {
        return no("script-missing", format!("there is no {file}"), "install it, or attach the device that the target has on this host");
    }
    let same = |disk: &&crate::model::Disk| {
        let theirs = disk.script.as_deref().map(|name| name.rsplit('/').next().unwrap_or(name));
        theirs == Some(script) && disk.path.as_ref().is_some_and(|path| path.as_bytes() == argument.as_bytes())
    };
    for other in &facts.inventory().domains {
        let Some(disk) = other.disks.iter().find(same) else { continue };
        if other.id == domain.id && (disk.attached || !wanted.place.is_live()) {
            let vdev = disk.vdev.as_deref().unwrap_or("a disk");
            return no("already-has-it", format!("{} has it already, as {vdev}", domain.name), "one domain needs one disk only once");
        }
        let writes = disk.mode.is_none_or(crate::model::Mode::writes);
        if other.id != domain.id && (wanted.writes || writes) {
            return no(
                "disk-in-use",
                format!("{} has it too: two that write to one disk destroy its file system", other.name),
                "give each its own target, or share files by NFS from the one that has it",
            );
        }
    }
    let words = Words {
        vdev: wanted.vdev.clone(),
        format: "raw".into(),
        writes: wanted.writes,
        script: Some(script.to_owned()),
        by_qemu: false,
        cdrom: false,
        target: argument.to_owned(),
    };
    let kind = if matches!(script, "block-drbd") { DiskKind::Drbd } else { DiskKind::Iscsi };
    let warnings = vec![format!(
        "Who else has {argument} cannot be seen from this host ({}): make sure that no other host writes to it.",
        kind.as_str()
    )];
    Ok(Target { says: format!("{argument} ({script})"), words, shared: Shared::default(), lock: None, path: None, warnings })
}
