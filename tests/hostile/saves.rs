//! Save images that are empty, cut, or lie about themselves.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::PathBuf;

use domkeep::probe::save_image::build::{Memory, XlSave};
use rustix::fs::{CWD, FileType, mknodat};
use serde_json::Value;

use crate::site::{Report, Site};

const JSON: &str = "{\"c_info\": {\"name\": \"web\", \"uuid\": \"11111111-2222-3333-4444-555555555555\"}, \"b_info\": {\"max_memkb\": 65536, \"target_memkb\": 65536}}";

fn save(site: &Site, name: &str, bytes: &[u8]) -> PathBuf {
    let path = site.saves.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn of_path<'a>(report: &'a Report, path: &std::path::Path) -> Option<&'a Value> {
    let lists = [&report.0["saves_without_domain"]].into_iter().chain(report.0["domains"].as_array().unwrap().iter().map(|d| &d["saves"]));
    lists.flat_map(|list| list.as_array().unwrap()).find(|save| save["path"] == path.to_str().unwrap())
}

#[test]
fn a_save_that_was_cut_is_never_called_whole() {
    let site = Site::new();
    let whole = XlSave { json: JSON.into(), memory: Memory { pages: 2000, ..Memory::default() } }.bytes();
    let good = save(&site, "whole", &whole);
    let empty = save(&site, "empty", b"");
    let places = [32, 40, 48, 60, 48 + JSON.len(), 300, whole.len() / 2, whole.len() - 9, whole.len() - 1];
    let cut: Vec<PathBuf> = places.iter().map(|end| save(&site, &format!("cut-{end}"), &whole[..*end])).collect();
    let report = site.report();
    assert_eq!(of_path(&report, &good).unwrap()["complete"], true, "a whole save is called broken");
    assert!(of_path(&report, &empty).is_none(), "an empty file is shown as a save image");
    for path in &cut {
        let save = of_path(&report, path).unwrap_or_else(|| panic!("{} is not shown at all", path.display()));
        assert_eq!(save["complete"], false, "{} would be resumed: {save}", path.display());
        report.finding("save-truncated", path.to_str().unwrap());
    }
    assert_eq!(site.run(&["check"]).exit, Some(3));
}

/// A header of `xl save` that promises so much optional data, and a configuration of so many bytes.
fn boasting(optional: u32, config: u32) -> Vec<u8> {
    let mut bytes = XlSave { json: JSON.into(), memory: Memory::default() }.bytes();
    bytes[44..48].copy_from_slice(&optional.to_le_bytes());
    bytes[48..52].copy_from_slice(&config.to_le_bytes());
    bytes
}

#[test]
fn a_header_that_promises_gigabytes_of_configuration_takes_no_memory() {
    let site = Site::new();
    let small = save(&site, "small", &boasting(u32::MAX, u32::MAX - 4));
    let inner = save(&site, "inner", &boasting(u32::try_from(JSON.len()).unwrap() + 5, u32::MAX));
    // The bytes that it promises are there, as a hole.
    let large = save(&site, "large", &boasting(u32::MAX, u32::MAX - 4));
    fs::File::options().write(true).open(&large).unwrap().set_len(6 << 30).unwrap();
    let report = site.report();
    for path in [&small, &large] {
        assert_eq!(of_path(&report, path).unwrap()["complete"], false, "{} would be resumed", path.display());
        report.finding("save-truncated", path.to_str().unwrap());
    }
    assert!(of_path(&report, &inner).is_some());
}

#[test]
fn a_stream_of_empty_records_and_json_without_end_take_little() {
    let site = Site::new();
    let whole = XlSave { json: JSON.into(), memory: Memory::default() }.bytes();
    // Zeros are records of type END, or of page data without pages: eight bytes each.
    let zeros = save(&site, "zeros", &whole[..whole.len() - 24]);
    fs::File::options().write(true).open(&zeros).unwrap().set_len(8 << 30).unwrap();
    for (name, json) in [("deep", "[".repeat(1 << 20)), ("wide", format!("{{\"c_info\":{{\"name\":\"{}\"}}}}", "n".repeat(1 << 20)))] {
        save(&site, name, &XlSave { json, memory: Memory::default() }.bytes());
    }
    let tail = fs::File::options().write(true).open(save(&site, "pages", &whole)).unwrap();
    tail.write_all_at(&u32::MAX.to_le_bytes(), whole.len() as u64 - 40).unwrap();
    let report = site.report();
    assert!(of_path(&report, &zeros).is_some());
    site.run(&["list"]);
}

#[test]
fn files_of_millions_of_records_do_not_hold_a_look_for_minutes() {
    let site = Site::new();
    let whole = XlSave { json: JSON.into(), memory: Memory::default() }.bytes();
    let mut endless = whole[..whole.len() - 16].to_vec();
    // Records that a reader may skip, without a body: as many as fit.
    for _ in 0..1_000_000 {
        endless.extend([1, 0, 0, 0x80, 0, 0, 0, 0]);
    }
    for index in 0..4 {
        endless.push(0);
        save(&site, &format!("endless{index}"), &endless);
    }
    let good = save(&site, "z-good", &whole);
    let report = site.report();
    assert_eq!(of_path(&report, &good).unwrap()["complete"], true, "what came before took all the time there was");
    for index in 0..4 {
        let save = of_path(&report, &site.saves.join(format!("endless{index}"))).unwrap();
        assert_ne!(save["complete"], true, "a file that was not read to its end is called whole");
    }
}

#[test]
fn what_is_no_file_among_the_saves_is_not_opened_and_links_are_told() {
    let site = Site::new();
    let at = |name: &str| site.saves.join(name);
    mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    symlink(".", at("loop")).unwrap();
    symlink("self", at("self")).unwrap();
    symlink("gone", at("dangling")).unwrap();
    let report = site.report();
    report.gap(&at("loop"), "a symbolic link to a directory is not followed");
    report.gap(&at("self"), "oo many levels of symbolic links");
    report.gap(&at("dangling"), "leads nowhere");
}
