//! `domkeep check`: the findings with their evidence.

use super::ink::{Ink, count, hang, wrap};
use super::list;
use crate::engine::Picture;
use crate::model::{Finding, Severity, shown};

/// All findings, most severe first, and what could not be looked at.
pub fn text(picture: &Picture, ink: Ink) -> String {
    let findings = &picture.verdicts.findings;
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, ink));
        out.push('\n');
    }
    let number = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    if findings.is_empty() {
        out.push_str("Nothing dangerous was found.\n");
    } else {
        out.push_str(&format!(
            "{}, {}, {}. `domkeep explain CODE` says more.\n",
            count(number(Severity::Danger), "danger"),
            count(number(Severity::Warning), "warning"),
            count(number(Severity::Note), "note")
        ));
    }
    if !picture.inventory.gaps.is_empty() {
        out.push_str(&list::gaps(&picture.inventory, ink));
    }
    out
}

/// One finding: what, on which evidence, why it matters, what to do.
pub(super) fn one(finding: &Finding, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let head = format!("{} {}  {} [{}]", finding.severity.mark(), finding.severity.as_str(), finding.subject.label(), finding.code.0);
    let mut out = format!("{}\n", ink.severity(finding.severity, &head));
    out.push_str(&wrap(&shown::text(&finding.title), width, "  "));
    let labelled = |label: &str, text: &str| hang(text, width, &format!("    {label:<5} "), "          ");
    for evidence in &finding.evidence {
        out.push_str(&labelled("seen:", &format!("{} ({})", shown::text(&evidence.what), shown::text(&evidence.source))));
    }
    out.push_str(&labelled("why:", &shown::text(&finding.why)));
    for advice in &finding.advice {
        out.push_str(&labelled("do:", &shown::text(advice)));
    }
    out
}
