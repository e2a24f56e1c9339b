//! A change as data: what will be done, by which exact commands, what undoes it. Made by the `plan` room, carried out by `job`.

use serde::{Deserialize, Serialize};

use super::{Action, Evidence, HostPath, JobId, Request};

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

/// What can be asked of a host at any moment, and answered with yes, no or unknown: before a step, and to find out whether a step
/// that was interrupted is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Check {
    /// Something of that name is there, whatever it is. Symbolic links are not followed.
    Exists {
        path: HostPath,
    },
    /// The name stands for this very file: device and inode.
    Is {
        path: HostPath,
        inode: (u64, u64),
    },
    /// A small file holds exactly these bytes: blake3 in hexadecimal.
    Holds {
        path: HostPath,
        blake3: String,
    },
    /// The path lies on the file system with this device number: a destination whose mount went away lies on another.
    LiesOn {
        path: HostPath,
        dev: u64,
    },
    /// A mount point, of whatever.
    Mounted {
        at: HostPath,
    },
    /// At least this many bytes are free on the file system of the path.
    Space {
        path: HostPath,
        bytes: u64,
    },
    /// The disk (file or device) is mounted in dom0, held by another device, or open for a domain that is there.
    InUse {
        path: HostPath,
    },
    /// The hypervisor knows a domain of that name, in whatever state.
    DomainPresent {
        name: String,
    },
    /// The hypervisor knows a domain of that name, and it is just so.
    DomainIs {
        name: String,
        power: super::Power,
    },
    /// The file is a save image of that domain, whole to its last record.
    SaveWhole {
        path: HostPath,
        domain: String,
    },
    /// A program that root may run: owned by root and writable by nobody else, and so is every directory above it; no link among them.
    Trusted {
        path: HostPath,
    },
    /// The disks of a save image are as what was written down beside it says. `bytes_only`: they were rolled back, and have other times now.
    DisksAsSaved {
        image: HostPath,
        bytes_only: bool,
    },
    /// A looking command ends well, and its standard output holds this text.
    Says {
        cmd: super::Cmd,
        text: String,
    },
    /// What libvirt says of a domain of its.
    Libvirt(super::LibvirtCheck),
    Not {
        that: Box<Check>,
    },
}

impl Check {
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not { that: Box::new(self) }
    }
}

/// The answer to a [`Check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Held {
    Yes,
    /// What is there instead.
    No {
        because: String,
    },
    /// It could not be found out.
    Unknown {
        why: String,
    },
}

/// Something that a plan takes for granted. Looked at again before each step up to and including [`Assumption::through`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// In words: `web01 is off`.
    pub says: String,
    pub check: Check,
    /// Index of the last step before which it must hold; nothing: before every step.
    pub through: Option<usize>,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// Takes back what the action made, as the journal recorded it: by device and inode, never by name alone.
    Own,
    /// Another action, run when the step was done.
    By {
        action: Box<Action>,
    },
    /// Nothing to take back.
    Nothing,
    Impossible {
        why: String,
    },
}

/// What always runs at the end once its step was started, after success too; in the reverse order of the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cleanup {
    pub says: String,
    pub action: Action,
    /// Only while this holds (a mount point that is still mounted); nothing: always.
    pub needed: Option<Check>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, in one sentence.
    pub says: String,
    pub why: String,
    pub action: Action,
    pub undo: Undo,
    pub cleanup: Option<Cleanup>,
    /// How the host is asked whether the step is done: recovery decides by it. Nothing: the journal alone knows (own actions), or nobody does
    /// (a command). Then it is begun again with its [`Stretch`], or without one only taken back.
    pub done: Option<Check>,
}

/// Steps that stand or fall together: nobody could tell how far a program came that was cut off in one of them, or what they did is safe only
/// after the last (it lies behind a mount). An interruption in the middle begins all of them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Index of the first step and of the last.
    pub first: usize,
    pub last: usize,
    /// What is in the way of beginning again: a file system that is still mounted.
    pub reset: Option<Cleanup>,
}

/// A file before and after, for a screen: what an edit will change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub path: HostPath,
    /// Nothing: the file is new.
    pub before: Option<String>,
    pub after: String,
}

/// A change, ready to be read, printed, dry-run or launched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub schema: u32,
    /// The job's id: names of temporary things carry it, so that they are nobody else's.
    pub id: JobId,
    pub title: String,
    pub request: Request,
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
    pub risk: Risk,
    /// What a person must type first, because data is destroyed: a domain's, disk's or file's name. `--yes` never stands for it.
    pub confirm: Option<Confirm>,
    /// What nobody else may change meanwhile: [`Plan::domain_lock`], [`Plan::disk_lock`].
    pub locks: Vec<String>,
    pub assumptions: Vec<Assumption>,
    /// In the order of their steps; they do not overlap.
    #[serde(default)]
    pub stretches: Vec<Stretch>,
    /// What was seen that led to it.
    pub evidence: Vec<Evidence>,
    pub edits: Vec<Edit>,
}

impl Plan {
    pub fn domain_lock(name: &str) -> String {
        format!("domain {name}")
    }

    /// A disk by its canonical path.
    pub fn disk_lock(path: &HostPath) -> String {
        format!("disk {path}")
    }
}

/// A name to be typed, and what is lost by going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    pub name: String,
    /// Whole sentences.
    pub loses: String,
}

/// A no, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable, for scripts and tests: `disk-in-use`.
    pub rule: String,
    /// What is in the way.
    pub fact: String,
    /// What would make it possible.
    pub instead: String,
}
