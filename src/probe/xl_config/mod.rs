//! xl's configuration language, as libxlutil reads it: the same files are taken, the same refused, and the value of a key is what xl sees.
//!
//! Sources: xl.cfg(5); the scanner and grammar of Xen's tools/libs/util (libxlu_cfg_l.l, libxlu_cfg_y.y, libxlu_cfg.c), 4.4 to 4.19.
//! `xl.conf` and cpupool files are written in the same language.

mod grammar;
mod lexer;
pub mod number;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use number::{Number, NumberTrouble};

/// More bytes than this are not read: no domain's configuration is that long.
pub const MAX_BYTES: usize = 1 << 20;
/// Errors that are kept of one file; the first one already refuses it.
const MAX_ERRORS: usize = 50;
/// Lists in lists; xl itself gives up at some thousand.
const MAX_NESTING: usize = 64;

/// A place in a file: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Str(Vec<u8>),
    /// A number as it was written: xl converts it when it is asked for ([`number::strtol`]).
    Num(String),
    List(Vec<Item>),
}

/// One value in a list, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub value: Value,
    pub at: Position,
}

impl Value {
    /// The text of a string or number; xl makes no difference between the two.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Str(text) => Some(text),
            Self::Num(digits) => Some(digits.as_bytes()),
            Self::List(_) => None,
        }
    }
}

/// What a key is set to in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: Value,
    pub at: Position,
    pub value_at: Position,
    /// The last assignment was `+=`: xl then takes it for no number.
    pub added: bool,
    /// Line of an earlier `=` that this one overrules.
    pub overrules: Option<u32>,
}

/// Why xl refuses a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: Position,
    /// For people: what is wrong, and what to write instead.
    pub what: String,
}

/// A file as xl reads it. With errors, xl takes nothing of it; the settings are then only what could be made out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// One entry a key, in the order in which the keys first occur.
    pub settings: Vec<Setting>,
    pub errors: Vec<SyntaxError>,
    /// A character was met at which xl says that the file looks like Python.
    pub looks_like_python: bool,
    index: HashMap<String, usize>,
}

/// Reads a file of at most [`MAX_BYTES`].
pub fn parse(bytes: &[u8]) -> Parsed {
    if bytes.len() > MAX_BYTES {
        let what = format!("larger than the {} that are read of a configuration", crate::model::bytes::human(MAX_BYTES as u64));
        return Parsed { errors: vec![SyntaxError { at: Position { line: 1, column: 1 }, what }], ..Parsed::default() };
    }
    grammar::parse(bytes)
}

impl Parsed {
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.index.get(key).and_then(|at| self.settings.get(*at))
    }

    /// The text of a key; nothing when it is not set or a list (xl warns and takes it as not set).
    pub fn text(&self, key: &str) -> Option<&[u8]> {
        self.get(key).and_then(|setting| setting.value.text())
    }

    /// [`Parsed::text`] that is also UTF-8, anything else replaced by U+FFFD.
    pub fn string(&self, key: &str) -> Option<String> {
        self.text(key).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    pub fn list(&self, key: &str) -> Option<&[Item]> {
        match self.get(key).map(|setting| &setting.value) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        }
    }

    /// A number as xl converts it.
    pub fn number(&self, key: &str) -> Result<i64, NumberTrouble> {
        let setting = self.get(key).ok_or(NumberTrouble::NotSet)?;
        let text = setting.value.text().ok_or(NumberTrouble::List)?;
        if setting.added {
            return Err(NumberTrouble::Added);
        }
        number::whole(text)
    }

    /// A switch: any number but 0.
    pub fn switch(&self, key: &str) -> Result<bool, NumberTrouble> {
        self.number(key).map(|value| value != 0)
    }

    /// Sets a key as `=` does.
    pub(crate) fn assign(&mut self, mut setting: Setting) {
        if let Some(old) = self.index.get(&setting.key).and_then(|at| self.settings.get_mut(*at)) {
            setting.overrules = Some(old.at.line);
            *old = setting;
        } else {
            self.index.insert(setting.key.clone(), self.settings.len());
            self.settings.push(setting);
        }
    }

    /// Sets a key as `+=` does; an error when a list meets a string.
    fn append(&mut self, setting: Setting) -> Result<(), &'static str> {
        let Some(old) = self.index.get(&setting.key).and_then(|at| self.settings.get_mut(*at)) else {
            self.assign(setting);
            return Ok(());
        };
        match (&mut old.value, setting.value) {
            (Value::List(items), Value::List(more)) => items.extend(more),
            (Value::List(_), _) | (_, Value::List(_)) => return Err("`+=` cannot add a list to a string, or a string to a list"),
            (single, more) => {
                let mut text = match std::mem::replace(single, Value::List(Vec::new())) {
                    Value::Str(text) => text,
                    Value::Num(digits) => digits.into_bytes(),
                    Value::List(_) => Vec::new(),
                };
                text.extend_from_slice(more.text().unwrap_or_default());
                *single = Value::Str(text);
            }
        }
        old.added = true;
        old.at = setting.at;
        old.value_at = setting.value_at;
        Ok(())
    }
}
