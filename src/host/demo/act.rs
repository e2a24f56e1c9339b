//! Changing the demo machine: commands under its lock, files beneath its tree.

use std::path::{Path, PathBuf};

use super::{Demo, change};
use crate::host::{Act, Answer, HostError, Look, Stat};
use crate::model::{Cmd, Effect, Output};

impl Act for Demo {
    fn change(&self, cmd: &Cmd) -> Answer<Output> {
        if cmd.effect != Effect::Changes {
            return self.run(cmd);
        }
        let argv: Vec<String> = cmd.argv().map(str::to_owned).collect();
        match self.store.change(|machine, tree| change::carry_out(machine, tree, &argv))? {
            Some(reply) => Ok(reply.into_output()),
            // Unknown here: a looking command, a tool that the host has not, or nothing that the demo knows.
            None => Ok(self.look(&argv)?.into_output()),
        }
    }

    fn write_new(&self, path: &Path, bytes: &[u8], mode: u32) -> Answer<Stat> {
        let tree = self.store.tree();
        let mut partial = PathBuf::from(path).into_os_string();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = PathBuf::from(partial);
        tree.write(&partial, bytes, mode)?;
        let finish = || -> Answer<()> {
            tree.set_time(&partial, self.now())?;
            tree.rename(&partial, path)
        };
        if let Err(error) = finish() {
            tree.unlink_if_there(&partial)?;
            return Err(error);
        }
        self.stat(path, false)
    }

    fn rename(&self, from: &Path, to: &Path) -> Answer<()> {
        self.store.tree().rename(from, to)
    }

    fn remove(&self, path: &Path, inode: (u64, u64)) -> Answer<()> {
        let there = self.stat(path, false)?;
        if (there.dev, there.ino) != inode {
            return Err(HostError::Refused { why: "another file stands there now".into() });
        }
        self.store.tree().unlink(path)
    }

    fn mkdir(&self, path: &Path, mode: u32) -> Answer<()> {
        self.store.tree().mkdir(path, mode)
    }

    fn open_blocks(&self, path: &Path, write: bool) -> Answer<std::fs::File> {
        self.store.tree().open_file(path, write)
    }
}
