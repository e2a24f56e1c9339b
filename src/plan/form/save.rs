//! Saving a domain to a file.

use super::answers::Answers;
use super::{Shape, domain_field, domain_of, field, title};
use crate::model::saved::SaveWish;
use crate::model::{FieldKind, Form, Inventory, Request, Subject, Wish, bundle_names};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let usual = domain.map(|domain| format!("/var/lib/xen/{}.save", bundle_names::component(&domain.name))).unwrap_or_default();
    let fields = vec![
        domain_field(inventory, "It stops where it is, and goes on there when it is resumed.", domain),
        field(
            "to",
            "Save image",
            FieldKind::Path,
            "A new file. Not in /var/lib/xen/save: what lies there the host resumes at its next boot.",
        )
        .required()
        .starts_as(usual),
        field(
            "snapshots",
            "Snapshots of its volumes",
            FieldKind::Flag,
            "Taken in the same moment. If somebody changes a disk before the domain is resumed, it can be rolled back.",
        )
        .starts_as("no"),
    ];
    Form {
        wish: Wish::Save,
        title: title("Save", domain, "a domain"),
        teaches: "Writes a running domain's memory to a file and stops it, before maintenance of the host for example. What its disks are in that moment is written down, so that `domkeep resume` sees whether one was changed since.".into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let to = answers.path("to");
    let snapshots = answers.flag("snapshots");
    Some(Request::Save(SaveWish { domain: domain?, to: to?, snapshots }))
}
