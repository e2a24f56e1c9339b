//! Resuming a save image.

use super::answers::Answers;
use super::{Shape, as_value, choice, domain_of, field};
use crate::model::{Field, FieldKind, Form, Inventory, Request, Save, Subject, Wish};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let chosen = match subject {
        Some(Subject::Save { path }) => inventory.save(path),
        _ => domain_of(inventory, subject).and_then(|domain| newest(inventory, &domain.saves)),
    };
    let title = chosen.and_then(|save| save.domain.clone()).map_or_else(|| "Resume a save image".into(), |name| format!("Resume {name}"));
    Form {
        wish: Wish::Resume,
        title,
        teaches: "Brings a saved domain back into memory where it was saved, having looked first: a save image whose disks were changed since then destroys their file systems when it is resumed.".into(),
        fields: vec![save_field(inventory, chosen)],
    }
}

fn save_field(inventory: &Inventory, chosen: Option<&Save>) -> Field {
    let option = |save: &Save| {
        let value = as_value(&save.path);
        let help = save.created.map_or_else(String::new, |at| format!("written {}", at.format("%Y-%m-%d %H:%M UTC")));
        (!value.is_empty()).then(|| choice(&value, &format!("{} ({})", value, save.domain.as_deref().unwrap_or("?")), &help))
    };
    let options: Vec<_> = inventory.saves.iter().filter_map(option).collect();
    let kind = if options.is_empty() { FieldKind::Path } else { FieldKind::Choice { options } };
    field("save", "Save image", kind, "The file that `xl save` wrote.")
        .required()
        .starts_as(chosen.map(|save| as_value(&save.path)).unwrap_or_default())
}

/// The newest of a domain's save images that is not known to be damaged.
pub(super) fn newest<'a>(inventory: &'a Inventory, saves: &[crate::model::HostPath]) -> Option<&'a Save> {
    let whole = saves.iter().filter_map(|path| inventory.save(path)).filter(|save| save.complete != Some(false));
    whole.max_by_key(|save| save.created)
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let save = answers.path("save");
    Some(Request::Resume { save: save? })
}
