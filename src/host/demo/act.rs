//! Changing the demo machine: commands under its lock, files beneath its tree.

use std::path::Path;

use super::reply::Reply;
use super::{Demo, borrowed, change, kvm, shared};
use crate::host::local::beneath;
use crate::host::{Act, Answer, Blocks, HostError, Listen, Look, Stat};
use crate::model::begin_backup::BeginBackup;
use crate::model::{Cmd, Effect, Output};

impl Act for Demo {
    fn change(&self, cmd: &Cmd, listen: &mut dyn Listen) -> Answer<Output> {
        if cmd.effect != Effect::Changes {
            return self.run(cmd);
        }
        if let Some(answer) = borrowed::change(self.now(), self.store.tree(), cmd, listen) {
            // Somebody worked: the clock moves on as it does for every change.
            self.store.change(|_, _| Ok(Some(())))?;
            return answer;
        }
        if let Some(begin) = BeginBackup::of(cmd) {
            let reply = self.store.change(|machine, tree| kvm::begin_frozen(machine, tree, &begin))?;
            return reply.map(Reply::into_output).ok_or(HostError::NotFound);
        }
        if cmd.program == "virsh"
            && let Some(reply) = self.store.change(|machine, tree| kvm::change(machine, tree, cmd))?
        {
            return Ok(reply.into_output());
        }
        let argv: Vec<String> = cmd.argv().map(str::to_owned).collect();
        let output = match self.store.change(|machine, tree| change::carry_out_or_fail(machine, tree, &argv, &cmd.stdin))? {
            Some(reply) => reply.into_output(),
            // Unknown here: a looking command, a tool that the host has not, or nothing that the demo knows.
            None => self.look(&argv)?.into_output(),
        };
        for line in output.stdout.split(|byte| *byte == b'\n').chain(output.stderr.split(|byte| *byte == b'\n')) {
            if !line.is_empty() {
                listen.line(line);
            }
        }
        Ok(output)
    }

    fn create(&self, path: &Path, mode: u32) -> Answer<Blocks> {
        let file = self.store.tree().create(path, 0, mode)?;
        let stat = self.stat(path, false)?;
        Ok(Blocks { file, device: false, bytes: 0, inode: (stat.dev, stat.ino) })
    }

    fn open_for_writing(&self, path: &Path) -> Answer<Blocks> {
        self.blocks(path, true)
    }

    /// Its file systems are only described: what they share is copied below them.
    fn share_blocks(&self, from: &Blocks, to: &Blocks) -> Answer<()> {
        shared::copy(&from.file, &to.file)
    }

    fn rename(&self, from: &Path, to: &Path) -> Answer<()> {
        self.store.tree().rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> Answer<()> {
        self.store.tree().exchange(one, other)
    }

    fn remove(&self, path: &Path, inode: (u64, u64)) -> Answer<()> {
        let there = self.stat(path, false)?;
        if (there.dev, there.ino) != inode {
            return Err(HostError::Refused { why: "another file stands there now".into() });
        }
        if there.kind == crate::host::FileType::Directory { self.store.tree().rmdir(path) } else { self.store.tree().unlink(path) }
    }

    fn mkdir(&self, path: &Path, mode: u32) -> Answer<Stat> {
        self.store.tree().mkdir(path, mode)?;
        self.stat(path, false)
    }

    fn like(&self, path: &Path, model: &Stat) -> Answer<()> {
        self.store.tree().set_mode(path, model.mode & 0o7777)
    }

    fn write_beneath(&self, root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Answer<()> {
        beneath::write_in(&self.store.tree().open_dir(root)?.into(), path, bytes, mode)
    }

    fn sync_dir(&self, dir: &Path) -> Answer<()> {
        self.store.tree().sync_dir(dir)
    }
}
