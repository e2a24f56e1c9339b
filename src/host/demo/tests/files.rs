//! Files, devices and the directory itself.

use super::*;

/// Bytes of real disk below a directory.
fn taken(dir: &Path) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        sum += if facts.is_dir() { taken(&entry.path()) } else { std::os::unix::fs::MetadataExt::blocks(&facts) * 512 };
    }
    sum
}

#[test]
fn every_machine_lies_down_quickly_and_small() {
    for name in Demo::names() {
        let clock = std::time::Instant::now();
        let laid = laid(name);
        assert!(clock.elapsed().as_secs() < 5, "{name} takes so long that nobody will try it");
        let bytes = taken(laid.dir.path());
        assert!(bytes < 24 << 20, "{name} takes {bytes} bytes of real disk");
        assert!(Demo::about(name).is_some_and(|about| about.ends_with('.')));
    }
}

#[test]
fn volumes_are_block_devices_of_their_size_and_hold_file_systems() {
    let guides = laid("guides");
    let demo = &guides.demo;
    for path in ["/dev/xenvols/web01-disk", "/dev/mapper/xenvols-web01--disk", "/dev/dm-0"] {
        let stat = demo.stat(Path::new(path), true).unwrap();
        assert_eq!((stat.kind, stat.rdev, stat.size), (FileType::Block, (253, 0), 0), "{path} does not look like a volume");
        assert_eq!(demo.resolve(Path::new(path)).unwrap(), Path::new("/dev/dm-0"));
        assert_eq!(demo.device(Path::new(path)).unwrap().bytes, 8 << 30);
    }
    let magic = demo.read_at(Path::new("/dev/xenvols/web01-disk"), 1024 + 0x38, 2).unwrap();
    assert_eq!(magic, [0x53, 0xef]);
    assert!(demo.read_at(Path::new("/dev/xenvols/shop01-monday"), 0, 512).is_err(), "an overflowed snapshot can be read");
    assert_eq!(demo.stat(Path::new("/dev/loop0"), true).unwrap().rdev, (7, 0));
    assert!(demo.device(Path::new("/etc/hostname")).is_err());
}

#[test]
fn a_file_knows_its_mount_and_its_time() {
    let guides = laid("guides");
    let stat = guides.demo.stat(Path::new("/srv/xen/img/build.img"), true).unwrap();
    assert_eq!((rustix::fs::major(stat.dev), stat.kind), (253, FileType::Regular));
    assert_eq!(stat.modified.to_rfc3339(), "2026-03-14T09:20:00+00:00");
    assert!(stat.allocated() < stat.size / 100, "the image is not sparse");
    let space = guides.demo.space(Path::new("/srv/xen/img")).unwrap();
    assert_eq!(space.free, 11 << 30);
    let now = guides.demo.stat(Path::new("/etc/hostname"), true).unwrap().modified;
    assert!(now <= guides.demo.now(), "a file of the demo is of the future");
}

#[test]
fn no_path_leads_out_of_the_machine() {
    let hostile = laid("hostile");
    let demo = &hostile.demo;
    assert_eq!(demo.resolve(Path::new("/../../../../etc")).unwrap(), Path::new("/etc"));
    assert_eq!(demo.read_at(Path::new("/etc/xen/out.cfg"), 0, 100), Err(HostError::NotFound), "a link led to the real /etc/passwd");
    assert!(demo.read_at(Path::new("/etc/xen/loop.cfg"), 0, 100).is_err());
    let names = demo.list(Path::new("/etc/xen"), 1000).unwrap();
    assert!(names.entries.iter().any(|entry| entry.name.as_bytes() == b"not-utf8-\xff\xfe.cfg"));
    assert!(demo.list(Path::new("/etc/xen"), 3).unwrap().cut);
    let list = ask(demo, "xl list");
    assert!(list.contains("\u{1b}[2J") && list.lines().any(|line| line.len() > 4000), "the hostile machine is harmless");
}

#[test]
fn tools_that_are_not_there_and_words_that_are_unknown_are_told_apart() {
    let bare = laid("bare");
    assert_eq!(bare.demo.run(&Cmd::reads("xl", ["list"])), Err(HostError::NoTool { program: "xl".into() }));
    let guides = laid("guides");
    let unknown = guides.demo.run(&Cmd::reads("xl", ["vcpu-list"])).unwrap();
    assert_eq!(unknown.exit, 127, "the demo answers what it does not know");
    assert!(guides.demo.run(&Cmd::reads("virsh", ["list"])).is_err());
    assert!(guides.demo.run(&Cmd::changes("xl", ["destroy", "web01"])).is_err(), "a look changes the host");
    assert_eq!(guides.demo.run(&Cmd::reads("xl", ["destroy", "web01"])).unwrap().exit, 127);
}

#[test]
fn only_a_directory_of_our_own_is_used_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "data").unwrap();
    assert!(Demo::open("guides", dir.path()).is_err(), "a directory with somebody's files became a demo machine");
    assert!(Demo::reset("guides", dir.path()).is_err());
    assert!(dir.path().join("precious").exists(), "somebody's files are gone");

    let root = dir.path().join("below/machine");
    let first = Demo::open("empty", &root).unwrap();
    assert!(Demo::open("guides", &root).is_err(), "one machine was taken for another");
    assert_eq!(first.machine(&words("demo-write no/volume 1")).exit, 5);
    let second = Demo::reset("empty", &root).unwrap();
    assert_eq!(second.now().to_rfc3339(), "2026-03-14T09:26:00+00:00", "a reset machine remembers");
    assert_eq!(std::fs::read_dir(dir.path().join("below")).unwrap().count(), 1, "something was left beside the machine");
    assert!(Demo::open("nosuch", &dir.path().join("other")).is_err());
}
