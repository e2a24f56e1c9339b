//! The few facts that are taken from a packaged configuration at once: name, uuid, memory.

use super::{Packaged, SaveSeen, cut_inside};
use crate::host::HostError;
use crate::probe::bytes_at::{self, BytesAt};
use crate::probe::libvirt;

/// Reads `len` bytes of configuration; a length that no configuration has is damage, not a reason to allocate.
pub(super) enum Read {
    Bytes(Vec<u8>),
    TooLong,
    PastEnd,
    Unreadable(HostError),
}

pub(super) fn read(src: &dyn BytesAt, offset: u64, len: u64) -> Read {
    if offset.checked_add(len).is_none_or(|end| end > src.size()) {
        return Read::PastEnd;
    }
    let Some(len) = usize::try_from(len).ok().filter(|_| len <= super::CONFIG_LIMIT) else { return Read::TooLong };
    match bytes_at::exact(src, offset, len) {
        Ok(Some(bytes)) => Read::Bytes(bytes),
        Ok(None) => Read::PastEnd,
        Err(error) => Read::Unreadable(error),
    }
}

/// Up to the first NUL, which ends every packaged text.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Puts libxl's JSON and what it says of the domain into `seen`.
pub(super) fn put_json(seen: &mut SaveSeen, json: &[u8]) {
    let json = until_nul(json);
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(json) else {
        seen.packaged = Packaged::Damaged;
        seen.note("the packaged configuration is not the JSON that the header promises");
        return;
    };
    let text = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
    seen.domain = text("/c_info/name");
    seen.uuid = text("/c_info/uuid");
    let kib = value.pointer("/b_info/max_memkb").and_then(serde_json::Value::as_u64);
    seen.memory_bytes = kib.and_then(|kib| kib.checked_mul(1024));
    seen.packaged = Packaged::LibxlJson(json.to_vec());
}

/// Puts libvirt's XML and what it says of the domain into `seen`.
pub(super) fn put_xml(seen: &mut SaveSeen, xml: &[u8]) {
    let xml = until_nul(xml);
    match libvirt::domain_xml(xml) {
        Ok(config) => {
            seen.domain = config.name;
            seen.uuid = config.uuid;
            seen.memory_bytes = config.memory_bytes;
            seen.packaged = Packaged::Xml(xml.to_vec());
        }
        Err(why) => {
            seen.packaged = Packaged::Damaged;
            seen.note(format!("the packaged configuration cannot be read: {why}"));
        }
    }
}

/// Notes why a packaged configuration could not be had.
pub(super) fn note_unreadable(seen: &mut SaveSeen, error: &HostError) {
    seen.note(format!("the packaged configuration could not be read: {error}"));
}

/// The header at the start of an image; or nothing, and in `seen` why.
pub(super) fn header(src: &dyn BytesAt, len: usize, seen: &mut SaveSeen) -> Option<Vec<u8>> {
    match bytes_at::exact(src, 0, len) {
        Ok(Some(header)) => return Some(header),
        Ok(None) => seen.broken(cut_inside(src, 0, len as u64, "the header")),
        Err(error) => seen.note(format!("the header could not be read: {error}")),
    }
    None
}
