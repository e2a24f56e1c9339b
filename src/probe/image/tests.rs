use proptest::prelude::*;

use super::*;
use crate::host::HostError;
use crate::probe::bytes_at::testing::{Counted, HeadOnly, Sparse};
use crate::probe::testing::sparse_from_xxd;

macro_rules! image {
    ($name:literal) => {
        sparse_from_xxd(include_str!(concat!("../../../tests/fixtures/formats/image/", $name, ".hex")))
    };
}

fn seen(image: &Sparse) -> ImageSeen {
    recognise(image).unwrap()
}

const EIGHT_MIB: Option<u64> = Some(8 << 20);

#[test]
fn each_format_that_qemu_writes_is_recognised_with_its_size() {
    for (image, format, bytes) in [
        (image!("a.qcow"), "qcow", EIGHT_MIB),
        (image!("a.qed"), "qed", EIGHT_MIB),
        (image!("a.vdi"), "vdi", EIGHT_MIB),
        (image!("a.vhdx"), "vhdx", EIGHT_MIB),
        (image!("a.vmdk"), "vmdk", EIGHT_MIB),
        (image!("split.vmdk"), "vmdk", EIGHT_MIB),
        (image!("a.parallels"), "parallels", EIGHT_MIB),
        // VHD rounds up to a whole number of cylinders.
        (image!("a.vpc"), "vpc", Some(8_390_656)),
        (image!("fixed.vpc"), "vpc", Some(8_390_656)),
        (image!("ext.qcow2"), "qcow2", EIGHT_MIB),
    ] {
        let seen = seen(&image);
        assert_eq!((seen.format.as_deref(), seen.virtual_bytes), (Some(format), bytes), "{seen:?}");
        assert_eq!(seen.trouble, Vec::<String>::new(), "{format}: a sound image would be shown with trouble");
        assert!(image.asked.get() < 16 << 10, "{format}: {} bytes were read", image.asked.get());
    }
}

#[test]
fn a_fixed_vhd_is_not_taken_for_a_raw_disk() {
    let fixed = seen(&image!("fixed.vpc"));
    assert_eq!(fixed.variant.as_deref(), Some("fixed"), "the guest would find its footer at the end of its disk");
    assert_eq!(seen(&image!("a.vpc")).variant.as_deref(), Some("dynamic"));
}

#[test]
fn backing_files_are_named_as_written() {
    for (image, name, format) in [
        (image!("over.qcow2"), "base.qcow2", Some("qcow2")),
        (image!("over.qcow"), "base.qcow2", None),
        (image!("over.qed"), "base.qcow2", None),
        (image!("over.vmdk"), "a.vmdk", None),
    ] {
        let seen = seen(&image);
        assert_eq!(seen.backing_file, Some(HostPath::from(name)), "deleting {name} would break an image that nobody was told of");
        assert_eq!(seen.backing_format.as_deref(), format);
        assert_eq!(seen.trouble, Vec::<String>::new());
    }
}

#[test]
fn qcow2s_inner_life_is_seen() {
    let seen = seen(&image!("over.qcow2"));
    assert_eq!(seen.variant.as_deref(), Some("version 3"));
    assert_eq!((seen.snapshot_count, seen.bitmaps), (Some(1), Some(1)));
    let [snapshot] = seen.snapshots.as_slice() else { panic!("one snapshot, found {:?}", seen.snapshots) };
    assert_eq!((snapshot.id.as_str(), snapshot.name.as_str(), snapshot.memory_bytes), ("1", "first", 0));
    assert!(snapshot.taken.is_some());
    assert_eq!((seen.dirty, seen.corrupt, seen.encrypted), (Some(false), Some(false), Some(false)));
}

#[test]
fn files_that_hold_the_data_are_named() {
    assert_eq!(seen(&image!("ext.qcow2")).parts, [HostPath::from("d.raw")], "a backup of the qcow2 file alone would hold no data");
    assert_eq!(seen(&image!("split.vmdk")).parts, [HostPath::from("split-s001.vmdk")]);
    assert!(seen(&image!("a.vmdk")).parts.is_empty(), "the image would be listed as a part of itself");
}

fn changed(mut image: Sparse, at: u64, bytes: &[u8]) -> Sparse {
    image.pieces.push((at, bytes.to_vec()));
    image
}

#[test]
fn marks_of_a_bad_end_are_seen() {
    let corrupt = seen(&changed(image!("over.qcow2"), 79, &[3]));
    assert_eq!((corrupt.dirty, corrupt.corrupt), (Some(true), Some(true)));
    let stale = seen(&changed(image!("over.qcow2"), 95, &[0]));
    assert_eq!(stale.bitmaps, None, "bitmaps that an old writer left behind say nothing about changes");
    let open = seen(&changed(image!("a.parallels"), 44, &0x746f_6e59_u32.to_le_bytes()));
    assert_eq!(open.dirty, Some(true));
}

#[test]
fn a_snapshot_with_memory_is_told_from_one_without() {
    let image = image!("over.qcow2");
    let table = bytes_at::be_u64(&image.read(64, 8).unwrap(), 0).unwrap();
    let image = changed(changed(image, table + 32, &0x8000_u32.to_be_bytes()), table + 40, &(6_u64 << 30).to_be_bytes());
    assert_eq!(seen(&image).snapshots[0].memory_bytes, 6 << 30, "a saved memory inside the image would be lost without a word");
}

#[test]
fn a_differencing_vhd_names_its_parent() {
    let mut header = vec![0_u8; 1024];
    header[..8].copy_from_slice(b"cxsparse");
    for (index, unit) in "base.vhd".encode_utf16().enumerate() {
        header[64 + 2 * index..][..2].copy_from_slice(&unit.to_be_bytes());
    }
    let mut footer = vec![0_u8; 512];
    footer[..8].copy_from_slice(b"conectix");
    footer[16..24].copy_from_slice(&512_u64.to_be_bytes());
    footer[48..56].copy_from_slice(&(8_u64 << 20).to_be_bytes());
    footer[60..64].copy_from_slice(&4_u32.to_be_bytes());
    let sum = footer.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte));
    footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
    let plain = Sparse::new(1 << 20, vec![(0, footer.clone()), (512, header.clone())]);
    let answer = seen(&plain);
    assert_eq!((answer.variant.as_deref(), answer.backing_file), (Some("differencing"), Some(HostPath::from("base.vhd"))));
    assert_eq!(answer.trouble, Vec::<String>::new());
    let url = b"file://./golden/base.vhd";
    header[576..580].copy_from_slice(b"MacX");
    header[584..588].copy_from_slice(&24_u32.to_be_bytes());
    header[592..600].copy_from_slice(&4096_u64.to_be_bytes());
    let located = Sparse::new(1 << 20, vec![(0, footer), (512, header), (4096, url.to_vec())]);
    assert_eq!(seen(&located).backing_file, Some(HostPath::from("./golden/base.vhd")));
}

#[test]
fn raw_is_said_only_when_both_ends_were_seen() {
    let zeros = vec![0; 8192];
    assert_eq!(recognise(&zeros.as_slice()).unwrap().format.as_deref(), Some("raw"));
    let head_only = HeadOnly { head: &zeros[..1024], size: 1 << 30 };
    assert_eq!(recognise(&head_only).unwrap().format, None, "a fixed VHD looks the same from the front");
    let nothing = HeadOnly { head: &[], size: 1 << 30 };
    assert_eq!(recognise(&nothing), Err(HostError::NotCaptured));
    assert_eq!(recognise(&b"".as_slice()).unwrap().format.as_deref(), Some("raw"));
}

#[test]
fn a_hostile_header_is_recognised_with_trouble_and_nothing_is_allocated() {
    for (at, bytes, what) in [
        (4, 77_u32.to_be_bytes().to_vec(), "version 77"),
        (16, u32::MAX.to_be_bytes().to_vec(), "backing file"),
        (8, (1_u64 << 60).to_be_bytes().to_vec(), "past the end"),
        (20, 63_u32.to_be_bytes().to_vec(), "2^63"),
        (60, u32::MAX.to_be_bytes().to_vec(), "snapshots"),
        (60, 60_000_u32.to_be_bytes().to_vec(), "has no id"),
        (64, u64::MAX.to_be_bytes().to_vec(), "past the end"),
        (116, u32::MAX.to_be_bytes().to_vec(), "extension"),
    ] {
        let image = changed(image!("over.qcow2"), at, &bytes);
        let seen = seen(&image);
        assert_eq!(seen.format.as_deref(), Some("qcow2"));
        assert!(seen.trouble.iter().any(|trouble| trouble.contains(what)), "byte {at}: {:?}", seen.trouble);
        assert!(image.asked.get() < 64 << 10, "byte {at}: {} bytes were read", image.asked.get());
    }
}

fn heads() -> Vec<Vec<u8>> {
    let front = |image: Sparse| image.read(0, 8192).unwrap();
    vec![
        front(image!("over.qcow2")),
        front(image!("over.qcow")),
        front(image!("over.qed")),
        front(image!("over.vmdk")),
        front(image!("split.vmdk")),
        front(image!("a.vpc")),
        front(image!("a.vdi")),
        front(image!("a.parallels")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_headers_neither_fall_nor_read_on(which in 0..8_usize, hits in proptest::collection::vec((0..1024_usize, any::<u8>()), 1..8)) {
        let mut bytes = heads().swap_remove(which);
        for (at, value) in hits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let source = Counted::new(&bytes);
        prop_assert!(recognise(&source).is_ok());
        prop_assert!(source.asked.get() < 2 << 20, "{} bytes read", source.asked.get());
    }

    #[test]
    fn a_damaged_vhdx_neither_falls_nor_reads_on(hits in proptest::collection::vec((0..2048_usize, any::<u8>()), 1..8)) {
        let mut image = image!("a.vhdx");
        for (at, value) in hits {
            // Its tables lie at 192 KiB, 256 KiB and 2 MiB.
            let base = [192 << 10, 256 << 10, 2 << 20][at % 3];
            image.pieces.push((base + at as u64 / 3, vec![value]));
        }
        prop_assert!(recognise(&image).is_ok());
        prop_assert!(image.asked.get() < 64 << 10);
    }

    #[test]
    fn soup_is_raw_or_something_but_never_a_fall(soup in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(recognise(&soup.as_slice()).unwrap().format.is_some());
    }
}
