//! Booting a domain.

use super::answers::Answers;
use super::{config_field, domain_field, domain_of, title};
use crate::model::{Form, Inventory, Request, Subject, Wish};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let fields = vec![domain_field(inventory, "Which domain is booted.", domain), config_field(domain)];
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
