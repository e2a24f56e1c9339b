//! Removals and roll-backs: every no, and what the plans promise.

use super::refusals::Case;
use super::*;
use crate::model::cloning::Removing;
use crate::model::example::put_save;
use crate::model::{Action, Check, LogicalVolume, Risk};

fn remove(things: &[&str]) -> Request {
    Request::Remove(Removing { things: things.iter().map(|thing| (*thing).to_owned()).collect(), config: None })
}

fn with_config(thing: &str, config: &str) -> Request {
    Request::Remove(Removing { things: vec![thing.into()], config: Some(config.into()) })
}

fn back(snapshot: &str) -> Request {
    Request::RollBack { snapshot: snapshot.into() }
}

fn now<'a>(world: &'a mut World, name: &str) -> &'a mut LogicalVolume {
    world.lvm.volumes.iter_mut().find(|volume| volume.name == name).unwrap()
}

/// A thin snapshot of `thin`.
fn thin_snapshot(world: &mut World) {
    let thin = now(world, "thin").clone();
    world.lvm.volumes.push(LogicalVolume {
        name: "before".into(),
        path: "/dev/vg0/before".into(),
        origin: Some("thin".into()),
        uuid: "UUID-before".into(),
        ..thin
    });
}

pub(super) const CASES: &[Case] = &[
    ("nothing-named", "", |_| remove(&[])),
    ("no-volume", "to remove", |_| remove(&["vg0/none"])),
    ("not-removable", "", |_| remove(&["/dev/sda1"])),
    ("no-file", "", |_| remove(&["/srv/none.img"])),
    ("no-disk", "", |world| {
        world.put("/srv/letter.txt", Stands::File);
        remove(&["/srv/letter.txt"])
    }),
    ("disk-in-use", "to remove", |world| {
        world.users.insert("/dev/vg0/spare".into(), vec!["mounted at /mnt".into()]);
        remove(&["vg0/spare"])
    }),
    ("needed", "a configuration names it", |_| remove(&["vg0/old"])),
    ("needed", "a classic snapshot hangs on it", |_| remove(&["vg0/base"])),
    ("needed", "thin volumes lie in it", |_| remove(&["vg0/pool"])),
    ("needed", "a save image was made with it", |world| {
        put_save(&mut world.inventory, "/root/x.save", "x", vec![disk("xvda", "/dev/vg0/spare", Mode::Write)]);
        remove(&["vg0/spare"])
    }),
    ("needed", "an image stands on it", |world| {
        world.inventory.configs.clear();
        world.inventory.domains.clear();
        let base = world.inventory.backings["/srv/web.img"].clone();
        let file = Some((base.path.clone(), base.key.clone()));
        let above = crate::model::Backing { key: "/srv/x.qcow2".into(), path: "/srv/x.qcow2".into(), backing_file: file, ..base };
        world.inventory.backings.insert(above.key.clone(), above);
        remove(&["/srv/web.img"])
    }),
    ("no-config", "that would go with a disk", |_| with_config("vg0/old", "/etc/xen/none.cfg")),
    ("domain-running", "its configuration would go", |_| with_config("vg0/db", "/etc/xen/db.cfg")),
    ("starts-at-boot", "", |world| {
        world.inventory.configs.iter_mut().for_each(|config| config.autostart = true);
        with_config("vg0/old", "/etc/xen/old.cfg")
    }),
    ("config-not-a-file", "that would go with a disk", |world| {
        world.put("/etc/xen/old.cfg", Stands::Directory);
        with_config("vg0/old", "/etc/xen/old.cfg")
    }),
    ("no-snapshot", "", |_| Request::RemoveSnapshot { volume: "vg0/old".into() }),
    ("no-origin", "", |_| back("vg0/old")),
    ("snapshot-lost", "to roll back to", |world| {
        now(world, "snap").invalid = true;
        back("vg0/snap")
    }),
    ("snapshot-of-snapshot", "to roll back", |world| {
        now(world, "base").store_bytes = Some(1 << 20);
        back("vg0/snap")
    }),
    ("classic-in-the-way", "", |world| {
        thin_snapshot(world);
        now(world, "snap").origin = Some("thin".into());
        back("vg0/before")
    }),
    ("other-pool", "", |world| {
        thin_snapshot(world);
        now(world, "before").pool = Some("other".into());
        back("vg0/before")
    }),
    ("disk-in-use", "the origin of a roll-back", |world| {
        world.users.insert("/dev/vg0/base".into(), vec!["xvda of web (running)".into()]);
        back("vg0/snap")
    }),
    ("disk-in-use", "nobody knows by whom", |world| {
        now(world, "base").open = true;
        back("vg0/snap")
    }),
    ("needed", "a clone would be used up", |world| {
        let config = world.inventory.configs.iter_mut().find(|config| config.name.as_deref() == Some("old")).unwrap();
        config.disks = vec![disk("xvda", "/dev/vg0/snap", Mode::Write)];
        back("vg0/snap")
    }),
    ("base-of-overlay", "", |world| {
        let base = world.inventory.backings["/srv/web.img"].clone();
        let file = Some((base.path.clone(), base.key.clone()));
        let above = crate::model::Backing { key: "/srv/x.qcow2".into(), path: "/srv/x.qcow2".into(), backing_file: file, ..base };
        world.inventory.backings.insert(above.key.clone(), above);
        start("web")
    }),
];

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect()
}

#[test]
fn a_volume_is_removed_by_its_uuid_and_never_with_a_snapshot_that_came_meanwhile() {
    let mut world = World::new();
    now(&mut world, "spare").uuid = "UUID-spare".into();
    let plan = world.plan(&remove(&["/dev/vg0/spare"])).unwrap();
    assert_eq!(lines(&plan)[0], "lvremove -y -S 'lv_uuid=UUID-spare && lv_full_name=vg0/spare && lv_attr!~^[oO]' vg0");
    assert_eq!(plan.risk, Risk::Destroys);
    assert_eq!(plan.confirm.as_ref().unwrap().name, "vg0/spare", "somebody could lose a volume without having named it");
    assert!(matches!(plan.steps[1].action, Action::WaitFor { .. }), "lvremove that found nothing would be called a success");
    let unused = Check::InUse { path: "/dev/vg0/spare".into() }.negated();
    assert!(plan.assumptions.iter().any(|assumed| assumed.check == unused));
}

#[test]
fn a_clone_goes_with_its_configuration_and_its_name_is_typed() {
    let mut world = World::new();
    now(&mut world, "old").uuid = "UUID-old".into();
    let plan = world.plan(&with_config("vg0/old", "/etc/xen/old.cfg")).unwrap();
    assert_eq!(plan.confirm.as_ref().unwrap().name, "old");
    let Action::Rename { from, to, expect } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert!(from == &HostPath::from("/etc/xen/old.cfg") && to.to_string().contains(".before-") && expect.is_some());
    assert!(lines(&plan)[1].starts_with("lvremove"), "the disk would go while something could still start from it");
}

#[test]
fn an_origin_and_its_snapshot_can_go_together() {
    let plan = World::new().plan(&remove(&["vg0/snap", "vg0/base"])).unwrap();
    let lines = lines(&plan);
    assert!(lines[0].contains("vg0/snap") && lines.iter().any(|line| line.contains("lv_full_name=vg0/base")), "{lines:#?}");
}

#[test]
fn a_roll_back_says_what_is_lost_and_waits_for_a_classic_merge() {
    let mut world = World::new();
    put_save(&mut world.inventory, "/root/x.save", "x", vec![disk("xvda", "/dev/vg0/base", Mode::Write)]);
    let plan = world.plan(&back("vg0/snap")).unwrap();
    assert_eq!(lines(&plan)[0], "lvconvert -y --merge vg0/snap");
    let confirm = plan.confirm.as_ref().unwrap();
    assert_eq!(confirm.name, "vg0/base");
    assert!(
        confirm.loses.contains("/root/x.save"),
        "resuming it afterwards would destroy the disk, and nobody was told: {}",
        confirm.loses
    );
    let Action::WaitFor { check, .. } = &plan.steps[1].action else { panic!("it would be called done while it is still at work") };
    assert!(format!("{check:?}").contains("[snap]"), "{check:?}");

    let mut world = World::new();
    thin_snapshot(&mut world);
    assert!(world.plan(&back("vg0/before")).unwrap().warnings.is_empty());
}

#[test]
fn a_file_is_removed_only_when_it_is_still_the_one_that_was_looked_at() {
    let mut world = World::new();
    world.inventory.configs.clear();
    world.inventory.domains.clear();
    let plan = world.plan(&remove(&["/srv/web.img"])).unwrap();
    let Action::Remove { inode, .. } = &plan.steps[0].action else { panic!("{:?}", plan.steps) };
    let same = Check::Is { path: "/srv/web.img".into(), inode: *inode };
    assert!(plan.assumptions.iter().any(|assumed| assumed.check == same), "a file that came to stand there meanwhile would be lost");
}
