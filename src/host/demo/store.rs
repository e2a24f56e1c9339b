//! The directory of a demo machine: its mark, its state and the lock on it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::machine::{LAYOUT, Machine};
use super::tree::Tree;
use super::{layout, machines};
use crate::host::{Answer, HostError};
use crate::problem::Problem;

const MARK: &str = ".domkeep-demo";
const MARK_TEXT: &str = "This directory holds a demo machine of domkeep and may be removed.\n";

pub struct Store {
    root: PathBuf,
    tree: Tree,
    /// The state as it was last read, and the identity of the file it was read from.
    seen: Mutex<Option<(Version, Arc<Machine>)>>,
}

/// Changes with every write: the file is replaced, never written in place.
type Version = (u64, i64, i64, i64);

impl Store {
    pub fn open(name: &str, root: &Path) -> Result<Self, Problem> {
        let failed = |error: HostError| {
            Problem::new(format!("The demo machine in {} cannot be opened.", root.display())).because(error).hint(reset_hint(name))
        };
        if !root.try_exists().unwrap_or(true) {
            build(name, root)?;
        }
        if !is_marked(root) {
            return Err(Problem::new(format!("{} holds no demo machine.", root.display()))
                .because("domkeep uses only a directory that it made for one")
                .hint("Name a directory that does not exist yet."));
        }
        let tree = Tree::open(&root.join("tree")).map_err(failed)?;
        let store = Self { root: root.to_owned(), tree, seen: Mutex::new(None) };
        let machine = store.load().map_err(failed)?;
        if machine.name != name {
            return Err(Problem::new(format!("{} holds the demo machine `{}`, not `{name}`.", root.display(), machine.name))
                .hint("Name another directory."));
        }
        Ok(store)
    }

    /// Removes a machine; nothing there is well, anything else than a machine is refused.
    pub fn remove(root: &Path) -> Result<(), Problem> {
        let failed = |error: std::io::Error| Problem::new(format!("{} cannot be removed.", root.display())).because(error);
        if !root.try_exists().map_err(failed)? {
            return Ok(());
        }
        if !is_marked(root) {
            return Err(Problem::new(format!("{} is not removed.", root.display())).because("it holds no demo machine"));
        }
        // Away first: nobody opens a machine that is half removed.
        let aside = beside(root, "removed");
        std::fs::rename(root, &aside).map_err(failed)?;
        std::fs::remove_dir_all(&aside).map_err(failed)
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The machine as it is now.
    pub fn load(&self) -> Answer<Arc<Machine>> {
        let file = File::open(self.root.join("state.json"))?;
        let facts = rustix::fs::fstat(&file)?;
        let nanoseconds = i64::try_from(facts.st_mtime_nsec).unwrap_or(0);
        let version = (facts.st_ino, facts.st_mtime, nanoseconds, facts.st_size);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, machine)) = seen.as_ref().filter(|(known, _)| *known == version) {
            debug_assert_eq!(*known, version);
            return Ok(Arc::clone(machine));
        }
        let machine: Machine = serde_json::from_reader(std::io::BufReader::new(file))
            .map_err(|error| HostError::Failed { why: format!("the demo machine's state cannot be read: {error}") })?;
        if machine.layout != LAYOUT {
            return Err(HostError::Failed { why: "it was laid out by another version of domkeep".into() });
        }
        let machine = Arc::new(machine);
        *seen = Some((version, Arc::clone(&machine)));
        Ok(machine)
    }

    /// Changes the machine under its lock; the clock moves on by a minute. A change that fails, or that was none, leaves the state as it was.
    pub fn change<T>(&self, change: impl FnOnce(&mut Machine, &Tree) -> Answer<Option<T>>) -> Answer<Option<T>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let lock = rustix::fs::open(self.root.join("lock"), flags, Mode::from_raw_mode(0o644))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        let mut machine = Machine::clone(&*self.load()?);
        machine.clock += chrono::Duration::minutes(1);
        let result = change(&mut machine, &self.tree)?;
        if result.is_some() {
            write_state(&self.root, &machine)?;
        }
        Ok(result)
    }
}

fn reset_hint(name: &str) -> String {
    format!("Lay it out anew: domkeep --demo={name} --demo-reset")
}

fn is_marked(root: &Path) -> bool {
    std::fs::read_to_string(root.join(MARK)).is_ok_and(|text| text == MARK_TEXT)
}

fn beside(root: &Path, what: &str) -> PathBuf {
    let mut name = root.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}-{}", std::process::id()));
    root.with_file_name(name)
}

fn write_state(root: &Path, machine: &Machine) -> Answer<()> {
    let text = serde_json::to_vec_pretty(machine).map_err(|error| HostError::Failed { why: error.to_string() })?;
    let partial = root.join("state.json.new");
    std::fs::write(&partial, text)?;
    Ok(std::fs::rename(partial, root.join("state.json"))?)
}

/// Lays a machine out beside `root`, then puts it there in one step.
fn build(name: &str, root: &Path) -> Result<(), Problem> {
    let description = machines::describe(name)?;
    let partial = beside(root, "partial");
    let made = (|| -> Answer<()> {
        std::fs::create_dir_all(partial.join("tree"))?;
        let tree = Tree::open(&partial.join("tree"))?;
        let machine = layout::lay_out(name, &description, &tree)?;
        machines::finish(&machine, &tree)?;
        write_state(&partial, &machine)?;
        std::fs::write(partial.join(MARK), MARK_TEXT)?;
        Ok(std::fs::rename(&partial, root)?)
    })();
    made.or_else(|error| {
        let _ = std::fs::remove_dir_all(&partial);
        // Somebody else laid it out meanwhile: theirs is as good.
        if is_marked(root) { Ok(()) } else { Err(error) }
    })
    .map_err(|error| Problem::new(format!("The demo machine `{name}` cannot be laid out in {}.", root.display())).because(error))
}
