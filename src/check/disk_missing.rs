//! A disk's file, volume or device is not there.

use super::{Explanation, Rule, Scene};
use crate::model::{DiskKind, Evidence, Finding, Severity, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "disk-missing",
        title: "A domain's disk is not there.",
        what: "The configuration (or the running domain) names a file, volume or device that does not exist on this host, \
               or what has that name is no disk: a directory, a FIFO, an empty file.",
        how_it_comes: "The disk was renamed, moved or removed; the volume group is not active; the file system that holds it is not \
                       mounted; or the name has a typing error. A file that was deleted while its domain runs lives on until the domain \
                       stops, and is gone then.",
        looked_at: "The path itself, with symbolic links resolved, and the list of logical volumes.",
        mend: &[
            "Find out whether it was moved or only not activated or mounted:",
            "  vgchange -ay VG",
            "  findmnt --target /path/of/the/disk",
            "Then correct the path in the configuration, or bring the disk back from a backup.",
        ],
        proves_not: "That the data is lost: a disk on a volume group that is not active looks the same.",
    },
    why: "The domain cannot be started without it: the toolstack stops with an error, at the next boot of the host too.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for domain in &scene.inventory.domains {
        for disk in &domain.disks {
            let no_disk = scene.backing(disk).and_then(|backing| backing.no_disk.as_deref());
            let exists = disk.exists.or_else(|| scene.backing(disk).and_then(|backing| backing.exists));
            if (exists != Some(false) && no_disk.is_none()) || disk.kind == DiskKind::Empty || disk.kind.managed_elsewhere() {
                continue;
            }
            let Some(path) = &disk.path else { continue };
            let vdev = disk.vdev.clone().unwrap_or_default();
            let running = disk.attached && domain.power.is_present();
            let severity = if running { Severity::Danger } else { Severity::Warning };
            let title = if let Some(what) = no_disk {
                format!("{path}, disk {vdev} of {}, is {what}: no disk.", domain.name)
            } else if running {
                format!("{} runs on {vdev}, but {path} is not there any more.", domain.name)
            } else {
                format!("{path}, disk {vdev} of {}, is not there.", domain.name)
            };
            let mut finding = RULE.finding(severity, Subject::Disk { domain: domain.name.clone(), vdev }, title);
            finding.domains = vec![domain.id.clone()];
            let found = no_disk.map_or_else(|| "no such file or device".to_owned(), |what| format!("it is {what}"));
            finding.evidence.push(Evidence::new(found, format!("stat {path}")));
            if let Some(written) = disk.written_as.as_ref().filter(|_| disk.libvirt.is_none()) {
                finding.evidence.push(Evidence::new(
                    format!("written as `{written}`: xl takes a relative name as it stands, it does not put /dev/ before it"),
                    domain.configs.first().map_or_else(|| "its configuration".to_owned(), ToString::to_string),
                ));
            }
            finding.advice = if no_disk.is_some() {
                vec!["Correct the path in the configuration, or bring the disk back from a backup.".to_owned()]
            } else if running {
                vec![
                    "Copy the disk from inside the guest before the domain stops: its bytes are gone afterwards.".to_owned(),
                    "Do not shut the domain down until a copy exists.".to_owned(),
                ]
            } else {
                vec!["Is the volume group active, the file system mounted? `lvs -a`, `findmnt`".to_owned()]
            };
            findings.push(finding);
        }
    }
}
