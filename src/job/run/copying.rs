//! Copies of blocks, several at once: each on a thread of its own, the journal and the names on this one.
//!
//! The order of one copy: the new file under its partial name, in the journal; its bytes, synced; its list of hashes; the result, in the journal;
//! its name. So a copy whose result is written down only lacks its name, and any other goes on from its last checkpoint.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::filling::Filling;
use super::segments::destination_of;
use super::{Deed, Runner, Trouble, names};
use crate::bundle::hash_list::Reader;
use crate::copy::{self, Checkpoint, Control, Destination, Failed, HashList, NbdSource, Opened, Pacer, Segments, Task};
use crate::host::Blocks;
use crate::model::{DiskCopy, HostPath, IncrementResult, Location, Made, Progress, What};

const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// How long a wish to stop may be overheard.
const EAR: Duration = Duration::from_millis(200);
/// In its first minute a copy tells four times a second, then once: a journal of a day stays small.
const CHATTY: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(250);
const MOST_CHECKPOINT: u64 = 1 << 20;
const MODE: u32 = 0o600;

/// One copy, open at both ends.
struct Ready {
    part: usize,
    source: Opened,
    destination: Opened,
    task: Task,
}

/// What a copying thread tells.
enum Word {
    Map { part: usize, total: u64, cells: String },
    Progress { part: usize, progress: Progress },
    Checkpoint { part: usize, checkpoint: Box<Checkpoint> },
    Ended { part: usize, result: Result<Box<copy::Done>, Failed> },
}

/// A thread's end of the line.
struct Wire {
    part: usize,
    tell: Sender<Word>,
}

impl Runner<'_> {
    pub(super) fn copy(&mut self, step: usize, copies: &[DiskCopy], at_once: usize, rate: Option<u64>) -> Deed {
        let pace = rate.map(Pacer::new);
        let stop = AtomicBool::new(false);
        let mut waiting: VecDeque<(usize, &DiskCopy)> = copies.iter().enumerate().collect();
        let mut told: Vec<Instant> = vec![Instant::now(); copies.len()];
        let began = Instant::now();
        let mut working = 0_usize;
        let mut trouble: Option<Trouble> = None;
        let mut filling = Filling::of(copies);
        let (tell, words) = mpsc::channel();
        std::thread::scope(|scope| {
            loop {
                while trouble.is_none() && working < at_once.max(1) {
                    let Some((part, copy)) = waiting.pop_front() else { break };
                    match self.prepare(step, part, copy, pace.as_ref()) {
                        Ok(None) => {}
                        Ok(Some(ready)) => {
                            let wire = Wire { part, tell: tell.clone() };
                            let stop = &stop;
                            let started = std::thread::Builder::new()
                                .name(format!("domkeep-copy-{part}"))
                                .spawn_scoped(scope, move || copy_on_thread(ready, wire, stop));
                            match started {
                                Ok(_) => working += 1,
                                Err(error) => trouble = Some(Trouble::Failed(format!("a copy could not be started: {error}"))),
                            }
                        }
                        Err(why) => trouble = Some(why),
                    }
                }
                if working == 0 {
                    break;
                }
                let heard = match words.recv_timeout(EAR) {
                    Ok(Word::Ended { part, result }) => {
                        working -= 1;
                        self.ended(step, part, copies, result, trouble.is_some())
                    }
                    Ok(word) => self.hear(step, copies, word, &mut told, began),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
                };
                // The first trouble is the reason; what follows from stopping the others is none.
                if trouble.is_none() {
                    let stores = self.look_at_stores(step, &mut filling, pace.as_ref(), false);
                    trouble = heard.err().or(stores.err()).or_else(|| self.check_stop().err());
                }
                if trouble.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        trouble.map_or_else(|| self.look_at_stores(step, &mut filling, None, true), Err)
    }

    /// Opens both ends; nothing when this copy is done.
    fn prepare(&mut self, step: usize, part: usize, copy: &DiskCopy, pace: Option<&Pacer>) -> Deed<Option<Ready>> {
        let done = self.history.past(step).and_then(|past| past.parts.get(&part)).is_some_and(|part| part.result.is_some());
        let mut task = Task::new(Destination::New);
        task.options.verify = copy.verify;
        task.options.pace = pace.cloned();
        task.options.expect = copy.hashes_from.as_ref().map(|path| self.hash_list(path)).transpose()?;
        task.options.since = self.since(copy)?;
        let (destination, inode, goes_on) = match copy.keeping.segment {
            Some(segment) => match self.open_new_segments(step, copy, segment, done, &mut task)? {
                Some((segments, goes_on)) => (Opened::Segments(segments), None, goes_on),
                None => return Ok(None),
            },
            None => match self.open_destination(step, copy, done, &mut task)? {
                Some((blocks, goes_on)) => (Opened::File(blocks.file), Some(blocks.inode), goes_on),
                None => return Ok(None),
            },
        };
        let source = if let Location::Nbd { socket, export } = &copy.from {
            Opened::Nbd(Box::new(self.open_export(socket, export, None)?))
        } else if let Some(segments) = self.segmented_source(&copy.from)? {
            Opened::Segments(segments)
        } else {
            let from = path_of(&copy.from)?;
            let could_not = |error| Trouble::failed(format!("{from} could not be opened"), &error);
            let source = self.act.open_for_reading(from.as_path()).map_err(could_not)?;
            if Some(source.inode) == inode {
                return Err(Trouble::Failed(format!("{from} and {} are the same", path_of(&copy.to)?)));
            }
            Opened::File(source.file)
        };
        if task.options.since.is_none() {
            task.options.checkpoint_every = Some(if self.journal.sabotage().is_on() { Duration::from_millis(1) } else { CHECKPOINT_EVERY });
            task.options.resume = if goes_on { self.checkpoint(step, part) } else { None };
        }
        Ok(Some(Ready { part, source, destination, task }))
    }

    pub(super) fn open_export(&self, socket: &HostPath, export: &str, bitmap: Option<&str>) -> Deed<NbdSource> {
        let could_not = |why: String| Trouble::Failed(format!("what is offered as {export} on {socket} could not be opened: {why}"));
        let stream = self.act.connect(socket.as_path()).map_err(|error| could_not(error.to_string()))?;
        NbdSource::open(stream, export, bitmap).map_err(|error| could_not(error.to_string()))
    }

    /// What an earlier backup holds. When it cannot be used, all is copied, and that is said.
    fn since(&mut self, copy: &DiskCopy) -> Deed<Option<copy::Since>> {
        let Some(since) = &copy.keeping.since else { return Ok(None) };
        match self.earlier(copy, since) {
            Ok(earlier) => Ok(Some(earlier)),
            Err(why) => {
                self.note(format!("{}: all of it is copied, because the backup before cannot be used: {why}", copy.label))?;
                Ok(None)
            }
        }
    }

    fn open_new_segments(
        &mut self,
        step: usize,
        copy: &DiskCopy,
        segment: u64,
        done: bool,
        task: &mut Task,
    ) -> Deed<Option<(Segments, bool)>> {
        let to = destination_of(copy)?;
        let Some((dir, goes_on)) = self.new_segments(step, &to, done)? else { return Ok(None) };
        let base = match (&copy.keeping.since, &task.options.since) {
            (Some(since), Some(_)) => Some(self.earlier_segments(since)?),
            _ => None,
        };
        let segments = Segments::to_write(dir, segment, base);
        segments.map(|segments| Some((segments, goes_on))).map_err(|error| super::files::could_not("written", &to, &error))
    }

    fn open_destination(&mut self, step: usize, copy: &DiskCopy, done: bool, task: &mut Task) -> Deed<Option<(Blocks, bool)>> {
        let to = path_of(&copy.to)?;
        let opened = if copy.new { self.new_destination(step, &to, done)? } else { self.old_destination(&to, done)? };
        let Some((destination, goes_on)) = opened else { return Ok(None) };
        if let (Some(since), Some(_)) = (&copy.keeping.since, &task.options.since) {
            match self.begin_as(since, &destination.file) {
                Ok(()) => {
                    task.destination = Destination::Earlier;
                    return Ok(Some((destination, goes_on)));
                }
                Err(why) => {
                    self.note(format!("{}: all of it is copied: {why}", copy.label))?;
                    task.options.since = None;
                }
            }
        }
        task.destination = match (copy.new, destination.device) {
            (true, false) => Destination::New,
            (false, false) => Destination::Replaced,
            (_, true) => Destination::Device { zero: false },
        };
        Ok(Some((destination, goes_on)))
    }

    /// The new file under its partial name, and whether an interrupted copy into it is gone on with. Nothing: it has its own name by now.
    fn new_destination(&mut self, step: usize, to: &HostPath, done: bool) -> Deed<Option<(Blocks, bool)>> {
        let partial = names::partial(to, &self.plan.id);
        let ours: Vec<(u64, u64)> = self
            .history
            .past(step)
            .map(|past| past.made.iter())
            .into_iter()
            .flatten()
            .filter_map(|made| match made {
                Made::File { path, inode, .. } if path == to => Some(*inode),
                _ => None,
            })
            .collect();
        let (named, aside) = (self.inode(to)?, self.inode(&partial)?);
        if let Some(inode) = named.filter(|inode| done && ours.contains(inode)) {
            self.remove_if_ours(&partial, inode)?;
            return Ok(None);
        }
        if done && aside.is_some_and(|inode| ours.contains(&inode)) {
            self.give_name(&partial, to)?;
            return Ok(None);
        }
        self.refuse_taken(to)?;
        let could_not = |error| Trouble::failed(format!("{to} could not be opened"), &error);
        if let Some(inode) = aside.filter(|inode| ours.contains(inode)) {
            let blocks = self.act.open_for_writing(partial.as_path()).map_err(could_not)?;
            if blocks.inode == inode {
                return Ok(Some((blocks, true)));
            }
        }
        Ok(Some((self.create(step, to, &partial, MODE)?, false)))
    }

    /// A device, or a file that is replaced. It is what stood there before, so the checkpoint is held against it, as always.
    fn old_destination(&self, to: &HostPath, done: bool) -> Deed<Option<(Blocks, bool)>> {
        if done {
            return Ok(None);
        }
        let opened = self.act.open_for_writing(to.as_path());
        opened.map(|blocks| Some((blocks, true))).map_err(|error| Trouble::failed(format!("{to} could not be opened for writing"), &error))
    }

    fn hear(&mut self, step: usize, copies: &[DiskCopy], word: Word, told: &mut [Instant], began: Instant) -> Deed {
        let label = |part: usize| copies.get(part).map_or_else(String::new, |copy| copy.label.clone());
        match word {
            Word::Map { part, total, cells } => self.tell(What::Map { step, part, label: label(part), total, cells }),
            Word::Progress { part, progress } => {
                let pause = if began.elapsed() < CHATTY { OFTEN } else { SELDOM };
                match told.get_mut(part) {
                    // The copier keeps the first pause by itself, with a little less between its words now and then.
                    Some(last) if last.elapsed() < pause / 2 && progress.total != Some(progress.done) => Ok(()),
                    Some(last) => {
                        *last = Instant::now();
                        self.tell(What::Copied { step, part, label: label(part), progress })
                    }
                    None => Ok(()),
                }
            }
            Word::Checkpoint { part, checkpoint } => {
                self.journal.sabotage().point();
                let bytes = serde_json::to_vec(&checkpoint).unwrap_or_default();
                // Without it the copy would begin anew: slower, not wrong.
                let _ = self.folder.dir().put(&checkpoint_name(step, part), &bytes);
                self.journal.sabotage().point();
                Ok(())
            }
            Word::Ended { .. } => Ok(()),
        }
    }

    fn ended(&mut self, step: usize, part: usize, copies: &[DiskCopy], result: Result<Box<copy::Done>, Failed>, stopping: bool) -> Deed {
        let Some(copy) = copies.get(part) else { return Ok(()) };
        let mut done = match result {
            Ok(done) => done,
            Err(Failed::Stopped { .. }) => return Err(Trouble::Cancelled),
            Err(failed) => return Err(Trouble::Failed(format!("{}: {failed}; {}", copy.label, failed.hint()))),
        };
        if stopping {
            return Ok(());
        }
        for note in &done.notes {
            self.note(format!("{}: {note}", copy.label))?;
        }
        self.judge_increment(copy, &mut done)?;
        if let Some(list) = &copy.hashes_to {
            self.write_hash_list(step, list, &done.hashes)?;
        }
        self.tell(What::CopyEnded { step, part, label: copy.label.clone(), result: done.result.clone() })?;
        if copy.new {
            let to = destination_of(copy)?;
            self.give_name(&names::partial(&to, &self.plan.id), &to)?;
        }
        let _ = self.folder.dir().remove(&checkpoint_name(step, part));
        Ok(())
    }

    /// A list that an interrupted attempt finished is ours, and made again.
    fn write_hash_list(&mut self, step: usize, path: &HostPath, hashes: &HashList) -> Deed {
        let mut text = Vec::new();
        hashes.write_text(&mut text).map_err(|error| super::files::could_not("written", path, &error))?;
        self.write_again(step, path, &text, MODE)
    }

    /// Says loudly when what keeps book was wrong, and why all was read when it was.
    fn judge_increment(&mut self, copy: &DiskCopy, done: &mut copy::Done) -> Deed {
        let Some(since) = &copy.keeping.since else { return Ok(()) };
        match &mut done.result.increment {
            Some(increment) if increment.mismatch.is_some() => {
                let why = increment.read_all_because.clone().unwrap_or_default();
                self.note(format!(
                    "WARNING: {}: a block that should not have changed had changed: {why}. All of the disk was read, so this backup is right. \
                     Increments before it may lack changes: verify them against what you know, and do not trust what keeps book of this disk.",
                    copy.label
                ))
            }
            Some(increment) => {
                increment.read_all_because = self.what_changed(&copy.label, since.bytes).because;
                Ok(())
            }
            none => {
                let bytes = done.result.bytes;
                let because = Some("the backup before could not be used".to_owned());
                *none = Some(IncrementResult { read: bytes, changed: bytes, read_all_because: because, ..IncrementResult::default() });
                Ok(())
            }
        }
    }

    pub(super) fn hash_list(&self, path: &HostPath) -> Deed<HashList> {
        let could_not = |why: String| Trouble::Failed(format!("the hashes in {path} could not be read: {why}"));
        let file = self.act.open_for_reading(path.as_path()).map_err(|error| could_not(error.to_string()))?;
        let mut list = HashList::default();
        for line in Reader::new(file.file) {
            list.push(line.map_err(|error| could_not(error.to_string()))?);
        }
        Ok(list)
    }

    fn checkpoint(&self, step: usize, part: usize) -> Option<Checkpoint> {
        let bytes = self.folder.dir().read(&checkpoint_name(step, part), MOST_CHECKPOINT).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }
}

fn checkpoint_name(step: usize, part: usize) -> String {
    format!("copy-{step}-{part}.json")
}

pub(super) fn path_of(end: &Location) -> Deed<HostPath> {
    match end {
        Location::File { path } | Location::Device { path } => Ok(path.clone()),
        Location::Piece { bundle, piece } => {
            crate::model::bundle_names::check_piece(piece).map_err(Trouble::Failed)?;
            Ok(bundle.join(piece))
        }
        Location::Nbd { .. } => Err(Trouble::Failed("an NBD export has no path".into())),
    }
}

fn copy_on_thread(ready: Ready, wire: Wire, stop: &AtomicBool) {
    let Ready { part, source, destination, task } = ready;
    let mut told = Told { wire, stop };
    // Whoever waits for the end waits for this word.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| copy::copy(source, destination, &task, &mut told)))
        .unwrap_or_else(|_| Err(Failed::Prepare { why: std::io::Error::other("the copier broke off: this is an error in domkeep") }));
    let _ = told.wire.tell.send(Word::Ended { part, result: result.map(Box::new) });
}

struct Told<'a> {
    wire: Wire,
    stop: &'a AtomicBool,
}

/// Whoever listens lives as long as the thread: nothing that is sent is lost.
impl Control for Told<'_> {
    fn progress(&mut self, progress: Progress) {
        let _ = self.wire.tell.send(Word::Progress { part: self.wire.part, progress });
    }

    fn map(&mut self, total: u64, cells: &str) {
        let _ = self.wire.tell.send(Word::Map { part: self.wire.part, total, cells: cells.to_owned() });
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let _ = self.wire.tell.send(Word::Checkpoint { part: self.wire.part, checkpoint: Box::new(checkpoint.clone()) });
    }

    fn should_stop(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
