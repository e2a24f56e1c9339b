use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;
use crate::host::FileType;
use crate::model::ExtentKind;

fn with_tool(script: &str) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let local = Local::with_tools(Tools::in_directories(vec![dir.path().to_path_buf()]));
    (dir, local)
}

fn ask(local: &Local, cmd: &Cmd) -> Answer<Output> {
    // Another test's fork can hold the script open for writing for a moment.
    for _ in 0..50 {
        match local.run(cmd) {
            Err(HostError::Failed { why }) if why.contains("busy") => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    local.run(cmd)
}

fn zombies() -> usize {
    let me = std::process::id();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok())
        .filter(|stat| stat.contains("(tool) Z ") && stat.contains(&format!(" Z {me} ")))
        .count()
}

#[test]
fn a_tool_gets_its_words_a_clean_environment_and_the_root_directory() {
    let (_dir, local) = with_tool(r#"printf '%s|' "$@"; pwd; env | sort; echo oops >&2; exit 3"#);
    let output = ask(&local, &Cmd::reads("tool", ["a b", "$(id)", ""]).with_env("EXTRA", "1")).unwrap();
    assert_eq!(output.exit, 3);
    assert_eq!(output.stderr, b"oops\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("a b|$(id)||/"), "a word reached a shell, or the tool ran in the user's directory");
    let keys: Vec<_> =
        lines.filter_map(|line| line.split('=').next()).filter(|key| !["PWD", "_", "SHLVL", "OLDPWD"].contains(key)).collect();
    assert_eq!(keys, ["EXTRA", "HOME", "LC_ALL", "LVM_SUPPRESS_FD_WARNINGS", "PATH"], "the user's environment leaks into root's tools");
}

#[test]
fn standard_input_arrives_whole_however_large() {
    let (_dir, local) = with_tool("wc -c; sleep 0");
    let mut cmd = Cmd::reads("tool", [""; 0]);
    cmd.stdin = vec![b'x'; 300_000];
    assert_eq!(String::from_utf8(ask(&local, &cmd).unwrap().stdout).unwrap().trim(), "300000");
    let (_dir, local) = with_tool("exec true");
    assert!(ask(&local, &cmd).unwrap().ok(), "a tool that does not read its input is no failure");
}

#[test]
fn a_change_or_an_unknown_tool_is_not_run() {
    let local = Local::with_tools(Tools::in_directories(Vec::new()));
    assert!(matches!(local.run(&Cmd::changes("tool", ["x"])), Err(HostError::Refused { .. })), "a look could change the host");
    assert_eq!(local.run(&Cmd::reads("tool", ["x"])), Err(HostError::NoTool { program: "tool".to_owned() }));
}

#[test]
fn a_tool_that_hangs_ends_at_its_limit_with_all_its_children() {
    let (dir, local) = with_tool("trap '' TERM\n(trap '' TERM; sleep 3; echo alive > \"$1\") &\nsleep 30 & wait; sleep 30");
    let witness = dir.path().join("witness");
    let clock = Instant::now();
    let answer = ask(&local, &Cmd::reads("tool", [witness.to_str().unwrap()]).within(1));
    assert_eq!(answer, Err(HostError::TimedOut { seconds: 1 }));
    assert!(clock.elapsed() < Duration::from_secs(3), "a hung tool held the screen for {:?}", clock.elapsed());
    std::thread::sleep(Duration::from_millis(2800));
    assert!(!witness.exists(), "a child of the hung tool lives on");
    // Other tests' tools may be between their end and their reaping for a moment.
    let reaped = (0..50).any(|_| {
        zombies() == 0 || {
            std::thread::sleep(Duration::from_millis(20));
            false
        }
    });
    assert!(reaped, "a dead tool was never reaped");
}

#[test]
fn a_tool_that_never_stops_writing_is_cut_off() {
    let (dir, _) = with_tool("while :; do echo 0123456789012345678901234567890123456789; done");
    let bounds = command::Bounds { stdout: 100_000, stderr: 1000 };
    std::thread::sleep(Duration::from_millis(50));
    let answer = command::run(&dir.path().join("tool"), &Cmd::reads("tool", [""; 0]), bounds);
    assert!(matches!(&answer, Err(HostError::Refused { why }) if why.contains("output")), "memory could be filled: {answer:?}");
}

#[test]
fn a_daemon_that_keeps_the_pipe_open_does_not_make_its_starter_late() {
    let (_dir, local) = with_tool("echo said; sleep 8 & exit 0");
    let clock = Instant::now();
    let output = ask(&local, &Cmd::reads("tool", [""; 0])).unwrap();
    assert_eq!(output.stdout, b"said\n");
    assert!(clock.elapsed() < Duration::from_secs(4), "virsh that starts a daemon would seem to hang: {:?}", clock.elapsed());
}

#[test]
fn a_tool_ended_by_a_signal_says_so() {
    let (_dir, local) = with_tool("kill -9 $$");
    assert_eq!(ask(&local, &Cmd::reads("tool", [""; 0])).unwrap().exit, 137);
}

#[test]
fn any_part_of_a_file_is_read_and_its_end_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"0123456789").unwrap();
    let local = Local::new();
    assert_eq!(local.read_at(&path, 3, 4).unwrap(), b"3456");
    assert_eq!(local.read_at(&path, 8, 4).unwrap(), b"89");
    assert_eq!(local.read_at(&path, 10, 4).unwrap(), b"");
    assert_eq!(local.read_at(&path, u64::MAX, 4).unwrap(), b"");
    assert_eq!(local.read_at(&path, 0, 0).unwrap(), b"");
    assert!(!local.read_at("/proc/self/status".as_ref(), 0, 1 << 20).unwrap().is_empty(), "files of /proc say that they are empty");
    assert_eq!(local.read_at(&dir.path().join("none"), 0, 1), Err(HostError::NotFound));
    assert!(matches!(local.read_at(&path, 0, usize::MAX), Err(HostError::Refused { .. })));
}

#[test]
fn what_is_neither_file_nor_block_device_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let link = dir.path().join("link");
    symlink(&fifo, &link).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let clock = Instant::now();
    for (path, kind) in [
        (fifo, "a FIFO"),
        (link, "a FIFO"),
        (dir.path().to_path_buf(), "a directory"),
        (dir.path().join("socket"), "a socket"),
        ("/dev/zero".into(), "a character device"),
    ] {
        let answer = Local::new().read_at(&path, 0, 10);
        assert!(matches!(&answer, Err(HostError::Refused { why }) if why.contains(kind)), "{}: {answer:?}", path.display());
    }
    assert!(clock.elapsed() < Duration::from_secs(2), "a FIFO in /etc/xen held the scan");
}

#[test]
fn a_block_device_is_read_at_any_offset() {
    // Any device that this machine lets the test read; most build machines have none.
    let Ok(entries) = fs::read_dir("/sys/class/block") else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = Path::new("/dev").join(entry.file_name());
        let Ok(facts) = Local::new().device(&path) else { continue };
        let Ok(start) = Local::new().read_at(&path, 0, 10_000) else { continue };
        if start.len() < 10_000 {
            continue;
        }
        assert_eq!(Local::new().read_at(&path, 1001, 777).unwrap(), start[1001..1778], "a header was read from the wrong place");
        assert_eq!(Local::new().read_at(&path, facts.bytes - 100, 4096).unwrap().len(), 100, "a device's end is no error");
        assert_eq!(Local::new().read_at(&path, facts.bytes, 4096).unwrap().len(), 0);
        return;
    }
}

#[test]
fn names_come_sorted_and_a_large_directory_is_cut_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a", "d", "c"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    symlink("nowhere", dir.path().join("e")).unwrap();
    let all = Local::new().list(dir.path(), 10).unwrap();
    let names: Vec<_> = all.entries.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!((names.as_slice(), all.cut), (["a", "b", "c", "d", "e"].map(String::from).as_slice(), false));
    assert_eq!(all.entries.last().unwrap().kind, FileType::Symlink);
    let some = Local::new().list(dir.path(), 2).unwrap();
    assert_eq!((some.entries.as_slice(), some.cut), (&all.entries[..2], true), "which names are shown must not depend on chance");
    assert!(!Local::new().list(dir.path(), 5).unwrap().cut, "a directory that just fits is whole");
}

#[test]
fn links_are_told_from_what_they_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::write(root.join("file"), "abc").unwrap();
    symlink("file", root.join("link")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let local = Local::new();
    assert_eq!(local.stat(&root.join("link"), false).unwrap().kind, FileType::Symlink);
    assert_eq!(local.stat(&root.join("link"), true).unwrap().size, 3);
    assert_eq!(local.readlink(&root.join("link")).unwrap(), Path::new("file"));
    assert_eq!(local.resolve(&root.join("link")).unwrap(), root.join("file"));
    assert!(local.resolve(&root.join("loop")).is_err(), "a loop of links must end");
}

#[test]
fn holes_and_data_cover_a_file_without_gap_or_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    let file = fs::File::create(&path).unwrap();
    file.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, &[1; 4096], 4 << 20).unwrap();
    let extents = Local::new().extents(&path).unwrap();
    let mut at = 0;
    for extent in &extents {
        assert_eq!(extent.start, at, "{extents:?}");
        at = extent.end();
    }
    assert_eq!(at, 8 << 20);
    let holds = |extent: &Extent| extent.kind == ExtentKind::Data && extent.start <= 4 << 20 && extent.end() >= (4 << 20) + 4096;
    assert!(extents.iter().any(holds), "written bytes were taken for a hole: {extents:?}");
    fs::File::create(dir.path().join("empty")).unwrap();
    assert_eq!(Local::new().extents(&dir.path().join("empty")).unwrap(), []);
}

#[test]
fn room_is_told_and_a_file_is_no_device() {
    let space = Local::new().space("/".as_ref()).unwrap();
    assert!(space.total > 0 && space.free <= space.total);
    assert!(matches!(Local::new().device("/dev/null".as_ref()), Err(HostError::Refused { .. })));
}

#[test]
fn a_new_file_is_noticed_once_and_nothing_more_after_the_watch_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel();
    let local = Local::with_tools(Tools::in_directories(Vec::new()));
    let watch =
        local.watch(&[dir.path().to_path_buf(), dir.path().join("none")], Box::new(move || tell.send(Instant::now()).unwrap_or(())));
    let watch = watch.expect("a directory can be watched");
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "told of a change before there was one");
    for n in 0..50 {
        fs::write(dir.path().join(n.to_string()), "").unwrap();
    }
    let first = told.recv_timeout(Duration::from_secs(5)).expect("a new config is noticed");
    let later: Vec<_> = std::iter::from_fn(|| told.recv_timeout(Duration::from_millis(500)).ok()).collect();
    assert!(later.len() <= 2, "50 files at once are not {} scans", later.len() + 1);
    assert!(later.iter().all(|at| at.duration_since(first) >= Duration::from_millis(190)), "told too often");
    drop(watch);
    let gone = told.recv_timeout(Duration::from_secs(2));
    assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected), "the watching thread lives on");
    assert!(local.watch(&[dir.path().join("none")], Box::new(|| {})).is_none(), "nothing to watch must be polled instead");
}

#[test]
fn a_started_domain_is_noticed_through_xenstore_and_its_watcher_ends_with_us() {
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("xenstore-watch");
    fs::write(
        &tool,
        "#!/bin/sh\necho @introduceDomain; echo @releaseDomain; sleep 1; echo @introduceDomain; echo $$ > \"$0.pid\"; exec sleep 60\n",
    )
    .unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let local = Local::with_tools(Tools::in_directories(vec![dir.path().to_path_buf()]));
    let (tell, told) = mpsc::channel();
    let watch = local.watch(&[], Box::new(move || tell.send(()).unwrap_or(()))).expect("xenstore can be watched");
    assert!(told.recv_timeout(Duration::from_millis(600)).is_err(), "a watch's greeting is no change");
    told.recv_timeout(Duration::from_secs(5)).expect("a started domain is noticed");
    std::thread::sleep(Duration::from_millis(200));
    drop(watch);
    let _ = told.recv_timeout(Duration::from_secs(2));
    let pid = fs::read_to_string(dir.path().join("xenstore-watch.pid")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "a watcher stays behind for every time domkeep ran");
}
