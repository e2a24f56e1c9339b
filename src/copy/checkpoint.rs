//! What a copy that was interrupted goes on from: small, whatever the disk's size. It holds no hashes of blocks, only digests of the list up to
//! some marks; the blocks below are read back from the destination, so that what is gone on from is what really stands there.

use serde::{Deserialize, Serialize};

use crate::model::hashes::BlockHash;

use super::hashes::HashList;

/// Version of its form; another one is not used, and the copy begins anew.
pub const VERSION: u32 = 1;

/// About so many marks at most: a checkpoint stays small enough for a line of a journal.
const MOST_MARKS: u64 = 128;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub version: u32,
    /// Bytes of the source.
    pub total: u64,
    /// What the source was, where that can be told.
    pub source: Option<Identity>,
    /// Ascending. Everything below the last had reached the disk.
    pub marks: Vec<Mark>,
    /// Ranges of the source below the last mark that could not be read: offset, length.
    pub unreadable: Vec<(u64, u64)>,
}

/// A regular file at one moment: when any of it differs, other bytes may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub bytes: u64,
    pub modified_seconds: i64,
    pub modified_nanoseconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Blocks of 1 MiB below it.
    pub blocks: u64,
    /// blake3 in hexadecimal of the list's text up to it.
    pub digest: String,
    /// Bytes below it that were read and are zero.
    pub zeros: u64,
    /// Bytes that were written for the blocks below it.
    pub written: u64,
}

impl Checkpoint {
    pub fn new(total: u64, source: Option<Identity>) -> Self {
        Self { version: VERSION, total, source, marks: Vec::new(), unreadable: Vec::new() }
    }

    /// Bytes below its last mark.
    pub fn bytes(&self) -> u64 {
        self.marks.last().map_or(0, |mark| mark.blocks.saturating_mul(super::BLOCK).min(self.total))
    }

    pub(super) fn add(&mut self, mark: Mark) {
        if mark.blocks <= self.marks.last().map_or(0, |last| last.blocks) {
            return;
        }
        // The last one may lie anywhere; those before it keep their distance.
        let apart = self.total.div_ceil(super::BLOCK).div_ceil(MOST_MARKS);
        if let [.., before, _] = self.marks.as_slice()
            && mark.blocks.saturating_sub(before.blocks) < apart.saturating_mul(2)
        {
            self.marks.pop();
        }
        self.marks.push(mark);
    }

    /// Why it cannot be gone on from.
    pub(super) fn trouble(&self, total: u64, source: Option<&Identity>) -> Option<&'static str> {
        if self.version != VERSION {
            return Some("it was written by another version");
        }
        if self.total != total {
            return Some("the source had another size");
        }
        if let (Some(then), Some(now)) = (&self.source, source)
            && then != now
        {
            return Some("the source was changed since");
        }
        let begins = self.marks.first().is_none_or(|mark| mark.blocks > 0);
        let ascending = self.marks.iter().zip(self.marks.iter().skip(1)).all(|(one, next)| one.blocks < next.blocks);
        let within = self.marks.last().is_none_or(|mark| mark.blocks <= total.div_ceil(super::BLOCK));
        (!begins || !ascending || !within).then_some("it is damaged")
    }
}

/// The digest of a list that grows.
#[derive(Clone, Debug, Default)]
pub struct Growing {
    hasher: blake3::Hasher,
    pub blocks: u64,
}

impl Growing {
    pub fn push(&mut self, line: BlockHash) {
        match line {
            BlockHash::Zero => self.push_zeros(1),
            BlockHash::Is(_) => {
                let mut list = HashList::default();
                list.push(line);
                self.extend(&list);
            }
        }
    }

    pub fn push_zeros(&mut self, blocks: u64) {
        let mut list = HashList::default();
        list.push_zeros(blocks);
        self.extend(&list);
    }

    fn extend(&mut self, list: &HashList) {
        // A hasher takes everything.
        let _ = list.write_text(&mut self.hasher);
        self.blocks = self.blocks.saturating_add(list.blocks());
    }

    pub fn digest(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_few_and_the_last_stays() {
        let mut checkpoint = Checkpoint::new(10_000 * super::super::BLOCK, None);
        checkpoint.add(Mark { blocks: 0, digest: String::new(), zeros: 0, written: 0 });
        assert!(checkpoint.marks.is_empty(), "a mark below which nothing lies would never be reached");
        for blocks in 1..=10_000 {
            checkpoint.add(Mark { blocks, digest: String::new(), zeros: 0, written: 0 });
            assert_eq!(checkpoint.marks.last().map(|mark| mark.blocks), Some(blocks), "what was synced last would be copied again");
            assert!(checkpoint.marks.len() as u64 <= 2 * MOST_MARKS, "a long copy's journal would grow without end");
        }
        let widest = checkpoint.marks.windows(2).map(|pair| pair[1].blocks - pair[0].blocks).max();
        assert!(widest < Some(400), "one bad block would cost many: {widest:?}");
    }

    #[test]
    fn another_source_is_not_gone_on_with() {
        let then = Identity { device: 1, inode: 2, bytes: 5 << 20, modified_seconds: 10, modified_nanoseconds: 0 };
        let checkpoint = Checkpoint::new(5 << 20, Some(then));
        assert_eq!(checkpoint.trouble(5 << 20, Some(&then)), None);
        assert!(checkpoint.trouble(6 << 20, Some(&then)).is_some(), "two halves of different disks would become one");
        let now = Identity { modified_seconds: 11, ..then };
        assert!(checkpoint.trouble(5 << 20, Some(&now)).is_some(), "old and new bytes of the source would be mixed");
        let mut damaged = checkpoint;
        damaged.add(Mark { blocks: 99, digest: String::new(), zeros: 0, written: 0 });
        assert!(damaged.trouble(5 << 20, Some(&then)).is_some());
    }
}
