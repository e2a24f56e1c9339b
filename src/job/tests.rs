//! The runner on a demo machine, in this process. Kills are tried with the built program in `tests/jobs.rs`.
#![allow(clippy::disallowed_methods, reason = "a test may move the jobs' folder about")]

use std::path::Path;

use super::*;
use crate::host::demo::Demo;
use crate::host::{Act, Look};
use crate::model::{
    Action, Assumption, Check, Cleanup, Cmd, DiskCopy, Event, Held, HostPath, JobId, JobState, Location, Made, Outcome, Phase, Request,
    Risk, Step, Stretch, Undo, What,
};

struct Machine {
    demo: Demo,
    store: Store,
    _dir: tempfile::TempDir,
}

fn machine() -> Machine {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("machine");
    let demo = Demo::open("lab", &root).unwrap();
    Machine { demo, store: Store::of_demo(&root), _dir: dir }
}

fn holds(demo: &Demo, check: &Check) -> Held {
    match check {
        Check::Exists { path } => match demo.stat(path.as_path(), false) {
            Ok(_) => Held::Yes,
            Err(error) => Held::No { because: error.to_string() },
        },
        Check::Not { that } => match holds(demo, that) {
            Held::Yes => Held::No { because: "it holds".into() },
            Held::No { .. } => Held::Yes,
            unknown @ Held::Unknown { .. } => unknown,
        },
        Check::DomainPresent { name } if name == "off" => Held::No { because: "off is off".into() },
        Check::DomainPresent { .. } => Held::Yes,
        _ => Held::Unknown { why: "this test does not ask it".into() },
    }
}

impl Machine {
    fn carry_out(&self, id: &JobId, work: Work) -> Result<Outcome, Problem> {
        carry_out(&self.store, id, work, &self.demo, &|check| holds(&self.demo, check), &mut |_| ())
    }

    fn run(&self, plan: &Plan) -> Outcome {
        self.store.create(plan).unwrap();
        self.carry_out(&plan.id, Work::Run).unwrap()
    }

    fn text(&self, path: &str) -> Option<String> {
        self.demo.read_at(Path::new(path), 0, 1 << 20).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let listing = self.demo.list(Path::new(dir), 1000).unwrap();
        listing.entries.iter().map(|entry| entry.name.to_string()).collect()
    }

    fn put(&self, path: &str, text: &str) {
        use std::io::Write;
        self.demo.create(Path::new(path), 0o644).unwrap().file.write_all(text.as_bytes()).unwrap();
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        schema: crate::model::plan::PLAN_SCHEMA,
        id: JobId::new(chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(), random()),
        title: "try".into(),
        request: Request::Start { domain: "web".into(), config: None },
        steps,
        warnings: Vec::new(),
        risk: Risk::Adds,
        confirm: None,
        locks: vec![Plan::domain_lock("web")],
        assumptions: Vec::new(),
        stretches: Vec::new(),
        evidence: Vec::new(),
        edits: Vec::new(),
    }
}

fn step(action: Action) -> Step {
    Step { says: "does it".into(), why: "it is wanted".into(), action, undo: Undo::Own, cleanup: None, done: None }
}

fn write(path: &str, text: &str) -> Step {
    step(Action::WriteFile { path: path.into(), bytes: text.into(), mode: 0o640 })
}

fn never() -> Step {
    step(Action::WaitFor { check: Check::Exists { path: "/never".into() }, limit_seconds: 0 })
}

fn volume(name: &str) -> Step {
    let there = Check::Exists { path: format!("/dev/xenvols/{name}").into() };
    let remove = Action::Run { cmd: Cmd::changes("lvremove", ["-f", &format!("xenvols/{name}")]) };
    Step {
        undo: Undo::By { action: Box::new(remove) },
        done: Some(there),
        ..step(Action::Run { cmd: Cmd::changes("lvcreate", ["-L", "4M", "-n", name, "xenvols"]) })
    }
}

#[test]
fn files_are_made_as_asked_and_nothing_else() {
    let machine = machine();
    let before = machine.names("/srv");
    let outcome = machine.run(&plan(vec![
        step(Action::MakeDirectory { path: "/srv/new".into(), mode: 0o700 }),
        write("/srv/new/web.cfg", "name = 'web'\n"),
        step(Action::MakeSparse { path: "/srv/new/disk.img".into(), bytes: 5 << 20, mode: 0o600 }),
        step(Action::Rename { from: "/srv/new".into(), to: "/srv/web".into(), expect: None }),
    ]));
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(machine.names("/srv/web"), ["disk.img", "web.cfg"], "temporary files were left behind");
    assert_eq!(machine.text("/srv/web/web.cfg").unwrap(), "name = 'web'\n");
    let stat = machine.demo.stat(Path::new("/srv/web/web.cfg"), false).unwrap();
    assert_eq!(stat.mode & 0o7777, 0o640, "the umask took rights away that were asked for");
    let disk = machine.demo.stat(Path::new("/srv/web/disk.img"), false).unwrap();
    assert_eq!((disk.size, disk.blocks), (5 << 20, 0), "a sparse disk takes room");
    assert_eq!(machine.names("/srv").len(), before.len() + 1);
    let listed = machine.store.list().unwrap();
    assert_eq!(listed[0].state, JobState::Ended { outcome: Outcome::Done });
    assert_eq!((listed[0].steps_done, listed[0].steps), (4, 4));
}

#[test]
fn a_failure_takes_everything_back_and_a_strangers_file_stays() {
    let machine = machine();
    let before = (machine.names("/srv"), machine.names("/dev/xenvols"));
    machine.put("/srv/taken.cfg", "a stranger's");
    let plan = plan(vec![
        step(Action::MakeDirectory { path: "/srv/new".into(), mode: 0o700 }),
        write("/srv/new/web.cfg", "x"),
        volume("jobvol"),
        write("/srv/taken.cfg", "mine"),
    ]);
    let Outcome::Failed { why } = machine.run(&plan) else { panic!("a file was written over a stranger's") };
    assert!(why.contains("/srv/taken.cfg is there already"), "{why}");
    assert_eq!(machine.text("/srv/taken.cfg").unwrap(), "a stranger's");
    machine.demo.remove(Path::new("/srv/taken.cfg"), inode(&machine.demo, "/srv/taken.cfg")).unwrap();
    assert_eq!((machine.names("/srv"), machine.names("/dev/xenvols")), before, "a failed job left something behind");
    assert_eq!(machine.carry_out(&plan.id, Work::Undo).unwrap(), Outcome::Failed { why }, "a job that was taken back is taken back again");
}

fn inode(demo: &Demo, path: &str) -> (u64, u64) {
    let stat = demo.stat(Path::new(path), false).unwrap();
    (stat.dev, stat.ino)
}

#[test]
fn a_file_is_replaced_only_when_it_is_the_one_that_was_seen() {
    let machine = machine();
    machine.put("/etc/xen/try.cfg", "old");
    let replace = |expect: &str| {
        let expect_blake3 = blake3::hash(expect.as_bytes()).to_hex().to_string();
        step(Action::ReplaceFile { path: "/etc/xen/try.cfg".into(), bytes: b"new".to_vec(), expect_blake3 })
    };
    let names = machine.names("/etc/xen");
    assert_eq!(machine.run(&plan(vec![replace("old")])), Outcome::Done);
    assert_eq!(machine.text("/etc/xen/try.cfg").unwrap(), "new");
    assert_eq!(machine.demo.stat(Path::new("/etc/xen/try.cfg"), false).unwrap().mode & 0o777, 0o644, "a config's mode was changed");
    let Outcome::Failed { why } = machine.run(&plan(vec![replace("old")])) else { panic!("somebody's edit was lost") };
    assert!(why.contains("was changed since"), "{why}");
    assert!(matches!(machine.run(&plan(vec![replace("new"), never()])), Outcome::Failed { .. }));
    assert_eq!(machine.text("/etc/xen/try.cfg").unwrap(), "new", "a failed job did not put the old file back");
    assert_eq!(machine.names("/etc/xen"), names);
}

#[test]
fn what_must_hold_is_looked_at_before_each_step_and_unknown_does_not_hold() {
    let machine = machine();
    let free = |through| Assumption { says: "/srv/b is free".into(), check: Check::Exists { path: "/srv/b".into() }.negated(), through };
    let steps = || vec![write("/srv/a", "a"), write("/srv/b", "b"), write("/srv/c", "c")];
    let held = Plan { assumptions: vec![free(Some(1))], ..plan(steps()) };
    assert_eq!(machine.run(&held), Outcome::Done, "an assumption was held against a step after its last");
    let broken = Plan { assumptions: vec![free(None)], ..plan(vec![write("/srv/d", "d")]) };
    let Outcome::Failed { why } = machine.run(&broken) else { panic!("a plan went on though what it takes for granted is gone") };
    assert!(why.contains("/srv/b is free"), "{why}");
    let unknown = Assumption { says: "there is room".into(), check: Check::Space { path: "/".into(), bytes: 1 }, through: None };
    let unknown = Plan { assumptions: vec![unknown], ..plan(vec![write("/srv/d", "d")]) };
    assert!(matches!(machine.run(&unknown), Outcome::Failed { .. }), "what cannot be found out was taken for granted");
    assert!(machine.text("/srv/d").is_none());
}

#[test]
fn a_cleanup_always_runs_and_a_failing_one_can_be_tried_again() {
    let machine = machine();
    let there = Check::Exists { path: "/dev/xenvols/jobtmp".into() };
    let remove = Action::Run { cmd: Cmd::changes("lvremove", ["-f", "xenvols/jobtmp"]) };
    let cleaned = |action: Action| Step {
        undo: Undo::Nothing,
        cleanup: Some(Cleanup { says: "remove the scratch volume".into(), action, needed: Some(there.clone()) }),
        ..volume("jobtmp")
    };
    for (last, good) in [(write("/srv/x", "x"), true), (never(), false)] {
        let outcome = machine.run(&plan(vec![cleaned(remove.clone()), last]));
        assert_eq!(outcome == Outcome::Done, good);
        assert!(!machine.names("/dev/xenvols").contains(&"jobtmp".to_owned()), "a scratch volume stays and fills up");
    }
    let wrong = plan(vec![cleaned(Action::Run { cmd: Cmd::changes("lvremove", ["-f", "xenvols/no-such"]) })]);
    let Outcome::Failed { why } = machine.run(&wrong) else { panic!("a cleanup that failed was called good") };
    assert!(why.contains("remove the scratch volume"), "{why}");
    let summary = machine.store.detail(&wrong.id).unwrap().summary;
    assert_eq!(summary.can_finish, Ok(()), "what is left over cannot be cleaned up");
    machine.demo.machine(&["lvremove", "-f", "xenvols/jobtmp"].map(str::to_owned));
    assert_eq!(machine.carry_out(&wrong.id, Work::Finish).unwrap(), Outcome::Done);
}

#[test]
fn two_jobs_on_one_domain_do_not_meet() {
    let machine = machine();
    let first = plan(vec![write("/srv/x", "x")]);
    let _held = machine.store.create(&first).map(|_| machine.store.lock(&first).unwrap()).unwrap();
    let problem = machine.store.create(&plan(vec![write("/srv/y", "y")])).unwrap_err();
    assert!(problem.what.contains(first.id.as_str()) && problem.what.contains("domain web"), "who is in the way? {problem}");
    let other = Plan { locks: vec![Plan::domain_lock("db")], ..plan(Vec::new()) };
    assert_eq!(machine.run(&other), Outcome::Done, "a job on another domain had to wait");
}

#[test]
fn a_plan_of_another_version_is_not_carried_out_but_told() {
    let machine = machine();
    let plan = plan(vec![write("/srv/x", "x")]);
    let folder = machine.store.create(&plan).unwrap();
    let mut value = serde_json::to_value(&plan).unwrap();
    value["schema"] = 99.into();
    folder.dir().put("plan.json", value.to_string().as_bytes()).unwrap();
    let problem = machine.carry_out(&plan.id, Work::Run).unwrap_err();
    assert!(
        problem.to_string().contains("version 99") && problem.to_string().contains("1. does it") && problem.to_string().contains("/srv/x"),
        "{problem}"
    );
    assert!(machine.text("/srv/x").is_none(), "a plan was guessed at");
    let listed = machine.store.list().unwrap();
    assert!(matches!(&listed[0].state, JobState::Unreadable { why } if why.contains("version 99")), "{listed:?}");
}

#[test]
fn jobs_that_somebody_else_may_write_to_are_not_touched() {
    use std::os::unix::fs::PermissionsExt;
    let machine = machine();
    let plan = plan(vec![write("/srv/x", "x")]);
    let folder = machine.store.create(&plan).unwrap();
    let jobs = folder.dir().path().parent().unwrap().to_owned();
    std::fs::set_permissions(&jobs, std::fs::Permissions::from_mode(0o777)).unwrap();
    let problem = machine.carry_out(&plan.id, Work::Run).unwrap_err();
    assert!(problem.to_string().contains("others may write to it (mode 777)"), "{problem}");
    std::fs::set_permissions(&jobs, std::fs::Permissions::from_mode(0o700)).unwrap();
    let aside = jobs.with_file_name("aside");
    std::fs::rename(&jobs, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &jobs).unwrap();
    let problem = machine.carry_out(&plan.id, Work::Run).unwrap_err();
    assert!(problem.to_string().contains("symbolic link"), "a plan was read through a link: {problem}");
    assert!(machine.text("/srv/x").is_none());
}

/// A job whose journal ends after its first `events`.
fn cut(machine: &Machine, plan: &Plan, events: usize) -> Vec<Event> {
    let folder = machine.store.open(&plan.id).unwrap();
    let text = String::from_utf8(folder.dir().read("journal.jsonl", 1 << 20).unwrap().unwrap()).unwrap();
    let kept: String = text.split_inclusive('\n').take(events).collect();
    folder.dir().put("journal.jsonl", kept.as_bytes()).unwrap();
    kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_undo_never_takes_a_file_that_only_has_the_name() {
    let machine = machine();
    let plan = plan(vec![write("/srv/x", "mine")]);
    assert_eq!(machine.run(&plan), Outcome::Done);
    let events = cut(&machine, &plan, 3);
    assert!(matches!(events.last().unwrap().what, What::Made { made: Made::File { .. }, .. }));
    machine.demo.remove(Path::new("/srv/x"), inode(&machine.demo, "/srv/x")).unwrap();
    machine.put("/srv/other", "");
    machine.put("/srv/x", "a stranger's");
    assert!(matches!(machine.store.detail(&plan.id).unwrap().summary.state, JobState::Leftover { child: None }));
    let taken = inode(&machine.demo, "/srv/x");
    let Made::File { inode: ours, .. } = events
        .iter()
        .find_map(|event| match &event.what {
            What::Made { made, .. } => Some(made.clone()),
            _ => None,
        })
        .unwrap()
    else {
        panic!()
    };
    if taken != ours {
        assert_eq!(machine.carry_out(&plan.id, Work::Undo).unwrap(), Outcome::Undone);
        assert_eq!(machine.text("/srv/x").unwrap(), "a stranger's", "a file that the job did not make was removed");
    }
}

#[test]
fn a_command_that_was_interrupted_is_decided_by_the_host_or_by_a_person() {
    let machine = machine();
    let known = plan(vec![volume("jobvol"), write("/srv/x", "x")]);
    assert_eq!(machine.run(&known), Outcome::Done);
    let events = cut(&machine, &known, 2);
    assert!(matches!(events[1].what, What::StepStarted { step: 0, phase: Phase::Do }));
    let x = inode(&machine.demo, "/srv/x");
    machine.demo.remove(Path::new("/srv/x"), x).unwrap();
    assert_eq!(machine.carry_out(&known.id, Work::Finish).unwrap(), Outcome::Done, "a volume that is there was made again");

    let unknown = plan(vec![Step { done: None, ..volume("second") }, write("/srv/y", "y")]);
    assert_eq!(machine.run(&unknown), Outcome::Done);
    cut(&machine, &unknown, 2);
    let summary = machine.store.detail(&unknown.id).unwrap().summary;
    assert!(summary.can_finish.is_err() && summary.can_undo.is_ok(), "{summary:?}");
    let problem = machine.carry_out(&unknown.id, Work::Finish).unwrap_err();
    assert!(problem.to_string().contains("nobody knows whether it is done"), "{problem}");
    let y = inode(&machine.demo, "/srv/y");
    machine.demo.remove(Path::new("/srv/y"), y).unwrap();
    assert_eq!(machine.carry_out(&unknown.id, Work::Undo).unwrap(), Outcome::Undone);
    assert!(!machine.names("/dev/xenvols").contains(&"second".to_owned()));
}

#[test]
fn a_stretch_that_was_cut_off_is_begun_again_from_its_first_step() {
    let machine = machine();
    let mut plan = plan(vec![
        write("/srv/before", "x"),
        Step { done: None, ..volume("inside") },
        step(Action::MakeDirectory { path: "/srv/inside".into(), mode: 0o700 }),
        step(Action::Run { cmd: Cmd::changes("sync", ["-f", "/srv"]) }),
        write("/srv/after", "x"),
    ]);
    let remove = Action::Run { cmd: Cmd::changes("lvremove", ["-f", "xenvols/inside"]) };
    let needed = Some(Check::Exists { path: "/dev/xenvols/inside".into() });
    plan.stretches = vec![Stretch { first: 1, last: 3, reset: Some(Cleanup { says: "remove it".into(), action: remove, needed }) }];
    assert_eq!(machine.run(&plan), Outcome::Done);
    let events = cut(&machine, &plan, usize::MAX);
    let in_the_last = events.iter().position(|event| matches!(event.what, What::StepStarted { step: 3, .. })).unwrap() + 1;
    cut(&machine, &plan, in_the_last);
    machine.demo.remove(Path::new("/srv/after"), inode(&machine.demo, "/srv/after")).unwrap();

    assert_eq!(machine.store.detail(&plan.id).unwrap().summary.can_finish, Ok(()), "a program that was cut off leaves nothing but undo");
    assert_eq!(machine.carry_out(&plan.id, Work::Finish).unwrap(), Outcome::Done, "what stood in the way was not removed first");
    let told = cut(&machine, &plan, usize::MAX);
    let again = told.into_iter().find_map(|event| if let What::Again { steps } = event.what { Some(steps) } else { None });
    assert_eq!(again, Some(vec![1, 3]), "what the job made itself would be made twice, or a half-done step be taken for done");
    assert_eq!(machine.text("/srv/after").as_deref(), Some("x"));

    cut(&machine, &plan, in_the_last);
    assert_eq!(machine.carry_out(&plan.id, Work::Undo).unwrap(), Outcome::Undone);
    assert!(!machine.names("/dev/xenvols").contains(&"inside".to_owned()), "an undo leaves what a cut-off program made");
}

#[test]
fn a_look_that_was_interrupted_is_looked_again() {
    let machine = machine();
    let looks = step(Action::Run { cmd: Cmd::reads("lvs", ["--reportformat", "json", "--units", "b", "-o", "lv_name"]) });
    let plan = plan(vec![looks, write("/srv/x", "x")]);
    assert_eq!(machine.run(&plan), Outcome::Done);
    cut(&machine, &plan, 2);
    let x = inode(&machine.demo, "/srv/x");
    machine.demo.remove(Path::new("/srv/x"), x).unwrap();
    let summary = machine.store.detail(&plan.id).unwrap().summary;
    assert_eq!(summary.can_finish, Ok(()), "a job that was killed while it looked at something could not be finished");
    assert_eq!(machine.carry_out(&plan.id, Work::Finish).unwrap(), Outcome::Done);
}

#[test]
fn a_running_job_can_be_cancelled_and_an_ended_one_not() {
    let machine = machine();
    let forever = step(Action::WaitFor { check: Check::Exists { path: "/never".into() }, limit_seconds: 3600 });
    let plan = plan(vec![write("/srv/x", "x"), forever]);
    machine.store.create(&plan).unwrap();
    let store = machine.store.clone();
    let id = plan.id.clone();
    let canceller = std::thread::spawn(move || {
        while !matches!(store.detail(&id).unwrap().summary, crate::model::JobSummary { steps_done: 1, state: JobState::Running, .. }) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        store.cancel(&id).unwrap();
    });
    assert_eq!(machine.carry_out(&plan.id, Work::Run).unwrap(), Outcome::Cancelled);
    canceller.join().unwrap();
    assert!(machine.text("/srv/x").is_none(), "a cancelled job left its file behind");
    assert!(machine.store.cancel(&plan.id).unwrap_err().to_string().contains("has ended"));
}

fn copy(from: &str, to: Location, new: bool) -> DiskCopy {
    let from = if from.starts_with("/dev/") { Location::Device { path: from.into() } } else { Location::File { path: from.into() } };
    DiskCopy {
        label: "xvda".into(),
        from,
        to,
        new,
        hashes_to: None,
        hashes_from: None,
        verify: true,
        keeping: crate::model::Keeping::default(),
    }
}

#[test]
fn disks_are_copied_with_their_hashes_and_back() {
    let machine = machine();
    let file = |path: &str| Location::File { path: path.into() };
    let source = "/dev/xenvols/web1-disk";
    let whole = usize::try_from(machine.demo.device(Path::new(source)).unwrap().bytes).unwrap();
    let bytes = machine.demo.read_at(Path::new(source), 0, whole).unwrap();
    assert!(bytes.iter().any(|byte| *byte != 0));
    let out = [
        DiskCopy { hashes_to: Some("/srv/one.img.hashes".into()), ..copy(source, file("/srv/one.img"), true) },
        DiskCopy { label: "again".into(), ..copy(source, file("/srv/two.img"), true) },
    ];
    let taken = plan(vec![step(Action::Copy { copies: out.to_vec(), at_once: 2, rate: None })]);
    let mut seen = Vec::new();
    machine.store.create(&taken).unwrap();
    let outcome =
        carry_out(&machine.store, &taken.id, Work::Run, &machine.demo, &|_| Held::Yes, &mut |event| seen.push(event.clone())).unwrap();
    assert_eq!(outcome, Outcome::Done);
    for name in ["/srv/one.img", "/srv/two.img"] {
        assert!(machine.demo.read_at(Path::new(name), 0, bytes.len() + 1).unwrap() == bytes, "{name} is not the disk");
        assert_eq!(machine.demo.stat(Path::new(name), false).unwrap().mode & 0o777, 0o600, "a disk's copy can be read by others");
    }
    assert!(machine.names("/srv").iter().all(|name| !name.contains("partial")), "{:?}", machine.names("/srv"));
    for (number, label) in [(0, "xvda"), (1, "again")] {
        let ended = seen.iter().any(|event| {
            matches!(&event.what, What::CopyEnded { part, label: told, result, .. } if (*part, told.as_str()) == (number, label) && result.verified)
        });
        assert!(ended, "nobody is told how the copy of {label} ended");
    }

    let device = Location::Device { path: "/dev/xenvols/jobvol".into() };
    let mut fresh = volume("jobvol");
    fresh.action = Action::Run { cmd: Cmd::changes("lvcreate", ["-L", &format!("{}b", bytes.len()), "-n", "jobvol", "xenvols"]) };
    let back = DiskCopy { hashes_from: Some("/srv/one.img.hashes".into()), ..copy("/srv/one.img", device.clone(), false) };
    let restore = |copy: DiskCopy| plan(vec![step(Action::Copy { copies: vec![copy], at_once: 1, rate: None })]);
    assert_eq!(machine.run(&plan(vec![fresh])), Outcome::Done);
    assert_eq!(machine.run(&restore(back.clone())), Outcome::Done);
    assert!(machine.demo.read_at(Path::new("/dev/xenvols/jobvol"), 0, bytes.len()).unwrap() == bytes, "a restored volume is not the disk");

    let image = machine.demo.open_for_writing(Path::new("/srv/one.img")).unwrap().file;
    std::os::unix::fs::FileExt::write_all_at(&image, b"x", 5000).unwrap();
    let Outcome::Failed { why } = machine.run(&restore(back)) else { panic!("a damaged backup was restored as good") };
    assert!(why.contains("not what they should be"), "{why}");
}

#[test]
fn a_copy_stops_when_it_is_told_to_and_leaves_nothing() {
    let machine = machine();
    let before = machine.names("/srv");
    let slow = copy("/dev/xenvols/web1-disk", Location::File { path: "/srv/slow.img".into() }, true);
    let plan = plan(vec![step(Action::Copy { copies: vec![slow], at_once: 1, rate: Some(10_000) })]);
    machine.store.create(&plan).unwrap();
    let (store, id) = (machine.store.clone(), plan.id.clone());
    let mut began = None;
    let outcome = carry_out(&machine.store, &plan.id, Work::Run, &machine.demo, &|_| Held::Yes, &mut |event| {
        if matches!(event.what, What::Map { .. }) {
            began = Some(std::time::Instant::now());
            store.open(&id).unwrap().wish_to_cancel().unwrap();
        }
    });
    assert_eq!(outcome.unwrap(), Outcome::Cancelled);
    assert!(began.unwrap().elapsed() < std::time::Duration::from_secs(2), "a copy goes on long after it was cancelled");
    assert_eq!(machine.names("/srv"), before);
}

#[test]
fn a_name_that_must_be_typed_is_not_waived() {
    let confirm = crate::model::Confirm { name: "web01".into(), loses: "Everything.".into() };
    let plan = Plan { confirm: Some(confirm), ..plan(Vec::new()) };
    for typed in [None, Some(""), Some("web1"), Some("WEB01")] {
        assert!(check_typed(&plan, typed).is_err(), "{typed:?} was taken for the name");
    }
    check_typed(&plan, Some("web01")).unwrap();
}

#[test]
fn the_folder_has_the_same_name_for_the_tools_of_the_machine() {
    let machine = machine();
    let plan = plan(Vec::new());
    let folder = machine.store.create(&plan).unwrap();
    assert_eq!(folder.path(), &HostPath::from(format!("/var/lib/domkeep/jobs/{}", plan.id)));
    assert!(machine.demo.stat(&folder.path().as_path().join("plan.json"), false).is_ok(), "a plan could not use its job's folder");
}

fn witnessed(disk: Location, meanwhile: Vec<Step>) -> Plan {
    let mut steps = vec![step(Action::Witness { domain: Some("off".into()), disks: vec![disk] })];
    steps.extend(meanwhile);
    steps.push(step(Action::CompareWitness));
    plan(steps)
}

#[test]
fn a_write_while_disks_are_copied_is_never_called_good() {
    let machine = machine();
    let device = || Location::Device { path: "/dev/xenvols/web1-disk".into() };
    let guest_writes = || step(Action::Run { cmd: Cmd::changes("demo-write", ["xenvols/web1-disk", "4096"]) });
    assert_eq!(machine.run(&witnessed(device(), Vec::new())), Outcome::Done, "an untouched volume is called torn");
    let Outcome::Torn { why } = machine.run(&witnessed(device(), vec![guest_writes()])) else {
        panic!("a torn copy of a volume is called good")
    };
    assert!(why.contains("/dev/xenvols/web1-disk") && why.contains("counted writes"), "{why}");

    machine.put("/srv/disk.img", &"x".repeat(3 << 20));
    let image = || Location::File { path: "/srv/disk.img".into() };
    let other = || step(Action::WriteFile { path: "/srv/other".into(), bytes: vec![1], mode: 0o600 });
    assert_eq!(machine.run(&witnessed(image(), vec![other()])), Outcome::Done);
    let plan = witnessed(image(), vec![never()]);
    machine.store.create(&plan).unwrap();
    let outcome = carry_out(
        &machine.store,
        &plan.id,
        Work::Run,
        &machine.demo,
        &|check| match check {
            // While the job waits, somebody writes a byte and sets the clock of the file back.
            Check::Exists { .. } => {
                let file = machine.demo.open_for_writing(Path::new("/srv/disk.img")).unwrap().file;
                let before = file.metadata().unwrap().modified().unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, b"y", 2_000_000).unwrap();
                file.set_modified(before).unwrap();
                Held::Yes
            }
            other => holds(&machine.demo, other),
        },
        &mut |_| (),
    );
    let Outcome::Torn { why } = outcome.unwrap() else { panic!("a torn copy of a file is called good when its time was set back") };
    assert!(why.contains("/srv/disk.img"), "{why}");
    let on = plan_with_domain_on();
    assert!(matches!(machine.run(&on), Outcome::Failed { why } if why.contains("is not off")), "a running domain's disks were copied");
}

fn plan_with_domain_on() -> Plan {
    plan(vec![step(Action::Witness { domain: Some("running".into()), disks: Vec::new() })])
}

#[test]
fn a_command_that_still_runs_is_waited_for() {
    let machine = machine();
    let plan = plan(vec![volume("jobvol"), write("/srv/x", "x")]);
    assert_eq!(machine.run(&plan), Outcome::Done);
    cut(&machine, &plan, 2);
    machine.demo.remove(Path::new("/srv/x"), inode(&machine.demo, "/srv/x")).unwrap();
    let mut sleeper = std::process::Command::new("sleep").arg("1").spawn().unwrap();
    let pid = i32::try_from(sleeper.id()).unwrap();
    let (_, ticks) = child::state(pid).unwrap();
    let child = What::Child { step: 0, pid, started_ticks: ticks, boot_id: child::boot_id() };
    let folder = machine.store.open(&plan.id).unwrap();
    let mut file = folder.dir().open_for_writing("journal.jsonl").unwrap();
    std::io::Write::write_all(
        &mut file,
        (serde_json::to_string(&Event { at: machine.demo.now(), what: child }).unwrap() + "\n").as_bytes(),
    )
    .unwrap();
    assert_eq!(machine.store.detail(&plan.id).unwrap().summary.state, JobState::Leftover { child: Some(pid) });
    let began = std::time::Instant::now();
    let reaper = std::thread::spawn(move || sleeper.wait());
    assert_eq!(machine.carry_out(&plan.id, Work::Finish).unwrap(), Outcome::Done);
    assert!(began.elapsed() > std::time::Duration::from_millis(500), "a step was done again beside its own command");
    reaper.join().unwrap().unwrap();
}

#[test]
fn a_list_of_ended_jobs_says_what_their_journals_say() {
    let machine = machine();
    let plan = plan(vec![write("/srv/x", "x")]);
    assert_eq!(machine.run(&plan), Outcome::Done);
    let listed = machine.store.list().unwrap();
    assert_eq!(listed[0], machine.store.detail(&plan.id).unwrap().summary);
    cut(&machine, &plan, 3);
    assert!(matches!(machine.store.list().unwrap()[0].state, JobState::Leftover { .. }), "an old summary hides an interrupted job");
    machine.store.open(&plan.id).unwrap().dir().put("summary.json", b"{\"journal\": 3").unwrap();
    machine
        .store
        .open(&plan.id)
        .unwrap()
        .dir()
        .put("journal.jsonl", b"garbage\n{\"at\":\"2026-01-01T00:00:00Z\",\"event\":\"job-started\",\"pid\":1,\"boot_id\":\"\"}\n")
        .unwrap();
    assert!(matches!(&machine.store.list().unwrap()[0].state, JobState::Unreadable { why } if why.contains("line 1")));
    assert!(machine.carry_out(&plan.id, Work::Finish).is_err(), "a damaged journal was gone on with");
}
