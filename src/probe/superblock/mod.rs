//! What lies in the bytes of a disk: file systems, swap, LVM, encryption, RAID, partition tables.
//!
//! Disks are read raw and never mounted: even a read-only mount replays a journal and so changes a guest's disk.

pub mod build;
mod ext;
mod other;

#[cfg(test)]
mod tests;

use super::bytes_at::{self, BytesAt};
use super::partitions::{self, TableKind};
use crate::host::Answer;
use crate::model::Signature;

/// Bytes that are read of one disk at most, all partitions together.
const BYTES_LIMIT: u64 = 384 << 10;
/// A file system that begins here must show itself within these bytes: the first sectors ...
const FRONT: usize = 8 << 10;
/// ... or behind these marks, as offset and length: ISO 9660, and btrfs or GFS2.
const FURTHER: [(u64, usize); 2] = [(32 << 10, 2048), (64 << 10, 4096)];
/// `blank` is said of a backing whose first bytes, as many as these, are all zero.
const BLANK: u64 = 64 << 10;

/// What was recognised, disk first, then its partitions by number.
///
/// `starts_with_partition_table_allowed`: false for a backing that a guest sees as one partition (`xvda1`), where only offset 0 counts.
/// An error only when not even the first sector could be read; what else cannot be read is left out.
pub fn signatures(src: &dyn BytesAt, starts_with_partition_table_allowed: bool) -> Answer<Vec<Signature>> {
    let mut purse = BYTES_LIMIT;
    // The one read whose failure is the caller's to know of.
    bytes_at::up_to(src, 0, partitions::SECTOR)?;
    let mut found = at(&Window { src, start: 0, bytes: src.size() }, None, true, &mut purse);
    if !starts_with_partition_table_allowed {
        return Ok(found);
    }
    let Ok(Some(table)) = partitions::table(src) else { return Ok(found) };
    let kind = match table.kind {
        TableKind::Mbr => "mbr",
        TableKind::Gpt => "gpt",
    };
    found.push(Signature { uuid: table.id, ..signature(kind, 0, None) });
    for part in table.partitions {
        let window = Window { src, start: part.start, bytes: part.bytes.min(src.size().saturating_sub(part.start)) };
        found.extend(at(&window, Some(part.number), false, &mut purse));
    }
    Ok(found)
}

fn signature(kind: &str, offset: u64, partition: Option<u32>) -> Signature {
    Signature { offset, partition, kind: kind.to_owned(), uuid: None, label: None, bytes: None, times: None }
}

/// A disk or one of its partitions.
struct Window<'a> {
    src: &'a dyn BytesAt,
    start: u64,
    bytes: u64,
}

impl Window<'_> {
    /// At most `len` bytes from `offset`, fewer at the end; empty when they cannot be read or the purse is empty.
    fn read(&self, offset: u64, len: usize, purse: &mut u64) -> Vec<u8> {
        let there = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        let Some(left) = purse.checked_sub(there as u64) else { return Vec::new() };
        *purse = left;
        let at = self.start.saturating_add(offset);
        bytes_at::as_much_as_there(self.src, at, &[there, there.min(2048), there.min(1024)]).unwrap_or_default()
    }
}

/// What begins at the start of a window.
fn at(window: &Window, partition: Option<u32>, whole: bool, purse: &mut u64) -> Vec<Signature> {
    if window.bytes == 0 {
        return Vec::new();
    }
    let front = window.read(0, FRONT, purse);
    let mut found: Vec<Signature> = ext::look(&front).into_iter().chain(other::front(&front)).collect();
    if found.is_empty() && (whole || front.len() == FRONT) {
        let [iso, deep] = FURTHER.map(|(offset, len)| window.read(offset, len, purse));
        found.extend(other::iso9660(&iso).into_iter().chain(other::deep(&deep)).chain(other::zfs(&window.read(16 << 10, 1024, purse))));
    }
    if found.is_empty() && whole {
        found.extend(other::md_at_end(window.bytes, |offset| window.read(offset, 256, purse)));
    }
    if found.is_empty() && whole && !front.is_empty() && front.iter().all(|byte| *byte == 0) && is_blank(window, front.len(), purse) {
        found.push(signature("blank", 0, None));
    }
    for signature in &mut found {
        signature.offset = window.start;
        signature.partition = partition;
    }
    found
}

fn is_blank(window: &Window, done: usize, purse: &mut u64) -> bool {
    let rest = usize::try_from(BLANK.min(window.bytes)).unwrap_or_default().saturating_sub(done);
    let bytes = window.read(done as u64, rest, purse);
    bytes.len() == rest && bytes.iter().all(|byte| *byte == 0)
}
