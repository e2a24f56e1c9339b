use super::{look, of, severity};
use crate::check::shared_disks;
use crate::model::example::{backing, disk, domain, empty_drive, ext4, host, put_backing};
use crate::model::{
    Disk, DiskKind, Domain, Drift, DriftKind, HostPath, Inventory, Mode, MountUse, Power, Severity, SharedDisk, Signature, Store,
    SuperblockTimes,
};

const VOLUME: &str = "/dev/vg0/data";

fn pair(first: (Power, Mode), second: (Power, Mode)) -> Inventory {
    host(vec![domain("a", first.0, vec![disk("xvda", VOLUME, first.1)]), domain("b", second.0, vec![disk("xvdb", VOLUME, second.1)])])
}

#[test]
fn a_missing_disk_is_named() {
    let gone = Disk { exists: Some(false), ..disk("xvda", "/srv/gone.img", Mode::Write) };
    assert_eq!(severity(&host(vec![domain("a", Power::Off, vec![gone.clone()])]), "disk-missing"), Some(Severity::Warning));
    let running = host(vec![domain("a", Power::Running, vec![gone.clone()])]);
    assert_eq!(
        severity(&running, "disk-missing"),
        Some(Severity::Danger),
        "a running guest's disk was deleted; it is lost when the guest stops"
    );
    let unknown = Disk { exists: None, ..gone.clone() };
    assert_eq!(severity(&host(vec![domain("a", Power::Off, vec![unknown])]), "disk-missing"), None, "`not known` was shown as `not there`");
    let elsewhere = Disk { kind: DiskKind::Rbd, ..gone };
    assert_eq!(severity(&host(vec![domain("a", Power::Off, vec![elsewhere])]), "disk-missing"), None, "a network disk has no path here");
    assert_eq!(
        severity(&host(vec![domain("a", Power::Off, vec![empty_drive("hdc")])]), "disk-missing"),
        None,
        "an empty drive misses nothing"
    );
}

#[test]
fn two_writers_are_a_danger_when_both_run() {
    use Mode::{Read, Write};
    use Power::{Off, Paused, Running};
    for (first, second, expected, meaning) in [
        ((Running, Write), (Running, Write), Some(Severity::Danger), "two running guests destroy one file system, and nobody says so"),
        ((Running, Write), (Paused, Write), Some(Severity::Danger), "a paused guest wakes up and writes"),
        ((Running, Write), (Off, Write), Some(Severity::Warning), "starting the second one destroys the file system"),
        ((Off, Write), (Off, Write), Some(Severity::Warning), "starting both destroys the file system"),
        ((Running, Write), (Running, Read), None, "one writer and a reader are another rule's matter"),
        ((Running, Read), (Running, Read), None, "readers harm nobody"),
    ] {
        assert_eq!(severity(&pair(first, second), "disk-shared-rw"), expected, "{meaning}: {first:?} {second:?}");
    }
    let mut apart = pair((Running, Write), (Running, Write));
    apart.domains[1].disks = vec![disk("xvda", "/dev/vg0/other", Write)];
    assert_eq!(severity(&apart, "disk-shared-rw"), None, "two disks were taken for one");
}

#[test]
fn one_volume_by_two_names_is_one_volume() {
    let mut inventory = pair((Power::Running, Mode::Write), (Power::Running, Mode::Write));
    inventory.domains[1].disks[0].path = Some("/dev/mapper/vg0-data".into());
    assert_eq!(severity(&inventory, "disk-shared-rw"), Some(Severity::Danger), "the same volume by its other name escaped");
    inventory.domains[1].disks[0].backing = None;
    inventory.backings.get_mut(VOLUME).unwrap().aliases.push("/dev/mapper/vg0-data".into());
    assert_eq!(severity(&inventory, "disk-shared-rw"), Some(Severity::Danger), "an alias that was seen was not used");
}

#[test]
fn a_cluster_file_system_may_be_shared() {
    let mut inventory = pair((Power::Running, Mode::Write), (Power::Running, Mode::Write));
    let cluster = Signature { kind: "ocfs2".to_owned(), times: None, ..ext4(SuperblockTimes::default()) };
    inventory.backings.get_mut(VOLUME).unwrap().signatures.push(cluster);
    assert_eq!(severity(&inventory, "disk-shared-rw"), Some(Severity::Note), "a cluster would be told to shut itself down");
}

#[test]
fn a_writer_among_readers_is_a_warning() {
    let mixed = pair((Power::Running, Mode::Write), (Power::Off, Mode::Read));
    assert_eq!(severity(&mixed, "disk-shared-mixed"), Some(Severity::Warning), "the reader sees a file system that moves under it");
    let readers = pair((Power::Running, Mode::Read), (Power::Running, Mode::Read));
    assert_eq!(severity(&readers, "disk-shared-mixed"), None, "an ISO image for two guests is no trouble");
}

#[test]
fn shared_disks_lists_every_domain_once_with_its_mode() {
    let mut inventory = pair((Power::Off, Mode::Write), (Power::Running, Mode::Read));
    inventory.domains.reverse();
    // The same disk twice in one domain, attached and in the config, is one use.
    let twice = Disk { attached: false, ..inventory.domains[0].disks[0].clone() };
    inventory.domains[0].disks.push(twice);
    let expected = SharedDisk { path: VOLUME.into(), domains: vec!["a".to_owned(), "b".to_owned()], modes: vec![Mode::Write, Mode::Read] };
    assert_eq!(shared_disks(&inventory), vec![expected], "modes go with the domains by position");
    let nfs = |name| {
        let root = Disk { kind: DiskKind::NfsRoot, vdev: None, mode: None, path: Some("192.0.2.1:/export".into()), ..Disk::default() };
        domain(name, Power::Off, vec![root])
    };
    let others = host(vec![
        nfs("n1"),
        nfs("n2"),
        domain("c1", Power::Off, vec![empty_drive("hdc")]),
        domain("c2", Power::Off, vec![empty_drive("hdc")]),
    ]);
    assert_eq!(shared_disks(&others), Vec::new(), "empty drives and directories on a server are no shared disks");
}

fn mounted(read_write: bool, mode: Mode) -> Inventory {
    let mut inventory = host(vec![domain("a", Power::Off, vec![disk("xvda", VOLUME, mode)])]);
    let mount = MountUse { source: VOLUME.to_owned(), at: "/mnt".into(), read_write, fs: "ext4".to_owned() };
    inventory.backings.get_mut(VOLUME).unwrap().mounts.push(mount);
    inventory
}

#[test]
fn a_disk_that_dom0_has_mounted_is_shown() {
    let code = "disk-mounted-in-dom0";
    assert_eq!(severity(&mounted(true, Mode::Write), code), Some(Severity::Danger), "starting the guest destroys the file system");
    assert_eq!(severity(&mounted(false, Mode::Write), code), Some(Severity::Warning), "a read-only mount may replay the journal");
    assert_eq!(severity(&mounted(false, Mode::Read), code), None, "an ISO image that is only read everywhere is no trouble");
    let mut unused = mounted(true, Mode::Write);
    unused.domains.clear();
    assert_eq!(severity(&unused, code), None, "dom0's own file systems are nobody's disks");
}

fn drifting(disks: Vec<Disk>) -> Domain {
    Domain { disks, ..domain("a", Power::Running, Vec::new()) }
}

#[test]
fn drift_shows_what_the_next_start_would_change() {
    let attached = Disk { attached: true, in_config: false, ..disk("xvdc", "/dev/vg0/hot", Mode::Write) };
    let configured = Disk { attached: false, ..disk("xvdd", "/dev/vg0/cold", Mode::Write) };
    let inventory = host(vec![drifting(vec![attached.clone(), configured])]);
    let verdicts = look(&inventory);
    let drift =
        |vdev: &str, path: &str, kind| Drift { domain: "a".to_owned(), vdev: vdev.to_owned(), path: Some(HostPath::from(path)), kind };
    assert_eq!(
        verdicts.drift,
        [drift("xvdc", "/dev/vg0/hot", DriftKind::AttachedNotInConfig), drift("xvdd", "/dev/vg0/cold", DriftKind::InConfigNotAttached)],
        "a disk that is gone after the next start, or comes with it, was not shown"
    );
    assert_eq!(of(&verdicts, "drift-attached-not-in-config").len(), 1);
    assert_eq!(of(&verdicts, "drift-in-config-not-attached").len(), 1);

    let off = host(vec![Domain { power: Power::Off, ..drifting(vec![disk("xvda", VOLUME, Mode::Write)]) }]);
    assert_eq!(look(&off).drift, Vec::new(), "a domain that is off has no disks attached, and misses none");

    let mut alone = host(vec![Domain { configs: Vec::new(), ..drifting(vec![attached]) }]);
    alone.configs.clear();
    assert_eq!(look(&alone).drift, Vec::new(), "without a configuration there is nothing to differ from");
}

#[test]
fn other_spellings_and_ejected_media_are_no_drift() {
    let by_link = Disk { attached: true, in_config: false, path: Some("/dev/dm-3".into()), ..disk("xvda", VOLUME, Mode::Write) };
    let by_name = Disk { attached: false, ..disk("xvda", VOLUME, Mode::Write) };
    assert_eq!(look(&host(vec![drifting(vec![by_link, by_name])])).drift, Vec::new(), "two spellings of one volume were shown as a change");

    let ejected = Disk { attached: true, in_config: false, ..empty_drive("hdc") };
    let medium = Disk { attached: false, removable: true, ..disk("hdc", "/srv/iso/tools.iso", Mode::Read) };
    assert_eq!(look(&host(vec![drifting(vec![ejected, medium])])).drift, Vec::new(), "a CD that was taken out is no lost disk");

    let changed = Disk { attached: true, in_config: false, ..disk("xvda", "/dev/vg0/new", Mode::Write) };
    let old = Disk { attached: false, ..disk("xvda", "/dev/vg0/old", Mode::Write) };
    assert_eq!(look(&host(vec![drifting(vec![changed, old])])).drift.len(), 2, "another volume under the same device name went unseen");
}

#[test]
fn what_the_toolstack_says_against_a_disk_is_shown() {
    let refused = Disk { trouble: Some("hotplug-status = error".to_owned()), ..disk("xvdb", VOLUME, Mode::Write) };
    assert_eq!(severity(&host(vec![domain("a", Power::Running, vec![refused])]), "disk-lost-by-tool"), Some(Severity::Warning));
    let well = host(vec![domain("a", Power::Running, vec![disk("xvdb", VOLUME, Mode::Write)])]);
    assert_eq!(severity(&well, "disk-lost-by-tool"), None);
}

fn overlay(base_exists: Option<bool>) -> Inventory {
    let top = Disk { format: Some("qcow2".to_owned()), ..disk("xvda", "/srv/top.qcow2", Mode::Write) };
    let base = Disk { exists: base_exists, ..disk("x", "/srv/base.qcow2", Mode::Read) };
    let mut inventory = host(vec![domain("a", Power::Off, vec![top])]);
    put_backing(&mut inventory, &base);
    let top = inventory.backings.get_mut("/srv/top.qcow2").unwrap();
    top.backing_file = Some(("base.qcow2".into(), "/srv/base.qcow2".to_owned()));
    top.format_seen = Some("qcow2".to_owned());
    inventory
}

#[test]
fn a_chain_of_images_is_followed_to_its_end() {
    let code = "backing-file-missing";
    assert_eq!(severity(&overlay(Some(false)), code), Some(Severity::Warning), "most of the disk's content is gone");
    assert_eq!(severity(&overlay(Some(true)), code), None);
    assert_eq!(severity(&overlay(None), code), None, "`not known` was shown as `not there`");
    let mut circle = overlay(Some(true));
    circle.backings.get_mut("/srv/base.qcow2").unwrap().backing_file = Some(("top.qcow2".into(), "/srv/top.qcow2".to_owned()));
    assert_eq!(severity(&circle, code), Some(Severity::Warning), "a chain in a circle was taken for a good one, or never ended");
}

#[test]
fn an_image_that_is_configured_as_raw_is_a_danger() {
    let code = "raw-looks-like-qcow2";
    let mut inventory = overlay(Some(true));
    assert_eq!(severity(&inventory, code), None);
    inventory.domains[0].disks[0].format = Some("raw".to_owned());
    assert_eq!(severity(&inventory, code), Some(Severity::Danger), "the guest writes over the image's own tables");
    inventory.backings.get_mut("/srv/top.qcow2").unwrap().format_seen = None;
    assert_eq!(severity(&inventory, code), None, "a format that is not known is none to complain of");
}

#[test]
fn sparse_files_may_not_promise_more_than_there_is() {
    let code = "image-overcommit";
    let sparse = |free| {
        let thin = Disk { allocated: Some(1 << 20), ..disk("xvda", "/srv/xen/a.img", Mode::Write) };
        let mut inventory = host(vec![domain("a", Power::Off, vec![thin])]);
        let store = |mount: &str, free| Store { mount: mount.into(), free: Some(free), ..Store::default() };
        inventory.stores = vec![store("/", u64::MAX), store("/srv", free)];
        inventory
    };
    assert_eq!(severity(&sparse(1 << 29), code), Some(Severity::Warning), "guests get write errors when the file system is full");
    assert_eq!(severity(&sparse(1 << 30), code), None);
    let mut read_only = sparse(0);
    read_only.domains[0].disks[0].mode = Some(Mode::Read);
    assert_eq!(severity(&read_only, code), None, "a file that nobody writes does not grow");
    let mut unknown = sparse(0);
    unknown.backings.get_mut("/srv/xen/a.img").unwrap().allocated = None;
    assert_eq!(severity(&unknown, code), None, "what is not known was counted");
    assert!(backing(&read_only.domains[0].disks[0]).is_some());
}

#[test]
fn disks_that_nobody_could_list_are_not_said_to_be_detached() {
    let configured = Disk { attached: false, ..disk("xvda", VOLUME, Mode::Write) };
    let unknown = Domain { attached_unknown: true, ..drifting(vec![configured.clone()]) };
    assert_eq!(
        look(&host(vec![unknown])).drift,
        Vec::new(),
        "xenstore did not answer, and a person was told that the guest lost its disks"
    );
    let dying = Domain { power: Power::Dying, ..drifting(vec![configured]) };
    assert_eq!(look(&host(vec![dying])).drift, Vec::new(), "a domain that is being cleared away was said to miss its disks");
}

#[test]
fn a_disk_that_only_a_copy_of_the_configuration_names_is_not_missed() {
    let root = Disk { attached: true, ..disk("xvda", VOLUME, Mode::Write) };
    let extra = Disk { attached: false, ..disk("xvdz", "/dev/vg0/rescue", Mode::Write) };
    let mut inventory = host(vec![drifting(vec![root.clone(), extra.clone()])]);
    inventory.configs = vec![
        crate::model::example::config("/etc/xen/a.cfg", "a", vec![root]),
        crate::model::example::config("/etc/xen/a.cfg.bak", "a", vec![extra.clone()]),
    ];
    assert_eq!(look(&inventory).drift, Vec::new(), "an old copy of a configuration made a running guest look wrong");
    inventory.configs[1].autostart = true;
    let verdicts = look(&inventory);
    let found = of(&verdicts, "drift-in-config-not-attached");
    assert_eq!(found.len(), 1, "the next boot of the host starts it with another disk, and nobody was told");
    assert!(
        found[0].evidence.iter().any(|evidence| evidence.source == "/etc/xen/a.cfg.bak"),
        "the evidence names a file in which the disk does not stand: {:?}",
        found[0].evidence
    );
}

#[test]
fn a_guest_that_has_ended_writes_to_nothing() {
    let verdicts = look(&pair((Power::Preserved, Mode::Write), (Power::Running, Mode::Write)));
    let found = of(&verdicts, "disk-shared-rw");
    assert_eq!(found[0].severity, Severity::Warning, "a guest that was shut down and kept was said to write now");
    assert_eq!(found[0].title, "a and b would both write to /dev/vg0/data.");
}

#[test]
fn a_disk_and_its_partition_in_two_domains_are_one_disk() {
    let with = |lies_on: Vec<(u32, u32)>, power| {
        let mut inventory = host(vec![
            domain("a", Power::Running, vec![Disk { kind: DiskKind::Disk, ..disk("xvda", "/dev/sdb", Mode::Write) }]),
            domain("b", power, vec![Disk { kind: DiskKind::Partition, ..disk("xvda", "/dev/sdb1", Mode::Read) }]),
        ]);
        inventory.backings.get_mut("/dev/sdb").unwrap().device = Some((8, 16));
        inventory.backings.get_mut("/dev/sdb1").unwrap().device = Some((8, 17));
        inventory.backings.get_mut("/dev/sdb1").unwrap().lies_on = lies_on;
        inventory
    };
    let code = "disk-shared-rw";
    let mut both = with(vec![(8, 16)], Power::Running);
    assert_eq!(severity(&both, code), Some(Severity::Warning), "a guest reads a file system that another one writes to");
    both.domains[1].disks[0].mode = Some(Mode::Write);
    assert_eq!(severity(&both, code), Some(Severity::Danger), "two guests write to one disk, by two names");
    let shared =
        SharedDisk { path: "/dev/sdb1".into(), domains: vec!["a".to_owned(), "b".to_owned()], modes: vec![Mode::Write, Mode::Write] };
    assert_eq!(shared_disks(&both), [shared], "a script that looks for shared disks finds none");
    both.domains[0].disks[0].mode = Some(Mode::Read);
    both.domains[1].disks[0].mode = Some(Mode::Read);
    assert_eq!(severity(&both, code), None, "two readers hurt nobody");
    assert_eq!(severity(&with(vec![(8, 16)], Power::Off), code), Some(Severity::Warning));
    assert_eq!(severity(&with(vec![(8, 0)], Power::Running), code), None, "two disks were taken for one");
}

#[test]
fn sentences_say_what_happens_now_and_what_would_happen() {
    let title = |power| {
        let verdicts = look(&pair((power, Mode::Write), (power, Mode::Read)));
        of(&verdicts, "disk-shared-mixed")[0].title.clone()
    };
    assert_eq!(title(Power::Running), "a writes to /dev/vg0/data while b reads it.");
    assert_eq!(title(Power::Off), "a would write to /dev/vg0/data while b would read it.", "two domains that are off do nothing now");
}

#[test]
fn two_domains_in_one_nfs_root_are_said() {
    let root = |path: &str| Disk { vdev: None, kind: DiskKind::NfsRoot, ..disk("", path, Mode::Write) };
    let inventory = host(vec![
        domain("one", Power::Running, vec![root("192.0.2.1:/export/a")]),
        domain("two", Power::Running, vec![root("192.0.2.1:/export/a")]),
        domain("three", Power::Off, vec![root("192.0.2.1:/export/b")]),
    ]);
    let verdicts = look(&inventory);
    let found = of(&verdicts, "nfs-root-shared");
    assert_eq!(found.len(), 1, "two systems would overwrite each other's state, and nobody would be told");
    assert_eq!((found[0].severity, found[0].domains.len()), (Severity::Danger, 2));
}
