//! The exit codes that the README promises.

use std::path::Path;
use std::sync::Arc;

use domkeep::cli::{self, args, ink::Ink};
use domkeep::config::Settings;
use domkeep::engine::Engine;
use domkeep::host::demo::Demo;
use domkeep::problem::Exit;

use crate::site::{Ran, Site, run};
use crate::troubled::Troubled;

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
fn tools_for_what_a_host_does_not_have_are_not_missed() {
    let exit = |lacks| {
        let home = tempfile::tempdir().unwrap();
        let host = Troubled::new(Demo::open("empty", &home.path().join("machine")).unwrap()).without(lacks);
        let command = args::parse(["domkeep", "list"].map(Into::into)).unwrap().command.unwrap();
        cli::run(&command, &Engine::new(Arc::new(host), Settings::default()), Ink::PLAIN, &mut Vec::new())
    };
    assert_eq!(exit(&["lvs", "vgs", "pvs"]), Ok(Exit::Good), "on a host without LVM every list would be partial for ever");
    assert_eq!(exit(&["xl"]), Ok(Exit::Partial), "nobody said which domains run");
    assert_eq!(exit(&["xenstore-ls"]), Ok(Exit::Partial), "on a host with Xen nobody said which disks are attached");
}

#[test]
fn what_cannot_be_meant_is_sixty_four_and_what_cannot_be_done_is_one() {
    let site = Site::new();
    for wrong in [
        &["lits"][..],
        &["show"],
        &["list", "--demo=gudes"],
        &["explain", "no-such-code"],
        &["--color=perhaps", "list"],
        &["check", "\u{1b}[2J"],
    ] {
        assert_eq!(site.run(wrong).exit, Some(64), "{wrong:?}");
    }
    assert_eq!(site.run(&["show", "\u{1b}]0;x\u{7}\u{202e}"]).exit, Some(1));
    assert_eq!(site.run(&["explain", "\u{1b}]0;x\u{7}"]).exit, Some(64));
    assert_eq!(run(&["--config", "/nonexistent/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
    assert_eq!(run(&["--replay", "/nonexistent/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
    assert_eq!(run(&["--demo", "--demo-root", "/proc/\u{1b}[2J", "list"], Path::new("/"), b"").exit, Some(1));
}
