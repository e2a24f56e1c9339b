//! The ends of a copy as open files and block devices.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::Control;
use super::buffers::{Aligned, fits_direct};
use super::checkpoint::Identity;
use super::direct::{TidyReader, TidyWriter, direct, forget};
use super::ends::{ALIGN, Map, Sink, Source};
use super::engine::Copier;
use super::extents::{GivenMap, HoleMap, Runs};
use super::hashes::HashList;
use super::nbd::NbdSource;
use super::segments::Segments;
use super::task::{Destination, Done, Failed, Options, Task};
use super::verify::compare;

/// What was written this far before is on the disk by now, and can leave the page cache.
const BEHIND: u64 = 64 << 20;

/// One end of a copy, open.
#[derive(Debug)]
pub enum Opened {
    /// A regular file or block device.
    File(File),
    /// A directory of segments.
    Segments(Segments),
    /// What an NBD server offers; only ever read.
    Nbd(Box<NbdSource>),
}

impl From<File> for Opened {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl From<Segments> for Opened {
    fn from(segments: Segments) -> Self {
        Self::Segments(segments)
    }
}

/// Copies one end onto another. The source needs to be readable, the destination readable and writable.
///
/// Progress, checkpoints and stopping go through `control`, on this thread. When it returns well, the copy has reached the disk; the name of a new
/// file has not (syncing its directory is the caller's).
pub fn copy(source: impl Into<Opened>, destination: impl Into<Opened>, task: &Task, control: &mut dyn Control) -> Result<Done, Failed> {
    let prepare = |why| Failed::Prepare { why };
    match destination.into() {
        Opened::File(file) => {
            let sink = FileSink::new(file, task.destination).map_err(prepare)?;
            let mut done = copy_onto(source.into(), &sink, task, control)?;
            done.notes.extend(sink.back.note("destination"));
            if task.options.verify && sink.back.reader.is_through() {
                let says = "The file system of the destination does not take O_DIRECT: the copy was read back through the page cache.";
                done.notes.push(says.into());
            }
            Ok(done)
        }
        Opened::Segments(segments) => copy_onto(source.into(), &segments, task, control),
        Opened::Nbd(_) => Err(prepare(io::Error::new(io::ErrorKind::Unsupported, "an NBD export is only read"))),
    }
}

fn copy_onto(source: Opened, sink: &dyn Sink, task: &Task, control: &mut dyn Control) -> Result<Done, Failed> {
    let prepare = |why| Failed::Prepare { why };
    let given = task.source_map.as_ref().map(|extents| GivenMap::new(extents));
    match source {
        Opened::File(file) => {
            let source = FileSource::new(file).map_err(prepare)?;
            let identity = source.identity().map_err(prepare)?;
            let mut map: Box<dyn Map> = match given {
                Some(given) => Box::new(given),
                None if source.device => Box::new(GivenMap::all(source.bytes().map_err(prepare)?)),
                None => Box::new(HoleMap::new(&source.file)),
            };
            let mut copier = Copier { source: &source, map: map.as_mut(), sink, options: &task.options, identity };
            let mut done = copier.run(control)?;
            done.notes.extend(source.note("source"));
            Ok(done)
        }
        Opened::Segments(source) => {
            let mut map = given.map_or_else(|| source.map(), Ok).map_err(prepare)?;
            Copier { source: &source, map: &mut map, sink, options: &task.options, identity: None }.run(control)
        }
        Opened::Nbd(source) => {
            let mut map = given.map_or_else(|| source.map(), Ok).map_err(prepare)?;
            Copier { source: source.as_ref(), map: &mut map, sink, options: &task.options, identity: None }.run(control)
        }
    }
}

/// Reads the first `total` bytes of a file or device and holds them against a list of hashes. The failure names the first block that differs.
pub fn verify(file: File, total: u64, expect: &HashList, options: &Options, control: &mut dyn Control) -> Result<(), Failed> {
    let prepare = |why| Failed::Prepare { why };
    let source = FileSource::new(file).map_err(prepare)?;
    let has = source.bytes().map_err(prepare)?;
    if has < total {
        return Err(Failed::SourceChanged { was: total, is: has });
    }
    let mut map: Box<dyn Map> = if source.device { Box::new(GivenMap::all(total)) } else { Box::new(HoleMap::new(&source.file)) };
    let runs = Runs::collect(map.as_mut(), total, &mut || true).map_err(prepare)?;
    compare(&source, &runs, expect, options, &crate::model::Progress::default(), control)
}

/// A regular file or block device, read with the page cache left as it was: a device with O_DIRECT.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    device: bool,
    /// A device past the page cache, as long as the driver takes it.
    direct: Option<File>,
    /// The driver took the flag and not the reads, or not even the flag.
    refused: AtomicBool,
    unit: usize,
    reader: TidyReader,
}

impl FileSource {
    pub fn new(file: File) -> io::Result<Self> {
        let device = is_device(&file)?;
        let past = if device { direct(&file, false).ok() } else { None };
        let refused = AtomicBool::new(device && past.is_none());
        Ok(Self { device, refused, direct: past, unit: unit(&file, device), reader: TidyReader::new(&file), file })
    }

    /// What the disk holds, not what memory does, as far as that can be had.
    fn from_disk(file: File) -> io::Result<Self> {
        Ok(Self { reader: TidyReader::from_disk(&file), ..Self::new(file)? })
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        if self.device {
            return Ok(None);
        }
        let facts = self.file.metadata()?;
        Ok(Some(Identity {
            device: facts.dev(),
            inode: facts.ino(),
            bytes: facts.size(),
            modified_seconds: facts.mtime(),
            modified_nanoseconds: u64::try_from(facts.mtime_nsec()).unwrap_or(0),
        }))
    }

    fn note(&self, end: &str) -> Option<String> {
        self.refused.load(Ordering::Relaxed).then(|| format!("The {end} does not take O_DIRECT: it went through the page cache."))
    }
}

impl Source for FileSource {
    fn bytes(&self) -> io::Result<u64> {
        length(&self.file, self.device)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(direct) = &self.direct
            && !self.refused.load(Ordering::Relaxed)
            && fits_direct(into, offset, self.unit)
        {
            match rustix::io::pread(direct, &mut *into, offset) {
                Err(Errno::INVAL) => self.refused.store(true, Ordering::Relaxed),
                other => return Ok(other?),
            }
        }
        if !self.device {
            return Ok(self.reader.read(&self.file, into, offset)?);
        }
        // Another domain may write beneath this cache: drop what it holds before the read, and what the read leaves after it.
        forget(&self.file, offset, into.len() as u64);
        let read = rustix::io::pread(&self.file, &mut *into, offset)?;
        forget(&self.file, offset, into.len() as u64);
        Ok(read)
    }

    fn sector(&self) -> usize {
        self.unit
    }
}

/// So many bytes from an offset, past the page cache where that is possible; fewer at the end.
pub fn read_aligned(source: &dyn Source, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut room = Aligned::new(length.next_multiple_of(ALIGN));
    let mut filled = 0;
    while filled < length {
        let into = room.bytes_mut().get_mut(filled..).unwrap_or_default();
        match source.read_at(into, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(room.bytes().get(..filled.min(length)).unwrap_or_default().to_vec())
}

/// A regular file or block device that is written; a device with O_DIRECT.
#[derive(Debug)]
pub struct FileSink {
    file: File,
    kind: Destination,
    device: bool,
    direct: Option<File>,
    refused: AtomicBool,
    unit: usize,
    writer: TidyWriter,
    /// Index of the way to make zeros that is tried next.
    zeroing: AtomicU8,
    back: FileSource,
}

/// Ways to make a range read as zeros without sending zeros, the best one first: giving its room back; marking it.
const ZEROING: [FallocateFlags; 2] = [FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE];

impl FileSink {
    pub fn new(file: File, kind: Destination) -> io::Result<Self> {
        let device = is_device(&file)?;
        let direct = if device { direct(&file, true).ok() } else { None };
        Ok(Self {
            back: FileSource::from_disk(file.try_clone()?)?,
            unit: unit(&file, device),
            device,
            direct,
            refused: AtomicBool::new(false),
            writer: TidyWriter::default(),
            zeroing: AtomicU8::new(0),
            kind,
            file,
        })
    }
}

impl Sink for FileSink {
    fn capacity(&self) -> io::Result<Option<u64>> {
        match self.kind {
            Destination::Device { .. } => length(&self.file, self.device).map(Some),
            _ if self.device => length(&self.file, true).map(Some),
            Destination::New | Destination::Replaced | Destination::Earlier => Ok(None),
        }
    }

    fn prepare(&self, total: u64, keep: u64) -> io::Result<Option<u64>> {
        match self.kind {
            Destination::Device { zero } => Ok((zero && keep == 0).then_some(0)),
            // Said to be a file, and is none: nothing is known of it.
            _ if self.device => Ok(None),
            Destination::New => {
                self.file.set_len(keep)?;
                self.file.set_len(total)?;
                Ok(Some(keep))
            }
            // What stands there is known by its hashes alone.
            Destination::Earlier => {
                self.file.set_len(total)?;
                Ok(None)
            }
            Destination::Replaced => {
                let before = length(&self.file, false)?;
                self.file.set_len(total)?;
                Ok(Some(before))
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if let Some(direct) = &self.direct
            && !self.refused.load(Ordering::Relaxed)
        {
            // The end of a source may be no multiple of a sector: that rest goes through the cache.
            let whole = bytes.get(..bytes.len() / self.unit * self.unit).unwrap_or_default();
            if !whole.is_empty() && fits_direct(whole, offset, self.unit) {
                match rustix::io::pwrite(direct, whole, offset) {
                    Err(Errno::INVAL) => self.refused.store(true, Ordering::Relaxed),
                    other => return Ok(other?),
                }
            }
        }
        if self.device {
            let wrote = rustix::io::pwrite(&self.file, bytes, offset)?;
            forget(&self.file, offset, wrote as u64);
            return Ok(wrote);
        }
        Ok(self.writer.write(&self.file, bytes, offset, BEHIND)?)
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<bool> {
        loop {
            let way = self.zeroing.load(Ordering::Relaxed);
            let Some(flags) = ZEROING.get(usize::from(way)) else { return Ok(false) };
            match rustix::fs::fallocate(&self.file, *flags | FallocateFlags::KEEP_SIZE, offset, length) {
                Ok(()) => return Ok(true),
                Err(Errno::INTR) => {}
                // This range is not of whole sectors; another may be.
                Err(Errno::INVAL) if !(offset | length).is_multiple_of(ALIGN as u64) => return Ok(false),
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NODEV | Errno::PERM) => {
                    self.zeroing.store(way.saturating_add(1), Ordering::Relaxed);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn zero_grain(&self) -> usize {
        // A device is asked to zero whole blocks only: each request has its price, and thin volumes give back no less.
        if self.device { 1 << 20 } else { 32 << 10 }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()?;
        // All of it came through this copy, or is no longer what was cached before.
        forget(&self.file, 0, 0);
        Ok(())
    }

    fn reader(&self) -> &dyn Source {
        &self.back
    }

    fn written(&self) -> io::Result<Box<dyn Map + '_>> {
        Ok(Box::new(HoleMap::new(&self.file)))
    }
}

fn is_device(file: &File) -> io::Result<bool> {
    let kind = file.metadata()?.file_type();
    if kind.is_block_device() || kind.is_file() {
        return Ok(kind.is_block_device());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a regular file nor a block device"))
}

/// A device's node has no size of its own: its end is asked for.
fn length(file: &File, device: bool) -> io::Result<u64> {
    if device { Ok(rustix::fs::seek(file, SeekFrom::End(0))?) } else { Ok(file.metadata()?.len()) }
}

/// Bytes of a logical sector: what O_DIRECT is aligned to. Of files, a page.
fn unit(file: &File, device: bool) -> usize {
    let sector = if device { rustix::fs::ioctl_blksszget(file).ok() } else { None };
    sector.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| bytes.is_power_of_two() && *bytes <= ALIGN).unwrap_or(ALIGN)
}
