use super::{look, of, severity};
use crate::check::{Unreferenced, unreferenced};
use crate::model::example::{config, disk, domain, host, put_save, snapshot, volume};
use crate::model::{Backing, DiskKind, ImageFile, Inventory, LogicalVolume, Mode, MountUse, Power, Severity};

fn with(volumes: Vec<LogicalVolume>) -> Inventory {
    let mut inventory = host(vec![domain("web", Power::Running, vec![disk("xvda", "/dev/vg0/web", Mode::Write)])]);
    inventory.volumes.extend(volumes);
    inventory
}

#[test]
fn a_snapshot_fills_from_note_to_lost() {
    let code = "snapshot-nearly-full";
    assert_eq!(severity(&with(vec![snapshot("vg0/s", "web", 69.9)]), code), None);
    assert_eq!(severity(&with(vec![snapshot("vg0/s", "web", 70.0)]), code), Some(Severity::Warning));
    assert_eq!(severity(&with(vec![snapshot("vg0/s", "web", 90.0)]), code), Some(Severity::Danger));
    let lost = with(vec![LogicalVolume { invalid: true, ..snapshot("vg0/s", "web", 100.0) }]);
    assert_eq!(severity(&lost, code), None, "a lost snapshot cannot be saved by more room");
    assert_eq!(severity(&lost, "snapshot-overflowed"), Some(Severity::Danger), "a backup of it is worthless, and nobody says so");
    assert_eq!(severity(&with(vec![snapshot("vg0/s", "web", 50.0)]), "snapshot-overflowed"), None);
    let verdicts = look(&lost);
    assert_eq!(of(&verdicts, "snapshot-overflowed")[0].domains, ["web"], "the domain whose volume it was taken of shows no mark");
    let thin = LogicalVolume { data_percent: Some(99.0), pool: Some("pool".to_owned()), ..volume("vg0/thin") };
    assert_eq!(severity(&with(vec![thin]), code), None, "a thin volume that is fully mapped is not about to be lost");
}

#[test]
fn both_parts_of_a_thin_pool_are_watched() {
    let code = "thin-pool-nearly-full";
    let pool = |data, metadata| {
        let attr = "twi-aotz--".to_owned();
        with(vec![LogicalVolume { attr, data_percent: Some(data), metadata_percent: Some(metadata), ..volume("vg0/pool") }])
    };
    assert_eq!(severity(&pool(50.0, 50.0), code), None);
    assert_eq!(severity(&pool(75.0, 10.0), code), Some(Severity::Warning));
    assert_eq!(severity(&pool(10.0, 95.0), code), Some(Severity::Danger), "a pool without metadata is damaged, whatever room its data has");
    let mut unknown = pool(0.0, 0.0);
    unknown.volumes[1].data_percent = None;
    assert_eq!(severity(&unknown, code), None);
}

#[test]
fn a_master_that_is_written_under_its_clones_is_noted() {
    let code = "origin-written-under-clones";
    let clones = |master: Mode| {
        let mut inventory = host(vec![
            domain("master", Power::Off, vec![disk("xvda", "/dev/vg0/master", master)]),
            domain("clone", Power::Off, vec![disk("xvda", "/dev/vg0/clone", Mode::Write)]),
        ]);
        inventory.volumes.retain(|volume| volume.name != "clone");
        inventory.volumes.push(snapshot("vg0/clone", "master", 10.0));
        inventory
    };
    assert_eq!(severity(&clones(Mode::Write), code), Some(Severity::Note));
    assert_eq!(severity(&clones(Mode::Read), code), None);
    let mut mounted = clones(Mode::Read);
    let source = "/dev/mapper/vg0-master".to_owned();
    mounted.mounts.push(MountUse { source, at: "/mnt".into(), read_write: true, fs: "ext4".to_owned() });
    assert_eq!(severity(&mounted, code), Some(Severity::Note), "somebody works on the master in dom0, and its clones fill up");
    assert_eq!(severity(&with(vec![snapshot("vg0/s", "web", 10.0)]), code), None, "a snapshot for a backup is no clone");
}

#[test]
fn a_base_that_can_be_written_under_its_overlays_is_told_before_it_is_too_late() {
    let code = "base-written-under-overlays";
    let images = |power: Power, mode: Mode| {
        let mut inventory = host(vec![
            domain("master", power, vec![disk("xvda", "/srv/base.img", mode)]),
            domain("clone", Power::Running, vec![disk("xvda", "/srv/clone.qcow2", Mode::Write)]),
        ]);
        let above = inventory.backings.get_mut("/srv/clone.qcow2").unwrap();
        above.backing_file = Some(("/srv/base.img".into(), "/srv/base.img".to_owned()));
        inventory
    };
    assert_eq!(severity(&images(Power::Off, Mode::Write), code), Some(Severity::Warning), "the next start destroys the clones");
    assert_eq!(severity(&images(Power::Running, Mode::Write), code), Some(Severity::Danger));
    assert_eq!(severity(&images(Power::Running, Mode::Read), code), None, "a base that is only read is as it should be");
    let mut mounted = images(Power::Off, Mode::Read);
    let mount = |read_write| MountUse { source: "/dev/loop0".to_owned(), at: "/mnt".into(), read_write, fs: "ext4".to_owned() };
    mounted.backings.get_mut("/srv/base.img").unwrap().mounts = vec![mount(false)];
    assert_eq!(severity(&mounted, code), None);
    mounted.backings.get_mut("/srv/base.img").unwrap().mounts = vec![mount(true)];
    assert_eq!(severity(&mounted, code), Some(Severity::Danger), "somebody mends the master under its clones");
}

#[test]
fn only_what_nothing_refers_to_is_unreferenced() {
    let mut inventory = with(vec![
        volume("vg0/orphan"),
        volume("vg0/mounted"),
        volume("vg0/in_config"),
        volume("vg0/in_save"),
        snapshot("vg0/snap", "web", 1.0),
        LogicalVolume { hidden: true, ..volume("vg0/[pool_tdata]") },
        LogicalVolume { attr: "twi-aotz--".to_owned(), ..volume("vg0/pool") },
        LogicalVolume { layout: "cache,pool".to_owned(), attr: "Cwi---C---".to_owned(), ..volume("vg0/cache") },
        LogicalVolume { origin: Some("orphan".to_owned()), pool: Some("pool".to_owned()), ..volume("vg0/thin_snapshot") },
    ]);
    let mount = MountUse { source: "/dev/mapper/vg0-mounted".to_owned(), at: "/".into(), read_write: true, fs: "ext4".to_owned() };
    inventory.mounts.push(mount);
    inventory.configs.push(config("/etc/xen/old.cfg", "old", vec![disk("xvda", "/dev/vg0/in_config", Mode::Write)]));
    for name in ["/dev/vg0/in_config", "/dev/vg0/in_save"] {
        crate::model::example::put_backing(&mut inventory, &disk("xvda", name, Mode::Write));
    }
    put_save(&mut inventory, "/root/x.save", "x", vec![disk("xvda", "/dev/vg0/in_save", Mode::Write)]);
    for (path, referenced) in [("/srv/used.img", true), ("/srv/orphan.img", false), ("/srv/base.img", false), ("/srv/debian.iso", false)] {
        let backing_file = (path == "/srv/orphan.img").then(|| ("base.img".into(), "unknown:base.img".to_owned()));
        let backing =
            Backing { key: path.to_owned(), path: path.into(), kind: DiskKind::File, bytes: Some(5), backing_file, ..Backing::default() };
        inventory.backings.insert(path.to_owned(), backing);
        inventory.images.push(ImageFile { path: path.into(), backing: path.to_owned(), referenced });
    }
    let expected = [
        Unreferenced { path: "/dev/vg0/orphan".into(), kind: "volume", bytes: Some(1 << 30) },
        Unreferenced { path: "/srv/orphan.img".into(), kind: "image", bytes: Some(5) },
    ];
    assert_eq!(unreferenced(&inventory), expected, "what is in use was offered as rubbish, or rubbish was not shown");
}
