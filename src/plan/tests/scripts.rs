//! Scripts are run under sh, with programs that only write down what they were given.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;
use crate::model::{Action, Assumption, Check, Cleanup, Cmd, Confirm, DiskCopy, Edit, Keeping, Risk, Step, Undo};

/// What looks, and is answered by the stub.
const LOOKS: [&str; 10] = ["stat", "cmp", "realpath", "mountpoint", "b3sum", "fuser", "lsblk", "awk", "lvs", "grep"];
const DEEDS: [&str; 21] = [
    "lvcreate", "lvremove", "dd", "chmod", "mkdir", "mv", "cp", "rm", "domkeep", "mke2fs", "e2fsck", "mount", "umount", "sync", "tar",
    "debugfs", "xl", "timeout", "env", "id", "touch",
];

struct Ran {
    ok: bool,
    stderr: String,
    /// Each command's words and what it read.
    calls: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
    strangers: Vec<String>,
}

/// Runs a script where every program is a stub.
fn run(script: &str, args: &[&str], answers: &[(&str, &str)]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let (bin, log, work) = (dir.path().join("bin"), dir.path().join("log"), dir.path().join("work"));
    for made in [&bin, &log, &work] {
        std::fs::create_dir(made).unwrap();
    }
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    let stub = "#!/bin/sh\nname=${0##*/}\ncase \"$name $1\" in 'xl domid') /bin/grep -qa create \"$LOG\"/*.argv 2> /dev/null; exit ;; 'xl list') exit 0 ;; esac\n\
                case $name in\n\
                stat) case \"$*\" in *%d:%i*) printf '%s' \"$INODE\" ;; *%d*) printf 2049 ;; *) printf same ;; esac; exit 0 ;;\n\
                cmp) /bin/cat > /dev/null; exit \"${CMP-0}\" ;;\n\
                realpath) for last; do :; done; printf '%s' \"$last\"; exit 0 ;;\n\
                mountpoint) exit \"${MOUNTED-1}\" ;;\n\
                b3sum) printf '%s' \"$B3\"; exit 0 ;;\n\
                fuser|grep) exit 1 ;; awk) printf -- -b----; exit 0 ;; lsblk|lvs) exit 0 ;;\nesac\n\
                n=$(/bin/ls \"$LOG\" | /usr/bin/wc -l); n=$((100000 + n))\n\
                printf '%s\\0' \"$name\" \"$@\" > \"$LOG/$n.argv\"\n/bin/cat > \"$LOG/$n.read\"\n\
                [ \"$FAILS\" != \"$name\" ] || exit 7\n";
    for name in LOOKS.iter().chain(&DEEDS) {
        std::fs::write(bin.join(name), stub).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = dir.path().join("script");
    std::fs::write(&path, script).unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(&path).args(args).current_dir(&work).env_clear().env("PATH", &bin).env("LOG", &log).stdin(std::process::Stdio::null());
    for (key, value) in answers {
        command.env(key, value);
    }
    let output = command.output().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let calls = names
        .iter()
        .filter(|name| name.extension().is_some_and(|ext| ext == "argv"))
        .map(|name| {
            let words = std::fs::read(name).unwrap();
            let words = words.strip_suffix(b"\0").unwrap_or(&words).split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
            (words, std::fs::read(name.with_extension("read")).unwrap())
        })
        .collect();
    let strangers = std::fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    Ran { ok: output.status.success(), stderr: String::from_utf8_lossy(&output.stderr).into_owned(), calls, strangers }
}

/// What the plan's own lines are.
fn expected(plan: &Plan) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let looks = |line: &crate::model::Line| line.argv.first().is_some_and(|word| word == b"stat");
    let lines = plan.steps.iter().flat_map(|step| step.action.lines());
    lines.filter(|line| !looks(line)).map(|line| (line.argv, line.stdin.unwrap_or_default())).collect()
}

fn step(action: Action) -> Step {
    Step { says: "x\nrm -rf /".into(), why: "\u{1b}[2J\n; id".into(), action, undo: Undo::Nothing, cleanup: None, done: None }
}

fn plan_of(steps: Vec<Step>) -> Plan {
    Plan {
        schema: crate::model::plan::PLAN_SCHEMA,
        id: JobId::new(at(0), 1),
        title: "a\nid\n'".into(),
        request: start("web"),
        steps,
        warnings: vec!["$(id)\ntouch pwned".into()],
        risk: Risk::Adds,
        confirm: None,
        locks: Vec::new(),
        assumptions: Vec::new(),
        stretches: Vec::new(),
        evidence: Vec::new(),
        edits: Vec::new(),
    }
}

const NAMES: [&[u8]; 15] = [
    b"plain",
    b"it's",
    b"a b  c",
    b"a\nb",
    b"line end\n\n",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"-rf",
    b"\\",
    b"\"",
    b"'; touch pwned; '",
    b"*",
    b"\xff\xfe",
    b"\x1b[2J%s\\n",
    "ä漢".as_bytes(),
];

#[test]
fn every_word_of_a_script_is_the_word_that_was_meant() {
    for name in NAMES {
        let path = HostPath::from("/srv").join(HostPath::from_bytes(name));
        let other = HostPath::from("/srv/other").join(HostPath::from_bytes(name));
        let text = String::from_utf8_lossy(name).into_owned();
        let location = Location::File { path: path.clone() };
        let copy = DiskCopy {
            label: text.clone(),
            from: location.clone(),
            to: Location::Device { path: other.clone() },
            new: false,
            hashes_to: None,
            hashes_from: None,
            verify: true,
            keeping: Keeping::default(),
        };
        let mut plan = plan_of(vec![
            step(Action::Witness { domain: Some(text.clone()), disks: vec![location.clone()] }),
            step(Action::Run { cmd: Cmd::changes("tar", ["-x", text.as_str(), ""]).with_env("X", &text) }),
            step(Action::WriteFile { path: path.clone(), bytes: name.to_vec(), mode: 0o644 }),
            step(Action::WriteFile { path: path.clone(), bytes: [name, b"\nEND_OF_FILE\n"].concat(), mode: 0o600 }),
            step(Action::WriteFile { path: path.clone(), bytes: Vec::new(), mode: 0o600 }),
            step(Action::WriteBeneath { root: other.clone(), path: "etc/fstab".into(), bytes: b"-x\n".to_vec(), mode: 0o644 }),
            step(Action::ReplaceFile { path: path.clone(), bytes: b"new $HOME `id`\n".to_vec(), expect_blake3: "0123456789abcdef".into() }),
            step(Action::MakeSparse { path: path.clone(), bytes: 1 << 40, mode: 0o600 }),
            step(Action::MakeDirectory { path: path.clone(), mode: 0o700 }),
            step(Action::Rename { from: path.clone(), to: other.clone(), expect: Some((1, 2)) }),
            step(Action::Copy { copies: vec![copy], at_once: 1, rate: Some(1 << 20) }),
            step(Action::WaitFor { check: Check::DomainPresent { name: text.clone() }.negated(), limit_seconds: 3 }),
            step(Action::VerifyBundle { bundle: path.clone(), pieces: vec![text.clone()] }),
            step(Action::RemoveBundle { aside: path.clone(), gone: path.clone(), names: Vec::new() }),
            step(Action::CompareWitness),
        ]);
        plan.assumptions.push(Assumption { says: text.clone(), check: Check::LiesOn { path: path.clone(), dev: 2049 }, through: None });
        plan.assumptions.push(Assumption {
            says: text.clone(),
            check: Check::DomainPresent { name: text.clone() }.negated(),
            through: Some(3),
        });
        plan.assumptions.push(Assumption { says: text.clone(), check: Check::Exists { path: path.clone() }.negated(), through: None });
        plan.edits.push(Edit { path: path.clone(), before: Some("old\n".into()), after: String::new() });
        plan.confirm = Some(Confirm { name: text.clone(), loses: text.clone() });

        let script = script(&plan);
        let steers = script.chars().find(|c| shown_unsafe(*c));
        assert_eq!(steers, None, "the script would steer the terminal that shows it: {script}");
        let refused = run(&script, &[], &[("INODE", "1:2")]);
        assert!(!refused.ok && refused.calls.is_empty(), "data was lost without the name being given");
        let ran = run(&script, &[&text], &[("INODE", "1:2")]);
        assert!(ran.ok, "the script for {text:?} broke off: {}\n{script}", ran.stderr);
        assert_eq!(ran.strangers, Vec::<String>::new(), "a name was carried out: {text:?}");
        let expected = expected(&plan);
        for (call, meant) in ran.calls.iter().zip(&expected) {
            assert_eq!(call, meant, "another command was run than the one that was shown, for {text:?}:\n{script}");
        }
        assert_eq!(ran.calls.len(), expected.len(), "commands were left out or added for {text:?}");
    }
}

fn shown_unsafe(c: char) -> bool {
    c != '\n' && crate::model::shown::is_unsafe(c)
}

#[test]
fn a_script_stops_where_the_plan_would() {
    let rename = Action::Rename { from: "/a".into(), to: "/b".into(), expect: Some((1, 2)) };
    let ran = run(&script(&plan_of(vec![step(rename)])), &[], &[("INODE", "1:3")]);
    assert!(!ran.ok && ran.calls.is_empty(), "another file was moved than the one that was looked at");

    let replace = Action::ReplaceFile { path: "/etc/xen/a.cfg".into(), bytes: b"new\n".to_vec(), expect_blake3: "00".into() };
    let mut plan = plan_of(vec![step(replace)]);
    plan.edits.push(Edit { path: "/etc/xen/a.cfg".into(), before: Some("old\n".into()), after: "new\n".into() });
    assert!(!run(&script(&plan), &[], &[("CMP", "1")]).ok, "a file that somebody edited meanwhile was replaced");

    let first = step(Action::Run { cmd: Cmd::changes("mke2fs", ["/a"]) });
    let second = step(Action::Run { cmd: Cmd::changes("tar", ["/b"]) });
    let ran = run(&script(&plan_of(vec![first, second])), &[], &[("FAILS", "mke2fs")]);
    assert!(!ran.ok && ran.calls.len() == 1, "it went on after an error");
}

#[test]
fn a_script_cleans_up_whatever_happens() {
    let unmount = Cmd::changes("umount", ["/mnt"]);
    let mut mount = step(Action::Run { cmd: Cmd::changes("mount", ["/a", "/mnt"]) });
    let needed = Some(Check::Mounted { at: "/mnt".into() });
    mount.cleanup = Some(Cleanup { says: "Unmount it".into(), action: Action::Run { cmd: unmount }, needed });
    let copy = step(Action::Run { cmd: Cmd::changes("cp", ["/b", "/mnt"]) });
    let plan = plan_of(vec![mount, copy]);
    let programs = |ran: &Ran| ran.calls.iter().map(|call| String::from_utf8(call.0[0].clone()).unwrap()).collect::<Vec<_>>();
    let ran = run(&script(&plan), &[], &[("FAILS", "cp"), ("MOUNTED", "0")]);
    assert!(!ran.ok);
    assert_eq!(programs(&ran), ["mount", "cp", "umount"], "the disk stayed mounted after an error");
    let ran = run(&script(&plan), &[], &[("MOUNTED", "1")]);
    assert_eq!((ran.ok, programs(&ran)), (true, vec!["mount".to_owned(), "cp".to_owned()]), "it unmounted what was not mounted");
}

#[test]
fn the_scripts_of_real_plans_run_to_their_end() {
    let tree = NewDisk {
        path: "/srv/it's a $disk.img".into(),
        populate: Populate::Directory { path: "/srv/tree".into() },
        fstab: true,
        hostname: Some("web".into()),
        attach: Attach::Existing { domain: "web".into(), config: "/etc/xen/web.cfg".into(), vdev: "xvdb".into() },
        ..new_disk()
    };
    let shut_down = ColdBackup { how: WhenRunning::ShutDown { limit_seconds: 60 }, ..backup("db") };
    let wishes = [
        Request::NewFileDisk(tree),
        Request::ColdBackup(shut_down),
        Request::ColdBackup(backup("web")),
        Request::ColdBackup(ColdBackup { strategy: Some(crate::model::Strategy::SaveSnapshot), ..backup("db") }),
        copy("/srv/web.img", "/srv/x.img"),
        Request::Restore(restore(RestoreTo::Beside { directory: "/srv".into(), name: Some("web2".into()) })),
    ];
    for (request, can_mount) in wishes.iter().flat_map(|request| [(request, true), (request, false)]) {
        let mut world = World::new();
        world.setting.can_mount = can_mount;
        let plan = world.plan(request).unwrap();
        let ran = run(&script(&plan), &[], &[]);
        assert!(ran.ok, "{}: {}\n{}", plan.title, ran.stderr, script(&plan));
        let calls: Vec<_> = ran
            .calls
            .iter()
            .filter(|call| call.0.first().is_none_or(|word| word != b"mkdir" || call.0.iter().all(|w| w != b"-p")))
            .collect();
        let expected = expected(&plan);
        assert_eq!(calls, expected.iter().collect::<Vec<_>>(), "{}", plan.title);
    }
    let paths = Path::new("/srv").as_os_str().as_bytes();
    assert_eq!(paths, b"/srv");
}
