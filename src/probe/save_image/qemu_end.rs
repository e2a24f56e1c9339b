//! The end of a raw migration stream of QEMU (migration/savevm.c): a byte 0 that ends the sections, then since QEMU 2.3 a byte 6, a
//! big-endian length and a description of all devices as JSON, with which the file ends.
//!
//! It is looked for from the end in small steps, so that of a stream that was cut in a guest's memory next to nothing is read.

use super::BytesAt;
use crate::host::Answer;
use crate::probe::bytes_at::{self, be_u32};

const STEP: u64 = 1024;
/// Longest description that is looked for; a large machine's has some 300 KiB.
const LIMIT: u64 = 4 << 20;
const HEADER: u64 = 6;

/// Whether the stream that begins at `start` ends, with the file, in such a description.
pub(super) fn is_there(src: &dyn BytesAt, start: u64) -> Answer<bool> {
    let mut at = src.size();
    let floor = at.saturating_sub(LIMIT).max(start.saturating_add(HEADER));
    match bytes_at::exact(src, at.saturating_sub(2), 2)? {
        Some(end) if end == b"]}" => {}
        _ => return Ok(false),
    }
    while at > floor {
        let len = STEP.min(at - floor);
        at -= len;
        let chunk = bytes_at::up_to(src, at, usize::try_from(len).unwrap_or_default())?;
        if let Some(index) = chunk.iter().rposition(|byte| !matches!(byte, b' '..=b'~' | b'\n')) {
            return header_near(src, at.saturating_add(index as u64));
        }
    }
    Ok(false)
}

/// `other`: the last byte before the end that no JSON has. It is one of the length's, whose low bytes may look like text.
fn header_near(src: &dyn BytesAt, other: u64) -> Answer<bool> {
    for header in (other.saturating_sub(5)..other).rev() {
        let Some(bytes) = bytes_at::exact(src, header, 7)? else { continue };
        let json = header.saturating_add(HEADER);
        let length = be_u32(&bytes, 2).map(u64::from);
        if bytes.starts_with(&[0, 6]) && bytes.ends_with(b"{") && length == src.size().checked_sub(json) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Such an end, for builders.
pub(super) fn bytes() -> Vec<u8> {
    const JSON: &[u8] = br#"{"page_size": 4096, "devices": [{"name": "timer", "instance_id": 0, "version": 2, "fields": []}]}"#;
    let length = u32::try_from(JSON.len()).unwrap_or_default().to_be_bytes();
    [&[0, 6], length.as_slice(), JSON].concat()
}
