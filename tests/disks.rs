//! Disks given to domains and taken away, by the built program on the demo machine: killed at every point, then finished or undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domkeep::host::demo::Demo;
use domkeep::model::request::Populate;
use domkeep::model::{AttachDisk, DetachDisk, DiskSource, JobState, NfsRoot, Outcome, Request, Where};

use machine::{Machine, Trial, Undone, ask, demo, do_it, root_of, text};

type Prepare = fn(&Demo);

/// `db1` runs, on a machine that was prepared.
fn planned(request: &Request, prepare: Prepare) -> Machine {
    Machine::asked(request, |demo| running(demo, prepare))
}

fn running(demo: &Demo, prepare: Prepare) {
    do_it(demo, "xl create /etc/xen/database.cfg");
    prepare(demo);
}

/// What jobs may touch: configurations, directories of guests, loop devices, and what xl and xenstore tell of the domains.
fn told(machine: &Machine) -> BTreeMap<String, String> {
    let mut told = machine.described(&["/etc", "/srv", "/var/lib/nfs"], |_, path| Some(described(path)));
    let host = demo(&machine.root());
    for line in ["xl list -l", "xenstore-ls -f", "losetup --list --json -O NAME,BACK-FILE,RO"] {
        told.insert(line.into(), String::from_utf8_lossy(&ask(&host, line).stdout).into_owned());
    }
    told
}

fn described(path: &Path) -> String {
    let facts = path.symlink_metadata().unwrap();
    let mode = facts.permissions().mode() & 0o7777;
    if facts.is_dir() {
        format!("directory {mode:o}")
    } else if facts.is_file() && facts.len() < 1 << 20 {
        format!("{mode:o} {}", String::from_utf8_lossy(&std::fs::read(path).unwrap()))
    } else {
        format!("{mode:o} {}", facts.len())
    }
}

fn sweep(request: &Request, prepare: Prepare, least: u64) {
    Trial { request, prepare: &|demo| running(demo, prepare), told, undone: Undone::AsBefore }.sweep(least);
}

fn attach(place: Where) -> Request {
    let source = DiskSource::Path { path: "/dev/vdb2".into(), format: None };
    Request::AttachDisk(AttachDisk { domain: "db1".into(), source, vdev: "xvdc".into(), writes: true, place, config: None })
}

fn detach(vdev: &str, place: Where) -> Request {
    Request::DetachDisk(DetachDisk { domain: "db1".into(), vdev: vdev.into(), place, config: None })
}

#[test]
fn a_partition_is_attached_in_both_places_or_in_none() {
    sweep(&attach(Where::Both), |_| (), 15);
}

#[test]
fn an_image_file_is_attached_and_its_loop_device_never_stays_alone() {
    let source = DiskSource::Path { path: "/srv/xen/img/forgotten.img".into(), format: None };
    let wanted = AttachDisk { domain: "db1".into(), source, vdev: "xvdc".into(), writes: false, place: Where::Live, config: None };
    sweep(&Request::AttachDisk(wanted), |_| (), 5);
}

#[test]
fn a_disk_is_detached_from_both_places_or_from_none() {
    sweep(&detach("xvdb", Where::Both), |_| (), 15);
}

#[test]
fn drift_is_kept_or_given_up_whole() {
    let plug: Prepare = |demo| do_it(demo, "xl block-attach db1 vdev=xvdc,format=raw,access=rw,target=/dev/vdb2");
    sweep(&Request::PersistDisk { domain: "db1".into(), vdev: "xvdc".into(), config: None }, plug, 5);
    sweep(&detach("xvdc", Where::Live), plug, 5);
    let unplug: Prepare = |demo| do_it(demo, "xl block-detach db1 xvdb");
    let configured = AttachDisk {
        domain: "db1".into(),
        source: DiskSource::Configured,
        vdev: "xvdb".into(),
        writes: true,
        place: Where::Live,
        config: None,
    };
    sweep(&Request::AttachDisk(configured), unplug, 5);
}

#[test]
fn a_disk_that_xen_refuses_leaves_nothing_behind() {
    let machine = planned(&attach(Where::Both), |_| ());
    let before = told(&machine);
    // Another guest takes it after the plan was made; its assumption would see that, so it comes between look and deed: by a script of
    // the demo's own, nobody can. A plan whose look is left out stands for that moment.
    let mut plan = machine.plan.clone();
    plan.id = domkeep::model::JobId::new(chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(), domkeep::job::random());
    plan.assumptions.retain(
        |assumed| !matches!(&assumed.check, domkeep::model::Check::Not { that } if matches!(**that, domkeep::model::Check::InUse { .. })),
    );
    let host = demo(&machine.root());
    do_it(&host, "xl create -p /etc/xen/forms2.cfg");
    machine.store().forget_unstarted(&machine.plan.id);
    machine.store().create(&plan).unwrap();
    let machine = Machine { plan, ..machine };
    machine.domkeep(&["run-job", machine.plan.id.as_str(), "--work", "run"], 0);
    let JobState::Ended { outcome: Outcome::Failed { why } } = machine.state() else { panic!("{:?}", machine.state()) };
    assert!(why.contains("block-attach") && !why.contains("could be taken back"), "{why}");
    do_it(&host, "xl destroy forms2");
    let now = told(&machine);
    for (what, text) in &before {
        assert_eq!(now.get(what), Some(text), "{what}: a refused disk stays in the guest's record, and comes to life after a save");
    }
}

#[test]
fn options_lead_to_the_plan_that_was_meant() {
    let machine = planned(&attach(Where::Both), |_| ());
    let says = |words: &[&str]| text(&machine.domkeep(words, 0));
    let plan = says(&["attach", "db1", "/dev/vdb2", "--dry-run"]);
    assert!(
        plan.contains("xl block-attach db1 vdev=xvdc,format=raw,access=rw,target=/dev/vdb2"),
        "a running domain gets it at once: {plan}"
    );
    let off = says(&["attach", "web1", "/dev/vdb2", "--mode", "ro", "--dry-run"]);
    assert!(off.contains("access=r,target=/dev/vdb2") && !off.contains("block-attach"), "{off}");
    let taken = says(&["attach", "web1", "/dev/xenvols/db1-data", "--dry-run"]);
    assert!(taken.contains("refused (disk-in-use)") && taken.contains("NFS"), "{taken}");
    let mounted = says(&["attach", "db1", "/dev/vda", "--dry-run"]);
    assert!(mounted.contains("refused (disk-mounted)"), "dom0's own root could be given away: {mounted}");
    let held = says(&["attach", "db1", "/dev/vdb1", "--mode", "ro", "--dry-run"]);
    assert!(held.contains("refused (disk-held)"), "the disk under a volume group could be given away: {held}");
    let kept = says(&["attach", "db1", "--vdev", "xvdb", "--where", "config", "--dry-run"]);
    assert!(kept.contains("refused (vdev-taken)"), "{kept}");
    let gone = says(&["detach", "db1", "xvdb", "--where", "both", "--dry-run"]);
    assert!(gone.contains("xl block-detach db1 xvdb"), "{gone}");
}

fn nfs_root(populate: Populate) -> NfsRoot {
    NfsRoot {
        domain: "web1".into(),
        config: None,
        directory: "/srv/web1-root".into(),
        fstab: populate != Populate::Nothing,
        hostname: (populate != Populate::Nothing).then(|| "web1".into()),
        populate,
        clients: "192.0.2.21".into(),
        server: "192.0.2.10".into(),
        network: "192.0.2.21::192.0.2.1:255.255.255.0:web1:eth0:off".into(),
        bridge: Some("xenbr0".into()),
    }
}

#[test]
fn a_root_on_nfs_is_exported_whole_or_not_at_all() {
    let system: Prepare = |demo| {
        let root = root_of(demo);
        std::fs::create_dir_all(root.join("tree/srv/system/etc")).unwrap();
        std::fs::write(root.join("tree/srv/system/etc/fstab"), "/dev/sda1 / ext4\n").unwrap();
        std::fs::write(root.join("tree/srv/system/marker"), "it is here\n").unwrap();
        do_it(demo, "exportfs -ra");
    };
    let wanted = nfs_root(Populate::Directory { path: "/srv/system".into() });
    let machine = planned(&Request::NfsRoot(wanted.clone()), system);
    assert!(machine.work("run", 0));
    let now = told(&machine);
    assert!(
        now["/var/lib/nfs/etab"].contains("/srv/web1-root\t192.0.2.21("),
        "the server does not export it: {}",
        now["/var/lib/nfs/etab"]
    );
    assert!(now["/srv/web1-root/marker"].contains("it is here") && !now["/srv/web1-root/etc/fstab"].contains("sda1"));
    let shown = machine.domkeep(&["show", "web1"], 0);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("192.0.2.10:/srv/web1-root"), "nobody sees where its state lies: {shown}");
    sweep(&Request::NfsRoot(wanted), system, 25);
}
