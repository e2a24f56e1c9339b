//! The table in sector 0: disk id at 440, four entries of 16 bytes at 446, `55 aa` at 510.
//!
//! An entry: 0 boot flag (0x00 or 0x80), 4 type, 8 first sector, 12 sectors. An extended partition (05, 0f, 85) holds a chain of
//! boot records of the same shape: the first entry is a logical partition, relative to its own record; the second leads to the next
//! record, relative to the start of the extended partition.

use super::{Partition, SECTOR, Table, TableKind};
use crate::probe::bytes_at::{self, BytesAt, le_u32};

/// Type of the entry by which a GPT keeps old tools away.
pub(super) const PROTECTIVE: &str = "ee";
/// Records of one chain that are followed: Linux numbers far fewer logical partitions.
const CHAIN_LIMIT: usize = 60;
const BYTES: u64 = SECTOR as u64;

struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Entry {
    fn is_used(&self) -> bool {
        self.kind != 0 && self.sectors != 0
    }

    fn is_extended(&self) -> bool {
        self.is_used() && matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    fn partition(&self, number: u32, base: u64) -> Partition {
        Partition {
            number,
            start: base.saturating_add(self.start).saturating_mul(BYTES),
            bytes: self.sectors.saturating_mul(BYTES),
            kind: format!("{:02x}", self.kind),
            name: None,
        }
    }
}

/// The four entries in the order of their places; nothing when it is no such record.
fn entries(sector: &[u8]) -> Option<Vec<Entry>> {
    if sector.get(510..512) != Some(&[0x55, 0xaa]) {
        return None;
    }
    (0..4).map(|index| entry(sector, 446 + index * 16)).collect()
}

/// `None` when this cannot be an entry.
fn entry(sector: &[u8], at: usize) -> Option<Entry> {
    let (flag, kind) = (*sector.get(at)?, *sector.get(at + 4)?);
    if !matches!(flag, 0x00 | 0x80) {
        return None;
    }
    let (start, sectors) = (u64::from(le_u32(sector, at + 8)?), u64::from(le_u32(sector, at + 12)?));
    Some(Entry { kind, start, sectors })
}

pub(super) fn look(src: &dyn BytesAt, sector: &[u8]) -> Option<Table> {
    let entries = entries(sector)?;
    let id = le_u32(sector, 440).filter(|id| *id != 0).map(|id| format!("{id:08x}"));
    let mut table = Table { kind: TableKind::Mbr, id, sector: BYTES, partitions: Vec::new(), trouble: Vec::new() };
    for (number, entry) in (1..).zip(&entries) {
        if entry.is_used() {
            table.partitions.push(entry.partition(number, 0));
        }
    }
    // A sector of boot code can look like entries by chance; none that starts beyond the disk is real.
    if table.partitions.iter().any(|part| part.start >= src.size() && part.kind != PROTECTIVE) {
        table.trouble.push("a partition starts beyond the end of the disk".to_owned());
    }
    if let Some(extended) = entries.iter().find(|entry| entry.is_extended()) {
        chain(src, extended.start, &mut table);
    }
    Some(table)
}

fn chain(src: &dyn BytesAt, extended: u64, table: &mut Table) {
    let mut at = extended;
    let mut seen = Vec::new();
    for number in (5..).take(CHAIN_LIMIT) {
        if seen.contains(&at) {
            return table.trouble.push("the chain of logical partitions leads in a circle".to_owned());
        }
        seen.push(at);
        let record = match bytes_at::exact(src, at.saturating_mul(BYTES), SECTOR) {
            Ok(Some(sector)) => entries(&sector),
            Ok(None) => None,
            Err(error) => return table.trouble.push(format!("the logical partitions could not all be read: {error}")),
        };
        let Some(record) = record else {
            return table.trouble.push(format!("no record of a logical partition stands at sector {at}, where the chain leads"));
        };
        if let Some(logical) = record.first().filter(|logical| logical.is_used()) {
            table.partitions.push(logical.partition(number, at));
        }
        match record.get(1) {
            Some(next) if next.is_extended() => at = extended.saturating_add(next.start),
            _ => return,
        }
    }
    table.trouble.push(format!("the chain of logical partitions is longer than {CHAIN_LIMIT}"));
}
