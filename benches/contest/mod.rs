//! Tools that copy, the cases they copy in, and their times.

pub mod image;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domkeep::copy::{Destination, Task, copy, forget};
use domkeep::model::bytes::human;

/// The word by which this program copies in a process of its own, as the others do.
pub const COPY_WORD: &str = "copy-in-this-process";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Domkeep,
    Cp,
    Dd,
    QemuImg,
}

impl Tool {
    pub const ALL: [Self; 4] = [Self::Domkeep, Self::Cp, Self::Dd, Self::QemuImg];

    pub fn name(self) -> &'static str {
        match self {
            Self::Domkeep => "domkeep, with hashes",
            Self::Cp => "cp --sparse=always",
            Self::Dd => "dd bs=4M conv=sparse",
            Self::QemuImg => "qemu-img convert -W",
        }
    }

    pub fn version(self) -> Option<String> {
        let program = match self {
            Self::Domkeep => return Some(env!("CARGO_PKG_VERSION").to_owned()),
            Self::Cp => "cp",
            Self::Dd => "dd",
            Self::QemuImg => "qemu-img",
        };
        let output = Command::new(program).arg("--version").output().ok()?;
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    }

    /// Copies, and returns when the copy is synced.
    fn copy(self, from: &Path, to: &Path) -> Lap {
        let mut command = match self {
            Self::Domkeep => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg(COPY_WORD).arg(from).arg(to);
                command
            }
            Self::Cp => sh(r#"cp --sparse=always -- "$1" "$2" && sync -- "$2""#, from, to),
            Self::Dd => sh(r#"dd if="$1" of="$2" bs=4M conv=sparse,fsync status=none"#, from, to),
            // Its default for the destination, `unsafe`, does not flush.
            Self::QemuImg => sh(r#"qemu-img convert -W -f raw -O raw -t writeback "$1" "$2" && sync -- "$2""#, from, to),
        };
        let started = Instant::now();
        let output = command.stdin(Stdio::null()).output().unwrap();
        let took = started.elapsed();
        assert!(output.status.success(), "{} failed: {}", self.name(), String::from_utf8_lossy(&output.stderr));
        Lap { took, memory: String::from_utf8_lossy(&output.stdout).trim().parse().ok() }
    }
}

fn sh(script: &str, from: &Path, to: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg("sh").arg(from).arg(to);
    command
}

/// Prints the most memory that it took, in bytes.
pub fn copy_in_this_process(from: &Path, to: &Path) {
    let source = File::open(from).unwrap();
    let destination = File::options().read(true).write(true).create_new(true).open(to).unwrap();
    let done = copy(source, destination, &Task::new(Destination::New), &mut ()).unwrap();
    assert!(done.result.digest.starts_with("blake3:"), "it was to hash");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    println!("{}", most.unwrap_or(0) * 1024);
}

#[derive(Clone, Copy, Debug)]
pub struct Lap {
    took: Duration,
    memory: Option<u64>,
}

#[derive(Debug)]
pub struct Runs {
    pub tool: Tool,
    laps: Vec<Lap>,
}

impl Runs {
    fn sorted(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self.laps.iter().map(|lap| lap.took).collect();
        times.sort();
        times
    }

    pub fn median(&self) -> Duration {
        let times = self.sorted();
        times[times.len() / 2]
    }

    pub fn row(&self, case: &str, ours: Duration, data: u64) -> String {
        let (times, median) = (self.sorted(), self.median().as_secs_f64());
        let (fastest, slowest) = (times.first().unwrap().as_secs_f64(), times.last().unwrap().as_secs_f64());
        let speed = data as f64 / median / f64::from(1 << 20);
        let ratio = match self.tool {
            Tool::Domkeep => String::new(),
            _ => format!("{:.2} of it", ours.as_secs_f64() / median),
        };
        let memory = self.laps.iter().filter_map(|lap| lap.memory).max().map(human).unwrap_or_default();
        format!(
            "| {case} | {} | {median:.3} s | {fastest:.3} to {slowest:.3} s | {speed:.0} MiB/s | {ratio} | {memory} |",
            self.tool.name()
        )
    }
}

#[derive(Debug)]
pub enum Source {
    /// Read once before each copy: it lies in the page cache.
    File(PathBuf),
    /// Dropped from the page cache before each copy.
    Uncached(PathBuf),
    /// Its buffers are dropped before each copy.
    Device(PathBuf),
    /// Mostly holes: who reads them, takes no part.
    Sparse(PathBuf),
}

#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    source: Source,
    to: PathBuf,
}

impl Case {
    pub fn new(name: &'static str, source: Source, dir: &Path) -> Self {
        Self { name, source, to: dir.join("copy.img") }
    }

    fn from(&self) -> &Path {
        match &self.source {
            Source::File(path) | Source::Uncached(path) | Source::Device(path) | Source::Sparse(path) => path,
        }
    }

    /// Every tool once a round, each round beginning with another one. The first copies are compared with their source.
    pub fn run(&self, tools: &[Tool], rounds: usize) -> Vec<Runs> {
        let takes_part = |tool: &Tool| !(matches!(self.source, Source::Sparse(_)) && *tool == Tool::Dd);
        let mut results: Vec<Runs> = tools.iter().copied().filter(takes_part).map(|tool| Runs { tool, laps: Vec::new() }).collect();
        for round in 0..rounds {
            let count = results.len();
            for turn in 0..count {
                let result = &mut results[(round + turn) % count];
                self.make_ready();
                let lap = result.tool.copy(self.from(), &self.to);
                result.laps.push(lap);
                if round == 0 {
                    self.compare(result.tool);
                }
            }
        }
        let _ = std::fs::remove_file(&self.to);
        results
    }

    fn make_ready(&self) {
        let _ = std::fs::remove_file(&self.to);
        match &self.source {
            Source::Uncached(path) => forget(&File::open(path).unwrap(), 0, 0),
            Source::Device(path) => assert!(Command::new("blockdev").arg("--flushbufs").arg(path).status().unwrap().success()),
            Source::File(path) => {
                std::io::copy(&mut File::open(path).unwrap(), &mut std::io::sink()).unwrap();
            }
            Source::Sparse(_) => {}
        }
        // What an earlier copy left to be written would be paid for by the next one.
        rustix::fs::sync();
    }

    fn compare(&self, tool: Tool) {
        let same = match &self.source {
            // The holes of a tebibyte take long to compare: its beginning holds all the data.
            Source::Sparse(path) => {
                let length = std::fs::metadata(path).unwrap().len();
                assert_eq!(std::fs::metadata(&self.to).unwrap().len(), length, "{}: the copy has another size", tool.name());
                Command::new("cmp").arg("-n").arg((8_u64 << 30).to_string()).arg(path).arg(&self.to).status().unwrap()
            }
            _ => Command::new("cmp").arg(self.from()).arg(&self.to).status().unwrap(),
        };
        assert!(same.success(), "{}: {} made a copy that differs", self.name, tool.name());
    }
}

/// A loop device over a file, given back when dropped.
#[derive(Debug)]
pub struct Loop {
    pub path: PathBuf,
}

impl Loop {
    pub fn new(file: &Path) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may make one".to_owned());
        }
        let output = Command::new("losetup").args(["--read-only", "--find", "--show"]).arg(file).output().map_err(|why| why.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(Self { path: String::from_utf8_lossy(&output.stdout).trim().into() })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

pub fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String = kernel.trim().chars().take_while(|character| character.is_ascii_digit() || *character == '.').collect();
    format!("{processors} processors ({model}), Linux {}", kernel.trim_end_matches('.'))
}
