//! Every no of plans about volumes.

use super::*;
use crate::model::LogicalVolume;

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
];
