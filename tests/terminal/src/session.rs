//! A program in a pty.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use filedescriptor::FileDescriptor;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};
use rustix::termios::LocalModes;

use crate::line::Line;
use crate::process::{Stat, stat};
use crate::screen::Screen;

/// The terminal and the surroundings a program starts in. The environment is empty but for `env`.
#[derive(Clone, Debug)]
pub struct Options {
    pub cols: u16,
    pub rows: u16,
    pub env: Vec<(OsString, OsString)>,
    /// `None` is the root directory: a program that needs a place says so.
    pub cwd: Option<PathBuf>,
    /// Bytes per second the terminal takes; `None` is as fast as they come. 9,600 baud is 960.
    ///
    /// The kernel holds some kilobytes between program and terminal: the program notices only when those are full.
    pub line_speed: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        let env = [
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("HOME", "/nonexistent"),
            // The pty library sets this one anyway, from the user's passwd entry.
            ("SHELL", "/bin/sh"),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { cols: 80, rows: 24, env, cwd: None, line_speed: None }
    }
}

impl Options {
    #[must_use]
    pub fn size(mut self, cols: u16, rows: u16) -> Self {
        (self.cols, self.rows) = (cols, rows);
        self
    }

    /// Sets or replaces a variable.
    #[must_use]
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let mut options = self.without_env(&name);
        options.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        options
    }

    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name.as_ref());
        self
    }

    #[must_use]
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.cwd = Some(directory.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn line_speed(mut self, bytes_per_second: u32) -> Self {
        self.line_speed = Some(bytes_per_second);
        self
    }
}

/// How a program ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    Code(u32),
    /// The signal's name as strsignal(3) says it.
    Signal(String),
}

impl Exit {
    /// `None` when a signal ended it.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Signal(_) => None,
        }
    }
}

/// A running program and its terminal. Dropping it ends the program.
pub struct Session {
    program: String,
    child: Box<dyn Child + Send + Sync>,
    pid: u32,
    ended: Option<Exit>,
    /// Gone after a hang-up.
    terminal: Option<Terminal>,
    line: Line,
}

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: FileDescriptor,
}

const KEY_LIMIT: Duration = Duration::from_secs(5);
/// Long enough that Escape is not read together with the next key, short enough not to be felt in a test.
const AFTER_ESCAPE: Duration = Duration::from_millis(60);
const QUIET_LIMIT: Duration = Duration::from_secs(30);

impl Session {
    /// Starts a program: a path, or a name to be found in the `PATH` of the options.
    pub fn start<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[A], options: &Options) -> anyhow::Result<Self> {
        let size = PtySize { rows: options.rows, cols: options.cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).context("no pty to be had")?;
        let raw = pair.master.as_raw_fd().context("the pty has no descriptor")?;
        let open = || FileDescriptor::dup(&raw).context("the pty's descriptor cannot be doubled");
        let parser = parser(options.cols, options.rows)?;
        let mut command = CommandBuilder::new(program.as_ref());
        command.args(args);
        command.env_clear();
        for (name, value) in &options.env {
            command.env(name, value);
        }
        command.cwd(options.cwd.clone().unwrap_or_else(|| PathBuf::from("/")));
        let name = program.as_ref().to_string_lossy().into_owned();
        let child = pair.slave.spawn_command(command).with_context(|| format!("{name} does not start"))?;
        drop(pair.slave);
        let pid = child.process_id().context("the program has no process id")?;
        let line = Line::start(open()?, parser, options.line_speed)?;
        let terminal = Terminal { keyboard: open()?, master: pair.master };
        Ok(Self { program: name, child, pid, ended: None, terminal: Some(terminal), line })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Presses keys, see [`crate::parse`].
    pub fn keys(&self, text: &str) -> anyhow::Result<()> {
        for key in crate::keys::parse(text)? {
            self.send(&key.bytes)?;
            if key.lone_escape {
                std::thread::sleep(AFTER_ESCAPE);
            }
        }
        Ok(())
    }

    /// Sends bytes as if they were typed or pasted. An error when the program does not take them within 5 s.
    pub fn send(&self, mut bytes: &[u8]) -> anyhow::Result<()> {
        let keyboard = &self.terminal()?.keyboard;
        while !bytes.is_empty() {
            let mut waits = [PollFd::from_borrowed_fd(keyboard.as_fd(), PollFlags::OUT)];
            let limit = Timespec::try_from(KEY_LIMIT).unwrap_or_default();
            if rustix::event::poll(&mut waits, Some(&limit))? == 0 {
                bail!("{} reads no keys", self.program);
            }
            let count = rustix::io::write(keyboard, bytes.get(..bytes.len().min(256)).unwrap_or_default())?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits until the text stands on the screen, in one row.
    pub fn wait_for_text(&self, text: &str, limit: Duration) -> anyhow::Result<()> {
        self.wait_for(&format!("the text {text:?}"), limit, |screen| screen.find_row(text).is_some())
    }

    /// Waits until the text is gone from the screen.
    pub fn wait_for_no_text(&self, text: &str, limit: Duration) -> anyhow::Result<()> {
        self.wait_for(&format!("the text {text:?} to go"), limit, |screen| screen.find_row(text).is_none())
    }

    /// Waits until the screen is as asked; `what` completes "waited for".
    pub fn wait_for(&self, what: &str, limit: Duration, mut asked: impl FnMut(&Screen) -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut seen = None;
        loop {
            let left = limit.saturating_sub(start.elapsed());
            let news = self.line.wait_until(left, |received| {
                let count = received.bytes.len();
                (seen != Some(count)).then(|| (count, Screen::of(received.parser.screen())))
            });
            let Some((count, screen)) = news else {
                bail!("waited {limit:?} for {what} and it did not come. {}", self.state_in_words());
            };
            // Asked without the lock, so that the question may use the session.
            if asked(&screen) {
                return Ok(());
            }
            seen = Some(count);
        }
    }

    /// Waits until nothing has arrived for that long, counted from now: what was just typed has that much time to be answered. Also ends
    /// when the program's end of the line is closed.
    pub fn wait_quiet(&self, quiet: Duration) -> anyhow::Result<()> {
        let limit = QUIET_LIMIT.max(quiet * 4);
        let start = Instant::now();
        let silent = |last: Instant| last.max(start).elapsed() >= quiet;
        match self.line.wait_until(limit, |received| (received.ended || silent(received.last)).then_some(())) {
            Some(()) => Ok(()),
            None => bail!("{} was never silent for {quiet:?} in {limit:?}. {}", self.program, self.state_in_words()),
        }
    }

    pub fn screen(&self) -> Screen {
        Screen::of(self.line.received().parser.screen())
    }

    pub fn screen_text(&self) -> String {
        self.screen().text()
    }

    /// How many bytes have arrived since the start: a mark for [`Session::bytes_since`].
    pub fn bytes_sent(&self) -> usize {
        self.line.received().bytes.len()
    }

    /// Everything that has arrived since the start.
    pub fn bytes(&self) -> Vec<u8> {
        self.line.received().bytes.clone()
    }

    /// What has arrived since the mark.
    pub fn bytes_since(&self, mark: usize) -> Vec<u8> {
        self.line.received().bytes.get(mark..).unwrap_or_default().to_vec()
    }

    /// Changes the line's speed from here on; `Some(0)` is a terminal that has stopped reading.
    pub fn set_line_speed(&self, bytes_per_second: Option<u32>) {
        self.line.received().speed = bytes_per_second;
    }

    /// Changes the window's size; the program gets SIGWINCH from the kernel.
    pub fn resize(&self, cols: u16, rows: u16) -> anyhow::Result<()> {
        let size = parser(cols, rows)?.screen().size();
        // First our own screen, so that no answer to the new size is laid out in the old one.
        self.line.received().parser.set_size(size.0, size.1);
        self.terminal()?.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).context("the pty does not change its size")
    }

    /// Sends a signal to the program itself (not to what it started).
    ///
    /// The program leads a session of its own whose parent lives outside, so the kernel ignores an unhandled TSTP for it, as POSIX has it for
    /// orphaned process groups. To test suspending, start an interactive shell and the program from there.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.exit(Duration::ZERO).is_some() {
            bail!("{} has ended; there is nobody to send {signal:?} to", self.program);
        }
        rustix::process::kill_process(self.process_id()?, signal).context("the signal was not sent")
    }

    /// Closes the terminal, as a dropped line does: the kernel sends SIGHUP to the program, reads end, writes fail.
    pub fn hang_up(&mut self) {
        self.line.stop();
        self.terminal = None;
    }

    /// Has the program switched off line editing and echo? `None` after a hang-up.
    pub fn is_raw(&self) -> Option<bool> {
        let modes = rustix::termios::tcgetattr(&self.terminal.as_ref()?.keyboard).ok()?.local_modes;
        Some(!modes.intersects(LocalModes::ICANON | LocalModes::ECHO))
    }

    /// Waits for the end of the program and for its last bytes.
    pub fn exit(&mut self, limit: Duration) -> Option<Exit> {
        let start = Instant::now();
        while self.ended.is_none() {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended = Some(match status.signal() {
                    Some(name) => Exit::Signal(name.to_owned()),
                    None => Exit::Code(status.exit_code()),
                });
                if self.terminal.is_some() {
                    // A program it left behind may hold the line open for ever, so not without a limit.
                    self.line.wait_until(Duration::from_secs(1), |received| received.ended.then_some(()));
                }
                break;
            }
            if start.elapsed() >= limit {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended.clone()
    }

    /// As [`Session::exit`], but an error with the screen when it does not end.
    pub fn must_exit(&mut self, limit: Duration) -> anyhow::Result<Exit> {
        match self.exit(limit) {
            Some(exit) => Ok(exit),
            None => bail!("{} did not end within {limit:?}. {}", self.program, self.state_in_words()),
        }
    }

    /// User and system time the program itself has used; `None` once its end was seen.
    pub fn cpu_time(&self) -> Option<Duration> {
        self.stat().map(|stat| stat.cpu)
    }

    /// Is it stopped, as after Ctrl-Z?
    pub fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|stat| stat.state == 'T')
    }

    fn stat(&self) -> Option<Stat> {
        if self.ended.is_some() { None } else { stat(self.pid) }
    }

    fn terminal(&self) -> anyhow::Result<&Terminal> {
        self.terminal.as_ref().context("the line was hung up")
    }

    fn process_id(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("not a process id")
    }

    fn state_in_words(&self) -> String {
        let state = match (&self.ended, self.stat()) {
            (Some(exit), _) => format!("ended: {exit:?}"),
            (None, Some(stat)) => format!("process state {}, {:?} of CPU time", stat.state, stat.cpu),
            (None, None) => "process gone".to_owned(),
        };
        let received = self.line.received();
        let (count, screen) = (received.bytes.len(), Screen::of(received.parser.screen()));
        drop(received);
        format!("{} ({state}, {count} bytes so far) shows:\n{}", self.program, screen.framed())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.exit(Duration::ZERO).is_none() {
            if let Ok(pid) = self.process_id() {
                // It leads a process group of its own: what it started in the foreground goes with it.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn parser(cols: u16, rows: u16) -> anyhow::Result<vt100::Parser> {
    let side = |count| std::num::NonZeroU16::new(count).context("a terminal has at least one row and one column");
    Ok(vt100::Parser::new(side(rows)?, side(cols)?, 0))
}
