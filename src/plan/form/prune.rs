//! Removing old restore points.

use super::answers::Answers;
use super::{Shape, as_value, field};
use crate::model::request::Prune;
use crate::model::retention::Policy;
use crate::model::{Field, FieldKind, Form, Request, Subject, Wish};

/// Nobody keeps more, and a number that is none is told.
const MOST: u64 = 100_000;

pub(super) fn form(subject: Option<&Subject>) -> Form {
    // The directory of the domain that the backup is of.
    let above = match subject {
        Some(Subject::Bundle { path }) => path.as_path().parent().map(|above| as_value(&above.into())),
        _ => None,
    };
    let rule = |key: &str, label: &str, value: &str, help: &str| -> Field {
        field(key, label, FieldKind::Number, help).required().starts_as(value)
    };
    let fields = vec![
        field(
            "directory",
            "Directory",
            FieldKind::Path,
            "Where the backups lie: the destination, or one host's or domain's directory in it.",
        )
        .required()
        .starts_as(above.unwrap_or_default()),
        field("only", "Only of this domain", FieldKind::Text, "A domain's name, whether it still exists or not. Empty: of all."),
        rule("keep-last", "Keep the last", "3", "So many of the newest, whenever they were made."),
        rule("keep-daily", "Keep daily", "7", "The newest of each day, for so many days that have one. Days are those of UTC."),
        rule("keep-weekly", "Keep weekly", "4", "The newest of each week, for so many weeks that have one."),
        rule("keep-monthly", "Keep monthly", "6", "The newest of each month, for so many months that have one."),
        rule("min-age", "Never younger than", "1", "Days. What is younger stays, whatever the other rules say."),
    ];
    Form {
        wish: Wish::Prune,
        title: "Remove old restore points".into(),
        teaches: "Keeps of each domain what one of the rules keeps, and removes the others. The newest good one always stays; one that is damaged or unknown is never touched.".into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let directory = answers.path("directory");
    let only = answers.text("only");
    let mut number = |key: &str| answers.number(key, 0, MOST);
    let (last, daily, weekly, monthly, age) =
        (number("keep-last"), number("keep-daily"), number("keep-weekly"), number("keep-monthly"), number("min-age"));
    let policy = Policy { last: last?, daily: daily?, weekly: weekly?, monthly: monthly?, min_age_days: age? };
    Some(Request::Prune(Prune { directory: directory?, only, policy }))
}
