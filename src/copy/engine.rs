//! One copy, from its first check to its last sync.

use std::io;
use std::sync::atomic::AtomicBool;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::model::hashes::BlockHash;
use crate::model::job::CopyResult;
use crate::model::{BlockSet, IncrementResult, Progress};

use super::Control;
use super::buffers::Aligned;
use super::checkpoint::{Checkpoint, Growing, Identity, Mark};
use super::ends::{Map, Sink, Source};
use super::extents::Runs;
use super::hashes::{BLOCK, HashList};
use super::pipeline::{self, Crew, Ledger};
use super::rescue;
use super::resume::{self, Begun};
use super::task::{Done, Failed, Options};
use super::tell::Teller;
use super::verify;
use super::worker::{Bench, Copying, Landed, Pieces, bytes_of, read_block};

/// Blocks of zeros in one piece where they are not simply left out: a stop waits for no more.
const MOST_ZEROS: u64 = 64;

/// The ends of a copy, and how it is done.
pub struct Copier<'a> {
    pub source: &'a dyn Source,
    pub map: &'a mut dyn Map,
    pub sink: &'a dyn Sink,
    pub options: &'a Options,
    /// What the source is now, where that can be told: a checkpoint of another one is not used.
    pub identity: Option<Identity>,
}

impl Copier<'_> {
    /// Copies. What is returned as done has reached the disk.
    pub fn run(&mut self, control: &mut dyn Control) -> Result<Done, Failed> {
        let total = self.source.bytes().map_err(|why| Failed::Prepare { why })?;
        self.refuse(total)?;
        let runs = self.walk(total, control)?;
        control.map(total, &runs.strip());
        let mut notes = Vec::new();
        let audited = self.audit(total, &runs, control)?;
        let all = audited.as_ref().and_then(|result| result.mismatch).map(|_| BlockSet::all(total));
        let changed = all.as_ref().or(self.options.since.as_ref().map(|since| &since.changed));
        let begun = resume::begin(self, &runs, control, &mut notes)?;
        let zero_from = self.sink.prepare(total, begun.bytes(total)).map_err(|why| Failed::Prepare { why })?;
        let stop = AtomicBool::new(false);
        let copying = Copying { source: self.source, sink: self.sink, runs: &runs, options: self.options, zero_from, stop: &stop };
        let first = begun.list.blocks();
        let most_zeros = if zero_from == Some(0) { u64::MAX } else { MOST_ZEROS };
        let mut pieces = Pieces { runs: &runs, block: first, end: total.div_ceil(BLOCK), most_zeros, changed };
        let mut state = State::new(begun, &runs, self.options);
        state.increment = audited;
        let crew = Crew::new(self.options.threads);
        let whole = std::thread::scope(|scope| {
            let mut ledger = Copied { state: &mut state, sink: self.sink, options: self.options, syncing: None, scope, control };
            let work = |bench: &mut Bench, piece| copying.piece(bench, piece);
            let ended = pipeline::run(crew, &stop, move || pieces.next(), Bench::new, work, &mut ledger);
            let synced = ledger.wait_for_sync();
            ended.and_then(|whole| synced.map(|()| whole))
        })?;
        if !whole {
            return Err(self.stopped(state, control));
        }
        self.sink.sync().map_err(|why| Failed::Sync { why })?;
        let is = self.source.bytes().map_err(|why| Failed::Read { offset: total, why })?;
        if is != total {
            return Err(Failed::SourceChanged { was: total, is });
        }
        state.teller.tell(&state.progress, true, control);
        if self.options.verify {
            self.read_back(&runs, &state, control)?;
        }
        Ok(state.done(self.options, notes))
    }

    /// What can be known to go wrong before the first write.
    fn refuse(&self, total: u64) -> Result<(), Failed> {
        let has = self.sink.capacity().map_err(|why| Failed::Prepare { why })?;
        if let Some(has) = has.filter(|has| *has < total) {
            return Err(Failed::TooSmall { needs: total, has });
        }
        match &self.options.expect {
            Some(expect) if expect.blocks() != total.div_ceil(BLOCK) => {
                let says = format!("the list of hashes is of {} blocks, the source has {}", expect.blocks(), total.div_ceil(BLOCK));
                Err(Failed::Prepare { why: io::Error::other(says) })
            }
            _ => self.options.since.as_ref().map_or(Ok(()), |since| since.refuse(total)),
        }
    }

    /// Reads a sample of what is believed unchanged. A block that differs is no failure: all is read then.
    fn audit(&self, total: u64, runs: &Runs, control: &mut dyn Control) -> Result<Option<IncrementResult>, Failed> {
        let Some(since) = &self.options.since else { return Ok(None) };
        let (audited, mismatch) = since.audit(self.source, runs, &mut || !control.should_stop())?;
        let read_all_because =
            mismatch.map(|block| format!("the {BLOCK} bytes from {} on had changed, and nothing had told so", block.saturating_mul(BLOCK)));
        let read = if mismatch.is_some() { total } else { since.changed_bytes(total) };
        Ok(Some(IncrementResult { read, changed: 0, audited, seed: since.audit_seed, mismatch, read_all_because }))
    }

    fn walk(&mut self, total: u64, control: &mut dyn Control) -> Result<Runs, Failed> {
        let mut stopped = false;
        let mut go_on = || {
            stopped = control.should_stop();
            !stopped
        };
        let runs = Runs::collect(self.map, total, &mut go_on).map_err(|why| Failed::Prepare { why })?;
        if stopped { Err(Failed::Stopped { checkpoint: None }) } else { Ok(runs) }
    }

    fn stopped(&self, mut state: State, control: &mut dyn Control) -> Failed {
        if self.options.checkpoint_every.is_none() {
            return Failed::Stopped { checkpoint: None };
        }
        if let Err(why) = self.sink.sync() {
            return Failed::Sync { why };
        }
        let promise = state.promise();
        let checkpoint = state.synced(promise);
        control.checkpoint(checkpoint);
        Failed::Stopped { checkpoint: Some(Box::new(checkpoint.clone())) }
    }

    fn read_back(&self, runs: &Runs, state: &State, control: &mut dyn Control) -> Result<(), Failed> {
        let mut map = self.sink.written().map_err(|why| Failed::Sync { why })?;
        let there = Runs::collect(map.as_mut(), runs.total(), &mut || true).map_err(|why| Failed::Sync { why })?;
        let compared = verify::compare(self.sink.reader(), &there, &state.list, self.options, &state.progress, control);
        match compared {
            Err(Failed::Differs { offset, length }) => Err(self.narrow(runs, &there, offset).unwrap_or(Failed::Differs { offset, length })),
            other => other,
        }
    }

    /// From the first to the last byte that differs within a block; nothing when source and destination are the same by now.
    fn narrow(&self, runs: &Runs, there: &Runs, offset: u64) -> Option<Failed> {
        let block = offset / BLOCK;
        let length = usize::try_from(BLOCK).ok()?;
        let (mut ours, mut theirs) = (Aligned::new(length), Aligned::new(length));
        let ours = read_block(self.source, runs, block, &mut ours, &mut Vec::new()).ok()?;
        let theirs = read_block(self.sink.reader(), there, block, &mut theirs, &mut Vec::new()).ok()?;
        let first = ours.iter().zip(theirs).position(|(one, other)| one != other)?;
        let last = ours.iter().zip(theirs).rposition(|(one, other)| one != other)?;
        let start = bytes_of(block, 1, runs.total()).start;
        Some(Failed::Differs { offset: start.saturating_add(first as u64), length: (last - first) as u64 + 1 })
    }
}

/// What has been copied so far, in order.
struct State {
    progress: Progress,
    list: HashList,
    growing: Growing,
    unreadable: Vec<(u64, u64)>,
    checkpoint: Checkpoint,
    teller: Teller,
    checkpointed: Instant,
    blocks: u64,
    increment: Option<IncrementResult>,
}

impl State {
    fn new(begun: Begun, runs: &Runs, options: &Options) -> Self {
        let total = runs.total();
        let blocks = begun.list.blocks();
        let done = bytes_of(0, blocks, total).end;
        let holes = done.saturating_sub(runs.within(0..done).fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start)));
        let unreadable = begun.checkpoint.unreadable.clone();
        let progress = Progress {
            done,
            total: Some(total),
            holes,
            zeros: begun.zeros,
            unreadable: bytes_in(&unreadable),
            written: begun.written,
            bytes_per_second: None,
            verifying: false,
        };
        let growing = if options.checkpoint_every.is_some() { begun.growing } else { Growing::default() };
        Self {
            teller: Teller::new(done.saturating_sub(holes)),
            progress,
            list: begun.list,
            growing,
            unreadable,
            checkpoint: begun.checkpoint,
            checkpointed: Instant::now(),
            blocks,
            increment: None,
        }
    }

    fn enter(&mut self, landed: Landed, options: &Options) -> Result<(), Failed> {
        self.blocks = self.blocks.saturating_add(landed.blocks);
        if let Some(increment) = &mut self.increment {
            increment.changed = increment.changed.saturating_add(landed.changed);
        }
        if let Some(since) = options.since.as_ref().filter(|_| landed.kept) {
            for block in landed.block..landed.block.saturating_add(landed.blocks) {
                // A list of fewer lines is refused before the first block.
                self.list.push(since.list.get(block).unwrap_or(BlockHash::Zero));
            }
        }
        if let Some(line) = landed.line {
            if landed.blocks == 1 {
                self.list.push(line);
            } else {
                self.list.push_zeros(landed.blocks);
            }
            if options.checkpoint_every.is_some() {
                if landed.blocks == 1 {
                    self.growing.push(line);
                } else {
                    self.growing.push_zeros(landed.blocks);
                }
            }
        }
        for (offset, length) in landed.unreadable {
            rescue::note(&mut self.unreadable, offset, length);
            self.progress.unreadable = self.progress.unreadable.saturating_add(length);
        }
        self.progress.done = self.progress.done.saturating_add(landed.bytes);
        self.progress.holes = self.progress.holes.saturating_add(landed.holes);
        self.progress.zeros = self.progress.zeros.saturating_add(landed.zeros);
        self.progress.written = self.progress.written.saturating_add(landed.written);
        if self.unreadable.len() > options.most_unreadable {
            return Err(Failed::TooManyUnreadable { ranges: options.most_unreadable });
        }
        Ok(())
    }

    /// What a sync that begins now makes certain.
    fn promise(&self) -> Promise {
        let mark = Mark { blocks: self.blocks, digest: self.growing.digest(), zeros: self.progress.zeros, written: self.progress.written };
        (mark, self.unreadable.len())
    }

    fn synced(&mut self, (mark, unreadable): Promise) -> &Checkpoint {
        self.checkpoint.unreadable = self.unreadable.iter().take(unreadable).copied().collect();
        // The last range may have grown since; what is beyond the mark is read again anyway.
        let end = mark.blocks.saturating_mul(BLOCK);
        for (offset, length) in &mut self.checkpoint.unreadable {
            *length = (*length).min(end.saturating_sub(*offset));
        }
        self.checkpoint.add(mark);
        self.checkpointed = Instant::now();
        &self.checkpoint
    }

    fn done(self, options: &Options, notes: Vec<String>) -> Done {
        let hashed = options.hashes();
        let result = CopyResult {
            bytes: self.progress.done,
            holes: self.progress.holes,
            zeros: self.progress.zeros,
            written: self.progress.written,
            digest: if hashed { self.list.digest() } else { String::new() },
            unreadable: self.unreadable,
            damaged: Vec::new(),
            verified: options.verify,
            increment: self.increment,
        };
        Done { result, hashes: self.list, notes }
    }
}

fn bytes_in(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().fold(0, |sum: u64, (_, length)| sum.saturating_add(*length))
}

/// What will be certain once a sync has ended: a mark, and how many unreadable ranges lie below it.
type Promise = (Mark, usize);

/// A sync that runs beside the workers.
struct Syncing<'scope> {
    thread: ScopedJoinHandle<'scope, io::Result<()>>,
    promise: Promise,
}

/// The calling thread's part while the workers copy.
struct Copied<'a, 'scope, 'env> {
    state: &'a mut State,
    sink: &'env dyn Sink,
    options: &'a Options,
    syncing: Option<Syncing<'scope>>,
    scope: &'scope Scope<'scope, 'env>,
    control: &'a mut dyn Control,
}

impl Copied<'_, '_, '_> {
    fn wait_for_sync(&mut self) -> Result<(), Failed> {
        let Some(Syncing { thread, promise }) = self.syncing.take() else { return Ok(()) };
        let synced = thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that synced is gone")));
        synced.map_err(|why| Failed::Sync { why })?;
        self.control.checkpoint(self.state.synced(promise));
        Ok(())
    }

    fn sync_now_and_then(&mut self, every: Duration) -> Result<(), Failed> {
        if self.syncing.as_ref().is_some_and(|syncing| syncing.thread.is_finished()) {
            self.wait_for_sync()?;
        }
        let fresh = self.state.blocks > self.state.checkpoint.marks.last().map_or(0, |mark| mark.blocks);
        if fresh && self.syncing.is_none() && self.state.checkpointed.elapsed() >= every {
            let sink = self.sink;
            // First the mark: a sync promises nothing of what is written after it began.
            let promise = self.state.promise();
            self.syncing = Some(Syncing { thread: self.scope.spawn(move || sink.sync()), promise });
        }
        Ok(())
    }
}

impl Ledger<Landed, Failed> for Copied<'_, '_, '_> {
    fn enter(&mut self, landed: Landed) -> Result<(), Failed> {
        self.state.enter(landed, self.options)
    }

    fn pulse(&mut self) -> Result<bool, Failed> {
        if let Some(every) = self.options.checkpoint_every {
            self.sync_now_and_then(every)?;
        }
        self.state.teller.tell(&self.state.progress, false, self.control);
        Ok(!self.control.should_stop())
    }
}
