//! Who watches a copy and may stop it.

use crate::model::Progress;

use super::Checkpoint;

/// Called from the thread that started the copy, never from a worker.
pub trait Control {
    /// At most four a second, and once at the end.
    fn progress(&mut self, _progress: Progress) {}

    /// Once, before the first block: what will be read, as at most 512 cells `d` (data), `h` (hole), `m` (both) over `total` bytes.
    fn map(&mut self, _total: u64, _cells: &str) {}

    /// Everything below it has reached the disk. A copy that is interrupted can go on from it.
    fn checkpoint(&mut self, _checkpoint: &Checkpoint) {}

    /// Asked many times a second.
    fn should_stop(&mut self) -> bool {
        false
    }
}

/// For a caller that waits for the end only.
impl Control for () {}
