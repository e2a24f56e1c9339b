//! The demo machines through the real probes and rules: what a newcomer meets at `domkeep --demo`.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

use std::sync::Arc;

use domkeep::config::Settings;
use domkeep::engine::{Engine, Picture};
use domkeep::host::Look;
use domkeep::host::demo::Demo;

fn picture(name: &str) -> Picture {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open(name, &dir.path().join("machine")).unwrap();
    Engine::new(Arc::new(demo), Settings::default()).scan()
}

#[test]
fn the_demo_knows_every_command_that_the_probes_ask() {
    for name in Demo::names().iter().copied().chain(["lab"]) {
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

#[test]
fn the_machine_of_the_tests_is_laid_out_as_the_real_site() {
    use std::fs::{create_dir_all, read, read_dir, read_link, read_to_string};

    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc-xen");
    for sub in ["auto", "scripts"] {
        create_dir_all(etc.join(sub)).unwrap();
    }
    let site = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/xen/site.sh")).unwrap();
    let script = format!("{}\nlab_configs\n", site.replace("/etc/xen", etc.to_str().unwrap()));
    assert!(std::process::Command::new("bash").args(["-ec", &script]).status().unwrap().success());

    let root = dir.path().join("machine");
    let demo = Demo::open("lab", &root).unwrap();
    let ours = root.join("tree/etc/xen");
    let configs = |dir: &std::path::Path| {
        let names = read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.rsplit('.').next() == Some("cfg")).collect();
        names.sort();
        names
    };
    assert_eq!(configs(&ours), configs(&etc), "a scenario would find other configs on the demo machine than on the real host");
    for name in configs(&etc).iter().map(String::as_str).chain(["scripts/block-lab"]) {
        assert_eq!(read(ours.join(name)).unwrap(), read(etc.join(name)).unwrap(), "{name} differs from the real host's");
    }
    assert_eq!(read_link(ours.join("auto/auto1.cfg")).unwrap(), read_link(etc.join("auto/auto1.cfg")).unwrap());

    let volumes = site.lines().find_map(|line| line.trim().strip_prefix("for v in web1-disk").map(|_| line)).unwrap();
    let volumes: Vec<(&str, &str)> = volumes.split([' ', ';']).filter_map(|word| word.split_once(':')).collect();
    assert!(volumes.len() > 5);
    for (name, mib) in volumes {
        let device = demo.device(std::path::Path::new(&format!("/dev/xenvols/{name}"))).unwrap();
        assert_eq!(device.bytes, mib.parse::<u64>().unwrap() << 20, "{name} has another size than on the real host");
    }
}
