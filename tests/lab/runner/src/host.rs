//! A host that scenarios are played on.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::see::{Answer, See};

/// What a command said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub command: String,
    /// Nothing when a signal ended it; 124 when its time ran out.
    pub exit: Option<i32>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub took: Duration,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exit = self.exit.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit {code}"));
        writeln!(f, "$ {}   ({exit}, {:.1} s)", self.command, self.took.as_secs_f32())?;
        f.write_str(&String::from_utf8_lossy(&self.out))?;
        f.write_str(&String::from_utf8_lossy(&self.err))
    }
}

/// The two kinds of host: a real Xen host, and the demo machine.
pub trait Host {
    /// Changes the host: shell lines (the demo machine knows a few commands only). Fails when the last line fails.
    fn does(&mut self, lines: &str) -> Result<Said>;

    /// Runs domkeep there.
    fn domkeep(&mut self, args: &[&str]) -> Result<Said>;

    /// The host as it was laid out, nothing running.
    fn clean(&mut self) -> Result<()>;

    /// Power is cut, without a word to anybody, and comes back: the host boots again from its disks as they were at that moment.
    fn power_cut(&mut self) -> Result<()> {
        bail!("this host has no power to cut")
    }

    /// A terminal program there, as a person would log in and start it. The words after which domkeep's arguments come.
    fn person(&self) -> Result<Vec<String>>;

    /// What the host itself says right now, into a folder: for a scenario that failed.
    fn record(&mut self, folder: &std::path::Path) -> Result<()>;
}

/// domkeep's JSON of one command. What was heard is kept in `see`.
pub fn ask(host: &mut dyn Host, see: &mut See, args: &[&str]) -> Result<Answer> {
    let said = host.domkeep(&[args, &["--json"]].concat())?;
    see.heard.push(said.clone());
    let json = serde_json::from_slice(&said.out).with_context(|| format!("domkeep did not answer in JSON\n{said}"))?;
    Ok(Answer { said, json })
}

/// Runs a command with a time limit. Its exit code is not judged.
pub fn run(argv: &[&str], input: &[u8], limit: Duration) -> Result<Said> {
    let Some(program) = argv.first() else { bail!("no command") };
    let seconds = limit.as_secs().max(1).to_string();
    let start = Instant::now();
    let mut child = Command::new("timeout")
        .args(["-k", "5", &seconds])
        .args(argv)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} does not start"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let input = input.to_vec();
    // A command may end without reading; what it says matters then, not the broken pipe.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output()?;
    drop(writer.join());
    Ok(Said { command: argv.join(" "), exit: output.status.code(), out: output.stdout, err: output.stderr, took: start.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_ended() {
        let said = run(&["sleep", "30"], b"", Duration::from_secs(1)).unwrap();
        assert_eq!(said.exit, Some(124), "a hung command would hold up the whole run");
    }

    #[test]
    fn input_and_both_outputs_are_kept_apart() {
        let said = run(&["sh", "-c", "cat; echo no >&2; exit 3"], b"yes", Duration::from_secs(5)).unwrap();
        assert_eq!((said.exit, said.text().as_str(), said.err.as_slice()), (Some(3), "yes", b"no\n".as_slice()));
    }
}
