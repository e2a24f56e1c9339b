//! ext2, ext3 and ext4 (Documentation/filesystems/ext4/super.rst in Linux). The superblock stands 1024 bytes into the file system;
//! offsets below are from its start, integers are little-endian.
//!
//! What moves when: a read-write mount sets `s_mtime` and `s_wtime` and counts `s_mnt_count` up; with a journal it sets RECOVER, without
//! one it clears bit 0 of `s_state`. Writing files changes nothing here. An unmount sets `s_wtime` and takes RECOVER back. So `s_wtime`
//! is a lower bound of the last write. A read-only mount in dom0 that replays the journal takes RECOVER back and moves no time at all.

use chrono::{DateTime, Utc};

use super::signature;
use crate::model::{Signature, SuperblockTimes};
use crate::probe::bytes_at::{le_u16, le_u32, text, uuid};

pub(super) const AT: usize = 1024;
pub(super) const MAGIC: u16 = 0xef53;

pub(super) mod field {
    pub const BLOCKS_LO: usize = 0x04;
    pub const LOG_BLOCK_SIZE: usize = 0x18;
    pub const MTIME: usize = 0x2c;
    pub const WTIME: usize = 0x30;
    pub const MNT_COUNT: usize = 0x34;
    pub const MAGIC: usize = 0x38;
    pub const STATE: usize = 0x3a;
    pub const COMPAT: usize = 0x5c;
    pub const INCOMPAT: usize = 0x60;
    pub const RO_COMPAT: usize = 0x64;
    pub const UUID: usize = 0x68;
    pub const LABEL: usize = 0x78;
    pub const LAST_MOUNTED: usize = 0x88;
    pub const BLOCKS_HI: usize = 0x150;
    pub const WTIME_HI: usize = 0x274;
    pub const MTIME_HI: usize = 0x275;
}

pub(super) const COMPAT_HAS_JOURNAL: u32 = 0x4;
pub(super) const INCOMPAT_FILETYPE: u32 = 0x2;
pub(super) const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
const INCOMPAT_META_BG: u32 = 0x10;
pub(super) const INCOMPAT_EXTENTS: u32 = 0x40;
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
pub(super) const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
pub(super) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
const RO_COMPAT_BTREE_DIR: u32 = 0x4;
pub(super) const STATE_CLEAN: u16 = 1;

/// `front`: the first bytes of a disk or partition.
pub(super) fn look(front: &[u8]) -> Option<Signature> {
    let block = front.get(AT..)?;
    if le_u16(block, field::MAGIC)? != MAGIC {
        return None;
    }
    let blocks = u64::from(le_u32(block, field::BLOCKS_LO)?);
    let log_block_size = le_u32(block, field::LOG_BLOCK_SIZE)?;
    let (compat, incompat, ro_compat) = (le_u32(block, field::COMPAT)?, le_u32(block, field::INCOMPAT)?, le_u32(block, field::RO_COMPAT)?);
    // Two bytes of magic are met by chance: a real one has blocks of 1 to 64 KiB, and some.
    if log_block_size > 6 || blocks == 0 {
        return None;
    }
    let high = if incompat & INCOMPAT_64BIT == 0 { 0 } else { u64::from(le_u32(block, field::BLOCKS_HI).unwrap_or_default()) };
    let bytes = (high << 32 | blocks).checked_mul(1024 << log_block_size);
    if incompat & INCOMPAT_JOURNAL_DEV != 0 {
        return Some(Signature { uuid: uuid(block, field::UUID), bytes, ..signature("ext journal", 0, None) });
    }
    let has_journal = compat & COMPAT_HAS_JOURNAL != 0;
    Some(Signature {
        uuid: uuid(block, field::UUID),
        label: text(block, field::LABEL, 16),
        bytes,
        times: Some(SuperblockTimes {
            mounted: time(block, field::MTIME, field::MTIME_HI),
            written: time(block, field::WTIME, field::WTIME_HI),
            mount_count: le_u16(block, field::MNT_COUNT).map(u32::from),
            last_mounted_at: text(block, field::LAST_MOUNTED, 64),
            needs_recovery: if has_journal {
                Some(incompat & INCOMPAT_RECOVER != 0)
            } else {
                le_u16(block, field::STATE).map(|state| state & STATE_CLEAN == 0)
            },
        }),
        ..signature(kind(has_journal, incompat, ro_compat), 0, None)
    })
}

/// As blkid tells them apart: ext4 is what has a feature that ext3 does not know.
fn kind(has_journal: bool, incompat: u32, ro_compat: u32) -> &'static str {
    let ext3_incompat = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG;
    let ext3_ro_compat = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE | RO_COMPAT_BTREE_DIR;
    match (has_journal, incompat & !ext3_incompat != 0 || ro_compat & !ext3_ro_compat != 0) {
        (_, true) => "ext4",
        (true, false) => "ext3",
        (false, false) => "ext2",
    }
}

/// Seconds since 1970 with 40 bits, the high 8 of them elsewhere; 0 means never.
fn time(block: &[u8], low: usize, high: usize) -> Option<DateTime<Utc>> {
    let seconds = u64::from(*block.get(high)?) << 32 | u64::from(le_u32(block, low)?);
    if seconds == 0 {
        return None;
    }
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}
