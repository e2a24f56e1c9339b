use std::fs;

use super::*;
use crate::host::demo::Demo;
use crate::host::local::Local;

fn demo() -> (tempfile::TempDir, Demo) {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open("guides", &dir.path().join("machine")).unwrap();
    (dir, demo)
}

fn ask(host: &dyn Look, question: &Question) -> Fact {
    answer(host, &Inventory::default(), question)
}

fn place_of(host: &dyn Look, path: impl Into<HostPath>) -> PlaceFact {
    match ask(host, &Question::Place { path: path.into() }) {
        Fact::Place { place, .. } => place,
        other => panic!("no place: {other:?}"),
    }
}

fn is_unknown(fact: &Fact) -> bool {
    matches!(fact, Fact::Unknown { .. })
}

#[test]
fn a_place_that_is_not_there_yet_lies_in_the_nearest_directory() {
    let (_dir, demo) = demo();
    let new = place_of(&demo, "/srv/xen/img/deep/new.img");
    assert_eq!((new.stands, new.directory, new.bytes), (Stands::Nothing, "/srv/xen/img".into(), None));
    assert_eq!(new.free, 11 << 30, "the room of another file system was taken for this one's");
    assert!(new.file_system.is_some() && new.mounted_at.is_some() && !new.read_only);
    let there = place_of(&demo, "/srv/xen/img/build.img");
    assert_eq!((there.stands, there.dev), (Stands::File, new.dev));
    assert!(there.bytes > Some(0) && there.inode.is_some());
    let volume = place_of(&demo, "/dev/xenvols/web01-disk");
    assert_eq!((volume.stands, volume.bytes), (Stands::Device, Some(8 << 30)), "a volume is no link to a plan");
    assert_eq!(volume.canonical, Some("/dev/dm-0".into()));
    assert!(is_unknown(&ask(&demo, &Question::Place { path: "/etc/hostname/x".into() })), "a file was taken for a directory");
    assert!(is_unknown(&ask(&demo, &Question::Place { path: "relative".into() })));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test lays out what is asked for")]
fn what_stands_on_this_machine_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = HostPath::from(dir.path().canonicalize().unwrap());
    fs::write(root.join("file"), "12345").unwrap();
    std::os::unix::fs::symlink("file", root.join("link")).unwrap();
    let local = Local::new();
    let stands = |name: &str| place_of(&local, root.join(name)).stands;
    assert_eq!(
        (stands(""), stands("file"), stands("link"), stands("none")),
        (Stands::Directory, Stands::File, Stands::Link, Stands::Nothing)
    );
    assert_eq!(place_of(&local, root.join("link")).canonical, Some(root.join("file")));
    assert_eq!(place_of(&local, "/dev/null").stands, Stands::Other);
    assert!(!place_of(&local, root.join("none")).read_only);
    assert!(place_of(&local, "/proc/none").file_system == Some("proc".into()));
    match ask(&local, &Question::BytesOf { path: root.join("file") }) {
        Fact::Bytes { bytes, .. } => assert_eq!(bytes, b"12345"),
        other => panic!("{other:?}"),
    }
    fs::write(root.join("large"), vec![0; (1 << 20) + 1]).unwrap();
    assert!(is_unknown(&ask(&local, &Question::BytesOf { path: root.join("large") })), "a disk would be read as a config");
    assert_eq!(ask(&local, &Question::Tool { name: "sh".into() }), Fact::Tool { name: "sh".into(), there: true });
    assert_eq!(ask(&local, &Question::Tool { name: "no-such-tool".into() }), Fact::Tool { name: "no-such-tool".into(), there: false });
}

#[test]
fn bytes_on_a_disk_are_recognised_before_they_are_overwritten() {
    let (_dir, demo) = demo();
    let kinds = |path: &str| match ask(&demo, &Question::SignatureOf { path: path.into() }) {
        Fact::Signature { found, .. } => found.into_iter().map(|signature| signature.kind).collect::<Vec<_>>(),
        other => panic!("{path}: {other:?}"),
    };
    assert!(
        kinds("/dev/xenvols/web01-disk").iter().any(|kind| kind.starts_with("ext")),
        "a guest's file system would be overwritten unseen"
    );
    assert!(is_unknown(&ask(&demo, &Question::SignatureOf { path: "/srv/xen".into() })));
    assert!(is_unknown(&ask(&demo, &Question::SignatureOf { path: "/srv/none".into() })));
}

#[test]
fn every_user_of_a_disk_is_named() {
    let (_dir, demo) = demo();
    let users = |path: &str| match ask(&demo, &Question::UseOf { path: path.into() }) {
        Fact::Use { users, .. } => users,
        other => panic!("{path}: {other:?}"),
    };
    assert!(users("/dev/xenvols/web01-disk").iter().any(|user| user.contains("xvda of web01")), "{:?}", users("/dev/xenvols/web01-disk"));
    assert!(users("/dev/sda2").iter().any(|user| user == "mounted at /"), "{:?}", users("/dev/sda2"));
    assert_eq!(users("/etc/hostname"), Vec::<String>::new());
    // A loop device is its domain's, not another user.
    let file = demo.machine(&["losetup", "--json", "-l", "-O", "NAME,BACK-FILE"].map(str::to_owned));
    let text = String::from_utf8(file.stdout).unwrap();
    if let Some(file) = text.split("\"back-file\": \"").nth(1).and_then(|rest| rest.split('"').next()) {
        let users = users(file);
        assert!(!users.is_empty() && users.iter().all(|user| !user.starts_with("bound to")), "{users:?}");
    }
}

#[test]
fn permissions_of_the_asker_are_read_as_the_kernel_does() {
    struct As(&'static str);
    let stat = |uid, gid, mode| Stat {
        kind: FileType::Directory,
        dev: 1,
        ino: 1,
        size: 0,
        blocks: 0,
        mode,
        uid,
        gid,
        modified: chrono::DateTime::UNIX_EPOCH,
        changed: chrono::DateTime::UNIX_EPOCH,
        rdev: (0, 0),
    };
    let may = |status: &As, stat: &Stat| {
        let user = own_numbers(status.0, "Uid:");
        assert_eq!(user.len(), 4);
        may_write_as(status.0, stat)
    };
    let user = As("Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\t100\t100\nGroups:\t27 100\n");
    assert!(may(&user, &stat(1000, 0, 0o700)) && may(&user, &stat(0, 27, 0o770)) && may(&user, &stat(0, 0, 0o777)));
    assert!(!may(&user, &stat(0, 0, 0o755)), "a plan for a place that cannot be written to would fail half-way");
    assert!(!may(&user, &stat(1000, 27, 0o070)), "the owner's bits count for the owner alone");
    assert!(may(&As("Uid:\t1000\t0\t0\t0\n"), &stat(5, 5, 0o000)));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test lays out what is asked for")]
fn a_bundle_is_known_by_its_manifest_alone() {
    use crate::bundle::manifest::{Manifest, write};
    let dir = tempfile::tempdir().unwrap();
    let root = HostPath::from(dir.path().canonicalize().unwrap());
    let local = Local::new();
    let why = |name: &str| match ask(&local, &Question::Bundle { path: root.join(name) }) {
        Fact::Unknown { why, .. } => why,
        other => panic!("{name} was taken for a bundle: {other:?}"),
    };
    assert!(why("none").contains("no bundle"));
    let manifest = Manifest { domain: "web01".into(), ..crate::bundle::testing::manifest(Vec::new()) };
    fs::create_dir(root.join("good")).unwrap();
    let text = write(&manifest, "").unwrap();
    fs::write(root.join("good/manifest.toml"), &text).unwrap();
    let told = ask(&local, &Question::Bundle { path: root.join("good") });
    assert_eq!(told, Fact::Bundle { path: root.join("good"), manifest: Box::new(manifest) }, "a backup could not be restored");
    fs::create_dir(root.join("link")).unwrap();
    std::os::unix::fs::symlink("../good/manifest.toml", root.join("link/manifest.toml")).unwrap();
    assert!(why("link").contains("no regular file"));
    fs::write(root.join("good/manifest.toml"), text.replace("web01", "web02")).unwrap();
    assert!(!why("good").is_empty(), "a manifest that somebody edited was believed");
}
