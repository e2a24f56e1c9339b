//! Increments: only what changed is read and written, every restore point is whole by itself, and none is touched by the next.
#![allow(
    clippy::single_range_in_vec_init,
    clippy::items_after_statements,
    reason = "one range is a list of ranges too; a stand-in lies beside its use"
)]
#![allow(clippy::disallowed_methods, reason = "a test lays files out in a directory of its own")]

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::model::BlockSet;

const MIB: usize = 1 << 20;

/// A disk, and the chain of its restore points in a directory.
struct Chain {
    dir: tempfile::TempDir,
    truth: Vec<u8>,
    points: Vec<(PathBuf, HashList, Vec<u8>)>,
    segment: u64,
}

impl Chain {
    fn new(truth: Vec<u8>, segment: u64) -> Self {
        let mut chain = Self { dir: tempfile::tempdir().unwrap(), truth, points: Vec::new(), segment };
        chain.full();
        chain
    }

    fn source(&self) -> File {
        let file = tempfile::tempfile_in(self.dir.path()).unwrap();
        file.write_all_at(&self.truth, 0).unwrap();
        file
    }

    fn next_point(&self) -> (PathBuf, OwnedFd) {
        let path = self.dir.path().join(format!("{:03}.d", self.points.len()));
        std::fs::create_dir(&path).unwrap();
        let fd = File::open(&path).unwrap().into();
        (path, fd)
    }

    fn full(&mut self) {
        let (path, fd) = self.next_point();
        let to = Segments::to_write(fd, self.segment, None).unwrap();
        let done = copy(self.source(), to, &Task::new(Destination::New), &mut ()).unwrap();
        self.points.push((path, done.hashes, self.truth.clone()));
    }

    /// Overwrites ranges; gives what a book keeper would say.
    fn change(&mut self, ranges: &[Range<usize>], with: u8) -> BlockSet {
        let mut changed = BlockSet::none(self.truth.len() as u64);
        for range in ranges {
            let range = range.start.min(self.truth.len())..range.end.min(self.truth.len());
            self.truth[range.clone()].fill(with);
            changed.insert_bytes(range.start as u64..range.end as u64);
        }
        changed
    }

    fn task(&self, changed: BlockSet, audit_blocks: u64, seed: u64) -> Task {
        let (_, list, _) = self.points.last().unwrap();
        let mut task = Task::new(Destination::New);
        task.options.since = Some(Since { list: list.clone(), changed, audit_blocks, audit_seed: seed });
        task
    }

    fn increment(&mut self, changed: BlockSet) -> Done {
        let task = self.task(changed, 3, 7);
        let (path, fd) = self.next_point();
        let base: OwnedFd = File::open(&self.points.last().unwrap().0).unwrap().into();
        let done = copy(self.source(), Segments::to_write(fd, self.segment, Some(base)).unwrap(), &task, &mut ()).unwrap();
        self.points.push((path, done.hashes.clone(), self.truth.clone()));
        done
    }

    fn restored(point: &Path) -> Vec<u8> {
        let to = tempfile::tempfile().unwrap();
        let from = Segments::to_read(File::open(point).unwrap().into()).unwrap();
        copy(from, to.try_clone().unwrap(), &Task::new(Destination::New), &mut ()).unwrap();
        let mut bytes = vec![0; to.metadata().unwrap().len() as usize];
        to.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// As somebody restores who has only `cat`.
    fn by_hand(point: &Path) -> Vec<u8> {
        let mut names: Vec<PathBuf> = std::fs::read_dir(point).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.into_iter().flat_map(|name| std::fs::read(name).unwrap()).collect()
    }

    fn check(&self) {
        for (at, (path, list, truth)) in self.points.iter().enumerate() {
            assert!(Self::by_hand(path) == *truth, "restore point {at} is not what the disk was, put together by hand");
            assert!(Self::restored(path) == *truth, "restore point {at} is not what the disk was");
            assert_eq!(*list, hashes_of(truth), "restore point {at} would be called damaged, or damage would go unseen");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_restore_point_is_what_the_disk_was(
        length in 1_usize..7 * MIB,
        large in any::<bool>(),
        rounds in prop::collection::vec((prop::collection::vec((0_usize..7 * MIB, 1_usize..MIB), 0..4), any::<u8>()), 1..5),
        pruned in 0_usize..3,
    ) {
        let mut truth = stamped(length);
        truth[length / 3..length / 2].fill(0);
        let mut chain = Chain::new(truth, if large { 2 << 20 } else { 1 << 20 });
        for (ranges, with) in rounds {
            let ranges: Vec<Range<usize>> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
            // Zeros too: what was data must not stay.
            let changed = chain.change(&ranges, if with < 80 { 0 } else { with });
            chain.increment(changed);
        }
        for _ in 0..pruned.min(chain.points.len() - 1) {
            let (path, ..) = chain.points.remove(0);
            std::fs::remove_dir_all(path).unwrap();
        }
        chain.check();
    }
}

#[test]
fn only_what_changed_is_read_and_written() {
    let mut chain = Chain::new(stamped(20 * MIB + 5), 1 << 20);
    let changed = chain.change(&[5 * MIB + 9..5 * MIB + 10, 20 * MIB..20 * MIB + 5], 0xee);
    let done = chain.increment(changed);
    let increment = done.result.increment.unwrap();
    assert_eq!((increment.read, increment.changed), (1 << 20 | 5, 1 << 20 | 5), "more was read than what changed");
    assert_eq!(done.result.written, 1 << 20 | 5, "what did not change was written again");
    assert_eq!((increment.audited, increment.mismatch), (3, None));
    let links = |at: u64| std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(chain.points[1].0.join(segment_name(at))).unwrap());
    assert_eq!((links(4), links(5), links(6)), (2, 1, 2), "what did not change takes room twice, or what changed was written into both");
    chain.check();
}

#[test]
fn a_block_that_is_named_and_is_the_same_is_not_written() {
    let mut chain = Chain::new(stamped(4 * MIB), 1 << 20);
    let done = chain.increment(BlockSet::all(4 << 20));
    assert_eq!(
        (done.result.written, done.result.increment.unwrap().changed),
        (0, 0),
        "comparing with the last backup would cost its room again"
    );
    chain.check();
}

#[test]
fn a_change_that_nobody_told_of_makes_everything_be_read() {
    let mut chain = Chain::new(stamped(9 * MIB), 1 << 20);
    chain.change(&[0..9 * MIB], 0x33);
    let done = chain.increment(BlockSet::none(9 << 20));
    let increment = done.result.increment.unwrap();
    assert!(
        increment.mismatch.is_some() && increment.read_all_because.unwrap().contains("nothing had told so"),
        "wrong books were believed"
    );
    assert_eq!(increment.read, 9 << 20);
    chain.check();
}

#[test]
fn the_sample_is_of_unchanged_blocks_and_can_be_drawn_again() {
    let mut changed = BlockSet::none(1000 << 20);
    changed.insert_blocks(0..900);
    let since = |seed| Since { list: HashList::default(), changed: changed.clone(), audit_blocks: 20, audit_seed: seed };
    let sample = since(5).sample();
    assert_eq!((sample.len(), sample.clone()), (20, since(5).sample()), "nobody could check which blocks were looked at");
    assert!(sample.iter().all(|block| *block >= 900), "blocks that are read anyway were looked at instead: {sample:?}");
    assert_ne!(sample, since(6).sample(), "the same blocks would be looked at every time");
    assert_eq!(Since { audit_blocks: 500, ..since(1) }.sample(), (900..1000).collect::<Vec<_>>());
}

#[test]
fn a_list_of_another_disk_is_refused_before_anything_is_written() {
    let chain = Chain::new(stamped(3 * MIB), 1 << 20);
    let longer = tempfile::tempfile().unwrap();
    longer.write_all_at(&stamped(4 * MIB), 0).unwrap();
    let (path, fd) = chain.next_point();
    let base: OwnedFd = File::open(&chain.points[0].0).unwrap().into();
    let to = Segments::to_write(fd, 1 << 20, Some(base)).unwrap();
    let failed = copy(longer, to, &chain.task(BlockSet::none(3 << 20), 0, 0), &mut ()).unwrap_err();
    assert!(matches!(failed, Failed::Prepare { .. }), "{failed}");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn an_increment_that_breaks_leaves_the_backup_before_it_as_it_was() {
    /// Stops after a few blocks.
    struct Impatient(u32);
    impl Control for Impatient {
        fn should_stop(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 == 0
        }
    }
    for patience in 1..12 {
        let mut chain = Chain::new(stamped(6 * MIB), 2 << 20);
        let changed = chain.change(&[0..6 * MIB], 0x44);
        let (path, fd) = chain.next_point();
        let base: OwnedFd = File::open(&chain.points[0].0).unwrap().into();
        let to = Segments::to_write(fd, 2 << 20, Some(base)).unwrap();
        let _ = copy(chain.source(), to, &chain.task(changed, 0, 0), &mut Impatient(patience));
        chain.check();
        // Taken back.
        std::fs::write(path.join("000001.new"), "half").unwrap();
        clear_segments(&File::open(&path).unwrap().into()).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "segments stay behind");
        chain.check();
    }
}

#[test]
fn a_copy_into_segments_goes_on_where_it_was() {
    let truth = stamped(5 * MIB + 3);
    let chain = Chain { dir: tempfile::tempdir().unwrap(), truth: truth.clone(), points: Vec::new(), segment: 2 << 20 };
    let (path, fd) = chain.next_point();
    let mut short = Task::new(Destination::New);
    short.options.checkpoint_every = Some(std::time::Duration::ZERO);
    short.options.threads = Some(1);
    struct Once(u32, Option<Checkpoint>);
    impl Control for Once {
        fn checkpoint(&mut self, checkpoint: &Checkpoint) {
            self.1 = Some(checkpoint.clone());
        }
        fn should_stop(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 == 0
        }
    }
    let mut control = Once(4, None);
    let _ = copy(chain.source(), Segments::to_write(fd, 2 << 20, None).unwrap(), &short, &mut control);
    short.options.resume = control.1;
    let fd: OwnedFd = File::open(&path).unwrap().into();
    let done = copy(chain.source(), Segments::to_write(fd, 2 << 20, None).unwrap(), &short, &mut ()).unwrap();
    assert_eq!(done.hashes, hashes_of(&truth));
    assert!(Chain::restored(&path) == truth, "a backup that was interrupted goes on into something else");
}

#[test]
fn segments_that_are_not_whole_are_not_restored() {
    let wrong = |change: &dyn Fn(&Path)| {
        let chain = Chain::new(stamped(4 * MIB + 7), 1 << 20);
        change(&chain.points[0].0);
        Segments::to_read(File::open(&chain.points[0].0).unwrap().into())
            .map(|_| ())
            .expect_err("half a disk would be restored")
            .to_string()
    };
    assert!(wrong(&|dir| std::fs::remove_file(dir.join("000002")).unwrap()).contains("missing"));
    assert!(wrong(&|dir| std::fs::write(dir.join("000001"), "short").unwrap()).contains("not as long"));
    assert!(wrong(&|dir| File::options().write(true).open(dir.join("000004")).unwrap().set_len(2 << 20).unwrap()).contains("too long"));
    assert!(
        wrong(&|dir| {
            std::fs::remove_file(dir.join("000003")).unwrap();
            std::os::unix::fs::symlink("/dev/zero", dir.join("000003")).unwrap();
        })
        .len()
            > 3,
        "a link was followed out of a backup"
    );
}

#[test]
fn a_file_that_holds_an_earlier_copy_becomes_the_new_one() {
    let mut truth = stamped(6 * MIB + 100);
    let there = tempfile::tempfile().unwrap();
    there.write_all_at(&truth, 0).unwrap();
    let list = hashes_of(&truth);
    truth[2 * MIB..3 * MIB].fill(0);
    truth[6 * MIB + 50] = 1;
    let mut changed = BlockSet::none(truth.len() as u64);
    changed.insert_blocks(2..3);
    changed.insert_blocks(6..7);
    let source = tempfile::tempfile().unwrap();
    source.write_all_at(&truth, 0).unwrap();
    let mut task = Task::new(Destination::Earlier);
    task.options.since = Some(Since { list, changed, audit_blocks: 2, audit_seed: 1 });
    let done = copy(source, there.try_clone().unwrap(), &task, &mut ()).unwrap();
    assert_eq!(done.hashes, hashes_of(&truth));
    let mut bytes = vec![0; truth.len()];
    there.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == truth, "a reflinked image does not hold the new state");
}
