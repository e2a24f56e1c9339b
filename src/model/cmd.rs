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
    /// Exit statuses besides 0 with which it ends well (e2fsck: 1, it mended something).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_fine: Vec<i32>,
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
            also_fine: Vec::new(),
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

    #[must_use]
    pub fn or_exit(mut self, status: i32) -> Self {
        self.also_fine.push(status);
        self
    }

    /// Whether an exit status says that it ended well.
    pub fn is_fine(&self, exit: i32) -> bool {
        exit == 0 || self.also_fine.contains(&exit)
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

/// One word for a shell, quoted only where needed.
pub fn shell_word(word: &str) -> String {
    shell_bytes(word.as_bytes())
}

/// One word for a POSIX shell, whatever its bytes (a path need not be UTF-8), quoted only where needed and always one visible line:
/// what could steer a terminal or end a line stands as octal in a `printf`. `$'...'` would be shorter, but dash, which is `sh` on Debian,
/// does not know it.
pub fn shell_bytes(word: &[u8]) -> String {
    let text = std::str::from_utf8(word);
    if let Ok(text) = text
        && !text.chars().any(super::shown::is_unsafe)
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
        let bare = !text.is_empty() && text.chars().all(plain);
        return if bare { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) };
    }
    // `$(...)` drops line feeds at its end: there they stand as the last character of the usual IFS.
    let kept = word.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last.saturating_add(1));
    let (head, line_feeds) = word.split_at_checked(kept).unwrap_or((word, &[]));
    let mut out = String::from("\"");
    if !head.is_empty() {
        out.push_str("$(printf '");
        for byte in head {
            // No sign that a shell, or an interactive one's history, or printf could take for its own.
            let itself = byte.is_ascii_alphanumeric() || b"-_./:=+,@ ".contains(byte);
            // A minus first would be an option.
            let itself = itself && !(*byte == b'-' && out.ends_with('\''));
            if itself { out.push(char::from(*byte)) } else { out.push_str(&format!("\\{byte:03o}")) }
        }
        out.push_str("')");
    }
    out.push_str(&"${IFS#??}".repeat(line_feeds.len()));
    out.push('"');
    out
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
        assert_eq!(cmd.to_string(), r#"xl list -l 'it'\''s; rm -rf /' "$(printf 'a\012b')""#);
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn every_word_survives_a_shell() {
        use std::os::unix::ffi::OsStrExt;
        let words: [&[u8]; 16] = [
            b"",
            b"plain",
            b"-n",
            b"a b",
            b"$HOME `id` $(id) !! \\ \" '",
            b"*?[a]~",
            b"a\nb",
            b"\n",
            b"\n\n",
            b"ends in line feeds\n\n",
            b"-\x1b[31m%s\\n'\"!",
            b"\xff\xfe",
            "\u{202e}漢字 é".as_bytes(),
            b"\x7f\r\t",
            b"#not a comment",
            b"a=b c",
        ];
        #[expect(clippy::disallowed_methods, reason = "the shells are what is asked")]
        for shell in ["sh", "bash"] {
            for word in words {
                let quoted = shell_bytes(word);
                assert!(!quoted.chars().any(crate::model::shown::is_unsafe), "{quoted:?} could steer a terminal, or end a comment");
                let script = format!("printf '%s.' {quoted}");
                let Ok(ran) = std::process::Command::new(shell).args(["-c", &script]).output() else { continue };
                let got = ran.stdout.strip_suffix(b".").unwrap_or_default();
                assert_eq!(
                    got,
                    word,
                    "in {shell}, {quoted} means {:?}: a script would touch another file",
                    std::ffi::OsStr::from_bytes(got)
                );
            }
        }
    }
}
