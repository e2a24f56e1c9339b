//! Disks that are none, and image headers that lead elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, FileType, mknodat};

use crate::site::Site;

/// A qcow2 header, version 2, of 1 GiB with a backing file.
fn qcow2(path: &Path, backing: &Path) {
    let name = backing.to_str().unwrap().as_bytes();
    let mut bytes = vec![0; 4 << 16];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    for (at, number) in [(4, 2), (12, 512), (16, u32::try_from(name.len()).unwrap()), (20, 16)] {
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    bytes[24..32].copy_from_slice(&(1_u64 << 30).to_be_bytes());
    bytes[512..512 + name.len()].copy_from_slice(name);
    fs::write(path, bytes).unwrap();
}

/// A file that tells when somebody opens it.
struct Bait {
    path: PathBuf,
    watch: rustix::fd::OwnedFd,
}

impl Bait {
    fn lay(path: PathBuf) -> Self {
        fs::write(&path, "root:secret:19000:0:99999:7:::\n".repeat(10_000)).unwrap();
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, &path, WatchFlags::OPEN | WatchFlags::ACCESS).unwrap();
        Self { path, watch }
    }

    fn was_opened(&self) -> bool {
        rustix::io::read(&self.watch, &mut [0_u8; 4096]).is_ok()
    }
}

#[test]
fn the_bait_tells_when_it_is_opened() {
    let site = Site::new();
    let bait = Bait::lay(site.images.join("bait"));
    assert!(!bait.was_opened());
    fs::read(&bait.path).unwrap();
    assert!(bait.was_opened(), "the other tests of this file could not fail");
}

#[test]
fn a_header_in_a_raw_disk_leads_to_no_file_of_the_host() {
    let site = Site::new();
    let outside = tempfile::tempdir().unwrap();
    let bait = Bait::lay(outside.path().join("shadow"));
    let (disk, orphan, shadow) = (site.images.join("raw.img"), site.images.join("orphan.img"), site.images.join("shadow.img"));
    qcow2(&disk, &bait.path);
    qcow2(&orphan, &bait.path);
    qcow2(&shadow, Path::new("/etc/shadow"));
    site.domain("victim", &format!("file:{},xvda,w", disk.display()));
    site.domain("thief", &format!("{},raw,xvda,w", shadow.display()));
    let report = site.report();
    report.finding("raw-looks-like-qcow2", disk.to_str().unwrap());
    report.finding("raw-looks-like-qcow2", shadow.to_str().unwrap());
    for name in ["victim", "thief"] {
        let shown = site.run(&["show", name, "--json"]).out;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert!(shown["backings"][0]["backing_file"].is_null(), "what a guest wrote into its disk was followed: {}", shown["backings"]);
    }
    site.run(&["check"]);
    assert!(!bait.was_opened(), "a guest could have dom0 read any file, by writing a header into its disk");
}

#[test]
fn backing_files_that_lead_in_a_circle_end() {
    let site = Site::new();
    let [a, b, own] = ["a.qcow2", "b.qcow2", "own.qcow2"].map(|name| site.images.join(name));
    qcow2(&a, &b);
    qcow2(&b, &a);
    qcow2(&own, &own);
    site.domain("circle", &format!("{},qcow2,xvda,w", a.display()));
    site.domain("self", &format!("{},qcow2,xvda,w", own.display()));
    let long: Vec<PathBuf> = (0..60).map(|index| site.images.join(format!("long{index:02}.qcow2"))).collect();
    for pair in long.windows(2) {
        qcow2(&pair[0], &pair[1]);
    }
    fs::write(&long[59], vec![0; 1 << 20]).unwrap();
    site.domain("long", &format!("{},qcow2,xvda,w", long[0].display()));
    let report = site.report();
    for path in [&a, &own] {
        assert!(report.finding("backing-file-missing", path.to_str().unwrap()).contains("a circle"));
    }
    for name in ["circle", "self", "long"] {
        assert!(site.run(&["show", name]).out.contains(name));
    }
}

#[test]
fn a_disk_that_is_a_pipe_a_directory_or_nothing_is_said_to_be_so() {
    let site = Site::new();
    let at = |name: &str| site.images.join(name);
    mknodat(CWD, at("fifo.img"), FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::create_dir(at("dir.img")).unwrap();
    fs::write(at("empty.img"), "").unwrap();
    for name in ["fifo", "dir", "empty", "gone"] {
        site.domain(name, &format!("file:{}.img,xvda,w", at(name).display()));
    }
    let report = site.report();
    for (name, what) in [("fifo", "it is a FIFO"), ("dir", "it is a directory"), ("empty", "it is an empty file"), ("gone", "no such file")]
    {
        let finding = report.finding("disk-missing", at(&format!("{name}.img")).to_str().unwrap());
        assert!(finding.contains(what), "the reason is not said: {finding}");
    }
}
