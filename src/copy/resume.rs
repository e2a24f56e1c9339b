//! Going on with a copy that was interrupted: what the destination holds is read and held against the checkpoint's marks.

use super::Control;
use super::checkpoint::{Checkpoint, Growing, Mark};
use super::engine::Copier;
use super::extents::Runs;
use super::hashes::{BLOCK, HashList};
use super::pipeline::Ledger;
use super::task::Failed;
use super::verify::{self, Seen};
use crate::model::Progress;

use super::tell::Teller;

/// Where a copy begins.
#[derive(Debug)]
pub struct Begun {
    /// The blocks that need not be copied again.
    pub list: HashList,
    pub growing: Growing,
    pub zeros: u64,
    pub written: u64,
    /// Cut to the last mark that holds.
    pub checkpoint: Checkpoint,
}

impl Begun {
    pub fn bytes(&self, total: u64) -> u64 {
        self.list.blocks().saturating_mul(BLOCK).min(total)
    }
}

/// At the beginning, or behind what an earlier copy brought over. A checkpoint that cannot be used is a note, not a failure.
pub fn begin(copier: &Copier<'_>, runs: &Runs, control: &mut dyn Control, notes: &mut Vec<String>) -> Result<Begun, Failed> {
    let total = runs.total();
    let anew = Begun {
        list: HashList::default(),
        growing: Growing::default(),
        zeros: 0,
        written: 0,
        checkpoint: Checkpoint::new(total, copier.identity),
    };
    let Some(checkpoint) = copier.options.resume.as_ref().filter(|checkpoint| !checkpoint.marks.is_empty()) else { return Ok(anew) };
    if let Some(trouble) = checkpoint.trouble(total, copier.identity.as_ref()) {
        notes.push(format!("The copy began anew: {trouble}."));
        return Ok(anew);
    }
    let mut ledger = Marks::new(checkpoint, anew, control);
    let end = checkpoint.marks.last().map_or(0, |mark| mark.blocks);
    let there = copier.sink.written().and_then(|mut map| Runs::collect(map.as_mut(), total, &mut || true));
    let read = match there {
        Ok(there) => verify::read_blocks(copier.sink.reader(), &there, end, None, copier.options, &mut ledger),
        Err(why) => Err(Failed::Read { offset: 0, why }),
    };
    if ledger.stopped {
        return Err(Failed::Stopped { checkpoint: Some(Box::new(checkpoint.clone())) });
    }
    if let Err(trouble) = read {
        notes.push(format!("What was copied before could not be read back: {trouble}."));
    }
    let begun = ledger.into_begun();
    if begun.list.blocks() < end {
        notes.push(format!("From byte {} on, the destination does not hold what was copied before: copied again.", begun.bytes(total)));
    }
    Ok(begun)
}

/// Blocks of the destination, held against the marks of a checkpoint.
struct Marks<'a> {
    checkpoint: &'a Checkpoint,
    /// The marks that were not reached yet.
    left: std::slice::Iter<'a, Mark>,
    next: Option<&'a Mark>,
    /// The last mark that held, and the digest up to there.
    good: Option<(&'a Mark, Growing)>,
    begun: Begun,
    differs: bool,
    stopped: bool,
    progress: Progress,
    teller: Teller,
    control: &'a mut dyn Control,
}

impl<'a> Marks<'a> {
    fn new(checkpoint: &'a Checkpoint, begun: Begun, control: &'a mut dyn Control) -> Self {
        let mut left = checkpoint.marks.iter();
        let next = left.next();
        let progress = Progress { total: Some(checkpoint.total), verifying: true, ..Progress::default() };
        Self { checkpoint, left, next, good: None, begun, differs: false, stopped: false, progress, teller: Teller::new(0), control }
    }

    fn push(&mut self, seen: Seen, blocks: u64) {
        if seen.blocks == 1 {
            self.begun.list.push(seen.line);
            self.begun.growing.push(seen.line);
        } else {
            self.begun.list.push_zeros(blocks);
            self.begun.growing.push_zeros(blocks);
        }
    }

    fn into_begun(self) -> Begun {
        let (mut begun, good) = (self.begun, self.good);
        begun.list.truncate(good.as_ref().map_or(0, |(mark, _)| mark.blocks));
        begun.growing = Growing::default();
        let Some((mark, growing)) = good else { return begun };
        begun.growing = growing;
        begun.zeros = mark.zeros;
        begun.written = mark.written;
        begun.checkpoint.marks = self.checkpoint.marks.iter().take_while(|other| other.blocks <= mark.blocks).cloned().collect();
        let end = mark.blocks.saturating_mul(BLOCK);
        let below = self.checkpoint.unreadable.iter().filter(|(offset, _)| *offset < end);
        begun.checkpoint.unreadable = below.map(|(offset, length)| (*offset, (*length).min(end.saturating_sub(*offset)))).collect();
        begun
    }
}

impl Ledger<Seen, Failed> for Marks<'_> {
    fn enter(&mut self, seen: Seen) -> Result<(), Failed> {
        let mut left = seen.blocks;
        while left > 0 && !self.differs {
            // Not beyond the next mark at once: what is below it has a digest of its own.
            let until_mark = self.next.map_or(left, |mark| mark.blocks.saturating_sub(self.begun.list.blocks()).clamp(1, left));
            self.push(seen, until_mark);
            left -= until_mark;
            if let Some(mark) = self.next.filter(|mark| mark.blocks == self.begun.list.blocks()) {
                self.differs = self.begun.growing.digest() != mark.digest;
                if !self.differs {
                    self.good = Some((mark, self.begun.growing.clone()));
                    self.next = self.left.next();
                }
            }
        }
        self.progress.done = self.begun.bytes(self.checkpoint.total);
        self.progress.holes = self.progress.holes.saturating_add(seen.holes);
        Ok(())
    }

    fn pulse(&mut self) -> Result<bool, Failed> {
        self.teller.tell(&self.progress, false, self.control);
        self.stopped = self.control.should_stop();
        Ok(!self.stopped && !self.differs)
    }
}
