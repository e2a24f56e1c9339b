//! Steps in their order: what was done is skipped, what was interrupted is settled, what the plan takes for granted is looked at again.

use super::{Deed, Runner, Trouble};
use crate::job::history::Stage;
use crate::job::recovery;
use crate::model::{Action, Cleanup, Held, Outcome, Phase, Step, Stretch, What};
use crate::problem::Problem;

impl Runner<'_> {
    pub(super) fn forward(&mut self) -> Deed {
        let plan = self.plan;
        for stretch in &plan.stretches {
            self.begin_again(stretch)?;
        }
        for (number, step) in plan.steps.iter().enumerate() {
            let past = self.history.step(number);
            if past.work.is_done() {
                continue;
            }
            if past.work == Stage::Started && self.settle_or_end(number, step)? {
                continue;
            }
            self.take(number, step)?;
        }
        Ok(())
    }

    /// What is in the way goes first: an interruption in between finds the same stretch to be begun again.
    fn begin_again(&mut self, stretch: &Stretch) -> Deed {
        let steps = recovery::to_begin_again(self.plan, &self.history, stretch);
        let Some(first) = steps.first().copied() else { return Ok(()) };
        if let Some(reset) = &stretch.reset
            && !matches!(reset.needed.as_ref().map(|check| self.ask(check)), Some(Held::No { .. }))
        {
            self.note(reset.says.clone())?;
            self.act_out(first, &reset.action).map_err(|trouble| self.not_reset(reset, trouble))?;
        }
        // What the job itself made for them stands, unless it was in the way.
        let mut again = steps;
        for number in stretch.first..=stretch.last {
            let done = self.history.step(number).work.is_done() && !again.contains(&number);
            if let Some(step) = self.plan.steps.get(number).filter(|_| done)
                && !self.settle(number, step)?
            {
                again.push(number);
            }
        }
        again.sort_unstable();
        self.tell(What::Again { steps: again })
    }

    /// The job stays as it is: to be finished once that is out of the way, or undone.
    fn not_reset(&self, reset: &Cleanup, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Failed(why) => {
                let problem = Problem::new(format!("job {} cannot be finished yet", self.plan.id));
                Trouble::Halt(problem.because(format!("{}: {why}", reset.says)))
            }
            other => other,
        }
    }

    /// Whether an interrupted step is done. One that cannot be settled has failed.
    fn settle_or_end(&mut self, number: usize, step: &Step) -> Deed<bool> {
        let settled = self.settle(number, step);
        match &settled {
            Ok(true) => self.end(number, Phase::Do, Outcome::Done)?,
            Err(Trouble::Failed(why)) => self.end(number, Phase::Do, Outcome::Failed { why: why.clone() })?,
            _ => {}
        }
        settled
    }

    fn take(&mut self, number: usize, step: &Step) -> Deed {
        let mut done = self.check_stop().and_then(|()| self.assume(number));
        if done.is_ok() {
            self.tell(What::StepStarted { step: number, phase: Phase::Do })?;
            done = self.act_out(number, &step.action);
        }
        match done {
            Ok(()) => self.end(number, Phase::Do, Outcome::Done),
            Err(Trouble::Halt(problem)) => Err(Trouble::Halt(problem)),
            Err(Trouble::Cancelled) => {
                self.end(number, Phase::Do, Outcome::Cancelled)?;
                Err(Trouble::Cancelled)
            }
            Err(Trouble::Failed(why)) => {
                self.end(number, Phase::Do, Outcome::Failed { why: why.clone() })?;
                Err(Trouble::Failed(why))
            }
        }
    }

    pub(super) fn end(&mut self, step: usize, phase: Phase, outcome: Outcome) -> Deed {
        self.tell(What::StepEnded { step, phase, outcome })
    }

    /// What must hold before this step. What cannot be found out does not hold.
    fn assume(&mut self, number: usize) -> Deed {
        let plan = self.plan;
        for assumption in plan.assumptions.iter().filter(|assumption| assumption.through.is_none_or(|last| number <= last)) {
            let held = (self.holds)(&assumption.check);
            let why = match &held {
                Held::Yes => continue,
                Held::No { because } => format!("it no longer holds that {}: {because}", assumption.says),
                Held::Unknown { why } => format!("it cannot be found out whether {}: {why}", assumption.says),
            };
            self.tell(What::Assumption { step: number, says: assumption.says.clone(), held })?;
            return Err(Trouble::Failed(why));
        }
        Ok(())
    }

    /// One deed, whatever it is for. Returns when its effects are on the disk.
    pub(super) fn act_out(&mut self, number: usize, action: &Action) -> Deed {
        match action {
            Action::Run { cmd } => self.run_command(number, cmd),
            Action::WaitFor { check, limit_seconds } => self.wait_for(check, *limit_seconds),
            Action::WriteFile { path, bytes, mode } => self.write_file(number, path, bytes, *mode),
            Action::ReplaceFile { path, bytes, expect_blake3 } => self.replace_file(number, path, bytes, expect_blake3),
            Action::WriteBeneath { root, path, bytes, mode } => {
                let written = self.act.write_beneath(root.as_path(), path.as_path(), bytes, *mode);
                written.map_err(|error| Trouble::failed(format!("{path} in {root} could not be written"), &error))
            }
            Action::MakeSparse { path, bytes, mode } => self.make_sparse(number, path, *bytes, *mode),
            Action::Reflink { from, to, mode } => self.reflink(number, from, to, *mode),
            Action::MakeDirectory { path, mode } => self.make_directory(number, path, *mode),
            Action::Rename { from, to, expect } => self.rename(number, from, to, *expect),
            Action::Remove { path, inode } => self.remove_file(path, *inode),
            Action::Copy { copies, at_once, rate } => self.copy(number, copies, *at_once, *rate),
            Action::MergeBack { snapshot, origin } => self.merge_back(number, snapshot, origin),
            Action::Salvage { pieces } => self.salvage(number, pieces),
            Action::NameLostFiles { from, disks } => self.name_lost_files(*from, disks),
            Action::FindChanged { disks } => self.find_changed(number, disks),
            Action::Witness { domain, disks } => self.witness(number, domain.as_deref(), disks),
            Action::CompareWitness => self.compare_witness(number),
            Action::RemoveBundle { aside, gone, names } => self.remove_bundle(aside, gone, names),
            Action::SaveDomain { save } => self.save_domain(number, save),
            Action::ResumeSaved { domain, image, libvirt } => self.resume_saved(number, domain, image, libvirt.as_ref()),
            Action::FoldOverlay { fold } => self.fold_overlay(number, fold),
            Action::RecordDisks { domain, image, disks } => self.record_disks(number, domain, image, disks),
            Action::Try { that } => match self.act_out(number, that) {
                Err(Trouble::Failed(why)) => self.note(format!("it is tried again at the end: {why}")),
                other => other,
            },
            Action::HashPiece { label, path, hashes_to } => self.hash_piece(number, label, path, hashes_to),
            Action::SealBundle { partial, bundle, draft, instant } => self.seal_bundle(number, partial, bundle, draft, *instant),
            Action::VerifyBundle { bundle, pieces } => self.verify_bundle(number, bundle, pieces),
        }
    }
}
