//! What is dangerous or odd: the list, and beside or below it the evidence and why it matters.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Target, split, split_wide};
use crate::model::{Finding, Subject, shown};
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

/// Identity of a finding: the same code about the same subject is the same finding in the next look.
fn key(finding: &Finding) -> String {
    format!("{} {:?}", finding.code.0, finding.subject)
}

/// Windows from this width on have the detail beside the list; below, the sentences of the list need the whole width.
const BESIDE: u16 = 160;
/// In a list narrower than this the sentence alone is shown: it names its subject anyway.
const SUBJECT_FROM: usize = 70;

/// Rows for the findings that are wanted; the Domain screen shows its own with it.
pub fn rows(model: &Model, columns: usize, wanted: impl Fn(&Finding) -> bool) -> Vec<Row> {
    let dots = model.face.glyphs.ellipsis;
    let findings = model.verdicts().map_or(&[][..], |verdicts| &verdicts.findings);
    let of = |finding: &Finding| {
        let mut spans = vec![
            Span::styled(
                text::left(&format!("{} {}", finding.severity.mark(), finding.severity.as_str()), 9, ""),
                model.face.severity(finding.severity),
            ),
            Span::raw(" "),
        ];
        if columns >= SUBJECT_FROM {
            spans.push(Span::raw(text::left(&text::cut_path(&finding.subject.label(), 16, dots), 16, dots)));
            spans.push(Span::raw(" "));
        }
        spans.push(Span::raw(shown::text(&finding.title)));
        Line::from(spans)
    };
    findings.iter().filter(|finding| wanted(finding)).map(|finding| Row::of(key(finding), of(finding))).collect()
}

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let filter = model.filters.get(&Screen::Findings).map_or("", String::as_str);
    let passing = |finding: &Finding| passes(filter, &format!("{} {} {}", finding.code.0, finding.subject.label(), finding.title));
    let number = model.verdicts().map_or(0, |verdicts| verdicts.findings.iter().filter(|finding| passing(finding)).count());
    let wanted = u16::try_from(number).unwrap_or(u16::MAX).max(3);
    let (upper, lower) = if body.width >= BESIDE {
        split_wide(body, body.width.saturating_mul(2) / 5)
    } else {
        split(body, wanted.min(body.height.saturating_mul(2) / 5))
    };
    let mut list = rows(model, Pane::columns(upper), passing);
    if list.is_empty() {
        list = nothing(model, filter);
    }
    let detail = selected(model).map(|finding| detail(model, finding, Pane::columns(lower))).unwrap_or_default();
    let title = selected(model).map(|finding| format!("{}  (domkeep explain {})", finding.subject.label(), finding.code.0));
    vec![
        Pane { area: upper, rows: list, ..Pane::default() },
        Pane { area: lower, title: Some(title.unwrap_or_default()), rows: detail, ..Pane::default() },
    ]
}

fn nothing(model: &Model, filter: &str) -> Vec<Row> {
    if !filter.is_empty() {
        return vec![Row::text(format!("No finding matches the filter {}; Esc clears it.", shown::text(filter)))];
    }
    let gaps = model.inventory().map_or(0, |inventory| inventory.gaps.len());
    let mut rows = vec![Row::blank(), Row::text("Nothing dangerous was found.")];
    if gaps > 0 {
        rows.push(Row::text(format!(
            "That is not the same as nothing there is: {} could not be read (press e).",
            text::count(gaps, "thing")
        )));
    }
    rows
}

/// The finding under the cursor of the Findings screen.
pub fn selected(model: &Model) -> Option<&Finding> {
    named(model, model.cursors.get(&(Screen::Findings, 0))?.key.as_deref()?)
}

/// The finding of this identity.
pub fn named<'a>(model: &'a Model, wanted: &str) -> Option<&'a Finding> {
    model.verdicts()?.findings.iter().find(|finding| key(finding) == wanted)
}

fn detail(model: &Model, finding: &Finding, columns: usize) -> Vec<Row> {
    let face = &model.face;
    let mut rows = Vec::new();
    let mut paragraph = |indent: &str, words: &str, style| {
        let blank = " ".repeat(indent.len());
        for (number, line) in text::wrap(&shown::text(words), columns.saturating_sub(indent.len())).into_iter().enumerate() {
            let lead = if number == 0 { indent.to_owned() } else { blank.clone() };
            rows.push(Row::text(Line::from(vec![Span::raw(lead), Span::styled(line, style)])));
        }
    };
    let plain = ratatui::style::Style::default();
    paragraph("", &finding.title, face.strong());
    if finding.mend.is_some() {
        paragraph("", "domkeep can mend it: f shows the plan.", face.good());
    }
    // What to type comes first: it is what one came for, and a small window shows no more.
    if !finding.advice.is_empty() {
        paragraph("", "What to do:", face.heading());
    }
    for advice in &finding.advice {
        paragraph("  - ", advice, plain);
    }
    paragraph("", "Seen:", face.heading());
    for seen in &finding.evidence {
        paragraph("  - ", &format!("{} ({})", seen.what, seen.source), plain);
    }
    paragraph("", "Why it matters:", face.heading());
    paragraph("  ", &finding.why, plain);
    rows
}

/// Enter goes to the domain that the finding is about.
pub fn target(model: &Model) -> Option<Target> {
    let finding = selected(model)?;
    let named = match &finding.subject {
        Subject::Domain { name } | Subject::Disk { domain: name, .. } => Some(name),
        _ => None,
    };
    let inventory = model.inventory()?;
    named.into_iter().chain(&finding.domains).find_map(|name| inventory.domain(name)).map(|domain| Target::Domain(domain.id.clone()))
}
