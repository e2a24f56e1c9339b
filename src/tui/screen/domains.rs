//! All domains of the host, with the three kinds of state of each in short cells, and how dangerous they lie.

use std::cmp::Ordering;

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::empty;
use crate::model::{ConfigSource, Disk, DiskKind, Domain, Inventory, MemoryState, bytes, shown};
use crate::tui::index::{known_sum, real_disks};
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    #[default]
    Name,
    Power,
    Domid,
    Memory,
    Disks,
    Risk,
}

impl Column {
    pub const ALL: [Self; 6] = [Self::Name, Self::Power, Self::Domid, Self::Memory, Self::Disks, Self::Risk];

    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Power => "power",
            Self::Domid => "domid",
            Self::Memory => "memory",
            Self::Disks => "disks",
            Self::Risk => "risk",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    pub column: Column,
    pub descending: bool,
}

impl Sort {
    /// Sorts by a column; the same one again turns the order round.
    pub fn by(&mut self, column: Column) {
        self.descending = self.column == column && !self.descending;
        self.column = column;
    }
}

pub fn pane(model: &Model, body: Rect) -> Pane {
    let Some(inventory) = model.inventory() else { return Pane { area: body, ..Pane::default() } };
    let columns = Pane::columns(body);
    if inventory.domains.is_empty() {
        return Pane { area: body, rows: empty::no_domains(inventory, &model.face, columns), ..Pane::default() };
    }
    let domains = listed(model, inventory);
    let table = table(columns, &domains);
    let dots = model.face.glyphs.ellipsis;
    // Only what can be seen is written out; of the rest the identity is enough.
    let first = model.cursor(0).offset;
    let seen = first..first.saturating_add(usize::from(body.height));
    let line = |domain: &Domain| {
        let spans = table.iter().flat_map(|cell| {
            let (content, style) = (cell.content)(model, inventory, domain);
            let padded = if cell.right { text::right(&content, cell.width, dots) } else { text::left(&content, cell.width, dots) };
            [Span::styled(padded, style), Span::raw(" ")]
        });
        Line::from(spans.collect::<Vec<_>>())
    };
    let row = |(number, domain): (usize, &&Domain)| {
        Row::of(domain.id.clone(), if seen.contains(&number) { line(domain) } else { Line::default() })
    };
    let mut rows: Vec<Row> = domains.iter().enumerate().map(row).collect();
    if rows.is_empty() {
        rows.push(Row::text(format!("No domain matches the filter {}; Esc clears it.", shown::text(model.filter()))));
    }
    Pane { area: body, header: Some(header(model, &table)), rows, ..Pane::default() }
}

/// The domains that pass the filter, in order.
fn listed<'a>(model: &Model, inventory: &'a Inventory) -> Vec<&'a Domain> {
    let filter = model.filters.get(&Screen::Domains).map_or("", String::as_str);
    let mut domains: Vec<&Domain> =
        inventory.domains.iter().filter(|domain| filter.is_empty() || passes(filter, &haystack(domain))).collect();
    domains.sort_by(|a, b| {
        let order = match model.sort.column {
            Column::Name => Ordering::Equal,
            Column::Power => a.power.cmp(&b.power),
            // What is not there comes last, whichever way round the rest is.
            Column::Domid => known_first(a.domid, b.domid, model.sort.descending),
            Column::Memory => known_first(a.memory.bytes, b.memory.bytes, model.sort.descending),
            Column::Disks => known_first(size(a), size(b), model.sort.descending),
            Column::Risk => known_first(model.index.risk.get(&a.id), model.index.risk.get(&b.id), model.sort.descending),
        };
        let order = if model.sort.descending { order.reverse() } else { order };
        let names = a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id));
        let names = if model.sort.column == Column::Name && model.sort.descending { names.reverse() } else { names };
        order.then(names)
    });
    domains
}

fn known_first<T: Ord>(a: Option<T>, b: Option<T>, turned: bool) -> Ordering {
    let order = match (a, b) {
        (Some(a), Some(b)) => return a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    if turned { order.reverse() } else { order }
}

fn size(domain: &Domain) -> Option<u64> {
    known_sum(real_disks(&domain.disks).map(|disk| disk.bytes))
}

/// What a filter looks at: names, power, and where things are.
fn haystack(domain: &Domain) -> String {
    let mut out = format!("{} {}", shown::text(&domain.id), domain.power.as_str());
    for path in domain.configs.iter().chain(&domain.saves).chain(domain.disks.iter().filter_map(|disk| disk.path.as_ref())) {
        out.push(' ');
        out.push_str(&path.to_string());
    }
    out
}

/// Columns of a name below which two domains of one family look the same.
const LEAST_NAME: usize = 12;

type Content = fn(&Model, &Inventory, &Domain) -> (String, Style);

struct Cell {
    title: &'static str,
    width: usize,
    right: bool,
    sorts: Option<Column>,
    content: Content,
}

const fn cell(title: &'static str, width: usize, right: bool, sorts: Option<Column>, content: Content) -> Cell {
    Cell { title, width, right, sorts, content }
}

/// The columns that fit: on wide windows more of them rather than wider ones, on narrow ones fewer: the name and the risk always stay.
fn table(columns: usize, domains: &[&Domain]) -> Vec<Cell> {
    let mut cells = vec![
        cell("NAME", 0, false, Some(Column::Name), |_, _, domain| (text::brief(&domain.id), Style::default())),
        cell("POWER", 9, false, Some(Column::Power), |model, _, domain| (domain.power.as_str().to_owned(), model.face.power(domain.power))),
        cell("DOMID", 5, true, Some(Column::Domid), |_, _, domain| {
            (domain.domid.map_or_else(|| "-".to_owned(), |id| id.to_string()), Style::default())
        }),
        cell("MEMORY", 12, false, Some(Column::Memory), |_, _, domain| (memory(domain), Style::default())),
        cell("CONFIG", 8, false, None, |model, inventory, domain| {
            let word = config(inventory, domain);
            let style = if matches!(word, "none" | "refused") { model.face.warning() } else { Style::default() };
            (word.to_owned(), style)
        }),
        cell("DISKS", 10, false, Some(Column::Disks), |model, _, domain| disks(model, domain)),
        cell("RISK", 9, false, Some(Column::Risk), risk),
    ];
    let extra = [
        cell("ALLOCATED", 9, true, None, |_, _, domain| {
            (bytes::human_or_unknown(known_sum(real_disks(&domain.disks).map(|disk| disk.allocated))), Style::default())
        }),
        cell("SIZE", 9, true, None, |_, _, domain| (bytes::human_or_unknown(size(domain)), Style::default())),
        cell("TYPE", 4, false, None, |_, _, domain| {
            (domain.guest_type.as_deref().map_or_else(|| "?".to_owned(), shown::text), Style::default())
        }),
        cell("VCPUS", 5, true, None, |_, _, domain| (domain.vcpus.map_or_else(|| "?".to_owned(), |n| n.to_string()), Style::default())),
        cell("TOOLSTACK", 11, false, None, |_, _, domain| {
            (domain.toolstacks.iter().map(|t| t.as_str()).collect::<Vec<_>>().join("+"), Style::default())
        }),
        cell("STARTED (UTC)", 16, false, None, |_, _, domain| {
            (domain.started.map_or_else(String::new, |t| t.format("%Y-%m-%d %H:%M").to_string()), Style::default())
        }),
    ];
    let longest = domains.iter().map(|domain| text::width(&text::brief(&domain.id)).min(32)).max().unwrap_or(0).max(LEAST_NAME);
    let width = |cells: &[Cell]| cells.iter().map(|cell| cell.width.saturating_add(1)).sum::<usize>();
    for dispensable in ["DOMID", "CONFIG", "DISKS"] {
        if width(&cells).saturating_add(longest.min(LEAST_NAME)) > columns {
            cells.retain(|cell| cell.title != dispensable);
        }
    }
    let mut used = width(&cells);
    for cell in extra {
        if used.saturating_add(cell.width).saturating_add(1).saturating_add(longest.max(18)) <= columns {
            used = used.saturating_add(cell.width).saturating_add(1);
            cells.push(cell);
        }
    }
    let room = columns.saturating_sub(used);
    if let Some(name) = cells.first_mut() {
        name.width = longest.min(room).max(room.min(19));
    }
    cells
}

fn header(model: &Model, table: &[Cell]) -> Line<'static> {
    let spans = table.iter().flat_map(|cell| {
        let sorted = cell.sorts == Some(model.sort.column);
        let title = match (sorted, model.sort.descending) {
            (true, false) => format!("{}^", cell.title),
            (true, true) => format!("{}v", cell.title),
            (false, _) => cell.title.to_owned(),
        };
        let padded = if cell.right { text::right(&title, cell.width, "") } else { text::left(&title, cell.width, "") };
        [Span::styled(padded, model.face.dim()), Span::raw(" ")]
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn memory(domain: &Domain) -> String {
    let size = domain.memory.bytes.map_or_else(|| "?".to_owned(), bytes::human);
    match domain.memory.state {
        MemoryState::InRam => format!("RAM {size}"),
        MemoryState::SaveImage => format!("save {size}"),
        MemoryState::None => "none".to_owned(),
        MemoryState::Unknown => "?".to_owned(),
    }
}

fn config(inventory: &Inventory, domain: &Domain) -> &'static str {
    let known: Vec<_> = domain.configs.iter().filter_map(|path| inventory.config(path)).collect();
    match (domain.configs.len(), known.first()) {
        (0, _) if domain.domid == Some(0) => "-",
        (0, _) if domain.likely_config.is_some() => "likely",
        (0, _) if domain.saves.iter().any(|save| inventory.packaged_config(save).is_some()) => "in save",
        (0, _) => "none",
        (_, _) if known.iter().any(|config| !config.accepted()) => "refused",
        (1, Some(config)) => match config.source {
            ConfigSource::File => "file",
            ConfigSource::SaveImage => "in save",
            ConfigSource::Libvirt => "libvirt",
            ConfigSource::Xend => "xend",
        },
        (1, None) => "file",
        _ => "several",
    }
}

fn disks(model: &Model, domain: &Domain) -> (String, Style) {
    let real: Vec<&Disk> = real_disks(&domain.disks).collect();
    let missing = real.iter().filter(|disk| disk.exists == Some(false)).count();
    if missing > 0 {
        return (format!("{missing} missing"), model.face.danger());
    }
    let word = match real.first() {
        None => "none".to_owned(),
        Some(first) if real.iter().all(|disk| disk.kind == first.kind) => format!("{} {}", real.len(), kind(first.kind)),
        Some(_) => format!("{} mixed", real.len()),
    };
    (word, Style::default())
}

fn kind(kind: DiskKind) -> &'static str {
    match kind {
        DiskKind::Partition => "part",
        other => other.as_str(),
    }
}

fn risk(model: &Model, _: &Inventory, domain: &Domain) -> (String, Style) {
    model.index.risk.get(&domain.id).map_or_else(
        || (String::new(), Style::default()),
        |worst| (format!("{} {}", worst.mark(), worst.as_str()), model.face.severity(*worst)),
    )
}
