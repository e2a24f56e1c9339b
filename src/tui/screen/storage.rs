//! What disks lie on: volume groups with their volumes, image stores with their files, and what nothing refers to.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Target, groups, split};
use crate::model::{HostPath, ImageFile, Inventory, Store, bytes, shown};
use crate::tui::index::User;
use crate::tui::model::{Model, Screen, passes};
use crate::tui::widget::bar::bar;
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

pub fn panes(model: &Model, body: Rect) -> Vec<Pane> {
    let Some(inventory) = model.inventory() else { return Vec::new() };
    let filter = model.filters.get(&Screen::Storage).map_or("", String::as_str);
    let (upper, lower) = split(body, body.height.saturating_sub(5));
    let columns = Pane::columns(upper);
    let mut rows = groups::rows(model, inventory, columns);
    stores(model, inventory, columns, &mut rows);
    if rows.is_empty() {
        rows.push(Row::blank());
        rows.push(Row::text("No volume group and no image file was found."));
        rows.push(Row::text("Directories with image files are named in the settings (image_dirs)."));
    }
    if !filter.is_empty() {
        rows.retain(|row| row.key.is_some() && passes(filter, &row.line.to_string()));
        if rows.is_empty() {
            rows.push(Row::text(format!("Nothing matches the filter {}; Esc clears it.", shown::text(filter))));
        }
    }
    let detail = model.selected(0).map(|key| detail(model, inventory, key, columns)).unwrap_or_default();
    vec![
        Pane { area: upper, rows, ..Pane::default() },
        Pane { area: lower, title: Some("about it".to_owned()), rows: detail, ..Pane::default() },
    ]
}

/// Who uses a thing, or that nobody does. `otherwise` is what else refers to it, where no domain does.
pub fn used_by(model: &Model, path: &HostPath, users: &[User], otherwise: String) -> Span<'static> {
    match users {
        [] if model.index.unreferenced.contains(path) => Span::styled("unreferenced", model.face.warning()),
        [] => Span::raw(otherwise),
        [one] => Span::raw(user(one)),
        [one, other] => Span::raw(format!("{}, {}", user(one), user(other))),
        [first, rest @ ..] => Span::raw(format!("{} and {} more", user(first), rest.len())),
    }
}

fn user(user: &User) -> String {
    format!("{} {}", text::brief(&user.domain), text::brief(&user.vdev))
}

/// The store that holds a path: the one with the longest mount above it.
fn store_of<'a>(stores: &'a [Store], path: &HostPath) -> Option<&'a Store> {
    stores.iter().filter(|store| path.starts_with(&store.mount)).max_by_key(|store| store.mount.as_bytes().len())
}

fn stores(model: &Model, inventory: &Inventory, columns: usize, rows: &mut Vec<Row>) {
    let dots = model.face.glyphs.ellipsis;
    if inventory.stores.is_empty() && inventory.images.is_empty() {
        return;
    }
    rows.push(Row::text(Line::from(Span::styled("FILE SYSTEMS WITH IMAGES", model.face.heading()))));
    for store in &inventory.stores {
        let used = store.bytes.zip(store.free).map(|(whole, free)| whole.saturating_sub(free));
        let mount = text::left(&store.mount.to_string(), columns.saturating_sub(48).clamp(16, 40), dots);
        let line = Line::from(vec![
            Span::styled(mount, model.face.strong()),
            Span::raw(format!(
                " {} {} free of {}  {}{}",
                bar(bytes::percent(used, store.bytes), 14),
                bytes::human_or_unknown(store.free),
                bytes::human_or_unknown(store.bytes),
                shown::text(&store.fs),
                if store.read_write { "" } else { ", read-only" }
            )),
        ]);
        rows.push(Row::of(format!("store {}", store.mount), line));
        for (depth, image) in below_their_bases(inventory, Some(store)) {
            rows.push(image_row(model, inventory, image, columns, depth));
        }
    }
    for (depth, image) in below_their_bases(inventory, None) {
        rows.push(image_row(model, inventory, image, columns, depth));
    }
}

/// The key of the backing that an image reads what it does not hold itself from.
fn base_of<'a>(inventory: &'a Inventory, image: &ImageFile) -> Option<&'a str> {
    inventory.backing(Some(&image.backing))?.backing_file.as_ref().map(|(_, key)| key.as_str())
}

/// The images of one store, each once: overlays below the image that they read from, where that lies in the same store.
fn below_their_bases<'a>(inventory: &'a Inventory, store: Option<&Store>) -> Vec<(usize, &'a ImageFile)> {
    let here: Vec<&ImageFile> = inventory.images.iter().filter(|image| store_of(&inventory.stores, &image.path) == store).collect();
    let is_here = |key: &str| here.iter().any(|image| image.backing == key);
    let mut waiting: Vec<(usize, &ImageFile)> =
        here.iter().rev().filter(|image| !base_of(inventory, image).is_some_and(is_here)).map(|image| (0, *image)).collect();
    let mut out: Vec<(usize, &ImageFile)> = Vec::new();
    while let Some((depth, image)) = waiting.pop() {
        out.push((depth, image));
        let over = here.iter().rev().filter(|other| base_of(inventory, other) == Some(&image.backing) && other.path != image.path);
        waiting.extend(over.map(|other| (depth.saturating_add(1).min(6), *other)));
    }
    // A chain that is a circle has no first image; it is shown all the same.
    let missed: Vec<&ImageFile> = here.iter().filter(|image| !out.iter().any(|(_, seen)| seen.path == image.path)).copied().collect();
    out.extend(missed.into_iter().map(|image| (0, image)));
    out
}

fn image_row(model: &Model, inventory: &Inventory, image: &ImageFile, columns: usize, depth: usize) -> Row {
    let dots = model.face.glyphs.ellipsis;
    let backing = inventory.backing(Some(&image.backing));
    let (allocated, whole) = (backing.and_then(|b| b.allocated), backing.and_then(|b| b.bytes));
    let format = backing.and_then(|b| b.format_seen.as_deref()).map_or_else(|| "?".to_owned(), shown::text);
    let users = model.index.users_of(&image.backing);
    let who = used_by(model, &image.path, users, "named by a file".to_owned());
    // On a narrow window the name is worth more than the bar.
    let picture = if columns < 100 { String::new() } else { format!("{} ", bar(bytes::percent(allocated, whole), 10)) };
    let wide = columns.saturating_sub(46).saturating_sub(text::width(&picture)).clamp(20, 60);
    let indent = "  ".repeat(depth);
    let name = format!("{indent}{}", text::cut_path(&image.path.to_string(), wide.saturating_sub(indent.len()), dots));
    let line = Line::from(vec![
        Span::raw("  "),
        Span::raw(text::left(&name, wide, dots)),
        Span::raw(format!(
            " {picture}{:>8} of {:>8} {} ",
            bytes::human_or_unknown(allocated),
            bytes::human_or_unknown(whole),
            text::left(&format, 5, dots)
        )),
        who,
    ]);
    Row::of(format!("image {}", image.path), line)
}

fn detail(model: &Model, inventory: &Inventory, key: &str, columns: usize) -> Vec<Row> {
    let Some((kind, name)) = key.split_once(' ') else { return Vec::new() };
    let lines = match kind {
        "group" | "volume" => groups::detail(model, inventory, kind, name),
        "image" => image_detail(model, inventory, name),
        "store" => {
            let found = inventory.stores.iter().find(|store| store.mount.to_string() == name);
            found
                .map(|store| vec![format!("{} on {}, {}", store.mount, shown::text(&store.source), shown::text(&store.fs))])
                .unwrap_or_default()
        }
        _ => Vec::new(),
    };
    lines.iter().flat_map(|line| text::wrap(line, columns)).map(Row::text).collect()
}

/// Paths of images that read from a backing.
fn overlays(inventory: &Inventory, key: &str) -> Vec<String> {
    let over = inventory.backings.values().filter(|backing| backing.backing_file.as_ref().is_some_and(|(_, base)| base == key));
    over.map(|backing| backing.path.to_string()).collect()
}

fn image_detail(model: &Model, inventory: &Inventory, name: &str) -> Vec<String> {
    let Some(image) = inventory.images.iter().find(|image| image.path.to_string() == name) else { return Vec::new() };
    let mut lines = vec![image.path.to_string()];
    if let Some(backing) = inventory.backing(Some(&image.backing)) {
        lines.push(format!(
            "virtual {}, allocated {}",
            backing.bytes.map_or_else(|| "?".to_owned(), bytes::exact),
            backing.allocated.map_or_else(|| "?".to_owned(), bytes::exact)
        ));
        lines.extend(backing.backing_file.iter().map(|(path, _)| {
            let own = bytes::human_or_unknown(backing.allocated);
            format!("own {own}; the rest is read from {path}, which must never change; how much of it is still shared is not known")
        }));
        lines.extend(super::touch::of_image(model, inventory, image, &overlays(inventory, &image.backing)));
        if store_of(&inventory.stores, &image.path).is_some_and(|store| matches!(store.fs.as_str(), "xfs" | "btrfs")) {
            lines.push(
                "Files of this file system can share blocks: what is allocated may be a clone's too, and is counted for each.".to_owned(),
            );
        }
        lines.extend(backing.trouble.iter().map(|trouble| format!("not known: {}", shown::text(trouble))));
    }
    let users = model.index.users_of(&image.backing);
    lines.extend(users.iter().map(|user| shown::text(&format!("used by {} {}", user.domain, user.vdev))));
    if model.index.unreferenced.contains(&image.path) {
        lines.push("No domain, configuration, save image or other image refers to it.".to_owned());
    }
    lines
}

/// Enter goes to the first domain that uses the thing.
pub fn target(model: &Model) -> Option<Target> {
    let (kind, name) = model.selected(0)?.split_once(' ')?;
    let inventory = model.inventory()?;
    let users = match kind {
        "volume" => model.index.users_of_volume(inventory.volumes.iter().find(|volume| volume.full_name() == name)?),
        "image" => model.index.users_of(&inventory.images.iter().find(|image| image.path.to_string() == name)?.backing),
        _ => &[],
    };
    users.first().map(|user| Target::Domain(user.domain.clone()))
}
