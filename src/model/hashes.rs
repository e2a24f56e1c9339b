//! The hash of one block of a disk ([`super::bundle::HASH_BLOCK`] bytes; the last block of a disk may be shorter), as a line of a piece's
//! list of hashes says it. The copier makes them, the `bundle` room writes and reads the lists.

use std::fmt;

use super::bundle::HASH_BLOCK;

/// What a list of hashes says of one block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockHash {
    /// Every byte is zero. A block that is all zeros is always written so, whether it was a hole or was read: two lists of the same bytes are
    /// the same bytes themselves.
    Zero,
    /// blake3 of the block's bytes.
    Is([u8; 32]),
}

/// The word for a block of zeros.
const ZERO: &str = "zero";

impl BlockHash {
    /// The hash of a block. One that is all zeros is not hashed.
    pub fn of(block: &[u8]) -> Self {
        if is_zero(block) { Self::Zero } else { Self::Is(*blake3::hash(block).as_bytes()) }
    }

    /// A line without its line end. Strict: 64 lower-case hexadecimal digits, as `b3sum --no-names` prints them, or `zero`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        if line == ZERO.as_bytes() {
            return Some(Self::Zero);
        }
        if line.len() != 64 || line.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        Some(Self::Is(*blake3::Hash::from_hex(line).ok()?.as_bytes()))
    }

    /// Whether these are the bytes that the hash was made of. Takes a list's word for nothing: zeros are looked at, and the hash of zeros,
    /// which only another program would write, is as good as the word.
    pub fn matches(&self, block: &[u8]) -> bool {
        match self {
            Self::Zero => is_zero(block),
            Self::Is(hash) => blake3::hash(block).as_bytes() == hash,
        }
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str(ZERO),
            Self::Is(hash) => f.write_str(blake3::Hash::from_bytes(*hash).to_hex().as_str()),
        }
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether all bytes are zero; looks at sixteen at a time.
pub fn is_zero(bytes: &[u8]) -> bool {
    let (wide, rest) = bytes.as_chunks::<16>();
    wide.iter().all(|chunk| u128::from_ne_bytes(*chunk) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Blocks of a disk of so many bytes.
pub fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(HASH_BLOCK)
}

/// Offset and length of a block of a disk of so many bytes; nothing when the disk has no such block.
pub fn block_range(index: u64, bytes: u64) -> Option<(u64, u64)> {
    let start = index.checked_mul(HASH_BLOCK)?;
    let length = bytes.checked_sub(start)?.min(HASH_BLOCK);
    (length > 0).then_some((start, length))
}

/// How a digest is written in manifests and events: `blake3:` and 64 hexadecimal digits.
pub fn digest(hasher: &blake3::Hasher) -> String {
    format!("blake3:{}", hasher.finalize().to_hex())
}

/// Whether a text is a digest as [`digest`] writes it.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("blake3:").is_some_and(|hex| matches!(BlockHash::parse(hex.as_bytes()), Some(BlockHash::Is(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_the_block_it_was_made_of() {
        for block in [b"abc".as_slice(), &[0; 100], b"", &[7; 4097]] {
            let hash = BlockHash::of(block);
            assert_eq!(BlockHash::parse(hash.to_string().as_bytes()), Some(hash));
            assert!(hash.matches(block), "a good backup would be called bad: {hash}");
        }
        assert_eq!(BlockHash::of(&[0; 33]), BlockHash::Zero);
        assert!(!BlockHash::Zero.matches(&[0, 0, 1]), "a changed byte in a range of zeros went unseen");
        assert!(BlockHash::Is(*blake3::hash(&[0; 64]).as_bytes()).matches(&[0; 64]));
        assert_eq!(
            BlockHash::of(b"abc").to_string(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            "b3sum would print something else: nobody could verify a bundle without domkeep"
        );
    }

    #[test]
    fn only_a_hash_is_a_hash() {
        let hex = BlockHash::of(b"abc").to_string();
        for wrong in ["", "Zero", "zero ", &hex.to_uppercase(), &hex[1..], &format!("{hex}0"), &format!("{}g", &hex[1..])] {
            assert_eq!(BlockHash::parse(wrong.as_bytes()), None, "{wrong:?} was taken for a hash");
        }
        assert!(is_digest(&format!("blake3:{hex}")) && !is_digest("blake3:zero") && !is_digest(&hex));
    }

    #[test]
    fn the_last_block_may_be_short() {
        assert_eq!((blocks(0), blocks(1), blocks(HASH_BLOCK), blocks(HASH_BLOCK + 1), blocks(u64::MAX)), (0, 1, 1, 2, 1 << 44));
        assert_eq!(block_range(1, HASH_BLOCK + 5), Some((HASH_BLOCK, 5)));
        assert_eq!(block_range(1, HASH_BLOCK), None);
        assert_eq!(block_range(u64::MAX, u64::MAX), None);
    }
}
