//! Bytes at an offset: what every recogniser of content reads through, be it a file of the host or bytes in a test.

use std::fmt::Write as _;
use std::path::Path;

use crate::host::{Answer, HostError, Look};

/// Something with a size from which bytes can be read.
pub trait BytesAt {
    /// At most `len` bytes from `offset`; fewer only at the end.
    fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>>;

    /// Size in bytes.
    fn size(&self) -> u64;
}

impl BytesAt for &[u8] {
    fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(len).min(self.len());
        Ok(self.get(start..end).unwrap_or_default().to_vec())
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

/// A regular file or block device of the host.
pub struct HostFile<'a> {
    pub host: &'a dyn Look,
    pub path: &'a Path,
    /// Size in bytes, from the file's status or the device's facts.
    pub size: u64,
}

impl BytesAt for HostFile<'_> {
    fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.host.read_at(self.path, offset, len)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

/// Exactly `len` bytes from `offset`; nothing when that reaches past the end.
///
/// Fewer bytes than the size promises are an error, never the end: a file that is being rewritten is not a file that was cut.
pub fn exact(src: &dyn BytesAt, offset: u64, len: usize) -> Answer<Option<Vec<u8>>> {
    if offset.checked_add(len as u64).is_none_or(|end| end > src.size()) {
        return Ok(None);
    }
    let bytes = src.read(offset, len)?;
    if bytes.len() < len {
        return Err(HostError::Failed { why: "fewer bytes came back than its size promises".to_owned() });
    }
    Ok(Some(bytes))
}

/// As [`up_to`], with shorter lengths to fall back on: a capture may hold only the first sectors of a file.
pub fn as_much_as_there(src: &dyn BytesAt, offset: u64, lengths: &[usize]) -> Answer<Vec<u8>> {
    let mut answer = Ok(Vec::new());
    for len in lengths {
        answer = up_to(src, offset, *len);
        if !matches!(answer, Err(HostError::NotCaptured | HostError::Failed { .. })) {
            break;
        }
    }
    answer
}

/// At most `len` bytes from `offset`, fewer at the end; an error when the size promises more than came back.
pub fn up_to(src: &dyn BytesAt, offset: u64, len: usize) -> Answer<Vec<u8>> {
    let there = usize::try_from(src.size().saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
    Ok(exact(src, offset, there)?.unwrap_or_default())
}

/// As [`exact`], for what is nice to have: nothing past the end, and nothing where it cannot be read.
pub fn if_there(src: &dyn BytesAt, offset: u64, len: usize) -> Option<Vec<u8>> {
    exact(src, offset, len).ok().flatten()
}

/// `N` bytes at an offset in `bytes`, when they are there.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

pub fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub fn be_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// The byte order that a header or stream says it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        match self {
            Self::Little => le_u32(bytes, at),
            Self::Big => be_u32(bytes, at),
        }
    }
}

/// A text field of fixed width: up to its first NUL, nothing when it is empty.
pub fn text(bytes: &[u8], at: usize, width: usize) -> Option<String> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    let field = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(field).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Sixteen bytes as a UUID is written; nothing when they are all zero.
pub fn uuid(bytes: &[u8], at: usize) -> Option<String> {
    let raw: [u8; 16] = array(bytes, at)?;
    (raw != [0; 16]).then(|| dashed(&raw))
}

/// A GUID whose first three groups are little-endian, as GPT and Microsoft's formats store them.
pub fn guid(bytes: &[u8], at: usize) -> Option<String> {
    let mut raw: [u8; 16] = array(bytes, at)?;
    raw[..4].reverse();
    raw[4..6].reverse();
    raw[6..8].reverse();
    (raw != [0; 16]).then(|| dashed(&raw))
}

fn dashed(raw: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
pub mod testing {
    //! Sources for tests: one that counts what is read, one that holds only a head.

    use std::cell::Cell;

    use super::{Answer, BytesAt, HostError};

    /// Counts reads and bytes asked for.
    pub struct Counted<'a> {
        pub inner: &'a [u8],
        pub reads: Cell<u64>,
        pub asked: Cell<u64>,
    }

    impl<'a> Counted<'a> {
        pub fn new(inner: &'a [u8]) -> Self {
            Self { inner, reads: Cell::new(0), asked: Cell::new(0) }
        }
    }

    impl BytesAt for Counted<'_> {
        fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
            self.reads.set(self.reads.get() + 1);
            self.asked.set(self.asked.get() + len as u64);
            self.inner.read(offset, len)
        }

        fn size(&self) -> u64 {
            self.inner.size()
        }
    }

    /// A capture that holds only the first bytes of a larger file.
    pub struct HeadOnly<'a> {
        pub head: &'a [u8],
        pub size: u64,
    }

    impl BytesAt for HeadOnly<'_> {
        fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
            if offset.saturating_add(len as u64) > self.head.len() as u64 {
                return Err(HostError::NotCaptured);
            }
            self.head.read(offset, len)
        }

        fn size(&self) -> u64 {
            self.size
        }
    }

    /// A large file of zeros with a few pieces that are not: a sparse disk.
    pub struct Sparse {
        pub pieces: Vec<(u64, Vec<u8>)>,
        pub size: u64,
        pub asked: Cell<u64>,
    }

    impl Sparse {
        pub fn new(size: u64, pieces: Vec<(u64, Vec<u8>)>) -> Self {
            Self { pieces, size, asked: Cell::new(0) }
        }
    }

    impl BytesAt for Sparse {
        fn read(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
            let len = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
            self.asked.set(self.asked.get() + len as u64);
            let mut out = vec![0; len];
            for (start, bytes) in &self.pieces {
                let (from, to) = (offset.max(*start), (offset + len as u64).min(start + bytes.len() as u64));
                if from < to {
                    let within = |base: u64| usize::try_from(from - base).unwrap()..usize::try_from(to - base).unwrap();
                    out[within(offset)].copy_from_slice(&bytes[within(*start)]);
                }
            }
            Ok(out)
        }

        fn size(&self) -> u64 {
            self.size
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_end_and_not_captured_are_two_things() {
        let bytes: &[u8] = b"0123456789";
        assert_eq!(exact(&bytes, 8, 2), Ok(Some(b"89".to_vec())));
        assert_eq!(exact(&bytes, 8, 3), Ok(None));
        assert_eq!(exact(&bytes, u64::MAX, 3), Ok(None), "an offset near the end of the number range must not wrap around");
        let head = testing::HeadOnly { head: bytes, size: 100 };
        assert_eq!(exact(&head, 8, 3), Err(HostError::NotCaptured), "a file of which only the head is known would be called cut");
        assert_eq!(up_to(&bytes, 8, 100), Ok(b"89".to_vec()));
    }

    #[test]
    fn a_guid_is_written_as_tools_write_it() {
        let raw: [u8; 16] = [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
        assert_eq!(guid(&raw, 0).as_deref(), Some("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "blkid shows another name for the same disk");
    }
}
