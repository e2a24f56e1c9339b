//! A disk in memory that does what the worst disks do.

use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::io::Errno;

use super::super::ends::{Map, Sink, Source};
use super::super::extents::GivenMap;
use crate::model::Extent;

#[derive(Default)]
pub struct Faults {
    /// Every call moves at most so many bytes, and every third one is interrupted.
    pub short: Option<usize>,
    /// Sectors that cannot be read: byte ranges.
    pub unreadable: Vec<Range<u64>>,
    /// From this byte on there is no device any more.
    pub gone_from: Option<u64>,
    /// From this byte on there is no room.
    pub full_from: Option<u64>,
    /// No way to make zeros but writing them.
    pub only_writes: bool,
    /// After so many writes it wants the copy to stop.
    pub stop_after: Option<usize>,
    /// A bit that flips on its way to the disk: the byte's offset.
    pub flips: Option<u64>,
    /// Becomes this short after the first read.
    pub shrinks_to: Option<usize>,
}

#[derive(Default)]
pub struct Disk {
    pub bytes: Mutex<Vec<u8>>,
    /// What a power failure would leave.
    pub synced: Mutex<Vec<u8>>,
    pub extents: Option<Vec<Extent>>,
    pub faults: Faults,
    /// Its size is fixed; otherwise it is a new file.
    pub device: bool,
    pub writes: AtomicUsize,
    pub reads: Mutex<Vec<u64>>,
    pub calls: AtomicUsize,
    pub stopping: AtomicBool,
}

impl Disk {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: Mutex::new(bytes), ..Self::default() }
    }

    pub fn new_file() -> Self {
        Self::default()
    }

    pub fn device(length: usize, filled_with: u8) -> Self {
        Self { device: true, ..Self::of(vec![filled_with; length]) }
    }

    pub fn breaking(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    pub fn content(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub fn wants_to_stop(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub fn map(&self) -> GivenMap {
        match &self.extents {
            Some(extents) => GivenMap::new(extents),
            None => GivenMap::all(self.bytes.lock().unwrap().len() as u64),
        }
    }

    /// What is left after the machine went down: what was synced.
    pub fn after_a_crash(&self) -> Self {
        Self { device: self.device, ..Self::of(self.synced.lock().unwrap().clone()) }
    }

    fn at_most(&self, length: usize) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.faults.short {
            Some(_) if call % 3 == 2 => Err(Errno::INTR.into()),
            Some(short) => Ok(length.min(short)),
            None => Ok(length),
        }
    }

    fn is_gone(&self, offset: u64) -> io::Result<()> {
        if self.faults.gone_from.is_some_and(|from| offset >= from) { Err(Errno::NXIO.into()) } else { Ok(()) }
    }
}

impl Source for Disk {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.lock().unwrap().push(offset);
        self.is_gone(offset)?;
        let mut bytes = self.bytes.lock().unwrap();
        let from = (offset as usize).min(bytes.len());
        let length = self.at_most(into.len())?.min(bytes.len() - from);
        let range = offset..offset + length as u64;
        if self.faults.unreadable.iter().any(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(Errno::IO.into());
        }
        into[..length].copy_from_slice(&bytes[from..from + length]);
        if let Some(length) = self.faults.shrinks_to {
            bytes.truncate(length);
        }
        Ok(length)
    }
}

impl Sink for Disk {
    fn capacity(&self) -> io::Result<Option<u64>> {
        Ok(self.device.then(|| self.bytes.lock().unwrap().len() as u64))
    }

    fn prepare(&self, total: u64, keep: u64) -> io::Result<Option<u64>> {
        if self.device {
            return Ok(None);
        }
        let mut bytes = self.bytes.lock().unwrap();
        bytes.truncate(keep as usize);
        bytes.resize(total as usize, 0);
        Ok(Some(keep))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.is_gone(offset)?;
        let length = self.at_most(bytes.len())?;
        let full_from = self.faults.full_from.unwrap_or(u64::MAX);
        if offset >= full_from {
            return Err(Errno::NOSPC.into());
        }
        let length = length.min(usize::try_from(full_from - offset).unwrap_or(usize::MAX));
        let mut disk = self.bytes.lock().unwrap();
        disk[offset as usize..offset as usize + length].copy_from_slice(&bytes[..length]);
        if let Some(at) = self.faults.flips.filter(|at| (offset..offset + length as u64).contains(at)) {
            disk[at as usize] ^= 4;
        }
        let writes = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.faults.stop_after.is_some_and(|after| writes >= after) {
            self.stopping.store(true, Ordering::SeqCst);
        }
        Ok(length)
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<bool> {
        if self.faults.only_writes {
            return Ok(false);
        }
        self.bytes.lock().unwrap()[offset as usize..(offset + length) as usize].fill(0);
        Ok(true)
    }

    fn sync(&self) -> io::Result<()> {
        let bytes = self.content();
        *self.synced.lock().unwrap() = bytes;
        Ok(())
    }

    fn reader(&self) -> &dyn Source {
        self
    }

    fn written(&self) -> io::Result<Box<dyn Map + '_>> {
        Ok(Box::new(GivenMap::all(self.bytes.lock().unwrap().len() as u64)))
    }
}
