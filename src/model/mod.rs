//! The words everybody speaks: plain data, serde, no I/O, no clock. Imports no other room.

pub mod action;
pub mod attach;
pub mod backing;
pub mod block_set;
pub mod bundle;
pub mod bundle_names;
pub mod bytes;
pub mod cloning;
pub mod cmd;
pub mod config;
pub mod diff;
pub mod disk;
pub mod domain;
#[cfg(test)]
pub mod example;
#[cfg(test)]
pub mod example_change;
pub mod finding;
pub mod fold;
pub mod form;
pub mod fuse;
pub mod hashes;
pub mod increment;
pub mod inventory;
pub mod job;
pub mod libvirt;
pub mod libvirt_check;
pub mod location;
pub mod lvm;
pub mod nfs_root;
pub mod path;
pub mod plan;
pub mod question;
pub mod request;
pub mod retention;
pub mod save;
pub mod saving;
pub mod shown;
pub mod storage;
pub mod strategy;
pub mod told;
pub mod vdev;
pub mod verdict;
pub mod volumes;

pub use action::{Action, DiskCopy, Line};
pub use attach::{AttachDisk, DetachDisk, DiskSource, Where};
pub use backing::{Backing, Holder, Layer, MountUse, Signature, SuperblockTimes};
pub use block_set::BlockSet;
pub use cmd::{Cmd, Effect, Output};
pub use config::{Config, ConfigSource, ConfigTrouble};
pub use disk::{Disk, DiskKind, Mode};
pub use domain::{Domain, Memory, MemoryState, Power, Toolstack};
pub use finding::{Code, Evidence, Finding, Severity, Subject};
pub use fold::FoldOverlay;
pub use form::{Field, FieldKind, FieldTrouble, Form, Wish};
pub use fuse::{Forecast, Fuse, FusePart, Pace};
pub use hashes::BlockHash;
pub use increment::{Book, FindChanged, IncrementResult, IncrementSaid, Incremental, Keeping, LastBundle, Since, segment_bytes};
pub use inventory::{Gap, GapReason, HostFacts, Inventory, UnreadableConfig};
pub use job::{Event, JobDetail, JobId, JobState, JobSummary, Made, Outcome, Phase, Progress, What};
pub use libvirt::{
    CheckpointDisk, Libvirt, LibvirtCheckpoint, LibvirtDisk, LibvirtImage, LibvirtMirror, LibvirtPart, LibvirtPaths, LibvirtSnapshot,
};
pub use libvirt_check::{LibvirtCheck, LibvirtIs};
pub use location::{Extent, ExtentKind, Location};
pub use lvm::{GroupNow, Lvm};
pub use nfs_root::NfsRoot;
pub use path::HostPath;
pub use plan::{Assumption, Check, Cleanup, Confirm, Edit, Held, Plan, Refusal, Risk, Step, Stretch, Undo};
pub use question::{Fact, PieceRoom, PlaceFact, Question, Stands};
pub use request::Request;
pub use save::{Save, SaveFormat};
pub use saving::{Afterwards, OfLibvirt, SaveDomain};
pub use storage::{ImageFile, LogicalVolume, PhysicalVolume, Store, VolumeGroup};
pub use strategy::{Figures, Strategy, StrategyTable};
pub use verdict::{Drift, DriftKind, SharedDisk, Stale, StaleVerdict, Verdicts};
