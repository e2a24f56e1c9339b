//! Bytes that lie on the demo's disks: ext superblocks, swap and qcow2 headers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{uuid, uuid_bytes, uuid_text};

/// What is written on a disk when the machine is laid out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// `ext2`, `ext3`, `ext4`, `swap`.
    pub fs: String,
    #[serde(default)]
    pub label: Option<String>,
    pub made: DateTime<Utc>,
    /// Last mount for writing, and where.
    #[serde(default)]
    pub mounted: Option<DateTime<Utc>>,
    #[serde(default)]
    pub mounted_at: Option<String>,
    /// Last write of the superblock; at unmount, as a rule.
    #[serde(default)]
    pub written: Option<DateTime<Utc>>,
    /// Mounted now, or not unmounted since: the journal needs a replay.
    #[serde(default)]
    pub in_use: bool,
    #[serde(default)]
    pub mounts: u16,
}

/// (offset, bytes) pairs to write.
pub fn pieces(format: &Format, bytes: u64, seed: &str) -> Vec<(u64, Vec<u8>)> {
    match format.fs.as_str() {
        "swap" => vec![(0, swap_header(format, bytes, seed))],
        _ => vec![(1024, ext_superblock(format, bytes, seed))],
    }
}

fn put<const N: usize>(block: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = block.get_mut(at..at + N) {
        place.copy_from_slice(&bytes);
    }
}

fn put_text(block: &mut [u8], at: usize, room: usize, text: &str) {
    if let Some(place) = block.get_mut(at..at + room) {
        place.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    }
}

/// The 1024 bytes of `struct ext4_super_block` (Linux, fs/ext4/ext4.h); little-endian.
fn ext_superblock(format: &Format, bytes: u64, seed: &str) -> Vec<u8> {
    const HAS_JOURNAL: u32 = 0x4;
    const FILETYPE: u32 = 0x2;
    const RECOVER: u32 = 0x4;
    const EXTENTS_64BIT_FLEX: u32 = 0x40 | 0x80 | 0x200;
    let mut block = vec![0_u8; 1024];
    let blocks = bytes / 4096;
    let journaled = format.fs != "ext2";
    let fourth = format.fs == "ext4";
    let low = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or(0).to_le_bytes();
    put(&mut block, 0x00, low(blocks / 4));
    put(&mut block, 0x04, low(blocks));
    put(&mut block, 0x0c, low(blocks / 2));
    put(&mut block, 0x10, low(blocks / 8));
    put(&mut block, 0x18, 2_u32.to_le_bytes());
    put(&mut block, 0x1c, 2_u32.to_le_bytes());
    put(&mut block, 0x20, 32768_u32.to_le_bytes());
    put(&mut block, 0x24, 32768_u32.to_le_bytes());
    put(&mut block, 0x28, 8192_u32.to_le_bytes());
    let mut time = |at: usize, high: usize, when: Option<DateTime<Utc>>| {
        let seconds = when.map_or(0, |when| u64::try_from(when.timestamp()).unwrap_or(0));
        put(&mut block, at, low(seconds));
        put(&mut block, high, [u8::try_from((seconds >> 32) & 0xff).unwrap_or(0)]);
    };
    time(0x30, 0x274, format.written.or(format.mounted).or(Some(format.made)));
    time(0x2c, 0x275, format.mounted);
    time(0x108, 0x276, Some(format.made));
    time(0x40, 0x277, Some(format.made));
    put(&mut block, 0x34, format.mounts.to_le_bytes());
    put(&mut block, 0x36, (-1_i16).to_le_bytes());
    put(&mut block, 0x38, 0xef53_u16.to_le_bytes());
    put(&mut block, 0x3a, u16::from(journaled || !format.in_use).to_le_bytes());
    put(&mut block, 0x3c, 1_u16.to_le_bytes());
    put(&mut block, 0x4c, 1_u32.to_le_bytes());
    put(&mut block, 0x54, 11_u32.to_le_bytes());
    put(&mut block, 0x58, 256_u16.to_le_bytes());
    put(&mut block, 0x5c, (0x38 | if journaled { HAS_JOURNAL } else { 0 }).to_le_bytes());
    let incompat = FILETYPE | if format.in_use && journaled { RECOVER } else { 0 } | if fourth { EXTENTS_64BIT_FLEX } else { 0 };
    put(&mut block, 0x60, incompat.to_le_bytes());
    put(&mut block, 0x64, (if fourth { 0x6b_u32 } else { 0x3 }).to_le_bytes());
    put(&mut block, 0x68, uuid_bytes(&uuid(seed)));
    put_text(&mut block, 0x78, 16, format.label.as_deref().unwrap_or(""));
    put_text(&mut block, 0x88, 64, format.mounted_at.as_deref().unwrap_or(""));
    if journaled {
        put(&mut block, 0xe0, 8_u32.to_le_bytes());
    }
    put(&mut block, 0xfe, (if fourth { 64_u16 } else { 0 }).to_le_bytes());
    put(&mut block, 0x150, low(blocks >> 32));
    put(&mut block, 0x15c, 32_u16.to_le_bytes());
    put(&mut block, 0x15e, 32_u16.to_le_bytes());
    put(&mut block, 0x178, (u64::from(format.mounts) * 4096).to_le_bytes());
    block
}

/// A swap header of version 1 (mkswap(8)): `SWAPSPACE2` ends the first page.
fn swap_header(format: &Format, bytes: u64, seed: &str) -> Vec<u8> {
    let mut page = vec![0_u8; 4096];
    put(&mut page, 1024, 1_u32.to_le_bytes());
    put(&mut page, 1028, u32::try_from((bytes / 4096).saturating_sub(1)).unwrap_or(u32::MAX).to_le_bytes());
    put(&mut page, 1036, uuid_bytes(&uuid(seed)));
    put_text(&mut page, 1052, 16, format.label.as_deref().unwrap_or(""));
    put_text(&mut page, 4086, 10, "SWAPSPACE2");
    page
}

/// A qcow2 version 3 header (QEMU, docs/interop/qcow2.txt) of an image with no data of its own; big-endian. One cluster of header, one
/// of refcount table, one of refcounts, one of L1 table.
pub fn qcow2(bytes: u64, backing: Option<&str>) -> Vec<u8> {
    const CLUSTER: u64 = 1 << 16;
    let mut file = vec![0_u8; 4 * 65536];
    let head = file.as_mut_slice();
    put(head, 0, *b"QFI\xfb");
    put(head, 4, 3_u32.to_be_bytes());
    put(head, 20, 16_u32.to_be_bytes());
    put(head, 24, bytes.to_be_bytes());
    put(head, 36, u32::try_from(bytes.div_ceil(CLUSTER * CLUSTER / 8)).unwrap_or(u32::MAX).to_be_bytes());
    put(head, 40, (3 * CLUSTER).to_be_bytes());
    put(head, 48, CLUSTER.to_be_bytes());
    put(head, 56, 1_u32.to_be_bytes());
    put(head, 96, 4_u32.to_be_bytes());
    put(head, 100, 104_u32.to_be_bytes());
    if let Some(backing) = backing {
        // The extension that names the backing file's format, the end of the extensions, the name.
        put(head, 104, 0xe279_2aca_u32.to_be_bytes());
        put(head, 108, 3_u32.to_be_bytes());
        put_text(head, 112, 3, "raw");
        put(head, 8, 128_u64.to_be_bytes());
        put(head, 16, u32::try_from(backing.len()).unwrap_or(0).to_be_bytes());
        put_text(head, 128, backing.len(), backing);
    }
    put(head, 65536, (2 * CLUSTER).to_be_bytes());
    for cluster in 0..4 {
        put(head, 131_072 + cluster * 2, 1_u16.to_be_bytes());
    }
    file
}

/// What blkid(8) would find on these first bytes of a disk: (file system, label, uuid).
pub fn recognise(first: &[u8]) -> (Option<&'static str>, Option<String>, Option<String>) {
    let number = |at: usize| first.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    let text = |at: usize, room: usize| {
        let field = first.get(at..at + room)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(room);
        (end > 0).then(|| String::from_utf8_lossy(field.get(..end).unwrap_or(field)).into_owned())
    };
    let uuid = |at: usize| first.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).map(uuid_text);
    if first.get(1024 + 0x38..1024 + 0x3a) == Some(&[0x53, 0xef]) {
        let fs = match (number(1024 + 0x60) & 0x40 != 0, number(1024 + 0x5c) & 4 != 0) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        };
        return (Some(fs), text(1024 + 0x78, 16), uuid(1024 + 0x68));
    }
    if first.get(4086..4096) == Some(b"SWAPSPACE2") {
        return (Some("swap"), text(1052, 16), uuid(1036));
    }
    (None, None, None)
}

/// What a guest does to the file systems on its disks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It boots from them: mounted for writing, journal open.
    Mounts,
    /// It shuts down in order.
    Unmounts,
}

/// Changes an ext superblock (1024 bytes) the way the kernel does; whether there was one.
pub fn do_to_superblock(block: &mut [u8], deed: Deed, now: DateTime<Utc>) -> bool {
    if block.get(0x38..0x3a) != Some(&[0x53, 0xef]) {
        return false;
    }
    let word = |block: &[u8], at: usize| block.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    let (journaled, incompat) = (word(block, 0x5c) & 4 != 0, word(block, 0x60));
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    let (low, high) = (u32::try_from(seconds & 0xffff_ffff).unwrap_or(0), u8::try_from((seconds >> 32) & 0xff).unwrap_or(0));
    put(block, 0x30, low.to_le_bytes());
    put(block, 0x274, [high]);
    let mounted = deed == Deed::Mounts;
    if mounted {
        put(block, 0x2c, low.to_le_bytes());
        put(block, 0x275, [high]);
        let count = block.get(0x34..0x36).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
        put(block, 0x34, count.saturating_add(1).to_le_bytes());
    }
    if journaled {
        put(block, 0x60, (if mounted { incompat | 4 } else { incompat & !4 }).to_le_bytes());
    } else {
        put(block, 0x3a, u16::from(!mounted).to_le_bytes());
    }
    // Linux, fs/ext4/super.c: the checksum of all bytes before it, where the file system has checksums (mke2fs of today makes them).
    if word(block, 0x64) & 0x400 != 0 {
        let sum = crc32c(block.get(..0x3fc).unwrap_or_default());
        put(block, 0x3fc, sum.to_le_bytes());
    }
    true
}

/// CRC-32C (Castagnoli) as ext4 takes it: begun with all ones, not inverted at the end.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }))
}
