//! A host with something wrong: tools that are not there, a directory that hangs, answers that are spoiled.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domkeep::host::{Answer, DeviceFacts, HostError, Listing, Look, Place, Space, Stat, Watch};
use domkeep::model::{Cmd, Extent, Output};

/// Answer, what was asked, and how long the answer may be, to the answer that is given instead.
type Spoil = Box<dyn Fn(Vec<u8>, &str, usize) -> Vec<u8> + Send + Sync>;

pub struct Troubled<H> {
    host: H,
    lacks: &'static [&'static str],
    sunk: Option<&'static str>,
    spoil: Option<Spoil>,
}

impl<H: Look> Troubled<H> {
    pub fn new(host: H) -> Self {
        Self { host, lacks: &[], sunk: None, spoil: None }
    }

    /// These tools are not on the host.
    pub fn without(self, lacks: &'static [&'static str]) -> Self {
        Self { lacks, ..self }
    }

    /// Everything beneath this directory hangs for ever, as on a dead disk.
    pub fn sunk(self, place: &'static str) -> Self {
        Self { sunk: Some(place), ..self }
    }

    pub fn spoiled(self, spoil: Spoil) -> Self {
        Self { spoil: Some(spoil), ..self }
    }

    fn hangs(&self, path: &Path) {
        while self.sunk.is_some_and(|place| path.starts_with(place)) {
            std::thread::park();
        }
    }

    fn given(&self, answer: Vec<u8>, asked: &str, most: usize) -> Vec<u8> {
        match &self.spoil {
            Some(spoil) => spoil(answer, asked, most),
            None => answer,
        }
    }
}

impl<H: Look> Look for Troubled<H> {
    fn place(&self) -> Place {
        self.host.place()
    }
    fn now(&self) -> DateTime<Utc> {
        self.host.now()
    }
    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        if self.lacks.contains(&cmd.program.as_str()) {
            return Err(HostError::NoTool { program: cmd.program.clone() });
        }
        let mut output = self.host.run(cmd)?;
        output.stdout = self.given(output.stdout, &cmd.to_string(), usize::MAX);
        Ok(output)
    }
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.hangs(path);
        Ok(self.given(self.host.read_at(path, offset, len)?, &path.to_string_lossy(), len))
    }
    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        self.hangs(dir);
        self.host.list(dir, limit)
    }
    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        self.hangs(path);
        self.host.stat(path, follow)
    }
    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.hangs(path);
        self.host.resolve(path)
    }
    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.hangs(path);
        self.host.readlink(path)
    }
    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.hangs(path);
        self.host.extents(path)
    }
    fn space(&self, path: &Path) -> Answer<Space> {
        self.hangs(path);
        self.host.space(path)
    }
    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        self.hangs(path);
        self.host.device(path)
    }
    fn watch(&self, _: &[PathBuf], _: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        None
    }
}
