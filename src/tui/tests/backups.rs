//! Backups: what there is, what it lacks, and the way from a restore point to its restore.

use crate::model::{Subject, Wish};
use crate::tui::desk::Desk;

#[test]
fn what_is_not_covered_is_said_where_one_looks_first() {
    let mut desk = Desk::sample();
    desk.keys("7");
    desk.sees("web01", "a domain is missing among the backups");
    desk.sees("xvdb is not in the newest good one", "a disk that no backup holds looks saved");
    desk.sees("no backup of it was found", "a domain without any backup looks like the others");
    desk.keys("G");
    desk.sees("retired of old.example.com", "the backup of another host's domain is shown nowhere");
    desk.keys("/no backup<enter>");
    desk.sees_not("torn", "a filter shows what does not match");
}

#[test]
fn a_restore_begins_with_the_backup_that_was_chosen() {
    let mut desk = Desk::sample();
    desk.keys("7/torn<enter>j");
    desk.sees("was written to while it was copied", "nobody learns why a backup is torn");
    desk.keys("R");
    let draft = desk.model.changing.draft.as_ref().expect("no form was opened");
    assert_eq!(draft.form.wish, Wish::Restore);
    let Some(Subject::Bundle { path }) = &draft.subject else { panic!("the form does not know the backup: {:?}", draft.subject) };
    assert!(path.to_string().ends_with("20260314-060000-0123456789abcdef"), "another backup would be brought back");
}

#[test]
fn enter_leads_to_the_domain() {
    let mut desk = Desk::sample();
    desk.keys("7/torn<enter>j<enter>");
    desk.sees("Backups ▸ web01", "the domain of a backup cannot be reached from it");
}
