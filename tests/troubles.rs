//! What goes wrong in the middle of a backup, on the demo machine, for each way to back up a domain that runs: the domain is as it was, nothing is
//! called good that is not, nothing is left, and the message says what happened.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::path::{Path, PathBuf};
use std::process::Command;

use machine::{add_paths_below, demo, domkeep, text};
use serde_json::{Value, json};

const WAYS: [&str; 4] = ["save-copy", "save-snapshot", "checkpoint", "live"];

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// `db1` runs on two volumes.
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        drop(demo(&host.root()));
        assert!(host.says(&["machine", "xl", "create", "/etc/xen/database.cfg"]).0);
        std::fs::create_dir_all(host.root().join("tree/srv/backup")).unwrap();
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

    fn says(&self, words: &[&str]) -> (bool, String) {
        let output = domkeep("lab", &self.root(), words, 0);
        (output.status.success(), text(&output))
    }

    /// What will go wrong, once.
    fn fault(&self, fault: &Value) {
        let path = self.root().join("state.json");
        let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let machine = if state.get("domains").is_some() { &mut state } else { state.get_mut("machine").unwrap() };
        machine["faults"] = json!([fault]);
        std::fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
    }

    fn back_up(&self, way: &str) -> (bool, String) {
        self.says(&["backup", "db1", "--to", "/srv/backup", "--strategy", way, "--yes"])
    }

    fn power(&self) -> String {
        let output = domkeep("lab", &self.root(), &["list", "--json"], 0);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let domain = said["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == "db1").unwrap();
        domain["power"].as_str().unwrap().to_owned()
    }

    fn lies_there(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["srv", "dev/xenvols"] {
            add_paths_below(&self.root().join("tree").join(top), &mut found);
        }
        found.retain(|path| {
            path.contains("partial") || path.contains("domkeep-") || path.ends_with("manifest.toml") || path.contains(".save")
        });
        found
    }

    /// The backup failed, and all is as before; the next one works.
    #[track_caller]
    fn is_as_before(&self, way: &str, said: &str, because: &str) {
        assert!(said.contains(because), "{way}: nobody is told that {because}: {said}");
        assert_eq!(self.power(), "running", "{way}, {because}: the domain does not run: {said}");
        assert_eq!(self.lies_there(), Vec::<String>::new(), "{way}, {because}: {said}");
        let (well, again) = self.back_up(way);
        assert!(well, "{way}, {because}: the next backup fails too: {again}");
    }
}

#[test]
fn a_save_that_fails_half_way_is_no_backup() {
    let fresh = Host::new();
    let why = "xc: error: Save failed (28 = No space left on device): Internal error";
    for way in &WAYS[..3] {
        let host = fresh.copy();
        host.fault(&json!({ "words": "xl save", "exit": 1, "says": why, "halfway": true }));
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: half a save was called good: {said}");
        host.is_as_before(way, &said, "No space left on device");
    }
}

#[test]
fn a_save_that_xl_calls_good_and_that_is_cut_off_is_no_backup() {
    let fresh = Host::new();
    for way in &WAYS[..3] {
        let host = fresh.copy();
        host.fault(&json!({ "words": "xl save", "exit": 0, "says": "", "halfway": true }));
        let (well, said) = host.back_up(way);
        assert!(!well && said.contains("it is not"), "{way}: a save that is not whole was believed: {said}");
        assert_eq!(host.power(), "running", "{way}: {said}");
        assert!(!host.lies_there().iter().any(|path| path.ends_with("manifest.toml")), "{way}: {said}");
    }
}

#[test]
fn a_second_snapshot_that_cannot_be_made_takes_the_first_back() {
    let fresh = Host::new();
    for way in &WAYS[1..] {
        let host = fresh.copy();
        let why = "  Volume group \"xenvols\" has insufficient free space (0 extents): 8 required.";
        host.fault(&json!({ "words": "lvcreate", "exit": 5, "says": why, "after": 1 }));
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: a backup without one of its disks was called good: {said}");
        host.is_as_before(way, &said, "insufficient free space");
    }
}

#[test]
fn a_snapshot_that_overflows_is_no_backup() {
    let fresh = Host::new();
    for way in &WAYS[1..] {
        let host = fresh.copy();
        host.fault(&json!({ "words": "lvcreate", "exit": 0, "says": "", "overflows": true }));
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: what was read of a lost snapshot was called good: {said}");
        host.is_as_before(way, &said, "");
    }
}

#[test]
fn a_domain_that_does_not_come_back_at_first_is_brought_back_when_the_backup_is_taken_back() {
    let fresh = Host::new();
    for way in &WAYS[..2] {
        let host = fresh.copy();
        host.fault(
            &json!({ "words": "xl restore", "exit": 1, "says": "xc: error: Restore failed (12 = Cannot allocate memory): Internal error" }),
        );
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: {said}");
        host.is_as_before(way, &said, "Cannot allocate memory");
    }
    for way in &WAYS[2..] {
        let host = fresh.copy();
        host.fault(&json!({ "words": "xl unpause", "exit": 1, "says": "libxl: error: unpausing domain failed" }));
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: {said}");
        host.is_as_before(way, &said, "unpausing domain failed");
    }
}

#[test]
fn a_domain_that_is_destroyed_meanwhile_leaves_no_backup_that_does_not_fit_together() {
    let fresh = Host::new();
    // Between two snapshots: what was frozen may not be of one instant.
    for way in &WAYS[2..] {
        let host = fresh.copy();
        host.fault(&json!({ "words": "lvcreate", "exit": 0, "says": "", "then": "xl destroy db1" }));
        let (well, said) = host.back_up(way);
        assert!(!well, "{way}: {said}");
        assert_eq!((host.power().as_str(), host.lies_there()), ("off", Vec::new()), "{way}: {said}");
    }
    // After it was let go on: its disks are frozen, and the backup is as good as its instant.
    let host = fresh.copy();
    host.fault(&json!({ "words": "xl unpause", "exit": 0, "says": "", "then": "xl destroy db1" }));
    let (well, said) = host.back_up("live");
    let good = host.lies_there().iter().any(|path| path.ends_with("manifest.toml"));
    assert!(well == good && !host.lies_there().iter().any(|path| path.contains("partial") || path.contains("domkeep-")), "{said}");
}

#[test]
fn a_disk_that_somebody_wrote_to_while_the_domain_was_saved_is_not_run_over() {
    let fresh = Host::new();
    let host = fresh.copy();
    // Somebody starts it from its configuration while its disks are copied, and it is destroyed again.
    host.fault(&json!({ "words": "xl save", "exit": 0, "says": "", "then": "xl create /etc/xen/database.cfg" }));
    let (well, said) = host.back_up("save-copy");
    assert!(!well, "a backup of a domain that ran meanwhile was called good: {said}");
    assert_eq!(host.power(), "running", "{said}");
    assert!(!host.lies_there().iter().any(|path| path.ends_with("manifest.toml")), "{said}");
}

/// What may not grow beyond a limit stands for a destination that is full.
#[test]
fn a_destination_that_is_full_ends_the_backup_and_the_domain_goes_on() {
    let fresh = Host::new();
    for way in WAYS {
        let host = fresh.copy();
        let limited = "trap '' XFSZ; ulimit -f 30000; exec \"$0\" \"$@\"";
        let program = env!("CARGO_BIN_EXE_domkeep");
        let root = host.root();
        let output = Command::new("sh")
            .args(["-c", limited, program, "--demo=lab", "--demo-root"])
            .arg(&root)
            .args(["backup", "db1", "--to", "/srv/backup", "--strategy", way, "--yes"])
            .output()
            .unwrap();
        let said = text(&output);
        assert!(!output.status.success(), "{way}: {said}");
        host.is_as_before(way, &said, "");
    }
}

#[test]
fn hooks_run_around_a_backup_and_one_that_fails_lets_nothing_be_touched() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let tree = host.root().join("tree");
    let hook = |name: &str, text: &str, mode: u32| {
        std::fs::create_dir_all(tree.join("etc/domkeep/hooks")).unwrap();
        let path = tree.join("etc/domkeep/hooks").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    hook("good", "#!/bin/sh\n", 0o755);
    hook("bad", "#!/bin/sh\n# fails\n", 0o755);
    hook("open", "#!/bin/sh\n", 0o777);
    let config = host.dir.path().join("config.toml");
    let back_up = |before: &str| {
        let text = format!("hook_before_backup = \"/etc/domkeep/hooks/{before}\"\nhook_after_backup = \"/etc/domkeep/hooks/good\"\n");
        std::fs::write(&config, text).unwrap();
        host.says(&["--config", config.to_str().unwrap(), "backup", "db1", "--to", "/srv/backup", "--strategy", "live", "--yes"])
    };
    let (well, said) = back_up("open");
    assert!(!well && said.contains("hook-not-trusted"), "a program that anybody can write would run as root: {said}");
    let (well, said) = back_up("bad");
    assert!(!well, "{said}");
    let log = || std::fs::read_to_string(tree.join("var/log/hooks")).unwrap();
    assert!(log().contains("bad before-backup db1") && log().contains("good after-backup db1"), "{}", log());
    assert_eq!((host.power().as_str(), host.lies_there()), ("running", Vec::new()), "{said}");
    let (well, said) = back_up("good");
    assert!(well, "{said}");
    assert!(host.lies_there().iter().any(|path| path.ends_with("manifest.toml")), "{said}");
}

#[test]
fn two_domains_are_frozen_in_one_instant_and_each_has_a_backup() {
    let host = Host::new();
    for file in ["state.json", "tree/proc/self/mountinfo"] {
        let path = host.root().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("\"fs\": \"ext4\"", "\"fs\": \"btrfs\"").replace("\"fs\":\"ext4\"", "\"fs\":\"btrfs\"");
        std::fs::write(&path, text.replace(" - ext4 ", " - btrfs ")).unwrap();
    }
    assert!(host.says(&["machine", "xl", "create", "/etc/xen/files.cfg"]).0);
    let (well, said) = host.says(&["backup", "db1", "--with", "files", "--to", "/srv/backup", "--yes"]);
    assert!(well, "{said}");
    let bundles: Vec<String> = host.lies_there().into_iter().filter(|path| path.ends_with("manifest.toml")).collect();
    assert_eq!(bundles.len(), 2, "{said}");
    for manifest in bundles {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("of the same instant as"), "{text}");
        let inside = Path::new("/").join(Path::new(&manifest).parent().unwrap().strip_prefix(host.root().join("tree")).unwrap());
        let (well, said) = host.says(&["verify", inside.to_str().unwrap()]);
        assert!(well, "{said}");
    }
    assert!(!host.lies_there().iter().any(|path| path.contains("partial") || path.contains("domkeep-")), "{:?}", host.lies_there());
}
