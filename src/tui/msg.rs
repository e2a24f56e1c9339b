//! What comes in and what goes out: plain data, so that a test can say and see both.

use std::time::Duration;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Size;

use crate::engine::CommandEntry;
use crate::engine::Picture;
use crate::problem::Exit;

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
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Look,
    AskCommands,
    /// Sends [`Msg::Time`] later; replaces a waiting one of the same kind.
    After(Duration, Timer),
    Clipboard(String),
    Mouse(bool),
    Redraw,
    Suspend,
    Quit(Exit),
}
