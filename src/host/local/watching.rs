//! Notices changes: inotify on the directories of configs and save images, `xenstore-watch` for domains that come and go. One thread,
//! asleep until something happens.

use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::host::Watch;
use crate::host::tools::FIXED_PATH;

/// `tell` is called at most this often.
const PAUSE: Duration = Duration::from_millis(200);

/// The two special watches that xenstored fires for any domain (docs/misc/xenstore.txt of Xen).
const XENSTORE_EVENTS: [&str; 2] = ["@introduceDomain", "@releaseDomain"];

struct Watching {
    stop: Arc<OwnedFd>,
}

impl Watch for Watching {}

impl Drop for Watching {
    fn drop(&mut self) {
        // Not joined: the thread ends at once unless the kernel holds it, and then a join would hold us too.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
    }
}

pub fn start(paths: &[PathBuf], xenstore_watch: Option<&Path>, tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?);
    let files = watch_files(paths);
    let xenstore = xenstore_watch.and_then(Xenstore::start);
    if files.is_none() && xenstore.is_none() {
        return None;
    }
    let ear = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("domkeep-watch".to_owned());
    thread.spawn(move || listen(&ear, files.as_ref(), xenstore, &*tell)).ok()?;
    Some(Box::new(Watching { stop }))
}

/// Nothing when not one of the paths can be watched.
fn watch_files(paths: &[PathBuf]) -> Option<OwnedFd> {
    let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    // Not MODIFY: a save image is written for minutes, and its end is what counts.
    let what = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    let watched = paths.iter().filter(|path| inotify::add_watch(&queue, path.as_path(), what).is_ok()).count();
    (watched > 0).then_some(queue)
}

struct Xenstore {
    child: Child,
    events: ChildStdout,
    /// A watch fires once when it is set; that is no news.
    unheard_greetings: usize,
}

impl Xenstore {
    fn start(tool: &Path) -> Option<Self> {
        let mut child = Command::new(tool)
            .args(XENSTORE_EVENTS)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", FIXED_PATH)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let events = child.stdout.take()?;
        let _ = rustix::io::ioctl_fionbio(&events, true);
        Some(Self { child, events, unheard_greetings: XENSTORE_EVENTS.len() })
    }

    /// Whether there was news; `None` when the tool ended.
    fn news(&mut self) -> Option<bool> {
        let mut chunk = [0; 4096];
        let mut lines = 0_usize;
        loop {
            match self.events.read(&mut chunk) {
                Ok(0) => return None,
                Ok(got) => lines += chunk.get(..got).unwrap_or_default().split(|byte| *byte == b'\n').count() - 1,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        let greetings = lines.min(self.unheard_greetings);
        self.unheard_greetings -= greetings;
        Some(lines > greetings)
    }
}

impl Drop for Xenstore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stop: &OwnedFd, files: Option<&OwnedFd>, mut xenstore: Option<Xenstore>, tell: &dyn Fn()) {
    let mut told: Option<Instant> = None;
    let mut owed = false;
    loop {
        // Asleep without a limit unless a call of `tell` is owed.
        let rest = told.map_or(Duration::ZERO, |told| PAUSE.saturating_sub(told.elapsed()));
        if owed && rest.is_zero() {
            tell();
            told = Some(Instant::now());
            owed = false;
            continue;
        }
        let timeout = owed.then(|| Timespec { tv_sec: 0, tv_nsec: i64::from(rest.subsec_nanos()) });
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        fds.extend(files.map(|fd| PollFd::new(fd, PollFlags::IN)));
        fds.extend(xenstore.as_ref().map(|watch| PollFd::new(&watch.events, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
            return;
        }
        owed |= files.is_some_and(drain);
        match xenstore.as_mut().map(Xenstore::news) {
            Some(Some(news)) => owed |= news,
            Some(None) => xenstore = None,
            None => {}
        }
        if files.is_none() && xenstore.is_none() {
            return;
        }
    }
}

/// Empties the queue; whether anything was in it.
fn drain(queue: &OwnedFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut any = false;
    let mut reader = inotify::Reader::new(queue, &mut buffer);
    while reader.next().is_ok() {
        any = true;
    }
    any
}
