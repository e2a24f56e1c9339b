//! `domkeep strategies`: the ways to back a domain up, with what each gives and costs, and why some are not possible.

use super::ink::{Ink, hang};
use crate::model::bytes::{human, human_or_unknown};
use crate::model::strategy::{Downtime, StrategyRow};
use crate::model::{StrategyTable, shown};

pub fn text(table: &StrategyTable, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let mut out = format!("{}\n", ink.bold(&format!("Ways to back up {}", shown::text(&table.domain))));
    for row in &table.rows {
        let best = if row.best { "  (what auto takes)" } else { "" };
        out.push_str(&format!("\n{}: {}{best}\n", ink.bold(row.strategy.as_str()), row.strategy.does()));
        for line in lines(row) {
            out.push_str(&hang(&line, width, "  ", "    "));
        }
    }
    for left in &table.not_covered {
        out.push('\n');
        out.push_str(&hang(&format!("In no backup: {}, because {}.", shown::text(&left.what), left.why), width, "", "  "));
    }
    out
}

fn lines(row: &StrategyRow) -> Vec<String> {
    if let Some(why) = &row.not_here {
        return vec![format!("Not here: {}.", shown::text(why))];
    }
    let mut lines = vec![format!("Gives: {}.", row.gives), format!("Stands still: {}.", downtime(&row.downtime))];
    let snapshots: Vec<String> =
        row.snapshots.iter().map(|(group, bytes)| format!("{} in the volume group {}", human(*bytes), shown::text(group))).collect();
    let meanwhile = if snapshots.is_empty() { String::new() } else { format!("; while it copies, {}", snapshots.join(", ")) };
    lines.push(format!("Room: at most {}{meanwhile}.", human_or_unknown(row.room)));
    lines
}

/// `about 4.2 s (the save, the restore)`; what was never measured here is said to be so.
fn downtime(downtime: &Downtime) -> String {
    match downtime.milliseconds {
        Some(0) => format!("not at all ({})", downtime.of),
        Some(milliseconds) => {
            format!("about {}.{} s, as measured on this host ({})", milliseconds / 1000, milliseconds % 1000 / 100, downtime.of)
        }
        None => format!("for {}; not all of it was measured on this host yet", downtime.of),
    }
}
