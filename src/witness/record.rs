//! `.IMAGE.disks` beside a save image: JSON, written by domkeep when it saves a domain or brings one back with its memory. It names the image by
//! its size and both of its ends, so that it is not taken for another image's.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::disk::{self, Disk, Reading, Seen, hash_at};
use crate::copy::FileSource;
use crate::host::{HostError, Look, read_whole};
use crate::model::saved::{ChangedDisk, DiskFacts, SavedDisks, record_of};
use crate::model::{HostPath, shown};

const VERSION: u32 = 1;
/// A larger one is none of ours.
pub const LARGEST: usize = 4 << 20;
const END: u64 = 64 << 10;
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    version: u32,
    domain: String,
    at: DateTime<Utc>,
    image: Image,
    disks: Vec<Remembered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    bytes: u64,
    /// blake3 of the first and of the last 64 KiB.
    first: String,
    last: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    facts: DiskFacts,
    seen: Disk,
}

/// Random at each boot of a host; empty where it is not known.
pub fn boot_of(host: &dyn Look) -> String {
    host.read_at(Path::new(BOOT), 0, 64).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).unwrap_or_default()
}

/// The bytes of the file beside an image, whose disks were just seen. The error is in words.
pub fn write(host: &dyn Look, image: &HostPath, domain: &str, seen: &Seen, facts: &[DiskFacts]) -> Result<Vec<u8>, String> {
    let of = |disk: &Disk| facts.iter().find(|facts| facts.path() == Some(&disk.path)).cloned();
    let disks = seen.disks.iter().filter_map(|disk| Some(Remembered { facts: of(disk)?, seen: disk.clone() })).collect();
    let record = Record { version: VERSION, domain: domain.to_owned(), at: host.now(), image: mark(host, image)?, disks };
    serde_json::to_vec(&record).map_err(|error| error.to_string())
}

fn mark(host: &dyn Look, image: &HostPath) -> Result<Image, String> {
    let could_not = |why: String| format!("{image} could not be read: {why}");
    let blocks = host.open_for_reading(image.as_path()).map_err(|error| could_not(error.to_string()))?;
    let bytes = blocks.bytes;
    let source = FileSource::new(blocks.file).map_err(|error| could_not(error.to_string()))?;
    let hash = |offset: u64, length: u64| hash_at(&source, offset, length).ok_or_else(|| could_not("an error of its disk".into()));
    let length = END.min(bytes);
    Ok(Image { bytes, first: hash(0, length)?, last: hash(bytes.saturating_sub(length), length)? })
}

/// What the record beside an image says of its disks now; nothing: there is none. `bytes_only`: they were rolled back,
/// and only their bytes are compared.
pub fn compare(host: &dyn Look, image: &HostPath, bytes_only: bool) -> Result<Option<SavedDisks>, HostError> {
    let path = record_of(image);
    let bytes = match read_whole(host, path.as_path(), LARGEST) {
        Ok(bytes) => bytes,
        Err(HostError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = SavedDisks::default();
    let record = match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.version == VERSION => record,
        Ok(record) => {
            found.unsure.push(format!("{path} is of the version {}, which this domkeep does not know", record.version));
            return Ok(Some(found));
        }
        Err(error) => {
            found.unsure.push(format!("{path} could not be understood: {}", shown::text(&error.to_string())));
            return Ok(Some(found));
        }
    };
    found.at = Some(record.at);
    match mark(host, image) {
        Ok(now) if now == record.image => {}
        Ok(_) => {
            found.unsure.push(format!("{path} was written for another image than the one that lies there now"));
            return Ok(Some(found));
        }
        Err(why) => {
            found.unsure.push(why);
            return Ok(Some(found));
        }
    }
    let boot = boot_of(host);
    for disk in &record.disks {
        one(host, disk, bytes_only, &boot, &mut found);
    }
    Ok(Some(found))
}

fn one(host: &dyn Look, disk: &Remembered, bytes_only: bool, boot: &str, found: &mut SavedDisks) {
    let path = &disk.seen.path;
    let mut changed = |why: String| {
        found.changed.push(ChangedDisk {
            path: path.clone(),
            why,
            volume: disk.facts.volume.clone(),
            snapshot: disk.facts.snapshot.clone(),
        });
    };
    if host.stat(path.as_path(), true) == Err(HostError::NotFound) {
        return changed("it is not there any more".into());
    }
    if bytes_only {
        return match disk::bytes_are_back(host, &disk.seen) {
            Ok(None) => found.same.push(format!("{path}: its bytes are those of the save again")),
            Ok(Some(why)) => changed(why),
            Err(why) => found.unsure.push(format!("{path}: {why}")),
        };
    }
    match disk::since(host, &disk.seen, &disk.facts, boot) {
        Ok(Reading::Changed(why)) => changed(why),
        Ok(Reading::Same { proven: true, by }) => found.same.push(format!("{path} is as it was saved, by {by}")),
        Ok(Reading::Same { proven: false, by }) => found.unsure.push(format!(
            "{path} looks as it was saved, by {by}; but the host was started since, or the volume was taken down, and nothing else would show a write"
        )),
        Err(why) => found.unsure.push(format!("{path}: {why}")),
    }
}
