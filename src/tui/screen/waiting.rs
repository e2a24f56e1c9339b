//! Before the first look has ended: what is being asked, and what has answered.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::model::Model;
use crate::tui::widget::pane::{Pane, Row};
use crate::tui::widget::text;

/// What a first look asks, for a person who waits.
const ASKED: [(&str, &str); 7] = [
    ("xl list, xenstore", "which domains run, and which disks are attached"),
    ("virsh", "what libvirt knows of them"),
    ("/etc/xen", "configuration files"),
    ("/var/lib/xen/save", "save images"),
    ("lvs, vgs, pvs", "volume groups, volumes, snapshots"),
    ("losetup, mounts, /sys", "who else has a disk open"),
    ("image files", "their real and virtual sizes"),
];

pub fn pane(model: &Model, body: Rect) -> Pane {
    let face = &model.face;
    let mut rows = vec![
        Row::blank(),
        Row::text(Line::from(Span::styled(format!("Looking at {} {}", model.place, face.glyphs.ellipsis), face.strong()))),
        Row::blank(),
        Row::text("It is being asked:"),
    ];
    for (who, what) in ASKED {
        rows.push(Row::text(format!("  {}  {what}", text::left(who, 22, face.glyphs.ellipsis))));
    }
    if !model.commands.is_empty() {
        rows.push(Row::blank());
        rows.push(Row::text(format!("{} answered so far. The last ones:", text::count(model.commands.len(), "command"))));
        for entry in model.commands.iter().rev().take(5) {
            rows.push(Row::text(format!("  {:>6} ms  {}", entry.took.as_millis(), entry.cmd)));
        }
    }
    Pane { area: body, rows, ..Pane::default() }
}
