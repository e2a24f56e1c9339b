//! A command of the host's tools, as data: it can be shown, logged, refused, replayed and compared before it is a deed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a command does to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Looks only. Killed at its time limit.
    Reads,
    /// Changes the host. Never killed: `xl save` killed half-way leaves the guest suspended and its image cut short.
    Changes,
}

/// One command line: a program of the host's tools and its arguments. Never a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cmd {
    /// The tool's bare name (`xl`, `lvs`), found in fixed directories by the host, never in `PATH`.
    pub program: String,
    pub args: Vec<String>,
    /// Standard input; empty means /dev/null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stdin: Vec<u8>,
    pub effect: Effect,
    /// Time limit in seconds. A read is killed at it; a change is reported as slow.
    pub limit_seconds: u64,
    /// Further environment (`LC_ALL=C` and a fixed `PATH` are always set, all else is cleared).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
}

impl Cmd {
    /// A command that only looks, with the usual time limit of 10 seconds.
    pub fn reads<A: Into<String>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            effect: Effect::Reads,
            limit_seconds: 10,
            env: Vec::new(),
        }
    }

    /// A command that changes the host.
    pub fn changes<A: Into<String>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self { effect: Effect::Changes, limit_seconds: 600, ..Self::reads(program, args) }
    }

    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.limit_seconds = seconds;
        self
    }

    #[must_use]
    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.limit_seconds)
    }

    pub fn argv(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.program.as_str()).chain(self.args.iter().map(String::as_str))
    }
}

/// The line one could paste into a shell: every word quoted where it needs to be.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.argv().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&shell_word(word))?;
        }
        Ok(())
    }
}

/// One word for a shell, quoted only where needed; control characters in `$'...'` so that the line stays one line.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(super::shown::is_unsafe) {
        let mut out = String::from("$'");
        for character in word.chars() {
            match character {
                '\'' | '\\' => out.extend(['\\', character]),
                c if (c as u32) < 0x80 && super::shown::is_unsafe(c) => out.push_str(&format!("\\x{:02x}", c as u32)),
                c if super::shown::is_unsafe(c) => out.push_str(&format!("\\U{:08x}", c as u32)),
                c => out.push(c),
            }
        }
        out.push('\'');
        return out;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What a command answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Exit status; 128 + N when a signal ended it.
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Output {
    pub fn ok(&self) -> bool {
        self.exit == 0
    }

    /// The first line of standard error that says anything, fit to be shown.
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr)
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map_or_else(|| format!("exit status {}", self.exit), super::shown::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_line_means_what_was_run() {
        let cmd = Cmd::reads("xl", ["list", "-l", "it's; rm -rf /", "a\nb"]);
        assert_eq!(cmd.to_string(), r"xl list -l 'it'\''s; rm -rf /' $'a\x0ab'");
        assert_eq!(shell_word(""), "''");
    }
}
