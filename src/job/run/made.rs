//! Taking back one thing that the journal says was made: known by its device and inode, never by its name alone.
//!
//! A file gets a name of the job's first and is removed only when the journal says that the step is taken back: until then its inode cannot
//! become another file's, so that a repeated undo never takes a stranger's file of the same name and number for the job's.

use super::{Deed, Runner, Trouble, names};
use crate::model::{HostPath, Made};

/// What was left in place, and why; nothing when all is as before.
pub(super) type Left = Option<String>;

impl Runner<'_> {
    pub(super) fn take_back(&mut self, step: usize, made: &Made) -> Deed<Left> {
        match made {
            Made::File { path, partial, inode } => self.take_back_file(path, partial.as_ref(), *inode).map(|()| None),
            Made::Directory { path, partial, inode } => {
                for name in partial.iter().chain([path]) {
                    if self.inode(name)? == Some(*inode) {
                        return self.remove_directory(name, *inode);
                    }
                }
                Ok(None)
            }
            Made::Segments { path, partial, inode } => self.take_back_segments(path, partial, *inode),
            Made::Renamed { from, to, inode } => {
                if self.inode(to)? == Some(*inode) {
                    let renamed = self.act.rename(to.as_path(), from.as_path());
                    renamed.map_err(|error| Trouble::failed(format!("{to} could not get its old name {from} back"), &error))?;
                }
                Ok(None)
            }
            Made::Replaced { path, kept, new_blake3, old_blake3 } => self.put_back(step, path, kept, new_blake3, old_blake3),
        }
    }

    fn take_back_file(&self, path: &HostPath, partial: Option<&HostPath>, inode: (u64, u64)) -> Deed {
        if let Some(partial) = partial {
            self.remove_if_ours(partial, inode)?;
        }
        if self.inode(path)? == Some(inode) {
            let aside = names::undone(path, &self.plan.id, inode);
            if self.inode(&aside)? == Some(inode) {
                // It has both names: a file system that cannot rename without replacing gives the second first.
                return self.remove_if_ours(path, inode);
            }
            let renamed = self.act.rename(path.as_path(), aside.as_path());
            renamed.map_err(|error| Trouble::failed(format!("{path} could not be taken back"), &error))?;
            if self.inode(&aside)? != Some(inode) {
                // Somebody exchanged it in the moment between the look and the deed.
                let back = self.act.rename(aside.as_path(), path.as_path());
                back.map_err(|error| Trouble::failed(format!("{path} was exchanged meanwhile and is called {aside} now"), &error))?;
            }
            self.journal.sabotage().point();
        }
        Ok(())
    }

    pub(super) fn remove_if_ours(&self, path: &HostPath, inode: (u64, u64)) -> Deed {
        if self.inode(path)? != Some(inode) {
            return Ok(());
        }
        self.act.remove(path.as_path(), inode).map_err(|error| Trouble::failed(format!("{path} could not be removed"), &error))?;
        self.journal.sabotage().point();
        Ok(())
    }

    pub(super) fn remove_directory(&self, path: &HostPath, inode: (u64, u64)) -> Deed<Left> {
        let Err(error) = self.act.remove(path.as_path(), inode) else {
            self.journal.sabotage().point();
            return Ok(None);
        };
        match self.act.list(path.as_path(), 1) {
            Ok(listing) if !listing.entries.is_empty() => Ok(Some(format!("{path} holds what this job did not make: it is left as it is"))),
            _ => Err(Trouble::failed(format!("{path} could not be removed"), &error)),
        }
    }

    /// Removes what was put aside, once the journal says that its step is taken back.
    pub(super) fn sweep(&self, step: usize) -> Deed {
        for made in self.history.step(step).made {
            if let Made::File { path, inode, .. } = made {
                self.remove_if_ours(&names::undone(&path, &self.plan.id, inode), inode)?;
            }
        }
        Ok(())
    }
}
