//! VMDK (VMware, Virtual Disk Format 1.1): sparse extents, old `COWD` extents, and the descriptor, a text that may name other files.
//! Integers are little-endian; sizes are in sectors of 512 bytes.

use super::{BytesAt, HostPath, ImageSeen};
use crate::probe::bytes_at::{self, le_u32, le_u64};

const SECTOR: u64 = 512;
const DESCRIPTOR_LIMIT: usize = 64 << 10;
const PARTS_LIMIT: usize = 1024;

pub(super) fn look(src: &dyn BytesAt, head: &[u8]) -> Option<ImageSeen> {
    if head.starts_with(b"KDMV") {
        return Some(sparse(src, head));
    }
    if head.starts_with(b"COWD") {
        let sectors = le_u32(head, 12).map(u64::from);
        return Some(ImageSeen { variant: Some("COWD".to_owned()), virtual_bytes: in_bytes(sectors), ..ImageSeen::of("vmdk") });
    }
    head.starts_with(b"# Disk DescriptorFile").then(|| {
        let mut seen = ImageSeen { variant: Some("descriptor".to_owned()), ..ImageSeen::of("vmdk") };
        match bytes_at::up_to(src, 0, DESCRIPTOR_LIMIT) {
            Ok(text) => seen.virtual_bytes = descriptor(&text, &mut seen),
            Err(error) => seen.trouble(format!("its descriptor could not be read: {error}")),
        }
        seen
    })
}

/// 12 capacity, 28 and 36 offset and size of the descriptor.
fn sparse(src: &dyn BytesAt, head: &[u8]) -> ImageSeen {
    let mut seen = ImageSeen { variant: Some("sparse".to_owned()), virtual_bytes: in_bytes(le_u64(head, 12)), ..ImageSeen::of("vmdk") };
    let (offset, length) = (in_bytes(le_u64(head, 28)), in_bytes(le_u64(head, 36)));
    if let (Some(offset @ 1..), Some(length @ 1..)) = (offset, length) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(DESCRIPTOR_LIMIT);
        match bytes_at::exact(src, offset, length) {
            Ok(Some(text)) => {
                descriptor(&text, &mut seen);
                // Its extent lines name the file itself.
                seen.parts.clear();
            }
            Ok(None) => seen.trouble("its descriptor would lie past the end"),
            Err(error) => seen.trouble(format!("its descriptor could not be read: {error}")),
        }
    }
    seen
}

fn in_bytes(sectors: Option<u64>) -> Option<u64> {
    sectors?.checked_mul(SECTOR)
}

/// Takes the parent and the extents from a descriptor's text; gives the sum of the extents in bytes.
fn descriptor(text: &[u8], seen: &mut ImageSeen) -> Option<u64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let mut sectors: Option<u64> = None;
    for line in text.lines().map(str::trim) {
        if let Some(hint) = line.strip_prefix("parentFileNameHint=") {
            seen.backing_file = Some(HostPath::from(hint.trim_matches('"')));
        }
        // `RW 4192256 SPARSE "disk-s001.vmdk"`, with an offset for flat ones.
        let mut words = line.split_whitespace();
        if let (Some("RW" | "RDONLY" | "NOACCESS"), Some(count)) = (words.next(), words.next().and_then(|word| word.parse::<u64>().ok())) {
            sectors = sectors.unwrap_or_default().checked_add(count);
            if seen.parts.len() < PARTS_LIMIT
                && let Some(name) = line.split('"').nth(1)
            {
                seen.parts.push(HostPath::from(name));
            }
        }
    }
    in_bytes(sectors)
}
