//! A file or disk to be laid out: its bytes that are not zero. What the builders of save images and file systems give.

/// The parts that are not zero, in order of their offsets, and the size in bytes.
///
/// So a save image or a disk of many GiB can be written as a sparse file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Laid {
    pub pieces: Vec<(u64, Vec<u8>)>,
    pub size: u64,
}

impl Laid {
    /// Puts bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some((start, last)) = self.pieces.last_mut()
            && start.saturating_add(last.len() as u64) == self.size
        {
            last.extend_from_slice(bytes);
        } else {
            self.pieces.push((self.size, bytes.to_vec()));
        }
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    /// Puts zeros at the end.
    pub fn skip(&mut self, zeros: u64) {
        self.size = self.size.saturating_add(zeros);
    }

    /// Lays another one in at `start`: a file system into its partition.
    pub fn lay(&mut self, start: u64, other: Self) {
        self.pieces.extend(other.pieces.into_iter().map(|(at, bytes)| (start.saturating_add(at), bytes)));
        self.pieces.sort_by_key(|(at, _)| *at);
        self.size = self.size.max(start.saturating_add(other.size));
    }

    /// The whole file, zeros written out: for small ones.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (start, bytes) in &self.pieces {
            out.resize(usize::try_from(*start).unwrap_or(usize::MAX), 0);
            out.extend_from_slice(bytes);
        }
        out.resize(usize::try_from(self.size).unwrap_or(usize::MAX), 0);
        out
    }
}
