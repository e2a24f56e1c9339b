//! What the screens of changes remember, and what their keys and answers do to it: wish, form, plan, job.
//!
//! ```text
//! wishes -> draft (a form is filled in) -> proposal (a plan is read) -> follow (a job runs)
//! ```
//! What takes time is an [`errand::Errand`], run on a thread of its own; everything here is pure.

pub mod draft;
pub mod errand;
pub mod follow;
pub mod proposal;
pub mod wishes;

use crate::engine::Engine;
use crate::model::{FieldTrouble, Form, Request};

use draft::Draft;
use follow::Follow;
use proposal::Proposal;

#[derive(Clone, Debug)]
pub struct Changing {
    /// Why nothing can be changed here; nothing: it can.
    pub fixed: Option<String>,
    pub draft: Option<Draft>,
    pub proposal: Option<Proposal>,
    pub follow: Follow,
    /// A directory of the host that was read for a path that is typed.
    pub listing: Option<Listing>,
    /// Number of the last question that was sent off: answers to older ones are thrown away.
    pub ticket: u64,
    /// How a filled-in form is read. Pure.
    pub read: fn(&Form) -> Result<Request, Vec<FieldTrouble>>,
}

/// Names in a directory, and whether each is a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub dir: String,
    pub entries: Vec<(String, bool)>,
}

impl Default for Changing {
    fn default() -> Self {
        Self { fixed: None, draft: None, proposal: None, follow: Follow::default(), listing: None, ticket: 0, read: Engine::request }
    }
}

impl Changing {
    pub fn next_ticket(&mut self) -> u64 {
        self.ticket = self.ticket.wrapping_add(1);
        self.ticket
    }
}
