//! Resuming a save image.

use super::answers::Answers;
use super::{Shape, as_value, choice, domain_of, field};
use crate::model::saved::IfChanged;
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
        fields: vec![save_field(inventory, chosen), if_changed_field()],
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

fn if_changed_field() -> Field {
    let options = vec![
        choice("refuse", "say so, and do nothing", "the disks of a save that domkeep made are compared with what they were"),
        choice("boot", "keep the image aside and boot", "what was only in memory is lost, as after a power cut"),
        choice(
            "roll-back",
            "roll the disks back, then resume",
            "to the snapshots that were taken with the save; what was written since is lost",
        ),
        choice("resume", "resume all the same", "destroys their file systems; the name must be typed"),
    ];
    field(
        "if-changed",
        "If a disk was changed since",
        FieldKind::Choice { options },
        "The guest's memory knows the disks as they were. Over others it destroys their file systems.",
    )
    .required()
    .starts_as("refuse")
}

/// The newest of a domain's save images that is not known to be damaged.
pub(super) fn newest<'a>(inventory: &'a Inventory, saves: &[crate::model::HostPath]) -> Option<&'a Save> {
    let whole = saves.iter().filter_map(|path| inventory.save(path)).filter(|save| save.complete != Some(false));
    whole.max_by_key(|save| save.created)
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let save = answers.path("save");
    let if_changed = answers.choice("if-changed").and_then(|word| IfChanged::parse(&word));
    Some(Request::Resume { save: save?, if_changed: if_changed? })
}
