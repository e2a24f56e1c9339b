//! Changes in a real terminal, on the demo machine: the wizard, the plan, the job that is followed to its end, and the backup that is brought
//! back. The runner is the built program, in a process of its own.

#![allow(clippy::unwrap_used, clippy::panic)] // the tests' own helpers
#![allow(clippy::disallowed_methods, reason = "a test asks other tools about what was made")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use domkeep_terminal::{Options, Session};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);
/// A job on a busy machine.
const JOB: Duration = Duration::from_secs(90);
const STILL: Duration = Duration::from_millis(400);
const PROGRAM: &str = env!("CARGO_BIN_EXE_domkeep");

struct Desk {
    session: Session,
    directory: TempDir,
}

fn open(directory: TempDir, more: &[&str]) -> Desk {
    let root = directory.path().join("machine");
    let mut arguments = vec!["--demo=guides".to_owned(), "--demo-root".to_owned(), root.to_str().unwrap().to_owned()];
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    let options = Options::default().env("HOME", directory.path());
    let session = Session::start(PROGRAM, &arguments, &options).unwrap();
    session.wait_for_text("archive01", SOON).unwrap();
    session.wait_quiet(STILL).unwrap();
    Desk { session, directory }
}

impl Desk {
    /// Keys, and what must be seen after them.
    #[track_caller]
    fn keys(&self, keys: &str, sees: &str, within: Duration) {
        self.session.keys(keys).unwrap();
        if let Err(why) = self.session.wait_for_text(sees, within) {
            panic!("after {keys:?} there is no {sees:?}: {why}\n{}", self.session.screen_text());
        }
    }

    fn launch(&self, ends: &str) {
        self.keys("<c-s>", "STEPS (", SOON);
        self.keys("<enter>", "Yes: Launch it", SOON);
        self.keys("<enter>", ends, JOB);
    }
}

#[test]
fn a_disk_is_made_backed_up_and_brought_back() {
    let desk = open(tempfile::tempdir().unwrap(), &[]);
    desk.keys("n", "New disk for archive01", SOON);
    desk.launch("Done: Make a disk");
    let made = desk.directory.path().join("machine/tree/var/lib/xen/images/archive01-xvdb.img");
    assert!(made.exists(), "the job is done, and the disk is not there");

    desk.keys("1b", "Back up archive01", SOON);
    desk.session.keys("/srv").unwrap();
    desk.launch("Done: Back up archive01");

    desk.keys("1R", "Restore a backup", SOON);
    desk.keys("/srv/xen1/archive01/<c-o>", "take this directory", SOON);
    // The words of the question name manifest.toml too: RESTORE.txt is seen in the listing alone.
    desk.keys("2026<enter>", "RESTORE.txt", SOON);
    desk.session.keys("<enter>").unwrap();
    desk.session.wait_quiet(STILL).unwrap();
    desk.keys("<tab><tab><tab>/var/lib/xen/images", "Directory ", SOON);
    desk.session.wait_quiet(STILL).unwrap();
    desk.launch("Done: Restore");

    // Another terminal, later: the jobs are still told.
    let Desk { session, directory } = desk;
    drop(session);
    let desk = open(directory, &[]);
    desk.keys("6", "Back up archive01", SOON);
}

/// What a tool of the file system finds in an image.
fn found(tool: &str, words: &[&str], image: &Path) -> String {
    let output = Command::new(tool).args(words).arg(image).output().unwrap();
    assert!(output.status.success(), "{tool} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_disk_that_the_wizard_made_is_a_clean_file_system_with_what_was_asked() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("machine");
    let domkeep = |words: &[&str]| Command::new(PROGRAM).args(["--demo=guides", "--demo-root"]).arg(&root).args(words).output().unwrap();
    domkeep(&["list"]);
    let tree = root.join("tree/srv/content");
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::fs::write(tree.join("marker"), "it is here").unwrap();
    std::fs::set_permissions(tree.join("marker"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", tree.join("link")).unwrap();
    let wish = "new-disk /srv/made.img --size 24M --file-system ext4 --label made --populate directory --source /srv/content \
                --hostname made.example.com --fstab yes --attach existing --domain archive01 --vdev xvdb --yes";
    let output = domkeep(&wish.split_whitespace().collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let image = root.join("tree/srv/made.img");
    found("e2fsck", &["-f", "-n"], &image);
    assert_eq!(found("debugfs", &["-R", "cat /etc/hostname"], &image), "made.example.com\n", "the guest would not have its name");
    let fstab = found("debugfs", &["-R", "cat /etc/fstab"], &image);
    let root_line: Vec<&str> = fstab.lines().last().unwrap_or_default().split_whitespace().take(3).collect();
    assert_eq!(root_line, ["/dev/xvdb", "/", "ext4"], "the guest would not find its root");
    assert_eq!(found("debugfs", &["-R", "cat /marker"], &image), "it is here", "what the disk was filled with would be missing");
    let marker = found("debugfs", &["-R", "stat /marker"], &image);
    assert!(marker.contains("04751"), "modes would be lost: {marker}");
    let link = found("debugfs", &["-R", "stat /link"], &image);
    assert!(link.contains("Fast link dest: \"/etc/shadow\""), "a link would be followed out of the tree: {link}");
    let header = found("debugfs", &["-R", "show_super_stats -h"], &image);
    assert!(header.contains("Filesystem volume name:   made"), "the label would be missing: {header}");
}

#[test]
fn a_reader_is_told_why_nothing_can_be_changed() {
    let desk = open(tempfile::tempdir().unwrap(), &["--read-only"]);
    desk.keys("b", "Not now: --read-only was given", SOON);
    desk.keys("c", "(not now)", SOON);
}

#[test]
fn a_reader_sees_what_jobs_did_and_changes_none() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("machine");
    let domkeep = |words: &str| {
        let output =
            Command::new(PROGRAM).args(["--demo=guides", "--demo-root"]).arg(&root).args(words.split_whitespace()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    assert!(domkeep("new-disk /srv/made.img --size 8M --file-system none --yes").0);
    let (_, jobs) = domkeep("--read-only jobs --json");
    let listed: serde_json::Value = serde_json::from_str(&jobs).unwrap();
    let id = listed["jobs"][0]["id"].as_str().unwrap_or_else(|| panic!("a reader does not see what ran on this host: {jobs}"));
    let (good, told) = domkeep(&format!("--read-only jobs undo {id}"));
    assert!(!good && told.contains("--read-only was given"), "a reader can undo a job: {told}");
}
