//! Changes by the calls of `Act`, and the tools that the machine borrows.

use std::os::unix::fs::{FileExt as _, symlink};

use super::*;
use crate::host::tools::Tools;
use crate::host::{Act, Stat};

/// Everything below a directory, with its bytes: to see that nothing changed.
fn everything(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                everything(&path)
            } else {
                vec![(path.clone(), std::fs::read(&path).unwrap_or_default())]
            }
        })
        .collect();
    all.sort();
    all
}

fn change(demo: &Demo, line: &str) -> Output {
    let words = words(line);
    let (program, args) = words.split_first().unwrap();
    demo.change(&Cmd::changes(program, args.to_vec()), &mut ()).unwrap()
}

fn has(tool: &str) -> bool {
    Tools::default().find(tool).is_ok()
}

#[test]
fn files_are_made_renamed_exchanged_and_removed_without_loss() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let at = |name: &str| Path::new("/srv/xen/img").join(name);
    let made = demo.create(&at("new"), 0o600).unwrap();
    let stat = demo.stat(&at("new"), false).unwrap();
    assert_eq!((made.inode, stat.mode & 0o7777), ((stat.dev, stat.ino), 0o600));
    assert!(demo.create(&at("new"), 0o600).is_err());
    demo.create(&at("stranger"), 0o600).unwrap().file.write_all_at(b"precious", 0).unwrap();
    assert!(demo.rename(&at("new"), &at("stranger")).is_err(), "a stranger's file was replaced");
    demo.exchange(&at("new"), &at("stranger")).unwrap();
    assert_eq!(demo.read_at(&at("new"), 0, 10).unwrap(), b"precious");
    assert!(demo.remove(&at("new"), made.inode).is_err(), "a stranger's file of the same name was removed");
    demo.remove(&at("stranger"), made.inode).unwrap();
    let dir: Stat = demo.mkdir(&at("bundle"), 0o755).unwrap();
    assert_eq!((dir.kind, dir.mode & 0o7777), (FileType::Directory, 0o755));
    demo.rename(&at("bundle"), &at("whole")).unwrap();
    demo.sync_dir(&at("whole")).unwrap();
    demo.remove(&at("whole"), (dir.dev, dir.ino)).unwrap();
    let volume = demo.open_for_writing(Path::new("/dev/xenvols/web01-disk")).unwrap();
    assert!(volume.device && volume.bytes == 8 << 30);
    for held in ["/dev/sda2", "/dev/xenvols/shop01-monday"] {
        assert!(demo.open_for_writing(Path::new(held)).is_err(), "{held} is mounted or lost, and was opened for writing");
    }
}

#[test]
fn no_link_of_the_machine_leads_a_change_out_of_it() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("hostname"), "host").unwrap();
    std::fs::create_dir(outside.path().join("empty")).unwrap();
    let before = everything(outside.path());
    let tree = guides.dir.path().join("machine/tree");
    // Whoever can write into the demo's directory has laid links to the real machine.
    for (name, target) in
        [("out", outside.path().to_path_buf()), ("file", outside.path().join("hostname")), ("e", outside.path().join("empty"))]
    {
        symlink(target, tree.join("srv").join(name)).unwrap();
    }
    let srv = Path::new("/srv");
    let _ = demo.create(&srv.join("out/new"), 0o600);
    let _ = demo.open_for_writing(&srv.join("file")).map(|blocks| blocks.file.set_len(0));
    let _ = demo.mkdir(&srv.join("out/dir"), 0o700);
    let _ = demo.rename(&srv.join("out/hostname"), &srv.join("stolen"));
    let _ = demo.exchange(&srv.join("out/hostname"), Path::new("/etc/hostname"));
    let _ = demo.write_beneath(&srv.join("out"), Path::new("/hostname"), b"x", 0o600);
    let _ = demo.write_beneath(srv, Path::new("/out/hostname"), b"x", 0o600);
    let _ = demo.write_beneath(srv, Path::new("/file"), b"x", 0o600);
    let stat = demo.stat(Path::new("/etc/hostname"), false).unwrap();
    let _ = demo.like(&srv.join("out/hostname"), &stat);
    let own = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(outside.path().join("hostname")).unwrap());
    let _ = demo.remove(&srv.join("out/hostname"), (stat.dev, own));
    for line in [
        "mke2fs -q -F /srv/file".to_owned(),
        format!("mke2fs -q -F {}", outside.path().join("hostname").display()),
        "cp -ax /etc/. /srv/e".to_owned(),
        format!("cp -ax /etc/. {}", outside.path().join("empty").display()),
        "cp -ax /etc/. /srv/out".to_owned(),
        "tar -xf /srv/xen/a.tar -C /srv/e".to_owned(),
        "debugfs -w -f /srv/script /srv/file".to_owned(),
    ] {
        assert_ne!(change(demo, &line).exit, 0, "{line} worked on something outside");
    }
    assert_eq!(everything(outside.path()), before, "a change of the demo machine changed the real one");
}

#[test]
fn a_directory_that_is_filled_must_be_empty() {
    let guides = laid("guides");
    let demo = &guides.demo;
    if !has("cp") {
        return;
    }
    demo.mkdir(Path::new("/srv/stage"), 0o755).unwrap();
    let done = change(demo, "cp -ax /etc/. /srv/stage");
    assert_eq!(done.exit, 0, "{}", stderr(&done));
    assert_eq!(demo.read_at(Path::new("/srv/stage/hostname"), 0, 64), demo.read_at(Path::new("/etc/hostname"), 0, 64));
    let again = change(demo, "cp -ax /etc/. /srv/stage");
    assert!(again.exit != 0 && stderr(&again).contains("empty"), "a link that lies there could lead out: {}", stderr(&again));
}

#[test]
fn an_archive_that_climbs_stays_inside() {
    let guides = laid("guides");
    let demo = &guides.demo;
    if !has("tar") {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    std::fs::write(work.path().join("x"), "x").unwrap();
    symlink(outside.path(), work.path().join("link")).unwrap();
    // The first two members: a link that leads out, and a file below it.
    let made = std::process::Command::new("tar")
        .args(["-cPf", "a.tar", "link", "--transform=s,^x$,link/x,", "x"])
        .current_dir(work.path())
        .status()
        .unwrap();
    assert!(made.success());
    let bytes = std::fs::read(work.path().join("a.tar")).unwrap();
    demo.create(Path::new("/srv/a.tar"), 0o600).unwrap().file.write_all_at(&bytes, 0).unwrap();
    demo.mkdir(Path::new("/srv/stage"), 0o755).unwrap();
    let output = change(demo, "tar -xf /srv/a.tar -C /srv/stage");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "an archive wrote to the real machine: {}", stderr(&output));
}

#[test]
fn a_disk_is_made_filled_and_checked_by_the_real_tools() {
    let guides = laid("guides");
    let demo = &guides.demo;
    if !has("mke2fs") || !has("debugfs") || !has("e2fsck") {
        assert_eq!(change(demo, "mke2fs -q -F /srv/x").exit, 127);
        return;
    }
    assert_eq!(demo.has_tool("mke2fs"), Ok(true));
    let path = Path::new("/srv/xen/img/new.img");
    demo.create(path, 0o600).unwrap().file.set_len(64 << 20).unwrap();
    let clock = demo.now();
    let made = change(demo, "mke2fs -F -t ext4 -L root -d /etc /srv/xen/img/new.img");
    assert_eq!(made.exit, 0, "{}", stderr(&made));
    let said = stdout(&made) + &stderr(&made);
    assert!(!said.contains("/proc/"), "a person would look for a file of that name in vain: {said}");
    assert_eq!(demo.now() - clock, chrono::Duration::minutes(1));
    assert!(demo.stat(path, true).unwrap().modified <= demo.now());
    // A file is changed inside, without a mount.
    demo.create(Path::new("/srv/fstab"), 0o600).unwrap().file.write_all_at(b"/dev/xvda / ext4\n", 0).unwrap();
    demo.create(Path::new("/srv/script"), 0o600).unwrap().file.write_all_at(b"rm hostname\nwrite /srv/fstab hostname\n", 0).unwrap();
    let edited = change(demo, "debugfs -w -f /srv/script /srv/xen/img/new.img");
    assert_eq!(edited.exit, 0, "{}", stderr(&edited));
    let cat = demo.run(&Cmd::reads("debugfs", ["-R", "cat hostname", "/srv/xen/img/new.img"])).unwrap();
    assert_eq!(stdout(&cat), "/dev/xvda / ext4\n", "{}", stderr(&cat));
    let check = Cmd::reads("e2fsck", ["-f", "-n", "/srv/xen/img/new.img"]);
    let checked = demo.run(&check).unwrap();
    assert!(checked.ok(), "{}{}", stdout(&checked), stderr(&checked));
    // A guest boots from it and shuts down: still a clean file system, checksums and all.
    let config = b"name = 'new01'\nkernel = '/var/lib/xen/images/vmlinuz'\nmemory = 32\ndisk = [ '/srv/xen/img/new.img,raw,xvda,w' ]\n";
    demo.create(Path::new("/etc/xen/new01.cfg"), 0o600).unwrap().file.write_all_at(config, 0).unwrap();
    let before = demo.stat(path, true).unwrap();
    do_it(demo, "xl create /etc/xen/new01.cfg");
    let booted = demo.stat(path, true).unwrap();
    assert!(booted.modified > before.modified, "a copy that was taken meanwhile would pass for whole");
    do_it(demo, "xl shutdown -w new01");
    let checked = demo.run(&check).unwrap();
    assert!(checked.ok(), "{}{}", stdout(&checked), stderr(&checked));
}

#[test]
fn what_was_unpacked_is_removed_and_no_more() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("kept"), "x").unwrap();
    let tree = guides.dir.path().join("machine/tree");
    for dir in ["/srv/stage", "/srv/stage/etc"] {
        demo.mkdir(Path::new(dir), 0o700).unwrap();
    }
    demo.create(Path::new("/srv/stage/etc/x"), 0o600).unwrap();
    symlink(outside.path(), tree.join("srv/stage/etc/out")).unwrap();
    symlink(outside.path(), tree.join("srv/out")).unwrap();
    let clock = demo.now();
    assert_eq!(change(demo, "rm -r -f --one-file-system -- /srv/stage").exit, 0);
    assert_eq!(change(demo, "rm -r -f /srv/stage").exit, 0, "what is gone already is no failure");
    assert!(demo.stat(Path::new("/srv/stage"), false).is_err() && demo.now() > clock);
    let _ = change(demo, "rm -r -f /srv/out/kept");
    for line in ["rm -r -f /", "rm -r -f /srv/..", "rm -r -f /dev/dm-0", "rm -r -f srv"] {
        assert_ne!(change(demo, line).exit, 0, "{line}");
    }
    assert!(outside.path().join("kept").exists(), "a link in what was unpacked led the removal to the real machine");
    assert!(demo.stat(Path::new("/etc/hostname"), false).is_ok());
}

#[test]
fn nothing_is_mounted_on_the_demo_machine() {
    let guides = laid("guides");
    for line in ["mount /srv/a /mnt", "umount /mnt", "mkfs.xfs /srv/a", "mkfs.btrfs /srv/a"] {
        let answer = change(&guides.demo, line);
        assert!(answer.exit == 127 && !answer.stderr.is_empty(), "{line}");
        assert_eq!(guides.demo.has_tool(line.split(' ').next().unwrap()), Ok(false));
    }
}

#[test]
fn each_write_to_a_disk_can_be_seen_though_the_clock_stands_still() {
    let guides = laid("guides");
    let demo = &guides.demo;
    let count = |demo: &Demo| {
        let line = demo.read_at(Path::new("/sys/dev/block/253:0/stat"), 0, 4096).unwrap();
        let text = String::from_utf8(line).unwrap();
        let fields: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(fields.len(), 11);
        (fields[4], fields[6])
    };
    let first = count(demo);
    assert_eq!(count(demo), first, "a disk that nobody writes to seems to be written");
    demo.read_at(Path::new("/dev/dm-0"), 0, 4096).unwrap();
    assert_eq!(count(demo), first, "reading counts as writing: no copy would ever be whole");
    std::thread::sleep(std::time::Duration::from_millis(20));
    demo.open_for_writing(Path::new("/dev/dm-0")).unwrap().file.write_all_at(b"x", 1 << 20).unwrap();
    let second = count(demo);
    assert!(second > first, "a write went unseen");
    assert!(demo.read_at(Path::new("/sys/dev/block/9:9/stat"), 0, 10).is_err());

    let path = Path::new("/srv/xen/img/build.img");
    let before = demo.stat(path, true).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    demo.open_for_writing(path).unwrap().file.write_all_at(b"x", 1 << 20).unwrap();
    assert_ne!(demo.stat(path, true).unwrap().changed, before.changed, "a write to a file went unseen");
}
