//! O_DIRECT, and what a copy leaves behind in the page cache: nothing that was not there before.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Advice, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::buffers::fits_direct;

/// `RWF_DONTCACHE` (Linux 6.14): what this call brings into the page cache leaves it with the call; what was there stays. rustix has no name for it.
const DONTCACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// The same file or device, opened once more past the page cache. The first one stays as it is. Not every file system or driver accepts it.
pub fn direct(file: &File, writing: bool) -> io::Result<File> {
    let access = if writing { OFlags::RDWR } else { OFlags::RDONLY };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // NONBLOCK and NOCTTY mean nothing to files and devices, and keep anything else from being disturbed by being opened.
    let flags = access | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Asks the kernel to start writing what of a range is dirty, and to drop what is clean. Advice: nothing depends on it.
pub fn forget(file: &File, offset: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
}

const PAGE: usize = 4096;

/// Whether a call was refused for its flag, not for its range.
fn is_unknown(error: Errno) -> bool {
    matches!(error, Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS)
}

/// Ways to read a regular file.
const UNTRIED: u8 = 0;
const DROPS_BEHIND: u8 = 1;
const THROUGH: u8 = 2;
const PAST: u8 = 3;

/// Reads a regular file with the page cache left as it was: what was in it stays, what was not does not come.
///
/// Linux 6.14 and later do that on request (`RWF_DONTCACHE`), on most file systems. Elsewhere a file of which nearly all is cached is read through the
/// cache, and every other past it: reading it through would bring in more than is asked for, which later reads could not tell from what was there.
#[derive(Debug)]
pub struct TidyReader {
    way: AtomicU8,
    past: Option<File>,
}

impl TidyReader {
    pub fn new(file: &File) -> Self {
        Self { way: AtomicU8::new(UNTRIED), past: direct(file, false).ok() }
    }

    /// Never through the cache where that is possible: what the disk holds, not what memory does.
    pub fn from_disk(file: &File) -> Self {
        let past = direct(file, false).ok();
        Self { way: AtomicU8::new(if past.is_some() { PAST } else { THROUGH }), past }
    }

    /// What it reads comes through the cache, and leaves it again.
    pub fn is_through(&self) -> bool {
        self.way.load(Ordering::Relaxed) == THROUGH
    }

    pub fn read(&self, file: &File, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
        let mut way = self.way.load(Ordering::Relaxed);
        if way <= DROPS_BEHIND {
            match vectored_read(file, into, offset, DONTCACHE) {
                Err(error) if way == UNTRIED && is_unknown(error) => {
                    way = if self.past.is_some() && !mostly_cached(file) { PAST } else { THROUGH };
                    self.way.store(way, Ordering::Relaxed);
                }
                other => {
                    self.way.store(DROPS_BEHIND, Ordering::Relaxed);
                    return other;
                }
            }
        }
        if let Some(past) = self.past.as_ref().filter(|_| way == PAST && fits_direct(into, offset, PAGE)) {
            match rustix::io::pread(past, &mut *into, offset) {
                Err(Errno::INVAL) => self.way.store(THROUGH, Ordering::Relaxed),
                other => return other,
            }
        }
        read_through(file, into, offset)
    }
}

/// Bytes that can be had without waiting were in the cache, and stay; what had to be waited for is dropped again.
fn read_through(file: &File, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
    match vectored_read(file, into, offset, ReadWriteFlags::NOWAIT) {
        Ok(got) if got > 0 => return Ok(got),
        _ => {}
    }
    let got = rustix::io::pread(file, &mut *into, offset)?;
    forget(file, offset, got as u64);
    Ok(got)
}

/// Asks for a page here and there. A page that was not there is dropped again.
fn mostly_cached(file: &File) -> bool {
    const ASKED: u64 = 64;
    let Ok(length) = file.metadata().map(|facts| facts.len()) else { return false };
    let mut page = [0; PAGE];
    let mut missing = 0;
    // A page, and not what the kernel would read ahead.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Random);
    for at in 0..ASKED {
        let offset = length / ASKED * at;
        if !matches!(vectored_read(file, &mut page, offset, ReadWriteFlags::NOWAIT), Ok(got) if got > 0) && offset < length {
            missing += 1;
            forget(file, offset, PAGE as u64);
        }
    }
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Normal);
    missing <= ASKED / 16
}

/// Writes a regular file with the page cache left as it was, as far as the kernel helps: with `RWF_DONTCACHE`, or by advice.
#[derive(Debug, Default)]
pub struct TidyWriter {
    way: AtomicU8,
}

impl TidyWriter {
    /// By advice, what was written `behind` bytes further down is on the disk by now, and is dropped.
    pub fn write(&self, file: &File, bytes: &[u8], offset: u64, behind: u64) -> Result<usize, Errno> {
        let way = self.way.load(Ordering::Relaxed);
        if way <= DROPS_BEHIND {
            match rustix::io::pwritev2(file, &[io::IoSlice::new(bytes)], offset, DONTCACHE) {
                Err(error) if way == UNTRIED && is_unknown(error) => self.way.store(THROUGH, Ordering::Relaxed),
                other => {
                    self.way.store(DROPS_BEHIND, Ordering::Relaxed);
                    return other;
                }
            }
        }
        let wrote = rustix::io::pwrite(file, bytes, offset)?;
        forget(file, offset, wrote as u64);
        if let Some(earlier) = offset.checked_sub(behind) {
            forget(file, earlier, wrote as u64);
        }
        Ok(wrote)
    }
}

fn vectored_read(file: &File, into: &mut [u8], offset: u64, flags: ReadWriteFlags) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(into)], offset, flags)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::super::buffers::Aligned;
    use super::*;

    const LENGTH: usize = 8 << 20;

    /// On the disk, and not in memory any more; nothing where a file system lives in memory.
    fn cold_file() -> Option<(File, Vec<u8>)> {
        let bytes: Vec<u8> = (0..LENGTH).map(|at| u8::try_from(at / 4096 % 251).unwrap_or(0)).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.sync_all().unwrap();
        forget(&file, 0, 0);
        let cold = !mostly_cached(&file);
        // The pages that were asked for are on their way: dropped when they have come.
        std::thread::sleep(std::time::Duration::from_millis(50));
        forget(&file, 0, 0);
        cold.then_some((file, bytes))
    }

    fn read_all(reader: &TidyReader, file: &File) -> Vec<u8> {
        let mut all = Vec::new();
        let mut block = Aligned::new(1 << 20);
        while all.len() < LENGTH {
            let got = reader.read(file, block.bytes_mut(), all.len() as u64).unwrap();
            all.extend_from_slice(&block.bytes()[..got]);
        }
        all
    }

    #[test]
    fn reading_leaves_the_page_cache_as_it_was() {
        for unknown_flag in [false, true] {
            let Some((file, bytes)) = cold_file() else { return };
            let reader = TidyReader::new(&file);
            if unknown_flag {
                // What an older kernel leads to.
                reader.way.store(PAST, Ordering::Relaxed);
            }
            assert!(read_all(&reader, &file) == bytes, "way {:?} reads something else", reader.way);
            assert!(!mostly_cached(&file), "a backup would push what guests need out of memory (way {:?})", reader.way);
            let _ = vectored_read(&file, &mut vec![0; LENGTH], 0, ReadWriteFlags::empty());
            assert!(mostly_cached(&file));
            let warm = TidyReader::new(&file);
            assert!(read_all(&warm, &file) == bytes);
            assert!(mostly_cached(&file), "a backup would throw out what guests have in memory");
        }
    }

    #[test]
    fn every_way_reads_the_same() {
        let Some((file, bytes)) = cold_file() else { return };
        for way in [UNTRIED, THROUGH, PAST] {
            let reader = TidyReader { way: AtomicU8::new(way), ..TidyReader::new(&file) };
            assert!(read_all(&reader, &file) == bytes, "way {way} reads something else");
        }
    }
}
