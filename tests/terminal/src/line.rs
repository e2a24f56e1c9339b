//! The line between program and terminal: a thread that reads what the program sends, at the line's speed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use filedescriptor::FileDescriptor;
use rustix::event::{PollFd, PollFlags, Timespec};

/// What has arrived so far.
pub struct Received {
    pub bytes: Vec<u8>,
    pub parser: vt100::Parser,
    pub last: Instant,
    /// Nobody holds the other end any more.
    pub ended: bool,
    /// Bytes per second; 0 is a terminal that has stopped reading, `None` one that takes what comes.
    pub speed: Option<u32>,
}

pub struct Line {
    shared: Arc<(Mutex<Received>, Condvar)>,
    thread: Option<JoinHandle<()>>,
    /// Closing it ends the thread.
    wake: Option<OwnedFd>,
}

impl Line {
    pub fn start(terminal: FileDescriptor, parser: vt100::Parser, speed: Option<u32>) -> anyhow::Result<Self> {
        let (stop, wake) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("no pipe for the reading thread")?;
        let received = Received { bytes: Vec::new(), parser, last: Instant::now(), ended: false, speed };
        let shared = Arc::new((Mutex::new(received), Condvar::new()));
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || read_all(&terminal, &stop, &shared)
        });
        Ok(Self { shared, thread: Some(thread), wake: Some(wake) })
    }

    pub fn received(&self) -> MutexGuard<'_, Received> {
        lock(&self.shared.0)
    }

    /// Asks after each arrival, and at least every 20 ms, until there is an answer or the time is over.
    pub fn wait_until<T>(&self, limit: Duration, mut ask: impl FnMut(&Received) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        let mut received = self.received();
        loop {
            if let Some(answer) = ask(&received) {
                return Some(answer);
            }
            let left = limit.checked_sub(start.elapsed())?;
            let pause = left.min(Duration::from_millis(20));
            received = self.shared.1.wait_timeout(received, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the thread and closes its end of the terminal.
    pub fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAUSE_OF_A_STOPPED_LINE: Duration = Duration::from_millis(20);

fn read_all(terminal: &FileDescriptor, stop: &OwnedFd, shared: &(Mutex<Received>, Condvar)) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let speed = lock(&shared.0).speed;
        let (want, pause) = portion(speed, buffer.len());
        if want == 0 {
            if wait(None, stop.as_fd(), pause) == Ready::Stop {
                return;
            }
            continue;
        }
        match wait(Some(terminal.as_fd()), stop.as_fd(), Duration::from_secs(1)) {
            Ready::Stop => return,
            Ready::Nothing => continue,
            Ready::Bytes => {}
        }
        // A pty whose last user went away answers EIO; for a terminal that is the end of the line.
        let count = rustix::io::read(terminal, buffer.get_mut(..want).unwrap_or_default()).unwrap_or(0);
        let mut received = lock(&shared.0);
        if count == 0 {
            received.ended = true;
            shared.1.notify_all();
            return;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        received.bytes.extend_from_slice(bytes);
        received.parser.process(bytes);
        received.last = Instant::now();
        drop(received);
        shared.1.notify_all();
        if !pause.is_zero() && wait(None, stop.as_fd(), pause) == Ready::Stop {
            return;
        }
    }
}

/// How many bytes to take at once, and how long they keep the line busy.
fn portion(speed: Option<u32>, most: usize) -> (usize, Duration) {
    match speed {
        None => (most, Duration::ZERO),
        Some(0) => (0, PAUSE_OF_A_STOPPED_LINE),
        Some(speed) => {
            let bytes = (speed / 50).clamp(1, 4096);
            (usize::try_from(bytes).unwrap_or(1).min(most), Duration::from_secs_f64(f64::from(bytes) / f64::from(speed)))
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ready {
    Stop,
    Bytes,
    Nothing,
}

fn wait(terminal: Option<BorrowedFd<'_>>, stop: BorrowedFd<'_>, limit: Duration) -> Ready {
    let mut waits = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
    waits.extend(terminal.map(|terminal| PollFd::from_borrowed_fd(terminal, PollFlags::IN)));
    let limit = Timespec::try_from(limit).unwrap_or_default();
    if rustix::event::poll(&mut waits, Some(&limit)).is_err() {
        return Ready::Nothing;
    }
    let mut answers = waits.iter().map(|wait| !wait.revents().is_empty());
    match (answers.next(), answers.next()) {
        (Some(true), _) => Ready::Stop,
        (_, Some(true)) => Ready::Bytes,
        _ => Ready::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_takes_as_long_as_its_speed_says() {
        let (bytes, pause) = portion(Some(960), 65536);
        let rate = f64::from(u32::try_from(bytes).unwrap()) / pause.as_secs_f64();
        assert!((rate - 960.0).abs() < 1.0, "9,600 baud is 960 bytes a second, not {rate}");
        assert_eq!(portion(Some(1), 65536), (1, Duration::from_secs(1)));
        assert_eq!(portion(Some(0), 65536).0, 0, "a stopped line takes nothing");
    }
}
