//! Bringing a backup back.

use super::answers::Answers;
use super::{Shape, as_value, choice, field};
use crate::model::request::{Restore, RestoreTo};
use crate::model::{FieldKind, Form, Request, Subject, Wish};

pub(super) fn form(subject: Option<&Subject>) -> Form {
    let bundle = match subject {
        Some(Subject::Bundle { path }) => as_value(path),
        _ => String::new(),
    };
    let fields = vec![
        field("bundle", "Backup", FieldKind::Path, "The directory of one backup: the one with manifest.toml in it.")
            .required()
            .starts_as(bundle),
        field("pieces", "Only these pieces", FieldKind::Text, "Names of pieces such as xvda.img, with commas. Empty: all."),
        field(
            "to",
            "Where to",
            FieldKind::Choice {
                options: vec![
                    choice(
                        "old-place",
                        "where it came from",
                        "what stands there now is replaced; a file is set aside, a volume is overwritten, and the name is typed first",
                    ),
                    choice("beside", "as files beside", "nothing that is there is touched; the configuration names the new files"),
                ],
            },
            "Beside is the safe way to look at a backup, or to make a second domain of it.",
        )
        .required()
        .starts_as("beside"),
        field("directory", "Directory", FieldKind::Path, "Where the files go.").required().when("to", &["beside"]),
        field(
            "name",
            "New name",
            FieldKind::Text,
            "The restored domain's name. Another one than before also gets another identity, so that both can run. Empty: the old name.",
        )
        .when("to", &["beside"]),
        field(
            "damaged",
            "Although it is damaged",
            FieldKind::Flag,
            "Brings a damaged backup back as far as it is readable, says which ranges are not, and which files lie there. Never called good.",
        )
        .starts_as("no"),
    ];
    Form {
        wish: Wish::Restore,
        title: "Restore a backup".into(),
        teaches: "Brings a backup back: first it is read and compared with its hashes, then each piece is copied and read back. To the old place, or as files beside it.".into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let bundle = answers.path("bundle");
    let pieces = answers.names("pieces");
    let directory = answers.path("directory");
    let name = answers.text("name");
    let to = match answers.choice("to").as_deref() {
        Some("old-place") => Some(RestoreTo::OldPlace),
        Some("beside") => directory.map(|directory| RestoreTo::Beside { directory, name }),
        _ => None,
    };
    let damaged = answers.flag("damaged");
    Some(Request::Restore(Restore { bundle: bundle?, pieces, to: to?, damaged }))
}
