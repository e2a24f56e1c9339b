//! One disk down its stack: vdev, backend, file or volume, volume group, physical device or mount.

use ratatui::text::{Line, Span};

use crate::model::fuse::brief;
use crate::model::{Backing, Disk, DiskKind, Domain, FusePart, Inventory, Layer, bytes, shown};
use crate::tui::model::Model;
use crate::tui::widget::bar::{bar, percent_word};
use crate::tui::widget::pane::Row;
use crate::tui::widget::text;

pub struct Place<'a> {
    pub model: &'a Model,
    pub inventory: &'a Inventory,
    pub columns: usize,
}

const BAR: usize = 14;
/// Columns of what a line is about, so that the facts stand below each other.
const LABEL: usize = "physical volume".len();

pub fn rows(place: &Place, domain: &Domain, number: usize, disk: &Disk, rows: &mut Vec<Row>) {
    let face = &place.model.face;
    let vdev = disk.vdev.as_deref().map_or_else(|| "root".to_owned(), shown::text);
    let mode = disk.mode.map_or("?", |mode| mode.as_str());
    let source = match (&disk.path, disk.kind) {
        (Some(path), _) => path.to_string(),
        (None, DiskKind::Empty) => "no medium".to_owned(),
        (None, _) => "?".to_owned(),
    };
    let lead = format!("{} {} ", text::left(&vdev, 6, face.glyphs.ellipsis), text::left(mode, 2, ""));
    let room = place.columns.saturating_sub(text::width(&lead)).saturating_sub(26);
    let mut spans =
        vec![Span::styled(format!("  {lead}"), face.strong()), Span::raw(text::cut_path(&source, room.max(12), face.glyphs.ellipsis))];
    spans.push(Span::raw(format!("  {}", facts(disk).join(" "))));
    for (word, danger) in warnings(disk) {
        let style = if danger { face.danger() } else { face.warning() };
        spans.push(Span::styled(format!("  {word}"), style));
    }
    rows.push(Row::of(format!("disk {number} {vdev}"), Line::from(spans)));
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(written) = &disk.written_as {
        lines.push(Line::from(format!("written as {}", shown::text(written))));
    }
    if let Some(script) = &disk.script {
        lines.push(Line::from(format!("script {}", shown::text(script))));
    }
    if let Some(trouble) = &disk.trouble {
        lines.push(Line::from(Span::styled(shown::text(trouble), face.danger())));
    }
    // The bus alone is not worth a line.
    if let Some(facts) = disk.libvirt.as_ref().map(crate::model::LibvirtDisk::facts).filter(|facts| facts.len() > 1) {
        lines.push(Line::from(facts.join(", ")));
    }
    let backing = place.inventory.backing(disk.backing.as_ref());
    lines.push(size_line(disk, backing));
    if let Some(backing) = backing {
        below(place, domain, &vdev, backing, &mut lines);
    }
    if disk.kind.managed_elsewhere() {
        lines.push(Line::from("managed elsewhere: domkeep names it and leaves it alone"));
    }
    let last = lines.len().saturating_sub(1);
    for (at, mut line) in lines.into_iter().enumerate() {
        let more = cut_off(&mut line, place.columns.saturating_sub(6));
        let branch = if at == last { face.glyphs.last_branch } else { face.glyphs.branch };
        let mut spans = vec![Span::styled(format!("    {branch} "), face.dim())];
        spans.extend(line.spans);
        rows.push(Row::of(format!("disk {number} {vdev} {at}"), Line::from(spans)));
        let stem = if at == last { " " } else { face.glyphs.stem };
        for part in more {
            let lead = Span::styled(format!("    {stem} {}", " ".repeat(LABEL.saturating_add(1))), face.dim());
            rows.push(Row::text(Line::from(vec![lead, part])));
        }
    }
}

/// What does not fit into `room`, in lines that stand below the facts. A line of several styles is short, and left as it is.
fn cut_off(line: &mut Line<'static>, room: usize) -> Vec<Span<'static>> {
    let [only] = line.spans.as_slice() else { return Vec::new() };
    if text::width(&only.content) <= room {
        return Vec::new();
    }
    let style = only.style;
    let head = text::wrap(&only.content, room).into_iter().next().unwrap_or_default();
    let rest = only.content.get(head.len()..).unwrap_or_default().trim_start();
    let more = text::wrap(rest, room.saturating_sub(LABEL.saturating_add(1))).into_iter().take(20);
    let more = more.map(|part| Span::styled(part, style)).collect();
    *line = Line::from(Span::styled(head, style));
    more
}

fn facts(disk: &Disk) -> Vec<String> {
    let mut facts = vec![disk.kind.as_str().to_owned()];
    facts.extend(disk.format.as_deref().filter(|format| *format != disk.kind.as_str()).map(shown::text));
    facts.extend(disk.backend.as_deref().map(|backend| format!("by {}", shown::text(backend))));
    facts.extend(disk.backend_domain.as_deref().map(|domain| format!("in {}", shown::text(domain))));
    if disk.removable {
        facts.push("removable".to_owned());
    }
    facts
}

/// Words for what is out of the ordinary, and whether it is a danger.
fn warnings(disk: &Disk) -> Vec<(&'static str, bool)> {
    let mut out = Vec::new();
    if disk.exists == Some(false) && disk.kind != DiskKind::Empty {
        out.push(("MISSING", true));
    }
    match (disk.in_config, disk.attached) {
        (false, true) => out.push(("hot-plugged: not in the configuration", false)),
        (false, false) => out.push(("in no configuration", false)),
        _ => {}
    }
    out
}

/// Whether a layer says only what the disk's own line says.
fn is_disk_itself(backing: &Backing, layer: &Layer) -> bool {
    layer.name == backing.path.to_string() && layer.bytes == backing.bytes
}

fn size_line(disk: &Disk, backing: Option<&Backing>) -> Line<'static> {
    let first = backing.and_then(|backing| backing.layers.first().filter(|layer| is_disk_itself(backing, layer)));
    let what = text::left(&first.map_or_else(|| "size".to_owned(), |layer| shown::text(&layer.what)), LABEL, "~");
    match (disk.allocated, disk.bytes) {
        (None, None) => Line::from(format!("{what} unknown")),
        (allocated, whole) => {
            let percent = bytes::percent(allocated, whole);
            Line::from(format!(
                "{what} {} {} allocated of {}",
                bar(percent, BAR),
                bytes::human_or_unknown(allocated),
                bytes::human_or_unknown(whole)
            ))
        }
    }
}

fn fuse_label(part: FusePart) -> &'static str {
    match part {
        FusePart::Store => "fills snapshot",
        FusePart::Data => "fills pool",
        FusePart::Metadata => "pool's metadata",
    }
}

fn below(place: &Place, domain: &Domain, vdev: &str, backing: &Backing, lines: &mut Vec<Line<'static>>) {
    let face = &place.model.face;
    for layer in backing.layers.iter().filter(|layer| !is_disk_itself(backing, layer)) {
        let name = text::cut_path(&shown::text(&layer.name), place.columns.saturating_sub(52).max(20), face.glyphs.ellipsis);
        let mut words = format!("{} {name}", text::left(&shown::text(&layer.what), LABEL, face.glyphs.ellipsis));
        match (layer.used, layer.bytes) {
            (Some(used), whole) => {
                let percent = bytes::percent(Some(used), whole);
                words += &format!("  {} {} of {}", bar(percent, BAR), bytes::human(used), bytes::human_or_unknown(whole));
                if percent.is_some_and(|percent| percent >= 90.0) {
                    words += &format!(" ({})", percent_word(percent));
                }
            }
            (None, Some(whole)) => words += &format!("  {}", bytes::human(whole)),
            (None, None) => {}
        }
        lines.push(Line::from(words));
    }
    if let Some((path, _)) = &backing.backing_file {
        lines.push(Line::from(format!("{} {path}: never change that file", text::left("reads from", LABEL, ""))));
    }
    for fuse in backing.volume.as_deref().map(|volume| place.inventory.fuses_burnt_by(volume)).unwrap_or_default() {
        let percent = fuse.percent();
        let words = format!(
            "{} {} {} of {}, {}",
            text::left(fuse_label(fuse.part), LABEL, face.glyphs.ellipsis),
            shown::text(&fuse.full_name()),
            percent_word(percent).trim_start(),
            bytes::human(fuse.bytes),
            brief(fuse)
        );
        let near = fuse.full_in().is_some_and(|seconds| seconds < 900) || percent.is_some_and(|percent| percent >= 90.0);
        lines.push(Line::from(Span::styled(words, if near { face.danger() } else { ratatui::style::Style::default() })));
    }
    for signature in &backing.signatures {
        let mut words = format!("{} {}", text::left("holds", LABEL, ""), shown::text(&signature.kind));
        words.push_str(&signature.partition.map_or_else(String::new, |number| format!(" in partition {number}")));
        words.push_str(&signature.label.as_deref().map_or_else(String::new, |label| format!(" \"{}\"", shown::text(label))));
        if let Some(written) = signature.times.as_ref().and_then(|times| times.written) {
            words += &format!(", last written {} UTC or later", written.format("%Y-%m-%d %H:%M"));
        }
        lines.push(Line::from(words));
    }
    for mount in &backing.mounts {
        let (word, style) = if mount.read_write { ("read-write", face.danger()) } else { ("read-only", face.warning()) };
        lines.push(Line::from(vec![
            Span::raw(format!("{} {} ", text::left("mounted", LABEL, ""), mount.at)),
            Span::styled(format!("{word} in dom0"), style),
        ]));
    }
    for holder in &backing.holders {
        lines.push(Line::from(format!(
            "{} {} ({})",
            text::left("held by", LABEL, ""),
            shown::text(&holder.name),
            shown::text(&holder.what)
        )));
    }
    for user in place.model.index.users_of(&backing.key) {
        if user.domain != domain.id || shown::text(&user.vdev) != vdev {
            let words = format!("{} {} {}", text::left("also used by", LABEL, ""), shown::text(&user.domain), shown::text(&user.vdev));
            lines.push(Line::from(Span::styled(words, face.danger())));
        }
    }
    for trouble in &backing.trouble {
        lines.push(Line::from(format!("{} {}", text::left("not known", LABEL, ""), shown::text(trouble))));
    }
}
