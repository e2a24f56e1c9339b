//! Runs one of the host's tools: no shell, no inherited environment, bounded in time and in what it may write to us.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::host::tools::FIXED_PATH;
use crate::host::{Answer, HostError};
use crate::model::{Cmd, Output};

/// Between SIGTERM and SIGKILL, and after SIGKILL until a child that sleeps in the kernel is left to its fate.
const GRACE: Duration = Duration::from_millis(500);

/// After a tool ended, for what a child of its own may still write to the same pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Taken out of a pipe at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// What a tool may write to us.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub stdout: usize,
    pub stderr: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { stdout: 64 << 20, stderr: 1 << 20 }
    }
}

/// One end of a pipe and what came out of it.
struct Stream<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
    most: usize,
}

impl<P: Read + AsFd> Stream<P> {
    fn new(pipe: Option<P>, most: usize) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, bytes: Vec::new(), most })
    }

    /// Takes what is there. `false`: there was more than the bound.
    fn drain(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(got) => {
                    self.bytes.extend_from_slice(chunk.get(..got).unwrap_or_default());
                    if self.bytes.len() > self.most {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A child whose end is waited for on a thread of its own, because a child asleep in the kernel (a dead disk, a dead NFS server) cannot
/// even be killed. Until it is released the child stays unreaped, so its process group cannot be somebody else's when it is killed.
struct Guarded {
    group: Option<Pid>,
    ended: std::sync::Arc<rustix::fd::OwnedFd>,
    release: mpsc::Sender<()>,
    status: mpsc::Receiver<io::Result<ExitStatus>>,
}

impl Guarded {
    fn new(mut child: Child) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        let ended = std::sync::Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (release, released) = mpsc::channel::<()>();
        let (tell_status, status) = mpsc::channel();
        let bell = std::sync::Arc::clone(&ended);
        std::thread::Builder::new().name("domkeep-wait".to_owned()).spawn(move || {
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
            let _ = rustix::io::write(&*bell, &1_u64.to_ne_bytes());
            // Released, or given up: either way nobody sends signals any more.
            let _ = released.recv();
            let _ = tell_status.send(child.wait());
        })?;
        Ok(Self { group: Some(group), ended, release, status })
    }

    fn has_ended(&self, within: Duration) -> bool {
        let mut fds = [PollFd::new(&*self.ended, PollFlags::IN)];
        let until = Instant::now() + within;
        loop {
            match poll(&mut fds, Some(&timespec(until.saturating_duration_since(Instant::now())))) {
                Err(rustix::io::Errno::INTR) => {}
                other => return other.is_ok_and(|ready| ready > 0),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }

    fn kill(mut self) {
        self.signal(Signal::TERM);
        if !self.has_ended(GRACE) {
            self.signal(Signal::KILL);
            self.has_ended(GRACE);
        }
        let _ = self.reap_soon();
    }

    /// The exit status, once the child has ended; a child that has not is left to its thread.
    fn reap_soon(&mut self) -> Option<io::Result<ExitStatus>> {
        // From here on the number may become another process group's.
        self.group = None;
        let _ = self.release.send(());
        self.status.recv_timeout(GRACE).ok()
    }
}

/// A command that we stop listening to, whatever the reason, ends.
impl Drop for Guarded {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(duration.subsec_nanos()) }
}

pub fn run(tool: &Path, cmd: &Cmd, bounds: Bounds) -> Answer<Output> {
    let clock = Instant::now();
    let mut child = spawn(tool, cmd)?;
    let mut stdin = child.stdin.take();
    if let Some(pipe) = &stdin {
        rustix::io::ioctl_fionbio(pipe, true)?;
    }
    let mut unsent = cmd.stdin.as_slice();
    let mut stdout = Stream::new(child.stdout.take(), bounds.stdout)?;
    let mut stderr = Stream::new(child.stderr.take(), bounds.stderr)?;
    let mut guarded = Guarded::new(child)?;

    // A limit that no clock can hold is none.
    let limit = cmd.limit().min(Duration::from_secs(365 * 24 * 3600));
    let mut until = clock + limit;
    let mut ended = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if ended {
                break;
            }
            guarded.kill();
            return Err(HostError::TimedOut { seconds: cmd.limit_seconds });
        }
        if ended && stdout.pipe.is_none() && stderr.pipe.is_none() {
            break;
        }
        let ready = wait(&guarded, ended, stdin.as_ref().map(AsFd::as_fd), [as_fd(&stdout), as_fd(&stderr)], left)?;
        if let Some(pipe) = &mut stdin {
            match pipe.write(unsent) {
                Ok(sent) => unsent = unsent.get(sent..).unwrap_or_default(),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // It does not want to hear more; its exit status tells whether that is an error.
                Err(_) => unsent = &[],
            }
        }
        if unsent.is_empty() {
            stdin = None;
        }
        for (within, name, most) in [(stdout.drain()?, "output", bounds.stdout), (stderr.drain()?, "errors", bounds.stderr)] {
            if !within {
                guarded.kill();
                let most = crate::model::bytes::human(most as u64);
                return Err(HostError::Refused { why: format!("{} wrote more than {most} of {name}", cmd.program) });
            }
        }
        if ready.ended && !ended {
            ended = true;
            until = until.min(Instant::now() + LAST_WORDS);
        }
    }
    let took = clock.elapsed();
    let status = guarded.reap_soon().ok_or_else(|| HostError::Failed { why: "its exit status was lost".to_owned() })??;
    Ok(Output { exit: exit_number(status), stdout: stdout.bytes, stderr: stderr.bytes, took })
}

/// A tool with its words, a clean environment, the root directory, and a process group of its own: what a terminal sends to us does not
/// reach it.
pub fn prepared(tool: &Path, cmd: &Cmd) -> Command {
    let mut command = Command::new(tool);
    command
        .args(&cmd.args)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", FIXED_PATH)
        .env("HOME", "/")
        // lvm complains about every descriptor that it did not open itself.
        .env("LVM_SUPPRESS_FD_WARNINGS", "1")
        .envs(cmd.env.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .process_group(0);
    command
}

pub fn not_started(error: &io::Error, cmd: &Cmd) -> HostError {
    match error.kind() {
        io::ErrorKind::NotFound => HostError::NoTool { program: cmd.program.clone() },
        io::ErrorKind::PermissionDenied => HostError::Denied,
        _ => HostError::Failed { why: error.to_string() },
    }
}

fn spawn(tool: &Path, cmd: &Cmd) -> Answer<Child> {
    let mut command = prepared(tool, cmd);
    command.stdin(if cmd.stdin.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| not_started(&error, cmd))
}

fn as_fd<P: AsFd>(stream: &Stream<P>) -> Option<BorrowedFd<'_>> {
    stream.pipe.as_ref().map(AsFd::as_fd)
}

struct Ready {
    ended: bool,
}

/// Sleeps until the child ended, wrote, or can be written to.
fn wait(
    guarded: &Guarded,
    already_ended: bool,
    stdin: Option<BorrowedFd<'_>>,
    outputs: [Option<BorrowedFd<'_>>; 2],
    left: Duration,
) -> Answer<Ready> {
    let mut fds = Vec::with_capacity(4);
    if !already_ended {
        fds.push(PollFd::new(&*guarded.ended, PollFlags::IN));
    }
    fds.extend(outputs.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    fds.extend(stdin.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)));
    match poll(&mut fds, Some(&timespec(left))) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ended = already_ended || fds.first().is_some_and(|fd| !fd.revents().is_empty());
    Ok(Ready { ended })
}

pub fn exit_number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128))).unwrap_or(255)
}
