//! Changes of this machine.

use std::path::Path;

use super::{Local, beneath, changing, names};
use crate::host::{Act, Answer, Blocks, Listen, Look as _, Stat};
use crate::model::begin_backup::OWN_PROGRAM;
use crate::model::{Cmd, Effect, Output};

impl Act for Local {
    fn change(&self, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output> {
        if cmd.effect != Effect::Changes {
            return self.run(cmd);
        }
        // The very program that runs, also when its file was replaced meanwhile.
        if cmd.program == OWN_PROGRAM {
            return changing::change(Path::new("/proc/self/exe"), cmd, listen);
        }
        changing::change(&self.tools.find(&cmd.program)?, cmd, listen)
    }

    fn create(&self, path: &Path, mode: u32) -> Answer<Blocks> {
        names::create(path, mode)
    }

    fn open_for_writing(&self, path: &Path) -> Answer<Blocks> {
        names::open_for_writing(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Answer<()> {
        names::rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> Answer<()> {
        names::exchange(one, other)
    }

    fn remove(&self, path: &Path, inode: (u64, u64)) -> Answer<()> {
        names::remove(path, inode)
    }

    fn mkdir(&self, path: &Path, mode: u32) -> Answer<Stat> {
        names::mkdir(path, mode)
    }

    fn like(&self, path: &Path, model: &Stat) -> Answer<()> {
        names::like(path, model)
    }

    fn write_beneath(&self, root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
        beneath::write(root, path, bytes, mode)
    }

    fn sync_dir(&self, dir: &Path) -> Answer<()> {
        names::sync_dir(dir)
    }
}

#[cfg(test)]
pub(crate) mod tests;
