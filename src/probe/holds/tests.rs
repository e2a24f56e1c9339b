use std::fs;

use super::*;
use crate::host::demo::Demo;
use crate::host::local::Local;
use crate::host::tools::Tools;

fn demo() -> (tempfile::TempDir, Demo) {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open("guides", &dir.path().join("machine")).unwrap();
    (dir, demo)
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn is_no(held: Held, words: &str) {
    match held {
        Held::No { because } => assert!(because.contains(words), "the reason does not help: {because}"),
        other => panic!("it should not hold: {other:?}"),
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test lays out what is looked at")]
fn files_are_told_apart_by_more_than_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let root = HostPath::from(dir.path().canonicalize().unwrap());
    let local = Local::new();
    let path = root.join("web.cfg");
    let exists = Check::Exists { path: path.clone() };
    is_no(holds(&local, &exists), "there is no");
    assert_eq!(holds(&local, &exists.clone().negated()), Held::Yes);
    fs::write(&path, "name='web'\n").unwrap();
    assert_eq!(holds(&local, &exists), Held::Yes);
    let stat = local.stat(path.as_path(), false).unwrap();
    let same = Check::Is { path: path.clone(), inode: (stat.dev, stat.ino) };
    let bytes = Check::Holds { path: path.clone(), blake3: blake3::hash(b"name='web'\n").to_hex().to_string() };
    assert_eq!((holds(&local, &same), holds(&local, &bytes)), (Held::Yes, Held::Yes));
    fs::write(root.join("other"), "name='db'\n").unwrap();
    fs::rename(root.join("other"), &path).unwrap();
    is_no(holds(&local, &same), "another file");
    is_no(holds(&local, &bytes), "other bytes");
    std::os::unix::fs::symlink("web.cfg", root.join("link")).unwrap();
    is_no(holds(&local, &Check::Holds { path: root.join("link"), blake3: String::new() }), "no regular file");
    let deep = root.join("web.cfg/x");
    assert!(matches!(holds(&local, &Check::Space { path: deep, bytes: 1 }), Held::Unknown { .. }), "a file was taken for a directory");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test asks for the device of its own directory")]
fn a_destination_whose_mount_went_away_is_noticed() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = HostPath::from(dir.path()).join("not/yet/there.img");
    let dev = fs::metadata(dir.path()).unwrap().dev();
    let local = Local::new();
    assert_eq!(holds(&local, &Check::LiesOn { path: path.clone(), dev }), Held::Yes);
    is_no(holds(&local, &Check::LiesOn { path: path.clone(), dev: dev + 1 }), "still mounted?");
    assert_eq!(holds(&local, &Check::Space { path: path.clone(), bytes: 1 }), Held::Yes);
    is_no(holds(&local, &Check::Space { path, bytes: u64::MAX }), "are needed");
    assert_eq!(holds(&local, &Check::Mounted { at: "/proc".into() }), Held::Yes);
    is_no(holds(&local, &Check::Mounted { at: HostPath::from(dir.path()) }), "nothing is mounted");
}

#[test]
fn a_domain_is_there_off_or_unknown() {
    let (_dir, demo) = demo();
    let there = |name: &str| holds(&demo, &Check::DomainPresent { name: name.into() });
    assert_eq!(there("web01"), Held::Yes);
    is_no(there("web0"), "is off");
    assert_eq!(demo.machine(&words("xl destroy web01")).exit, 0);
    is_no(there("web01"), "is off");
    let bare = Local::with_tools(Tools::in_directories(Vec::new()));
    let unknown = holds(&bare, &Check::DomainPresent { name: "web01".into() });
    assert!(matches!(unknown, Held::Unknown { .. }), "without xl, a domain that runs would be taken for one that is off: {unknown:?}");
    let not = holds(&bare, &Check::DomainPresent { name: "web01".into() }.negated());
    assert!(matches!(not, Held::Unknown { .. }), "the contrary of unknown is unknown");
}

#[test]
fn a_disk_is_in_use_while_its_domain_is_there() {
    let (_dir, demo) = demo();
    let used = |path: &str| holds(&demo, &Check::InUse { path: path.into() });
    is_no(holds(&demo, &Check::InUse { path: "/dev/mapper/xenvols-web01--disk".into() }.negated()), "of web01 (");
    assert_eq!(used("/dev/xenvols/web01-disk"), Held::Yes);
    demo.machine(&words("xl destroy web01"));
    is_no(used("/dev/xenvols/web01-disk"), "nobody uses");
    is_no(used("/srv/xen/img/not-there.img"), "nobody uses");
    is_no(holds(&demo, &Check::InUse { path: "/dev/sda2".into() }.negated()), "mounted at /");
}

#[test]
fn only_a_looking_command_is_asked() {
    let (_dir, demo) = demo();
    let says = |cmd: Cmd, text: &str| holds(&demo, &Check::Says { cmd, text: text.into() });
    assert_eq!(says(Cmd::reads("xl", ["domname", "1"]), "\n"), Held::Yes);
    is_no(says(Cmd::reads("xl", ["domid", "web01"]), "nonsense"), "says");
    is_no(says(Cmd::reads("xl", ["domid", "none"]), ""), "failed");
    let before = demo.now();
    assert!(matches!(says(Cmd::changes("xl", ["destroy", "web01"]), ""), Held::Unknown { .. }));
    assert_eq!(demo.now(), before, "a check destroyed a domain");
    assert!(matches!(says(Cmd::reads("xl", ["vcpu-list"]), ""), Held::Unknown { .. }), "what is not understood is no answer");
    assert!(matches!(says(Cmd::reads("virsh", ["list"]), ""), Held::Unknown { .. }));
}
