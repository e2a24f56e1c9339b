//! A backup.

use super::answers::Answers;
use super::{Shape, as_value, choice, domain_field, domain_of, field, title};
use crate::model::form::Choice;
use crate::model::request::{ColdBackup, WhenRunning};
use crate::model::{
    Domain, Field, FieldKind, Figures, Form, Incremental, Inventory, Power, Request, Strategy, StrategyTable, Subject, Wish, bundle_names,
};
use crate::plan::strategy;

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
        .required()
        .starts_as(usual_destination(inventory, domain)),
        strategy_field(inventory, domain),
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
        .starts_as(if runs { "shut-down" } else { "refuse" })
        .when("strategy", &["cold"]),
        field(
            "wait",
            "Seconds to wait for the shutdown",
            FieldKind::Number,
            "If the guest has not shut down by then, nothing is copied and it is left as it is.",
        )
        .required()
        .starts_as(USUAL_WAIT)
        .when("when-running", &["shut-down"]),
        incremental_field(),
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
            "with",
            "Together with",
            FieldKind::Text,
            "Other domains, such as db1, with commas: all are frozen in one instant, and each gets a backup of its own. Only with live.",
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
        teaches: "Copies a domain: all its disks, its configuration, and its memory where that belongs to them. A domain that runs stands still for as long as the chosen way needs, and goes on. It can be restored with domkeep, or by hand with the commands in its RESTORE.txt.".into(),
        fields,
    }
}

/// Where the newest backup went, this domain's rather than another's: `DEST/<host>/<domain>/<backup>`.
fn usual_destination(inventory: &Inventory, domain: Option<&Domain>) -> String {
    let placed = inventory.bundles.iter().filter_map(|bundle| {
        let said = bundle.said.as_ref()?;
        let above = bundle.path.as_path().parent()?;
        // One that was moved somewhere by hand tells nothing.
        let in_place = above.file_name()?.to_str()? == bundle_names::component(&said.domain);
        in_place.then_some(())?;
        Some((domain.is_some_and(|domain| domain.name == said.domain), said.instant, above.parent()?.parent()?))
    });
    placed.max_by_key(|(same, instant, _)| (*same, *instant)).map(|(_, _, destination)| as_value(&destination.into())).unwrap_or_default()
}

/// The ways, with what each of them gives; those that this domain does not allow say why.
fn strategy_field(inventory: &Inventory, domain: Option<&Domain>) -> Field {
    let table = domain.map(|domain| strategy::table(inventory, domain, &[], &Figures::default()));
    let best = table.as_ref().and_then(StrategyTable::best).map(|row| format!("here: {}", row.strategy.as_str()));
    let auto =
        choice("auto", "the best that is possible", best.as_deref().unwrap_or("memory and disks of one instant where that is possible"));
    let of = |way: Strategy| Choice {
        not_here: table.as_ref().and_then(|table| table.row(way)?.not_here.clone()),
        ..choice(way.as_str(), way.does(), way.gives())
    };
    // Those of the domain's own toolstack; before one is chosen, all.
    let ways = table.as_ref().map_or_else(|| Strategy::ALL.to_vec(), |table| table.rows.iter().map(|row| row.strategy).collect());
    let options = std::iter::once(auto).chain(ways.into_iter().map(of)).collect();
    field(
        "strategy",
        "How",
        FieldKind::Choice { options },
        "What the backup is worth, and how long the domain stands still for it. `domkeep strategies` shows all of it.",
    )
    .required()
    .starts_as("auto")
}

/// What did not change since the last backup there.
fn incremental_field() -> Field {
    let options = vec![
        choice("no", "copy all", "nothing stays on the host for the next backup"),
        choice(
            "auto",
            "take it over where that is possible",
            "a snapshot of each volume stays until the next backup, so that it knows what changed",
        ),
        choice("yes", "take it over, or do nothing", "refused where all would have to be read"),
    ];
    field(
        "incremental",
        "What did not change",
        FieldKind::Choice { options },
        "Each backup is whole by itself all the same: what it shares with the one before it stays when that is removed.",
    )
    .required()
    .starts_as("no")
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let destination = answers.path("to");
    let strategy = answers.choice("strategy");
    let wait = answers.number("wait", 1, LONGEST_WAIT);
    let how = match answers.choice("when-running").as_deref() {
        Some("refuse") => Some(WhenRunning::Refuse),
        Some("shut-down") => wait.map(|limit_seconds| WhenRunning::ShutDown { limit_seconds }),
        // Of another way than a cold one it is not asked.
        _ => strategy.as_deref().filter(|strategy| *strategy != "cold").map(|_| WhenRunning::Refuse),
    };
    let incremental = answers.choice("incremental").and_then(|word| Incremental::parse(&word));
    let verify = answers.flag("verify");
    let rate = answers.size("rate");
    let leave_out = answers.names("leave-out");
    let with = answers.names("with");
    // What cannot be chosen was told already.
    let strategy = strategy.map(|strategy| Strategy::parse(&strategy));
    Some(Request::ColdBackup(ColdBackup {
        domain: domain?,
        destination: destination?,
        strategy: strategy?,
        incremental: incremental?,
        how: how?,
        verify,
        rate,
        leave_out,
        with,
    }))
}
