//! A file in the place of another: the old bytes are kept, the new file is whole before the two change places, and what came out is looked at.

use std::io::Write;

use super::files::could_not;
use super::made::Left;
use super::{Deed, Runner, Trouble, names};
use crate::host::{FileType, HostError, Stat, read_whole};
use crate::model::{HostPath, Made};

/// Configs and the like; no larger file is replaced.
const MOST: usize = 16 << 20;

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl Runner<'_> {
    pub(super) fn replace_file(&mut self, step: usize, path: &HostPath, bytes: &[u8], expect: &str) -> Deed {
        let stat = self.replaceable(path)?;
        let old = self.bytes_of(path)?;
        if digest(&old) != expect {
            return Err(Trouble::Failed(format!("{path} was changed since the plan was made: it is left as it is")));
        }
        let kept = self.keep(step, path, &old)?;
        let partial = names::partial(path, &self.plan.id);
        let new = self.fill_aside(step, &partial, bytes, &stat, stat.mode & 0o7777)?;
        // After the exchange the old file has the partial name.
        self.made(step, Made::File { path: partial.clone(), partial: None, inode: (stat.dev, stat.ino) })?;
        let replaced = Made::Replaced { path: path.clone(), kept, new_blake3: digest(bytes), old_blake3: expect.to_owned() };
        self.made(step, replaced)?;
        self.exchange(&partial, path)?;
        let came_out = self.inode(&partial)? == Some((stat.dev, stat.ino)) && self.digest_of(&partial)?.as_deref() == Some(expect);
        if !came_out || self.inode(path)? != Some(new) {
            self.exchange(&partial, path)?;
            return Err(Trouble::Failed(format!("{path} was changed at the moment of its exchange: it is left as it was changed")));
        }
        self.remove_if_ours(&partial, (stat.dev, stat.ino))
    }

    fn replaceable(&self, path: &HostPath) -> Deed<Stat> {
        let stat = self.act.stat(path.as_path(), false).map_err(|error| Trouble::failed(path, &error))?;
        if stat.kind == FileType::Regular {
            Ok(stat)
        } else {
            Err(Trouble::Failed(format!("{path} is no regular file: it is left as it is")))
        }
    }

    fn bytes_of(&self, path: &HostPath) -> Deed<Vec<u8>> {
        read_whole(self.act, path.as_path(), MOST).map_err(|error| Trouble::failed(format!("{path} could not be read"), &error))
    }

    /// Nothing when there is no such file, or one that is no file to be replaced.
    fn digest_of(&self, path: &HostPath) -> Deed<Option<String>> {
        match self.act.stat(path.as_path(), false) {
            Ok(stat) if stat.kind == FileType::Regular && stat.size <= MOST as u64 => Ok(Some(digest(&self.bytes_of(path)?))),
            Ok(_) | Err(HostError::NotFound) => Ok(None),
            Err(error) => Err(Trouble::failed(path, &error)),
        }
    }

    /// The old bytes, in the job's folder; the name of the file there.
    fn keep(&self, step: usize, path: &HostPath, old: &[u8]) -> Deed<String> {
        let name = format!("{step}-{}", digest(path.as_bytes()).get(..16).unwrap_or_default());
        let kept = self.folder.kept()?;
        kept.put(&name, old).map_err(|error| Trouble::Failed(format!("the old {path} could not be kept: {error}")))?;
        Ok(name)
    }

    /// A whole new file under a name of the job's, with the mode and owner of the one whose place it takes. Its inode.
    fn fill_aside(&mut self, step: usize, aside: &HostPath, bytes: &[u8], like: &Stat, mode: u32) -> Deed<(u64, u64)> {
        self.clear_unwritten(aside);
        let failed = |error: &HostError| Trouble::failed(format!("{aside} could not be made"), error);
        let blocks = self.act.create(aside.as_path(), 0o600).map_err(|error| failed(&error))?;
        self.made(step, Made::File { path: aside.clone(), partial: None, inode: blocks.inode })?;
        (&blocks.file).write_all(bytes).map_err(|error| could_not("written", aside, &error))?;
        self.act.like(aside.as_path(), like).map_err(|error| failed(&error))?;
        let mode = rustix::fs::Mode::from_raw_mode(mode);
        rustix::fs::fchmod(&blocks.file, mode).map_err(|error| could_not("made", aside, &error.into()))?;
        blocks.file.sync_all().map_err(|error| could_not("synced", aside, &error))?;
        Ok(blocks.inode)
    }

    fn exchange(&self, one: &HostPath, other: &HostPath) -> Deed {
        self.journal.sabotage().point();
        let exchanged = self.act.exchange(one.as_path(), other.as_path());
        exchanged.map_err(|error| Trouble::failed(format!("{other} could not be replaced"), &error))?;
        self.journal.sabotage().point();
        Ok(())
    }

    pub(super) fn settle_replaced(&self, number: usize, path: &HostPath, bytes: &[u8]) -> Deed<bool> {
        let made = self.history.step(number).made;
        let new = digest(bytes);
        let written_down = made.iter().any(|made| matches!(made, Made::Replaced { new_blake3, .. } if *new_blake3 == new));
        let done = written_down && self.digest_of(path)? == Some(new);
        for made in &made {
            if let Made::File { path: aside, inode, .. } = made {
                self.remove_if_ours(aside, *inode)?;
            }
        }
        Ok(done)
    }

    /// The old bytes in their place again, unless somebody changed the file since.
    pub(super) fn put_back(&mut self, step: usize, path: &HostPath, kept: &str, new: &str, old: &str) -> Deed<Left> {
        let stays = |why: &str| Ok(Some(format!("{path} {why}; its old bytes are kept in {}", self.folder.path().join("kept").join(kept))));
        match self.digest_of(path)? {
            Some(present) if present == old => return Ok(None),
            Some(present) if present == new => {}
            Some(_) => return stays("was changed by somebody since: it is left as it is"),
            None => return stays("is gone, or something else stands there"),
        }
        let partial = names::partial(path, &self.plan.id);
        if self.digest_of(&partial)?.as_deref() == Some(old) {
            // The old file itself is still there.
            self.exchange(&partial, path)?;
            return Ok(None);
        }
        let bytes = self.folder.kept()?.read(kept, MOST as u64).ok().flatten().filter(|bytes| digest(bytes) == old);
        let Some(bytes) = bytes else {
            return Err(Trouble::Failed(format!("the old bytes of {path} are not in the job's folder any more")));
        };
        let present = self.replaceable(path)?;
        let restored = names::restored(path, &self.plan.id);
        self.fill_aside(step, &restored, &bytes, &present, present.mode & 0o7777)?;
        self.made(step, Made::File { path: restored.clone(), partial: None, inode: (present.dev, present.ino) })?;
        self.exchange(&restored, path)?;
        if self.digest_of(&restored)?.as_deref() != Some(new) {
            self.exchange(&restored, path)?;
            return stays("was changed by somebody at this moment: it is left as it is");
        }
        self.remove_if_ours(&restored, (present.dev, present.ino))?;
        Ok(None)
    }
}
