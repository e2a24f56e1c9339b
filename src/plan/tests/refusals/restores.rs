//! Restores for which there is no room, and what else stands against one.

use super::*;
use crate::model::saved::{ChangedDisk, IfChanged, SaveWish, SavedDisks};

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

/// `web` is saved, and a disk of it was changed since.
fn changed(world: &mut World, if_changed: IfChanged, snapshot: Option<&str>) -> Request {
    let disks = world.domain("web").disks.clone();
    put_save(&mut world.inventory, "/root/web.save", "web", disks);
    world.domain("web").power = Power::Saved;
    let disk = ChangedDisk {
        path: "/dev/vg0/base".into(),
        why: "the kernel counted writes to it since".into(),
        volume: Some("vg0/base".into()),
        snapshot: snapshot.map(str::to_owned),
    };
    world.saved_disks = Some(SavedDisks { at: Some(at(0)), changed: vec![disk], ..SavedDisks::default() });
    Request::Resume { save: "/root/web.save".into(), if_changed }
}

fn together(domain: &str, with: &[&str], strategy: Option<crate::model::Strategy>) -> Request {
    Request::ColdBackup(ColdBackup { with: with.iter().map(|name| (*name).to_owned()).collect(), strategy, ..backup(domain) })
}

/// `web` runs too, on this volume.
fn second(world: &mut World, volume: &str) {
    let disk = Disk { attached: true, ..disk("xvda", volume, Mode::Write) };
    crate::model::example::put_backing(&mut world.inventory, &disk);
    let web = world.domain("web");
    web.disks = vec![disk];
    web.power = Power::Running;
    web.domid = Some(8);
}

#[test]
fn a_group_is_frozen_between_the_last_pause_and_the_first_that_goes_on() {
    let mut world = World::new();
    second(&mut world, "/dev/vg0/old");
    let plan = world.plan(&together("db", &["web"], None)).unwrap();
    let lines: Vec<String> = plan.steps.iter().map(|step| step.action.command().join(" ")).collect();
    let all = |word: &str| lines.iter().enumerate().filter(|(_, line)| line.starts_with(word)).map(|(at, _)| at).collect::<Vec<_>>();
    let (pauses, freezes, goes) = (all("xl pause"), all("lvcreate"), all("xl unpause"));
    assert_eq!((pauses.len(), freezes.len(), goes.len()), (2, 2, 2), "{lines:#?}");
    assert!(pauses[1] < freezes[0] && freezes[1] < goes[0], "the disks of a group are of two instants: {lines:#?}");
    let names: std::collections::BTreeSet<&String> = freezes.iter().filter_map(|at| lines.get(*at)).collect();
    assert_eq!(names.len(), 2, "two snapshots have one name");
    let sealed = plan.steps.iter().filter(|step| matches!(step.action, crate::model::Action::SealBundle { .. })).count();
    assert_eq!(sealed, 2, "each domain needs a backup of its own");
    let made: Vec<&String> = lines.iter().filter(|line| line.starts_with("mkdir")).collect();
    assert_eq!(made.len(), made.iter().collect::<std::collections::BTreeSet<_>>().len(), "a directory is made twice: {made:?}");
}

fn save(change: impl FnOnce(&mut SaveWish)) -> Request {
    let mut wanted = SaveWish { domain: "db".into(), to: "/srv/db.save".into(), snapshots: false };
    change(&mut wanted);
    Request::Save(wanted)
}

#[test]
fn a_changed_disk_is_told_with_every_way_out() {
    let mut world = World::new();
    let request = changed(&mut world, IfChanged::Refuse, Some("vg0/snap"));
    let refusal = world.plan(&request).unwrap_err();
    assert!(refusal.fact.contains("/dev/vg0/base: the kernel counted writes"), "{}", refusal.fact);
    for way in ["--if-changed boot", "--if-changed roll-back", "--if-changed resume"] {
        assert!(refusal.instead.contains(way), "{way} is not offered: {}", refusal.instead);
    }
    let mut world = World::new();
    let request = changed(&mut world, IfChanged::Refuse, None);
    assert!(!world.plan(&request).unwrap_err().instead.contains("roll-back"), "a way that there is not is offered");
    let mut world = World::new();
    let plan = world_plan(&mut world, IfChanged::RollBack);
    let lines: Vec<String> = plan.steps.iter().map(|step| step.action.command().join(" ")).collect();
    let at = |word: &str| lines.iter().position(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word}: {lines:#?}"));
    assert!(at("lvconvert -y --merge vg0/snap") < at("prove-disks --bytes-only") && at("prove-disks") < at("xl restore"), "{lines:#?}");
    assert!(plan.confirm.is_some(), "what was written since is lost without a word");
    let mut world = World::new();
    let plan = world_plan(&mut world, IfChanged::Boot);
    assert!(plan.confirm.is_none() && plan.steps.iter().any(|step| step.action.command().join(" ").contains("xl create")), "{plan:#?}");
    let mut world = World::new();
    assert_eq!(world_plan(&mut world, IfChanged::Resume).confirm.unwrap().name, "web");
}

fn world_plan(world: &mut World, if_changed: IfChanged) -> Plan {
    let request = changed(world, if_changed, Some("vg0/snap"));
    world.plan(&request).unwrap()
}

#[test]
fn a_save_whose_disks_are_proven_to_be_as_they_were_is_resumed_unasked() {
    let mut world = World::new();
    let request = changed(&mut world, IfChanged::Refuse, None);
    let known = SavedDisks { at: Some(at(0)), same: vec!["/srv/web.img is as it was saved".into()], ..SavedDisks::default() };
    world.saved_disks = Some(known.clone());
    let plan = world.plan(&request).unwrap();
    assert!(plan.confirm.is_none(), "{:?}", plan.confirm);
    assert!(
        plan.assumptions.iter().any(|assumed| matches!(assumed.check, crate::model::Check::DisksAsSaved { .. })),
        "a disk that is changed between the plan and its job would be destroyed"
    );
    world.saved_disks = Some(SavedDisks { unsure: vec!["the host was started since".into()], ..known });
    assert!(world.plan(&request).unwrap().confirm.is_some(), "what is not proven is taken for so");
}

pub(super) const CASES: &[Case] = &[
    ("disks-changed", "", |world| changed(world, IfChanged::Refuse, None)),
    ("no-snapshot", "none was taken", |world| changed(world, IfChanged::RollBack, None)),
    ("no-snapshot", "it is gone", |world| changed(world, IfChanged::RollBack, Some("vg0/gone"))),
    ("exists", "an image that was kept before", |world| {
        let request = changed(world, IfChanged::Boot, None);
        let kept = paths::before(&"/root/web.save".into(), &world.setting.id).to_string();
        world.put(&kept, Stands::File);
        request
    }),
    ("hook-not-trusted", "", |world| {
        world.setting.hooks.before = Some("/tmp/hook".into());
        world.denied.push("Trusted");
        Request::ColdBackup(backup("web"))
    }),
    ("group-not-live", "", |_| together("db", &["web"], Some(crate::model::Strategy::SaveCopy))),
    ("domain-twice", "", |_| together("db", &["db"], None)),
    ("group-too-large", "", |_| together("db", &["web"; 16], None)),
    ("strategy-not-here", "one of a group is off", |_| together("db", &["web"], None)),
    ("disk-in-use", "by two of a group", |world| {
        second(world, "/dev/vg0/db");
        together("db", &["web"], None)
    }),
    ("no-room", "for a group", |world| {
        second(world, "/dev/vg0/old");
        world.inventory.volume_groups[0].free = 80 << 20;
        together("db", &["web"], None)
    }),
    ("not-running", "", |_| save(|wanted| wanted.domain = "web".into())),
    ("no-room", "for a save image", |world| {
        world.places.get_mut("/srv").unwrap().free = 8 << 20;
        save(|_| ())
    }),
    ("exists", "a stranger's file where the disks would be written down", |world| {
        world.put("/srv/.db.save.disks", Stands::File);
        world.bytes.insert("/srv/.db.save.disks".into(), b"{\"version\": 1}".to_vec());
        save(|_| ())
    }),
    ("no-room", "for the snapshots of a save", |world| {
        world.inventory.volume_groups[0].free = 8 << 20;
        save(|wanted| wanted.snapshots = true)
    }),
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
