//! The same things without a screen; one file a subcommand.

#![allow(clippy::format_push_string, reason = "text is put together line by line; `write!` would add an error that cannot come")]

pub mod args;
mod bundles;
mod changes;
mod check;
mod commands;
mod explain;
pub mod guard;
pub mod health;
pub mod ink;
pub mod jobs;
mod launch;
mod list;
mod live;
pub mod plain;
mod preview;
mod queue;
pub mod report;
mod show;
mod storage;
mod strategies;
#[cfg(test)]
mod tests;
mod verify;
pub mod wish;

use std::io::{self, IsTerminal, Write};

use args::{Args, Command, Global};
use clap::CommandFactory;
use ink::Ink;
use report::Report;
use serde_json::json;

use crate::config::{self, Loaded};
use crate::engine::{Engine, Picture};
use crate::model::{Gap, GapReason, Held, Inventory, Severity};
use crate::problem::{Exit, Problem};

/// What this process runs in, as far as its output depends on it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub stdout_is_terminal: bool,
    /// Columns of the terminal on standard output.
    pub columns: Option<usize>,
    pub no_color: bool,
    pub term: Option<String>,
    /// LC_ALL, LC_CTYPE and LANG: the first that is set.
    pub locale: Option<String>,
}

impl Surroundings {
    pub fn ink(&self, global: &Global) -> Ink {
        let dumb = self.term.as_deref().is_none_or(|term| term.is_empty() || term == "dumb");
        let color = match global.color {
            args::ColorWhen::Always => true,
            args::ColorWhen::Never => false,
            args::ColorWhen::Auto => self.stdout_is_terminal && !self.no_color && !dumb,
        };
        let utf8 = self.locale.as_deref().is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let width = if self.stdout_is_terminal { Some(self.columns.unwrap_or(80).clamp(40, 120)) } else { None };
        Ink { color, ascii: global.ascii || !utf8, width }
    }

    /// Whether a screen can be drawn here; otherwise domkeep asks and answers line by line.
    pub fn can_draw(&self, global: &Global) -> bool {
        !global.plain && self.stdout_is_terminal && self.term.as_deref().is_some_and(|term| !term.is_empty() && term != "dumb")
    }
}

/// Runs a subcommand that needs no host. Nothing when it needs one.
pub fn without_host(command: &Command, loaded: &Loaded, ink: Ink, out: &mut dyn Write) -> Option<Result<Exit, Problem>> {
    let text = match command {
        Command::Explain { code: None, json } if json.json => {
            Ok(as_json(&crate::engine::explanations().map(explain::json).collect::<Vec<_>>()))
        }
        Command::Explain { code: None, .. } => Ok(Ok(explain::index(ink))),
        Command::Explain { code: Some(code), json } => match crate::engine::explain(code) {
            Some(explanation) if json.json => Ok(as_json(&explain::json(explanation))),
            Some(explanation) => Ok(Ok(explain::text(explanation, ink))),
            None => Err(explain::unknown(code)),
        },
        Command::Config { sample: true, .. } => Ok(Ok(config::SAMPLE.to_owned())),
        Command::Config { json, .. } => Ok(if json.json {
            let settings: serde_json::Map<String, serde_json::Value> = loaded
                .origins()
                .into_iter()
                .map(|(name, value, origin)| (name.to_owned(), json!({"value": value, "origin": origin})))
                .collect();
            as_json(&json!({"file": loaded.path, "found": loaded.found, "settings": settings}))
        } else {
            Ok(health::settings(loaded))
        }),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "domkeep", &mut script);
            Ok(Ok(String::from_utf8_lossy(&script).into_owned()))
        }
        Command::Man => Ok(manual()),
        Command::Bundles { .. }
        | Command::Verify { .. }
        | Command::List(_)
        | Command::Show { .. }
        | Command::Strategies { .. }
        | Command::ProveSave { .. }
        | Command::ProveDisks { .. }
        | Command::Check(_)
        | Command::Capture { .. }
        | Command::Machine { .. }
        | Command::Change(_)
        | Command::Guard(_)
        | Command::Jobs { .. }
        | Command::RunJob { .. }
        | Command::BeginFrozen { .. } => return None,
    };
    Some(text.and_then(|text| text).and_then(|text| print(out, &text)).map(|()| Exit::Good))
}

/// Runs a subcommand that looks at a host.
pub fn run(command: &Command, engine: &Engine, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    match command {
        Command::Jobs { command, json } => return jobs::run(command.as_ref(), *json, engine, ink, out),
        Command::Guard(options) => return guard::run(options, engine),
        Command::RunJob { id, work } => return jobs::run_job(id, *work, engine),
        Command::BeginFrozen { connect, domain, checkpointxml } => {
            return jobs::begin_frozen(connect, domain, checkpointxml.as_deref(), engine);
        }
        Command::Bundles { dir, json } => return bundles::run(engine, dir.as_deref(), json.json, ink, out),
        Command::ProveSave { file, domain } => return prove_save(engine, file, domain, out),
        Command::ProveDisks { file, bytes_only } => return prove_disks(engine, file, *bytes_only, out),
        Command::Verify { bundle, pieces, json } => return verify::run(engine, bundle, pieces, json.json, ink, out),
        Command::Change(change) => {
            let mut input = io::stdin().lock();
            let person: Option<&mut dyn io::BufRead> =
                if io::stdin().is_terminal() && io::stdout().is_terminal() { Some(&mut input) } else { None };
            return match queue::Round::of(change) {
                Some(round) => queue::run(round, engine, ink, person, out),
                None => launch::run(change, engine, ink, person, out),
            };
        }
        _ => {}
    }
    let picture = engine.scan();
    let incomplete = if hides_something(&picture.inventory) { Exit::Partial } else { Exit::Good };
    let (text, exit) = match command {
        Command::List(json) if json.json => (Report::new(&picture).json().map_err(no_json)?, incomplete),
        Command::List(_) => (list::text(&picture, ink), incomplete),
        Command::Show { name, json, commands } => {
            let text = show(&picture, name, json.json, ink)?;
            let log = if *commands && !json.json { commands::text(&engine.commands(), ink) } else { String::new() };
            (text + &log, incomplete)
        }
        Command::Strategies { name, json } => {
            let domain = picture.inventory.domain(name).ok_or_else(|| no_domain(&picture, name))?;
            let table = engine.strategies(&picture, domain);
            (if json.json { as_json(&json!({"schema": 1, "strategies": table}))? } else { strategies::text(&table, ink) }, incomplete)
        }
        Command::Check(json) => {
            let danger = picture.verdicts.findings.iter().any(|finding| finding.severity == Severity::Danger);
            let exit = if danger { Exit::Danger } else { incomplete };
            let text = if json.json { as_json(&report::check(&Report::new(&picture)))? } else { check::text(&picture, ink) };
            (text, exit)
        }
        _ => (String::new(), incomplete),
    };
    print(out, &text)?;
    Ok(exit)
}

fn prove_save(engine: &Engine, file: &std::path::Path, domain: &str, out: &mut dyn Write) -> Result<Exit, Problem> {
    let path = std::path::absolute(file).map_err(|error| Problem::usage("there is no such file").because(error))?;
    proven(engine.save_is_whole(&path.into(), domain), "It is whole.\n", out)
}

fn prove_disks(engine: &Engine, file: &std::path::Path, bytes_only: bool, out: &mut dyn Write) -> Result<Exit, Problem> {
    let path = std::path::absolute(file).map_err(|error| Problem::usage("there is no such file").because(error))?;
    proven(engine.disks_are_as_saved(&path.into(), bytes_only), "They are as they were.\n", out)
}

fn proven(held: Held, says: &str, out: &mut dyn Write) -> Result<Exit, Problem> {
    match held {
        Held::Yes => print(out, says).map(|()| Exit::Good),
        Held::No { because } => Err(Problem::new("it is not what it should be").because(because)),
        Held::Unknown { why } => Err(Problem::new("it could not be found out").because(why)),
    }
}

fn show(picture: &Picture, name: &str, json: bool, ink: Ink) -> Result<String, Problem> {
    let domain = picture.inventory.domain(name).ok_or_else(|| no_domain(picture, name))?;
    if !json {
        return Ok(show::text(picture, domain, ink));
    }
    let report = Report::new(picture);
    let shown = report.domains.iter().find(|shown| shown.id == domain.id);
    let findings: Vec<_> = report.findings.iter().filter(|finding| finding.domains.contains(&domain.id)).collect();
    as_json(&json!({
        "schema": report.schema,
        "host": report.host,
        "domain": shown,
        "backings": domain.disks.iter().filter_map(|disk| picture.inventory.backing(disk.backing.as_ref())).collect::<Vec<_>>(),
        "findings": findings,
        "gaps": report.gaps,
    }))
}

fn no_domain(picture: &Picture, name: &str) -> Problem {
    let names = picture.inventory.domains.iter().map(|domain| domain.name.as_str());
    let problem = Problem::new(format!("there is no domain `{name}` on {}", picture.inventory.host.place));
    match config::nearest(name, names) {
        Some(near) => problem.hint(format!("did you mean `{}`? `domkeep list` shows all", crate::model::shown::text(near))),
        None => problem.hint("`domkeep list` shows all domains"),
    }
}

/// A gap that could hide a domain or a part of one. A tool that is not on the host, and what nobody asked for, hide nothing; but where no
/// tool at all could say which domains run, an empty list is no answer, and neither is a Xen host without a look into xenstore.
pub fn hides_something(inventory: &Inventory) -> bool {
    let hides = |gap: &Gap| match gap.reason {
        GapReason::NoTool => gap.source.starts_with("xenstore-ls") && inventory.host.xen.is_some(),
        GapReason::NotAsked => false,
        _ => true,
    };
    inventory.has_no_toolstack() || inventory.gaps.iter().any(hides)
}

/// Writes a text at once. A reader that has gone (`domkeep list | head -1`) is no failure.
pub fn print(out: &mut dyn Write, text: &str) -> Result<(), Problem> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Problem::new("the output could not be written").because(error)),
        _ => Ok(()),
    }
}

fn as_json(value: &impl serde::Serialize) -> Result<String, Problem> {
    report::text(value).map_err(no_json)
}

fn no_json(error: serde_json::Error) -> Problem {
    Problem::new("the answer could not be written as JSON").because(error)
}

fn manual() -> Result<String, Problem> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command())
        .render(&mut page)
        .map_err(|error| Problem::new("the manual page could not be made").because(error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
