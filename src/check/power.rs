//! Domains that are there, but neither run nor are off.

use super::scene::{attached_source, power_source};
use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Domain, Evidence, Finding, Power, Save, Severity, Stale, Subject};

pub(super) static SUSPENDED: Rule = Rule {
    explanation: Explanation {
        code: "suspended-without-save",
        title: "A domain stands suspended, and no complete save image of it exists.",
        what: "xl list shows `---ss-`: the guest was suspended and stands still, with its memory in RAM. A save does that for a short while. \
               If no save is at work, one was interrupted, and the guest stands until somebody acts.",
        how_it_comes: "`xl save` was killed, by hand or by the service that stops the domains at shutdown after its time limit; or \
                       somebody ran `xl suspend`.",
        looked_at: "The state in xl list, and the save images of the domain.",
        mend: &[
            "Is a save at work? Then wait:",
            "  ps -C xl,libxl-save-helper",
            "If not, with Xen 4.20 and newer:",
            "  xl resume NAME",
            "Before 4.20 there is no way back: xl unpause says that it worked, and does nothing. What is left is",
            "  xl destroy NAME",
            "which loses what the guest had not written to its disks.",
        ],
        proves_not: "That no save is at work at this moment.",
    },
    why: "The guest answers nobody. If the save that suspended it was interrupted, it stays like this for ever, and what it had in memory is nowhere else.",
    look: look_suspended,
};

pub(super) static PRESERVED: Rule = Rule {
    explanation: Explanation {
        code: "preserved-holds-disks",
        title: "A domain has shut down or crashed, but is kept and still holds its memory and disks.",
        what: "xl list shows `---s--` or `---sc-`: the guest has ended, but nobody has cleared it away. It keeps its memory, its name and its disks, \
               and nobody can start it anew.",
        how_it_comes: "`on_poweroff` or `on_crash` is set to `preserve`; or the domain was saved with `xl save -c` once: after that nobody watches it \
                       any more, and its next shutdown leaves it like this.",
        looked_at: "The state in xl list and virsh list.",
        mend: &[
            "For a crashed one, keep its memory first, if somebody wants to know why:",
            "  xl dump-core NAME /var/lib/xen/dump/NAME.core",
            "Then clear it away and start it anew:",
            "  xl destroy NAME",
            "  xl create /etc/xen/NAME.cfg",
            "With libvirt: virsh dump, virsh destroy, virsh start.",
        ],
        proves_not: "That its shutdown was clean.",
    },
    why: "It looks like a running domain in a list, but does not work, and its memory and disks stay taken until somebody destroys it.",
    look: look_preserved,
};

fn look_suspended(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    // Below libvirt it is the guest's own sleep.
    let suspended = |domain: &&Domain| domain.power == Power::Suspended && !domain.by_libvirt_only();
    for domain in scene.inventory.domains.iter().filter(suspended) {
        let saves: Vec<_> = domain.saves.iter().filter_map(|path| scene.inventory.save(path)).collect();
        // An image whose disks were changed since is an older one: this suspend did not make it.
        let older = |save: &Save| scene.stale.get(&save.path).is_some_and(|verdict| verdict.stale == Stale::Yes);
        if saves.iter().any(|save| save.complete == Some(true) && !older(save)) {
            continue;
        }
        let title = format!("{} stands suspended: a save is at work, or was interrupted.", domain.name);
        let mut finding = SUSPENDED.finding(Severity::Warning, Subject::Domain { name: domain.name.clone() }, title);
        finding.domains = vec![domain.id.clone()];
        finding.evidence.push(Evidence::new("state `---ss-`", "xl list"));
        if saves.is_empty() {
            finding.evidence.push(Evidence::new("no save image of it was found", "the directories that are searched for save images"));
        }
        finding.evidence.extend(saves.iter().map(|save| {
            let what = if save.complete == Some(true) { "this image of it is older" } else { "this image of it is not complete" };
            Evidence::new(what, save.path.to_string())
        }));
        finding.advice = vec![
            "Is a save at work? Then wait: `ps -C xl,libxl-save-helper`".to_owned(),
            format!("If not: `xl resume {}` (Xen 4.20 and newer)", shell_word(&domain.name)),
        ];
        findings.push(finding);
    }
}

fn look_preserved(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for domain in scene.inventory.domains.iter().filter(|domain| matches!(domain.power, Power::Preserved | Power::Crashed)) {
        let (ended, state) = if domain.power == Power::Crashed { ("crashed", "---sc-") } else { ("shut down", "---s--") };
        let disks: Vec<String> =
            domain.disks.iter().filter(|disk| disk.attached).filter_map(|disk| disk.path.as_ref()).map(ToString::to_string).collect();
        let title = format!("{} has {ended}, but still holds its memory and its disks.", domain.name);
        let mut finding = PRESERVED.finding(Severity::Warning, Subject::Domain { name: domain.name.clone() }, title);
        finding.domains = vec![domain.id.clone()];
        let libvirt = domain.by_libvirt_only();
        let state = if libvirt { domain.power.as_str() } else { state };
        finding.evidence.push(Evidence::new(format!("state `{state}`"), power_source(domain)));
        if !disks.is_empty() {
            finding.evidence.push(Evidence::new(format!("still attached: {}", disks.join(", ")), attached_source(domain)));
        }
        let name = shell_word(&domain.name);
        finding.advice = if libvirt {
            let virsh = domain.virsh();
            vec![
                format!(
                    "Keep its memory first, if somebody wants to know why: `{virsh} dump {name} /var/lib/libvirt/qemu/dump/NAME.core --memory-only`"
                ),
                format!("Then clear it away and start it anew: `{virsh} destroy {name}`, `{virsh} start {name}`"),
            ]
        } else {
            vec![format!("When its memory is not needed any more: `xl destroy {name}`")]
        };
        findings.push(finding);
    }
}
