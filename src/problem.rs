//! What happened, where, why, what to do next, and the exit code: the same words on the screen and on standard error.

use std::fmt;

/// Exit codes of domkeep, all of it. Documented in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Good = 0,
    Failed = 1,
    /// Something could not be looked at, or is only partly done.
    Partial = 2,
    /// `check` found a danger.
    Danger = 3,
    /// Wrong usage (EX_USAGE of sysexits.h).
    Usage = 64,
    /// The terminal went away (128 + SIGHUP).
    HungUp = 129,
}

/// An error, as a person gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    /// The chain of reasons, outermost first.
    pub why: Vec<String>,
    pub hint: Option<String>,
    pub exit: Exit,
}

impl Problem {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Vec::new(), hint: None, exit: Exit::Failed }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(what) }
    }

    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::model::shown::text(&self.what))?;
        for why in &self.why {
            write!(f, "\n  because: {}", crate::model::shown::text(why))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  next: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
