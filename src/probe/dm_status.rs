//! `dmsetup status --noflush`: how full the stores of snapshots and the parts of thin pools are, to the sector.
//!
//! Lines are `NAME: START LENGTH TARGET ARGS` (Linux `Documentation/admin-guide/device-mapper/snapshot.rst`, `thin-provisioning.rst`).
//! Without `--noflush` a status of a pool commits its metadata first, which hangs when the pool is full.

use crate::model::Cmd;

pub fn status() -> Cmd {
    Cmd::reads("dmsetup", ["status", "--noflush"])
}

/// What one device says of itself. Bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Snapshot {
        used: u64,
        bytes: u64,
    },
    /// `Invalid`, `Overflow`: the snapshot is lost.
    Lost,
    /// Data is in chunks, whose size only the table tells.
    Pool {
        metadata_used: u64,
        metadata_bytes: u64,
        data_used_chunks: u64,
        data_chunks: u64,
        /// The pool's data in bytes: the length of the device.
        data_bytes: u64,
        writable: bool,
    },
    /// A pool that failed.
    Failed,
}

const SECTOR: u64 = 512;
/// Thin metadata is counted in blocks of 4 KiB.
const METADATA_BLOCK: u64 = 4096;

/// The snapshots and pools among the lines; what is neither, or cannot be understood, is left out.
pub fn parse(text: &[u8]) -> Vec<(String, Status)> {
    String::from_utf8_lossy(text).lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, Status)> {
    let (name, rest) = line.split_once(": ")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let [_, length, target, args @ ..] = words.as_slice() else { return None };
    let status = match *target {
        "snapshot" => snapshot(args)?,
        "thin-pool" => pool(args, length.parse().ok()?)?,
        _ => return None,
    };
    Some((name.to_owned(), status))
}

fn pair(text: &str, unit: u64) -> Option<(u64, u64)> {
    let (used, all) = text.split_once('/')?;
    Some((used.parse::<u64>().ok()?.checked_mul(unit)?, all.parse::<u64>().ok()?.checked_mul(unit)?))
}

fn snapshot(args: &[&str]) -> Option<Status> {
    match args {
        ["Invalid" | "Overflow", ..] => Some(Status::Lost),
        [fill, ..] => pair(fill, SECTOR).map(|(used, bytes)| Status::Snapshot { used, bytes }),
        [] => None,
    }
}

fn pool(args: &[&str], sectors: u64) -> Option<Status> {
    match args {
        ["Fail" | "Error", ..] => Some(Status::Failed),
        [_, metadata, data, _, mode, ..] => {
            let (metadata_used, metadata_bytes) = pair(metadata, METADATA_BLOCK)?;
            let (data_used_chunks, data_chunks) = pair(data, 1)?;
            Some(Status::Pool {
                metadata_used,
                metadata_bytes,
                data_used_chunks,
                data_chunks,
                data_bytes: sectors.checked_mul(SECTOR)?,
                writable: *mode == "rw",
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_real_host_said_is_understood() {
        let text = b"vg-base: 0 131072 snapshot-origin \nvg-base-real: 0 131072 linear \nvg-snap: 0 131072 snapshot 2464/16384 24\n\
            vg-old: 0 131072 snapshot Invalid\nvg-p-tpool: 0 409600 thin-pool 4 114/1024 28/3200 - rw discard_passdown queue_if_no_space - 256\n\
            vg-q-tpool: 0 409600 thin-pool Fail\n";
        let pool = Status::Pool {
            metadata_used: 114 * 4096,
            metadata_bytes: 1024 * 4096,
            data_used_chunks: 28,
            data_chunks: 3200,
            data_bytes: 409_600 * 512,
            writable: true,
        };
        let expected = [
            ("vg-snap".to_owned(), Status::Snapshot { used: 2464 * 512, bytes: 16384 * 512 }),
            ("vg-old".to_owned(), Status::Lost),
            ("vg-p-tpool".to_owned(), pool),
            ("vg-q-tpool".to_owned(), Status::Failed),
        ];
        assert_eq!(parse(text), expected, "the guard would not see how full a store is");
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..400), a in any::<u64>(), b in any::<u64>()) {
            let _ = parse(&bytes);
            let _ = parse(format!("x: 0 {a} snapshot {a}/{b} 3\ny: 0 {b} thin-pool 1 {a}/{b} {b}/{a} - rw").as_bytes());
        }
    }
}
