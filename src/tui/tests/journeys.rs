//! Keys in, screen and state out.

use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::problem::Exit;
use crate::tui::desk::Desk;
use crate::tui::face::Face;
use crate::tui::msg::{Effect, Msg, Timer};
use crate::tui::{keymap, sample};

#[test]
fn a_person_finds_a_domain_and_its_disks_and_comes_back() {
    let mut desk = Desk::sample();
    desk.keys("/web<enter>");
    desk.sees("1/1", "the filter did not narrow the list");
    desk.sees("filter: web (Esc clears)", "nobody would know that the list is filtered");
    desk.keys("<enter>");
    desk.sees("DISKS (3)", "the map of the domain did not open");
    desk.sees("volume group    vg0", "a disk's stack does not reach its volume group");
    desk.keys("G");
    desk.sees("hot-plugged", "a disk that is gone after the next start is not pointed out");
    desk.keys("<esc>");
    desk.sees("[1 Domains]", "Esc did not go back");
    desk.keys("<esc>");
    desk.sees("Domain-0", "the second Esc did not clear the filter");
    desk.keys("<esc><esc><esc>");
    assert_eq!(desk.ended, None, "Esc left the program");
    desk.keys("q");
    assert_eq!(desk.ended, Some(Exit::Good), "q at the first screen did not leave");
}

#[test]
fn a_filter_that_is_given_up_gives_back_the_one_before() {
    let mut desk = Desk::sample();
    desk.keys("/web<enter>/zzz");
    desk.sees("No domain matches", "an empty list does not say why");
    desk.keys("<esc>");
    desk.sees("filter: web", "the filter from before is lost");
    desk.keys("/<c-u>!web<enter>");
    desk.sees("batch", "! did not turn the filter round");
    desk.sees_not("  web01 ", "! did not turn the filter round");
}

#[test]
fn dangers_are_announced_and_one_key_away() {
    let mut desk = Desk::sample();
    desk.sees("! 3 dangers: press 4", "somebody on call would not see that something is wrong");
    desk.keys("4");
    desk.sees("Why it matters:", "a finding does not explain itself");
    desk.keys("j");
    desk.sees("explain disk-shared", "the detail does not follow the selection");
    desk.keys("<enter>");
    desk.sees("[2 Domain]", "Enter does not lead from a finding to its domain");
    desk.sees("Findings ▸ web01", "the way back cannot be seen");
    desk.keys("<tab><enter>");
    desk.sees("[4 Findings]", "Enter does not lead from a domain's finding to its explanation");
}

#[test]
fn digits_and_names_go_everywhere() {
    let mut desk = Desk::sample();
    for (key, place) in [
        ("2", "[2 Domain]"),
        ("3", "[3 Storage]"),
        ("4", "[4 Findings]"),
        ("5", "[5 Commands]"),
        ("1", "[1 Domains]"),
        ("@", "[5 Commands]"),
    ] {
        desk.keys(key);
        desk.sees(place, "a digit does not lead where the tab line says");
    }
    desk.keys(":db01<enter>");
    desk.sees("resume it? NO: stale", "the palette does not find a domain by its name");
    desk.keys(":stor<enter>");
    desk.sees("[3 Storage]", "the palette does not find a screen");
}

#[test]
fn help_filters_while_one_types_and_does_what_the_line_says() {
    let mut desk = Desk::sample();
    desk.keys("?pause");
    desk.sees("Stop looking again by itself", "help does not find an action by its word");
    desk.keys("<enter>");
    desk.sees("PAUSED", "Enter in help did nothing");
    desk.keys("?@");
    assert!(desk.selected().starts_with("5, @"), "help does not find an action by its key: {}", desk.selected());
    desk.keys("<esc>2?sort");
    desk.sees("Not now: only the list of domains is sorted", "an action that cannot be done now does not say why");
}

#[test]
fn a_key_that_cannot_do_its_work_says_why() {
    let mut desk = Desk::sample();
    desk.keys("<bs>");
    desk.sees("Not now: this is the first screen", "a dead key leaves the person guessing");
    assert!(desk.ring(Timer::Toast), "the line would stay for ever");
    desk.sees_not("Not now", "the line did not go away");
}

#[test]
fn every_action_of_the_table_does_something_or_says_why_not() {
    for binding in keymap::of(&[keymap::Context::Host, keymap::Context::Screen]) {
        let mut desk = Desk::sample();
        desk.keys("jj");
        let before = (desk.screen(), desk.looks);
        let effects = crate::tui::update::act(&mut desk.model, binding.action);
        crate::tui::update::settle(&mut desk.model);
        let harmless = [
            keymap::Action::Redraw,
            keymap::Action::Suspend,
            keymap::Action::Quit,
            keymap::Action::QuitNow,
            keymap::Action::Escape,
            keymap::Action::Domains,
        ];
        if harmless.contains(&binding.action) {
            continue;
        }
        desk.carry_out(effects.into_iter().filter(|effect| matches!(effect, Effect::Look | Effect::Form(..))).collect());
        desk.model.dirty = true;
        desk.send(Msg::Watching(false));
        assert_ne!((desk.screen(), desk.looks), before, "{:?} is in help and does nothing", binding.keys);
    }
}

#[test]
fn sorting_by_a_column_turns_round_the_second_time() {
    let mut desk = Desk::sample();
    desk.keys("srisk<enter>g");
    desk.sees("RISK^", "the header does not show the order");
    assert!(desk.selected().contains("! danger"), "the riskiest domain is not the first: {}", desk.selected());
    desk.keys("sname<enter>sname<enter>g");
    desk.sees("NAMEv", "the header does not show the order");
    assert!(desk.selected().starts_with("web01"), "the order was not turned: {}", desk.selected());
}

#[test]
fn what_is_unknown_comes_last_in_either_order() {
    for keys in ["sdomid<enter>", "sdomid<enter>sdomid<enter>"] {
        let mut desk = Desk::sample();
        desk.keys(keys).keys("G");
        assert!(desk.selected().contains(" - "), "a domain without a domid stands between those that have one: {}", desk.selected());
    }
}

#[test]
fn copying_shows_what_was_copied_and_quotes_what_a_shell_would_run() {
    let mut desk = Desk::sample();
    desk.keys("Gyconfig<enter>");
    assert_eq!(desk.clipboard.as_deref(), Some("/etc/xen/web01.cfg"));
    desk.sees("Copied: /etc/xen/web01.cfg", "without a clipboard nobody could read what was meant");
    let mut desk = Desk::with(80, 24, Face::FULL, sample::with_domain(&sample::picture(), "zz\n; rm -rf /"));
    desk.keys("Gyname<enter>");
    assert_eq!(desk.clipboard.as_deref(), Some("\"$(printf 'zz\\012\\073 rm -rf /')\""), "pasting a stranger's name would run it");
}

#[test]
fn storage_shows_what_fills_and_what_nobody_uses() {
    let mut desk = Desk::sample();
    desk.keys("3");
    desk.sees("OVERFLOWED", "a lost snapshot looks like a good one");
    desk.sees("93 %", "a snapshot that is nearly full is not seen");
    desk.sees("unreferenced", "an orphan volume is not seen");
    desk.sees_not("tdata", "LVM's inner volumes are shown as if they were somebody's");
    desk.keys("/web01-disk<enter>");
    desk.keys("<enter>");
    desk.sees("Storage ▸ web01", "Enter does not lead from a volume to the domain that uses it");
}

#[test]
fn below_the_least_size_keys_do_nothing_but_leave() {
    let mut desk = Desk::sample();
    desk.resize(20, 5);
    desk.sees("domkeep needs a", "a small window shows rubbish");
    desk.keys("3jjj?");
    desk.resize(80, 24);
    desk.sees("[1 Domains]", "keys worked on a screen that nobody could see");
    desk.resize(20, 5);
    desk.keys("q");
    assert_eq!(desk.ended, Some(Exit::Good), "a person is locked in");
}

#[test]
fn a_resize_keeps_the_selection_and_waits_until_the_window_stays() {
    let mut desk = Desk::sample();
    desk.keys("jjjj");
    let before = desk.selected();
    let frames = desk.frames;
    for width in 81..100 {
        desk.send(Msg::Resized(ratatui::layout::Size { width, height: 30 }));
    }
    assert_eq!(desk.frames, frames, "every step of a dragged window is drawn");
    desk.ring(Timer::Resize);
    assert_eq!(desk.frames, frames + 1);
    assert_eq!(desk.selected().split_whitespace().next(), before.split_whitespace().next(), "the selection is lost");
    for (width, height) in [(60, 16), (61, 17), (300, 100), (80, 16), (1, 1), (0, 0), (65535, 3)] {
        desk.resize(width, height);
    }
}

#[test]
fn the_mouse_selects_only_when_it_was_asked_to() {
    let click =
        |row, column| Msg::Mouse(MouseEvent { kind: MouseEventKind::Down(MouseButton::Left), column, row, modifiers: KeyModifiers::NONE });
    let mut desk = Desk::sample();
    desk.send(click(6, 10));
    assert!(desk.selected().starts_with("Domain-0"), "the mouse works although nobody asked for it");
    desk.keys("m");
    desk.send(click(6, 10));
    assert!(desk.selected().starts_with("db01"), "a click does not select its row: {}", desk.selected());
    desk.send(click(1, 24));
    desk.sees("[3 Storage]", "a click on a tab does not go there");
    desk.send(click(23, 1));
    assert_eq!(desk.ended, Some(Exit::Good), "a click on the hint q does not quit");
}

#[test]
fn pasted_text_is_no_key() {
    let mut desk = Desk::sample();
    desk.send(Msg::Paste("qQ\n:".to_owned()));
    assert_eq!(desk.ended, None, "a slip of the mouse in another window leaves the program");
    desk.keys("/");
    desk.send(Msg::Paste("web\n".to_owned()));
    desk.keys("<bs><enter>");
    desk.sees("filter: web", "text cannot be pasted into the filter");
}

#[test]
fn control_keys_work_while_typing() {
    let mut desk = Desk::sample();
    desk.keys("/Q");
    assert_eq!(desk.ended, None, "a capital letter in a name leaves the program");
    desk.keys("<c-z>");
    assert!(desk.suspended, "Ctrl-Z does nothing while typing");
    desk.keys("<c-c>");
    assert_eq!(desk.ended, Some(Exit::Good), "Ctrl-C does nothing while typing");
}

#[test]
fn signals_and_a_gone_terminal_end_the_program() {
    for (msg, exit) in
        [(Msg::TerminalGone, Exit::HungUp), (Msg::Leave(Exit::HungUp), Exit::HungUp), (Msg::Leave(Exit::Failed), Exit::Failed)]
    {
        let mut desk = Desk::sample();
        desk.send(msg);
        assert_eq!(desk.ended, Some(exit));
    }
}
