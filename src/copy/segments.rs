//! An end that is a directory of segments: `000000`, `000001`, ... each a piece of one length of the disk, the last one shorter.
//!
//! So that a backup can share what did not change with the one before it on any file system: its segments are hard links. None is ever written
//! in place while it has another name: what changes becomes a file of its own first. To remove a backup is to remove its names, whatever
//! other backups share with it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FallocateFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::direct::{TidyReader, TidyWriter};
use super::ends::{Map, Sink, Source};
use super::extents::{GivenMap, HoleMap};
use super::hashes::BLOCK;

const MODE: Mode = Mode::from_raw_mode(0o600);
/// While a segment is being made it is called so.
const NEW: &str = ".new";
/// More than any disk is cut into.
const MOST: u64 = 1_000_000;
/// What is copied of a segment at once when it becomes a file of its own.
const STEP: usize = 1 << 20;

/// The name of a segment.
pub fn name(number: u64) -> String {
    format!("{number:06}")
}

/// Whether a segment, or one in the making, may be called so.
fn is_ours(name: &[u8]) -> bool {
    let name = name.strip_suffix(NEW.as_bytes()).unwrap_or(name);
    name.len() == 6 && name.iter().all(u8::is_ascii_digit)
}

/// A directory of segments.
#[derive(Debug)]
pub struct Segments {
    dir: OwnedFd,
    segment: u64,
    total: AtomicU64,
    /// The earlier disk whose segments are taken over.
    base: Option<OwnedFd>,
    making: Mutex<()>,
    writer: TidyWriter,
}

impl Segments {
    /// To be written; its length is told later. With a `base`, all of that is taken over first.
    pub fn to_write(dir: OwnedFd, segment: u64, base: Option<OwnedFd>) -> io::Result<Self> {
        if segment < BLOCK || !segment.is_power_of_two() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("segments of {segment} bytes are not possible")));
        }
        Ok(Self { dir, segment, total: AtomicU64::new(0), base, making: Mutex::new(()), writer: TidyWriter::default() })
    }

    /// To be read: the first segment tells how long they are, the last one where the disk ends.
    pub fn to_read(dir: OwnedFd) -> io::Result<Self> {
        let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let mut numbers = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name.len() == 6 && is_ours(name) {
                let number = std::str::from_utf8(name).ok().and_then(|text| text.parse::<u64>().ok());
                numbers.push(number.ok_or_else(|| broken("a segment's name is no number"))?);
            }
        }
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        if count == 0 || numbers.last() != Some(&(count - 1)) {
            return Err(broken("segments of the disk are missing"));
        }
        let one = Self { dir, segment: BLOCK, total: AtomicU64::new(0), base: None, making: Mutex::new(()), writer: TidyWriter::default() };
        let length =
            |number: u64| one.open(number, false)?.ok_or_else(|| broken("a segment went away"))?.metadata().map(|facts| facts.len());
        let segment = length(0)?;
        let last = length(count - 1)?;
        for number in 1..count.saturating_sub(1) {
            if length(number)? != segment {
                return Err(broken("a segment is not as long as the others"));
            }
        }
        let total = (count - 1).checked_mul(segment).and_then(|before| before.checked_add(last));
        let total = total.filter(|_| last <= segment && (last > 0 || count == 1)).ok_or_else(|| broken("the last segment is too long"))?;
        if segment == 0 {
            return Ok(one);
        }
        Ok(Self { segment, total: AtomicU64::new(total), ..one })
    }

    fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn count(&self) -> u64 {
        self.total().div_ceil(self.segment)
    }

    fn bytes_of(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.segment).min(self.total());
        start..start.saturating_add(self.segment).min(self.total())
    }

    /// The parts of a range by segment: the segment, the offset in it, the length.
    fn parts(&self, range: Range<u64>) -> impl Iterator<Item = (u64, u64, u64)> + use<> {
        let segment = self.segment;
        let mut at = range.start;
        std::iter::from_fn(move || {
            let number = at.checked_div(segment)?;
            let within = at % segment;
            let length = (segment - within).min(range.end.saturating_sub(at));
            at = at.saturating_add(length);
            (length > 0).then_some((number, within, length))
        })
    }

    /// Never follows a link, and waits for nothing.
    fn open(&self, number: u64, write: bool) -> io::Result<Option<File>> {
        let way = if write { OFlags::RDWR } else { OFlags::RDONLY };
        match rustix::fs::openat(&self.dir, name(number), way | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => {
                let file = File::from(fd);
                if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(io::Error::other("a segment is no regular file")) }
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A segment that has this one name, of its full length. One that is shared is copied first, unless all of it is going to be written.
    fn own(&self, number: u64) -> io::Result<File> {
        if let Some(file) = self.open(number, true)?
            && file.metadata()?.nlink() == 1
        {
            return Ok(file);
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        // Another worker may have been quicker.
        let there = self.open(number, true)?;
        match there {
            Some(file) if file.metadata()?.nlink() == 1 => Ok(file),
            // The copier writes whole blocks: of a segment of one block nothing old is left.
            Some(old) if self.segment > BLOCK => self.make(number, Some(&old)),
            _ => self.make(number, None),
        }
    }

    /// A new file with what `old` holds, or zeros, in the place of what has the name now.
    fn make(&self, number: u64, old: Option<&File>) -> io::Result<File> {
        let new = format!("{}{NEW}", name(number));
        // One that an interrupted copy left.
        match rustix::fs::unlinkat(&self.dir, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.dir, &new, flags, MODE)?);
        let range = self.bytes_of(number);
        file.set_len(range.end - range.start)?;
        if let Some(old) = old {
            copy_data(old, &file, range.end - range.start)?;
        }
        rustix::fs::renameat(&self.dir, &new, &self.dir, name(number))?;
        Ok(file)
    }

    /// All segments of the earlier disk, under the same names here.
    fn take_over(&self, base: &OwnedFd) -> io::Result<()> {
        for number in 0..self.count() {
            let name = name(number);
            match rustix::fs::linkat(base, &name, &self.dir, &name, AtFlags::empty()) {
                Ok(()) => {}
                // It has as many names as the file system allows, or may not get one: it becomes a file of its own.
                Err(Errno::MLINK | Errno::PERM | Errno::XDEV) => {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                    let old = File::from(rustix::fs::openat(base, &name, flags, Mode::empty())?);
                    self.make(number, Some(&old))?;
                }
                Err(error) => return Err(error.into()),
            }
            let range = self.bytes_of(number);
            let there = self.open(number, false)?.ok_or_else(|| io::Error::other("a segment went away"))?.metadata()?.len();
            if there != range.end - range.start {
                return Err(io::Error::other(format!(
                    "segment {name} of the earlier backup has {there} bytes, not {}",
                    range.end - range.start
                )));
            }
        }
        Ok(())
    }

    /// Removes every segment that begins at or behind a byte; of one that begins before it, what is behind becomes zeros.
    fn cut(&self, keep: u64) -> io::Result<()> {
        for (name, number) in names(&self.dir)? {
            let start = number.saturating_mul(self.segment);
            if start >= keep || name.ends_with(NEW) {
                rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty())?;
            } else if start.saturating_add(self.segment) > keep {
                let file = self.own(number)?;
                file.set_len(keep - start)?;
                file.set_len(self.bytes_of(number).end.saturating_sub(start))?;
            }
        }
        Ok(())
    }
}

/// The segments in a directory, and those in the making.
fn names(dir: &OwnedFd) -> io::Result<Vec<(String, u64)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let number = name.get(..6).filter(|_| is_ours(name)).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let (Some(number), Ok(name)) = (number, std::str::from_utf8(name)) {
            names.push((name.to_owned(), number));
        }
        if names.len() as u64 > MOST {
            return Err(io::Error::other("there are more segments than any disk has"));
        }
    }
    Ok(names)
}

/// Removes all segments of a directory that a job made and takes back. What is no segment stays.
pub fn clear(dir: &OwnedFd) -> io::Result<()> {
    for (name, _) in names(dir)? {
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            rustix::fs::unlinkat(dir, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Holes stay holes.
fn copy_data(old: &File, new: &File, length: u64) -> io::Result<()> {
    let mut map = HoleMap::new(old);
    let mut room = vec![0; STEP];
    let mut at = 0;
    while let Some(run) = map.next_data(at)? {
        let end = run.end.min(length);
        at = run.start;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(STEP).min(STEP);
            let part = room.get_mut(..wanted).unwrap_or_default();
            let got = old.read_at(part, at)?;
            if got == 0 {
                return Ok(());
            }
            new.write_all_at(part.get(..got).unwrap_or_default(), at)?;
            at = at.saturating_add(got as u64);
        }
        if at >= length {
            break;
        }
    }
    Ok(())
}

impl Source for Segments {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.total())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(into.len() as u64).min(self.total());
        let Some((number, within, length)) = self.parts(offset..end).next() else { return Ok(0) };
        let into = into.get_mut(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
        if let Some(file) = self.open(number, false)? {
            return Ok(TidyReader::new(&file).read(&file, into, within)?);
        }
        // Not written yet: it will be zeros.
        into.fill(0);
        Ok(into.len())
    }

    fn sector(&self) -> usize {
        4096
    }
}

impl Sink for Segments {
    fn capacity(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn prepare(&self, total: u64, keep: u64) -> io::Result<Option<u64>> {
        if total.div_ceil(self.segment) > MOST {
            return Err(io::Error::other("the disk is too large for such segments"));
        }
        self.total.store(total, Ordering::Relaxed);
        match &self.base {
            None => {
                self.cut(keep)?;
                Ok(Some(keep))
            }
            Some(base) => {
                self.cut(0)?;
                self.take_over(base)?;
                Ok(None)
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let range = offset..offset.saturating_add(bytes.len() as u64);
        let Some((number, within, length)) = self.parts(range).next() else { return Ok(0) };
        let file = self.own(number)?;
        let part = bytes.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
        Ok(self.writer.write(&file, part, within, self.segment)?)
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<bool> {
        for (number, within, length) in self.parts(offset..offset.saturating_add(length)) {
            let range = self.bytes_of(number);
            if length == range.end - range.start {
                let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
                self.make(number, None)?;
                continue;
            }
            let file = self.own(number)?;
            match rustix::fs::fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, within, length) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn sync(&self) -> io::Result<()> {
        for number in 0..self.count() {
            // What was never written is zeros, and has its file all the same: a restore by hand is nothing but one after the other.
            if rustix::fs::statat(&self.dir, name(number), AtFlags::SYMLINK_NOFOLLOW).is_err_and(|error| error == Errno::NOENT) {
                let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
                if self.open(number, false)?.is_none() {
                    self.make(number, None)?;
                }
            }
        }
        // One call for tens of thousands of files.
        Ok(rustix::fs::syncfs(self.dir.as_fd())?)
    }

    fn reader(&self) -> &dyn Source {
        self
    }

    fn written(&self) -> io::Result<Box<dyn Map + '_>> {
        Ok(Box::new(self.map()?))
    }
}

impl Segments {
    /// Where its data lies, as the segments' files say it.
    pub fn map(&self) -> io::Result<GivenMap> {
        let mut data: Vec<Range<u64>> = Vec::new();
        for number in 0..self.count() {
            let Some(file) = self.open(number, false)? else { continue };
            let range = self.bytes_of(number);
            let mut map = HoleMap::new(&file);
            let mut at = 0;
            while let Some(run) = map.next_data(at)? {
                let run = range.start.saturating_add(run.start)..range.start.saturating_add(run.end).min(range.end);
                at = run.end.saturating_sub(range.start);
                match data.last_mut() {
                    Some(last) if last.end >= run.start => last.end = run.end.max(last.end),
                    _ => data.push(run),
                }
                if at >= range.end - range.start {
                    break;
                }
            }
        }
        Ok(GivenMap::of(data))
    }
}
