//! The commands that ran: what `show --commands` and the plain mode print.

use super::ink::Ink;
use crate::engine::CommandEntry;
use crate::model::shown;

/// One line a command: how it ended, how long it took, and the line one could paste.
pub fn text(entries: &[CommandEntry], ink: Ink) -> String {
    let mut out = format!("\n{}\n", ink.bold("Commands that ran"));
    if entries.is_empty() {
        out.push_str("  none\n");
    }
    for entry in entries {
        let result = match &entry.result {
            Ok(exit) => format!("exit {exit}"),
            Err(error) => shown::text(&error.to_string()),
        };
        out.push_str(&format!("  {result:<8} {:>6} ms  {}\n", entry.took.as_millis(), entry.cmd));
        if let Some(complaint) = &entry.complaint {
            out.push_str(&format!("           it said: {}\n", shown::text(complaint)));
        }
    }
    out
}
