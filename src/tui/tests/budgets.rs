//! Bytes on the wire: what a person on a serial line waits for.

use crate::model::example_change;
use crate::tui::desk::{Desk, Line};
use crate::tui::face::Face;
use crate::tui::sample;

const SLOW: Face = Face { slow: true, ..Face::PLAIN };

#[test]
fn the_first_frame_fits_four_thousand_bytes() {
    for keys in
        ["", "2", "G<enter>", "3", "4", "5", "?", "6", "6<enter>", "/batch<enter>n", "/batch<enter>b<c-s>", "/batch<enter>b<c-s><enter>"]
    {
        let mut desk = Desk::sample();
        desk.jobs = example_change::jobs();
        desk.keys(keys);
        let bytes = Line::new(&desk.model).draw(&desk.model);
        assert!(bytes <= 4000, "{keys:?} takes {bytes} bytes: more than four seconds at 9,600 baud");
    }
}

#[test]
fn a_full_list_fits_four_thousand_bytes() {
    let mut picture = sample::picture();
    for number in 0..40 {
        picture = sample::with_domain(&picture, &format!("quite-a-long-name-{number}"));
    }
    let desk = Desk::with(80, 24, Face::FULL, picture);
    let bytes = Line::new(&desk.model).draw(&desk.model);
    assert!(bytes <= 4000, "{bytes} bytes");
}

#[test]
fn a_cursor_step_is_cheap() {
    for (face, most) in [(Face::FULL, 300), (Face::PLAIN, 300), (SLOW, 60)] {
        let mut desk = Desk::with(80, 24, face, sample::picture());
        let mut line = Line::new(&desk.model);
        line.draw(&desk.model);
        for _ in 0..7 {
            desk.keys("j");
            let bytes = line.draw(&desk.model);
            assert!(bytes > 0 && bytes <= most, "a step takes {bytes} of {most} bytes: the cursor lags behind the key");
        }
    }
}

#[test]
fn an_idle_screen_sends_nothing() {
    let desk = Desk::sample();
    let mut line = Line::new(&desk.model);
    line.draw(&desk.model);
    assert_eq!(line.draw(&desk.model), 0, "a screen that did not change keeps a slow line busy");
}

#[test]
fn without_colours_no_colour_is_sent_and_the_selected_row_stays_reversed() {
    let desk = Desk::with(80, 24, Face::PLAIN, sample::picture());
    let mut line = Line::new(&desk.model);
    line.draw(&desk.model);
    let sent = String::from_utf8_lossy(line.sent()).into_owned();
    for sequence in sent.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m')).map(|(codes, _)| codes) {
        let plain = sequence.chars().all(|c| c.is_ascii_digit() || c == ';');
        if plain {
            assert!(sequence.split(';').all(|code| matches!(code, "" | "0" | "1" | "2" | "4" | "7")), "{sequence:?} is a colour");
        }
    }
    assert!(sent.contains("\x1b[0;7m>"), "the selected row cannot be seen");
}

#[test]
fn colours_are_the_ones_every_terminal_knows() {
    let mut desk = Desk::sample();
    desk.keys("4");
    let mut line = Line::new(&desk.model);
    line.draw(&desk.model);
    let sent = String::from_utf8_lossy(line.sent()).into_owned();
    assert!(sent.contains(";31m"), "dangers are not red");
    assert!(!sent.contains("38;5"), "a terminal of 8 colours reads 5 as blinking");
}

#[test]
fn a_letter_in_a_form_is_cheap() {
    let mut desk = Desk::sample();
    desk.keys("/batch<enter>n");
    let mut line = Line::new(&desk.model);
    line.draw(&desk.model);
    for _ in 0..5 {
        desk.keys("x");
        let bytes = line.draw(&desk.model);
        assert!(bytes > 0 && bytes <= 60, "a letter takes {bytes} bytes: the form lags behind the fingers");
    }
}
