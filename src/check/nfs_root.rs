//! Two domains whose root is the same exported directory.

use std::collections::BTreeMap;

use super::{Explanation, Rule, Scene};
use crate::model::{DiskKind, Domain, Evidence, Finding, HostPath, Severity, Subject};

pub(super) static RULE: Rule = Rule {
    explanation: Explanation {
        code: "nfs-root-shared",
        title: "More than one domain has the same NFS root.",
        what: "Two or more domains name one exported directory as their root file system. NFS keeps the file system itself whole, but not the two \
               systems in it: both write the same /etc, /var/run, lock, log and package files.",
        how_it_comes: "A configuration was copied for a new domain and the `nfsroot=` of its command line was left.",
        looked_at: "`root=/dev/nfs` and `nfsroot=` in the domains' configurations. Two names of one server are taken for two servers.",
        mend: &[
            "Give each domain a directory of its own, and name it in its configuration:",
            "  cp -ax /export/NAME /export/OTHER",
            "To share files on purpose, export them read-only, or mount them beside a root of its own.",
        ],
        proves_not: "That damage was done already; nor that another host's domain does not use the directory too.",
    },
    why: "Two systems that live in one root overwrite each other's state: logs, locks, packages, addresses.",
    look,
};

fn look(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    let mut roots: BTreeMap<&HostPath, Vec<&Domain>> = BTreeMap::new();
    for domain in &scene.inventory.domains {
        for path in domain.disks.iter().filter(|disk| disk.kind == DiskKind::NfsRoot).filter_map(|disk| disk.path.as_ref()) {
            let users = roots.entry(path).or_default();
            if !users.iter().any(|known| known.id == domain.id) {
                users.push(domain);
            }
        }
    }
    for (path, users) in roots.into_iter().filter(|(_, users)| users.len() > 1) {
        let names: Vec<&str> = users.iter().map(|domain| domain.name.as_str()).collect();
        let running = users.iter().filter(|domain| domain.power.is_present()).count();
        let severity = if running > 1 { Severity::Danger } else { Severity::Warning };
        let title = format!("{} have the same NFS root, {path}.", names.join(" and "));
        let mut finding = RULE.finding(severity, Subject::Backing { path: path.clone() }, title);
        finding.domains = users.iter().map(|domain| domain.id.clone()).collect();
        finding.evidence = users
            .iter()
            .map(|domain| {
                let source = domain.configs.first().map_or_else(|| "its configuration".to_owned(), ToString::to_string);
                Evidence::new(format!("{} ({}) has its root there", domain.name, domain.power.as_str()), source)
            })
            .collect();
        finding.advice = vec!["Give each domain a directory of its own before the second one starts.".to_owned()];
        findings.push(finding);
    }
}
