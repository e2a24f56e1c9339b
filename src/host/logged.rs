//! The command log: every command that ran, with its exit status and time. What `@` and `domkeep show --commands` print.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Act, Answer, Blocks, DeviceFacts, HostError, Listen, Listing, Look, Place, Space, Stat, Watch};
use crate::model::{Cmd, Extent, Output};

/// One command that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub cmd: Cmd,
    pub took: Duration,
    /// Exit status, or why there was none.
    pub result: Result<i32, HostError>,
    pub stdout_bytes: usize,
    /// The first line of standard error.
    pub complaint: Option<String>,
}

/// A host that remembers what was run on it, the last [`Logged::KEEP`] commands.
pub struct Logged<H> {
    inner: H,
    entries: Mutex<Vec<Entry>>,
}

impl<H: Look> Logged<H> {
    const KEEP: usize = 2000;

    pub fn new(inner: H) -> Self {
        Self { inner, entries: Mutex::new(Vec::new()) }
    }

    /// Runs a command and remembers it.
    fn remembered(&self, cmd: &Cmd, run: impl FnOnce(&H) -> Answer<Output>) -> Answer<Output> {
        let at = self.inner.now();
        let clock = std::time::Instant::now();
        let answer = run(&self.inner);
        let entry = Entry {
            at,
            cmd: cmd.clone(),
            took: answer.as_ref().map_or_else(|_| clock.elapsed(), |output| output.took),
            result: answer.as_ref().map(|output| output.exit).map_err(Clone::clone),
            stdout_bytes: answer.as_ref().map_or(0, |output| output.stdout.len()),
            complaint: answer.as_ref().ok().filter(|output| !output.stderr.is_empty()).map(Output::complaint),
        };
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.push(entry);
        let surplus = entries.len().saturating_sub(Self::KEEP);
        entries.drain(..surplus);
        answer
    }
}

impl<H: Look> Look for Logged<H> {
    fn place(&self) -> Place {
        self.inner.place()
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        self.remembered(cmd, |inner| inner.run(cmd))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.inner.read_at(path, offset, len)
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        self.inner.list(dir, limit)
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        self.inner.stat(path, follow)
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.inner.resolve(path)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.inner.readlink(path)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.inner.extents(path)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        self.inner.space(path)
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        self.inner.device(path)
    }

    fn open_for_reading(&self, path: &Path) -> Answer<Blocks> {
        self.inner.open_for_reading(path)
    }

    fn connect(&self, socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        self.inner.connect(socket)
    }

    fn open_directory(&self, path: &Path) -> Answer<std::os::fd::OwnedFd> {
        self.inner.open_directory(path)
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        self.inner.has_tool(name)
    }

    fn watch(&self, paths: &[PathBuf], tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        self.inner.watch(paths, tell)
    }

    /// By the time at which they began. Where the clock stands still, as on the demo machine, by the look they belong to, so that the
    /// order does not tell which thread was quicker.
    fn log(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let mut runs: BTreeMap<String, usize> = BTreeMap::new();
        let mut ordered: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                let line = entry.cmd.to_string();
                let run = runs.entry(line.clone()).and_modify(|run| *run = run.saturating_add(1)).or_insert(0);
                ((entry.at, *run, line), entry)
            })
            .collect();
        ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
        ordered.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// Of the changes, the commands are remembered; what is done to files stands in the job's journal.
impl<H: Act> Act for Logged<H> {
    fn change(&self, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output> {
        self.remembered(cmd, |inner| inner.change(cmd, listen))
    }

    fn create(&self, path: &Path, mode: u32) -> Answer<Blocks> {
        self.inner.create(path, mode)
    }

    fn open_for_writing(&self, path: &Path) -> Answer<Blocks> {
        self.inner.open_for_writing(path)
    }

    fn share_blocks(&self, from: &Blocks, to: &Blocks) -> Answer<()> {
        self.inner.share_blocks(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Answer<()> {
        self.inner.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> Answer<()> {
        self.inner.exchange(one, other)
    }

    fn remove(&self, path: &Path, inode: (u64, u64)) -> Answer<()> {
        self.inner.remove(path, inode)
    }

    fn mkdir(&self, path: &Path, mode: u32) -> Answer<Stat> {
        self.inner.mkdir(path, mode)
    }

    fn like(&self, path: &Path, model: &Stat) -> Answer<()> {
        self.inner.like(path, model)
    }

    fn write_beneath(&self, root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
        self.inner.write_beneath(root, path, bytes, mode)
    }

    fn sync_dir(&self, dir: &Path) -> Answer<()> {
        self.inner.sync_dir(dir)
    }
}
