//! A change as data: what will be done, by which exact commands, what undoes it. Made by the `plan` room, carried out by `job`.

use serde::{Deserialize, Serialize};

use super::{Cmd, Evidence, HostPath, Location};

/// Version of the plan's form on disk. An unknown one is refused, and its manual steps are printed.
pub const PLAN_SCHEMA: u32 = 1;

/// How much could be lost by a plan that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Adds only; undo removes what was added.
    Adds,
    /// Touches a running domain or an existing file; undoable.
    Touches,
    /// Overwrites or deletes data: the name is typed first.
    Destroys,
}

/// What must be known before a plan can be made that no inventory holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// Free bytes where `path` would be written.
    SpaceAt {
        path: HostPath,
    },
    /// File system, partition table or holder on a device.
    SignatureOf {
        path: HostPath,
    },
    /// The bytes of a config file, for a diff.
    BytesOf {
        path: HostPath,
    },
    Exists {
        path: HostPath,
    },
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    Space {
        path: HostPath,
        free: u64,
    },
    Signature {
        path: HostPath,
        found: Option<String>,
    },
    Bytes {
        path: HostPath,
        bytes: Vec<u8>,
    },
    Exists {
        path: HostPath,
        exists: bool,
    },
    /// It could not be found out; a plan that needs it is refused.
    Unknown {
        question: Question,
        why: String,
    },
}

/// One deed. The enum is closed; [`Action::command`] alone derives the line for preview, script and execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Run a tool of the host.
    Run {
        cmd: Cmd,
    },
    /// Write a new file under a partial name, sync it, rename it without replacing.
    WriteFile {
        path: HostPath,
        bytes: Vec<u8>,
        mode: u32,
    },
    /// Replace a file whose present bytes hash to `expect_blake3`; the old file is kept in the job's folder.
    ReplaceFile {
        path: HostPath,
        bytes: Vec<u8>,
        expect_blake3: String,
    },
    /// Make a sparse file of this length that did not exist.
    MakeSparse {
        path: HostPath,
        bytes: u64,
    },
    MakeDirectory {
        path: HostPath,
        mode: u32,
    },
    /// Remove what this job made: identified by device and inode, never by name alone.
    RemoveOwn {
        path: HostPath,
        inode: (u64, u64),
    },
    /// Copy blocks with the job's copier.
    Copy {
        from: Location,
        to: Location,
        verify: bool,
    },
}

impl Action {
    /// The command line that does the same by hand: for the preview, the script and the log.
    pub fn command(&self) -> Vec<String> {
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Run { cmd } => cmd.argv().map(str::to_owned).collect(),
            Self::WriteFile { path, mode, .. } => words(&["install", "-m", &format!("{mode:o}"), "FILE", &lossy(path)]),
            Self::ReplaceFile { path, .. } => words(&["install", "--backup=numbered", "FILE", &lossy(path)]),
            Self::MakeSparse { path, bytes } => words(&["truncate", "-s", &bytes.to_string(), &lossy(path)]),
            Self::MakeDirectory { path, mode } => words(&["mkdir", "-m", &format!("{mode:o}"), &lossy(path)]),
            Self::RemoveOwn { path, .. } => words(&["rm", "--", &lossy(path)]),
            Self::Copy { from, to, .. } => words(&["domkeep", "copy", &end(from), &end(to)]),
        }
    }
}

fn lossy(path: &HostPath) -> String {
    path.as_path().to_string_lossy().into_owned()
}

fn end(location: &Location) -> String {
    match location {
        Location::File { path } | Location::Device { path } => lossy(path),
        Location::Nbd { socket, export } => format!("nbd+unix:///{export}?socket={}", lossy(socket)),
        Location::Piece { bundle, piece } => format!("{}/{piece}", lossy(bundle)),
    }
}

/// How the host is asked whether a step is done: recovery decides by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done-when", rename_all = "kebab-case")]
pub enum DoneCheck {
    FileExists {
        path: HostPath,
    },
    FileGone {
        path: HostPath,
    },
    /// A read command whose standard output holds this text.
    CommandSays {
        cmd: Cmd,
        text: String,
    },
    /// Cannot be asked: recovery says so and lets a person decide.
    Unknown,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    By {
        action: Box<Action>,
    },
    /// Nothing to take back.
    Nothing,
    Impossible {
        why: String,
    },
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, in one sentence.
    pub says: String,
    pub why: String,
    pub action: Action,
    pub undo: Undo,
    /// Always run at the end, also after success: drop the temporary snapshot, thaw the guest.
    pub cleanup: Option<Action>,
    pub done: DoneCheck,
}

/// A change, ready to be read, printed, dry-run or launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub schema: u32,
    pub title: String,
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
    pub risk: Risk,
    /// What it took for granted; looked at again before each step.
    pub assumptions: Vec<Evidence>,
}

/// A no, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub rule: String,
    pub fact: String,
    /// What would make it possible.
    pub instead: String,
}
