//! The built program on hosts that are broken, or that somebody made to break it: it says what it could not read, ends in time, stays
//! small, and lets no name steer the terminal.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test lays out its own directories, starts the program, and stops where something is missing"
)]

mod configs;
mod disks;
mod exits;
#[path = "../replay/importer.rs"]
mod importer;
mod mutated;
mod names;
mod saves;
mod screens;
mod silence;
mod site;
mod troubled;
