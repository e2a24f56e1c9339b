//! One disk. That a domain is off at both ends is not enough: it may have been started and destroyed in between.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::copy::{FileSource, Source};
use crate::host::{FileType, HostError, Look};
use crate::model::saved::DiskFacts;
use crate::model::{Cmd, HostPath};

const ENDS: u64 = 1 << 20;
const PLACES: usize = 64;
const PLACE: u64 = 4096;
/// Bytes from the beginning of a file system that are remembered: its superblock, and where it stands in every layout that is known.
const SUPERBLOCK: u64 = 128 << 10;
/// What O_DIRECT wants of a buffer.
const ALIGN: usize = 4096;

/// What is remembered between a witness and its comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub domain: Option<String>,
    pub disks: Vec<Disk>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub path: HostPath,
    pub state: State,
    pub samples: Vec<Sample>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeSeen>,
}

/// What changes when somebody writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
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
pub struct Sample {
    offset: u64,
    length: u64,
    /// In hexadecimal; nothing: it could not be read.
    blake3: Option<String>,
}

/// Which volume a path named: another one may get its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    /// `vg/lv`
    pub name: String,
    pub uuid: String,
    /// How often LVM had changed the group's metadata.
    pub seqno: Option<u64>,
}

/// How one disk is now beside how it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// In words.
    Changed(String),
    /// Nothing differs. `proven`: and a write would have been seen; in words what was compared.
    Same { proven: bool, by: String },
}

/// Looks at one disk. The error is in words.
pub fn look(host: &dyn Look, path: &HostPath, facts: Option<&DiskFacts>, boot: &str) -> Result<Disk, String> {
    let state = state(host, path, boot)?;
    let mut wanted = places(state.bytes);
    for spot in facts.map(|facts| facts.spots.as_slice()).unwrap_or_default() {
        let start = spot / PLACE * PLACE;
        let length = SUPERBLOCK.min(state.bytes.saturating_sub(start));
        if length > 0 && start >= ENDS {
            wanted.push((start, length));
        }
    }
    let samples = samples(host, path, &wanted)?;
    let volume = match facts.and_then(|facts| facts.volume.as_deref()) {
        Some(name) => Some(volume(host, name)?),
        None => None,
    };
    Ok(Disk { path: path.clone(), state, samples, volume })
}

/// What is not as it was seen, in words: of a disk that nobody may touch, and that was seen moments ago.
pub fn differs(host: &dyn Look, then: &Disk, boot: &str) -> Result<Option<String>, String> {
    let now = state(host, &then.path, boot)?;
    if let Some(why) = difference(&then.state, &now) {
        return Ok(Some(why));
    }
    other_bytes(host, then)
}

/// The same over days and boots of the host, where not everything can be compared.
pub fn since(host: &dyn Look, then: &Disk, facts: &DiskFacts, boot: &str) -> Result<Reading, String> {
    let now = state(host, &then.path, boot)?;
    let changed = |why: String| Ok(Reading::Changed(why));
    if then.state.device != now.device {
        return changed("another disk stands there now".into());
    }
    if then.state.bytes != now.bytes {
        return changed(format!("it has {} bytes now and had {}", now.bytes, then.state.bytes));
    }
    let mut by = vec!["its size".to_owned()];
    if let Some(before) = &then.volume {
        let volume = volume(host, &before.name)?;
        if volume.uuid != before.uuid {
            return changed(format!("another volume is called {} now", before.name));
        }
        by.push("the volume's uuid".into());
        if before.seqno.is_some() && volume.seqno == before.seqno {
            by.push("that LVM changed nothing in its group".into());
        }
    }
    let mut proven = false;
    if now.device {
        // A device that was taken down and brought up again counts from 0.
        let counted = !boot.is_empty() && then.state.boot == boot && then.state.inode == now.inode;
        if counted && then.state.written != now.written {
            return changed("the kernel counted writes to it since".into());
        }
        if counted {
            proven = true;
            by.push("the kernel's counters of writes".into());
        } else if facts.keeps_time {
            proven = true;
            by.push("the file system's own record of mounts and writes".into());
        }
    } else {
        if then.state.inode.1 != now.inode.1 {
            return changed("another file stands there now".into());
        }
        if then.state.modified != now.modified || then.state.changed != now.changed {
            return changed(match now.modified {
                Some(at) => format!("it was written to or changed since, last at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
                None => "it was written to or changed since".into(),
            });
        }
        proven = true;
        by.push("the file's times".into());
    }
    if let Some(why) = other_bytes(host, then)? {
        return changed(why);
    }
    by.push(format!("{} samples of its bytes", then.samples.len()));
    Ok(Reading::Same { proven, by: by.join(", ") })
}

/// Whether the bytes are those again that were sampled: of a disk that was rolled back, whose times and counters are new.
pub fn bytes_are_back(host: &dyn Look, then: &Disk) -> Result<Option<String>, String> {
    let now = state(host, &then.path, "")?;
    if then.state.bytes != now.bytes {
        return Ok(Some(format!("it has {} bytes now and had {}", now.bytes, then.state.bytes)));
    }
    other_bytes(host, then)
}

fn other_bytes(host: &dyn Look, then: &Disk) -> Result<Option<String>, String> {
    let wanted: Vec<(u64, u64)> = then.samples.iter().map(|sample| (sample.offset, sample.length)).collect();
    let samples = samples(host, &then.path, &wanted)?;
    let other = then.samples.iter().zip(&samples).find(|(then, now)| then.blake3 != now.blake3);
    Ok(other
        .map(|(sample, _)| format!("bytes {} to {} are not what they were", sample.offset, sample.offset.saturating_add(sample.length))))
}

fn state(host: &dyn Look, path: &HostPath, boot: &str) -> Result<State, String> {
    let could_not = |error: HostError| format!("{path} could not be looked at: {error}");
    let stat = host.stat(path.as_path(), true).map_err(could_not)?;
    let device = stat.kind == FileType::Block;
    if !device {
        let (modified, changed) = (Some(stat.modified), Some(stat.changed));
        return Ok(State { device, bytes: stat.size, inode: (stat.dev, stat.ino), modified, changed, written: None, boot: String::new() });
    }
    let bytes = host.device(path.as_path()).map_err(could_not)?.bytes;
    let counters = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", stat.rdev.0, stat.rdev.1));
    let written = Some(counted(host, &counters).map_err(could_not)?);
    Ok(State { device, bytes, inode: (stat.dev, stat.ino), modified: None, changed: None, written, boot: boot.to_owned() })
}

/// Fields 7 and 14 of Documentation/block/stat.rst: sectors written, sectors discarded (since Linux 4.18).
fn counted(host: &dyn Look, path: &Path) -> Result<(u64, u64), HostError> {
    let text = host.read_at(path, 0, 4096)?;
    let fields: Vec<u64> = String::from_utf8_lossy(&text).split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    let written = fields.get(6).ok_or_else(|| HostError::Failed { why: format!("{} is not of the kernel's form", path.display()) })?;
    Ok((*written, fields.get(13).copied().unwrap_or(0)))
}

fn volume(host: &dyn Look, name: &str) -> Result<VolumeSeen, String> {
    let cmd = Cmd::reads("lvs", ["--reportformat", "json", "--units", "b", "-o", "lv_uuid,vg_seqno", name]);
    let output = host.run(&cmd).map_err(|error| format!("`{cmd}`: {error}"))?;
    if !output.ok() {
        return Err(format!("`{cmd}`: {}", output.complaint()));
    }
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("`{cmd}`: {error}"))?;
    let text = |field: &str| value.pointer(&format!("/report/0/lv/0/{field}")).and_then(serde_json::Value::as_str).map(str::to_owned);
    let uuid = text("lv_uuid").filter(|uuid| !uuid.is_empty()).ok_or_else(|| format!("`{cmd}` names no volume"))?;
    Ok(VolumeSeen { name: name.to_owned(), uuid, seqno: text("vg_seqno").and_then(|number| number.parse().ok()) })
}

/// Past the page cache of a device: another domain writes beneath it.
fn samples(host: &dyn Look, path: &HostPath, places: &[(u64, u64)]) -> Result<Vec<Sample>, String> {
    let could_not = |why: String| format!("{path} could not be read: {why}");
    let file: File = host.open_for_reading(path.as_path()).map_err(|error| could_not(error.to_string()))?.file;
    let source = FileSource::new(file).map_err(|error| could_not(error.to_string()))?;
    let hash = |(offset, length): &(u64, u64)| Sample { offset: *offset, length: *length, blake3: hash_at(&source, *offset, *length) };
    Ok(places.iter().map(hash).collect())
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
        places.extend((0..PLACES).filter_map(|_| Some((random().checked_rem(blocks)?.saturating_mul(PLACE), PLACE))));
    }
    places
}

/// Not for secrets: for places that nobody can foresee.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

pub(super) fn hash_at(source: &dyn Source, offset: u64, length: u64) -> Option<String> {
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
