//! Partition tables: MBR with its chain of extended boot records, and GPT (UEFI specification, chapter 5).
//! Integers are little-endian; addresses are counted in sectors.

pub mod build;
mod gpt;
mod mbr;

#[cfg(test)]
mod tests;

use super::bytes_at::{self, BytesAt};
use crate::host::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Mbr,
    Gpt,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub kind: TableKind,
    /// The disk's GUID (GPT) or its 32-bit id in hexadecimal (MBR), as blkid shows them.
    pub id: Option<String>,
    /// Bytes of a sector: 512, or 4096 for the image of a disk with such sectors.
    pub sector: u64,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
    /// What contradicts itself.
    pub trouble: Vec<String>,
}

/// A partition: `sda3` has number 3. Logical partitions of an MBR count from 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub number: u32,
    /// Byte at which it starts.
    pub start: u64,
    pub bytes: u64,
    /// Type: a GUID (GPT), or two hexadecimal digits (MBR).
    pub kind: String,
    /// GPT only.
    pub name: Option<String>,
}

/// Most partitions that are listed: GPT's usual table has 128 entries.
pub(super) const PARTITIONS_LIMIT: usize = 128;
pub(super) const SECTOR: usize = 512;

/// The table at the start of a disk; nothing when there is none. An error only when the first sector could not be read.
///
/// A boot sector of FAT or NTFS, which ends in the same two bytes as an MBR, is no table.
pub fn table(src: &dyn BytesAt) -> Answer<Option<Table>> {
    let Some(sector) = bytes_at::exact(src, 0, SECTOR)? else { return Ok(None) };
    if is_file_systems_boot_sector(&sector) {
        return Ok(None);
    }
    let mbr = mbr::look(src, &sector);
    let protective = mbr.as_ref().is_some_and(|table| table.partitions.iter().any(|part| part.kind == mbr::PROTECTIVE));
    if protective {
        return Ok(Some(gpt::look(src).unwrap_or_else(gpt::lost)));
    }
    Ok(mbr.filter(|table| !table.partitions.is_empty()))
}

fn is_file_systems_boot_sector(sector: &[u8]) -> bool {
    let has = |at: usize, text: &[u8]| sector.get(at..at + text.len()) == Some(text);
    has(3, b"NTFS    ") || has(3, b"EXFAT   ") || has(3, b"-FVE-FS-") || has(0x52, b"FAT32   ") || has(0x36, b"FAT1") || has(0x36, b"FAT  ")
}
