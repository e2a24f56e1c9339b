//! `domkeep list`: one line a domain.

use unicode_width::UnicodeWidthStr;

use super::ink::{Ink, count, hang, pad};
use super::report;
use crate::engine::Picture;
use crate::model::bytes::{human, human_or_unknown};
use crate::model::{Disk, DiskKind, Domain, Inventory, MemoryState, Severity};

/// Widest columns, in cells, where the output has a width to keep: 80 with the blanks between them.
const NAME: usize = 18;
const MEMORY: usize = 14;
const CONFIG: usize = 22;
const DISKS: usize = 14;

/// The table of domains with a line of what is wrong.
pub fn text(picture: &Picture, ink: Ink) -> String {
    let inventory = &*picture.inventory;
    if inventory.domains.is_empty() {
        return format!("{}{}", no_domains(inventory), foot(picture, ink));
    }
    let rows: Vec<[String; 5]> = inventory
        .domains
        .iter()
        .map(|domain| {
            [
                ink.cell(&domain.name, NAME),
                domain.power.as_str().to_owned(),
                ink.cell(&memory(domain), MEMORY),
                ink.cell(&config(inventory, domain), CONFIG),
                ink.cell(&disks(domain), DISKS),
            ]
        })
        .collect();
    let heads = ["NAME", "POWER", "MEMORY", "CONFIGURATION", "DISKS"];
    let most = [NAME, 9, MEMORY, CONFIG, DISKS];
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
        longest.min(most.get(column).copied().unwrap_or(0)).max(heads.get(column).map_or(0, |head| head.len()))
    };
    let line = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().enumerate().map(|(column, cell)| pad(cell, width(column))).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut out = format!("  {}\n", ink.bold(&line(&heads)));
    for (domain, row) in inventory.domains.iter().zip(&rows) {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let text = line(&cells);
        let worst = worst(picture, domain);
        let mark = worst.map_or(" ", Severity::mark);
        out.push_str(&match worst {
            Some(severity) => ink.severity(severity, &format!("{mark} {text}")),
            None => format!("  {text}"),
        });
        out.push('\n');
    }
    out + &foot(picture, ink)
}

fn no_domains(inventory: &Inventory) -> String {
    let asked = if inventory.gaps.is_empty() { "" } else { " Something could not be looked at; see below." };
    format!("No domains were found on {}.{asked}\n", crate::model::shown::text(&inventory.host.place))
}

/// The most severe finding that concerns a domain.
pub(super) fn worst(picture: &Picture, domain: &Domain) -> Option<Severity> {
    picture.verdicts.findings.iter().filter(|finding| finding.domains.contains(&domain.id)).map(|finding| finding.severity).min()
}

/// Where its memory is, in a few words.
pub(super) fn memory(domain: &Domain) -> String {
    let bytes = || human_or_unknown(domain.memory.bytes);
    match domain.memory.state {
        MemoryState::InRam => format!("{} RAM", bytes()),
        MemoryState::SaveImage => format!("{} saved", bytes()),
        MemoryState::None => "none (off)".to_owned(),
        MemoryState::Unknown => "?".to_owned(),
    }
}

fn config(inventory: &Inventory, domain: &Domain) -> String {
    match (domain.configs.as_slice(), &domain.likely_config) {
        ([one], _) => one.to_string(),
        ([first, rest @ ..], _) => format!("{first} and {} more", rest.len()),
        ([], Some(likely)) => format!("{likely}?"),
        ([], None) if domain.saves.iter().any(|save| inventory.packaged_config(save).is_some()) => "in its save image".to_owned(),
        ([], None) => "none found".to_owned(),
    }
}

fn disks(domain: &Domain) -> String {
    // An empty drive is no disk to look for.
    let real: Vec<&Disk> = domain.disks.iter().filter(|disk| disk.kind != DiskKind::Empty).collect();
    let known: Option<u64> = real.iter().map(|disk| disk.bytes).try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)));
    match (real.len(), known) {
        (0, _) => "none".to_owned(),
        (number, Some(bytes)) => format!("{number}, {}", human(bytes)),
        (number, None) => format!("{number}, ?"),
    }
}

/// What is wrong and what is not known, in a few lines, with the command that says more.
pub(super) fn foot(picture: &Picture, ink: Ink) -> String {
    let mut out = String::new();
    let inventory = &*picture.inventory;
    let orphans: Vec<String> = report::without_domain(inventory).map(|save| save.path.to_string()).collect();
    if !orphans.is_empty() {
        out.push_str(&format!(
            "\n{}",
            hang(&format!("Save images of no domain here: {}", orphans.join(", ")), ink.width.unwrap_or(80), "", "  ")
        ));
    }
    if !inventory.unreadable_configs.is_empty() {
        let files: Vec<String> = inventory.unreadable_configs.iter().map(|config| config.path.to_string()).collect();
        let text = format!("Files that xl will not take as a configuration: {}", files.join(", "));
        out.push_str(&format!("\n{}", hang(&text, ink.width.unwrap_or(80), "", "  ")));
    }
    let number = |severity| picture.verdicts.findings.iter().filter(|finding| finding.severity == severity).count();
    let (dangers, warnings) = (number(Severity::Danger), number(Severity::Warning));
    out.push('\n');
    if dangers > 0 {
        out.push_str(&ink.severity(Severity::Danger, &format!("! {}", count(dangers, "danger"))));
        out.push_str(", ");
    }
    out.push_str(&format!("{}. `domkeep check` says what they are.\n", count(warnings, "warning")));
    if inventory.has_no_toolstack() {
        let text = "There is no xl on this host: which domains run is not known, and only files were looked at.";
        out.push_str(&format!("\n{}", hang(text, ink.width.unwrap_or(80), "", "  ")));
    }
    if !inventory.gaps.is_empty() {
        out.push_str(&gaps(inventory, ink));
    }
    out
}

/// What could not be read.
pub(super) fn gaps(inventory: &Inventory, ink: Ink) -> String {
    let mut out = format!("\n{}\n", ink.bold("What could not be read:"));
    for gap in &inventory.gaps {
        let line = format!(
            "{}: {} (not seen: {})",
            crate::model::shown::text(&gap.source),
            crate::model::shown::text(&gap.why),
            crate::model::shown::text(&gap.missing)
        );
        out.push_str(&hang(&line, ink.width.unwrap_or(80), "  ? ", "    "));
    }
    out
}
