//! The one key table. Dispatch, the hint line, help, the palette and the documentation are all made of it.
//!
//! Lower-case letters are harmless; upper-case ones are kept for what changes something (and for leaving at once).

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key, a help line or a palette line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Up,
    Down,
    First,
    Last,
    HalfUp,
    HalfDown,
    PageUp,
    PageDown,
    Open,
    Back,
    Escape,
    NextPane,
    PreviousPane,
    Domains,
    Domain,
    Storage,
    Findings,
    Commands,
    Help,
    Filter,
    Palette,
    Sort,
    Copy,
    Gaps,
    Rescan,
    Pause,
    Mouse,
    Redraw,
    Suspend,
    Quit,
    QuitNow,
}

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Also while an overlay is open.
    Everywhere,
    /// On every screen.
    Screen,
    /// A line of text is being typed, above a list or on its own.
    Field,
    /// A text to read: what could not be read, an error.
    Reader,
}

#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub context: Context,
    /// As they are written in help; the first one is shown in hints.
    pub keys: &'static [&'static str],
    pub action: Action,
    /// One or two words for the hint line.
    pub label: &'static str,
    /// A sentence without its full stop.
    pub help: &'static str,
    /// Place in the hint line, smaller first; `None`: not hinted.
    pub hint: Option<u8>,
}

const fn binding(
    context: Context,
    keys: &'static [&'static str],
    action: Action,
    label: &'static str,
    help: &'static str,
    hint: Option<u8>,
) -> Binding {
    Binding { context, keys, action, label, help, hint }
}

#[rustfmt::skip]
pub const KEYS: &[Binding] = &[
    binding(Context::Screen, &["Enter", "l", "Right"], Action::Open, "open", "Open what is selected", Some(1)),
    binding(Context::Screen, &["Backspace", "h", "Left"], Action::Back, "back", "Go back to where you came from", Some(3)),
    binding(Context::Screen, &["/"], Action::Filter, "filter", "Show only lines that hold a text; !text: all others", Some(4)),
    binding(Context::Screen, &["s"], Action::Sort, "sort", "Sort by a column; the same again turns it round", Some(6)),
    binding(Context::Screen, &["y"], Action::Copy, "copy", "Copy a name, path or command line to the clipboard", Some(7)),
    binding(Context::Screen, &["e"], Action::Gaps, "unread", "List what could not be read, and why", Some(9)),
    binding(Context::Screen, &["Tab"], Action::NextPane, "pane", "Go to the next pane", Some(5)),
    binding(Context::Screen, &["Shift-Tab"], Action::PreviousPane, "pane back", "Go to the pane before", None),
    binding(Context::Screen, &[":"], Action::Palette, "go to", "Go to a screen, action or domain by its name", Some(8)),
    binding(Context::Screen, &["r", "F5"], Action::Rescan, "look again", "Look at the host again now", Some(10)),
    binding(Context::Screen, &["p"], Action::Pause, "pause", "Stop looking again by itself, or go on", Some(11)),
    binding(Context::Screen, &["j", "Down"], Action::Down, "down", "One line down", None),
    binding(Context::Screen, &["k", "Up"], Action::Up, "up", "One line up", None),
    binding(Context::Screen, &["g", "Home"], Action::First, "first", "To the first line", None),
    binding(Context::Screen, &["G", "End"], Action::Last, "last", "To the last line", None),
    binding(Context::Screen, &["Ctrl-d"], Action::HalfDown, "half page down", "Half a page down", None),
    binding(Context::Screen, &["Ctrl-u"], Action::HalfUp, "half page up", "Half a page up", None),
    binding(Context::Screen, &["PgDn", "Ctrl-f"], Action::PageDown, "page down", "A page down", None),
    binding(Context::Screen, &["PgUp", "Ctrl-b"], Action::PageUp, "page up", "A page up", None),
    binding(Context::Screen, &["1"], Action::Domains, "Domains", "All domains and where their state lies", None),
    binding(Context::Screen, &["2"], Action::Domain, "Domain", "One domain: memory, configuration, disks", None),
    binding(Context::Screen, &["3"], Action::Storage, "Storage", "Volumes, snapshots, image files, who uses them", None),
    binding(Context::Screen, &["4"], Action::Findings, "Findings", "What is dangerous, the evidence, what to do", None),
    binding(Context::Screen, &["5", "@"], Action::Commands, "Commands", "Every command that ran on the host", None),
    binding(Context::Screen, &["m"], Action::Mouse, "mouse", "Mouse: selects lines here, or text in the terminal", None),
    binding(Context::Screen, &["?", "F1"], Action::Help, "more", "All keys; type to search, Enter does it", Some(12)),
    binding(Context::Screen, &["Esc"], Action::Escape, "clear", "Clear the filter, else go back; never leaves", None),
    binding(Context::Screen, &["q"], Action::Quit, "quit", "Go back; at the first screen, leave", Some(2)),
    binding(Context::Screen, &["Q", "F10"], Action::QuitNow, "leave", "Leave from anywhere", None),
    binding(Context::Everywhere, &["Ctrl-c"], Action::QuitNow, "leave", "Leave from anywhere, also while typing", None),
    binding(Context::Everywhere, &["Ctrl-l"], Action::Redraw, "redraw", "Draw the whole screen anew", None),
    binding(Context::Everywhere, &["Ctrl-z"], Action::Suspend, "suspend", "Back to the shell for a moment; fg returns", None),
    binding(Context::Field, &["Enter"], Action::Open, "take", "Take the selected line, or keep the filter", Some(1)),
    binding(Context::Field, &["Esc"], Action::Escape, "close", "Close; a filter that was there before comes back", Some(2)),
    binding(Context::Field, &["Down", "Ctrl-n", "Tab"], Action::Down, "next", "Next line", Some(3)),
    binding(Context::Field, &["Up", "Ctrl-p", "Shift-Tab"], Action::Up, "previous", "Line before", None),
    binding(Context::Field, &["PgDn"], Action::PageDown, "page down", "A page down", None),
    binding(Context::Field, &["PgUp"], Action::PageUp, "page up", "A page up", None),
    binding(Context::Reader, &["Esc", "q", "Enter", "Backspace"], Action::Escape, "close", "Close", Some(1)),
    binding(Context::Reader, &["j", "Down"], Action::Down, "down", "One line down", Some(2)),
    binding(Context::Reader, &["k", "Up"], Action::Up, "up", "One line up", None),
    binding(Context::Reader, &["g", "Home"], Action::First, "first", "To the beginning", None),
    binding(Context::Reader, &["G", "End"], Action::Last, "last", "To the end", None),
    binding(Context::Reader, &["PgDn", "Ctrl-d", "Ctrl-f"], Action::PageDown, "page down", "A page down", None),
    binding(Context::Reader, &["PgUp", "Ctrl-u", "Ctrl-b"], Action::PageUp, "page up", "A page up", None),
    binding(Context::Reader, &["Q", "F10"], Action::QuitNow, "leave", "Leave from anywhere", None),
];

/// What `key` means in these contexts.
pub fn lookup(context: Context, key: &str) -> Option<Action> {
    KEYS.iter()
        .find(|binding| (binding.context == context || binding.context == Context::Everywhere) && binding.keys.contains(&key))
        .map(|binding| binding.action)
}

/// The bindings of a context, then those that work everywhere.
pub fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    let own = KEYS.iter().filter(move |binding| binding.context == context);
    own.chain(KEYS.iter().filter(|binding| binding.context == Context::Everywhere))
}

/// A key as the table writes it.
pub fn name(key: &KeyEvent) -> Option<String> {
    let plain = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => format!("Ctrl-{}", c.to_ascii_lowercase()),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::ALT) => format!("Alt-{c}"),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Enter => "Enter".to_owned(),
        KeyCode::Esc => "Esc".to_owned(),
        KeyCode::Backspace => "Backspace".to_owned(),
        KeyCode::Delete => "Delete".to_owned(),
        KeyCode::Tab => "Tab".to_owned(),
        KeyCode::BackTab => "Shift-Tab".to_owned(),
        KeyCode::Up => "Up".to_owned(),
        KeyCode::Down => "Down".to_owned(),
        KeyCode::Left => "Left".to_owned(),
        KeyCode::Right => "Right".to_owned(),
        KeyCode::Home => "Home".to_owned(),
        KeyCode::End => "End".to_owned(),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::PageDown => "PgDn".to_owned(),
        KeyCode::F(number) => format!("F{number}"),
        _ => return None,
    };
    Some(plain)
}

/// The table as it stands in the documentation.
pub fn as_markdown() -> String {
    let row = |binding: &Binding| {
        let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
        format!("| {} | {} |\n", keys.join(" "), binding.help)
    };
    std::iter::once("| keys | what they do |\n| --- | --- |\n".to_owned()).chain(of(Context::Screen).map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for context in [Context::Screen, Context::Field, Context::Reader] {
            let mut seen: Vec<&str> = Vec::new();
            for key in of(context).flat_map(|binding| binding.keys) {
                assert!(!seen.contains(key), "{key} means two things in {context:?}: one of them can never be reached");
                seen.push(key);
            }
        }
    }

    #[test]
    fn every_key_is_documented() {
        for binding in KEYS {
            assert!(!binding.keys.is_empty() && !binding.label.is_empty(), "{:?} cannot be found in help", binding.action);
            assert!(binding.help.len() >= 5, "nobody learns what {:?} does", binding.keys);
            assert!(!binding.help.ends_with('.'), "help lines are not full sentences");
        }
    }

    #[test]
    fn the_last_hint_is_the_way_to_all_others() {
        let last = KEYS.iter().filter(|b| b.context == Context::Screen && b.hint.is_some()).max_by_key(|b| b.hint).unwrap();
        assert_eq!(last.action, Action::Help);
    }
}
