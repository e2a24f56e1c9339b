//! Tools that the demo machine borrows from the machine that domkeep runs on: mke2fs, e2fsck, tune2fs, debugfs, cp and tar do real work on the
//! real files of its tree, so that what a plan makes can be looked at with any tool.
//!
//! A borrowed tool never gets a path: each file or directory that its words name is opened beneath the tree, and the tool is given the
//! open descriptor (`/proc/self/fd/N`). What the words may be is a list; anything else is refused with exit status 127, and so are tools
//! that mount, for the demo mounts nothing.

mod script;
mod words;

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use self::words::Word;
use super::tree::Tree;
use crate::host::local::{changing, command};
use crate::host::tools::Tools;
use crate::host::{Answer, Child, HostError, Listen};
use crate::model::{Cmd, Effect, Output};

const BORROWED: [&str; 10] = ["mke2fs", "mkfs.ext4", "mkfs.ext3", "e2fsck", "resize2fs", "tune2fs", "debugfs", "cp", "tar", "sync"];

/// Tools that a plan may ask for where it can mount; never here.
const REFUSED: [&str; 7] = ["mount", "umount", "mkfs.xfs", "mkfs.btrfs", "xfs_repair", "btrfs", "mkswap"];

pub fn is_there(name: &str) -> bool {
    BORROWED.contains(&name) && Tools::default().find(name).is_ok()
}

/// A command that only looks; nothing when it is no borrowed tool.
pub fn look(clock: DateTime<Utc>, tree: &Tree, cmd: &Cmd) -> Option<Answer<Output>> {
    borrow(tree, cmd, |tool, held| {
        let answer = command::run(tool, &held.cmd(cmd, clock), command::Bounds::default())?;
        Ok(held.translated(&answer))
    })
}

/// A command that may change; nothing when it is no borrowed tool.
pub fn change(clock: DateTime<Utc>, tree: &Tree, cmd: &Cmd, listen: &mut dyn Listen) -> Option<Answer<Output>> {
    borrow(tree, cmd, |tool, held| {
        let mut ear = Ear { listen, held };
        let answer = changing::change(tool, &held.cmd(cmd, clock), &mut ear)?;
        for path in &held.written {
            // What was written was written now, by the machine's clock.
            let _ = tree.set_time(path, clock);
        }
        Ok(held.translated(&answer))
    })
}

fn borrow(tree: &Tree, cmd: &Cmd, run: impl FnOnce(&Path, &Held) -> Answer<Output>) -> Option<Answer<Output>> {
    if REFUSED.contains(&cmd.program.as_str()) {
        return Some(Ok(refusal(&format!("{}: the demo machine mounts nothing, and makes only ext file systems", cmd.program))));
    }
    if !BORROWED.contains(&cmd.program.as_str()) {
        return None;
    }
    Some((|| {
        let understood = match words::understand(&cmd.program, &cmd.args, cmd.effect == Effect::Changes) {
            Ok(understood) => understood,
            Err(word) => return Ok(refusal(&format!("the demo machine does not know: {cmd} (at `{word}')"))),
        };
        let Ok(tool) = Tools::default().find(&cmd.program) else {
            return Ok(refusal(&format!("{}: not on this host", cmd.program)));
        };
        match Held::open(tree, &understood) {
            Ok(held) => run(&tool, &held),
            Err(HostError::NotFound) => Ok(complaint(&cmd.program, "No such file or directory")),
            Err(HostError::Refused { why }) => Ok(complaint(&cmd.program, &why)),
            Err(error) => Err(error),
        }
    })())
}

fn refusal(why: &str) -> Output {
    Output { exit: 127, stdout: Vec::new(), stderr: format!("{why}\n").into_bytes(), took: Duration::from_millis(12) }
}

fn complaint(program: &str, why: &str) -> Output {
    Output { exit: 1, stdout: Vec::new(), stderr: format!("{program}: {why}\n").into_bytes(), took: Duration::from_millis(12) }
}

/// Words for the real tool, and what they name, held open until it ended.
struct Held {
    args: Vec<String>,
    /// The descriptors, which the tool inherits, and the words that they stand for.
    open: Vec<(OwnedFd, String)>,
    /// What the tool writes into.
    written: Vec<std::path::PathBuf>,
}

impl Held {
    fn open(tree: &Tree, words: &[Word]) -> Answer<Self> {
        let mut held = Self { args: Vec::new(), open: Vec::new(), written: Vec::new() };
        for word in words {
            let arg = match word {
                Word::Plain(text) => text.clone(),
                Word::Reads(path) => held.reads(tree, path)?,
                Word::Writes(path) => held.writes(tree, path)?,
                Word::Within(inner, offset) => match inner.as_ref() {
                    Word::Reads(path) => format!("{}?offset={offset}", held.reads(tree, path)?),
                    Word::Writes(path) => format!("{}?offset={offset}", held.writes(tree, path)?),
                    _ => return Err(HostError::Refused { why: "only a file or device has a place within".into() }),
                },
                Word::Directory(path) => held.hold(&tree.open_dir(Path::new(path))?, path)?,
                Word::EmptyDirectory(path) => {
                    // What lies in it could be links that lead out.
                    if !tree.list(Path::new(path), 1)?.entries.is_empty() {
                        return Err(HostError::Refused { why: format!("the demo machine fills only an empty directory: {path}") });
                    }
                    held.hold(&tree.open_dir(Path::new(path))?, path)?
                }
                // The directory itself, not the link that its descriptor is.
                Word::Contents(inner) => match inner.as_ref() {
                    Word::Directory(path) => format!("{}/.", held.hold(&tree.open_dir(Path::new(path))?, path)?),
                    _ => return Err(HostError::Refused { why: "only a directory has contents".into() }),
                },
                Word::Script(path) => {
                    let text = tree.read(Path::new(path))?;
                    held.script(tree, path, &text)?
                }
                Word::Line(line) => {
                    let parts = script::line(line, false).map_err(|why| HostError::Refused { why })?;
                    held.line(tree, &parts)?
                }
            };
            held.args.push(arg);
        }
        Ok(held)
    }

    fn reads(&mut self, tree: &Tree, path: &str) -> Answer<String> {
        self.hold(&tree.open_file(Path::new(path), false)?, path)
    }

    fn writes(&mut self, tree: &Tree, path: &str) -> Answer<String> {
        let file = tree.open_file(Path::new(path), true)?;
        self.written.push(path.into());
        self.hold(&file, path)
    }

    /// A descriptor that the tool inherits, by the name it has there.
    fn hold(&mut self, fd: &impl AsFd, path: &str) -> Answer<String> {
        // A copy is without close-on-exec. Another child that is started at this moment inherits it too, and has no use for it.
        let inherited = rustix::io::dup(fd)?;
        let name = format!("/proc/self/fd/{}", inherited.as_raw_fd());
        self.open.push((inherited, path.to_owned()));
        Ok(name)
    }

    fn script(&mut self, tree: &Tree, path: &str, text: &[u8]) -> Answer<String> {
        use std::io::{Seek as _, Write as _};
        let text = std::str::from_utf8(text).map_err(|_| HostError::Refused { why: format!("{path} is no text") })?;
        let mut lines = String::new();
        for line in text.lines() {
            let parts = script::line(line, true).map_err(|why| HostError::Refused { why })?;
            lines.push_str(&self.line(tree, &parts)?);
            lines.push('\n');
        }
        let mut file = std::fs::File::from(rustix::fs::memfd_create("domkeep-script", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.write_all(lines.as_bytes())?;
        file.rewind()?;
        self.hold(&file, path)
    }

    fn line(&mut self, tree: &Tree, parts: &[script::Part]) -> Answer<String> {
        let words: Answer<Vec<String>> = parts
            .iter()
            .map(|part| match part {
                script::Part::Word(word) => Ok(word.clone()),
                script::Part::HostFile(path) => self.hold(&tree.open_file(Path::new(path), false)?, path),
            })
            .collect();
        Ok(words?.join(" "))
    }

    fn cmd(&self, asked: &Cmd, clock: DateTime<Utc>) -> Cmd {
        // e2fsprogs takes its time from there: a file system of the demo is not made in its future.
        let fake = ("E2FSPROGS_FAKE_TIME".to_owned(), clock.timestamp().to_string());
        Cmd { args: self.args.clone(), env: vec![fake], ..asked.clone() }
    }

    fn translated(&self, output: &Output) -> Output {
        Output {
            stdout: self.translate(&output.stdout),
            stderr: self.translate(&output.stderr),
            // As every answer of the demo: a command log can be compared.
            took: Duration::from_millis(12),
            exit: output.exit,
        }
    }

    /// The tool's words with the names that the demo's paths have there.
    fn translate(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for (fd, path) in self.open.iter().rev() {
            let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
            text = text.replace(&format!("{name}/."), path).replace(&name, path);
        }
        text.into_bytes()
    }
}

struct Ear<'a> {
    listen: &'a mut dyn Listen,
    held: &'a Held,
}

impl Listen for Ear<'_> {
    fn started(&mut self, child: &Child) {
        self.listen.started(child);
    }

    fn line(&mut self, line: &[u8]) {
        self.listen.line(&self.held.translate(line));
    }
}
