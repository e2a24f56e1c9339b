//! Sparse image files that could outgrow their file system.

use super::scene::typed;
use super::{Explanation, Rule, Scene};
use crate::model::bytes::human;
use crate::model::{Backing, DiskKind, Evidence, Finding, Severity, Store, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "image-overcommit",
        title: "Sparse image files could grow larger than the room that is left.",
        what: "A sparse file takes only the room that was written, and grows as its guest writes. Together the image files on this file system \
               may still grow by more than is free on it.",
        how_it_comes: "Every new sparse disk looks as if it cost nothing; nobody adds up what was promised.",
        looked_at: "Of every image file that a domain may write: its virtual size less what it takes now; and the free room of its file system.",
        mend: &[
            "Watch the room, and make some before it is needed:",
            "  df -h /path/of/images",
            "Move an image to a larger file system, or give a disk all its room now:",
            "  fallocate -l SIZE /path/of/image",
        ],
        proves_not: "That it will happen: guests may never fill their disks.",
    },
    why: "When the file system is full, the guests get write errors in the middle of their work and their file systems turn read-only or break, \
          all of them at the same time.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for store in &scene.inventory.stores {
        let Some(free) = store.free else { continue };
        let growing: Vec<(&Backing, u64)> = scene
            .inventory
            .backings
            .values()
            .filter(|backing| backing.kind == DiskKind::File && holder(scene, backing) == Some(store))
            .filter(|backing| scene.uses.get(&backing.key).is_some_and(|users| users.iter().any(|user| user.mode.writes())))
            .filter_map(|backing| Some((backing, backing.bytes?.saturating_sub(backing.allocated?))))
            .filter(|(_, growth)| *growth > 0)
            .collect();
        let promised = growing.iter().fold(0_u64, |sum, (_, growth)| sum.saturating_add(*growth));
        if promised <= free {
            continue;
        }
        let title = format!("Image files on {} may grow by {}, but only {} are free.", store.mount, human(promised), human(free));
        let mut finding = RULE.finding(Severity::Warning, Subject::Backing { path: store.mount.clone() }, title);
        for (backing, growth) in &growing {
            finding
                .evidence
                .push(Evidence::new(format!("{} may grow by {}", backing.path, human(*growth)), format!("stat {}", backing.path)));
            for user in scene.uses.get(&backing.key).into_iter().flatten() {
                if !finding.domains.contains(&user.domain.id) {
                    finding.domains.push(user.domain.id.clone());
                }
            }
        }
        finding.advice =
            vec![format!("See what takes the room: `df -h {}`", typed(&store.mount)), "Make room, or move an image elsewhere.".to_owned()];
        findings.push(finding);
    }
}

/// The file system that holds a file: the one with the longest mount point above it.
fn holder<'a>(scene: &Scene<'a>, backing: &Backing) -> Option<&'a Store> {
    scene
        .inventory
        .stores
        .iter()
        .filter(|store| backing.path.starts_with(store.mount.as_path()))
        .max_by_key(|store| store.mount.as_bytes().len())
}
