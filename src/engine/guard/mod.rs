//! The guard: extends snapshots' stores and thin pools before they are full.
//!
//! | file | what it knows |
//! | --- | --- |
//! | [`judge`] | what to do about one fuse: pure |
//! | [`ground`] | which fuses there are, and how large each may become |
//! | [`others`] | who extends already on this host |
//! | [`latency`] | how long an extension takes here |
//! | [`watched`] | one fuse that is watched: its pace, its armed job |
//! | [`word`] | what is said, to people and as JSON |
//! | [`scribe`] | all that may wait for a disk: words, records, on a thread of its own |
//! | `arms` | jobs that are prepared, carried out, and found again |
//! | [`run`] | the loop |
//!
//! Between the look that sees a store in need and the extended store nothing is written but to memory: the job's plan and journal lie on a
//! tmpfs ([`crate::job`], `passing`), and what is said goes to the scribe, who may wait.

mod arms;
pub mod ground;
pub mod judge;
pub mod latency;
pub mod others;
pub mod run;
pub mod scribe;
#[cfg(test)]
mod tests;
pub mod watched;
pub mod word;

pub use run::Wish;
pub use word::Word;
