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

/// Everything that `wanted` holds stands in `got` with the same value. Newer keys may be there besides.
fn missing_from(got: &Value, wanted: &Value, path: &str, wrong: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                missing_from(got.get(key).unwrap_or(&Value::Null), value, &format!("{path}.{key}"), wrong);
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (at, (value, shown)) in wanted.iter().zip(got).enumerate() {
                missing_from(shown, value, &format!("{path}[{at}]"), wrong);
            }
        }
        _ if wanted == got => {}
        _ => wrong.push(format!("{path} was {wanted} on the host, the replay shows {got}")),
    }
}

/// `tests/fixtures/replay/xen-lab` was made by `domkeep capture` in the dom0 of the lab, and `xen-lab.list.json` is what `domkeep list --json`
/// said there at the same time.
#[test]
fn a_capture_of_the_real_host_shows_what_the_host_itself_showed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay");
    let text = std::fs::read_to_string(folder.join("xen-lab.list.json")).unwrap();
    let mut there: Value = serde_json::from_str(&text).unwrap();
    let engine = Engine::new(Arc::new(Replay::open(&folder.join("xen-lab")).unwrap()), Settings::default());
    let here = serde_json::to_value(Report::new(&engine.scan())).unwrap();
    for differs in ["place", "taken"] {
        there["host"][differs] = here["host"][differs].clone();
    }
    // The sentences of findings may get better.
    there["findings"] = serde_json::json!([]);
    let mut shown = here.clone();
    shown["findings"] = serde_json::json!([]);
    let mut wrong = Vec::new();
    missing_from(&shown, &there, "", &mut wrong);
    assert!(wrong.is_empty(), "a colleague who gets the capture would see another host:\n{}", wrong.join("\n"));
}
