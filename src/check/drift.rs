//! What is attached and what is configured differ.

use super::scene::{attached_source, configs_of, key_of, typed};
use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{
    AttachDisk, Config, ConfigSource, Disk, DiskKind, DiskSource, Domain, Drift, DriftKind, Evidence, Finding, Inventory, Power, Request,
    Severity, Subject, Toolstack, Where,
};

pub(super) static ATTACHED_NOT_IN_CONFIG: Rule = Rule {
    explanation: Explanation {
        code: "drift-attached-not-in-config",
        title: "A running domain has a disk that its configuration does not name.",
        what: "The disk was attached while the domain ran (`xl block-attach`). It survives a reboot of the guest, a save and a restore; it is gone \
               when the domain is shut down and created again from its file.",
        how_it_comes: "xl never writes the file in /etc/xen: attaching a disk for good takes two steps, and the second was forgotten. With libvirt \
                       it was attached with `--live` only. Or the configuration was edited since the start.",
        looked_at: "The disks of the running domain (xl list -l, xenstore, virsh dumpxml) against those of its configuration, compared by the guest's device \
                    name and by what holds the bytes, not by the spelling of the path.",
        mend: &[
            "Write the disk into the configuration:",
            "  disk = [ ..., 'format=raw, vdev=xvdc, access=rw, target=/dev/VG/LV' ]",
            "or detach it, once the guest has unmounted it:",
            "  xl block-detach DOMAIN VDEV",
            "For a domain of libvirt's:",
            "  virsh attach-disk DOMAIN PATH VDEV --driver qemu --subdriver FORMAT --config",
            "  virsh detach-disk DOMAIN VDEV --live",
        ],
        proves_not: "That the disk should be there at the next start: somebody may have attached it for an hour.",
    },
    why: "After the next shutdown and start the disk is missing: the guest may not boot, or it runs on without its data and nobody notices. A \
          backup made from the configuration leaves it out.",
    look: |scene, findings| look(scene, findings, DriftKind::AttachedNotInConfig),
};

pub(super) static IN_CONFIG_NOT_ATTACHED: Rule = Rule {
    explanation: Explanation {
        code: "drift-in-config-not-attached",
        title: "A configuration names a disk that its running domain does not have.",
        what: "The domain runs without a disk that its configuration names. It gets it at the next start from the file.",
        how_it_comes: "The disk was detached (`xl block-detach`); or the file was edited while the domain ran, or the domain was restored \
                       from a save image, which brings its own, older configuration.",
        looked_at: "The disks of the running domain (xl list -l, xenstore, virsh dumpxml) against those of its configuration.",
        mend: &[
            "Attach it now:",
            "  xl block-attach DOMAIN 'format=raw, vdev=xvdc, access=rw, target=/dev/VG/LV'",
            "or take it out of the configuration.",
        ],
        proves_not: "That the guest misses it.",
    },
    why: "What runs is not what the file says: the next start changes the guest's disks, perhaps to one that somebody else uses by now.",
    look: |scene, findings| look(scene, findings, DriftKind::InConfigNotAttached),
};

/// Where attached and configured disks of the domains that are there now differ.
///
/// A domain of which no configuration is known has nothing to differ from, nor has one whose disks are not known or are being taken away.
/// A removable drive that is empty, on either side, never drifts. Of several configurations the one in force at the next start counts
/// for what is not attached; a disk that another one names (a copy, a rescue system) is not missed.
pub fn drift(inventory: &Inventory) -> Vec<Drift> {
    let mut drift = Vec::new();
    let comparable = |domain: &&Domain| domain.power.is_present() && domain.power != Power::Dying && !domain.attached_unknown;
    for domain in inventory.domains.iter().filter(comparable) {
        let known =
            configs_of(inventory, domain).next().is_some() || domain.likely_config.is_some() || domain.disks.iter().any(|d| d.in_config);
        if !known {
            continue;
        }
        for disk in &domain.disks {
            let kind = match (disk.attached, disk.in_config) {
                (true, false) => DriftKind::AttachedNotInConfig,
                (false, true) => DriftKind::InConfigNotAttached,
                _ => continue,
            };
            let Some(vdev) = disk.vdev.clone() else { continue };
            if empty_drive(disk) || has_counterpart(inventory, domain, disk) || only_in_another(inventory, domain, disk, kind) {
                continue;
            }
            drift.push(Drift { domain: domain.name.clone(), vdev, path: disk.path.clone(), kind });
        }
    }
    drift
}

/// A disk that is not attached, and that the leading configuration does not name either.
fn only_in_another(inventory: &Inventory, domain: &Domain, disk: &Disk, kind: DriftKind) -> bool {
    kind == DriftKind::InConfigNotAttached && leading(inventory, domain).is_some_and(|config| !names(inventory, config, disk))
}

/// The configuration that starts the domain at boot, else the first.
fn leading<'a>(inventory: &'a Inventory, domain: &'a Domain) -> Option<&'a Config> {
    configs_of(inventory, domain).find(|config| config.autostart).or_else(|| configs_of(inventory, domain).next())
}

fn names(inventory: &Inventory, config: &Config, disk: &Disk) -> bool {
    config
        .disks
        .iter()
        .any(|other| other.vdev == disk.vdev && (other.path == disk.path || key_of(inventory, other) == key_of(inventory, disk)))
}

fn empty_drive(disk: &Disk) -> bool {
    disk.kind == DiskKind::Empty
}

/// The other side has the same device: the same bytes by another name, or the drive whose medium was taken out.
fn has_counterpart(inventory: &Inventory, domain: &Domain, disk: &Disk) -> bool {
    domain.disks.iter().filter(|other| other.vdev == disk.vdev && other.attached != disk.attached).any(|other| {
        let removable = disk.removable || other.removable;
        let same = key_of(inventory, other).is_some() && key_of(inventory, other) == key_of(inventory, disk);
        same || (removable && empty_drive(other))
    })
}

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>, kind: DriftKind) {
    for drift in scene.drift.iter().filter(|drift| drift.kind == kind) {
        let Some(domain) = scene.inventory.domain(&drift.domain) else { continue };
        let path = drift.path.as_ref().map_or_else(|| "a disk".to_owned(), ToString::to_string);
        let config = leading(scene.inventory, domain).map(|config| config.path.to_string());
        let config =
            config.or_else(|| domain.likely_config.as_ref().map(ToString::to_string)).unwrap_or_else(|| "its configuration".to_owned());
        let (rule, title, attached, configured) = match kind {
            DriftKind::AttachedNotInConfig => (
                &ATTACHED_NOT_IN_CONFIG,
                format!("{} has {path} as {} now, and loses it at its next start.", drift.domain, drift.vdev),
                "attached",
                "not named",
            ),
            DriftKind::InConfigNotAttached => (
                &IN_CONFIG_NOT_ATTACHED,
                format!("{} runs without {path} ({}), which its configuration names.", drift.domain, drift.vdev),
                "not attached",
                "named",
            ),
        };
        let subject = Subject::Disk { domain: drift.domain.clone(), vdev: drift.vdev.clone() };
        let mut finding = rule.finding(Severity::Warning, subject, title);
        finding.domains = vec![domain.id.clone()];
        finding.evidence = vec![
            Evidence::new(format!("{path} is {attached} as {}", drift.vdev), attached_source(domain)),
            Evidence::new(format!("{path} is {configured} there"), config.clone()),
        ];
        let (name, vdev) = (shell_word(&drift.domain), shell_word(&drift.vdev));
        finding.advice = match kind {
            _ if domain.by_libvirt_only() => by_virsh(domain, drift),
            DriftKind::AttachedNotInConfig => vec![
                format!("To keep it, `domkeep attach {name} --vdev {vdev} --where config` adds it to `disk` in {config}."),
                format!("To give it up, unmount it in the guest, then `domkeep detach {name} {vdev} --where live`"),
            ],
            DriftKind::InConfigNotAttached => vec![
                format!("To have it now, `domkeep attach {name} --vdev {vdev} --where live`, with the words of {config}."),
                format!("To give it up, `domkeep detach {name} {vdev} --where config` takes it out of {config}."),
            ],
        };
        finding.mend = mend(scene.inventory, domain, drift);
        findings.push(finding);
    }
}

/// The same for a domain that only libvirt may change.
fn by_virsh(domain: &Domain, drift: &Drift) -> Vec<String> {
    let (virsh, name, vdev) = (domain.virsh(), shell_word(&domain.name), shell_word(&drift.vdev));
    let path = drift.path.as_ref().map_or_else(|| "PATH".to_owned(), typed);
    let of_drift = domain.disks.iter().find(|disk| disk.vdev.as_ref() == Some(&drift.vdev) && disk.path == drift.path);
    let format = of_drift.and_then(|disk| disk.format.as_deref()).filter(|format| *format != "empty").map(shell_word);
    let subdriver = format.map_or_else(String::new, |format| format!(" --subdriver {format}"));
    let attach = |place: &str| format!("`{virsh} attach-disk {name} {path} {vdev} --driver qemu{subdriver} --{place}`");
    match drift.kind {
        DriftKind::AttachedNotInConfig => vec![
            format!("To keep it: {}", attach("config")),
            format!("To give it up, unmount it in the guest, then `{virsh} detach-disk {name} {vdev} --live`"),
        ],
        DriftKind::InConfigNotAttached => {
            vec![format!("To have it now: {}", attach("live")), format!("To give it up: `{virsh} detach-disk {name} {vdev} --config`")]
        }
    }
}

/// What is attached is kept, and what is configured is attached; the other way is the wish to detach it.
fn mend(inventory: &Inventory, domain: &Domain, drift: &Drift) -> Option<Request> {
    if !domain.toolstacks.contains(&Toolstack::Xl) {
        return None;
    }
    let config = leading(inventory, domain).filter(|config| config.source == ConfigSource::File).map(|config| config.path.clone())?;
    let (domain, vdev, config) = (domain.id.clone(), drift.vdev.clone(), Some(config));
    Some(match drift.kind {
        DriftKind::AttachedNotInConfig => Request::PersistDisk { domain, vdev, config },
        // The mode is the configuration's own.
        DriftKind::InConfigNotAttached => {
            Request::AttachDisk(AttachDisk { domain, source: DiskSource::Configured, vdev, writes: true, place: Where::Live, config })
        }
    })
}
