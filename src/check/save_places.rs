//! Save images that are cut short, lie where the next boot resumes them, or may be read by everybody.

use super::save_stale::{managed, owners};
use super::scene::{power_source, typed};
use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Domain, Evidence, Finding, Save, SaveFormat, Severity, Stale, Subject};

pub(super) static TRUNCATED: Rule = Rule {
    explanation: Explanation {
        code: "save-truncated",
        title: "A save image is cut short.",
        what: "The image has a good beginning, with the domain's name and configuration, but its records do not reach the end: memory is missing. \
               It cannot be resumed, and it looks like a good one in every directory listing.",
        how_it_comes: "The disk was full; or `xl save` was stopped. The service that saves all domains when the host goes down kills a save \
                       that takes longer than XENDOMAINS_STOP_MAXWAIT (300 s). xl opens the file before it suspends the guest, so a save that fails has already \
                       destroyed an older image of that name. A save that is still at work looks the same.",
        looked_at: "The headers of all records from the first to the END mark, and whether that is the end of the file. The memory itself is not read.",
        mend: &[
            "See whether a save is still at work, and if so, wait:",
            "  xl list",
            "If not, the image is worth nothing: shut down or start the domain as usual, and remove the file once you are sure.",
            "If the domain stands as `---ss-` and no `xl save` runs:",
            "  xl resume NAME     (Xen 4.20 and newer; else xl destroy NAME, which loses what the guest had not written)",
        ],
        proves_not: "That a complete image is a good one: that the memory in it is sound is not checked.",
    },
    why: "The memory in it is lost: `xl restore` stops with an error in the middle. Whoever counts on this file has no saved state.",
    look: look_truncated,
};

pub(super) static RESUMED_AT_BOOT: Rule = Rule {
    explanation: Explanation {
        code: "save-resumed-at-boot",
        title: "A save image lies where the next boot of the host resumes it.",
        what: "The xendomains service resumes every file in its directory (/var/lib/xen/save, unless XENDOMAINS_SAVE names another) when the host \
               boots, whatever happened to the disks since, and deletes it when that worked.",
        how_it_comes: "The host's own shutdown puts images there, for a good reason. But also people do, because it is the obvious place for them.",
        looked_at: "XENDOMAINS_SAVE in /etc/default/xendomains or /etc/sysconfig/xendomains, that directory, and the answer of the rule save-stale.",
        mend: &["If it was parked there by hand, move it elsewhere:", "  mkdir -p -m 0700 /root/saves && mv DIRECTORY/NAME /root/saves/"],
        proves_not: "That the service is switched on.",
    },
    why: "At the next boot of the host this image is resumed without a question. If the domain ran in between, that destroys its file systems.",
    look: look_resumed,
};

pub(super) static READABLE: Rule = Rule {
    explanation: Explanation {
        code: "save-readable-by-others",
        title: "Everybody on this host may read a guest's memory.",
        what: "A save image is the guest's memory: passwords, keys and every file it had open stand in it in the clear. This one may be read by users other than root.",
        how_it_comes: "`xl save` makes the file with mode 0644, whatever lies in it.",
        looked_at: "The mode bits of the file. Directories above it may still keep others out.",
        mend: &["  chmod 0600 FILE"],
        proves_not: "That anybody has read it.",
    },
    why: "The image holds the guest's memory, and with it its keys and passwords.",
    look: look_readable,
};

fn finding_of(rule: &Rule, scene: &Scene<'_>, save: &Save, severity: Severity, title: String) -> Finding {
    let mut finding = rule.finding(severity, Subject::Save { path: save.path.clone() }, title);
    finding.domains = owners(scene, save).map(|domain| domain.id.clone()).collect();
    finding
}

fn look_truncated(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for save in scene.inventory.saves.iter().filter(|save| save.complete == Some(false)) {
        let present = owners(scene, save).find(|domain| domain.power.is_present());
        let severity = if present.is_some() { Severity::Warning } else { Severity::Danger };
        let title = format!(
            "{} is cut short: the memory of {} cannot be resumed from it.",
            save.path,
            save.domain.as_deref().unwrap_or("its domain")
        );
        let mut finding = finding_of(&TRUNCATED, scene, save, severity, title);
        let cut = save.cut.clone().unwrap_or_else(|| format!("its records do not reach the end; the file has {} bytes", save.bytes));
        finding.evidence.push(Evidence::new(cut, save.path.to_string()));
        if let Some(domain) = present {
            finding.evidence.push(Evidence::new(format!("{} is there, {}", domain.name, domain.power.as_str()), power_source(domain)));
        }
        if save.format.is_libvirt() {
            let managed = managed(scene, save);
            if let Some(domain) = managed.filter(|_| save.format == SaveFormat::LibvirtQemu) {
                let virsh = domain.virsh();
                finding
                    .evidence
                    .push(Evidence::new("it is the managed save: the next start deletes it without a word and boots fresh", virsh));
            }
            let virsh = owners(scene, save).next().map_or_else(|| "virsh".to_owned(), Domain::virsh);
            let name = save.domain.as_deref().map_or_else(|| "NAME".to_owned(), shell_word);
            finding.advice = vec![
                format!("Is a save still at work? Then wait: `{virsh} domjobinfo {name}`"),
                "If not, do not count on this file: the memory in it is lost.".to_owned(),
            ];
            findings.push(finding);
            continue;
        }
        finding.advice = vec![
            "Is a save still at work? Then wait: `xl list`, `ps -C xl,libxl-save-helper`".to_owned(),
            "If not, do not count on this file; an older image of that name is gone as well.".to_owned(),
        ];
        findings.push(finding);
    }
}

fn look_resumed(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for save in scene.inventory.saves.iter().filter(|save| save.resumed_at_boot) {
        let stale = scene.stale.get(&save.path).is_some_and(|verdict| verdict.stale == Stale::Yes);
        // A cut image cannot be resumed, so it cannot ruin a disk either: its own rule speaks.
        if save.complete == Some(false) {
            continue;
        }
        let severity = if stale { Severity::Danger } else { Severity::Warning };
        let whose = save.domain.as_deref().unwrap_or("a domain");
        let after = if stale { ", over disks that were changed since" } else { "" };
        let mut finding = finding_of(
            &RESUMED_AT_BOOT,
            scene,
            save,
            severity,
            format!("The next boot of this host resumes {whose} from {}{after}.", save.path),
        );
        finding.evidence.push(Evidence::new("lies in the directory whose files are resumed at boot", save.path.to_string()));
        if stale {
            finding.evidence.push(Evidence::new("its disks were changed after it was made: see save-stale", save.path.to_string()));
        }
        finding.advice = vec![format!("If it is not meant to be resumed, move it elsewhere: `mv {} /root/`", typed(&save.path))];
        findings.push(finding);
    }
}

fn look_readable(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for save in scene.inventory.saves.iter().filter(|save| save.readable_by_others == Some(true)) {
        let whose = save.domain.as_deref().unwrap_or("a domain");
        let mut finding =
            finding_of(&READABLE, scene, save, Severity::Warning, format!("Other users may read the memory of {whose} in {}.", save.path));
        finding.evidence.push(Evidence::new("its mode lets others read it", format!("stat {}", save.path)));
        finding.advice = vec![format!("`chmod 0600 {}`", typed(&save.path))];
        findings.push(finding);
    }
}
