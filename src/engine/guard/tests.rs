//! The guard on the demo machine: the real loop, plan, job and record, with LVM's answers.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::{Wish, Word};
use crate::config::Settings;
use crate::engine::{Engine, Workshop};
use crate::host::Act;
use crate::host::demo::Demo;
use crate::job::{Found, Launcher, Store};
use crate::model::{FusePart, JobState, LogicalVolume, Outcome};
use crate::problem::Problem;

struct Host {
    dir: tempfile::TempDir,
    demo: Arc<Demo>,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let demo = Arc::new(Demo::open("guides", &dir.path().join("machine")).unwrap());
        Self { dir, demo }
    }

    fn jobs(&self) -> Store {
        Store::of_demo(&self.dir.path().join("machine"))
    }

    fn engine(&self, settings: Settings) -> Engine {
        let root = self.dir.path().join("machine");
        let act = move || -> Result<Arc<dyn Act>, Problem> { Demo::open("guides", &root).map(|demo| -> Arc<dyn Act> { Arc::new(demo) }) };
        let jobs = self.jobs();
        let launcher = Launcher::new(jobs.clone(), "/bin/false".into(), Vec::new());
        Engine::new(self.demo.clone(), settings).with_workshop(Workshop { jobs, launcher, act: Arc::new(act) })
    }

    fn guard_with(&self, settings: Settings, wish: Wish) -> Vec<Word> {
        let heard: Arc<Mutex<Vec<Word>>> = Arc::default();
        let ear = Arc::clone(&heard);
        let say = Box::new(move |word: &Word| ear.lock().unwrap().push(word.clone()));
        self.engine(settings).guard(wish, Arc::new(AtomicBool::new(false)), say).unwrap();

        heard.lock().unwrap().clone()
    }

    fn guard(&self, wish: Wish) -> Vec<Word> {
        self.guard_with(settings(), wish)
    }

    fn does(&self, words: &[&str]) {
        let output = self.demo.machine(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(output.exit, 0, "{words:?}: {output:?}");
    }

    /// A snapshot of the machine that is nearly full from the start, as LVM has it now.
    fn snapshot(&self) -> LogicalVolume {
        let inventory = self.engine(Settings::default()).scan().inventory;
        inventory.volumes.iter().find(|volume| volume.full_name() == SNAPSHOT).expect("the demo machine has that snapshot").clone()
    }

    /// Fills the snapshot's store up to this percent.
    fn fill(&self, percent: u64) -> LogicalVolume {
        let snapshot = self.snapshot();
        let store = snapshot.store_bytes.unwrap();
        let used = (snapshot.data_percent.unwrap() * store as f64 / 100.0).round();
        let wanted = store * percent / 100;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of a demo machine")]
        let more = wanted.saturating_sub(used as u64).next_multiple_of(4096);
        // What LVM tells is rounded: full is a little more than it looks.
        let more = if percent < 100 { more } else { more.saturating_add(store / 1000) };
        self.does(&["demo-write", &snapshot.full_name(), &more.to_string()]);
        self.snapshot()
    }
}

const SNAPSHOT: &str = "xenvols/web01-before-upgrade";

/// With a threshold that only the snapshot is beyond, once it is filled: a pool of the machine is rather full from the start, too.
fn settings() -> Settings {
    Settings { guard_threshold_percent: 88, ..Settings::default() }
}

const ONCE: Wish = Wish { once: true, dry_run: false };
const DRY: Wish = Wish { once: true, dry_run: true };

fn extended(words: &[Word]) -> Vec<(String, u64)> {
    let one = |word: &Word| match word {
        Word::Extended { lv, to, .. } => Some((lv.clone(), *to)),
        _ => None,
    };
    words.iter().filter_map(one).collect()
}

#[test]
fn a_nearly_full_snapshot_is_extended_as_a_job_that_is_listed_afterwards() {
    let host = Host::new();
    let before = host.fill(92);
    let words = host.guard(ONCE);
    let after = host.snapshot();
    assert_eq!(extended(&words), [(before.full_name(), after.store_bytes.unwrap())], "{words:?}");
    assert!(after.store_bytes > before.store_bytes, "the snapshot was left to overflow");
    let jobs = host.jobs().list().unwrap();
    let mine: Vec<_> = jobs.iter().filter(|job| job.title.contains(&before.full_name())).collect();
    assert!(
        matches!(mine.as_slice(), [job] if job.state == JobState::Ended { outcome: Outcome::Done }),
        "what the guard did is in no list of jobs: {jobs:?}"
    );
    assert_eq!(host.jobs().passing().unwrap().found().unwrap(), [], "jobs were left in memory");
    assert!(host.jobs().detail(&mine[0].id).unwrap().plan.is_some(), "the record is not whole");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let host = Host::new();
    let before = host.fill(92);
    let words = host.guard(DRY);
    let would = |word: &&Word| matches!(word, Word::Would { lv, now: true, command, .. } if *lv == before.full_name() && command.contains("lvextend -y -An -L"));
    assert_eq!(words.iter().filter(would).count(), 1, "{words:?}");
    assert_eq!(host.snapshot().store_bytes, before.store_bytes, "a dry run changed the host");
    assert!(host.jobs().list().unwrap().is_empty() && host.jobs().passing().unwrap().found().unwrap().is_empty());
}

#[test]
fn a_calm_host_is_left_as_it_is() {
    let host = Host::new();
    let before = host.snapshot();
    let words = host.guard(ONCE);
    assert!(extended(&words).is_empty(), "a snapshot that does not need it was extended: {words:?}");
    assert_eq!(host.snapshot().store_bytes, before.store_bytes);
    assert_eq!(host.jobs().passing().unwrap().found().unwrap(), [], "a prepared job was left behind");
}

#[test]
fn a_limit_of_the_settings_is_kept_and_said() {
    let host = Host::new();
    let before = host.fill(92);
    let settings = Settings { guard_keep_free_percent: 100, ..settings() };
    let words = host.guard_with(settings, ONCE);
    assert!(extended(&words).is_empty(), "the guard took what the settings keep free: {words:?}");
    assert!(
        words.iter().any(|word| matches!(word, Word::NoRoom { lv, .. } if *lv == before.full_name())),
        "a snapshot is about to be lost and nobody is told: {words:?}"
    );
}

#[test]
fn a_lost_snapshot_is_said_and_not_extended() {
    let host = Host::new();
    let before = host.fill(100);
    assert!(before.invalid, "{before:?}");
    let words = host.guard(ONCE);
    assert!(extended(&words).is_empty(), "room was given to a snapshot that is lost: {words:?}");
}

#[test]
fn what_a_killed_guard_left_is_found_whatever_it_was() {
    let host = Host::new();
    host.fill(92);
    let (lasting, passing) = (host.jobs(), host.jobs().passing().unwrap());
    host.guard(ONCE);
    let done = lasting.list().unwrap().remove(0).id;
    let plan = lasting.detail(&done).unwrap().plan.unwrap();
    // Prepared and never begun; and the same job with its record half brought over.
    let mut armed = plan.clone();
    armed.id = crate::model::JobId::new(chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(), 7);
    passing.create(&armed).unwrap();
    assert_eq!(passing.found().unwrap(), [Found::Armed(armed.id.clone())]);
    let words = host.guard(ONCE);
    assert!(passing.found().unwrap().is_empty(), "a job that was never begun stays for ever: {words:?}");
    assert!(!lasting.list().unwrap().iter().any(|job| job.id == armed.id), "a job that never ran is listed as done");
}

#[test]
fn a_record_is_brought_over_whole_or_not_at_all_and_twice_does_no_harm() {
    let host = Host::new();
    host.fill(92);
    let (lasting, passing) = (host.jobs(), host.jobs().passing().unwrap());
    host.guard(ONCE);
    let id = lasting.list().unwrap().remove(0).id;
    let root = host.dir.path().join("machine/tree");
    let (kept, fresh) = (root.join("var/lib/domkeep/jobs").join(id.as_str()), root.join("run/domkeep/jobs").join(id.as_str()));
    let put_back = || {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().mode(0o700).create(&fresh).unwrap();
        for name in ["plan.json", "journal.jsonl", "summary.json"] {
            std::fs::copy(kept.join(name), fresh.join(name)).unwrap();
        }
    };
    // Killed after the record was brought over, and before it was forgotten.
    put_back();
    lasting.adopt(&passing, &id).unwrap();
    assert!(passing.found().unwrap().is_empty(), "the record would be brought over again at each start");
    // Killed in the middle of bringing it over.
    put_back();
    #[expect(clippy::disallowed_methods, reason = "as a kill in the middle leaves it")]
    std::fs::rename(&kept, kept.with_file_name(format!(".{id}.partial"))).unwrap();
    assert!(lasting.list().unwrap().is_empty(), "half a record is listed as a job");
    assert_eq!(passing.found().unwrap(), [Found::Ended(id.clone())]);
    lasting.adopt(&passing, &id).unwrap();
    assert_eq!(lasting.list().unwrap().len(), 1, "the record was lost");
    assert!(matches!(lasting.detail(&id).unwrap().summary.state, JobState::Ended { outcome: Outcome::Done }));
}

#[test]
fn one_guard_is_enough() {
    let host = Host::new();
    let _held = host.jobs().passing().unwrap().only_one("guard.lock").unwrap().unwrap();
    let refused = host.engine(Settings::default()).guard(ONCE, Arc::new(AtomicBool::new(false)), Box::new(|_| {}));
    assert!(refused.unwrap_err().to_string().contains("at work already"), "two guards would extend one store twice");
}

#[test]
fn a_pool_is_guarded_in_both_its_parts() {
    let host = Host::new();
    let words = host.guard(DRY);
    let seen: Vec<&str> = words.iter().filter_map(|word| if let Word::Sees { part, .. } = word { Some(*part) } else { None }).collect();
    for part in [FusePart::Data, FusePart::Metadata, FusePart::Store] {
        assert!(seen.contains(&part.as_str()), "nobody watches the {} of the demo machine: {words:?}", part.as_str());
    }
}
