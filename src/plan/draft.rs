//! A plan in the making.

use super::Setting;
use crate::model::plan::PLAN_SCHEMA;
use crate::model::{
    Action, Afterwards, Assumption, Check, Cleanup, Cmd, Confirm, Edit, Evidence, HostPath, Location, Plan, Request, Risk, SaveDomain,
    Step, Stretch, Undo,
};

pub(super) struct Draft {
    plan: Plan,
}

impl Draft {
    pub fn new(title: impl Into<String>, request: &Request, setting: &Setting) -> Self {
        let plan = Plan {
            schema: PLAN_SCHEMA,
            id: setting.id.clone(),
            title: title.into(),
            request: request.clone(),
            steps: Vec::new(),
            warnings: Vec::new(),
            risk: Risk::Adds,
            confirm: None,
            locks: Vec::new(),
            assumptions: Vec::new(),
            stretches: Vec::new(),
            evidence: Vec::new(),
            edits: Vec::new(),
        };
        Self { plan }
    }

    /// Adds a step with the undo that is usual for its action. Gives its index.
    pub fn step(&mut self, says: impl Into<String>, why: impl Into<String>, action: Action) -> usize {
        let undo = usual_undo(&action);
        let done = match &action {
            Action::WaitFor { check, .. } => Some(check.clone()),
            _ => None,
        };
        self.plan.steps.push(Step { says: says.into(), why: why.into(), action, undo, cleanup: None, done });
        self.plan.steps.len() - 1
    }

    pub fn run(&mut self, says: impl Into<String>, why: impl Into<String>, cmd: Cmd) -> usize {
        self.step(says, why, Action::Run { cmd })
    }

    pub fn title(&mut self, title: impl Into<String>) {
        self.plan.title = title.into();
    }

    pub fn undo(&mut self, step: usize, undo: Undo) {
        if let Some(step) = self.plan.steps.get_mut(step) {
            step.undo = undo;
        }
    }

    pub fn done(&mut self, step: usize, done: Check) {
        if let Some(step) = self.plan.steps.get_mut(step) {
            step.done = Some(done);
        }
    }

    /// What runs at the end once this step was started, while `needed` holds.
    pub fn cleanup(&mut self, step: usize, says: impl Into<String>, cmd: Cmd, needed: Check) {
        self.cleanup_by(step, Cleanup { says: says.into(), action: Action::Run { cmd }, needed: Some(needed) });
    }

    /// As [`Draft::cleanup`], by any action.
    pub fn cleanup_by(&mut self, step: usize, cleanup: Cleanup) {
        if let Some(step) = self.plan.steps.get_mut(step) {
            step.cleanup = Some(cleanup);
        }
    }

    /// The steps from `first` to the last one that was added are begun again together when they are cut off.
    pub fn stretch(&mut self, first: usize, reset: Option<Cleanup>) {
        let last = self.plan.steps.len().saturating_sub(1);
        self.plan.stretches.push(Stretch { first, last, reset });
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        self.plan.warnings.push(warning.into());
    }

    /// A warning that several parts of a plan may have.
    pub fn warn_once(&mut self, warning: &str) {
        if !self.plan.warnings.iter().any(|known| known == warning) {
            self.plan.warnings.push(warning.to_owned());
        }
    }

    /// At least this risk.
    pub fn risk(&mut self, risk: Risk) {
        self.plan.risk = self.plan.risk.max(risk);
    }

    /// A name that must be typed first. A second reason is added to the first.
    pub fn confirm(&mut self, name: &str, loses: &str) {
        self.risk(Risk::Destroys);
        match &mut self.plan.confirm {
            Some(confirm) => {
                confirm.loses.push(' ');
                confirm.loses.push_str(loses);
            }
            none => *none = Some(Confirm { name: name.to_owned(), loses: loses.to_owned() }),
        }
    }

    pub fn lock(&mut self, lock: String) {
        if !self.plan.locks.contains(&lock) {
            self.plan.locks.push(lock);
        }
    }

    /// Something that must hold before each step up to and including `through`; nothing: before every step.
    pub fn assume(&mut self, says: impl Into<String>, check: Check, through: Option<usize>) {
        if let Some(known) = self.plan.assumptions.iter_mut().find(|known| known.check == check) {
            // Before every step is longer than up to any.
            known.through = known.through.zip(through).map(|(one, other)| one.max(other));
            return;
        }
        self.plan.assumptions.push(Assumption { says: says.into(), check, through });
    }

    pub fn saw(&mut self, what: impl Into<String>, source: impl Into<String>) {
        self.plan.evidence.push(Evidence::new(what, source));
    }

    pub fn evidence(&mut self, evidence: &[Evidence]) {
        self.plan.evidence.extend(evidence.iter().cloned());
    }

    pub fn edit(&mut self, edit: Edit) {
        self.plan.edits.push(edit);
    }

    /// Whether an earlier step makes this directory.
    pub fn makes_directory(&self, path: &HostPath) -> bool {
        self.plan.steps.iter().any(|step| matches!(&step.action, Action::MakeDirectory { path: made, .. } if made == path))
    }

    /// The step that salvages a piece, and where to.
    pub fn salvaged(&self, bundle: &HostPath, piece: &str) -> Option<(usize, HostPath)> {
        self.plan.steps.iter().enumerate().find_map(|(number, step)| match &step.action {
            Action::Salvage { pieces } => {
                let one = pieces.iter().find(|one| one.bundle == *bundle && one.piece == piece)?;
                match &one.to {
                    Location::File { path } | Location::Device { path } => Some((number, path.clone())),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// The name that a step of the plan gives to a file.
    pub fn renamed(&self, path: &HostPath) -> Option<HostPath> {
        self.plan.steps.iter().find_map(|step| match &step.action {
            Action::Rename { from, to, .. } if from == path => Some(to.clone()),
            _ => None,
        })
    }

    pub fn len(&self) -> usize {
        self.plan.steps.len()
    }

    pub fn finish(self) -> Plan {
        self.plan
    }
}

/// A domain that is gone comes back from its image; one that stands still goes on.
fn undo_of_save(save: &SaveDomain) -> Undo {
    match save.afterwards {
        Afterwards::Gone => {
            let (domain, image, libvirt) = (save.domain.clone(), save.image.clone(), save.libvirt.clone());
            Undo::By { action: Box::new(Action::ResumeSaved { domain, image, libvirt }) }
        }
        Afterwards::Paused => Undo::Own,
    }
}

fn usual_undo(action: &Action) -> Undo {
    match action {
        Action::WriteFile { .. }
        | Action::ReplaceFile { .. }
        | Action::MakeSparse { .. }
        | Action::Reflink { .. }
        | Action::MakeDirectory { .. }
        | Action::Rename { .. }
        | Action::HashPiece { .. }
        | Action::RecordDisks { .. }
        | Action::SealBundle { .. } => Undo::Own,
        Action::SaveDomain { save } => undo_of_save(save),
        Action::Salvage { pieces } if pieces.iter().all(|piece| piece.new) => Undo::Own,
        Action::Copy { copies, .. } if copies.iter().all(|copy| copy.new) => Undo::Own,
        Action::Salvage { .. } | Action::Copy { .. } => Undo::Impossible { why: "what was on the disk before is overwritten".into() },
        Action::Remove { path, .. } => Undo::Impossible { why: format!("{path} is gone") },
        Action::Run { .. }
        | Action::WaitFor { .. }
        | Action::WriteBeneath { .. }
        | Action::Witness { .. }
        | Action::FindChanged { .. }
        | Action::MergeBack { .. }
        | Action::NameLostFiles { .. }
        | Action::CompareWitness
        | Action::RemoveBundle { .. }
        | Action::FoldOverlay { .. }
        | Action::ResumeSaved { .. }
        | Action::Try { .. }
        | Action::VerifyBundle { .. } => Undo::Nothing,
    }
}
