//! Backups that take over what did not change, on the demo machine: each is restored by itself, also when those before it are gone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use domkeep::model::request::{ColdBackup, WhenRunning};
use domkeep::model::{Incremental, JobState, Outcome, Request, Strategy};
use machine::{Machine, ask, demo, domkeep, kill_at_each_point, root_of, text};

const MIB: u64 = 1 << 20;

struct Host {
    dir: tempfile::TempDir,
}

/// One backup, and what the disk held then.
struct Point {
    /// Its path on the machine.
    bundle: String,
    held: Vec<u8>,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        drop(demo(&dir.path().join("machine")));
        std::fs::create_dir_all(dir.path().join("machine/tree/srv/backup")).unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join("tree").join(path.trim_start_matches('/'))
    }

    #[track_caller]
    fn does(&self, words: &[&str]) -> String {
        let output = domkeep("lab", &self.root(), words, 0);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    /// The disk of a domain that is off.
    fn disk(&self) -> PathBuf {
        self.path("/srv/xen/img/file0.img")
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        std::fs::File::options().write(true).open(self.disk()).unwrap().write_all_at(bytes, offset).unwrap();
    }

    fn bundles(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path("/srv/backup"), &mut found);
        found.retain(|path| path.ends_with("manifest.toml"));
        let tree = self.root().join("tree");
        let inside = |path: &PathBuf| Path::new("/").join(path.parent().unwrap().strip_prefix(&tree).unwrap()).display().to_string();
        found.iter().map(inside).collect()
    }

    #[track_caller]
    fn back_up(&self, incremental: &str) -> Point {
        let before = self.bundles();
        self.does(&["backup", "files", "--to", "/srv/backup", "--incremental", incremental, "--yes"]);
        let bundle = self.bundles().into_iter().find(|bundle| !before.contains(bundle)).unwrap();
        Point { bundle, held: std::fs::read(self.disk()).unwrap() }
    }

    #[track_caller]
    fn restores(&self, point: &Point, to: &str, when: &str) {
        std::fs::create_dir_all(self.path(to)).unwrap();
        self.does(&["restore", &point.bundle, "--to", "beside", "--directory", to, "--name", "again", "--yes"]);
        let mut found = Vec::new();
        walk(&self.path(to), &mut found);
        let disk = found.iter().find(|path| path.is_file() && path.metadata().unwrap().len() == point.held.len() as u64);
        let disk = disk.unwrap_or_else(|| panic!("{when}: no disk was restored: {found:?}"));
        assert!(std::fs::read(disk).unwrap() == point.held, "{when}: a restored disk is not as it was at its backup");
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.is_dir() {
            walk(&path, found);
        }
    }
}

/// The segments of a point's disk that only it has.
fn own_segments(host: &Host, point: &Point) -> usize {
    let dir = host.path(&point.bundle).join("xvda.img.d");
    std::fs::read_dir(dir).unwrap().filter(|entry| entry.as_ref().unwrap().metadata().unwrap().nlink() == 1).count()
}

#[test]
fn every_point_restores_by_itself_also_when_those_before_it_are_gone() {
    let host = Host::new();
    let mut points = vec![host.back_up("auto")];
    assert_eq!(points[0].held.len() as u64, 64 * MIB);
    for round in 1..4_u64 {
        // Across the border of two segments, at the end, and what was written before becomes zeros again.
        host.write(7 * MIB * round - 1000, &vec![u8::try_from(round).unwrap(); 5000]);
        host.write(64 * MIB - 1, &[u8::try_from(round).unwrap()]);
        if round == 3 {
            host.write(7 * MIB - 1000, &[0; 5000]);
        }
        points.push(host.back_up("auto"));
    }
    let newest = points.last().unwrap();
    let manifest = std::fs::read_to_string(host.path(&newest.bundle).join("manifest.toml")).unwrap();
    assert!(manifest.contains("since = "), "an increment would not say what it took over: {manifest}");
    assert!(own_segments(&host, newest) < 12, "an increment would take the room of a whole backup");
    for (number, point) in points.iter().enumerate() {
        host.restores(point, &format!("/srv/again-{number}"), &format!("point {number}"));
    }
    // All but one go; which of them is the newest, the standing clock of the machine cannot say.
    host.does(&["prune", "/srv/backup", "--keep-last", "1", "--min-age", "0", "--yes", "--confirm", "/srv/backup"]);
    let left = host.bundles();
    assert_eq!(left.len(), 1);
    let mut entries = Vec::new();
    walk(&host.path("/srv/backup"), &mut entries);
    let segments = entries.iter().filter(|path| path.ends_with("xvda.img.d")).count();
    assert_eq!(segments, 1, "the segments of a restore point would stay when it is removed: {entries:?}");
    let (number, stayed) = points.iter().enumerate().find(|(_, point)| point.bundle == left[0]).unwrap();
    host.does(&["verify", &stayed.bundle]);
    host.restores(stayed, "/srv/at-last", &format!("point {number}, alone"));
}

#[test]
fn what_was_damaged_meanwhile_is_not_taken_over_as_good() {
    let host = Host::new();
    let first = host.back_up("auto");
    let segment = host.path(&first.bundle).join("xvda.img.d/000000");
    let file = std::fs::File::options().write(true).open(segment).unwrap();
    file.write_all_at(b"rotten", 4096).unwrap();
    let output = domkeep("lab", &host.root(), &["backup", "files", "--to", "/srv/backup", "--incremental", "auto", "--yes"], 0);
    assert!(!output.status.success(), "a backup that shares a damaged block would be called good: {}", text(&output));
    assert_eq!(host.bundles().len(), 1, "a bad backup would stand among the good ones");
}

#[test]
fn where_all_would_have_to_be_read_an_increment_is_refused_when_it_was_demanded() {
    let host = Host::new();
    host.back_up("auto");
    let output = domkeep("lab", &host.root(), &["backup", "files", "--to", "/srv/backup", "--incremental", "yes", "--yes"], 0);
    assert!(!output.status.success() && text(&output).contains("nobody keeps book"), "{}", text(&output));
}

/// The snapshots that jobs made, with their tags.
fn snapshots(machine: &Machine) -> Vec<(String, String)> {
    let output = ask(&demo(&machine.root()), "lvs --reportformat json --units b -o lv_name,lv_tags");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = said["report"][0]["lv"].as_array().unwrap();
    let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let all = rows.iter().map(|row| (word(row, "lv_name"), word(row, "lv_tags")));
    all.filter(|(name, tags)| name.starts_with("domkeep-") || tags.contains("domkeep.")).collect()
}

#[test]
fn a_killed_increment_leaves_what_the_next_one_goes_by() {
    const WORDS: [&str; 12] =
        ["backup", "db1", "--to", "/srv/backup", "--strategy", "cold", "--incremental", "auto", "--verify", "no", "--yes", "--json"];
    let request = Request::ColdBackup(ColdBackup {
        domain: "db1".into(),
        destination: "/srv/backup".into(),
        strategy: Some(Strategy::Cold),
        incremental: Incremental::Auto,
        how: WhenRunning::Refuse,
        verify: false,
        rate: None,
        leave_out: Vec::new(),
        with: Vec::new(),
    });
    let make = || {
        Machine::asked(&request, |demo| {
            let root = root_of(demo);
            std::fs::create_dir_all(root.join("tree/srv/backup")).unwrap();
            let first = domkeep("lab", &root, &WORDS, 0);
            assert!(first.status.success(), "{}", text(&first));
        })
    };
    let points = kill_at_each_point(make, |point, machine| {
        let work = if point.is_multiple_of(2) { "finish" } else { "undo" };
        if !matches!(machine.state(), JobState::Ended { .. }) {
            assert_eq!(machine.summary().can_finish, Ok(()), "killed at point {point}: a backup that was cut off could only be taken back");
            machine.work(work, 0);
        }
        let mut entries = Vec::new();
        walk(&machine.path("/srv/backup"), &mut entries);
        let bundles: Vec<&PathBuf> = entries.iter().filter(|path| path.ends_with("manifest.toml")).collect();
        let wanted = match machine.state() {
            JobState::Ended { outcome: Outcome::Done } => 2,
            JobState::Ended { outcome: Outcome::Undone } => 1,
            other => panic!("killed at point {point}, {work}: {other:?}"),
        };
        assert_eq!(bundles.len(), wanted, "killed at point {point}, {work}");
        assert!(
            !entries.iter().any(|path| path.to_string_lossy().contains("partial")),
            "killed at point {point}, {work}: half a backup is left"
        );
        let kept = snapshots(machine);
        let of_a_job = format!("domkeep.{}", machine.plan.id);
        assert!(!kept.iter().any(|(_, tags)| tags.contains(&of_a_job)), "killed at point {point}, {work}: a snapshot is left: {kept:?}");
        let bases = kept.iter().filter(|(_, tags)| tags.contains("domkeep.base.") && tags.contains("domkeep.of.")).count();
        if wanted == 2 {
            assert_eq!(bases, 2, "killed at point {point}, {work}: the next backup could not tell what changed: {kept:?}");
        } else if bases < 2 {
            // It was taken back when it was as good as done: the next one reads all, and is as good.
            let next = domkeep("lab", &machine.root(), &WORDS, 0);
            assert!(next.status.success(), "killed at point {point}, {work}: no backup is possible any more: {}", text(&next));
        }
    });
    assert!(points > 40, "only {points} points were tried");
}
