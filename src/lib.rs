//! domkeep: where a host's domains really are, and what is dangerous about it.
//!
//! # Rooms, and who may import whom
//!
//! `tui`, `cli` -> `engine` -> `probe`, `check`, `plan`, `job`; `probe`, `job` -> `host`; `job` -> `copy`, `changed`, `bundle`; everyone -> `model`.
//! `probe`, `job` -> `witness` -> `host`, `copy`. `model` and `copy` import no other room; `changed`, `check` and `plan` import only `model`. `tests/rooms.rs` reads the `use crate::` lines and
//! fails with a sentence when a room looks where it may not. [`config`] and [`problem`] may be used by everyone but `model`.
//!
//! # Glossary: one word for one thing, in code, on the screen and in the docs
//!
//! | word | meaning |
//! | --- | --- |
//! | domain | a virtual machine, running or not |
//! | dom0 | the privileged domain, where domkeep runs |
//! | toolstack | who drives a domain: xl, libvirt, xend |
//! | memory | a domain's RAM and CPU state: in RAM, in a save image, or none |
//! | save image | a file with a domain's memory and a packaged configuration, made by a save |
//! | record | of a save image: what its disks were when it was written, in a file beside it |
//! | stale | of a save image: a disk was changed after it was made; resuming it corrupts the file system |
//! | config | a domain's configuration: an xl or xm file, libvirt XML, xend's sxp, or packaged inside a save image |
//! | VBD, disk | a virtual block device of a domain |
//! | vdev | the guest's name for a disk: xvda, hdc |
//! | backend | who serves a disk: phy (the kernel), qdisk (QEMU), tap; in a backend domain |
//! | backing | the thing that holds a disk's bytes: a file, a volume, a partition, a network target |
//! | attached | a running domain has the disk now, whatever its config says |
//! | drift | attached disks and configured disks differ |
//! | volume | a logical volume of LVM |
//! | snapshot, origin | a volume frozen at an instant, and the volume it was taken of |
//! | CoW | copy-on-write: a snapshot's store holds the origin's overwritten blocks |
//! | store | of a classic snapshot: the volume with its exceptions; of image files: their file system |
//! | thin pool | a volume that thin volumes draw their blocks from |
//! | extent | a run of bytes of one disk |
//! | sparse, hole | a file with ranges that were never written and take no room |
//! | checkpoint | a point from which changed blocks are tracked (libvirt) |
//! | bundle | one backup of one domain: disks, config, memory, manifest |
//! | gap | something that could not be found out, and why |
//! | finding | something dangerous or odd, with its evidence |
//! | unknown | shown as `?`; never a guess, never 0 |

pub mod bundle;
pub mod changed;
pub mod check;
pub mod cli;
pub mod config;
pub mod copy;
pub mod engine;
pub mod host;
pub mod job;
pub mod model;
pub mod plan;
pub mod probe;
pub mod problem;
pub mod tui;
pub mod witness;
