//! Every screen as it looks, at three sizes and in two faces.

use crate::model::GapReason;
use crate::model::example_change as sample_changes;
use crate::tui::desk::Desk;
use crate::tui::face::Face;
use crate::tui::sample;

/// Name of a view and the keys that lead there.
const VIEWS: [(&str, &str); 19] = [
    ("backups", "7j"),
    ("backups_point", "7jj"),
    ("domains", ""),
    ("domain", "G<enter>"),
    ("domain_saved", "/db01<enter><enter>"),
    ("storage", "3jjjj"),
    ("findings", "4"),
    ("commands", "5jj"),
    ("help", "?sort"),
    ("palette", ":db"),
    ("gaps", "e"),
    ("changes", "/batch<enter>c"),
    ("form", "/batch<enter>n<tab><tab>"),
    ("form_troubles", "/batch<enter>n<c-u>disk<tab><tab><tab><tab><space><c-s>"),
    ("plan", "/batch<enter>b<c-s>jjj"),
    ("launch", "/batch<enter>b<c-s><enter>"),
    ("jobs", "6j"),
    ("job", "6<enter>"),
    ("undo", "6j<enter>U"),
];

fn pictures(size: (u16, u16), face: Face, suffix: &str) {
    for (name, keys) in VIEWS {
        let mut desk = Desk::with(size.0, size.1, face, sample::picture());
        if name == "jobs" || name == "job" || name == "undo" {
            desk.jobs = sample_changes::jobs();
        }
        desk.keys(keys);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{name}_{suffix}"), desk.screen());
        });
    }
}

#[test]
fn screens_at_80x24() {
    pictures((80, 24), Face::FULL, "80x24");
}

#[test]
fn screens_at_120x40() {
    pictures((120, 40), Face::FULL, "120x40");
}

#[test]
fn screens_in_ascii_without_colour() {
    pictures((80, 24), Face::PLAIN, "ascii");
    for (name, keys) in VIEWS {
        let mut desk = Desk::with(80, 24, Face::PLAIN, sample::picture());
        desk.jobs = sample_changes::jobs();
        desk.keys(keys);
        assert!(desk.screen().is_ascii(), "the {name} screen sends signs that an old terminal shows as rubbish:\n{}", desk.screen());
    }
}

#[test]
fn screens_at_the_smallest_size() {
    pictures((60, 16), Face::FULL, "60x16");
}

#[test]
fn what_is_lost_a_no_and_an_edit() {
    let mut desk = Desk::with(80, 24, Face::FULL, sample::picture());
    desk.plan = Ok(sample_changes::restore_plan());
    desk.keys("/batch<enter>R<c-s><enter>bat");
    let typed = desk.screen();
    desk.keys("<esc>G");
    let edit = desk.screen();
    desk.plan = Err(sample_changes::refusal());
    desk.keys("d");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("typed_name_80x24", typed);
        insta::assert_snapshot!("plan_edit_80x24", edit);
        insta::assert_snapshot!("refused_80x24", desk.screen());
    });
}

#[test]
fn the_first_frame_and_the_empty_host() {
    let waiting = Desk::waiting(80, 24, Face::FULL, sample::picture());
    let no_xen = sample::empty(vec![
        sample::gap("xl list -l", GapReason::NoTool, "xl is not on this host"),
        sample::gap("/etc/xen", GapReason::NotRoot, "only root may read it"),
    ]);
    let empty = Desk::with(80, 24, Face::FULL, no_xen);
    let quiet = Desk::with(80, 24, Face::FULL, sample::empty(Vec::new()));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("waiting_80x24", waiting.screen());
        insta::assert_snapshot!("no_xen_80x24", empty.screen());
        insta::assert_snapshot!("no_domains_80x24", quiet.screen());
    });
}
