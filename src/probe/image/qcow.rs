//! qcow2 (docs/interop/qcow2.txt in QEMU's source) and the older qcow. Integers are big-endian.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | `QFI\xfb` |
//! | 4 | 4 | version: 1 is qcow, 2 and 3 are qcow2 |
//! | 8 | 8 | offset of the backing file's name |
//! | 16 | 4 | its length |
//! | 20 | 4 | cluster bits |
//! | 24 | 8 | virtual size in bytes |
//! | 32 | 4 | encryption |
//! | 60 | 4 | number of snapshots |
//! | 64 | 8 | offset of the snapshot table |
//! | 72 | 8 | features that must be known: 1 dirty, 2 corrupt, 4 external data file (version 3) |
//! | 88 | 8 | features that a writer must clear: 1 bitmaps |
//! | 100 | 4 | length of the header; extensions follow |

use chrono::DateTime;

use super::{BytesAt, HostPath, ImageSeen, ImageSnapshot, backing_at};
use crate::probe::bytes_at::{self, be_u16, be_u32, be_u64};

/// Snapshots that are read of one image.
pub(super) const SNAPSHOTS_READ: u32 = 256;
/// QEMU refuses more (`QCOW_MAX_SNAPSHOTS`).
const SNAPSHOTS_LIMIT: u32 = 65_536;
const SNAPSHOT_BYTES_LIMIT: u64 = 1 << 20;
const EXTENSIONS_LIMIT: usize = 64;

pub(super) fn look(src: &dyn BytesAt, head: &[u8]) -> Option<ImageSeen> {
    if !head.starts_with(b"QFI\xfb") {
        return None;
    }
    Some(match be_u32(head, 4) {
        Some(1) => version_1(src, head),
        version => version_2_or_3(src, head, version.unwrap_or_default()),
    })
}

fn version_1(src: &dyn BytesAt, head: &[u8]) -> ImageSeen {
    let mut seen = ImageSeen { virtual_bytes: be_u64(head, 24), ..ImageSeen::of("qcow") };
    backing_at(src, be_u64(head, 8).unwrap_or_default(), u64::from(be_u32(head, 16).unwrap_or_default()), &mut seen);
    seen.encrypted = be_u32(head, 36).map(|method| method != 0);
    seen
}

fn version_2_or_3(src: &dyn BytesAt, head: &[u8], version: u32) -> ImageSeen {
    let mut seen = ImageSeen { variant: Some(format!("version {version}")), ..ImageSeen::of("qcow2") };
    if !(2..=3).contains(&version) {
        seen.trouble(format!("its header has version {version}, which is not known here"));
        return seen;
    }
    let header_length = if version == 3 { be_u32(head, 100) } else { Some(72) };
    let Some(header_length) = header_length else {
        seen.trouble("it is cut inside its header");
        return seen;
    };
    seen.virtual_bytes = be_u64(head, 24);
    seen.encrypted = be_u32(head, 32).map(|method| method != 0);
    let cluster_bits = be_u32(head, 20).unwrap_or_default();
    if !(9..=21).contains(&cluster_bits) {
        seen.trouble(format!("its clusters would have 2^{cluster_bits} bytes, which the format does not allow"));
    }
    let mut bitmaps_hold = false;
    if version == 3 {
        let incompatible = be_u64(head, 72).unwrap_or_default();
        seen.dirty = Some(incompatible & 1 != 0);
        seen.corrupt = Some(incompatible & 2 != 0);
        bitmaps_hold = be_u64(head, 88).unwrap_or_default() & 1 != 0;
    }
    let backing_offset = be_u64(head, 8).unwrap_or_default();
    extensions(head, header_length, backing_offset, bitmaps_hold, &mut seen);
    backing_at(src, backing_offset, u64::from(be_u32(head, 16).unwrap_or_default()), &mut seen);
    snapshots(src, be_u32(head, 60).unwrap_or_default(), be_u64(head, 64).unwrap_or_default(), &mut seen);
    seen
}

/// Header extensions: u32 type, u32 length, data padded to 8. They end at type 0 or where the backing file's name begins.
fn extensions(head: &[u8], start: u32, backing_offset: u64, bitmaps_hold: bool, seen: &mut ImageSeen) {
    const BACKING_FORMAT: u32 = 0xe279_2aca;
    const DATA_FILE: u32 = 0x4441_5441;
    const BITMAPS: u32 = 0x2385_2875;
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    for _ in 0..EXTENSIONS_LIMIT {
        if backing_offset != 0 && at as u64 >= backing_offset {
            return;
        }
        let (Some(kind), Some(length)) = (be_u32(head, at), at.checked_add(4).and_then(|at| be_u32(head, at))) else {
            return;
        };
        if kind == 0 {
            return;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = at.saturating_add(8);
        let Some(data) = body.checked_add(length).and_then(|end| head.get(body..end)) else {
            return seen.trouble(format!("the header extension at byte {at} is longer than what is read of a header"));
        };
        match kind {
            BACKING_FORMAT => seen.backing_format = Some(String::from_utf8_lossy(data).into_owned()),
            DATA_FILE => seen.parts.push(HostPath::from_bytes(data)),
            BITMAPS if bitmaps_hold => seen.bitmaps = be_u32(data, 0),
            _ => {}
        }
        at = body.saturating_add(length.checked_next_multiple_of(8).unwrap_or(usize::MAX));
    }
}

/// The snapshot table: entries of 40 bytes, then extra data, id and name, padded to 8.
fn snapshots(src: &dyn BytesAt, count: u32, offset: u64, seen: &mut ImageSeen) {
    seen.snapshot_count = Some(count);
    if count > SNAPSHOTS_LIMIT {
        return seen.trouble(format!("its header claims {count} snapshots, more than the format allows"));
    }
    let end = offset.saturating_add(SNAPSHOT_BYTES_LIMIT);
    let mut at = offset;
    for index in 0..count.min(SNAPSHOTS_READ) {
        match snapshot(src, at) {
            Ok(Some((snapshot, _))) if snapshot.id.is_empty() => {
                return seen.trouble(format!("the entry of snapshot {} of {count} has no id", index + 1));
            }
            Ok(Some((snapshot, next))) if next <= end => {
                seen.snapshots.push(snapshot);
                at = next;
            }
            Ok(Some(_)) => return seen.trouble("its snapshot table is larger than what is read of one"),
            Ok(None) => return seen.trouble(format!("the entry of snapshot {} of {count} reaches past the end", index + 1)),
            Err(error) => return seen.trouble(format!("its snapshots could not be read: {error}")),
        }
    }
}

/// One entry and where the next begins.
fn snapshot(src: &dyn BytesAt, at: u64) -> crate::host::Answer<Option<(ImageSnapshot, u64)>> {
    let Some(fixed) = bytes_at::exact(src, at, 40)? else { return Ok(None) };
    let length = |at| u64::from(be_u16(&fixed, at).unwrap_or_default());
    let (id_length, name_length, extra) = (length(12), length(14), u64::from(be_u32(&fixed, 36).unwrap_or_default()));
    let extra_at = at.saturating_add(40);
    let text_at = extra_at.saturating_add(extra);
    let text_length = usize::try_from(id_length + name_length).unwrap_or(usize::MAX);
    let Some(texts) = bytes_at::exact(src, text_at, text_length)? else { return Ok(None) };
    let (id, name) = texts.split_at_checked(usize::try_from(id_length).unwrap_or(usize::MAX)).unwrap_or_default();
    let mut memory_bytes = u64::from(be_u32(&fixed, 32).unwrap_or_default());
    if extra >= 8 {
        // Since version 3 the size stands here with 64 bits.
        let wide = bytes_at::exact(src, extra_at, 8)?.and_then(|bytes| be_u64(&bytes, 0));
        memory_bytes = wide.filter(|wide| *wide != 0).unwrap_or(memory_bytes);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seconds = be_u32(&fixed, 16).filter(|seconds| *seconds != 0);
    let taken = seconds.and_then(|seconds| DateTime::from_timestamp(i64::from(seconds), be_u32(&fixed, 20).unwrap_or_default()));
    let total = text_at.saturating_sub(at).saturating_add(text_length as u64);
    let next = at.saturating_add(total.checked_next_multiple_of(8).unwrap_or(u64::MAX));
    Ok(Some((ImageSnapshot { id: text(id), name: text(name), taken, memory_bytes }, next)))
}
