//! Asking while planning. A plan reads its facts one by one as if all were known; what is not yet answered is remembered as a question and
//! ends the attempt. So the questions of a plan and its use of the answers cannot drift apart: they are the same lines.

use std::cell::RefCell;

use super::Known;
use crate::model::bundle::{FoundBundle, Manifest};
use crate::model::saved::SavedDisks;
use crate::model::{
    Check, Cmd, Fact, HostPath, Inventory, LastBundle, Lvm, MountUse, PieceRoom, PlaceFact, Question, Refusal, Signature, Verdicts,
};

/// Why no plan came of it this time.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refusal),
    /// Something must be asked of the host first.
    Ask,
}

pub(super) type Go<T> = Result<T, Stop>;

/// A no: the rule, what is in the way, what would make it possible.
pub(super) fn no<T>(rule: &str, fact: impl Into<String>, instead: impl Into<String>) -> Go<T> {
    Err(Stop::Refused(refusal(rule, fact, instead)))
}

pub(super) fn refusal(rule: &str, fact: impl Into<String>, instead: impl Into<String>) -> Refusal {
    Refusal { rule: rule.to_owned(), fact: fact.into(), instead: instead.into() }
}

/// What is known, and what is missing.
pub(super) struct Facts<'a> {
    known: Known<'a>,
    missing: RefCell<Vec<Question>>,
}

impl<'a> Facts<'a> {
    pub fn new(known: Known<'a>) -> Self {
        Self { known, missing: RefCell::default() }
    }

    pub fn inventory(&self) -> &'a Inventory {
        self.known.inventory
    }

    pub fn verdicts(&self) -> &'a Verdicts {
        self.known.verdicts
    }

    pub fn missing(&self) -> Vec<Question> {
        self.missing.borrow().clone()
    }

    /// Asks for several things at once: saves rounds.
    pub fn want(&self, questions: impl IntoIterator<Item = Question>) -> Go<()> {
        for question in questions {
            if !self.known.facts.iter().any(|fact| answers(fact, &question)) {
                self.remember(question);
            }
        }
        if self.missing.borrow().is_empty() { Ok(()) } else { Err(Stop::Ask) }
    }

    pub fn place(&self, path: &HostPath) -> Go<&'a PlaceFact> {
        self.find(Question::Place { path: path.clone() }, |fact| match fact {
            Fact::Place { path: of, place } if of == path => Some(place),
            _ => None,
        })
    }

    pub fn has_tool(&self, tool: &str) -> Go<bool> {
        self.find(Question::Tool { name: tool.to_owned() }, |fact| match fact {
            Fact::Tool { name, there } if name == tool => Some(*there),
            _ => None,
        })
    }

    /// A file's bytes and its mode.
    pub fn bytes(&self, path: &HostPath) -> Go<(&'a [u8], u32)> {
        self.find(Question::BytesOf { path: path.clone() }, |fact| match fact {
            Fact::Bytes { path: of, bytes, mode } if of == path => Some((bytes.as_slice(), *mode)),
            _ => None,
        })
    }

    pub fn users(&self, path: &HostPath) -> Go<&'a [String]> {
        Ok(self.uses(path)?.0)
    }

    /// Who uses it, and those of them that are mounts.
    pub fn uses(&self, path: &HostPath) -> Go<(&'a [String], &'a [MountUse])> {
        self.find(Question::UseOf { path: path.clone() }, |fact| match fact {
            Fact::Use { path: of, users, mounts } if of == path => Some((users.as_slice(), mounts.as_slice())),
            _ => None,
        })
    }

    pub fn watchers(&self, domain: &str) -> Go<&'a [crate::model::question::Watcher]> {
        self.find(Question::Watchers { domain: domain.to_owned() }, |fact| match fact {
            Fact::Watchers { domain: of, watchers } if of == domain => Some(watchers.as_slice()),
            _ => None,
        })
    }

    /// What was written down of a save image's disks, beside what they are now; nothing: nothing was.
    pub fn saved_disks(&self, image: &HostPath) -> Go<&'a Option<SavedDisks>> {
        self.find(Question::SavedDisks { image: image.clone() }, |fact| match fact {
            Fact::SavedDisks { image: of, disks } if of == image => Some(disks),
            _ => None,
        })
    }

    pub fn signatures(&self, path: &HostPath) -> Go<&'a [Signature]> {
        self.find(Question::SignatureOf { path: path.clone() }, |fact| match fact {
            Fact::Signature { path: of, found } if of == path => Some(found.as_slice()),
            _ => None,
        })
    }

    /// Whether something holds now; what cannot be found out is refused.
    pub fn holds(&self, check: &Check) -> Go<bool> {
        self.find(Question::Holds { check: Box::new(check.clone()) }, |fact| match fact {
            Fact::Holds { check: of, yes } if **of == *check => Some(*yes),
            _ => None,
        })
    }

    /// The standard output of a command that only looks, and ended well.
    pub fn said(&self, cmd: &Cmd) -> Go<&'a [u8]> {
        self.find(Question::Said { cmd: cmd.clone() }, |fact| match fact {
            Fact::Said { cmd: of, said } if of == cmd => Some(said.as_slice()),
            _ => None,
        })
    }

    /// Every bundle below a directory.
    pub fn bundles(&self, directory: &HostPath) -> Go<&'a [FoundBundle]> {
        self.find(Question::Bundles { directory: directory.clone() }, |fact| match fact {
            Fact::Bundles { directory: of, found } if of == directory => Some(found.as_slice()),
            _ => None,
        })
    }

    pub fn bundle(&self, path: &HostPath) -> Go<&'a Manifest> {
        self.find(Question::Bundle { path: path.clone() }, |fact| match fact {
            Fact::Bundle { path: of, manifest } if of == path => Some(&**manifest),
            _ => None,
        })
    }

    pub fn piece_room(&self, bundle: &HostPath, piece: &str) -> Go<PieceRoom> {
        self.find(Question::PieceRoom { bundle: bundle.clone(), piece: piece.to_owned() }, |fact| match fact {
            Fact::PieceRoom { bundle: of, piece: name, room } if of == bundle && name == piece => Some(*room),
            _ => None,
        })
    }

    pub fn last_bundle(&self, directory: &HostPath) -> Go<&'a Option<LastBundle>> {
        self.find(Question::LastBundle { directory: directory.clone() }, |fact| match fact {
            Fact::LastBundle { directory: of, found } if of == directory => Some(found),
            _ => None,
        })
    }

    pub fn lvm(&self) -> Go<&'a Lvm> {
        self.find(Question::Lvm, |fact| match fact {
            Fact::Lvm { lvm } => Some(&**lvm),
            _ => None,
        })
    }

    fn find<T>(&self, question: Question, pick: impl Fn(&'a Fact) -> Option<T>) -> Go<T> {
        if let Some(found) = self.known.facts.iter().find_map(pick) {
            return Ok(found);
        }
        let unknown = self.known.facts.iter().find_map(|fact| match fact {
            Fact::Unknown { question: of, why } if *of == question => Some(why),
            _ => None,
        });
        if let Some(why) = unknown {
            return no("not-known", format!("{}: {why}", asked(&question)), "mend what is in the way there, or ask as root, and try again");
        }
        self.remember(question);
        Err(Stop::Ask)
    }

    fn remember(&self, question: Question) {
        let mut missing = self.missing.borrow_mut();
        if !missing.contains(&question) {
            missing.push(question);
        }
    }
}

/// Does the same for each, and asks what all of them want to know in one round.
pub(super) fn each<T, U>(items: impl IntoIterator<Item = T>, mut of: impl FnMut(T) -> Go<U>) -> Go<Vec<U>> {
    let mut found = Vec::new();
    let mut asks = false;
    for item in items {
        match of(item) {
            Ok(one) => found.push(one),
            Err(Stop::Ask) => asks = true,
            refused @ Err(Stop::Refused(_)) => {
                refused?;
            }
        }
    }
    if asks { Err(Stop::Ask) } else { Ok(found) }
}

/// Two things whose questions are asked in one round.
pub(super) fn both<T, U>(one: Go<T>, other: Go<U>) -> Go<(T, U)> {
    match (one, other) {
        (Err(refused @ Stop::Refused(_)), _) | (_, Err(refused @ Stop::Refused(_))) => Err(refused),
        (one, other) => Ok((one?, other?)),
    }
}

/// A fact that a plan can do without: nothing when it could not be found out.
pub(super) fn if_known<T>(found: Go<T>) -> Go<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Stop::Refused(_)) => Ok(None),
        Err(Stop::Ask) => Err(Stop::Ask),
    }
}

fn answers(fact: &Fact, question: &Question) -> bool {
    match (fact, question) {
        (Fact::Unknown { question: of, .. }, _) => of == question,
        (Fact::Place { path: of, .. }, Question::Place { path })
        | (Fact::Signature { path: of, .. }, Question::SignatureOf { path })
        | (Fact::Bytes { path: of, .. }, Question::BytesOf { path })
        | (Fact::Bundle { path: of, .. }, Question::Bundle { path })
        | (Fact::Bundles { directory: of, .. }, Question::Bundles { directory: path })
        | (Fact::Use { path: of, .. }, Question::UseOf { path }) => of == path,
        (Fact::Holds { check: of, .. }, Question::Holds { check }) => of == check,
        (Fact::PieceRoom { bundle: of, piece: one, .. }, Question::PieceRoom { bundle, piece }) => of == bundle && one == piece,
        (Fact::LastBundle { directory: of, .. }, Question::LastBundle { directory }) => of == directory,
        (Fact::Tool { name: of, .. }, Question::Tool { name }) => of == name,
        (Fact::Lvm { .. }, Question::Lvm) => true,
        (Fact::Said { cmd: of, .. }, Question::Said { cmd }) => of == cmd,
        (Fact::SavedDisks { image: of, .. }, Question::SavedDisks { image }) => of == image,
        (Fact::Watchers { domain: of, .. }, Question::Watchers { domain }) => of == domain,
        _ => false,
    }
}

fn asked(question: &Question) -> String {
    match question {
        Question::Place { path } => format!("what stands at {path} could not be found out"),
        Question::SignatureOf { path } => format!("what lies on {path} could not be found out"),
        Question::BytesOf { path } => format!("{path} could not be read"),
        Question::Tool { name } => format!("whether there is a program {name} could not be found out"),
        Question::Bundle { path } => format!("the backup {path} could not be read"),
        Question::Holds { check } => match &**check {
            Check::Says { cmd, .. } => format!("what `{cmd}` says could not be found out"),
            _ => "something could not be found out".to_owned(),
        },
        Question::PieceRoom { bundle, piece } => format!("how much room {piece} of {bundle} takes could not be found out"),
        Question::Bundles { directory } => format!("which backups lie below {directory} could not be found out"),
        Question::Said { cmd } => format!("what `{cmd}` says could not be found out"),
        Question::SavedDisks { image } => format!("whether the disks of {image} are as they were saved could not be found out"),
        Question::Watchers { domain } => format!("which process of xl waits for the end of {domain} could not be found out"),
        Question::LastBundle { directory } => format!("the backups in {directory} could not be looked at"),
        Question::UseOf { path } => format!("who uses {path} could not be found out"),
        Question::Lvm => "the volume groups could not be listed".to_owned(),
    }
}

/// A fact that a refusal names when every question was asked and one stayed open.
pub(super) fn unanswered(missing: &[Question]) -> Refusal {
    let what = missing.first().map_or_else(|| "something could not be found out".to_owned(), asked);
    refusal("not-known", what, "try again")
}
