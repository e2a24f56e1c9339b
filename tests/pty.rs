//! The program in a real terminal: what it sends, what it leaves behind, and what it does when the line dies.

#![allow(clippy::unwrap_used, clippy::panic)] // the tests' own helpers

use std::time::Duration;

use domkeep_terminal::{Exit, Options, Screen, Session, Signal, terminal_restored};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const STILL: Duration = Duration::from_millis(400);
const PROGRAM: &str = env!("CARGO_BIN_EXE_domkeep");
/// Stands on the first screen of the demo machine as soon as the host has been looked at.
const READY: &str = "archive01";

/// domkeep on a demo machine of its own, which goes with the directory.
struct Desk {
    session: Session,
    directory: TempDir,
}

fn arguments(directory: &TempDir, more: &[&str]) -> Vec<String> {
    let root = directory.path().join("machine");
    let mut arguments = vec!["--demo=guides".to_owned(), "--demo-root".to_owned(), root.to_str().unwrap().to_owned()];
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    arguments
}

fn start(options: &Options, more: &[&str]) -> Desk {
    let directory = tempfile::tempdir().unwrap();
    let options = options.clone().env("HOME", directory.path());
    let session = Session::start(PROGRAM, &arguments(&directory, more), &options).unwrap();
    Desk { session, directory }
}

/// Started, looked, and silent.
fn ready(options: &Options, more: &[&str]) -> Desk {
    let desk = start(options, more);
    desk.session.wait_for_text(READY, SOON).unwrap();
    desk.session.wait_quiet(STILL).unwrap();
    desk
}

fn bytes_of(session: &Session, keys: &str) -> Vec<u8> {
    let mark = session.bytes_sent();
    session.keys(keys).unwrap();
    session.wait_quiet(STILL).unwrap();
    session.bytes_since(mark)
}

/// A row with most of its cells reversed.
fn reversed_row(screen: &Screen) -> Option<u16> {
    (0..screen.rows).find(|row| screen.row(*row).iter().filter(|cell| cell.inverse).count() > usize::from(screen.cols) / 4)
}

/// All parameters of all `ESC [ ... m`.
fn style_parameters(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\u{1b}[").skip(1).filter_map(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != ';')?;
        (rest.get(end..)?.starts_with('m')).then(|| rest.get(..end)).flatten()
    });
    sequences.flat_map(|parameters| parameters.split(';').map(|number| number.parse().unwrap_or(0))).collect()
}

fn leaves(desk: &mut Desk, keys: &str) {
    desk.session.keys(keys).unwrap();
    assert_eq!(desk.session.must_exit(SOON).unwrap(), Exit::Code(0), "{}", desk.session.screen_text());
    restored(&desk.session);
}

fn restored(session: &Session) {
    if let Err(why) = terminal_restored(&session.bytes()) {
        panic!("{why}");
    }
    assert_eq!(session.is_raw(), Some(false), "the shell's line would not echo what is typed");
}

#[test]
fn the_first_screen_and_a_step_fit_a_slow_line() {
    let mut desk = ready(&Options::default(), &[]);
    let first = desk.session.bytes_sent();
    let frame = bytes_of(&desk.session, "<c-l>").len();
    assert!(frame > 500, "Ctrl-L must draw everything anew, not {frame} bytes");
    assert!(frame <= 4_000, "a whole screen is {frame} bytes: more than four seconds at 9,600 baud");
    assert!(first <= 5_000, "{first} bytes until the first list stands, the waiting screen included");
    for step in 1..=5 {
        let bytes = bytes_of(&desk.session, "j").len();
        assert!((1..=300).contains(&bytes), "cursor step {step} sends {bytes} bytes; at 9,600 baud 300 are a third of a second");
    }
    leaves(&mut desk, "q");
}

#[test]
fn nothing_is_sent_and_no_time_is_used_while_nothing_happens() {
    let mut desk = ready(&Options::default(), &[]);
    desk.session.wait_quiet(Duration::from_secs(2)).unwrap();
    let (mark, before) = (desk.session.bytes_sent(), desk.session.cpu_time().unwrap());
    std::thread::sleep(Duration::from_secs(10));
    let used = desk.session.cpu_time().unwrap().saturating_sub(before);
    let sent = desk.session.bytes_since(mark);
    assert!(sent.is_empty(), "idle for 10 s, and {} bytes were sent: {}", sent.len(), String::from_utf8_lossy(&sent));
    assert!(used < Duration::from_millis(500), "idle for 10 s used {used:?} of processor time, and the host has domains to run");
    leaves(&mut desk, "q");
}

#[test]
fn a_polite_kill_restores_the_terminal() {
    let mut desk = ready(&Options::default(), &[]);
    desk.session.signal(Signal::TERM).unwrap();
    desk.session.must_exit(SOON).unwrap();
    restored(&desk.session);
}

#[test]
fn a_hang_up_ends_the_program_at_once() {
    let mut desk = ready(&Options::default(), &[]);
    desk.session.hang_up();
    let exit = desk.session.must_exit(Duration::from_secs(5)).unwrap();
    assert_eq!(exit, Exit::Code(129), "a dead SSH line must not leave a program behind that burns a core");
}

#[test]
fn a_hang_up_while_the_line_is_choked_ends_the_program_too() {
    let mut desk = ready(&Options::default(), &[]);
    desk.session.set_line_speed(Some(0));
    // More frames than the kernel keeps for a terminal that has stopped reading: the program sits in a write.
    for _ in 0..30 {
        desk.session.keys("<c-l>").unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    desk.session.hang_up();
    desk.session.must_exit(Duration::from_secs(5)).unwrap();
}

#[test]
fn suspend_gives_the_shell_back_its_terminal_and_fg_draws_anew() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::default().env("HOME", directory.path()).env("PS1", "shell> ");
    let mut session = Session::start("/bin/sh", &["-i"], &options).unwrap();
    session.wait_for_text("shell>", SOON).unwrap();
    let line: Vec<String> = arguments(&directory, &[]).iter().map(|word| format!("'{word}'")).collect();
    session.keys(&format!("'{PROGRAM}' {}<enter>", line.join(" "))).unwrap();
    session.wait_for("the list of domains", SOON, |screen| screen.alternate && screen.find_row(READY).is_some()).unwrap();
    session.wait_quiet(STILL).unwrap();

    session.keys("<c-z>").unwrap();
    session.wait_for("the shell after Ctrl-Z", SOON, |screen| !screen.alternate && screen.text().matches("shell>").count() >= 2).unwrap();
    restored(&session);

    session.keys("fg<enter>").unwrap();
    session.wait_for("the list of domains after fg", SOON, |screen| screen.alternate && screen.find_row(READY).is_some()).unwrap();
    session.wait_quiet(STILL).unwrap();
    session.keys("q").unwrap();
    session.wait_for("the shell at the end", SOON, |screen| !screen.alternate && screen.text().matches("shell>").count() >= 3).unwrap();
    restored(&session);
    session.keys("exit<enter>").unwrap();
    session.must_exit(SOON).unwrap();
}

#[test]
fn a_panic_restores_the_terminal_and_says_something() {
    let mut desk = start(&Options::default().env("DOMKEEP_TEST_PANIC", "1"), &[]);
    let exit = desk.session.must_exit(SOON).unwrap();
    assert!(exit != Exit::Code(0), "a crash must not look like success");
    restored(&desk.session);
    let left = desk.session.screen_text();
    assert!(left.to_lowercase().contains("domkeep"), "the message must stand on the shell's screen, not be wiped with ours:\n{left}");
}

#[test]
fn a_tiny_window_says_so_and_ignores_keys() {
    let mut desk = start(&Options::default().size(20, 5), &[]);
    desk.session.wait_for_text("domkeep", SOON).unwrap();
    desk.session.wait_quiet(Duration::from_secs(2)).unwrap();
    assert_eq!(bytes_of(&desk.session, "4j<enter>"), b"", "keys must do nothing where nobody sees what they do");
    desk.session.resize(80, 24).unwrap();
    desk.session.wait_for_text(READY, SOON).unwrap();
    desk.session.wait_quiet(STILL).unwrap();
    let screen = desk.session.screen();
    let row = reversed_row(&screen);
    assert!(row.is_some(), "the list of domains with its first line selected:\n{}", screen.framed());
    leaves(&mut desk, "q");
}

#[test]
fn without_colour_the_selection_is_still_seen() {
    let mut desk = ready(&Options::default().env("NO_COLOR", "1"), &[]);
    let before = reversed_row(&desk.session.screen());
    desk.session.keys("j").unwrap();
    desk.session.wait_quiet(STILL).unwrap();
    let after = reversed_row(&desk.session.screen());
    assert!(before.is_some() && after.is_some() && before < after, "the reversed row went from {before:?} to {after:?}");
    let colours = style_parameters(&desk.session.bytes()).into_iter().filter(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107));
    assert_eq!(colours.collect::<Vec<_>>(), [] as [u16; 0], "NO_COLOR was set");
    leaves(&mut desk, "q");
}

#[test]
fn the_linux_console_and_a_serial_terminal_are_served() {
    for (term, colour) in [("linux", true), ("vt100", false)] {
        let mut desk = ready(&Options::default().env("TERM", term), &[]);
        let bytes = desk.session.bytes();
        let colours = style_parameters(&bytes).into_iter().any(|n| matches!(n, 30..=38 | 40..=48));
        assert_eq!(colours, colour, "TERM={term}: a vt100 reads colours as blink and dim, the console shows them");
        leaves(&mut desk, "q");
    }
}

#[test]
fn ascii_means_ascii() {
    for (options, more) in [(Options::default(), &["--ascii"] as &[&str]), (Options::default().env("LANG", "C"), &[])] {
        let mut desk = ready(&options, more);
        for screen in ["2", "3", "4", "5", "?", "<esc>"] {
            bytes_of(&desk.session, screen);
        }
        let bytes = desk.session.bytes();
        let stray = String::from_utf8_lossy(&bytes).chars().filter(|character| !character.is_ascii()).collect::<String>();
        assert!(stray.is_empty(), "a terminal without UTF-8 would show rubbish for {stray:?}");
        leaves(&mut desk, "Q");
        drop(desk.directory);
    }
}
