//! A plan as text: each step with its commands and why, what undoes it, what is taken for granted, and what changes in files.

use super::ink::{Ink, hang};
use crate::model::{Action, Edit, Plan, Risk, Undo, shown};

/// Columns for a text that goes to a file.
const USUAL_WIDTH: usize = 100;

pub fn text(plan: &Plan, ink: Ink) -> String {
    let width = ink.width.unwrap_or(USUAL_WIDTH);
    let mut out = format!("{}\n", ink.bold(&shown::text(&plan.title)));
    let stays = plan.steps.iter().any(|step| matches!(step.undo, Undo::Impossible { .. }));
    let risk = match plan.risk {
        Risk::Adds if stays => "It only adds; not all of it can be taken back.",
        Risk::Adds => "It only adds, and can be taken back.",
        Risk::Touches => "It touches what is there or runs.",
        Risk::Destroys => "It loses data: a name must be typed.",
    };
    out.push_str(&format!("{risk}\n"));
    for warning in &plan.warnings {
        out.push_str(&hang(&shown::text(warning), width, "! ", "  "));
    }
    if let Some(confirm) = &plan.confirm {
        out.push_str(&hang(&shown::text(&confirm.loses), width, "! ", "  "));
    }
    for evidence in &plan.evidence {
        let text = format!("{} ({})", evidence.what, evidence.source);
        out.push_str(&hang(&shown::text(&text), width, "- ", "  "));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        out.push('\n');
        let lead = format!("{}. ", number + 1);
        out.push_str(&hang(&shown::text(&step.says), width, &lead, "   "));
        out.push_str(&hang(&shown::text(&step.why), width, "   ", "   "));
        // A command that is broken over lines could not be pasted.
        for line in step.action.lines() {
            out.push_str(&format!("   $ {line}\n"));
        }
        if let Action::WaitFor { .. } = step.action {
            out.push_str("   (changes nothing)\n");
        }
        if let Undo::Impossible { why } = &step.undo {
            out.push_str(&hang(&shown::text(why), width, "   cannot be undone: ", "   "));
        }
        if let Some(cleanup) = &step.cleanup {
            out.push_str(&hang(&shown::text(&cleanup.says), width, "   at the end, whatever happens: ", "   "));
            for line in cleanup.action.lines() {
                out.push_str(&format!("   $ {line}\n"));
            }
        }
    }
    if !plan.assumptions.is_empty() {
        out.push_str("\nLooked at again before each step:\n");
        for assumed in &plan.assumptions {
            out.push_str(&hang(&shown::text(&assumed.says), width, "- ", "  "));
        }
    }
    for edit in &plan.edits {
        out.push('\n');
        out.push_str(&diff(edit));
    }
    out
}

/// What an edit changes: every line that goes and comes, with a few around it.
fn diff(edit: &Edit) -> String {
    let old = if edit.before.is_some() { edit.path.to_string() } else { "/dev/null".to_owned() };
    let mut out = format!("--- {old}\n+++ {}\n", edit.path);
    for change in crate::model::diff::diff(edit.before.as_deref().unwrap_or_default(), &edit.after) {
        use crate::model::diff::Change;
        out.push_str(&match change {
            Change::Same(line) => format!(" {}\n", shown::text(line)),
            Change::Goes(line) => format!("-{}\n", shown::text(line)),
            Change::Comes(line) => format!("+{}\n", shown::text(line)),
            Change::Skipped(lines) => format!("@@ {} as before @@\n", super::ink::count(lines, "line")),
        });
    }
    out
}
