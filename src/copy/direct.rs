//! O_DIRECT, and what a copy leaves behind in the page cache: nothing that was not there before.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Advice, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

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

/// Reads and writes through the page cache that leave it as it was, by the best way that this kernel and file system know. What they do not know is
/// found out by the first call.
#[derive(Debug, Default)]
pub struct Tidy {
    /// 0 before the first call.
    way: AtomicU8,
}

const DROPS_BEHIND: u8 = 1;
const BY_ADVICE: u8 = 2;

impl Tidy {
    /// Without `RWF_DONTCACHE`: bytes that can be had without waiting were in the cache, and stay; what had to be waited for is dropped again.
    pub fn read(&self, file: &File, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
        if self.way.load(Ordering::Relaxed) != BY_ADVICE {
            match vectored_read(file, into, offset, DONTCACHE) {
                Err(error) if self.refused(error) => {}
                other => return other,
            }
        }
        match vectored_read(file, into, offset, ReadWriteFlags::NOWAIT) {
            Ok(0) | Err(_) => {}
            Ok(got) => return Ok(got),
        }
        let got = rustix::io::pread(file, &mut *into, offset)?;
        forget(file, offset, got as u64);
        Ok(got)
    }

    /// Without `RWF_DONTCACHE`: `behind` bytes further down, what was written earlier is on the disk by now, and is dropped.
    pub fn write(&self, file: &File, bytes: &[u8], offset: u64, behind: u64) -> Result<usize, Errno> {
        if self.way.load(Ordering::Relaxed) != BY_ADVICE {
            match rustix::io::pwritev2(file, &[io::IoSlice::new(bytes)], offset, DONTCACHE) {
                Err(error) if self.refused(error) => {}
                other => return other,
            }
        }
        let wrote = rustix::io::pwrite(file, bytes, offset)?;
        forget(file, offset, wrote as u64);
        if let Some(earlier) = offset.checked_sub(behind) {
            forget(file, earlier, wrote as u64);
        }
        Ok(wrote)
    }

    /// Whether the flag is unknown here, not the call wrong.
    fn refused(&self, error: Errno) -> bool {
        let refused = matches!(error, Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) && self.way.load(Ordering::Relaxed) != DROPS_BEHIND;
        self.way.store(if refused { BY_ADVICE } else { DROPS_BEHIND }, Ordering::Relaxed);
        refused
    }
}

fn vectored_read(file: &File, into: &mut [u8], offset: u64, flags: ReadWriteFlags) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(into)], offset, flags)
}
