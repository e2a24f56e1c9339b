//! A cold backup.

use super::answers::Answers;
use super::{Shape, choice, domain_field, domain_of, field, title};
use crate::model::request::{ColdBackup, WhenRunning};
use crate::model::{FieldKind, Form, Inventory, Power, Request, Subject, Wish};

/// Seconds that a guest gets to shut down, when nobody says otherwise.
const USUAL_WAIT: &str = "300";
const LONGEST_WAIT: u64 = 24 * 60 * 60;

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let runs = domain.is_some_and(|domain| domain.power == Power::Running);
    let fields = vec![
        domain_field(inventory, "Which domain is backed up: its disks, its configuration, and its memory if it is saved.", domain),
        field(
            "to",
            "Directory for backups",
            FieldKind::Path,
            "Best on another disk, or on another host's file system mounted here. Below it each backup gets a directory of its own.",
        )
        .required(),
        field(
            "when-running",
            "If it runs",
            FieldKind::Choice {
                options: vec![
                    choice("refuse", "do nothing", "the domain must be off, or saved"),
                    choice(
                        "shut-down",
                        "shut it down, and start it again",
                        "it is asked to shut down, never destroyed, and started again after the copy",
                    ),
                ],
            },
            "A cold copy is only good while nobody writes.",
        )
        .required()
        .starts_as(if runs { "shut-down" } else { "refuse" }),
        field(
            "wait",
            "Seconds to wait for the shutdown",
            FieldKind::Number,
            "If the guest has not shut down by then, nothing is copied and it is left as it is.",
        )
        .required()
        .starts_as(USUAL_WAIT)
        .when("when-running", &["shut-down"]),
        field(
            "verify",
            "Read it back",
            FieldKind::Flag,
            "Reads the whole backup once more and compares it. Takes about as long as the copy; the domain runs again meanwhile.",
        )
        .starts_as("yes"),
        field(
            "rate",
            "Bytes per second at most",
            FieldKind::Size,
            "Such as 50M, so that other domains do not suffer. Empty: as fast as it goes.",
        ),
        field(
            "leave-out",
            "Disks to leave out",
            FieldKind::Text,
            "Names of disks, such as xvdb, with commas. The backup says that they are missing.",
        ),
    ];
    Form {
        wish: Wish::ColdBackup,
        title: title("Back up", domain, "a domain"),
        teaches: "Copies a domain while nothing runs: all its disks, its configuration, and its memory if it is saved. The simplest safe backup. It can be restored with domkeep, or by hand with the commands in its RESTORE.txt.".into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let destination = answers.path("to");
    let wait = answers.number("wait", 1, LONGEST_WAIT);
    let how = match answers.choice("when-running").as_deref() {
        Some("refuse") => Some(WhenRunning::Refuse),
        Some("shut-down") => wait.map(|limit_seconds| WhenRunning::ShutDown { limit_seconds }),
        _ => None,
    };
    let verify = answers.flag("verify");
    let rate = answers.size("rate");
    let leave_out = answers.names("leave-out");
    Some(Request::ColdBackup(ColdBackup { domain: domain?, destination: destination?, how: how?, verify, rate, leave_out }))
}
