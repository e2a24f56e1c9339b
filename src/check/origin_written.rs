//! A volume is written to while other domains live on snapshots of it.

use std::collections::BTreeMap;

use super::scene::{Use, volume_of};
use super::{Explanation, Rule, Scene};
use crate::model::{Evidence, Finding, LogicalVolume, Severity, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "origin-written-under-clones",
        title: "A volume is written to while other domains live on classic snapshots of it.",
        what: "Domains have classic snapshots of this volume as their disks (copy-on-write clones), and another domain writes to the volume itself. \
               The clones do not see those writes, but each of them must keep the old block in its own store: one write fills all stores.",
        how_it_comes: "The master image that clones were made of is still in use as an ordinary disk.",
        looked_at: "lvs: the origins of snapshots; the disks of all domains.",
        mend: &[
            "Keep the master as it is, and let nobody write to it:",
            "  lvchange -p r VG/ORIGIN",
            "or make the clones independent: thin volumes, or full copies.",
        ],
        proves_not: "That a store will overflow.",
    },
    why: "Every write to the master costs room in the store of every clone; a full store destroys its clone.",
    look,
};

/// A volume and who uses it.
type Used<'a> = (&'a LogicalVolume, &'a [Use<'a>]);

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    // Each volume in use is found once: hosts with hundreds of them are common.
    let used: Vec<Used<'_>> = scene
        .uses
        .iter()
        .filter_map(|(key, users)| Some((volume_of(scene.inventory, scene.inventory.backings.get(key)?)?, users.as_slice())))
        .collect();
    let mut clones_of: BTreeMap<(&str, &str), Vec<Used<'_>>> = BTreeMap::new();
    for (volume, users) in used.iter().copied().filter(|(volume, _)| volume.is_classic_snapshot()) {
        let Some(origin) = &volume.origin else { continue };
        clones_of.entry((&volume.vg, origin)).or_default().push((volume, users));
    }
    mounted(scene, &clones_of, findings);
    for (origin, users) in used {
        let writers: Vec<_> = users.iter().filter(|user| user.mode.writes()).collect();
        let Some(writer) = writers.first() else { continue };
        let by_others = |(_, users): &&Used<'_>| users.iter().any(|user| writers.iter().all(|writer| writer.domain.id != user.domain.id));
        let clones: Vec<&Used<'_>> =
            clones_of.get(&(origin.vg.as_str(), origin.name.as_str())).into_iter().flatten().filter(by_others).collect();
        if clones.is_empty() {
            continue;
        }
        let name = origin.full_name();
        let title = match clones.len() {
            1 => format!("{} has {name} read-write, and a disk of another domain is a snapshot of it.", writer.domain.name),
            many => format!("{} has {name} read-write, and {many} disks of other domains are snapshots of it.", writer.domain.name),
        };
        let mut finding = RULE.finding(Severity::Note, Subject::Volume { name }, title);
        finding.evidence = writers.iter().map(|user| Evidence::new(format!("disk of {}", user.label()), user.source())).collect();
        finding.domains = writers.iter().map(|user| user.domain.id.clone()).collect();
        for &(clone, users) in clones {
            for user in users {
                finding.evidence.push(Evidence::new(format!("snapshot {}: disk of {}", clone.full_name(), user.label()), "lvs"));
                finding.domains.push(user.domain.id.clone());
            }
        }
        finding.advice = vec!["Keep an eye on the stores, or give the writer a copy of its own.".to_owned()];
        findings.push(finding);
    }
}

/// The original of clones is mounted for writing on this host.
fn mounted(scene: &Scene<'_>, clones_of: &BTreeMap<(&str, &str), Vec<Used<'_>>>, findings: &mut Vec<Finding>) {
    for ((vg, name), clones) in clones_of {
        let mapper = format!("/dev/mapper/{}-{}", vg.replace('-', "--"), name.replace('-', "--"));
        let plain = format!("/dev/{vg}/{name}");
        let is_it = |mount: &&crate::model::MountUse| mount.read_write && (mount.source == mapper || mount.source == plain);
        let Some(mount) = scene.inventory.mounts.iter().find(is_it) else { continue };
        let origin = format!("{vg}/{name}");
        let title = format!("{origin} is mounted read-write at {}, and disks of domains are snapshots of it.", mount.at);
        let mut finding = RULE.finding(Severity::Note, Subject::Volume { name: origin }, title);
        finding.evidence.push(Evidence::new(format!("{} mounted at {}", mount.source, mount.at), "/proc/self/mountinfo"));
        for (clone, users) in clones {
            for user in *users {
                finding.evidence.push(Evidence::new(format!("snapshot {}: disk of {}", clone.full_name(), user.label()), "lvs"));
                finding.domains.push(user.domain.id.clone());
            }
        }
        finding.advice = vec![format!("Unmount it: `umount {}`", crate::model::cmd::shell_bytes(mount.at.as_bytes()))];
        findings.push(finding);
    }
}
