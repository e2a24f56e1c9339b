//! A plan written down as a script, into a new file of the machine that domkeep runs on.
#![allow(
    clippy::disallowed_methods,
    reason = "the script is for the person at the keyboard: it goes to their own machine, also when a demo is looked at"
)]

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::Engine;
use crate::model::Plan;
use crate::problem::Problem;

impl Engine {
    /// Writes the plan's script into a file that is not there yet, readable and runnable by its owner only.
    pub fn write_script(plan: &Plan, path: &str) -> Result<(), Problem> {
        let cannot = |error: std::io::Error| {
            let problem = Problem::new(format!("the script could not be written to {path}"));
            match error.kind() {
                ErrorKind::AlreadyExists => {
                    problem.because("something of that name is there; it was left as it is").hint("name another file")
                }
                ErrorKind::NotFound => problem.because("the directory is not there").hint("name a file in a directory that is there"),
                _ => problem.because(error),
            }
        };
        if path.trim().is_empty() {
            return Err(Problem::new("no file was named"));
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(path).map_err(cannot)?;
        file.write_all(Self::script(plan).as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)
    }
}
