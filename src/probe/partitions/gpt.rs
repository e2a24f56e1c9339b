//! GPT. The header stands in sector 1, its backup in the last one; nobody says how long a sector is, so 512 and 4096 bytes are tried.
//!
//! | at | bytes | header |
//! | --- | --- | --- |
//! | 0 | 8 | `EFI PART` |
//! | 12 | 4 | its own length |
//! | 16 | 4 | CRC-32 of it, counted with these four bytes zero |
//! | 56 | 16 | the disk's GUID |
//! | 72 | 8 | first sector of the entries |
//! | 80 | 4 | number of entries |
//! | 84 | 4 | bytes of an entry |
//! | 88 | 4 | CRC-32 of the entries |
//!
//! An entry: 0 type, 16 GUID, 32 first sector, 40 last sector (inclusive), 56 name in UTF-16.

use super::{PARTITIONS_LIMIT, Partition, Table, TableKind};
use crate::probe::bytes_at::{self, BytesAt, guid, le_u16, le_u32, le_u64};

const SECTORS: [u64; 2] = [512, 4096];
const ENTRY_LIMIT: usize = 4096;
const ENTRIES_BYTES_LIMIT: usize = 64 << 10;

/// The table, from the first header or its backup.
pub(super) fn look(src: &dyn BytesAt) -> Option<Table> {
    let first = SECTORS.into_iter().find_map(|sector| at(src, sector, sector));
    first.or_else(|| {
        let backup = SECTORS.into_iter().find_map(|sector| at(src, src.size().checked_sub(sector)?, sector));
        backup.map(|mut table| {
            table.trouble.push("the first GPT header is gone: read from the backup at the end".to_owned());
            table
        })
    })
}

/// There should be one, says the MBR, and there is none.
pub(super) fn lost() -> Table {
    let trouble = vec!["the MBR announces a GPT, but none could be read".to_owned()];
    Table { kind: TableKind::Gpt, id: None, sector: 512, partitions: Vec::new(), trouble }
}

fn at(src: &dyn BytesAt, offset: u64, sector: u64) -> Option<Table> {
    let header = bytes_at::if_there(src, offset, 512).filter(|header| header.starts_with(b"EFI PART"))?;
    let length = usize::try_from(le_u32(&header, 12)?).ok().filter(|length| (92..=512).contains(length))?;
    let mut table = Table { kind: TableKind::Gpt, id: guid(&header, 56), sector, partitions: Vec::new(), trouble: Vec::new() };
    let mut zeroed = header.get(..length)?.to_vec();
    zeroed.get_mut(16..20)?.fill(0);
    if le_u32(&header, 16) != Some(crc32(&zeroed)) {
        table.trouble.push("the checksum of the GPT header is wrong".to_owned());
    }
    entries(src, &header, &mut table);
    Some(table)
}

fn entries(src: &dyn BytesAt, header: &[u8], table: &mut Table) {
    let field = |at| le_u32(header, at).and_then(|value| usize::try_from(value).ok()).unwrap_or_default();
    let (count, size) = (field(80), field(84));
    if !(128..=ENTRY_LIMIT).contains(&size) || count == 0 {
        return table.trouble.push(format!("the GPT header claims {count} entries of {size} bytes"));
    }
    let wanted = count.saturating_mul(size);
    let bytes = wanted.min(ENTRIES_BYTES_LIMIT / size * size);
    let start = le_u64(header, 72).and_then(|sector| sector.checked_mul(table.sector)).unwrap_or(u64::MAX);
    let list = match bytes_at::exact(src, start, bytes) {
        Ok(Some(list)) => list,
        Ok(None) => return table.trouble.push("the GPT's entries would lie past the end".to_owned()),
        Err(error) => return table.trouble.push(format!("the GPT's entries could not be read: {error}")),
    };
    if bytes == wanted && le_u32(header, 88) != Some(crc32(&list)) {
        table.trouble.push("the checksum of the GPT's entries is wrong".to_owned());
    }
    let numbered = (1..).zip(list.chunks_exact(size));
    table.partitions = numbered.filter_map(|(number, entry)| partition(number, entry, table.sector)).take(PARTITIONS_LIMIT).collect();
}

fn partition(number: u32, entry: &[u8], sector: u64) -> Option<Partition> {
    let kind = guid(entry, 0)?;
    let (first, last) = (le_u64(entry, 32)?, le_u64(entry, 40)?);
    let units = (0..36).map_while(|index| le_u16(entry, 56 + index * 2)).take_while(|unit| *unit != 0);
    let name: String = char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Some(Partition {
        number,
        start: first.checked_mul(sector)?,
        bytes: last.checked_sub(first)?.saturating_add(1).saturating_mul(sector),
        kind,
        name: (!name.is_empty()).then_some(name),
    })
}

/// CRC-32 as in IEEE 802.3, bit by bit: a table has at most 64 KiB.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
