//! From the draft that a plan made and what the copies told to the files of a finished bundle.
//!
//! The order in which they are written: pieces and their lists of hashes, synced; then [`Sealed::files`] in their order, each synced, the
//! manifest last; then the partial directory, synced; then its final name; then the directory above, synced. A directory with a manifest
//! under its final name is whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::manifest::{self, Manifest};
use super::restore::restore_txt;
use crate::model::IncrementSaid;
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
        piece.increment = piece.increment.take().zip(result.increment.clone()).map(|(said, result)| IncrementSaid { result, ..said });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::LeftOut;
    use crate::bundle::testing::{disk, manifest};

    fn times() -> Times {
        let at = |second: i64| DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap();
        Times { started: at(0), instant: at(1), ended: at(9) }
    }

    fn result(bytes: u64) -> CopyResult {
        CopyResult { bytes, digest: format!("blake3:{}", "a".repeat(64)), unreadable: vec![(0, 512)], ..CopyResult::default() }
    }

    #[test]
    fn a_sealed_bundle_says_what_the_copies_told() {
        let mut draft = manifest(vec![disk("xvda.img", 0)]);
        draft.left_out = vec![LeftOut { what: "xvdb".into(), why: "left out by wish".into() }];
        let results = BTreeMap::from([("xvda.img".to_owned(), result(4096))]);
        let filled = fill(&draft, &results, times(), Some("xvda was written to")).unwrap();
        assert_eq!((filled.pieces[0].bytes, filled.pieces[0].unreadable.as_slice()), (4096, [(0, 512)].as_slice()));
        assert_eq!(filled.torn.as_deref(), Some("xvda was written to"), "a torn backup would be sealed as a good one");
        assert_eq!((filled.instant, filled.left_out.len()), (times().instant, 1));
        let sealed = Sealed::new(&filled).unwrap();
        let [(first, text), (last, toml)] = sealed.files();
        assert_eq!((first, last), ("RESTORE.txt", "manifest.toml"), "a manifest that is not the last file makes half a bundle whole");
        let read = manifest::parse(toml).unwrap();
        assert_eq!((read.manifest, read.restore_txt), (filled, blake3::hash(text).to_hex().to_string()));
    }

    #[test]
    fn a_piece_that_nobody_copied_or_planned_is_not_sealed() {
        let draft = manifest(vec![disk("xvda.img", 1)]);
        assert!(fill(&draft, &BTreeMap::new(), times(), None).unwrap_err().to_string().contains("xvda.img"));
        let results = ["xvda.img", "xvdb.img"].map(|name| (name.to_owned(), result(1))).into();
        assert!(fill(&draft, &results, times(), None).unwrap_err().to_string().contains("xvdb.img"));
        assert!(Sealed::new(&Manifest { id: "none".into(), ..draft }).is_err());
    }
}
