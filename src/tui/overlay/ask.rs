//! A question before something is done: yes or no, a name that must be typed, or a text that is asked for. No is where the hand lies,
//! except where all that would happen can be taken back.

use ratatui::text::{Line, Span};

use super::Typing;
use crate::model::{JobId, shown};
use crate::tui::changing::{draft, follow, proposal};
use crate::tui::keymap::Action;
use crate::tui::model::Model;
use crate::tui::msg::Effect;
use crate::tui::widget::cursor::Cursor;
use crate::tui::widget::pane::Row;
use crate::tui::widget::text;

/// What a yes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    LeaveForm,
    Launch,
    Script,
    Cancel(JobId),
    /// Finish a leftover; else undo it.
    Resume(JobId, bool),
}

#[derive(Clone, Debug)]
pub struct Ask {
    pub title: String,
    /// Paragraphs.
    pub says: Vec<String>,
    /// The line that says yes.
    pub yes: &'static str,
    pub deed: Deed,
    /// The name that must be typed; no other answer is a yes.
    pub name: Option<String>,
    /// What is typed; nothing: yes or no is chosen.
    pub typing: Option<Typing>,
    pub cursor: Cursor,
    /// It was on the screen before the key came. Keys that were already waiting answer nothing.
    pub seen: bool,
    /// Why the last answer was not taken.
    pub trouble: Option<String>,
}

const YES: &str = "yes";
const NO: &str = "no";

impl Ask {
    pub fn new(title: impl Into<String>, says: Vec<String>, yes: &'static str, deed: Deed) -> Self {
        Self { title: title.into(), says, yes, deed, name: None, typing: None, cursor: Cursor::on(NO), seen: false, trouble: None }
    }

    /// For what can be taken back: Enter does it.
    #[must_use]
    pub fn yes_first(self) -> Self {
        Self { cursor: Cursor::on(YES), ..self }
    }

    pub fn rows(&self, model: &Model, columns: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self.says.iter().flat_map(|words| text::wrap_indented(words, columns)).map(Row::text).collect();
        if let Some(name) = &self.name {
            rows.push(Row::blank());
            let words = format!("To go on, type {} and press Enter. Esc goes back.", shown::text(name));
            let lines = text::wrap(&words, columns).into_iter();
            rows.extend(lines.map(|line| Row::text(Line::from(Span::styled(line, model.face.strong())))));
        }
        if let Some(trouble) = &self.trouble {
            rows.push(Row::text(Line::from(Span::styled(trouble.clone(), model.face.danger()))));
        }
        if self.typing.is_none() {
            rows.push(Row::blank());
            rows.push(Row::of(NO, "No, go back"));
            rows.push(Row::of(YES, format!("Yes: {}", self.yes)));
        }
        rows
    }
}

/// What a key of the table means to the question.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(super::Overlay::Ask(ask)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::No | Action::Escape => {
            model.overlays.pop();
            Vec::new()
        }
        _ if !ask.seen => Vec::new(),
        Action::Yes => done(model),
        Action::Open => {
            if let Some(typing) = &ask.typing {
                let typed = typing.input.value().trim();
                if ask.name.as_ref().is_some_and(|name| name.trim() != typed) {
                    ask.trouble = Some("That is not the name.".to_owned());
                    return Vec::new();
                }
                if typed.is_empty() {
                    ask.trouble = Some("Nothing was typed.".to_owned());
                    return Vec::new();
                }
                return done(model);
            }
            if ask.cursor.key.as_deref() == Some(YES) {
                return done(model);
            }
            model.overlays.pop();
            Vec::new()
        }
        _ => super::travel(model, action),
    }
}

fn done(model: &mut Model) -> Vec<Effect> {
    let Some(super::Overlay::Ask(ask)) = model.overlays.pop() else { return Vec::new() };
    let typed = ask.typing.map(|typing| typing.input.value().trim().to_owned());
    match ask.deed {
        Deed::LeaveForm => {
            draft::drop_draft(model);
            Vec::new()
        }
        // The name as the plan has it: what was typed is equal to it but for blanks around it.
        Deed::Launch => proposal::launch(model, ask.name),
        Deed::Script => proposal::write_script(model, typed.unwrap_or_default()),
        Deed::Cancel(id) => follow::cancel(id),
        Deed::Resume(id, finish) => follow::resume(id, finish),
    }
}
