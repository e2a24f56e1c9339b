//! One domain: the map of its state. MEMORY, CONFIGURATION, and each disk down its stack to the metal; its findings below.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Target, disk, split};
use crate::model::{Config, ConfigSource, Domain, Drift, DriftKind, HostPath, Inventory, MemoryState, Save, Stale, Verdicts, bytes, shown};
use crate::tui::model::Model;
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

pub fn panes(model: &Model, id: &str, body: Rect) -> Vec<Pane> {
    let (Some(inventory), Some(verdicts), Some(domain)) = (model.inventory(), model.verdicts(), model.domain(id)) else {
        let rows = vec![Row::blank(), Row::text(format!("{} is not on this host any more.", shown::text(id))), Row::text("Esc goes back.")];
        return vec![Pane { area: body, rows, ..Pane::default() }];
    };
    let findings = super::findings::rows(model, Pane::columns(body), |finding| finding.domains.iter().any(|name| name == id));
    let lower = u16::try_from(findings.len()).unwrap_or(u16::MAX).saturating_add(1).min(body.height / 3);
    let (map_area, findings_area) = split(body, if findings.is_empty() { body.height } else { body.height.saturating_sub(lower) });
    let map = Map { model, inventory, verdicts, domain, columns: Pane::columns(body) };
    let mut panes = vec![Pane { area: map_area, rows: map.rows(), ..Pane::default() }];
    if !findings.is_empty() {
        let title = format!("{}: Tab, then Enter explains", text::count(findings.len(), "finding"));
        panes.push(Pane { area: findings_area, title: Some(title), rows: findings, ..Pane::default() });
    }
    panes
}

pub fn target(model: &Model) -> Option<Target> {
    if model.focus() == 1 { model.selected(1).map(|key| Target::Finding(key.to_owned())) } else { None }
}

/// A domain with all that its map is made of.
struct Map<'a> {
    model: &'a Model,
    inventory: &'a Inventory,
    verdicts: &'a Verdicts,
    domain: &'a Domain,
    columns: usize,
}

impl Map<'_> {
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![Row::of("head", self.head())];
        if let Some(uuid) = &self.domain.uuid {
            rows.push(Row::text(format!("  uuid {}", shown::text(uuid))));
        }
        for note in &self.domain.notes {
            rows.push(Row::text(format!("  {}", shown::text(note))));
        }
        self.memory(&mut rows);
        self.configuration(&mut rows);
        self.libvirt(&mut rows);
        rows.push(self.heading(&format!("DISKS ({})", self.domain.disks.len())));
        if self.domain.disks.is_empty() {
            rows.push(Row::of("no disks", "  none: it has no disk in its configuration and none is attached"));
        }
        let place = disk::Place { model: self.model, inventory: self.inventory, columns: self.columns };
        for (number, disk) in self.domain.disks.iter().enumerate() {
            disk::rows(&place, self.domain, number, disk, &mut rows);
        }
        rows
    }

    fn heading(&self, words: &str) -> Row {
        Row::text(Line::from(Span::styled(words.to_owned(), self.model.face.heading())))
    }

    fn head(&self) -> Line<'static> {
        let domain = self.domain;
        let face = &self.model.face;
        let mut spans = vec![
            Span::styled(text::cut(&shown::text(&domain.name), 40, face.glyphs.ellipsis), face.strong()),
            Span::raw("  "),
            Span::styled(domain.power.as_str(), face.power(domain.power)),
        ];
        let mut facts: Vec<String> = Vec::new();
        facts.extend(domain.domid.map(|id| format!("domid {id}")));
        facts.extend(domain.guest_type.as_deref().map(shown::text));
        facts.extend(domain.vcpus.map(|n| text::count(n as usize, "vcpu")));
        if !domain.toolstacks.is_empty() {
            facts.push(domain.toolstacks.iter().map(|t| t.as_str()).collect::<Vec<_>>().join("+"));
        }
        facts.extend(domain.started.map(|at| format!("since {} UTC", at.format("%Y-%m-%d %H:%M"))));
        for fact in facts {
            spans.push(Span::raw(format!("  {fact}")));
        }
        Line::from(spans)
    }

    fn memory(&self, rows: &mut Vec<Row>) {
        let memory = self.domain.memory;
        let size = memory.bytes.map_or_else(|| "size unknown".to_owned(), bytes::human);
        let words = match memory.state {
            MemoryState::InRam => format!("in RAM now, {size}: lost when the host stops, unless it is saved"),
            MemoryState::SaveImage => format!("in a save image, {size}"),
            MemoryState::None => "none: it is off and was not saved, so none is missing".to_owned(),
            MemoryState::Unknown => "unknown".to_owned(),
        };
        rows.push(self.heading("MEMORY"));
        rows.push(Row::of("memory", format!("  {words}")));
        for path in &self.domain.saves {
            self.save(path, rows);
        }
    }

    fn save(&self, path: &HostPath, rows: &mut Vec<Row>) {
        let dots = self.model.face.glyphs.ellipsis;
        let name = text::cut_path(&path.to_string(), self.columns.saturating_sub(4), dots);
        rows.push(Row::of(
            format!("save {path}"),
            Line::from(vec![Span::raw("  save image  "), Span::styled(name, self.model.face.strong())]),
        ));
        let Some(save) = self.inventory.save(path) else {
            rows.push(Row::text("    it is named, but was not found"));
            return;
        };
        let verdict = self.verdicts.stale.get(path);
        let face = &self.model.face;
        // The one question at three in the morning, answered before anything else is told.
        let (word, style) = match (verdict.map(|verdict| verdict.stale), save.complete) {
            (Some(Stale::Yes), _) => ("NO: stale. The disks were changed after it was made; resuming corrupts them", face.danger()),
            (_, Some(false)) => ("NO: it is cut short", face.danger()),
            (Some(Stale::No), _) => ("yes: the disks are proven unchanged", face.good()),
            (Some(Stale::Unknown) | None, _) => ("unknown: nothing proves that the disks are unchanged", face.warning()),
        };
        self.paragraph(&format!("stale {path}"), "    resume it? ", word, style, rows);
        self.wrapped("    ", &save_facts(save), rows);
        for seen in verdict.map_or(&[][..], |verdict| &verdict.evidence) {
            self.wrapped("      - ", &format!("{} ({})", shown::text(&seen.what), shown::text(&seen.source)), rows);
        }
    }

    fn configuration(&self, rows: &mut Vec<Row>) {
        rows.push(self.heading("CONFIGURATION"));
        for path in &self.domain.configs {
            self.config(path, self.inventory.config(path), "", rows);
        }
        if let Some(path) = &self.domain.likely_config {
            self.config(path, self.inventory.config(path), "likely, for it does not carry this name", rows);
        }
        for path in &self.domain.saves {
            if let Some(config) = self.inventory.packaged_config(path) {
                self.config(path, Some(config), "packaged in the save image", rows);
            }
        }
        if self.domain.domid == Some(0) {
            rows.push(Row::of("no config", "  none: it is the host itself, started by the boot loader"));
        } else if self.domain.configs.is_empty() && self.domain.likely_config.is_none() {
            let words = "  no file: when it stops, it cannot be started again without one";
            rows.push(Row::of("no config", Line::from(Span::styled(words, self.model.face.warning()))));
        }
        for drift in self.verdicts.drift.iter().filter(|drift| drift.domain == self.domain.id) {
            self.paragraph(&format!("drift {}", drift.vdev), "  ", &drift_words(drift), self.model.face.warning(), rows);
        }
    }

    fn libvirt(&self, rows: &mut Vec<Row>) {
        let Some(libvirt) = &self.domain.libvirt else { return };
        rows.push(self.heading("LIBVIRT"));
        for (number, line) in libvirt.lines().iter().enumerate() {
            self.paragraph(&format!("libvirt {number}"), "  ", line, Style::default(), rows);
        }
    }

    fn config(&self, path: &HostPath, config: Option<&Config>, remark: &str, rows: &mut Vec<Row>) {
        let dots = self.model.face.glyphs.ellipsis;
        let name = text::cut_path(&path.to_string(), self.columns.saturating_sub(20), dots);
        let packaged = config.is_some_and(|config| config.source == ConfigSource::SaveImage);
        let mut facts = Vec::new();
        if !packaged {
            facts.push(config.map_or("not read", |config| config.source.as_str()).to_owned());
        }
        if let Some(config) = config {
            facts.push(shown::text(&config.grammar));
            if config.autostart {
                facts.push("starts at boot".to_owned());
            }
            facts.push(text::count(config.disks.len(), "disk"));
            facts.extend(config.modified.map(|at| format!("changed {} UTC", at.format("%Y-%m-%d %H:%M"))));
        }
        if !remark.is_empty() {
            facts.insert(0, remark.to_owned());
        }
        let facts = facts.join(", ");
        let beside = text::width(&name).saturating_add(text::width(&facts)).saturating_add(4) <= self.columns;
        let mut spans = vec![Span::raw("  "), Span::styled(name, self.model.face.strong())];
        spans.extend(beside.then(|| Span::raw(format!("  {facts}"))));
        rows.push(Row::of(format!("config {path} {remark}"), Line::from(spans)));
        if !beside {
            self.wrapped("    ", &facts, rows);
        }
        for trouble in config.map_or(&[][..], |config| &config.trouble) {
            let place = match (trouble.line, trouble.column) {
                (Some(line), Some(column)) => format!("line {line}, column {column}: "),
                (Some(line), None) => format!("line {line}: "),
                _ => String::new(),
            };
            let word = if trouble.fatal { "refused: " } else { "careful: " };
            self.wrapped("    ", &format!("{word}{place}{}", shown::text(&trouble.what)), rows);
        }
        if config.is_some_and(|config| config.source == ConfigSource::File) {
            for (key, value) in config.map_or(&[][..], |config| &config.settings) {
                let words = format!("{} = {}", shown::text(key), shown::text(value));
                for (number, line) in text::wrap(&words, self.columns.saturating_sub(8)).into_iter().take(20).enumerate() {
                    rows.push(Row::text(format!("{}{line}", if number == 0 { "    " } else { "        " })));
                }
            }
        }
    }

    /// Words of which the first line can be selected.
    fn paragraph(&self, key: &str, indent: &str, words: &str, style: Style, rows: &mut Vec<Row>) {
        let blank = " ".repeat(indent.len());
        for (number, line) in text::wrap(words, self.columns.saturating_sub(indent.len())).into_iter().take(20).enumerate() {
            let lead = if number == 0 { indent.to_owned() } else { blank.clone() };
            let line = Line::from(vec![Span::raw(lead), Span::styled(line, style)]);
            rows.push(if number == 0 { Row::of(key, line) } else { Row::text(line) });
        }
    }

    fn wrapped(&self, indent: &str, words: &str, rows: &mut Vec<Row>) {
        let blank = " ".repeat(indent.len());
        for (number, line) in text::wrap(words, self.columns.saturating_sub(indent.len())).into_iter().take(20).enumerate() {
            rows.push(Row::text(format!("{}{line}", if number == 0 { indent } else { &blank })));
        }
    }
}

fn save_facts(save: &Save) -> String {
    let mut facts = vec![bytes::human(save.bytes), format!("{} format", save.format.as_str())];
    facts.push(match (save.complete, &save.cut) {
        (Some(true), _) => "complete".to_owned(),
        (Some(false), Some(cut)) => format!("CUT SHORT: {}", shown::text(cut)),
        (Some(false), None) => "CUT SHORT".to_owned(),
        (None, _) => "complete or not: unknown".to_owned(),
    });
    facts.extend(save.created.map(|at| format!("made {} UTC", at.format("%Y-%m-%d %H:%M"))));
    if save.resumed_at_boot {
        facts.push("resumed at the next boot".to_owned());
    }
    if save.readable_by_others == Some(true) {
        facts.push("readable by others".to_owned());
    }
    facts.extend(save.notes.iter().map(|note| shown::text(note)));
    facts.join(", ")
}

fn drift_words(drift: &Drift) -> String {
    let path = drift.path.as_ref().map_or_else(String::new, |path| format!(" ({path})"));
    let vdev = shown::text(&drift.vdev);
    match drift.kind {
        DriftKind::AttachedNotInConfig => format!("{vdev}{path} is attached but not in the configuration: gone after the next start"),
        DriftKind::InConfigNotAttached => format!("{vdev}{path} is in the configuration but not attached"),
    }
}
