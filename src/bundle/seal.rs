//! From the draft that a plan made and what the copies told to the files of a finished bundle.
//!
//! The order in which they are written: pieces and their lists of hashes, synced; then [`Sealed::files`] in their order, each synced, the
//! manifest last; then the partial directory, synced; then its final name; then the directory above, synced. A directory with a manifest
//! under its final name is whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::manifest::{self, Manifest};
use super::restore::restore_txt;
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT};
use crate::model::job::CopyResult;
use crate::problem::Problem;

/// When a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub started: DateTime<Utc>,
    /// The instant whose state the pieces hold: of a cold backup the begin of the first copy.
    pub instant: DateTime<Utc>,
    pub ended: DateTime<Utc>,
}

/// The draft with what only the copies know: digests, sizes, what could not be read; and the times. `results` are by the names of pieces.
/// A piece that nobody copied is an error: such a manifest would lie.
pub fn fill(draft: &Manifest, results: &BTreeMap<String, CopyResult>, times: Times, torn: Option<&str>) -> Result<Manifest, Problem> {
    let mut manifest = Manifest {
        started: times.started,
        instant: times.instant,
        ended: times.ended,
        torn: torn.map(str::to_owned).or_else(|| draft.torn.clone()),
        ..draft.clone()
    };
    for piece in &mut manifest.pieces {
        let result = results.get(&piece.name).ok_or_else(|| {
            Problem::new("the bundle cannot be sealed").because(format!("nothing is known of the copy of {}", piece.name))
        })?;
        piece.bytes = result.bytes;
        piece.digest.clone_from(&result.digest);
        piece.unreadable.clone_from(&result.unreadable);
    }
    if let Some(stranger) = results.keys().find(|name| !manifest.pieces.iter().any(|piece| &piece.name == *name)) {
        return Err(Problem::new("the bundle cannot be sealed").because(format!("{stranger} was copied, and the plan does not name it")));
    }
    Ok(manifest)
}

/// The texts of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    restore_txt: String,
    manifest: String,
}

impl Sealed {
    pub fn new(manifest: &Manifest) -> Result<Self, Problem> {
        let restore_txt = restore_txt(manifest);
        let text =
            manifest::write(manifest, &restore_txt).map_err(|wrong| Problem::new("the manifest cannot be written").because(wrong))?;
        Ok(Self { restore_txt, manifest: text })
    }

    /// Names and bytes, in the order in which they must be written.
    pub fn files(&self) -> [(&'static str, &[u8]); 2] {
        [(RESTORE_TXT, self.restore_txt.as_bytes()), (MANIFEST, self.manifest.as_bytes())]
    }
}
