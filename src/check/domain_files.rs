//! A domain that nothing can start again.

use super::scene::{configs_of, power_source};
use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Domain, Evidence, Finding, Power, Severity, Subject};

pub(super) static WITHOUT_CONFIG: Rule = Rule {
    explanation: Explanation {
        code: "domain-without-config",
        title: "A domain runs, and no configuration names it.",
        what: "The domain is there now, but no file in the directories that were searched names it. When it stops, nothing says how to start it again: \
               which disks it had, which kernel, how much memory.",
        how_it_comes: "It was started from a file elsewhere, from one that was deleted or renamed since, with another name given on the command line, \
                       or restored from a save image of another host; in libvirt's words it is transient (`virsh create`, or undefined while it ran).",
        looked_at: "The names inside all configuration files in /etc/xen and the directories in the settings; libvirt's and xend's own.",
        mend: &[
            "Keep what runs now:",
            "  xl list -l NAME > /root/NAME.json",
            "  virsh dumpxml NAME > /root/NAME.xml",
            "and write a configuration from it, or give it to `virsh define`. If the file lies elsewhere, name its directory in the settings (config_dirs).",
        ],
        proves_not: "That there is no file: it may lie where nobody looked, or be one that could not be read.",
    },
    why: "It lives only as long as it runs. After a shutdown or a crash of the host, nobody can say what it was made of.",
    look,
};

/// What xl prints for a domain that has no name yet, or no more.
const NO_NAME: &str = "(null)";

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    // One that is being made, moved or cleared away carries a name that no file has, for a moment.
    let passing = |domain: &Domain| matches!(domain.power, Power::Dying | Power::Migrating) || domain.name == NO_NAME;
    for domain in scene.inventory.domains.iter().filter(|domain| domain.power.is_present() && !passing(domain)) {
        if !domain.configs.is_empty() || configs_of(scene.inventory, domain).next().is_some() {
            continue;
        }
        let (severity, title) = match &domain.likely_config {
            Some(path) => (Severity::Note, format!("{} seems to run from {path}, which carries another name.", domain.name)),
            None => (Severity::Warning, format!("{} is there, but no configuration names it.", domain.name)),
        };
        let mut finding = WITHOUT_CONFIG.finding(severity, Subject::Domain { name: domain.name.clone() }, title);
        finding.domains = vec![domain.id.clone()];
        finding.evidence.push(Evidence::new(format!("{} is {}", domain.name, domain.power.as_str()), power_source(domain)));
        let read = scene.inventory.configs.len();
        finding.evidence.push(Evidence::new(
            format!("none of the {read} configurations that were read names it"),
            "/etc/xen and the settings' config_dirs",
        ));
        let unreadable = scene.inventory.unreadable_configs.len();
        if unreadable > 0 {
            finding
                .evidence
                .push(Evidence::new(format!("{unreadable} configuration files could not be read: one of them may be it"), "/etc/xen"));
        }
        let name = shell_word(&domain.name);
        let (keep, then) = if domain.toolstacks.iter().any(|stack| stack.is_libvirt()) {
            let virsh = domain.virsh();
            (format!("{virsh} dumpxml {name} > {name}.xml"), format!("Then give libvirt a definition of it: `{virsh} define {name}.xml`"))
        } else {
            (format!("xl list -l {name} > {name}.json"), "Then write a configuration from it.".to_owned())
        };
        finding.advice = vec![format!("Keep what runs now: `{keep}`"), then];
        findings.push(finding);
    }
}
