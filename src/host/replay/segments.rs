//! The parts of one file that were read.

use std::collections::BTreeMap;

use crate::host::{Answer, HostError};

/// Ranges of a file, joined where they meet, so that a secret cut by the border of two reads lies in one piece.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segments {
    /// By offset; they neither overlap nor touch.
    parts: BTreeMap<u64, Vec<u8>>,
    /// Offset from which on there is nothing.
    end: Option<u64>,
    /// Reads that failed, by offset.
    failed: BTreeMap<u64, HostError>,
}

impl Segments {
    /// Adds what was read. Where it overlaps earlier reads the later one counts. `false`: no file is that long.
    #[must_use]
    pub fn add(&mut self, offset: u64, bytes: &[u8], ended: bool) -> bool {
        let Some(end) = offset.checked_add(bytes.len() as u64) else { return false };
        self.failed.remove(&offset);
        if bytes.is_empty() {
            // Nothing is at this offset; the end may well be before it.
            if ended {
                self.end = Some(self.end.map_or(end, |known| known.min(end)));
            }
            return true;
        }
        if ended {
            self.end = Some(end);
        } else if self.end.is_some_and(|known| known < end) {
            self.end = None;
        }
        // Grown in place when it goes on where the last part ended: a file read in steps must not be copied at each.
        let before = self.parts.range(..=offset).next_back().map(|(start, part)| (*start, end_of(*start, part)));
        let start = match before {
            Some((start, part_end)) if part_end >= offset => {
                let keep = usize::try_from(offset - start).unwrap_or(usize::MAX);
                if let Some(part) = self.parts.get_mut(&start) {
                    let tail = usize::try_from(end - start).ok().and_then(|at| part.get(at..)).unwrap_or_default().to_vec();
                    part.truncate(keep);
                    part.extend_from_slice(bytes);
                    part.extend_from_slice(&tail);
                }
                start
            }
            _ => {
                self.parts.insert(offset, bytes.to_vec());
                offset
            }
        };
        self.absorb_followers(start);
        true
    }

    fn absorb_followers(&mut self, start: u64) {
        loop {
            let Some(end) = self.parts.get(&start).map(|part| end_of(start, part)) else { return };
            let Some(next) = self.parts.range(start.saturating_add(1)..=end).next().map(|(next, _)| *next) else { return };
            let Some(follower) = self.parts.remove(&next) else { return };
            let surplus = usize::try_from(end - next).ok().and_then(|at| follower.get(at..)).unwrap_or_default();
            if let Some(part) = self.parts.get_mut(&start) {
                part.extend_from_slice(surplus);
            }
        }
    }

    pub fn fail(&mut self, offset: u64, error: HostError) {
        self.failed.insert(offset, error);
    }

    /// The bytes of a range, when the capture holds all of it that the file has.
    pub fn get(&self, offset: u64, len: usize) -> Answer<Vec<u8>> {
        if let Some(error) = self.failed.get(&offset) {
            return Err(error.clone());
        }
        if len == 0 || self.end.is_some_and(|end| offset >= end) {
            return Ok(Vec::new());
        }
        let wanted_end = offset.saturating_add(len as u64).min(self.end.unwrap_or(u64::MAX));
        let wanted = usize::try_from(wanted_end - offset).map_err(|_| HostError::NotCaptured)?;
        let held = self.parts.range(..=offset).next_back().and_then(|(start, part)| {
            let from = usize::try_from(offset - start).ok()?;
            part.get(from..from.checked_add(wanted)?)
        });
        match held {
            Some(bytes) => Ok(bytes.to_vec()),
            // A file that could not be read at all answers so wherever it is asked.
            None if self.parts.is_empty() => Err(self.failed.values().next().cloned().unwrap_or(HostError::NotCaptured)),
            None => Err(HostError::NotCaptured),
        }
    }

    pub fn end(&self) -> Option<u64> {
        self.end
    }

    pub fn parts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.parts.iter().map(|(offset, part)| (*offset, part.as_slice()))
    }

    pub fn failures(&self) -> impl Iterator<Item = (u64, &HostError)> {
        self.failed.iter().map(|(offset, error)| (*offset, error))
    }
}

fn end_of(start: u64, part: &[u8]) -> u64 {
    start.saturating_add(part.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_replayed_range_holds_the_bytes_that_were_read_there(
            reads in proptest::collection::vec((0_usize..60, proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
            asked in (0_usize..70, 0_usize..30),
        ) {
            let mut segments = Segments::default();
            let mut file = [None; 128];
            for (offset, bytes) in &reads {
                prop_assert!(segments.add(*offset as u64, bytes, false));
                for (at, byte) in bytes.iter().enumerate() {
                    file[*offset + at] = Some(*byte);
                }
            }
            let (offset, len) = asked;
            let known: Option<Vec<u8>> = file[offset..offset + len].iter().copied().collect();
            prop_assert_eq!(segments.get(offset as u64, len).ok(), known, "a replay made bytes up, or lost some");
            let spans: Vec<_> = segments.parts().map(|(start, part)| (start, start + part.len() as u64)).collect();
            prop_assert!(spans.windows(2).all(|two| two[0].1 < two[1].0), "a secret cut by two reads would be masked in halves: {:?}", spans);
        }
    }

    #[test]
    fn a_recorded_end_makes_a_read_short() {
        let mut segments = Segments::default();
        assert!(segments.add(0, b"0123456789", true));
        assert_eq!(segments.get(8, 100).unwrap(), b"89");
        assert_eq!(segments.get(50, 1).unwrap(), b"");
        assert!(segments.add(4096, b"", true));
        assert_eq!(segments.get(0, 4096).unwrap(), b"0123456789", "a look past the end made a small file unreadable");
        assert!(segments.add(10, b"more", false));
        assert_eq!(segments.get(0, 14).unwrap(), b"0123456789more", "a file that grew is cut at its old end");
        let mut endless = Segments::default();
        assert!(endless.add(0, b"0123456789", false));
        assert_eq!(endless.get(8, 100), Err(HostError::NotCaptured), "half a header must not look like a whole short file");
        assert!(!endless.add(u64::MAX, b"ab", false));
    }
}
