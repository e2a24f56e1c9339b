//! Reading one piece against its list of hashes. Several threads read and hash; each holds one block, so memory does not grow with the piece.
//!
//! Blocks in holes are not read: a hole is zeros. What is read and what stays in the page cache is the caller's: it hands in the reader
//! ([`FromDisk`] leaves the cache to others, and asks the disk and not the memory what was written).

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::Advice;

use super::hash_list::{ListError, Reader};
use crate::model::bundle::{HASH_BLOCK, Piece, PieceVerdict};
use crate::model::hashes::{BlockHash, block_range, blocks};
use crate::model::{Extent, ExtentKind, Progress};

/// Bytes that can be read from anywhere by several at once.
pub trait ReadAt: Sync {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }
}

/// A file that is read from the disk and not from memory: what the disk holds is asked, and the page cache is for others.
pub struct FromDisk(File);

impl FromDisk {
    pub fn new(file: File) -> Self {
        // Advice only: where it is not taken, the bytes come from memory.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        Self(file)
    }
}

impl ReadAt for FromDisk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = ReadAt::read_at(&self.0, buffer, offset)?;
        let _ = rustix::fs::fadvise(&self.0, offset, NonZeroU64::new(count as u64), Advice::DontNeed);
        Ok(count)
    }
}

/// Reads from the front.
pub struct FromStart<'a> {
    pub bytes: &'a dyn ReadAt,
    pub at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

/// A piece's file.
#[derive(Clone, Copy)]
pub struct PieceFile<'a> {
    pub bytes: &'a dyn ReadAt,
    /// Bytes that the file has.
    pub length: u64,
    /// Data and holes, in order and without gaps; what no extent covers is read.
    pub extents: &'a [Extent],
}

/// More threads than this only make a disk seek.
const MOST_THREADS: usize = 8;
/// Blocks of a hole between two words of progress.
const HOLES_AT_ONCE: u64 = 4096;

/// Reads a piece and compares it, block by block, with the list of hashes, and the list with the digest that the manifest names.
pub fn verify_piece(
    piece: &Piece,
    file: PieceFile<'_>,
    list: impl Read + Send,
    progress: &(dyn Fn(&Progress) + Sync),
    stop: &AtomicBool,
) -> PieceVerdict {
    let feed = Feed { list: Reader::new(list), next: 0, hole: 0, trouble: None, surplus: false };
    let work = Work { piece, file, feed: Mutex::new(feed), found: Mutex::new(Found::default()), count: Count::default(), progress, stop };
    let threads = thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST_THREADS);
    thread::scope(|scope| {
        // This thread works too: where no other can be started, it does all.
        for _ in 1..threads {
            let _ = thread::Builder::new().spawn_scoped(scope, || work.work());
        }
        work.work();
    });
    work.verdict()
}

/// A block to be read.
struct Job {
    index: u64,
    start: u64,
    length: u64,
    expected: BlockHash,
}

/// Hands out the blocks in their order.
struct Feed<R: Read> {
    list: Reader<R>,
    next: u64,
    /// Index of the extent at which the next block lies.
    hole: usize,
    trouble: Option<ListError>,
    /// The list goes on behind the piece's end.
    surplus: bool,
}

#[derive(Default)]
struct Found {
    /// One bit for each block that is wrong.
    bad: Vec<u64>,
    bad_blocks: u64,
    read_error: Option<(u64, String)>,
}

#[derive(Default)]
struct Count {
    done: AtomicU64,
    holes: AtomicU64,
    zeros: AtomicU64,
    unreadable: AtomicU64,
}

struct Work<'a, R: Read> {
    piece: &'a Piece,
    file: PieceFile<'a>,
    feed: Mutex<Feed<R>>,
    found: Mutex<Found>,
    count: Count,
    progress: &'a (dyn Fn(&Progress) + Sync),
    stop: &'a AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Read> Work<'_, R> {
    fn work(&self) {
        let mut buffer = vec![0; usize::try_from(HASH_BLOCK).unwrap_or(0)];
        while !self.stop.load(Ordering::Relaxed) {
            let Some(job) = self.next() else { break };
            let block = usize::try_from(job.length).ok().and_then(|length| buffer.get_mut(..length)).unwrap_or_default();
            match read_full(self.file.bytes, block, job.start) {
                Ok(read) => {
                    // A file that is shorter than its piece is told of as a whole; of its last block the part that is there can be zeros.
                    let there = block.get(..read).unwrap_or_default();
                    let cut = (read as u64) < job.length;
                    if !(job.expected.matches(there) || cut && job.expected != BlockHash::Zero && self.file.length < self.piece.bytes) {
                        self.found_bad(job.index);
                    }
                    let zeros = if job.expected == BlockHash::Zero { job.length } else { 0 };
                    self.count.zeros.fetch_add(zeros, Ordering::Relaxed);
                }
                Err(error) => {
                    self.found_bad(job.index);
                    self.count.unreadable.fetch_add(job.length, Ordering::Relaxed);
                    let mut found = locked(&self.found);
                    if found.read_error.as_ref().is_none_or(|(at, _)| *at > job.start) {
                        found.read_error = Some((job.start, error.to_string()));
                    }
                }
            }
            self.count.done.fetch_add(job.length, Ordering::Relaxed);
            self.tell();
        }
    }

    /// The next block that must be read. Blocks in holes, and behind the end of a file that is too short, are settled on the way.
    fn next(&self) -> Option<Job> {
        let mut feed = locked(&self.feed);
        let mut since_told = 0;
        loop {
            if feed.trouble.is_some() || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let expected = match feed.list.next()? {
                Ok(expected) => expected,
                Err(error) => {
                    feed.trouble = Some(error);
                    return None;
                }
            };
            let index = feed.next;
            let Some((start, length)) = block_range(index, self.piece.bytes) else {
                // The rest of the list is only read for its digest.
                feed.surplus = true;
                continue;
            };
            feed.next = index.saturating_add(1);
            if start >= self.file.length {
                self.count.done.fetch_add(length, Ordering::Relaxed);
                continue;
            }
            if !feed.in_hole(self.file.extents, start, length) {
                return Some(Job { index, start, length, expected });
            }
            if expected != BlockHash::Zero && !is_hash_of_zeros(expected, length) {
                self.found_bad(index);
            }
            self.count.holes.fetch_add(length, Ordering::Relaxed);
            self.count.done.fetch_add(length, Ordering::Relaxed);
            since_told += 1;
            if since_told % HOLES_AT_ONCE == 0 {
                self.tell();
            }
        }
    }

    fn found_bad(&self, index: u64) {
        let mut found = locked(&self.found);
        let Ok(word) = usize::try_from(index / 64) else { return };
        if found.bad.len() <= word {
            found.bad.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = found.bad.get_mut(word) {
            *bits |= 1 << (index % 64);
        }
        found.bad_blocks = found.bad_blocks.saturating_add(1);
    }

    fn tell(&self) {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (self.progress)(&Progress {
            done: number(&self.count.done),
            total: Some(self.piece.bytes),
            holes: number(&self.count.holes),
            zeros: number(&self.count.zeros),
            unreadable: number(&self.count.unreadable),
            verifying: true,
            ..Progress::default()
        });
    }

    fn verdict(self) -> PieceVerdict {
        self.tell();
        let stopped = self.stop.load(Ordering::Relaxed);
        let (piece, length) = (self.piece, self.file.length);
        let feed = self.feed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let all = blocks(piece.bytes);
        let mut troubles = Vec::new();
        let first_run = first_run(&found.bad, piece.bytes);
        let mut first_bad = first_run;
        let mut earlier = |range: (u64, u64)| {
            if first_bad.is_none_or(|first| first.0 > range.0) {
                first_bad = Some(range);
            }
        };
        if length < piece.bytes {
            earlier((length, piece.bytes - length));
            troubles.push(format!("its file has {length} bytes, not {}: it ends too early", piece.bytes));
        } else if length > piece.bytes {
            earlier((piece.bytes, length - piece.bytes));
            troubles.push(format!("its file has {length} bytes, not {}: something was added", piece.bytes));
        }
        if let Some(range) = first_run {
            let count = found.bad_blocks;
            let are = if count == 1 { "is" } else { "are" };
            troubles.push(format!("{count} of {all} blocks {are} not what was written, first {}", in_words(range)));
        }
        if let Some((at, error)) = found.read_error {
            troubles.push(format!("it could not be read at byte {at}: {error}"));
        }
        let summary = feed.list.summary();
        if let Some(error) = feed.trouble {
            troubles.push(format!("its list of hashes is damaged at {error}"));
        } else if feed.surplus {
            troubles.push(format!("its list of hashes has {} lines for {all} blocks", summary.blocks));
        } else if feed.next < all && !stopped {
            troubles.push(format!("its list of hashes has {} lines for {all} blocks: the others could not be compared", summary.blocks));
        } else if summary.digest != piece.digest && !stopped {
            troubles.push("its list of hashes is not the one that the manifest names".to_owned());
        }
        if stopped {
            troubles.push("it was not read to its end: it was asked to stop".to_owned());
        }
        PieceVerdict {
            name: piece.name.clone(),
            kind: piece.kind.clone(),
            bytes: piece.bytes,
            found: Some(length),
            blocks: all,
            bad_blocks: found.bad_blocks,
            first_bad,
            troubles,
            unreadable: piece.unreadable_bytes(),
        }
    }
}

impl<R: Read> Feed<R> {
    /// Whether a block lies wholly in holes. Blocks come in their order, so the extents are walked once.
    fn in_hole(&mut self, extents: &[Extent], start: u64, length: u64) -> bool {
        let end = start.saturating_add(length);
        while extents.get(self.hole).is_some_and(|extent| extent.end() <= start) {
            self.hole = self.hole.saturating_add(1);
        }
        let mut at = start;
        for extent in extents.get(self.hole..).unwrap_or_default() {
            if extent.kind != ExtentKind::Zero || extent.start > at {
                return false;
            }
            at = at.max(extent.end());
            if at >= end {
                return true;
            }
        }
        false
    }
}

/// `bytes 1048576 to 2097151`.
pub fn in_words((start, length): (u64, u64)) -> String {
    format!("bytes {start} to {}", start.saturating_add(length.saturating_sub(1)))
}

/// Another program may have hashed zeros that domkeep would have called `zero`.
fn is_hash_of_zeros(expected: BlockHash, length: u64) -> bool {
    usize::try_from(length.min(HASH_BLOCK)).is_ok_and(|length| expected.matches(&vec![0; length]))
}

/// Reads until the buffer is full or the bytes end.
fn read_full(bytes: &dyn ReadAt, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let Some(at) = offset.checked_add(read as u64) else { break };
        match bytes.read_at(rest, at) {
            Ok(0) => break,
            Ok(count) => read = read.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The first run of wrong blocks, as offset and length.
fn first_run(bad: &[u64], bytes: u64) -> Option<(u64, u64)> {
    let is_bad = |index: u64| {
        let word = usize::try_from(index / 64).ok().and_then(|word| bad.get(word)).copied().unwrap_or(0);
        word >> (index % 64) & 1 == 1
    };
    let word = bad.iter().position(|word| *word != 0)?;
    let first = (word as u64).saturating_mul(64).saturating_add(u64::from(bad.get(word)?.trailing_zeros()));
    let mut end = first;
    while is_bad(end) {
        end = end.saturating_add(1);
    }
    let (start, _) = block_range(first, bytes)?;
    let (last, length) = block_range(end.saturating_sub(1), bytes)?;
    Some((start, last.saturating_add(length).saturating_sub(start)))
}
