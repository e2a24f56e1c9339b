//! The built guard on the demo machine, killed at every point of an extension: the next one finds what it did.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use domkeep::host::demo::Demo;
use domkeep::job::Store;
use domkeep::model::{JobState, Outcome};

fn domkeep(root: &Path, words: &[&str], stop_at: u64) -> Output {
    machine::domkeep("guides", root, words, stop_at)
}

const SNAPSHOT: &str = "xenvols/web01-before-upgrade";

/// The bytes of the snapshot's store, and how full it is in percent.
fn snapshot(root: &Path) -> (u64, f64) {
    let list = domkeep(root, &["list", "--json"], 0);
    let json: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let found = json["snapshots"].as_array().unwrap().iter().find(|one| one["lv"] == SNAPSHOT).unwrap().clone();
    (found["store_bytes"].as_u64().unwrap(), found["data_percent"].as_f64().unwrap())
}

#[test]
fn a_guard_that_is_killed_anywhere_leaves_no_half_a_job() {
    let mut killed = 0;
    for point in 1..40 {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("machine");
        let demo = Demo::open("guides", &root).unwrap();
        // A threshold that only this snapshot is beyond, once it is filled.
        let settings = dir.path().join("config.toml");
        std::fs::write(&settings, "guard_threshold_percent = 88\n").unwrap();
        let config = format!("--config={}", settings.display());
        let guard = ["guard", "--once", config.as_str()];
        let (store, percent) = snapshot(&root);
        assert!((80.0..88.0).contains(&percent), "the demo machine has changed: {percent}");
        let wrote = demo.machine(&["demo-write".to_owned(), SNAPSHOT.to_owned(), (store / 100 * 6).to_string()]);
        assert_eq!(wrote.exit, 0, "{wrote:?}");
        let first = domkeep(&root, &guard, point);
        let was_killed = first.status.signal() == Some(9);
        assert!(was_killed || first.status.success(), "{first:?}");
        killed += u64::from(was_killed);
        let second = domkeep(&root, &guard, 0);
        assert!(second.status.success(), "point {point}: a guard cannot start after one that was killed: {second:?}");
        let (extended, _) = snapshot(&root);
        assert!(extended > store, "point {point}: the snapshot was left to overflow: {}", String::from_utf8_lossy(&second.stdout));
        let jobs = Store::of_demo(&root);
        assert!(jobs.passing().unwrap().found().unwrap().is_empty(), "point {point}: a job was left in memory");
        let listed = jobs.list().unwrap();
        assert!(
            !listed.is_empty() && listed.iter().all(|job| job.state == JobState::Ended { outcome: Outcome::Done }),
            "point {point}: {listed:?}"
        );
        assert!(listed.len() == 1, "point {point}: what was done once is told twice, or was done twice: {listed:?}");
        if !was_killed {
            assert!(killed > 3, "only {killed} points were tried");
            return;
        }
    }
    panic!("the guard never came to its end");
}
