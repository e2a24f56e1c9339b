//! A scenario: a story about a host, and what a user would see of it.

use anyhow::Result;

use crate::host::Host;
use crate::see::See;

pub type Story = fn(&mut dyn Host, &mut See) -> Result<()>;

pub struct Scenario {
    /// A sentence that holds when the story ends well.
    pub name: &'static str,
    pub story: Story,
    /// Part of the short set.
    pub short: bool,
    /// The demo machine can play it too.
    pub both: bool,
    /// It needs a host that was booted for it.
    pub fresh: bool,
}

pub fn scenario(name: &'static str, story: Story) -> Scenario {
    Scenario { name, story, short: false, both: false, fresh: false }
}

impl Scenario {
    #[must_use]
    pub fn short(self) -> Self {
        Self { short: true, ..self }
    }

    #[must_use]
    pub fn both(self) -> Self {
        Self { both: true, ..self }
    }

    #[must_use]
    pub fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }

    /// A name for files.
    pub fn slug(&self) -> String {
        self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(60).collect()
    }
}
