//! UEFI variables that are not where the domain's XML has them.

use super::known;
use crate::check::{Explanation, Rule, Scene};
use crate::model::{Evidence, Finding, Severity, Subject};

pub(in crate::check) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "nvram-missing",
        title: "The file with a domain's UEFI variables is not there.",
        what: "A guest that boots with UEFI keeps its boot entries, Secure Boot keys and settings in a small file of its own (<nvram> in its XML). \
               It is no disk, and whoever copies only disks loses it. Where it is missing, libvirt makes a new one from a template at the next start.",
        how_it_comes: "The disks and the XML were brought back from a backup, or moved from another host, and this file was forgotten; or \
                       somebody cleaned up. A domain that was never started has none yet.",
        looked_at: "The path in the domain's XML, and whether a file is there.",
        mend: &[
            "Bring the file back from a backup, with its owner and mode, before the next start:",
            "  cp -a NAME_VARS.fd /var/lib/libvirt/qemu/nvram/",
            "If there is none and the guest does not boot, add its boot entry again in the firmware's menu.",
        ],
        proves_not: "That the guest needs it: many boot from the default path of their EFI partition.",
    },
    why: "With new variables the guest may not find its boot loader; Secure Boot keys of one's own are gone, and disks that are locked to them ask for \
          their recovery key.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (domain, libvirt) in known(scene) {
        let Some(path) = libvirt.paths.nvram.as_ref().filter(|_| libvirt.nvram_there == Some(false)) else { continue };
        let runs = domain.power.is_present();
        let (severity, title) = if runs {
            (Severity::Danger, format!("{} runs, and the file with its UEFI variables, {path}, was removed.", domain.name))
        } else {
            (Severity::Note, format!("The UEFI variables of {} are not there: {path}.", domain.name))
        };
        let mut finding = RULE.finding(severity, Subject::Domain { name: domain.name.clone() }, title);
        finding.domains = vec![domain.id.clone()];
        finding.evidence.push(Evidence::new("no such file", format!("stat {path}")));
        finding.advice = if runs {
            vec!["QEMU still has it open: copy it from /proc/PID/fd before the domain stops.".to_owned()]
        } else {
            vec!["If the domain ever ran, bring the file back from a backup before its next start.".to_owned()]
        };
        findings.push(finding);
    }
}
