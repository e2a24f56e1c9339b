//! Disks given to domains and taken away, by the built program on the demo machine: killed at every point, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::demo::Demo;
use domkeep::job::Store;
use domkeep::model::request::Populate;
use domkeep::model::{AttachDisk, DetachDisk, DiskSource, JobState, NfsRoot, Outcome, Plan, Request, Where};

/// A machine with `db1` running, laid out once and copied.
struct Machine {
    dir: tempfile::TempDir,
    plan: Plan,
}

type Prepare = fn(&Demo);

fn demo(root: &Path) -> Demo {
    Demo::open("lab", root).unwrap_or_else(|problem| panic!("{problem}"))
}

fn do_it(demo: &Demo, line: &str) {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let output = demo.machine(&words);
    assert_eq!(output.exit, 0, "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Machine {
    fn new(request: &Request, prepare: Prepare) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("machine");
        let machine = demo(&root);
        do_it(&machine, "xl create /etc/xen/database.cfg");
        prepare(&machine);
        let engine = Engine::new(Arc::new(machine), Settings::default());
        let picture = engine.scan();
        let plan = engine.plan(request, &picture).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let machine = Self { dir, plan };
        machine.store().create(&machine.plan).unwrap();
        machine
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn store(&self) -> Store {
        Store::of_demo(&self.root())
    }

    fn domkeep(&self, words: &[&str], stop_at: u64) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domkeep"));
        command.arg("--demo=lab").arg("--demo-root").arg(self.root()).args(words).env_remove("DOMKEEP_STOP_AT");
        if stop_at > 0 {
            command.env("DOMKEEP_STOP_AT", stop_at.to_string());
        }
        command.output().unwrap()
    }

    /// Whether the runner came to its end; otherwise it was killed.
    fn work(&self, work: &str, stop_at: u64) -> bool {
        let output = self.domkeep(&["run-job", self.plan.id.as_str(), "--work", work], stop_at);
        match output.status.signal() {
            Some(9) => false,
            None => {
                assert!(output.status.success(), "{work}: {}{:?}", String::from_utf8_lossy(&output.stderr), self.state());
                true
            }
            other => panic!("{work} was ended by signal {other:?}"),
        }
    }

    fn state(&self) -> JobState {
        self.store().detail(&self.plan.id).unwrap().summary.state
    }

    /// What jobs may touch: configurations, directories of guests, loop devices, and what xl and xenstore tell of the domains.
    fn told(&self) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        for top in ["/etc", "/srv", "/var/lib/nfs"] {
            collect(&self.root().join("tree").join(top.trim_start_matches('/')), top, &mut told);
        }
        let machine = demo(&self.root());
        for line in ["xl list -l", "xenstore-ls -f", "losetup --list --json -O NAME,BACK-FILE,RO"] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            told.insert(line.into(), String::from_utf8_lossy(&machine.machine(&words).stdout).into_owned());
        }
        told
    }
}

fn collect(dir: &Path, shown: &str, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{shown}/{}", entry.file_name().to_string_lossy());
        let facts = entry.metadata().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o7777;
        if facts.is_dir() {
            found.insert(name.clone(), format!("directory {mode:o}"));
            collect(&entry.path(), &name, found);
        } else if facts.is_file() && facts.len() < 1 << 20 {
            found.insert(name, format!("{mode:o} {}", String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap())));
        } else {
            found.insert(name, format!("{mode:o} {}", facts.len()));
        }
    }
}

/// Kills the job at each point, until one is not reached any more, and finishes or undoes it.
fn sweep(request: &Request, prepare: Prepare, least: u64) {
    let (before, after) = {
        let machine = Machine::new(request, prepare);
        let before = machine.told();
        assert!(machine.work("run", 0));
        assert_eq!(machine.state(), JobState::Ended { outcome: Outcome::Done });
        (before, machine.told())
    };
    assert_ne!(before, after, "the job did nothing");
    for work in ["finish", "undo"] {
        let mut point = 1;
        loop {
            let machine = Machine::new(request, prepare);
            if machine.work("run", point) {
                break;
            }
            let mut work = work;
            // The recovery is killed too, a little later each time.
            let mut stop = point % 7 + 1;
            let ended = matches!(machine.state(), JobState::Ended { .. });
            while !matches!(machine.state(), JobState::Ended { .. }) {
                // Of a copy that was interrupted nobody can say whether it is whole: that is told, and the job is taken back.
                if machine.store().detail(&machine.plan.id).unwrap().summary.can_finish.is_err() {
                    work = "undo";
                }
                machine.work(work, if point % 3 == 0 { stop } else { 0 });
                stop += 5;
            }
            let (wanted, outcome) = if ended || work == "finish" { (&after, Outcome::Done) } else { (&before, Outcome::Undone) };
            assert_eq!(machine.state(), JobState::Ended { outcome }, "killed at point {point}, {work}");
            let told = machine.told();
            for (what, text) in wanted {
                assert_eq!(told.get(what), Some(text), "killed at point {point}, {work}: {what} is left otherwise");
            }
            assert_eq!(told.len(), wanted.len(), "killed at point {point}, {work}: something was left behind: {:?}", told.keys());
            point += 1;
        }
        assert!(point > least, "only {point} points were tried: the runner does not kill itself where it should");
    }
}

fn attach(place: Where) -> Request {
    let source = DiskSource::Path { path: "/dev/vdb2".into(), format: None };
    Request::AttachDisk(AttachDisk { domain: "db1".into(), source, vdev: "xvdc".into(), writes: true, place, config: None })
}

fn detach(vdev: &str, place: Where) -> Request {
    Request::DetachDisk(DetachDisk { domain: "db1".into(), vdev: vdev.into(), place, config: None })
}

#[test]
fn a_partition_is_attached_in_both_places_or_in_none() {
    sweep(&attach(Where::Both), |_| (), 15);
}

#[test]
fn an_image_file_is_attached_and_its_loop_device_never_stays_alone() {
    let source = DiskSource::Path { path: "/srv/xen/img/forgotten.img".into(), format: None };
    let wanted = AttachDisk { domain: "db1".into(), source, vdev: "xvdc".into(), writes: false, place: Where::Live, config: None };
    sweep(&Request::AttachDisk(wanted), |_| (), 5);
}

#[test]
fn a_disk_is_detached_from_both_places_or_from_none() {
    sweep(&detach("xvdb", Where::Both), |_| (), 15);
}

#[test]
fn drift_is_kept_or_given_up_whole() {
    let plug: Prepare = |demo| do_it(demo, "xl block-attach db1 vdev=xvdc,format=raw,access=rw,target=/dev/vdb2");
    sweep(&Request::PersistDisk { domain: "db1".into(), vdev: "xvdc".into(), config: None }, plug, 5);
    sweep(&detach("xvdc", Where::Live), plug, 5);
    let unplug: Prepare = |demo| do_it(demo, "xl block-detach db1 xvdb");
    let configured = AttachDisk {
        domain: "db1".into(),
        source: DiskSource::Configured,
        vdev: "xvdb".into(),
        writes: true,
        place: Where::Live,
        config: None,
    };
    sweep(&Request::AttachDisk(configured), unplug, 5);
}

#[test]
fn a_disk_that_xen_refuses_leaves_nothing_behind() {
    let machine = Machine::new(&attach(Where::Both), |_| ());
    let before = machine.told();
    // Another guest takes it after the plan was made; its assumption would see that, so it comes between look and deed: by a script of
    // the demo's own, nobody can. A plan whose look is left out stands for that moment.
    let mut plan = machine.plan.clone();
    plan.id = domkeep::model::JobId::new(chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(), domkeep::job::random());
    plan.assumptions.retain(
        |assumed| !matches!(&assumed.check, domkeep::model::Check::Not { that } if matches!(**that, domkeep::model::Check::InUse { .. })),
    );
    let host = demo(&machine.root());
    do_it(&host, "xl create -p /etc/xen/forms2.cfg");
    machine.store().forget_unstarted(&machine.plan.id);
    machine.store().create(&plan).unwrap();
    let machine = Machine { plan, ..machine };
    machine.domkeep(&["run-job", machine.plan.id.as_str(), "--work", "run"], 0);
    let JobState::Ended { outcome: Outcome::Failed { why } } = machine.state() else { panic!("{:?}", machine.state()) };
    assert!(why.contains("block-attach") && !why.contains("could be taken back"), "{why}");
    do_it(&host, "xl destroy forms2");
    let told = machine.told();
    for (what, text) in &before {
        assert_eq!(told.get(what), Some(text), "{what}: a refused disk stays in the guest's record, and comes to life after a save");
    }
}

#[test]
fn options_lead_to_the_plan_that_was_meant() {
    let machine = Machine::new(&attach(Where::Both), |_| ());
    let says = |words: &[&str]| {
        let output = machine.domkeep(words, 0);
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let plan = says(&["attach", "db1", "/dev/vdb2", "--dry-run"]);
    assert!(
        plan.contains("xl block-attach db1 vdev=xvdc,format=raw,access=rw,target=/dev/vdb2"),
        "a running domain gets it at once: {plan}"
    );
    let off = says(&["attach", "web1", "/dev/vdb2", "--mode", "ro", "--dry-run"]);
    assert!(off.contains("access=r,target=/dev/vdb2") && !off.contains("block-attach"), "{off}");
    let taken = says(&["attach", "web1", "/dev/xenvols/db1-data", "--dry-run"]);
    assert!(taken.contains("refused (disk-in-use)") && taken.contains("NFS"), "{taken}");
    let mounted = says(&["attach", "db1", "/dev/vda", "--dry-run"]);
    assert!(mounted.contains("refused (disk-mounted)"), "dom0's own root could be given away: {mounted}");
    let held = says(&["attach", "db1", "/dev/vdb1", "--mode", "ro", "--dry-run"]);
    assert!(held.contains("refused (disk-held)"), "the disk under a volume group could be given away: {held}");
    let kept = says(&["attach", "db1", "--vdev", "xvdb", "--where", "config", "--dry-run"]);
    assert!(kept.contains("refused (vdev-taken)"), "{kept}");
    let gone = says(&["detach", "db1", "xvdb", "--where", "both", "--dry-run"]);
    assert!(gone.contains("xl block-detach db1 xvdb"), "{gone}");
}

fn nfs_root(populate: Populate) -> NfsRoot {
    NfsRoot {
        domain: "web1".into(),
        config: None,
        directory: "/srv/web1-root".into(),
        fstab: populate != Populate::Nothing,
        hostname: (populate != Populate::Nothing).then(|| "web1".into()),
        populate,
        clients: "192.0.2.21".into(),
        server: "192.0.2.10".into(),
        network: "192.0.2.21::192.0.2.1:255.255.255.0:web1:eth0:off".into(),
        bridge: Some("xenbr0".into()),
    }
}

#[test]
fn a_root_on_nfs_is_exported_whole_or_not_at_all() {
    let system: Prepare = |demo| {
        let domkeep::host::Place::Demo { root, .. } = domkeep::host::Look::place(demo) else { panic!("no demo") };
        std::fs::create_dir_all(root.join("tree/srv/system/etc")).unwrap();
        std::fs::write(root.join("tree/srv/system/etc/fstab"), "/dev/sda1 / ext4\n").unwrap();
        std::fs::write(root.join("tree/srv/system/marker"), "it is here\n").unwrap();
        do_it(demo, "exportfs -ra");
    };
    let wanted = nfs_root(Populate::Directory { path: "/srv/system".into() });
    let machine = Machine::new(&Request::NfsRoot(wanted.clone()), system);
    assert!(machine.work("run", 0));
    let told = machine.told();
    assert!(
        told["/var/lib/nfs/etab"].contains("/srv/web1-root\t192.0.2.21("),
        "the server does not export it: {}",
        told["/var/lib/nfs/etab"]
    );
    assert!(told["/srv/web1-root/marker"].contains("it is here") && !told["/srv/web1-root/etc/fstab"].contains("sda1"));
    let shown = machine.domkeep(&["show", "web1"], 0);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("192.0.2.10:/srv/web1-root"), "nobody sees where its state lies: {shown}");
    sweep(&Request::NfsRoot(wanted), system, 25);
}
