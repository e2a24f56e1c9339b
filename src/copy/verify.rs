//! Reading blocks of a disk and holding them against a list of hashes.

use std::sync::atomic::AtomicBool;

use crate::model::Progress;
use crate::model::hashes::BlockHash;

use super::Control;
use super::buffers::Aligned;
use super::ends::Source;
use super::extents::Runs;
use super::hashes::{BLOCK, HashList};
use super::pipeline::{self, Crew, Ledger};
use super::task::{Failed, Options};
use super::tell::Teller;
use super::worker::{Piece, Pieces, bytes_of, read_block, same, unread};

/// Blocks that were read.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub block: u64,
    pub blocks: u64,
    pub line: BlockHash,
    /// Bytes that need not have been read.
    pub holes: u64,
    /// The first block that is not what the list says.
    pub wrong: Option<u64>,
}

/// Reads the blocks below `end` and hands them over in order. False: it was stopped.
pub fn read_blocks(
    source: &dyn Source,
    runs: &Runs,
    end: u64,
    expect: Option<&HashList>,
    options: &Options,
    ledger: &mut dyn Ledger<Seen, Failed>,
) -> Result<bool, Failed> {
    let stop = AtomicBool::new(false);
    let mut pieces = Pieces { runs, block: 0, end, most_zeros: u64::MAX, changed: None };
    let total = runs.total();
    let work = |buffer: &mut Aligned, piece: Piece| match piece {
        // Without a set of changes, no piece is kept: it would be read as zeros.
        Piece::Zeros { block, blocks } | Piece::Kept { block, blocks } => {
            let wrong = expect.and_then(|expect| not_zero(expect, block, blocks, total));
            let range = bytes_of(block, blocks, total);
            Ok(Seen { block, blocks, line: BlockHash::Zero, holes: range.end - range.start, wrong })
        }
        Piece::Data { block } => {
            if let Some(pace) = &options.pace {
                pace.take(BLOCK, &|| stop.load(std::sync::atomic::Ordering::Relaxed));
            }
            let mut unreadable = Vec::new();
            let bytes = read_block(source, runs, block, buffer, &mut unreadable).map_err(|trouble| unread(source, total, trouble))?;
            if let Some((offset, _)) = unreadable.first() {
                return Err(Failed::Read { offset: *offset, why: rustix::io::Errno::IO.into() });
            }
            let line = BlockHash::of(bytes);
            let wrong = expect.is_some_and(|expect| !same(expect.get(block), line, bytes)).then_some(block);
            Ok(Seen { block, blocks: 1, line, holes: 0, wrong })
        }
    };
    let bench = || Aligned::new(usize::try_from(BLOCK).unwrap_or(1 << 20));
    pipeline::run(Crew::new(options.threads), &stop, move || pieces.next(), bench, work, ledger)
}

/// The first of these blocks that a list does not say to be zeros. It may say so by the hash of zeros, when other tools made it.
pub fn not_zero(expect: &HashList, block: u64, blocks: u64, total: u64) -> Option<u64> {
    let end = block.saturating_add(blocks);
    let mut at = block;
    loop {
        at = at.saturating_add(expect.zeros_from(at));
        if at >= end {
            return None;
        }
        let range = bytes_of(at, 1, total);
        let zeros = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        if !same(expect.get(at), BlockHash::Zero, &zeros) {
            return Some(at);
        }
        at = at.saturating_add(1);
    }
}

/// Reads all of a disk and compares. The failure names the first block that differs.
pub fn compare(
    source: &dyn Source,
    runs: &Runs,
    expect: &HashList,
    options: &Options,
    before: &Progress,
    control: &mut dyn Control,
) -> Result<(), Failed> {
    let progress = Progress { done: 0, holes: 0, verifying: true, total: Some(runs.total()), ..*before };
    let mut ledger = Comparing { total: runs.total(), progress, teller: Teller::new(0), control };
    let all = read_blocks(source, runs, runs.total().div_ceil(BLOCK), Some(expect), options, &mut ledger)?;
    ledger.teller.tell(&ledger.progress, true, ledger.control);
    if all { Ok(()) } else { Err(Failed::Stopped { checkpoint: None }) }
}

struct Comparing<'a> {
    total: u64,
    progress: Progress,
    teller: Teller,
    control: &'a mut dyn Control,
}

impl Ledger<Seen, Failed> for Comparing<'_> {
    fn enter(&mut self, seen: Seen) -> Result<(), Failed> {
        if let Some(wrong) = seen.wrong {
            let range = bytes_of(wrong, 1, self.total);
            return Err(Failed::Differs { offset: range.start, length: range.end - range.start });
        }
        let range = bytes_of(seen.block, seen.blocks, self.total);
        self.progress.done = range.end;
        self.progress.holes = self.progress.holes.saturating_add(seen.holes);
        Ok(())
    }

    fn pulse(&mut self) -> Result<bool, Failed> {
        self.teller.tell(&self.progress, false, self.control);
        Ok(!self.control.should_stop())
    }
}
