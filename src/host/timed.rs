//! A time limit on every call: a dead NFS server or a dead disk holds a thread of ours, never the screen.
//!
//! A system call that hangs cannot be taken back, so each call is asked on a worker thread and waited for. What hung is remembered: for
//! a minute, or until the hung call comes back if that is sooner, everything beneath the same mount (or in the same directory, when the
//! mount is a local one) is refused at once.

mod hang;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use self::hang::{Beneath, Hang};
use self::workers::{Ticket, Workers};
use super::{Act, Answer, Blocks, DeviceFacts, HostError, Listen, Listing, Look, Place, Space, Stat, Watch, logged};
use crate::model::{Cmd, Extent, Output};

/// How long what hung is refused before it is tried again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Calls that may hang in one place; after them it is refused until one comes back.
const MOST_TRIES: usize = 3;

/// For finding out where a call hangs.
const SEARCH: Duration = Duration::from_secs(1);

/// A host whose calls all end in time. Commands have limits of their own and pass through.
pub struct Timed<H> {
    inner: Arc<H>,
    limit: Duration,
    refused_for: Duration,
    workers: Workers,
    hangs: Mutex<Vec<Hang>>,
}

impl<H: Look + 'static> Timed<H> {
    /// The usual limit.
    pub const LIMIT: Duration = Duration::from_secs(5);

    pub fn new(inner: H, limit: Duration) -> Self {
        Self { inner: Arc::new(inner), limit, refused_for: REFUSED_FOR, workers: Workers::default(), hangs: Mutex::default() }
    }

    fn too_late(&self) -> HostError {
        HostError::TimedOut { seconds: self.limit.as_secs().max(1) }
    }

    fn hangs(&self) -> MutexGuard<'_, Vec<Hang>> {
        self.hangs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T: Send + 'static>(&self, path: &Path, question: impl FnOnce(&H, &Path) -> Answer<T> + Send + 'static) -> Answer<T> {
        self.refuse_what_hangs(path)?;
        let (answer, ticket) = self.ask_within(self.limit, path, question);
        if let Some(ticket) = ticket {
            self.remember(path, ticket);
        }
        answer
    }

    /// The answer, and the ticket of the call when it hangs.
    fn ask_within<T: Send + 'static>(
        &self,
        limit: Duration,
        path: &Path,
        question: impl FnOnce(&H, &Path) -> Answer<T> + Send + 'static,
    ) -> (Answer<T>, Option<Arc<Ticket>>) {
        let (tell, told) = mpsc::sync_channel(1);
        let (host, path) = (Arc::clone(&self.inner), path.to_path_buf());
        let job = move || {
            // Nobody listens any more when it was too late.
            let _ = tell.send(question(&host, &path));
        };
        let Some(ticket) = self.workers.submit(Box::new(job)) else { return (Err(self.too_late()), None) };
        match told.recv_timeout(limit) {
            Ok(answer) => (answer, None),
            Err(RecvTimeoutError::Disconnected) => (Err(HostError::Failed { why: "the answer was lost".to_owned() }), None),
            Err(RecvTimeoutError::Timeout) => {
                let hangs = self.workers.abandon(&ticket);
                (Err(self.too_late()), hangs.then_some(ticket))
            }
        }
    }

    fn refuse_what_hangs(&self, path: &Path) -> Answer<()> {
        let mut hangs = self.hangs();
        hangs.retain_mut(|hang| {
            hang.tickets.retain(|ticket| ticket.hangs());
            !hang.tickets.is_empty()
        });
        for hang in hangs.iter_mut().filter(|hang| hang.holds(path)) {
            if hang.since.elapsed() < self.refused_for || hang.tickets.len() >= MOST_TRIES {
                return Err(self.too_late());
            }
            // This call is the trial; others that come meanwhile are refused.
            hang.since = Instant::now();
        }
        Ok(())
    }

    fn remember(&self, path: &Path, ticket: Arc<Ticket>) {
        let mut places = self.where_it_hangs(path);
        let mut hangs = self.hangs();
        places.extend(hang::volume_group(path, &hangs));
        if let Some(known) = hangs.iter_mut().find(|hang| places.iter().any(|place| hang.places.contains(place))) {
            known.since = Instant::now();
            known.tickets.push(ticket);
            known.places.extend(places.into_iter().filter(|place| !known.places.contains(place)).collect::<Vec<_>>());
        } else {
            hangs.push(Hang { places, since: Instant::now(), tickets: vec![ticket] });
        }
    }

    /// What else will hang. The links on the way are followed by hand, and none is looked at that lies on a mount of another machine.
    fn where_it_hangs(&self, path: &Path) -> Vec<Beneath> {
        let until = Instant::now() + SEARCH;
        let left = || until.saturating_duration_since(Instant::now());
        let (mounts, _) = self.ask_within(SEARCH, Path::new("/proc/self/mountinfo"), |host, path| host.read_at(path, 0, 4 << 20));
        let mounts = hang::mounts(&mounts.unwrap_or_default());
        let remote = hang::remote_mount_on_the_way(&mounts, path, |link| {
            if left().is_zero() { None } else { self.ask_within(left(), link, Look::readlink).0.ok() }
        });
        let mut places = vec![hang::neighbours(path)];
        match remote {
            Some(mount) if path.starts_with(&mount) => places = vec![Beneath::All(mount)],
            Some(mount) => places.push(Beneath::All(mount)),
            None => {}
        }
        places
    }
}

impl<H: Look + 'static> Look for Timed<H> {
    fn place(&self) -> Place {
        self.inner.place()
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        self.inner.run(cmd)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.ask(path, move |host, path| host.read_at(path, offset, len))
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        self.ask(dir, move |host, dir| host.list(dir, limit))
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        self.ask(path, move |host, path| host.stat(path, follow))
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.ask(path, Look::resolve)
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.ask(path, Look::readlink)
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.ask(path, Look::extents)
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        self.ask(path, Look::space)
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        self.ask(path, Look::device)
    }

    /// Opening is bounded; reading what was opened is not.
    fn open_for_reading(&self, path: &Path) -> Answer<Blocks> {
        self.ask(path, Look::open_for_reading)
    }

    fn connect(&self, socket: &Path) -> Answer<std::os::unix::net::UnixStream> {
        self.ask(socket, Look::connect)
    }

    fn open_directory(&self, path: &Path) -> Answer<std::os::fd::OwnedFd> {
        self.ask(path, Look::open_directory)
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        self.inner.has_tool(name)
    }

    fn watch(&self, paths: &[PathBuf], tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        let usable: Vec<PathBuf> = paths.iter().filter(|path| self.refuse_what_hangs(path).is_ok()).cloned().collect();
        self.ask_within(self.limit, Path::new("/"), move |host, _| Ok(host.watch(&usable, tell))).0.ok().flatten()
    }

    fn log(&self) -> Vec<logged::Entry> {
        self.inner.log()
    }
}

/// Changes are waited for, however long they take: one that was given up would still happen, and nobody would know.
impl<H: Act + 'static> Act for Timed<H> {
    fn change(&self, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output> {
        self.inner.change(cmd, listen)
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

#[cfg(test)]
mod tests;
