//! Carries plans out; the only room that is handed a [`crate::host::Act`]. The journal's words are in [`crate::model::job`].
//!
//! | part | what it knows |
//! | --- | --- |
//! | [`Store`], [`Folder`], `dir` | where jobs lie, and that nobody else put them there |
//! | `journal`, `history` | what was done, and what that adds up to |
//! | `recovery`, `summary` | what can still be done with a job; how it is shown |
//! | `passing` | jobs that touch no disk while they run, and their way to the others |
//! | `locks`, `child`, `stop` | who else works on a domain or disk; what a dead runner left running; wishes to stop |
//! | [`begin_frozen`] | the one process that keeps a guest frozen, and thaws it whatever becomes of the runner |
//! | [`Launcher`] | a runner that outlives its terminal |
//! | `run` | the runner |

mod child;
mod dir;
pub mod figures;
mod folder;
mod frozen;
mod history;
mod journal;
mod launch;
mod locks;
mod passing;
mod recovery;
mod run;
mod sabotage;
mod stop;
mod store;
mod summary;
#[cfg(test)]
mod tests;

pub use folder::{Folder, NoPlan};
pub use frozen::begin_frozen;
pub use journal::Follower;
pub use launch::{Launcher, become_runner};
pub use passing::Found;
pub use run::carry_out;
pub use store::Store;
pub use summary::outcome_says;

use crate::model::Plan;
use crate::problem::Problem;

/// What is to be done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Run,
    /// Go on with a leftover.
    Finish,
    /// Take back what a leftover, failed or cancelled job did.
    Undo,
}

impl Work {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Finish => "finish",
            Self::Undo => "undo",
        }
    }
}

/// A plan that destroys data wants a name typed; `--yes` never stands for it.
pub fn check_typed(plan: &Plan, typed: Option<&str>) -> Result<(), Problem> {
    match &plan.confirm {
        Some(confirm) if typed != Some(confirm.name.as_str()) => {
            Err(Problem::new(format!("{}: the name `{}` must be typed first", plan.title, confirm.name))
                .because(&confirm.loses)
                .hint(format!("--confirm {}", crate::model::cmd::shell_word(&confirm.name))))
        }
        _ => Ok(()),
    }
}

/// 64 bits that nobody can guess.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
