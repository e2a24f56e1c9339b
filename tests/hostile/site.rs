//! Directories for the settings to name, and the program run on this machine with them.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domkeep::model::shown;
use serde_json::Value;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_domkeep");
/// For a debug build on a busy machine. What is laid out here needs a small part of it.
/// Of its own work: how long others keep the processors busy meanwhile says nothing about it.
const LONGEST: Duration = Duration::from_secs(10);
/// Nothing that it waits for here takes longer, on any machine.
const HANGS: Duration = Duration::from_secs(300);
const MOST_KIB: u64 = 100 << 10;

pub struct Site {
    dir: TempDir,
    pub configs: PathBuf,
    pub saves: PathBuf,
    pub images: PathBuf,
}

/// What one run of the program left behind.
pub struct Ran {
    pub exit: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Site {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let [configs, saves, images] = ["configs", "saves", "images"].map(|name| root.join(name));
        for made in [&configs, &saves, &images] {
            fs::create_dir(made).unwrap();
        }
        let [config, save, image] = [&configs, &saves, &images].map(|path| path.to_str().unwrap());
        let settings = format!("config_dirs = ['{config}']\nsave_dirs = ['{save}']\nimage_dirs = ['{image}']\n");
        fs::write(root.join("settings.toml"), settings).unwrap();
        Self { dir, configs, saves, images }
    }

    pub fn config(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.configs.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A config of a domain of this name with one disk.
    pub fn domain(&self, name: &str, disk: &str) -> PathBuf {
        self.config(&format!("{name}.cfg"), format!("name = \"{name}\"\nmemory = 64\nkernel = \"/k\"\ndisk = [ \"{disk}\" ]\n"))
    }

    /// Runs the program, and holds it to what it owes on every host.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.talk(args, b"")
    }

    pub fn talk(&self, args: &[&str], typed: &[u8]) -> Ran {
        let settings = self.dir.path().join("settings.toml");
        let args: Vec<&str> = ["--config", settings.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        run(&args, self.dir.path(), typed)
    }

    pub fn report(&self) -> Report {
        let ran = self.run(&["list", "--json"]);
        assert_eq!(ran.exit, Some(2), "somebody who reads only the exit code would take a partial answer for the whole: {}", ran.err);
        Report(serde_json::from_str(&ran.out).unwrap())
    }
}

/// Runs the program: it must end in time, stay small, not panic, and show nothing that steers a terminal.
pub fn run(args: &[&str], home: &Path, typed: &[u8]) -> Ran {
    let start = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(args)
        .env_clear()
        .envs([("LANG", "C.UTF-8"), ("TERM", "dumb")])
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What is typed here fits into a pipe; a program that has ended already need not read it.
    let _ = child.stdin.take().unwrap().write_all(typed);
    let ended = AtomicBool::new(false);
    let pid = child.id();
    let status = PathBuf::from(format!("/proc/{pid}/status"));
    let (output, (peak, worked)) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut peak, mut worked) = (0, Duration::ZERO);
            while !ended.load(Ordering::SeqCst) {
                peak = peak_kib(&status).unwrap_or(0).max(peak);
                worked = domkeep_terminal::stat(pid).map_or(worked, |stat| stat.cpu);
                std::thread::sleep(Duration::from_millis(3));
            }
            (peak, worked)
        });
        let output = child.wait_with_output().unwrap();
        ended.store(true, Ordering::SeqCst);
        (output, watch.join().unwrap())
    });
    let (took, what) = (start.elapsed(), args.join(" "));
    let ran = Ran { exit: output.status.code(), out: clean(output.stdout, &what), err: clean(output.stderr, &what) };
    assert!(!ran.err.contains("panicked") && ran.exit.is_some(), "it fell over: {what}: {}", ran.err);
    assert!(worked < LONGEST && took < HANGS, "{what} worked for {worked:?}, and took {took:?}: an admin would think that it hangs");
    assert!(peak > 0 || took < Duration::from_millis(200), "the memory of {what} was not measured");
    assert!(peak < MOST_KIB, "{what} took {peak} KiB of a dom0's memory");
    ran
}

/// The most memory that a process had so far.
fn peak_kib(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// The output as text, when nothing in it could steer a terminal.
fn clean(bytes: Vec<u8>, what: &str) -> String {
    let text = String::from_utf8(bytes).unwrap_or_else(|error| panic!("{what} printed bytes that are no text: {error}"));
    if let Some((at, bad)) = text.char_indices().find(|(_, character)| *character != '\n' && shown::is_unsafe(*character)) {
        let around = text.get(at.saturating_sub(80)..).or(text.get(at..)).unwrap_or_default();
        panic!("{what} sent {bad:?} to the terminal, in: {:?}", around.chars().take(160).collect::<String>());
    }
    text
}

/// A parsed `list --json`.
pub struct Report(pub Value);

impl Report {
    /// The gap about a path.
    #[track_caller]
    pub fn gap(&self, path: &Path, why: &str) {
        let source = shown::bytes(path.as_os_str().as_bytes());
        let gaps = self.0["gaps"].as_array().unwrap();
        let found = gaps.iter().find(|gap| gap["source"] == source.as_str());
        let found = found.unwrap_or_else(|| panic!("nobody would know that {source} was not read: {gaps:#?}"));
        assert!(found["why"].as_str().unwrap().contains(why), "the reason does not say `{why}`: {found}");
    }

    /// The findings with this code, as text.
    pub fn findings(&self, code: &str) -> Vec<String> {
        let all = self.0["findings"].as_array().unwrap();
        all.iter().filter(|finding| finding["code"] == code).map(ToString::to_string).collect()
    }

    #[track_caller]
    pub fn finding(&self, code: &str, about: &str) -> String {
        let found = self.findings(code).into_iter().find(|finding| finding.contains(about));
        found.unwrap_or_else(|| panic!("no {code} about {about}: {:#}", self.0["findings"]))
    }

    pub fn domain(&self, name: &str) -> Option<&Value> {
        self.0["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == name)
    }
}
