//! An NBD export as a source: the point-in-time disk that QEMU offers on a UNIX socket while a backup job is at work, with the map of what is data in
//! it. Only what that needs of the protocol: fixed newstyle, structured replies, metadata contexts, reading
//! (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md).
//!
//! Whoever is at the other end is not trusted with more than the bytes: lengths are bounded, ranges are held against what was asked, and after the
//! first error on the wire nothing more is read from it. An error that the server tells of one range is one of that range.

mod wire;

use std::io;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ends::Source;
use super::extents::GivenMap;
use wire::{Chunk, Wire, protocol};

/// What is data, and what reads as zeros.
const ALLOCATION: &str = "base:allocation";
/// QEMU writes that changed since a checkpoint.
const DIRTY: &str = "qemu:dirty-bitmap:";
/// A server that says nothing for so long is gone: no read of a disk takes that long.
const SILENCE: Duration = Duration::from_secs(120);
/// Of one question for a map; the protocol's lengths have 32 bits.
const MOST_ASKED: u64 = 1 << 30;
/// Of one read.
const MOST_READ: usize = 8 << 20;
/// Runs of one map: QEMU's clusters of 64 KiB, all of them apart, on a disk of 16 TiB would have more; nobody's memory is for that.
const MOST_RUNS: usize = 1 << 22;

const FLAG_ZERO: u32 = 2;
const FLAG_DIRTY: u32 = 1;

/// One export, open.
#[derive(Debug)]
pub struct NbdSource {
    bytes: u64,
    wire: Mutex<Wire>,
    allocation: Option<u32>,
    dirty: Option<u32>,
}

impl NbdSource {
    /// Opens an export by its name. `bitmap` is the name of the dirty bitmap that must be offered with it.
    pub fn open(stream: UnixStream, export: &str, bitmap: Option<&str>) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut wire = Wire::greet(stream)?;
        let mut wanted = vec![ALLOCATION.to_owned()];
        wanted.extend(bitmap.map(|name| format!("{DIRTY}{name}")));
        let contexts = wire.contexts(export, &wanted)?;
        let of = |wanted: Option<&String>| contexts.iter().find(|(_, name)| Some(name) == wanted).map(|(id, _)| *id);
        let (allocation, dirty) = (of(wanted.first()), of(wanted.get(1)));
        if bitmap.is_some() && dirty.is_none() {
            return Err(protocol("the server keeps no such dirty bitmap"));
        }
        let bytes = wire.go(export)?;
        Ok(Self { bytes, wire: Mutex::new(wire), allocation, dirty })
    }

    /// Which bytes are data. Where the server does not tell, all are.
    pub fn map(&self) -> io::Result<GivenMap> {
        match self.allocation {
            Some(context) => Ok(GivenMap::of(self.runs(context, |flags| flags & FLAG_ZERO == 0)?)),
            None => Ok(GivenMap::all(self.bytes)),
        }
    }

    /// Which bytes were written to since the checkpoint; nothing: no bitmap was asked for.
    pub fn dirty(&self) -> io::Result<Option<Vec<Range<u64>>>> {
        self.dirty.map(|context| self.runs(context, |flags| flags & FLAG_DIRTY != 0)).transpose()
    }

    fn runs(&self, context: u32, wanted: impl Fn(u32) -> bool) -> io::Result<Vec<Range<u64>>> {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        while at < self.bytes {
            let asked = (self.bytes - at).min(MOST_ASKED);
            let mut end = at;
            for (length, flags) in wire.status(context, at, asked)? {
                // The last one may reach beyond what was asked.
                let next = end.saturating_add(u64::from(length)).min(self.bytes);
                if next == end {
                    return Err(wire.broken("a range without a length"));
                }
                if wanted(flags) {
                    match runs.last_mut() {
                        Some(last) if last.end == end => last.end = next,
                        _ => runs.push(end..next),
                    }
                }
                end = next;
            }
            if end == at {
                return Err(wire.broken("no answer about a range"));
            }
            if runs.len() > MOST_RUNS {
                return Err(protocol("its map has more ranges than can be kept in memory"));
            }
            at = end;
        }
        Ok(runs)
    }
}

impl Source for NbdSource {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left).min(MOST_READ);
        let Some(into) = into.get_mut(..wanted).filter(|into| !into.is_empty()) else { return Ok(0) };
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled: Vec<Range<usize>> = Vec::new();
        let mut trouble = None;
        wire.read(offset, wanted, &mut |chunk| {
            let (at, bytes) = match chunk {
                Chunk::Data { offset: at, bytes } => (at, Some(bytes)),
                Chunk::Hole { offset: at, .. } => (at, None),
                Chunk::Error(error) => {
                    trouble = Some(error);
                    return Ok(());
                }
            };
            let length = match chunk {
                Chunk::Data { bytes, .. } => bytes.len(),
                Chunk::Hole { length, .. } => length,
                Chunk::Error(_) => 0,
            };
            let start = usize::try_from(at.checked_sub(offset).ok_or("bytes from before what was asked")?).map_err(|_| "a wild offset")?;
            let end = start.checked_add(length).ok_or("a wild length")?;
            let part = into.get_mut(start..end).ok_or("bytes from beyond what was asked")?;
            match bytes {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
            filled.push(start..end);
            Ok(())
        })?;
        if let Some(error) = trouble {
            return Err(error);
        }
        // Ranges that were answered twice would hide others that never were.
        filled.sort_by_key(|part| part.start);
        let end = filled.iter().try_fold(0, |end, part| (part.start == end).then_some(part.end));
        if end != Some(wanted) {
            return Err(wire.broken("not exactly the bytes that were asked for"));
        }
        Ok(wanted)
    }
}
