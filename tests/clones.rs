//! Clones, removals and roll-backs of the built program on the demo machine: killed at every point of each plan, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use domkeep::model::{Action, JobState, Outcome, Plan};

use machine::{Machine, demo, do_it, domkeep, kill_at_each_point};

/// What is asked for, after these commands on the machine.
#[derive(Clone, Copy)]
struct Wanted {
    before: &'static [&'static str],
    prepare: fn(&Path),
    words: &'static [&'static str],
    /// Undo cannot bring back what was destroyed.
    destroys: bool,
}

const CLASSIC: Wanted =
    Wanted { before: &[], prepare: |_| (), words: &["clone", "db1", "--names", "db2,db3", "--store", "8M"], destroys: false };
const THIN: Wanted =
    Wanted { before: &[], prepare: |_| (), words: &["clone", "forms2", "--names", "thin2", "--disks", "xvdh"], destroys: false };
const OVERLAY: Wanted =
    Wanted { before: &[], prepare: |_| (), words: &["clone", "files", "--names", "files2,files3", "--how", "overlay"], destroys: false };
const INSIDE: Wanted = Wanted {
    before: &[],
    prepare: with_systems_inside,
    words: &["clone", "db1", "--names", "db2", "--store", "32M", "--inside", "yes"],
    destroys: false,
};
const REMOVE: Wanted = Wanted {
    before: &["lvcreate -s -L 8M -n snap0 xenvols/origin0"],
    prepare: |_| (),
    words: &["remove", "xenvols/snap0,/srv/xen/img/forgotten.img"],
    destroys: true,
};
const ROLL_BACK: Wanted = Wanted {
    before: &["lvcreate -s -L 8M -n snap0 xenvols/origin0", "demo-write xenvols/origin0 1048576"],
    prepare: |_| (),
    words: &["roll-back", "xenvols/snap0"],
    destroys: true,
};

const ROOT_UUID: &str = "0f5c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01";
const DATA_UUID: &str = "0f5c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b02";

/// Real file systems on the disks of db1, the second in a partition: the root has an fstab that names both, and a host name.
fn with_systems_inside(tree: &Path) {
    // Made once: no two are the same to the byte.
    static MADE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("tree/etc");
        std::fs::create_dir_all(&etc).unwrap();
        let fstab = format!("UUID={ROOT_UUID} / ext4 defaults 0 1\nUUID={DATA_UUID} /srv ext4 defaults 0 2\n");
        std::fs::write(etc.join("fstab"), fstab).unwrap();
        std::fs::write(etc.join("hostname"), "db1\n").unwrap();
        let make = |disk: &str, words: &[&str], size: &str| {
            let mut make = Command::new("mke2fs");
            make.args(["-F", "-q", "-t", "ext4"]).args(words).arg(dir.path().join(disk)).arg(size);
            assert!(make.output().unwrap().status.success(), "{make:?}");
        };
        make("db1-root", &["-U", ROOT_UUID, "-d", dir.path().join("tree").to_str().unwrap()], "64M");
        let mut table = vec![0; 512];
        table[450] = 0x83;
        table[454..458].copy_from_slice(&2048_u32.to_le_bytes());
        table[458..462].copy_from_slice(&(95_u32 << 11).to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(dir.path().join("db1-data"), table).unwrap();
        std::fs::OpenOptions::new().write(true).open(dir.path().join("db1-data")).unwrap().set_len(96 << 20).unwrap();
        make("db1-data", &["-U", DATA_UUID, "-E", "offset=1048576"], "95M");
        dir
    });
    for disk in ["db1-root", "db1-data"] {
        let (from, to) = (MADE.path().join(disk), tree.join("dev/xenvols").join(disk));
        assert!(Command::new("cp").arg("--sparse=always").arg(from).arg(to).status().unwrap().success());
    }
}

/// What a clone's file systems hold, their own UUIDs by one name each.
fn told_inside(machine: &Machine) -> BTreeMap<String, String> {
    let mut told = tree(machine);
    let ask = |program: &str, words: &[&str], place: &str| {
        let said = Command::new(program).args(words).arg(place).output().unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let disks = ["root", "data"].map(|end| machine.path(&format!("/dev/xenvols/db2-{end}")));
    let places = [disks[0].display().to_string(), format!("{}?offset=1048576", disks[1].display())];
    let [root, data] = places.each_ref().map(|place| {
        let said = ask("tune2fs", &["-l"], place).1;
        said.lines().find_map(|line| line.strip_prefix("Filesystem UUID:")).unwrap_or("none").trim().to_owned()
    });
    for (place, end) in places.iter().zip(["root", "data"]).zip(&disks).filter(|(_, disk)| disk.exists()).map(|(one, _)| one) {
        let mut facts = format!("whole: {}", ask("e2fsck", &["-f", "-n"], place).0);
        for file in ["fstab", "hostname"] {
            let said = ask("debugfs", &["-R", &format!("cat /etc/{file}")], place).1;
            facts.push_str(&said.replace(&root, "ITS ROOT").replace(&data, "ITS DATA"));
        }
        assert!(told.insert(format!("/dev/xenvols/db2-{end}"), facts).is_some());
    }
    told
}

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
        (wanted.prepare)(&root.join("tree"));
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
    swept_telling(wanted, tree, make);
}

fn swept_telling(wanted: &Wanted, tree: fn(&Machine) -> BTreeMap<String, String>, make: impl Fn() -> Machine + Sync) {
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
fn what_is_inside_a_clone_is_its_own_or_the_clone_is_gone() {
    swept_telling(&INSIDE, told_inside, || planned(&INSIDE));
    let machine = planned(&INSIDE);
    assert!(machine.work("run", 0));
    let told = told_inside(&machine);
    let wanted = "whole: trueUUID=ITS ROOT / ext4 defaults 0 1\nUUID=ITS DATA /srv ext4 defaults 0 2\ndb2\n";
    assert_eq!(told["/dev/xenvols/db2-root"], wanted, "the clone would mount its original's disks, or call itself so");
    assert_eq!(told["/dev/xenvols/db2-data"], "whole: true");
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
