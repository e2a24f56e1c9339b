//! A demo machine of a test's own with one job on it, and the built program, which is killed at a point that is counted: then it is looked at what
//! finish and undo make of it.
#![allow(dead_code, reason = "each program of tests uses its part")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::demo::Demo;
use domkeep::host::{Look as _, Place};
use domkeep::job::Store;
use domkeep::model::{JobState, JobSummary, Outcome, Plan, Request};

/// The built program on a machine of a scene. It kills itself at the point `stop_at`; at 0 it does not.
pub fn domkeep(scene: &str, root: &Path, words: &[&str], stop_at: u64) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domkeep"));
    command.arg(format!("--demo={scene}")).arg("--demo-root").arg(root).args(words).env_remove("DOMKEEP_STOP_AT");
    if stop_at > 0 {
        command.env("DOMKEEP_STOP_AT", stop_at.to_string());
    }
    command.output().unwrap()
}

/// Both of a program's streams.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub fn demo(root: &Path) -> Demo {
    Demo::open("lab", root).unwrap_or_else(|problem| panic!("{problem}"))
}

pub fn root_of(demo: &Demo) -> PathBuf {
    let Place::Demo { root, .. } = demo.place() else { panic!("no demo machine") };
    root
}

/// A command of the machine itself, such as `xl list`; its words have no blanks.
pub fn ask(demo: &Demo, line: &str) -> Output {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let output = demo.machine(&words);
    Output { status: ExitStatus::from_raw(output.exit << 8), stdout: output.stdout, stderr: output.stderr }
}

pub fn do_it(demo: &Demo, line: &str) {
    let output = ask(demo, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A machine of the scene `lab`, and a job on it that was not begun yet.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub plan: Plan,
}

impl Machine {
    /// The plan is made once the machine is laid out in `root`.
    pub fn laid_out(plan: impl FnOnce(&Path) -> Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("machine");
        drop(demo(&root));
        let machine = Self { plan: plan(&root), dir };
        machine.store().create(&machine.plan).unwrap();
        machine
    }

    /// What the program would do for a request on a machine that was prepared.
    pub fn asked(request: &Request, prepare: impl FnOnce(&Demo)) -> Self {
        Self::laid_out(|root| {
            let machine = demo(root);
            prepare(&machine);
            let engine = Engine::new(Arc::new(machine), Settings::default());
            let picture = engine.scan();
            engine.plan(request, &picture).unwrap_or_else(|refusal| panic!("{refusal:?}"))
        })
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    /// A path of the machine, in the test's own file system.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join("tree").join(path.trim_start_matches('/'))
    }

    pub fn store(&self) -> Store {
        Store::of_demo(&self.root())
    }

    pub fn domkeep(&self, words: &[&str], stop_at: u64) -> Output {
        domkeep("lab", &self.root(), words, stop_at)
    }

    pub fn run(&self, work: &str, stop_at: u64) -> Output {
        self.domkeep(&["run-job", self.plan.id.as_str(), "--work", work], stop_at)
    }

    /// Whether the runner came to its end; otherwise it was killed.
    pub fn work(&self, work: &str, stop_at: u64) -> bool {
        let output = self.run(work, stop_at);
        match output.status.signal() {
            Some(9) => false,
            None => {
                assert!(output.status.success(), "{work}: {}{:?}", String::from_utf8_lossy(&output.stderr), self.summary());
                true
            }
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    pub fn summary(&self) -> JobSummary {
        self.store().detail(&self.plan.id).unwrap().summary
    }

    pub fn state(&self) -> JobState {
        self.summary().state
    }

    /// What lies under these directories of the machine, each entry described; what has no description is left out.
    pub fn described(&self, tops: &[&str], describe: impl Fn(&str, &Path) -> Option<String>) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for top in tops {
            walk(&self.path(top), top, &mut |name, path| {
                if let Some(facts) = describe(&name, path) {
                    found.insert(name, facts);
                }
            });
        }
        found
    }
}

/// Every path below a directory that is there, in the test's own file system. Links are not followed.
pub fn add_paths_below(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.to_string_lossy().into_owned());
        if path.is_dir() && !path.is_symlink() {
            add_paths_below(&path, found);
        }
    }
}

/// A directory that is not there holds nothing. Links are not followed.
fn walk(dir: &Path, shown: &str, each: &mut impl FnMut(String, &Path)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{shown}/{}", entry.file_name().to_string_lossy());
        each(name.clone(), &entry.path());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &name, each);
        }
    }
}

/// Runs `check` for machines that were killed at each point, until one is not reached any more. On a few threads. How many points there were.
pub fn kill_at_each_point(make: impl Fn() -> Machine + Sync, check: impl Fn(u64, &Machine) + Sync) -> u64 {
    at_each_point(make, |machine, point| machine.work("run", point), check)
}

/// The same for whatever holds a machine; `run` says whether the runner came to its end.
pub fn at_each_point<M>(make: impl Fn() -> M + Sync, run: impl Fn(&M, u64) -> bool + Sync, check: impl Fn(u64, &M) + Sync) -> u64 {
    let (next, end) = (AtomicU64::new(1), AtomicU64::new(u64::MAX));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let point = next.fetch_add(1, Ordering::SeqCst);
                    if point >= end.load(Ordering::SeqCst) {
                        break;
                    }
                    let machine = make();
                    if run(&machine, point) {
                        end.fetch_min(point, Ordering::SeqCst);
                        break;
                    }
                    check(point, &machine);
                }
            });
        }
    });
    end.into_inner()
}

/// What must stand after an undo.
#[derive(Clone, Copy, PartialEq)]
pub enum Undone {
    AsBefore,
    /// A disk that has grown stays so; its file system is whole.
    Whole(&'static str),
    /// The same of one that begins at this byte of the disk.
    WholeAt(&'static str, u64),
}

/// A request that is carried out, killed, and finished or undone, on machines that are alike.
pub struct Trial<'a> {
    pub request: &'a Request,
    pub prepare: &'a dyn Fn(&Demo),
    /// What of a machine is compared.
    pub told: fn(&Machine) -> BTreeMap<String, String>,
    pub undone: Undone,
}

impl Trial<'_> {
    /// Kills the job at each point, until one is not reached any more, and finishes or undoes it.
    pub fn sweep(&self, least: u64) {
        let (before, after) = {
            let machine = self.machine();
            let before = (self.told)(&machine);
            assert!(machine.work("run", 0));
            assert_eq!(machine.state(), JobState::Ended { outcome: Outcome::Done });
            (before, (self.told)(&machine))
        };
        assert_ne!(before, after, "the job did nothing");
        for work in ["finish", "undo"] {
            let mut point = 1;
            loop {
                let machine = self.machine();
                if machine.work("run", point) {
                    break;
                }
                let ended = matches!(machine.state(), JobState::Ended { .. });
                recover(&machine, work, point);
                let (wanted, outcome) = if ended || work == "finish" { (&after, Outcome::Done) } else { (&before, Outcome::Undone) };
                assert_eq!(machine.state(), JobState::Ended { outcome }, "killed at point {point}, {work}");
                match (self.undone, work) {
                    (Undone::Whole(disk), "undo") => assert_whole(&machine.path(disk), 0, point),
                    (Undone::WholeAt(disk, offset), "undo") => assert_whole(&machine.path(disk), offset, point),
                    _ => assert_same(&(self.told)(&machine), wanted, &format!("killed at point {point}, {work}")),
                }
                point += 1;
            }
            assert!(point > least, "only {point} points were tried: the runner does not kill itself where it should");
        }
    }

    fn machine(&self) -> Machine {
        Machine::asked(self.request, self.prepare)
    }
}

/// Finishes or undoes, and is killed itself now and then, a little later each time.
fn recover(machine: &Machine, work: &str, point: u64) {
    let mut stop = point % 7 + 1;
    while !matches!(machine.state(), JobState::Ended { .. }) {
        let can_finish = machine.summary().can_finish;
        assert!(work == "undo" || can_finish.is_ok(), "killed at point {point}, and all that is left to do is to undo it: {can_finish:?}");
        machine.work(work, if point.is_multiple_of(3) { stop } else { 0 });
        stop += 5;
    }
}

fn assert_same(told: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>, when: &str) {
    for (what, text) in wanted {
        assert_eq!(told.get(what), Some(text), "{when}: {what} is left otherwise");
    }
    assert_eq!(told.len(), wanted.len(), "{when}: something was left behind: {:?}", told.keys());
}

fn assert_whole(disk: &Path, offset: u64, point: u64) {
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(format!("{}?offset={offset}", disk.display())).output().unwrap();
    assert!(checked.status.success(), "killed at point {point}: {}", String::from_utf8_lossy(&checked.stdout));
}
