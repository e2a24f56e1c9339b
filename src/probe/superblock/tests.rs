use chrono::{DateTime, TimeZone, Utc};
use proptest::prelude::*;

use super::build::{ExtHead, Kind};
use super::*;
use crate::host::HostError;
use crate::model::SuperblockTimes;
use crate::probe::bytes_at::testing::{Counted, HeadOnly, Sparse};
use crate::probe::laid::Laid;
use crate::probe::partitions::build as table;
use crate::probe::testing::from_xxd;

macro_rules! superblock {
    ($name:literal) => {
        from_xxd(include_str!(concat!("../../../tests/fixtures/formats/superblock/", $name, ".hex")))
    };
}

fn sparse(laid: Laid) -> Sparse {
    Sparse::new(laid.size, laid.pieces)
}

/// The one signature of a disk that has at 1024 these bytes.
fn of_superblock(bytes: Vec<u8>) -> Signature {
    let disk = Sparse::new(16 << 20, vec![(1024, bytes)]);
    let mut found = signatures(&disk, true).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

#[test]
fn a_mounted_ext4_shows_who_had_it_and_that_it_is_not_clean() {
    let found = of_superblock(superblock!("ext4-superblock-mounted"));
    assert_eq!((found.kind.as_str(), found.offset, found.partition), ("ext4", 0, None));
    assert_eq!(found.label.as_deref(), Some("root"));
    assert_eq!(found.uuid.as_deref(), Some("08da7c04-920b-41fc-93a1-e16406ba1f68"));
    assert_eq!(found.bytes, Some(16 << 20));
    let mounted = at(0x6b01_719e);
    let times = SuperblockTimes {
        mounted,
        written: mounted,
        mount_count: Some(1),
        last_mounted_at: Some("/mnt/g".to_owned()),
        needs_recovery: Some(true),
    };
    assert_eq!(
        found.times,
        Some(times),
        "a guest's last mount, or that it has the disk mounted, would be shown wrongly: the staleness of a save image hangs on these"
    );
}

#[test]
fn only_recover_tells_that_a_journal_was_replayed() {
    let before = of_superblock(superblock!("ext4-superblock-mounted")).times.unwrap();
    let after = of_superblock(superblock!("ext4-superblock-replayed-by-ro-mount")).times.unwrap();
    assert_eq!((after.mounted, after.written, after.mount_count), (before.mounted, before.written, before.mount_count));
    assert_eq!(after.needs_recovery, Some(false), "a mount -o ro in dom0, which ruins a saved guest's disk, would go unseen");
}

#[test]
fn clean_and_ext3_are_told_apart() {
    let clean = of_superblock(superblock!("ext4-superblock-clean"));
    assert_eq!(clean.times.unwrap().needs_recovery, Some(false));
    let ext3 = of_superblock(superblock!("ext3-superblock-mounted"));
    assert_eq!(ext3.kind, "ext3");
    assert_eq!(ext3.times.unwrap().needs_recovery, Some(true));
}

fn head(kind: Kind, bytes: u64) -> ExtHead {
    ExtHead {
        kind,
        bytes,
        uuid: *b"0123456789abcdef",
        label: "data".to_owned(),
        made: at(1_600_000_000),
        mounted: at(1_700_000_000),
        written: at(1_700_000_100),
        mount_count: 7,
        needs_recovery: true,
        last_mounted_at: "/srv".to_owned(),
    }
}

#[test]
fn what_the_builder_writes_is_read_back() {
    for (kind, name) in [(Kind::Ext2, "ext2"), (Kind::Ext3, "ext3"), (Kind::Ext4, "ext4")] {
        for needs_recovery in [true, false] {
            let disk = sparse(ExtHead { needs_recovery, ..head(kind, 8 << 30) }.laid());
            let [found] = signatures(&disk, true).unwrap().try_into().unwrap();
            assert_eq!((found.kind.as_str(), found.bytes, found.label.as_deref()), (name, Some(8 << 30), Some("data")));
            let times = found.times.unwrap();
            assert_eq!((times.mounted, times.written), (at(1_700_000_000), at(1_700_000_100)));
            assert_eq!((times.mount_count, times.last_mounted_at.as_deref()), (Some(7), Some("/srv")));
            assert_eq!(times.needs_recovery, Some(needs_recovery), "{name}");
        }
    }
}

#[test]
fn times_after_2038_and_2106_and_sizes_beyond_16_tib_hold() {
    for year in [2039, 2107, 2400] {
        let time = Utc.with_ymd_and_hms(year, 1, 2, 3, 4, 5).unwrap();
        let made = ExtHead { mounted: Some(time), written: Some(time), ..head(Kind::Ext4, 64 << 20) };
        let times = of_superblock(made.laid().pieces.swap_remove(0).1).times.unwrap();
        assert_eq!((times.mounted, times.written), (Some(time), Some(time)), "a write in {year} would seem to be older than a save");
    }
    let large = ExtHead { bytes: 20 << 40, ..head(Kind::Ext4, 0) }.laid().pieces.swap_remove(0).1;
    assert_eq!(of_superblock(large).bytes, Some(20 << 40));
    let never = ExtHead { mounted: None, ..head(Kind::Ext4, 64 << 20) }.laid().pieces.swap_remove(0).1;
    assert_eq!(of_superblock(never).times.unwrap().mounted, None, "never mounted is not 1970");
}

#[test]
fn a_partitioned_disk_shows_its_table_and_each_file_system_with_its_place() {
    let mut disk = table::mbr(0xabcd_1234, &[(0x83, 2048, 65_536), (0x82, 67_584, 65_536)]);
    disk.lay(2048 * 512, head(Kind::Ext4, 32 << 20).laid());
    disk.lay(67_584 * 512, Laid { pieces: vec![(4086, b"SWAPSPACE2".to_vec())], size: 32 << 20 });
    let disk = sparse(disk);
    let found = signatures(&disk, true).unwrap();
    let seen: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.partition, one.offset)).collect();
    assert_eq!(seen, [("mbr", None, 0), ("ext4", Some(1), 2048 * 512), ("swap", Some(2), 67_584 * 512)]);
    assert_eq!(found[0].uuid.as_deref(), Some("abcd1234"));
    let as_partition = signatures(&disk, false).unwrap();
    assert!(as_partition.is_empty(), "a backing that a guest sees as xvda1 holds no table for it: {as_partition:?}");
}

#[test]
fn blank_is_said_only_of_zeros_that_were_read() {
    let zeros = Sparse::new(1 << 30, Vec::new());
    let found = signatures(&zeros, true).unwrap();
    assert_eq!(found.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["blank"]);
    let late = Sparse::new(1 << 30, vec![((64 << 10) - 1, vec![1])]);
    assert_eq!(signatures(&late, true).unwrap(), [], "a disk of which only the first sectors are zero may be somebody's");
    let head = [0; 1024];
    assert_eq!(signatures(&HeadOnly { head: &head, size: 1 << 30 }, true).unwrap(), []);
    assert_eq!(signatures(&HeadOnly { head: &[], size: 1 << 30 }, true), Err(HostError::NotCaptured));
    assert_eq!(signatures(&b"".as_slice(), true).unwrap(), []);
}

#[test]
fn a_capture_of_the_first_kibs_still_shows_the_superblock() {
    let head = head(Kind::Ext4, 64 << 20).laid().bytes();
    let found = signatures(&HeadOnly { head: &head[..2048], size: 64 << 20 }, true).unwrap();
    assert_eq!(found[0].kind, "ext4");
}

type Pieces = Vec<(u64, Vec<u8>)>;

fn be(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

#[test]
fn every_mark_is_recognised_where_its_format_puts_it() {
    let boot = |oem: &[u8], at: u64, more: Vec<(u64, Vec<u8>)>| {
        let mut pieces = vec![(at, oem.to_vec()), (11, vec![0, 2]), (510, vec![0x55, 0xaa])];
        pieces.extend(more);
        pieces
    };
    let cases: Vec<(&str, Option<u64>, Pieces)> = vec![
        ("xfs", Some(4096 * 1000), vec![(0, [b"XFSB".as_slice(), &4096_u32.to_be_bytes(), &be(1000)].concat())]),
        (
            "btrfs",
            Some(1 << 20),
            vec![((64 << 10) + 0x40, b"_BHRfS_M".to_vec()), ((64 << 10) + 0x70, (1_u64 << 20).to_le_bytes().to_vec())],
        ),
        ("ntfs", Some(512 * 999), boot(b"NTFS    ", 3, vec![(0x28, 999_u64.to_le_bytes().to_vec())])),
        ("fat", Some(512 * 777), boot(b"FAT32   ", 0x52, vec![(0x20, 777_u32.to_le_bytes().to_vec())])),
        ("fat", Some(512 * 777), boot(b"FAT16   ", 0x36, vec![(0x13, 777_u16.to_le_bytes().to_vec())])),
        ("swap", Some(4096 * 100), vec![(1028, 99_u32.to_le_bytes().to_vec()), (4086, b"SWAPSPACE2".to_vec())]),
        ("hibernated swap", None, vec![(4086, b"S1SUSPEND\0".to_vec())]),
        ("luks", None, vec![(0, b"LUKS\xba\xbe\0\x02".to_vec())]),
        ("md", None, vec![(4096, [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0].to_vec())]),
        ("md", None, vec![((1 << 30) - (64 << 10), [0xfc, 0x4e, 0x2b, 0xa9, 0, 0, 0, 0].to_vec())]),
        ("iso9660", Some(2048 * 5), vec![(32_769, b"CD001".to_vec()), (32_848, vec![5]), (32_897, vec![8])]),
        ("ocfs2", None, vec![(4096, b"OCFSV2".to_vec())]),
        ("gfs2", None, vec![(64 << 10, [1, 0x16, 0x19, 0x70, 0, 0, 0, 1].to_vec())]),
        ("zfs", None, vec![(16 << 10, [b"\x01\x01\0\0".as_slice(), &[0; 20], b"version"].concat())]),
    ];
    for (kind, bytes, pieces) in cases {
        let disk = Sparse::new(1 << 30, pieces);
        let found = signatures(&disk, true).unwrap();
        let seen: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.bytes)).collect();
        assert_eq!(seen, [(kind, bytes)], "a disk that is somebody's {kind} would be offered as free");
    }
}

/// Where e2fsprogs is at hand, its own reader judges the builder.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test asks the reference tool about a file of its own")]
fn dumpe2fs_takes_what_the_builder_writes() {
    use std::io::{Seek, Write};
    let Some(tool) = ["/usr/sbin/dumpe2fs", "/sbin/dumpe2fs"].into_iter().find(|tool| std::path::Path::new(tool).exists()) else { return };
    for (kind, bytes) in [(Kind::Ext2, 16 << 20), (Kind::Ext3, 200 << 20), (Kind::Ext4, 32 << 30), (Kind::Ext4, 15 << 40)] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let laid = head(kind, bytes).laid();
        // Some file systems hold no file of 17 TiB, however sparse.
        if file.as_file().set_len(laid.size).is_err() {
            continue;
        }
        for (at, piece) in laid.pieces {
            file.seek(std::io::SeekFrom::Start(at)).unwrap();
            file.write_all(&piece).unwrap();
        }
        let run = std::process::Command::new(tool).arg("-h").arg(file.path()).env("LC_ALL", "C").env("TZ", "UTC").output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{kind:?} of {bytes}: {err}");
        for line in [
            "Filesystem volume name:   data",
            "Last mounted on:          /srv",
            "Mount count:              7",
            "Block size:               4096",
        ] {
            assert!(out.contains(line), "{kind:?}: {line:?} is missing in\n{out}");
        }
        assert!(out.contains(&format!("Block count:              {}", bytes / 4096)), "{out}");
        assert!(out.contains("Last write time:          Tue Nov 14 22:15:00 2023"), "{out}");
        assert_eq!(out.contains("needs_recovery"), kind != Kind::Ext2, "{out}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_disks_neither_fall_nor_cost_much(hits in proptest::collection::vec((0..8192_usize, any::<u8>()), 0..12), first in any::<[u8; 16]>()) {
        let mut disk = table::mbr(1, &[(0x83, 2048, 4096), (0x05, 8192, 8192), (0x82, 40_000, 4096)]);
        disk.lay(2048 * 512, head(Kind::Ext4, 2 << 20).laid());
        disk.size = 32 << 20;
        disk.pieces.push((446, first.to_vec()));
        disk.pieces.extend(hits.into_iter().map(|(at, value)| (if at % 2 == 0 { at as u64 } else { 2048 * 512 + at as u64 }, vec![value])));
        let disk = sparse(disk);
        prop_assert!(signatures(&disk, true).is_ok());
        prop_assert!(disk.asked.get() < 512 << 10, "{} bytes were read", disk.asked.get());
    }

    #[test]
    fn soup_neither_falls_nor_costs_much(soup in proptest::collection::vec(any::<u8>(), 0..4096), allowed in any::<bool>()) {
        let source = Counted::new(&soup);
        prop_assert!(signatures(&source, allowed).is_ok());
        prop_assert!(source.asked.get() < 512 << 10);
    }
}
