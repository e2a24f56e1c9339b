//! A guest that stands still because a disk of it could not be written.

use super::known;
use crate::check::scene::power_source;
use crate::check::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Evidence, Finding, Severity, Subject};

pub(in crate::check) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "paused-io-error",
        title: "A guest was stopped because one of its disks could not be read or written.",
        what: "QEMU stops a guest when its storage answers with an error (error_policy), so that nothing is lost. The guest stands still until \
               the cause is gone and somebody resumes it.",
        how_it_comes: "Nearly always the file system or thin pool that holds the image is full: sparse images and overlays grow, and several may \
                       promise more room than there is. Else the storage failed, or a network disk went away.",
        looked_at: "virsh domstate --reason.",
        mend: &[
            "Find the cause: the room where the images lie, and the errors of each disk:",
            "  df -h /var/lib/libvirt/images",
            "  virsh domblkerror NAME",
            "Make room, then let it go on:",
            "  virsh resume NAME",
        ],
        proves_not: "That room is what is missing.",
    },
    why: "The guest answers nobody. Nothing is lost yet: it goes on where it stopped once the storage takes its writes; a reset or a power-off \
          loses what it had not written.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (domain, libvirt) in known(scene) {
        let reason = libvirt.reason.as_deref().unwrap_or_default();
        if libvirt.state.as_deref() != Some("paused") || !matches!(reason, "I/O error" | "ioerror") {
            continue;
        }
        let title = format!("{} stands still: a disk of it could not be read or written.", domain.name);
        let mut finding = RULE.finding(Severity::Danger, Subject::Domain { name: domain.name.clone() }, title);
        finding.domains = vec![domain.id.clone()];
        finding.evidence.push(Evidence::new(format!("paused ({reason})"), power_source(domain)));
        for store in &scene.inventory.stores {
            let holds = domain.disks.iter().any(|disk| disk.path.as_ref().is_some_and(|path| path.starts_with(&store.mount)));
            if let Some(free) = store.free.filter(|_| holds) {
                let free = crate::model::bytes::human(free);
                finding.evidence.push(Evidence::new(format!("{free} are free on {}", store.mount), format!("statfs {}", store.mount)));
            }
        }
        let (virsh, name) = (domain.virsh(), shell_word(&domain.name));
        finding.advice = vec![
            format!("See which disk: `{virsh} domblkerror {name}`; then make room, or bring the storage back."),
            format!("Only then: `{virsh} resume {name}`. Do not reset it."),
        ];
        findings.push(finding);
    }
}
