use proptest::prelude::*;

use super::build::{LibvirtQemuSave, LibvirtXenSave, Memory, XendSave, XlSave};
use super::*;
use crate::host::HostError;
use crate::probe::bytes_at::testing::{Counted, HeadOnly, Sparse};

const WEB1: &[u8] = include_bytes!("../../../tests/fixtures/xen/save/web1.head8k");
const HVM1: &[u8] = include_bytes!("../../../tests/fixtures/xen/save/hvm1.head8k");
const DATABASE: &[u8] = include_bytes!("../../../tests/fixtures/xen/save/database-2024.save.head8k");
const VIRT1: &[u8] = include_bytes!("../../../tests/fixtures/xen/save/libvirt-virt1.save.head8k");
const FAILED: &[u8] = include_bytes!("../../../tests/fixtures/xen/save/failed-legacy1.save");
const QEMU_HEX: &str = include_str!("../../../tests/fixtures/formats/save/libvirt-qemu-save.hex");

/// The last bytes of a real migration stream of QEMU 7.2, of a machine with little in it.
const QEMU_TAIL: &[u8] = include_bytes!("../../../tests/fixtures/formats/save/qemu-7.2-microvm-migration.tail16000");

const JSON: &str = r#"{"c_info":{"type":"pv","name":"web1","uuid":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"},"b_info":{"max_memkb":98304}}"#;
const XML: &str =
    "<domain type='xen'><name>v1</name><uuid>33333333-3333-3333-3333-333333333333</uuid><memory unit='KiB'>98304</memory></domain>";

fn seen(bytes: &[u8]) -> SaveSeen {
    recognise(&bytes).unwrap().expect("it is a save image")
}

fn of_large_file(head: &[u8]) -> SaveSeen {
    recognise(&HeadOnly { head, size: 100 << 20 }).unwrap().expect("it is a save image")
}

fn small_xl() -> XlSave {
    XlSave { json: JSON.to_owned(), memory: Memory { pages: 1, ..Memory::default() } }
}

#[test]
fn real_heads_tell_the_domain_and_leave_completeness_unknown() {
    for (head, format, domain, memory) in [
        (WEB1, SaveFormat::Xl, "web1", None),
        (HVM1, SaveFormat::Xl, "hvm1", None),
        (DATABASE, SaveFormat::Xl, "db1", None),
        (VIRT1, SaveFormat::LibvirtXen, "virt1", Some(80 << 20)),
    ] {
        let seen = of_large_file(head);
        assert_eq!(seen.format, format);
        assert_eq!(seen.domain.as_deref(), Some(domain));
        assert!(seen.uuid.is_some() && seen.memory_bytes.is_some(), "{domain} could not be matched with its domain");
        assert!(memory.is_none() || seen.memory_bytes == memory, "{domain}: {:?}", seen.memory_bytes);
        assert_eq!((seen.complete, seen.cut), (None, None), "{domain}: of a file whose rest is not known, whole or cut would be a guess");
        assert!(seen.notes.iter().any(|note| note == "written by Xen 4.17"), "{domain}: {:?}", seen.notes);
    }
}

#[test]
fn a_file_that_a_failed_save_left_is_cut_before_its_first_page() {
    let seen = seen(FAILED);
    assert_eq!(seen.domain.as_deref(), Some("legacy1"), "its header and config are perfect");
    assert_eq!(seen.complete, Some(false), "an admin would delete the domain and trust a file without memory");
    let cut = seen.cut.unwrap();
    assert_eq!(cut, "cut at byte 2770 of at least 2778, before a record of the guest's memory");
}

#[test]
fn a_head_passed_for_a_whole_file_is_cut() {
    for head in [WEB1, HVM1, DATABASE, VIRT1] {
        assert_eq!(seen(head).complete, Some(false));
    }
}

#[test]
fn what_the_builder_writes_is_whole_and_says_whose_it_is() {
    for memory in [Memory::default(), Memory { pages: 3000, hvm: true, xen: (4, 14) }] {
        let xl = seen(&XlSave { json: JSON.to_owned(), memory }.bytes());
        assert_eq!((xl.complete, xl.cut), (Some(true), None));
        assert_eq!(xl.domain.as_deref(), Some("web1"));
        assert_eq!(xl.memory_bytes, Some(96 << 20));
        assert_eq!(xl.packaged, Packaged::LibxlJson(JSON.as_bytes().to_vec()), "the final NUL is not part of the JSON");
        let libvirt = seen(&LibvirtXenSave { xml: XML.to_owned(), memory }.bytes());
        assert_eq!((libvirt.complete, libvirt.domain.as_deref()), (Some(true), Some("v1")));
        assert_eq!(libvirt.packaged, Packaged::Xml(XML.as_bytes().to_vec()));
    }
}

#[test]
fn cut_at_any_byte_it_is_never_called_whole() {
    let xl = small_xl().bytes();
    let libvirt = LibvirtXenSave { xml: XML.to_owned(), memory: Memory { pages: 1, hvm: true, xen: (4, 17) } }.bytes();
    for (whole, magic) in [(xl, xl::MAGIC.len()), (libvirt, super::libvirt::XEN_MAGIC.len())] {
        for end in 0..whole.len() {
            let answer = recognise(&whole.get(..end).unwrap()).unwrap();
            let complete = answer.as_ref().map(|seen| seen.complete);
            let expected = (end >= magic).then_some(Some(false));
            assert_eq!(complete, expected, "cut at byte {end} of {}: {answer:?}", whole.len());
            assert!(answer.is_none_or(|seen| seen.cut.is_some()), "cut at byte {end}: nobody is told why");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_damage() {
    let mut bytes = small_xl().bytes();
    bytes.push(0);
    let seen = seen(&bytes);
    assert_eq!(seen.complete, Some(false));
    assert!(seen.cut.unwrap().contains("1 bytes stand behind"), "two saves written into one file would pass for one");
}

#[test]
fn lacking_only_the_last_record_is_told_apart() {
    let whole = small_xl().bytes();
    let seen = seen(&whole[..whole.len() - 8]);
    assert_eq!(seen.complete, Some(false), "a file without its END would pass for a whole save image");
    assert!(seen.cut.unwrap().contains("xl restores a file that lacks only the last one"), "an admin with nothing else may want to know");
}

#[test]
fn a_record_of_an_unknown_type_is_damage_unless_it_may_be_skipped() {
    let whole = small_xl().bytes();
    let at = whole.windows(4).position(|window| window == b"XENF").unwrap() + 32;
    for (kind, complete) in [(0x1234_u32, Some(false)), (0x8000_1234, Some(true))] {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        assert_eq!(seen(&bytes).complete, complete, "type 0x{kind:x}");
    }
}

#[test]
fn a_stream_of_a_version_not_known_is_not_judged() {
    let mut bytes = small_xl().bytes();
    let at = bytes.windows(4).position(|window| window == b"XENF").unwrap() + 4;
    bytes[at + 3] = 9;
    assert_eq!((seen(&bytes).complete, seen(&bytes).cut), (None, None), "a newer Xen's file would be called broken");
    let mut flags = small_xl().bytes();
    flags[36] = 7;
    assert_eq!(seen(&flags).complete, None);
}

#[test]
fn old_formats_are_recognised_and_their_end_is_unknown() {
    let mut text = small_xl().bytes();
    text[36] = 0;
    let old = seen(&text);
    assert_eq!(old.complete, None);
    assert!(matches!(old.packaged, Packaged::XlText(text) if text == JSON.as_bytes()), "Xen 4.4 packed the config file's text");
    let sxp = "(domain (name 'x') (memory 64))";
    let xend = seen(&XendSave { sxp: sxp.to_owned(), memory_bytes: 8192 }.bytes());
    assert_eq!((xend.format, xend.complete), (SaveFormat::Xend, None));
    assert_eq!(xend.packaged, Packaged::Sxp(sxp.as_bytes().to_vec()));
    let whole = XendSave { sxp: sxp.to_owned(), memory_bytes: 1 }.bytes();
    for end in 16..whole.len() {
        assert_eq!(seen(&whole[..end]).complete, Some(false), "cut at byte {end}, before any memory");
    }
}

#[test]
fn the_qemu_drivers_mark_tells_an_unfinished_file() {
    let save = LibvirtQemuSave { xml: XML.to_owned(), memory_bytes: 4096, ..LibvirtQemuSave::default() };
    let finished = seen(&save.bytes());
    assert_eq!((finished.format, finished.complete), (SaveFormat::LibvirtQemu, Some(true)));
    assert_eq!(finished.domain.as_deref(), Some("v1"));
    assert!(finished.notes.iter().any(|note| note == "running when saved"));
    let part = seen(&LibvirtQemuSave { partial: true, paused: true, ..save.clone() }.bytes());
    assert_eq!(part.complete, Some(false), "libvirt deletes such a file at the next start and boots afresh");
    assert!(part.notes.iter().any(|note| note == "paused when saved"));
    let whole = save.bytes();
    let memory = whole.windows(4).position(|window| window == b"QEVM").unwrap() + 8;
    for end in (16..memory).step_by(97).chain([memory - 8, memory - 1]) {
        assert_eq!(seen(&whole[..end]).complete, Some(false), "cut at byte {end}, before the memory");
    }
    for end in memory..whole.len() {
        let cut = seen(&whole[..end]);
        assert_eq!(cut.complete, None, "cut at byte {end}: the mark still says that it was finished");
        assert!(cut.notes.iter().any(|note| note.contains("whether it was cut later")), "nobody is told why it is not known");
    }
}

#[test]
fn the_end_of_a_real_qemu_stream_is_known_again_and_no_memory_is_read_for_it() {
    let mut head = LibvirtQemuSave { xml: XML.to_owned(), ..LibvirtQemuSave::default() }.bytes();
    head.truncate(head.windows(4).position(|window| window == b"QEVM").unwrap() + 8);
    let size = (64 << 20) + QEMU_TAIL.len() as u64;
    let laid = |tail: &[u8]| Sparse::new(size, vec![(0, head.clone()), (64 << 20, tail.to_vec())]);
    let whole = laid(QEMU_TAIL);
    assert_eq!(recognise(&whole).unwrap().unwrap().complete, Some(true));
    assert!(whole.asked.get() < 100 << 10, "{} bytes were read", whole.asked.get());
    let cut = Sparse { size: size - 1, ..laid(QEMU_TAIL) };
    assert_eq!(recognise(&cut).unwrap().unwrap().complete, None);
    let mut no_mark = QEMU_TAIL.to_vec();
    let at = no_mark.iter().rposition(|byte| *byte == 6).unwrap();
    no_mark[at] = 7;
    assert_eq!(recognise(&laid(&no_mark)).unwrap().unwrap().complete, None, "JSON in a guest's memory would pass for the end");
    let compressed = Sparse { pieces: vec![(0, [&head[..28], &[1], &head[29..]].concat()), (64 << 20, QEMU_TAIL.to_vec())], ..laid(&[]) };
    assert_eq!(recognise(&compressed).unwrap().unwrap().complete, None);
}

#[test]
fn a_real_header_of_the_qemu_driver_is_read() {
    let bytes = crate::probe::testing::from_xxd(QEMU_HEX);
    let seen = recognise(&HeadOnly { head: &bytes, size: 200 << 20 }).unwrap().unwrap();
    assert_eq!((seen.format, seen.complete), (SaveFormat::LibvirtQemu, None));
    assert!(seen.notes.iter().any(|note| note == "running when saved"), "{:?}", seen.notes);
}

#[test]
fn other_files_are_no_save_images() {
    for bytes in [b"".as_slice(), b"Xen saved domain, xl forma", b"LinuxGuest", b"\x7fELF", &[0; 4096]] {
        assert_eq!(recognise(&bytes), Ok(None));
    }
    let unreadable = HeadOnly { head: b"", size: 4096 };
    assert_eq!(recognise(&unreadable), Err(HostError::NotCaptured), "not to know is not the same as to know it is none");
}

#[test]
fn a_huge_image_is_walked_by_its_headers_alone() {
    let laid = XlSave { json: JSON.to_owned(), memory: Memory { pages: 40 * 1024, ..Memory::default() } }.laid();
    let sparse = Sparse::new(laid.size, laid.pieces);
    assert_eq!(recognise(&sparse).unwrap().unwrap().complete, Some(true));
    assert!(sparse.asked.get() < 2000, "{} bytes were read of a file of {}", sparse.asked.get(), sparse.size);
}

#[test]
fn a_walk_that_costs_too_much_ends_unknown() {
    let bytes = XlSave { json: JSON.to_owned(), memory: Memory { pages: 20 * 1024, ..Memory::default() } }.bytes();
    for budget in [Budget { records: 5, ..Budget::default() }, Budget { records: 65, time: Duration::ZERO }] {
        let seen = recognise_within(&bytes.as_slice(), budget).unwrap().unwrap();
        assert_eq!(seen.complete, None);
        assert!(seen.notes.iter().any(|note| note.contains("too many records")), "{:?}", seen.notes);
    }
}

#[test]
fn a_length_that_no_config_has_allocates_nothing() {
    let mut bytes = small_xl().bytes();
    bytes[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes[48..52].copy_from_slice(&(u32::MAX - 4).to_le_bytes());
    let source = Counted::new(&bytes);
    assert_eq!(recognise(&source).unwrap().unwrap().packaged, Packaged::Damaged);
    let sparse = Sparse::new(8 << 30, vec![(0, bytes)]);
    assert_eq!(recognise(&sparse).unwrap().unwrap().packaged, Packaged::Damaged);
    assert!(sparse.asked.get() < 4096, "a hostile header made {} bytes be read", sparse.asked.get());
}

fn wholes() -> Vec<Vec<u8>> {
    vec![
        small_xl().bytes(),
        LibvirtXenSave { xml: XML.to_owned(), memory: Memory { pages: 1, hvm: true, xen: (4, 17) } }.bytes(),
        LibvirtQemuSave { xml: XML.to_owned(), memory_bytes: 64, ..LibvirtQemuSave::default() }.bytes(),
        XendSave { sxp: "(domain)".to_owned(), memory_bytes: 64 }.bytes(),
        WEB1.to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_headers_neither_fall_nor_read_on(which in 0..5_usize, hits in proptest::collection::vec((0..4096_usize, any::<u8>()), 1..6)) {
        let mut bytes = wholes().swap_remove(which);
        for (at, value) in hits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let source = Counted::new(&bytes);
        let _ = recognise(&source);
        prop_assert!(source.asked.get() <= 4 * bytes.len() as u64 + 1024, "{} bytes read of {}", source.asked.get(), bytes.len());
    }

    #[test]
    fn soup_behind_a_magic_neither_falls_nor_passes_for_whole(which in 0..5_usize, soup in proptest::collection::vec(any::<u8>(), 0..600)) {
        let magic: &[u8] = [xl::MAGIC, super::libvirt::XEN_MAGIC, super::libvirt::QEMU_SAVE, super::libvirt::QEMU_PART, xend::MAGIC][which];
        let bytes = [magic, &soup].concat();
        let seen = recognise(&bytes.as_slice()).unwrap().unwrap();
        prop_assert_ne!(seen.complete, Some(true));
    }
}
