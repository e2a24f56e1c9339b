//! The command line: options, subcommands, and the exit codes that `--help` promises.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
   0  good
   1  failed, or refused: nothing was changed, or what was changed was taken back
   2  partial or incomplete: something that could hide a domain or its state could not be looked at, or a backup is torn
   3  check found a danger
  64  wrong usage; also a change that nobody confirmed

What changes the host shows its plan first, and asks. Nothing else changes anything.";

const VERIFY: &str = "\
Read a backup and compare every byte with its hashes

Of each piece it names the first range of bytes that is not as it was written, and what is missing or too much. Nothing is changed.
With --json each event is a line, the last one has the verdict.

Exit code 0: every byte that was read is as it was written, and the backup was good then. Exit code 1: something is wrong, \
or the backup is torn: a disk was written to while it was copied.";

/// Shows where a host's Xen and libvirt domains really are, and what is dangerous about it.
///
/// Without a command it opens the screen; where standard output is no terminal, it asks and answers line by line (as with --plain).
#[derive(Clone, Debug, Parser)]
#[command(name = "domkeep", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Look at the built-in demo machine instead of this one
    #[arg(long, global = true, value_name = "NAME", num_args = 0..=1, require_equals = true, conflicts_with = "replay")]
    #[allow(clippy::option_option, reason = "not given, given without a name, given with one")]
    pub demo: Option<Option<String>>,
    /// Lay the demo machine out anew first
    #[arg(long, global = true)]
    pub demo_reset: bool,
    /// Lay the demo machine out in this directory instead of the usual one
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    pub demo_root: Option<PathBuf>,
    /// Look at a captured host (see capture)
    #[arg(long, global = true, value_name = "DIR")]
    pub replay: Option<PathBuf>,
    /// Ask and answer line by line, for screen readers and simple terminals
    #[arg(long, global = true)]
    pub plain: bool,
    /// Draw with ASCII characters only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
    /// Look for configurations, save images and image files in this directory too
    #[arg(long, global = true, value_name = "DIR")]
    pub look_in: Vec<PathBuf>,
    /// Read the settings from this file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say which tools were found, what the terminal can do, and what was decided from it
    #[arg(long)]
    pub health: bool,
    /// Change nothing, whatever is asked
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Count frames and bytes, for tests
    #[arg(long, global = true, hide = true)]
    pub stats: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List every domain with its memory, configuration and disks
    List(Json),
    /// Show where each part of one domain's state lies
    Show {
        /// The domain's name
        name: String,
        #[command(flatten)]
        json: Json,
        /// Show the commands that were run to find it out
        #[arg(long)]
        commands: bool,
    },
    /// Show the ways to back a domain up: what each gives, how long the domain stands still, and why some are not possible
    Strategies {
        /// The domain's name
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Say whether a save image is that of a domain, and whole to its last record (exit code 1 if not)
    ProveSave {
        file: PathBuf,
        #[arg(long)]
        domain: String,
    },
    /// Say whether the disks of a save image are as they were when domkeep saved its domain (exit code 1 if not)
    ProveDisks {
        file: PathBuf,
        /// They were rolled back: only their bytes can be compared
        #[arg(long)]
        bytes_only: bool,
    },
    /// List the backups that were made: of which domain, when, how good
    Bundles {
        /// Below this directory instead of those of the settings
        dir: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
    /// Read a backup and compare every byte with its hashes (exit code 1 if it is not good)
    #[command(long_about = VERIFY)]
    Verify {
        /// The backup's directory, as bundles lists it
        bundle: PathBuf,
        /// Only these files of it, by their names
        #[arg(value_name = "PIECE")]
        pieces: Vec<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Say what is dangerous, with the evidence (exit code 3 if anything is)
    Check(Json),
    /// Say more about a finding's code; without one, list them all
    Explain {
        /// A code as check shows it, such as disk-missing
        code: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Record what domkeep saw of this host into a new directory, secrets masked, for --replay
    Capture {
        /// The directory to make
        dir: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Show the settings and where each comes from
    Config {
        /// Print a settings file with every setting explained
        #[arg(long)]
        sample: bool,
        #[command(flatten)]
        json: Json,
    },
    #[command(flatten)]
    Change(super::wish::Change),
    /// Extend snapshots and thin pools before they are full; runs until it is told to stop
    #[command(long_about = super::guard::LONG)]
    Guard(super::guard::Options),
    /// List the changes that were launched, and those that were interrupted
    Jobs {
        #[command(subcommand)]
        command: Option<JobsCommand>,
        #[command(flatten)]
        json: Json,
    },
    /// Carry a job out: what a launched change runs as
    #[command(hide = true)]
    RunJob {
        id: String,
        #[arg(long, value_name = "WORK", default_value = "run")]
        work: WorkName,
    },
    /// Begin a backup job of libvirt's with the guest's file systems frozen; its XML is read from standard input
    #[command(hide = true)]
    BeginFrozen {
        #[arg(long, value_name = "URI")]
        connect: String,
        #[arg(long, value_name = "UUID")]
        domain: String,
        #[arg(long, value_name = "FILE")]
        checkpointxml: Option<String>,
    },
    /// Run a command of the demo machine, such as `xl pause web01`: what a test or a tour changes there
    #[command(hide = true)]
    Machine {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

#[derive(Clone, Debug, Subcommand)]
pub enum JobsCommand {
    /// Print what a job did and does, until it ends (exit code 0 done, 1 failed, 2 not good or interrupted)
    Follow {
        /// The job's id, or its beginning
        id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Tell a running job to stop; what it did is taken back
    Cancel { id: String },
    /// Go on with an interrupted job
    Finish { id: String },
    /// Take back what an interrupted, failed or cancelled job did
    Undo { id: String },
}

/// What a runner does with its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkName {
    Run,
    Finish,
    Undo,
}

#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Reads a command line. `--demo NAME` and `--demo=NAME` are the same, and `--demo list` is the command `list` on the demo machine.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    Args::try_parse_from(join_demo_name(words))
}

fn join_demo_name(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let root = Args::command();
    let is_command = |word: &str| word == "help" || root.get_subcommands().any(|command| command.get_name() == word);
    let mut joined: Vec<OsString> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            joined.push(word);
            joined.extend(words);
            break;
        }
        let name =
            words.peek().and_then(|next| next.to_str()).filter(|next| word == "--demo" && !next.starts_with('-') && !is_command(next));
        match name.map(|name| format!("--demo={name}")) {
            Some(both) => {
                words.next();
                joined.push(both.into());
            }
            None => joined.push(word),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::option_option, reason = "as the option itself")]
    fn demo(words: &[&str]) -> (Option<Option<String>>, bool) {
        let args = parse(words.iter().map(OsString::from)).unwrap();
        (args.global.demo, args.command.is_some())
    }

    #[test]
    fn the_demo_takes_a_name_but_never_swallows_a_command() {
        assert_eq!(demo(&["domkeep", "--demo"]), (Some(None), false));
        assert_eq!(demo(&["domkeep", "--demo", "list"]), (Some(None), true), "`domkeep --demo list` opened a demo named list");
        assert_eq!(demo(&["domkeep", "--demo", "small", "list"]), (Some(Some("small".to_owned())), true));
        assert_eq!(demo(&["domkeep", "list", "--demo=small"]), (Some(Some("small".to_owned())), true));
        assert_eq!(demo(&["domkeep", "list"]), (None, true));
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
