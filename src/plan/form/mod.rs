//! Forms: each request's questions, once, for the screen, for questions and answers, and for options. And back: a filled-in form as a request.

mod answers;
mod attach;
mod backup;
mod cloning;
mod copy;
mod new_disk;
mod nfs_root;
mod populate;
mod prune;
mod removing;
mod restore;
mod resume;
mod save;
mod start;
mod volumes;

use answers::Answers;

use crate::model::form::{Choice, When};
use crate::model::{Domain, Field, FieldKind, FieldTrouble, Form, HostPath, Inventory, Request, Subject, Wish};

/// The questions of a wish, with defaults that suit `subject`.
pub(super) fn make(wish: Wish, inventory: &Inventory, subject: Option<&Subject>) -> Form {
    match wish {
        Wish::NewFileDisk => new_disk::form(inventory, subject),
        Wish::ColdBackup => backup::form(inventory, subject),
        Wish::Restore => restore::form(subject),
        Wish::Start => start::form(inventory, subject),
        Wish::Resume => resume::form(inventory, subject),
        Wish::Save => save::form(inventory, subject),
        Wish::Copy => copy::form(inventory, subject),
        Wish::Prune => prune::form(subject),
        Wish::NewVolume => volumes::new_form(inventory, subject),
        Wish::MoveDisk => volumes::move_form(inventory, subject),
        Wish::Grow => volumes::grow_form(inventory, subject),
        Wish::Attach => attach::attach(inventory, subject),
        Wish::Detach => attach::detach(inventory, subject),
        Wish::Clone => cloning::form(inventory, subject),
        Wish::Remove => removing::remove(inventory, subject),
        Wish::RollBack => removing::roll_back(inventory, subject),
        Wish::NfsRoot => nfs_root::form(inventory, subject),
    }
}

/// The request that a filled-in form stands for. Only what is asked for counts.
pub(super) fn read(form: &Form) -> Result<Request, Vec<FieldTrouble>> {
    let mut answers = Answers::of(form);
    let request = match form.wish {
        Wish::NewFileDisk => new_disk::read(&mut answers),
        Wish::ColdBackup => backup::read(&mut answers),
        Wish::Restore => restore::read(&mut answers),
        Wish::Start => start::read(&mut answers),
        Wish::Resume => resume::read(&mut answers),
        Wish::Save => save::read(&mut answers),
        Wish::Copy => copy::read(&mut answers),
        Wish::Prune => prune::read(&mut answers),
        Wish::NewVolume => volumes::read_new(&mut answers),
        Wish::MoveDisk => volumes::read_move(&mut answers),
        Wish::Grow => volumes::read_grow(&mut answers),
        Wish::Attach => attach::read_attach(&mut answers),
        Wish::Detach => attach::read_detach(&mut answers),
        Wish::Clone => cloning::read(&mut answers),
        Wish::Remove => removing::read_remove(&mut answers),
        Wish::RollBack => removing::read_roll_back(&mut answers),
        Wish::NfsRoot => nfs_root::read(&mut answers),
    };
    answers.finish(request)
}

fn field(key: &str, label: &str, kind: FieldKind, help: &str) -> Field {
    Field { key: key.into(), label: label.into(), help: help.into(), kind, value: String::new(), required: false, when: None }
}

/// How a field is put together.
trait Shape {
    fn required(self) -> Self;
    fn starts_as(self, value: impl Into<String>) -> Self;
    fn when(self, key: &str, values: &[&str]) -> Self;
}

impl Shape for Field {
    fn required(self) -> Self {
        Self { required: true, ..self }
    }

    fn starts_as(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    fn when(self, key: &str, values: &[&str]) -> Self {
        Self { when: Some(When { key: key.into(), values: values.iter().map(|value| (*value).to_owned()).collect() }), ..self }
    }
}

fn choice(value: &str, label: &str, help: &str) -> Choice {
    Choice { value: value.into(), label: label.into(), help: help.into(), not_here: None }
}

/// A choice of the host's domains; a text where it has none.
fn domain_field(inventory: &Inventory, help: &str, chosen: Option<&Domain>) -> Field {
    let options: Vec<Choice> = inventory.domains.iter().map(|domain| choice(&domain.id, &domain.name, domain.power.as_str())).collect();
    let kind = if options.is_empty() { FieldKind::Text } else { FieldKind::Choice { options } };
    field("domain", "Domain", kind, help).required().starts_as(chosen.map(|domain| domain.id.clone()).unwrap_or_default())
}

/// Which of a domain's configuration files is meant; the only one is.
fn config_field(domain: Option<&Domain>) -> Field {
    let only = match domain.map(|domain| domain.configs.as_slice()) {
        Some([one]) => as_value(one),
        _ => String::new(),
    };
    field("config-file", "Configuration file", FieldKind::Path, "Needed only when several files name the domain.").starts_as(only)
}

/// The domain that a subject is, or belongs to.
fn domain_of<'a>(inventory: &'a Inventory, subject: Option<&Subject>) -> Option<&'a Domain> {
    match subject? {
        Subject::Domain { name } | Subject::Disk { domain: name, .. } => inventory.domain(name),
        Subject::Save { path } => inventory.domains.iter().find(|domain| domain.saves.contains(path)),
        Subject::Config { path } => inventory.domains.iter().find(|domain| domain.configs.contains(path)),
        Subject::Backing { .. } | Subject::Volume { .. } | Subject::Bundle { .. } | Subject::Host => None,
    }
}

/// A path as a field holds it. One that is not UTF-8 cannot stand in a field and is left for a person to give.
fn as_value(path: &HostPath) -> String {
    std::str::from_utf8(path.as_bytes()).unwrap_or_default().to_owned()
}

/// `Back up web01`, or `Back up a domain` when none is chosen.
fn title(verb: &str, domain: Option<&Domain>, otherwise: &str) -> String {
    format!("{verb} {}", domain.map_or(otherwise, |domain| domain.name.as_str()))
}
