//! Volume groups as pictures, and their volumes: snapshots under their origins, thin volumes under their pools.

use ratatui::text::{Line, Span};

use super::storage::used_by;
use crate::model::fuse::brief;
use crate::model::{FusePart, Inventory, LogicalVolume, VolumeGroup, bytes, shown};
use crate::tui::model::Model;
use crate::tui::widget::bar::{bar, percent_word, picture};
use crate::tui::widget::pane::Row;
use crate::tui::widget::text;

/// Letters that stand for volumes in a group's picture.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

pub fn rows(model: &Model, inventory: &Inventory, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in &inventory.volume_groups {
        let group_view = Section {
            model,
            inventory,
            volume_group: group,
            volumes: inventory.volumes.iter().filter(|v| v.vg == group.name && !v.hidden).collect(),
            columns,
        };
        group_view.rows(&mut rows);
    }
    let free: Vec<_> = inventory.physical_volumes.iter().filter(|pv| pv.vg.is_empty()).collect();
    for pv in free {
        rows.push(Row::of(format!("pv {}", pv.path), format!("{}  {}  a physical volume in no group", pv.path, bytes::human(pv.bytes))));
    }
    rows
}

struct Section<'a> {
    model: &'a Model,
    inventory: &'a Inventory,
    volume_group: &'a VolumeGroup,
    volumes: Vec<&'a LogicalVolume>,
    columns: usize,
}

impl Section<'_> {
    /// Bytes that a volume takes of its group: a snapshot its store, a thin volume nothing, for its pool has them.
    fn takes(volume: &LogicalVolume) -> u64 {
        if volume.pool.is_some() { 0 } else { volume.store_bytes.unwrap_or(volume.bytes) }
    }

    fn rows(&self, rows: &mut Vec<Row>) {
        let face = &self.model.face;
        let group = self.volume_group;
        let used = group.bytes.saturating_sub(group.free);
        let mut spans = vec![
            Span::styled(format!("VOLUME GROUP {}", shown::text(&group.name)), face.heading()),
            Span::raw(format!("  {} used, {} free of {}", bytes::human(used), bytes::human(group.free), bytes::human(group.bytes))),
        ];
        if group.missing_pvs > 0 {
            spans.push(Span::styled(format!("  {} MISSING", text::count(group.missing_pvs as usize, "device")), face.danger()));
        }
        rows.push(Row::of(format!("group {}", group.name), Line::from(spans)));
        let ordered = self.ordered();
        let mut letters = LETTERS.chars();
        let lettered: Vec<_> = ordered
            .into_iter()
            .map(|(depth, volume)| (depth, volume, if Self::takes(volume) > 0 { letters.next().unwrap_or('+') } else { ' ' }))
            .collect();
        let parts: Vec<_> =
            lettered.iter().filter(|(_, _, letter)| *letter != ' ').map(|(_, volume, letter)| (*letter, Self::takes(volume))).collect();
        rows.push(Row::text(picture(&parts, group.bytes, self.columns.min(100))));
        for (depth, volume, letter) in lettered {
            rows.push(self.volume(depth, volume, letter));
        }
    }

    /// Every volume once: origins with their snapshots, pools with their thin volumes, and those with their snapshots.
    fn ordered(&self) -> Vec<(usize, &LogicalVolume)> {
        let mut out: Vec<(usize, &LogicalVolume)> = Vec::new();
        let names: Vec<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
        let parent = |volume: &LogicalVolume| {
            [&volume.origin, &volume.pool].into_iter().flatten().find(|name| names.contains(&name.as_str())).cloned()
        };
        // A snapshot may be an origin itself; a report that names a circle must not hang the screen.
        let mut waiting: Vec<(usize, &LogicalVolume)> =
            self.volumes.iter().rev().filter(|v| parent(v).is_none()).map(|v| (0, *v)).collect();
        while let Some((depth, volume)) = waiting.pop() {
            out.push((depth, volume));
            let children =
                self.volumes.iter().rev().filter(|child| parent(child).as_deref() == Some(&volume.name) && child.name != volume.name);
            waiting.extend(children.map(|child| (depth.saturating_add(1).min(6), *child)));
        }
        for volume in &self.volumes {
            if !out.iter().any(|(_, seen)| seen.name == volume.name) {
                out.push((0, volume));
            }
        }
        out
    }

    fn volume(&self, depth: usize, volume: &LogicalVolume, letter: char) -> Row {
        let face = &self.model.face;
        let dots = face.glyphs.ellipsis;
        let wide = self.columns.saturating_sub(52).clamp(22, 40);
        let name = text::left(&format!("{}{}", "  ".repeat(depth), shown::text(&volume.name)), wide, dots);
        let mut spans = vec![
            Span::raw(format!("{letter} ")),
            Span::styled(name, face.strong()),
            Span::raw(format!(" {:>8} ", bytes::human(volume.bytes))),
        ];
        spans.extend(self.fill(volume));
        if !volume.health.is_empty() {
            spans.push(Span::styled(format!("{} ", shown::text(&volume.health)), face.danger()));
        }
        if !volume.is_thin_pool() && !volume.is_classic_snapshot() {
            let users = self.model.index.users_of_volume(volume);
            spans.push(used_by(self.model, &volume.path, users, other_use(self.inventory, volume)));
        }
        Row::of(format!("volume {}", volume.full_name()), Line::from(spans))
    }

    fn fill(&self, volume: &LogicalVolume) -> Vec<Span<'static>> {
        let face = &self.model.face;
        let filled = |percent: Option<f64>| match percent {
            Some(percent) if percent >= 90.0 => face.danger(),
            Some(percent) if percent >= 70.0 => face.warning(),
            _ => ratatui::style::Style::default(),
        };
        let wide = if volume.is_thin_pool() && self.columns < 90 { 8 } else { 12 };
        let gauge = |percent: Option<f64>| Span::styled(format!("{} {} ", bar(percent, wide), percent_word(percent)), filled(percent));
        if volume.invalid {
            return vec![Span::styled("OVERFLOWED: the snapshot is lost ", face.danger())];
        }
        if volume.merging {
            return vec![gauge(volume.data_percent), Span::styled("merging back ", face.warning())];
        }
        if volume.is_classic_snapshot() {
            return vec![
                gauge(volume.data_percent),
                self.pace(volume),
                Span::raw(format!("of {} store ", bytes::human_or_unknown(volume.store_bytes))),
            ];
        }
        if volume.is_thin_pool() {
            let gauges = [Span::raw("data "), gauge(volume.data_percent), Span::raw("meta "), gauge(volume.metadata_percent)];
            let pace = self.pace(volume);
            if self.columns >= 100 {
                return gauges.into_iter().chain([pace]).collect();
            }
            // When it fills, that matters more than a bar that is cut off; that nobody knows when does not.
            let fills = self.inventory.fuses_of(volume).any(|fuse| fuse.full_in().is_some());
            return fills.then_some(pace).into_iter().chain(gauges).collect();
        }
        if volume.pool.is_some() {
            return vec![gauge(volume.data_percent), Span::raw(if self.columns < 90 { "" } else { "mapped " })];
        }
        Vec::new()
    }
}

impl Section<'_> {
    /// When the first of a volume's stores is full.
    fn pace(&self, volume: &LogicalVolume) -> Span<'static> {
        let first = self.inventory.fuses_of(volume).min_by_key(|fuse| fuse.full_in().unwrap_or(u64::MAX));
        let Some(fuse) = first else { return Span::raw("") };
        let part = if fuse.part == FusePart::Metadata { "meta " } else { "" };
        let style = match fuse.full_in() {
            Some(seconds) if seconds < 900 => self.model.face.danger(),
            Some(seconds) if seconds < 7200 => self.model.face.warning(),
            _ => ratatui::style::Style::default(),
        };
        Span::styled(format!("{part}{} ", brief(fuse)), style)
    }
}

/// What else than a domain has a volume: the host itself, where it is known.
fn other_use(inventory: &Inventory, volume: &LogicalVolume) -> String {
    let mapper = format!("/dev/mapper/{}-{}", volume.vg.replace('-', "--"), volume.name.replace('-', "--"));
    let mount = inventory.mounts.iter().find(|mount| mount.source == mapper || mount.source == volume.path.to_string());
    match mount {
        Some(mount) => format!("mounted at {}", mount.at),
        None if volume.open => "no domain, but open".to_owned(),
        None if volume.origin.is_some() => "snapshot".to_owned(),
        None => "no domain".to_owned(),
    }
}

pub fn detail(model: &Model, inventory: &Inventory, kind: &str, name: &str) -> Vec<String> {
    if kind == "group" {
        let Some(group) = inventory.volume_groups.iter().find(|group| group.name == name) else { return Vec::new() };
        let mut lines = vec![format!("uuid {}, extents of {}", shown::text(&group.uuid), bytes::human(group.extent_bytes))];
        lines.extend(inventory.physical_volumes.iter().filter(|pv| pv.vg == name).map(|pv| {
            let missing = if pv.missing { ", MISSING" } else { "" };
            format!("on {}: {}, {} free{missing}", pv.path, bytes::human(pv.bytes), bytes::human(pv.free))
        }));
        return lines;
    }
    let Some(volume) = inventory.volumes.iter().find(|volume| volume.full_name() == name) else { return Vec::new() };
    // A small window shows the first lines only: what a change would touch comes before what LVM calls it.
    let mut facts = vec![format!("{}  {}", volume.path, bytes::exact(volume.bytes))];
    facts.extend(super::touch::lines(model, inventory, volume));
    facts.extend(inventory.fuses_of(volume).map(|fuse| format!("{}: {}", fuse.part.as_str(), fuse.forecast())));
    let mut more = vec![shown::text(&volume.layout), format!("attr {}", shown::text(&volume.attr))];
    more.push(if volume.active { "active" } else { "not active" }.to_owned());
    if volume.open {
        more.push("open".to_owned());
    }
    more.extend(volume.origin.as_deref().map(|origin| format!("snapshot of {}", shown::text(origin))));
    more.extend(volume.created.map(|at| format!("made {} UTC", at.format("%Y-%m-%d %H:%M"))));
    more.extend(volume.tags.iter().map(|tag| format!("tag {}", shown::text(tag))));
    let more = more.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
    let users = model.index.users_of_volume(volume);
    if model.index.unreferenced.contains(&volume.path) {
        facts.push("No domain, configuration, save image or mount refers to it.".to_owned());
    } else if users.is_empty() && !volume.is_thin_pool() {
        let mount = other_use(inventory, volume);
        let mount = mount.strip_prefix("mounted").map_or_else(String::new, |at| format!("; it is mounted{at}"));
        facts.push(format!("No domain has it{mount}."));
    }
    facts.extend(users.iter().map(|user| shown::text(&format!("used by {} {}", user.domain, user.vdev))));
    facts.push(more);
    facts
}
