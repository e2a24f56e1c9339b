//! Reading a whole bundle against its hashes: the manifest, RESTORE.txt, every piece that is asked for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::manifest::{self, Manifest, Piece, Wrong};
use super::piece::{FromStart, PieceFile, ReadAt, verify_piece};
use crate::model::bundle::{BundleSaid, BundleVerdict, PieceVerdict, Verifying};
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT, hashes_name};
use crate::model::{Extent, HostPath, shown};
use crate::problem::Problem;

/// Larger texts are no RESTORE.txt of ours.
const LARGEST_TEXT: usize = 4 << 20;
/// Strangers' files that are named.
const MOST_STRANGERS: usize = 10;

/// The directory of a bundle, as somebody who may open files hands it in. No name that is asked for leads out of it.
pub trait Shelf: Sync {
    /// A file that may be there. Symbolic links, devices and all else that is no regular file are refused; the error is in words.
    fn open(&self, name: &str) -> Result<Option<OpenPiece>, String>;
    /// What lies in the directory; of many, as many as one cares to look at.
    fn names(&self) -> Result<Vec<Vec<u8>>, String>;
}

/// A file of a bundle, open.
pub struct OpenPiece {
    pub bytes: Box<dyn ReadAt + Send>,
    pub length: u64,
    /// Data and holes, in order and without gaps; empty: not known, everything is read.
    pub extents: Vec<Extent>,
}

impl OpenPiece {
    fn whole(&self, limit: usize) -> Result<Vec<u8>, String> {
        use std::io::Read;
        let mut bytes = Vec::new();
        let limit = limit as u64;
        if self.length > limit {
            return Err(format!("it has {} bytes, more than the {limit} that are read of it", self.length));
        }
        FromStart { bytes: self.bytes.as_ref(), at: 0 }.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// The manifest of a bundle.
pub fn read_manifest(shelf: &dyn Shelf, path: &HostPath) -> Result<manifest::Read, Problem> {
    let no_bundle = || Problem::new(format!("{path} is no whole bundle"));
    let file = shelf.open(MANIFEST).map_err(|why| no_bundle().because(format!("{MANIFEST}: {why}")))?;
    let file = file.ok_or_else(|| {
        no_bundle()
            .because(format!("there is no {MANIFEST} in it: it is not a backup, or one that was never finished"))
            .hint("`domkeep bundles` lists those that are whole; `domkeep jobs` shows what was interrupted")
    })?;
    let bytes = file.whole(manifest::LARGEST).map_err(|why| no_bundle().because(format!("{MANIFEST}: {why}")))?;
    manifest::parse(&bytes).map_err(|wrong| {
        let problem = Problem::new(format!("the manifest of {path} is not taken")).because(format!("{MANIFEST}: {wrong}"));
        match wrong {
            Wrong::Damaged { .. } => {
                problem.hint("the pieces may still be good: RESTORE.txt in it says how to check and restore them by hand")
            }
            Wrong::Newer { .. } | Wrong::Unknown { .. } => problem,
        }
    })
}

/// Reads the pieces that are named, or all, and compares them with their hashes. What is wrong with the bundle is in the verdict; an error
/// means that there is nothing to compare with.
pub fn verify(
    shelf: &dyn Shelf,
    path: &HostPath,
    wanted: &[String],
    tell: &(dyn Fn(&Verifying) + Sync),
    stop: &AtomicBool,
) -> Result<BundleVerdict, Problem> {
    let read = read_manifest(shelf, path)?;
    let manifest = &read.manifest;
    let asked = choose(manifest, wanted, path)?;
    let mut verdict = BundleVerdict {
        path: path.clone(),
        said: BundleSaid::from(manifest),
        torn: manifest.torn.clone(),
        pieces: Vec::new(),
        not_read: manifest.pieces.iter().filter(|piece| !asked.contains(&piece.name.as_str())).map(|piece| piece.name.clone()).collect(),
        troubles: restore_txt(shelf, &read.restore_txt),
        notes: notes(shelf, manifest),
        stopped: false,
    };
    let pieces: Vec<&Piece> = manifest.pieces.iter().filter(|piece| asked.contains(&piece.name.as_str())).collect();
    for (at, piece) in pieces.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        tell(&Verifying::Piece { name: piece.name.clone(), number: at + 1, of: pieces.len(), bytes: piece.bytes });
        let checked = one(shelf, piece, tell, stop);
        tell(&Verifying::PieceEnded { verdict: checked.clone() });
        verdict.pieces.push(checked);
    }
    verdict.stopped = stop.load(Ordering::Relaxed);
    Ok(verdict)
}

fn choose<'a>(manifest: &'a Manifest, wanted: &[String], path: &HostPath) -> Result<BTreeSet<&'a str>, Problem> {
    let names: BTreeSet<&str> = manifest.pieces.iter().map(|piece| piece.name.as_str()).collect();
    if let Some(stranger) = wanted.iter().find(|name| !names.contains(name.as_str())) {
        let all: Vec<String> = names.iter().map(|name| shown::text(name)).collect();
        return Err(Problem::usage(format!("there is no piece `{stranger}` in {path}")).hint(format!("its pieces are {}", all.join(", "))));
    }
    Ok(if wanted.is_empty() { names } else { names.into_iter().filter(|name| wanted.iter().any(|wish| wish == name)).collect() })
}

fn one(shelf: &dyn Shelf, piece: &Piece, tell: &(dyn Fn(&Verifying) + Sync), stop: &AtomicBool) -> PieceVerdict {
    let failed = |found: Option<u64>, trouble: String| PieceVerdict {
        name: piece.name.clone(),
        kind: piece.kind.clone(),
        bytes: piece.bytes,
        found,
        blocks: crate::model::hashes::blocks(piece.bytes),
        first_bad: found.is_none().then_some((0, piece.bytes)),
        troubles: vec![trouble],
        unreadable: piece.unreadable_bytes(),
        ..PieceVerdict::default()
    };
    let file = match shelf.open(&piece.name) {
        Ok(Some(file)) => file,
        Ok(None) => return failed(None, "its file is missing".to_owned()),
        Err(why) => return failed(None, format!("its file cannot be read: {why}")),
    };
    let list = match shelf.open(&hashes_name(&piece.name)) {
        Ok(Some(list)) => list,
        Ok(None) => return failed(Some(file.length), "its list of hashes is missing: nothing can be compared".to_owned()),
        Err(why) => return failed(Some(file.length), format!("its list of hashes cannot be read: {why}")),
    };
    let progress = |progress: &crate::model::Progress| tell(&Verifying::Read { name: piece.name.clone(), progress: *progress });
    let bytes = PieceFile { bytes: file.bytes.as_ref(), length: file.length, extents: &file.extents };
    verify_piece(piece, bytes, FromStart { bytes: list.bytes.as_ref(), at: 0 }, &progress, stop)
}

/// RESTORE.txt is what root will type from: one that was changed is no small matter.
fn restore_txt(shelf: &dyn Shelf, expected: &str) -> Vec<String> {
    let text = match shelf.open(RESTORE_TXT) {
        Ok(Some(file)) => file.whole(LARGEST_TEXT),
        Ok(None) => return vec![format!("{RESTORE_TXT} is missing: without it nobody restores this backup by hand")],
        Err(why) => Err(why),
    };
    match text {
        Ok(text) if blake3::hash(&text).to_hex().as_str() == expected => Vec::new(),
        Ok(_) => vec![format!("{RESTORE_TXT} is not as it was written: do not type what stands in it")],
        Err(why) => vec![format!("{RESTORE_TXT} cannot be read: {why}")],
    }
}

fn notes(shelf: &dyn Shelf, manifest: &Manifest) -> Vec<String> {
    let left_out = manifest.left_out.iter().map(|left| format!("{} is not in this backup: {}", left.what, left.why));
    let unreadable = manifest.pieces.iter().filter(|piece| piece.unreadable_bytes() > 0).map(|piece| {
        format!("{}: {} bytes could not be read when the backup was made; zeros stand there instead", piece.name, piece.unreadable_bytes())
    });
    let mut notes: Vec<String> = left_out.chain(unreadable).collect();
    let ours: BTreeSet<Vec<u8>> = manifest
        .pieces
        .iter()
        .flat_map(|piece| [piece.name.clone(), hashes_name(&piece.name)])
        .chain([MANIFEST.to_owned(), RESTORE_TXT.to_owned()])
        .map(String::into_bytes)
        .collect();
    match shelf.names() {
        Ok(names) => {
            let strangers: Vec<&Vec<u8>> = names.iter().filter(|name| !ours.contains(*name)).collect();
            notes.extend(
                strangers
                    .iter()
                    .take(MOST_STRANGERS)
                    .map(|name| format!("{} lies in it, and the manifest does not name it", shown::bytes(name))),
            );
            if strangers.len() > MOST_STRANGERS {
                notes.push(format!("and {} more files that the manifest does not name", strangers.len() - MOST_STRANGERS));
            }
        }
        Err(why) => notes.push(format!("what else lies in it could not be listed: {why}")),
    }
    notes
}
