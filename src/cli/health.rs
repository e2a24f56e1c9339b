//! `--health`: which tools were found, what the terminal can do, which settings are in force, and what answered.

use super::Surroundings;
use super::commands;
use super::ink::Ink;
use crate::config::Loaded;
use crate::engine::Engine;
use crate::model::shown;

/// A heading with its lines: what, and the answer.
pub struct Section {
    pub title: String,
    pub lines: Vec<(String, String)>,
}

/// Everything that a report of trouble needs. `sections` come from those who know: the tools of this machine, the terminal's abilities.
pub fn text(engine: &Engine, loaded: &Loaded, surroundings: &Surroundings, sections: &[Section], root: bool, ink: Ink) -> String {
    let mut out = format!("domkeep {}\n", env!("CARGO_PKG_VERSION"));
    section(
        &mut out,
        ink,
        "This run",
        &[
            ("looks at".to_owned(), engine.host().place().to_string()),
            ("root".to_owned(), if root { "yes".to_owned() } else { "no: some things can only be seen by root".to_owned() }),
        ],
    );
    section(
        &mut out,
        ink,
        "Output",
        &[
            ("standard output".to_owned(), if surroundings.stdout_is_terminal { "a terminal" } else { "no terminal" }.to_owned()),
            ("columns".to_owned(), surroundings.columns.map_or_else(|| "?".to_owned(), |columns| columns.to_string())),
            ("TERM".to_owned(), surroundings.term.clone().unwrap_or_else(|| "not set".to_owned())),
            ("locale".to_owned(), surroundings.locale.clone().unwrap_or_else(|| "not set".to_owned())),
            ("NO_COLOR".to_owned(), if surroundings.no_color { "set" } else { "not set" }.to_owned()),
            (
                "decided".to_owned(),
                format!("{}, {}", if ink.color { "colours" } else { "no colours" }, if ink.ascii { "ASCII" } else { "Unicode" }),
            ),
        ],
    );
    for extra in sections {
        section(&mut out, ink, &extra.title, &extra.lines);
    }
    out.push_str(&format!("\n{}\n{}", ink.bold("Settings"), settings(loaded)));
    let picture = engine.scan();
    out.push_str(&commands::text(&engine.commands(), ink));
    if !picture.inventory.gaps.is_empty() {
        out.push_str(&super::list::gaps(&picture.inventory, ink));
    }
    out
}

fn section(out: &mut String, ink: Ink, title: &str, lines: &[(String, String)]) {
    out.push_str(&format!("\n{}\n", ink.bold(title)));
    let widest = lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    for (what, answer) in lines {
        out.push_str(&format!("  {what:<widest$}  {}\n", shown::text(answer)));
    }
}

/// The settings in force, each with the place it comes from.
pub fn settings(loaded: &Loaded) -> String {
    let mut out = match (&loaded.path, loaded.found) {
        (Some(path), true) => format!("  file: {}\n", shown::text(&path.display().to_string())),
        (Some(path), false) => format!("  file: {} (not there)\n", shown::text(&path.display().to_string())),
        (None, _) => "  file: none, for there is no home directory\n".to_owned(),
    };
    for (name, value, origin) in loaded.origins() {
        out.push_str(&format!("  {name} = {}  ({})\n", shown::text(&value), shown::text(&origin)));
    }
    out
}
