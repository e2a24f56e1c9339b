//! A copy is what its source is, whatever the source looks like and whatever stood there before.

use proptest::prelude::*;

use super::disk::Faults;
use super::*;
use crate::model::{Extent, ExtentKind};

/// Runs of data, of zeros that are told as data, and of holes.
#[derive(Clone, Copy, Debug)]
enum Run {
    Data,
    Zeros,
    Hole,
}

fn runs() -> impl Strategy<Value = Vec<(Run, usize)>> {
    let run = prop_oneof![Just(Run::Data), Just(Run::Zeros), Just(Run::Hole)];
    let length = prop_oneof![1_usize..5000, Just(4096), Just(64 << 10), 1_usize..(1 << 20), (1_usize << 20)..(3 << 20)];
    prop::collection::vec((run, length), 0..8)
}

fn disk_of(runs: &[(Run, usize)]) -> Disk {
    let (mut bytes, mut extents) = (Vec::new(), Vec::new());
    for (run, length) in runs {
        let start = bytes.len();
        if !matches!(run, Run::Hole) {
            extents.push(Extent { start: start as u64, length: *length as u64, kind: ExtentKind::Data });
        }
        bytes.resize(start + length, 0);
        if matches!(run, Run::Data) {
            let stamp = stamped(bytes.len());
            bytes[start..].copy_from_slice(&stamp[start..]);
        }
    }
    Disk { extents: Some(extents), ..Disk::of(bytes) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_is_its_source(
        runs in runs(),
        onto_device: bool,
        only_writes: bool,
        short in prop::option::of(prop_oneof![Just(4096_usize), 3000_usize..200_000]),
        threads in 1_usize..5,
        spare in 0_usize..5000,
    ) {
        let source = disk_of(&runs);
        let expected = source.content();
        let source = source.breaking(Faults { short, ..Faults::default() });
        let to = if onto_device { Disk::device(expected.len() + spare, 0xff) } else { Disk::new_file() };
        let to = to.breaking(Faults { short, only_writes, ..Faults::default() });
        let options = Options { threads: Some(threads), verify: true, expect: Some(hashes_of(&expected)), ..Options::default() };
        let mut watcher = Watcher::default();
        let done = copied_watching(&source, &to, &options, &mut watcher).unwrap();

        let there = to.content();
        prop_assert!(there[..expected.len()] == expected, "the copy differs from its source");
        prop_assert!(there[expected.len()..].iter().all(|byte| *byte == 0xff), "what lies behind the copy was changed");
        prop_assert_eq!(&done.hashes, &hashes_of(&expected), "a good copy would be called bad");
        prop_assert_eq!(done.result.digest, done.hashes.digest());
        prop_assert_eq!(done.result.bytes, expected.len() as u64);
        let told = source.extents.as_ref().unwrap().iter().map(|extent| extent.length).sum::<u64>();
        let holes = expected.len() as u64 - told;
        // Those shorter than a page are not worth a gap.
        prop_assert!((holes.saturating_sub(8 * 4096)..=holes).contains(&done.result.holes), "holes would be miscounted");
        prop_assert!(done.result.holes + done.result.zeros <= done.result.bytes);
        if !onto_device {
            prop_assert!(done.result.written + done.result.zeros + done.result.holes <= done.result.bytes + 6 * (64 << 10) * 8, "zeros were written to a new file");
        }
        prop_assert_eq!(watcher.maps.len(), 1);
        let last = watcher.progress.last().unwrap();
        prop_assert_eq!((last.done, last.total), (expected.len() as u64, Some(expected.len() as u64)), "the bar would never be full");
    }
}

#[test]
fn sizes_that_fit_nothing() {
    for length in [0, 1, 511, 512, 4095, 4097, (1 << 20) - 1, (1 << 20) + 1, (3 << 20) + 513] {
        let bytes = stamped(length);
        for to in [Disk::new_file(), Disk::device(length, 0xff)] {
            let done = copied(&Disk::of(bytes.clone()), &to, &Options { verify: true, ..Options::default() }).unwrap();
            assert!(to.content() == bytes, "the end of a disk of {length} bytes was lost");
            assert_eq!(done.hashes, hashes_of(&bytes), "the last block of a disk of {length} bytes was hashed wrong");
        }
    }
}

#[test]
fn holes_are_not_read_and_zeros_not_written_to_a_new_file() {
    let mut bytes = vec![0; 10 << 20];
    bytes[(4 << 20) + 8192..(4 << 20) + 12288].fill(7);
    let data = Extent { start: 4 << 20, length: 3 << 20, kind: ExtentKind::Data };
    let (source, to) = (Disk { extents: Some(vec![data]), ..Disk::of(bytes.clone()) }, Disk::new_file());
    let done = copied(&source, &to, &Options::default()).unwrap();
    assert!(source.reads.lock().unwrap().iter().all(|offset| (4 << 20..7 << 20).contains(offset)), "holes were read");
    assert_eq!((done.result.written, done.result.holes, done.result.zeros), (4096, 7 << 20, (3 << 20) - 4096), "a sparse disk would grow");
    assert!(to.content() == bytes);
}

#[test]
fn without_hashes_it_is_the_same_copy() {
    let bytes = stamped(3 << 20);
    let to = Disk::new_file();
    let done = copied(&Disk::of(bytes.clone()), &to, &Options { hash: false, ..Options::default() }).unwrap();
    assert!(to.content() == bytes);
    assert_eq!((done.hashes.blocks(), done.result.digest.as_str()), (0, ""));
}

#[test]
fn a_rate_is_kept() {
    let started = std::time::Instant::now();
    let options = Options { pace: Some(Pacer::new(16 << 20)), ..Options::default() };
    let mut watcher = Watcher::default();
    copied_watching(&Disk::of(stamped(20 << 20)), &Disk::new_file(), &options, &mut watcher).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds > 0.85, "20 MiB at 16 MiB/s took {seconds} s: other guests' disks would starve");
    let told = watcher.progress.len();
    assert!(told as f64 <= seconds * 4.0 + 2.0, "{told} reports in {seconds} s: a journal would fill up");
}
