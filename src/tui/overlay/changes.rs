//! All changes that can be asked for, from where one stands; those that cannot be, with the reason. And the choices of a question in a form.

use super::picker::{Choice, Item};
use crate::model::{FieldKind, Wish, shown};
use crate::tui::changing::wishes;
use crate::tui::keymap::{Action, KEYS};
use crate::tui::model::Model;

pub fn items(model: &Model) -> Vec<Item> {
    let mut items = Vec::new();
    if wishes::why_not_mend(model).is_none() {
        items.push(Item {
            key: "mend".to_owned(),
            left: "mend".to_owned(),
            right: "What mends the selected finding".to_owned(),
            also: "",
            why_not: None,
            choice: Choice::Act(Action::Mend),
        });
    }
    let order = [
        Wish::ColdBackup,
        Wish::Restore,
        Wish::NewFileDisk,
        Wish::NewVolume,
        Wish::Attach,
        Wish::Detach,
        Wish::Clone,
        Wish::Remove,
        Wish::RollBack,
        Wish::NfsRoot,
        Wish::Start,
        Wish::Save,
        Wish::Resume,
        Wish::Copy,
        Wish::MoveDisk,
        Wish::Grow,
        Wish::Prune,
    ];
    items.extend(order.into_iter().map(|wish| item(model, wish)));
    items
}

pub fn item(model: &Model, wish: Wish) -> Item {
    let (left, right) = wishes::words(wish);
    let key = KEYS.iter().find(|binding| wishes::of(binding.action) == Some(wish)).and_then(|binding| binding.keys.first());
    Item {
        key: left.to_owned(),
        left: key.map_or_else(|| left.to_owned(), |key| format!("{left} ({key})")),
        right: right.to_owned(),
        also: "",
        why_not: wishes::why_not(model, wish),
        choice: Choice::Wish(wish),
    }
}

/// The choices of the question one stands on.
pub fn choices(model: &Model) -> Vec<Item> {
    let field = model.changing.draft.as_ref().zip(model.selected(0)).and_then(|(draft, key)| draft.field(key));
    let Some(FieldKind::Choice { options }) = field.map(|field| &field.kind) else { return Vec::new() };
    let item = |choice: &crate::model::form::Choice| Item {
        key: choice.value.clone(),
        left: shown::text(&choice.label),
        right: shown::text(&choice.help),
        also: "",
        why_not: choice.not_here.as_deref().map(shown::text),
        choice: Choice::Value(choice.value.clone()),
    };
    options.iter().map(item).collect()
}

/// What lies in the directory that was looked up: itself, the one above, directories, then the rest.
pub fn entries(model: &Model) -> Vec<Item> {
    let Some(listing) = &model.changing.listing else { return Vec::new() };
    let dir = listing.dir.trim_end_matches('/');
    let item = |name: &str, right: &str, path: String, goes_in: bool| Item {
        key: name.to_owned(),
        left: shown::text(name),
        right: right.to_owned(),
        also: "",
        why_not: None,
        choice: Choice::Path(path, goes_in),
    };
    let whole = |dir: &str| if dir.is_empty() { "/".to_owned() } else { dir.to_owned() };
    let mut items = vec![item(&whole(dir), "take this directory", whole(dir), false)];
    if let Some((above, _)) = dir.rsplit_once('/') {
        items.push(item("..", "the directory above", whole(above), true));
    }
    let (dirs, files): (Vec<_>, Vec<_>) = listing.entries.iter().partition(|(_, is_dir)| *is_dir);
    items.extend(dirs.into_iter().map(|(name, _)| item(&format!("{name}/"), "", format!("{dir}/{name}"), true)));
    items.extend(files.into_iter().map(|(name, _)| item(name, "", format!("{dir}/{name}"), false)));
    items
}
