//! A classic snapshot's exception store (persistent, version 1): which chunks of the origin were written since the snapshot was taken.
//!
//! Linux `drivers/md/dm-snap-persistent.c`; all numbers little-endian. Chunk 0 is the header: `SnAp`, valid, version, chunk size in sectors.
//! Then areas of entries (16 bytes: the origin's chunk, the store's chunk), each followed by the data chunks that it names: area *a* is chunk
//! `1 + a * (E + 1)` with E entries in a chunk. The first entry that names the store's chunk 0 is the end.
//!
//! The set holds what was written to the origin, and what was written to the snapshot itself: the store cannot tell them apart. More than
//! what changed is no harm. The store must be read past the page cache: a cached page stays what it was however often the kernel writes below.

use std::io;

use super::Unusable;
use crate::model::BlockSet;

const SECTOR: u64 = 512;
const MAGIC: u32 = 0x7041_6e53;
const VERSION: u32 = 1;
const ENTRY: u64 = 16;
/// What one read takes: a multiple of what O_DIRECT wants.
const HEAD: usize = 4096;
/// LVM allows 4 KiB to 512 KiB; the kernel a little more.
const MOST_CHUNK_SECTORS: u32 = 1 << 15;

/// Reads so many bytes of the store from an offset, both multiples of 4096; fewer at its end.
pub type ReadStore<'a> = dyn FnMut(u64, usize) -> io::Result<Vec<u8>> + 'a;

/// The blocks of the origin that were written since the snapshot was taken.
pub fn read(read: &mut ReadStore<'_>, store_bytes: u64, origin_bytes: u64) -> Result<BlockSet, Unusable> {
    let failed = |error: io::Error| Unusable::new(format!("the snapshot's store could not be read: {error}"));
    let head = read(0, HEAD).map_err(failed)?;
    let chunk = header(&head)?;
    let entries = chunk / ENTRY;
    let chunks = store_bytes / chunk;
    let origin_chunks = origin_bytes.div_ceil(chunk);
    let length = usize::try_from(chunk).map_err(|_| Unusable::new("its chunks are too large"))?;
    let mut changed = BlockSet::none(origin_bytes);
    let mut area = 0_u64;
    loop {
        let place = entries.checked_add(1).and_then(|step| area.checked_mul(step)?.checked_add(1)).filter(|place| *place < chunks);
        // A store that is full to its last chunk has no area behind the last entries.
        let Some(place) = place else { return Ok(changed) };
        let offset = place.checked_mul(chunk).ok_or_else(|| Unusable::new("the store is larger than all disks"))?;
        let bytes = read(offset, length.max(HEAD)).map_err(failed)?;
        let Some(bytes) = bytes.get(..length) else {
            return Err(Unusable::new(format!("the store ends in the middle of its {}. list of chunks", area.saturating_add(1))));
        };
        for entry in bytes.chunks_exact(16) {
            let (old, new) = (number(entry, 0), number(entry, 8));
            if new == 0 {
                return Ok(changed);
            }
            if new >= chunks || old >= origin_chunks {
                return Err(Unusable::new("the store names chunks that are not there"));
            }
            changed.insert_bytes(old.saturating_mul(chunk)..old.saturating_add(1).saturating_mul(chunk));
        }
        area = area.saturating_add(1);
    }
}

/// Bytes of a chunk.
fn header(head: &[u8]) -> Result<u64, Unusable> {
    let word = |at: usize| {
        let bytes = head.get(at..at.saturating_add(4)).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(u32::from_le_bytes).ok_or_else(|| Unusable::new("the snapshot's store has no header"))
    };
    match (word(0)?, word(4)?, word(8)?, word(12)?) {
        (0, ..) => Err(Unusable::new("the snapshot's store was never used, or is not persistent")),
        (magic, ..) if magic != MAGIC => Err(Unusable::new("what lies in the snapshot's store is not known")),
        (_, valid, ..) if valid != 1 => Err(Unusable::new("the snapshot is invalid: its store was too small for what was written")),
        (.., version, _) if version != VERSION => Err(Unusable::new(format!("the snapshot's store has the unknown version {version}"))),
        (.., sectors) if !sectors.is_power_of_two() || sectors > MOST_CHUNK_SECTORS => {
            Err(Unusable::new(format!("chunks of {sectors} sectors are not possible")))
        }
        (.., sectors) => Ok(u64::from(sectors).saturating_mul(SECTOR)),
    }
}

fn number(entry: &[u8], at: usize) -> u64 {
    entry.get(at..at.saturating_add(8)).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]
    use proptest::prelude::*;

    use super::*;

    const ORIGIN: u64 = 64 << 20;

    /// A store as the kernel lays it out: chunks of so many sectors, and the origin's chunks that were written, in their order.
    fn store(sectors: u64, old_chunks: &[u64]) -> Vec<u8> {
        let chunk = (sectors * SECTOR) as usize;
        let entries = chunk / 16;
        let areas = old_chunks.len() / entries + 1;
        let mut bytes = vec![0; chunk * (1 + areas * (entries + 1))];
        bytes[..16].copy_from_slice(&[0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, sectors as u8, (sectors >> 8) as u8, 0, 0]);
        for (at, old) in old_chunks.iter().enumerate() {
            let (area, slot) = (at / entries, at % entries);
            let place = (1 + area * (entries + 1)) * chunk + slot * 16;
            let new = (1 + area * (entries + 1) + 1 + slot) as u64;
            bytes[place..place + 8].copy_from_slice(&old.to_le_bytes());
            bytes[place + 8..place + 16].copy_from_slice(&new.to_le_bytes());
        }
        bytes
    }

    fn changed(bytes: &[u8]) -> Result<BlockSet, Unusable> {
        let mut reader = |offset: u64, length: usize| {
            let from = (offset as usize).min(bytes.len());
            Ok(bytes[from..(from + length).min(bytes.len())].to_vec())
        };
        read(&mut reader, bytes.len() as u64, ORIGIN)
    }

    #[test]
    fn the_chunks_that_a_kernel_wrote_down_are_found() {
        // Seen on Linux 6.1: chunks of 4 KiB; 256, 5120, 5121 and 300 were written.
        let set = changed(&store(8, &[256, 5120, 5121, 300])).unwrap();
        assert_eq!(set.runs().collect::<Vec<_>>(), [1..2, 20..21], "a change would be left out of a backup");
        assert_eq!(changed(&store(8, &[])).unwrap().count(), 0);
    }

    #[test]
    fn an_area_that_is_full_is_followed_by_the_next() {
        for count in [254, 255, 256] {
            let chunks: Vec<u64> = (0..count).chain([5120]).collect();
            assert_eq!(changed(&store(8, &chunks)).unwrap().runs().last(), Some(20..21), "the last of {count} changes would be lost");
        }
        let many: Vec<u64> = (0..600).map(|at| at * 27).collect();
        let last = 599 * 27 * 4096 / (1 << 20);
        assert!(changed(&store(8, &many)).unwrap().contains(last), "what stands behind the second area would be lost");
    }

    #[test]
    fn a_store_that_is_not_whole_is_not_used() {
        let good = store(8, &[256, 300]);
        let wrong = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            changed(&bytes).expect_err("a damaged store would be believed").0
        };
        assert!(wrong(&|bytes| bytes[4] = 0).contains("invalid"));
        assert!(wrong(&|bytes| bytes[8] = 2).contains("version 2"));
        assert!(wrong(&|bytes| bytes[..4].fill(0)).contains("never used"));
        assert!(wrong(&|bytes| bytes[0] = 1).contains("not known"));
        for sectors in [0_u8, 3, 7] {
            assert!(wrong(&|bytes| bytes[12] = sectors).contains("not possible"));
        }
        assert!(wrong(&|bytes| bytes[4096..4104].fill(0xff)).contains("not there"));
        assert!(wrong(&|bytes| bytes[4104..4112].fill(0xff)).contains("not there"));
        assert!(wrong(&|bytes| bytes.truncate(2)).contains("no header"));
        let mut broken = |_: u64, _: usize| Err(rustix::io::Errno::IO.into());
        assert!(read(&mut broken, 1 << 20, ORIGIN).unwrap_err().0.contains("could not be read"));
    }

    proptest! {
        #[test]
        fn any_store_is_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 16..20_000), sectors in 0_u8..20) {
            bytes[..16].copy_from_slice(&[0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, sectors, 0, 0, 0]);
            let _ = changed(&bytes);
        }

        #[test]
        fn every_written_chunk_is_in_the_set(shift in 3_u32..6, written in prop::collection::vec(0_u64..ORIGIN / (32 << 10), 0..700)) {
            let sectors = 1_u64 << shift;
            let set = changed(&store(sectors, &written)).unwrap();
            let mut expected = BlockSet::none(ORIGIN);
            for chunk in &written {
                expected.insert_bytes(chunk * sectors * 512..(chunk + 1) * sectors * 512);
            }
            prop_assert_eq!(set, expected);
        }
    }
}
