//! Starts this program again as a job's runner that outlives terminal, session and login.
//!
//! On a host with systemd, root's runner becomes a transient unit: a login manager may kill what a session leaves behind (`KillUserProcesses`),
//! also when it has a session of its own; and `KillMode=process`, because `xl restore` leaves a monitor process in the unit that must live on.
//! Elsewhere it is a child that makes a session of its own.
#![allow(clippy::disallowed_methods, reason = "the runner is this program itself, not a tool of the looked-at host")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::history::History;
use super::{Folder, Store, Work, folder};
use crate::host::tools::Tools;
use crate::model::JobId;
use crate::problem::Problem;

/// Until the journal shows that the runner works.
const PATIENCE: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(20);
const MOST_LOG: u64 = 64 << 10;

#[derive(Clone, Debug)]
pub struct Launcher {
    store: Store,
    program: PathBuf,
    /// What names the place: `--demo=NAME`, `--demo-root`.
    options: Vec<OsString>,
    systemd_run: Option<PathBuf>,
}

enum Started {
    Child(Child),
    Unit(String),
}

impl Launcher {
    /// `program` is domkeep's own executable, `options` lead it to the same place.
    pub fn new(store: Store, program: PathBuf, options: Vec<OsString>) -> Self {
        Self { store, program, options, systemd_run: None }
    }

    /// As a transient unit where systemd runs the host and we are root.
    #[must_use]
    pub fn with_units(mut self) -> Self {
        if rustix::process::geteuid().is_root() && Path::new("/run/systemd/system").is_dir() {
            self.systemd_run = Tools::default().find("systemd-run").ok();
        }
        self
    }

    pub fn start(&self, folder: &Folder) -> Result<(), Problem> {
        let started = self.launch(folder, Work::Run);
        if started.is_err() {
            self.store.forget_unstarted(folder.id());
        }
        started
    }

    pub fn resume(&self, folder: &Folder, work: Work) -> Result<(), Problem> {
        let summary = folder.detail().summary;
        let (possible, what) = match work {
            Work::Undo => (summary.can_undo, "undone"),
            Work::Finish | Work::Run => (summary.can_finish, "finished"),
        };
        possible.map_err(|why| Problem::new(format!("job {} cannot be {what}", folder.id())).because(why))?;
        self.launch(folder, work)
    }

    fn launch(&self, folder: &Folder, work: Work) -> Result<(), Problem> {
        let before = runs(folder);
        let _ = folder.dir().remove(folder::LOG);
        let mut started = match &self.systemd_run {
            Some(systemd_run) => self.as_unit(systemd_run, folder.id(), work)?,
            None => Started::Child(self.as_child(folder, work)?),
        };
        let until = Instant::now() + PATIENCE;
        while runs(folder) <= before {
            let ended = match &mut started {
                Started::Child(child) => child.try_wait().ok().flatten().is_some(),
                Started::Unit(_) => folder.dir().length(folder::LOG).is_some_and(|length| length > 0),
            };
            // It may have begun, and ended, between the two looks.
            if ended && runs(folder) <= before {
                return Err(Self::not_begun(folder, "its runner ended before it began", log(folder)));
            }
            if Instant::now() >= until {
                let hint = match &started {
                    Started::Child(child) => format!("process {} is its runner", child.id()),
                    Started::Unit(unit) => format!("`journalctl -u {unit}` tells what happened"),
                };
                return Err(Self::not_begun(folder, &format!("its runner did not begin in {} s", PATIENCE.as_secs()), Some(hint)));
            }
            std::thread::sleep(EVERY);
        }
        if let Started::Child(mut child) = started {
            // Whoever launches from a screen lives on: the runner must not stay as a dead entry in the process table.
            let _ = std::thread::Builder::new().name("domkeep-runner".to_owned()).spawn(move || child.wait());
        }
        Ok(())
    }

    fn not_begun(folder: &Folder, why: &str, more: Option<String>) -> Problem {
        let problem = Problem::new(format!("job {} could not be started", folder.id())).because(why);
        match more {
            Some(more) => problem.because(more),
            None => problem,
        }
    }

    fn words(&self, id: &JobId, work: Work) -> Vec<OsString> {
        let mut words = self.options.clone();
        words.extend(["run-job", id.as_str(), "--work", work.as_str()].map(OsString::from));
        words
    }

    fn as_unit(&self, systemd_run: &Path, id: &JobId, work: Work) -> Result<Started, Problem> {
        let cannot = |why: String| Problem::new(format!("job {id} could not be started")).because(why);
        // A unit of the same job may not be gone yet.
        let unit = format!("domkeep-job-{id}-{:08x}", super::random() & 0xffff_ffff);
        let output = Command::new(systemd_run)
            .args(["--quiet", "--collect", "--property=KillMode=process"])
            .args([format!("--unit={unit}"), format!("--description=domkeep job {id}")])
            .arg("--")
            .arg(&self.program)
            .args(self.words(id, work))
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| cannot(format!("systemd-run: {error}")))?;
        if output.status.success() {
            return Ok(Started::Unit(unit));
        }
        Err(cannot(format!("systemd-run: {}", crate::model::shown::bytes(output.stderr.trim_ascii()))))
    }

    fn as_child(&self, folder: &Folder, work: Work) -> Result<Child, Problem> {
        let cannot = |error: std::io::Error| Problem::new(format!("job {} could not be started", folder.id())).because(error);
        let log = folder.dir().open_for_writing(folder::LOG).map_err(cannot)?;
        Command::new(&self.program)
            .args(self.words(folder.id(), work))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(cannot)
    }
}

/// What the runner does first: a session of its own, and files that are nobody else's to read.
pub fn become_runner() {
    // A unit's first process leads its group already, and then there is no session to leave.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

fn runs(folder: &Folder) -> usize {
    folder.told().map_or(0, |told| History::of(&told.events).runs)
}

/// What the runner said at its end.
fn log(folder: &Folder) -> Option<String> {
    let bytes = folder.dir().read(folder::LOG, MOST_LOG).ok().flatten()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(10).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}
