//! Disks that exist: given to a domain, and taken away.

use super::*;
use crate::model::example::put_backing;
use crate::model::{Action, AttachDisk, Check, DetachDisk, Disk, DiskKind, DiskSource, Request, Signature, Undo, Where};

pub(super) fn attach(domain: &str, path: &str, change: impl FnOnce(&mut AttachDisk)) -> Request {
    let source = DiskSource::Path { path: path.into(), format: None };
    let mut wanted = AttachDisk { domain: domain.into(), source, vdev: "xvdb".into(), writes: true, place: Where::Config, config: None };
    change(&mut wanted);
    Request::AttachDisk(wanted)
}

pub(super) fn detach(domain: &str, vdev: &str, place: Where) -> Request {
    Request::DetachDisk(DetachDisk { domain: domain.into(), vdev: vdev.into(), place, config: None })
}

pub(super) fn persist(domain: &str, vdev: &str) -> Request {
    Request::PersistDisk { domain: domain.into(), vdev: vdev.into(), config: None }
}

/// `db` has a second disk, which its configuration does not name.
pub(super) fn hot_plugged(world: &mut World) -> &mut Disk {
    let extra = Disk { attached: true, in_config: false, ..disk("xvdc", "/dev/vg0/spare", Mode::Write) };
    put_backing(&mut world.inventory, &extra);
    let db = world.domain("db");
    db.disks.push(extra);
    db.disks.last_mut().unwrap()
}

pub(super) fn holds(world: &mut World, path: &str, kind: &str) {
    let found = Signature { offset: 0, partition: None, kind: kind.into(), uuid: None, label: None, bytes: None, times: None };
    world.signatures.insert(path.into(), vec![found]);
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().filter(|step| matches!(step.action, Action::Run { .. })).map(|step| step.action.lines()[0].to_string()).collect()
}

#[test]
fn a_disk_is_named_first_and_plugged_in_then_and_a_refusal_leaves_neither() {
    let plan = World::new().plan(&attach("db", "/dev/vg0/spare", |wanted| wanted.place = Where::Both)).unwrap();
    let [file, run, wait] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
    assert!(matches!(&file.action, Action::ReplaceFile { path, .. } if path.as_bytes() == b"/etc/xen/db.cfg"));
    let spec = "vdev=xvdb,format=raw,access=rw,target=/dev/vg0/spare";
    assert_eq!(run.action.command(), ["xl", "block-attach", "db", spec]);
    assert!(plan.edits[0].after.contains(spec), "the domain gets another disk at its next start than now");
    let Some(done @ Check::Says { text, .. }) = &run.done else { panic!("nobody knows whether it was done") };
    assert_eq!(text, "/libxl/7/device/vbd/51728/dev = ", "what a refused disk leaves in libxl's record would not be cleared away");
    assert!(matches!(&run.undo, Undo::By { action } if action.command() == ["xl", "block-detach", "db", "xvdb"]));
    let Action::WaitFor { check: Check::Says { text, .. }, .. } = &wait.action else { panic!("nobody looks whether the guest has it") };
    assert_eq!(text, "/7/51728/state = \"4\"");
    let assumed: Vec<&Check> = plan.assumptions.iter().map(|assumed| &assumed.check).collect();
    assert!(assumed.contains(&&done.clone().negated()), "another's disk of that name would be taken back");
    assert!(assumed.contains(&&Check::InUse { path: "/dev/vg0/spare".into() }.negated()), "somebody may take the disk meanwhile");
    assert!(
        assumed.iter().any(|check| matches!(check, Check::Says { text, .. } if text == "/vm/uuid-of-db")),
        "a later domain of that name"
    );
}

#[test]
fn where_only_one_side_is_changed_the_other_is_told() {
    let world = World::new();
    let live = world.plan(&attach("db", "/dev/vg0/spare", |wanted| wanted.place = Where::Live)).unwrap();
    assert!(live.edits.is_empty() && live.warnings.iter().any(|text| text.contains("loses it at its next start")), "{:?}", live.warnings);
    let config = world.plan(&attach("db", "/dev/vg0/spare", |_| ())).unwrap();
    assert!(lines(&config).is_empty() && config.warnings.iter().any(|text| text.contains("after its next start")), "{:?}", config.warnings);
    let off = world.plan(&attach("web", "/dev/vg0/spare", |_| ())).unwrap();
    assert!(off.warnings.is_empty(), "{:?}", off.warnings);
}

#[test]
fn several_may_read_and_none_may_write_then() {
    let mut world = World::new();
    world.domain("db").disks[0].mode = Some(Mode::Read);
    world.users.insert("/dev/vg0/db".into(), vec!["xvda of db (running)".into()]);
    let read = |wanted: &mut AttachDisk| wanted.writes = false;
    let plan = world.plan(&attach("web", "/dev/vg0/db", read)).unwrap();
    assert!(plan.edits[0].after.contains("access=r,target=/dev/vg0/db") && plan.warnings[0].contains("read-only"), "{:?}", plan.warnings);
    assert_eq!(world.plan(&attach("web", "/dev/vg0/db", |_| ())).unwrap_err().rule, "disk-in-use", "two would write to one file system");
    world.domain("db").disks[0].mode = Some(Mode::Write);
    assert_eq!(world.plan(&attach("web", "/dev/vg0/db", read)).unwrap_err().rule, "disk-in-use", "it would change under its reader");
    world.domain("db").disks[0].mode = None;
    assert_eq!(world.plan(&attach("web", "/dev/vg0/db", read)).unwrap_err().rule, "disk-in-use", "an unknown writer counts as none");
}

#[test]
fn a_cluster_file_system_is_shared_only_with_a_name_typed() {
    let mut world = World::new();
    world.users.insert("/dev/vg0/db".into(), vec!["xvda of db (running)".into()]);
    holds(&mut world, "/dev/vg0/db", "ocfs2");
    let plan = world.plan(&attach("web", "/dev/vg0/db", |_| ())).unwrap();
    assert!(plan.confirm.is_some_and(|confirm| confirm.name == "web" && confirm.loses.contains("cluster")));
    assert!(plan.edits[0].after.contains("backendtype=qdisk"), "Xen's script refuses a second user of a device");
    world.users.insert("/dev/vg0/db".into(), vec!["held by dm-3 (crypt)".into()]);
    assert_eq!(world.plan(&attach("web", "/dev/vg0/db", |_| ())).unwrap_err().rule, "disk-held");
}

#[test]
fn a_disk_that_another_domain_names_needs_its_name_typed() {
    let world = World::new();
    let plan = world.plan(&attach("web", "/dev/vg0/old", |_| ())).unwrap();
    assert!(plan.confirm.is_some_and(|confirm| confirm.loses.contains("configuration of old")), "two domains could come to write to it");
    let mut world = World::new();
    world.domain("old").power = Power::Saved;
    let plan = world.plan(&attach("web", "/dev/vg0/old", |_| ())).unwrap();
    assert!(plan.confirm.is_some_and(|confirm| confirm.loses.contains("cannot be resumed")), "a saved domain would be lost unsaid");
}

#[test]
fn an_image_is_served_by_its_format_and_a_device_is_always_raw() {
    let mut world = World::new();
    for path in ["/srv/new.qcow2", "/dev/vg0/spare"] {
        holds(&mut world, path, "qcow2");
    }
    world.put("/srv/new.qcow2", Stands::File);
    let after = |request: &Request| world.plan(request).unwrap().edits[0].after.clone();
    assert!(after(&attach("web", "/srv/new.qcow2", |_| ())).contains("format=qcow2"));
    assert!(after(&attach("web", "/dev/vg0/spare", |_| ())).contains("format=raw"), "a guest could name any file of dom0 as its base");
}

#[test]
fn drift_is_mended_either_way() {
    let mut world = World::new();
    hot_plugged(&mut world);
    let kept = world.plan(&persist("db", "xvdc")).unwrap();
    assert!(kept.edits[0].after.contains("'vdev=xvdc,format=raw,access=rw,target=/dev/vg0/spare'"), "{}", kept.edits[0].after);
    assert!(lines(&kept).is_empty(), "keeping a disk touches the guest");
    let given_up = world.plan(&detach("db", "xvdc", Where::Live)).unwrap();
    assert_eq!(lines(&given_up), ["xl block-detach db xvdc"]);
    let Undo::By { action } = &given_up.steps[0].undo else { panic!("it cannot be brought back") };
    assert_eq!(action.command(), ["xl", "block-attach", "db", "vdev=xvdc,format=raw,access=rw,target=/dev/vg0/spare"]);
    assert!(given_up.confirm.is_none());

    let mut world = World::new();
    let missing = Disk { attached: false, ..disk("xvdb", "/dev/vg0/spare", Mode::Read) };
    world.domain("db").disks.push(missing.clone());
    put_backing(&mut world.inventory, &missing);
    world.inventory.configs.iter_mut().find(|config| config.name.as_deref() == Some("db")).unwrap().disks.push(missing);
    let configured = |wanted: &mut AttachDisk| {
        wanted.source = DiskSource::Configured;
        wanted.place = Where::Live;
    };
    let plan = world.plan(&attach("db", "", configured)).unwrap();
    assert_eq!(lines(&plan), ["xl block-attach db vdev=xvdb,format=raw,access=r,target=/dev/vg0/spare"], "it is not as its file says");
    let text = b"name = 'db'\ndisk = [ '/dev/vg0/db,raw,xvda,w', '/dev/vg0/spare,raw,xvdb,r' ]\n";
    world.bytes.insert("/etc/xen/db.cfg".into(), text.to_vec());
    let plan = world.plan(&detach("db", "xvdb", Where::Config)).unwrap();
    assert_eq!(plan.edits[0].after, "name = 'db'\ndisk = [ '/dev/vg0/db,raw,xvda,w' ]\n");
}

#[test]
fn the_first_disk_of_a_running_domain_is_taken_only_with_its_name_typed() {
    let plan = World::new().plan(&detach("db", "xvda", Where::Both)).unwrap();
    assert!(plan.confirm.is_some_and(|confirm| confirm.name == "db"), "a domain's system could be pulled away by one key");
    let [file, run, look] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
    assert!(matches!(file.action, Action::ReplaceFile { .. }) && matches!(look.action, Action::WaitFor { .. }));
    assert_eq!(run.action.command(), ["xl", "block-detach", "db", "xvda"]);
}

#[test]
fn a_network_target_is_given_by_its_script() {
    let mut world = World::new();
    world.put("/etc/xen/scripts/block-iscsi", Stands::File);
    let source = || DiskSource::Script { script: "block-iscsi".into(), argument: "iqn=iqn.2020-01.com.example:a,portal=192.0.2.9".into() };
    let plan = world.plan(&attach("web", "", |wanted| wanted.source = source())).unwrap();
    let words = "script=block-iscsi,target=iqn=iqn.2020-01.com.example:a,portal=192.0.2.9'";
    assert!(plan.edits[0].after.contains(words), "{}", plan.edits[0].after);
    assert!(plan.warnings.iter().any(|text| text.contains("no other host writes")), "{:?}", plan.warnings);
    let theirs = Disk {
        script: Some("block-iscsi".into()),
        kind: DiskKind::Iscsi,
        backing: None,
        ..disk("xvdb", "iqn=iqn.2020-01.com.example:a,portal=192.0.2.9", Mode::Write)
    };
    world.domain("old").disks.push(theirs);
    assert_eq!(world.plan(&attach("web", "", |wanted| wanted.source = source())).unwrap_err().rule, "disk-in-use");
}
