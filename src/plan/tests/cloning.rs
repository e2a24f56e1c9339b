//! Clones: every no, and what the plans promise.

use super::refusals::Case;
use super::*;
use crate::model::cloning::{CloneHow, Cloning};
use crate::model::example::{disk, put_backing, snapshot, volume};
use crate::model::{Action, Check, Disk, DiskKind, LogicalVolume, Signature, Store};

pub(super) fn cloning(domain: &str, how: CloneHow) -> Cloning {
    Cloning {
        domain: domain.into(),
        config: None,
        names: vec!["two".into(), "three".into()],
        disks: Vec::new(),
        how,
        store: None,
        directory: None,
        inside: false,
    }
}

pub(super) fn clone(domain: &str, how: CloneHow) -> Request {
    Request::Clone(cloning(domain, how))
}

pub(super) fn with(change: impl FnOnce(&mut Cloning)) -> Request {
    let mut wanted = cloning("old", CloneHow::Suited);
    change(&mut wanted);
    Request::Clone(wanted)
}

fn old_volume(world: &mut World) -> &mut LogicalVolume {
    world.inventory.volumes.iter_mut().find(|volume| volume.name == "old").unwrap()
}

/// The volume of `old` lies in a pool.
fn thin(world: &mut World) {
    old_volume(world).pool = Some("pool".into());
    world.inventory.volumes.push(LogicalVolume { attr: "twi-aotz--".into(), data_percent: Some(40.0), ..volume("vg0/pool") });
}

fn on(world: &mut World, fs: &str) {
    for place in world.places.values_mut() {
        place.file_system = Some(fs.into());
    }
    world.inventory.stores.push(Store { mount: "/srv".into(), fs: fs.into(), ..Store::default() });
}

fn config_disks(world: &mut World, name: &str, change: impl Fn(&mut Disk)) {
    let config = world.inventory.configs.iter_mut().find(|config| config.name.as_deref() == Some(name)).unwrap();
    config.disks.iter_mut().for_each(change);
}

pub(super) const CASES: &[Case] = &[
    ("no-names", "", |_| with(|wanted| wanted.names.clear())),
    ("too-many-clones", "", |_| with(|wanted| wanted.names = (0..33).map(|number| format!("c{number}")).collect())),
    ("name-twice", "", |_| with(|wanted| wanted.names = vec!["two".into(), "two".into()])),
    ("name-taken", "of a clone", |_| with(|wanted| wanted.names = vec!["db".into()])),
    ("domain-unknown", "of a clone", |world| {
        world.domain("old").power = Power::Unknown;
        clone("old", CloneHow::Suited)
    }),
    ("domain-not-still", "of a clone", |world| {
        world.domain("old").power = Power::Migrating;
        clone("old", CloneHow::Suited)
    }),
    ("no-such-disk", "", |_| with(|wanted| wanted.disks = vec!["xvdq".into()])),
    ("nfs-root", "", |world| {
        config_disks(world, "old", |disk| disk.kind = DiskKind::NfsRoot);
        clone("old", CloneHow::Suited)
    }),
    ("nothing-to-clone", "", |world| {
        config_disks(world, "old", |disk| disk.mode = Some(Mode::Read));
        clone("old", CloneHow::Suited)
    }),
    ("disk-elsewhere", "", |world| {
        config_disks(world, "old", |disk| disk.kind = DiskKind::Iscsi);
        clone("old", CloneHow::Suited)
    }),
    ("disk-unknown", "", |world| {
        world.inventory.backings.clear();
        clone("old", CloneHow::Suited)
    }),
    ("disk-missing", "of a clone", |world| {
        world.places.remove("/dev/vg0/old");
        clone("old", CloneHow::Suited)
    }),
    ("not-a-volume", "", |_| clone("web", CloneHow::Classic)),
    ("not-a-volume", "thin", |_| clone("web", CloneHow::Thin)),
    ("volume-merging", "", |world| {
        old_volume(world).attr = "Owi-a-s---".into();
        clone("old", CloneHow::Suited)
    }),
    ("volume-not-well", "", |world| {
        old_volume(world).health = "partial".into();
        clone("old", CloneHow::Suited)
    }),
    ("snapshot-of-snapshot", "", |world| {
        *old_volume(world) = snapshot("vg0/old", "db", 10.0);
        clone("old", CloneHow::Classic)
    }),
    ("not-thin", "", |_| clone("old", CloneHow::Thin)),
    ("group-unknown", "", |world| {
        world.inventory.volume_groups.clear();
        clone("old", CloneHow::Classic)
    }),
    ("group-not-whole", "", |world| {
        world.inventory.volume_groups[0].missing_pvs = 1;
        clone("old", CloneHow::Classic)
    }),
    ("group-read-only", "", |world| {
        world.denied.push("vg_attr");
        clone("old", CloneHow::Suited)
    }),
    ("group-full", "", |world| {
        // Two clones, each with a tenth of 1 GiB.
        world.inventory.volume_groups[0].free = 150 << 20;
        clone("old", CloneHow::Classic)
    }),
    ("pool-not-well", "", |world| {
        thin(world);
        world.inventory.volumes.iter_mut().find(|volume| volume.name == "pool").unwrap().health = "out_of_data".into();
        clone("old", CloneHow::Thin)
    }),
    ("tool-missing", "thin_check", |world| {
        thin(world);
        world.no_tools = vec!["thin_check"];
        clone("old", CloneHow::Suited)
    }),
    ("not-a-file", "", |_| clone("old", CloneHow::Reflink)),
    ("no-reflink", "by the last look", |world| {
        on(world, "ext4");
        clone("web", CloneHow::Reflink)
    }),
    ("no-reflink", "an XFS made without", |world| {
        on(world, "xfs");
        world.denied.push("xfs_info");
        clone("web", CloneHow::Reflink)
    }),
    ("other-file-system", "", |world| {
        on(world, "btrfs");
        world.places.get_mut("/srv/backup").unwrap().dev = 99;
        Request::Clone(Cloning { directory: Some("/srv/backup".into()), ..cloning("web", CloneHow::Reflink) })
    }),
    ("no-base", "", |world| {
        world.inventory.backings.get_mut("/srv/web.img").unwrap().kind = DiskKind::Unknown;
        clone("web", CloneHow::Overlay)
    }),
    ("base-format", "", |world| {
        config_disks(world, "web", |disk| disk.format = Some("vhd".into()));
        clone("web", CloneHow::Overlay)
    }),
    ("format-unclear", "", |world| {
        world.inventory.backings.get_mut("/srv/web.img").unwrap().format_seen = Some("qcow2".into());
        clone("web", CloneHow::Overlay)
    }),
    ("no-room", "for an overlay", |world| {
        world.places.get_mut("/srv").unwrap().free = 1000;
        clone("web", CloneHow::Overlay)
    }),
    ("no-room", "for a clone's configuration", |world| {
        world.places.get_mut("/etc/xen").unwrap().free = 0;
        clone("old", CloneHow::Suited)
    }),
    ("base-in-use", "", |world| {
        world.users.insert("/srv/web.img".into(), vec!["mounted at /mnt".into()]);
        clone("web", CloneHow::Overlay)
    }),
    ("volume-name", "", |_| with(|wanted| wanted.names = vec!["snapshot1".into()])),
    ("exists", "a volume", |world| {
        world.inventory.volumes.push(volume("vg0/two"));
        clone("old", CloneHow::Suited)
    }),
    ("exists", "a configuration", |world| {
        world.put("/etc/xen/three.cfg", Stands::File);
        clone("old", CloneHow::Suited)
    }),
    ("config-not-xl", "of a clone", |world| {
        world.inventory.configs.iter_mut().for_each(|config| config.grammar = "xm".into());
        clone("old", CloneHow::Suited)
    }),
    ("config-not-edited", "of a clone", |world| {
        world.bytes.insert("/etc/xen/old.cfg".into(), b"def f(): pass\n".to_vec());
        clone("old", CloneHow::Suited)
    }),
];

pub(super) fn runs(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect()
}

#[test]
fn classic_clones_are_tagged_have_a_store_and_come_before_their_configurations() {
    let mut world = World::new();
    let text = "name = 'old'\nuuid = 'x'\nvif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]\ndisk = [ '/dev/vg0/old,raw,xvda,w',\n  '/srv/web.img,raw,xvdb,w', # data, shared\n  '/srv/tools.iso,raw,xvdc:cdrom,r' ]\n";
    world.bytes.insert("/etc/xen/old.cfg".into(), text.as_bytes().to_vec());
    let config = world.inventory.configs.iter_mut().find(|config| config.name.as_deref() == Some("old")).unwrap();
    config.disks.push(disk("xvdb", "/srv/web.img", Mode::Write));
    config.disks.push(Disk { removable: true, ..disk("xvdc", "/srv/tools.iso", Mode::Read) });
    let plan = world.plan(&Request::Clone(Cloning { disks: vec!["xvda".into()], ..cloning("old", CloneHow::Suited) })).unwrap();
    let tag = format!("--addtag domkeep.{}", plan.id);
    let lines = runs(&plan);
    // A tenth of 1 GiB, in whole extents.
    for (line, name) in [(&lines[0], "two"), (&lines[1], "three")] {
        assert_eq!(*line, format!("lvcreate -y {tag} -n {name} -s -L 109051904b vg0/old"));
    }
    assert_eq!(plan.steps.len(), 4, "{lines:#?}");
    assert!(matches!(&plan.steps[3].action, Action::WriteFile { .. }), "a configuration would name a volume that is not there yet");
    let [two, three] = plan.edits.as_slice() else { panic!("{:?}", plan.edits) };
    for (edit, name) in [(two, "two"), (three, "three")] {
        assert!(
            edit.after.contains(&format!("target=/dev/vg0/{name}")) && !edit.after.contains("vg0/old"),
            "a clone would write to the original: {}",
            edit.after
        );
        assert!(!edit.after.contains("web.img"), "a clone would write to the original's other disk: {}", edit.after);
        assert!(edit.after.contains("tools.iso") && edit.after.contains("# data, shared"), "{}", edit.after);
        assert!(
            edit.after.contains("mac=00:16:3e:") && !edit.after.contains("00:16:3e:00:00:01"),
            "two domains would have one address: {}",
            edit.after
        );
        assert!(!edit.after.contains("'x'"), "two domains would have one uuid");
    }
    assert_ne!(two.after, three.after.replace("three", "two"), "the clones would share uuid and address");
    let off = Check::DomainPresent { name: "old".into() }.negated();
    assert!(plan.assumptions.iter().any(|assumed| assumed.check == off && assumed.through == Some(1)), "{:#?}", plan.assumptions);
    assert!(
        plan.warnings.iter().any(|warning| warning.contains("xvdb")),
        "nobody would be told that a disk is left out: {:?}",
        plan.warnings
    );
    assert!(plan.warnings.iter().any(|warning| warning.contains("not known")), "an unknown rate would be kept quiet");
}

#[test]
fn the_store_is_told_in_days_where_an_older_snapshot_knows_the_rate() {
    let mut world = World::new();
    // A tenth of 100 MiB in ten hours.
    let seen = LogicalVolume { created: Some(at(-600)), ..snapshot("vg0/yesterday", "old", 10.0) };
    world.inventory.volumes.push(seen);
    let plan = world.plan(&clone("old", CloneHow::Classic)).unwrap();
    let days = plan.warnings.iter().find(|warning| warning.contains("at the rate seen so far")).unwrap();
    assert!(days.contains("about 4 days"), "104 MiB last 4.3 days at 24 MiB a day: {days}");
    assert!(plan.evidence.iter().any(|evidence| evidence.source.contains("vg0/yesterday")), "{:?}", plan.evidence);
    let whole = Cloning { store: Some(2 << 30), ..cloning("old", CloneHow::Classic) };
    let plan = world.plan(&Request::Clone(whole)).unwrap();
    assert!(plan.warnings.iter().all(|warning| !warning.contains("is lost, at once")), "a store that can never overflow was warned of");
}

#[test]
fn thin_clones_are_active_at_once() {
    let mut world = World::new();
    thin(&mut world);
    let plan = world.plan(&clone("old", CloneHow::Suited)).unwrap();
    assert!(
        runs(&plan)[0].ends_with("-n two -kn -s vg0/old"),
        "LVM would leave it inactive, and the domain would not find its disk: {}",
        runs(&plan)[0]
    );
}

#[test]
fn files_share_blocks_where_they_can_and_are_overlays_elsewhere() {
    let mut world = World::new();
    on(&mut world, "xfs");
    let plan = world.plan(&clone("web", CloneHow::Suited)).unwrap();
    assert!(runs(&plan)[0].starts_with("cp --reflink=always -n -T -- /srv/web.img /srv/two.img"), "{:?}", runs(&plan));
    assert!(plan.edits[0].after.contains("format=raw,access=rw,target=/srv/two.img"));

    let plan = World::new().plan(&clone("web", CloneHow::Suited)).unwrap();
    let lines = runs(&plan);
    let partial = format!("/srv/.two.qcow2.{}.partial", plan.id);
    assert!(lines.contains(&format!("qemu-img create -q -f qcow2 -F raw -b /srv/web.img {partial}")), "{lines:#?}");
    assert!(plan.edits[0].after.contains("format=qcow2,access=rw,target=/srv/two.qcow2"), "the guest would see qcow2's own bytes");
    assert!(plan.warnings.iter().any(|warning| warning.contains("destroys every clone")));
    let still = Check::InUse { path: "/srv/web.img".into() }.negated();
    assert!(plan.assumptions.iter().any(|assumed| assumed.check == still), "somebody could write to the base meanwhile");
}

#[test]
fn more_overlays_can_be_made_while_others_of_the_same_base_run() {
    let mut world = World::new();
    world.users.insert("/srv/web.img".into(), vec!["it is a backing file of xvda of one (running)".into()]);
    assert!(world.plan(&clone("web", CloneHow::Overlay)).is_ok());
}

#[test]
fn a_running_original_is_cloned_as_after_a_power_cut_and_that_is_said() {
    let plan = World::new().plan(&clone("db", CloneHow::Suited)).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("power cut")), "{:?}", plan.warnings);
    assert!(!plan.assumptions.iter().any(|assumed| matches!(assumed.check, Check::Not { .. }) && assumed.says.ends_with("is off")));
}

#[test]
fn lvm_inside_is_said_and_not_touched() {
    let mut world = World::new();
    put_backing(&mut world.inventory, &disk("xvda", "/dev/vg0/old", Mode::Write));
    let pv = Signature { offset: 0, partition: None, kind: "lvm2-pv".into(), uuid: None, label: None, bytes: None, times: None };
    world.inventory.backings.get_mut("/dev/vg0/old").unwrap().signatures.push(pv);
    let plan = world.plan(&clone("old", CloneHow::Suited)).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("vgimportclone")), "{:?}", plan.warnings);
}
