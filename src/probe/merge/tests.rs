use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::*;
use crate::host::{Answer, DeviceFacts, HostError, Listing, Look, Place, Space, Stat};
use crate::model::{Backing, Cmd, Extent, Output};
use crate::probe::ask::Asker;
use crate::probe::backings::Ground;
use crate::probe::devices::Devices;

/// A host on which nothing can be found out.
struct Mute;

impl Look for Mute {
    fn place(&self) -> Place {
        Place::ThisMachine
    }
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }
    fn run(&self, _: &Cmd) -> Answer<Output> {
        Err(HostError::NotCaptured)
    }
    fn read_at(&self, _: &Path, _: u64, _: usize) -> Answer<Vec<u8>> {
        Err(HostError::NotCaptured)
    }
    fn list(&self, _: &Path, _: usize) -> Answer<Listing> {
        Err(HostError::NotCaptured)
    }
    fn stat(&self, _: &Path, _: bool) -> Answer<Stat> {
        Err(HostError::NotCaptured)
    }
    fn resolve(&self, _: &Path) -> Answer<PathBuf> {
        Err(HostError::NotCaptured)
    }
    fn readlink(&self, _: &Path) -> Answer<PathBuf> {
        Err(HostError::NotCaptured)
    }
    fn extents(&self, _: &Path) -> Answer<Vec<Extent>> {
        Err(HostError::NotCaptured)
    }
    fn space(&self, _: &Path) -> Answer<Space> {
        Err(HostError::NotCaptured)
    }
    fn device(&self, _: &Path) -> Answer<DeviceFacts> {
        Err(HostError::NotCaptured)
    }
}

fn row(name: &str, domid: u32) -> Row {
    Row { name: name.to_owned(), domid, memory_bytes: 1 << 20, vcpus: 1, state: "-b----".to_owned(), uuid: None }
}

fn config(path: &str, source: ConfigSource, name: &str, disks: Vec<Disk>) -> Config {
    Config { source, disks, ..crate::model::example::config(path, name, Vec::new()) }
}

fn merged(live: &Live, configs: Vec<Config>, saves: &[Save]) -> Vec<Domain> {
    merged_on(Devices::default(), live, configs, saves).0
}

fn merged_on(devices: Devices, live: &Live, mut configs: Vec<Config>, saves: &[Save]) -> (Vec<Domain>, BTreeMap<String, Backing>) {
    let asker = Asker::new(&Mute);
    let ground = Ground {
        volumes: Vec::new(),
        volumes_known: false,
        volume_groups: Vec::new(),
        physical_volumes: Vec::new(),
        devices,
        loops: Vec::new(),
        mounts: Vec::new(),
    };
    let mut backings = Backings::new(&asker, &ground);
    for disk in configs.iter_mut().flat_map(|config| &mut config.disks) {
        name_backend(disk, live);
        settle(disk, Attached::default(), &mut backings);
    }
    let domains = domains(live, &libvirt::look::Seen::default(), &configs, saves, &mut backings);
    (domains, backings.into_map())
}

fn tree(lines: &[(&str, &str)]) -> Tree {
    lines.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
}

fn wanted(vdev: &str, path: &str) -> Disk {
    Disk { vdev: Some(vdev.to_owned()), mode: Some(Mode::Write), path: Some(path.into()), in_config: true, ..Disk::default() }
}

#[test]
fn what_nobody_told_of_a_domains_disks_is_said_to_be_unknown() {
    let configs = || vec![config("/etc/xen/web.cfg", ConfigSource::File, "web", vec![wanted("xvda", "/srv/web.img")])];
    for store in [None, Some(tree(&[])), Some(tree(&[("/libxl/9/device/vbd/51712/dev", "xvda")]))] {
        let live = Live { rows: Some(vec![row("web", 7)]), store, ..Live::default() };
        let domains = merged(&live, configs(), &[]);
        assert!(domains[0].attached_unknown, "a guest whose disks could not be listed was shown as one without disks");
        assert!(!domains[0].notes.is_empty(), "nobody was told why");
    }
    let live = Live { rows: Some(vec![row("web", 7)]), store: Some(tree(&[("/libxl/7/type", "pv")])), ..Live::default() };
    assert!(!merged(&live, configs(), &[])[0].attached_unknown, "xenstore knows the domain: it has no disk");
}

#[test]
fn domains_of_one_name_have_ids_of_their_own() {
    let live = Live { rows: Some(vec![row("(null)", 7), row("(null)", 8)]), ..Live::default() };
    let xl = config("/etc/xen/web.cfg", ConfigSource::File, "web", Vec::new());
    let qemu = config("/etc/libvirt/qemu/web.xml", ConfigSource::Libvirt, "web", Vec::new());
    let domains = merged(&live, vec![xl, qemu], &[]);
    let mut ids: Vec<&str> = domains.iter().map(|domain| domain.id.as_str()).collect();
    assert_eq!(ids.len(), 4);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "two machines that write to one disk would be taken for one: {ids:?}");
}

#[test]
fn a_configuration_inside_a_save_image_is_no_file_to_start_from() {
    let mut inventory = crate::model::example::host(Vec::new());
    crate::model::example::put_save(&mut inventory, "/root/web.save", "web", Vec::new());
    let live = Live { rows: Some(vec![row("web", 7)]), ..Live::default() };
    let domains = merged(&live, inventory.configs, &inventory.saves);
    assert_eq!(domains[0].saves.len(), 1);
    assert!(domains[0].configs.is_empty(), "the save image was listed as the file from which the domain is started");
}

#[test]
fn a_disk_of_a_backend_domain_is_that_domains_path() {
    let served = |backend: &str| Disk { backend_domain: Some(backend.to_owned()), ..wanted("xvda", "/dev/vg/web") };
    let live = Live {
        rows: Some(vec![row("storage", 3), row("web", 7)]),
        store: Some(tree(&[
            ("/libxl/7/device/vbd/51712/backend", "/local/domain/3/backend/vbd/7/51712"),
            ("/local/domain/3/backend/vbd/7/51712/dev", "xvda"),
            ("/local/domain/3/backend/vbd/7/51712/params", "/dev/vg/web"),
            ("/local/domain/3/backend/vbd/7/51712/mode", "w"),
        ])),
        ..Live::default()
    };
    let configs = vec![
        config("/etc/xen/web.cfg", ConfigSource::File, "web", vec![served("storage")]),
        config("/etc/xen/other.cfg", ConfigSource::File, "other", vec![served("storage2")]),
    ];
    let domains = merged(&live, configs, &[]);
    let of = |name: &str| domains.iter().find(|domain| domain.name == name).unwrap();
    assert_eq!(of("web").disks.len(), 1, "one disk was shown twice, as attached and as not attached: {:#?}", of("web").disks);
    assert!(of("web").disks[0].attached && of("web").disks[0].in_config);
    assert_ne!(of("web").disks[0].backing, of("other").disks[0].backing, "one path in two backend domains was taken for one disk");
}

#[test]
fn a_disk_of_a_script_is_the_same_in_xenstore_and_in_its_config() {
    let live = Live {
        rows: Some(vec![row("web", 7)]),
        store: Some(tree(&[
            ("/libxl/7/device/vbd/51712/backend", "/local/domain/0/backend/vbd/7/51712"),
            ("/libxl/7/device/vbd/51712/dev", "xvda"),
            ("/libxl/7/device/vbd/51712/params", "192.0.2.1:10809"),
            ("/libxl/7/device/vbd/51712/mode", "w"),
            ("/libxl/7/device/vbd/51712/script", "/etc/xen/scripts/block-nbd"),
        ])),
        ..Live::default()
    };
    let disk = Disk { kind: DiskKind::Nbd, script: Some("block-nbd".to_owned()), ..wanted("xvda", "192.0.2.1:10809") };
    let domains = merged(&live, vec![config("/etc/xen/web.cfg", ConfigSource::File, "web", vec![disk])], &[]);
    assert_eq!(domains[0].disks.len(), 1, "a network disk was shown as lost and as new: {:#?}", domains[0].disks);
    assert_eq!(domains[0].disks[0].kind, DiskKind::Nbd);
}

#[test]
fn a_partition_lies_on_its_disk() {
    let json = br#"{"blockdevices":[{"name":"sdb","kname":"sdb","maj:min":"8:16","type":"disk","size":100,
        "children":[{"name":"sdb1","kname":"sdb1","maj:min":"8:17","type":"part","size":50}]}]}"#;
    let devices = crate::probe::devices::parse_lsblk(json).unwrap();
    let config = config("/etc/xen/web.cfg", ConfigSource::File, "web", vec![wanted("xvda", "/dev/sdb1"), wanted("xvdb", "/dev/sdb")]);
    let (_, backings) = merged_on(devices, &Live::default(), vec![config], &[]);
    assert_eq!(backings["/dev/sdb"].device, Some((8, 16)));
    assert_eq!(backings["/dev/sdb1"].lies_on, [(8, 16)], "a disk in one domain and its partition in another would look like two disks");
    assert!(backings["/dev/sdb"].lies_on.is_empty());
}

#[test]
fn a_domain_that_only_the_long_list_names_is_there() {
    let json = br#"[{"domid":7,"config":{"c_info":{"name":"web","type":"pv"},"disks":[{"pdev_path":"/srv/web.img","vdev":"xvda","format":"raw","readwrite":1}]}}]"#;
    let long = xl::parse_long(json).unwrap().into_iter().map(|long| (long.domid, long.config)).collect();
    let live = Live { rows: None, long, long_known: true, ..Live::default() };
    let domains = merged(&live, Vec::new(), &[]);
    assert_eq!(domains.len(), 1, "a running domain is not shown because one of two commands failed");
    assert_eq!(
        (domains[0].power, domains[0].domid, domains[0].memory.bytes),
        (Power::Unknown, Some(7), None),
        "a guess was shown as a fact"
    );
    assert!(domains[0].disks[0].attached);
}

#[test]
fn a_volume_that_a_script_found_is_the_disk_of_the_config() {
    let live = Disk {
        vdev: Some("xvdi".into()),
        path: Some("/dev/xenvols/tool0".into()),
        written_as: Some("tool0".into()),
        backing: Some("/dev/xenvols/tool0".into()),
        attached: true,
        ..Disk::default()
    };
    let mut domain = Domain { disks: vec![live], ..Domain::default() };
    let wanted = Disk { vdev: Some("xvdi".into()), path: Some("tool0".into()), backing: Some("unknown:tool0".into()), ..Disk::default() };
    join_disk(&mut domain, &wanted);
    assert_eq!(domain.disks.len(), 1, "a disk of a hotplug script would be shown as lost and as new: {:#?}", domain.disks);
    assert!(domain.disks[0].in_config && domain.disks[0].attached);
}

/// A domain of libvirt's Xen driver that runs, or not.
fn of_libvirt(name: &str, uuid: &str, id: Option<u32>) -> libvirt::look::SeenDomain {
    let xml = format!("<domain type='xen'><name>{name}</name><uuid>{uuid}</uuid></domain>");
    let state = if id.is_some() { "running" } else { "shut off" };
    libvirt::look::SeenDomain {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        toolstack: Toolstack::LibvirtXen,
        facts: crate::model::Libvirt {
            uri: "xen:///system".into(),
            id,
            state: Some(state.into()),
            persistent: Some(true),
            paths: crate::model::LibvirtPaths { config: Some(format!("/etc/libvirt/libxl/{name}.xml").into()), ..Default::default() },
            ..Default::default()
        },
        live: None,
        stored: Some(libvirt::read(xml.as_bytes()).unwrap()),
        note: None,
        started: None,
    }
}

#[test]
fn a_domain_that_xl_and_libvirt_know_is_one_with_two_homes() {
    let asker = Asker::new(&Mute);
    let ground = Ground::default();
    let mut backings = Backings::new(&asker, &ground);
    let uuid = "d42a1fed-58e9-4a74-8243-f2a9cbb7643a";
    let seen = libvirt::look::Seen {
        domains: vec![of_libvirt("virt1", uuid, Some(7)), of_libvirt("virt2", "d42a1fed-58e9-4a74-8243-f2a9cbb7643b", None)],
        ..Default::default()
    };
    let running = Row { uuid: Some(uuid.to_owned()), ..row("virt1", 7) };
    let live = Live { rows: Some(vec![running]), store: Some(tree(&[("/libxl/7/type", "pv")])), libvirt_owned: vec![7], ..Live::default() };
    let mut configs = vec![config("/etc/xen/virt2.cfg", ConfigSource::File, "virt2", Vec::new())];
    libvirt::join::configs(&seen, &mut configs);
    let domains = domains(&live, &seen, &configs, &[], &mut backings);
    assert_eq!(domains.len(), 2, "one machine was shown twice: {domains:#?}");
    let (one, two) = (&domains[0], &domains[1]);
    assert_eq!((one.power, one.domid), (Power::Running, Some(7)));
    assert_eq!(one.toolstacks, [Toolstack::LibvirtXen], "xl would be offered for a domain that libvirt drives");
    assert!(one.libvirt.is_some());
    assert_eq!((two.power, two.toolstacks.as_slice()), (Power::Off, [Toolstack::Xl, Toolstack::LibvirtXen].as_slice()));
    assert_eq!(two.configs.len(), 2, "one of its two homes is not shown: {:?}", two.configs);
}
