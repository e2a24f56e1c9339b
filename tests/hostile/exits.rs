//! The exit codes that the README promises.

use std::path::Path;

use domkeep::host::replay::Writer;
use domkeep::host::{HostError, Look as _};
use domkeep::model::Cmd;
use domkeep::probe::{devices, lvm};

use crate::importer::Stage;
use crate::site::{Ran, Site, run};

fn on_demo(machine: &str, args: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let (machine, root) = (format!("--demo={machine}"), home.path().join("machine"));
    run(&[&[machine.as_str(), "--demo-root", root.to_str().unwrap()], args].concat(), home.path(), b"")
}

#[test]
fn a_host_that_nobody_could_ask_is_no_host_without_domains() {
    for args in [&["list"][..], &["list", "--json"], &["check"]] {
        let ran = on_demo("bare", args);
        assert_eq!(ran.exit, Some(2), "a monitor takes a host without xl for a host without domains: {args:?}");
    }
    let said = on_demo("bare", &["list"]).out;
    assert!(said.contains("There is no xl on this host: which domains run is not known"), "{said}");
    assert!(on_demo("bare", &["list", "--json"]).out.contains("no-tool"));
}

#[test]
fn a_host_that_answered_everything_is_good_and_a_danger_is_three() {
    assert_eq!(on_demo("empty", &["list"]).exit, Some(0));
    assert_eq!(on_demo("empty", &["check"]).exit, Some(0));
    assert_eq!(on_demo("guides", &["check"]).exit, Some(3));
    assert_eq!(on_demo("guides", &["check", "--json"]).exit, Some(3));
}

#[test]
fn tools_of_what_a_host_does_not_have_are_not_missed() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("machine");
    let demo = domkeep::host::demo::Demo::open("empty", &root).unwrap();
    let folder = home.path().join("capture");
    let mut writer = Writer::create(&folder, "xen1", demo.now()).unwrap();
    for cmd in [domkeep::probe::xl::list_verbose(), domkeep::probe::xl::list_long(), domkeep::probe::xl::info()] {
        writer.command(&cmd, demo.run(&cmd).unwrap());
    }
    writer.finish().unwrap();
    let _ = (folder, Stage::new("02-running"));
    let _: [fn() -> Cmd; 4] = [lvm::lvs, lvm::vgs, lvm::pvs, devices::losetup];
    let _ = HostError::NotFound;
}

#[test]
fn what_cannot_be_meant_is_sixty_four_and_what_cannot_be_done_is_one() {
    let site = Site::new();
    for wrong in [&["lits"][..], &["show"], &["list", "--demo=gudes"], &["explain", "no-such-code"], &["--color=perhaps", "list"], &["check", "\u{1b}[2J"]] {
        assert_eq!(site.run(wrong).exit, Some(64), "{wrong:?}");
    }
    assert_eq!(site.run(&["show", "\u{1b}]0;x\u{7}\u{202e}"]).exit, Some(1));
    assert_eq!(site.run(&["explain", "\u{1b}]0;x\u{7}"]).exit, Some(64));
    assert_eq!(run(&["--config", "/nonexistent/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
    assert_eq!(run(&["--replay", "/nonexistent/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
    assert_eq!(run(&["--demo", "--demo-root", "/proc/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
}
