use proptest::prelude::*;

use super::*;

const PERSISTENT: &str = include_str!("../../../tests/fixtures/xen/07-libvirt/etc-libvirt-libxl-virt1.xml");
const LIVE: &str = include_str!("../../../tests/fixtures/xen/07-libvirt/dumpxml-virt1.xml");
const FROM_NATIVE: &str = include_str!("../../../tests/fixtures/xen/07-libvirt/domxml-from-native-xl.xml");

fn one_disk(xml: &str) -> Disk {
    let text = format!("<domain type='kvm'><name>d</name><devices>{xml}</devices></domain>");
    domain_xml(text.as_bytes()).unwrap().disks.into_iter().next().unwrap()
}

#[test]
fn a_persistent_domain_of_the_xen_driver_is_read_whole() {
    let config = domain_xml(PERSISTENT.as_bytes()).unwrap();
    assert_eq!(config.name.as_deref(), Some("virt1"));
    assert_eq!(config.uuid.as_deref(), Some("d42a1fed-58e9-4a74-8243-f2a9cbb7643a"), "it could not be matched with the running domain");
    assert_eq!(config.memory_bytes, Some(80 << 20));
    assert_eq!(config.guest_type.as_deref(), Some("pv"));
    assert!(config.settings.contains(&("type".to_owned(), "xen".to_owned())));
    assert!(config.settings.contains(&("cmdline".to_owned(), "lab.write=0".to_owned())));
    assert!(config.accepted());
    let [file, block] = config.disks.as_slice() else { panic!("two disks are in the file, found {:?}", config.disks) };
    assert_eq!((file.vdev.as_deref(), file.kind, file.mode), (Some("xvda"), DiskKind::File, Some(Mode::Write)));
    assert_eq!(file.path, Some(HostPath::from("/srv/xen/img/tap1.img")));
    assert_eq!(file.backend.as_deref(), Some("qdisk"));
    assert_eq!((block.vdev.as_deref(), block.backend.as_deref()), (Some("xvdb"), Some("phy")));
    assert_eq!(block.kind, DiskKind::Unknown, "a path below /dev does not tell a volume from a partition");
}

#[test]
fn live_and_persistent_xml_name_the_same_disks() {
    let (live, persistent) = (domain_xml(LIVE.as_bytes()).unwrap(), domain_xml(PERSISTENT.as_bytes()).unwrap());
    assert_eq!(live.disks, persistent.disks, "a running libvirt domain would show drift that is not there");
}

#[test]
fn a_device_given_as_a_file_is_not_called_a_file() {
    let config = domain_xml(FROM_NATIVE.as_bytes()).unwrap();
    assert_eq!(config.memory_bytes, Some(160 << 20));
    assert!(config.disks.iter().all(|disk| disk.kind != DiskKind::File), "a volume would be backed up as an image file");
}

#[test]
fn every_form_of_source_keeps_its_name() {
    let network = one_disk(
        "<disk type='network'><source protocol='rbd' name='pool/vm'><host name='192.0.2.1' port='6789'/><host name='192.0.2.2'/></source><target dev='vda'/></disk>",
    );
    assert_eq!(network.kind, DiskKind::Rbd);
    assert_eq!(network.path, Some(HostPath::from("rbd://192.0.2.1:6789,192.0.2.2/pool/vm")));
    let volume = one_disk("<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>");
    assert_eq!((volume.path, volume.written_as.as_deref()), (None, Some("volume v of pool p")));
    let dir = one_disk("<disk type='dir'><source dir='/srv/fat'/><target dev='vda'/></disk>");
    assert_eq!((dir.kind, dir.path), (DiskKind::Unknown, Some(HostPath::from("/srv/fat"))), "a directory would be copied as a file");
    let loop_device = one_disk("<disk type='block'><source dev='/dev/loop3'/><target dev='vda'/></disk>");
    assert_eq!(loop_device.kind, DiskKind::Loop);
}

#[test]
fn an_empty_drive_is_empty_and_a_disk_without_source_is_unknown() {
    let cdrom = one_disk("<disk type='file' device='cdrom'><target dev='hdc'/></disk>");
    assert_eq!((cdrom.kind, cdrom.format.as_deref(), cdrom.removable), (DiskKind::Empty, Some("empty"), true));
    assert_eq!(cdrom.mode, Some(Mode::Read), "libvirt makes every cdrom read-only");
    let lost = one_disk("<disk type='file' device='disk'><target dev='vda'/></disk>");
    assert_eq!((lost.kind, lost.path), (DiskKind::Unknown, None));
}

#[test]
fn without_a_driver_type_the_format_is_raw_and_sharing_is_seen() {
    let shared = one_disk("<disk type='file'><source file='/a'/><target dev='vda'/><shareable/></disk>");
    assert_eq!((shared.format.as_deref(), shared.mode), (Some("raw"), Some(Mode::ForceWrite)));
    let read = one_disk("<disk type='file'><driver type='qcow2'/><source file='/a'/><readonly/><shareable/></disk>");
    assert_eq!(
        (read.format.as_deref(), read.mode),
        (Some("qcow2"), Some(Mode::Read)),
        "a read-only disk would be warned of as a second writer"
    );
}

#[test]
fn a_status_file_holds_the_live_domain() {
    let status = format!("<domstatus state='running'>{}</domstatus>", &LIVE[LIVE.find("<domain").unwrap()..]);
    assert_eq!(domain_xml(status.as_bytes()).unwrap().name.as_deref(), Some("virt1"));
}

#[test]
fn entities_depth_and_size_are_refused() {
    let bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]><domain><name>&b;</name></domain>";
    assert!(domain_xml(bomb.as_bytes()).is_err(), "a stranger's file could make the scan eat all memory");
    for depth in [90_000, 200_000] {
        let deep = format!("<domain><name>d</name>{}{}</domain>", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(domain_xml(deep.as_bytes()).is_ok(), depth < 100_000, "a stranger's file could overflow the stack, or eat all memory");
    }
    assert!(domain_xml(&vec![b' '; SIZE_LIMIT + 1]).is_err());
    assert!(domain_xml(b"<network/>").is_err());
}

#[test]
fn memory_has_units() {
    for (text, bytes) in [
        ("<memory>1024</memory>", Some(1 << 20)),
        ("<memory unit='GiB'>2</memory>", Some(2 << 30)),
        ("<memory unit='MB'>5</memory>", Some(5_000_000)),
        ("<memory unit='GiB'>18446744073709551615</memory>", None),
        ("<memory unit='parsec'>2</memory>", None),
    ] {
        let xml = format!("<domain><name>d</name>{text}</domain>");
        assert_eq!(domain_xml(xml.as_bytes()).unwrap().memory_bytes, bytes, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_a_stranger_writes_makes_the_reader_fall(at in 0..LIVE.len(), junk in ".{0,12}", cut in 0..LIVE.len()) {
        let mut bytes = LIVE.as_bytes().to_vec();
        bytes.splice(at..at, junk.bytes());
        let _ = domain_xml(&bytes);
        bytes.truncate(cut);
        let _ = domain_xml(&bytes);
    }

    #[test]
    fn soup_is_no_domain(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(domain_xml(&bytes).is_err());
    }
}
