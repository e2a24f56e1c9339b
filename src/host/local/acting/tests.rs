use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::host::tools::Tools;
use crate::host::{Child, HostError};

fn room() -> (tempfile::TempDir, PathBuf, Local) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path, Local::new())
}

fn inode(path: &Path) -> (u64, u64) {
    let facts = fs::symlink_metadata(path).unwrap();
    (facts.dev(), facts.ino())
}

fn is_refused<T: std::fmt::Debug>(answer: Answer<T>, words: &str) {
    match answer {
        Err(HostError::Refused { why }) => assert!(why.contains(words), "the refusal does not say what is in the way: {why}"),
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn a_file_is_made_new_or_not_at_all() {
    let (_dir, dir, local) = room();
    let made = local.create(&dir.join("new"), 0o640).unwrap();
    assert_eq!(made.inode, inode(&dir.join("new")));
    assert_eq!(fs::metadata(dir.join("new")).unwrap().mode() & 0o7777, 0o640, "the umask decided who may read a disk");
    fs::write(dir.join("stranger"), "precious").unwrap();
    is_refused(local.create(&dir.join("stranger"), 0o600), "taken");
    symlink(dir.join("elsewhere"), dir.join("link")).unwrap();
    is_refused(local.create(&dir.join("link"), 0o600), "taken");
    assert!(!dir.join("elsewhere").exists(), "a stranger's link chose where the disk was made");
    assert_eq!(fs::read_to_string(dir.join("stranger")).unwrap(), "precious");
    is_refused(local.create(Path::new("relative"), 0o600), "full path");
    assert!(matches!(local.create(&dir.join("none/x"), 0o600), Err(HostError::NotFound)));
    is_refused(local.create(&dir.join("stranger/x"), 0o600), "a regular file");
}

#[test]
fn a_directory_is_made_with_its_mode() {
    let (_dir, dir, local) = room();
    let stat = local.mkdir(&dir.join("bundle"), 0o755).unwrap();
    assert_eq!((stat.dev, stat.ino), inode(&dir.join("bundle")));
    assert_eq!(stat.mode & 0o7777, 0o755);
    is_refused(local.mkdir(&dir.join("bundle"), 0o755), "taken");
}

#[test]
fn a_rename_never_replaces() {
    let (_dir, dir, local) = room();
    fs::write(dir.join("ours"), "ours").unwrap();
    fs::write(dir.join("stranger"), "precious").unwrap();
    is_refused(local.rename(&dir.join("ours"), &dir.join("stranger")), "taken");
    assert_eq!(fs::read_to_string(dir.join("stranger")).unwrap(), "precious", "a stranger's file of the same name was lost");
    fs::create_dir(dir.join("empty")).unwrap();
    fs::create_dir(dir.join("bundle")).unwrap();
    is_refused(local.rename(&dir.join("bundle"), &dir.join("empty")), "taken");
    local.rename(&dir.join("ours"), &dir.join("final")).unwrap();
    local.rename(&dir.join("bundle"), &dir.join("whole")).unwrap();
    assert!(dir.join("final").exists() && !dir.join("ours").exists() && dir.join("whole").is_dir());
}

#[test]
fn a_file_system_without_such_a_rename_replaces_nothing_either() {
    use crate::host::local::names::rename_by_hand;
    use crate::host::local::reach::Named;
    let (_dir, dir, _) = room();
    let rename = |from: &str, to: &str| {
        let (from, to) = (dir.join(from), dir.join(to));
        rename_by_hand(&Named::of(&from).unwrap(), &Named::of(&to).unwrap(), &to)
    };
    for name in ["ours", "stranger"] {
        fs::write(dir.join(name), name).unwrap();
    }
    for name in ["bundle", "full"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    fs::write(dir.join("full/x"), "x").unwrap();
    is_refused(rename("ours", "stranger"), "taken");
    is_refused(rename("bundle", "full"), "taken");
    is_refused(rename("bundle", "stranger"), "taken");
    let before = inode(&dir.join("ours"));
    rename("ours", "final").unwrap();
    assert_eq!(inode(&dir.join("final")), before, "the undo would not know its own file again");
    assert!(!dir.join("ours").exists());
    rename("bundle", "whole").unwrap();
    assert!(dir.join("whole").is_dir() && dir.join("full/x").exists());
}

#[test]
fn an_exchange_loses_neither_file() {
    let (_dir, dir, local) = room();
    fs::write(dir.join("web.cfg"), "old").unwrap();
    fs::write(dir.join(".web.cfg.partial"), "new").unwrap();
    local.exchange(&dir.join(".web.cfg.partial"), &dir.join("web.cfg")).unwrap();
    assert_eq!(fs::read_to_string(dir.join("web.cfg")).unwrap(), "new");
    assert_eq!(fs::read_to_string(dir.join(".web.cfg.partial")).unwrap(), "old", "the old configuration is lost");
    assert!(local.exchange(&dir.join("none"), &dir.join("web.cfg")).is_err());
}

#[test]
fn only_what_was_meant_is_removed() {
    let (_dir, dir, local) = room();
    let path = dir.join("disk.img");
    fs::write(&path, "ours").unwrap();
    let ours = inode(&path);
    fs::rename(&path, dir.join("kept")).unwrap();
    fs::write(&path, "precious").unwrap();
    is_refused(local.remove(&path, ours), "another file");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious", "an undo removed a stranger's file of the same name");
    symlink(dir.join("kept"), dir.join("link")).unwrap();
    is_refused(local.remove(&dir.join("link"), ours), "another file");
    local.remove(&dir.join("link"), inode(&dir.join("link"))).unwrap();
    assert!(dir.join("kept").exists(), "the file behind a link was removed");
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/x"), "x").unwrap();
    is_refused(local.remove(&dir.join("d"), inode(&dir.join("d"))), "not empty");
    fs::remove_file(dir.join("d/x")).unwrap();
    local.remove(&dir.join("d"), inode(&dir.join("d"))).unwrap();
    assert_eq!(local.remove(&dir.join("d"), ours), Err(HostError::NotFound));
}

#[test]
fn a_link_that_is_swapped_in_while_files_are_made_leads_nowhere() {
    let (_dir, dir, local) = room();
    let (target, victim) = (dir.join("target"), dir.join("victim"));
    fs::create_dir(&target).unwrap();
    fs::create_dir(&victim).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    // Somebody puts a link in the place of the name again and again.
    let swapper = std::thread::spawn({
        let (stop, name, victim) = (Arc::clone(&stop), target.join("disk"), victim.join("made"));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = symlink(&victim, &name);
                let _ = fs::remove_file(&name);
            }
        }
    });
    let until = Instant::now() + Duration::from_millis(300);
    let mut made = 0;
    while Instant::now() < until {
        if let Ok(blocks) = local.create(&target.join("disk"), 0o600) {
            made += 1;
            let _ = local.remove(&target.join("disk"), blocks.inode);
        }
        let _ = local.write_beneath(&target, Path::new("/disk"), b"x", 0o600);
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(made > 0, "nothing was tried");
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "a link that was swapped in chose where a file was made");
}

#[test]
fn a_link_of_another_user_is_not_followed_to_the_directory() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_dir, dir, local) = room();
    fs::create_dir(dir.join("real")).unwrap();
    symlink("real", dir.join("own")).unwrap();
    symlink("real", dir.join("theirs")).unwrap();
    std::os::unix::fs::lchown(dir.join("theirs"), Some(4242), Some(4242)).unwrap();
    local.create(&dir.join("own/a"), 0o600).unwrap();
    assert!(dir.join("real/a").exists(), "a directory that the administrator linked to cannot be used");
    is_refused(local.create(&dir.join("theirs/b"), 0o600), "user 4242");
}

#[test]
fn a_replaced_file_keeps_its_mode_and_owner() {
    let (_dir, dir, local) = room();
    for name in ["old", "new"] {
        fs::write(dir.join(name), name).unwrap();
    }
    fs::set_permissions(dir.join("old"), fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.join("old"), Some(17), Some(18)).unwrap();
    }
    let model = local.stat(&dir.join("old"), false).unwrap();
    local.like(&dir.join("new"), &model).unwrap();
    let now = local.stat(&dir.join("new"), false).unwrap();
    assert_eq!((now.mode, now.uid, now.gid), (model.mode, model.uid, model.gid), "xl or a group of admins can no longer read the config");
    symlink("old", dir.join("link")).unwrap();
    is_refused(local.like(&dir.join("link"), &model), "symbolic link");
}

#[test]
fn no_link_of_a_guests_tree_leads_out_of_it() {
    let (_dir, dir, local) = room();
    let (tree, outside) = (dir.join("tree"), dir.join("outside"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("hostname"), "host").unwrap();
    local.write_beneath(&tree, Path::new("/etc/hostname"), b"web01\n", 0o644).unwrap();
    assert_eq!(fs::read_to_string(tree.join("etc/hostname")).unwrap(), "web01\n");
    assert_eq!(fs::metadata(tree.join("etc")).unwrap().mode() & 0o7777, 0o755, "nobody in the guest could enter /etc");
    // The file itself is a link that leads out: it is replaced.
    fs::remove_file(tree.join("etc/hostname")).unwrap();
    symlink(outside.join("hostname"), tree.join("etc/hostname")).unwrap();
    local.write_beneath(&tree, Path::new("/etc/hostname"), b"web02\n", 0o644).unwrap();
    assert!(fs::symlink_metadata(tree.join("etc/hostname")).unwrap().is_file());
    // Its directory is one: by a full path it stays inside, by `..` too.
    fs::remove_dir_all(tree.join("etc")).unwrap();
    for target in [outside.as_path(), Path::new("../outside"), Path::new("../../../../../../../../etc")] {
        symlink(target, tree.join("etc")).unwrap();
        assert!(local.write_beneath(&tree, Path::new("/etc/hostname"), b"web03\n", 0o644).is_err());
        fs::remove_file(tree.join("etc")).unwrap();
    }
    symlink("/data", tree.join("etc")).unwrap();
    fs::create_dir(tree.join("data")).unwrap();
    local.write_beneath(&tree, Path::new("/etc/hostname"), b"web04\n", 0o644).unwrap();
    assert_eq!(fs::read_to_string(tree.join("data/hostname")).unwrap(), "web04\n", "a full path of the guest's is not the host's");
    assert_eq!(fs::read_to_string(outside.join("hostname")).unwrap(), "host", "a guest's link changed a file of the host");
    is_refused(local.write_beneath(&tree, Path::new("/none/x"), b"", 0o644), "no directory /none");
    is_refused(local.write_beneath(&tree, Path::new("/data"), b"", 0o644), "a directory");
}

#[test]
fn files_are_opened_for_the_copier_and_links_to_them_are_not_written_through() {
    let (_dir, dir, local) = room();
    fs::write(dir.join("disk"), [7; 5000]).unwrap();
    symlink("disk", dir.join("link")).unwrap();
    let mut ours = local.open_for_writing(&dir.join("disk")).unwrap();
    assert_eq!((ours.bytes, ours.device, ours.inode), (5000, false, inode(&dir.join("disk"))));
    ours.file.write_all(b"x").unwrap();
    is_refused(local.open_for_writing(&dir.join("link")), "symbolic link");
    assert_eq!(local.open_for_reading(&dir.join("link")).unwrap().bytes, 5000);
    is_refused(local.open_for_reading(&dir), "a directory");
    is_refused(local.open_for_writing(Path::new("/dev/null")), "a character device");
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let clock = Instant::now();
    is_refused(local.open_for_reading(&dir.join("fifo")), "a FIFO");
    assert!(clock.elapsed() < Duration::from_secs(1), "a FIFO in the place of a disk held the job for ever");
}

#[derive(Default)]
struct Heard {
    child: Option<Child>,
    lines: Vec<String>,
    first_after: Option<Duration>,
}

struct Ear(Instant, Heard);

impl Listen for Ear {
    fn started(&mut self, child: &Child) {
        assert!(self.1.lines.is_empty(), "a line was told before the child was known");
        self.1.child = Some(child.clone());
    }
    fn line(&mut self, line: &[u8]) {
        self.1.first_after.get_or_insert(self.0.elapsed());
        self.1.lines.push(String::from_utf8_lossy(line).into_owned());
    }
}

fn with_tool(script: &str) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (dir, Local::with_tools(Tools::in_directories(vec![path.parent().unwrap().to_path_buf()])))
}

fn change(local: &Local, cmd: &Cmd) -> (Answer<Output>, Heard) {
    for _ in 0..100 {
        let mut ear = Ear(Instant::now(), Heard::default());
        match local.change(cmd, &mut ear) {
            // Another test's fork can hold the script open for writing for a moment.
            Err(HostError::Failed { why }) if why.contains("busy") => std::thread::sleep(Duration::from_millis(20)),
            other => return (other, ear.1),
        }
    }
    panic!("the tool stayed busy")
}

#[test]
fn a_change_is_told_line_by_line_while_it_runs() {
    let (_dir, local) = with_tool("echo first; pwd >&2; sleep 1; printf '10%%\\r20%%\\rlast'; exit 3");
    let (output, heard) = change(&local, &Cmd::changes("tool", ["x"]));
    let output = output.unwrap();
    assert_eq!((output.exit, output.stderr.as_slice()), (3, b"/\n".as_slice()));
    assert_eq!(output.stdout, b"first\n10%\r20%\rlast");
    assert!(heard.first_after.unwrap() < Duration::from_millis(900), "a person sees nothing of a change before it is over");
    for line in ["first", "/", "10%", "20%", "last"] {
        assert!(heard.lines.iter().any(|told| told == line), "{line} was not told: {:?}", heard.lines);
    }
    let child = heard.child.unwrap();
    assert!(child.pid > 1 && child.started_ticks > 0, "a recovery could not find the child again");
}

#[test]
fn a_change_gets_its_input_whole_or_none() {
    let (_dir, local) = with_tool("wc -c");
    let mut cmd = Cmd::changes("tool", [""; 0]);
    assert_eq!(change(&local, &cmd).0.unwrap().stdout.trim_ascii(), b"0");
    cmd.stdin = vec![b'x'; 300_000];
    assert_eq!(change(&local, &cmd).0.unwrap().stdout.trim_ascii(), b"300000");
}

#[test]
fn a_change_that_talks_without_end_fills_no_memory_and_is_not_stopped() {
    let (_dir, local) = with_tool("head -c 30000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo done");
    let (output, heard) = change(&local, &Cmd::changes("tool", [""; 0]));
    let output = output.unwrap();
    assert!(output.ok() && output.stdout.ends_with(b"done\n"), "the end of what it said is what a person needs");
    assert!(output.stdout.len() <= 1 << 20, "{} bytes of output were kept", output.stdout.len());
    assert!(heard.lines.len() > 299_999, "lines were lost");
}

#[test]
fn a_daemon_that_a_change_leaves_behind_is_not_waited_for() {
    let (_dir, local) = with_tool("sleep 5 & exit 0");
    let clock = Instant::now();
    assert!(change(&local, &Cmd::changes("tool", [""; 0])).0.unwrap().ok());
    assert!(clock.elapsed() < Duration::from_secs(3), "xl create, which leaves a monitor behind, would never end");
}

/// What a killed runner does to its child: the reading end of everything is gone.
#[test]
fn a_change_outlives_the_runner_that_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tools, witness) = with_tool_and_witness(dir.path());
    // Another process of this test binary is the runner that is killed.
    let mut runner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host::local::acting::tests::the_runner_that_is_killed", "--ignored", "--nocapture"])
        .env("DOMKEEP_TEST_TOOLS", &tools)
        .env("DOMKEEP_TEST_WITNESS", &witness)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let waited = Instant::now();
    while !witness.with_file_name("witness.started").exists() && waited.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    runner.kill().unwrap();
    runner.wait().unwrap();
    fs::write(witness.with_file_name("witness.go"), "").unwrap();
    while !witness.exists() && waited.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(witness.exists(), "the tool died with the runner: a save would be cut short, its guest suspended");
}

fn with_tool_and_witness(dir: &Path) -> (PathBuf, PathBuf) {
    let tools = dir.join("bin");
    fs::create_dir(&tools).unwrap();
    // It writes much more than a pipe holds after the runner is dead, and stops at the first write that fails.
    let script = "#!/bin/sh\nset -e\necho hello\n: > \"$1.started\"\nn=0\nwhile [ ! -e \"$1.go\" ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n+1)); done\n\
                  head -c 200000 /dev/zero\nhead -c 200000 /dev/zero >&2\necho end\n: > \"$1\"\n";
    fs::write(tools.join("tool"), script).unwrap();
    fs::set_permissions(tools.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    (tools, dir.join("witness"))
}

#[test]
#[ignore = "it is run by the test above, in a process that is killed"]
fn the_runner_that_is_killed() {
    let (Some(tools), Some(witness)) = (std::env::var_os("DOMKEEP_TEST_TOOLS"), std::env::var("DOMKEEP_TEST_WITNESS").ok()) else { return };
    let local = Local::with_tools(Tools::in_directories(vec![PathBuf::from(tools)]));
    let _ = change(&local, &Cmd::changes("tool", [witness]));
}

/// A loop device, where this machine lets us have one.
pub(crate) struct Loop(pub PathBuf);

impl Loop {
    pub fn of(file: &Path) -> Option<Self> {
        let output = std::process::Command::new("losetup").args(["-f", "--show"]).arg(file).output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && name.starts_with("/dev/")).then(|| Self(name.into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

#[test]
fn a_device_that_is_held_is_not_opened_for_writing() {
    let (_dir, dir, local) = room();
    fs::File::create(dir.join("disk")).unwrap().set_len(8 << 20).unwrap();
    let Some(device) = Loop::of(&dir.join("disk")) else { return };
    symlink(&device.0, dir.join("volume")).unwrap();
    let ours = local.open_for_writing(&dir.join("volume")).unwrap();
    assert!(ours.device && ours.bytes == 8 << 20, "the name of a volume, which is a link, does not lead to its device");
    is_refused(local.open_for_writing(&device.0), "mounted, or held");
    assert_eq!(local.open_for_reading(&device.0).unwrap().bytes, 8 << 20, "reading claims nothing");
    drop(ours);
    assert!(local.open_for_writing(&device.0).is_ok());
    let rdev = local.stat(&device.0, true).unwrap().rdev;
    let counters = local.read_at(Path::new(&format!("/sys/dev/block/{}:{}/stat", rdev.0, rdev.1)), 0, 4096).unwrap();
    assert!(counters.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() >= 11, "nothing tells who wrote to a device");
}

#[test]
fn the_decorators_pass_changes_on_and_keep_their_command_lines() {
    use crate::host::logged::Logged;
    use crate::host::timed::Timed;
    let (_dir, dir, _) = room();
    let (_tools, local) = with_tool("echo done; exit 4");
    let host = Logged::new(Timed::new(local, Duration::from_secs(5)));
    let act: &dyn Act = &host;
    let made = act.create(&dir.join("a"), 0o600).unwrap();
    act.rename(&dir.join("a"), &dir.join("b")).unwrap();
    assert_eq!(act.open_for_reading(&dir.join("b")).unwrap().inode, made.inode);
    act.remove(&dir.join("b"), made.inode).unwrap();
    for _ in 0..100 {
        if act.change(&Cmd::changes("tool", ["x y"]), &mut ()).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let last = host.log().into_iter().rfind(|entry| entry.result.is_ok()).unwrap();
    assert_eq!((last.cmd.to_string().as_str(), last.result), ("tool 'x y'", Ok(4)), "the log does not show what changed the host");
}

/// A runner gets its own process here: the umask is everybody's in it.
#[test]
fn what_a_change_makes_is_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("bin");
    fs::create_dir(&tools).unwrap();
    let made = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host::local::acting::tests::the_runner_with_its_umask", "--ignored"])
        .env("DOMKEEP_TEST_DIR", dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("by-tool"), 0o600, "anybody could read the memory of a saved guest");
    assert_eq!(mode("by-us"), 0o644, "a config would be unreadable for those who could read it before");
}

#[test]
#[ignore = "it is run by the test above, in a process of its own"]
fn the_runner_with_its_umask() {
    let Some(dir) = std::env::var_os("DOMKEEP_TEST_DIR").map(PathBuf::from) else { return };
    let local = Local::for_the_runner();
    local.create(&dir.join("by-us"), 0o644).unwrap();
    let path = dir.join("by-tool").to_string_lossy().into_owned();
    assert!(local.change(&Cmd::changes("touch", [path]), &mut ()).unwrap().ok());
}
