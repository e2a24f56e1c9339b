//! Bytes and extents of regular files and block devices. Nothing else is ever opened: opening a FIFO waits for a writer, opening a tape
//! or a terminal changes it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::facts::{a_kind, kind_of};
use crate::host::{Answer, FileType, HostError};
use crate::model::{Extent, ExtentKind};

/// The most that one call reads.
const MOST: usize = 64 << 20;

/// Read at a time, so that a length that was asked for but is not there takes no memory.
const STEP: usize = 1 << 20;

/// Alignment that O_DIRECT accepts on every device: no logical sector is larger.
const ALIGN: usize = 4096;

/// Runs of data and holes of one file; beyond it the file is reported as too fragmented rather than held in memory.
const MOST_EXTENTS: usize = 1_000_000;

struct Opened {
    fd: OwnedFd,
    block_device: bool,
    /// O_DIRECT was accepted.
    direct: bool,
    size: u64,
}

/// Opens without side effects: `O_PATH` opens the name and not the thing, its type is checked, and that very thing is opened.
fn open(path: &Path) -> Answer<Opened> {
    let name = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let facts = rustix::fs::fstat(&name)?;
    let kind = kind_of(File::from(name.try_clone()?).metadata()?.file_type());
    let block_device = match kind {
        FileType::Regular => false,
        FileType::Block => true,
        other => return Err(HostError::Refused { why: format!("{}, neither a file nor a block device", a_kind(other)) }),
    };
    let through = PathBuf::from(format!("/proc/self/fd/{}", name.as_raw_fd()));
    let plain = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut wishes = vec![(plain | OFlags::NOATIME, false), (plain, false)];
    if block_device {
        wishes.splice(0..0, [(plain | OFlags::DIRECT, true)]);
    }
    let mut refusal = Errno::NOENT;
    for (flags, direct) in wishes {
        match rustix::fs::open(&through, flags, Mode::empty()) {
            Ok(fd) => return Ok(Opened { fd, block_device, direct, size: u64::try_from(facts.st_size).unwrap_or(0) }),
            // NOATIME is for a file's owner; DIRECT is not for every driver.
            Err(error) => refusal = error,
        }
    }
    Err(refusal.into())
}

pub fn read_at(path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
    if len > MOST {
        return Err(HostError::Refused { why: format!("more than {} at once", crate::model::bytes::human(MOST as u64)) });
    }
    let opened = open(path)?;
    if !opened.block_device {
        return Ok(read_through_cache(&opened.fd, offset, len)?);
    }
    if opened.direct {
        match read_direct(&opened.fd, offset, len) {
            Err(Errno::INVAL) => {}
            other => return Ok(other?),
        }
        // The driver took the flag and not the read.
        rustix::fs::fcntl_setfl(&opened.fd, OFlags::NONBLOCK)?;
    }
    // Another domain writes beneath this cache: drop what it holds before the read, and what the read leaves after it.
    let forget = || rustix::fs::fadvise(&opened.fd, offset, std::num::NonZeroU64::new(len as u64), Advice::DontNeed);
    forget()?;
    let bytes = read_through_cache(&opened.fd, offset, len)?;
    forget()?;
    Ok(bytes)
}

/// Reads until `len` or the end. Files of /proc say that they are empty and are not, so the size is no guide.
fn read_through_cache(fd: impl AsFd, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut step = vec![0; len.min(STEP)];
    while bytes.len() < len {
        let wanted = (len - bytes.len()).min(step.len());
        let Some(window) = step.get_mut(..wanted) else { break };
        let at = offset.checked_add(bytes.len() as u64).filter(|at| i64::try_from(*at).is_ok());
        let Some(at) = at else { break };
        match rustix::io::pread(&fd, &mut *window, at) {
            Ok(0) => break,
            Ok(got) => bytes.extend_from_slice(window.get(..got).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The same past the page cache: offset, length and buffer aligned, the surplus cut off.
fn read_direct(fd: impl AsFd, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let lead = usize::try_from(offset % ALIGN as u64).unwrap_or(0);
    let start = offset - lead as u64;
    let whole = (lead + len).next_multiple_of(ALIGN);
    let mut memory = vec![0_u8; whole.min(STEP) + ALIGN];
    let skip = memory.as_ptr().align_offset(ALIGN);
    let window = memory.get_mut(skip..).and_then(|rest| rest.get_mut(..whole.min(STEP))).ok_or(Errno::NOMEM)?;
    let mut bytes = Vec::new();
    while bytes.len() < whole {
        let wanted = (whole - bytes.len()).min(window.len());
        let part = window.get_mut(..wanted).ok_or(Errno::NOMEM)?;
        let Some(at) = start.checked_add(bytes.len() as u64).filter(|at| i64::try_from(*at).is_ok()) else { break };
        let got = match rustix::io::pread(&fd, &mut *part, at) {
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(part.get(..got).unwrap_or_default());
        // A read that stops between two units of alignment stopped at the device's end.
        if got == 0 || got % ALIGN != 0 {
            break;
        }
    }
    bytes.drain(..lead.min(bytes.len()));
    bytes.truncate(len);
    Ok(bytes)
}

/// Data and holes as the file system tells them. A block device is all data: it knows no holes.
pub fn extents(path: &Path) -> Answer<Vec<Extent>> {
    let opened = open(path)?;
    if opened.block_device {
        let size = rustix::fs::seek(&opened.fd, SeekFrom::End(0))?;
        return Ok(run(0, size, ExtentKind::Data).into_iter().collect());
    }
    let size = opened.size;
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(&opened.fd, SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            // No data after this point.
            Err(Errno::NXIO) => size,
            // A file system that knows no holes: all data, which is always right.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(error) => return Err(error.into()),
        };
        extents.extend(run(at, data, ExtentKind::Zero));
        if data >= size {
            break;
        }
        let hole = match rustix::fs::seek(&opened.fd, SeekFrom::Hole(data)) {
            Ok(hole) => hole.min(size),
            Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => size,
            Err(error) => return Err(error.into()),
        };
        extents.extend(run(data, hole, ExtentKind::Data));
        // A file that is written meanwhile can answer with what is behind us.
        if hole <= at {
            return Err(HostError::Failed { why: "the file changed while its extents were read".to_owned() });
        }
        at = hole;
        if extents.len() > MOST_EXTENTS {
            return Err(HostError::Refused { why: format!("more than {MOST_EXTENTS} pieces") });
        }
    }
    Ok(extents)
}

fn run(start: u64, end: u64, kind: ExtentKind) -> Option<Extent> {
    let length = end.checked_sub(start).filter(|length| *length > 0)?;
    Some(Extent { start, length, kind })
}
