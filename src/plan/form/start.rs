//! Booting a domain.

use super::answers::Answers;
use super::{Shape, as_value, domain_field, domain_of, field, title};
use crate::model::{FieldKind, Form, Inventory, Request, Subject, Wish};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let config = match domain.map(|domain| domain.configs.as_slice()) {
        Some([one]) => as_value(one),
        _ => String::new(),
    };
    let fields = vec![
        domain_field(inventory, "Which domain is booted.", domain),
        field("config-file", "Configuration file", FieldKind::Path, "Needed only when several files name the domain.").starts_as(config),
    ];
    Form {
        wish: Wish::Start,
        title: title("Start", domain, "a domain"),
        teaches: "Boots a domain, having looked first: whether a save image would be ruined by it, whether its disks are there and used by nobody else.".into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let config = answers.path("config-file");
    Some(Request::Start { domain: domain?, config })
}
