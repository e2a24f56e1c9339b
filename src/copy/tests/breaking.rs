//! What breaks on the way is told, with its place, and nothing bad is called good.

use super::disk::Faults;
use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn a_sector_that_cannot_be_read_is_all_that_is_lost() {
    let bytes = stamped(6 << 20);
    for (threads, block) in (1..=3).flat_map(|threads| (0..6).map(move |block| (threads, block))) {
        let start = block * MIB + 70 * 1024;
        let bad = vec![start..start + 512, start + 600 * 1024..start + 600 * 1024 + 1536];
        let source = Disk::of(bytes.clone()).breaking(Faults { unreadable: bad.clone(), ..Faults::default() });
        let to = Disk::device(6 << 20, 0xff);
        let options = Options { threads: Some(threads), verify: true, ..Options::default() };
        let done = copied(&source, &to, &options).unwrap();
        let mut expected = bytes.clone();
        for range in &bad {
            expected[range.start as usize..range.end as usize].fill(0);
        }
        assert!(to.content() == expected, "more than the bad sectors of block {block} was lost, or they kept old bytes");
        let told: Vec<(u64, u64)> = bad.iter().map(|range| (range.start, range.end - range.start)).collect();
        assert_eq!(done.result.unreadable, told, "the report of what was lost is wrong");
        assert_eq!(done.hashes, hashes_of(&expected), "the copy's hashes are not those of the copy");
    }
}

#[test]
fn a_disk_that_is_unreadable_throughout_is_one_range() {
    let source =
        Disk::of(stamped((2 << 20) + 700)).breaking(Faults { unreadable: std::iter::once(0..u64::MAX).collect(), ..Faults::default() });
    let to = Disk::device(3 << 20, 0xff);
    let done = copied(&source, &to, &Options::default()).unwrap();
    assert_eq!(done.result.unreadable, [(0, (2 << 20) + 700)]);
    assert!(to.content()[..(2 << 20) + 700].iter().all(|byte| *byte == 0), "old bytes would pass for the source's");
}

#[test]
fn too_many_bad_spots_are_given_up() {
    let unreadable = (0..2000_u64).map(|at| at * 1024..at * 1024 + 512).collect();
    let source = Disk::of(stamped(2 << 20)).breaking(Faults { unreadable, ..Faults::default() });
    let failed = copied(&source, &Disk::new_file(), &Options { most_unreadable: 100, ..Options::default() }).unwrap_err();
    assert!(matches!(failed, Failed::TooManyUnreadable { ranges: 100 }), "a dying disk's report would fill the memory: {failed}");
}

#[test]
fn a_disk_that_goes_away_is_named_with_its_place() {
    for block in 0..5 {
        let source = Disk::of(stamped(5 << 20)).breaking(Faults { gone_from: Some(block * MIB), ..Faults::default() });
        match copied(&source, &Disk::new_file(), &Options::default()).unwrap_err() {
            Failed::Read { offset, .. } => assert_eq!(offset, block * MIB, "the wrong place is named"),
            other => panic!("a disk that went away was told as: {other}"),
        }
        let to = Disk::device(5 << 20, 0).breaking(Faults { gone_from: Some(block * MIB), ..Faults::default() });
        match copied(&Disk::of(stamped(5 << 20)), &to, &Options::default()).unwrap_err() {
            Failed::Write { offset, .. } => assert_eq!(offset, block * MIB, "the wrong place is named"),
            other => panic!("a destination that went away was told as: {other}"),
        }
    }
}

#[test]
fn no_room_is_told_with_what_is_missing() {
    for block in 0..5 {
        let full = block * MIB + 5000;
        let to = Disk::new_file().breaking(Faults { full_from: Some(full), ..Faults::default() });
        match copied(&Disk::of(stamped(5 << 20)), &to, &Options::default()).unwrap_err() {
            Failed::NoSpace { offset, missing } => assert_eq!((offset, missing), (full, 5 * MIB - full)),
            other => panic!("a full disk was told as: {other}"),
        }
    }
}

#[test]
fn a_destination_that_is_too_small_is_refused_before_the_first_write() {
    let to = Disk::device((3 << 20) - 512, 0xff);
    let failed = copied(&Disk::of(stamped(3 << 20)), &to, &Options::default()).unwrap_err();
    assert!(matches!(failed, Failed::TooSmall { needs: 3_145_728, has: 3_145_216 }), "{failed}");
    assert!(failed.to_string().contains("3145216 bytes"), "two sizes that look alike would be shown: {failed}");
    assert!(to.content().iter().all(|byte| *byte == 0xff), "the destination was damaged for a copy that could not be");
}

#[test]
fn a_bit_that_flips_on_the_way_is_found_and_named() {
    for at in [0, MIB - 1, 3 * MIB + 12345, 4 * MIB + 99] {
        for to in [Disk::new_file(), Disk::device(5 << 20, 0xff)] {
            let to = to.breaking(Faults { flips: Some(at), ..Faults::default() });
            let options = Options { verify: true, ..Options::default() };
            match copied(&Disk::of(stamped((4 << 20) + 100)), &to, &options).unwrap_err() {
                Failed::Differs { offset, length } => assert_eq!((offset, length), (at, 1), "the wrong place is named"),
                other => panic!("a wrong copy was told as: {other}"),
            }
        }
    }
}

#[test]
fn a_source_that_is_not_what_it_should_be_is_not_brought_over() {
    let good = stamped(4 << 20);
    for at in [0, (2 << 20) + 5] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        let to = Disk::device(4 << 20, 0xff);
        let options = Options { expect: Some(hashes_of(&good)), ..Options::default() };
        match copied(&Disk::of(damaged), &to, &options).unwrap_err() {
            Failed::NotAsExpected { offset, length } => assert_eq!((offset, length), (at as u64 / MIB * MIB, MIB)),
            other => panic!("a damaged backup was told as: {other}"),
        }
        let block = at / (1 << 20) * (1 << 20);
        assert!(to.content()[block..block + (1 << 20)].iter().all(|byte| *byte == 0xff), "damaged bytes were written");
    }
    let options = Options { expect: Some(hashes_of(&good[..2 << 20])), ..Options::default() };
    let failed = copied(&Disk::of(good), &Disk::new_file(), &options).unwrap_err();
    assert!(failed.to_string().contains("of 2 blocks, the source has 4"), "a list of another disk was accepted: {failed}");
}

#[test]
fn zeros_where_data_should_be_are_found() {
    let mut good = vec![0; 6 << 20];
    good[3 << 20] = 1;
    for extents in [None, Some(Vec::new())] {
        let source = Disk { extents, ..Disk::of(vec![0; 6 << 20]) };
        let options = Options { expect: Some(hashes_of(&good)), ..Options::default() };
        let failed = copied(&source, &Disk::new_file(), &options).unwrap_err();
        assert!(matches!(failed, Failed::NotAsExpected { offset: 3_145_728, .. }), "a lost block would pass for a hole: {failed}");
    }
}

#[test]
fn a_list_that_hashes_its_zeros_is_understood() {
    use crate::model::hashes::BlockHash;
    let zeros = vec![0; (2 << 20) + 100];
    let foreign: HashList = zeros.chunks(1 << 20).map(|block| BlockHash::Is(*blake3::hash(block).as_bytes())).collect();
    for extents in [None, Some(Vec::new())] {
        let source = Disk { extents, ..Disk::of(zeros.clone()) };
        let options = Options { expect: Some(foreign.clone()), ..Options::default() };
        copied(&source, &Disk::new_file(), &options).unwrap();
    }
}

#[test]
fn a_source_that_shrinks_is_not_copied_to_its_end() {
    let source = Disk::of(stamped(6 << 20)).breaking(Faults { shrinks_to: Some(4 << 20), ..Faults::default() });
    let failed = copied(&source, &Disk::new_file(), &Options::default()).unwrap_err();
    assert!(matches!(failed, Failed::SourceChanged { was: 6_291_456, is: 4_194_304 }), "half a disk would pass for a copy: {failed}");
}
