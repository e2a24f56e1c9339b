//! Answers gathered before they are written.

use std::path::{Path, PathBuf};

use super::answers::{Answers, words};
use crate::host::{Answer, DeviceFacts, Listing, Space, Stat};
use crate::model::{Cmd, Extent, Output};

/// More than this is not captured; what is left out is counted.
pub const MOST: usize = 512 << 20;

/// What a host answered, in bounded memory. A later answer to the same question replaces the earlier one.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(super) answers: Answers,
    room: usize,
    pub(super) left_out: usize,
}

impl Default for Recording {
    fn default() -> Self {
        Self { answers: Answers::default(), room: MOST, left_out: 0 }
    }
}

impl Recording {
    pub fn command(&mut self, cmd: &Cmd, answer: Answer<Output>) {
        let bytes = answer.as_ref().map_or(0, |output| output.stdout.len().saturating_add(output.stderr.len()));
        if self.fits(bytes.saturating_add(cmd.stdin.len())) {
            self.answers.runs.insert(words(cmd), answer);
        }
    }

    /// What a read of `len` bytes answered; fewer than that means that the file ended there.
    pub fn read(&mut self, path: &Path, offset: u64, len: usize, answer: Answer<&[u8]>) {
        if !self.fits(answer.as_ref().map_or(0, |bytes| bytes.len())) {
            return;
        }
        let segments = self.answers.reads.entry(path.to_path_buf()).or_default();
        match answer {
            Ok(bytes) => {
                if !segments.add(offset, bytes, bytes.len() < len) {
                    self.left_out += 1;
                }
            }
            Err(error) => segments.fail(offset, error),
        }
    }

    pub fn list(&mut self, dir: &Path, answer: Answer<Listing>) {
        let names = answer.as_ref().map_or(0, |listing| listing.entries.iter().map(|entry| entry.name.as_bytes().len()).sum());
        if self.fits(names) {
            self.answers.lists.insert(dir.to_path_buf(), answer);
        }
    }

    pub fn stat(&mut self, path: &Path, follow: bool, answer: Answer<Stat>) {
        if self.fits(0) {
            self.answers.stats.insert((path.to_path_buf(), follow), answer);
        }
    }

    pub fn readlink(&mut self, path: &Path, answer: Answer<PathBuf>) {
        if self.fits(0) {
            self.answers.links.insert(path.to_path_buf(), answer);
        }
    }

    pub fn resolve(&mut self, path: &Path, answer: Answer<PathBuf>) {
        if self.fits(0) {
            self.answers.resolves.insert(path.to_path_buf(), answer);
        }
    }

    /// A path that leads to itself, unless something else is known.
    pub(super) fn is_itself(&mut self, path: &Path) {
        self.answers.resolves.entry(path.to_path_buf()).or_insert_with(|| Ok(path.to_path_buf()));
    }

    pub fn extents(&mut self, path: &Path, answer: Answer<Vec<Extent>>) {
        if self.fits(answer.as_ref().map_or(0, |extents| extents.len().saturating_mul(64))) {
            self.answers.extents.insert(path.to_path_buf(), answer);
        }
    }

    pub fn space(&mut self, path: &Path, answer: Answer<Space>) {
        if self.fits(0) {
            self.answers.spaces.insert(path.to_path_buf(), answer);
        }
    }

    pub fn device(&mut self, path: &Path, answer: Answer<DeviceFacts>) {
        if self.fits(0) {
            self.answers.devices.insert(path.to_path_buf(), answer);
        }
    }

    pub fn missing(&mut self, path: &Path) {
        if self.fits(0) {
            self.answers.missing.insert(path.to_path_buf());
        }
    }

    /// Takes room for an answer of so many bytes, and for what holds it.
    fn fits(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes.saturating_add(256));
        self.room = left.unwrap_or(self.room);
        self.left_out += usize::from(left.is_none());
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostError;

    #[test]
    fn what_does_not_fit_is_counted_and_not_kept() {
        let mut recording = Recording { room: 2000, ..Recording::default() };
        recording.read("/big".as_ref(), 0, 3000, Ok(&[0; 3000]));
        recording.read("/small".as_ref(), 0, 10, Ok(&[0; 10]));
        assert_eq!(recording.left_out, 1, "a capture that is not whole must say so");
        assert_eq!(recording.answers.read_at("/big".as_ref(), 0, 1), Err(HostError::NotCaptured));
        assert!(recording.answers.read_at("/small".as_ref(), 0, 1).is_ok());
    }
}
