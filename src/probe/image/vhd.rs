//! VHD, which QEMU calls `vpc` (Microsoft, Virtual Hard Disk Image Format Specification 1.0). Integers are big-endian.
//!
//! A footer of 512 bytes stands at the end; a dynamic or differencing image has a copy at the start, and a header where the footer says.
//!
//! | at | bytes | footer |
//! | --- | --- | --- |
//! | 0 | 8 | `conectix` |
//! | 16 | 8 | offset of the dynamic header, all ones when fixed |
//! | 48 | 8 | size in bytes |
//! | 60 | 4 | 2 fixed, 3 dynamic, 4 differencing |
//! | 64 | 4 | checksum: ones' complement of the sum of all other bytes |

use super::{BytesAt, HostPath, ImageSeen};
use crate::host::Answer;
use crate::probe::bytes_at::{self, be_u32, be_u64};

const FOOTER: usize = 512;
const DYNAMIC_HEADER: usize = 1024;
const DIFFERENCING: u32 = 4;

/// By the copy of the footer at the start.
pub(super) fn dynamic(src: &dyn BytesAt, head: &[u8]) -> Option<ImageSeen> {
    head.starts_with(b"conectix").then(|| read(src, head))
}

/// By the footer at the end, which early writers made 511 bytes long.
pub(super) fn fixed(src: &dyn BytesAt) -> Answer<Option<ImageSeen>> {
    let Some(start) = src.size().checked_sub(FOOTER as u64) else { return Ok(None) };
    let Some(footer) = bytes_at::exact(src, start, FOOTER)? else { return Ok(None) };
    let footer = if footer.get(1..9) == Some(b"conectix") { footer.get(1..).unwrap_or_default() } else { &footer };
    Ok(footer.starts_with(b"conectix").then(|| read(src, footer)))
}

fn read(src: &dyn BytesAt, footer: &[u8]) -> ImageSeen {
    let mut seen = ImageSeen { virtual_bytes: be_u64(footer, 48), ..ImageSeen::of("vpc") };
    let kind = be_u32(footer, 60).unwrap_or_default();
    let variant = match kind {
        2 => "fixed".to_owned(),
        3 => "dynamic".to_owned(),
        DIFFERENCING => "differencing".to_owned(),
        other => format!("type {other}"),
    };
    seen.variant = Some(variant);
    if !checksum_holds(footer) {
        seen.trouble("the checksum of its footer is wrong: it may be cut, grown or damaged");
    }
    if kind == DIFFERENCING {
        parent(src, be_u64(footer, 16).unwrap_or_default(), &mut seen);
    }
    seen
}

fn checksum_holds(footer: &[u8]) -> bool {
    let sum = |bytes: Option<&[u8]>| bytes.unwrap_or_default().iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let others = sum(footer.get(..64)).wrapping_add(sum(footer.get(68..footer.len().min(FOOTER))));
    be_u32(footer, 64) == Some(!others)
}

/// The parent's name: from a locator, or else the Unicode name in the dynamic header.
fn parent(src: &dyn BytesAt, header_at: u64, seen: &mut ImageSeen) {
    let header = match bytes_at::exact(src, header_at, DYNAMIC_HEADER) {
        Ok(Some(header)) if header.starts_with(b"cxsparse") => header,
        Ok(_) => return seen.trouble("it has a parent, but no header that names it"),
        Err(error) => return seen.trouble(format!("the name of its parent could not be read: {error}")),
    };
    let by_locator = |wanted: &[u8]| (0..8).find_map(|index| locator(src, &header, 576 + index * 24, wanted));
    // Xen's tools write all three; the URL is the one that a Unix path survives unchanged.
    seen.backing_file = by_locator(b"MacX").or_else(|| by_locator(b"W2ru")).or_else(|| {
        let name = utf16(header.get(64..576).unwrap_or_default(), u16::from_be_bytes);
        (!name.is_empty()).then(|| HostPath::from(name))
    });
    if seen.backing_file.is_none() {
        seen.trouble("it has a parent, but does not name it");
    }
}

fn locator(src: &dyn BytesAt, header: &[u8], at: usize, wanted: &[u8]) -> Option<HostPath> {
    const NAME_LIMIT: u32 = 4096;
    if header.get(at..at + 4)? != wanted {
        return None;
    }
    let length = be_u32(header, at + 8).filter(|length| *length <= NAME_LIMIT)?;
    let data = bytes_at::if_there(src, be_u64(header, at + 16)?, usize::try_from(length).ok()?)?;
    let name = match wanted {
        b"MacX" => {
            let url = String::from_utf8_lossy(&data).trim_end_matches('\0').to_owned();
            url.strip_prefix("file://").unwrap_or(&url).to_owned()
        }
        _ => utf16(&data, u16::from_le_bytes).replace('\\', "/"),
    };
    (!name.is_empty()).then(|| HostPath::from(name))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
