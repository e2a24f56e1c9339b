//! Backups of libvirt's domains on the demo machine: each way killed at every point, then finished or undone; restores compared byte by byte.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use domkeep::job::Store;
use domkeep::model::{JobState, JobSummary, Outcome, Plan};
use serde_json::Value;

use machine::{add_paths_below, at_each_point, text};

const OFF1: &str = "/var/lib/libvirt/images/off1.img";

fn run(root: &Path, words: &[&str], stop_at: u64) -> Output {
    machine::domkeep("kvm", root, words, stop_at)
}

/// A host of libvirt's, and a job of a backup that was not begun yet.
struct Machine {
    dir: tempfile::TempDir,
    plan: Plan,
    domain: &'static str,
    runs: bool,
}

impl Machine {
    fn new(domain: &'static str, ways: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("machine");
        let words = [&["backup", domain, "--to", "/srv/backup", "--verify", "no", "--dry-run", "--json"], ways].concat();
        let said = run(&root, &words, 0);
        assert!(said.status.success(), "{}", text(&said));
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let plan: Plan = serde_json::from_value(said["plan"].clone()).unwrap_or_else(|error| panic!("{error}: {said}"));
        let machine = Self { dir, plan, domain, runs: domain == "on1" };
        machine.store().create(&machine.plan).unwrap();
        machine
    }

    /// Another machine that is just so: laying one out takes longer.
    fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(self.root()).arg(dir.path().join("machine")).status().unwrap();
        assert!(copied.success(), "the machine could not be copied");
        Self { dir, plan: self.plan.clone(), ..*self }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join("tree").join(path.trim_start_matches('/'))
    }

    fn store(&self) -> Store {
        Store::of_demo(&self.root())
    }

    fn domkeep(&self, words: &[&str]) -> Output {
        run(&self.root(), words, 0)
    }

    #[track_caller]
    fn must(&self, words: &[&str]) -> String {
        let said = self.domkeep(words);
        assert!(said.status.success(), "{words:?}: {}", text(&said));
        text(&said)
    }

    /// Whether the runner came to its end; otherwise it was killed.
    fn work(&self, work: &str, stop_at: u64) -> bool {
        let output = run(&self.root(), &["run-job", self.plan.id.as_str(), "--work", work], stop_at);
        match output.status.signal() {
            Some(9) => false,
            None => {
                assert!(output.status.success(), "{work}: {}{:?}", text(&output), self.summary());
                true
            }
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    fn summary(&self) -> JobSummary {
        self.store().detail(&self.plan.id).unwrap().summary
    }

    fn guest(&self) -> Value {
        let state: Value = serde_json::from_slice(&std::fs::read(self.root().join("state.json")).unwrap()).unwrap();
        state["kvm"].as_array().unwrap().iter().find(|guest| guest["name"] == self.domain).unwrap().clone()
    }

    fn found(&self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["/srv/backup", "/var/lib/libvirt"] {
            add_paths_below(&self.path(top), &mut found);
        }
        found.retain(|path| fits(path));
        found
    }

    /// What must hold however a job ended.
    #[track_caller]
    fn is_clean(&self, when: &str) {
        let guest = self.guest();
        assert_eq!(guest["running"], self.runs, "{when}: the domain is not as it was");
        assert_eq!(guest["frozen"], false, "{when}: the guest stays frozen");
        assert!(guest["backup"].is_null(), "{when}: libvirt's job is still at work");
        assert!(guest["overlays"].is_null(), "{when}: the guest stays on its overlays");
        let strays = self.found(|path| path.contains("partial") || path.contains("domkeep-") || path.contains("undone"));
        assert_eq!(strays, Vec::<String>::new(), "{when}: something was left behind");
    }

    fn bundle(&self) -> Option<String> {
        let manifest = self.found(|path| path.ends_with("manifest.toml")).pop()?;
        let inside = Path::new(&manifest).parent().unwrap().strip_prefix(self.root().join("tree")).unwrap().to_owned();
        Some(format!("/{}", inside.display()))
    }
}

/// Kills the job at every point; every second one is finished, the others are undone. How many points there are.
fn sweep(domain: &'static str, ways: &[&str]) -> u64 {
    let fresh = Machine::new(domain, ways);
    let whole = fresh.copy();
    assert!(whole.work("run", 0));
    assert_eq!(whole.summary().state, JobState::Ended { outcome: Outcome::Done }, "{ways:?}");
    whole.is_clean("not killed");
    whole.must(&["verify", &whole.bundle().unwrap()]);
    at_each_point(|| fresh.copy(), |machine, point| machine.work("run", point), |point, machine| settle(machine, point))
}

fn settle(machine: &Machine, point: u64) {
    let when = format!("killed at point {point}");
    let ended = matches!(machine.summary().state, JobState::Ended { .. });
    if !ended {
        settle_leftover(machine, point, &when);
    }
    machine.is_clean(&when);
    match machine.summary().state {
        JobState::Ended { outcome: Outcome::Done } => {
            machine.must(&["verify", &machine.bundle().unwrap_or_else(|| panic!("{when}: there is no backup"))]);
        }
        JobState::Ended { outcome: Outcome::Undone } => {
            assert_eq!(machine.bundle(), None, "{when}: a backup that was taken back stands among the good ones");
        }
        other => panic!("{when}: {other:?}"),
    }
}

/// A domain that was saved while nobody watched is resumed by a person.
fn settle_leftover(machine: &Machine, point: u64, when: &str) {
    let work = if point.is_multiple_of(2) { "finish" } else { "undo" };
    let said = run(&machine.root(), &["run-job", machine.plan.id.as_str(), "--work", work], 0);
    let why = match machine.summary().state {
        JobState::Ended { outcome: Outcome::Failed { why } } => why,
        _ if said.status.success() => return,
        _ => text(&said),
    };
    assert!(why.contains("while nobody watched"), "{when}: {why}");
    let line = why
        .split("`virsh restore ")
        .nth(1)
        .and_then(|rest| rest.split('`').next())
        .unwrap_or_else(|| panic!("{when}: nobody is told what to do: {why}"));
    machine.must(&["machine", "virsh", "-c", "qemu:///system", "restore", "--file", line]);
    assert!(machine.work("undo", 0), "{when}, resumed by hand");
}

#[test]
fn a_saved_domain_runs_again_whatever_happens() {
    assert!(sweep("on1", &["--strategy", "save-copy"]) > 40);
}

#[test]
fn a_domain_that_is_off_is_copied_whatever_happens() {
    assert!(sweep("off1", &["--strategy", "cold"]) > 30);
}

#[test]
fn a_domain_that_was_shut_down_runs_again_whatever_happens() {
    assert!(sweep("on1", &["--strategy", "cold", "--when-running", "shut-down"]) > 40);
}

#[test]
fn what_qemu_offers_is_copied_and_the_guest_thawed_whatever_happens() {
    assert!(sweep("on1", &["--strategy", "pull"]) > 40);
}

#[test]
fn a_guest_comes_back_from_its_overlays_whatever_happens() {
    assert!(sweep("on1", &["--strategy", "overlay"]) > 40);
}

#[test]
fn a_guest_that_stops_on_its_overlays_is_brought_back_too() {
    let fresh = Machine::new("on1", &["--strategy", "overlay"]);
    let mut stopped = 0;
    for point in (1..200).step_by(3) {
        let machine = fresh.copy();
        if machine.work("run", point) {
            break;
        }
        let on_overlay = machine.guest()["overlays"].as_array().is_some_and(|overlays| !overlays.is_empty());
        if !on_overlay {
            continue;
        }
        stopped += 1;
        machine.must(&["machine", "virsh", "-c", "qemu:///system", "shutdown", "--domain", "on1"]);
        let _ = run(&machine.root(), &["run-job", machine.plan.id.as_str(), "--work", "undo"], 0);
        let xml = std::fs::read_to_string(machine.path("/etc/libvirt/qemu/on1.xml")).unwrap();
        assert!(
            xml.contains("images/on1.img") && xml.contains("images/on1-data.img"),
            "killed at point {point}: the next start takes an overlay: {xml}"
        );
        assert_eq!(
            machine.found(|path| path.contains(".domkeep-")),
            Vec::<String>::new(),
            "killed at point {point}: {:?}",
            machine.summary()
        );
    }
    assert!(stopped > 3, "the guest was hardly ever on its overlays");
}

#[test]
fn what_qemu_offered_is_what_the_disks_held() {
    let machine = Machine::new("on1", &["--strategy", "pull"]);
    assert!(machine.work("run", 0));
    let bundle = machine.bundle().unwrap();
    for (piece, disk) in [("vda.img", "on1.img"), ("vdb.img", "on1-data.img")] {
        let copied = std::fs::read(machine.path(&format!("{bundle}/{piece}"))).unwrap();
        assert!(
            copied == std::fs::read(machine.path(&format!("/var/lib/libvirt/images/{disk}"))).unwrap(),
            "{piece} is not what QEMU offered"
        );
    }
    let manifest = std::fs::read_to_string(machine.path(&format!("{bundle}/manifest.toml"))).unwrap();
    assert!(manifest.contains("had frozen its file systems"), "{manifest}");
}

#[test]
fn a_guest_without_an_agent_is_copied_and_the_backup_says_what_it_is_worth() {
    let machine = Machine::new("on1", &["--strategy", "pull"]);
    let state = std::fs::read_to_string(machine.root().join("state.json")).unwrap();
    std::fs::write(
        machine.root().join("state.json"),
        state.replace("\"agent\":true", "\"agent\":false").replace("\"agent\": true", "\"agent\": false"),
    )
    .unwrap();
    let plan = machine.must(&["backup", "on1", "--to", "/srv/backup", "--strategy", "pull", "--dry-run"]);
    assert!(plan.contains("after a power cut") && !plan.contains("domfsfreeze"), "{plan}");
}

#[test]
fn a_restored_domain_is_libvirts_again_under_either_name() {
    let machine = Machine::new("off1", &["--strategy", "cold"]);
    let image = std::fs::read(machine.path(OFF1)).unwrap();
    assert!(machine.work("run", 0));
    let bundle = machine.bundle().unwrap();
    machine.must(&["restore", &bundle, "--to", "beside", "--directory", "/var/lib/libvirt/images", "--name", "off2", "--yes"]);
    assert!(std::fs::read(machine.path("/var/lib/libvirt/images/off2-vda.img")).unwrap() == image, "the restored disk is another");
    let xml = std::fs::read_to_string(machine.path("/etc/libvirt/qemu/off2.xml")).unwrap();
    for old in ["000000000001<", "52:54:00", "off1"] {
        assert!(!xml.contains(old), "{old} would be used by both domains: {xml}");
    }
    assert!(machine.must(&["list"]).contains("off2"), "libvirt was not told of it");
    let refused = machine.domkeep(&["restore", &bundle, "--to", "beside", "--directory", "/srv", "--yes"]);
    assert!(!refused.status.success() && text(&refused).contains("already"), "{}", text(&refused));
    // Over the old place, when its disk was destroyed and its definition lost.
    std::fs::write(machine.path(OFF1), vec![7; 4 << 20]).unwrap();
    machine.must(&["machine", "virsh", "-c", "qemu:///system", "undefine", "--domain", "off1", "--keep-nvram"]);
    machine.must(&["restore", &bundle, "--to", "old-place", "--yes", "--confirm", "off1"]);
    assert!(std::fs::read(machine.path(OFF1)).unwrap() == image, "the old disk was not brought back");
    assert!(std::fs::read_to_string(machine.path("/etc/libvirt/qemu/off1.xml")).unwrap().contains("000000000001<"));
}

#[test]
fn the_ways_of_libvirts_domains_stand_in_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("machine");
    let table = text(&run(&root, &["strategies", "on1"], 0));
    assert!(table.contains("pull: ") && table.contains("what auto takes") && table.contains("not at all"), "{table}");
    assert!(!table.contains("checkpoint"), "a way that only Xen's domains have is offered: {table}");
    let off = text(&run(&root, &["strategies", "off1"], 0));
    assert!(off.contains("a cold backup is as good"), "{off}");
}

/// What a runner starts as a process of its own, with the XML on its standard input.
fn begin_frozen(machine: &Machine, uuid: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domkeep"));
    command.arg("--demo=kvm").arg("--demo-root").arg(machine.root());
    command.args(["begin-frozen", "--connect", "qemu:///system", "--domain", uuid]);
    let xml = machine.dir.path().join("backup.xml");
    std::fs::write(&xml, "<domainbackup mode='pull'/>").unwrap();
    command.stdin(std::fs::File::open(xml).unwrap()).output().unwrap()
}

#[test]
fn the_process_that_freezes_thaws_whether_the_job_was_begun_or_not() {
    let machine = Machine::new("on1", &["--strategy", "pull"]);
    let uuid = machine.guest()["uuid"].as_str().unwrap().to_owned();
    let said = begin_frozen(&machine, &uuid);
    assert!(said.status.success(), "{}", text(&said));
    assert_eq!(machine.guest()["frozen"], false, "the guest stands still for its users");
    assert!(!machine.guest()["backup"].is_null(), "no job was begun");
    // One that cannot be begun: another is at work.
    let said = begin_frozen(&machine, &uuid);
    assert!(!said.status.success() && text(&said).contains("state change lock"), "it would be taken for begun: {}", text(&said));
    assert_eq!(machine.guest()["frozen"], false, "the guest stands still for its users");
}
