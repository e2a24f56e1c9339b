//! What lvs, vgs and pvs answer with `--reportformat json --units b` (lvmreport(7)): every value a string, hidden volumes in brackets.

use std::collections::HashSet;

use super::lvm_select;
use super::machine::{DM_MAJOR, Group, Machine, Volume, VolumeKind};
use super::reply::{Args, Reply};
use super::tree::Tree;

pub const EXTENT: u64 = 4 << 20;
/// Before the first extent: LVM's label and metadata.
pub const START: u64 = 1 << 20;
pub const CHUNK: u64 = 4096;

/// One row of a report, before fields are picked: where a field comes from.
pub struct Row<'a> {
    pub group: &'a Group,
    pub volume: Option<Shown<'a>>,
}

/// A volume or a hidden part of a pool.
#[derive(Clone)]
pub struct Shown<'a> {
    /// Without brackets.
    pub name: String,
    pub part: Part,
    pub of: &'a Volume,
    /// First extent on the drive.
    pub start: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    Data,
    Metadata,
    Spare,
}

pub struct Report<'a> {
    pub machine: &'a Machine,
    /// Minors that somebody holds open.
    pub open: HashSet<u32>,
    /// After sizes.
    pub suffix: &'static str,
}

/// `lvs`, `vgs` or `pvs` with its words; nothing when the demo does not know what they ask.
pub fn look(machine: &Machine, tree: &Tree, program: &str, words: &[String]) -> Option<Reply> {
    let flags = ["-a", "--all", "--nosuffix", "--readonly", "--noheadings", "--nolocking"];
    let args = Args::parse(words, &flags, &["--reportformat", "--units", "-o", "--options", "-S", "--select"]).ok()?;
    match args.value(&["--reportformat"])? {
        "json" => {}
        other => {
            return Some(Reply::bad(
                3,
                format!("  Invalid argument for --reportformat: {other}\n  Error during parsing of command line.\n"),
            ));
        }
    }
    if args.value(&["--units"])? != "b" {
        return None;
    }
    let fields: Vec<&str> = args.value(&["-o", "--options"])?.split(',').collect();
    let report = Report { machine, open: open_minors(machine, tree), suffix: if args.has(&["--nosuffix"]) { "" } else { "B" } };
    let all = args.has(&["-a", "--all"]);
    let (key, rows) = match program {
        "lvs" => ("lv", volume_rows(machine, all)),
        "vgs" => ("vg", group_rows(machine, |group| group.name.clone())),
        "pvs" => ("pv", physical_rows(machine)),
        _ => return None,
    };
    let (mut rows, missing) = chosen(machine, rows, &args.operands, program);
    if let Some(text) = args.value(&["-S", "--select"]) {
        match selected(&report, &rows, text) {
            Ok(marks) => rows = rows.into_iter().zip(marks).filter_map(|(row, mark)| mark.then_some(row)).collect(),
            Err(refusal) => return Some(refusal),
        }
    }
    let mut lines = Vec::new();
    for row in &rows {
        let mut values = Vec::new();
        for field in &fields {
            let Some((name, value)) = report.field(row, field) else {
                let out = "  {\n      \"report\": [\n      ]\n  }\n";
                return Some(Reply { exit: 5, out: out.to_owned(), err: format!("  Unrecognised field: {field}\n") });
            };
            values.push(format!("\"{name}\":{}", serde_json::Value::String(value)));
        }
        lines.push(format!("                  {{{}}}", values.join(", ")));
    }
    let body = if lines.is_empty() { String::new() } else { format!("{}\n", lines.join(",\n")) };
    let out = format!(
        "  {{\n      \"report\": [\n          {{\n              \"{key}\": [\n{body}              ]\n          }}\n      ]\n  }}\n"
    );
    Some(Reply { exit: if missing.is_empty() { 0 } else { 5 }, out, err: missing })
}

/// Which of these rows a selection chooses.
pub fn selected(report: &Report<'_>, rows: &[Row<'_>], text: &str) -> Result<Vec<bool>, Reply> {
    let select = lvm_select::parse(text);
    let marks: Option<Vec<bool>> =
        rows.iter().map(|row| select.as_ref()?.chooses(&|field| report.field(row, field).map(|(_, value)| value))).collect();
    marks
        .filter(|_| select.is_some())
        .ok_or_else(|| Reply::bad(5, format!("  Selection syntax error at '{text}'.\n  Use 'help' for selection to get more help.\n")))
}

fn chosen<'a>(machine: &Machine, rows: Vec<Row<'a>>, operands: &[String], program: &str) -> (Vec<Row<'a>>, String) {
    if operands.is_empty() {
        return (rows, String::new());
    }
    let mut missing = String::new();
    let mut wanted = Vec::new();
    for operand in operands {
        let plain = operand.strip_prefix("/dev/").unwrap_or(operand);
        match plain.split_once('/') {
            None if program == "pvs" => wanted.push((None, None, Some(plain.to_owned()))),
            None if machine.group(plain).is_some() => wanted.push((Some(plain.to_owned()), None, None)),
            None => missing.push_str(&format!("  Volume group \"{plain}\" not found\n  Cannot process volume group {plain}\n")),
            Some((vg, lv)) if machine.volume(vg, lv).is_some() => wanted.push((Some(vg.to_owned()), Some(lv.to_owned()), None)),
            Some(_) => missing.push_str(&format!("  Failed to find logical volume \"{plain}\"\n")),
        }
    }
    let fits = |row: &Row<'_>| {
        wanted.iter().any(|(vg, lv, pv)| {
            vg.as_ref().is_none_or(|vg| *vg == row.group.name)
                && lv.as_ref().is_none_or(|lv| row.volume.as_ref().is_some_and(|volume| volume.name == *lv))
                && pv.as_ref().is_none_or(|pv| *pv == row.group.drive)
        })
    };
    (rows.into_iter().filter(fits).collect(), missing)
}

/// Those of the groups, and those without one.
fn physical_rows(machine: &Machine) -> Vec<Row<'_>> {
    let mut all: Vec<&Group> = machine.groups.iter().chain(&machine.physical).collect();
    all.sort_by_key(|group| group.drive.clone());
    all.into_iter().map(|group| Row { group, volume: None }).collect()
}

fn group_rows(machine: &Machine, order: impl Fn(&Group) -> String) -> Vec<Row<'_>> {
    let mut groups: Vec<&Group> = machine.groups.iter().collect();
    groups.sort_by_key(|group| order(group));
    groups.into_iter().map(|group| Row { group, volume: None }).collect()
}

pub fn volume_rows(machine: &Machine, all: bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut groups: Vec<&Group> = machine.groups.iter().collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    for group in groups {
        let mut shown = parts(group);
        shown.retain(|part| all || part.part == Part::Whole);
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        rows.extend(shown.into_iter().map(|volume| Row { group, volume: Some(volume) }));
    }
    rows
}

/// Every volume and hidden part of a group, laid on the drive one after the other.
pub fn parts(group: &Group) -> Vec<Shown<'_>> {
    let mut shown = Vec::new();
    let mut next = 0;
    let mut spared = false;
    for volume in &group.volumes {
        let mut add = |name: String, part, bytes: u64| {
            shown.push(Shown { name, part, of: volume, start: next });
            next += bytes / EXTENT;
        };
        match &volume.kind {
            VolumeKind::Pool { metadata, .. } => {
                // One spare serves every pool of the group.
                if !std::mem::replace(&mut spared, true) {
                    add("lvol0_pmspare".to_owned(), Part::Spare, *metadata);
                }
                add(format!("{}_tdata", volume.name), Part::Data, volume.bytes);
                add(format!("{}_tmeta", volume.name), Part::Metadata, *metadata);
                add(volume.name.clone(), Part::Whole, 0);
            }
            _ => add(volume.name.clone(), Part::Whole, volume.taken()),
        }
    }
    shown
}

/// Bytes of a drive that volumes may use.
fn usable(machine: &Machine, drive: &str) -> u64 {
    machine.node(drive).map_or(0, |drive| drive.bytes).saturating_sub(START) / EXTENT * EXTENT
}

/// The drives that joined a group after it was made, in their order.
pub fn joined<'a>(machine: &'a Machine, group: &'a str) -> impl Iterator<Item = &'a Group> {
    machine.physical.iter().filter(move |lone| !group.is_empty() && lone.name == group)
}

fn taken(group: &Group) -> u64 {
    group.volumes.iter().map(Volume::taken).sum()
}

/// Bytes of a group's drives that volumes may use, and how many are free.
pub fn room(machine: &Machine, group: &Group) -> (u64, u64) {
    let more: u64 = joined(machine, &group.name).map(|one| usable(machine, &one.drive)).sum();
    let bytes = usable(machine, &group.drive).saturating_add(more);
    (bytes, bytes.saturating_sub(taken(group)))
}

/// The same of one drive: volumes fill one after the other.
pub fn room_on(machine: &Machine, of: &Group) -> (u64, u64) {
    let Some(group) = machine.group(&of.name) else {
        let bytes = usable(machine, &of.drive);
        return (bytes, bytes);
    };
    let mut left = taken(group);
    for one in std::iter::once(group).chain(joined(machine, &group.name)) {
        let bytes = usable(machine, &one.drive);
        let here = left.min(bytes);
        left = left.saturating_sub(here);
        if one.drive == of.drive {
            return (bytes, bytes.saturating_sub(here));
        }
    }
    (0, 0)
}

/// Minors of the device-mapper that a domain or a mount holds open.
pub fn open_minors(machine: &Machine, tree: &Tree) -> HashSet<u32> {
    let disks = machine.domains.iter().flat_map(|domain| &domain.guest.disks).filter(|disk| !disk.is_refused());
    let attached = disks.filter_map(|disk| {
        let real = tree.resolve(&machine.source(disk)).ok()?;
        real.strip_prefix("/dev").ok()?.to_str()?.strip_prefix("dm-")?.parse().ok()
    });
    attached.chain(machine.mounts.iter().filter(|mount| mount.major == DM_MAJOR).map(|mount| mount.minor)).collect()
}

pub fn thin_volumes<'a>(group: &'a Group, pool: &'a str) -> impl Iterator<Item = &'a Volume> {
    group.volumes.iter().filter(move |volume| matches!(&volume.kind, VolumeKind::Thin { pool: of, .. } if of == pool))
}

/// Bytes that the thin volumes drew from a pool.
pub fn pool_used(group: &Group, pool: &str) -> u64 {
    let mapped = |volume: &Volume| match volume.kind {
        VolumeKind::Thin { mapped, .. } => mapped,
        _ => 0,
    };
    thin_volumes(group, pool).map(mapped).sum()
}
