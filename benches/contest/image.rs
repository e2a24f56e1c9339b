//! The disk that is copied.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use domkeep::model::bytes::human;

const MIB: u64 = 1 << 20;

/// Two ext4 file systems with the same tree, each twice as large as what it holds: holes between files, and between the two.
pub fn build(image: &Path, tree: &Path) {
    let output = Command::new("du").args(["-sx", "--block-size=1M"]).arg(tree).output().unwrap();
    let used: u64 = String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse().unwrap();
    let each = (used * 2 + 256) * MIB;
    File::create(image).unwrap().set_len(2 * each + 300 * MIB).unwrap();
    for offset in [MIB, MIB + each + 200 * MIB] {
        let status = Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .arg(tree)
            .args(["-E", &format!("offset={offset},root_owner=0:0")])
            .arg(image)
            .arg(format!("{}k", each / 1024))
            .status()
            .unwrap();
        assert!(status.success(), "mke2fs -d {} failed", tree.display());
    }
    File::open(image).unwrap().sync_all().unwrap();
}

/// The same bytes in another file of this length.
pub fn replant(image: &Path, to: &Path, length: u64) {
    let status = Command::new("cp").arg("--sparse=always").arg(image).arg(to).status().unwrap();
    assert!(status.success(), "{} has no room", to.display());
    let file = File::options().write(true).open(to).unwrap();
    file.set_len(length).unwrap();
    if length > self::length(image) {
        // Something at the far end, so that nobody stops early.
        file.write_all_at(b"end", length - 4096).unwrap();
    }
}

pub fn length(image: &Path) -> u64 {
    std::fs::metadata(image).unwrap().len()
}

pub fn data(image: &Path) -> u64 {
    std::fs::metadata(image).unwrap().blocks() * 512
}

pub fn describe(image: &Path) -> String {
    format!("{}, of which {} take room", human(length(image)), human(data(image)))
}
