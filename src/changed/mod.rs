//! Which bytes of a disk changed since an earlier instant, told by what keeps book of it anyway, so that nobody has to read the disk.
//!
//! | file | what keeps book |
//! | --- | --- |
//! | [`thin`] | a thin pool: the mappings of two snapshots, by `thin_delta` |
//! | [`store`] | a classic snapshot: its exception store |
//!
//! Parsers of what others wrote: nothing is taken for granted, and what is not understood as a whole is not used at all. A set may hold more
//! than what changed, never less. Nothing here opens anything: bytes, or a function that reads them, are handed in.

pub mod store;
pub mod thin;

/// Why it does not tell what changed; in words, for a person who wonders why a backup reads the whole disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

impl Unusable {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
