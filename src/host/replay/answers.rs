//! What a capture knows, by question.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::segments::Segments;
use crate::host::{Answer, DeviceFacts, FileType, HostError, Listing, Space, Stat};
use crate::model::{Cmd, Extent, Output};

/// A command's identity: program and arguments, standard input.
pub type Words = (Vec<String>, Vec<u8>);

/// Links that are followed one after the other, as many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub runs: BTreeMap<Words, Answer<Output>>,
    pub reads: BTreeMap<PathBuf, Segments>,
    pub lists: BTreeMap<PathBuf, Answer<Listing>>,
    pub stats: BTreeMap<(PathBuf, bool), Answer<Stat>>,
    pub resolves: BTreeMap<PathBuf, Answer<PathBuf>>,
    pub links: BTreeMap<PathBuf, Answer<PathBuf>>,
    pub extents: BTreeMap<PathBuf, Answer<Vec<Extent>>>,
    pub spaces: BTreeMap<PathBuf, Answer<Space>>,
    pub devices: BTreeMap<PathBuf, Answer<DeviceFacts>>,
    pub missing: BTreeSet<PathBuf>,
}

pub fn words(cmd: &Cmd) -> Words {
    (cmd.argv().map(str::to_owned).collect(), cmd.stdin.clone())
}

impl Answers {
    pub fn run(&self, cmd: &Cmd) -> Answer<Output> {
        self.runs.get(&words(cmd)).cloned().unwrap_or(Err(HostError::NotCaptured))
    }

    pub fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        self.follow(path, |path| self.reads.get(path).map(|segments| segments.get(offset, len)))
    }

    pub fn list(&self, dir: &Path) -> Answer<Listing> {
        self.follow(dir, |path| self.lists.get(path).cloned())
    }

    pub fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        if !follow {
            return self.here(path, |path| self.stats.get(&(path.to_path_buf(), false)).cloned());
        }
        self.follow(path, |path| {
            let followed = self.stats.get(&(path.to_path_buf(), true));
            let itself = self.stats.get(&(path.to_path_buf(), false));
            followed.or(itself.filter(|answer| answer.as_ref().map_or(true, |stat| stat.kind != FileType::Symlink))).cloned()
        })
    }

    pub fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        self.here(path, |path| self.resolves.get(path).cloned())
    }

    pub fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        self.here(path, |path| self.links.get(path).cloned())
    }

    pub fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        self.follow(path, |path| self.extents.get(path).cloned())
    }

    pub fn space(&self, path: &Path) -> Answer<Space> {
        self.follow(path, |path| self.spaces.get(path).cloned())
    }

    pub fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        self.follow(path, |path| self.devices.get(path).cloned())
    }

    fn here<T>(&self, path: &Path, find: impl Fn(&Path) -> Option<Answer<T>>) -> Answer<T> {
        find(path).unwrap_or_else(|| Err(if self.is_missing(path) { HostError::NotFound } else { HostError::NotCaptured }))
    }

    /// The answer for a path, or for what the recorded links lead to from there.
    fn follow<T>(&self, path: &Path, find: impl Fn(&Path) -> Option<Answer<T>>) -> Answer<T> {
        let mut at = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            if let Some(answer) = find(&at) {
                return answer;
            }
            if self.is_missing(&at) {
                return Err(HostError::NotFound);
            }
            let Some(Ok(target)) = self.links.get(&at) else { return Err(HostError::NotCaptured) };
            at = lexically(&at.parent().unwrap_or(Path::new("/")).join(target));
        }
        Err(HostError::Failed { why: "too many levels of symbolic links".to_owned() })
    }

    /// Whether the capture shows that there is nothing at this path.
    fn is_missing(&self, path: &Path) -> bool {
        // What `..` leads to depends on links that the capture may not know.
        if path.components().any(|part| part == Component::ParentDir) {
            return false;
        }
        path.ancestors().any(|at| {
            let unlisted = || {
                let parent = at.parent().and_then(|parent| self.lists.get(parent));
                parent.is_some_and(|answer| match answer {
                    Ok(listing) => {
                        !listing.cut && !listing.entries.iter().any(|entry| Some(entry.name.as_path().as_os_str()) == at.file_name())
                    }
                    Err(error) => *error == HostError::NotFound,
                })
            };
            self.missing.contains(at) || unlisted()
        })
    }
}

/// `/etc/xen/auto/../web.cfg` as `/etc/xen/web.cfg`.
fn lexically(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
