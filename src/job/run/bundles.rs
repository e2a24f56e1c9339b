//! The end of a backup: its manifest, its final name; and reading bundles against their hashes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::copying::path_of;
use super::{Deed, Runner, Trouble};
use crate::bundle::piece::FromDisk;
use crate::bundle::seal::{self, Sealed, Times};
use crate::bundle::verify::{self, OpenPiece, Shelf};
use crate::copy::HashList;
use crate::host::{Act, FileType, HostError};
use crate::model::bundle::{BundleVerdict, HASH_BLOCK, Manifest, PieceVerdict, Verifying};
use crate::model::bundle_names::hashes_name;
use crate::model::hashes::BlockHash;
use crate::model::job::CopyResult;
use crate::model::{Action, HostPath, Made, Progress, Request, What};
use crate::problem::Problem;

const MODE: u32 = 0o600;
/// What is not good does not look like it in any listing.
const TORN: &str = ".torn";
const EAR: Duration = Duration::from_millis(200);
const MOST_NAMES: usize = 1000;

impl Runner<'_> {
    pub(super) fn seal_bundle(
        &mut self,
        step: usize,
        partial: &HostPath,
        bundle: &HostPath,
        draft: &Manifest,
        instant: Option<usize>,
    ) -> Deed {
        if self.settle_renamed(step)? {
            return Ok(());
        }
        for image in self.plan.steps.iter().filter_map(|step| match &step.action {
            Action::SaveDomain { save } => Some(&save.image),
            _ => None,
        }) {
            self.forget_record(image)?;
        }
        let results = self.piece_results(step, partial, draft)?;
        let now = self.act.now();
        let started = self.history.started.unwrap_or(now);
        let instant = instant.and_then(|step| self.history.past(step)?.began).or_else(|| self.first_copy()).unwrap_or(started);
        let times = Times { started, instant, ended: now };
        let failed = |problem: Problem| Trouble::Failed(problem.to_string());
        let manifest = seal::fill(draft, &results, times, self.history.torn.as_deref()).map_err(failed)?;
        let sealed = Sealed::new(&manifest).map_err(failed)?;
        for (name, bytes) in sealed.files() {
            self.write_again(step, &partial.join(name), bytes, MODE)?;
        }
        let synced = self.act.sync_dir(partial.as_path());
        synced.map_err(|error| Trouble::failed(format!("{partial} could not be synced"), &error))?;
        self.rename(step, partial, &self.final_name(bundle), None)
    }

    fn final_name(&self, bundle: &HostPath) -> HostPath {
        if self.history.torn.is_none() {
            return bundle.clone();
        }
        let mut name = bundle.as_path().as_os_str().to_owned();
        name.push(TORN);
        HostPath::new(name)
    }

    /// When the first copy began: whose state the pieces hold, since nobody wrote meanwhile.
    fn first_copy(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let number = self.plan.steps.iter().position(|step| matches!(step.action, Action::Copy { .. }))?;
        self.history.past(number)?.began
    }

    /// What is known of each piece, by its name: from its copy, or from the bytes that the plan wrote.
    fn piece_results(&mut self, step: usize, partial: &HostPath, draft: &Manifest) -> Deed<BTreeMap<String, CopyResult>> {
        let plan = self.plan;
        let mut results = BTreeMap::new();
        let in_bundle = |path: &HostPath| {
            let name = path.file_name()?;
            (partial.join(&name) == *path && draft.pieces.iter().any(|piece| piece.name == name)).then_some(name)
        };
        for (number, planned) in plan.steps.iter().enumerate() {
            match &planned.action {
                Action::Copy { copies, .. } => {
                    let past = self.history.step(number);
                    for (part, copy) in copies.iter().enumerate() {
                        let result = past.parts.get(&part).and_then(|part| part.result.clone());
                        if let (Some(name), Some(result)) = (in_bundle(&path_of(&copy.to)?), result) {
                            results.insert(name, result);
                        }
                    }
                }
                Action::HashPiece { path, .. } => {
                    let result = self.history.past(number).and_then(|past| past.parts.get(&0)?.result.clone());
                    if let (Some(name), Some(result)) = (in_bundle(path), result) {
                        results.insert(name, result);
                    }
                }
                Action::WriteFile { path, bytes, .. } => {
                    if let Some(name) = in_bundle(path) {
                        let result = self.written_piece(step, partial, &name, bytes)?;
                        results.insert(name, result);
                    }
                }
                _ => {}
            }
        }
        Ok(results)
    }

    /// A piece that was written, not copied, has no list of hashes yet.
    fn written_piece(&mut self, step: usize, partial: &HostPath, name: &str, bytes: &[u8]) -> Deed<CopyResult> {
        let mut hashes = HashList::default();
        for block in bytes.chunks(usize::try_from(HASH_BLOCK).unwrap_or(usize::MAX)) {
            hashes.push(BlockHash::of(block));
        }
        let mut text = Vec::new();
        let list = partial.join(hashes_name(name));
        hashes.write_text(&mut text).map_err(|error| super::files::could_not("written", &list, &error))?;
        self.write_again(step, &list, &text, MODE)?;
        let length = bytes.len() as u64;
        Ok(CopyResult { bytes: length, written: length, digest: hashes.digest(), ..CopyResult::default() })
    }

    /// A file of this step's that an interrupted attempt may have left, whole or not.
    pub(super) fn write_again(&mut self, step: usize, path: &HostPath, bytes: &[u8], mode: u32) -> Deed {
        for made in self.history.step(step).made {
            if let Made::File { path: known, partial, inode } = made
                && known == *path
            {
                for name in partial.iter().chain([path]) {
                    self.remove_if_ours(name, inode)?;
                }
            }
        }
        self.write_file(step, path, bytes, mode)
    }

    pub(super) fn verify_bundle(&mut self, step: usize, bundle: &HostPath, pieces: &[String]) -> Deed {
        let bundle = match self.inode(bundle)? {
            Some(_) => bundle.clone(),
            None => self.final_name(bundle),
        };
        let stop = AtomicBool::new(false);
        let act = self.act;
        let (tell, told) = mpsc::channel::<Verifying>();
        let (verdict, trouble) = std::thread::scope(|scope| {
            let (stop, bundle) = (&stop, &bundle);
            let reader = scope.spawn(move || {
                let tell = std::sync::Mutex::new(tell);
                let say = |word: &Verifying| {
                    let _ = tell.lock().unwrap_or_else(std::sync::PoisonError::into_inner).send(word.clone());
                };
                verify::verify(&BundleShelf { act, bundle }, bundle, pieces, &say, stop)
            });
            let mut trouble: Option<Trouble> = None;
            let mut part = 0;
            let mut last = Instant::now();
            loop {
                let heard = match told.recv_timeout(EAR) {
                    Ok(word) => self.hear_verifying(step, &mut part, &mut last, word),
                    Err(RecvTimeoutError::Timeout) => Ok(()),
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                if trouble.is_none() {
                    trouble = heard.err().or_else(|| self.check_stop().err());
                }
                if trouble.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            (reader.join(), trouble)
        });
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let verdict = verdict.map_err(|_| Trouble::Failed("the verification broke off: this is an error in domkeep".into()))?;
        let judged = judge(&bundle, &verdict.map_err(|problem| Trouble::Failed(problem.to_string()))?);
        match (&self.plan.request, judged) {
            (Request::Restore(_), Err(Trouble::Failed(why))) => Err(Trouble::Failed(format!(
                "{why}. Nothing was restored. Another backup may be good (`domkeep bundles`); `--damaged yes` brings this one back as far as it is readable"
            ))),
            (_, judged) => judged,
        }
    }

    fn hear_verifying(&mut self, step: usize, part: &mut usize, told: &mut Instant, word: Verifying) -> Deed {
        let (label, progress) = match word {
            Verifying::Piece { name, number, bytes, .. } => {
                *part = number.saturating_sub(1);
                (name, Progress { total: Some(bytes), verifying: true, ..Progress::default() })
            }
            Verifying::Read { name, progress } => {
                if told.elapsed() < EAR {
                    return Ok(());
                }
                *told = Instant::now();
                (name, Progress { verifying: true, ..progress })
            }
            Verifying::PieceEnded { .. } => return Ok(()),
        };
        self.tell(What::Copied { step, part: *part, label, progress })
    }
}

/// What was found, as the end of the step. That the bundle is torn is no news: the job says so itself.
fn judge(bundle: &HostPath, verdict: &BundleVerdict) -> Deed {
    if verdict.intact() {
        return Ok(());
    }
    let of_piece = |piece: &PieceVerdict| {
        let place = piece.first_bad.map(|(offset, length)| format!(" (first at bytes {offset} to {})", offset.saturating_add(length)));
        format!("{}: {}{}", piece.name, piece.troubles.join(", "), place.unwrap_or_default())
    };
    let bad = verdict.pieces.iter().filter(|piece| !piece.good()).map(of_piece);
    let why: Vec<String> = verdict.troubles.iter().cloned().chain(bad).collect();
    Err(Trouble::Failed(format!("{bundle} is not as it was written: {}", why.join("; "))))
}

/// A bundle's directory on the host.
struct BundleShelf<'a> {
    act: &'a dyn Act,
    bundle: &'a HostPath,
}

impl Shelf for BundleShelf<'_> {
    fn open(&self, name: &str) -> Result<Option<OpenPiece>, String> {
        let path = self.bundle.join(name);
        match self.act.stat(path.as_path(), false) {
            Ok(stat) if stat.kind == FileType::Regular => {}
            Ok(_) => return Err("it is no regular file".into()),
            Err(HostError::NotFound) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
        let blocks = self.act.open_for_reading(path.as_path()).map_err(|error| error.to_string())?;
        // Not known where they cannot be asked for: then everything is read.
        let extents = self.act.extents(path.as_path()).unwrap_or_default();
        Ok(Some(OpenPiece { length: blocks.bytes, bytes: Box::new(FromDisk::new(blocks.file)), extents }))
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, String> {
        let listing = self.act.list(self.bundle.as_path(), MOST_NAMES).map_err(|error| error.to_string())?;
        Ok(listing.entries.iter().map(|entry| entry.name.as_bytes().to_vec()).collect())
    }
}
