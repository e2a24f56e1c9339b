//! When the host is looked at, and when something is drawn.

use std::time::Duration;

use crate::tui::desk::Desk;
use crate::tui::face::Face;
use crate::tui::msg::{Msg, Timer};
use crate::tui::sample;

#[test]
fn the_first_frame_comes_before_any_answer() {
    let mut desk = Desk::waiting(80, 24, Face::FULL, sample::picture());
    desk.sees("Looking at demo crowded", "a hung tool would leave a black screen");
    desk.sees("lvs, vgs, pvs", "nobody learns what is waited for");
    desk.ring(Timer::Waiting);
    desk.sees("5 commands answered so far", "nobody learns how far it is");
    desk.keys("3jk?<esc>/x<esc>4<tab>2");
    desk.answer();
    desk.sees("[4 Findings]", "keys that were pressed while waiting are lost");
    assert!(!desk.timers.iter().any(|(_, timer)| *timer == Timer::Waiting) || desk.ring(Timer::Waiting));
    assert!(!desk.ring(Timer::Waiting), "the program wakes up every second for ever");
}

#[test]
fn nothing_is_drawn_when_nothing_changed() {
    let mut desk = Desk::sample();
    let (frames, looks) = (desk.frames, desk.looks);
    desk.send(Msg::HostChanged);
    desk.send(Msg::HostChanged);
    desk.ring(Timer::Settled);
    assert_eq!(desk.looks, looks + 1, "a burst of changes is one look");
    assert_eq!(desk.frames, frames, "a look that found nothing new was drawn");
}

#[test]
fn a_picture_that_differs_only_in_its_time_is_not_drawn() {
    let mut desk = Desk::sample();
    let frames = desk.frames;
    let inventory = std::sync::Arc::make_mut(&mut desk.host.inventory);
    inventory.host.taken = Some(sample::at(23, 0));
    desk.answer();
    assert_eq!(desk.frames, frames, "the screen is drawn at every poll");
}

#[test]
fn the_host_is_polled_as_the_settings_say_until_p() {
    let mut desk = Desk::sample();
    assert!(!desk.ring(Timer::Poll), "poll_seconds = 0 means never");
    desk.model.poll_seconds = 30;
    desk.keys("r");
    assert!(desk.timers.contains(&(Duration::from_secs(30), Timer::Poll)));
    desk.send(Msg::Watching(true));
    desk.ring(Timer::Poll);
    assert!(desk.timers.contains(&(Duration::from_secs(300), Timer::Poll)), "a watched host is polled as if it were not");
    desk.keys("p");
    desk.sees("PAUSED", "nobody sees that the screen stands still");
    let looks = desk.looks;
    desk.ring(Timer::Poll);
    desk.send(Msg::HostChanged);
    desk.ring(Timer::Settled);
    assert_eq!(desk.looks, looks, "a paused screen moves");
    desk.keys("p");
    assert_eq!(desk.looks, looks + 1, "what happened during the pause is not looked at");
    desk.sees_not("PAUSED", "the word stays");
}

#[test]
fn a_key_press_always_tells_how_the_look_ended() {
    let mut desk = Desk::sample();
    desk.keys("r");
    desk.sees("Looked again: nothing has changed.", "r seems to do nothing");
    desk.host = sample::with_domain(&desk.host, "aaa");
    desk.keys("<f5>");
    desk.sees("Looked again: something has changed.", "r seems to do nothing");
    desk.sees("aaa", "the new domain is not shown");
}

#[test]
fn a_refresh_keeps_the_selection_on_its_domain() {
    let mut desk = Desk::sample();
    desk.keys("jjj");
    let before = desk.selected();
    desk.host = sample::with_domain(&desk.host, "aaa");
    desk.keys("r");
    assert_eq!(desk.selected(), before, "a new domain moved the cursor onto another machine");
}

#[test]
fn a_list_under_an_overlay_does_not_move() {
    let mut desk = Desk::sample();
    desk.keys("y");
    desk.host = sample::with_domain(&desk.host, "aaa");
    desk.answer();
    desk.sees_not("aaa", "the list moved under an open menu");
    desk.keys("<esc>");
    desk.sees("aaa", "the newest picture was lost");
}

#[test]
fn a_look_that_breaks_off_leaves_the_old_picture_and_says_so() {
    let mut desk = Desk::sample();
    desk.send(Msg::LookFailed("index out of bounds".to_owned()));
    desk.sees("broke off", "a fault of domkeep is hidden");
    desk.keys("<esc>");
    desk.sees("web01", "what was seen before is gone");
    desk.keys("r");
    desk.sees("Looked again", "one fault ends all looking");
}

#[test]
fn requests_during_a_look_become_one_more_look() {
    let mut desk = Desk::sample();
    desk.holds = true;
    let looks = desk.looks;
    desk.keys("rrr");
    assert_eq!(desk.looks, looks + 1);
    desk.answer();
    assert_eq!(desk.looks, looks + 2, "a change during a look is not seen");
    desk.answer();
    assert_eq!(desk.looks, looks + 2, "looks pile up");
}

#[test]
fn a_domain_that_is_gone_says_so() {
    let mut desk = Desk::sample();
    desk.keys("G<enter>");
    desk.host = sample::empty(Vec::new());
    desk.keys("r");
    desk.sees("web01 is not on this host any more", "an empty screen explains nothing");
    desk.keys("<enter>jkG<tab>y<esc><esc>");
    desk.sees("No domain was found", "there is no way back");
}
