//! A disk that the toolstack refused or lost.

use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{DiskKind, Evidence, Finding, Severity, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "disk-lost-by-tool",
        title: "The toolstack refused a disk or does with it what nobody meant.",
        what: "The disk stands in a list, but it does not work as that list says: the attach failed and left its entry behind, the backend \
               reports an error, or the toolstack ignores the setting (xl silently ignores nfs_server, nfs_root and dhcp, which xm knew).",
        how_it_comes: "An `xl block-attach` that was refused because the disk is in use leaves the disk in the domain's saved list: after a \
                       save and a restore the guest really gets it. A dead device model loses disks. An old xm file was taken over to xl.",
        looked_at: "hotplug-status, hotplug-error and state of the disk in xenstore, and what xl makes of the configuration.",
        mend: &[
            "For a disk that an attach left behind:",
            "  xl block-detach DOMAIN VDEV",
            "For a root on NFS, put the whole line into `extra`:",
            "  extra = \"root=/dev/nfs nfsroot=SERVER:/path ip=dhcp\"",
        ],
        proves_not: "That the guest misses the disk now: it may never have asked for it.",
    },
    why: "The lists say that the domain has this disk, and it has not (or will get it by surprise at the next restore).",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for domain in &scene.inventory.domains {
        for disk in &domain.disks {
            let Some(trouble) = &disk.trouble else { continue };
            let vdev = disk.vdev.clone().unwrap_or_default();
            let what = disk.path.as_ref().map(ToString::to_string).or_else(|| disk.vdev.clone()).unwrap_or_else(|| "a disk".to_owned());
            let subject = if vdev.is_empty() {
                Subject::Domain { name: domain.name.clone() }
            } else {
                Subject::Disk { domain: domain.name.clone(), vdev: vdev.clone() }
            };
            let mut finding = RULE.finding(Severity::Warning, subject, format!("{} does not really have {what}.", domain.name));
            finding.domains = vec![domain.id.clone()];
            let source = if disk.attached || domain.power.is_present() {
                "xenstore-ls, xl list -l".to_owned()
            } else {
                domain.configs.first().map_or_else(|| "its configuration".to_owned(), ToString::to_string)
            };
            finding.evidence.push(Evidence::new(trouble.clone(), source));
            finding.advice = if disk.kind == DiskKind::NfsRoot {
                vec!["Write root, server and path into `extra`: `extra = \"root=/dev/nfs nfsroot=SERVER:/path ip=dhcp\"`".to_owned()]
            } else {
                vec![format!("Take the entry away: `xl block-detach {} {}`", shell_word(&domain.name), shell_word(&vdev))]
            };
            findings.push(finding);
        }
    }
}
