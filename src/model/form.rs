//! A form: the questions of one request, asked once for the screen, for questions and answers line by line, and for options.

use serde::{Deserialize, Serialize};

/// Which request a form fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    NewFileDisk,
    ColdBackup,
    Restore,
    Start,
    Resume,
    Save,
    Copy,
    Attach,
    Detach,
    Clone,
    Prune,
    NewVolume,
    MoveDisk,
    Grow,
    Remove,
    RollBack,
    NfsRoot,
}

impl Wish {
    pub const ALL: &'static [Self] = &[
        Self::NewFileDisk,
        Self::ColdBackup,
        Self::Restore,
        Self::Start,
        Self::Resume,
        Self::Save,
        Self::Copy,
        Self::Attach,
        Self::Detach,
        Self::Clone,
        Self::Prune,
        Self::NewVolume,
        Self::MoveDisk,
        Self::Grow,
        Self::Remove,
        Self::RollBack,
        Self::NfsRoot,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    pub wish: Wish,
    /// `Back up web01`.
    pub title: String,
    /// What it does and when one wants it, for somebody who meets it for the first time.
    pub teaches: String,
    pub fields: Vec<Field>,
}

impl Form {
    pub fn value(&self, key: &str) -> &str {
        self.fields.iter().find(|field| field.key == key).map_or("", |field| field.value.as_str())
    }

    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.key == key) {
            field.value = value.into();
        }
    }

    /// Whether the field is asked for, as the others are filled in.
    pub fn is_asked(&self, field: &Field) -> bool {
        field.when.as_ref().is_none_or(|when| {
            let decides = self.fields.iter().find(|other| other.key == when.key);
            when.values.iter().any(|value| value == self.value(&when.key)) && decides.is_none_or(|other| self.is_asked(other))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The option's name on the command line, without the dashes: `file-system`.
    pub key: String,
    pub label: String,
    /// One or two sentences: what it means, and which value is right when.
    pub help: String,
    pub kind: FieldKind,
    /// The default at first.
    pub value: String,
    pub required: bool,
    /// Asked only when another field has one of these values.
    pub when: Option<When>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    pub key: String,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FieldKind {
    Text,
    /// An absolute path of the host.
    Path,
    /// Bytes, as `20G`, `512M`, `1.5TiB`; units are powers of 1024.
    Size,
    Number,
    /// `yes` or `no`.
    Flag,
    Choice {
        options: Vec<Choice>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub help: String,
    /// Why it cannot be chosen here; nothing: it can.
    pub not_here: Option<String>,
}

/// What is wrong with a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldTrouble {
    pub key: String,
    pub says: String,
}
