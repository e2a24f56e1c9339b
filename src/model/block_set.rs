//! Which blocks of a disk ([`super::bundle::HASH_BLOCK`] bytes each) are meant: one bit a block, so that no list of a stranger's makes it grow.
//! 1 TiB takes 128 KiB.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bundle::HASH_BLOCK;

/// Blocks of a disk of a fixed size. What lies beyond the disk's end is in no set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Runs", into = "Runs")]
pub struct BlockSet {
    blocks: u64,
    bits: Vec<u64>,
}

/// How it is written down: the first block and the count of each run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Runs {
    blocks: u64,
    runs: Vec<(u64, u64)>,
}

impl From<Runs> for BlockSet {
    fn from(written: Runs) -> Self {
        let mut set = Self::none(written.blocks.saturating_mul(HASH_BLOCK));
        for (first, count) in written.runs {
            set.insert_blocks(first..first.saturating_add(count));
        }
        set
    }
}

impl From<BlockSet> for Runs {
    fn from(set: BlockSet) -> Self {
        Self { blocks: set.blocks, runs: set.runs().map(|run| (run.start, run.end - run.start)).collect() }
    }
}

impl BlockSet {
    /// The empty set of a disk of so many bytes.
    pub fn none(bytes: u64) -> Self {
        let blocks = super::hashes::blocks(bytes);
        Self { blocks, bits: vec![0; usize::try_from(blocks.div_ceil(64)).unwrap_or(0)] }
    }

    pub fn all(bytes: u64) -> Self {
        let mut set = Self::none(bytes);
        set.insert_blocks(0..set.blocks);
        set
    }

    /// Blocks of the disk, in the set or not.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Every block that has a byte of this range.
    pub fn insert_bytes(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.insert_blocks(range.start / HASH_BLOCK..range.end.div_ceil(HASH_BLOCK));
        }
    }

    pub fn insert_blocks(&mut self, range: Range<u64>) {
        let mut block = range.start;
        let end = range.end.min(self.blocks);
        while block < end {
            let (word, bit) = (block / 64, block % 64);
            let count = (64 - bit).min(end - block);
            let mask = if count == 64 { u64::MAX } else { ((1_u64 << count) - 1) << bit };
            if let Some(bits) = usize::try_from(word).ok().and_then(|word| self.bits.get_mut(word)) {
                *bits |= mask;
            }
            block += count;
        }
    }

    pub fn contains(&self, block: u64) -> bool {
        block < self.blocks
            && usize::try_from(block / 64).ok().and_then(|word| self.bits.get(word)).is_none_or(|bits| bits >> (block % 64) & 1 == 1)
    }

    /// How many are in.
    pub fn count(&self) -> u64 {
        self.bits.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    /// How many blocks from this one on are all in, or all out, as this one is. 0: the disk has no such block.
    pub fn alike_from(&self, block: u64) -> u64 {
        let is_in = self.contains(block);
        let mut at = block;
        while at < self.blocks {
            let skip = if is_in { u64::MAX } else { 0 };
            if at.is_multiple_of(64) && usize::try_from(at / 64).ok().and_then(|word| self.bits.get(word)) == Some(&skip) {
                at = at.saturating_add(64).min(self.blocks);
            } else if self.contains(at) == is_in {
                at += 1;
            } else {
                break;
            }
        }
        at.saturating_sub(block)
    }

    /// The runs of blocks that are in, in order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            if !self.contains(at) {
                at = at.saturating_add(self.alike_from(at));
            }
            let length = self.alike_from(at);
            let run = at..at.saturating_add(length);
            at = run.end;
            (length > 0).then_some(run)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_block_that_was_named_is_in_and_no_other(bytes in 0_u64..400 << 20, ranges in prop::collection::vec((0_u64..420 << 20, 0_u64..80 << 20), 0..6)) {
            let mut set = BlockSet::none(bytes);
            for (start, length) in &ranges {
                set.insert_bytes(*start..start + length);
            }
            let blocks = bytes.div_ceil(HASH_BLOCK);
            let named = |block: u64| ranges.iter().any(|(start, length)| *length > 0 && *start < (block + 1) * HASH_BLOCK && start + length > block * HASH_BLOCK);
            for block in 0..blocks + 3 {
                prop_assert_eq!(set.contains(block), block < blocks && named(block), "block {} would be left out of a backup, or read for nothing", block);
            }
            let from_runs: u64 = set.runs().map(|run| run.end - run.start).sum();
            prop_assert_eq!(from_runs, set.count());
            let back: BlockSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
            prop_assert_eq!(back, set, "a job that was interrupted would go on with another set");
        }
    }

    #[test]
    fn all_is_all() {
        let all = BlockSet::all((70 << 20) + 1);
        assert_eq!((all.count(), all.blocks(), all.alike_from(0)), (71, 71, 71));
        assert_eq!(all.runs().collect::<Vec<_>>(), std::iter::once(0..71).collect::<Vec<_>>());
    }
}
