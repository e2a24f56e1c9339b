//! What stands at the destination already: blocks of an earlier copy, and which of them may have changed since.
//!
//! That a block is believed unchanged is somebody else's word (a thin pool's, a snapshot's). So some of them are read all the same, chosen so that
//! nobody can foresee them; if only one differs, no word is believed any more, and all is read.

use std::io;

use crate::model::BlockSet;
use crate::model::hashes::BlockHash;

use super::buffers::Aligned;
use super::ends::Source;
use super::extents::Runs;
use super::hashes::{BLOCK, HashList};
use super::task::Failed;
use super::worker::{bytes_of, read_block, same, unread};

/// An earlier copy, and what may have changed.
#[derive(Clone, Debug)]
pub struct Since {
    /// The hashes of what stands at the destination.
    pub list: HashList,
    /// Only these are read.
    pub changed: BlockSet,
    /// So many of the others are read and compared first.
    pub audit_blocks: u64,
    pub audit_seed: u64,
}

impl Since {
    /// Whether it is of a disk of so many bytes. What stands there is of another size otherwise, and its last block is another.
    pub fn fits(&self, total: u64) -> bool {
        self.list.blocks() == total.div_ceil(BLOCK) && self.changed.blocks() == total.div_ceil(BLOCK)
    }

    /// The blocks that are read although nobody says that they changed; in order, none twice.
    pub fn sample(&self) -> Vec<u64> {
        let unchanged = self.changed.blocks().saturating_sub(self.changed.count());
        let mut chosen: Vec<u64> = Vec::new();
        if unchanged <= self.audit_blocks {
            chosen.extend((0..self.changed.blocks()).filter(|block| !self.changed.contains(*block)));
            return chosen;
        }
        let mut state = self.audit_seed;
        // Most tries hit: where nearly all has changed, a few more are needed.
        let mut tries = self.audit_blocks.saturating_mul(64);
        while (chosen.len() as u64) < self.audit_blocks && tries > 0 {
            tries -= 1;
            let block = next(&mut state) % self.changed.blocks().max(1);
            if !self.changed.contains(block) && !chosen.contains(&block) {
                chosen.push(block);
            }
        }
        chosen.sort_unstable();
        chosen
    }

    /// Reads the sample. Gives how many were read, and the first block that is not what the list says.
    pub fn audit(&self, source: &dyn Source, runs: &Runs, go_on: &mut dyn FnMut() -> bool) -> Result<(u64, Option<u64>), Failed> {
        let mut buffer = Aligned::new(usize::try_from(BLOCK).unwrap_or(1 << 20));
        let mut read = 0_u64;
        for block in self.sample() {
            if !go_on() {
                return Err(Failed::Stopped { checkpoint: None });
            }
            let mut unreadable = Vec::new();
            let bytes =
                read_block(source, runs, block, &mut buffer, &mut unreadable).map_err(|trouble| unread(source, runs.total(), trouble))?;
            read = read.saturating_add(1);
            if !unreadable.is_empty() || !same(self.list.get(block), BlockHash::of(bytes), bytes) {
                return Ok((read, Some(block)));
            }
        }
        Ok((read, None))
    }

    /// An error when it cannot be used for this disk.
    pub fn refuse(&self, total: u64) -> Result<(), Failed> {
        if self.fits(total) {
            return Ok(());
        }
        let says = format!("what stands at the destination is of {} blocks, the source has {}", self.list.blocks(), total.div_ceil(BLOCK));
        Err(Failed::Prepare { why: io::Error::other(says) })
    }

    /// Bytes of the blocks that may have changed.
    pub fn changed_bytes(&self, total: u64) -> u64 {
        self.changed.runs().fold(0, |sum: u64, run| {
            let range = bytes_of(run.start, run.end - run.start, total);
            sum.saturating_add(range.end - range.start)
        })
    }
}

/// splitmix64: from one seed, numbers that anybody can compute again.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
