//! RESTORE.txt is typed by people in trouble: its commands are run under `sh`, with names that a stranger chose.
#![allow(clippy::disallowed_methods, reason = "the commands that people type are run on files of the test")]

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::bundle::testing::{disk, image, lay_out_pieces, manifest};
use crate::model::HostPath;
use crate::model::bundle::LeftOut;
use crate::model::bundle_names::hashes_name;

/// A block's lines.
fn block(text: &str, name: &str) -> String {
    let begin = format!("# begin sh: {name}\n");
    let from = text.split_once(&begin).unwrap_or_else(|| panic!("there is no block {name} in\n{text}")).1;
    from.split_once("# end sh\n").unwrap().0.to_owned()
}

fn tool(dir: &Path, name: &str, script: &str) {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs lines in a directory; the tools in `tools` come before the host's. Exit status and what it said.
fn sh(lines: &str, dir: &Path, tools: &Path) -> (bool, String) {
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("sh").arg("-c").arg(lines).current_dir(dir).env("PATH", path).env_remove("TO").output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

const HOSTILE: &str = "a b'c\"$(touch pwned)`touch pwned`;#!*\\n%s";

struct Desk {
    _dir: tempfile::TempDir,
    bundle: PathBuf,
    tools: PathBuf,
    old: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let under = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (bundle, tools, old) = (under("bundle"), under("tools"), under("old"));
        // Every domain is off, every device large enough.
        tool(
            &tools,
            "xl",
            &format!("[ \"$1\" = list ] && exit 1; for word; do printf '%s.\\n' \"$word\"; done > {}", tools.join("said").display()),
        );
        tool(&tools, "blockdev", "echo 99999999");
        tool(&tools, "sync", "exit 0");
        Self { _dir: dir, bundle, tools, old }
    }

    fn sh(&self, lines: &str) -> (bool, String) {
        sh(lines, &self.bundle, &self.tools)
    }
}

#[test]
fn the_commands_restore_the_same_bytes_whatever_the_names() {
    let desk = Desk::new();
    let file =
        HostPath::from_bytes(&[desk.old.as_os_str().as_bytes(), b"/", HOSTILE.replace('/', "").as_bytes(), b"\n\xff\x1b[31m\n"].concat());
    let device = desk.old.join("-device $(touch pwned)");
    // The device's old bytes: where zeros are left out they shine through.
    std::fs::write(&device, vec![0xff; (3 << 20) + 777]).unwrap();
    let mut manifest = manifest(vec![
        Piece { source: file.clone(), source_kind: Some("file".into()), ..disk(HOSTILE, 0) },
        Piece { source: device.clone().into(), ..disk("-n", 0) },
    ]);
    manifest.domain = HOSTILE.into();
    lay_out_pieces(&desk.bundle, &mut manifest, &[image(), image()]);
    let text = restore_txt(&manifest);

    let (good, said) = desk.sh(&block(&text, "piece-1"));
    assert!(good, "a file disk could not be restored by hand: {said}\n{text}");
    assert_eq!(std::fs::read(file.as_path()).unwrap(), image(), "other bytes came back");
    let (again, said) = desk.sh(&block(&text, "piece-1"));
    assert!(!again && said.contains("is there already"), "an existing disk was overwritten: {said}");

    let (good, said) = desk.sh(&block(&text, "piece-2"));
    assert!(good, "a device could not be restored by hand: {said}");
    assert_eq!(std::fs::read(&device).unwrap(), image(), "zeros of the backup did not reach the device");
    assert!(!desk.bundle.join("pwned").exists() && !desk.old.join("pwned").exists(), "a name in a backup was run as a command");
}

#[test]
fn a_device_that_is_too_small_or_a_domain_that_runs_is_not_touched() {
    let desk = Desk::new();
    let device = desk.old.join("device");
    std::fs::write(&device, vec![0xff; 4096]).unwrap();
    let mut manifest = manifest(vec![Piece { source: device.clone().into(), ..disk("xvda.img", 0) }]);
    lay_out_pieces(&desk.bundle, &mut manifest, &[image()]);
    let lines = block(&restore_txt(&manifest), "piece-1");
    tool(&desk.tools, "blockdev", "echo 4096");
    let (good, said) = desk.sh(&lines);
    assert!(!good && said.contains("only 4096 bytes"), "{said}");
    tool(&desk.tools, "blockdev", "echo 99999999");
    tool(&desk.tools, "xl", "exit 0");
    let (good, said) = desk.sh(&lines);
    assert!(!good && said.contains("shut it down first"), "{said}");
    assert_eq!(std::fs::read(&device).unwrap(), vec![0xff; 4096], "the disk of a running domain was overwritten");
}

/// `b3sum` of blocks that this test knows, told apart by `cksum`: where no b3sum is installed its words are still tried.
fn b3sum_stub(desk: &Desk, known: &[Vec<u8>]) {
    let mut cases = String::new();
    for bytes in known {
        let path = desk.tools.join("sum");
        std::fs::write(&path, bytes).unwrap();
        let (_, sum) = sh("cksum < sum", &desk.tools, &desk.tools);
        cases.push_str(&format!("'{}') echo {} ;;\n", sum.trim(), blake3::hash(bytes).to_hex()));
    }
    tool(&desk.tools, "b3sum", &format!("[ \"$1\" = --no-names ] || exit 2\ncase \"$(cksum)\" in\n{cases}*) echo 0000 ;;\nesac"));
}

#[test]
fn the_check_by_hand_finds_what_is_wrong_and_only_that() {
    let desk = Desk::new();
    let mut manifest = manifest(vec![disk("-it's $HOME.img", 0), disk("empty", 0)]);
    lay_out_pieces(&desk.bundle, &mut manifest, &[image(), Vec::new()]);
    let piece = desk.bundle.join("-it's $HOME.img");
    let lists: Vec<Vec<u8>> = ["-it's $HOME.img", "empty"].map(|name| std::fs::read(desk.bundle.join(hashes_name(name))).unwrap()).to_vec();
    let blocks: Vec<Vec<u8>> = image().chunks(1 << 20).map(<[u8]>::to_vec).collect();
    b3sum_stub(&desk, &[lists, blocks].concat());
    let lines = block(&restore_txt(&manifest), "check");
    let (good, said) = desk.sh(&lines);
    assert!(good && said.contains("4 blocks read, 0 wrong") && said.contains("as it was written"), "a good backup was called bad: {said}");

    for (at, first) in [(5, 0), ((1 << 20) + 3, 1 << 20), ((3 << 20) + 776, 3 << 20)] {
        let mut wrong = image();
        wrong[at] ^= 4;
        std::fs::write(&piece, wrong).unwrap();
        let (good, said) = desk.sh(&lines);
        assert!(!good && said.contains(&format!("from {first} on")), "a fallen bit at {at} went unseen: {said}");
    }
    std::fs::write(&piece, &image()[..3 << 20]).unwrap();
    assert!(!desk.sh(&lines).0, "a piece that was cut short passed for whole");
    std::fs::write(&piece, image()).unwrap();
    std::fs::write(desk.bundle.join(hashes_name("empty")), "zero\n").unwrap();
    let (good, said) = desk.sh(&lines);
    assert!(!good && said.contains("its list of hashes"), "{said}");
    std::fs::remove_file(&piece).unwrap();
    assert!(!desk.sh(&lines).0, "a missing piece passed for good");
}

#[test]
fn the_domain_is_started_with_exactly_its_own_words() {
    let desk = Desk::new();
    let said = || std::fs::read_to_string(desk.tools.join("said")).unwrap();
    let config = Piece { kind: "config".into(), source: HOSTILE.into(), source_kind: None, vdev: None, ..disk("config", 0) };
    let mut manifest = manifest(vec![config.clone()]);
    let (good, out) = desk.sh(&block(&restore_txt(&manifest), "start"));
    assert!(good, "{out}");
    assert_eq!(said(), format!("create.\n{HOSTILE}.\n"), "another config would be started");

    manifest.pieces.push(Piece { kind: "save".into(), ..disk(HOSTILE, 0) });
    let text = restore_txt(&manifest);
    assert!(desk.sh(&block(&text, "start")).0);
    assert_eq!(said(), format!("restore.\n./{HOSTILE}.\n"), "a saved domain would be booted, or another image resumed");
    assert!(text.contains("EXACTLY THESE DISKS"));
}

#[test]
fn a_config_that_is_still_there_is_left_alone() {
    let desk = Desk::new();
    let old = desk.old.join("web1.cfg");
    let mut manifest = manifest(vec![Piece { kind: "config".into(), source: old.clone().into(), ..disk("config", 0) }]);
    lay_out_pieces(&desk.bundle, &mut manifest, &[b"name = 'web1'".to_vec()]);
    let lines = block(&restore_txt(&manifest), "piece-1");
    std::fs::write(&old, "name = 'web1'").unwrap();
    let (good, said) = desk.sh(&lines);
    assert!(good && said.contains("the same"), "restoring a domain whose config is still there would stop: {said}");
    std::fs::write(&old, "name = 'changed since'").unwrap();
    assert!(!desk.sh(&lines).0);
    assert_eq!(std::fs::read(&old).unwrap(), b"name = 'changed since'", "a config was overwritten");
}

#[test]
fn what_cannot_be_known_is_asked_for() {
    let desk = Desk::new();
    let mut manifest = manifest(vec![Piece { source: "/dev/loop0".into(), source_kind: Some("loop".into()), ..disk("xvda.img", 0) }]);
    lay_out_pieces(&desk.bundle, &mut manifest, &[image()]);
    let lines = block(&restore_txt(&manifest), "piece-1");
    let (good, said) = desk.sh(&lines);
    assert!(!good && said.contains("say first where to"), "a loop device of somebody else's would be overwritten: {said}");
    let to = desk.old.join("new");
    let (good, said) = desk.sh(&format!("TO={}\n{lines}", to.display()));
    assert!(good, "{said}");
    assert_eq!(std::fs::read(to).unwrap(), image());
}

#[test]
fn the_warnings_stand_before_the_commands() {
    let mut manifest = manifest(vec![disk("xvda.img", 1 << 30)]);
    manifest.torn = Some("xvda was written\n# begin sh: check\nrm -rf /".into());
    manifest.left_out = vec![LeftOut { what: "xvdc".into(), why: "it lies in a Ceph cluster".into() }];
    manifest.pieces[0].unreadable = vec![(4096, 512)];
    let text = restore_txt(&manifest);
    let commands = text.find("# begin sh: check\n").unwrap();
    for warning in
        ["TORN", "xvda was written\\n# begin", "NOT EVERYTHING", "xvdc: it lies in a Ceph cluster", "bytes 4096 to 4607 could not be read"]
    {
        assert!(text.find(warning).is_some_and(|at| at < commands), "nobody would read {warning:?} in time:\n{text}");
    }
    assert_eq!(text.matches("\n# begin sh: check\n").count(), 1, "a stranger laid a block of his own in the text");
    assert!(text.contains("never with `conv=sparse`"));
    assert!(!text.chars().any(|character| character != '\n' && shown::is_unsafe(character)));
}

#[test]
fn every_kind_of_piece_has_its_way() {
    let pieces =
        [("disk", Some("file")), ("disk", Some("lvm")), ("disk", None), ("xml", None), ("nvram", None), ("tpm", None), ("relic", None)];
    let pieces = pieces.iter().enumerate().map(|(at, (kind, source))| Piece {
        kind: (*kind).to_owned(),
        source_kind: source.map(str::to_owned),
        ..disk(&format!("piece{at}"), 1)
    });
    let text = restore_txt(&manifest(pieces.collect()));
    for number in 1..=7 {
        let lines = block(&text, &format!("piece-{number}"));
        let ran = Command::new("sh").args(["-n", "-c", &lines]).status().unwrap();
        assert!(ran.success(), "the shell does not understand:\n{lines}");
    }
    assert!(block(&text, "piece-4").contains("virsh define ./piece3") && block(&text, "start").contains("virsh start --domain web1"));
}
