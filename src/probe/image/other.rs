//! VDI, VHDX, QED and Parallels: recognised, with their size where it stands in the head. Integers are little-endian.

use super::{BytesAt, ImageSeen, backing_at};
use crate::probe::bytes_at::{self, guid, le_u16, le_u32, le_u64};

pub(super) fn look(src: &dyn BytesAt, head: &[u8]) -> Option<ImageSeen> {
    if head.starts_with(b"vhdxfile") {
        return Some(vhdx(src));
    }
    if head.starts_with(b"QED\0") {
        return Some(qed(src, head));
    }
    if head.starts_with(b"WithoutFreeSpace") || head.starts_with(b"WithouFreSpacExt") {
        return Some(parallels(head));
    }
    (le_u32(head, 0x40) == Some(0xbeda_107f)).then(|| vdi(head))
}

/// VirtualBox's VDICore.h: 0x4c type of image, 0x170 size in bytes.
fn vdi(head: &[u8]) -> ImageSeen {
    let mut seen = ImageSeen { virtual_bytes: le_u64(head, 0x170), ..ImageSeen::of("vdi") };
    let variant = match le_u32(head, 0x4c) {
        Some(1) => "dynamic",
        Some(2) => "static",
        Some(3) => "undo",
        Some(4) => "differencing",
        _ => return seen,
    };
    seen.variant = Some(variant.to_owned());
    if matches!(variant, "undo" | "differencing") {
        seen.trouble("it has a parent, which the format names by an id only");
    }
    seen
}

/// QEMU's docs/specs/qed_spec.rst.
fn qed(src: &dyn BytesAt, head: &[u8]) -> ImageSeen {
    const BACKING: u64 = 1;
    const NEEDS_CHECK: u64 = 2;
    const BACKING_IS_RAW: u64 = 4;
    let mut seen = ImageSeen { virtual_bytes: le_u64(head, 48), ..ImageSeen::of("qed") };
    let features = le_u64(head, 16).unwrap_or_default();
    seen.dirty = Some(features & NEEDS_CHECK != 0);
    if features & BACKING != 0 {
        let (offset, length) = (le_u32(head, 56).unwrap_or_default(), le_u32(head, 60).unwrap_or_default());
        backing_at(src, u64::from(offset), u64::from(length), &mut seen);
        if features & BACKING_IS_RAW != 0 {
            seen.backing_format = Some("raw".to_owned());
        }
    }
    seen
}

/// QEMU's docs/interop/parallels.txt: 36 size in sectors, of which the old magic means the low half only; 44 in use.
fn parallels(head: &[u8]) -> ImageSeen {
    const IN_USE: u32 = 0x746f_6e59;
    let sectors = if head.starts_with(b"WithoutFreeSpace") { le_u32(head, 36).map(u64::from) } else { le_u64(head, 36) };
    let virtual_bytes = sectors.and_then(|sectors| sectors.checked_mul(512));
    ImageSeen { virtual_bytes, dirty: le_u32(head, 44).map(|mark| mark == IN_USE), ..ImageSeen::of("parallels") }
}

/// [MS-VHDX]: a region table at 192 or 256 KiB leads to the metadata, which holds the size.
fn vhdx(src: &dyn BytesAt) -> ImageSeen {
    let mut seen = ImageSeen::of("vhdx");
    match [192 << 10, 256 << 10].into_iter().find_map(|at| metadata(src, at)) {
        Some((size, has_parent)) => {
            seen.virtual_bytes = size;
            if has_parent {
                seen.variant = Some("differencing".to_owned());
                seen.trouble("it has a parent, which is not read here");
            }
        }
        None => seen.trouble("its region table could not be read: the size is not known"),
    }
    seen
}

/// Size in bytes and whether there is a parent, through the region table at `at`.
fn metadata(src: &dyn BytesAt, at: u64) -> Option<(Option<u64>, bool)> {
    const METADATA_REGION: &str = "8b7ca206-4790-4b9a-b8fe-575f050f886e";
    const VIRTUAL_SIZE: &str = "2fa54224-cd1b-4876-b211-5dbed83bf4b8";
    const FILE_PARAMETERS: &str = "caa16737-fa36-4d43-b3b6-33f0aa44e76b";
    const HAS_PARENT: u32 = 2;
    const ENTRIES_LIMIT: usize = 64;
    let regions = bytes_at::if_there(src, at, 16 + ENTRIES_LIMIT * 32).filter(|table| table.starts_with(b"regi"))?;
    let count = usize::try_from(le_u32(&regions, 8)?).ok()?.min(ENTRIES_LIMIT);
    let region = (0..count).map(|index| 16 + index * 32).find(|at| guid(&regions, *at).as_deref() == Some(METADATA_REGION))?;
    let start = le_u64(&regions, region + 16)?;
    let table = bytes_at::if_there(src, start, 32 + ENTRIES_LIMIT * 32).filter(|table| table.starts_with(b"metadata"))?;
    let count = usize::from(le_u16(&table, 10)?).min(ENTRIES_LIMIT);
    let item = |wanted: &str, length| {
        let at = (0..count).map(|index| 32 + index * 32).find(|at| guid(&table, *at).as_deref() == Some(wanted))?;
        bytes_at::if_there(src, start.checked_add(u64::from(le_u32(&table, at + 16)?))?, length)
    };
    let size = item(VIRTUAL_SIZE, 8).and_then(|bytes| le_u64(&bytes, 0));
    let parameters = item(FILE_PARAMETERS, 8).and_then(|bytes| le_u32(&bytes, 4)).unwrap_or_default();
    Some((size, parameters & HAS_PARENT != 0))
}
