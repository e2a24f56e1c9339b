//! A piece that lies as a directory of segments, read through its shelf as if it were one file.

use std::io;

use super::manifest::Piece;
use super::piece::ReadAt;
use super::verify::{OpenPiece, Shelf};
use crate::model::bundle_names::segment_path;
use crate::model::{Extent, ExtentKind};

/// Opens one segment at a time.
pub struct Segmented<'a> {
    shelf: &'a dyn Shelf,
    name: &'a str,
    segment: u64,
    bytes: u64,
}

impl<'a> Segmented<'a> {
    pub fn new(shelf: &'a dyn Shelf, piece: &'a Piece, segment: u64) -> Self {
        Self { shelf, name: &piece.name, segment, bytes: piece.bytes }
    }

    fn length(&self, number: u64) -> u64 {
        self.bytes.saturating_sub(number.saturating_mul(self.segment)).min(self.segment)
    }

    fn open(&self, number: u64) -> Result<OpenPiece, String> {
        let path = segment_path(self.name, number);
        let file = self.shelf.open(&path)?.ok_or_else(|| format!("the segment {path} is missing"))?;
        if file.length == self.length(number) {
            return Ok(file);
        }
        Err(format!("the segment {path} has {} bytes, not {}", file.length, self.length(number)))
    }

    /// Where its segments have data and holes; what is missing or of the wrong size counts as data, and is found when it is read. With it, what
    /// is wrong with the directory itself.
    pub fn look(&self) -> (Vec<Extent>, Option<String>) {
        let mut extents: Vec<Extent> = Vec::new();
        let count = self.bytes.div_ceil(self.segment.max(1));
        for number in 0..count {
            let start = number.saturating_mul(self.segment);
            let whole = || vec![Extent { start: 0, length: self.length(number), kind: ExtentKind::Data }];
            let inside = self.open(number).ok().map(|file| file.extents).filter(|inside| !inside.is_empty()).unwrap_or_else(whole);
            for extent in inside {
                let moved = Extent { start: start.saturating_add(extent.start), ..extent };
                match extents.last_mut() {
                    Some(last) if last.kind == moved.kind && last.end() == moved.start => {
                        last.length = last.length.saturating_add(moved.length);
                    }
                    _ => extents.push(moved),
                }
            }
        }
        let surplus = matches!(self.shelf.open(&segment_path(self.name, count)), Ok(Some(_)) | Err(_));
        (extents, surplus.then(|| format!("there are more segments than its {} bytes have", self.bytes)))
    }
}

impl ReadAt for Segmented<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (Some(number), true) = (offset.checked_div(self.segment), offset < self.bytes) else { return Ok(0) };
        let within = offset % self.segment;
        let left = usize::try_from(self.length(number).saturating_sub(within)).unwrap_or(usize::MAX);
        let file = self.open(number).map_err(io::Error::other)?;
        let count = buffer.len().min(left);
        file.bytes.read_at(buffer.get_mut(..count).unwrap_or_default(), within)
    }
}
