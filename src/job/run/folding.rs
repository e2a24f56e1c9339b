//! The end of an overlay: what it holds goes into the image below, the guest goes on with that, which is proven; only then the overlay is removed.
//! It begins with a look at where the domain is, so that it can be cut and done again anywhere.

use super::{Deed, Runner, Trouble};
use crate::model::{FoldOverlay, Held, HostPath, LibvirtIs};

impl Runner<'_> {
    pub(super) fn fold_overlay(&mut self, step: usize, fold: &FoldOverlay) -> Deed {
        if self.is_on(fold, &fold.overlay)? {
            self.fold_in(step, fold)?;
            if self.is_on(fold, &fold.overlay)? {
                return Err(Trouble::Failed(format!("{} still names {}: it is left as it is", fold.domain, fold.overlay)));
            }
        }
        match self.ask(&fold.names(&fold.base)) {
            Held::Yes => {}
            Held::No { because } => {
                return Err(Trouble::Failed(format!(
                    "{} does not stand on {} again ({because}): {} is left as it is",
                    fold.domain, fold.base, fold.overlay
                )));
            }
            Held::Unknown { why } => return Err(Trouble::Failed(format!("what {} stands on could not be found out: {why}", fold.domain))),
        }
        if let Some(inode) = self.inode(&fold.overlay)? {
            self.journal.sabotage().point();
            let removed = self.act.remove(fold.overlay.as_path(), inode);
            removed.map_err(|error| Trouble::failed(format!("{} could not be removed", fold.overlay), &error))?;
            self.journal.sabotage().point();
        }
        Ok(())
    }

    fn is_on(&self, fold: &FoldOverlay, overlay: &HostPath) -> Deed<bool> {
        match self.ask(&fold.names(overlay)) {
            Held::Yes => Ok(true),
            Held::No { .. } => Ok(false),
            Held::Unknown { why } => {
                Err(Trouble::Failed(format!("whether {} runs on {overlay} could not be found out: {why}", fold.domain)))
            }
        }
    }

    fn fold_in(&mut self, step: usize, fold: &FoldOverlay) -> Deed {
        if self.is_off(fold)? {
            return self.fold_in_off(step, fold);
        }
        // One of ours whose end nobody saw: its runner was killed, or libvirt's daemon was restarted.
        if !matches!(self.ask(&fold.has_job()), Held::No { .. }) && self.run_and_hear(step, &fold.abort())?.ok() {
            self.note(format!("a block job of {} was at work on {}, and was ended: it is begun anew", fold.domain, fold.vdev))?;
        }
        match self.run_command(step, &fold.commit()) {
            // It stopped meanwhile.
            Err(Trouble::Failed(_)) if self.is_off(fold)? => self.fold_in_off(step, fold),
            other => other,
        }
    }

    fn is_off(&self, fold: &FoldOverlay) -> Deed<bool> {
        match self.ask(&fold.is(LibvirtIs::Off)) {
            Held::Yes => Ok(true),
            Held::No { .. } => Ok(false),
            Held::Unknown { why } => Err(Trouble::Failed(format!("whether {} runs could not be found out: {why}", fold.domain))),
        }
    }

    /// QEMU locks its images: one that the domain was started on meanwhile cannot be committed.
    fn fold_in_off(&mut self, step: usize, fold: &FoldOverlay) -> Deed {
        // One that it does not run on any more holds old bytes.
        for overlay in &fold.all {
            if self.is_on(fold, overlay)? {
                self.run_command(step, &FoldOverlay::commit_off(overlay))?;
            }
        }
        self.run_command(step, &fold.define())
    }
}
