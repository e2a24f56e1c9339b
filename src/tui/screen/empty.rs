//! A host on which no domain was found: what was asked, what could not be, and what to do next.

use ratatui::text::{Line, Span};

use crate::model::{GapReason, Inventory, shown};
use crate::tui::face::Face;
use crate::tui::overlay::next_step;
use crate::tui::widget::pane::Row;
use crate::tui::widget::text;

pub fn no_domains(inventory: &Inventory, face: &Face, columns: usize) -> Vec<Row> {
    let mut rows =
        vec![Row::blank(), Row::text(Line::from(Span::styled("No domain was found on this host.", face.strong()))), Row::blank()];
    if inventory.gaps.is_empty() {
        let words = [
            "xl, libvirt and the configuration directories were asked, and all of them answered: there is none.",
            "A domain appears here when it runs, or when its configuration lies in /etc/xen or in a directory named in the settings (config_dirs).",
        ];
        rows.extend(words.iter().flat_map(|words| text::wrap(words, columns)).map(Row::text));
    } else {
        rows.push(Row::text("That may be because not everything could be asked:"));
        rows.push(Row::blank());
        for gap in inventory.gaps.iter().take(6) {
            let line = format!("{}: {}", shown::text(&gap.source), shown::text(&gap.why));
            rows.extend(text::wrap(&line, columns).into_iter().take(3).map(Row::text));
            rows.extend(text::wrap_indented(&format!("    next: {}", next_step(gap)), columns).into_iter().map(Row::text));
        }
        if inventory.gaps.len() > 6 {
            rows.push(Row::text(format!("and {} more: press e", inventory.gaps.len() - 6)));
        }
    }
    rows.push(Row::blank());
    if inventory.gaps.iter().any(|gap| gap.reason == GapReason::NoTool && gap.source.starts_with("xl")) {
        rows.push(Row::text("There is no xl here: this machine is probably no Xen host."));
    }
    rows.push(Row::text("To see what domkeep shows where there are domains:   domkeep --demo"));
    rows
}
