//! A list that narrows while one types; Enter takes the line. Help, palette, copying and sorting are all this.

use ratatui::text::{Line, Span};

use super::{Typing, changes, copy, help, palette, sort};
use crate::model::{Wish, shown};
use crate::tui::changing::{draft, wishes};
use crate::tui::keymap::Action;
use crate::tui::model::{Model, Screen};
use crate::tui::msg::Effect;
use crate::tui::screen::domains::Column;
use crate::tui::widget::cursor::Cursor;
use crate::tui::widget::pane::Row;
use crate::tui::widget::text;
use crate::tui::{travel, update};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Help,
    Palette,
    Copy,
    Sort,
    /// What can be changed from here.
    Changes,
    /// The choices of a question in a form.
    Choices,
    /// What lies in a directory.
    Entries,
}

impl Kind {
    pub fn title(self) -> &'static str {
        match self {
            Self::Help => "Keys: Enter does what the line says",
            Self::Palette => "Go to",
            Self::Copy => "Copy to the clipboard",
            Self::Sort => "Sort the domains by",
            Self::Changes => "Change: a form first, then the plan",
            Self::Choices => "Choose",
            Self::Entries => "Enter goes into a directory, or takes a file",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Picker {
    pub kind: Kind,
    pub typing: Typing,
    pub cursor: Cursor,
}

impl Picker {
    pub fn new(kind: Kind) -> Self {
        Self { kind, typing: Typing::default(), cursor: Cursor::default() }
    }
}

/// A line of a picker.
#[derive(Clone, Debug)]
pub struct Item {
    pub key: String,
    pub left: String,
    pub right: String,
    /// Words that find the line, too.
    pub also: &'static str,
    pub why_not: Option<String>,
    pub choice: Choice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Act(Action),
    Domain(String),
    Copy(String),
    Sort(Column),
    Wish(Wish),
    /// An answer in a form.
    Value(String),
    /// A path, and whether it is a directory that is gone into.
    Path(String, bool),
}

fn items(model: &Model, kind: Kind) -> Vec<Item> {
    match kind {
        Kind::Help => help::items(model),
        Kind::Palette => palette::items(model),
        Kind::Copy => copy::items(model),
        Kind::Sort => sort::items(model),
        Kind::Changes => changes::items(model),
        Kind::Choices => changes::choices(model),
        Kind::Entries => changes::entries(model),
    }
}

/// The lines that match what was typed: all words of it, in any order. A line whose left side is just that comes first.
pub fn matching(model: &Model, picker: &Picker) -> Vec<Item> {
    let typed = picker.typing.input.value();
    let flat = typed.to_lowercase();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let mut items = items(model, picker.kind);
    items.retain(|item| {
        let text = format!("{} {} {}", item.left, item.right, item.also).to_lowercase();
        words.iter().all(|word| text.contains(word))
    });
    if !words.is_empty() {
        items.sort_by_key(|item| {
            let exact = item.left.split(", ").any(|key| key == typed);
            let begins = item.left.to_lowercase().starts_with(&flat);
            (!exact, !begins)
        });
    }
    items
}

/// At most so many are shown of a list of hundreds of domains; typing narrows it.
const MOST: usize = 200;

pub fn rows(model: &Model, picker: &Picker, columns: usize) -> Vec<Row> {
    let found = matching(model, picker);
    if found.is_empty() {
        return vec![Row::text("Nothing matches.")];
    }
    let dots = model.face.glyphs.ellipsis;
    let most = columns / 2;
    let wide = found.iter().map(|item| text::width(&item.left)).max().unwrap_or(0).min(most);
    found
        .into_iter()
        .take(MOST)
        .map(|item| {
            let mut spans = vec![Span::styled(text::left(&item.left, wide, dots), model.face.strong()), Span::raw("  ")];
            match &item.why_not {
                None => spans.push(Span::raw(item.right)),
                Some(_) => spans.push(Span::styled(format!("{} (not now)", item.right), model.face.dim())),
            }
            Row::of(item.key, Line::from(spans))
        })
        .collect()
}

/// Why the selected line cannot be done now; the status line says it, for there is no room beside the line.
pub fn why_not(model: &Model, picker: &Picker) -> Option<String> {
    matching(model, picker).into_iter().find(|item| Some(&item.key) == picker.cursor.key.as_ref())?.why_not
}

pub fn choose(model: &mut Model, choice: Choice) -> Vec<Effect> {
    match choice {
        Choice::Act(action) => update::act(model, action),
        Choice::Domain(id) => {
            travel::root(model, Screen::Domains);
            travel::enter(model, Screen::Domain(id));
            Vec::new()
        }
        Choice::Copy(value) => {
            // Shown plainly too: not every terminal has a clipboard, and none says whether it took the text.
            let mut effects = update::say(model, format!("Copied: {}", shown::text(&value)));
            effects.insert(0, Effect::Clipboard(value));
            effects
        }
        Choice::Wish(wish) => wishes::begin(model, wish),
        Choice::Path(path, goes_in) => draft::entered(model, &path, goes_in),
        Choice::Value(value) => {
            draft::chosen(model, &value);
            Vec::new()
        }
        Choice::Sort(column) => {
            model.sort.by(column);
            Vec::new()
        }
    }
}
