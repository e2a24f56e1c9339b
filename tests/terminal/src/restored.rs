//! Is the terminal as the shell left it? Read from the bytes a program sent.

use std::collections::BTreeMap;
use std::fmt;

/// What a program changed and did not put back, each in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotRestored {
    pub left_behind: Vec<String>,
}

impl fmt::Display for NotRestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the terminal was not restored: {}", self.left_behind.join(", "))
    }
}

impl std::error::Error for NotRestored {}

/// DEC private modes (xterm's ctlseqs, "DECSET") with their state in a fresh terminal, and what a user sees when they are left changed.
const MODES: &[(u16, bool, &str)] = &[
    (1, false, "cursor keys in application mode"),
    (7, true, "line wrap off"),
    (9, false, "mouse reports on (X10)"),
    (25, true, "cursor hidden"),
    (47, false, "alternate screen not left (47)"),
    (1000, false, "mouse reports on (1000)"),
    (1002, false, "mouse reports on (1002)"),
    (1003, false, "mouse reports on (1003)"),
    (1004, false, "focus reports on"),
    (1005, false, "mouse encoding changed (1005)"),
    (1006, false, "mouse encoding changed (1006)"),
    (1015, false, "mouse encoding changed (1015)"),
    (1047, false, "alternate screen not left (1047)"),
    (1049, false, "alternate screen not left (1049)"),
    (2004, false, "bracketed paste on"),
    (2026, false, "synchronized output not ended"),
];

/// Checks all that a program sent from its start on: alternate screen left, cursor shown, mouse, paste and focus modes off, attributes reset.
///
/// The line discipline is no byte: see `Session::is_raw`.
pub fn terminal_restored(bytes: &[u8]) -> Result<(), NotRestored> {
    let states = private_modes(bytes);
    let mut left_behind: Vec<String> = Vec::new();
    for &(mode, fresh, words) in MODES {
        if states.get(&mode).is_some_and(|on| *on != fresh) {
            left_behind.push(words.to_owned());
        }
    }
    let mut parser = vt100::Parser::new(vt100::Parser::DEFAULT_ROWS, vt100::Parser::DEFAULT_COLS, 0);
    parser.process(bytes);
    let screen = parser.screen();
    let plain = vt100::Color::Default;
    if screen.fgcolor() != plain || screen.bgcolor() != plain {
        left_behind.push("colours not reset".to_owned());
    }
    if screen.bold() || screen.dim() || screen.italic() || screen.underline() || screen.inverse() {
        left_behind.push("attributes not reset".to_owned());
    }
    if screen.application_keypad() {
        left_behind.push("keypad in application mode".to_owned());
    }
    if left_behind.is_empty() { Ok(()) } else { Err(NotRestored { left_behind }) }
}

/// The last state of each mode that was set (`ESC [ ? n ; n h`) or reset (`l`).
fn private_modes(bytes: &[u8]) -> BTreeMap<u16, bool> {
    let mut states = BTreeMap::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(3).position(|window| window == b"\x1b[?") {
        rest = rest.get(at + 3..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let (parameters, tail) = rest.split_at(length);
        let on = match tail.first() {
            Some(b'h') => true,
            Some(b'l') => false,
            _ => continue,
        };
        for parameter in parameters.split(|byte| *byte == b';') {
            if let Some(mode) = std::str::from_utf8(parameter).ok().and_then(|text| text.parse().ok()) {
                states.insert(mode, on);
            }
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?1000;1006h\x1b[?2004h\x1b[1;31mhello";

    #[test]
    fn a_program_that_puts_everything_back_passes() {
        let all = [ENTER, b"\x1b[0m\x1b[?2004l\x1b[?1006;1000l\x1b[?25h\x1b[?1049l"].concat();
        assert_eq!(terminal_restored(&all), Ok(()));
        assert_eq!(terminal_restored(b"a plain program\r\n"), Ok(()));
    }

    #[test]
    fn each_thing_left_behind_is_named() {
        let told = terminal_restored(ENTER).unwrap_err().to_string();
        for part in ["alternate screen", "cursor hidden", "mouse reports", "mouse encoding", "bracketed paste", "colours", "attributes"] {
            assert!(told.contains(part), "{part} is missing in: {told}");
        }
    }

    #[test]
    fn leaving_before_the_last_frame_is_caught() {
        let all = [ENTER, b"\x1b[0m\x1b[?2004l\x1b[?1006;1000l\x1b[?25h\x1b[?1049l\x1b[?25l\x1b[7m"].concat();
        let told = terminal_restored(&all).unwrap_err();
        assert_eq!(told.left_behind, ["cursor hidden", "attributes not reset"]);
    }
}
