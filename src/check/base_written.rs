//! A disk that images stand on is written to, or would be.

use super::scene::Use;
use super::{Explanation, Rule, Scene};
use crate::model::{Evidence, Finding, Severity, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "base-written-under-overlays",
        title: "Something may write to a disk that other images stand on.",
        what: "A qcow2 overlay holds only what differs from its base image; everything else is read from the base. Here a domain has the base itself as a \
               disk that it may write to, or it is mounted read-write on this host. The first write makes every overlay on it a mixture of two disks: \
               their file systems are destroyed, and nothing can bring them back.",
        how_it_comes: "Clones were made of a domain as overlays, and the original domain was kept, or started again; or somebody mounted the master \
                       to bring it up to date.",
        looked_at: "The backing files that the headers of image files name; the disks of all domains; the mounts of this host.",
        mend: &[
            "Never start that domain again while the overlays are needed. Take the disk out of its configuration, or let it read only:",
            "  access=ro in the disk's line",
            "To change the master, make a new one (`domkeep copy`) and new clones of it.",
        ],
        proves_not: "That the overlays are whole: whether the base was changed since they were made cannot be seen.",
    },
    why: "One write to the base destroys every image that stands on it, without a word, and it is seen only later.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (key, base) in &scene.inventory.backings {
        let above: Vec<String> = scene
            .inventory
            .backings
            .values()
            .filter(|image| image.backing_file.as_ref().is_some_and(|(_, below)| below == key))
            .map(|image| image.path.to_string())
            .collect();
        if above.is_empty() {
            continue;
        }
        let users: &[Use<'_>] = scene.uses.get(key).map(Vec::as_slice).unwrap_or_default();
        let writers: Vec<&Use<'_>> = users.iter().filter(|user| user.mode.writes()).collect();
        let mounts: Vec<String> = base.mounts.iter().filter(|mount| mount.read_write).map(|mount| mount.at.to_string()).collect();
        let now = !mounts.is_empty() || writers.iter().any(|user| user.writes_now());
        let title = match (writers.first(), mounts.first()) {
            (Some(writer), _) if now => format!("{} writes to {}, which other images stand on.", writer.domain.name, base.path),
            (_, Some(at)) => format!("{} is mounted read-write at {at}, and other images stand on it.", base.path),
            (Some(writer), None) => {
                format!("{} would write to {}, which other images stand on, when it is started.", writer.domain.name, base.path)
            }
            (None, None) => continue,
        };
        let severity = if now { Severity::Danger } else { Severity::Warning };
        let mut finding = RULE.finding(severity, Subject::Backing { path: base.path.clone() }, title);
        finding.domains = writers.iter().map(|user| user.domain.id.clone()).collect();
        finding.evidence = writers.iter().map(|user| Evidence::new(format!("disk of {}", user.label()), user.source())).collect();
        finding.evidence.extend(mounts.iter().map(|at| Evidence::new(format!("mounted read-write at {at}"), "/proc/self/mountinfo")));
        finding.evidence.extend(above.iter().map(|image| Evidence::new(format!("{image} stands on it"), format!("header of {image}"))));
        finding.advice = vec![if now {
            "Stop the writer at once, and bring the images that stand on it back from backups: they are most likely damaged.".to_owned()
        } else {
            "Do not start it. Start its clones instead, or give it a copy of its own.".to_owned()
        }];
        findings.push(finding);
    }
}
