//! `<piece>.hashes`: one line for every block of a piece, in its order; no head, no names, no empty line. Every line ends in a line feed,
//! the last one too: a list that was cut short is seen. Read and written as a stream: a list of any length takes no memory.
//!
//! The list's digest, which the manifest holds, is the blake3 of the list's own bytes.

use std::io::{self, BufRead, BufReader, Read, Write};

pub use crate::model::hashes::{BlockHash, block_range, blocks, digest, is_digest};

/// Bytes of the longest line that is right, its line end included.
const LONGEST_LINE: u64 = 65;

/// What is wrong with a list of hashes.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("line {line}: {why}")]
    Line { line: u64, why: String },
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A finished list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Lines, which is blocks.
    pub blocks: u64,
    /// Of these, blocks of zeros.
    pub zeros: u64,
    /// `blake3:...` of the list's bytes.
    pub digest: String,
}

/// Counts and digests lines, whichever way they go.
#[derive(Clone, Debug, Default)]
struct Tally {
    hasher: blake3::Hasher,
    blocks: u64,
    zeros: u64,
}

impl Tally {
    fn add(&mut self, line: &[u8], hash: BlockHash) {
        self.hasher.update(line);
        self.blocks = self.blocks.saturating_add(1);
        self.zeros = self.zeros.saturating_add(u64::from(hash == BlockHash::Zero));
    }

    fn summary(&self) -> Summary {
        Summary { blocks: self.blocks, zeros: self.zeros, digest: digest(&self.hasher) }
    }
}

/// Writes a list, block after block.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: io::BufWriter<W>,
    tally: Tally,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Self {
        Self { out: io::BufWriter::with_capacity(64 << 10, out), tally: Tally::default() }
    }

    /// The next block's hash.
    pub fn push(&mut self, hash: BlockHash) -> io::Result<()> {
        let line = format!("{hash}\n");
        self.tally.add(line.as_bytes(), hash);
        self.out.write_all(line.as_bytes())
    }

    /// So many blocks of zeros.
    pub fn zeros(&mut self, count: u64) -> io::Result<()> {
        (0..count).try_for_each(|_| self.push(BlockHash::Zero))
    }

    /// Writes what is still buffered. Syncing what was written to is the caller's.
    pub fn finish(self) -> io::Result<(W, Summary)> {
        let summary = self.tally.summary();
        let out = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((out, summary))
    }
}

/// Reads a list, block after block. After the first error there is nothing more.
#[derive(Debug)]
pub struct Reader<R: Read> {
    input: BufReader<R>,
    line: Vec<u8>,
    tally: Tally,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(64 << 10, input), line: Vec::new(), tally: Tally::default(), ended: false }
    }

    /// What was read so far; of the whole list once the iterator has ended.
    pub fn summary(&self) -> Summary {
        self.tally.summary()
    }

    fn next_line(&mut self) -> Result<Option<BlockHash>, ListError> {
        self.line.clear();
        let got = Read::by_ref(&mut self.input).take(LONGEST_LINE + 1).read_until(b'\n', &mut self.line)?;
        if got == 0 {
            return Ok(None);
        }
        let line = self.tally.blocks.saturating_add(1);
        let Some(text) = self.line.strip_suffix(b"\n") else {
            let why = if self.line.len() as u64 > LONGEST_LINE {
                format!("{}... is longer than any hash", start_of(&self.line))
            } else {
                format!("`{}` has no line end: the list was cut short", start_of(&self.line))
            };
            return Err(ListError::Line { line, why });
        };
        let Some(hash) = BlockHash::parse(text) else {
            let why = format!("`{}` is neither 64 hexadecimal digits nor `zero`", start_of(text));
            return Err(ListError::Line { line, why });
        };
        self.tally.add(&self.line, hash);
        Ok(Some(hash))
    }
}

/// As much of a wrong line as an error shows.
fn start_of(line: &[u8]) -> String {
    crate::model::shown::bytes(line.get(..20).unwrap_or(line))
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<BlockHash, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.next_line().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(hashes: &[BlockHash]) -> (Vec<u8>, Summary) {
        let mut writer = Writer::new(Vec::new());
        for hash in hashes {
            writer.push(*hash).unwrap();
        }
        writer.finish().unwrap()
    }

    fn wrong(text: &[u8]) -> String {
        Reader::new(text).find_map(Result::err).map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let (mut text, _) = written(&[BlockHash::of(b"a"), BlockHash::Zero]);
        text.extend_from_slice(b"zebra\nzero\n");
        assert_eq!(wrong(&text), "line 3: `zebra` is neither 64 hexadecimal digits nor `zero`");
        assert!(wrong(b"zero\n\n").starts_with("line 2: ``"));
        assert!(wrong(b"zero\r\n").contains("\\r"));
        assert!(wrong(b"zero\nzer").starts_with("line 2: `zer` has no line end"), "a list that was cut short passed for a whole one");
        assert!(wrong(&vec![b'a'; 10 << 20]).contains("longer than any hash"));
        assert_eq!(Reader::new(b"x\nzero\n".as_slice()).count(), 1, "what follows an error was read on");
    }

    #[test]
    fn an_empty_piece_has_an_empty_list() {
        let (text, summary) = written(&[]);
        assert!(text.is_empty() && summary.blocks == 0 && is_digest(&summary.digest));
        assert_eq!(Reader::new(text.as_slice()).count(), 0);
    }

    proptest! {
        #[test]
        fn a_list_comes_back_as_it_was_written(blocks in proptest::collection::vec(proptest::option::weighted(0.4, any::<[u8; 32]>()), 0..200)) {
            let hashes: Vec<BlockHash> = blocks.iter().map(|hash| hash.map_or(BlockHash::Zero, BlockHash::Is)).collect();
            let (text, summary) = written(&hashes);
            let mut reader = Reader::new(text.as_slice());
            let back: Vec<BlockHash> = reader.by_ref().map(Result::unwrap).collect();
            prop_assert_eq!(&back, &hashes);
            prop_assert_eq!(reader.summary(), summary, "the digest of a good list would not be the manifest's");
        }

        #[test]
        fn a_flipped_bit_in_a_list_is_found(block: [u8; 32], at in 0_usize..75, bit in 0_u8..8) {
            let (mut text, summary) = written(&[BlockHash::Zero, BlockHash::Is(block), BlockHash::Zero]);
            text[at] ^= 1 << bit;
            let mut reader = Reader::new(text.as_slice());
            let understood = reader.by_ref().all(|line| line.is_ok());
            prop_assert!(!understood || reader.summary().digest != summary.digest, "a damaged list of hashes passed for a good one");
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Reader::new(bytes.as_slice()).count();
        }
    }
}
