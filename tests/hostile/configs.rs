//! What can lie in a directory of configurations and is none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, mknodat};

use crate::site::Site;

#[test]
fn whatever_lies_among_the_configs_is_named_with_the_reason() {
    let site = Site::new();
    let at = |name: &str| site.configs.join(name);
    site.domain("good", "phy:/dev/nowhere,xvda,w");
    site.config("empty.cfg", "");
    fs::File::create(at("huge.cfg")).unwrap().set_len(200 << 20).unwrap();
    symlink(".", at("loop")).unwrap();
    symlink("self.cfg", at("self.cfg")).unwrap();
    symlink("/", at("whole-host")).unwrap();
    symlink("gone.cfg", at("dangling.cfg")).unwrap();
    mknodat(CWD, at("fifo.cfg"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let socket = UnixListener::bind(at("socket.cfg")).unwrap();
    let report = site.report();
    drop(socket);
    assert!(report.domain("good").is_some(), "what lies beside it hid a good config: {:#}", report.0["domains"]);
    assert_eq!(report.0["domains"].as_array().unwrap().iter().filter(|domain| domain["name"] == "good").count(), 1);
    report.gap(&at("huge.cfg"), "larger");
    report.gap(&at("loop"), "a symbolic link to a directory is not followed");
    report.gap(&at("whole-host"), "a symbolic link to a directory is not followed");
    report.gap(&at("self.cfg"), "oo many levels of symbolic links");
    report.gap(&at("dangling.cfg"), "leads nowhere");
    report.gap(&at("fifo.cfg"), "a FIFO");
    report.gap(&at("socket.cfg"), "a socket");
}

#[test]
fn a_device_node_is_not_opened() {
    let site = Site::new();
    let path = site.configs.join("tape.cfg");
    // Reading /dev/zero would never end.
    if let Err(why) = mknodat(CWD, &path, FileType::CharacterDevice, 0o600.into(), rustix::fs::makedev(1, 5)) {
        eprintln!("not tested: no device node can be made here: {why}");
        return;
    }
    site.report().gap(&path, "a character device");
}

#[test]
fn a_file_that_may_not_be_read_is_a_gap() {
    if rustix::process::geteuid().is_root() {
        eprintln!("not tested: root may read every file");
        return;
    }
    let site = Site::new();
    let path = site.domain("secret", "phy:/dev/x,xvda,w");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    site.report().gap(&path, "permission denied");
}

#[test]
fn more_names_than_anybody_reads_are_said_to_be_more() {
    let site = Site::new();
    for index in 0..6_000 {
        fs::write(site.configs.join(format!("{index:04}.cfg")), "x").unwrap();
        fs::write(site.saves.join(format!("{index:04}")), "").unwrap();
        fs::write(site.images.join(format!("{index:04}")), "").unwrap();
    }
    let report = site.report();
    report.gap(&site.configs, "more than 5000 names");
    report.gap(&site.saves, "more than 2000 names");
    report.gap(&site.images, "more than 1000 names");
}

#[test]
fn a_tree_without_end_is_left_and_that_is_said() {
    let site = Site::new();
    for top in [&site.configs, &site.saves] {
        let mut deep = top.clone();
        for _ in 0..400 {
            deep.push("d");
        }
        fs::create_dir_all(deep).unwrap();
    }
    let report = site.report();
    report.gap(&site.configs.join("d/d/d/d"), "too deep");
    report.gap(&site.saves.join("d/d/d/d/d/d"), "too deep");
}

#[test]
fn a_wrong_directory_in_the_settings_is_named() {
    let site = Site::new();
    for dir in [&site.configs, &site.saves, &site.images] {
        fs::remove_dir(dir).unwrap();
    }
    let report = site.report();
    for dir in [&site.configs, &site.saves, &site.images] {
        report.gap(dir, "the settings name it");
    }
}

#[test]
fn a_config_that_nests_or_repeats_without_end_takes_little() {
    let site = Site::new();
    let million = 1_000_000;
    site.config("brackets.cfg", format!("name='a'\ndisk={}", "[".repeat(million)));
    site.config("commas.cfg", format!("name='b'\nmemory=1\ndisk=[{}]", "'',".repeat(million / 4)));
    site.config("disks.cfg", format!("name='c'\nmemory=1\ndisk=[{}]", "'phy:/dev/x,xvda,w',".repeat(million / 21)));
    site.config("python.cfg", format!("import os\nname='d'\nmemory=1\ndisk=[{}'x']", "'a'+".repeat(million / 5)));
    site.config("quote.cfg", format!("name='e'\nmemory=1\nextra=\"\"\"{}", "x\n".repeat(million / 2)));
    site.config("keys.cfg", (0..100_000).flat_map(|n| ["k".to_owned(), n.to_string(), "=1\n".to_owned()]).collect::<String>());
    site.report();
    site.run(&["show", "c"]);
    site.run(&["check"]);
}
