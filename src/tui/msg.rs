//! What comes in and what goes out: plain data, so that a test can say and see both.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Size;

use super::changing::errand::Errand;
use super::changing::proposal::Rehearsal;
use crate::engine::{CommandEntry, Picture};
use crate::model::{Form, JobDetail, JobId, JobSummary, Plan, Refusal, Subject, Wish};
use crate::problem::{Exit, Problem};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Msg {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Text that was pasted into the terminal.
    Paste(String),
    Resized(Size),
    /// A look at the host has ended.
    Looked(Picture, Vec<CommandEntry>),
    /// A look broke off: a fault of ours.
    LookFailed(String),
    Commands(Vec<CommandEntry>),
    HostChanged,
    /// Whether the host tells about changes by itself.
    Watching(bool),
    /// The form that was asked for, and what it is for.
    Form(Option<Subject>, Form),
    Planned(u64, Result<Arc<Plan>, Refusal>),
    Rehearsed(u64, Rehearsal),
    Launched(Result<JobId, Problem>),
    /// A script was written to this file.
    Written(Result<String, Problem>),
    /// A directory of the host was read: names, and whether each is a directory.
    Listed(String, Result<Vec<(String, bool)>, Problem>),
    /// A job was told something: what to say of it.
    Obeyed(Result<String, Problem>),
    /// The jobs of the host, and its clock.
    Jobs(Result<Vec<JobSummary>, Problem>, DateTime<Utc>),
    Job(JobId, Result<Box<JobDetail>, Problem>, DateTime<Utc>),
    /// An errand broke off: a fault of ours.
    ErrandFailed(String),
    Time(Timer),
    /// The process goes on after it was stopped: the terminal is ours again, and shows anything.
    Continued,
    /// Stopped from outside (SIGTSTP).
    Stop,
    /// A signal asks us to leave.
    Leave(Exit),
    TerminalGone,
}

/// Moments that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A toast has been there long enough.
    Toast,
    /// It is time to look again.
    Poll,
    /// Changes have settled down.
    Settled,
    /// The first look takes longer than a moment.
    Waiting,
    /// The window has its new size.
    Resize,
    /// It is time to ask how the jobs are.
    Jobs,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Look,
    Form(Wish, Option<Subject>),
    Errand(Box<Errand>),
    /// Ask for all jobs.
    Jobs,
    Job(JobId),
    AskCommands,
    /// Sends [`Msg::Time`] later; replaces a waiting one of the same kind.
    After(Duration, Timer),
    Clipboard(String),
    Mouse(bool),
    Redraw,
    Suspend,
    Quit(Exit),
}
