//! What differs between two looks at a host, in sentences: announced once, for those who do not see a screen change.

use crate::engine::Picture;
use crate::model::Finding;

/// Sentences about what is new, gone or different.
pub fn between(before: &Picture, after: &Picture) -> Vec<String> {
    let mut changes = Vec::new();
    for domain in &after.inventory.domains {
        match before.inventory.domains.iter().find(|old| old.id == domain.id) {
            None => changes.push(format!("New: {} is {}.", domain.name, domain.power.as_str())),
            Some(old) if old.power != domain.power => {
                changes.push(format!("{} is {} now; it was {}.", domain.name, domain.power.as_str(), old.power.as_str()));
            }
            Some(_) => {}
        }
    }
    for old in &before.inventory.domains {
        if !after.inventory.domains.iter().any(|domain| domain.id == old.id) {
            changes.push(format!("Gone: {}.", old.name));
        }
    }
    let same = |a: &Finding, b: &Finding| a.code == b.code && a.subject == b.subject && a.severity == b.severity;
    for finding in &after.verdicts.findings {
        if !before.verdicts.findings.iter().any(|old| same(old, finding)) {
            changes.push(format!("New {}: {}", finding.severity.as_str(), finding.title));
        }
    }
    for old in &before.verdicts.findings {
        if !after.verdicts.findings.iter().any(|finding| same(old, finding)) {
            changes.push(format!("No longer so: {}", old.title));
        }
    }
    changes
}
