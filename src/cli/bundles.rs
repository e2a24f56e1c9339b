//! `domkeep bundles`: the backups that were made, one line each and its path below.

use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::ink::{Ink, count, hang, pad};
use super::{as_json, print};
use crate::engine::Engine;
use crate::model::bundle::{BundleState, FoundBundle};
use crate::model::bytes::{human, human_or_unknown};
use crate::model::{Gap, Severity, shown, told};
use crate::problem::{Exit, Problem};

/// Widest column of names, in cells, where the output has a width to keep.
const NAME: usize = 18;

pub fn run(engine: &Engine, dir: Option<&Path>, as_lines: bool, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    let dirs: Vec<_> = match dir {
        Some(dir) => vec![std::path::absolute(dir).map_err(|error| Problem::usage("there is no such directory").because(error))?],
        None => Vec::new(),
    };
    let (found, gaps) = engine.bundles(&dirs);
    let now = engine.host().now();
    let text = if as_lines {
        let bundles: Vec<_> = found.iter().map(|bundle| one_as_json(bundle, now)).collect();
        as_json(&json!({"schema": 1, "bundles": bundles, "gaps": gaps}))?
    } else {
        let places = if dirs.is_empty() { &engine.settings().backup_dirs } else { &dirs };
        let places: Vec<String> = places.iter().map(|dir| crate::model::HostPath::from(dir.as_path()).to_string()).collect();
        text(&found, &gaps, &places, now, ink)
    };
    print(out, &text)?;
    Ok(if gaps.is_empty() { Exit::Good } else { Exit::Partial })
}

fn one_as_json(bundle: &FoundBundle, now: DateTime<Utc>) -> serde_json::Value {
    let mut value = json!(bundle);
    if let (Some(object), Some(said)) = (value.as_object_mut(), &bundle.said) {
        object.insert("age_seconds".to_owned(), json!(now.signed_duration_since(said.instant).num_seconds()));
    }
    value
}

pub(super) fn text(found: &[FoundBundle], gaps: &[Gap], places: &[String], now: DateTime<Utc>, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let mut out = String::new();
    if found.is_empty() {
        let text = format!("There is no backup below {}.", places.join(", "));
        out.push_str(&hang(&text, width, "", "  "));
    }
    let rows: Vec<(&FoundBundle, [String; 5])> = found.iter().map(|bundle| (bundle, row(bundle, now, ink))).collect();
    if !rows.is_empty() {
        let heads = ["DOMAIN", "WHEN (UTC)", "AGE", "SIZE", "STATE"];
        let column = |at: usize| rows.iter().filter_map(|(_, cells)| cells.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
        let widths: Vec<usize> = heads.iter().enumerate().map(|(at, head)| column(at).max(head.len())).collect();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
            cells.join("  ").trim_end().to_owned()
        };
        out.push_str(&format!("  {}\n", ink.bold(&line(&heads.map(str::to_owned)))));
        for (bundle, cells) in &rows {
            out.push_str(&entry(bundle, &line(cells), ink));
        }
    }
    for gap in gaps {
        let text = format!("{}: {} (not seen: {})", shown::text(&gap.source), shown::text(&gap.why), shown::text(&gap.missing));
        out.push_str(&hang(&text, width, "  ? ", "    "));
    }
    out
}

fn entry(bundle: &FoundBundle, line: &str, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let mut out = match severity(&bundle.state) {
        Some(severity) => ink.severity(severity, &format!("{} {line}", severity.mark())),
        None => format!("  {line}"),
    };
    // A path stays in one piece: it will be copied.
    out.push_str(&format!("\n    {}\n", bundle.path));
    let mut also = |text: &str| out.push_str(&hang(text, width, "    ", "    "));
    if let Some(why) = bundle.state.why() {
        also(&shown::text(why));
    }
    if let Some(said) = &bundle.said {
        also(&shown::text(&said.consistency));
        if said.unreadable > 0 {
            also(&format!("{} bytes of its disks could not be read: zeros stand there instead", said.unreadable));
        }
        if !said.left_out.is_empty() {
            let what: Vec<String> = said.left_out.iter().map(|left| shown::text(&left.what)).collect();
            also(&format!("{} left out: {}", count(what.len(), "part"), what.join(", ")));
        }
    }
    out
}

fn severity(state: &BundleState) -> Option<Severity> {
    match state {
        BundleState::Good => None,
        BundleState::Partial | BundleState::Unknown { .. } => Some(Severity::Warning),
        BundleState::Torn { .. } | BundleState::Damaged { .. } => Some(Severity::Danger),
    }
}

fn row(bundle: &FoundBundle, now: DateTime<Utc>, ink: Ink) -> [String; 5] {
    let said = bundle.said.as_ref();
    let size = match (said, bundle.allocated) {
        (Some(said), Some(allocated)) => format!("{}, takes {}", human(said.bytes), human(allocated)),
        (_, allocated) => format!("takes {}", human_or_unknown(allocated)),
    };
    [
        said.map_or_else(|| "?".to_owned(), |said| ink.cell(&said.domain, NAME)),
        said.map_or_else(|| "?".to_owned(), |said| said.instant.format("%Y-%m-%d %H:%M").to_string()),
        said.map_or_else(|| "?".to_owned(), |said| told::age(said.instant, now)),
        size,
        bundle.state.as_str().to_owned(),
    ]
}
