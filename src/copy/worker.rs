//! One piece of a copy: read, look for zeros, hash, write.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::model::BlockSet;
use crate::model::hashes::BlockHash;

use super::buffers::Aligned;
use super::ends::{ALIGN, Sink, Source};
use super::extents::Runs;
use super::hashes::BLOCK;
use super::rescue::{self, Unread};
use super::task::{Failed, Options};
use super::verify::not_zero;

/// Zeros are looked for in pieces of this size: what file systems allocate by.
const GRAIN: usize = 4096;

/// Blocks that stand at the destination already, told at once: a stop waits for no more.
const MOST_KEPT: u64 = 4096;

/// What one worker does at a time. Counted in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Blocks without any data.
    Zeros { block: u64, blocks: u64 },
    /// A block with some.
    Data { block: u64 },
    /// Blocks that stand at the destination already.
    Kept { block: u64, blocks: u64 },
}

/// The pieces of a disk, from some block on, in order.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    pub runs: &'a Runs,
    pub block: u64,
    pub end: u64,
    /// The most blocks of zeros in one piece.
    pub most_zeros: u64,
    /// All others stand at the destination already; nothing: none do.
    pub changed: Option<&'a BlockSet>,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let block = self.block;
        if block >= self.end {
            return None;
        }
        let mut most_zeros = self.most_zeros;
        if let Some(changed) = self.changed {
            let alike = changed.alike_from(block).clamp(1, self.end - block);
            if !changed.contains(block) {
                let blocks = alike.min(MOST_KEPT);
                self.block += blocks;
                return Some(Piece::Kept { block, blocks });
            }
            most_zeros = most_zeros.min(alike);
        }
        let data = self.runs.next(block.saturating_mul(BLOCK)).map_or(self.end, |run| (run.start / BLOCK).clamp(block, self.end));
        if data == block {
            self.block += 1;
            return Some(Piece::Data { block });
        }
        let blocks = (data - block).min(most_zeros.max(1));
        self.block += blocks;
        Some(Piece::Zeros { block, blocks })
    }
}

/// The bytes of some blocks of a disk.
pub fn bytes_of(block: u64, blocks: u64, total: u64) -> Range<u64> {
    block.saturating_mul(BLOCK).min(total)..block.saturating_add(blocks).saturating_mul(BLOCK).min(total)
}

/// A piece that is done.
#[derive(Debug)]
pub struct Landed {
    pub block: u64,
    pub blocks: u64,
    /// It stands at the destination already, and was not read: its lines are those of the earlier list.
    pub kept: bool,
    /// Bytes of blocks that are not what an earlier copy held.
    pub changed: u64,
    /// Of all its blocks; nothing: not hashed, or kept.
    pub line: Option<BlockHash>,
    pub bytes: u64,
    pub holes: u64,
    pub zeros: u64,
    pub written: u64,
    pub unreadable: Vec<(u64, u64)>,
}

/// What a worker keeps at hand.
#[derive(Debug)]
pub struct Bench {
    block: Aligned,
    /// Made when zeros must be written for the first time.
    zeros: Option<Aligned>,
}

impl Bench {
    pub fn new() -> Self {
        Self { block: Aligned::new(block_length()), zeros: None }
    }
}

/// [`BLOCK`], for memory.
fn block_length() -> usize {
    usize::try_from(BLOCK).unwrap_or(1 << 20)
}

/// Fills the beginning of `buffer` with one block of a disk: what is data is read, the rest is zeros. Gives the block's bytes.
pub fn read_block<'a>(
    source: &dyn Source,
    runs: &Runs,
    block: u64,
    buffer: &'a mut Aligned,
    unreadable: &mut Vec<(u64, u64)>,
) -> Result<&'a [u8], Unread> {
    let range = bytes_of(block, 1, runs.total());
    let bytes = buffer.bytes_mut();
    let length = usize::try_from(range.end - range.start).unwrap_or(0).min(bytes.len());
    let mut at = 0;
    for run in runs.within(range.clone()) {
        let begin = usize::try_from(run.start - range.start).unwrap_or(0);
        let end = usize::try_from(run.end - range.start).unwrap_or(0);
        // Outwards to what can be read directly: what is around data reads as zeros, or is data too.
        let begin = (begin / ALIGN * ALIGN).max(at);
        let end = end.next_multiple_of(ALIGN).min(bytes.len());
        bytes.get_mut(at..begin).unwrap_or_default().fill(0);
        if begin < end {
            let wanted = end.min(length).saturating_sub(begin);
            let into = bytes.get_mut(begin..end).unwrap_or_default();
            rescue::read(source, into, wanted, range.start.saturating_add(begin as u64), unreadable)?;
        }
        at = end.max(at);
    }
    if at < length {
        bytes.get_mut(at..length).unwrap_or_default().fill(0);
    }
    Ok(buffer.bytes().get(..length).unwrap_or_default())
}

pub fn unread(source: &dyn Source, total: u64, unread: Unread) -> Failed {
    match unread {
        Unread::Ends(at) => Failed::SourceChanged { was: total, is: source.bytes().map_or(at, |bytes| bytes.min(at)) },
        Unread::Fails { offset, why } => Failed::Read { offset, why },
    }
}

/// What all workers of one copy share.
pub struct Copying<'a> {
    pub source: &'a dyn Source,
    pub sink: &'a dyn Sink,
    pub runs: &'a Runs,
    pub options: &'a Options,
    /// From which byte on the destination reads as zeros where nothing is written; nothing: it is not known to.
    pub zero_from: Option<u64>,
    pub stop: &'a AtomicBool,
}

impl Copying<'_> {
    pub fn piece(&self, bench: &mut Bench, piece: Piece) -> Result<Landed, Failed> {
        match piece {
            Piece::Zeros { block, blocks } => self.zero_blocks(bench, block, blocks),
            Piece::Data { block } => self.data_block(bench, block),
            Piece::Kept { block, blocks } => {
                let range = bytes_of(block, blocks, self.runs.total());
                let bytes = range.end - range.start;
                Ok(Landed {
                    block,
                    blocks,
                    kept: true,
                    changed: 0,
                    line: None,
                    bytes,
                    holes: bytes,
                    zeros: 0,
                    written: 0,
                    unreadable: Vec::new(),
                })
            }
        }
    }

    fn zero_blocks(&self, bench: &mut Bench, block: u64, blocks: u64) -> Result<Landed, Failed> {
        let total = self.runs.total();
        let range = bytes_of(block, blocks, total);
        if let Some(wrong) = self.options.expect.as_ref().and_then(|expect| not_zero(expect, block, blocks, total)) {
            let range = bytes_of(wrong, 1, total);
            return Err(Failed::NotAsExpected { offset: range.start, length: range.end - range.start });
        }
        let (mut written, mut changed) = (0_u64, 0_u64);
        match &self.options.since {
            None => written = self.zero_out(&mut bench.zeros, range.clone())?,
            Some(since) => {
                for one in (block..block.saturating_add(blocks)).filter(|one| since.list.get(*one) != Some(BlockHash::Zero)) {
                    let range = bytes_of(one, 1, total);
                    changed = changed.saturating_add(range.end - range.start);
                    written = written.saturating_add(self.zero_out(&mut bench.zeros, range)?);
                }
            }
        }
        let bytes = range.end - range.start;
        let line = self.options.hashes().then_some(BlockHash::Zero);
        Ok(Landed { block, blocks, kept: false, changed, line, bytes, holes: bytes, zeros: 0, written, unreadable: Vec::new() })
    }

    fn data_block(&self, bench: &mut Bench, block: u64) -> Result<Landed, Failed> {
        let range = bytes_of(block, 1, self.runs.total());
        let total = range.end - range.start;
        let data = self.runs.within(range.clone()).fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start));
        if let Some(pace) = &self.options.pace {
            pace.take(data, &|| self.stop.load(Ordering::Relaxed));
        }
        let mut unreadable = Vec::new();
        let bytes = read_block(self.source, self.runs, block, &mut bench.block, &mut unreadable)
            .map_err(|trouble| unread(self.source, self.runs.total(), trouble))?;
        let grain = self.sink.zero_grain().max(GRAIN);
        let content = Content::of(bytes, grain);
        let line = match (self.options.hashes(), content.filled.is_empty()) {
            (false, _) => None,
            (true, true) => Some(BlockHash::Zero),
            (true, false) => Some(BlockHash::Is(*blake3::hash(bytes).as_bytes())),
        };
        if let Some(line) = line {
            self.check_expected(block, bytes, line)?;
        }
        let mut written = 0_u64;
        let mut end = 0;
        let holes = total.saturating_sub(data);
        let zeros = (content.zeros as u64).saturating_sub(holes);
        // What could not be read is not known to be what it was: zeros are written, and told of.
        let as_before =
            unreadable.is_empty() && line.is_some() && self.options.since.as_ref().is_some_and(|since| since.list.get(block) == line);
        if as_before {
            return Ok(Landed { block, blocks: 1, kept: false, changed: 0, line, bytes: total, holes, zeros, written, unreadable });
        }
        for filled in &content.filled {
            let before = range.start.saturating_add(end as u64)..range.start.saturating_add(filled.start as u64);
            written = written.saturating_add(self.zero_out(&mut bench.zeros, before)?);
            let part = bytes.get(filled.clone()).unwrap_or_default();
            self.write(part, range.start.saturating_add(filled.start as u64))?;
            written = written.saturating_add(part.len() as u64);
            end = filled.end;
        }
        let after = range.start.saturating_add(end as u64)..range.end;
        written = written.saturating_add(self.zero_out(&mut bench.zeros, after)?);
        Ok(Landed { block, blocks: 1, kept: false, changed: total, line, bytes: total, holes, zeros, written, unreadable })
    }

    fn check_expected(&self, block: u64, bytes: &[u8], line: BlockHash) -> Result<(), Failed> {
        let Some(expect) = &self.options.expect else { return Ok(()) };
        if same(expect.get(block), line, bytes) {
            return Ok(());
        }
        let range = bytes_of(block, 1, self.runs.total());
        Err(Failed::NotAsExpected { offset: range.start, length: range.end - range.start })
    }

    /// Makes a range of the destination read as zeros. Gives how many bytes were written for that.
    fn zero_out(&self, zeros: &mut Option<Aligned>, range: Range<u64>) -> Result<u64, Failed> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 || self.zero_from.is_some_and(|from| range.start >= from) {
            return Ok(0);
        }
        let zeroed = self.sink.zero(range.start, length).map_err(|why| self.not_written(range.start, why))?;
        if zeroed {
            return Ok(0);
        }
        let zeros = zeros.get_or_insert_with(|| Aligned::new(block_length()));
        let mut at = range.start;
        while at < range.end {
            // A piece's own alignment in memory follows its offset on the disk, as for data.
            let skip = usize::try_from(at % ALIGN as u64).unwrap_or(0);
            let rest = zeros.bytes().get(skip..).unwrap_or_default();
            let now = rest.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
            if let Some(pace) = &self.options.pace {
                pace.take(now as u64, &|| self.stop.load(Ordering::Relaxed));
            }
            self.write(rest.get(..now).unwrap_or_default(), at)?;
            at = at.saturating_add(now as u64);
        }
        Ok(length)
    }

    fn write(&self, mut bytes: &[u8], mut offset: u64) -> Result<(), Failed> {
        while !bytes.is_empty() {
            match self.sink.write_at(bytes, offset) {
                Ok(0) => return Err(self.not_written(offset, io::ErrorKind::WriteZero.into())),
                Ok(wrote) => {
                    offset = offset.saturating_add(wrote as u64);
                    bytes = bytes.get(wrote..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.not_written(offset, error)),
            }
        }
        Ok(())
    }

    fn not_written(&self, offset: u64, why: io::Error) -> Failed {
        let full = [Errno::NOSPC, Errno::DQUOT].iter().any(|errno| why.raw_os_error() == Some(errno.raw_os_error()));
        if full { Failed::NoSpace { offset, missing: self.runs.data_from(offset) } } else { Failed::Write { offset, why } }
    }
}

/// Whether a block is what a list says. A list made by other tools may name the hash of a block of zeros.
pub fn same(expected: Option<BlockHash>, line: BlockHash, bytes: &[u8]) -> bool {
    match (expected, line) {
        (Some(expected @ BlockHash::Is(_)), BlockHash::Zero) => expected.matches(bytes),
        _ => expected == Some(line),
    }
}

/// Where a block has anything but zeros.
struct Content {
    /// In order, apart by at least the grain that was asked for.
    filled: Vec<Range<usize>>,
    /// Bytes of zeros, found in pieces of [`GRAIN`].
    zeros: usize,
}

impl Content {
    fn of(bytes: &[u8], apart: usize) -> Self {
        let mut filled: Vec<Range<usize>> = Vec::new();
        let mut zeros = 0;
        for (at, piece) in bytes.chunks(GRAIN).enumerate() {
            if is_zero(piece) {
                zeros += piece.len();
                continue;
            }
            let start = at * GRAIN;
            let end = start + piece.len();
            match filled.last_mut() {
                Some(last) if start - last.end < apart => last.end = end,
                _ => filled.push(start..end),
            }
        }
        Self { filled, zeros }
    }
}

/// Compares with zeros: the C library's comparison is the fastest way, and stops at the first byte that differs.
fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; GRAIN] = [0; GRAIN];
    bytes.chunks(GRAIN).all(|piece| ZEROS.get(..piece.len()) == Some(piece))
}
