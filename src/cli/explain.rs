//! `domkeep explain [CODE]`: what a finding means, for somebody who meets it for the first time.

use serde_json::{Value, json};

use super::ink::{Ink, wrap};
use crate::engine::{self, Explanation};
use crate::problem::Problem;

/// All codes, one a line.
pub fn index(ink: Ink) -> String {
    let mut out = String::new();
    let widest = engine::explanations().map(|explanation| explanation.code.len()).max().unwrap_or(0);
    for explanation in engine::explanations() {
        out.push_str(&format!("{}  {}\n", ink.bold(&format!("{:<widest$}", explanation.code)), explanation.title));
    }
    out
}

/// The long text of one code.
pub fn text(explanation: &Explanation, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let mut out = format!("{}: {}\n", ink.bold(explanation.code), explanation.title);
    let parts = [
        ("What it is", explanation.what),
        ("How it comes about", explanation.how_it_comes),
        ("What domkeep looked at", explanation.looked_at),
    ];
    for (head, body) in parts {
        out.push_str(&format!("\n{}\n{}", ink.bold(head), wrap(body, width, "  ")));
    }
    out.push_str(&format!("\n{}\n", ink.bold("How to mend it by hand")));
    for line in explanation.mend {
        match line.strip_prefix("  ") {
            Some(command) => out.push_str(&format!("      {command}\n")),
            None => out.push_str(&wrap(line, width, "  ")),
        }
    }
    out.push_str(&format!("\n{}\n{}", ink.bold("What it does not prove"), wrap(explanation.proves_not, width, "  ")));
    out
}

pub fn json(explanation: &Explanation) -> Value {
    json!({
        "code": explanation.code,
        "title": explanation.title,
        "what": explanation.what,
        "how_it_comes": explanation.how_it_comes,
        "looked_at": explanation.looked_at,
        "mend": explanation.mend,
        "proves_not": explanation.proves_not,
    })
}

/// A code that nobody knows, with the nearest one that somebody does.
pub fn unknown(code: &str) -> Problem {
    let problem = Problem::usage(format!("there is no finding with the code `{code}`"));
    match crate::config::nearest(code, engine::explanations().map(|explanation| explanation.code)) {
        Some(near) => problem.hint(format!("did you mean `{near}`? `domkeep explain` lists all codes")),
        None => problem.hint("`domkeep explain` lists all codes"),
    }
}
