//! A form that is being filled in.

use std::collections::BTreeSet;

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::errand::Errand;
use super::{Listing, proposal};
use crate::model::form::Choice;
use crate::model::{Field, FieldKind, FieldTrouble, Form, Subject};
use crate::problem::Problem;
use crate::tui::keymap::{self, Action, Context};
use crate::tui::model::{Model, Screen};
use crate::tui::msg::Effect;
use crate::tui::overlay::{Ask, Deed, Kind, Overlay, Typing, field};
use crate::tui::widget::cursor::Cursor;
use crate::tui::{travel, update};

/// Identity of the button under the questions; no field is called so.
pub const BUTTON: &str = "show the plan";

#[derive(Clone, Debug)]
pub struct Draft {
    pub form: Form,
    /// As it was before anything was filled in.
    blank: Form,
    pub subject: Option<Subject>,
    /// The text of the field one stands on, with its cursor.
    pub typing: Option<(String, Typing)>,
    /// Fields that a person has been at.
    seen: BTreeSet<String>,
    /// The plan was asked for: every trouble is told now.
    tried: bool,
    troubles: Vec<FieldTrouble>,
}

impl Draft {
    pub fn new(form: Form, subject: Option<Subject>) -> Self {
        Self { blank: form.clone(), form, subject, typing: None, seen: BTreeSet::new(), tried: false, troubles: Vec::new() }
    }

    pub fn is_touched(&self) -> bool {
        self.form != self.blank
    }

    /// The questions that are asked, as the others are answered.
    pub fn asked(&self) -> impl Iterator<Item = &Field> {
        self.form.fields.iter().filter(|field| self.form.is_asked(field))
    }

    pub fn field(&self, key: &str) -> Option<&Field> {
        self.form.fields.iter().find(|field| field.key == key)
    }

    /// What is wrong with a field, once somebody had the chance to fill it in.
    pub fn trouble(&self, field: &Field) -> Option<&str> {
        let changed = self.blank.value(&field.key) != field.value;
        let told = self.tried || self.seen.contains(&field.key) || changed;
        self.troubles.iter().find(|trouble| told && trouble.key == field.key).map(|trouble| trouble.says.as_str())
    }

    /// Troubles that belong to no question that is asked.
    pub fn other_troubles(&self) -> impl Iterator<Item = &FieldTrouble> {
        self.troubles.iter().filter(|trouble| self.tried && !self.asked().any(|field| field.key == trouble.key))
    }
}

pub fn arrived(model: &mut Model, subject: Option<Subject>, form: Form) {
    model.cursors.retain(|(screen, _), _| *screen != Screen::Form);
    let draft = Draft::new(form, subject);
    // What is known is filled in; one begins where an answer is missing.
    if let Some(field) = draft.asked().find(|field| field.required && field.value.is_empty()) {
        model.cursors.insert((Screen::Form, 0), Cursor::on(field.key.clone()));
    }
    model.changing.draft = Some(draft);
    travel::enter(model, Screen::Form);
    check(model);
    model.dirty = true;
}

/// Reads the form again: what is wrong with it now.
fn check(model: &mut Model) {
    let read = model.changing.read;
    if let Some(draft) = &mut model.changing.draft {
        draft.troubles = read(&draft.form).err().unwrap_or_default();
    }
}

fn here(model: &Model) -> Option<&Field> {
    model.changing.draft.as_ref()?.field(model.selected(0)?)
}

/// The options of a field that is chosen, not typed.
pub fn options(kind: &FieldKind) -> Option<Vec<Choice>> {
    let plain = |value: &str| Choice { value: value.to_owned(), label: value.to_owned(), help: String::new(), not_here: None };
    match kind {
        FieldKind::Choice { options } => Some(options.clone()),
        FieldKind::Flag => Some(vec![plain("yes"), plain("no")]),
        _ => None,
    }
}

/// The text that is typed follows the selection.
pub fn settle(model: &mut Model) {
    if *model.screen() != Screen::Form {
        return;
    }
    let key = model.selected(0).map(str::to_owned);
    let Some(draft) = &mut model.changing.draft else { return };
    if draft.typing.as_ref().map(|(of, _)| of) == key.as_ref() {
        return;
    }
    if let Some((left, _)) = draft.typing.take() {
        draft.seen.insert(left);
    }
    let field = key.and_then(|key| draft.form.fields.iter().find(|field| field.key == key));
    draft.typing = field.map(|field| (field.key.clone(), Typing::new(&field.value)));
}

pub fn press(model: &mut Model, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let typed = here(model).is_some_and(|field| options(&field.kind).is_none());
    let action = keymap::lookup(&[Context::Form], name);
    let edits = typed && matches!(action, Some(Action::NextChoice | Action::PreviousChoice));
    if let Some(action) = action.filter(|_| !edits) {
        return update::act(model, action);
    }
    if typed {
        if let Some(request) = field::request(name, key) {
            edit(model, |typing| {
                typing.input.handle(request);
            });
        }
    } else if let KeyCode::Char(letter) = key.code {
        by_letter(model, letter);
    }
    Vec::new()
}

/// `y` and `n` answer a question of yes or no.
fn by_letter(model: &mut Model, letter: char) {
    let answer = match letter {
        'y' | 'Y' => "yes",
        'n' | 'N' => "no",
        _ => return,
    };
    if let Some(Field { kind: FieldKind::Flag, key, .. }) = here(model).cloned() {
        set(model, &key, answer);
    }
}

pub fn paste(model: &mut Model, text: &str) -> bool {
    here(model).is_some_and(|field| options(&field.kind).is_none()) && {
        edit(model, |typing| typing.insert(text));
        true
    }
}

fn edit(model: &mut Model, change: impl FnOnce(&mut Typing)) {
    let Some(draft) = &mut model.changing.draft else { return };
    let Some((key, typing)) = &mut draft.typing else { return };
    change(typing);
    let value = typing.input.value().to_owned();
    draft.form.set(key, value);
    check(model);
}

/// Another answer to a question.
pub fn set(model: &mut Model, key: &str, value: &str) {
    let Some(draft) = &mut model.changing.draft else { return };
    draft.form.set(key, value);
    draft.typing = draft.field(key).map(|field| (key.to_owned(), Typing::new(&field.value)));
    check(model);
}

/// The next choice that is possible here, or the one before; round and round.
pub fn choose(model: &mut Model, back: bool) {
    let Some(field) = here(model).cloned() else { return };
    let possible: Vec<Choice> = options(&field.kind).unwrap_or_default().into_iter().filter(|choice| choice.not_here.is_none()).collect();
    let now = possible.iter().position(|choice| choice.value == field.value);
    let count = possible.len();
    let next = match (now, back) {
        (Some(now), false) => now.saturating_add(1) % count.max(1),
        (Some(now), true) => now.checked_sub(1).unwrap_or(count.saturating_sub(1)),
        (None, _) => 0,
    };
    if let Some(choice) = possible.get(next) {
        set(model, &field.key, &choice.value.clone());
    }
}

/// Enter: a list opens, the button is pressed, a text is taken.
pub fn enter(model: &mut Model) -> Vec<Effect> {
    match here(model).map(|field| field.kind.clone()) {
        Some(FieldKind::Choice { .. }) => {
            let value = here(model).map(|field| field.value.clone()).unwrap_or_default();
            let mut overlay = Overlay::picker(Kind::Choices);
            if let Overlay::Picker(picker) = &mut overlay {
                picker.cursor = Cursor::on(value);
            }
            model.overlays.push(overlay);
            Vec::new()
        }
        Some(_) => {
            travel::step(model, 1);
            Vec::new()
        }
        None => show_plan(model),
    }
}

/// Where the listing of a path begins: the directory that is typed so far.
fn directory(path: &str) -> String {
    match path.rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(at) => path.get(..at).unwrap_or("/").to_owned(),
    }
}

/// Asks what lies in the directory that is typed so far.
pub fn browse(model: &Model) -> Vec<Effect> {
    match here(model) {
        Some(field) => vec![Effect::Errand(Box::new(Errand::List(directory(&field.value))))],
        None => Vec::new(),
    }
}

pub fn why_not_browse(model: &Model) -> Option<String> {
    let path = here(model).is_some_and(|field| field.kind == FieldKind::Path);
    (!path).then(|| "only a path can be looked up".to_owned())
}

/// A directory was read: it is shown over the form that is still there.
pub fn listed(model: &mut Model, dir: &str, answer: Result<Vec<(String, bool)>, Problem>) -> Vec<Effect> {
    if why_not_browse(model).is_some() || *model.screen() != Screen::Form {
        return Vec::new();
    }
    match answer {
        Ok(entries) => {
            model.changing.listing = Some(Listing { dir: dir.to_owned(), entries });
            model.overlays.push(Overlay::picker(Kind::Entries));
            model.dirty = true;
            Vec::new()
        }
        Err(problem) => update::say(model, format!("{dir} cannot be listed: {}", problem.why.first().unwrap_or(&problem.what))),
    }
}

/// A name of the listing was taken; a directory may be gone into.
pub fn entered(model: &mut Model, path: &str, goes_in: bool) -> Vec<Effect> {
    let Some(key) = here(model).map(|field| field.key.clone()) else { return Vec::new() };
    set(model, &key, path);
    if goes_in { vec![Effect::Errand(Box::new(Errand::List(path.to_owned())))] } else { Vec::new() }
}

/// A line of the open list was taken.
pub fn chosen(model: &mut Model, value: &str) {
    if let Some(key) = here(model).map(|field| field.key.clone()) {
        set(model, &key, value);
        travel::step(model, 1);
    }
}

/// Esc: back to where one came from, but nothing that was filled in is lost without a word.
pub fn leave(model: &mut Model) -> Vec<Effect> {
    if model.changing.draft.as_ref().is_some_and(Draft::is_touched) {
        let says = vec!["What you filled in is lost.".to_owned()];
        model.overlays.push(Overlay::Ask(Ask::new("Leave this form?", says, "Leave it", Deed::LeaveForm)));
    } else {
        drop_draft(model);
    }
    Vec::new()
}

pub fn drop_draft(model: &mut Model) {
    model.changing.draft = None;
    travel::back(model);
}

pub fn show_plan(model: &mut Model) -> Vec<Effect> {
    let read = model.changing.read;
    let Some(draft) = &mut model.changing.draft else { return Vec::new() };
    draft.tried = true;
    match read(&draft.form) {
        Ok(request) => {
            draft.troubles.clear();
            proposal::propose(model, request)
        }
        Err(troubles) => {
            let first = draft.asked().find(|field| troubles.iter().any(|trouble| trouble.key == field.key)).map(|field| field.key.clone());
            let count = troubles.len();
            let elsewhere = troubles.first().filter(|_| first.is_none()).map(|trouble| trouble.says.clone());
            draft.troubles = troubles;
            if let Some(key) = first {
                model.cursors.insert((Screen::Form, 0), Cursor::on(key));
            }
            let words = match (elsewhere, count) {
                (Some(says), _) => format!("No plan yet: {says}"),
                (None, 0 | 1) => "No plan yet: one answer is missing or wrong.".to_owned(),
                (None, count) => format!("No plan yet: {count} answers are missing or wrong."),
            };
            update::say(model, words)
        }
    }
}
