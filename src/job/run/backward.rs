//! The end of a job: what was done is taken back when it must be, and what has to be cleaned up is, last step first. Each step is taken back
//! before its own cleanup and after those of the steps that stood on it.

use super::segments::destination_of;
use super::{Deed, Runner, Trouble, names};
use crate::job::history::{Past, Stage};
use crate::job::recovery;
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT, hashes_name};
use crate::model::{Action, Check, Held, HostPath, Outcome, Phase, Step, Undo};

impl Runner<'_> {
    /// Answers with what could not be taken back or cleaned up.
    pub(super) fn wind_up(&mut self, back: bool) -> Deed<Vec<String>> {
        self.deaf = true;
        let plan = self.plan;
        let mut left = Vec::new();
        let mut undoing = back;
        for (number, step) in plan.steps.iter().enumerate().rev() {
            if !self.history.step(number).acted {
                continue;
            }
            if undoing && !self.history.step(number).undo.is_done() {
                // What the other steps made may be what this one stands on: they stay.
                undoing = self.undo(number, step, &mut left)?;
            }
            if matches!(self.history.step(number).undo, Stage::Ended(_)) {
                self.sweep_or_say(number, &mut left)?;
            }
            // What is taken back after the end was cleaned up already may stand in the way once more.
            let once_more = back && step.cleanup.as_ref().is_some_and(|cleanup| cleanup.needed.is_some());
            if once_more || !self.history.step(number).cleanup.is_done() {
                self.clean_up(number, step, &mut left)?;
            }
        }
        Ok(left)
    }

    fn sweep_or_say(&self, number: usize, left: &mut Vec<String>) -> Deed {
        match self.sweep(number) {
            Err(Trouble::Failed(why)) => left.push(why),
            other => other?,
        }
        Ok(())
    }

    /// Whether earlier steps may be taken back too.
    fn undo(&mut self, number: usize, step: &Step, left: &mut Vec<String>) -> Deed<bool> {
        let past = self.history.step(number);
        self.tell(crate::model::What::StepStarted { step: number, phase: Phase::Undo })?;
        let (outcome, goes_on) = match self.undo_step(number, step, &past) {
            Ok(stayed) if stayed.is_empty() => (Outcome::Done, true),
            Ok(stayed) => (Outcome::Failed { why: stayed.join("; ") }, true),
            Err(Trouble::Failed(why)) => (Outcome::Failed { why }, false),
            Err(other) => return Err(other),
        };
        if let Outcome::Failed { why } = &outcome {
            left.push(why.clone());
        }
        self.end(number, Phase::Undo, outcome)?;
        Ok(goes_on)
    }

    fn undo_step(&mut self, number: usize, step: &Step, past: &Past) -> Deed<Vec<String>> {
        let done = past.work.is_done();
        if matches!(step.action, Action::FindChanged { .. }) {
            self.release_leftover(number)?;
        }
        if let Undo::By { action } = &step.undo
            && self.is_to_be_undone(step, past)
        {
            let tried = self.act_out(number, action);
            let stands = step.done.as_ref().map(|check| self.ask(check));
            match (tried, &stands) {
                // There is nothing to take back any more: the domain that had the disk is gone.
                (Err(Trouble::Failed(why)), Some(Held::No { .. })) => {
                    self.note(format!("step {} ({}) does not stand any more: {why}", number.saturating_add(1), step.says))?;
                }
                (tried, _) => tried?,
            }
            // A tool that selects what it takes back ends well where nothing fits.
            if let Some(Held::Yes) = stands {
                return Ok(vec![format!("step {} ({}) was taken back, and yet it stands", number.saturating_add(1), step.says)]);
            }
        }
        if let Undo::Impossible { why } = &step.undo
            && done
        {
            self.note(format!("step {} cannot be taken back ({}): {why}", number.saturating_add(1), step.says))?;
        }
        let mut stayed = Vec::new();
        // The domain lives again: its image is no longer needed, and would be stale.
        let brought_back = matches!(step.action, Action::SaveDomain { .. });
        if !done || brought_back || step.undo == Undo::Own {
            for made in past.made.iter().rev() {
                stayed.extend(self.take_back(number, made)?);
            }
            for path in makes(&step.action) {
                self.clear_unwritten(&names::partial(&path, &self.plan.id));
            }
        }
        Ok(stayed)
    }

    /// Of a command that was interrupted, or whose undo was, the host is asked; when it cannot say, the undo is run.
    fn is_to_be_undone(&self, step: &Step, past: &Past) -> bool {
        // Its image may be all that is left of the domain, however the step ended: the deed itself looks whether the domain is there.
        if matches!(step.action, Action::SaveDomain { .. }) {
            return true;
        }
        if !recovery::wants_undo(&step.undo, past) && step.done.is_none() {
            return false;
        }
        let known_done = past.work.is_done() && !past.undo.was_started();
        match step.done.as_ref().filter(|_| !known_done).map(|check| self.ask(check)) {
            Some(Held::Yes) => true,
            Some(Held::No { .. }) => false,
            Some(Held::Unknown { .. }) | None => {
                recovery::wants_undo(&step.undo, past) && (past.work.is_done() || matches!(step.action, Action::Run { .. }))
            }
        }
    }

    fn clean_up(&mut self, number: usize, step: &Step, left: &mut Vec<String>) -> Deed {
        let Some(cleanup) = &step.cleanup else { return Ok(()) };
        if matches!(cleanup.needed.as_ref().map(|check| self.ask(check)), Some(Held::No { .. })) {
            return self.end(number, Phase::Cleanup, Outcome::Done);
        }
        self.tell(crate::model::What::StepStarted { step: number, phase: Phase::Cleanup })?;
        let outcome = match self.act_out(number, &cleanup.action) {
            Ok(()) => Outcome::Done,
            Err(Trouble::Failed(why)) => Outcome::Failed { why },
            Err(other) => return Err(other),
        };
        if let Outcome::Failed { why } = &outcome {
            left.push(format!("{}: {why}", cleanup.says));
        }
        self.end(number, Phase::Cleanup, outcome)
    }

    pub(super) fn ask(&self, check: &Check) -> Held {
        (self.holds)(check)
    }
}

/// What an action makes under a partial name first.
fn makes(action: &Action) -> Vec<HostPath> {
    match action {
        Action::WriteFile { path, .. }
        | Action::MakeSparse { path, .. }
        | Action::MakeDirectory { path, .. }
        | Action::Reflink { to: path, .. }
        | Action::ReplaceFile { path, .. } => vec![path.clone()],
        Action::Copy { copies, .. } => {
            let files = copies.iter().filter(|copy| copy.new).filter_map(|copy| destination_of(copy).ok());
            files.chain(copies.iter().filter_map(|copy| copy.hashes_to.clone())).collect()
        }
        Action::Salvage { pieces } => {
            pieces.iter().filter(|piece| piece.new).filter_map(|piece| super::copying::path_of(&piece.to).ok()).collect()
        }
        Action::SaveDomain { save } => vec![save.image.clone(), crate::model::saved::record_of(&save.image)],
        Action::RecordDisks { image, .. } => vec![crate::model::saved::record_of(image)],
        Action::HashPiece { hashes_to, .. } => vec![hashes_to.clone()],
        Action::SealBundle { partial, draft, .. } => {
            let lists = draft.pieces.iter().map(|piece| hashes_name(&piece.name));
            [MANIFEST, RESTORE_TXT].map(str::to_owned).into_iter().chain(lists).map(|name| partial.join(name)).collect()
        }
        Action::Run { .. }
        | Action::WaitFor { .. }
        | Action::WriteBeneath { .. }
        | Action::Rename { .. }
        | Action::Remove { .. }
        | Action::FindChanged { .. }
        | Action::MergeBack { .. }
        | Action::NameLostFiles { .. }
        | Action::Witness { .. }
        | Action::CompareWitness
        | Action::RemoveBundle { .. }
        | Action::ResumeSaved { .. }
        | Action::FoldOverlay { .. }
        | Action::Try { .. }
        | Action::VerifyBundle { .. } => Vec::new(),
    }
}
