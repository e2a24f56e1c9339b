//! The block copier: from one end to another, block by block, with a hash of every block. Knows no domain and no screen.
//!
//! Several workers each take the next block (1 MiB, [`hashes::BLOCK`]) from one queue in the order of the disk, read it, hash it and write it: the
//! bytes stay in one processor's cache from the read to the write, and reading, hashing and writing of neighbouring blocks overlap. What landed
//! is put back into order, so that at every moment everything below one point is copied: that point, once synced, is a [`Checkpoint`].
//!
//! | file | what it knows |
//! | --- | --- |
//! | `task`, `control` | what is asked, what is told while it runs, how it ended |
//! | `ends` | [`Source`], [`Map`], [`Sink`]: the ends, one call at a time |
//! | `files` | the ends as open files and block devices |
//! | `nbd` | an export of an NBD server as a source |
//! | `segments` | the ends as directories of segments |
//! | `since` | what stands at the destination already, and the sample of it that is read all the same |
//! | `direct` | O_DIRECT, and what is left of the page cache |
//! | `extents` | which bytes are data; the strip that shows them |
//! | `engine` | one copy from its first check to its last sync |
//! | `pipeline` | workers, their order, stopping |
//! | `worker` | one block: read, look for zeros, hash, write |
//! | `rescue` | reading in smaller and smaller pieces what could not be read at once |
//! | `tell` | progress, not too often |
//! | `verify` | reading blocks and holding them against a list |
//! | `hashes` | the list of block hashes |
//! | `checkpoint`, `resume` | what a copy that was interrupted goes on from |
//! | `pace` | bytes per second, of one copy or of several together |

mod buffers;
mod checkpoint;
mod control;
mod direct;
mod ends;
mod engine;
mod extents;
mod files;
mod hashes;
mod nbd;
mod pace;
mod pipeline;
mod rescue;
mod resume;
mod segments;
mod since;
mod task;
mod tell;
#[cfg(test)]
mod tests;
mod verify;
mod worker;

pub use checkpoint::{Checkpoint, Identity, Mark};
pub use control::Control;
pub use direct::{direct, forget};
pub use ends::{Map, Sink, Source};
pub use engine::Copier;
pub use extents::{GivenMap, HoleMap, Runs};
pub use files::{FileSink, FileSource, Opened, copy, read_aligned, verify};
pub use hashes::{BLOCK, HashList, HashRun};
pub use nbd::NbdSource;
pub use pace::Pacer;
pub use segments::{Segments, clear as clear_segments, name as segment_name};
pub use since::Since;
pub use task::{Destination, Done, Failed, Options, Task};
