//! This machine.
//!
//! | part | what it does |
//! | --- | --- |
//! | [`command`] | runs the tools, within bounds of time and bytes |
//! | [`blocks`] | bytes and extents of files and block devices |
//! | [`facts`] | names, types, room, devices |
//! | [`watching`] | inotify and xenstore |
//! | [`acting`] | changes: commands that are never killed ([`changing`]), names ([`names`]), files in a stranger's tree ([`beneath`]) |
//! | [`reach`] | finds what a change is about, and holds it |
#![allow(clippy::disallowed_methods, reason = "this is host: the rest of domkeep asks here")]

pub(crate) mod acting;
pub(super) mod beneath;
mod blocks;
pub(super) mod changing;
pub(super) mod command;
mod facts;
mod names;
mod reach;
mod watching;

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::tools::Tools;
use super::{Answer, Blocks, DeviceFacts, HostError, Listing, Look, Place, Space, Stat, Watch};
use crate::model::{Cmd, Effect, Extent, Output};

/// This machine.
///
/// Commands are killed at their time limit. The other calls take as long as the kernel does: [`super::timed::Timed`] bounds them.
#[derive(Clone, Debug, Default)]
pub struct Local {
    tools: Tools,
}

impl Local {
    pub fn new() -> Self {
        Self::default()
    }

    /// With tools from other directories.
    pub fn with_tools(tools: Tools) -> Self {
        Self { tools }
    }

    /// This machine for a runner of jobs. From here on what this process and its children make is for its user alone (umask 077): a save
    /// image holds a guest's passwords. Files that domkeep makes itself get their modes explicitly.
    pub fn for_the_runner() -> Self {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        Self::default()
    }

    pub fn tools(&self) -> &Tools {
        &self.tools
    }
}

impl Look for Local {
    fn place(&self) -> Place {
        Place::ThisMachine
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        if cmd.effect == Effect::Changes {
            return Err(HostError::Refused { why: "a command that changes the host is no look".to_owned() });
        }
        command::run(&self.tools.find(&cmd.program)?, cmd, command::Bounds::default())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        blocks::read_at(path, offset, len)
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        facts::list(dir, limit)
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        Ok(facts::stat_of(&found?))
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        Ok(fs::canonicalize(path)?)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        Ok(fs::read_link(path)?)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        blocks::extents(path)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        facts::space(path)
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        facts::device(path)
    }

    fn open_for_reading(&self, path: &Path) -> Answer<Blocks> {
        names::open_for_reading(path)
    }

    fn connect(&self, socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        Ok(std::os::unix::net::UnixStream::connect(socket)?)
    }

    fn open_directory(&self, path: &Path) -> Answer<std::os::fd::OwnedFd> {
        names::open_directory(path)
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        match self.tools.find(name) {
            Ok(_) => Ok(true),
            Err(HostError::NoTool { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn watch(&self, paths: &[PathBuf], tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        watching::start(paths, self.tools.find("xenstore-watch").ok().as_deref(), tell)
    }
}

#[cfg(test)]
mod tests;
