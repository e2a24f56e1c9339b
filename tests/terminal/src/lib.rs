//! A terminal for tests and screenshots: a program in a pty, its screen, keys as text.
//!
//! ```no_run
//! use std::time::Duration;
//! use domkeep_terminal::{Options, Session};
//!
//! # fn main() -> anyhow::Result<()> {
//! let mut session = Session::start("/usr/bin/less", &["README.md"], &Options::default().size(80, 24))?;
//! session.wait_for_text("domkeep", Duration::from_secs(5))?;
//! session.keys("/demo<enter>q")?;
//! assert_eq!(session.exit(Duration::from_secs(5)).and_then(|exit| exit.code()), Some(0));
//! domkeep_terminal::terminal_restored(&session.bytes())?;
//! # Ok(())
//! # }
//! ```
//!
//! The program sees a cleared environment ([`Options`]), its own session and a controlling terminal. A thread reads what it writes, as fast
//! as it comes or at the speed of a line ([`Options::line_speed`]), keeps every byte and feeds a vt100 screen. The program may be `ssh -tt
//! host ...` just as well. Nothing here answers a terminal query (`ESC [ 6 n`, `ESC [ c`): a program that waits for one is found out.
//!
//! What a wait did not find is told together with the screen as it was, so that a failing test can be read without running it again.

// A test's terminal has to start programs and read /proc; the rule that only `host` may do so protects the machine from domkeep itself.
#![allow(clippy::disallowed_methods)]

mod keys;
mod line;
mod process;
mod restored;
mod screen;
mod session;

pub use keys::{Key, KeyError, parse};
pub use process::{Stat, stat};
pub use restored::{NotRestored, terminal_restored};
pub use rustix::process::Signal;
pub use screen::{Cell, Color, Screen};
pub use session::{Exit, Options, Session};
