//! Backups of a domain that runs, on the demo machine: each way killed at every point, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use domkeep::job::Store;
use domkeep::model::{Action, JobState, JobSummary, Outcome, Plan};
use serde_json::Value;

use machine::{add_paths_below, at_each_point, demo, text};

/// `db1` runs on two volumes, `files` on a file; the way to back it up.
#[derive(Clone, Copy)]
struct Case {
    way: &'static str,
    domain: &'static str,
    config: &'static str,
    /// The file systems can share blocks.
    shares: bool,
}

const VOLUMES: Case = Case { way: "", domain: "db1", config: "/etc/xen/database.cfg", shares: false };
const FILES: Case = Case { way: "", domain: "files", config: "/etc/xen/files.cfg", shares: true };

struct Machine {
    dir: tempfile::TempDir,
    plan: Plan,
    case: Case,
}

impl Machine {
    /// The domain runs, and the job of its backup was not begun yet.
    fn new(case: Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("machine");
        drop(demo(&root));
        if case.shares {
            for file in ["state.json", "tree/proc/self/mountinfo"] {
                let old = std::fs::read_to_string(root.join(file)).unwrap();
                std::fs::write(
                    root.join(file),
                    old.replace("\"fs\": \"ext4\"", "\"fs\": \"btrfs\"")
                        .replace("\"fs\":\"ext4\"", "\"fs\":\"btrfs\"")
                        .replace(" - ext4 ", " - btrfs "),
                )
                .unwrap();
            }
        }
        let made = |words: &[&str]| {
            let output = run(&root, words, 0);
            assert!(output.status.success(), "{words:?}: {}", text(&output));
            output
        };
        made(&["machine", "xl", "create", case.config]);
        std::fs::create_dir_all(root.join("tree/srv/backup")).unwrap();
        let words = ["backup", case.domain, "--to", "/srv/backup", "--strategy", case.way, "--verify", "no", "--dry-run", "--json"];
        let said: Value = serde_json::from_slice(&made(&words).stdout).unwrap();
        let plan: Plan = serde_json::from_value(said["plan"].clone()).unwrap_or_else(|error| panic!("{error}: {said}"));
        let machine = Self { dir, plan, case };
        machine.store().create(&machine.plan).unwrap();
        machine
    }

    /// Another machine that is just so: laying one out takes longer.
    fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(self.dir.path()).arg(dir.path().join("of")).status().unwrap();
        assert!(copied.success(), "the machine could not be copied");
        std::fs::rename(dir.path().join("of/machine"), dir.path().join("machine")).unwrap();
        Self { dir, plan: self.plan.clone(), case: self.case }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn store(&self) -> Store {
        Store::of_demo(&self.root())
    }

    fn domkeep(&self, words: &[&str]) -> Output {
        run(&self.root(), words, 0)
    }

    /// Whether the runner came to its end; otherwise it was killed.
    fn work(&self, work: &str, stop_at: u64) -> Result<(), Option<String>> {
        let output = run(&self.root(), &["run-job", self.plan.id.as_str(), "--work", work], stop_at);
        match output.status.signal() {
            Some(9) => Err(None),
            None if output.status.success() => Ok(()),
            None => Err(Some(text(&output))),
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    fn summary(&self) -> JobSummary {
        self.store().detail(&self.plan.id).unwrap().summary
    }

    /// `running`, `saved` ...
    fn power(&self) -> String {
        let said: Value = serde_json::from_slice(&self.domkeep(&["list", "--json"]).stdout).unwrap();
        let domains = said["domains"].as_array().unwrap();
        let domain = domains.iter().find(|domain| domain["name"] == self.case.domain).unwrap();
        domain["power"].as_str().unwrap().to_owned()
    }

    /// What must never be left: half a backup, a snapshot, a file beside a disk.
    fn strays(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["srv", "dev/xenvols"] {
            add_paths_below(&self.root().join("tree").join(top), &mut found);
        }
        found.retain(|path| path.contains("partial") || path.contains("domkeep-") || path.contains("undone"));
        found
    }

    fn bundle(&self) -> Option<PathBuf> {
        let mut found = Vec::new();
        add_paths_below(&self.root().join("tree/srv/backup"), &mut found);
        found.iter().find(|path| path.ends_with("manifest.toml")).map(|path| Path::new(path).parent().unwrap().to_owned())
    }

    #[track_caller]
    fn is_good(&self, when: &str) {
        let bundle = self.bundle().unwrap_or_else(|| panic!("{when}: there is no bundle"));
        let inside = Path::new("/").join(bundle.strip_prefix(self.root().join("tree")).unwrap());
        let verified = self.domkeep(&["verify", inside.to_str().unwrap()]);
        assert!(verified.status.success(), "{when}: the backup is bad: {}", text(&verified));
        assert_eq!(self.strays(), Vec::<String>::new(), "{when}: something was left behind");
        assert_eq!(self.power(), "running", "{when}: the domain does not run");
    }

    /// The domain vanished unwatched: a person resumes it by hand, and the job is taken back.
    fn resumed_by_hand(&self, why: &str, when: &str) {
        assert!(why.contains("while nobody watched") && why.contains("domkeep resume"), "{when}: nobody is told what to do: {why}");
        let image = why.split("was saved to ").nth(1).and_then(|rest| rest.split(" while nobody").next()).unwrap();
        let words = ["resume", image, "--look-in", image, "--yes", "--confirm", self.case.domain];
        let said = self.domkeep(&words);
        assert!(said.status.success(), "{when}: the domain cannot be resumed: {}", text(&said));
        assert_eq!(self.power(), "running", "{when}: the domain is lost");
    }
}

fn run(root: &Path, words: &[&str], stop_at: u64) -> Output {
    machine::domkeep("lab", root, words, stop_at)
}

/// Kills the job at every point; every second one is finished, the others are undone. How many points there are.
fn sweep(case: Case) -> u64 {
    let fresh = Machine::new(case);
    let whole = fresh.copy();
    assert_eq!(whole.work("run", 0), Ok(()), "{}: {:?}", case.way, whole.summary());
    assert_eq!(whole.summary().state, JobState::Ended { outcome: Outcome::Done }, "{}", case.way);
    whole.is_good(case.way);
    at_each_point(|| fresh.copy(), |machine, point| machine.work("run", point).is_ok(), |point, machine| settle(machine, point))
}

fn settle(machine: &Machine, point: u64) {
    let when = format!("{} killed at point {point}", machine.case.way);
    if let JobState::Ended { outcome } = machine.summary().state {
        assert_eq!(outcome, Outcome::Done, "{when}");
        return machine.is_good(&when);
    }
    let way = if point.is_multiple_of(2) { "finish" } else { "undo" };
    if let Err(said) = machine.work(way, 0) {
        let why = match machine.summary().state {
            JobState::Ended { outcome: Outcome::Failed { why } } => why,
            _ => said.unwrap_or_default(),
        };
        machine.resumed_by_hand(&why, &when);
        assert_eq!(machine.work("undo", 0), Ok(()), "{when}, resumed by hand");
    }
    let summary = machine.summary();
    match &summary.state {
        JobState::Ended { outcome: Outcome::Done } => machine.is_good(&format!("{when}, {way}")),
        JobState::Ended { outcome: Outcome::Undone } => {
            assert_eq!(machine.strays(), Vec::<String>::new(), "{when}, {way}: something was left behind");
            assert_eq!(machine.bundle(), None, "{when}, {way}: a backup that was taken back stands among the good ones");
            assert_eq!(machine.power(), "running", "{when}, {way}: the domain does not run");
        }
        other => panic!("{when}, {way}: {other:?}"),
    }
}

#[test]
fn saved_copied_and_resumed_whatever_happens() {
    assert!(sweep(Case { way: "save-copy", ..VOLUMES }) > 40);
}

#[test]
fn saved_frozen_and_resumed_whatever_happens() {
    assert!(sweep(Case { way: "save-snapshot", ..VOLUMES }) > 40);
}

#[test]
fn written_down_frozen_and_let_go_whatever_happens() {
    assert!(sweep(Case { way: "checkpoint", ..VOLUMES }) > 40);
}

#[test]
fn paused_frozen_and_let_go_whatever_happens() {
    assert!(sweep(Case { way: "live", ..VOLUMES }) > 40);
}

#[test]
fn files_are_frozen_where_their_file_system_shares_blocks() {
    assert!(sweep(Case { way: "live", ..FILES }) > 40);
}

/// As after a power cut on a host that starts the domain at its boot: its memory lies saved, and its disks go on without it.
#[test]
fn a_domain_that_was_booted_while_its_backup_lay_interrupted_makes_no_good_one() {
    for way in ["save-copy", "save-snapshot"] {
        let fresh = Machine::new(Case { way, ..VOLUMES });
        let saved = fresh.plan.steps.iter().position(|step| matches!(step.action, Action::SaveDomain { .. })).unwrap();
        let compared = fresh.plan.steps.iter().position(|step| matches!(step.action, Action::CompareWitness)).unwrap();
        let tried = AtomicU64::new(0);
        let booted_meanwhile = |point: u64, machine: &Machine| {
            let when = format!("{way} killed at point {point}, and the domain booted");
            let before = machine.summary();
            // A save that was not over is done anew, and the disks are copied after it.
            let between = before.steps_done > saved && before.steps_done <= compared;
            if matches!(before.state, JobState::Ended { .. }) || !between || machine.power() == "running" {
                return;
            }
            tried.fetch_add(1, Ordering::SeqCst);
            assert!(machine.domkeep(&["machine", "xl", "create", machine.case.config]).status.success(), "{when}");
            let said = machine.work("finish", 0);
            let after = machine.summary();
            assert_ne!(
                after.state,
                JobState::Ended { outcome: Outcome::Done },
                "{when}: what does not fit together is called good: {said:?}"
            );
            assert_eq!(machine.power(), "running", "{when}: the domain was stopped or its memory put over other disks: {said:?}");
            if let Some(bundle) = machine.bundle() {
                let inside = Path::new("/").join(bundle.strip_prefix(machine.root().join("tree")).unwrap());
                assert!(!machine.domkeep(&["verify", inside.to_str().unwrap()]).status.success(), "{when}: a torn backup passes as good");
            }
        };
        at_each_point(|| fresh.copy(), |machine, point| machine.work("run", point).is_ok(), booted_meanwhile);
        assert!(tried.into_inner() > 2, "{way}: nothing was tried");
    }
}

#[test]
fn what_does_not_share_blocks_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("machine");
    drop(demo(&root));
    assert!(run(&root, &["machine", "xl", "create", "/etc/xen/files.cfg"], 0).status.success());
    let refused = run(&root, &["backup", "files", "--to", "/srv", "--strategy", "live", "--dry-run"], 0);
    assert!(!refused.status.success() && text(&refused).contains("XFS and btrfs"), "{}", text(&refused));
    let table = run(&root, &["strategies", "files"], 0);
    assert!(text(&table).contains("save-copy") && text(&table).contains("on this host yet"), "{}", text(&table));
}

#[test]
fn all_domains_have_their_turn_and_one_that_fails_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("machine");
    drop(demo(&root));
    std::fs::create_dir_all(root.join("tree/srv/backup")).unwrap();
    let said = run(&root, &["backup", "--all", "--to", "/srv/backup", "--verify", "no", "--yes"], 0);
    let words = text(&said);
    assert!(words.contains("files: good") && words.contains("db1: good"), "{words}");
    assert_eq!(said.status.code(), Some(i32::from(words.contains(": FAILED"))), "the exit code would not say how it went: {words}");
    let but = run(&root, &["backup", "--all", "--except", "db1,files", "--to", "/srv/backup", "--dry-run"], 0);
    assert!(!text(&but).contains("== db1") && !text(&but).contains("== files"), "{}", text(&but));
    assert_eq!(run(&root, &["backup", "--all", "--except", "nobody", "--to", "/srv/backup", "--yes"], 0).status.code(), Some(64));
}
