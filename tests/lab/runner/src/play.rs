//! Plays scenarios one after the other: clean-up between them, a line for each, what is kept of a failed one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::Host;
use crate::scenario::Scenario;
use crate::see::See;

pub struct Played {
    pub name: &'static str,
    pub took: Duration,
    /// Nothing: it passed.
    pub trouble: Option<String>,
    /// What it measured.
    pub figures: Vec<String>,
}

impl Played {
    pub fn passed(&self) -> bool {
        self.trouble.is_none()
    }
}

#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// End at the first failure.
    pub first: bool,
    /// Start nothing after this time.
    pub time: Option<Duration>,
}

/// Plays them all. `again` gives a scenario that asks for it a host that was booted for it.
pub fn all<H: Host>(
    scenarios: &[Scenario],
    host: &mut H,
    kept: &Path,
    limits: Limits,
    again: &mut dyn FnMut(&mut H) -> Result<()>,
) -> Vec<Played> {
    let start = Instant::now();
    let mut played = Vec::new();
    let mut clean = true;
    for scenario in scenarios {
        if limits.time.is_some_and(|limit| start.elapsed() > limit) {
            let trouble = Some("not played: the time for the whole run was up".to_owned());
            println!("{:>7}  {}  -- not played, no time", "", scenario.name);
            played.push(Played { name: scenario.name, took: Duration::ZERO, trouble, figures: Vec::new() });
            continue;
        }
        let begin = Instant::now();
        let mut see = See::default();
        let prepared = if scenario.fresh { again(host) } else { tidy(host, clean, again) };
        let told = prepared.and_then(|()| (scenario.story)(host, &mut see));
        clean = false;
        let trouble = trouble(&see, told);
        let took = begin.elapsed();
        println!("{:>6.1}s  {}  {}", took.as_secs_f32(), if trouble.is_none() { "passed" } else { "FAILED" }, scenario.name);
        if let Some(trouble) = &trouble {
            let folder = keep(scenario, &see, trouble, host, kept);
            println!("{trouble}\n         kept in {}", folder.display());
        }
        let failed = trouble.is_some();
        for figure in &see.figures {
            println!("         {figure}");
        }
        played.push(Played { name: scenario.name, took, trouble, figures: std::mem::take(&mut see.figures) });
        if failed && limits.first {
            println!("         the host is left as it is");
            break;
        }
    }
    played
}

/// A host that cannot be put back as it was is booted anew, so that one broken scenario does not take the others with it.
fn tidy<H: Host>(host: &mut H, clean: bool, again: &mut dyn FnMut(&mut H) -> Result<()>) -> Result<()> {
    if clean {
        return Ok(());
    }
    host.clean().or_else(|error| {
        println!("         the host is booted anew: {error:#}");
        again(host)
    })
}

fn trouble(see: &See, told: Result<()>) -> Option<String> {
    let mut text = String::new();
    for failure in &see.failures {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n  * {}\n    expected: {}\n", failure.sentence, failure.expected);
        for line in failure.excerpt.lines() {
            let _ = writeln!(text, "      | {line}");
        }
    }
    if let Err(error) = told {
        let _ = writeln!(text, "\n  * the story could not go on: {error:#}");
    } else if see.looked == 0 {
        text.push_str("\n  * the story expected nothing, so it proves nothing\n");
    }
    (!text.is_empty()).then_some(text)
}

fn keep(scenario: &Scenario, see: &See, trouble: &str, host: &mut dyn Host, kept: &Path) -> PathBuf {
    let folder = kept.join(scenario.slug());
    let result = (|| -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("why.txt"), format!("{}\n{trouble}", scenario.name))?;
        for (number, said) in see.heard.iter().enumerate() {
            fs::write(folder.join(format!("heard-{number}.txt")), said.to_string())?;
        }
        host.record(&folder.join("host"))
    })();
    if let Err(error) = result {
        println!("         not everything could be kept: {error:#}");
    }
    folder
}

pub fn summary(played: &[Played]) -> String {
    let failed = played.iter().filter(|one| !one.passed()).count();
    format!("{} passed, {failed} failed", played.len() - failed)
}

/// Names and seconds, as a Markdown table.
pub fn figures(played: &[Played]) -> String {
    let mut text = "| seconds | | scenario |\n|--:|---|---|\n".to_owned();
    for one in played {
        let _ = writeln!(text, "| {:.0} | {} | {} |", one.took.as_secs_f32(), if one.passed() { "passed" } else { "failed" }, one.name);
        for figure in &one.figures {
            let _ = writeln!(text, "| | | {figure} |");
        }
    }
    let total: f32 = played.iter().map(|one| one.took.as_secs_f32()).sum();
    let _ = writeln!(text, "\n{}, {total:.0} s in all", summary(played));
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::bail;
    use serde_json::json;

    use super::*;
    use crate::host::{Said, ask};
    use crate::scenario::scenario;

    /// Answers from a recorded report; refuses `break`; cannot be cleaned while `dirty`.
    #[derive(Default)]
    struct Recorded {
        dirty: Cell<bool>,
        boots: Cell<usize>,
    }

    impl Host for Recorded {
        fn does(&mut self, lines: &str) -> Result<Said> {
            if lines == "break" {
                self.dirty.set(true);
                bail!("broken");
            }
            Ok(Said::default())
        }
        fn domkeep(&mut self, args: &[&str]) -> Result<Said> {
            let out = json!({"domains": [{"name": "web1", "power": "running"}]}).to_string().into_bytes();
            Ok(Said { command: args.join(" "), exit: Some(0), out, ..Said::default() })
        }
        fn clean(&mut self) -> Result<()> {
            anyhow::ensure!(!self.dirty.get(), "cannot be cleaned");
            Ok(())
        }
        fn person(&self) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn record(&mut self, folder: &Path) -> Result<()> {
            Ok(fs::create_dir_all(folder)?)
        }
    }

    fn stories() -> Vec<Scenario> {
        vec![
            scenario("it holds", |host, see| {
                let list = ask(host, see, &["list"])?;
                see.is(&list, "domains[name=web1].power", "running", "a user would not see that web1 runs");
                Ok(())
            }),
            scenario("it does not hold", |host, see| {
                let list = ask(host, see, &["list"])?;
                see.is(&list, "domains[name=web1].power", "paused", "a user would not see that web1 is paused");
                Ok(())
            }),
            scenario("it expects nothing", |_, _| Ok(())),
            scenario("it breaks the host", |host, _| host.does("break").map(drop)),
            scenario("it holds again", |host, see| {
                let list = ask(host, see, &["list"])?;
                see.has(&list, "domains[name=web1]", "a user would not see web1");
                Ok(())
            }),
        ]
    }

    fn play(limits: Limits) -> (Vec<Played>, usize) {
        let folder = std::env::temp_dir().join(format!("domkeep-lab-{}-{}", std::process::id(), u8::from(limits.first)));
        let mut host = Recorded::default();
        let played = all(&stories(), &mut host, &folder, limits, &mut |host| {
            host.boots.set(host.boots.get() + 1);
            host.dirty.set(false);
            Ok(())
        });
        drop(fs::remove_dir_all(folder));
        (played, host.boots.get())
    }

    #[test]
    fn one_broken_scenario_does_not_take_the_others_with_it() {
        let (played, boots) = play(Limits::default());
        let passed: Vec<bool> = played.iter().map(Played::passed).collect();
        assert_eq!(passed, [true, false, false, false, true]);
        assert_eq!(boots, 1, "the host that could not be cleaned was not booted anew");
        let trouble = played[1].trouble.as_deref().unwrap_or_default();
        assert!(trouble.contains("a user would not see that web1 is paused") && trouble.contains("\"running\""), "{trouble}");
        assert_eq!(summary(&played), "2 passed, 3 failed");
    }

    #[test]
    fn the_first_failure_can_end_the_run() {
        assert_eq!(play(Limits { first: true, time: None }).0.len(), 2);
    }

    #[test]
    fn what_was_not_played_for_want_of_time_has_not_passed() {
        let (played, _) = play(Limits { first: false, time: Some(Duration::ZERO) });
        assert_eq!(summary(&played), "0 passed, 5 failed");
    }
}
