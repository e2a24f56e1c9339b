//! Disk image formats, recognised by content: qcow, qcow2, VHD, VHDX, VMDK, VDI, QED, Parallels.
//!
//! A guest can write any header into a disk that its config calls raw. So what is seen here is never followed: a backing file is only
//! named, and a format that contradicts the config is a finding for others to make.

mod other;
mod qcow;
mod vhd;
mod vmdk;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use super::bytes_at::{self, BytesAt};
use crate::host::Answer;
use crate::model::HostPath;

/// What an image file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSeen {
    /// As QEMU names it: `raw`, `qcow2`, `qcow`, `vpc` (VHD), `vhdx`, `vmdk`, `vdi`, `qed`, `parallels`.
    /// `raw` only when nothing else was recognised; nothing when the places to look at could not be read.
    pub format: Option<String>,
    /// `version 3`, `dynamic` ...
    pub variant: Option<String>,
    /// Bytes that a guest sees.
    pub virtual_bytes: Option<u64>,
    /// As written in the header: relative to the image's own directory, or `json:{...}`, or a URL.
    pub backing_file: Option<HostPath>,
    pub backing_format: Option<String>,
    /// Other files that hold this image's data: qcow2's data file, VMDK's extents.
    pub parts: Vec<HostPath>,
    /// Snapshots inside the image, as many as the header says.
    pub snapshot_count: Option<u32>,
    /// The snapshots themselves: at most [`qcow::SNAPSHOTS_READ`] of them.
    pub snapshots: Vec<ImageSnapshot>,
    /// Dirty bitmaps inside the image (qcow2); nothing when the format has none or they are out of date.
    pub bitmaps: Option<u32>,
    /// It was not closed properly, or is open for writing now.
    pub dirty: Option<bool>,
    /// Marked as corrupt: QEMU refuses to write to it.
    pub corrupt: Option<bool>,
    pub encrypted: Option<bool>,
    /// What contradicts itself or lies beyond what a real image has.
    pub trouble: Vec<String>,
}

/// A snapshot inside a qcow2 image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSnapshot {
    pub id: String,
    pub name: String,
    pub taken: Option<DateTime<Utc>>,
    /// Bytes of a guest's memory that the snapshot holds; 0 when it holds disks only.
    pub memory_bytes: u64,
}

impl ImageSeen {
    fn of(format: &str) -> Self {
        Self { format: Some(format.to_owned()), ..Self::default() }
    }

    fn trouble(&mut self, what: impl Into<String>) {
        self.trouble.push(what.into());
    }
}

/// Bytes that are read of an image's head at first.
const HEAD: usize = 4096;

/// What kind of image this is. An error only when not even its head could be read.
pub fn recognise(src: &dyn BytesAt) -> Answer<ImageSeen> {
    let head = bytes_at::as_much_as_there(src, 0, &[HEAD, 1024, 512])?;
    let by_head =
        qcow::look(src, &head).or_else(|| vmdk::look(src, &head)).or_else(|| other::look(src, &head)).or_else(|| vhd::dynamic(src, &head));
    if let Some(seen) = by_head {
        return Ok(seen);
    }
    // A fixed VHD looks raw from the front: its only mark stands in the last sector.
    match vhd::fixed(src) {
        Ok(Some(seen)) => Ok(seen),
        Ok(None) => Ok(ImageSeen { virtual_bytes: Some(src.size()), ..ImageSeen::of("raw") }),
        Err(error) => Ok(ImageSeen { trouble: vec![format!("the end of the image could not be read: {error}")], ..ImageSeen::default() }),
    }
}

/// A name of `len` bytes at `offset`, as written; trouble when no such name can be.
fn name_at(src: &dyn BytesAt, offset: u64, len: u64, limit: u64, what: &str, seen: &mut ImageSeen) -> Option<HostPath> {
    if len == 0 || offset == 0 {
        return None;
    }
    if len > limit {
        seen.trouble(format!("the name of its {what} would be {len} bytes long, more than the format allows"));
        return None;
    }
    let Ok(len) = usize::try_from(len) else { return None };
    match bytes_at::exact(src, offset, len) {
        Ok(Some(bytes)) => {
            let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            (!name.is_empty()).then(|| HostPath::from_bytes(name))
        }
        Ok(None) => {
            seen.trouble(format!("the name of its {what} would lie at byte {offset}, past the end"));
            None
        }
        Err(error) => {
            seen.trouble(format!("the name of its {what} could not be read: {error}"));
            None
        }
    }
}

/// A backing file's name.
fn backing_at(src: &dyn BytesAt, offset: u64, len: u64, seen: &mut ImageSeen) {
    seen.backing_file = name_at(src, offset, len, 1023, "backing file", seen);
}
