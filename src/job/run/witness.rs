//! What would tell that somebody wrote to a disk while it was copied. That the domain is off at both ends is not enough: it may have been started
//! and destroyed in between. So size, times and inode of files, write counters of devices, and samples of the bytes are compared too.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::copying::path_of;
use super::{Deed, Runner, Trouble};
use crate::copy::{FileSource, Source};
use crate::host::{FileType, HostError};
use crate::job::child;
use crate::model::{Action, Check, Held, HostPath, Location, What};

const ENDS: u64 = 1 << 20;
const PLACES: usize = 64;
const PLACE: u64 = 4096;
/// What O_DIRECT wants of a buffer.
const ALIGN: usize = 4096;

/// What is remembered between a witness and its comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    domain: Option<String>,
    disks: Vec<Disk>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Disk {
    path: HostPath,
    state: State,
    samples: Vec<Sample>,
}

/// What changes when somebody writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    device: bool,
    bytes: u64,
    inode: (u64, u64),
    /// Of files only: a device node's own times mean nothing.
    modified: Option<DateTime<Utc>>,
    changed: Option<DateTime<Utc>>,
    /// Of devices only: sectors written and discarded since the device was made.
    written: Option<(u64, u64)>,
    /// Of devices only: with the host's next boot their counters begin anew. Empty: not known.
    #[serde(default)]
    boot: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sample {
    offset: u64,
    length: u64,
    /// In hexadecimal; nothing: it could not be read.
    blake3: Option<String>,
}

impl Runner<'_> {
    pub(super) fn witness(&mut self, step: usize, domain: Option<&str>, disks: &[Location]) -> Deed {
        if let Some(domain) = domain {
            match self.domain_is_there(domain) {
                Held::No { .. } => {}
                Held::Yes => return Err(Trouble::Failed(format!("{domain} is not off"))),
                Held::Unknown { why } => return Err(Trouble::Failed(format!("it cannot be found out whether {domain} is off: {why}"))),
            }
        }
        let mut seen = Seen { domain: domain.map(str::to_owned), disks: Vec::new() };
        for disk in disks {
            let path = path_of(disk)?;
            let state = self.disk_state(&path)?;
            let samples = self.samples(&path, &places(state.bytes))?;
            seen.disks.push(Disk { path, state, samples });
            self.check_stop()?;
        }
        let seen = serde_json::to_value(seen).map_err(|error| Trouble::Failed(format!("what was seen cannot be written down: {error}")))?;
        self.tell(What::Witnessed { step, seen })
    }

    /// What differs is said; what cannot be found out makes the copy as bad as what differs.
    pub(super) fn compare_witness(&mut self, step: usize) -> Deed {
        let differs = self.differences()?;
        if differs.is_empty() {
            return Ok(());
        }
        // A bundle carries the mark that it is torn. A disk that a configuration is about to name has no place for one.
        if !self.plan.steps.iter().any(|step| matches!(step.action, Action::ReplaceFile { .. })) {
            return self.tell(What::Torn { step, why: differs.join("; ") });
        }
        Err(Trouble::Failed(format!("the copy is torn: {}", differs.join("; "))))
    }

    /// What is not as it was witnessed, in words.
    pub(super) fn differences(&mut self) -> Deed<Vec<String>> {
        let seen = self.history.witnessed().cloned().and_then(|seen| serde_json::from_value::<Seen>(seen).ok());
        let seen = seen.ok_or_else(|| Trouble::Failed("nothing was witnessed that could be compared".into()))?;
        let mut differs = Vec::new();
        if let Some(domain) = &seen.domain {
            match self.domain_is_there(domain) {
                Held::No { .. } => {}
                Held::Yes => differs.push(format!("{domain} was started while its disks were copied")),
                Held::Unknown { why } => differs.push(format!("it cannot be found out whether {domain} is still off: {why}")),
            }
        }
        for disk in &seen.disks {
            match self.disk_differs(disk) {
                Ok(None) => {}
                Ok(Some(why)) => differs.push(format!("{}: {why}", disk.path)),
                Err(Trouble::Failed(why)) => differs.push(format!("{} cannot be looked at again: {why}", disk.path)),
                Err(other) => return Err(other),
            }
        }
        Ok(differs)
    }

    fn domain_is_there(&self, domain: &str) -> Held {
        self.ask(&Check::DomainPresent { name: domain.to_owned() })
    }

    fn disk_differs(&self, then: &Disk) -> Deed<Option<String>> {
        let now = self.disk_state(&then.path)?;
        if let Some(why) = difference(&then.state, &now) {
            return Ok(Some(why));
        }
        let wanted: Vec<(u64, u64)> = then.samples.iter().map(|sample| (sample.offset, sample.length)).collect();
        let samples = self.samples(&then.path, &wanted)?;
        let other = then.samples.iter().zip(&samples).find(|(then, now)| then.blake3 != now.blake3);
        Ok(other.map(|(sample, _)| {
            format!("bytes {} to {} are not what they were", sample.offset, sample.offset.saturating_add(sample.length))
        }))
    }

    fn disk_state(&self, path: &HostPath) -> Deed<State> {
        let could_not = |error: &HostError| Trouble::failed(format!("{path} could not be looked at"), error);
        let stat = self.act.stat(path.as_path(), true).map_err(|error| could_not(&error))?;
        let device = stat.kind == FileType::Block;
        if !device {
            let (modified, changed) = (Some(stat.modified), Some(stat.changed));
            return Ok(State {
                device,
                bytes: stat.size,
                inode: (stat.dev, stat.ino),
                modified,
                changed,
                written: None,
                boot: String::new(),
            });
        }
        let bytes = self.act.device(path.as_path()).map_err(|error| could_not(&error))?.bytes;
        let counters = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", stat.rdev.0, stat.rdev.1));
        let written = Some(self.counters(&counters).map_err(|error| could_not(&error))?);
        Ok(State { device, bytes, inode: (stat.dev, stat.ino), modified: None, changed: None, written, boot: child::boot_id() })
    }

    /// Fields 7 and 14 of Documentation/block/stat.rst: sectors written, sectors discarded (since Linux 4.18).
    fn counters(&self, path: &Path) -> Result<(u64, u64), HostError> {
        let text = self.act.read_at(path, 0, 4096)?;
        let fields: Vec<u64> = String::from_utf8_lossy(&text).split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
        let written = fields.get(6).ok_or_else(|| HostError::Failed { why: format!("{} is not of the kernel's form", path.display()) })?;
        Ok((*written, fields.get(13).copied().unwrap_or(0)))
    }

    /// Past the page cache of a device: another domain writes beneath it.
    fn samples(&self, path: &HostPath, places: &[(u64, u64)]) -> Deed<Vec<Sample>> {
        let could_not = |why: String| Trouble::Failed(format!("{path} could not be read: {why}"));
        let blocks = self.act.open_for_reading(path.as_path()).map_err(|error| could_not(error.to_string()))?;
        let source = FileSource::new(blocks.file).map_err(|error| could_not(error.to_string()))?;
        let hash = |(offset, length): &(u64, u64)| Sample { offset: *offset, length: *length, blake3: hash_at(&source, *offset, *length) };
        Ok(places.iter().map(hash).collect())
    }
}

/// What tells that somebody wrote, in words.
fn difference(then: &State, now: &State) -> Option<String> {
    if !then.boot.is_empty() && then.boot != now.boot {
        return Some("the host was started anew since, and with it the counting of writes".into());
    }
    if then.device != now.device || then.inode != now.inode {
        return Some("another disk stands there now".into());
    }
    if then.bytes != now.bytes {
        return Some(format!("it has {} bytes now and had {}", now.bytes, then.bytes));
    }
    if then.written != now.written {
        return Some("the kernel counted writes to it meanwhile".into());
    }
    if then.modified != now.modified || then.changed != now.changed {
        return Some("it was written to or changed meanwhile".into());
    }
    None
}

/// Both ends, and places that nobody can foresee, each aligned for O_DIRECT.
fn places(bytes: u64) -> Vec<(u64, u64)> {
    let ends = ENDS.min(bytes);
    let mut places = vec![(0, ends)];
    let last = bytes.saturating_sub(ENDS) / PLACE * PLACE;
    if last > 0 {
        places.push((last, bytes.saturating_sub(last)));
    }
    let blocks = bytes / PLACE;
    if bytes > ENDS.saturating_mul(2) {
        places.extend((0..PLACES).filter_map(|_| Some((crate::job::random().checked_rem(blocks)?.saturating_mul(PLACE), PLACE))));
    }
    places
}

fn hash_at(source: &dyn Source, offset: u64, length: u64) -> Option<String> {
    let length = usize::try_from(length).ok()?;
    let mut room = vec![0_u8; length.checked_add(ALIGN)?.next_multiple_of(ALIGN)];
    let start = room.as_ptr().align_offset(ALIGN).min(ALIGN);
    let into = room.get_mut(start..start.checked_add(length)?)?;
    let mut filled = 0;
    while filled < length {
        let at = offset.checked_add(filled as u64)?;
        match source.read_at(into.get_mut(filled..)?, at) {
            Ok(0) => break,
            Ok(count) => filled = filled.checked_add(count)?.min(length),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(blake3::hash(into.get(..filled)?).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_lie_within_the_disk(bytes in 0_u64..(1 << 40)) {
            for (offset, length) in places(bytes) {
                prop_assert!(offset + length <= bytes, "a disk of {} bytes is sampled at {}+{}", bytes, offset, length);
                prop_assert!(length <= ENDS + PLACE);
            }
        }
    }
}
