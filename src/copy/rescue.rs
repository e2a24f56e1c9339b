//! Reading a range, and getting what can be got where it cannot be read at once.

use std::io;

use super::ends::Source;

/// Bytes tried at a time, from what a block is read in down to a sector: the last one is the source's own.
const LADDER: [usize; 2] = [64 << 10, 4 << 10];

/// What a range is like after it was read.
#[derive(Debug)]
pub enum Unread {
    /// There is nothing there any more: the source ends at this byte.
    Ends(u64),
    /// The source as a whole cannot be read.
    Fails { offset: u64, why: io::Error },
}

/// Fills the first `wanted` bytes of `into` from `offset` on. A spot that cannot be read is filled with zeros and pushed to `unreadable`.
///
/// `into` may be longer than `wanted`: up to the next multiple of the alignment, so that the end of a disk can be read directly too.
pub fn read(source: &dyn Source, into: &mut [u8], wanted: usize, offset: u64, unreadable: &mut Vec<(u64, u64)>) -> Result<(), Unread> {
    let (read, trouble) = read_until_trouble(source, into, wanted, offset)?;
    if trouble.is_none() {
        return Ok(());
    }
    Stairs { source, into, wanted, offset, unreadable }.down(read, wanted, 0)
}

/// How far it got, and the medium's error that it stopped at.
fn read_until_trouble(source: &dyn Source, into: &mut [u8], wanted: usize, offset: u64) -> Result<(usize, Option<io::Error>), Unread> {
    let mut read = 0;
    while read < wanted {
        let at = offset.saturating_add(read as u64);
        let Some(rest) = into.get_mut(read..) else { break };
        match source.read_at(rest, at) {
            Ok(0) => return Err(Unread::Ends(at)),
            Ok(got) => read = read.saturating_add(got),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_of_the_medium(&error) => return Ok((read, Some(error))),
            Err(why) => return Err(Unread::Fails { offset: at, why }),
        }
    }
    Ok((read, None))
}

/// A range that cannot be read at once, on its way down the ladder.
struct Stairs<'a> {
    source: &'a dyn Source,
    into: &'a mut [u8],
    wanted: usize,
    offset: u64,
    unreadable: &'a mut Vec<(u64, u64)>,
}

impl Stairs<'_> {
    /// Reads `from..to` in pieces of the ladder's step, each beginning at a multiple of it.
    fn down(&mut self, from: usize, to: usize, step: usize) -> Result<(), Unread> {
        let sector = self.source.sector().max(1);
        let last = step >= LADDER.len();
        let piece = LADDER.get(step).copied().unwrap_or(sector).max(sector);
        let mut at = from;
        while at < to {
            let position = self.offset.saturating_add(at as u64);
            let into_piece = usize::try_from(position % piece as u64).unwrap_or(0);
            let end = at.saturating_add(piece - into_piece).min(to);
            // Only the very end has room behind it, to keep the length aligned: elsewhere that is a neighbour, who may be unreadable.
            let room = if end == self.wanted { self.into.len() } else { end };
            let Some(part) = self.into.get_mut(at..room) else { break };
            let (read, trouble) = match read_until_trouble(self.source, part, end - at, position) {
                // A device with larger sectors than it says refuses small pieces.
                Err(Unread::Fails { why, .. }) if last && why.kind() == io::ErrorKind::InvalidInput => (0, Some(why)),
                other => other?,
            };
            if trouble.is_some() && last {
                let bad = at.saturating_add(read);
                self.into.get_mut(bad..end).unwrap_or_default().fill(0);
                note(self.unreadable, self.offset.saturating_add(bad as u64), (end - bad) as u64);
            } else if trouble.is_some() {
                self.down(at.saturating_add(read), end, step + 1)?;
            }
            at = end;
        }
        Ok(())
    }
}

/// Adds a range to a list in order, together with the one before when they touch.
pub fn note(unreadable: &mut Vec<(u64, u64)>, offset: u64, length: u64) {
    match unreadable.last_mut() {
        Some((start, before)) if start.saturating_add(*before) == offset => *before = before.saturating_add(length),
        _ => unreadable.push((offset, length)),
    }
}

/// Errors of a spot: the next one may be readable. Others (no such device, no permission) are of the whole.
fn is_of_the_medium(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let spots = [Errno::IO, Errno::NODATA, Errno::ILSEQ, Errno::BADMSG, Errno::REMOTEIO, Errno::TIMEDOUT];
    error.raw_os_error().is_some_and(|code| spots.iter().any(|spot| spot.raw_os_error() == code))
}
