//! The long text behind a finding's code: what `domkeep explain CODE` prints.

/// What a person who meets a finding for the first time needs to know. Paragraphs, without line breaks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Stable, for scripts.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    pub what: &'static str,
    pub how_it_comes: &'static str,
    pub looked_at: &'static str,
    /// How to mend it by hand; a line that begins with two blanks is a command.
    pub mend: &'static [&'static str],
    pub proves_not: &'static str,
}
