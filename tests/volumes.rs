//! Volumes made, grown and moved to, by the built program on the demo machine: killed at every point, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use domkeep::host::demo::Demo;
use domkeep::model::request::{Attach, FileSystem, NewDisk, Populate};
use domkeep::model::volumes::{DiskPlace, Grow, MoveDisk, NewSize, NewVolume, ThinPool, Wipe};
use domkeep::model::{JobState, Outcome, Request};

use machine::{Machine, Trial, Undone, ask, demo, do_it, root_of};

type Prepare = fn(&Demo);

/// What jobs may touch: configurations, image files and devices with their sizes, and what LVM tells.
fn told(machine: &Machine) -> BTreeMap<String, String> {
    let mut told = machine.described(&["/etc", "/srv", "/dev/mapper"], |_, path| Some(described(path)));
    let host = demo(&machine.root());
    for line in [
        "lvs -a --reportformat json --units b -o lv_full_name,lv_size,lv_attr,origin,pool_lv,lv_metadata_size",
        "vgs --reportformat json --units b -o vg_name,vg_size,vg_free",
        "pvs --reportformat json --units b -o pv_name,vg_name",
        "losetup --list --json -O NAME,BACK-FILE,RO",
    ] {
        told.insert(line.into(), String::from_utf8_lossy(&ask(&host, line).stdout).into_owned());
    }
    told
}

fn described(path: &Path) -> String {
    let facts = path.metadata().unwrap();
    if facts.is_dir() {
        "directory".into()
    } else if facts.is_file() && facts.len() < 1 << 20 {
        blake3::hash(&std::fs::read(path).unwrap()).to_hex().to_string()
    } else {
        facts.len().to_string()
    }
}

fn sweep(request: &Request, prepare: Prepare, undone: Undone, least: u64) {
    Trial { request, prepare: &prepare, told, undone }.sweep(least);
}

fn new_volume(group: &str, change: impl FnOnce(&mut NewVolume)) -> Request {
    let disk = NewDisk {
        path: format!("/dev/{group}/new01").into(),
        bytes: 64 << 20,
        file_system: FileSystem::Ext4,
        label: Some("root".into()),
        populate: Populate::Nothing,
        hostname: None,
        fstab: false,
        attach: Attach::Existing { domain: "db1".into(), config: "/etc/xen/database.cfg".into(), vdev: "xvdc".into() },
    };
    let mut wanted = NewVolume { group: group.into(), device: None, name: "new01".into(), pool: None, wipe: Wipe::Zeros, disk };
    change(&mut wanted);
    Request::NewVolume(Box::new(wanted))
}

fn move_disk(domain: &str, to: DiskPlace) -> Request {
    Request::MoveDisk(MoveDisk { domain: domain.into(), vdev: "xvda".into(), config: None, to, rate: None })
}

fn grow(target: &str, by: u64) -> Request {
    Request::Grow(Grow { target: target.into(), size: NewSize::By(by), inside: true, metadata: false, device: None })
}

fn with_loop(demo: &Demo) {
    std::fs::File::create(root_of(demo).join("tree/srv/pv.img")).unwrap().set_len(256 << 20).unwrap();
    do_it(demo, "losetup /dev/loop9 /srv/pv.img");
}

/// Another configuration names the disk of `files` too: it is taken away.
fn its_disk_is_its_own(demo: &Demo) {
    let configs = root_of(demo).join("tree/etc/xen");
    for entry in std::fs::read_dir(configs).unwrap() {
        let path = entry.unwrap().path();
        let names_it = std::fs::read_to_string(&path).is_ok_and(|text| text.contains("file0.img"));
        if names_it && path.file_name().is_some_and(|name| name != "files.cfg") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_volume_is_there_and_named_or_nothing_is() {
    sweep(&new_volume("xenvols", |_| ()), |_| (), Undone::AsBefore, 25);
}

#[test]
fn a_group_from_nothing_is_there_with_its_volume_or_the_device_is_as_empty_as_it_was() {
    let wanted = new_volume("fresh", |wanted| wanted.device = Some("/dev/loop9".into()));
    sweep(&wanted, with_loop, Undone::AsBefore, 30);
}

#[test]
fn a_thin_volume_is_there_with_its_pool_or_neither_is() {
    let wanted = new_volume("xenvols", |wanted| wanted.pool = Some(ThinPool { name: "thinner".into(), make: Some(128 << 20) }));
    sweep(&wanted, |_| (), Undone::AsBefore, 25);
}

#[test]
fn a_disk_is_in_its_new_place_or_in_its_old_one() {
    let volume = DiskPlace::Volume { group: "xenvols".into(), name: "moved01".into(), pool: None };
    sweep(&move_disk("files", volume), its_disk_is_its_own, Undone::AsBefore, 15);
    sweep(&move_disk("web1", DiskPlace::File { path: "/srv/xen/img/web1.img".into() }), |_| (), Undone::AsBefore, 15);
}

#[test]
fn a_moved_disk_holds_the_same_bytes_and_zeros_behind_them() {
    let prepare: Prepare = |demo| {
        its_disk_is_its_own(demo);
        let file = std::fs::OpenOptions::new().write(true).open(root_of(demo).join("tree/srv/xen/img/file0.img")).unwrap();
        file.set_len((64 << 20) + 512).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[7; 512], 64 << 20).unwrap();
        // Not after the machine's own time.
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
    };
    let volume = DiskPlace::Volume { group: "xenvols".into(), name: "moved01".into(), pool: None };
    let machine = Machine::asked(&move_disk("files", volume), prepare);
    assert!(machine.work("run", 0));
    let read = |path: &str| std::fs::read(machine.root().join("tree").join(path)).unwrap();
    let (old, new) = (read("srv/xen/img/file0.img"), read("dev/mapper/xenvols-moved01"));
    assert_eq!(new.len(), 68 << 20, "LVM counts in whole extents");
    assert!(new[..old.len()] == old[..], "the guest would find other bytes than it wrote");
    assert!(new[old.len()..].iter().all(|byte| *byte == 0), "a former tenant's data shows through behind the end of the disk");
}

#[test]
fn a_torn_copy_is_never_named_in_a_configuration() {
    let volume = || DiskPlace::Volume { group: "xenvols".into(), name: "moved01".into(), pool: None };
    let mut tried = 0;
    for point in 1..40 {
        let machine = Machine::asked(&move_disk("files", volume()), its_disk_is_its_own);
        if machine.work("run", point) {
            break;
        }
        let journal =
            std::fs::read_to_string(machine.root().join("tree/var/lib/domkeep/jobs").join(machine.plan.id.as_str()).join("journal.jsonl"))
                .unwrap_or_default();
        // Step 3 looks whether the disk was written to since step 0.
        if !journal.contains("witnessed") || journal.contains("\"step\":3") {
            continue;
        }
        tried += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
        let file = std::fs::OpenOptions::new().write(true).open(machine.root().join("tree/srv/xen/img/file0.img")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"written meanwhile", 40 << 20).unwrap();
        machine.run("finish", 0);
        assert!(
            matches!(machine.state(), JobState::Ended { outcome: Outcome::Failed { .. } }),
            "killed at point {point}: {:?}",
            machine.state()
        );
        let now = told(&machine);
        assert!(now["/etc/xen/files.cfg"] == demo_config(), "the domain would start from a torn disk");
        assert!(!now.keys().any(|name| name.contains("moved01")), "a torn copy is left behind");
    }
    assert!(tried > 2, "the disk was never written to at the right time");
}

/// The configuration of `files` as a machine has it before anything.
fn demo_config() -> String {
    let dir = tempfile::tempdir().unwrap();
    drop(demo(&dir.path().join("machine")));
    described(&dir.path().join("machine/tree/etc/xen/files.cfg"))
}

/// Real file systems on what grows.
fn with_file_systems(demo: &Demo) {
    for disk in [GROWING_VOLUME, GROWING_FILE] {
        let made = Command::new("mke2fs").args(["-F", "-q"]).arg(root_of(demo).join("tree").join(disk)).status().unwrap();
        assert!(made.success());
    }
}

const GROWING_VOLUME: &str = "dev/mapper/xenvols-web1--disk";
const GROWING_FILE: &str = "srv/xen/img/file0.img";

#[test]
fn a_disk_that_grows_is_whole_whenever_its_job_is_killed() {
    sweep(&grow("xenvols/web1-disk", 8 << 20), with_file_systems, Undone::Whole(GROWING_VOLUME), 12);
    sweep(&grow("/srv/xen/img/file0.img", 8 << 20), with_file_systems, Undone::Whole(GROWING_FILE), 12);
}

/// An MBR whose second and last partition has a real file system, on a disk in a file.
fn with_partitions(demo: &Demo) {
    let path = root_of(demo).join("tree").join(GROWING_FILE);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let sectors = u32::try_from(file.metadata().unwrap().len() / 512).unwrap();
    let mut table = vec![0; 512];
    for (at, start, size) in [(446, 2048_u32, 6144_u32), (462, 8192, sectors - 8192)] {
        table[at + 4] = 0x83;
        table[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        table[at + 12..at + 16].copy_from_slice(&size.to_le_bytes());
    }
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    file.set_len(0).unwrap();
    file.set_len(u64::from(sectors) * 512).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &table, 0).unwrap();
    let blocks = format!("{}k", (sectors - 8192) / 2);
    let made = Command::new("mke2fs").args(["-F", "-q", "-t", "ext4", "-E", "offset=4194304"]).arg(&path).arg(blocks).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn a_partition_that_grows_with_its_disk_is_whole_whenever_its_job_is_killed() {
    sweep(&grow("/srv/xen/img/file0.img", 8 << 20), with_partitions, Undone::WholeAt(GROWING_FILE, 4_194_304), 8);
    let machine = Machine::asked(&grow("/srv/xen/img/file0.img", 8 << 20), with_partitions);
    assert!(machine.work("run", 0));
    let disk = std::fs::read(machine.root().join("tree").join(GROWING_FILE)).unwrap();
    let end = u32::from_le_bytes(disk[470..474].try_into().unwrap()) + u32::from_le_bytes(disk[474..478].try_into().unwrap());
    assert_eq!(u64::from(end) * 512, 72 << 20, "the partition would not reach the new end of its disk");
    assert_eq!(disk.len(), 72 << 20, "the end of the disk would be cut off");
}

/// Nearly all of the group is taken.
fn with_full_group(demo: &Demo) {
    with_loop(demo);
    let said = ask(demo, "vgs --reportformat json --units b --nosuffix -o vg_free xenvols").stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let free: u64 = said["report"][0]["vg"][0]["vg_free"].as_str().unwrap().parse().unwrap();
    do_it(demo, &format!("lvcreate -y -L {}b -n filler xenvols", free - (8 << 20)));
}

#[test]
fn a_disk_that_joins_a_full_group_is_in_it_with_its_volume_or_as_empty_as_it_was() {
    let wanted = new_volume("xenvols", |wanted| wanted.device = Some("/dev/loop9".into()));
    sweep(&wanted, with_full_group, Undone::AsBefore, 30);
}

#[test]
fn nothing_of_a_former_volume_shows_through() {
    // The demo machine's devices are fresh files: what a former volume left is written where the plan's own step must wipe it.
    let machine = Machine::asked(&new_volume("xenvols", |wanted| wanted.disk.file_system = FileSystem::None), |_| ());
    let lines: Vec<String> = machine.plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect();
    let (made, wiped) = (
        lines.iter().position(|line| line.starts_with("lvcreate")),
        lines.iter().position(|line| line == "blkdiscard -z /dev/xenvols/new01"),
    );
    assert!(made.is_some() && made < wiped, "lvcreate alone wipes 4 KiB, and the new guest reads the rest: {lines:?}");
}
