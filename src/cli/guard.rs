//! `domkeep guard`: keeps snapshots and thin pools from running full.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args as ClapArgs;

use crate::engine::Engine;
use crate::engine::guard::{Wish, Word};
use crate::model::shown;
use crate::problem::{Exit, Problem};

pub const LONG: &str = "\
Extend snapshots and thin pools before they are full

Watches how full the stores of classic snapshots and the data and metadata of thin pools are, and how fast they fill, and extends them in \
time with lvextend: by their pace, and by how long an extension takes on this host. It looks seldom while nothing fills. How far it goes \
stands in the settings (guard_...). What dmeventd extends already it leaves alone, and says so.

Each extension is a job: `domkeep jobs` lists it. Until it is done nothing is written to a disk, for that disk may be the one that is \
filling: plan and journal lie in /run/domkeep, and are brought to the other jobs afterwards.

It runs until it is told to stop (SIGTERM, SIGINT), as the systemd unit domkeep-guard.service, or in a terminal. One is enough for a host.";

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Options {
    /// Look once, do what is due, and end
    #[arg(long)]
    pub once: bool,
    /// Look once, say what it sees and would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

pub fn run(options: &Options, engine: &Engine) -> Result<Exit, Problem> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Problem::new("signals cannot be heard").because(error))?;
    }
    let json = options.json;
    let say = move |word: &Word| {
        let text = if json { serde_json::to_string(word).map(|text| shown::json(&text)).unwrap_or_default() } else { word.text() };
        // systemd reads the level at the beginning of a line (sd-daemon(3)) where it collects the output.
        let collected = !json && std::env::var_os("JOURNAL_STREAM").is_some();
        let level = if collected && word.is_warning() { "<4>" } else { "" };
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{level}{text}").and_then(|()| out.flush());
    };
    engine.guard(Wish { once: options.once || options.dry_run, dry_run: options.dry_run }, stop, Box::new(say))?;
    Ok(Exit::Good)
}
