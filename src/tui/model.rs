//! Everything the screen shows, and nothing else: what was seen of the host, where the person stands, what is open.

use std::collections::BTreeMap;

use ratatui::layout::Size;

use super::changing::Changing;
use super::face::Face;
use super::index::Index;
use super::keymap::Context;
use super::overlay::Overlay;
use super::screen::domains::Sort;
use super::widget::cursor::Cursor;
use crate::engine::Picture;
use crate::engine::{CommandEntry, Place};
use crate::model::{Domain, Inventory, JobId, Verdicts};

/// One screen. The domain's is named by its identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    Domains,
    Domain(String),
    Storage,
    Findings,
    Commands,
    Jobs,
    Job(JobId),
    Backups,
    Form,
    Plan,
}

impl Screen {
    /// Which keys mean something here; the first that knows a key decides.
    pub fn contexts(&self) -> &'static [Context] {
        match self {
            Self::Form => &[Context::Form],
            Self::Plan => &[Context::Plan, Context::Screen],
            Self::Jobs | Self::Job(_) => &[Context::Jobs, Context::Screen],
            _ => &[Context::Host, Context::Screen],
        }
    }
}

/// A screen on the way to where one stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub screen: Screen,
    /// The pane that keys go to.
    pub focus: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Looking {
    #[default]
    No,
    /// By itself; nothing is said about it.
    Again,
    /// Somebody pressed the key and wants to know how it ended.
    Asked,
}

/// One line above the hints that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    /// Stays until a key is pressed.
    pub sticky: bool,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub face: Face,
    pub size: Size,
    /// A size that the window had a moment ago; taken when it stays.
    pub next_size: Option<Size>,
    pub place: Place,
    pub read_only: bool,
    pub poll_seconds: u64,
    /// Nothing before the first look has ended.
    pub picture: Option<Picture>,
    /// A newer picture that waits until no overlay is open: lists do not move under a hand.
    pub waiting: Option<Picture>,
    pub index: Index,
    pub commands: Vec<CommandEntry>,
    /// Never empty: the first is where `q` leaves.
    pub trail: Vec<Stop>,
    pub cursors: BTreeMap<(Screen, usize), Cursor>,
    pub filters: BTreeMap<Screen, String>,
    pub sort: Sort,
    pub overlays: Vec<Overlay>,
    pub toast: Option<Toast>,
    pub looking: Looking,
    /// Something changed while a look was under way.
    pub look_again: bool,
    pub settling: bool,
    pub watched: bool,
    pub paused: bool,
    pub mouse: bool,
    /// The form that is filled in, the plan that is read, the jobs that are followed.
    pub changing: Changing,
    /// What is on the terminal is not what this model says.
    pub dirty: bool,
}

impl Model {
    pub fn new(face: Face, size: Size, place: Place) -> Self {
        Self {
            face,
            size,
            next_size: None,
            place,
            read_only: false,
            poll_seconds: 0,
            picture: None,
            waiting: None,
            index: Index::default(),
            commands: Vec::new(),
            trail: vec![Stop { screen: Screen::Domains, focus: 0 }],
            cursors: BTreeMap::new(),
            filters: BTreeMap::new(),
            sort: Sort::default(),
            overlays: Vec::new(),
            toast: None,
            looking: Looking::Again,
            look_again: false,
            settling: false,
            watched: false,
            paused: false,
            mouse: false,
            changing: Changing::default(),
            dirty: true,
        }
    }

    pub fn screen(&self) -> &Screen {
        self.trail.last().map_or(&Screen::Domains, |stop| &stop.screen)
    }

    pub fn focus(&self) -> usize {
        self.trail.last().map_or(0, |stop| stop.focus)
    }

    /// Whether what this screen shows is there: the host's screens wait for the first look, the jobs' do not.
    pub fn is_there(&self) -> bool {
        self.picture.is_some() || matches!(self.screen(), Screen::Jobs | Screen::Job(_))
    }

    pub fn inventory(&self) -> Option<&Inventory> {
        self.picture.as_ref().map(|picture| &*picture.inventory)
    }

    pub fn verdicts(&self) -> Option<&Verdicts> {
        self.picture.as_ref().map(|picture| &*picture.verdicts)
    }

    pub fn domain(&self, id: &str) -> Option<&Domain> {
        self.inventory()?.domains.iter().find(|domain| domain.id == id)
    }

    pub fn cursor(&self, pane: usize) -> Cursor {
        self.cursors.get(&(self.screen().clone(), pane)).cloned().unwrap_or_default()
    }

    /// What is selected in a pane of the screen one stands on.
    pub fn selected(&self, pane: usize) -> Option<&str> {
        self.cursors.get(&(self.screen().clone(), pane))?.key.as_deref()
    }

    pub fn filter(&self) -> &str {
        self.filters.get(self.screen()).map_or("", String::as_str)
    }

    /// The domain that an action on "the selected domain" means.
    pub fn selected_domain(&self) -> Option<&str> {
        match self.screen() {
            Screen::Domain(id) => Some(id),
            _ => self.cursors.get(&(Screen::Domains, 0))?.key.as_deref(),
        }
    }
}

/// Whether `text` passes a filter: a part of it, in any case; `!` in front turns it round.
pub fn passes(filter: &str, text: &str) -> bool {
    let (wanted, part) = filter.strip_prefix('!').map_or((true, filter), |rest| (false, rest));
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase()) == wanted
}
