//! Restores for which there is no room, and what else stands against one.

use super::*;

/// The backup's disk was a volume of the pool that [`super::super::lvm`] lays out.
pub(in super::super) fn onto_thin(world: &mut World, pool_percent: f64, own_percent: f64) -> Request {
    let lvm = &mut world.lvm;
    let pool = lvm.volumes.iter_mut().find(|volume| volume.name == "pool").unwrap();
    (pool.data_percent, pool.metadata_percent) = (Some(pool_percent), Some(10.0));
    lvm.volumes.iter_mut().find(|volume| volume.name == "thin").unwrap().data_percent = Some(own_percent);
    world.inventory.volumes.extend(lvm.volumes.iter().filter(|volume| volume.name == "thin").cloned());
    world.put("/dev/vg0/thin", Stands::Device);
    world.places.get_mut("/dev/vg0/thin").unwrap().bytes = Some(2 << 30);
    let disk = &mut world.bundles.get_mut("/srv/bundle").unwrap().pieces[0];
    *disk = Piece { bytes: 2 << 30, ..piece("xvda.img", "disk", "/dev/vg0/thin") };
    Request::Restore(restore(RestoreTo::OldPlace))
}

pub(super) const CASES: &[Case] = &[
    ("no-room", "in the thin pool", |world| onto_thin(world, 80.0, 10.0)),
    ("no-room", "the thin volume shares its blocks with a snapshot", |world| {
        let request = onto_thin(world, 60.0, 100.0);
        let snapshot = crate::model::LogicalVolume {
            origin: Some("thin".into()),
            pool: Some("pool".into()),
            ..crate::model::example::volume("vg0/kept")
        };
        world.lvm.volumes.push(snapshot);
        request
    }),
    ("no-room", "in the pool's metadata", |world| {
        let request = onto_thin(world, 10.0, 10.0);
        world.lvm.volumes.iter_mut().find(|volume| volume.name == "pool").unwrap().metadata_percent = Some(97.0);
        request
    }),
    ("pool-not-well", "a restore", |world| {
        let request = onto_thin(world, 10.0, 10.0);
        world.lvm.volumes.iter_mut().find(|volume| volume.name == "pool").unwrap().health = "out_of_data".into();
        request
    }),
    ("not-known", "how full the pool is", |world| {
        let request = onto_thin(world, 10.0, 10.0);
        world.lvm.volumes.iter_mut().find(|volume| volume.name == "pool").unwrap().data_percent = None;
        request
    }),
    ("no-room", "a copy onto a thin volume", |world| {
        drop(onto_thin(world, 90.0, 0.0));
        copy("/srv/web.img", "/dev/vg0/thin")
    }),
    ("no-room", "in the store of a snapshot", |world| {
        world.inventory.volumes.extend(world.lvm.volumes.iter().filter(|volume| volume.name == "snap").cloned());
        world.put("/dev/vg0/snap", Stands::Device);
        back(|bundle| bundle.pieces[0] = piece("xvda.img", "disk", "/dev/vg0/snap"), world)
    }),
    ("no-room", "for a volume that is gone", |world| {
        world.places.remove("/dev/vg0/spare");
        world.inventory.volume_groups[0].free = 1 << 20;
        back(|bundle| bundle.pieces[0] = piece("xvda.img", "disk", "/dev/vg0/spare"), world)
    }),
    ("no-room", "a restore to the old place", |world| {
        world.places.get_mut("/srv").unwrap().free = 32 << 20;
        Request::Restore(restore(RestoreTo::OldPlace))
    }),
    ("no-room", "a restore beside", |world| {
        world.places.get_mut("/srv/backup").unwrap().free = 32 << 20;
        Request::Restore(restore(RestoreTo::Beside { directory: "/srv/backup".into(), name: Some("web2".into()) }))
    }),
];
