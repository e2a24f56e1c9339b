//! Clones, removals and roll-backs of the built program on the demo machine: killed at every point of each plan, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::collections::BTreeMap;
use std::path::Path;

use domkeep::model::{Action, JobState, Outcome, Plan};

use machine::{Machine, demo, do_it, domkeep, kill_at_each_point};

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

fn planned(wanted: &Wanted) -> Machine {
    changed(wanted, |_| ())
}

/// A machine with a plan that the program made and the test changed.
fn changed(wanted: &Wanted, change: impl FnOnce(&mut Plan)) -> Machine {
    Machine::laid_out(|root| {
        let host = demo(root);
        for line in wanted.before {
            do_it(&host, line);
        }
        let mut words = wanted.words.to_vec();
        words.extend(["--dry-run", "--json"]);
        let said = domkeep("lab", root, &words, 0);
        let json: serde_json::Value =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{words:?}: {}", String::from_utf8_lossy(&said.stderr)));
        let mut plan: Plan = serde_json::from_value(json["plan"].clone())
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&said.stdout)));
        change(&mut plan);
        plan
    })
}

/// Names, sizes and bytes of what the plans may touch; the job's id and what is random for each job made equal.
fn tree(machine: &Machine) -> BTreeMap<String, String> {
    let found = machine.described(&["/srv", "/etc/xen", "/dev/xenvols", "/var/lib/xen/images"], described);
    let id = machine.plan.id.as_str();
    found.into_iter().map(|(name, facts)| (name.replace(id, "ID"), facts)).collect()
}

fn described(name: &str, path: &Path) -> Option<String> {
    let facts = path.metadata().unwrap();
    if facts.is_dir() {
        None
    } else if Path::new(name).extension().is_some_and(|ext| ext == "cfg") && name.contains("/etc/xen/") && facts.len() < 1 << 20 {
        // A clone's uuid and addresses are the job's own.
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let same: Vec<&str> = text.lines().filter(|line| !line.starts_with("uuid") && !line.contains("mac=")).collect();
        Some(same.join("\n"))
    } else {
        Some(format!("{} {}", facts.len(), hashed(path)))
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

fn swept(wanted: &Wanted, make: impl Fn() -> Machine + Sync) {
    let before = tree(&make());
    let whole = make();
    assert!(whole.work("run", 0));
    assert_eq!(whole.state(), JobState::Ended { outcome: Outcome::Done }, "{:?}", wanted.words);
    let after = tree(&whole);
    assert_ne!(before, after, "{:?} did nothing", wanted.words);
    assert!(!after.keys().any(|name| name.contains(".partial") || name.contains(".undone")), "{:?}", after.keys());

    let points = kill_at_each_point(&make, |point, machine| {
        let ended = matches!(machine.state(), JobState::Ended { .. });
        assert!(ended || machine.work("finish", 0));
        assert_eq!(tree(machine), after, "{:?}: killed at point {point} and finished, it is not whole", wanted.words);
    });
    assert!(points > 8, "{:?}: only {points} points were tried", wanted.words);
    kill_at_each_point(&make, |point, machine| {
        if matches!(machine.state(), JobState::Ended { .. }) {
            return;
        }
        // The recovery is killed too, a little later each time.
        let mut stop = point % 5 + 1;
        while !machine.work("undo", if point % 3 == 0 { stop } else { 0 }) {
            stop += 7;
        }
        let left = tree(machine);
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
    swept(&CLASSIC, || planned(&CLASSIC));
}

#[test]
fn thin_clones_killed_at_any_point_are_whole_or_gone() {
    swept(&THIN, || planned(&THIN));
}

#[test]
fn overlays_killed_at_any_point_are_whole_or_gone() {
    swept(&OVERLAY, || planned(&OVERLAY));
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
    swept(&OVERLAY, || changed(&OVERLAY, shares));
    let machine = changed(&OVERLAY, shares);
    assert!(machine.work("run", 0));
    let file = |name: &str| std::fs::read(machine.path("/srv/xen/img").join(name)).unwrap();
    assert_eq!(file("files2.img"), file("file0.img"), "the clone would hold something else than the original");
}

#[test]
fn a_removal_killed_at_any_point_takes_nothing_else_with_it() {
    swept(&REMOVE, || planned(&REMOVE));
}

#[test]
fn a_roll_back_killed_at_any_point_brings_the_old_content_back() {
    swept(&ROLL_BACK, || planned(&ROLL_BACK));
    let before = tree(&planned(&Wanted { before: &ROLL_BACK.before[..1], ..ROLL_BACK }));
    let machine = planned(&ROLL_BACK);
    let written = tree(&machine);
    assert!(machine.work("run", 0));
    let after = tree(&machine);
    let origin = "/dev/xenvols/origin0";
    assert_ne!(written[origin], before[origin], "nothing was written: the test shows nothing");
    assert_eq!(after[origin], before[origin], "the origin does not hold what the snapshot held");
    assert!(!after.contains_key("/dev/xenvols/snap0"), "the snapshot is used up, and still there");
}
