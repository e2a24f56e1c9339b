//! A damaged backup as far as it is readable. Block by block: what has its hash is right; what has not is brought back as it lies there, because
//! most of it may be right, and told; what cannot be read, or is not there, is zeros. Nothing of it is called good.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use super::copying::path_of;
use super::{Deed, Runner, Trouble, names};
use crate::bundle::hash_list::Reader;
use crate::model::bundle::HASH_BLOCK;
use crate::model::bundle_names::{hashes_name, segment_path};
use crate::model::hashes::BlockHash;
use crate::model::job::CopyResult;
use crate::model::salvage::Salvage;
use crate::model::{HostPath, Made, Progress, What, bytes};

const MODE: u32 = 0o600;
const EAR: Duration = Duration::from_millis(250);
/// What is tried one by one where a block cannot be read whole.
const SECTOR: usize = 4096;
/// Ranges that are named in the journal; the file in the job's folder has all.
const MOST_NAMED: usize = 20;

/// Where the bytes of a piece lie.
struct Pieces {
    whole: Option<File>,
    /// Number of the segment that is open, and its file where there is one.
    open: Option<(u64, Option<File>)>,
}

/// Ranges in their order; neighbours become one.
#[derive(Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn add(&mut self, start: u64, length: u64) {
        match self.0.last_mut() {
            Some((from, long)) if from.saturating_add(*long) == start => *long = long.saturating_add(length),
            _ => self.0.push((start, length)),
        }
    }
}

impl Runner<'_> {
    pub(super) fn salvage(&mut self, step: usize, pieces: &[Salvage]) -> Deed {
        for (part, piece) in pieces.iter().enumerate() {
            let done = self.history.past(step).and_then(|past| past.parts.get(&part)).is_some_and(|part| part.result.is_some());
            let to = path_of(&piece.to)?;
            // Its result is in the journal before its name: only that can be missing.
            if done && (!piece.new || self.inode(&to)?.is_some()) {
                continue;
            }
            self.salvage_one(step, part, piece, &to)?;
        }
        Ok(())
    }

    fn salvage_one(&mut self, step: usize, part: usize, piece: &Salvage, to: &HostPath) -> Deed {
        let hashes = self.hashes_of(piece)?;
        let partial = names::partial(to, &self.plan.id);
        let file = if piece.new {
            for made in self.history.step(step).made {
                if let Made::File { path, inode, .. } = made
                    && path == *to
                {
                    self.remove_if_ours(&partial, inode)?;
                    self.remove_if_ours(to, inode)?;
                }
            }
            self.refuse_taken(to)?;
            let blocks = self.create(step, to, &partial, MODE)?;
            blocks.file.set_len(piece.bytes).map_err(|error| super::files::could_not("made", to, &error))?;
            blocks.file
        } else {
            self.act
                .open_for_writing(to.as_path())
                .map_err(|error| Trouble::failed(format!("{to} could not be opened for writing"), &error))?
                .file
        };
        let mut result = self.salvage_blocks(step, part, piece, &hashes, &file, to)?;
        file.sync_all().map_err(|error| super::files::could_not("synced", to, &error))?;
        drop(file);
        result.digest.clone_from(&piece.digest);
        self.tell_ranges(piece, &result)?;
        self.tell(What::CopyEnded { step, part, label: piece.label.clone(), result })?;
        if piece.new { self.give_name(&partial, to) } else { Ok(()) }
    }

    fn salvage_blocks(
        &mut self,
        step: usize,
        part: usize,
        piece: &Salvage,
        hashes: &[BlockHash],
        file: &File,
        to: &HostPath,
    ) -> Deed<CopyResult> {
        let mut source = Pieces { whole: None, open: None };
        if piece.segment.is_none() {
            source.whole = self.open_if_there(&piece.bundle.join(&piece.piece))?;
        }
        let mut room = vec![0_u8; usize::try_from(HASH_BLOCK).unwrap_or(1 << 20)];
        let (mut unreadable, mut damaged) = (Ranges::default(), Ranges::default());
        let mut result = CopyResult { bytes: piece.bytes, ..CopyResult::default() };
        let (mut at, mut number, mut told) = (0_u64, 0_usize, Instant::now());
        while at < piece.bytes {
            self.check_stop()?;
            let length = usize::try_from(piece.bytes.saturating_sub(at)).unwrap_or(usize::MAX).min(room.len());
            let block = room.get_mut(..length).unwrap_or_default();
            let missing = self.read_block(piece, &mut source, at, block)?;
            for (start, long) in &missing {
                unreadable.add(*start, *long);
            }
            let zeros = block.iter().all(|byte| *byte == 0);
            let right = match hashes.get(number) {
                Some(BlockHash::Zero) => zeros,
                Some(expected) => BlockHash::of(block) == *expected,
                // Without a list nothing is known to be right.
                None => false,
            };
            if !right && missing.is_empty() {
                damaged.add(at, length as u64);
            }
            if zeros {
                result.zeros = result.zeros.saturating_add(length as u64);
            }
            if !zeros || !piece.new {
                file.write_all_at(block, at).map_err(|error| super::files::could_not("written", to, &error))?;
                result.written = result.written.saturating_add(length as u64);
            }
            at = at.saturating_add(length as u64);
            number = number.saturating_add(1);
            if told.elapsed() >= EAR {
                told = Instant::now();
                let progress =
                    Progress { done: at, total: Some(piece.bytes), zeros: result.zeros, written: result.written, ..Progress::default() };
                self.tell(What::Copied { step, part, label: piece.label.clone(), progress })?;
            }
        }
        result.unreadable = unreadable.0;
        result.damaged = damaged.0;
        Ok(result)
    }

    /// The list of hashes as far as it can be read; empty where it is not the one that was written.
    fn hashes_of(&mut self, piece: &Salvage) -> Deed<Vec<BlockHash>> {
        let path = piece.bundle.join(hashes_name(&piece.piece));
        let Some(file) = self.open_if_there(&path)? else {
            self.note(format!("{}: there is no list of hashes: nothing of it can be told right from wrong", piece.label))?;
            return Ok(Vec::new());
        };
        let mut reader = Reader::new(file);
        let mut hashes = Vec::new();
        while let Some(Ok(hash)) = reader.next() {
            hashes.push(hash);
        }
        if reader.summary().digest != piece.digest {
            self.note(format!(
                "{}: its list of hashes is damaged itself: what it says is right may be wrong, and the other way round",
                piece.label
            ))?;
        }
        Ok(hashes)
    }

    fn open_if_there(&self, path: &HostPath) -> Deed<Option<File>> {
        if self.inode(path)?.is_none() {
            return Ok(None);
        }
        let opened = self.act.open_for_reading(path.as_path());
        opened.map(|blocks| Some(blocks.file)).map_err(|error| Trouble::failed(format!("{path} could not be opened"), &error))
    }

    /// Fills `block` with what lies at `at`, and gives the ranges that could not be read: zeros stand there.
    fn read_block(&self, piece: &Salvage, source: &mut Pieces, at: u64, block: &mut [u8]) -> Deed<Vec<(u64, u64)>> {
        let Some(segment) = piece.segment.filter(|bytes| *bytes > 0) else {
            return Ok(read_around(source.whole.as_ref(), at, at, block));
        };
        // A segment has whole blocks.
        let number = at / segment;
        if source.open.as_ref().is_none_or(|(open, _)| *open != number) {
            source.open = Some((number, self.open_if_there(&piece.bundle.join(segment_path(&piece.piece, number)))?));
        }
        let file = source.open.as_ref().and_then(|(_, file)| file.as_ref());
        Ok(read_around(file, at % segment, at, block))
    }

    fn tell_ranges(&mut self, piece: &Salvage, result: &CopyResult) -> Deed {
        let all: Vec<(u64, u64, &str)> = result
            .unreadable
            .iter()
            .map(|(start, length)| (*start, *length, "not there or not readable: zeros stand there"))
            .chain(result.damaged.iter().map(|(start, length)| (*start, *length, "not what was written: brought back as it lies there")))
            .collect();
        let lines: Vec<String> = all
            .iter()
            .map(|(start, length, what)| format!("bytes {start} to {}: {what}", start.saturating_add(*length).saturating_sub(1)))
            .collect();
        if lines.is_empty() {
            return self.note(format!("{}: every byte of it has its hash", piece.label));
        }
        for line in lines.iter().take(MOST_NAMED) {
            self.note(format!("{}: {line}", piece.label))?;
        }
        let name = format!("damaged-{}.txt", crate::model::bundle_names::component(&piece.piece));
        let text = lines.join("\n") + "\n";
        let _ = self.folder.dir().put(&name, text.as_bytes());
        let lost = all.iter().fold(0_u64, |sum, (_, length, _)| sum.saturating_add(*length));
        self.note(format!(
            "{}: {} in {} ranges are not as they were; all are in {}",
            piece.label,
            bytes::human(lost),
            lines.len(),
            self.folder.path().join(&name)
        ))
    }
}

/// Whole if it can be had, else piece by piece. `offset`: in the file; `at`: of the disk, for what is told.
fn read_around(file: Option<&File>, offset: u64, at: u64, block: &mut [u8]) -> Vec<(u64, u64)> {
    block.fill(0);
    let mut missing = Ranges::default();
    let Some(file) = file else {
        missing.add(at, block.len() as u64);
        return missing.0;
    };
    if file.read_exact_at(block, offset).is_ok() {
        return Vec::new();
    }
    for (number, part) in block.chunks_mut(SECTOR).enumerate() {
        let skip = (number as u64).saturating_mul(SECTOR as u64);
        let filled = read_some(file, offset.saturating_add(skip), part);
        if let Some(rest) = part.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            rest.fill(0);
            missing.add(at.saturating_add(skip).saturating_add(filled as u64), rest.len() as u64);
        }
    }
    missing.0
}

/// As many bytes as can be had.
fn read_some(file: &File, offset: u64, part: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Some(rest) = part.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test makes files in a directory of its own")]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_told_to_the_byte_and_reads_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("piece");
        std::fs::write(&path, vec![7_u8; 10_000]).unwrap();
        let file = File::open(&path).unwrap();
        let mut block = vec![1_u8; 16_384];
        assert_eq!(read_around(Some(&file), 0, 1 << 20, &mut block), [((1 << 20) + 10_000, 6_384)], "what is missing is not told");
        assert!(block[..10_000].iter().all(|byte| *byte == 7) && block[10_000..].iter().all(|byte| *byte == 0));
        assert_eq!(read_around(None, 0, 0, &mut block), [(0, 16_384)], "a segment that is not there must not be taken for zeros");
    }
}
