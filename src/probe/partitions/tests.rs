use proptest::prelude::*;

use super::*;
use crate::probe::bytes_at::testing::{Counted, Sparse};
use crate::probe::laid::Laid;

fn sparse(laid: Laid) -> Sparse {
    Sparse::new(laid.size, laid.pieces)
}

fn places(table: &Table) -> Vec<(u32, u64, u64)> {
    table.partitions.iter().map(|part| (part.number, part.start, part.bytes)).collect()
}

/// An extended boot record with a logical partition 63 sectors into it, and a way to the next record.
fn record(next: u32) -> Vec<u8> {
    let kind = if next == 0 { 0 } else { 0x05 };
    build::mbr(0, &[(0x83, 63, 1000), (kind, next, 2000)]).pieces.swap_remove(0).1
}

#[test]
fn primary_and_logical_partitions_have_the_numbers_that_linux_gives_them() {
    let mut disk = build::mbr(7, &[(0x83, 63, 1000), (0x05, 10_000, 50_000)]);
    disk.pieces.push((10_000 * 512, record(5000)));
    disk.pieces.push((15_000 * 512, record(9000)));
    disk.pieces.push((19_000 * 512, record(0)));
    let table = table(&sparse(disk)).unwrap().unwrap();
    assert_eq!((table.kind, table.id.as_deref()), (TableKind::Mbr, Some("00000007")));
    let expected = [
        (1, 63 * 512, 512_000),
        (2, 10_000 * 512, 50_000 * 512),
        (5, 10_063 * 512, 512_000),
        (6, 15_063 * 512, 512_000),
        (7, 19_063 * 512, 512_000),
    ];
    assert_eq!(places(&table), expected, "a superblock would be looked for at the wrong place");
    assert_eq!(table.trouble, Vec::<String>::new());
}

#[test]
fn a_chain_that_leads_in_a_circle_ends() {
    let mut disk = build::mbr(7, &[(0x05, 10_000, 50_000)]);
    disk.pieces.push((10_000 * 512, record(5000)));
    disk.pieces.push((15_000 * 512, record(5000)));
    let disk = sparse(disk);
    let table = table(&disk).unwrap().unwrap();
    assert!(table.trouble[0].contains("circle"), "{:?}", table.trouble);
    assert!(disk.asked.get() < 4096, "a guest could keep the scan busy for ever");
}

#[test]
fn a_gpt_is_read_with_sectors_of_both_sizes() {
    for sector in [512, 4096] {
        let disk = build::gpt([9; 16], sector, 64 << 20, &[("root", 2048, 4095), ("", 4096, 8191)]);
        let table = table(&sparse(disk)).unwrap().unwrap();
        assert_eq!((table.kind, table.sector), (TableKind::Gpt, sector));
        assert_eq!(places(&table), [(1, 2048 * sector, 2048 * sector), (2, 4096 * sector, 4096 * sector)]);
        assert_eq!(table.partitions[0].kind, "0fc63daf-8483-4772-8e79-3d69d8477de4");
        assert_eq!((table.partitions[0].name.as_deref(), table.partitions[1].name.as_deref()), (Some("root"), None));
        assert_eq!(table.trouble, Vec::<String>::new(), "a sound table would be shown with trouble");
    }
}

#[test]
fn a_lost_gpt_header_is_found_at_the_end_or_reported() {
    let mut disk = build::gpt([9; 16], 512, 64 << 20, &[("root", 2048, 4095)]);
    disk.pieces.push((512, vec![0; 8]));
    let from_backup = table(&sparse(disk.clone())).unwrap().unwrap();
    assert_eq!(places(&from_backup), [(1, 2048 * 512, 2048 * 512)]);
    assert!(from_backup.trouble[0].contains("backup"));
    disk.pieces.push(((64 << 20) - 512, vec![0; 8]));
    let lost = table(&sparse(disk)).unwrap().unwrap();
    assert_eq!((lost.kind, lost.partitions.len()), (TableKind::Gpt, 0));
    assert!(lost.trouble[0].contains("none could be read"), "the protective entry would pass for a partition");
}

#[test]
fn damage_in_a_gpt_is_told() {
    let mut header = build::gpt([9; 16], 512, 64 << 20, &[("root", 2048, 4095)]);
    header.pieces.push((512 + 56, vec![1]));
    assert!(table(&sparse(header)).unwrap().unwrap().trouble[0].contains("checksum of the GPT header"));
    let mut entry = build::gpt([9; 16], 512, 64 << 20, &[("root", 2048, 4095)]);
    entry.pieces.push((1024 + 32, vec![1]));
    assert!(table(&sparse(entry)).unwrap().unwrap().trouble[0].contains("checksum of the GPT's entries"));
}

#[test]
fn the_boot_sector_of_a_file_system_is_no_table() {
    for (at, oem) in [(3, b"NTFS    ".as_slice()), (0x52, b"FAT32   "), (0x36, b"FAT16   "), (3, b"EXFAT   ")] {
        let mut disk = build::mbr(7, &[(0x83, 63, 1000)]);
        disk.pieces.push((at, oem.to_vec()));
        assert_eq!(table(&sparse(disk)), Ok(None), "a guest's FAT file system would show partitions that are not there");
    }
    let mut boot_code = build::mbr(7, &[(0x83, 63, 1000)]);
    boot_code.pieces.push((446 + 32, vec![0x42]));
    assert_eq!(table(&sparse(boot_code)), Ok(None), "a boot flag of 0x42 is code, not a flag");
    assert_eq!(table(&sparse(build::mbr(7, &[]))), Ok(None));
    assert_eq!(table(&[0_u8; 100].as_slice()), Ok(None));
}

#[test]
fn the_checksum_is_that_of_the_standard() {
    assert_eq!(gpt::crc32(b"123456789"), 0xcbf4_3926);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_tables_neither_fall_nor_cost_much(hits in proptest::collection::vec((0..2048_u64, any::<u8>()), 0..12), sector in prop_oneof![Just(512_u64), Just(4096)]) {
        let mut disk = build::gpt([9; 16], sector, 1 << 20, &[("root", 60, 99)]);
        disk.pieces.extend(hits.into_iter().map(|(at, value)| (at, vec![value])));
        let disk = sparse(disk);
        prop_assert!(table(&disk).is_ok());
        prop_assert!(disk.asked.get() < 256 << 10, "{} bytes were read", disk.asked.get());
    }

    #[test]
    fn hostile_records_neither_fall_nor_cost_much(mut soup in proptest::collection::vec(any::<u8>(), 512..4096), entries in any::<[u8; 64]>()) {
        soup[446..510].copy_from_slice(&entries);
        for at in [446, 462, 478, 494] {
            soup[at] &= 0x80;
            soup[at + 8..at + 12].copy_from_slice(&[entries[at - 446] % 8, 0, 0, 0]);
        }
        soup[450] = 5;
        soup[510..512].copy_from_slice(&[0x55, 0xaa]);
        let source = Counted::new(&soup);
        prop_assert!(table(&source).is_ok());
        prop_assert!(source.asked.get() < 64 << 10);
    }
}
