//! A step that was interrupted: is it done, or must it be done again? Of what the job makes itself the journal decides; of a command, the host.

use super::{Deed, Runner, Trouble};
use crate::job::recovery;
use crate::model::{Action, Held, HostPath, Made, Step};
use crate::problem::Problem;

impl Runner<'_> {
    /// `true`: it is done, whole and synced. `false`: what it left half-done is gone, and it can be done again.
    pub(super) fn settle(&mut self, number: usize, step: &Step) -> Deed<bool> {
        match &step.action {
            action if recovery::only_looks(action) => Ok(false),
            Action::Run { .. } => self.settle_command(number, step),
            Action::WriteFile { path, .. }
            | Action::MakeSparse { path, .. }
            | Action::Reflink { to: path, .. }
            | Action::MakeDirectory { path, .. } => self.settle_made(number, path),
            Action::Rename { .. } => self.settle_renamed(number),
            Action::Remove { path, inode } => Ok(self.inode(path)? != Some(*inode)),
            Action::ReplaceFile { path, bytes, .. } => self.settle_replaced(number, path, bytes),
            Action::SaveDomain { save } => self.settle_saved(number, save),
            // They change nothing, or go on by themselves from what they find.
            Action::WaitFor { .. }
            | Action::WriteBeneath { .. }
            | Action::FindChanged { .. }
            | Action::MergeBack { .. }
            | Action::Salvage { .. }
            | Action::NameLostFiles { .. }
            | Action::Copy { .. }
            | Action::Witness { .. }
            | Action::CompareWitness
            | Action::RecordDisks { .. }
            | Action::ResumeSaved { .. }
            | Action::FoldOverlay { .. }
            | Action::Try { .. }
            | Action::HashPiece { .. }
            | Action::SealBundle { .. }
            | Action::RemoveBundle { .. }
            | Action::VerifyBundle { .. } => Ok(false),
        }
    }

    fn settle_command(&self, number: usize, step: &Step) -> Deed<bool> {
        let undecided = |why: &str| {
            let problem = Problem::new(format!("job {} cannot be finished", self.plan.id));
            Trouble::Halt(problem.because(recovery::unknown_step(number, &step.says, why)))
        };
        match step.done.as_ref().map(|check| self.ask(check)) {
            Some(Held::Yes) => Ok(true),
            Some(Held::No { .. }) => Ok(false),
            Some(Held::Unknown { why }) => Err(undecided(&why)),
            None => Err(undecided("the host cannot be asked")),
        }
    }

    fn settle_made(&self, number: usize, path: &HostPath) -> Deed<bool> {
        for made in self.history.step(number).made {
            let (Made::File { path: named, partial, inode } | Made::Directory { path: named, partial, inode }) = made else { continue };
            let done = named == *path && self.inode(path)? == Some(inode);
            if let Some(partial) = partial {
                // On a file system that cannot rename without replacing, it may have both names.
                self.remove_if_ours(&partial, inode)?;
            }
            if done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn settle_renamed(&self, number: usize) -> Deed<bool> {
        for made in self.history.step(number).made {
            if let Made::Renamed { to, inode, .. } = made
                && self.inode(&to)? == Some(inode)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
