//! What is changed inside clones: every no, and what the plans promise.

use super::cloning::{cloning, runs, with};
use super::refusals::Case;
use super::*;
use crate::model::cloning::{CloneHow, Cloning};
use crate::model::example::{disk, put_backing};
use crate::model::{Action, Check, MountUse, Signature};

const OLD_UUID: &str = "0f5c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01";
/// As `xfs_db -c info` prints it, in part.
const XFS: &str = "naming   =version 2              bsize=4096   ascii-ci=0, ftype=1\nlog      =internal log           bsize=4096   blocks=16384, version=2\n";
/// Of a btrfs that was unmounted, as `btrfs inspect-internal dump-super` prints it.
const STILL: &str = "flags\t\t\t0x1\n\t\t\t( WRITTEN )\nlog_root\t\t0\nnum_devices\t\t1\n";

/// A file system on a disk, or in a partition that begins at 1 MiB.
fn lies(world: &mut World, path: &str, kind: &str, partition: Option<u32>) {
    if world.inventory.backings.get(path).is_none_or(|backing| backing.signatures.is_empty()) {
        put_backing(&mut world.inventory, &disk("xvda", path, Mode::Write));
        world.says.push(("stat /", "Inode: 2   Type: directory\n".into()));
    }
    if kind == "xfs" {
        world.says.push(("xfs_db -r -c info", XFS.into()));
    }
    let offset = if partition.is_some() { 1 << 20 } else { 0 };
    let found = Signature { offset, partition, kind: kind.into(), uuid: Some(OLD_UUID.into()), label: None, bytes: None, times: None };
    world.inventory.backings.get_mut(path).unwrap().signatures.push(found);
}

fn inside() -> Request {
    with(|wanted| wanted.inside = true)
}

fn btrfs(world: &mut World, superblock: &str) -> Request {
    lies(world, "/dev/vg0/old", "btrfs", None);
    world.says.push(("dump-super", superblock.into()));
    inside()
}

pub(super) const CASES: &[Case] = &[
    ("nothing-inside", "", |_| inside()),
    ("nothing-inside", "an XFS in a partition", |world| {
        lies(world, "/dev/vg0/old", "xfs", Some(1));
        inside()
    }),
    ("nothing-inside", "a UUID that is none", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.inventory.backings.get_mut("/dev/vg0/old").unwrap().signatures[0].uuid = Some("a/b".into());
        inside()
    }),
    ("inside-lvm", "", |world| {
        lies(world, "/dev/vg0/old", "lvm2-pv", Some(2));
        inside()
    }),
    ("inside-overlay", "", |world| {
        lies(world, "/srv/web.img", "ext4", None);
        Request::Clone(Cloning { inside: true, ..cloning("web", CloneHow::Overlay) })
    }),
    ("inside-names", "", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.setting.job_dir = "/srv/what?/job".into();
        inside()
    }),
    ("inside-unreadable", "", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.says.clear();
        inside()
    }),
    ("fstab-too-large", "of a clone", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.says.push(("cat /etc/fstab", "x".repeat(70_000)));
        inside()
    }),
    ("hostname-bad", "of a clone", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.says.push(("cat /etc/hostname", "old\n".into()));
        with(|wanted| {
            wanted.inside = true;
            wanted.names = vec!["two_2".into()];
        })
    }),
    ("hostname-bad", "of a clone whose XFS may hold it", |world| {
        lies(world, "/dev/vg0/old", "xfs", None);
        with(|wanted| {
            wanted.inside = true;
            wanted.names = vec!["two_2".into()];
        })
    }),
    ("tool-missing", "tune2fs", |world| {
        lies(world, "/dev/vg0/old", "ext4", None);
        world.no_tools = vec!["tune2fs"];
        inside()
    }),
    ("tool-missing", "xfs_admin", |world| {
        lies(world, "/dev/vg0/old", "xfs", None);
        world.no_tools = vec!["xfs_admin"];
        inside()
    }),
    ("tool-missing", "btrfstune", |world| {
        world.no_tools = vec!["btrfstune"];
        btrfs(world, STILL)
    }),
    ("needs-mount", "to change a clone's XFS", |world| {
        lies(world, "/dev/vg0/old", "xfs", None);
        world.setting.can_mount = false;
        inside()
    }),
    ("inside-xfs-log", "", |world| {
        lies(world, "/dev/vg0/old", "xfs", None);
        world.says = vec![("xfs_db", XFS.replace("internal", "external"))];
        inside()
    }),
    ("store-too-small", "", |world| {
        lies(world, "/dev/vg0/old", "xfs", None);
        with(|wanted| (wanted.inside, wanted.store) = (true, Some(64 << 20)))
    }),
    ("inside-btrfs-running", "", |world| {
        world.domain("old").power = Power::Running;
        btrfs(world, STILL)
    }),
    ("inside-btrfs-mounted", "", |world| {
        let asked = btrfs(world, STILL);
        let mount = MountUse { source: "/dev/vg0/old".into(), at: "/mnt".into(), fs: "btrfs".into(), read_write: false };
        world.inventory.backings.get_mut("/dev/vg0/old").unwrap().mounts.push(mount);
        asked
    }),
    ("inside-btrfs-devices", "", |world| btrfs(world, &STILL.replace("devices\t\t1", "devices\t\t2"))),
    ("inside-btrfs-state", "", |world| btrfs(world, &STILL.replace("WRITTEN", "WRITTEN | SEEDING"))),
    ("inside-btrfs-log", "", |world| btrfs(world, &STILL.replace("log_root\t\t0", "log_root\t\t30720000"))),
];

#[test]
fn inside_each_clone_the_file_system_and_the_host_get_names_of_their_own() {
    let mut world = World::new();
    lies(&mut world, "/dev/vg0/old", "ext4", None);
    world.says.push(("cat /etc/fstab", format!("UUID={OLD_UUID} / ext4 defaults 0 1\n")));
    world.says.push(("cat /etc/hostname", "old\n".into()));
    let plan = world.plan(&with(|wanted| wanted.inside = true)).unwrap();
    let lines = runs(&plan);
    assert!(
        !lines.iter().any(|line| line.contains("/dev/vg0/old") && !line.starts_with("lvcreate")),
        "the original would be touched: {lines:#?}"
    );
    let mut seen = Vec::new();
    for name in ["two", "three"] {
        let disk = format!("/dev/vg0/{name}");
        let at = |start: &str| {
            let here = |line: &String| line.starts_with(start) && line.contains(&disk);
            lines.iter().position(here).unwrap_or_else(|| panic!("no {start} of {disk} in {lines:#?}"))
        };
        assert!(
            at("e2fsck -f -p") < at("tune2fs -U") && at("tune2fs -U") < at("debugfs -w") && at("debugfs -w") < at("e2fsck -f -n"),
            "{lines:#?}"
        );
        let uuid = lines[at("tune2fs -U")].split(' ').nth(2).unwrap().to_owned();
        let written = |inner: &str| {
            let name = format!("{name}.xvda.{inner}");
            let bytes = plan.steps.iter().find_map(|step| match &step.action {
                Action::WriteFile { path, bytes, .. } if path.to_string().ends_with(&name) => Some(bytes.clone()),
                _ => None,
            });
            String::from_utf8(bytes.unwrap_or_else(|| panic!("no {name}"))).unwrap()
        };
        assert_eq!(written("fstab"), format!("UUID={uuid} / ext4 defaults 0 1\n"), "{name} would not find its root");
        assert_eq!(written("hostname"), format!("{name}\n"));
        seen.push(uuid);
    }
    assert!(seen[0] != seen[1] && !seen.contains(&OLD_UUID.to_owned()), "two file systems would have one UUID: {seen:?}");
    let config =
        plan.steps.iter().position(|step| matches!(&step.action, Action::WriteFile { path, .. } if path.to_string().ends_with("/two.cfg")));
    let last = plan.steps.iter().rposition(|step| step.action.lines().iter().any(|line| line.to_string().starts_with("e2fsck")));
    assert!(config > last, "a clone could be started while it is changed");
}

/// Where the first line that begins so stands.
fn place(lines: &[String], start: &str) -> usize {
    lines.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {lines:#?}"))
}

#[test]
fn a_file_system_in_a_partition_is_changed_at_its_place() {
    let mut world = World::new();
    lies(&mut world, "/dev/vg0/old", "gpt", None);
    lies(&mut world, "/dev/vg0/old", "ext4", Some(1));
    lies(&mut world, "/dev/vg0/old", "lvm2-pv", Some(2));
    world.says.push(("cat /etc/fstab", format!("UUID={OLD_UUID} / ext4 defaults 0 1\n")));
    let plan = world.plan(&with(|wanted| (wanted.inside, wanted.names) = (true, vec!["two".into()]))).unwrap();
    let lines = runs(&plan);
    for tool in ["e2fsck -f -p", "tune2fs -U", "debugfs -w -f", "e2fsck -f -n"] {
        assert!(
            lines[place(&lines, tool)].ends_with("'/dev/vg0/two?offset=1048576'"),
            "{tool} would work on the partition table: {lines:#?}"
        );
    }
    let said = plan.warnings.iter().find(|warning| warning.contains("xvda2")).expect("nobody is told what stays the same");
    assert!(said.contains("lvm2-pv"), "{said}");
}

#[test]
fn xfs_is_mounted_to_replay_its_log_and_gets_its_uuid_once_it_is_unmounted() {
    for (path, option, mount) in [("/dev/vg0/two", "", "nouuid,"), ("/srv/two.img", "-f ", "loop,nouuid,")] {
        let mut world = World::new();
        let mut wanted = cloning("old", CloneHow::Suited);
        if path.starts_with("/srv") {
            lies(&mut world, "/srv/web.img", "xfs", None);
            for place in world.places.values_mut() {
                place.file_system = Some("btrfs".into());
            }
            wanted = cloning("web", CloneHow::Reflink);
        } else {
            lies(&mut world, "/dev/vg0/old", "xfs", None);
        }
        let plan = world.plan(&Request::Clone(Cloning { inside: true, names: vec!["two".into()], ..wanted })).unwrap();
        let lines = runs(&plan);
        // A tenth of 1 GiB, the log of 64 MiB with its places in the store, 8 MiB: in whole extents.
        let room = lines[0].contains("-L 184549376b");
        assert!(room || path.starts_with("/srv"), "xfs_admin writes zeros over the log, and the store would overflow: {}", lines[0]);
        let at = |start: &str| place(&lines, start);
        assert!(lines[at("mount")].starts_with(&format!("mount -o {mount}nosuid,nodev,noexec {path} ")), "{lines:#?}");
        let (edits, named) = (at("find"), at("umount"));
        assert!(at("mount") < edits && edits < named, "{lines:#?}");
        let (given, checked) = (at(&format!("xfs_admin {option}-U")), at("xfs_repair -n"));
        assert!(named < given && given < checked, "{lines:#?}");
        let uuid = lines[given].split(' ').rev().nth(1).unwrap();
        assert!(lines[edits].contains(&format!("s/{OLD_UUID}/{uuid}/Ig")), "the clone would not find its root: {}", lines[edits]);
        assert!(lines[edits].contains("-type f") && lines[edits].contains("/etc/fstab"), "a link could lead out: {}", lines[edits]);
        let looks = |step: &crate::model::Step| matches!(&step.action, Action::WaitFor { check: Check::Says { text, .. }, .. } if *text == format!("UUID = {uuid}"));
        assert!(plan.steps.iter().any(looks), "xfs_admin refuses with exit status 0, and nobody would see it");
        assert!(
            !lines.iter().any(|line| line.contains("/dev/vg0/old") && !line.starts_with("lvcreate")),
            "the original would be touched: {lines:#?}"
        );
    }
}

#[test]
fn btrfs_gets_its_uuid_before_anything_mounts_it() {
    let mut world = World::new();
    let asked = btrfs(&mut world, STILL);
    let plan = world.plan(&asked).unwrap();
    let lines = runs(&plan);
    let (given, mounted) = (place(&lines, "btrfstune -M"), place(&lines, "mount -o nosuid"));
    assert!(given < mounted, "this host's kernel would see two file systems with one UUID: {lines:#?}");
    let looks = |step: &crate::model::Step| matches!(&step.action, Action::WaitFor { check: Check::Says { text, .. }, .. } if text == "log_root\t\t0\n");
    let looked = plan.steps.iter().position(looks).expect("a log would be forgotten");
    let tuned = plan.steps.iter().position(|step| step.action.lines().iter().any(|line| line.to_string().starts_with("btrfstune")));
    assert!(Some(looked) < tuned);
}

#[test]
fn a_link_inside_leads_no_edit_out_of_the_clone() {
    let dir = tempfile::tempdir().unwrap();
    let mnt = dir.path().join("two.xvda.mnt");
    std::fs::create_dir_all(mnt.join("@/etc")).unwrap();
    std::fs::create_dir(dir.path().join("host")).unwrap();
    let host = dir.path().join("host/fstab");
    for path in [&host, &mnt.join("@/etc/fstab")] {
        std::fs::write(path, format!("UUID={} /\n", OLD_UUID.to_uppercase())).unwrap();
    }
    std::os::unix::fs::symlink(dir.path().join("host"), mnt.join("etc")).unwrap();
    let mut world = World::new();
    lies(&mut world, "/dev/vg0/old", "xfs", None);
    world.setting.job_dir = dir.path().to_str().unwrap().into();
    let plan = world.plan(&with(|wanted| (wanted.inside, wanted.names) = (true, vec!["two".into()]))).unwrap();
    for step in &plan.steps {
        for line in step.action.lines().iter().filter(|line| line.argv[0] == b"find") {
            let argv: Vec<&str> = line.argv.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
            assert!(std::process::Command::new(argv[0]).args(&argv[1..]).status().unwrap().success(), "{line}");
        }
    }
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert!(read(&host).contains(&OLD_UUID.to_uppercase()), "a guest could change files of the host");
    assert!(!read(&mnt.join("@/etc/fstab")).contains(&OLD_UUID.to_uppercase()), "the clone would not find its root");
}
