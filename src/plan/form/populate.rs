//! What something new is filled with: the same questions for a disk and for a directory.

use super::answers::Answers;
use super::{Shape, choice, field};
use crate::model::request::Populate;
use crate::model::{Field, FieldKind};

/// When something is put into it.
const FILLED: [&str; 2] = ["directory", "archive"];

/// How the questions are worded for what is filled.
pub(super) struct Words {
    pub(super) nothing: &'static str,
    pub(super) help: &'static str,
    pub(super) hostname: &'static str,
    pub(super) fstab: &'static str,
}

/// What, from where, and what is changed inside afterwards.
pub(super) fn fields(words: &Words) -> [Field; 4] {
    let options = vec![
        choice("nothing", "nothing", words.nothing),
        choice(
            "directory",
            "a directory",
            "copied as `cp -ax` does: owners, times, links, attributes; what is mounted below it is left out",
        ),
        choice("archive", "a tar archive", "unpacked as root, with its own owners"),
    ];
    [
        field("populate", "Fill it with", FieldKind::Choice { options }, words.help).starts_as("nothing"),
        field("source", "From", FieldKind::Path, "The directory or the archive.").required().when("populate", &FILLED),
        field("hostname", "Host name", FieldKind::Text, words.hostname).when("populate", &FILLED),
        field("fstab", "Write fstab", FieldKind::Flag, words.fstab).starts_as("yes").when("populate", &FILLED),
    ]
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Populate> {
    let source = answers.path("source");
    match (answers.choice("populate").as_deref(), source) {
        (None | Some("nothing"), _) => Some(Populate::Nothing),
        (Some("directory"), Some(path)) => Some(Populate::Directory { path }),
        (Some("archive"), Some(path)) => Some(Populate::Archive { path }),
        _ => None,
    }
}
