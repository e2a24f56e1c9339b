//! Old xm configurations: Python 2 programs, of which the plain part is worked out here. Nothing is ever run.
//!
//! What is understood: texts, numbers, lists, tuples, names set before, `+ - * %`, texts that stand side by side, parentheses, True, False,
//! None, int() and str(). What is not understood makes the names it could set unknown, with the line and the reason; an unknown value
//! is never guessed. Source: Xen 4.1, tools/python/xen/xm (create.py, opts.py), which ran the file and kept the variables that were
//! texts, whole numbers, lists or floats.

mod block;
mod expression;
mod lines;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use expression::Py;

use super::xl_config::{Item, Parsed, Position, Setting, Value};

/// More bytes than this are not read.
pub const MAX_BYTES: usize = 1 << 20;
/// Logical lines that are followed; a configuration has a few dozen.
const MAX_LINES: usize = 1_000;
/// Bytes of all values that are worked out, so that `a = a + a` ends.
const BUDGET: usize = 8 << 20;

/// A key that has a value, but one that cannot be known without running the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRead {
    pub key: String,
    /// From 1.
    pub line: u32,
    /// `vmid has no value in the file`.
    pub why: String,
}

/// What is known of a Python configuration without running it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluated {
    /// Names and values at the end of the file, in the order in which they were first set.
    pub values: Vec<(String, Py, u32)>,
    pub not_read: Vec<NotRead>,
    /// It holds something that only Python understands, so it is not just a spoilt xl file.
    pub python: bool,
    /// Something that could have set or changed any name (execfile, exec), and its line.
    pub anything: Option<(u32, String)>,
    /// The first line that is not Python either.
    pub broken: Option<(u32, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Known {
    Value(Py),
    Unknown(String),
}

struct Variable {
    order: usize,
    line: u32,
    known: Known,
}

/// Works out what can be worked out.
pub fn evaluate(bytes: &[u8]) -> Evaluated {
    if bytes.len() > MAX_BYTES {
        return Evaluated { broken: Some((1, "too large".to_owned())), ..Evaluated::default() };
    }
    let mut machine =
        Machine { names: BTreeMap::new(), same: Vec::new(), functions: BTreeMap::new(), budget: BUDGET, result: Evaluated::default() };
    let lines = lines::split(bytes);
    machine.run(lines.get(..MAX_LINES).unwrap_or(&lines));
    if let Some(line) = lines.get(MAX_LINES) {
        machine.poison_everything(line.number, "the file is too long to be followed to its end");
    }
    machine.finish()
}

struct Machine {
    names: BTreeMap<String, Variable>,
    /// Groups of names that may stand for one and the same list: changing one in place changes all.
    same: Vec<BTreeSet<String>>,
    /// Functions of the file, and the names that their bodies mention.
    functions: BTreeMap<String, BTreeSet<String>>,
    budget: usize,
    result: Evaluated,
}

impl Machine {
    fn set(&mut self, name: &str, line: u32, known: Known) {
        for group in &mut self.same {
            group.remove(name);
        }
        self.same.retain(|group| group.len() > 1);
        let order = self.names.get(name).map_or(self.names.len(), |old| old.order);
        self.names.insert(name.to_owned(), Variable { order, line, known });
    }

    /// Makes a name unknown, and with it every name that may be the same list.
    fn poison(&mut self, name: &str, line: u32, why: &str) {
        let mut all: BTreeSet<String> = self.same.iter().filter(|group| group.contains(name)).flatten().cloned().collect();
        all.insert(name.to_owned());
        for name in all {
            let order = self.names.get(&name).map_or(self.names.len(), |old| old.order);
            self.names.insert(name, Variable { order, line, known: Known::Unknown(why.to_owned()) });
        }
    }

    fn poison_everything(&mut self, line: u32, why: &str) {
        let all: Vec<String> = self.names.keys().cloned().collect();
        for name in all {
            self.poison(&name, line, why);
        }
        self.result.anything.get_or_insert_with(|| (line, why.to_owned()));
    }

    fn broken(&mut self, line: u32, why: &str) {
        self.result.broken.get_or_insert_with(|| (line, why.to_owned()));
    }

    fn value(&self, name: &str) -> Option<&Py> {
        match self.names.get(name).map(|v| &v.known) {
            Some(Known::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn finish(mut self) -> Evaluated {
        let mut names: Vec<(String, Variable)> = self.names.into_iter().collect();
        names.sort_by_key(|(_, variable)| variable.order);
        for (name, variable) in names {
            match variable.known {
                Known::Value(value) => self.result.values.push((name, value, variable.line)),
                Known::Unknown(why) => self.result.not_read.push(NotRead { key: name, line: variable.line, why }),
            }
        }
        self.result
    }
}

impl Evaluated {
    /// The values that xm would have kept, as settings of the xl kind.
    pub fn settings(&self) -> Parsed {
        let mut parsed = Parsed::default();
        for (key, value, line) in &self.values {
            let at = Position { line: *line, column: 1 };
            let value = match value {
                Py::Str(_) | Py::Int(_) | Py::List(_) | Py::Bool(_) => convert(value, at),
                _ => None,
            };
            if let Some(value) = value {
                parsed.assign(Setting { key: key.clone(), value, at, value_at: at, added: false, overrules: None });
            }
        }
        parsed
    }

    pub fn why_not_read(&self, key: &str) -> Option<&NotRead> {
        self.not_read.iter().find(|not_read| not_read.key == key)
    }
}

/// Lists keep their texts, numbers and lists; anything else in them has no meaning for xm.
fn convert(value: &Py, at: Position) -> Option<Value> {
    match value {
        Py::Str(text) => Some(Value::Str(text.clone())),
        Py::Int(number) => Some(Value::Num(number.to_string())),
        Py::Bool(on) => Some(Value::Num(u8::from(*on).to_string())),
        Py::List(items) | Py::Tuple(items) => {
            Some(Value::List(items.iter().filter_map(|item| convert(item, at)).map(|value| Item { value, at }).collect()))
        }
        Py::Float(_) | Py::None => None,
    }
}
