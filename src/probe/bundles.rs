//! Bundles of backups: `DEST/<host>/<domain>/<name>`, by their manifests. Nothing of their pieces is read.
//!
//! A directory with a manifest is a bundle, at whatever depth: the destination itself, a host's or a domain's directory may be named too.
//! A partial one is told as partial and never as a bundle. Symbolic links below the destination are not followed.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::ask::{Asker, shown};
use crate::bundle::hash_list;
use crate::bundle::manifest::{self, Manifest, Wrong};
use crate::bundle::piece::FromDisk;
use crate::bundle::verify::{OpenPiece, Shelf};
use crate::host::{Answer, FileType, HostError, Look, Stat, read_whole};
use crate::model::bundle::{BundleSaid, BundleState, BundleVerdict, FoundBundle, HASH_BLOCK, Verifying};
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT, hashes_name, is_partial, segment_path};
use crate::model::{GapReason, HostPath, LastBundle, PieceRoom};
use crate::problem::Problem;

pub const MISSING: &str = "backups that were made";
/// Host, domain, bundle.
const DEPTH: usize = 3;
/// Names that are looked at in one directory.
const MOST_NAMES: usize = 2_000;
/// Bundles of one look.
const MOST_BUNDLES: usize = 1_000;

/// Every bundle below these directories, newest first; partial ones and those that cannot be read at the end.
pub fn look(asker: &Asker, dirs: &[PathBuf]) -> Vec<FoundBundle> {
    let mut search = Search { asker, found: Vec::new(), cut: false };
    for dir in dirs {
        // A destination that somebody named and that is not there: perhaps its file system is not mounted, and with it all backups are gone.
        if dir != Path::new(crate::config::BACKUPS) && matches!(asker.host.stat(dir, true), Err(HostError::NotFound)) {
            asker.gap(shown(dir), MISSING, GapReason::Failed, "there is no such directory; is its file system mounted?");
            continue;
        }
        search.walk(dir, DEPTH);
        if search.cut {
            asker.gap(shown(dir), MISSING, GapReason::Refused, format!("more than {MOST_BUNDLES} bundles; the others were not looked at"));
            break;
        }
    }
    let mut found = search.found;
    found.sort_by(|a, b| {
        let key = |bundle: &FoundBundle| bundle.said.as_ref().map(|said| said.instant);
        key(b).cmp(&key(a)).then_with(|| a.path.cmp(&b.path))
    });
    found.dedup_by(|a, b| a.path == b.path);
    found
}

struct Search<'a, 'h> {
    asker: &'a Asker<'h>,
    found: Vec<FoundBundle>,
    cut: bool,
}

impl Search<'_, '_> {
    fn walk(&mut self, dir: &Path, depth: usize) {
        if self.found.len() >= MOST_BUNDLES {
            self.cut = true;
            return;
        }
        let host = self.asker.host;
        let name = dir.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default();
        if depth < DEPTH && is_partial(name) {
            self.found.push(FoundBundle { path: dir.into(), state: BundleState::Partial, said: None, allocated: partial_bytes(host, dir) });
            return;
        }
        match host.stat(&dir.join(MANIFEST), false) {
            Ok(_) => {
                self.found.push(found(host, dir));
                return;
            }
            Err(HostError::NotFound) => {}
            // A recording from before backups were looked for has no word of any.
            Err(HostError::NotCaptured) => return,
            Err(error) => self.asker.gap_of(shown(dir), MISSING, &error),
        }
        if depth == 0 {
            if looks_like_a_bundle(name) {
                let why = format!("there is no {MANIFEST} in it");
                self.found.push(FoundBundle { path: dir.into(), state: BundleState::Damaged { why }, said: None, allocated: None });
            }
            return;
        }
        let Some(listing) = self.asker.list(dir, MOST_NAMES, MISSING) else { return };
        for entry in listing.entries.iter().filter(|entry| entry.kind == FileType::Directory) {
            self.walk(&dir.join(&entry.name), depth - 1);
        }
    }
}

/// The newest bundle in a domain's directory that is good by its names and sizes; nothing: there is none, or no directory.
pub fn last_good(host: &dyn Look, directory: &HostPath) -> Answer<Option<LastBundle>> {
    let listing = match host.list(directory.as_path(), MOST_NAMES) {
        Ok(listing) => listing,
        Err(HostError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The names begin with the time.
    for entry in listing.entries.iter().rev().filter(|entry| entry.kind == FileType::Directory) {
        let name = entry.name.as_bytes();
        if !looks_like_a_bundle(name) || name.ends_with(b".torn") {
            continue;
        }
        let path = directory.join(entry.name.to_string());
        if found(host, path.as_path()).state == BundleState::Good
            && let Ok(manifest) = read_manifest(host, path.as_path())
        {
            return Ok(Some(LastBundle { path, manifest }));
        }
    }
    Ok(None)
}

/// `20261121-144501-0123456789abcdef`, or that with `.torn` behind it.
fn looks_like_a_bundle(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".torn").unwrap_or(name);
    std::str::from_utf8(name).is_ok_and(|name| crate::model::JobId::parse(name).is_some())
}

/// What is known of a directory with a manifest without reading its pieces.
pub fn found(host: &dyn Look, dir: &Path) -> FoundBundle {
    let (state, said, allocated) = match read_manifest(host, dir) {
        Ok(manifest) => {
            let (wrong, allocated) = files(host, dir, &manifest);
            let state = match (wrong, &manifest.torn) {
                (Some(why), _) => BundleState::Damaged { why },
                (None, Some(why)) => BundleState::Torn { why: why.clone() },
                (None, None) => BundleState::Good,
            };
            (state, Some(BundleSaid::from(&manifest)), Some(allocated))
        }
        Err(state) => (state, None, None),
    };
    FoundBundle { path: dir.into(), state, said, allocated }
}

fn read_manifest(host: &dyn Look, dir: &Path) -> Result<Manifest, BundleState> {
    let path = dir.join(MANIFEST);
    let of = |why: String| BundleState::Damaged { why: format!("{MANIFEST}: {why}") };
    let kind = host.stat(&path, false).map_err(|error| BundleState::Unknown { why: format!("{MANIFEST}: {error}") })?.kind;
    if kind != FileType::Regular {
        return Err(of("it is not a regular file".to_owned()));
    }
    let bytes = read_whole(host, &path, manifest::LARGEST).map_err(|error| match error {
        HostError::Refused { .. } => of(error.to_string()),
        _ => BundleState::Unknown { why: format!("{MANIFEST}: {error}") },
    })?;
    manifest::parse(&bytes).map(|read| read.manifest).map_err(|wrong| match wrong {
        Wrong::Damaged { .. } => of(wrong.to_string()),
        Wrong::Newer { .. } | Wrong::Unknown { .. } => BundleState::Unknown { why: wrong.to_string() },
    })
}

/// What is wrong with a bundle's files by their names and sizes, and the bytes that they take.
fn files(host: &dyn Look, dir: &Path, manifest: &Manifest) -> (Option<String>, u64) {
    let mut wrong = Vec::new();
    let mut allocated = 0_u64;
    let mut look = |name: &str, bytes: Option<u64>| match host.stat(&dir.join(name), false) {
        Ok(stat) if stat.kind != FileType::Regular => wrong.push(format!("{name} is not a regular file")),
        Ok(stat) => {
            allocated = allocated.saturating_add(stat.allocated());
            if let Some(bytes) = bytes.filter(|bytes| *bytes != stat.size) {
                wrong.push(format!("{name} has {} bytes, not {bytes}", stat.size));
            }
        }
        Err(HostError::NotFound) => wrong.push(format!("{name} is missing")),
        Err(error) => wrong.push(format!("{name}: {error}")),
    };
    for piece in &manifest.pieces {
        match piece.segment_bytes {
            None => look(&piece.name, Some(piece.bytes)),
            Some(segment) => {
                let count = piece.bytes.div_ceil(segment.max(1));
                for number in 0..count {
                    let bytes = piece.bytes.saturating_sub(number.saturating_mul(segment)).min(segment);
                    look(&segment_path(&piece.name, number), Some(bytes));
                }
            }
        }
        look(&hashes_name(&piece.name), None);
    }
    look(RESTORE_TXT, None);
    look(MANIFEST, None);
    let first = wrong.first().map(|first| match wrong.len() {
        1 => first.clone(),
        many => format!("{first}, and {} more files are wrong", many - 1),
    });
    (first, allocated)
}

fn partial_bytes(host: &dyn Look, dir: &Path) -> Option<u64> {
    let listing = host.list(dir, MOST_NAMES).ok()?;
    let stats = listing.entries.iter().filter_map(|entry| host.stat(&dir.join(&entry.name), false).ok());
    Some(stats.map(|stat| stat.allocated()).fold(0, u64::saturating_add))
}

/// The room that a piece takes where zeros take none, by its list of hashes and by the room that it takes in the bundle.
pub fn piece_room(host: &dyn Look, bundle: &HostPath, name: &str) -> Answer<PieceRoom> {
    let failed = |why: String| HostError::Failed { why };
    let manifest = read_manifest(host, bundle.as_path()).map_err(|state| failed(state.why().unwrap_or_default().to_owned()))?;
    let piece = manifest.pieces.iter().find(|piece| piece.name == name).ok_or_else(|| failed(format!("there is no piece {name}")))?;
    let list = bundle.join(hashes_name(name));
    let mut reader = hash_list::Reader::new(host.open_for_reading(list.as_path())?.file);
    let wrong = reader.by_ref().find_map(Result::err);
    if let Some(wrong) = wrong {
        return Err(failed(format!("{list}: {wrong}")));
    }
    let read = reader.summary();
    let most = read.blocks.saturating_sub(read.zeros).saturating_mul(HASH_BLOCK).min(piece.bytes);
    let one = Manifest { pieces: vec![piece.clone()], ..manifest.clone() };
    let (missing, allocated) = files(host, bundle.as_path(), &one);
    let least = if missing.is_some() || piece.compression != "none" { most } else { most.min(allocated) };
    Ok(PieceRoom { most, least })
}

/// Reads a bundle against its hashes; see [`crate::bundle::verify`].
pub fn verify(
    host: &dyn Look,
    path: &HostPath,
    pieces: &[String],
    tell: &(dyn Fn(&Verifying) + Sync),
    stop: &AtomicBool,
) -> Result<BundleVerdict, Problem> {
    let stat = host.stat(path.as_path(), true).map_err(|error| Problem::new(format!("{path} cannot be looked at")).because(error))?;
    if stat.kind != FileType::Directory {
        return Err(Problem::usage(format!("{path} is no directory")).hint("a bundle is a directory; `domkeep bundles` lists them"));
    }
    crate::bundle::verify::verify(&LookShelf { host, dir: path }, path, pieces, tell, stop)
}

/// A bundle's directory on a host.
pub struct LookShelf<'a> {
    pub host: &'a dyn Look,
    pub dir: &'a HostPath,
}

impl LookShelf<'_> {
    fn stat(&self, path: &Path) -> Result<Option<Stat>, String> {
        match self.host.stat(path, false) {
            Ok(stat) if stat.kind == FileType::Regular => Ok(Some(stat)),
            Ok(_) => Err("it is not a regular file".to_owned()),
            Err(HostError::NotFound) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Shelf for LookShelf<'_> {
    fn open(&self, name: &str) -> Result<Option<OpenPiece>, String> {
        let path = self.dir.as_path().join(name);
        let Some(stat) = self.stat(&path)? else { return Ok(None) };
        let blocks = self.host.open_for_reading(&path).map_err(|error| error.to_string())?;
        if blocks.inode != (stat.dev, stat.ino) {
            return Err("another file took its place while it was opened".to_owned());
        }
        let extents = self.host.extents(&path).unwrap_or_default();
        Ok(Some(OpenPiece { length: blocks.bytes, bytes: Box::new(FromDisk::new(blocks.file)), extents }))
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, String> {
        let listing = self.host.list(self.dir.as_path(), MOST_NAMES).map_err(|error| error.to_string())?;
        Ok(listing.entries.into_iter().map(|entry| entry.name.as_bytes().to_vec()).collect())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test lays bundles out in a directory of its own")]
mod tests {
    use super::*;
    use crate::bundle::testing::{disk, image, lay_out, manifest};
    use crate::host::local::Local;

    const NAME: &str = "20260921-141320-0123456789abcdef";

    /// A destination with one good bundle, and the bundle's path.
    fn destination() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("host.example.com/web1").join(NAME);
        std::fs::create_dir_all(&bundle).unwrap();
        lay_out(&bundle, &mut manifest(vec![disk("xvda.img", 0)]), &[image()]);
        (dir, bundle)
    }

    fn below(dir: &Path) -> Vec<FoundBundle> {
        let host = Local::new();
        let asker = Asker::new(&host);
        let found = look(&asker, &[dir.to_owned()]);
        assert_eq!(asker.into_gaps(), [], "something of the test could not be read");
        found
    }

    #[test]
    fn a_bundle_is_found_from_each_directory_above_it() {
        let (dir, bundle) = destination();
        for above in bundle.ancestors().take_while(|above| above.starts_with(dir.path())) {
            let found = below(above);
            assert_eq!(found.len(), 1, "a backup below {} was not found", above.display());
            assert_eq!((found[0].path.as_path(), &found[0].state), (bundle.as_path(), &BundleState::Good));
            assert_eq!(found[0].said.as_ref().map(|said| said.domain.as_str()), Some("web1"));
            assert!(found[0].allocated.unwrap() > 0);
        }
    }

    #[test]
    fn a_destination_that_is_not_there_is_said_not_to_be() {
        let host = Local::new();
        let asker = Asker::new(&host);
        assert_eq!(look(&asker, &["/nonexistent/backups".into()]), []);
        let gaps = asker.into_gaps();
        assert!(
            gaps.len() == 1 && gaps[0].why.contains("mounted?"),
            "a destination without its mount looked like one without backups: {gaps:?}"
        );
    }

    #[test]
    fn what_is_not_whole_is_never_called_good() {
        let state = |change: &dyn Fn(&Path)| {
            let (dir, bundle) = destination();
            change(&bundle);
            let found = below(dir.path());
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].state.clone()
        };
        let partial = |bundle: &Path| std::fs::rename(bundle, bundle.with_file_name(format!(".{NAME}.partial"))).unwrap();
        assert_eq!(state(&partial), BundleState::Partial, "half a backup was listed as a whole one");
        let why = |state: BundleState| (state.as_str(), state.why().unwrap_or_default().to_owned());
        let (word, said) = why(state(&|bundle| std::fs::remove_file(bundle.join("xvda.img")).unwrap()));
        assert_eq!((word, said.as_str()), ("damaged", "xvda.img is missing"));
        let (word, said) = why(state(&|bundle| std::fs::write(bundle.join("xvda.img"), "short").unwrap()));
        assert_eq!((word, said.as_str()), ("damaged", "xvda.img has 5 bytes, not 3146505"));
        let (word, said) = why(state(&|bundle| std::fs::remove_file(bundle.join("manifest.toml")).unwrap()));
        assert_eq!((word, said.as_str()), ("damaged", "there is no manifest.toml in it"));
        let (word, said) = why(state(&|bundle| std::fs::write(bundle.join("manifest.toml"), "version = 3").unwrap()));
        assert_eq!(word, "unknown", "{said}");
        let (word, said) = why(state(&|bundle| {
            std::fs::remove_file(bundle.join("xvda.img")).unwrap();
            std::os::unix::fs::symlink("/dev/zero", bundle.join("xvda.img")).unwrap();
        }));
        assert_eq!((word, said.as_str()), ("damaged", "xvda.img is not a regular file"), "a link out of the bundle was followed");
        let torn = state(&|bundle| {
            let mut manifest = manifest(vec![disk("xvda.img", 0)]);
            manifest.torn = Some("xvda was written to".into());
            lay_out(bundle, &mut manifest, &[image()]);
        });
        assert_eq!(why(torn), ("torn", "xvda was written to".to_owned()));
    }

    fn verified(host: &dyn Look, path: &Path) -> BundleVerdict {
        verify(host, &path.into(), &[], &|_| (), &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn this_machine_and_the_demo_read_bundles_alike() {
        let (_dir, bundle) = destination();
        let verdict = verified(&Local::new(), &bundle);
        assert!(verdict.good() && verdict.notes.is_empty(), "{verdict:#?}");

        let dir = tempfile::tempdir().unwrap();
        let demo = crate::host::demo::Demo::open("guides", &dir.path().join("machine")).unwrap();
        let there = dir.path().join("machine/tree/srv/backups").join(NAME);
        std::fs::create_dir_all(&there).unwrap();
        lay_out(&there, &mut manifest(vec![disk("xvda.img", 0)]), &[image()]);
        let path = Path::new("/srv/backups").join(NAME);
        let verdict = verified(&demo, &path);
        assert!(verdict.good(), "a backup made on the demo machine could not be verified there: {verdict:#?}");
        std::fs::write(there.join("xvda.img"), [image().as_slice(), b"x"].concat()).unwrap();
        assert_eq!(verified(&demo, &path).pieces[0].first_bad, Some(((3 << 20) + 777, 1)));
        assert_eq!(look(&Asker::new(&demo), &["/srv/backups".into()]).len(), 1);
    }

    #[test]
    fn a_sparse_piece_is_verified_by_its_data() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = (64_u64 << 30) + 77;
        let block: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1] | 1).collect();
        let mut list = crate::bundle::hash_list::Writer::new(Vec::new());
        list.zeros(5).unwrap();
        list.push(crate::model::BlockHash::of(&block)).unwrap();
        list.zeros((64 << 10) - 5).unwrap();
        let (list, summary) = list.finish().unwrap();
        let mut manifest = manifest(vec![disk("xvda.img", bytes)]);
        manifest.pieces[0].digest = summary.digest;
        lay_out(dir.path(), &mut manifest, &[]);
        std::fs::write(dir.path().join("xvda.img.hashes"), list).unwrap();
        let image = std::fs::File::create(dir.path().join("xvda.img")).unwrap();
        image.set_len(bytes).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&image, &block, 5 << 20).unwrap();
        let began = std::time::Instant::now();
        let verdict = verified(&Local::new(), dir.path());
        assert!(verdict.good(), "{verdict:#?}");
        let room = piece_room(&Local::new(), &dir.path().into(), "xvda.img").unwrap();
        assert_eq!(room.most, 1 << 20, "a restore of a sparse disk would be refused for want of room that it does not take");
        assert!(room.least <= room.most);
        assert!(piece_room(&Local::new(), &dir.path().into(), "none.img").is_err());
        assert!(began.elapsed().as_secs() < 30, "holes were read: a sparse disk of a TiB would take hours");
        std::os::unix::fs::FileExt::write_all_at(&image, b"x", bytes - 1).unwrap();
        assert_eq!(verified(&Local::new(), dir.path()).pieces[0].first_bad, Some((64 << 30, 77)));
    }

    #[test]
    fn a_piece_that_is_a_link_or_a_pipe_is_never_opened() {
        let (_dir, bundle) = destination();
        let piece = bundle.join("xvda.img");
        std::fs::remove_file(&piece).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &piece).unwrap();
        let verdict = verified(&Local::new(), &bundle);
        assert_eq!(verdict.pieces[0].troubles, ["its file cannot be read: it is not a regular file"]);
        std::fs::remove_file(&piece).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &piece, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(!verified(&Local::new(), &bundle).good(), "a pipe in a bundle would keep domkeep waiting for ever");
    }

    #[test]
    fn links_are_not_followed_and_strangers_are_passed_over() {
        let (dir, bundle) = destination();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&bundle, elsewhere.path().join("link")).unwrap();
        assert_eq!(below(elsewhere.path()), [], "a link led out of the directory of backups");
        std::fs::create_dir_all(dir.path().join("host.example.com/web1/lost+found/a/b/c")).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(below(dir.path()).len(), 1);
    }
}
