//! Look -> Inventory. One file a source: the commands and files it needs, and pure parsers of what comes back.

pub mod config_file;
pub mod devices;
pub mod image;
pub mod libvirt;
pub mod libxl_json;
pub mod lvm;
pub mod merge;
pub mod mounts;
pub mod partitions;
pub mod save_image;
pub mod superblock;
pub mod sxp;
pub mod vdev;
pub mod xend;
pub mod xenstore;
pub mod xl;
pub mod xl_config;
pub mod xl_disk;
pub mod xm_config;
