//! What a demo tool answers, and how its arguments are taken apart.

use std::time::Duration;

use crate::model::Output;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Reply {
    pub fn good(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    pub fn bad(exit: i32, err: impl Into<String>) -> Self {
        Self { exit, err: err.into(), ..Self::default() }
    }

    /// A command line that the demo does not know: never a guess.
    pub fn unknown(argv: &[String]) -> Self {
        Self::bad(127, format!("the demo machine does not know: {}\n", argv.join(" ")))
    }

    #[must_use]
    pub fn with_err(mut self, err: impl AsRef<str>) -> Self {
        self.err.push_str(err.as_ref());
        self
    }

    /// Every answer takes the same time, so that a command log can be compared.
    pub fn into_output(self) -> Output {
        Output { exit: self.exit, stdout: self.out.into_bytes(), stderr: self.err.into_bytes(), took: Duration::from_millis(12) }
    }
}

/// Options and operands as getopt_long(3) tells them apart; `--long value` and `--long=value`, `-oVALUE` and `-o value`, `-ab` for `-a -b`.
#[derive(Debug, Default)]
pub struct Args {
    given: Vec<(String, Option<String>)>,
    pub operands: Vec<String>,
}

impl Args {
    /// `flags` take no value, `valued` take one; both named as given (`-v`, `--units`). The error is the first word that is neither.
    pub fn parse(words: &[String], flags: &[&str], valued: &[&str]) -> Result<Self, String> {
        let mut args = Self::default();
        let mut words = words.iter();
        let mut only_operands = false;
        while let Some(word) = words.next() {
            if only_operands || word == "-" || !word.starts_with('-') {
                args.operands.push(word.clone());
            } else if word == "--" {
                only_operands = true;
            } else if word.starts_with("--") || flags.contains(&word.as_str()) || valued.contains(&word.as_str()) {
                let (name, inline) = match word.split_once('=').filter(|_| word.starts_with("--")) {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (word.as_str(), None),
                };
                if valued.contains(&name) {
                    let value = inline.or_else(|| words.next().cloned()).ok_or_else(|| word.clone())?;
                    args.given.push((name.to_owned(), Some(value)));
                } else if flags.contains(&name) && inline.is_none() {
                    args.given.push((name.to_owned(), None));
                } else {
                    return Err(word.clone());
                }
            } else {
                args.cluster(word, flags, valued, &mut words)?;
            }
        }
        Ok(args)
    }

    fn cluster<'a>(
        &mut self,
        word: &str,
        flags: &[&str],
        valued: &[&str],
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        for (at, letter) in word.char_indices().skip(1) {
            let name = format!("-{letter}");
            if flags.contains(&name.as_str()) {
                self.given.push((name, None));
                continue;
            }
            if !valued.contains(&name.as_str()) {
                return Err(word.to_owned());
            }
            let rest = word.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            let value = rest.map(str::to_owned).or_else(|| words.next().cloned()).ok_or_else(|| word.to_owned())?;
            self.given.push((name, Some(value)));
            break;
        }
        Ok(())
    }

    pub fn has(&self, names: &[&str]) -> bool {
        self.given.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// The last value given under one of these names.
    pub fn value(&self, names: &[&str]) -> Option<&str> {
        self.given.iter().rev().find(|(name, _)| names.contains(&name.as_str())).and_then(|(_, value)| value.as_deref())
    }

    pub fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(|(name, _)| names.contains(&name.as_str())).filter_map(|(_, value)| value.as_deref())
    }
}
