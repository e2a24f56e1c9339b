//! A domain's disk is mounted in dom0.

use super::scene::typed;
use super::{Explanation, Rule, Scene};
use crate::model::{Evidence, Finding, Severity, Subject};

pub(super) static MOUNTED: Rule = Rule {
    explanation: Explanation {
        code: "disk-mounted-in-dom0",
        title: "A domain's disk is mounted in dom0.",
        what: "A file system on a domain's disk is mounted in dom0, itself or one of its partitions, directly or through a loop device. \
               Mounted read-write while the domain runs, two kernels write to one file system and destroy it. Even a read-only mount of \
               ext3, ext4 or XFS replays the journal, which changes the disk, unless it was mounted with `noload` or `norecovery`.",
        how_it_comes: "Somebody looked into the disk of a domain that was off, and did not unmount it; or mounted the disk of a running \
                       domain `just to look`. The kernel does not refuse that: Xen's block driver does not hold the device exclusively.",
        looked_at: "/proc/self/mountinfo of dom0, with partitions, device-mapper and loop devices followed to the disk they belong to.",
        mend: &[
            "Unmount it before the domain starts:",
            "  umount /where/it/is",
            "If it was mounted read-write while the domain ran, stop the domain and check the file system.",
        ],
        proves_not: "That nobody else has it mounted: mounts inside containers (other mount namespaces) are not seen.",
    },
    why: "dom0 and the guest each keep their own idea of the file system. Both writing destroys it; even a read-only mount may replay the \
          journal and change the disk under a running or saved guest.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (key, backing) in &scene.inventory.backings {
        if backing.mounts.is_empty() {
            continue;
        }
        let Some(users) = scene.uses.get(key) else { continue };
        let read_write = backing.mounts.iter().any(|mount| mount.read_write);
        let running = users.iter().any(|user| user.disk.attached && user.domain.power.is_present());
        let guest_writes = users.iter().any(|user| user.mode.writes());
        let severity = match (read_write, guest_writes) {
            (true, _) => Severity::Danger,
            (false, true) => Severity::Warning,
            // An ISO image that is mounted here and read there hurts nobody.
            (false, false) => continue,
        };
        let how = if read_write { "read-write" } else { "read-only" };
        let names = users.iter().map(|user| user.domain.name.as_str()).collect::<Vec<_>>().join(", ");
        let title = format!("{}, a disk of {names}, is mounted {how} in dom0.", backing.path);
        let mut finding = MOUNTED.finding(severity, Subject::Backing { path: backing.path.clone() }, title);
        finding.domains = users.iter().map(|user| user.domain.id.clone()).collect();
        for mount in &backing.mounts {
            let how = if mount.read_write { "read-write" } else { "read-only" };
            finding
                .evidence
                .push(Evidence::new(format!("{} is mounted at {} ({}, {how})", mount.source, mount.at, mount.fs), "/proc/self/mountinfo"));
        }
        finding.evidence.extend(users.iter().map(|user| Evidence::new(format!("disk of {}", user.label()), user.source())));
        let unmount = backing.mounts.iter().map(|mount| format!("`umount {}`", typed(&mount.at))).collect::<Vec<_>>().join(", ");
        finding.advice = if running && read_write {
            vec![
                format!("Unmount it now: {unmount}"),
                "Then stop the domain and check its file system: both have written to it.".to_owned(),
            ]
        } else {
            vec![format!("Unmount it before the domain starts: {unmount}")]
        };
        findings.push(finding);
    }
}
