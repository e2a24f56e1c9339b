//! A restore point is removed: its manifest first, so that what is left of an interrupted removal is never taken for a backup.

use super::{Deed, Runner, Trouble};
use crate::host::{Answer, FileType, HostError};
use crate::model::HostPath;
use crate::model::bundle_names::{HASHES, MANIFEST, check_piece};

/// Files of one piece that are listed at once.
const AT_ONCE: usize = 4096;

impl Runner<'_> {
    /// Removes what `names` says of a bundle that this job put aside. What else lies in it stays, and its directory with it.
    ///
    /// It gets a last name first: under the one before, it is whole and can be given its own name back.
    pub(super) fn remove_bundle(&mut self, aside: &HostPath, bundle: &HostPath, names: &[String]) -> Deed {
        for path in [aside, bundle] {
            if self.inode(path)?.is_some_and(|inode| !self.is_ours(inode)) {
                return Err(Trouble::Failed(format!("{path} was not put aside by this job: it is left as it is")));
            }
        }
        if self.inode(aside)?.is_some() {
            self.give_name(aside, bundle)?;
        }
        // An interrupted attempt may have come to the end of it.
        let Some(inode) = self.inode(bundle)? else { return Ok(()) };
        let manifest_first = names.iter().filter(|name| *name == MANIFEST).chain(names.iter().filter(|name| *name != MANIFEST));
        for name in manifest_first {
            if is_of_a_bundle(name) {
                self.check_stop()?;
                self.remove_piece(&bundle.join(name))?;
                self.journal.sabotage().point();
            }
        }
        match self.act.remove(bundle.as_path(), inode) {
            Ok(()) => Ok(()),
            Err(error) => match self.act.list(bundle.as_path(), 1) {
                Ok(listing) if !listing.entries.is_empty() => {
                    self.note(format!("{bundle} holds what is no part of the backup: that is left as it is"))
                }
                _ => Err(Trouble::failed(format!("{bundle} could not be removed"), &error)),
            },
        }
    }

    /// A file, or a directory of plain files.
    fn remove_piece(&self, path: &HostPath) -> Deed {
        let could_not = |error: HostError| Trouble::failed(format!("{path} could not be removed"), &error);
        let stat = match self.act.stat(path.as_path(), false) {
            Ok(stat) => stat,
            Err(HostError::NotFound) => return Ok(()),
            Err(error) => return Err(could_not(error)),
        };
        if stat.kind == FileType::Directory {
            while self.remove_some_files(path).map_err(could_not)? {}
        }
        self.act.remove(path.as_path(), (stat.dev, stat.ino)).map_err(could_not)
    }

    /// Whether there may be more.
    fn remove_some_files(&self, directory: &HostPath) -> Answer<bool> {
        let listing = self.act.list(directory.as_path(), AT_ONCE)?;
        let files = listing.entries.iter().filter(|entry| entry.kind != FileType::Directory);
        let mut removed = false;
        for entry in files {
            let file = directory.as_path().join(&entry.name);
            let stat = self.act.stat(&file, false)?;
            self.act.remove(&file, (stat.dev, stat.ino))?;
            removed = true;
        }
        Ok(removed)
    }
}

/// What a plan was told by a manifest may not lead out of the bundle.
fn is_of_a_bundle(name: &str) -> bool {
    let own = name == MANIFEST || name == crate::model::bundle_names::RESTORE_TXT;
    own || check_piece(name.strip_suffix(HASHES).unwrap_or(name)).is_ok()
}
