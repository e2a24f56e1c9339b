//! A captured host shows the same domains anywhere: the real Xen host of the fixtures, stage by stage.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads its own fixtures, and stops where one is missing"
)]

mod expected;
mod importer;

use std::sync::Arc;

use domkeep::cli::report::Report;
use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::replay::Replay;
use importer::Stage;
use serde_json::Value;

fn shown(stage: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("replay");
    Stage::new(stage).import(&folder);
    let engine = Engine::new(Arc::new(Replay::open(&folder).unwrap()), Settings::default());
    serde_json::to_value(Report::new(&engine.scan())).unwrap()
}

fn stage_is_shown_as_it_was(stage: &str) {
    let text = std::fs::read_to_string(importer::fixtures().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let actual = shown(stage);
    let wrong = expected::differences(&all["stages"][stage], &actual);
    assert!(wrong.is_empty(), "stage {stage}, {} differences:\n{}\n", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_host_where_nothing_was_started() {
    stage_is_shown_as_it_was("01-nothing-started");
}

#[test]
fn a_host_with_ten_running_domains() {
    stage_is_shown_as_it_was("02-running");
}

#[test]
fn disks_that_were_hot_plugged() {
    stage_is_shown_as_it_was("03-hotplug");
}

#[test]
fn after_saves_restores_and_shutdowns() {
    stage_is_shown_as_it_was("05-after-lifecycle");
}

#[test]
fn what_the_fixtures_do_not_answer_is_a_gap() {
    let actual = shown("01-nothing-started");
    let gaps = actual["gaps"].as_array().unwrap();
    for source in ["/var/lib/xen/save", "/srv/xen/img/legacy1.img"] {
        assert!(gaps.iter().any(|gap| gap["source"] == source), "nobody would know that {source} was not looked at: {gaps:#?}");
    }
}
