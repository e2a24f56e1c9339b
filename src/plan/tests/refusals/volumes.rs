//! Every no of plans about volumes.

use super::*;
use crate::model::volumes::{DiskPlace, Grow, MoveDisk, NewSize, NewVolume, ThinPool, Wipe};
use crate::model::{LogicalVolume, PhysicalVolume, Signature};

fn extend(volume: &str, by_bytes: u64) -> Request {
    Request::ExtendSnapshot { volume: volume.into(), by_bytes }
}

fn metadata(volume: &str, by_bytes: u64) -> Request {
    Request::ExtendMetadata { volume: volume.into(), by_bytes }
}

fn volume<'a>(world: &'a mut World, name: &str) -> &'a mut LogicalVolume {
    world.lvm.volumes.iter_mut().find(|volume| volume.name == name).unwrap()
}

fn group(world: &mut World, attr: &str) -> Request {
    world.lvm.groups[0].attr = attr.into();
    extend("vg0/snap", 1)
}

pub(in crate::plan::tests) fn new_volume(group: &str, change: impl FnOnce(&mut NewVolume)) -> Request {
    let disk = NewDisk { path: format!("/dev/{group}/new01").into(), bytes: 100 << 20, ..new_disk() };
    let mut wanted = NewVolume { group: group.into(), device: None, name: "new01".into(), pool: None, wipe: Wipe::Zeros, disk };
    change(&mut wanted);
    Request::NewVolume(Box::new(wanted))
}

fn on_device(world: &mut World, change: impl FnOnce(&mut World)) -> Request {
    world.put("/dev/sdz1", Stands::Device);
    change(world);
    new_volume("fresh", |wanted| wanted.device = Some("/dev/sdz1".into()))
}

fn thin(pool: &str, make: Option<u64>) -> Request {
    new_volume("vg0", |wanted| wanted.pool = Some(ThinPool { name: pool.into(), make }))
}

fn called(name: &str) -> Request {
    new_volume("vg0", |wanted| wanted.name = name.into())
}

pub(in crate::plan::tests) fn move_disk(domain: &str, to: DiskPlace) -> Request {
    Request::MoveDisk(MoveDisk { domain: domain.into(), vdev: "xvda".into(), config: None, to, rate: None })
}

fn to_volume() -> DiskPlace {
    DiskPlace::Volume { group: "vg0".into(), name: "web".into(), pool: None }
}

fn to_thin(world: &mut World, percent: Option<f64>) -> Request {
    volume(world, "pool").data_percent = percent;
    move_disk("web", DiskPlace::Volume { group: "vg0".into(), name: "web".into(), pool: Some("pool".into()) })
}

fn grow(target: &str, by: u64) -> Request {
    Request::Grow(Grow { target: target.into(), size: NewSize::By(by), inside: true, metadata: false, device: None })
}

fn grow_with(target: &str, by: u64) -> Request {
    let device = Some("/dev/sdz1".into());
    Request::Grow(Grow { target: target.into(), size: NewSize::By(by), inside: true, metadata: false, device })
}

/// A root and one more partition, as `sfdisk --dump` tells.
pub(in crate::plan::tests) const GPT: &str = "label: gpt\nlabel-id: B62F18EF-DD8C-BF4B-B1F4-C2F8FD9AB6A8\ndevice: /dev/vg0/old\nunit: sectors\nfirst-lba: 2048\nlast-lba: 2097118\nsector-size: 512\n\n\
    /dev/vg0/old1 : start=2048, size=40960, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n/dev/vg0/old2 : start=43008, size=2054111, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n";
const MBR: &str = "label: dos\nlabel-id: 0xb45024f4\ndevice: /dev/vg0/old\nunit: sectors\nsector-size: 512\n\n\
    /dev/vg0/old1 : start=2048, size=40960, type=83\n/dev/vg0/old2 : start=43008, size=2054144, type=82\n";

/// A disk whose table says so: `ext4` in its last partition, where that is no swap.
pub(in crate::plan::tests) fn partitioned(world: &mut World, dump: &str) -> Request {
    let one = |kind: &str, offset: u64, partition: Option<u32>| Signature {
        offset,
        partition,
        kind: kind.into(),
        uuid: None,
        label: None,
        bytes: None,
        times: None,
    };
    let last = if dump.contains("type=82") { "swap" } else { "ext4" };
    let found =
        vec![one(if dump.contains("gpt") { "gpt" } else { "mbr" }, 0, None), one("fat", 1 << 20, Some(1)), one(last, 43008 * 512, Some(2))];
    world.signatures.insert("/dev/vg0/old".into(), found);
    world.says.push(("sfdisk --dump", dump.into()));
    grow("vg0/old", 1 << 30)
}

fn seen(world: &mut World, path: &str, kind: &str) {
    let one = Signature { offset: 0, partition: None, kind: kind.into(), uuid: None, label: None, bytes: None, times: None };
    world.signatures.insert(path.into(), vec![one]);
}

fn disk_of<'a>(world: &'a mut World, domain: &str) -> &'a mut Disk {
    world.domain(domain).disks.first_mut().unwrap()
}

pub(super) const CASES: &[Case] = &[
    ("no-volume", "", |_| extend("vg0/nosuch", 1)),
    ("not-a-snapshot", "", |_| extend("vg0/db", 1)),
    ("not-larger", "", |world| {
        world.inventory.volumes = world.lvm.volumes.clone();
        world.inventory.volume_groups = world.lvm.groups.iter().map(|group| group.group.clone()).collect();
        let (vg, lv) = ("vg0".to_owned(), "snap".to_owned());
        Request::Relieve(crate::model::fuse::Relief { vg, lv, part: crate::model::FusePart::Store, to_bytes: 512 })
    }),
    ("vg-no-room", "a pool", |_| extend("vg0/pool", 9 << 30)),
    ("vg-no-room", "a pool's metadata, and its spare", |world| {
        world.lvm.groups[0].group.free = 32 << 20;
        metadata("vg0/pool", 28 << 20)
    }),
    ("snapshot-large-enough", "", |_| extend("vg0/snap", 2 << 30)),
    ("not-a-pool", "", |_| metadata("vg0/snap", 1)),
    ("metadata-too-large", "", |_| metadata("vg0/pool", 20 << 30)),
    ("snapshot-lost", "", |world| {
        volume(world, "snap").invalid = true;
        extend("vg0/snap", 1)
    }),
    ("lv-merging", "", |world| {
        volume(world, "snap").merging = true;
        extend("vg0/snap", 1)
    }),
    ("lv-suspended", "", |world| {
        volume(world, "snap").attr = "swi-s-s---".into();
        extend("vg0/snap", 1)
    }),
    ("lv-partial", "", |world| {
        volume(world, "snap").health = "partial".into();
        extend("vg0/snap", 1)
    }),
    ("vg-read-only", "", |world| group(world, "rz--n-")),
    ("vg-exported", "", |world| group(world, "wzx-n-")),
    ("vg-partial", "", |world| group(world, "wz-pn-")),
    ("vg-missing", "", |world| {
        world.lvm.groups.clear();
        extend("vg0/snap", 1)
    }),
    ("tool-missing", "LVM is not on this host", |world| {
        world.no_tools = vec!["lvs"];
        extend("vg0/snap", 1)
    }),
    ("not-known", "LVM does not answer", |world| {
        world.silent = vec![Question::Lvm];
        extend("vg0/snap", 1)
    }),
    ("name-bad", "a group", |_| new_volume("a b", |_| ())),
    ("name-bad", "a volume", |_| called("-x")),
    ("name-reserved", "", |_| called("snapshot1")),
    ("name-reserved", "a part of a name", |_| called("web_tmeta")),
    ("name-too-long", "", |_| called(&"x".repeat(120))),
    ("exists", "a volume", |_| called("spare")),
    ("vg-missing", "a new volume", |_| new_volume("nosuch", |_| ())),
    ("vg-no-room", "a new volume", |_| new_volume("vg0", |wanted| wanted.disk.bytes = 9 << 30)),
    ("size-too-small", "a new volume", |_| new_volume("vg0", |wanted| wanted.disk.bytes = 1 << 20)),
    ("vg-no-room", "though the group gets one more disk", |world| {
        world.put("/dev/sdz1", Stands::Device);
        new_volume("vg0", |wanted| (wanted.device, wanted.disk.bytes) = (Some("/dev/sdz1".into()), 20 << 30))
    }),
    ("no-device", "for a group that is full", |_| grow_with("vg0/old", 9 << 30)),
    ("no-group", "", |_| grow_with("/srv/web.img", 1)),
    ("thin-has-pool", "", |world| {
        world.put("/dev/sdz1", Stands::Device);
        grow_with("vg0/thin", 1)
    }),
    ("device-not-empty", "for a group that is full", |world| {
        world.put("/dev/sdz1", Stands::Device);
        seen(world, "/dev/sdz1", "xfs");
        grow_with("vg0/old", 9 << 30)
    }),
    ("table-unknown", "", |world| partitioned(world, "label: sun\n")),
    ("table-sectors", "", |world| partitioned(world, &GPT.replace("sector-size: 512", "sector-size: 4096"))),
    ("table-extended", "", |world| partitioned(world, &MBR.replace("type=82", "type=f"))),
    ("table-overlaps", "", |world| partitioned(world, &GPT.replace("size=40960", "size=99999"))),
    ("table-other-last", "swap", |world| partitioned(world, MBR)),
    ("table-other-last", "nothing", |world| {
        let asked = partitioned(world, GPT);
        world.signatures.get_mut("/dev/vg0/old").unwrap().truncate(2);
        asked
    }),
    ("table-no-room", "", |world| partitioned(world, &GPT.replace("start=43008", "start=9990000000"))),
    ("name-taken", "a group", |world| {
        world.put("/dev/fresh", Stands::Directory);
        on_device(world, |_| ())
    }),
    ("no-device", "", |_| new_volume("fresh", |wanted| wanted.device = Some("/dev/sdz1".into()))),
    ("not-a-device", "", |_| new_volume("fresh", |wanted| wanted.device = Some("/srv/web.img".into()))),
    ("pv-in-use", "", |world| {
        let physical = PhysicalVolume { path: "/dev/sdz1".into(), vg: "vg0".into(), ..PhysicalVolume::default() };
        on_device(world, |world| world.lvm.physical.push(physical))
    }),
    ("device-in-use", "", |world| {
        on_device(world, |world| {
            world.users.insert("/dev/sdz1".into(), vec!["mounted at /mnt".into()]);
        })
    }),
    ("device-of-domain", "off, and so no user", |world| on_device(world, |world| disk_of(world, "web").path = Some("/dev/sdz1".into()))),
    ("device-not-empty", "", |world| on_device(world, |world| seen(world, "/dev/sdz1", "xfs"))),
    ("device-too-small", "", |world| on_device(world, |world| world.places.get_mut("/dev/sdz1").unwrap().bytes = Some(4 << 20))),
    ("not-known", "the device's size", |world| on_device(world, |world| world.places.get_mut("/dev/sdz1").unwrap().bytes = None)),
    ("vg-no-room", "a device that is too small for it", |world| {
        on_device(world, |world| world.places.get_mut("/dev/sdz1").unwrap().bytes = Some(64 << 20))
    }),
    ("tool-missing", "thin tools", |world| {
        world.no_tools = vec!["thin_check"];
        thin("pool", None)
    }),
    ("no-pool", "", |_| thin("spare", None)),
    ("pool-ill", "", |world| {
        volume(world, "pool").attr = "twi-aotzD-".into();
        thin("pool", None)
    }),
    ("pool-does-not-zero", "", |world| {
        volume(world, "pool").attr = "twi-aot---".into();
        thin("pool", None)
    }),
    ("name-twice", "", |_| thin("new01", Some(1 << 30))),
    ("vg-no-room", "a new pool", |_| thin("fast", Some(8 << 30))),
    ("not-larger", "", |_| {
        Request::Grow(Grow { target: "vg0/old".into(), size: NewSize::To(1 << 20), inside: true, metadata: false, device: None })
    }),
    ("origin-has-snapshots", "", |_| grow("vg0/base", 1)),
    ("volume-kind", "", |world| {
        volume(world, "old").attr = "rwi-a-r---".into();
        grow("vg0/old", 1)
    }),
    ("volume-inactive", "", |world| {
        volume(world, "old").active = false;
        grow("vg0/old", 1)
    }),
    ("vg-no-room", "a volume that grows", |_| grow("vg0/old", 9 << 30)),
    ("domain-saved", "grow under a save", |world| {
        world.domain("old").memory.state = crate::model::MemoryState::SaveImage;
        grow("vg0/old", 1)
    }),
    ("disk-in-use", "grow", |world| {
        world.users.insert("/dev/vg0/old".into(), vec!["held by /dev/dm-9 (crypt)".into()]);
        grow("vg0/old", 1)
    }),
    ("grows-only-mounted", "", |world| {
        seen(world, "/dev/vg0/old", "xfs");
        volume(world, "thin").origin = Some("old".into());
        grow("vg0/old", 1)
    }),
    ("needs-mount", "grow XFS", |world| {
        seen(world, "/dev/vg0/old", "xfs");
        world.setting.can_mount = false;
        grow("vg0/old", 1)
    }),
    ("not-a-pool", "a file has no metadata", |_| {
        Request::Grow(Grow { target: "/srv/web.img".into(), size: NewSize::By(1), inside: true, metadata: true, device: None })
    }),
    ("no-disk", "", |_| grow("/srv/nosuch.img", 1)),
    ("not-a-disk", "grow", |_| grow("/srv/tree", 1)),
    ("read-only", "grow", |world| {
        world.places.get_mut("/srv/web.img").unwrap().read_only = true;
        grow("/srv/web.img", 1)
    }),
    ("image-format", "", |world| {
        seen(world, "/srv/web.img", "vhd");
        grow("/srv/web.img", 1)
    }),
    ("qcow2-in-use", "", |world| {
        seen(world, "/srv/web.img", "qcow2");
        let web = world.domain("web");
        web.power = Power::Running;
        disk_of(world, "web").attached = true;
        grow("/srv/web.img", 1)
    }),
    ("has-overlays", "", |world| {
        seen(world, "/srv/web.img", "qcow2");
        let above = world.inventory.backings.get_mut("/dev/vg0/old").unwrap();
        above.backing_file = Some(("/srv/web.img".into(), "/srv/web.img".into()));
        grow("/srv/web.img", 1)
    }),
    ("domain-running", "move", |_| move_disk("db", to_volume())),
    ("no-room", "for a volume that becomes a file", |world| {
        world.places.get_mut("/srv").unwrap().free = 4096;
        move_disk("old", DiskPlace::File { path: "/srv/old.img".into() })
    }),
    ("domain-saved", "move", |world| {
        world.domain("web").power = Power::Saved;
        move_disk("web", to_volume())
    }),
    ("no-such-disk", "move", |world| {
        disk_of(world, "web").vdev = Some("xvdz".into());
        move_disk("web", to_volume())
    }),
    ("disk-missing", "move", |world| {
        world.places.remove("/srv/web.img");
        move_disk("web", to_volume())
    }),
    ("disk-elsewhere", "", |world| {
        disk_of(world, "web").kind = DiskKind::Iscsi;
        move_disk("web", to_volume())
    }),
    ("not-raw", "", |world| {
        disk_of(world, "web").format = Some("qcow2".into());
        move_disk("web", to_volume())
    }),
    ("disk-in-use", "move", |world| {
        world.users.insert("/srv/web.img".into(), vec!["bound to /dev/loop3".into()]);
        move_disk("web", to_volume())
    }),
    ("disk-shared", "", |world| {
        disk_of(world, "old").backing = Some("/srv/web.img".into());
        move_disk("web", to_volume())
    }),
    ("size-no-sectors", "move", |world| {
        world.places.get_mut("/srv/web.img").unwrap().bytes = Some(1_000_001);
        move_disk("web", to_volume())
    }),
    ("config-not-edited", "move", |world| {
        world.bytes.insert("/etc/xen/web.cfg".into(), b"name = 'web'\ndisk = [ 'something else' ]\n".to_vec());
        move_disk("web", to_volume())
    }),
    ("no-room", "move into a file", |world| {
        world.places.get_mut("/srv").unwrap().free = 1 << 20;
        move_disk("web", DiskPlace::File { path: "/srv/moved.img".into() })
    }),
    ("exists", "move onto a file", |_| move_disk("web", DiskPlace::File { path: "/srv/tree.tar".into() })),
    ("pool-no-room", "", |world| to_thin(world, Some(90.0))),
    ("not-known", "how full a pool is", |world| to_thin(world, None)),
];
