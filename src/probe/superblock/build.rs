//! Writes the head of a real ext2, ext3 or ext4 file system, for the demo machine and for tests: superblock, group descriptors, the
//! journal's inode and the journal's own superblock. `dumpe2fs -h` and `blkid` take it; it has no root directory, so nobody mounts it.

use chrono::{DateTime, Utc};

use super::ext::{
    AT, COMPAT_HAS_JOURNAL, INCOMPAT_64BIT, INCOMPAT_EXTENTS, INCOMPAT_FILETYPE, INCOMPAT_RECOVER, MAGIC, RO_COMPAT_LARGE_FILE,
    RO_COMPAT_SPARSE_SUPER, STATE_CLEAN, field,
};
use crate::probe::laid::Laid;

const BLOCK: u64 = 4096;
const BLOCKS_PER_GROUP: u64 = 32_768;
const INODE: u64 = 256;
const JOURNAL_INODE: u64 = 8;
const JOURNAL_BLOCKS: u64 = 1024;
/// Descriptors of 2 TiB; those of a larger file system stay zero, which `dumpe2fs -h` does not look at.
const DESCRIPTORS_WRITTEN: u64 = 16_384;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    Ext2,
    Ext3,
    #[default]
    Ext4,
}

/// A file system to be written. Times that are `None` are 0: never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtHead {
    pub kind: Kind,
    /// Size in bytes; from 16 MiB on there is room for a journal.
    pub bytes: u64,
    pub uuid: [u8; 16],
    /// At most 16 bytes count.
    pub label: String,
    pub made: Option<DateTime<Utc>>,
    /// `s_mtime`: last read-write mount.
    pub mounted: Option<DateTime<Utc>>,
    /// `s_wtime`: last write of the superblock.
    pub written: Option<DateTime<Utc>>,
    pub mount_count: u16,
    /// Mounted read-write now, or not unmounted cleanly.
    pub needs_recovery: bool,
    /// At most 64 bytes count.
    pub last_mounted_at: String,
}

/// Numbers that follow from the size.
struct Shape {
    blocks: u64,
    groups: u64,
    inodes_per_group: u64,
    descriptor: u64,
    /// Blocks of the group descriptors.
    table: u64,
}

impl ExtHead {
    pub fn laid(&self) -> Laid {
        let shape = self.shape();
        let mut out = Laid { pieces: Vec::new(), size: self.bytes };
        out.pieces.push((AT as u64, self.superblock(&shape)));
        out.pieces.push((BLOCK, self.descriptors(&shape)));
        if self.has_journal() {
            let inode_table = inode_table(&shape, 0).saturating_mul(BLOCK);
            let journal = journal(&shape);
            out.pieces.push((inode_table + (JOURNAL_INODE - 1) * INODE, self.journal_inode(journal)));
            out.pieces.push((journal.saturating_mul(BLOCK), self.journal_superblock()));
        }
        out.pieces.retain(|(at, bytes)| at.saturating_add(bytes.len() as u64) <= self.bytes);
        out
    }

    fn has_journal(&self) -> bool {
        self.kind != Kind::Ext2
    }

    fn shape(&self) -> Shape {
        let blocks = self.bytes / BLOCK;
        let groups = blocks.div_ceil(BLOCKS_PER_GROUP).max(1);
        // All inodes are counted with 32 bits.
        let inodes_per_group = (u64::from(u32::MAX) / groups / 16 * 16).clamp(16, 8192);
        let descriptor = if self.kind == Kind::Ext4 { 64 } else { 32 };
        Shape { blocks, groups, inodes_per_group, descriptor, table: groups.saturating_mul(descriptor).div_ceil(BLOCK) }
    }

    fn superblock(&self, shape: &Shape) -> Vec<u8> {
        let mut out = Fields::new(1024);
        let (mut incompat, mut ro_compat) = (INCOMPAT_FILETYPE, RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE);
        if self.kind == Kind::Ext4 {
            const HUGE_FILE_DIR_NLINK_EXTRA_ISIZE: u32 = 0x8 | 0x20 | 0x40;
            incompat |= INCOMPAT_EXTENTS | INCOMPAT_64BIT;
            ro_compat |= HUGE_FILE_DIR_NLINK_EXTRA_ISIZE;
        }
        if self.has_journal() && self.needs_recovery {
            incompat |= INCOMPAT_RECOVER;
        }
        let clean = self.has_journal() || !self.needs_recovery;
        let inodes = shape.groups.saturating_mul(shape.inodes_per_group);
        let free: u64 = (0..shape.groups.min(DESCRIPTORS_WRITTEN)).map(|group| free_blocks(shape, group)).sum();
        out.u32(0x00, inodes);
        out.u32(field::BLOCKS_LO, shape.blocks & 0xffff_ffff);
        out.u32(0x08, (shape.blocks / 20) & 0xffff_ffff);
        out.u32(0x0c, free & 0xffff_ffff);
        out.u32(0x10, inodes.saturating_sub(11));
        out.u32(field::LOG_BLOCK_SIZE, 2);
        out.u32(0x1c, 2);
        out.u32(0x20, BLOCKS_PER_GROUP);
        out.u32(0x24, BLOCKS_PER_GROUP);
        out.u32(0x28, shape.inodes_per_group);
        out.time(self.mounted, field::MTIME, field::MTIME_HI);
        out.time(self.written, field::WTIME, field::WTIME_HI);
        out.u16(field::MNT_COUNT, self.mount_count);
        out.u16(0x36, u16::MAX);
        out.u16(field::MAGIC, MAGIC);
        out.u16(field::STATE, if clean { STATE_CLEAN } else { 0 });
        out.u16(0x3c, 1);
        out.time(self.made, 0x40, 0x277);
        out.u32(0x4c, 1);
        out.u32(0x54, 11);
        out.u16(0x58, 256);
        out.u32(field::COMPAT, u64::from(if self.has_journal() { COMPAT_HAS_JOURNAL } else { 0 }));
        out.u32(field::INCOMPAT, u64::from(incompat));
        out.u32(field::RO_COMPAT, u64::from(ro_compat));
        out.bytes(field::UUID, &self.uuid, 16);
        out.bytes(field::LABEL, self.label.as_bytes(), 16);
        out.bytes(field::LAST_MOUNTED, self.last_mounted_at.as_bytes(), 64);
        if self.has_journal() {
            out.u32(0xe0, JOURNAL_INODE);
        }
        if self.kind == Kind::Ext4 {
            out.u16(0xfe, 64);
            out.u32(field::BLOCKS_HI, shape.blocks >> 32);
            out.u32(0x158, free >> 32);
        }
        out.time(self.made, 0x108, 0x276);
        out.u16(0x15c, 32);
        out.u16(0x15e, 32);
        out.0
    }

    fn descriptors(&self, shape: &Shape) -> Vec<u8> {
        let mut out = Vec::new();
        for group in 0..shape.groups.min(DESCRIPTORS_WRITTEN) {
            let mut one = Fields::new(usize::try_from(shape.descriptor).unwrap_or(64));
            let table = inode_table(shape, group);
            let blocks = [table.saturating_sub(2), table.saturating_sub(1), table];
            for (index, block) in blocks.into_iter().enumerate() {
                one.u32(index * 4, block & 0xffff_ffff);
                if self.kind == Kind::Ext4 {
                    one.u32(0x20 + index * 4, block >> 32);
                }
            }
            let used = if group == 0 { 11 } else { 0 };
            one.u16(0x0c, u16::try_from(free_blocks(shape, group)).unwrap_or(u16::MAX));
            one.u16(0x0e, u16::try_from(shape.inodes_per_group.saturating_sub(used)).unwrap_or(u16::MAX));
            out.extend_from_slice(&one.0);
        }
        out
    }

    /// A regular file of root's whose first blocks are mapped directly: enough for its first block to be found.
    fn journal_inode(&self, journal: u64) -> Vec<u8> {
        let mut out = Fields::new(128);
        out.u16(0x00, 0o100_600);
        out.u32(0x04, JOURNAL_BLOCKS * BLOCK);
        out.time(self.made, 0x10, usize::MAX);
        out.u16(0x1a, 1);
        out.u32(0x1c, JOURNAL_BLOCKS * BLOCK / 512);
        for index in 0..12 {
            out.u32(0x28 + index * 4, journal.saturating_add(index as u64));
        }
        out.0
    }

    /// jbd2, big-endian: a superblock of version 2; a start of 0 says that nothing is to be replayed.
    fn journal_superblock(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let start = u32::from(self.needs_recovery);
        for field in [0xc03b_3998_u32, 4, 0, 4096, 1024, 1, 1, start, 0, 0, 0, 0] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&1_u32.to_be_bytes());
        out
    }
}

/// Groups with a copy of the superblock: 0, 1 and the powers of 3, 5 and 7.
fn has_copy(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    };
    group <= 1 || [3, 5, 7].into_iter().any(power_of)
}

/// First block of a group's inode table; the two bitmaps stand before it.
fn inode_table(shape: &Shape, group: u64) -> u64 {
    let copies = if has_copy(group) { 1 + shape.table } else { 0 };
    group.saturating_mul(BLOCKS_PER_GROUP).saturating_add(copies).saturating_add(2)
}

fn inode_blocks(shape: &Shape) -> u64 {
    (shape.inodes_per_group * INODE).div_ceil(BLOCK)
}

/// First block of the journal, behind the first inode table.
fn journal(shape: &Shape) -> u64 {
    inode_table(shape, 0).saturating_add(inode_blocks(shape))
}

fn free_blocks(shape: &Shape, group: u64) -> u64 {
    let start = group.saturating_mul(BLOCKS_PER_GROUP);
    let used = inode_table(shape, group).saturating_sub(start).saturating_add(inode_blocks(shape));
    let journal = if group == 0 { JOURNAL_BLOCKS } else { 0 };
    shape.blocks.saturating_sub(start).min(BLOCKS_PER_GROUP).saturating_sub(used).saturating_sub(journal)
}

/// Little-endian fields; what would lie outside is left out.
struct Fields(Vec<u8>);

impl Fields {
    fn new(length: usize) -> Self {
        Self(vec![0; length])
    }

    fn bytes(&mut self, at: usize, bytes: &[u8], width: usize) {
        let length = bytes.len().min(width);
        if let (Some(room), Some(bytes)) = (at.checked_add(length).and_then(|end| self.0.get_mut(at..end)), bytes.get(..length)) {
            room.copy_from_slice(bytes);
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.bytes(at, &value.to_le_bytes(), 2);
    }

    fn u32(&mut self, at: usize, value: u64) {
        self.bytes(at, &u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes(), 4);
    }

    fn time(&mut self, time: Option<DateTime<Utc>>, low: usize, high: usize) {
        let seconds = time.and_then(|time| u64::try_from(time.timestamp()).ok()).unwrap_or_default();
        self.u32(low, seconds & 0xffff_ffff);
        self.bytes(high, &(seconds >> 32).to_le_bytes(), 1);
    }
}
