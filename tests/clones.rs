//! Clones, removals and roll-backs of the built program on the demo machine: killed at every point of each plan, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use domkeep::host::demo::Demo;
use domkeep::job::Store;
use domkeep::model::{Action, JobState, Outcome, Plan};

/// What is asked for, after these commands on the machine.
#[derive(Clone, Copy)]
struct Wanted {
    before: &'static [&'static str],
    words: &'static [&'static str],
    /// Undo cannot bring back what was destroyed.
    destroys: bool,
}

const CLASSIC: Wanted = Wanted { before: &[], words: &["clone", "db1", "--names", "db2,db3", "--store", "8M"], destroys: false };
const THIN: Wanted = Wanted { before: &[], words: &["clone", "forms2", "--names", "thin2", "--disks", "xvdh"], destroys: false };
const OVERLAY: Wanted = Wanted { before: &[], words: &["clone", "files", "--names", "files2,files3", "--how", "overlay"], destroys: false };
const REMOVE: Wanted = Wanted {
    before: &["lvcreate -s -L 8M -n snap0 xenvols/origin0"],
    words: &["remove", "xenvols/snap0,/srv/xen/img/forgotten.img"],
    destroys: true,
};
const ROLL_BACK: Wanted = Wanted {
    before: &["lvcreate -s -L 8M -n snap0 xenvols/origin0", "demo-write xenvols/origin0 1048576"],
    words: &["roll-back", "xenvols/snap0"],
    destroys: true,
};

struct Machine {
    dir: tempfile::TempDir,
    plan: Plan,
}

impl Machine {
    fn new(wanted: &Wanted) -> Self {
        Self::changed(wanted, |_| ())
    }

    fn changed(wanted: &Wanted, change: impl FnOnce(&mut Plan)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let demo = Demo::open("lab", &dir.path().join("machine")).unwrap();
        for line in wanted.before {
            let done = demo.machine(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(done.exit, 0, "{line}: {}", String::from_utf8_lossy(&done.stderr));
        }
        let mut words = wanted.words.to_vec();
        words.extend(["--dry-run", "--json"]);
        let said = domkeep(dir.path(), &words, 0);
        let json: serde_json::Value =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{words:?}: {}", String::from_utf8_lossy(&said.stderr)));
        let mut plan: Plan = serde_json::from_value(json["plan"].clone())
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&said.stdout)));
        change(&mut plan);
        let machine = Self { dir, plan };
        machine.store().create(&machine.plan).unwrap();
        machine
    }

    fn store(&self) -> Store {
        Store::of_demo(&self.dir.path().join("machine"))
    }

    /// Whether the runner came to its end; otherwise it was killed.
    fn work(&self, work: &str, stop_at: u64) -> bool {
        let output = domkeep(self.dir.path(), &["run-job", self.plan.id.as_str(), "--work", work], stop_at);
        match output.status.signal() {
            Some(9) => false,
            None => {
                assert!(output.status.success(), "{work}: {}{:?}", String::from_utf8_lossy(&output.stderr), self.state());
                true
            }
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    fn state(&self) -> JobState {
        self.store().detail(&self.plan.id).unwrap().summary.state
    }

    /// Names, sizes and bytes of what the plans may touch; the job's id and what is random for each job made equal.
    fn tree(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for top in ["/srv", "/etc/xen", "/dev/xenvols", "/var/lib/xen/images"] {
            collect(&self.dir.path().join("machine/tree").join(top.trim_start_matches('/')), top, &mut found);
        }
        let id = self.plan.id.as_str();
        found.into_iter().map(|(name, facts)| (name.replace(id, "ID"), facts)).collect()
    }
}

fn domkeep(dir: &Path, words: &[&str], stop_at: u64) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domkeep"));
    command.arg("--demo=lab").arg("--demo-root").arg(dir.join("machine")).args(words).env_remove("DOMKEEP_STOP_AT");
    if stop_at > 0 {
        command.env("DOMKEEP_STOP_AT", stop_at.to_string());
    }
    command.output().unwrap()
}

fn collect(dir: &Path, shown: &str, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{shown}/{}", entry.file_name().to_string_lossy());
        let path: PathBuf = entry.path();
        let facts = std::fs::metadata(&path).unwrap();
        if facts.is_dir() {
            collect(&path, &name, found);
        } else if Path::new(&name).extension().is_some_and(|ext| ext == "cfg") && name.contains("/etc/xen/") && facts.len() < 1 << 20 {
            // A clone's uuid and addresses are the job's own.
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let same: Vec<&str> = text.lines().filter(|line| !line.starts_with("uuid") && !line.contains("mac=")).collect();
            found.insert(name, same.join("\n"));
        } else {
            found.insert(name, format!("{} {}", facts.len(), hashed(&path)));
        }
    }
}

/// A hash of what is no zeros, and where it stands: the machine's volumes are large and nearly empty.
fn hashed(path: &Path) -> String {
    use rustix::fs::SeekFrom;
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::open(path).unwrap();
    let mut hash = blake3::Hasher::new();
    let mut at = 0;
    while let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap();
        for start in (data / 4096 * 4096..at).step_by(4096) {
            let mut block = vec![0; 4096];
            let read = file.read_at(&mut block, start).unwrap();
            if block[..read].iter().any(|byte| *byte != 0) {
                hash.update(&start.to_le_bytes()).update(&block[..read]);
            }
        }
    }
    hash.finalize().to_hex().to_string()
}

/// Runs `check` for machines that were killed at each point, until one is not reached any more.
fn sweep(make: impl Fn() -> Machine + Sync, check: impl Fn(u64, &Machine) + Sync) -> u64 {
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
                    if machine.work("run", point) {
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

fn swept(wanted: &Wanted, make: impl Fn() -> Machine + Sync) {
    let before = make().tree();
    let whole = make();
    assert!(whole.work("run", 0));
    assert_eq!(whole.state(), JobState::Ended { outcome: Outcome::Done }, "{:?}", wanted.words);
    let after = whole.tree();
    assert_ne!(before, after, "{:?} did nothing", wanted.words);
    assert!(!after.keys().any(|name| name.contains(".partial") || name.contains(".undone")), "{:?}", after.keys());

    let points = sweep(&make, |point, machine| {
        let ended = matches!(machine.state(), JobState::Ended { .. });
        assert!(ended || machine.work("finish", 0));
        assert_eq!(machine.tree(), after, "{:?}: killed at point {point} and finished, it is not whole", wanted.words);
    });
    assert!(points > 8, "{:?}: only {points} points were tried", wanted.words);
    sweep(&make, |point, machine| {
        if matches!(machine.state(), JobState::Ended { .. }) {
            return;
        }
        // The recovery is killed too, a little later each time.
        let mut stop = point % 5 + 1;
        while !machine.work("undo", if point % 3 == 0 { stop } else { 0 }) {
            stop += 7;
        }
        let left = machine.tree();
        if wanted.destroys {
            let known = |(name, facts): (&String, &String)| before.get(name) == Some(facts) || after.get(name) == Some(facts);
            assert!(left.iter().all(known), "{:?}: killed at point {point} and undone, something is left: {left:#?}", wanted.words);
        } else {
            assert_eq!(left, before, "{:?}: killed at point {point} and undone, it is not as it was", wanted.words);
        }
    });
}

#[test]
fn classic_clones_killed_at_any_point_are_whole_or_gone() {
    swept(&CLASSIC, || Machine::new(&CLASSIC));
}

#[test]
fn thin_clones_killed_at_any_point_are_whole_or_gone() {
    swept(&THIN, || Machine::new(&THIN));
}

#[test]
fn overlays_killed_at_any_point_are_whole_or_gone() {
    swept(&OVERLAY, || Machine::new(&OVERLAY));
}

#[test]
fn files_that_share_blocks_killed_at_any_point_are_whole_or_gone() {
    // The demo machine's file systems cannot share: the step stands in a plan of its own.
    let shares = |plan: &mut Plan| {
        let mut step = plan.steps.remove(0);
        step.action = Action::Reflink { from: "/srv/xen/img/file0.img".into(), to: "/srv/xen/img/files2.img".into(), mode: 0o600 };
        plan.steps = vec![step];
        plan.assumptions.clear();
    };
    swept(&OVERLAY, || Machine::changed(&OVERLAY, shares));
    let machine = Machine::changed(&OVERLAY, shares);
    assert!(machine.work("run", 0));
    let file = |name: &str| std::fs::read(machine.dir.path().join("machine/tree/srv/xen/img").join(name)).unwrap();
    assert_eq!(file("files2.img"), file("file0.img"), "the clone would hold something else than the original");
}

#[test]
fn a_removal_killed_at_any_point_takes_nothing_else_with_it() {
    swept(&REMOVE, || Machine::new(&REMOVE));
}

#[test]
fn a_roll_back_killed_at_any_point_brings_the_old_content_back() {
    swept(&ROLL_BACK, || Machine::new(&ROLL_BACK));
    let before = Machine::new(&Wanted { before: &ROLL_BACK.before[..1], ..ROLL_BACK }).tree();
    let machine = Machine::new(&ROLL_BACK);
    let written = machine.tree();
    assert!(machine.work("run", 0));
    let after = machine.tree();
    let origin = "/dev/xenvols/origin0";
    assert_ne!(written[origin], before[origin], "nothing was written: the test shows nothing");
    assert_eq!(after[origin], before[origin], "the origin does not hold what the snapshot held");
    assert!(!after.contains_key("/dev/xenvols/snap0"), "the snapshot is used up, and still there");
}
