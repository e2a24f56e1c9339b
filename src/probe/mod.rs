//! Look -> Inventory. One file a source: the commands and files it needs, and pure parsers of what comes back.

pub mod bytes_at;
pub mod devices;
pub mod image;
pub mod laid;
pub mod libvirt;
pub mod lvm;
pub mod merge;
pub mod mounts;
pub mod partitions;
pub mod save_image;
pub mod superblock;
pub mod sxp;
#[cfg(test)]
mod testing;
pub mod vdev;
pub mod xend;
pub mod xenstore;
pub mod xl;
pub mod xl_config;
pub mod xl_disk;
pub mod xm_config;
