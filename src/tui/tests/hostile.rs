//! Names are input from strangers: on every screen they are shown, and do nothing.

use std::time::{Duration, Instant};

use crate::model::example_change;
use crate::model::shown::is_unsafe;
use crate::tui::desk::{Desk, Line};
use crate::tui::face::Face;
use crate::tui::sample;

const SCREENS: [&str; 25] = [
    "7",
    "7jj",
    "",
    "2",
    "2<tab>",
    "3jj",
    "3jjjjjj",
    "4",
    "5",
    "?",
    ":",
    "y",
    "e",
    "/a",
    "c",
    "b",
    "n<tab><tab><enter>",
    "b<c-s>",
    "b<c-s>jjjG",
    "b<c-s><enter>",
    "b<c-s>d",
    "b<c-s>y",
    "6",
    "6<enter>",
    "6U",
];

fn names() -> Vec<String> {
    vec![
        "a\x1b[31mb\x1b]0;title\x07c\x1bc".to_owned(),
        "line\nline\r\ttab".to_owned(),
        "\u{9b}31m\u{202e}gnp.exe\u{200b}\u{feff}".to_owned(),
        "漢字仮名交じり文".repeat(20),
        "e\u{301}\u{302}\u{303}".repeat(50),
        "👩‍👩‍👧‍👦🏳️‍🌈".repeat(30),
        "x".repeat(4000),
        "/".repeat(4000),
        " ".to_owned(),
        String::new(),
    ]
}

#[test]
fn no_name_steers_the_terminal_on_any_screen() {
    for name in names() {
        for keys in SCREENS {
            for face in [Face::FULL, Face::PLAIN] {
                let mut desk = Desk::with(80, 24, face, sample::hostile(&name));
                desk.plan = Ok(example_change::hostile(&name).plan.unwrap());
                desk.jobs = vec![example_change::hostile(&name)];
                desk.keys(keys);
                let screen = desk.screen();
                assert!(
                    !screen.chars().any(|c| c != '\n' && is_unsafe(c) && c != '\u{200d}'),
                    "{keys:?}: {name:?} reached the terminal:\n{screen}"
                );
                let mut line = Line::new(&desk.model);
                line.draw(&desk.model);
                let sent = String::from_utf8_lossy(line.sent()).into_owned();
                for command in ["\x1b]", "\x1bc", "\x07", "\n", "\r", "\u{9b}"] {
                    assert!(!sent.contains(command), "{keys:?}: {command:?} of {name:?} was sent");
                }
                if face == Face::PLAIN {
                    assert!(sent.is_ascii(), "{keys:?}: bytes from 0x80 on are commands to an 8-bit terminal");
                }
            }
        }
    }
}

#[test]
fn columns_stay_in_line_beside_wide_and_long_names() {
    for name in names() {
        let mut desk = Desk::with(80, 24, Face::FULL, sample::with_domain(&sample::hostile(&name), "plain"));
        desk.keys("g");
        let screen = desk.screen();
        let column = |line: &str, word: &str| line.find(word).map(|at| crate::tui::widget::text::width(&line[..at]));
        let header = screen.lines().find(|line| line.contains("POWER")).and_then(|line| column(line, "POWER"));
        for (word, line) in [("off", "plain"), ("unknown", "unknown")] {
            let row = screen.lines().find(|row| row.contains(line)).unwrap();
            assert_eq!(column(row, word), header, "{name:?} pushed the columns out of line:\n{screen}");
        }
    }
}

#[test]
fn hundreds_of_domains_with_endless_names_are_still_quick() {
    let mut picture = sample::picture();
    for number in 0..500 {
        picture = sample::with_domain(&picture, &format!("{number}{}", "n".repeat(4000)));
    }
    let mut desk = Desk::with(120, 40, Face::FULL, picture);
    let clock = Instant::now();
    desk.keys("jjjjjjjjjj");
    // Generous, for a debug build on a busy machine.
    assert!(clock.elapsed() < Duration::from_secs(10), "a key press takes {:?}", clock.elapsed() / 10);
}
