//! A guest that writes to the overlay of a snapshot that somebody forgot.

use std::path::Path;

use super::known;
use crate::check::scene::typed;
use crate::check::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Backing, Disk, Domain, Evidence, Finding, HostPath, Libvirt, LibvirtSnapshot, Power, Severity, Subject};

pub(in crate::check) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "snapshot-overlay-left",
        title: "A guest runs on the overlay of an external snapshot.",
        what: "An external snapshot freezes the disk's image and lets the guest write to a new file, the overlay, that stands on it. The live and the \
               stored definition name the overlay from then on, over reboots of the host too. The old image is no disk any more: it is the guest's \
               disk as it was, and one write to it destroys the overlay.",
        how_it_comes: "A backup that takes a snapshot for a while was interrupted before it committed the overlay; or somebody made a snapshot with \
                       `--disk-only` and forgot it.",
        looked_at: "libvirt's snapshots with the overlays that they name, against the disks of the domain. Where libvirt keeps no record of the \
                    snapshot (`--no-metadata`), an image that is named after the one below it, and is the only one on it.",
        mend: &[
            "To bring what was written since into the old image, name that image as the base: without it everything goes into the lowest one, \
             which may be a template of others.",
            "  virsh blockcommit NAME VDEV --active --base OLD_IMAGE --pivot --verbose",
            "Then look that the guest is on the old image again, and only then remove the overlay and the record of the snapshot:",
            "  virsh domblklist NAME",
            "  virsh snapshot-delete NAME SNAPSHOT --metadata",
        ],
        proves_not: "That the snapshot is not wanted: somebody may mean to go back to it.",
    },
    why: "The overlay grows with everything that the guest writes. Whoever copies the old image saves an old state; whoever removes the overlay as a \
          leftover removes the guest's newest data.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (domain, libvirt) in known(scene) {
        for disk in domain.disks.iter().filter(|disk| disk.attached || (disk.in_config && !domain.power.is_present())) {
            let (Some(path), Some(vdev)) = (&disk.path, &disk.vdev) else { continue };
            let below = scene.backing(disk).and_then(|backing| below(scene, backing));
            let recorded = snapshot_of(libvirt, vdev, path);
            // A transient disk's overlay is thrown away by libvirt itself.
            let transient = disk.libvirt.as_ref().is_some_and(|xml| xml.transient);
            let alike = below.filter(|base| !transient && named_after(path, &base.path) && only_one_on(scene, base));
            if recorded.is_some() || alike.is_some() {
                findings.push(finding(domain, disk, vdev, path, below, recorded));
            }
        }
    }
}

fn finding(
    domain: &Domain,
    disk: &Disk,
    vdev: &str,
    path: &HostPath,
    below: Option<&Backing>,
    recorded: Option<&LibvirtSnapshot>,
) -> Finding {
    let does = if disk.attached { "writes to" } else { "would write to" };
    let (severity, title) = match recorded {
        Some(snapshot) => {
            let name = crate::model::shown::text(&snapshot.name);
            (Severity::Warning, format!("{} {does} {path}, the overlay of its snapshot {name}.", domain.name))
        }
        None => (Severity::Note, format!("{} {does} {path}, which looks like the overlay of a forgotten snapshot.", domain.name)),
    };
    let mut finding = RULE.finding(severity, Subject::Disk { domain: domain.name.clone(), vdev: vdev.to_owned() }, title);
    finding.domains = vec![domain.id.clone()];
    let virsh = domain.virsh();
    if let Some(snapshot) = recorded {
        let made = snapshot.created.map_or_else(String::new, |at| format!(", made at {}", at.format("%Y-%m-%d %H:%M UTC")));
        let name = crate::model::shown::text(&snapshot.name);
        finding.evidence.push(Evidence::new(format!("snapshot {name}{made}, names it for {vdev}"), format!("{virsh} snapshot-dumpxml")));
    }
    if let Some(base) = below {
        finding.evidence.push(Evidence::new(format!("it stands on {}", base.path), format!("header of {path}")));
    }
    let (name, target) = (shell_word(&domain.name), shell_word(vdev));
    let base = below.map_or_else(|| "OLD_IMAGE".to_owned(), |base| typed(&base.path));
    let first = match domain.power {
        Power::Off | Power::Saved => "start the domain, then ",
        Power::Unknown => "once it is known that the domain runs, ",
        _ => "",
    };
    finding.advice = vec![format!(
        "To bring it into the old image again: {first}`{virsh} blockcommit {name} {target} --active --base {base} --pivot --verbose`"
    )];
    finding.advice.push(format!("Then `{virsh} domblklist {name}` must name {base}; only then remove {path}."));
    if let Some(snapshot) = recorded {
        finding.advice.push(format!("At last: `{virsh} snapshot-delete {name} {} --metadata`", shell_word(&snapshot.name)));
    }
    finding
}

/// The snapshot that made this overlay, as libvirt has it on record.
fn snapshot_of<'a>(libvirt: &'a Libvirt, vdev: &str, path: &HostPath) -> Option<&'a LibvirtSnapshot> {
    let made = |snapshot: &&LibvirtSnapshot| {
        snapshot.disks.iter().any(|disk| {
            disk.target.as_deref() == Some(vdev) && disk.kind.as_deref() == Some("external") && disk.file.as_ref() == Some(path)
        })
    };
    libvirt.snapshots.iter().flatten().find(made)
}

fn below<'a>(scene: &Scene<'a>, backing: &Backing) -> Option<&'a Backing> {
    let (_, key) = backing.backing_file.as_ref()?;
    scene.inventory.backings.get(key)
}

/// `web.qcow2` became `web.SNAPSHOT`: so libvirt names an overlay when nobody says otherwise; or `web.qcow2.SNAPSHOT`.
fn named_after(overlay: &HostPath, base: &HostPath) -> bool {
    let name = |path: &HostPath| path.as_path().file_name().map(|name| name.to_string_lossy().into_owned());
    let same_place = overlay.as_path().parent() == base.as_path().parent();
    let (Some(overlay), Some(base)) = (name(overlay), name(base)) else { return false };
    let stem = Path::new(&base).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    same_place && !stem.is_empty() && overlay != base && overlay.strip_prefix(&stem).is_some_and(|rest| rest.starts_with('.'))
}

/// A template has several images on it.
fn only_one_on(scene: &Scene<'_>, base: &Backing) -> bool {
    let above = scene.inventory.backings.values().filter(|image| image.backing_file.as_ref().is_some_and(|(_, below)| *below == base.key));
    above.count() == 1
}
