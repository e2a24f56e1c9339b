//! Reading a whole bundle against its hashes: the manifest, RESTORE.txt, every piece that is asked for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::manifest::{self, Manifest, Piece, Wrong};
use super::piece::{FromStart, PieceFile, ReadAt, verify_piece};
use super::segments::Segmented;
use crate::model::bundle::{BundleSaid, BundleVerdict, PieceVerdict, Verifying};
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT, hashes_name, segments_name};
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
    let segmented = piece.segment_bytes.map(|segment| Segmented::new(shelf, piece, segment));
    if let Some(segmented) = &segmented {
        return one_of_segments(shelf, piece, segmented, tell, stop, &failed);
    }
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

fn one_of_segments(
    shelf: &dyn Shelf,
    piece: &Piece,
    segmented: &Segmented<'_>,
    tell: &(dyn Fn(&Verifying) + Sync),
    stop: &AtomicBool,
    failed: &dyn Fn(Option<u64>, String) -> PieceVerdict,
) -> PieceVerdict {
    let list = match shelf.open(&hashes_name(&piece.name)) {
        Ok(Some(list)) => list,
        Ok(None) => return failed(Some(piece.bytes), "its list of hashes is missing: nothing can be compared".to_owned()),
        Err(why) => return failed(Some(piece.bytes), format!("its list of hashes cannot be read: {why}")),
    };
    let (extents, trouble) = segmented.look();
    let progress = |progress: &crate::model::Progress| tell(&Verifying::Read { name: piece.name.clone(), progress: *progress });
    let bytes = PieceFile { bytes: segmented, length: piece.bytes, extents: &extents };
    let mut verdict = verify_piece(piece, bytes, FromStart { bytes: list.bytes.as_ref(), at: 0 }, &progress, stop);
    verdict.troubles.extend(trouble);
    verdict
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
        .flat_map(|piece| {
            let bytes = if piece.segment_bytes.is_some() { segments_name(&piece.name) } else { piece.name.clone() };
            [bytes, hashes_name(&piece.name)]
        })
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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test changes bundles in a directory of its own")]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    use super::*;
    use crate::bundle::testing::{DirShelf, disk, image, lay_out, manifest};
    use crate::model::bundle::LeftOut;

    /// The backup as domkeep 0.1 writes it; every later domkeep must read it.
    fn first_version() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle-v1/host.example.com/web1/20260921-141320-0123456789abcdef")
    }

    fn verified(dir: &Path, wanted: &[&str]) -> Result<BundleVerdict, Problem> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        verify(&DirShelf(dir.to_owned()), &dir.into(), &wanted, &|_| (), &AtomicBool::new(false))
    }

    fn bundle() -> (tempfile::TempDir, Manifest) {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = manifest(vec![disk("xvda.img", 0), Piece { kind: "config".into(), ..disk("config", 0) }]);
        lay_out(dir.path(), &mut manifest, &[image(), b"name = 'web1'\n".to_vec()]);
        (dir, manifest)
    }

    #[test]
    fn a_bundle_of_the_first_version_is_read_for_ever() {
        let verdict = verified(&first_version(), &[]).unwrap();
        assert!(verdict.good(), "a backup of old can no longer be read: {verdict:#?}");
        let names: Vec<&str> = verdict.pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["xvda.img", "web1.cfg"]);
        assert_eq!(verdict.said.domain, "web1");
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_named() {
        let wrong = |change: &dyn Fn(&Path)| {
            let (dir, _) = bundle();
            change(dir.path());
            let verdict = verified(dir.path(), &[]).unwrap();
            assert!(!verdict.good(), "a damaged backup was called good: {verdict:#?}");
            let troubles: Vec<String> = verdict.pieces.iter().flat_map(|piece| piece.troubles.clone()).chain(verdict.troubles).collect();
            troubles.join("; ")
        };
        let remove = |name: &'static str| move |dir: &Path| std::fs::remove_file(dir.join(name)).unwrap();
        assert_eq!(wrong(&remove("xvda.img")), "its file is missing");
        assert_eq!(wrong(&remove("config.hashes")), "its list of hashes is missing: nothing can be compared");
        assert!(wrong(&remove("RESTORE.txt")).starts_with("RESTORE.txt is missing"));
        assert!(wrong(&|dir| std::fs::write(dir.join("RESTORE.txt"), "rm -rf /").unwrap()).contains("do not type what stands in it"));
        let swap = |dir: &Path| {
            std::fs::copy(dir.join("config.hashes"), dir.join("xvda.img.hashes")).unwrap();
        };
        assert!(wrong(&swap).contains("1 lines for 4 blocks"));
    }

    #[test]
    fn every_flipped_bit_of_the_small_files_is_found() {
        let (dir, _) = bundle();
        for name in ["config", "config.hashes", "xvda.img.hashes", "RESTORE.txt", "manifest.toml"] {
            let path = dir.path().join(name);
            let bytes = std::fs::read(&path).unwrap();
            let step = if bytes.len() > 100 { 37 } else { 1 };
            for at in (0..bytes.len()).step_by(step) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                std::fs::write(&path, flipped).unwrap();
                let good = verified(dir.path(), &[]).is_ok_and(|verdict| verdict.good());
                assert!(!good, "a fallen bit in byte {at} of {name} went unseen");
            }
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(verified(dir.path(), &[]).unwrap().good());
    }

    #[test]
    fn a_torn_bundle_is_never_good() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = Manifest { torn: Some("xvda was written to".into()), ..manifest(vec![disk("xvda.img", 0)]) };
        lay_out(dir.path(), &mut manifest, &[image()]);
        let verdict = verified(dir.path(), &[]).unwrap();
        assert!(verdict.intact() && !verdict.good(), "a mixture of two instants was called a good backup");
    }

    #[test]
    fn only_what_is_asked_for_is_read_and_the_rest_is_named() {
        let (dir, _) = bundle();
        std::fs::remove_file(dir.path().join("xvda.img")).unwrap();
        let verdict = verified(dir.path(), &["config"]).unwrap();
        assert!(verdict.good() && verdict.not_read == ["xvda.img"], "{verdict:#?}");
        let problem = verified(dir.path(), &["xvdb.img"]).unwrap_err().to_string();
        assert!(problem.contains("no piece `xvdb.img`") && problem.contains("config, xvda.img"), "{problem}");
    }

    #[test]
    fn a_directory_without_a_whole_manifest_is_no_bundle() {
        let (dir, _) = bundle();
        let path = dir.path().join("manifest.toml");
        std::fs::write(&path, "version = 9\n").unwrap();
        assert!(verified(dir.path(), &[]).unwrap_err().to_string().contains("version 9"));
        std::fs::write(&path, "x".repeat(5 << 20)).unwrap();
        assert!(verified(dir.path(), &[]).unwrap_err().to_string().contains("more than the 4194304"));
        std::fs::remove_file(&path).unwrap();
        assert!(verified(dir.path(), &[]).unwrap_err().to_string().contains("never finished"));
    }

    #[test]
    fn what_a_person_may_want_to_know_is_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = manifest(vec![Piece { unreadable: vec![(8, 4)], ..disk("xvda.img", 0) }]);
        manifest.left_out = vec![LeftOut { what: "xvdc".into(), why: "it lies elsewhere".into() }];
        lay_out(dir.path(), &mut manifest, &[image()]);
        (0..12).for_each(|at| std::fs::write(dir.path().join(format!("stranger{at}")), "").unwrap());
        let verdict = verified(dir.path(), &[]).unwrap();
        assert!(verdict.good() && verdict.notes.len() == 13, "{:#?}", verdict.notes);
        assert!(
            verdict.notes[0].contains("xvdc")
                && verdict.notes[1].contains("4 bytes could not be read")
                && verdict.notes[12].contains("2 more")
        );
    }

    #[test]
    fn the_events_tell_each_piece_from_its_start_to_its_end() {
        let (dir, _) = bundle();
        let events = Mutex::new(Vec::new());
        let tell = |event: &Verifying| events.lock().unwrap().push(event.clone());
        verify(&DirShelf(dir.path().to_owned()), &dir.path().into(), &[], &tell, &AtomicBool::new(false)).unwrap();
        let events = events.into_inner().unwrap();
        assert!(matches!(&events[0], Verifying::Piece { name, number: 1, of: 2, .. } if name == "xvda.img"));
        let ended = events.iter().filter(|event| matches!(event, Verifying::PieceEnded { .. })).count();
        let whole = events.iter().any(|event| matches!(event, Verifying::Read { progress, .. } if progress.total == Some(progress.done)));
        assert!(ended == 2 && whole, "{events:?}");
        let back: Vec<Verifying> = serde_json::from_str(&serde_json::to_string(&events).unwrap()).unwrap();
        assert_eq!(back, events);
    }

    /// Lays the backup of the first version out anew: only while that version is not out yet.
    #[test]
    #[ignore = "writes the fixture"]
    fn write_the_bundle_of_the_first_version() {
        let dir = first_version();
        std::fs::create_dir_all(&dir).unwrap();
        let config = Piece {
            kind: "config".into(),
            source: "/etc/xen/web1.cfg".into(),
            source_identity: "inode:64768:1234".into(),
            vdev: None,
            source_kind: None,
            ..disk("web1.cfg", 0)
        };
        let mut manifest = manifest(vec![disk("xvda.img", 0), config]);
        manifest.uuid = Some("2d5bb1ab-4a1c-4c5e-9b3a-0c5d1e2f3a4b".into());
        lay_out(&dir, &mut manifest, &[image(), b"name = \"web1\"\nmemory = 256\ndisk = [ 'phy:/dev/vg/web1,xvda,w' ]\n".to_vec()]);
    }
}
