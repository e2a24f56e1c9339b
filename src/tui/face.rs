//! How things look on this terminal: the 16 palette names (they follow the person's own theme, light or dark) and one of two glyph sets.
//! Meaning is always doubled by a word or a sign.

use ratatui::style::{Color, Modifier, Style};

use crate::model::{Power, Severity};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub pointer: &'static str,
    pub ellipsis: &'static str,
    pub rule: &'static str,
    pub upright: &'static str,
    pub branch: &'static str,
    pub last_branch: &'static str,
    pub stem: &'static str,
    /// Between crumbs.
    pub step: &'static str,
    pub corners: [&'static str; 4],
}

impl Glyphs {
    pub const UNICODE: Self = Self {
        pointer: "▸",
        ellipsis: "…",
        rule: "─",
        upright: "│",
        branch: "├",
        last_branch: "└",
        stem: "│",
        step: "▸",
        corners: ["┌", "┐", "└", "┘"],
    };
    pub const ASCII: Self = Self {
        pointer: ">",
        ellipsis: "~",
        rule: "-",
        upright: "|",
        branch: "|",
        last_branch: "`",
        stem: "|",
        step: ">",
        corners: ["+", "+", "+", "+"],
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// Without colour no colour command may ever be sent: one with nothing in it resets the reversed row.
    pub colour: bool,
    pub glyphs: Glyphs,
    /// A gutter mark instead of a reversed row.
    pub slow: bool,
}

impl Face {
    pub const PLAIN: Self = Self { colour: false, glyphs: Glyphs::ASCII, slow: false };
    pub const FULL: Self = Self { colour: true, glyphs: Glyphs::UNICODE, slow: false };

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::default().fg(colour) } else { Style::default() }
    }

    #[expect(clippy::unused_self, reason = "every style is asked of the face")]
    pub fn strong(self) -> Style {
        Style::default().add_modifier(Modifier::BOLD)
    }

    /// Secondary text. Without colours it is plain: old terminals show dim as blinking or not at all.
    pub fn dim(self) -> Style {
        if self.colour { Style::default().add_modifier(Modifier::DIM) } else { Style::default() }
    }

    pub fn heading(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub fn danger(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Danger => self.danger(),
            Severity::Warning => self.warning(),
            Severity::Note => Style::default(),
        }
    }

    pub fn power(self, power: Power) -> Style {
        match power {
            Power::Running => self.good(),
            Power::Crashed | Power::Dying => self.danger(),
            Power::Off => self.dim(),
            Power::Unknown => Style::default(),
            _ => self.warning(),
        }
    }
}
