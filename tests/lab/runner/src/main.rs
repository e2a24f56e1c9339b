//! Plays domkeep's scenarios on a real Xen host, or on the demo machine, and tells how each went.

// The runner's work is to start programs and keep files; the rule that only `host` may do so protects the machine from domkeep itself.
#![allow(clippy::disallowed_methods)]

mod answer;
mod demo;
mod dom0;
mod host;
mod play;
mod scenario;
mod see;
mod stories;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use dom0::Dom0;
use play::Played;
use scenario::Scenario;

const USAGE: &str = "\
domkeep-lab [OPTION...] [NAME...]     play the scenarios whose names hold one of these words; without words, all

  --short            only the short set
  --part PART        only what domkeep shows of a host (seeing), or what it does to one (changing);
                     or what is measured, which is in no other set (measuring)
  --demo             on the demo machine instead of the real host
  --list             print the names and end
  --fresh            boot the host anew first
  --keep             leave the host running (it is always left running when a scenario failed, unless --stop)
  --stop             stop the host at the end, whatever happened
  --first            end at the first failure and leave the host as it is
  --limit SECONDS    start no further scenario after this time; those not played count as failed
  --binary FILE      the domkeep to play with        (target/release/domkeep)
  --xen DIR          the lab's scripts               (tests/lab/xen)
  --lab DIR          the lab's images and failures   ($DOMKEEP_LAB, or ~/.cache/domkeep-lab)
  --figures FILE     write names and seconds into this file";

#[derive(Default)]
struct Options {
    short: bool,
    part: Option<String>,
    demo: bool,
    list: bool,
    fresh: bool,
    keep: bool,
    stop: bool,
    first: bool,
    limit: Option<Duration>,
    binary: Option<PathBuf>,
    xen: Option<PathBuf>,
    lab: Option<PathBuf>,
    figures: Option<PathBuf>,
    names: Vec<String>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("domkeep-lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value\n\n{USAGE}"));
        match arg.as_str() {
            "--short" => options.short = true,
            "--part" => options.part = Some(value()?),
            "--demo" => options.demo = true,
            "--list" => options.list = true,
            "--fresh" => options.fresh = true,
            "--keep" => options.keep = true,
            "--stop" => options.stop = true,
            "--first" => options.first = true,
            "--limit" => options.limit = Some(Duration::from_secs(value()?.parse().context("--limit takes seconds")?)),
            "--binary" => options.binary = Some(value()?.into()),
            "--xen" => options.xen = Some(value()?.into()),
            "--lab" => options.lab = Some(value()?.into()),
            "--figures" => options.figures = Some(value()?.into()),
            option if option.starts_with('-') => bail!("no such option: {option}\n\n{USAGE}"),
            _ => options.names.push(arg),
        }
    }
    Ok(options)
}

fn chosen(options: &Options) -> Result<Vec<Scenario>> {
    let scenarios = match options.part.as_deref() {
        None => stories::seeing().into_iter().chain(stories::changing()).collect(),
        Some("seeing") => stories::seeing(),
        Some("changing") => stories::changing(),
        Some("measuring") => stories::measuring(),
        Some(other) => bail!("no such part: {other}\n\n{USAGE}"),
    };
    let wanted = |scenario: &Scenario| {
        (!options.short || scenario.short)
            && (!options.demo || scenario.both)
            && (options.names.is_empty() || options.names.iter().any(|name| scenario.name.contains(name.as_str())))
    };
    Ok(scenarios.into_iter().filter(wanted).collect())
}

fn run(options: &Options) -> Result<bool> {
    let scenarios = chosen(options)?;
    if options.list {
        for scenario in &scenarios {
            println!(
                "{}{}  {}",
                if scenario.short { "short" } else { "     " },
                if scenario.both { " both" } else { "     " },
                scenario.name
            );
        }
        return Ok(true);
    }
    if scenarios.is_empty() {
        bail!("no scenario's name holds {}", options.names.join(" or "));
    }
    let binary = options.binary.clone().unwrap_or_else(|| "target/release/domkeep".into());
    let lab = lab(options)?;
    let limits = play::Limits { first: options.first, time: options.limit };
    let played = if options.demo {
        let mut demo = demo::Demo::laid_out(&binary, lab.join("demo"))?;
        play::all(&scenarios, &mut demo, &lab.join("failures"), limits, &mut |_| Ok(()))
    } else {
        let xen = options.xen.clone().unwrap_or_else(|| "tests/lab/xen".into());
        let mut dom0 = Dom0::up(xen, lab.clone(), binary, options.fresh)?;
        let played = play::all(&scenarios, &mut dom0, &lab.join("failures"), limits, &mut Dom0::again);
        let failed = played.iter().any(|one| !one.passed());
        if options.stop || !(options.keep || failed) {
            dom0.stop()?;
        }
        played
    };
    if let Some(file) = &options.figures {
        std::fs::write(file, play::figures(&played)).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let failed = played.iter().filter(|one| !one.passed()).count();
    println!("\n{}", play::summary(&played));
    Ok(failed == 0 && played.iter().any(Played::passed))
}

fn lab(options: &Options) -> Result<PathBuf> {
    if let Some(lab) = options.lab.clone().or_else(|| std::env::var_os("DOMKEEP_LAB").map(PathBuf::from)) {
        return Ok(lab);
    }
    let home = std::env::var_os("HOME").context("neither DOMKEEP_LAB nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/domkeep-lab"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options> {
        options(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn scenarios_are_chosen_by_words_of_their_names() {
        let count = |words: &[&str]| chosen(&parsed(words).unwrap()).unwrap().len();
        let all = count(&[]);
        assert_eq!(count(&["hot-plugged"]), 1);
        assert!((1..all).contains(&count(&["--short"])), "the short set is empty, or is everything");
        assert!(count(&["--demo"]) > 3, "the demo machine plays next to nothing");
        assert_eq!(count(&["--part", "seeing"]) + count(&["--part", "changing"]), all, "a scenario is in no part, or in both");
    }

    #[test]
    fn a_wrong_option_is_refused() {
        assert!(parsed(&["--shrt"]).is_err());
        assert!(chosen(&parsed(&["--part", "sight"]).unwrap()).is_err());
        assert!(parsed(&["--limit"]).is_err());
        assert!(parsed(&["--limit", "soon"]).is_err());
    }
}
