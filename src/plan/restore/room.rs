//! Whether what is restored has room, before anything is done: on file systems, in thin pools, in the stores of snapshots.

use std::collections::BTreeMap;

use crate::model::{HostPath, PieceRoom, PlaceFact, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Go, no};
use crate::plan::pool_room::{self, Taken};

/// Directories, and what a file system needs for itself.
const MARGIN: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Room {
    /// By the device number of the file system.
    systems: BTreeMap<u64, System>,
    volumes: Vec<Taken>,
}

struct System {
    directory: HostPath,
    free: u64,
    least: u64,
    most: u64,
}

impl Room {
    pub fn file(&mut self, above: &PlaceFact, room: PieceRoom) {
        let system = self.systems.entry(above.dev).or_insert_with(|| System {
            directory: above.directory.clone(),
            free: above.free,
            least: MARGIN,
            most: MARGIN,
        });
        system.least = system.least.saturating_add(room.least);
        system.most = system.most.saturating_add(room.most);
    }

    pub fn volume(&mut self, taken: Option<Taken>) {
        self.volumes.extend(taken);
    }

    /// Refuses where there surely is too little, and warns where there may be.
    pub fn check(&self, draft: &mut Draft, name: &str) -> Go<()> {
        for system in self.systems.values() {
            let free = bytes::human(system.free);
            if system.least > system.free {
                return no(
                    "no-room",
                    format!("{} has {free} free, and what is restored takes {}", system.directory, bytes::human(system.least)),
                    "make room there, restore fewer pieces (--pieces), or restore to another directory (--to beside)",
                );
            }
            if system.most > system.free {
                draft.warn(format!(
                    "{} has {free} free, and what is restored may take up to {}. If it gets full the restore fails, and what it made is taken back.",
                    system.directory,
                    bytes::human(system.most)
                ));
            }
        }
        pool_room::refuse_without_room(&self.volumes)?;
        if let Some(lost) = pool_room::lost_besides(&self.volumes) {
            draft.confirm(name, &lost);
        }
        Ok(())
    }
}
