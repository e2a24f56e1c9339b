//! Pieces that lie as directories of segments, and pieces that begin as a reflink of the one before.

use std::os::fd::OwnedFd;

use super::copying::path_of;
use super::{Deed, Runner, Trouble, names};
use crate::copy::{self, Segments};
use crate::host::HostError;
use crate::model::bundle_names::{hashes_name, segments_name};
use crate::model::{DiskCopy, HostPath, Location, Made, Since};

const MODE: u32 = 0o700;

/// Where a copy really goes: a piece of segments is a directory.
pub(super) fn destination_of(copy: &DiskCopy) -> Deed<HostPath> {
    let to = path_of(&copy.to)?;
    Ok(if copy.keeping.segment.is_some() { beside(&to) } else { to })
}

/// The directory of a piece's segments, by the path of the piece.
fn beside(piece: &HostPath) -> HostPath {
    HostPath::from_bytes(segments_name_bytes(piece.as_bytes()).as_slice())
}

fn segments_name_bytes(path: &[u8]) -> Vec<u8> {
    [path, segments_name("").as_bytes()].concat()
}

impl Runner<'_> {
    /// The directory under its partial name, and whether an interrupted copy into it is gone on with. Nothing: it has its own name by now.
    pub(super) fn new_segments(&mut self, step: usize, to: &HostPath, done: bool) -> Deed<Option<(OwnedFd, bool)>> {
        let partial = names::partial(to, &self.plan.id);
        let ours = self.segments_made(step, to);
        let (named, aside) = (self.inode(to)?, self.inode(&partial)?);
        if done && named.is_some_and(|inode| ours.contains(&inode)) {
            return Ok(None);
        }
        if done && aside.is_some_and(|inode| ours.contains(&inode)) {
            self.give_name(&partial, to)?;
            return Ok(None);
        }
        self.refuse_taken(to)?;
        if aside.is_some_and(|inode| ours.contains(&inode)) {
            return Ok(Some((self.open_segments(&partial)?, true)));
        }
        self.clear_unwritten(&partial);
        let stat = self.act.mkdir(partial.as_path(), MODE).map_err(|error| Trouble::failed(format!("{to} could not be made"), &error))?;
        self.made(step, Made::Segments { path: to.clone(), partial: partial.clone(), inode: (stat.dev, stat.ino) })?;
        Ok(Some((self.open_segments(&partial)?, false)))
    }

    fn segments_made(&self, step: usize, to: &HostPath) -> Vec<(u64, u64)> {
        let of = |made: &Made| match made {
            Made::Segments { path, inode, .. } if path == to => Some(*inode),
            _ => None,
        };
        self.history.past(step).map(|past| past.made.iter().filter_map(of).collect()).unwrap_or_default()
    }

    fn open_segments(&self, path: &HostPath) -> Deed<OwnedFd> {
        self.act.open_directory(path.as_path()).map_err(|error| Trouble::failed(format!("{path} could not be opened"), &error))
    }

    /// Takes a directory of segments back: those that are in it first. Gives what stays.
    pub(super) fn take_back_segments(&mut self, path: &HostPath, partial: &HostPath, inode: (u64, u64)) -> Deed<Option<String>> {
        for name in [partial, path] {
            if self.inode(name)? != Some(inode) {
                continue;
            }
            let dir = self.open_segments(name)?;
            copy::clear_segments(&dir)
                .map_err(|error| Trouble::failed(format!("{name} could not be emptied"), &HostError::Failed { why: error.to_string() }))?;
            return self.remove_directory(name, inode);
        }
        Ok(None)
    }

    /// The directory of an earlier piece.
    pub(super) fn earlier_segments(&self, since: &Since) -> Deed<OwnedFd> {
        self.open_segments(&since.bundle.join(segments_name(&since.piece)))
    }

    /// The new file becomes what the earlier piece is, in one moment and without taking room.
    pub(super) fn begin_as(&self, since: &Since, to: &std::fs::File) -> Result<(), String> {
        let from = since.bundle.join(&since.piece);
        let from = self.act.open_for_reading(from.as_path()).map_err(|error| error.to_string())?;
        rustix::fs::ioctl_ficlone(to, &from.file).map_err(|error| format!("its file system makes no reflinks here: {error}"))
    }

    /// What stands at the destination already, or why it cannot be used.
    pub(super) fn earlier(&self, copy: &DiskCopy, since: &Since) -> Result<copy::Since, String> {
        let list = self.hash_list(&since.bundle.join(hashes_name(&since.piece))).map_err(|trouble| match trouble {
            Trouble::Failed(why) => why,
            _ => "its list of hashes could not be read".to_owned(),
        })?;
        if list.digest() != since.digest {
            return Err("its list of hashes is not as it was written".to_owned());
        }
        let changed = self.what_changed(&copy.label, since.bytes).changed;
        Ok(copy::Since { list, changed, audit_blocks: since.audit_blocks, audit_seed: since.audit_seed })
    }

    /// A source that is a piece of segments; nothing: it is one file.
    pub(super) fn segmented_source(&self, from: &Location) -> Deed<Option<Segments>> {
        let Location::Piece { .. } = from else { return Ok(None) };
        let path = path_of(from)?;
        if self.inode(&path)?.is_some() {
            return Ok(None);
        }
        let dir = beside(&path);
        if self.inode(&dir)?.is_none() {
            return Ok(None);
        }
        let could_not =
            |error: std::io::Error| Trouble::failed(format!("{dir} could not be read"), &HostError::Failed { why: error.to_string() });
        Segments::to_read(self.open_segments(&dir)?).map(Some).map_err(could_not)
    }
}
