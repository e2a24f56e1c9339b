//! Old restore points are removed by the built program on the demo machine, and the job that does it is killed at every point.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays bundles out in a directory of its own")]

mod machine;

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::demo::Demo;
use domkeep::job::Store;
use domkeep::model::request::Prune;
use domkeep::model::retention::Policy;
use domkeep::model::{JobId, JobState, Outcome, Request};
use tempfile::TempDir;

struct Machine {
    dir: TempDir,
    /// Oldest first.
    bundles: Vec<PathBuf>,
}

impl Machine {
    /// A machine with three backups of one domain.
    fn new() -> Self {
        let mut machine = Self { dir: tempfile::tempdir().unwrap(), bundles: Vec::new() };
        machine.domkeep(&["list"], 0);
        std::fs::create_dir_all(machine.dir.path().join("machine/tree/srv/backup")).unwrap();
        for _ in 0..3 {
            let made = machine.domkeep(&["backup", "archive01", "--to", "/srv/backup", "--yes"], 0);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        machine.bundles = machine.names().into_iter().map(|name| machine.home().join(name)).collect();
        assert_eq!(machine.bundles.len(), 3);
        machine
    }

    /// The same machine once more.
    fn again(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.dir.path().join("machine")).arg(dir.path()).status().unwrap();
        assert!(copied.success());
        let moved = |path: &PathBuf| dir.path().join(path.strip_prefix(self.dir.path()).unwrap());
        Self { bundles: self.bundles.iter().map(moved).collect(), dir }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("machine/tree/srv/backup/xen1/archive01")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(self.home()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn domkeep(&self, words: &[&str], stop_at: u64) -> Output {
        machine::domkeep("guides", &self.dir.path().join("machine"), words, stop_at)
    }

    fn prune(&self, more: &[&str]) -> Output {
        let mut words = vec![
            "prune",
            "/srv/backup",
            "--keep-last",
            "1",
            "--keep-daily",
            "0",
            "--keep-weekly",
            "0",
            "--keep-monthly",
            "0",
            "--min-age",
            "0",
        ];
        words.extend(more);
        self.domkeep(&words, 0)
    }

    fn is_good(&self, bundle: &std::path::Path) -> bool {
        let inside = bundle.strip_prefix(self.dir.path().join("machine/tree")).unwrap();
        self.domkeep(&["verify", &format!("/{}", inside.display())], 0).status.success()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_no_rule_keeps_goes_and_a_strangers_file_stays() {
    let machine = Machine::new();
    let shown = machine.prune(&["--dry-run"]);
    assert!(said(&shown).contains("goes, no rule keeps it") && said(&shown).contains("the newest that is good"), "{}", said(&shown));
    assert_eq!(machine.names().len(), 3, "a dry run removed something");
    let refused = machine.prune(&["--yes"]);
    assert!(!refused.status.success(), "backups would be removed without the directory typed");
    assert_eq!(machine.names().len(), 3);

    std::fs::write(machine.bundles[0].join("notes.txt"), "mine").unwrap();
    let done = machine.prune(&["--yes", "--confirm", "/srv/backup"]);
    assert!(done.status.success(), "{}", said(&done));
    let names = machine.names();
    assert_eq!(names.iter().filter(|name| !name.starts_with('.')).count(), 1, "{names:?}");
    assert!(machine.is_good(&machine.bundles[2]), "the newest backup was harmed");
    let aside: Vec<&String> = names.iter().filter(|name| name.starts_with('.')).collect();
    let kept = std::fs::read_dir(machine.home().join(aside[0])).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(kept, ["notes.txt"], "a stranger's file went with the backup, or the backup stayed");
}

/// A job that removes all but the newest, not yet begun.
fn planned(machine: &Machine) -> (Store, JobId) {
    let root = machine.dir.path().join("machine");
    let demo = Demo::open("guides", &root).unwrap_or_else(|problem| panic!("{problem}"));
    let engine = Engine::new(Arc::new(demo), Settings::default());
    let policy = Policy { last: 1, ..Policy::default() };
    let wanted = Request::Prune(Prune { directory: "/srv/backup".into(), only: None, policy });
    let plan = engine.plan(&wanted, &engine.scan()).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let store = Store::of_demo(&root);
    store.create(&plan).unwrap();
    (store, plan.id)
}

#[test]
fn killed_at_any_point_it_is_taken_back_or_finished() {
    let three_backups = Machine::new();
    let mut tried = 0;
    let mut stop_at = 1;
    loop {
        let machine = three_backups.again();
        let (store, id) = planned(&machine);
        let work = |work: &str, stop_at: u64| machine.domkeep(&["run-job", id.as_str(), "--work", work], stop_at);
        let ran = work("run", stop_at);
        let way = if stop_at % 2 == 0 { "finish" } else { "undo" };
        if ran.status.signal() != Some(9) {
            break;
        }
        tried += 1;
        let settled = work(way, 0);
        let state = store.detail(&id).unwrap().summary.state;
        let context = format!("killed at point {stop_at}, then {way}: {state:?}\n{}", said(&settled));
        assert!(matches!(state, JobState::Ended { outcome: Outcome::Done | Outcome::Undone }), "{context}");
        let names = machine.names();
        assert!(names.iter().all(|name| !name.starts_with('.')), "{context}: {names:?}");
        let done = state == JobState::Ended { outcome: Outcome::Done };
        assert!(!done || names.len() == 1, "{context}: {names:?}");
        assert!(machine.bundles[2].exists(), "{context}: the newest backup is gone");
        for name in names {
            let bundle = machine.home().join(name);
            assert!(machine.is_good(&bundle), "{context}: half a backup stands under the name of a whole one");
        }
        stop_at += 1;
    }
    assert!(tried > 20, "only {tried} points were tried: the runner does not kill itself where it should");
}
