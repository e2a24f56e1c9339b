//! What could not be read, why, and what to do about it.

use super::Overlay;
use crate::model::{Gap, GapReason, shown};
use crate::tui::model::Model;

pub fn gaps(model: &Model) -> Overlay {
    let mut paragraphs = Vec::new();
    for gap in model.inventory().map_or(&[][..], |inventory| &inventory.gaps) {
        paragraphs.push(shown::text(&gap.source));
        paragraphs.push(format!("  not seen: {}", shown::text(&gap.missing)));
        paragraphs.push(format!("  because:  {}", shown::text(&gap.why)));
        paragraphs.push(format!("  next:     {}", next_step(gap)));
        paragraphs.push(String::new());
    }
    Overlay::reader("What could not be read", paragraphs)
}

/// What a person can do about a gap.
pub fn next_step(gap: &Gap) -> &'static str {
    match gap.reason {
        GapReason::NoTool => "install the tool, if this host should have it; otherwise nothing is wrong",
        GapReason::NotRoot | GapReason::PermissionDenied => "start domkeep as root: sudo domkeep",
        GapReason::TimedOut => "see whether the tool hangs too when you run it; a dead network mount is the usual reason",
        GapReason::Failed => "run the command yourself (it is on the Commands screen) and read its complaint",
        GapReason::Unreadable => "look at the file or the output; please report it if it is well formed",
        GapReason::Refused => "see whether it belongs there at all",
        GapReason::NotCaptured => "take a new capture of that host",
        GapReason::NotAsked => "switch it on in the settings, if it is wanted",
    }
}
