//! Plans about volumes, and what is refused before anything changes.

use super::*;
use crate::model::volumes::{DiskPlace, Grow, NewSize, ThinPool};
use crate::model::{Action, Check, Risk, Signature, Undo};

fn extend(volume: &str, by_bytes: u64) -> Request {
    Request::ExtendSnapshot { volume: volume.into(), by_bytes }
}

/// The command lines of a plan.
fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect()
}

#[test]
fn what_fills_up_grows_by_one_command_and_no_file_is_written() {
    let world = World::new();
    for (request, line) in [
        (extend("vg0/snap", 50 << 20), "lvextend -y -L 159383552b vg0/snap"),
        (extend("/dev/vg0/pool", 1 << 30), "lvextend -y -L 5368709120b vg0/pool"),
        (Request::ExtendMetadata { volume: "vg0/pool".into(), by_bytes: 1 }, "lvextend -y --poolmetadatasize 12582912b vg0/pool"),
    ] {
        let plan = world.plan(&request).unwrap();
        assert_eq!(lines(&plan), [line], "the guard's own disk may lie in the pool that is full: nothing may be written before it grows");
        assert!(matches!(plan.steps[0].action, Action::Run { .. }) && plan.confirm.is_none() && plan.risk == Risk::Adds);
        let Some(Check::Says { cmd, .. }) = &plan.steps[0].done else { panic!("after a crash nobody could tell whether it grew") };
        assert!(cmd.to_string().contains(">="), "a run that was killed would grow it twice: {cmd}");
        assert!(!line.contains('+'), "done twice it would grow twice");
    }
}

fn grow(target: &str, size: NewSize) -> Request {
    Request::Grow(Grow { target: target.into(), size, inside: true, metadata: false, device: None })
}

fn ext4(offset: u64, partition: Option<u32>) -> Signature {
    Signature { offset, partition, kind: "ext4".into(), uuid: None, label: None, bytes: None, times: None }
}

#[test]
fn a_volume_from_nothing_is_made_step_by_step_and_each_can_be_taken_back() {
    let mut world = World::new();
    world.put("/dev/sdz1", Stands::Device);
    let plan = world.plan(&refusals::volumes::new_volume("fresh", |wanted| wanted.device = Some("/dev/sdz1".into()))).unwrap();
    let tag = format!("domkeep.{}", plan.id);
    assert_eq!(
        lines(&plan),
        [
            "pvcreate /dev/sdz1".to_owned(),
            format!("vgcreate --addtag {tag} fresh /dev/sdz1"),
            format!("lvcreate -y -Wy --addtag {tag} -n new01 -L 104857600b fresh"),
            "blkdiscard -z /dev/fresh/new01".to_owned(),
            "mke2fs -t ext4 -F -q /dev/fresh/new01".to_owned(),
            "e2fsck -f -n /dev/fresh/new01".to_owned(),
        ]
    );
    for step in plan.steps.iter().take(3) {
        assert!(matches!(step.undo, Undo::By { .. }) && step.done.is_some(), "{}: a job that is killed would leave it behind", step.says);
    }
    assert!(
        !lines(&plan).iter().take(2).any(|line| line.contains("-y") || line.contains("-f")),
        "LVM's own questions are answered with yes"
    );
    assert!(plan.warnings.iter().any(|text| text.contains("known signature")), "{:?}", plan.warnings);
}

#[test]
fn a_thin_volume_gets_a_pool_with_metadata_that_lasts() {
    let wanted = refusals::volumes::new_volume("vg0", |wanted| wanted.pool = Some(ThinPool { name: "fast".into(), make: Some(4 << 30) }));
    let plan = World::new().plan(&wanted).unwrap();
    let tag = format!("domkeep.{}", plan.id);
    let made = format!("lvcreate -y --addtag {tag} -n fast --type thin-pool -L 4294967296b --poolmetadatasize 8388608b -c 65536b -Zy vg0");
    assert_eq!(lines(&plan)[..2], [made, format!("lvcreate -y -Wy --addtag {tag} -n new01 -V 104857600b --thinpool fast vg0")]);
    assert!(!lines(&plan).iter().any(|line| line.starts_with("blkdiscard")), "zeros would fill the pool");
    assert!(plan.steps[0].why.contains("8 MiB of metadata"), "nobody learns why it is so large: {}", plan.steps[0].why);
}

#[test]
fn a_file_system_is_checked_before_it_grows_and_left_to_a_guest_that_runs() {
    let mut world = World::new();
    for path in ["/dev/vg0/old", "/dev/vg0/db"] {
        world.signatures.insert(path.into(), vec![ext4(0, None)]);
    }
    let plan = world.plan(&grow("vg0/old", NewSize::To(2 << 30))).unwrap();
    let expected =
        ["e2fsck -f -p /dev/vg0/old", "lvextend -y -L 2147483648b vg0/old", "resize2fs /dev/vg0/old", "e2fsck -f -n /dev/vg0/old"];
    assert_eq!(lines(&plan), expected);
    world.users.insert("/dev/vg0/db".into(), vec!["xvda of db (running)".into()]);
    let plan = world.plan(&grow("/dev/vg0/db", NewSize::By(1 << 30))).unwrap();
    assert_eq!(lines(&plan), ["lvextend -y -L 2147483648b vg0/db"], "dom0 writes to a disk that a guest has");
    let told = plan.warnings.join(" ");
    assert!(told.contains("next reads or writes xvda") && told.contains("resize2fs /dev/xvda"), "{told}");
}

#[test]
fn the_last_partition_grows_with_its_disk_and_the_file_system_with_it() {
    let mut world = World::new();
    let asked = refusals::volumes::partitioned(&mut world, refusals::volumes::GPT);
    let plan = world.plan(&asked).unwrap();
    let kept = world.setting.job_dir.join("partition-table.before");
    assert!(
        matches!(&plan.steps[0].action, Action::WriteFile { path, bytes, .. } if *path == kept && bytes == refusals::volumes::GPT.as_bytes()),
        "nobody could bring the old table back: {:?}",
        plan.steps[0]
    );
    let lines = lines(&plan);
    let place = "'/dev/vg0/old?offset=22020096'";
    let quiet = "--no-reread --no-tell-kernel";
    assert_eq!(
        lines[2..],
        [
            format!("e2fsck -f -p {place}"),
            "lvextend -y -L 2147483648b vg0/old".to_owned(),
            format!("sfdisk --relocate gpt-bak-std {quiet} /dev/vg0/old"),
            format!("sfdisk -q --wipe never --wipe-partitions never {quiet} -N 2 /dev/vg0/old"),
            // To the last whole MiB before the 33 sectors of the backup.
            format!("resize2fs {place} 4149248s"),
            format!("e2fsck -f -n {place}"),
        ]
    );
    let script = plan.steps.iter().flat_map(|step| step.action.lines()).find_map(|line| line.stdin.filter(|_| line.argv[0] == b"sfdisk"));
    assert_eq!(script.as_deref(), Some(b",4149248\n".as_slice()), "it would begin somewhere else, or end over the table's backup");

    // Whoever has it does it: two kernels never write to one table.
    world.domain("old").power = Power::Running;
    world.domain("old").disks[0].attached = true;
    let plan = world.plan(&asked).unwrap();
    assert_eq!(self::lines(&plan), ["lvextend -y -L 2147483648b vg0/old"]);
    assert!(plan.warnings.join(" ").contains("growpart /dev/xvda 2"), "{:?}", plan.warnings);
}

#[test]
fn what_dom0_mounts_grows_there_though_no_domain_has_it() {
    let mount = |read_write| MountUse { source: "/dev/mapper/vg0-spare".into(), at: "/srv/data".into(), read_write, fs: "any".into() };
    for (kind, last) in
        [("ext4", "resize2fs /dev/vg0/spare"), ("xfs", "xfs_growfs /srv/data"), ("btrfs", "btrfs filesystem resize max /srv/data")]
    {
        let mut world = World::new();
        world.signatures.insert("/dev/vg0/spare".into(), vec![Signature { kind: kind.into(), ..ext4(0, None) }]);
        world.users.insert("/dev/vg0/spare".into(), vec!["mounted at /srv/data".into()]);
        world.mounts.insert("/dev/vg0/spare".into(), vec![mount(true)]);
        let plan = world.plan(&grow("vg0/spare", NewSize::By(1 << 30))).unwrap();
        assert_eq!(lines(&plan), ["lvextend -y -L 2147483648b vg0/spare", last], "a volume of the host itself could not grow");

        world.mounts.insert("/dev/vg0/spare".into(), vec![mount(false)]);
        let refusal = world.plan(&grow("vg0/spare", NewSize::By(1 << 30))).unwrap_err();
        assert_eq!(refusal.rule, "disk-in-use", "a file system that is mounted read-only cannot grow");
    }
}

#[test]
fn resize2fs_is_never_let_at_a_partition_in_a_file() {
    let mut world = World::new();
    let asked = refusals::volumes::partitioned(&mut world, refusals::volumes::GPT);
    let found = world.signatures.remove("/dev/vg0/old").unwrap();
    world.signatures.insert("/srv/web.img".into(), found);
    world.says = vec![("sfdisk --dump", refusals::volumes::GPT.replace("/dev/vg0/old", "/srv/web.img"))];
    let Request::Grow(wanted) = asked else { panic!("{asked:?}") };
    let plan = world.plan(&Request::Grow(Grow { target: "/srv/web.img".into(), ..wanted })).unwrap();
    let lines = lines(&plan);
    assert!(lines.iter().any(|line| line.starts_with("sfdisk -q")), "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.starts_with("resize2fs") || line.starts_with("e2fsck")),
        "resize2fs cuts the file at the size of the file system, and its end is lost: {lines:#?}"
    );
    assert!(plan.warnings.iter().any(|warning| warning.contains("In the guest: resize2fs")), "{:?}", plan.warnings);
}

#[test]
fn xfs_in_a_partition_grows_through_a_loop_device_that_ends_with_it() {
    let mut world = World::new();
    let asked = refusals::volumes::partitioned(&mut world, refusals::volumes::GPT);
    world.signatures.get_mut("/dev/vg0/old").unwrap()[2].kind = "xfs".into();
    let lines = lines(&world.plan(&asked).unwrap());
    let mount = lines.iter().find(|line| line.starts_with("mount")).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(mount.contains("-o loop,offset=22020096,sizelimit=2124414976,nosuid,nodev,noexec /dev/vg0/old "), "{mount}");
    assert!(lines.iter().any(|line| line.starts_with("xfs_growfs")), "{lines:#?}");
}

#[test]
fn a_full_group_gets_one_more_disk_and_only_then_the_volume_grows() {
    let mut world = World::new();
    world.put("/dev/sdz1", Stands::Device);
    world.lvm.groups[0].group.free = 0;
    let device = Some("/dev/sdz1".into());
    for (target, last) in [("vg0/old", "lvextend -y -L 1610612736b vg0/old"), ("vg0/pool", "lvextend -y -L 4831838208b vg0/pool")] {
        let size = NewSize::By(512 << 20);
        let grow = Grow { target: target.into(), size, inside: true, metadata: false, device: device.clone() };
        let plan = world.plan(&Request::Grow(grow)).unwrap();
        assert_eq!(lines(&plan), ["pvcreate /dev/sdz1", "vgextend vg0 /dev/sdz1", last]);
        assert!(matches!(plan.steps[1].undo, Undo::Impossible { .. }), "an undo would stop at a disk that is in use");
    }
    let plan = world.plan(&refusals::volumes::new_volume("vg0", |wanted| wanted.device = device.clone())).unwrap();
    assert_eq!(lines(&plan)[..2], ["pvcreate /dev/sdz1", "vgextend vg0 /dev/sdz1"]);
    let Undo::By { action } = &plan.steps[1].undo else { panic!("the disk would stay in the group") };
    assert_eq!(action.lines()[0].to_string(), "vgreduce vg0 /dev/sdz1");
}

#[test]
fn a_moved_disk_is_copied_compared_and_named_and_the_old_one_stays() {
    let to = DiskPlace::Volume { group: "vg0".into(), name: "web".into(), pool: None };
    let plan = World::new().plan(&refusals::volumes::move_disk("web", to)).unwrap();
    assert!(plan.steps.iter().any(|step| matches!(&step.action, Action::Copy { copies, .. } if copies.iter().all(|copy| copy.verify))));
    assert!(plan.edits[0].after.contains("target=/dev/vg0/web"), "{}", plan.edits[0].after);
    assert!(
        plan.warnings.iter().any(|text| text.contains("rm /srv/web.img")),
        "nobody learns how to remove the old disk: {:?}",
        plan.warnings
    );
    assert!(!lines(&plan).iter().any(|line| line.starts_with("rm ")), "the old disk is gone before the new one has proved itself");
    let back = World::new().plan(&refusals::volumes::move_disk("old", DiskPlace::File { path: "/srv/old.img".into() })).unwrap();
    assert!(back.edits[0].after.contains("target=/srv/old.img") && back.warnings.iter().any(|text| text.contains("lvremove /dev/vg0/old")));
}
