//! Copies between disks in memory that break in every way, and between real files.
#![allow(clippy::cast_possible_truncation, reason = "offsets of disks that fit into memory")]

mod breaking;
mod disk;
mod equal;
mod increments;
mod on_files;
mod resuming;

use super::*;
use crate::model::Progress;
use disk::Disk;

/// Watches a copy, and stops it when its disk says so.
#[derive(Default)]
struct Watcher<'a> {
    disk: Option<&'a Disk>,
    progress: Vec<Progress>,
    maps: Vec<String>,
    checkpoint: Option<Checkpoint>,
}

impl Control for Watcher<'_> {
    fn progress(&mut self, progress: Progress) {
        self.progress.push(progress);
    }

    fn map(&mut self, _total: u64, cells: &str) {
        self.maps.push(cells.to_owned());
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.checkpoint = Some(checkpoint.clone());
    }

    fn should_stop(&mut self) -> bool {
        self.disk.is_some_and(Disk::wants_to_stop)
    }
}

/// Copies all of one disk, asking the map of `from`.
fn copied(from: &Disk, to: &Disk, options: &Options) -> Result<Done, Failed> {
    copied_watching(from, to, options, &mut Watcher::default())
}

fn copied_watching(from: &Disk, to: &Disk, options: &Options, watcher: &mut Watcher<'_>) -> Result<Done, Failed> {
    let mut map = from.map();
    Copier { source: from, map: &mut map, sink: to, options, identity: None }.run(watcher)
}

/// Hashes made the plain way.
fn hashes_of(bytes: &[u8]) -> HashList {
    bytes.chunks(BLOCK as usize).map(crate::model::hashes::BlockHash::of).collect()
}

/// Bytes of which no two blocks or sectors are the same, so that a misplaced one is found.
fn stamped(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at / 512 * 7 + at % 512) % 251 + 1) as u8).collect()
}
