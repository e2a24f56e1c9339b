//! A save image carries the configuration as it was: what was edited in the file since is not used when it is resumed.

use std::collections::BTreeMap;

use super::save_stale::owners;
use super::scene::{configs_of, key_of, mode_of};
use super::{Explanation, Rule, Scene};
use crate::model::{Config, Disk, Evidence, Finding, Inventory, Save, Severity, Subject, bytes};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "save-config-differs",
        title: "A save image would be resumed with another configuration than the file says.",
        what: "The image packages the configuration that the domain had when it was saved. Resuming uses that one; the file in /etc/xen is not read. \
               Here the two differ in memory or disks.",
        how_it_comes: "The file was edited after the save; or a disk was attached to, or taken from, the running domain and the file was left as it was.",
        looked_at: "Memory and disks of the packaged configuration and of the domain's config files, each disk followed to what holds its bytes.",
        mend: &[
            "To use the file's configuration: resume, shut the domain down cleanly, and start it.",
            "To resume with another one: xl takes it as its first argument. Only what the guest does not notice may differ.",
            "  xl restore CONFIG FILE",
        ],
        proves_not: "That the other settings agree: the image has them in another form, and only memory and disks are compared.",
    },
    why: "What was changed in the file since does not take effect when the image is resumed, and a disk that only one of the two knows is there or not there accordingly.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for save in scene.inventory.saves.iter().filter(|save| save.complete != Some(false)) {
        let Some(packaged) = scene.inventory.packaged_config(&save.path) else { continue };
        let Some(owner) = owners(scene, save).find(|domain| !domain.power.is_present()) else { continue };
        for config in configs_of(scene.inventory, owner) {
            let differences = differences(scene.inventory, packaged, config);
            if !differences.is_empty() {
                findings.push(finding(save, &owner.id, config, differences));
            }
        }
    }
}

fn finding(save: &Save, owner: &str, config: &Config, differences: Vec<String>) -> Finding {
    let title = format!("Resuming {} does not use {} as it is now.", save.path, config.path);
    let mut finding = RULE.finding(Severity::Note, Subject::Save { path: save.path.clone() }, title);
    finding.domains = vec![owner.to_owned()];
    finding.evidence = differences.into_iter().map(|what| Evidence::new(what, format!("{}, {}", save.path, config.path))).collect();
    if let (Some(saved), Some(edited)) = (save.created, config.modified)
        && edited > saved
    {
        finding.evidence.push(Evidence::new("the file was written after the save", format!("stat {}", config.path)));
    }
    finding.advice = vec!["To use the file: resume, shut down cleanly, start.".to_owned()];
    finding
}

/// In words, one difference each. What one side does not say is no difference.
fn differences(inventory: &Inventory, packaged: &Config, file: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(then), Some(now)) = (packaged.memory_bytes, file.memory_bytes)
        && then != now
    {
        found.push(format!("memory: {} in the image, {} in the file", bytes::human(then), bytes::human(now)));
    }
    let (then, now) = (by_vdev(packaged), by_vdev(file));
    for (vdev, disk) in &then {
        match now.get(vdev) {
            None => found.push(format!("{vdev} is in the image's configuration only")),
            Some(other) => found.extend(unlike(inventory, vdev, disk, other)),
        }
    }
    found.extend(now.keys().filter(|vdev| !then.contains_key(*vdev)).map(|vdev| format!("{vdev} is in the file only")));
    found
}

fn by_vdev(config: &Config) -> BTreeMap<&str, &Disk> {
    config.disks.iter().filter_map(|disk| Some((disk.vdev.as_deref()?, disk))).collect()
}

fn unlike(inventory: &Inventory, vdev: &str, then: &Disk, now: &Disk) -> Option<String> {
    let (old, new) = (key_of(inventory, then), key_of(inventory, now));
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        return Some(format!("{vdev}: {old} in the image, {new} in the file"));
    }
    (mode_of(then).writes() != mode_of(now).writes())
        .then(|| format!("{vdev}: mode {} in the image, {} in the file", mode_of(then).as_str(), mode_of(now).as_str()))
}
