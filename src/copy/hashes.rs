//! The hashes of one disk: blake3 of every block, or that the block is zero.
//!
//! The list says what the bytes are, not how they lie: a block that is all zeros is [`BlockHash::Zero`] whether it was a hole or was read. So two disks
//! with the same bytes have the same list. 1 TiB of data takes 32 MiB of memory; a run of zeros takes the same few bytes whatever its length.

use std::io::{self, Write};

use crate::model::bundle::HASH_BLOCK;
use crate::model::hashes::{BlockHash, digest};

/// Bytes that one line covers; the last block of a disk may be shorter, and is hashed as short as it is.
pub const BLOCK: u64 = HASH_BLOCK;

/// The word for a block of zeros in a list's text.
const ZERO_LINE: &[u8] = b"zero\n";

/// Neighbouring lines of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashRun<'a> {
    /// So many blocks of zeros.
    Zeros(u64),
    Hashes(&'a [[u8; 32]]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    blocks: u64,
    /// Index of the first hash; nothing: zeros.
    hashes: Option<usize>,
}

/// One line for each block of a disk, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashList {
    runs: Vec<Run>,
    hashes: Vec<[u8; 32]>,
    blocks: u64,
}

impl HashList {
    /// How many lines it has.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    pub fn push(&mut self, line: BlockHash) {
        match line {
            BlockHash::Zero => self.push_zeros(1),
            BlockHash::Is(hash) => {
                let at = self.hashes.len();
                self.hashes.push(hash);
                match self.runs.last_mut() {
                    Some(run) if run.hashes.is_some() => run.blocks = run.blocks.saturating_add(1),
                    _ => self.runs.push(Run { first: self.blocks, blocks: 1, hashes: Some(at) }),
                }
                self.blocks = self.blocks.saturating_add(1);
            }
        }
    }

    pub fn push_zeros(&mut self, blocks: u64) {
        if blocks == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if run.hashes.is_none() => run.blocks = run.blocks.saturating_add(blocks),
            _ => self.runs.push(Run { first: self.blocks, blocks, hashes: None }),
        }
        self.blocks = self.blocks.saturating_add(blocks);
    }

    pub fn get(&self, block: u64) -> Option<BlockHash> {
        let (run, into) = self.find(block)?;
        match run.hashes {
            None => Some(BlockHash::Zero),
            Some(from) => self.hashes.get(from.checked_add(usize::try_from(into).ok()?)?).map(|hash| BlockHash::Is(*hash)),
        }
    }

    /// How many lines from this one on say zero, one after the other.
    pub fn zeros_from(&self, block: u64) -> u64 {
        match self.find(block) {
            Some((run, into)) if run.hashes.is_none() => run.blocks.saturating_sub(into),
            _ => 0,
        }
    }

    fn find(&self, block: u64) -> Option<(&Run, u64)> {
        let after = self.runs.partition_point(|run| run.first <= block);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let into = block.checked_sub(run.first)?;
        (into < run.blocks).then_some((run, into))
    }

    /// Every line, in order.
    pub fn iter(&self) -> impl Iterator<Item = BlockHash> + '_ {
        self.runs().flat_map(|run| {
            let (zeros, hashes) = match run {
                HashRun::Zeros(blocks) => (blocks, [].as_slice()),
                HashRun::Hashes(hashes) => (0, hashes),
            };
            (0..zeros).map(|_| BlockHash::Zero).chain(hashes.iter().map(|hash| BlockHash::Is(*hash)))
        })
    }

    pub fn runs(&self) -> impl Iterator<Item = HashRun<'_>> {
        self.runs.iter().map(|run| match run.hashes {
            None => HashRun::Zeros(run.blocks),
            Some(from) => {
                let count = usize::try_from(run.blocks).unwrap_or(usize::MAX);
                HashRun::Hashes(self.hashes.get(from..).and_then(|rest| rest.get(..count)).unwrap_or_default())
            }
        })
    }

    /// Keeps the first so many lines.
    pub fn truncate(&mut self, blocks: u64) {
        while let Some(run) = self.runs.last_mut() {
            if run.first >= blocks {
                if let Some(from) = run.hashes {
                    self.hashes.truncate(from);
                }
                self.runs.pop();
                continue;
            }
            let left = run.blocks.min(blocks.saturating_sub(run.first));
            if let Some(from) = run.hashes {
                self.hashes.truncate(from.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
            }
            run.blocks = left;
            break;
        }
        self.blocks = self.blocks.min(blocks);
    }

    /// The list's text: one line a block, each with its end of line.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let many = ZERO_LINE.repeat(1024);
        for run in self.runs() {
            match run {
                HashRun::Zeros(mut left) => {
                    while left > 0 {
                        let now = left.min(1024);
                        let bytes = usize::try_from(now).unwrap_or(0).saturating_mul(ZERO_LINE.len());
                        out.write_all(many.get(..bytes).unwrap_or_default())?;
                        left -= now;
                    }
                }
                HashRun::Hashes(hashes) => {
                    for hash in hashes {
                        writeln!(out, "{}", BlockHash::Is(*hash))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// `blake3:` and the blake3 of the list's text: what `b3sum --no-names` says of the file that holds it.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        // A hasher takes everything.
        let _ = self.write_text(&mut hasher);
        digest(&hasher)
    }
}

/// Collects a list line by line, as it is read from a bundle.
impl FromIterator<BlockHash> for HashList {
    fn from_iter<I: IntoIterator<Item = BlockHash>>(lines: I) -> Self {
        let mut list = Self::default();
        lines.into_iter().for_each(|line| list.push(line));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(lines: &[BlockHash]) -> HashList {
        lines.iter().copied().collect()
    }

    fn lines() -> impl Strategy<Value = Vec<BlockHash>> {
        let line = prop_oneof![Just(BlockHash::Zero), any::<u8>().prop_map(|byte| BlockHash::Is([byte; 32]))];
        prop::collection::vec(line, 0..40)
    }

    proptest! {
        #[test]
        fn every_line_is_found_again(lines in lines(), cut in 0_usize..50) {
            let whole = list(&lines);
            for (at, line) in lines.iter().enumerate() {
                prop_assert_eq!(whole.get(at as u64), Some(*line), "block {} would be held against another's hash", at);
                let zeros = lines[at..].iter().take_while(|line| **line == BlockHash::Zero).count() as u64;
                prop_assert_eq!(whole.zeros_from(at as u64), zeros, "data at block {} would be taken for zeros", at);
            }
            prop_assert_eq!(whole.get(lines.len() as u64), None);
            prop_assert_eq!(whole.iter().collect::<Vec<_>>(), lines.clone());
            let mut short = whole.clone();
            short.truncate(cut as u64);
            prop_assert_eq!(&short, &list(&lines[..lines.len().min(cut)]), "a resumed copy would go on with other hashes");
            let mut text = Vec::new();
            whole.write_text(&mut text).unwrap();
            let plain: String = lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
            prop_assert_eq!(String::from_utf8(text).unwrap(), plain.clone(), "RESTORE.txt's check of the list would fail");
            prop_assert_eq!(whole.digest(), format!("blake3:{}", blake3::hash(plain.as_bytes()).to_hex()));
        }
    }

    #[test]
    fn a_tebibyte_of_zeros_is_one_run() {
        let mut list = HashList::default();
        for _ in 0..1000 {
            list.push_zeros(1 << 20);
        }
        assert_eq!((list.blocks(), list.runs.len()), (1000 << 20, 1), "an empty disk's list would fill the memory");
        assert_eq!(list.get((1000 << 20) - 1), Some(BlockHash::Zero));
    }
}
