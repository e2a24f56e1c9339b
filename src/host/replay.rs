//! A captured host, answered from a folder. Nothing outside the folder is opened, and nothing in it is believed before it is checked:
//! it may come from anybody.
//!
//! # The folder
//!
//! Made by [`super::capture::Capture`] or by hand through [`Writer`]; the folder has mode 0700, its files 0600.
//!
//! - `capture.toml`: `schema = 1`, `domkeep` (version that wrote it), `host` (its name), `taken` (RFC 3339), `place` (in words), `notes`
//!   (a list: what was left out).
//! - `answers.jsonl`: one JSON object a line, in any order; a later answer to the same question replaces the earlier one.
//! - `blobs/NNNN`: bytes that are too many for a line.
//!
//! A line holds a question and either its `answer` or how it `failed` (an object with `error`: `not-found`, `no-tool` and `program`,
//! `denied`, `refused` and `why`, `timed-out` and `seconds`, `not-captured`, `failed` and `why`):
//!
//! | `ask` | question | `answer` |
//! | --- | --- | --- |
//! | `run` | `program`, `args`, `stdin` if any | `exit`, `stdout`, `stderr`, `milliseconds` |
//! | `read` | `path`, `offset` in bytes | `bytes`, `end` (true: the file ended there) |
//! | `list` | `path` | `entries` (`name`, `kind`), `cut` |
//! | `stat` | `path`, `follow` | the fields of [`super::Stat`] |
//! | `resolve`, `readlink` | `path` | a path |
//! | `extents` | `path` | a list of `start`, `length`, `kind` |
//! | `space` | `path` | `total`, `free` in bytes |
//! | `device` | `path` | `bytes`, `read_only`, `logical_sector` |
//! | `missing` | `path` | none: there is nothing at this path nor below it |
//!
//! Bytes are a string when they are UTF-8, else `{"hex": "00ff"}`, else `{"blob": "0001"}`. Paths are as [`crate::model::HostPath`] writes
//! them. Secrets are masked ([`super::mask`]).
//!
//! # What is answered
//!
//! A command by its exact words and standard input; its environment and time limit do not count. A read from any part of the ranges that
//! were recorded. A name that its directory's whole listing does not hold, and everything below a missing path, is not found. A link that
//! was recorded is followed. Everything else is [`HostError::NotCaptured`]: never a guess.
#![allow(clippy::disallowed_methods, reason = "this is host: the rest of domkeep asks here")]

mod answers;
mod format;
mod load;
mod recording;
mod segments;
mod writer;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use self::answers::Answers;
pub use self::recording::Recording;
pub use self::writer::{Writer, Written};
use super::{Answer, DeviceFacts, HostError, Listing, Look, Place, Space, Stat};
use crate::model::{Cmd, Effect, Extent, Output};

/// A captured host.
#[derive(Debug)]
pub struct Replay {
    dir: PathBuf,
    head: format::Head,
    answers: Answers,
}

impl Replay {
    /// Reads a capture into memory: at most 1 GiB of it.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder; `Failed` with the file's name and line when something in it is broken, of another
    /// schema, or larger than a capture may be.
    pub fn open(dir: &Path) -> Answer<Self> {
        let (head, answers) = load::load(dir)?;
        Ok(Self { dir: dir.to_path_buf(), head, answers })
    }

    /// Name of the captured host.
    pub fn host(&self) -> &str {
        &self.head.host
    }

    /// The version of domkeep that made the capture.
    pub fn made_by(&self) -> &str {
        &self.head.domkeep
    }

    /// Where the capture was made, in words: `this machine`, `demo small`.
    pub fn made_at(&self) -> &str {
        &self.head.place
    }

    /// What the capture says about itself, such as what was left out.
    pub fn notes(&self) -> &[String] {
        &self.head.notes
    }
}

impl Look for Replay {
    fn place(&self) -> Place {
        Place::Replay { dir: self.dir.clone() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.head.taken
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        if cmd.effect == Effect::Changes {
            return Err(HostError::Refused { why: "a captured host cannot be changed".to_owned() });
        }
        self.answers.run(cmd)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.answers.read_at(path, offset, len)
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        let mut listing = self.answers.list(dir)?;
        listing.cut |= listing.entries.len() > limit;
        listing.entries.truncate(limit);
        Ok(listing)
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        self.answers.stat(path, follow)
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.answers.resolve(path)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.answers.readlink(path)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.answers.extents(path)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        self.answers.space(path)
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        self.answers.device(path)
    }
}

#[cfg(test)]
mod tests;
