//! A save image whose disks were changed since.

use super::scene::typed;
use super::{Explanation, Rule, Scene, stale};
use crate::model::cmd::shell_word;
use crate::model::{Domain, Evidence, Finding, Save, Severity, Stale, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "save-stale",
        title: "A disk was changed after the save image was made, or may have been.",
        what: "A save image holds a guest's memory, and with it the guest's own idea of what stands on its disks: caches, open files, the journal. \
               The disks themselves are not in it. If anything changed a disk after the image was made, the resumed guest writes its old idea \
               over the new content, and destroys the file system. Nothing in Xen looks for this: `xl restore` of an old image succeeds without a word.",
        how_it_comes: "The domain was saved, then started from its configuration, used and shut down, and the old image is still there. Or \
                       it was restored from the image, and the image was kept (`xl restore` deletes nothing). Or somebody mounted the disk in \
                       dom0, or rolled it back to a snapshot.",
        looked_at: "Whether the saved domain, or one with its disks, is there now and since when; the modification times of image files and \
                    of their backing files; the times in ext2, ext3 and ext4 superblocks; mounts in dom0; when a volume was made; later images \
                    of the same domain. Each against the time at which the image was written. There are three answers: `yes` when one of these proves a change; \
                    `no` only when the saved guest has nothing to write to; else `unknown`, with what was seen for and against.",
        mend: &[
            "If the domain runs well, the image is worth nothing any more. Move it away, so that nobody resumes it:",
            "  mv /var/lib/xen/save/NAME /root/NAME.stale",
            "If the saved memory matters more than what was written since, bring the disks back as they were when the image was made (from a backup or snapshot of that moment), and only then:",
            "  xl restore FILE",
            "A managed save of libvirt's is resumed by the next `virsh start`; to have it removed:",
            "  virsh managedsave-remove NAME",
        ],
        proves_not: "`unknown` does not mean safe. A superblock does not move while a file system stays mounted, a read-only mount may replay a \
                     journal and leave no time behind, a volume has no modification time, and clocks can be wrong. Other hosts on the same storage are not seen.",
    },
    why: "Resuming a guest whose disk was changed meanwhile destroys the file system: the guest does not know of the change and writes its old \
          caches over it. Xen does not check this.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for save in &scene.inventory.saves {
        let Some(verdict) = scene.stale.get(&save.path) else { continue };
        let whose = save.domain.as_deref().unwrap_or("an unknown domain");
        let (severity, title) = match verdict.stale {
            Stale::No => continue,
            Stale::Yes => (Severity::Danger, format!("The disks of {whose} were changed after {} was made: never resume it.", save.path)),
            Stale::Unknown if stale::leans(verdict) => {
                (Severity::Warning, format!("The disks of {whose} may have been changed after {} was made.", save.path))
            }
            Stale::Unknown => (Severity::Note, format!("Whether the disks of {whose} are still as {} needs them is not known.", save.path)),
        };
        let mut finding = RULE.finding(severity, Subject::Save { path: save.path.clone() }, title);
        finding.domains = owners(scene, save).map(|domain| domain.id.clone()).collect();
        finding.evidence.clone_from(&verdict.evidence);
        if let Some(created) = save.created {
            finding.evidence.push(Evidence::new(
                format!("the image was written until {}", created.format("%Y-%m-%d %H:%M:%S UTC")),
                format!("stat {}", save.path),
            ));
        }
        finding.advice = match verdict.stale {
            Stale::Yes => {
                let resume = resume(scene, save);
                let away = match managed(scene, save) {
                    Some(domain) => format!(
                        "Have it removed, for the next start resumes it: `{} managedsave-remove {}`; or bring the disks back as they were when it was made.",
                        domain.virsh(),
                        shell_word(&domain.name)
                    ),
                    None if save.format.is_libvirt() => {
                        "Move the image away, or bring the disks back as they were when it was made.".to_owned()
                    }
                    None => "Move the image out of /var/lib/xen/save and away, or bring the disks back as they were when it was made."
                        .to_owned(),
                };
                vec![format!("Do not run `{resume}`."), away]
            }
            _ if save.format.is_libvirt() => {
                let resume = resume(scene, save);
                vec![format!("Before `{resume}`: has anybody started the domain or mounted its disks since? If so, do not resume.")]
            }
            _ => vec!["Before `xl restore`: has anybody started the domain or mounted its disks since? If so, do not resume.".to_owned()],
        };
        findings.push(finding);
    }
}

/// The domain whose next start resumes this image by itself.
pub(super) fn managed<'a>(scene: &Scene<'a>, save: &'a Save) -> Option<&'a Domain> {
    owners(scene, save)
        .find(|domain| domain.libvirt.as_ref().is_some_and(|libvirt| libvirt.paths.managed_save.as_ref() == Some(&save.path)))
}

/// What would resume it.
fn resume(scene: &Scene<'_>, save: &Save) -> String {
    match managed(scene, save) {
        Some(domain) => format!("{} start {}", domain.virsh(), shell_word(&domain.name)),
        None if save.format.is_libvirt() => {
            let virsh = owners(scene, save).next().map_or_else(|| "virsh".to_owned(), Domain::virsh);
            format!("{virsh} restore {}", typed(&save.path))
        }
        None => format!("xl restore {}", typed(&save.path)),
    }
}

/// The domains that a save image belongs to.
pub(super) fn owners<'a>(scene: &Scene<'a>, save: &'a Save) -> impl Iterator<Item = &'a Domain> {
    scene.inventory.domains.iter().filter(move |domain| domain.saves.contains(&save.path))
}
