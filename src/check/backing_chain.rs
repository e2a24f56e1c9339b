//! Image files that stand on others, and bytes that are not what the configuration calls them.

use super::scene::typed;
use super::{Explanation, Rule, Scene};
use crate::model::{Backing, Evidence, Finding, Severity, Subject};

pub(super) static MISSING: Rule = Rule {
    explanation: Explanation {
        code: "backing-file-missing",
        title: "An image file stands on another one that is not there.",
        what: "A qcow2 or vhd image holds only what was changed since it was made; everything else it reads from its backing file, whose name \
               stands in its header. That file is not there, or the chain of such files leads in a circle.",
        how_it_comes: "The base image was moved, renamed or cleaned away as `unused`: it belongs to no domain's disk line. A relative name \
                       is looked for beside the image that names it.",
        looked_at: "The headers of the image files, each backing file in turn, and whether it exists.",
        mend: &[
            "Bring the base image back, exactly as it was: not a newer one of that name. If it was only moved:",
            "  qemu-img rebase -u -b /new/path/of/base -F FORMAT /path/of/image",
        ],
        proves_not: "That a base image that does exist is the right one, or unchanged.",
    },
    why: "The domain cannot start: most of its disk's content lies in the missing file.",
    look: look_missing,
};

pub(super) static RAW_OR_QCOW2: Rule = Rule {
    explanation: Explanation {
        code: "raw-looks-like-qcow2",
        title: "A disk is configured with another format than its bytes have.",
        what: "The configuration says `raw`, but the file begins like an image with a format of its own (or says such a format, and the file is \
               not one). A guest that is given a qcow2 file as raw sees the header instead of its disk, and writes over it. The other way round \
               is a classic attack: a guest writes a qcow2 header at the start of its raw disk, names a file of dom0 in it, and is given that \
               file to read when somebody opens the disk by guessing the format.",
        how_it_comes: "The disk was converted and the disk line left, or an old line (`file:`, `phy:`) stands before an image that needs \
                       `format=qcow2`; `tap:qcow2:` was meant.",
        looked_at: "The first bytes of the file, and the format in the configuration or of the attached disk.",
        mend: &[
            "Do not start the domain. Look at the image, with its format named:",
            "  qemu-img info -f qcow2 /path/of/image",
            "Then correct `format=` in the configuration.",
        ],
        proves_not: "Which of the two is right: a raw disk can hold bytes that look like a header.",
    },
    why: "With the wrong format the guest sees garbage and writes over the image's own tables: the disk is lost with the first writes.",
    look: look_format,
};

/// Deeper chains are shown as such; QEMU itself warns long before.
const DEEPEST: usize = 64;

fn look_missing(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (key, users) in &scene.uses {
        let Some(top) = scene.inventory.backings.get(key) else { continue };
        let Some((holder, complaint)) = broken_link(scene, top) else { continue };
        let names = users.iter().map(|user| user.domain.name.as_str()).collect::<Vec<_>>().join(", ");
        let title = format!("{}, a disk of {names}, stands on a file that is not there.", top.path);
        let running = users.iter().any(|user| user.disk.attached && user.domain.power.is_present());
        let severity = if running { Severity::Danger } else { Severity::Warning };
        let mut finding = MISSING.finding(severity, Subject::Backing { path: top.path.clone() }, title);
        finding.domains = users.iter().map(|user| user.domain.id.clone()).collect();
        finding.evidence.push(Evidence::new(complaint, format!("header of {}", holder.path)));
        finding.advice = vec![format!("See the chain: `qemu-img info --backing-chain {}`", typed(&top.path))];
        findings.push(finding);
    }
}

/// The image whose backing file is missing, and what is wrong with it.
fn broken_link<'a>(scene: &Scene<'a>, top: &'a Backing) -> Option<(&'a Backing, String)> {
    let mut image = top;
    let mut met = vec![top.key.as_str()];
    while let Some((written, key)) = &image.backing_file {
        let next = scene.inventory.backings.get(key)?;
        if next.exists == Some(false) {
            return Some((image, format!("it names {written} as its backing file, and that is not there")));
        }
        if met.contains(&next.key.as_str()) {
            return Some((image, format!("it names {written} as its backing file, which stands on this image again: a circle")));
        }
        if met.len() >= DEEPEST {
            return Some((image, format!("the chain of backing files is longer than {DEEPEST}")));
        }
        met.push(&next.key);
        image = next;
    }
    None
}

fn look_format(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for domain in &scene.inventory.domains {
        for disk in &domain.disks {
            let Some(backing) = scene.backing(disk) else { continue };
            let (Some(said), Some(seen)) = (disk.format.as_deref(), backing.format_seen.as_deref()) else { continue };
            let own_format = |format: &str| matches!(format, "qcow2" | "qcow" | "vhd" | "vhdx" | "qed" | "vmdk");
            let (raw_over_format, format_over_raw) = (said == "raw" && own_format(seen), own_format(said) && seen == "raw");
            if !raw_over_format && !format_over_raw {
                continue;
            }
            let vdev = disk.vdev.clone().unwrap_or_default();
            let severity = if raw_over_format { Severity::Danger } else { Severity::Warning };
            let title = format!("{} is configured as {said}, but its bytes look like {seen}.", backing.path);
            let mut finding = RAW_OR_QCOW2.finding(severity, Subject::Disk { domain: domain.name.clone(), vdev }, title);
            finding.domains = vec![domain.id.clone()];
            finding.evidence.push(Evidence::new(format!("its first bytes are those of a {seen} image"), backing.path.to_string()));
            finding.evidence.push(Evidence::new(
                format!("format {said}"),
                domain.configs.first().map_or_else(|| "xl list -l".to_owned(), ToString::to_string),
            ));
            finding.advice = if raw_over_format {
                vec![
                    "Do not start the domain before this is clear.".to_owned(),
                    format!("Look: `qemu-img info -f {seen} {}`; do not let a tool guess the format.", typed(&backing.path)),
                ]
            } else {
                vec![format!(
                    "If the disk is raw, write `format=raw`; if it is not, the file {} is damaged or not the one that was meant.",
                    backing.path
                )]
            };
            findings.push(finding);
        }
    }
}
