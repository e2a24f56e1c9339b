//! Runs a command that changes the host. It is never killed, and nothing that becomes of domkeep may harm it.
//!
//! Its output goes to memory files (memfd_create(2)) and not into pipes: when the runner is killed, a pipe breaks, and the tool dies of
//! SIGPIPE in the middle of its work; a pipe that nobody empties stops it for ever. A memory file takes what comes. What was read of it is
//! punched out again, so that a tool that talks for hours does not fill the memory.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FallocateFlags, MemfdFlags, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::command::{exit_number, prepared};
use crate::host::{Answer, Child, HostError, Listen};
use crate::model::{Cmd, Output};

/// How often its output is looked at; its end is noticed at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Of its output and of its errors, the last bytes that are kept.
const KEPT: usize = 1 << 20;

/// A longer line is told in pieces.
const LINE: usize = 64 << 10;

/// Read at a time.
const CHUNK: usize = 64 << 10;

/// What was read is given back to the memory in steps of so many bytes.
const GIVEN_BACK: u64 = 1 << 20;

fn memory_file(name: &str) -> Answer<File> {
    // An older kernel does not know the second flag; a strict one insists on it.
    let made = match rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC),
        other => other,
    };
    Ok(File::from(made?))
}

/// What a tool writes, read behind its back.
struct Tape {
    file: File,
    read: u64,
    given_back: u64,
    line: Vec<u8>,
    tail: Vec<u8>,
}

impl Tape {
    fn new(name: &str) -> Answer<Self> {
        let file = memory_file(name)?;
        // Children of the tool that open it anew must not write over what is there.
        rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
        Ok(Self { file, read: 0, given_back: 0, line: Vec::new(), tail: Vec::new() })
    }

    fn end(&self) -> Answer<Stdio> {
        Ok(Stdio::from(self.file.try_clone()?))
    }

    /// Tells the lines that came since.
    fn listen(&mut self, listen: &mut dyn Listen) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let got = match rustix::io::pread(&self.file, &mut chunk, self.read) {
                Err(Errno::INTR) => continue,
                // A memory file that cannot be read is no reason to leave the child alone.
                Ok(0) | Err(_) => break,
                Ok(got) => got,
            };
            let bytes = chunk.get(..got).unwrap_or_default();
            self.read = self.read.saturating_add(bytes.len() as u64);
            self.take(bytes, listen);
        }
        let behind = self.read.saturating_sub(self.given_back) / GIVEN_BACK * GIVEN_BACK;
        if behind > 0 {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(&self.file, flags, self.given_back, behind);
            self.given_back = self.given_back.saturating_add(behind);
        }
    }

    fn take(&mut self, bytes: &[u8], listen: &mut dyn Listen) {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.extend_from_slice(part);
            let whole = self.line.ends_with(b"\n") || self.line.ends_with(b"\r");
            if whole {
                self.line.pop();
            }
            if whole || self.line.len() >= LINE {
                self.tell(listen);
            }
        }
    }

    fn tell(&mut self, listen: &mut dyn Listen) {
        if !self.line.is_empty() {
            listen.line(&self.line);
            self.line.clear();
        }
    }

    fn finish(mut self, listen: &mut dyn Listen) -> Vec<u8> {
        self.listen(listen);
        self.tell(listen);
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
        self.tail
    }
}

/// Standard input: whole from the start, so that the tool gets all of it whatever becomes of us.
fn given(bytes: &[u8]) -> Answer<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = memory_file("domkeep-input")?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Stdio::from(file))
}

/// Runs to the tool's own end, however long that takes. What children of it still write afterwards is not waited for.
pub fn change(tool: &Path, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output> {
    let clock = Instant::now();
    let (mut out, mut err) = (Tape::new("domkeep-output")?, Tape::new("domkeep-errors")?);
    let mut command = prepared(tool, cmd);
    command.stdin(given(&cmd.stdin)?).stdout(out.end()?).stderr(err.end()?);
    let mut child = command.spawn().map_err(|error| super::command::not_started(&error, cmd))?;
    let pid = Pid::from_child(&child);
    listen.started(&Child { pid: pid.as_raw_nonzero().get(), started_ticks: started_ticks(pid.as_raw_nonzero().get()).unwrap_or(0) });
    let bell = pidfd_open(pid, PidfdFlags::empty()).ok();
    let status = loop {
        // Asked before the output is read: what it wrote before its end is then all there.
        let ended = child.try_wait();
        out.listen(listen);
        err.listen(listen);
        match ended {
            Ok(Some(status)) => break status,
            Ok(None) => sleep(bell.as_ref()),
            Err(error) => return Err(HostError::Failed { why: format!("its end cannot be waited for: {error}") }),
        }
    };
    let took = clock.elapsed();
    Ok(Output { exit: exit_number(status), stdout: out.finish(listen), stderr: err.finish(listen), took })
}

/// Until the child ends, or for a short while.
fn sleep(bell: Option<&rustix::fd::OwnedFd>) {
    let Some(bell) = bell else { return std::thread::sleep(PAUSE) };
    let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE.subsec_nanos()) };
    if poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&pause)).is_err() {
        std::thread::sleep(PAUSE);
    }
}

/// Field 22 of /proc/PID/stat (proc(5)); the second field is the program's name, which may hold anything, blanks and parentheses too.
pub fn started_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.get(stat.iter().rposition(|byte| *byte == b')')?.checked_add(1)?..)?;
    std::str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}
