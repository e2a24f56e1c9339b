//! Jobs of QEMU that somebody has to end.

use super::known;
use crate::check::scene::attached_source;
use crate::check::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Domain, Evidence, Finding, LibvirtMirror, Severity, Subject};

pub(in crate::check) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "block-job-open",
        title: "A block job or a backup of libvirt's is at work, or waits for somebody to end it.",
        what: "Copying a disk to another place, or an overlay back into its base, is a job inside the running QEMU. When both sides are equal \
               the job is `ready`: it goes on writing everything twice, until somebody pivots to the new place or ends it. A pull backup stays open in \
               the same way until it is ended.",
        how_it_comes: "The tool that began it died or was stopped before the last step; or it is at work just now.",
        looked_at: "<mirror> in the live XML of each domain, and virsh domjobinfo.",
        mend: &[
            "See what it does:",
            "  virsh blockjob NAME VDEV --info",
            "A commit or copy that is ready, to go over to the new place:",
            "  virsh blockjob NAME VDEV --pivot",
            "To give it up (after a commit the guest stays on its overlay):",
            "  virsh blockjob NAME VDEV --abort",
            "A backup job is ended, and its unfinished target given up, by:",
            "  virsh domjobabort NAME",
        ],
        proves_not: "That nobody is working on it at this moment.",
    },
    why: "If the guest stops before the job is ended, the copy is worth nothing, and after a commit the guest still stands on its overlay. While a job \
          is open, saves, snapshots and backups of the domain wait and fail.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (domain, libvirt) in known(scene) {
        for disk in &domain.disks {
            let (Some(mirror), Some(vdev)) = (disk.libvirt.as_ref().and_then(|xml| xml.mirror.as_ref()), &disk.vdev) else { continue };
            findings.push(of_disk(domain, vdev, mirror));
        }
        if let Some(job) = &libvirt.job {
            let title = format!("A job is at work on {}: {}.", domain.name, crate::model::shown::text(job));
            let mut finding = RULE.finding(Severity::Note, Subject::Domain { name: domain.name.clone() }, title);
            finding.domains = vec![domain.id.clone()];
            finding.evidence.push(Evidence::new(job.clone(), format!("{} domjobinfo", domain.virsh())));
            finding.advice =
                vec![format!("If nobody waits for it any more: `{} domjobabort {}`", domain.virsh(), shell_word(&domain.name))];
            findings.push(finding);
        }
    }
}

fn of_disk(domain: &Domain, vdev: &str, mirror: &LibvirtMirror) -> Finding {
    let job = mirror.job.as_deref().unwrap_or("block");
    let commit = job == "active-commit";
    let what = if commit { "commit of its overlay" } else { "copy" };
    let (severity, title) = if mirror.ready {
        (Severity::Warning, format!("{vdev} of {}: a {what} is ready, and waits for somebody to end it.", domain.name))
    } else {
        (Severity::Note, format!("{vdev} of {}: a {what} is at work.", domain.name))
    };
    let mut finding = RULE.finding(severity, Subject::Disk { domain: domain.name.clone(), vdev: vdev.to_owned() }, title);
    finding.domains = vec![domain.id.clone()];
    let to = mirror.source.as_deref().map_or_else(String::new, |source| format!(" to {}", crate::model::shown::text(source)));
    let ready = if mirror.ready { "ready" } else { "not ready" };
    finding.evidence.push(Evidence::new(format!("<mirror>: {job}{to}, {ready}"), attached_source(domain)));
    let (virsh, name, vdev) = (domain.virsh(), shell_word(&domain.name), shell_word(vdev));
    finding.advice = vec![format!("See what it does: `{virsh} blockjob {name} {vdev} --info`")];
    if mirror.ready {
        finding.advice.push(format!("If nobody works on it: `{virsh} blockjob {name} {vdev} --pivot` goes over to{to}."));
    }
    if commit {
        finding.advice.push("`--abort` would leave the guest on its overlay.".to_owned());
    }
    finding
}
