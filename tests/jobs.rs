//! Jobs of the built program on the demo machine: killed at every point of a plan with every kind of step, finished and undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domkeep::model::bundle::{MANIFEST_VERSION, Manifest, Piece};
use domkeep::model::{Action, Check, Cleanup, Cmd, DiskCopy, JobId, JobState, Keeping, Location, Outcome, Plan, Request, Risk, Step, Undo};

use machine::{Machine, kill_at_each_point, text};

/// A machine with a job that was not begun yet.
fn planned() -> Machine {
    Machine::laid_out(|root| {
        let tree = root.join("tree");
        let source = std::fs::File::create(tree.join("srv/source.img")).unwrap();
        source.set_len(5 << 20).unwrap();
        source.write_all_at(&vec![7; 300_000], 1_000_000).unwrap();
        source.write_all_at(b"end", (5 << 20) - 3).unwrap();
        std::fs::write(tree.join("etc/xen/try.cfg"), "old").unwrap();
        std::fs::set_permissions(tree.join("etc/xen/try.cfg"), std::fs::Permissions::from_mode(0o640)).unwrap();
        plan()
    })
}

/// Everything that jobs may touch: names, modes and bytes.
fn tree(machine: &Machine) -> BTreeMap<String, String> {
    machine.described(&["/srv", "/etc/xen", "/dev/xenvols"], |_, path| Some(described(path)))
}

fn described(path: &Path) -> String {
    let facts = path.symlink_metadata().unwrap();
    let mode = facts.permissions().mode() & 0o7777;
    if facts.is_dir() {
        format!("directory {mode:o}")
    } else if facts.is_file() && facts.len() < 64 << 20 {
        let hash = blake3::hash(&std::fs::read(path).unwrap());
        format!("{mode:o} {} {}", facts.len(), hash.to_hex())
    } else {
        format!("{mode:o} {}", facts.len())
    }
}

fn step(says: &str, action: Action) -> Step {
    Step { says: says.into(), why: "it is wanted".into(), action, undo: Undo::Own, cleanup: None, done: None }
}

fn lvcreate(name: &str) -> Step {
    Step {
        done: Some(Check::Exists { path: format!("/dev/xenvols/{name}").into() }),
        undo: Undo::By { action: Box::new(lvremove(name)) },
        ..step("make a volume", Action::Run { cmd: Cmd::changes("lvcreate", ["-L", "8M", "-n", name, "xenvols"]) })
    }
}

fn lvremove(name: &str) -> Action {
    Action::Run { cmd: Cmd::changes("lvremove", ["-f", &format!("xenvols/{name}")]) }
}

fn file(path: &str) -> Location {
    Location::File { path: path.into() }
}

/// Every kind of step.
fn plan() -> Plan {
    let partial = "/srv/.bundle.partial";
    let source = file("/srv/source.img");
    let scratch = Check::Exists { path: "/dev/xenvols/scratch".into() };
    let piece = |name: &str, kind: &str| Piece::new(name, kind, 0, "/srv/source.img".into());
    let time = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let draft = Manifest {
        version: MANIFEST_VERSION,
        id: "0123456789abcdef".into(),
        domain: "web1".into(),
        uuid: None,
        host: "host.example.com".into(),
        tool: "0.1.0".into(),
        consistency: "the domain was off".into(),
        strategy: None,
        torn: None,
        full_because: None,
        started: time,
        instant: time,
        ended: time,
        pieces: vec![piece("xvda.img", "disk"), piece("config", "config")],
        left_out: Vec::new(),
    };
    let copied = DiskCopy {
        label: "xvda".into(),
        from: source.clone(),
        to: file(&format!("{partial}/xvda.img")),
        new: true,
        hashes_to: Some(format!("{partial}/xvda.img.hashes").into()),
        hashes_from: None,
        verify: false,
        keeping: Keeping::default(),
    };
    let back = DiskCopy {
        label: "back".into(),
        from: file("/srv/bundle/xvda.img"),
        to: Location::Device { path: "/dev/xenvols/restored".into() },
        new: false,
        hashes_to: None,
        hashes_from: Some("/srv/bundle/xvda.img.hashes".into()),
        verify: true,
        keeping: Keeping::default(),
    };
    let steps = vec![
        step("look at the disk", Action::Witness { domain: Some("no-such-domain".into()), disks: vec![source] }),
        step("make the bundle's directory", Action::MakeDirectory { path: partial.into(), mode: 0o700 }),
        step("copy the disk", Action::Copy { copies: vec![copied], at_once: 2, rate: None }),
        step(
            "write the config",
            Action::WriteFile { path: format!("{partial}/config").into(), bytes: b"name = 'web1'\n".to_vec(), mode: 0o600 },
        ),
        step("look again", Action::CompareWitness),
        step("seal", Action::SealBundle { partial: partial.into(), bundle: "/srv/bundle".into(), draft: Box::new(draft), instant: None }),
        step("verify", Action::VerifyBundle { bundle: "/srv/bundle".into(), pieces: Vec::new() }),
        step(
            "change the config",
            Action::ReplaceFile {
                path: "/etc/xen/try.cfg".into(),
                bytes: b"new".to_vec(),
                expect_blake3: blake3::hash(b"old").to_hex().to_string(),
            },
        ),
        step("make a sparse disk", Action::MakeSparse { path: "/srv/disk.img".into(), bytes: 9 << 20, mode: 0o600 }),
        step("name it", Action::Rename { from: "/srv/disk.img".into(), to: "/srv/disk2.img".into(), expect: None }),
        lvcreate("restored"),
        Step {
            undo: Undo::Nothing,
            cleanup: Some(Cleanup { says: "remove the scratch volume".into(), action: lvremove("scratch"), needed: Some(scratch) }),
            ..lvcreate("scratch")
        },
        Step {
            undo: Undo::Impossible { why: "the volume was empty".into() },
            ..step("bring the disk back", Action::Copy { copies: vec![back], at_once: 1, rate: None })
        },
        step("wait", Action::WaitFor { check: Check::Exists { path: "/srv/disk2.img".into() }, limit_seconds: 5 }),
    ];
    Plan {
        schema: domkeep::model::plan::PLAN_SCHEMA,
        id: JobId::new(time, domkeep::job::random()),
        title: "every kind of step".into(),
        request: Request::Start { domain: "web1".into(), config: None },
        steps,
        warnings: Vec::new(),
        risk: Risk::Touches,
        confirm: None,
        locks: vec![Plan::domain_lock("web1")],
        assumptions: Vec::new(),
        stretches: Vec::new(),
        evidence: Vec::new(),
        edits: Vec::new(),
    }
}

/// What a finished job leaves, with what differs from run to run made equal: the manifest's times are the demo's, which stand still.
fn finished() -> BTreeMap<String, String> {
    let machine = planned();
    assert!(machine.work("run", 0));
    assert_eq!(machine.summary().state, JobState::Ended { outcome: Outcome::Done });
    let tree = tree(&machine);
    for path in
        ["/srv/bundle/manifest.toml", "/srv/bundle/RESTORE.txt", "/srv/bundle/config.hashes", "/srv/disk2.img", "/dev/xenvols/restored"]
    {
        assert!(tree.contains_key(path), "{path} is missing");
    }
    assert!(!tree.keys().any(|path| path.contains("partial") || path.contains("scratch")), "{:?}", tree.keys());
    general(tree)
}

/// A job that was interrupted has other times in its manifest.
fn general(mut tree: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for text in ["manifest.toml", "RESTORE.txt"] {
        if let Some(facts) = tree.get_mut(&format!("/srv/bundle/{text}")) {
            *facts = "is there".into();
        }
    }
    tree
}

#[test]
fn a_job_killed_at_any_point_can_be_finished() {
    let wanted = finished();
    let points = kill_at_each_point(planned, |point, machine| {
        let summary = machine.summary();
        if let JobState::Ended { .. } = summary.state {
            assert_eq!(general(tree(machine)), wanted, "killed at point {point}: it ended, and is not whole");
            return;
        }
        assert!(matches!(summary.state, JobState::Leftover { .. } | JobState::Running), "killed at point {point}: {:?}", summary.state);
        assert_eq!(summary.can_finish, Ok(()), "killed at point {point}");
        // The recovery is killed too, a little later each time.
        let mut stop = point % 7 + 1;
        while !machine.work("finish", if point % 5 == 0 { stop } else { 0 }) {
            stop += 9;
        }
        assert_eq!(general(tree(machine)), wanted, "killed at point {point}, and finished: it is not whole, or something was left behind");
        assert_eq!(machine.summary().state, JobState::Ended { outcome: Outcome::Done });
        assert!(machine.work("finish", 0));
        assert_eq!(general(tree(machine)), wanted, "killed at point {point}: a second recovery changed something");
    });
    assert!(points > 100, "only {points} points were tried: the runner does not kill itself where it should");
}

#[test]
fn a_job_killed_at_any_point_can_be_undone() {
    let strangers = ["/srv/disk2.img", "/srv/bundle"];
    let points = kill_at_each_point(planned, |point, machine| {
        if let JobState::Ended { .. } = machine.summary().state {
            return;
        }
        let planted: Vec<PathBuf> = strangers.iter().map(|path| machine.path(path)).filter(|path| !path.exists()).collect();
        for path in &planted {
            std::fs::write(path, "a stranger's").unwrap();
        }
        let mut stop = point % 7 + 1;
        while !machine.work("undo", if point % 5 == 0 { stop } else { 0 }) {
            stop += 9;
        }
        for path in &planted {
            assert_eq!(std::fs::read_to_string(path).unwrap(), "a stranger's", "killed at point {point}: {} is lost", path.display());
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(machine.summary().state, JobState::Ended { outcome: Outcome::Undone }, "killed at point {point}");
        let before = tree(&planned());
        assert_eq!(tree(machine), before, "killed at point {point}, and undone: it is not as it was");
        assert!(machine.work("undo", 0));
        assert_eq!(tree(machine), before, "killed at point {point}: a second recovery changed something");
    });
    assert!(points > 100, "only {points} points were tried: the runner does not kill itself where it should");
}

/// Until something is so; a minute is too long for anything here.
fn until(what: &str, so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{what}: not in a minute");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A job that waits for /srv/go, launched; and the process that carries it out.
fn launched() -> (Machine, rustix::process::Pid) {
    let mut machine = planned();
    let wait = Action::WaitFor { check: Check::Exists { path: "/srv/go".into() }, limit_seconds: 600 };
    machine.plan = Plan {
        id: JobId::new(chrono::DateTime::from_timestamp(1_790_000_001, 0).unwrap(), domkeep::job::random()),
        locks: vec![Plan::domain_lock("db1")],
        steps: vec![step("write", Action::WriteFile { path: "/srv/one".into(), bytes: b"1".to_vec(), mode: 0o600 }), step("wait", wait)],
        ..plan()
    };
    let folder = machine.store().create(&machine.plan).unwrap();
    let options = ["--demo=lab".into(), "--demo-root".into(), machine.root().into_os_string()];
    let launcher = domkeep::job::Launcher::new(machine.store(), env!("CARGO_BIN_EXE_domkeep").into(), options.to_vec());
    launcher.start(&folder).unwrap();
    let pid = machine.store().detail(&machine.plan.id).unwrap().events.iter().find_map(|event| match event.what {
        domkeep::model::What::JobStarted { pid, .. } => Some(pid),
        _ => None,
    });
    until("the first step", || machine.summary().steps_done == 1);
    let pid = rustix::process::Pid::from_raw(pid.unwrap()).unwrap();
    (machine, pid)
}

#[test]
fn a_launched_job_outlives_its_terminal_and_can_be_followed_and_cancelled() {
    use rustix::process::{Signal, getsid, kill_process};
    let (machine, runner) = launched();
    let id = machine.plan.id.as_str();
    assert_eq!(getsid(Some(runner)).unwrap(), runner, "the job is in its terminal's session, and ends with it");
    kill_process(runner, Signal::HUP).unwrap();
    let listed = text(&machine.domkeep(&["jobs"], 0));
    assert!(listed.contains(&format!("{id}  every kind of step\n    running, 1 of 2 steps done, at: wait")), "{listed}");
    let again = machine.domkeep(&["run-job", id, "--work", "finish"], 0);
    assert!(text(&again).contains("is at work already"), "two runners work on one job: {}", text(&again));

    std::thread::scope(|scope| {
        let follower = scope.spawn(|| machine.domkeep(&["jobs", "follow", id, "--json"], 0));
        std::thread::sleep(std::time::Duration::from_millis(300));
        let cancelled = machine.domkeep(&["jobs", "cancel", id], 0);
        assert!(cancelled.status.success(), "{}", text(&cancelled));
        let followed = follower.join().unwrap();
        assert_eq!(followed.status.code(), Some(1), "a script takes a cancelled job for a good one");
        let events: Vec<domkeep::model::Event> =
            String::from_utf8(followed.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(matches!(&events.last().unwrap().what, domkeep::model::What::JobEnded { outcome: Outcome::Cancelled }));
    });
    assert!(!machine.path("/srv/one").exists(), "a cancelled job left its file");
    let undo = machine.domkeep(&["jobs", "undo", id], 0);
    assert!(!undo.status.success() && text(&undo).contains("taken back already"), "{}", text(&undo));
}

#[test]
fn a_job_whose_runner_died_is_found_and_finished_by_its_id() {
    use rustix::process::{Signal, kill_process};
    let (machine, runner) = launched();
    let id = machine.plan.id.as_str();
    kill_process(runner, Signal::KILL).unwrap();
    until("its end", || matches!(machine.summary().state, JobState::Leftover { .. }));
    let listed = text(&machine.domkeep(&["jobs"], 0));
    assert!(listed.contains("interrupted") && listed.contains(&format!("domkeep jobs finish {id}")), "{listed}");
    let followed = machine.domkeep(&["jobs", "follow", id], 0);
    assert_eq!(followed.status.code(), Some(2), "whoever follows an interrupted job waits for ever: {}", text(&followed));
    let second = Plan { id: JobId::new(chrono::Utc::now(), 7), ..machine.plan.clone() };
    let refused = machine.store().create(&second).unwrap_err().to_string();
    assert!(refused.contains("an interrupted job stands in the way") && refused.contains(id), "{refused}");

    std::fs::write(machine.path("/srv/go"), "").unwrap();
    let beginning = id.get(..24).unwrap();
    let finished = machine.domkeep(&["jobs", "finish", beginning], 0);
    assert_eq!(finished.status.code(), Some(0), "{}", text(&finished));
    assert!(text(&finished).contains("step 2 of 2: wait"), "{}", text(&finished));
    assert_eq!(std::fs::read_to_string(machine.path("/srv/one")).unwrap(), "1");
    let json: serde_json::Value = serde_json::from_slice(&machine.domkeep(&["jobs", "--json"], 0).stdout).unwrap();
    assert_eq!(json["jobs"][0]["state"]["outcome"], "done", "{json}");
}

#[test]
fn a_runner_that_is_told_to_end_takes_its_work_back() {
    use rustix::process::{Signal, kill_process};
    let (machine, runner) = launched();
    kill_process(runner, Signal::TERM).unwrap();
    until("its end", || machine.summary().state == JobState::Ended { outcome: Outcome::Cancelled });
    assert!(!machine.path("/srv/one").exists());
}

#[test]
fn a_job_that_cannot_begin_leaves_no_folder_and_says_why() {
    let machine = planned();
    let other = Plan { id: JobId::new(chrono::Utc::now(), 8), locks: vec!["x".into()], ..plan() };
    let folder = machine.store().create(&other).unwrap();
    let launcher = domkeep::job::Launcher::new(machine.store(), env!("CARGO_BIN_EXE_domkeep").into(), vec!["--demo=no-such".into()]);
    let problem = launcher.start(&folder).unwrap_err().to_string();
    assert!(problem.contains("there is no demo machine `no-such`"), "{problem}");
    assert!(machine.store().open(&other.id).is_err(), "a job that never began stays in the list");
}
