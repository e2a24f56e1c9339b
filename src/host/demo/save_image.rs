//! Save images in `xl save`'s own format (Xen: tools/xl/xl.h, docs/specs/libxl-migration-stream.pandoc, libxc-migration-stream.pandoc).
//! The memory pages are holes, so that an image has the size of a real one and takes little room.

use std::io::{Read, Seek, SeekFrom, Write};

use super::guest::{self, Guest};
use crate::host::{Answer, HostError};

const MAGIC: &[u8; 32] = b"Xen saved domain, xl format\n \0 \r";
const PAGE: u64 = 4096;
const PAGES_A_RECORD: u64 = 1024;

/// The bytes before the memory pages: header, config, both stream headers.
fn head(guest: &Guest) -> Vec<u8> {
    let config = guest::userdata(guest);
    let length = u32::try_from(config.len()).unwrap_or(u32::MAX);
    let mut bytes = MAGIC.to_vec();
    for number in [0x0102_0304, 3, 0, length.saturating_add(4), length] {
        bytes.extend(u32::to_le_bytes(number));
    }
    bytes.extend(config);
    bytes.extend(b"LibxlFmt");
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    record(&mut bytes, 1, &[]);
    bytes.extend(u64::MAX.to_be_bytes());
    bytes.extend(b"XENF");
    bytes.extend(3_u32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((if guest.kind == "pv" { 1_u32 } else { 2 }).to_le_bytes());
    bytes.extend(12_u16.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(17_u32.to_le_bytes());
    // STATIC_DATA_END, then X86_PV_INFO: 8-byte guest words, 4 levels of page tables.
    record(&mut bytes, 16, &[]);
    if guest.kind == "pv" {
        record(&mut bytes, 2, &[8, 4, 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

fn record(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    bytes.extend(kind.to_le_bytes());
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(body);
    bytes.extend(std::iter::repeat_n(0, body.len().next_multiple_of(8) - body.len()));
}

/// Writes a complete image of the guest; the bytes of its config's record, as `xl save` prints them.
pub fn write(file: &mut std::fs::File, guest: &Guest) -> Answer<usize> {
    let head = head(guest);
    file.write_all(&head)?;
    let pages = guest.memory_mib.saturating_mul(1 << 20) / PAGE;
    let mut first = 0;
    while first < pages {
        let count = PAGES_A_RECORD.min(pages - first);
        let length = 8 + count * 8 + count * PAGE;
        let mut part = Vec::new();
        part.extend(1_u32.to_le_bytes());
        part.extend(u32::try_from(length).unwrap_or(0).to_le_bytes());
        part.extend(u32::try_from(count).unwrap_or(0).to_le_bytes());
        part.extend([0; 4]);
        for page in first..first + count {
            part.extend(page.to_le_bytes());
        }
        file.write_all(&part)?;
        file.seek(SeekFrom::Current(i64::try_from(count * PAGE).unwrap_or(0)))?;
        first += count;
    }
    let mut tail = Vec::new();
    // libxc: TSC_INFO, END. libxl: END.
    record(&mut tail, 8, &[0; 24]);
    record(&mut tail, 0, &[]);
    record(&mut tail, 0, &[]);
    file.write_all(&tail)?;
    Ok(guest::userdata(guest).len() + 4)
}

/// Why `xl restore` would not take an image.
pub enum Unfit {
    NoHeader,
    WrongMagic,
    NoConfig(u32),
    /// Cut in the memory: the guest is known.
    Cut(Box<Guest>, u32),
}

/// Reads an image as `xl restore` does; the guest and the length of its config's record.
pub fn read(file: &mut std::fs::File) -> Answer<Result<(Guest, u32), Unfit>> {
    let size = file.metadata()?.len();
    let mut header = [0; 48];
    if file.read_exact(&mut header).is_err() {
        return Ok(Err(Unfit::NoHeader));
    }
    if !header.starts_with(MAGIC) {
        return Ok(Err(Unfit::WrongMagic));
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    let length = number(44);
    let mut config = Vec::new();
    Read::by_ref(file).take(u64::from(length)).read_to_end(&mut config)?;
    if config.len() < length as usize {
        return Ok(Err(Unfit::NoConfig(length)));
    }
    let text = config.get(4..).unwrap_or_default();
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let guest = serde_json::from_slice(text).ok().as_ref().and_then(guest::from_json);
    let guest = guest.ok_or_else(|| HostError::Failed { why: "the image's config is not libxl's JSON".into() })?;
    // Our own images have one size; anything shorter is cut.
    let pages = guest.memory_mib.saturating_mul(1 << 20) / PAGE;
    let records = pages.div_ceil(PAGES_A_RECORD) * 16;
    let whole = head(&guest).len() as u64 + records + pages * (PAGE + 8) + 48;
    Ok(if size < whole { Err(Unfit::Cut(Box::new(guest), length)) } else { Ok((guest, length)) })
}
