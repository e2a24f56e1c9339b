use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::time::{Duration, Instant};

use chrono::TimeZone as _;
use proptest::prelude::*;

use super::*;
use crate::host::{Entry, FileType};
use crate::model::HostPath;

fn taken() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

fn said(stdout: &[u8]) -> Output {
    Output { exit: 0, stdout: stdout.to_vec(), stderr: Vec::new(), took: Duration::from_millis(12) }
}

fn written(fill: impl FnOnce(&mut Writer)) -> (tempfile::TempDir, PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("capture");
    let mut writer = Writer::create(&dir, "xen1", taken()).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    (tmp, dir)
}

/// A folder by hand: its head and these lines.
fn by_hand(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let (tmp, dir) = written(|_| {});
    fs::write(dir.join("answers.jsonl"), lines).unwrap();
    (tmp, dir)
}

fn why(answer: Answer<Replay>) -> String {
    match answer {
        Err(error) => error.to_string(),
        Ok(_) => "it was believed".to_owned(),
    }
}

#[test]
fn a_folder_made_by_hand_answers_what_was_put_in_and_nothing_else() {
    let (_tmp, dir) = written(|writer| {
        writer
            .place("fixtures")
            .note("by hand")
            .command(&Cmd::reads("xl", ["list"]), said(b"Name\xff"))
            .file("/etc/xen/web.cfg".as_ref(), None, b"name='web'\n")
            .file_parts("/save".as_ref(), None, [(0, b"head".as_slice()), (4, b"er"), (1000, b"tail")])
            .link("/etc/xen/auto/web.cfg".as_ref(), Ok("../web.cfg".into()))
            .missing("/etc/libvirt".as_ref());
    });
    let replay = Replay::open(&dir).unwrap();
    assert_eq!((replay.host(), replay.made_at(), replay.now()), ("xen1", "fixtures", taken()));
    assert_eq!(replay.notes(), ["by hand"]);
    assert_eq!(replay.run(&Cmd::reads("xl", ["list"]).within(99)).unwrap(), said(b"Name\xff"));
    assert_eq!(replay.run(&Cmd::reads("xl", ["list", "-l"])), Err(HostError::NotCaptured), "another command's answer is no answer");
    assert!(matches!(replay.run(&Cmd::changes("xl", ["list"])), Err(HostError::Refused { .. })));
    let cfg = Path::new("/etc/xen/web.cfg");
    assert_eq!(replay.read_at(cfg, 0, 4096).unwrap(), b"name='web'\n", "a whole file must be readable whatever is asked");
    assert_eq!(replay.read_at(cfg, 5, 3).unwrap(), b"'we");
    assert_eq!(replay.stat(cfg, true), Err(HostError::NotCaptured), "facts that nobody recorded must stay unknown");
    assert_eq!(replay.resolve(cfg).unwrap(), cfg);
    assert_eq!(replay.read_at("/etc/xen/auto/web.cfg".as_ref(), 0, 4).unwrap(), b"name", "a recorded link leads nowhere");
    assert_eq!(replay.read_at("/save".as_ref(), 0, 6).unwrap(), b"header");
    assert_eq!(replay.read_at("/save".as_ref(), 0, 7), Err(HostError::NotCaptured), "part of a file must not look like all of it");
    assert_eq!(replay.read_at("/save".as_ref(), 1001, 2).unwrap(), b"ai");
    assert_eq!(replay.list("/etc/libvirt/qemu".as_ref(), 9), Err(HostError::NotFound));
    assert_eq!(replay.list("/etc/xen".as_ref(), 9), Err(HostError::NotCaptured), "an unknown directory must not look empty");
    assert_eq!(replay.space("/".as_ref()), Err(HostError::NotCaptured));
    assert_eq!(replay.place(), Place::Replay { dir });
}

#[test]
fn a_whole_listing_tells_what_is_not_there_and_a_cut_one_does_not() {
    let entry = |name: &str| Entry { name: HostPath::from(name), kind: FileType::Regular };
    let (_tmp, dir) = written(|writer| {
        writer.list("/whole".as_ref(), Ok(Listing { entries: vec![entry("a"), entry("b"), entry("c")], cut: false }));
        writer.list("/cut".as_ref(), Ok(Listing { entries: vec![entry("a")], cut: true }));
    });
    let replay = Replay::open(&dir).unwrap();
    assert_eq!(replay.stat("/whole/z".as_ref(), true), Err(HostError::NotFound));
    assert_eq!(replay.stat("/whole/z/../a".as_ref(), true), Err(HostError::NotCaptured));
    assert_eq!(replay.stat("/whole/a".as_ref(), true), Err(HostError::NotCaptured));
    assert_eq!(replay.stat("/cut/z".as_ref(), true), Err(HostError::NotCaptured));
    let two = replay.list("/whole".as_ref(), 2).unwrap();
    assert_eq!((two.entries.len(), two.cut), (2, true));
    assert!(!replay.list("/whole".as_ref(), 3).unwrap().cut);
}

#[test]
fn a_loop_of_recorded_links_ends() {
    let (_tmp, dir) = written(|writer| {
        writer.link("/a".as_ref(), Ok("b".into())).link("/b".as_ref(), Ok("/a".into()));
    });
    assert!(matches!(Replay::open(&dir).unwrap().read_at("/a".as_ref(), 0, 1), Err(HostError::Failed { .. })));
}

#[test]
fn secrets_do_not_leave_the_host_even_when_two_reads_part_them() {
    let (_tmp, dir) = written(|writer| {
        writer.read_answer("/a.cfg".as_ref(), 0, 16, Ok(b"vncpasswd=\"hunte"));
        writer.read_answer("/a.cfg".as_ref(), 16, 100, Ok(b"r2\"\nname=\"web\"\n"));
        writer.command(&Cmd::reads("tool", ["--password", "hunter2", "x"]), said(b"{\"passwd\": \"hunter2\"}"));
        let mut long = vec![0xff; 100_000];
        long.extend_from_slice(b" secret=hunter2 ");
        writer.file("/b".as_ref(), None, &long);
        writer.device("/dev/x".as_ref(), Err(HostError::Failed { why: "http://me:hunter2@example.com".to_owned() }));
        writer.command_answer(&Cmd::reads("x", ["y"]), Err(HostError::Failed { why: "password=hunter2".to_owned() }));
    });
    for file in walk(&dir) {
        let bytes = fs::read(&file).unwrap();
        for leaked in [b"hunter2".as_slice(), b"hunte", b"r2\\\""] {
            assert!(!bytes.windows(leaked.len()).any(|window| window == leaked), "a password left the host in {}", file.display());
        }
    }
    let replay = Replay::open(&dir).unwrap();
    assert_eq!(replay.read_at("/a.cfg".as_ref(), 0, 100).unwrap(), b"vncpasswd=\"*******\"\nname=\"web\"\n");
    assert_eq!(replay.read_at("/b".as_ref(), 100_001, 7).unwrap(), b"secret=", "offsets behind a mask have moved");
    assert!(replay.run(&Cmd::reads("tool", ["--password", "*******", "x"])).is_ok());
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_capture_is_for_its_owner_only_and_safe_to_look_at() {
    let (_tmp, dir) = written(|writer| {
        writer.command(&Cmd::reads("xl", ["list"]), said("x\u{1b}[31m\u{202e}y".as_bytes())).file("/b".as_ref(), None, &vec![0xff; 10_000]);
    });
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join("blobs")).unwrap().mode() & 0o777, 0o700);
    for file in walk(&dir) {
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{} can be read by others", file.display());
    }
    let text = fs::read_to_string(dir.join("answers.jsonl")).unwrap();
    assert!(
        !text.chars().any(|c| c != '\n' && crate::model::shown::is_unsafe(c)),
        "a guest's escape codes reach the terminal of who looks"
    );
}

#[test]
fn nothing_that_is_there_is_overwritten_and_nothing_half_done_stays() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("capture");
    drop(Writer::create(&dir, "xen1", taken()).unwrap());
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0, "an abandoned capture stays behind");
    fs::create_dir(&dir).unwrap();
    let writer = Writer::create(&dir, "xen1", taken()).unwrap();
    assert!(fs::read_dir(&dir).unwrap().next().is_none(), "a capture half made has its final name");
    fs::write(dir.join("mine"), "precious").unwrap();
    assert!(writer.finish().is_err());
    assert_eq!(fs::read_to_string(dir.join("mine")).unwrap(), "precious");
    assert!(matches!(Writer::create(&dir, "xen1", taken()), Err(HostError::Refused { .. })));
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
    fs::remove_file(dir.join("mine")).unwrap();
    Writer::create(&dir, "xen1", taken()).unwrap().finish().expect("an empty directory may be filled");
}

#[test]
fn a_broken_line_is_named_by_file_and_line() {
    let good = r#"{"ask":"missing","path":"/x"}"#;
    for (line, hint) in [
        ("{", "line 2"),
        (r#"{"ask":"dance","path":"/x"}"#, "dance"),
        (r#"{"ask":"stat","path":"/x","follow":true}"#, "line 2"),
        (r#"{"ask":"read","path":"/x","offset":-1,"answer":{"bytes":""}}"#, "line 2"),
        (r#"{"ask":"read","path":"/x","offset":18446744073709551615,"answer":{"bytes":"ab"}}"#, "beyond"),
        (r#"{"ask":"read","path":"/x","offset":0,"answer":{"bytes":{"hex":"0"}}}"#, "hexadecimal"),
        (r#"{"ask":"read","path":"/x","offset":0,"answer":{"bytes":{"hex":"+1"}}}"#, "hexadecimal"),
        ("\u{1b}]0;x", "line 2"),
    ] {
        let (_tmp, dir) = by_hand(&format!("{good}\n{line}\n"));
        let said = why(Replay::open(&dir));
        assert!(said.contains("answers.jsonl, line 2") && said.contains(hint), "{line:?}: {said}");
        assert!(!said.chars().any(crate::model::shown::is_unsafe), "the error could steer a terminal: {said:?}");
    }
    let (_tmp, dir) = by_hand(&format!("{good}\n{}", &good[..20]));
    assert!(why(Replay::open(&dir)).contains("line 2: cut short"), "a truncated capture must not pass for a whole one");
}

#[test]
fn no_blob_leads_out_of_the_folder() {
    let (tmp, dir) = by_hand("");
    fs::write(tmp.path().join("outside"), "root's file").unwrap();
    symlink(tmp.path().join("outside"), dir.join("blobs/0001")).unwrap();
    fs::create_dir(dir.join("blobs/0002")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("blobs/0003"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let clock = Instant::now();
    for name in ["../../outside", "/etc/hostname", "0001", "0002", "0003", "", ".", "..", "0004", "a/b", "a\\u0000b"] {
        let line = format!(r#"{{"ask":"read","path":"/x","offset":0,"answer":{{"bytes":{{"blob":"{name}"}}}}}}"#);
        fs::write(dir.join("answers.jsonl"), format!("{line}\n")).unwrap();
        let said = why(Replay::open(&dir));
        assert!(said.contains("line 1") && said.contains("blob"), "{name:?}: {said}");
    }
    assert!(clock.elapsed() < Duration::from_secs(5), "a FIFO in a capture held the program");
    // The folder of blobs itself may be a link as well.
    fs::remove_dir_all(dir.join("blobs")).unwrap();
    symlink(tmp.path(), dir.join("blobs")).unwrap();
    fs::write(dir.join("answers.jsonl"), "{\"ask\":\"read\",\"path\":\"/x\",\"offset\":0,\"answer\":{\"bytes\":{\"blob\":\"outside\"}}}\n")
        .unwrap();
    assert!(why(Replay::open(&dir)).contains("line 1"));
}

#[test]
fn huge_files_are_refused_before_they_fill_the_memory() {
    let (_tmp, dir) = by_hand("");
    fs::File::options().write(true).open(dir.join("answers.jsonl")).unwrap().set_len(1 << 40).unwrap();
    assert!(why(Replay::open(&dir)).contains("larger"));
    let (_tmp, dir) = by_hand("{\"ask\":\"read\",\"path\":\"/x\",\"offset\":0,\"answer\":{\"bytes\":{\"blob\":\"1\"}}}\n");
    fs::File::create(dir.join("blobs/1")).unwrap().set_len(1 << 40).unwrap();
    assert!(why(Replay::open(&dir)).contains("larger"));
}

#[test]
fn what_is_no_capture_or_a_later_one_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    assert_eq!(why(Replay::open(&tmp.path().join("none"))), "no such file");
    assert!(why(Replay::open(tmp.path())).contains("capture.toml: missing"));
    let (_tmp, dir) = by_hand("");
    fs::write(dir.join("capture.toml"), "schema = 2\nnew = true\n").unwrap();
    assert!(why(Replay::open(&dir)).contains("schema 2"));
    fs::write(dir.join("capture.toml"), "schema = ").unwrap();
    assert!(why(Replay::open(&dir)).contains("capture.toml"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_lines_never_panic(lines in proptest::collection::vec(prop_oneof![
        "\\PC{0,60}",
        (proptest::sample::select(vec!["run", "read", "list", "stat", "extents", "missing"]), any::<u64>(), "[/a-z.]{0,10}").prop_map(|(ask, number, path)|
            format!(r#"{{"ask":"{ask}","path":"{path}","program":"x","args":[],"follow":true,"offset":{number},"answer":{{"bytes":"ab","end":true,"entries":[],"cut":false}}}}"#)),
    ], 0..6)) {
        let (_tmp, dir) = by_hand(&lines.join("\n"));
        if let Ok(replay) = Replay::open(&dir) {
            let _ = replay.read_at("/a".as_ref(), u64::MAX, usize::MAX);
            let _ = replay.stat("a".as_ref(), true);
            let _ = replay.list("".as_ref(), 0);
        }
    }
}
