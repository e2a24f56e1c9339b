//! Writes partition tables, for the demo machine and for tests.

use super::gpt::crc32;
use crate::probe::laid::Laid;

/// An MBR with up to four partitions: type, first sector, sectors (of 512 bytes). Its size reaches to the end of the last one.
pub fn mbr(id: u32, partitions: &[(u8, u32, u32)]) -> Laid {
    let mut sector = vec![0; 440];
    sector.extend_from_slice(&id.to_le_bytes());
    sector.extend_from_slice(&[0; 2]);
    for (kind, start, sectors) in partitions.iter().take(4) {
        sector.extend_from_slice(&[0, 0, 0, 0, *kind, 0, 0, 0]);
        sector.extend_from_slice(&start.to_le_bytes());
        sector.extend_from_slice(&sectors.to_le_bytes());
    }
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xaa]);
    let end = partitions.iter().map(|(_, start, sectors)| (u64::from(*start) + u64::from(*sectors)) * 512).max();
    Laid { pieces: vec![(0, sector)], size: end.unwrap_or(512) }
}

/// Linux file system data, as a GPT stores the type.
const LINUX: [u8; 16] = [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];

/// A GPT with its protective MBR and its backup, on a disk of `bytes` with sectors of `sector` bytes. Partitions are of type Linux:
/// name, first sector, last sector.
pub fn gpt(guid: [u8; 16], sector: u64, bytes: u64, partitions: &[(&str, u64, u64)]) -> Laid {
    let last = (bytes / sector).saturating_sub(1);
    let mut entries = Vec::new();
    for (index, (name, first, end)) in (1_u8..).zip(partitions.iter().take(128)) {
        let mut entry = LINUX.to_vec();
        entry.extend_from_slice(&[index; 16]);
        for field in [*first, *end, 0] {
            entry.extend_from_slice(&field.to_le_bytes());
        }
        entry.extend(name.encode_utf16().take(36).flat_map(u16::to_le_bytes));
        entry.resize(128, 0);
        entries.extend_from_slice(&entry);
    }
    entries.resize(128 * 128, 0);
    let span = (entries.len() as u64).div_ceil(sector);
    let header = |own: u64, other: u64, list: u64| {
        let mut header = b"EFI PART\0\0\x01\0\x5c\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        for field in [own, other, 2 + span, last.saturating_sub(1 + span)] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        header.extend_from_slice(&guid);
        header.extend_from_slice(&list.to_le_bytes());
        for field in [128, 128, crc32(&entries)] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        let sum = crc32(&header).to_le_bytes();
        if let Some(field) = header.get_mut(16..20) {
            field.copy_from_slice(&sum);
        }
        header
    };
    let mut out = mbr(0, &[(0xee, 1, u32::try_from(last).unwrap_or(u32::MAX))]);
    let backup = last.saturating_sub(span);
    out.pieces.push((sector, header(1, last, 2)));
    out.pieces.push((2 * sector, entries.clone()));
    out.pieces.push((backup.saturating_mul(sector), entries.clone()));
    out.pieces.push((last.saturating_mul(sector), header(last, 1, backup)));
    out.size = bytes;
    out
}
