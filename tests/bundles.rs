//! Backups on the command line: what `bundles` and `verify` print and how they exit, on bundles that are good, torn, damaged and hostile.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test changes copies of a backup in a directory of its own")]

use std::path::{Path, PathBuf};
use std::process::Command;

use domkeep::bundle::manifest::{self, Manifest};
use domkeep::bundle::seal::Sealed;
use domkeep::model::shown;
use serde_json::Value;

const BUNDLE: &str = "host.example.com/web1/20260921-141320-0123456789abcdef";

/// A copy of the backup of the first version that may be changed.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join(BUNDLE);
    std::fs::create_dir_all(&bundle).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle-v1").join(BUNDLE)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), bundle.join(entry.file_name())).unwrap();
    }
    (dir, bundle)
}

/// Writes manifest and RESTORE.txt anew after a change, as a domkeep that made such a backup would have.
fn reseal(bundle: &Path, change: impl Fn(&mut Manifest)) {
    let mut manifest = manifest::parse(&std::fs::read(bundle.join("manifest.toml")).unwrap()).unwrap().manifest;
    change(&mut manifest);
    for (name, bytes) in Sealed::new(&manifest).unwrap().files() {
        std::fs::write(bundle.join(name), bytes).unwrap();
    }
}

/// Exit code, standard output and standard error.
fn domkeep(words: &[&str], path: &Path) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_domkeep")).args(words).arg(path).env("XDG_CONFIG_HOME", home.path()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_good_backup_exits_zero_and_a_fallen_bit_one() {
    let (_dir, bundle) = copy();
    let (exit, out, _) = domkeep(&["verify", "--json"], &bundle);
    let events = lines(&out);
    assert_eq!((exit, &events[events.len() - 1]["good"]), (0, &Value::Bool(true)), "a good backup was called bad: {out}");
    let ended = events.iter().filter(|event| event["event"] == "piece-ended").count();
    assert_eq!(ended, 2, "a script would not know which pieces were read: {out}");

    let disk = bundle.join("xvda.img");
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes[(1 << 20) + 12_345] ^= 0x10;
    std::fs::write(&disk, bytes).unwrap();
    let (exit, out, _) = domkeep(&["verify"], &bundle);
    assert_eq!(exit, 1, "a damaged backup passed for good in a script: {out}");
    assert!(out.contains("bytes 1048576 to 2097151") && out.contains("NOT GOOD"), "{out}");
    let (_, out, _) = domkeep(&["verify", "--json"], &bundle);
    let last = lines(&out).pop().unwrap();
    assert_eq!((&last["event"], &last["good"]), (&Value::from("ended"), &Value::Bool(false)));
    assert_eq!(last["verdict"]["pieces"][0]["first_bad"], serde_json::json!([1 << 20, 1 << 20]));
}

#[test]
fn a_torn_backup_is_good_nowhere() {
    let (dir, bundle) = copy();
    reseal(&bundle, |manifest| manifest.torn = Some("web1 was started meanwhile".into()));
    let (exit, out, _) = domkeep(&["verify"], &bundle);
    assert!(exit == 1 && out.contains("TORN") && out.contains("web1 was started meanwhile") && !out.contains("Good:"), "{exit}: {out}");
    let (_, out, _) = domkeep(&["bundles"], dir.path());
    assert!(out.contains("torn") && !out.contains("good"), "a torn backup was listed as a good one: {out}");
    let (_, out, _) = domkeep(&["bundles", "--json"], dir.path());
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list["bundles"][0]["state"], "torn");
}

#[test]
fn what_a_stranger_wrote_into_a_manifest_cannot_steer_the_terminal() {
    let (dir, bundle) = copy();
    reseal(&bundle, |manifest| {
        manifest.domain = "\x1b[2J\u{202e}web1\n".into();
        manifest.consistency = "\x1b]0;gone\x07".into();
        manifest.torn = Some("\u{9b}31m".into());
        manifest.pieces[0].kind = "\x1b[31m".into();
    });
    for words in [["bundles", "--ascii"], ["bundles", "--json"], ["verify", "--ascii"], ["verify", "--json"]] {
        let (_, out, err) = domkeep(&words, if words[0] == "bundles" { dir.path() } else { &bundle });
        assert!(!(out.clone() + &err).chars().any(|c| c != '\n' && shown::is_unsafe(c)), "{words:?} repaints the screen: {out:?} {err:?}");
    }
}

#[test]
fn a_backup_that_is_not_whole_or_not_there_is_named() {
    let (dir, bundle) = copy();
    let partial = bundle.with_file_name(".20260921-141320-0123456789abcdef.partial");
    std::fs::rename(&bundle, &partial).unwrap();
    std::fs::remove_file(partial.join("manifest.toml")).unwrap();
    let (exit, out, _) = domkeep(&["bundles"], dir.path());
    assert!(exit == 0 && out.contains("partial"), "{out}");
    let (exit, _, err) = domkeep(&["verify"], &partial);
    assert!(exit == 1 && err.contains("never finished"), "{exit}: {err}");
    let (exit, out, _) = domkeep(&["bundles"], Path::new("/nonexistent/backups"));
    assert!(exit == 2 && out.contains("mounted?"), "a destination that is not mounted looked like one without backups: {exit}: {out}");
    let (exit, _, err) = domkeep(&["verify"], Path::new("/nonexistent/backups"));
    assert!(exit == 1 && err.contains("no such file"), "{exit}: {err}");
}
