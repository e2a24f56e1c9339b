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
    Jobs,
    Backups,
    Changes,
    BackUp,
    NewDisk,
    Start,
    Resume,
    Restore,
    Mend,
    NextChoice,
    PreviousChoice,
    ShowPlan,
    Browse,
    Launch,
    DryRun,
    Script,
    CancelJob,
    FinishJob,
    UndoJob,
    Follow,
    Yes,
    No,
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
    /// On the screens that show what is on the host. None of these keys changes anything: each leads to a form, and the form to a plan.
    Host,
    /// A form that is being filled in.
    Form,
    /// A plan that is being read.
    Plan,
    /// Jobs, and one job.
    Jobs,
    /// A question to be answered with yes or no.
    Ask,
}

impl Context {
    pub const ALL: [Self; 8] = [Self::Screen, Self::Host, Self::Form, Self::Plan, Self::Jobs, Self::Field, Self::Reader, Self::Ask];
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
    binding(Context::Screen, &["6", "J"], Action::Jobs, "Jobs", "What is being changed, what was, what was interrupted", None),
    binding(Context::Screen, &["7", "B"], Action::Backups, "Backups", "Restore points, and what is in no backup", None),
    binding(Context::Screen, &["m"], Action::Mouse, "mouse", "Mouse: selects lines here, or text in the terminal", None),
    binding(Context::Screen, &["?", "F1"], Action::Help, "more", "All keys; type to search, Enter does it", Some(12)),
    binding(Context::Screen, &["Esc"], Action::Escape, "clear", "Clear the filter, else go back; never leaves", None),
    binding(Context::Screen, &["q"], Action::Quit, "quit", "Go back; at the first screen, leave", Some(2)),
    binding(Context::Screen, &["Q", "F10"], Action::QuitNow, "leave", "Leave from anywhere", None),
    binding(Context::Host, &["c"], Action::Changes, "change", "All changes domkeep can make here, and why one cannot be", Some(5)),
    binding(Context::Host, &["f"], Action::Mend, "mend", "Plan what mends the selected finding", Some(4)),
    binding(Context::Host, &["b"], Action::BackUp, "back up", "Back up the selected domain into a bundle", Some(6)),
    binding(Context::Host, &["n"], Action::NewDisk, "new disk", "Make a sparse file disk, fill it, name it in a config", None),
    binding(Context::Host, &["S"], Action::Start, "start", "Start the domain, having looked what that would lose", None),
    binding(Context::Host, &["U"], Action::Resume, "resume", "Resume the save image, having looked at its disks", None),
    binding(Context::Host, &["R"], Action::Restore, "restore", "Bring a backup back, whole or a disk of it", None),
    binding(Context::Form, &["Enter"], Action::Open, "take it", "Take the answer; a list opens, a button is pressed", Some(1)),
    binding(Context::Form, &["Ctrl-s"], Action::ShowPlan, "show the plan", "Show the plan; nothing is changed by that", Some(2)),
    binding(Context::Form, &["Esc"], Action::Escape, "back", "Leave the form; asks when something was filled in", Some(3)),
    binding(Context::Form, &["Tab", "Down"], Action::Down, "next", "Next question", Some(4)),
    binding(Context::Form, &["Shift-Tab", "Up"], Action::Up, "previous", "Question before", None),
    binding(Context::Form, &["Space", "Right"], Action::NextChoice, "choose", "Next choice; in a text: a blank, a step right", Some(5)),
    binding(Context::Form, &["Left"], Action::PreviousChoice, "choose back", "Choice before; in a text: a step left", None),
    binding(Context::Form, &["Ctrl-o"], Action::Browse, "look up", "Look a path up in the host's directories", Some(4)),
    binding(Context::Form, &["PgDn"], Action::PageDown, "page down", "A page down", None),
    binding(Context::Form, &["PgUp"], Action::PageUp, "page up", "A page up", None),
    binding(Context::Form, &["F1"], Action::Help, "keys", "All keys of the form; type to search", Some(6)),
    binding(Context::Plan, &["Enter"], Action::Launch, "launch", "Launch the plan as a job; asks first", Some(1)),
    binding(Context::Plan, &["d"], Action::DryRun, "dry run", "Plan again and look whether all still holds; changes nothing", Some(4)),
    binding(Context::Plan, &["w"], Action::Script, "write script", "Write the plan as a shell script into a new file", Some(5)),
    binding(Context::Jobs, &["C"], Action::CancelJob, "cancel", "Stop the job and take back what it did; asks first", Some(4)),
    binding(Context::Jobs, &["F"], Action::FinishJob, "finish", "Go on with a job that was interrupted; asks first", Some(4)),
    binding(Context::Jobs, &["U"], Action::UndoJob, "undo", "Take back what a job did; asks first", Some(5)),
    binding(Context::Jobs, &["f"], Action::Follow, "follow", "Keep the end of the log in sight, or stay where you are", Some(6)),
    binding(Context::Ask, &["Enter"], Action::Open, "take", "Take the selected answer", Some(1)),
    binding(Context::Ask, &["y"], Action::Yes, "yes", "Yes, do it", Some(2)),
    binding(Context::Ask, &["n", "Esc", "q"], Action::No, "no", "No, go back", Some(3)),
    binding(Context::Ask, &["j", "Down", "Tab"], Action::Down, "down", "One line down", None),
    binding(Context::Ask, &["k", "Up", "Shift-Tab"], Action::Up, "up", "One line up", None),
    binding(Context::Ask, &["Q", "F10"], Action::QuitNow, "leave", "Leave from anywhere", None),
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

/// What `key` means where these contexts hold: the first that knows it decides.
pub fn lookup(contexts: &[Context], key: &str) -> Option<Action> {
    all(contexts).find(|binding| binding.keys.contains(&key)).map(|binding| binding.action)
}

/// Every binding of these contexts, then those that work everywhere.
fn all(contexts: &[Context]) -> impl Iterator<Item = &'static Binding> {
    contexts.iter().chain(&[Context::Everywhere]).flat_map(|context| KEYS.iter().filter(move |binding| binding.context == *context))
}

/// The bindings that can be reached where these contexts hold: one whose every key means something else there is left out.
pub fn of(contexts: &[Context]) -> impl Iterator<Item = &'static Binding> {
    let reached = |binding: &Binding| {
        let first = |key: &str| all(contexts).find(|other| other.keys.contains(&key)).is_some_and(|other| other.action == binding.action);
        binding.keys.iter().any(|key| first(key))
    };
    all(contexts).filter(move |binding| reached(binding)).collect::<Vec<_>>().into_iter()
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
    let table = |(title, context): (&str, Context)| {
        let rows: String = KEYS.iter().filter(|binding| binding.context == context).map(row).collect();
        format!("### {title}\n\n| keys | what they do |\n| --- | --- |\n{rows}\n")
    };
    [
        ("On every screen but a form", Context::Screen),
        ("On the screens of the host", Context::Host),
        ("In a form", Context::Form),
        ("On a plan", Context::Plan),
        ("On the jobs", Context::Jobs),
        ("Everywhere", Context::Everywhere),
    ]
    .map(table)
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for context in Context::ALL {
            let mut seen: Vec<&str> = Vec::new();
            for key in all(&[context]).flat_map(|binding| binding.keys) {
                assert!(!seen.contains(key), "{key} means two things in {context:?}: one of them can never be reached");
                seen.push(key);
            }
        }
    }

    #[test]
    fn a_screen_takes_a_key_from_the_rest_only_where_it_means_more_there() {
        // Enter opens what is selected; on a plan, the plan itself is what one came for.
        let meant = [(Context::Plan, "Enter")];
        for context in [Context::Host, Context::Plan, Context::Jobs] {
            for binding in KEYS.iter().filter(|binding| binding.context == context) {
                for key in binding.keys {
                    let taken = KEYS.iter().any(|other| other.context == Context::Screen && other.keys.contains(key));
                    assert!(!taken || meant.contains(&(context, key)), "{key} means another thing on one screen than on the others");
                }
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
