//! A captured host shows the same domains anywhere: the real Xen host of the fixtures, stage by stage.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads its own fixtures, and stops where one is missing"
)]

mod expected;
mod importer;
mod libvirt;

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

fn libvirt_shown() -> Value {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("replay");
    libvirt::import(&folder);
    let engine = Engine::new(Arc::new(Replay::open(&folder).unwrap()), Settings::default());
    serde_json::to_value(Report::new(&engine.scan())).unwrap()
}

#[test]
fn a_libvirt_host_is_shown_whole() {
    let text = std::fs::read_to_string(libvirt::fixtures().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let actual = libvirt::as_expected(&libvirt_shown());
    let mut wrong = Vec::new();
    missing_from(&actual, &expected, "", &mut wrong);
    missing_from(&expected, &actual, "(and nothing more)", &mut wrong);
    assert!(wrong.is_empty(), "{} differences:\n{}\n", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_libvirt_hosts_domains_stand_in_the_words_of_every_toolstack() {
    let shown = libvirt_shown();
    let of = |name: &str| shown["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == name).unwrap().clone();
    for (name, power, memory) in [
        ("web01", "running", "in-ram"),
        ("paused01", "paused", "in-ram"),
        ("saved01", "saved", "save-image"),
        ("kiosk", "crashed", "in-ram"),
        ("cluster-b", "off", "none"),
    ] {
        assert_eq!((of(name)["power"].as_str(), of(name)["memory"]["state"].as_str()), (Some(power), Some(memory)), "{name}");
        assert_eq!(of(name)["toolstacks"], serde_json::json!(["libvirt-qemu"]), "plans of xl would be offered for {name}");
    }
    let save = &of("saved01")["saves"][0];
    assert_eq!((save["path"].as_str(), save["format"].as_str()), (Some("/var/lib/libvirt/qemu/save/saved01.save"), Some("libvirt-qemu")));
    assert_eq!(save["domain"], "saved01", "the configuration inside the image was not read");
    let drift = shown["drift"].as_array().unwrap();
    assert_eq!(drift.len(), 1, "{drift:#?}");
    assert_eq!(
        (drift[0]["domain"].as_str(), drift[0]["vdev"].as_str()),
        (Some("db01"), Some("vdc")),
        "a disk is lost at the next start, and nobody was told"
    );
    let shared = shown["shared_disks"].as_array().unwrap();
    assert_eq!(shared.len(), 1, "{shared:#?}");
    assert_eq!(shared[0]["path"], "/var/lib/libvirt/images/shared-quorum.raw");
    let gaps = shown["gaps"].as_array().unwrap();
    assert!(!gaps.iter().any(|gap| gap["reason"] == "no-tool"), "a host of libvirt's is told that it lacks Xen's tools: {gaps:#?}");
}

/// What `tests/lab/libvirt/see` asked of a real libvirtd.
fn answered(name: &str) -> Value {
    let folder = std::env::var("DOMKEEP_LIBVIRT_ANSWERS").unwrap();
    serde_json::from_str(&std::fs::read_to_string(std::path::Path::new(&folder).join(format!("{name}.json"))).unwrap()).unwrap()
}

#[test]
#[ignore = "tests/lab/libvirt/see brings a real libvirtd up and runs it"]
fn a_real_libvirt_host_is_shown_whole() {
    let text = std::fs::read_to_string(libvirt::fixtures().join("expected.json")).unwrap();
    let fresh = answered("fresh");
    let (actual, expected) = (libvirt::as_expected(&fresh), serde_json::from_str::<Value>(&text).unwrap());
    let mut wrong = Vec::new();
    missing_from(&actual, &expected, "", &mut wrong);
    missing_from(&expected, &actual, "(and nothing more)", &mut wrong);
    assert!(wrong.is_empty(), "{} differences:\n{}\n", wrong.len(), wrong.join("\n"));
    let gaps: Vec<_> = fresh["gaps"].as_array().unwrap().iter().filter(|gap| gap["source"].as_str().unwrap().contains("virsh")).collect();
    assert!(gaps.is_empty(), "{gaps:#?}");
}

#[test]
#[ignore = "tests/lab/libvirt/see brings a real libvirtd up and runs it"]
fn a_real_libvirt_hosts_snapshots_are_shown() {
    let shown = answered("changed");
    let of = |name: &str| shown["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == name).unwrap().clone();
    let web = &of("web01")["libvirt"]["snapshots"][0];
    assert_eq!((web["name"].as_str(), web["disks"][0]["kind"].as_str()), (Some("nightly"), Some("external")), "{web:#?}");
    assert_eq!(web["disks"][0]["file"], "/var/lib/libvirt/images/web01.nightly");
    assert_eq!(of("build-runner")["libvirt"]["snapshots"][0]["name"], "it's off", "a name with a quote was lost");
    assert_eq!(of("paused01")["libvirt"]["checkpoints"][0]["disks"][0]["bitmap"], "c1");
    let about = |domain: &str| {
        let of_domain = |finding: &&Value| finding["code"] == "snapshot-overlay-left" && finding["domains"][0] == domain;
        shown["findings"].as_array().unwrap().iter().find(of_domain).map(|finding| finding["severity"].clone())
    };
    assert_eq!(about("web01"), Some("warning".into()), "a guest on a forgotten overlay was not shown");
    assert_eq!(about("db01"), Some("note".into()), "an overlay without a record was not shown");
    assert_eq!(about("overlay01"), None, "a clone of a template was taken for one");
}

#[test]
#[ignore = "tests/lab/libvirt/see brings a real libvirtd up and runs it"]
fn a_real_libvirtd_that_hangs_or_is_stopped_is_told() {
    for (name, words) in [("hanging", "did not answer"), ("stopped", "is not running")] {
        let shown = answered(name);
        let gaps = shown["gaps"].as_array().unwrap();
        let told = |gap: &Value| {
            gap["missing"].as_str().unwrap().contains("which domains run of libvirt") && gap["why"].as_str().unwrap().contains(words)
        };
        assert!(gaps.iter().any(told), "{name}: an empty list would look complete: {gaps:#?}");
        let web = shown["domains"].as_array().unwrap().iter().find(|domain| domain["name"] == "web01").unwrap();
        assert_eq!(web["power"], "unknown", "{name}: nobody knows whether it runs");
    }
}
