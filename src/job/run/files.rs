//! New files and directories, and new names: each stands in the journal by device and inode before it gets its own name.

use std::io::Write;

use rustix::fs::Mode;

use super::{Deed, Runner, Trouble, names};
use crate::host::{Blocks, FileType, HostError};
use crate::model::{HostPath, Made};

impl Runner<'_> {
    pub(super) fn write_file(&mut self, step: usize, path: &HostPath, bytes: &[u8], mode: u32) -> Deed {
        self.make_file(step, path, mode, |blocks| (&blocks.file).write_all(bytes).map_err(|error| could_not("written", path, &error)))
    }

    /// Reads as zeros: nothing is written.
    pub(super) fn make_sparse(&mut self, step: usize, path: &HostPath, bytes: u64, mode: u32) -> Deed {
        self.make_file(step, path, mode, |blocks| {
            blocks.file.set_len(bytes).map_err(|error| could_not(&format!("made {bytes} bytes long"), path, &error))
        })
    }

    /// Shares the blocks of another file: no byte is copied.
    pub(super) fn reflink(&mut self, step: usize, from: &HostPath, to: &HostPath, mode: u32) -> Deed {
        let act = self.act;
        let source =
            act.open_for_reading(from.as_path()).map_err(|error| Trouble::failed(format!("{from} could not be opened"), &error))?;
        self.make_file(step, to, mode, |blocks| {
            act.share_blocks(&source, blocks).map_err(|error| Trouble::failed(format!("{to} cannot share the blocks of {from}"), &error))
        })
    }

    fn make_file(&mut self, step: usize, path: &HostPath, mode: u32, fill: impl FnOnce(&Blocks) -> Deed) -> Deed {
        self.refuse_taken(path)?;
        let partial = names::partial(path, &self.plan.id);
        let blocks = self.create(step, path, &partial, mode)?;
        fill(&blocks)?;
        blocks.file.sync_all().map_err(|error| could_not("synced", path, &error))?;
        drop(blocks);
        self.give_name(&partial, path)
    }

    /// An empty file under its partial name, in the journal.
    pub(super) fn create(&mut self, step: usize, path: &HostPath, partial: &HostPath, mode: u32) -> Deed<Blocks> {
        self.clear_unwritten(partial);
        let blocks =
            self.act.create(partial.as_path(), mode).map_err(|error| Trouble::failed(format!("{path} could not be made"), &error))?;
        self.made(step, Made::File { path: path.clone(), partial: Some(partial.clone()), inode: blocks.inode })?;
        // The umask may have taken bits away.
        rustix::fs::fchmod(&blocks.file, Mode::from_raw_mode(mode & 0o7777)).map_err(|error| could_not("made", path, &error.into()))?;
        Ok(blocks)
    }

    pub(super) fn give_name(&mut self, partial: &HostPath, path: &HostPath) -> Deed {
        self.journal.sabotage().point();
        self.act
            .rename(partial.as_path(), path.as_path())
            .map_err(|error| Trouble::failed(format!("{path} could not get its name"), &error))?;
        self.journal.sabotage().point();
        Ok(())
    }

    pub(super) fn refuse_taken(&self, path: &HostPath) -> Deed {
        match self.inode(path)? {
            Some(_) => Err(Trouble::Failed(format!("{path} is there already: it is left as it is"))),
            None => Ok(()),
        }
    }

    /// Removes what was made in the moment before it could be written down: an empty thing under a name that only this job knows.
    pub(super) fn clear_unwritten(&self, partial: &HostPath) {
        let Ok(stat) = self.act.stat(partial.as_path(), false) else { return };
        let nothing_lost = stat.kind == FileType::Directory || (stat.kind == FileType::Regular && stat.size == 0);
        if nothing_lost {
            // A directory that holds something refuses to go.
            let _ = self.act.remove(partial.as_path(), (stat.dev, stat.ino));
        }
    }

    pub(super) fn make_directory(&mut self, step: usize, path: &HostPath, mode: u32) -> Deed {
        self.refuse_taken(path)?;
        let partial = names::partial(path, &self.plan.id);
        self.clear_unwritten(&partial);
        let stat = self.act.mkdir(partial.as_path(), mode).map_err(|error| Trouble::failed(format!("{path} could not be made"), &error))?;
        self.made(step, Made::Directory { path: path.clone(), partial: Some(partial.clone()), inode: (stat.dev, stat.ino) })?;
        self.give_name(&partial, path)
    }

    pub(super) fn rename(&mut self, step: usize, from: &HostPath, to: &HostPath, expect: Option<(u64, u64)>) -> Deed {
        let stands = self.inode(from)?.ok_or_else(|| Trouble::Failed(format!("{from} is not there")))?;
        match expect {
            Some(inode) if inode != stands => {
                return Err(Trouble::Failed(format!("{from} is not what it was when the plan was made: it is left as it is")));
            }
            None if !self.is_ours(stands) => {
                return Err(Trouble::Failed(format!("{from} was not made by this job: it is left as it is")));
            }
            _ => {}
        }
        self.refuse_taken(to)?;
        self.made(step, Made::Renamed { from: from.clone(), to: to.clone(), inode: stands })?;
        self.give_name(from, to)?;
        if self.inode(to)? == Some(stands) {
            return Ok(());
        }
        // Somebody exchanged it in the moment between the look and the deed.
        let back = self.act.rename(to.as_path(), from.as_path());
        Err(Trouble::Failed(match back {
            Ok(()) => format!("{from} was exchanged for something else meanwhile: it is left as it is"),
            Err(error) => format!("{from} was exchanged for something else meanwhile, which is called {to} now: {error}"),
        }))
    }

    /// Of a removal that was interrupted, the host tells whether it is done.
    pub(super) fn remove_file(&mut self, path: &HostPath, inode: (u64, u64)) -> Deed {
        if self.inode(path)? != Some(inode) {
            return Err(Trouble::Failed(format!("{path} is not what it was when the plan was made: it is left as it is")));
        }
        self.journal.sabotage().point();
        self.act.remove(path.as_path(), inode).map_err(|error| Trouble::failed(format!("{path} could not be removed"), &error))?;
        self.journal.sabotage().point();
        Ok(())
    }

    pub(super) fn is_ours(&self, inode: (u64, u64)) -> bool {
        self.history.made().any(|(_, made)| match made {
            Made::File { inode: known, .. }
            | Made::Directory { inode: known, .. }
            | Made::Segments { inode: known, .. }
            | Made::Renamed { inode: known, .. } => *known == inode,
            Made::Replaced { .. } => false,
        })
    }
}

pub(super) fn could_not(be: &str, path: &HostPath, error: &std::io::Error) -> Trouble {
    Trouble::failed(format!("{path} could not be {be}"), &HostError::Failed { why: error.to_string() })
}
