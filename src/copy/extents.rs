//! Which bytes of a disk are data: asked of the file, or given.

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::model::{Extent, ExtentKind};

use super::ends::Map;

/// Runs that are kept apart. A disk with more is remembered more coarsely: its smallest holes are read as the zeros they are.
const MOST_RUNS: usize = 1 << 19;
/// Cells of the strip that shows a map.
const CELLS: u64 = 512;

/// A file's own account of its holes (SEEK_DATA, SEEK_HOLE). Where the file system knows none, all is data, which is always right.
#[derive(Debug)]
pub struct HoleMap<'a> {
    file: &'a File,
}

impl<'a> HoleMap<'a> {
    pub fn new(file: &'a File) -> Self {
        Self { file }
    }
}

impl Map for HoleMap<'_> {
    fn next_data(&mut self, from: u64) -> io::Result<Option<Range<u64>>> {
        let data = match rustix::fs::seek(self.file, SeekFrom::Data(from)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(from..u64::MAX)),
            Err(error) => return Err(error.into()),
        };
        match rustix::fs::seek(self.file, SeekFrom::Hole(data)) {
            Ok(hole) if hole > data => Ok(Some(data..hole)),
            // Another process punched a hole between the two questions: ask no further, read it.
            Ok(_) | Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(data..u64::MAX)),
            Err(error) => Err(error.into()),
        }
    }
}

/// A map that somebody else made (a thin volume's mappings, a list of changed blocks). What is the same as elsewhere is data here: a copier
/// cannot look elsewhere.
#[derive(Debug)]
pub struct GivenMap {
    data: Vec<Range<u64>>,
    at: usize,
}

impl GivenMap {
    pub fn new(extents: &[Extent]) -> Self {
        let mut data: Vec<Range<u64>> =
            extents.iter().filter(|extent| extent.kind != ExtentKind::Zero).map(|extent| extent.start..extent.end()).collect();
        data.sort_by_key(|run| run.start);
        Self { data, at: 0 }
    }

    /// Runs of data, in order.
    pub fn of(data: Vec<Range<u64>>) -> Self {
        Self { data, at: 0 }
    }

    /// Everything is data: what a device says of itself.
    pub fn all(total: u64) -> Self {
        Self { data: std::iter::once(0..total).collect(), at: 0 }
    }
}

impl Map for GivenMap {
    fn next_data(&mut self, from: u64) -> io::Result<Option<Range<u64>>> {
        if self.data.get(self.at).is_some_and(|run| run.start > from) {
            self.at = 0;
        }
        while let Some(run) = self.data.get(self.at) {
            if run.end > from && !run.is_empty() {
                return Ok(Some(run.start.max(from)..run.end));
            }
            self.at += 1;
        }
        Ok(None)
    }
}

/// The data of a disk as runs in order that do not touch. Bounded: see [`MOST_RUNS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Range<u64>>,
    total: u64,
}

impl Runs {
    /// Walks a map once. `go_on` is asked now and then; false ends the walk with what is left taken for data.
    pub fn collect(map: &mut dyn Map, total: u64, go_on: &mut dyn FnMut() -> bool) -> io::Result<Self> {
        Self::collect_at_most(map, total, MOST_RUNS, go_on)
    }

    fn collect_at_most(map: &mut dyn Map, total: u64, most: usize, go_on: &mut dyn FnMut() -> bool) -> io::Result<Self> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        // A hole shorter than this is not worth two runs.
        let mut least_hole = 4096;
        let mut at = 0;
        let mut steps = 0_u32;
        while at < total {
            let Some(run) = map.next_data(at)? else { break };
            let run = run.start.clamp(at, total)..run.end.min(total);
            if run.is_empty() {
                break;
            }
            at = run.end;
            match runs.last_mut() {
                Some(last) if run.start.saturating_sub(last.end) < least_hole => last.end = run.end,
                _ => runs.push(run),
            }
            if runs.len() > most {
                while runs.len() > most / 2 {
                    least_hole = least_hole.saturating_mul(2);
                    runs = coarser(runs, least_hole);
                }
            }
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(1024) && !go_on() {
                runs.push(at..total);
                break;
            }
        }
        Ok(Self { runs, total })
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of data.
    pub fn data(&self) -> u64 {
        self.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start))
    }

    pub fn data_from(&self, offset: u64) -> u64 {
        self.within(offset..self.total).fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start))
    }

    /// The first run that ends behind `offset`, as it is.
    pub fn next(&self, offset: u64) -> Option<Range<u64>> {
        self.runs.get(self.runs.partition_point(|run| run.end <= offset)).cloned()
    }

    /// What of a range is data.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| run.end <= range.start);
        let runs = self.runs.get(first..).unwrap_or_default();
        let end = range.end;
        runs.iter().take_while(move |run| run.start < end).map(move |run| run.start.max(range.start)..run.end.min(range.end))
    }

    /// The map as at most 512 cells: `d` data, `h` hole, `m` both.
    pub fn strip(&self) -> String {
        let cells = self.total.div_ceil(4096).clamp(u64::from(self.total > 0), CELLS);
        let edge = |cell: u64| u64::try_from(u128::from(self.total) * u128::from(cell) / u128::from(cells.max(1))).unwrap_or(self.total);
        (0..cells)
            .map(|cell| {
                let range = edge(cell)..edge(cell + 1);
                let length = range.end - range.start;
                match self.within(range).fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start)) {
                    0 => 'h',
                    data if data == length => 'd',
                    _ => 'm',
                }
            })
            .collect()
    }
}

/// The same with holes shorter than `least_hole` taken for data.
fn coarser(runs: Vec<Range<u64>>, least_hole: u64) -> Vec<Range<u64>> {
    let mut fewer: Vec<Range<u64>> = Vec::new();
    for run in runs {
        match fewer.last_mut() {
            Some(last) if run.start.saturating_sub(last.end) < least_hole => last.end = run.end,
            _ => fewer.push(run),
        }
    }
    fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(start: u64, length: u64) -> Extent {
        Extent { start, length, kind: ExtentKind::Data }
    }

    fn runs(extents: &[Extent], total: u64, most: usize) -> Runs {
        Runs::collect_at_most(&mut GivenMap::new(extents), total, most, &mut || true).unwrap()
    }

    #[test]
    fn a_map_out_of_order_and_beyond_the_end_is_put_right() {
        let map = runs(&[data(1 << 20, 1 << 20), data(0, 8192), data(4096, 8192), data(3 << 20, u64::MAX)], 4 << 20, 100);
        assert_eq!(map.runs, [0..12288, 1 << 20..2 << 20, 3 << 20..4 << 20], "data would be left out");
        assert_eq!(map.data(), 12288 + (2 << 20));
        assert_eq!(map.within(8192..(1 << 20) + 1).collect::<Vec<_>>(), [8192..12288, 1 << 20..(1 << 20) + 1]);
    }

    #[test]
    fn a_shredded_disk_fits_into_memory_and_loses_no_data() {
        let extents: Vec<Extent> = (0..5000_u64).map(|at| data(at * 16384 * (1 + at % 3), 4096)).collect();
        let total = 5000 * 16384 * 3;
        let (fine, coarse) = (runs(&extents, total, 10_000), runs(&extents, total, 64));
        assert!(coarse.runs.len() <= 64, "memory would grow with the number of holes");
        for run in &fine.runs {
            assert_eq!(
                coarse.within(run.clone()).collect::<Vec<_>>(),
                std::slice::from_ref(run),
                "data at {run:?} would be taken for a hole"
            );
        }
    }

    #[test]
    fn the_strip_shows_where_data_lies() {
        assert_eq!(runs(&[], 0, 9).strip(), "");
        assert_eq!(runs(&[], 100, 9).strip(), "h");
        assert_eq!(runs(&[data(0, 4096), data(8192, 100)], 12288, 9).strip(), "dhm");
        let strip = runs(&[data(1 << 39, 1 << 30)], 1 << 40, 9).strip();
        assert_eq!(strip.len(), 512, "the strip would not fit a screen");
        assert_eq!(strip.find('m'), Some(256), "the data would be shown at another place: {strip}");
    }
}
