//! What the tools of ext (e2fsck, tune2fs, resize2fs, debugfs) call a file system.

use super::text;
use crate::model::HostPath;

/// `offset`: the byte of the disk at which it begins, where it lies in a partition. All of them take it after a `?` (libext2fs, unix_io).
pub(super) fn place(disk: &HostPath, offset: Option<u64>) -> String {
    offset.map_or_else(|| text(disk), |offset| format!("{}?offset={offset}", text(disk)))
}
