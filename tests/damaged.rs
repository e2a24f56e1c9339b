//! A damaged backup on the demo machine: refused as it is, brought back as far as it is readable when that is asked for; the ranges and the files
//! in them are named, and nothing of it is called good.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test lays machines out in a directory of its own")]

mod machine;

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use machine::{demo, domkeep, text};

const MIB: u64 = 1 << 20;
const DISK: &str = "/srv/xen/img/file0.img";

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// The disk of `files` has an ext4 file system with a file that can be told by its bytes.
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        drop(demo(&host.root()));
        let files = host.dir.path().join("files");
        std::fs::create_dir_all(files.join("etc")).unwrap();
        std::fs::write(files.join("etc/precious"), "precious ".repeat(300_000)).unwrap();
        std::fs::write(files.join("etc/other"), "other ".repeat(300_000)).unwrap();
        let disk = host.path(DISK);
        std::fs::remove_file(&disk).unwrap();
        let made = Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(&files).arg(&disk).arg("64M").output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        std::fs::create_dir_all(host.path("/srv/backup")).unwrap();
        std::fs::create_dir_all(host.path("/srv/back")).unwrap();
        host
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join("tree").join(path.trim_start_matches('/'))
    }

    fn says(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = domkeep("lab", &self.root(), words, 0);
        (output.status.code(), text(&output))
    }

    /// The path of the bundle on the machine.
    #[track_caller]
    fn back_up(&self, incremental: &str) -> String {
        let (exit, said) = self.says(&["backup", "files", "--to", "/srv/backup", "--incremental", incremental, "--yes"]);
        assert_eq!(exit, Some(0), "{said}");
        let mut found = Vec::new();
        walk(&self.path("/srv/backup"), &mut found);
        let manifest = found.iter().find(|path| path.ends_with("manifest.toml")).unwrap();
        Path::new("/").join(manifest.parent().unwrap().strip_prefix(self.root().join("tree")).unwrap()).display().to_string()
    }

    fn restore(&self, bundle: &str, more: &[&str]) -> (Option<i32>, String) {
        let words = ["restore", bundle, "--to", "beside", "--directory", "/srv/back", "--name", "again", "--yes"];
        self.says(&[&words[..], more].concat())
    }

    /// Everything that a job's journal says.
    fn journal(&self) -> String {
        let mut found = Vec::new();
        walk(&self.root(), &mut found);
        let told = found.iter().filter(|path| path.is_file() && path.to_string_lossy().contains("/jobs/"));
        told.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found);
        }
    }
}

/// Where a text lies first, in bytes.
fn place_of(bytes: &[u8], text: &[u8]) -> u64 {
    bytes.windows(text.len()).position(|window| window == text).unwrap() as u64
}

const CONFIRM: [&str; 4] = ["--damaged", "yes", "--confirm", "files"];

#[test]
fn a_fallen_bit_names_its_range_and_the_file_that_it_lies_in() {
    let host = Host::new();
    let bundle = host.back_up("no");
    let piece = host.path(&bundle).join("xvda.img");
    let before = std::fs::read(&piece).unwrap();
    let at = place_of(&before, b"precious precious") + 1000;
    let file = std::fs::File::options().write(true).open(&piece).unwrap();
    file.write_all_at(b"#", at).unwrap();

    let (exit, said) = host.restore(&bundle, &[]);
    assert!(
        exit == Some(1) && said.contains("--damaged yes"),
        "a damaged backup is restored without a word, or nobody is told how: {exit:?} {said}"
    );
    assert!(!host.path("/srv/back/again-xvda.img").exists());
    let (exit, said) = host.restore(&bundle, &CONFIRM[..2]);
    assert!(exit != Some(0) && said.contains("--confirm files"), "{said}");

    let (exit, said) = host.restore(&bundle, &CONFIRM);
    assert_eq!(exit, Some(2), "what is not good must not end as good: {said}");
    let restored = std::fs::read(host.path("/srv/back/again-xvda.img")).unwrap();
    assert_eq!(restored.len(), before.len());
    let differ: Vec<usize> = restored.iter().zip(&before).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
    assert_eq!(differ, [usize::try_from(at).unwrap()], "what is readable was not brought back");
    let told = said + &host.journal();
    let from = at / MIB * MIB;
    assert!(told.contains(&format!("bytes {from} to {}", from + MIB - 1)), "the range is not named: {told}");
    assert!(told.contains("/etc/precious"), "the file in the damage is not named: {told}");
}

#[test]
fn what_is_cut_off_or_gone_is_zeros_and_told() {
    let host = Host::new();
    let bundle = host.back_up("auto");
    let segments = host.path(&bundle).join("xvda.img.d");
    let before: Vec<u8> = std::fs::read(host.path(DISK)).unwrap();
    let at = place_of(&before, b"precious precious");
    let size = std::fs::metadata(segments.join("000000")).unwrap().len();
    let number = at / size;
    std::fs::remove_file(segments.join(format!("{number:06}"))).unwrap();
    let (exit, said) = host.restore(&bundle, &CONFIRM);
    assert_eq!(exit, Some(2), "{said}");
    let restored = std::fs::read(host.path("/srv/back/again-xvda.img")).unwrap();
    let gone = usize::try_from(number * size).unwrap()..usize::try_from((number + 1) * size).unwrap();
    assert!(restored[gone.clone()].iter().all(|byte| *byte == 0));
    assert!(restored[..gone.start] == before[..gone.start] && restored[gone.end..] == before[gone.end..], "more than the segment is lost");
    let told = said + &host.journal();
    assert!(told.contains("zeros stand there") && told.contains("/etc/precious"), "{told}");
}

#[test]
fn a_backup_that_turns_out_whole_is_brought_back_whole() {
    let host = Host::new();
    let bundle = host.back_up("no");
    let (exit, said) = host.restore(&bundle, &CONFIRM);
    assert_eq!(exit, Some(0), "{said}");
    assert!(std::fs::read(host.path("/srv/back/again-xvda.img")).unwrap() == std::fs::read(host.path(DISK)).unwrap());
    assert!((said + &host.journal()).contains("every byte of it has its hash"));
}
