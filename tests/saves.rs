//! Saving a domain and resuming it, on the demo machine: what its disks were is written down, a disk that was changed since is seen, and each way
//! out leads where it says. And a save that is killed at every point.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use domkeep::job::Store;
use domkeep::model::{JobState, JobSummary, Outcome, Plan};
use machine::{add_paths_below, at_each_point, demo, domkeep, text};
use serde_json::Value;

const IMAGE: &str = "/srv/db1.save";
const DISK: &str = "/dev/xenvols/db1-data";
const SAVE: [&str; 6] = ["save", "db1", "--to", IMAGE, "--snapshots", "yes"];

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// `db1` runs on two volumes.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Self { dir };
        drop(demo(&host.root()));
        host.does(&["machine", "xl", "create", "/etc/xen/database.cfg"]);
        host
    }

    fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(self.root()).arg(dir.path().join("machine")).status().unwrap();
        assert!(copied.success(), "the machine could not be copied");
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join("tree").join(path.trim_start_matches('/'))
    }

    fn says(&self, words: &[&str]) -> (bool, String) {
        let output = domkeep("lab", &self.root(), words, 0);
        (output.status.success(), text(&output))
    }

    #[track_caller]
    fn does(&self, words: &[&str]) -> String {
        let (well, said) = self.says(words);
        assert!(well, "{words:?}: {said}");
        said
    }

    fn power(&self) -> String {
        let output = domkeep("lab", &self.root(), &["list", "--json"], 0);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let domain = said["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == "db1").unwrap();
        domain["power"].as_str().unwrap().to_owned()
    }

    /// A file that stands for the volume.
    fn disk(&self) -> PathBuf {
        let link = std::fs::read_link(self.path(DISK)).unwrap();
        self.path("/dev").join(link.file_name().unwrap())
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        std::fs::File::options().write(true).open(self.disk()).unwrap().write_all_at(bytes, offset).unwrap();
    }

    /// The host was started anew: what counts writes begins at 0.
    fn boots(&self) {
        std::fs::write(self.path("/proc/sys/kernel/random/boot_id"), "0e1f1c64-2f7b-49ad-8bb0-0a4d1d1f2c3d\n").unwrap();
    }

    fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["srv", "dev/xenvols"] {
            add_paths_below(&self.path(top), &mut found);
        }
        found.retain(|path| path.contains("db1.save") || path.contains("domkeep-saved") || path.contains("partial"));
        found.sort();
        found
    }
}

#[test]
fn a_save_whose_disks_nobody_touched_is_resumed_without_a_question_also_after_a_boot() {
    let host = Host::new();
    host.does(&["save", "db1", "--to", IMAGE, "--yes"]);
    assert_eq!(host.power(), "saved");
    assert!(host.path("/srv/.db1.save.disks").exists(), "nothing was written down of the disks");
    let other = host.copy();
    let said = host.does(&["resume", IMAGE, "--yes"]);
    assert!(said.contains("prove-disks") || host.power() == "running", "{said}");
    assert_eq!(host.power(), "running");
    // After a boot the counters tell nothing; the file systems do.
    other.boots();
    other.does(&["resume", IMAGE, "--yes"]);
    assert_eq!(other.power(), "running");
}

#[test]
fn what_an_image_left_that_is_gone_is_in_nobodys_way() {
    let host = Host::new();
    host.does(&["save", "db1", "--to", IMAGE, "--yes"]);
    host.does(&["resume", IMAGE, "--yes"]);
    std::fs::remove_file(host.path(IMAGE)).unwrap();
    assert!(host.path("/srv/.db1.save.disks").exists(), "this test tests nothing");
    host.does(&["save", "db1", "--to", IMAGE, "--yes"]);
    host.does(&["resume", IMAGE, "--yes"]);
    assert_eq!(host.power(), "running", "the disks of an older image were taken for this one's");
}

#[test]
fn all_that_runs_is_saved_and_all_that_was_saved_is_resumed() {
    let host = Host::new();
    host.does(&["machine", "xl", "create", "/etc/xen/web1.cfg"]);
    let said = host.does(&["save", "--all", "--yes"]);
    assert!(said.contains("db1: good") && said.contains("web1: good") && said.contains("2 of"), "{said}");
    assert!(said.contains("files: not covered: it does not run"), "{said}");
    assert_eq!(host.power(), "saved");

    // A disk that was changed meanwhile keeps its own domain from being resumed, and no other.
    host.write(40 << 20, b"changed while it was saved");
    let output = domkeep("lab", &host.root(), &["resume", "--all", "--yes"], 0);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "a domain that was not resumed would be called resumed: {said}");
    assert!(said.contains("db1: FAILED") && said.contains("web1: good") && said.contains("1 of"), "{said}");
    assert!(said.contains("files: not covered: it is not saved"), "{said}");
    let said = host.does(&["resume", "--all", "--if-changed", "boot", "--yes"]);
    assert!(said.contains("db1: good") && said.contains("web1: not covered"), "{said}");
    assert_eq!(host.power(), "running");
}

#[test]
fn a_disk_that_was_changed_since_is_seen_and_each_way_out_leads_where_it_says() {
    let saved = Host::new();
    saved.does(&[&SAVE[..], &["--yes"]].concat());
    let before = std::fs::read(saved.disk()).unwrap();
    saved.write(70 << 20, b"somebody was here");
    saved.write(512 << 10, b"and here");
    let (well, said) = saved.says(&["resume", IMAGE, "--yes"]);
    assert!(!well && said.contains("the kernel counted writes"), "{said}");

    let host = saved.copy();
    let (well, said) = host.says(&["resume", IMAGE, "--yes"]);
    assert!(!well && said.contains("disks-changed") && said.contains("db1-data"), "a guest would destroy its file system: {said}");
    for way in ["--if-changed boot", "--if-changed roll-back", "--if-changed resume"] {
        assert!(said.contains(way), "{way} is not offered: {said}");
    }
    let (well, said) = host.says(&["resume", IMAGE, "--if-changed", "resume", "--yes"]);
    assert!(!well && said.contains("--confirm db1"), "it would be resumed all the same without the name: {said}");
    assert_eq!(host.power(), "saved");
    host.does(&["resume", IMAGE, "--if-changed", "boot", "--yes"]);
    assert_eq!(host.power(), "running");
    assert!(!host.path(IMAGE).exists(), "the image could be resumed by mistake");
    assert!(host.left().iter().any(|path| path.contains("db1.save.before-")), "the image was not kept: {:?}", host.left());

    let host = saved.copy();
    host.does(&["resume", IMAGE, "--if-changed", "roll-back", "--yes", "--confirm", "db1"]);
    assert_eq!(host.power(), "running");
    assert!(std::fs::read(host.disk()).unwrap() == before, "the disk is not what it was when the domain was saved");
    assert!(saved.copy().says(&["resume", IMAGE, "--if-changed", "resume", "--yes", "--confirm", "db1"]).0);
}

#[test]
fn a_disk_that_was_changed_while_the_host_was_down_is_seen() {
    let host = Host::new();
    host.does(&["save", "db1", "--to", IMAGE, "--yes"]);
    // A mount of the file system, by its superblock alone.
    host.write(1024 + 52, &[9, 0]);
    host.boots();
    let (well, said) = host.says(&["resume", IMAGE, "--yes"]);
    assert!(!well && said.contains("disks-changed"), "{said}");
}

#[test]
fn a_restored_save_image_is_resumed_over_the_disks_that_were_restored_with_it_and_over_no_others() {
    let host = Host::new();
    std::fs::create_dir_all(host.path("/srv/backup")).unwrap();
    host.does(&["backup", "db1", "--to", "/srv/backup", "--strategy", "save-copy", "--yes"]);
    host.does(&["machine", "xl", "destroy", "db1"]);
    let mut found = Vec::new();
    add_paths_below(&host.path("/srv/backup"), &mut found);
    let manifest = found.iter().find(|path| path.ends_with("manifest.toml")).unwrap();
    let bundle = Path::new("/").join(Path::new(manifest).parent().unwrap().strip_prefix(host.root().join("tree")).unwrap());
    assert!(!found.iter().any(|path| path.contains(".disks")), "a stranger's file lies in the backup: {found:?}");
    host.does(&["restore", bundle.to_str().unwrap(), "--to", "old-place", "--yes", "--confirm", "db1"]);
    let other = host.copy();
    host.does(&["resume", "/var/lib/xen/db1.save", "--yes"]);
    assert_eq!(host.power(), "running");
    other.write(512 << 10, b"x");
    let (well, said) = other.says(&["resume", "/var/lib/xen/db1.save", "--yes"]);
    assert!(!well && said.contains("disks-changed"), "{said}");
}

/// A save that was not begun yet.
struct Job {
    host: Host,
    plan: Plan,
}

impl Job {
    fn copy(&self) -> Self {
        Self { host: self.host.copy(), plan: self.plan.clone() }
    }

    fn work(&self, work: &str, stop_at: u64) -> Result<(), Option<String>> {
        let output = domkeep("lab", &self.host.root(), &["run-job", self.plan.id.as_str(), "--work", work], stop_at);
        match output.status.signal() {
            Some(9) => Err(None),
            None if output.status.success() => Ok(()),
            None => Err(Some(text(&output))),
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    fn summary(&self) -> JobSummary {
        Store::of_demo(&self.host.root()).detail(&self.plan.id).unwrap().summary
    }

    fn is_saved(&self, when: &str) {
        assert_eq!(self.host.power(), "saved", "{when}");
        assert_eq!(self.host.left().iter().filter(|path| path.contains("domkeep-saved")).count(), 2, "{when}: {:?}", self.host.left());
        self.host.does(&["resume", IMAGE, "--yes"]);
        assert_eq!(self.host.power(), "running", "{when}");
    }

    /// Finished or undone; what nobody watched is a person's to resume.
    fn settle(&self, point: u64) {
        let when = format!("killed at point {point}");
        if !matches!(self.summary().state, JobState::Ended { .. }) {
            let way = if point.is_multiple_of(2) { "finish" } else { "undo" };
            if self.work(way, 0).is_err() {
                let why = match self.summary().state {
                    JobState::Ended { outcome: Outcome::Failed { why } } => why,
                    other => panic!("{when}, {way}: {other:?}"),
                };
                assert!(why.contains("while nobody watched") && why.contains("domkeep resume"), "{when}: nobody is told what to do: {why}");
                let image = why.split("was saved to ").nth(1).and_then(|rest| rest.split(" while nobody").next()).unwrap();
                self.host.does(&["resume", image, "--look-in", image, "--yes", "--confirm", "db1"]);
                assert_eq!(self.work("undo", 0), Ok(()), "{when}, resumed by hand");
            }
        }
        match &self.summary().state {
            JobState::Ended { outcome: Outcome::Done } => self.is_saved(&when),
            JobState::Ended { outcome: Outcome::Undone } => {
                assert_eq!(self.host.power(), "running", "{when}: the domain is lost");
                assert_eq!(self.host.left(), Vec::<String>::new(), "{when}: something was left behind");
            }
            other => panic!("{when}: {other:?}"),
        }
    }
}

#[test]
fn a_save_that_is_killed_is_finished_or_taken_back() {
    let host = Host::new();
    let output = domkeep("lab", &host.root(), &[&SAVE[..], &["--dry-run", "--json"]].concat(), 0);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let plan: Plan = serde_json::from_value(said["plan"].clone()).unwrap();
    Store::of_demo(&host.root()).create(&plan).unwrap();
    let fresh = Job { host, plan };
    let whole = fresh.copy();
    assert_eq!(whole.work("run", 0), Ok(()), "{:?}", whole.summary());
    whole.is_saved("not killed");
    let points = at_each_point(|| fresh.copy(), |job, point| job.work("run", point).is_ok(), |point, job| job.settle(point));
    assert!(points > 15, "only {points} points were tried: the runner does not kill itself where it should");
}

#[test]
fn a_restore_over_volumes_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host { dir };
    drop(demo(&host.root()));
    std::fs::create_dir_all(host.path("/srv/backup")).unwrap();
    host.does(&["backup", "db1", "--to", "/srv/backup", "--yes"]);
    let mut found = Vec::new();
    add_paths_below(&host.path("/srv/backup"), &mut found);
    let manifest = found.iter().find(|path| path.ends_with("manifest.toml")).unwrap();
    let bundle = Path::new("/").join(Path::new(manifest).parent().unwrap().strip_prefix(host.root().join("tree")).unwrap());
    let backed_up = std::fs::read(host.disk()).unwrap();
    host.write(50 << 20, b"written after the backup");
    let before = std::fs::read(host.disk()).unwrap();
    host.does(&["restore", bundle.to_str().unwrap(), "--to", "old-place", "--yes", "--confirm", "db1"]);
    assert!(std::fs::read(host.disk()).unwrap() == backed_up, "the backup was not brought back");
    let kept = |host: &Host| {
        let mut left = Vec::new();
        add_paths_below(&host.path("/dev/xenvols"), &mut left);
        let names = left.iter().filter_map(|path| Path::new(path).file_name()?.to_str().map(str::to_owned));
        names.filter(|name| name.starts_with("domkeep-before-")).collect::<Vec<_>>()
    };
    let kept = kept(&host);
    assert_eq!(kept.len(), 2, "{kept:?}");
    for name in kept {
        let snapshot = format!("xenvols/{name}");
        let (_, said) = host.says(&["roll-back", &snapshot, "--dry-run"]);
        let origin = if said.contains("xenvols/db1-root") { "xenvols/db1-root" } else { "xenvols/db1-data" };
        host.does(&["roll-back", &snapshot, "--yes", "--confirm", origin]);
    }
    assert!(std::fs::read(host.disk()).unwrap() == before, "what stood there before the restore is lost");
}
