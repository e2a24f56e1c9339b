//! From a wish to a launched plan: keys in, screen out.

use crate::model::example_change as sample_changes;
use crate::model::{Held, Request};
use crate::tui::changing::errand::Errand;
use crate::tui::desk::{Desk, keys};
use crate::tui::face::Face;
use crate::tui::msg::{Effect, Msg};
use crate::tui::{sample, update};

fn desk() -> Desk {
    let mut desk = Desk::sample();
    desk.keys("/batch<enter>");
    desk
}

#[test]
fn a_person_backs_a_domain_up_reading_every_step_first() {
    let mut desk = desk();
    desk.keys("b");
    desk.sees("Back up batch", "b does not lead to the form of the selected domain");
    desk.sees("bundles go to", "a question does not say what it means");
    desk.keys("<c-s>");
    desk.sees("Make the directory of the bundle.", "the plan is not shown");
    desk.sees("! /backup lies on the same disk", "a warning is not seen before the launch");
    desk.keys("jjjj");
    desk.sees("command  domkeep copy --yes --verify yes -- /dev/vg0/batch", "a step does not show its exact command");
    desk.sees("why      Holes are not read", "a step does not say why");
    desk.keys("<enter>");
    desk.sees("Yes: Launch it", "Enter launches without a word");
    assert!(!desk.errands.iter().any(|errand| matches!(errand, Errand::Launch { .. })), "the question came after the deed");
    desk.keys("<enter>");
    assert!(matches!(desk.errands.last(), Some(Errand::Launch { typed: None, .. })), "the plan was not launched");
    desk.sees("[6 Jobs]", "after the launch one does not see the job");
    desk.sees("starting", "a job that has just begun is called interrupted");
    desk.sees_not("interrupted", "a job that has just begun is called interrupted");
}

#[test]
fn what_is_wrong_is_said_at_its_question() {
    let mut desk = desk();
    desk.keys("n<c-u>disk.img");
    desk.sees("! a path from / on", "a wrong path is told only at the end");
    desk.keys("<tab><c-u>20");
    desk.sees("no size: write 512M", "a wrong size is told only at the end");
    desk.keys("<c-s>");
    desk.sees("2 answers are missing or wrong", "nobody is told why there is no plan");
    assert!(desk.selected().starts_with("File"), "one is not led to the first wrong answer: {}", desk.selected());
    desk.keys("<c-u>/srv/x.img<tab>G<c-s>");
    let Some(Errand::Plan { request: Request::NewFileDisk(disk), .. }) = desk.errands.last() else { panic!("no plan: {}", desk.screen()) };
    assert_eq!(disk.path.to_string(), "/srv/x.img", "the plan is made for something else than what was typed");
}

#[test]
fn a_question_that_is_not_asked_is_not_shown() {
    let mut desk = desk();
    desk.keys("n");
    desk.sees_not("Take it from", "a question is asked that has no meaning yet");
    desk.keys("<tab><tab><tab><tab><space>");
    desk.sees("Take it from", "the question that the answer raises is not asked");
    desk.keys("<c-s>");
    desk.sees("! it is needed", "an answer that is needed was not asked for");
}

#[test]
fn choices_say_why_one_is_none() {
    let mut desk = desk();
    desk.keys("n<tab><tab>");
    desk.sees("XFS: not here: mkfs.xfs is not on this host", "a choice that is missing does not say why");
    desk.keys("<enter>");
    desk.sees("not here: mkfs.xfs", "the list does not say why");
    desk.keys("<down><down><enter>");
    desk.sees("File system   < ext4 >", "a choice that is not possible was taken");
    desk.keys("<esc><tab>");
    desk.keys("<s-tab><right><right>");
    desk.sees("File system   < none >", "the arrows do not pass over what is not possible");
    desk.keys("<left>");
    desk.sees("File system   < ext3 >", "the arrows do not go back");
    desk.keys("<enter>ext4<enter>");
    desk.sees("File system   < ext4 >", "Enter in the list takes nothing");
    assert!(desk.selected().starts_with("Label"), "after a choice one stays where one was: {}", desk.selected());
}

#[test]
fn enter_alone_leads_through_the_form() {
    let mut desk = desk();
    desk.keys("b<enter><enter><enter><enter>");
    assert!(desk.selected().contains("Show the plan"), "{}", desk.selected());
    desk.keys("<enter>");
    desk.sees("STEPS (5)", "Enter on the button does nothing");
}

#[test]
fn esc_never_loses_what_was_filled_in_without_a_word() {
    let mut desk = desk();
    desk.keys("b<esc>");
    desk.sees("[1 Domains]", "an untouched form asks before it goes");
    desk.keys("b/2<esc>");
    desk.sees("What you filled in is lost", "Esc threw typed text away");
    desk.keys("<enter>");
    desk.sees("/backup/2", "Enter, pressed in haste, threw typed text away");
    desk.keys("<c-s><esc>");
    desk.sees("/backup/2", "the way back from the plan lost the form");
    desk.keys("<c-s>1");
    desk.sees("[1 Domains]", "a digit does not lead away from a plan");
    desk.keys("b");
    desk.sees("/backup/2", "the form that was filled in is gone");
    desk.keys("<esc>y");
    desk.sees("Domains", "yes did not leave");
    desk.keys("b");
    desk.sees_not("/backup/2", "what was thrown away came back");
}

#[test]
fn letters_in_a_text_are_text() {
    let mut desk = desk();
    desk.keys("b<c-u>/qQ?:j16");
    desk.sees("/qQ?:j16", "a letter that is a key elsewhere did something");
    assert_eq!(desk.ended, None, "a letter left the program");
    desk.send(Msg::Paste("/a\nb".to_owned()));
    desk.sees("/qQ?:j16/a b", "text cannot be pasted into a form");
    desk.keys("<f1>");
    desk.sees("Keys:", "F1 does not help in a form");
}

#[test]
fn a_plan_that_destroys_wants_the_name_typed() {
    let mut desk = desk();
    desk.plan = Ok(sample_changes::restore_plan());
    desk.keys("R<c-s>");
    desk.sees("It overwrites or deletes data", "a plan that destroys looks like any other");
    desk.keys("<enter>");
    desk.sees("Everything written to xvda of batch since", "nobody is told what is lost");
    desk.sees("type batch", "nobody is told what to type");
    desk.keys("<enter>");
    desk.sees("That is not the name", "Enter without a name launched it");
    desk.keys("batc<enter>");
    desk.sees("That is not the name", "a part of the name is taken");
    desk.keys("h<enter>");
    assert!(matches!(desk.errands.last(), Some(Errand::Launch { typed: Some(name), .. }) if name == "batch"), "{:?}", desk.errands.last());
}

#[test]
fn keys_that_were_waiting_answer_no_question() {
    let mut desk = desk();
    desk.keys("b<c-s>");
    // Both Enters came in one batch: the question was never drawn.
    let mut effects = Vec::new();
    for key in keys("<enter><enter>y") {
        effects.extend(update::update(&mut desk.model, Msg::Key(key)));
    }
    let launched = effects.iter().any(|effect| matches!(effect, Effect::Errand(errand) if matches!(**errand, Errand::Launch { .. })));
    assert!(!launched, "an Enter typed ahead launched a plan that nobody was asked about");
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_found() {
    let mut desk = desk();
    desk.keys("b<c-s>d");
    desk.sees("Dry run: all still holds", "nobody learns how the dry run went");
    desk.sees("batch is off: yes", "the assumptions are not told");
    desk.held = Held::No { because: "batch runs".to_owned() };
    desk.keys("d");
    desk.sees("it would not go well now", "a dry run that fails looks good");
    desk.sees("batch is off: NO: batch runs", "nobody learns what is in the way");
    desk.plan = Err(sample_changes::refusal());
    desk.keys("d");
    desk.sees("domkeep does not do that now", "a plan that is refused now can still be launched");
}

#[test]
fn a_refusal_says_what_is_in_the_way_and_leads_back() {
    let mut desk = desk();
    desk.plan = Err(sample_changes::refusal());
    desk.keys("b/x<c-s>");
    desk.sees("What is in the way", "a no without a reason");
    desk.sees("What would make it possible", "a no without a way on");
    desk.keys("<enter>");
    desk.sees("Not now: there is no plan", "Enter on a refusal does something");
    desk.keys("<esc>");
    desk.sees("/backup/x", "the form is lost after a no");
}

#[test]
fn an_answer_for_another_plan_is_thrown_away() {
    let mut desk = desk();
    desk.holds_errands = true;
    desk.keys("b<c-s>");
    desk.sees("The host is being asked", "nobody learns what is waited for");
    desk.keys("<enter>");
    desk.sees("Not now: the plan is still being made", "Enter on nothing");
    desk.keys("<esc><c-s>");
    let first = desk.errands.first().cloned().unwrap();
    desk.obey(first);
    desk.sees("The host is being asked", "the answer to an old form is shown for the new one");
    let last = desk.errands.last().cloned().unwrap();
    desk.obey(last);
    desk.sees("STEPS (5)", "the plan never comes");
}

#[test]
fn a_plan_can_be_copied_and_written_down() {
    let mut desk = desk();
    desk.keys("b<c-s>y");
    desk.sees("step 3", "a command of the plan cannot be copied");
    desk.keys("step 1<enter>");
    assert_eq!(desk.clipboard.as_deref(), Some("mkdir -m 700 -- /backup/dom0/batch/.b.partial"));
    desk.keys("w");
    desk.sees("A file that is there is left as it is", "nobody knows whether a file is overwritten");
    desk.keys("/tmp/plan.sh<enter>");
    assert!(matches!(desk.errands.last(), Some(Errand::Script { path, .. }) if path == "/tmp/plan.sh"));
    desk.sees("Written: /tmp/plan.sh", "nobody learns that it was written");
}

#[test]
fn edits_are_shown_line_by_line_without_colour_too() {
    let mut desk = Desk::with(80, 24, Face::PLAIN, sample::picture());
    desk.plan = Ok(sample_changes::restore_plan());
    desk.keys("/batch<enter>R<c-s>G");
    desk.sees("CHANGES IN /etc/xen/batch.cfg", "the edit of a file is not shown");
    desk.sees("- memory = 2048", "a line that goes cannot be told without colour");
    desk.sees("+ memory = 1024", "a line that comes cannot be told without colour");
    desk.sees("+ on_crash = 'preserve'", "a line that comes cannot be told without colour");
}

#[test]
fn the_menu_of_changes_says_why_one_cannot_be() {
    let mut desk = desk();
    desk.keys("c");
    desk.sees("back up", "the menu does not list the backup");
    desk.sees("resume", "a change that cannot be is left out");
    desk.keys("resume");
    desk.sees("Not now: there is no save image of it", "a change that cannot be does not say why");
    desk.keys("<esc>");
    desk.model.changing.fixed = Some("--read-only was given".to_owned());
    desk.keys("b");
    desk.sees("Not now: --read-only was given", "a reader is not told why nothing happens");
    desk.keys("c");
    desk.sees("(not now)", "a reader's menu looks as if it worked");
    desk.keys("<enter>");
    desk.sees("Not now: --read-only was given", "a reader can change");
    assert!(desk.errands.is_empty(), "a reader can change");
    desk.keys("4f");
    desk.sees("Not now:", "a finding without a change says nothing");
}

#[test]
fn the_host_itself_is_not_backed_up_or_started() {
    let mut desk = Desk::sample();
    desk.keys("gb");
    desk.sees("Not now: that is the host itself", "dom0 is offered as a domain");
    desk.keys("/web01<enter>S");
    desk.sees("Not now: it is there already", "a running domain can be started again");
}

#[test]
fn a_finding_with_a_cure_shows_its_plan_at_once() {
    let mut picture = sample::picture();
    let verdicts = std::sync::Arc::make_mut(&mut picture.verdicts);
    verdicts.findings[0].mend = Some(sample_changes::backup_request());
    let mut desk = Desk::with(80, 24, Face::FULL, picture);
    desk.keys("4");
    desk.sees("f shows the plan", "nobody learns that domkeep can mend it");
    desk.keys("f");
    desk.sees("STEPS (5)", "f does not lead to the plan");
    desk.keys("<esc>");
    desk.sees("[4 Findings]", "the way back from a cure does not lead to its finding");
}

#[test]
fn tabs_and_help_know_the_screen() {
    let mut desk = desk();
    desk.keys("b<c-s>?dry");
    desk.sees("Plan again and look", "help does not know the plan's own keys");
    desk.keys("<enter>");
    desk.sees("Dry run", "help does not do what its line says");
}

#[test]
fn a_path_is_looked_up_in_the_host_s_directories() {
    let mut desk = desk();
    desk.keys("b/<c-o>");
    desk.sees("take this directory", "Ctrl-o shows no directory");
    desk.sees("note.txt", "a file is not shown");
    desk.keys("a/<enter>");
    desk.sees("/backup/a", "one cannot go into a directory");
    desk.keys("<enter>");
    desk.sees("Into          /backup/a", "the directory was not taken");
    desk.keys("<tab><c-o>");
    desk.sees("Not now: only a path can be looked up", "Ctrl-o on a choice says nothing");
}
