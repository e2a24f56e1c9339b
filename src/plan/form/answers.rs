//! Reading a filled-in form: every wrong field is told, not only the first.

use crate::model::{Field, FieldKind, FieldTrouble, Form, HostPath, Request, bytes, shown};

/// Longest value of a field: what does not fit into a path fits into nothing here.
const LONGEST: usize = 4096;

pub(super) struct Answers<'a> {
    form: &'a Form,
    troubles: Vec<FieldTrouble>,
}

impl<'a> Answers<'a> {
    pub fn of(form: &'a Form) -> Self {
        Self { form, troubles: Vec::new() }
    }

    /// The request, when no field was wrong.
    pub fn finish(mut self, request: Option<Request>) -> Result<Request, Vec<FieldTrouble>> {
        if request.is_none() && self.troubles.is_empty() {
            self.wrong("", "the form is not filled in");
        }
        match request {
            Some(request) if self.troubles.is_empty() => Ok(request),
            _ => Err(self.troubles),
        }
    }

    pub fn wrong(&mut self, key: &str, says: impl Into<String>) {
        self.troubles.push(FieldTrouble { key: key.to_owned(), says: says.into() });
    }

    /// What was filled in; nothing when it is not asked for or empty. Says so when it is required.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let field = self.asked(key)?;
        let value = field.value.trim();
        if value.is_empty() {
            if field.required {
                self.wrong(key, format!("{} is needed", field.label));
            }
            return None;
        }
        if value.len() > LONGEST || value.contains('\0') {
            self.wrong(key, "too long, or with a NUL character");
            return None;
        }
        Some(value.to_owned())
    }

    pub fn path(&mut self, key: &str) -> Option<HostPath> {
        let path = HostPath::from(self.text(key)?);
        if !path.is_absolute() {
            self.wrong(key, format!("{path} does not begin with /; give the whole path"));
            return None;
        }
        Some(path)
    }

    pub fn size(&mut self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        match bytes::parse(&text) {
            Ok(0) => {
                self.wrong(key, "must be more than nothing");
                None
            }
            Ok(size) => Some(size),
            Err(says) => {
                self.wrong(key, says);
                None
            }
        }
    }

    pub fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let text = self.text(key)?;
        match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.wrong(key, format!("a number from {least} to {most}, not `{}`", shown::text(&text)));
                None
            }
        }
    }

    /// False when it is not asked for.
    pub fn flag(&mut self, key: &str) -> bool {
        match self.text(key).as_deref() {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => {
                self.wrong(key, format!("yes or no, not `{}`", shown::text(other)));
                false
            }
        }
    }

    /// One of the field's options that can be chosen here.
    pub fn choice(&mut self, key: &str) -> Option<String> {
        let value = self.text(key)?;
        let options = match self.asked(key).map(|field| &field.kind) {
            Some(FieldKind::Choice { options }) => options.as_slice(),
            _ => return Some(value),
        };
        let Some(option) = options.iter().find(|option| option.value == value) else {
            let all: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
            self.wrong(key, format!("there is no `{}`; there are: {}", shown::text(&value), shown::text(&all.join(", "))));
            return None;
        };
        if let Some(why) = &option.not_here {
            self.wrong(key, format!("{} cannot be chosen: {why}", option.label));
            return None;
        }
        Some(value)
    }

    /// Names between commas or blanks.
    pub fn names(&mut self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn asked(&self, key: &str) -> Option<&'a Field> {
        self.form.fields.iter().find(|field| field.key == key).filter(|field| self.form.is_asked(field))
    }
}
