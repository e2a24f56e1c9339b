//! The demo machines through the real probes and rules: what a newcomer meets at `domkeep --demo`.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

use std::sync::Arc;

use domkeep::config::Settings;
use domkeep::engine::{Engine, Picture};
use domkeep::host::demo::Demo;

fn picture(name: &str) -> Picture {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open(name, &dir.path().join("machine")).unwrap();
    Engine::new(Arc::new(demo), Settings::default()).scan()
}

#[test]
fn the_demo_knows_every_command_that_the_probes_ask() {
    for name in Demo::names() {
        for gap in &picture(name).inventory.gaps {
            assert!(!gap.why.contains("does not know"), "{name}: {} is a gap: {}", gap.source, gap.why);
        }
    }
}

#[test]
fn the_guides_machine_shows_the_troubles_of_the_guides() {
    let picture = picture("guides");
    let found = serde_json::to_string(&picture.verdicts.findings).unwrap();
    for code in [
        "disk-shared-rw",
        "disk-mounted-in-dom0",
        "save-stale",
        "save-truncated",
        "save-resumed-at-boot",
        "snapshot-overflowed",
        "disk-missing",
        "image-overcommit",
        "drift-attached-not-in-config",
    ] {
        assert!(found.contains(code), "the demo shows no {code}: the guides cannot be followed on it");
    }
    assert_eq!(picture.inventory.domains.len(), 23);
    let named = |path: &str| picture.inventory.saves.iter().find(|save| save.path.as_path() == std::path::Path::new(path)).unwrap();
    assert_eq!(named("/var/lib/xen/save/erp01").complete, Some(true), "an image as the demo writes it is not a whole one");
    assert_eq!(named("/var/lib/xen/save/report01").complete, Some(false));
}

#[test]
fn each_look_at_a_standing_machine_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let look = || {
        let demo = Demo::open("guides", &dir.path().join("machine")).unwrap();
        Engine::new(Arc::new(demo), Settings::default()).scan()
    };
    assert!(look() == look(), "screens of the demo cannot be compared");
}
