//! Memory that O_DIRECT accepts, without unsafe code: allocate a little more, and use it from the first aligned byte on.

use super::ends::ALIGN;

/// Bytes whose first one lies at a multiple of [`ALIGN`]. Never moves: the vector never grows.
#[derive(Debug)]
pub struct Aligned {
    memory: Vec<u8>,
    skip: usize,
    length: usize,
}

impl Aligned {
    /// So many zeros.
    pub fn new(length: usize) -> Self {
        let memory = vec![0; length.saturating_add(ALIGN)];
        // `align_offset` may decline (it says usize::MAX): then the bytes are merely not aligned, and the ends fall back to the page cache.
        let skip = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { memory, skip, length }
    }

    pub fn bytes(&self) -> &[u8] {
        self.memory.get(self.skip..).and_then(|rest| rest.get(..self.length)).unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.skip..).and_then(|rest| rest.get_mut(..self.length)).unwrap_or_default()
    }
}

/// Whether O_DIRECT can take this piece as it is.
pub fn fits_direct(bytes: &[u8], offset: u64, unit: usize) -> bool {
    bytes.as_ptr().align_offset(unit) == 0 && bytes.len().is_multiple_of(unit) && offset.is_multiple_of(unit as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_can_be_read_into_directly() {
        for length in [0, 1, 512, 4096, 1 << 20] {
            let mut buffer = Aligned::new(length);
            assert_eq!(buffer.bytes_mut().len(), length, "a block would not fit");
            assert!(buffer.bytes().as_ptr().align_offset(ALIGN) == 0, "O_DIRECT would refuse a buffer of {length} bytes");
        }
    }
}
