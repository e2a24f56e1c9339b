//! Names of temporary things: beside the thing itself, hidden, and with the job's id in them, so that they are nobody else's.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::model::{HostPath, JobId};

/// Bytes of a thing's own name that stay in a temporary one: with the rest it fits the 255 of a file system.
const MOST: usize = 180;

/// What a new thing is called until it is whole.
pub fn partial(path: &HostPath, id: &JobId) -> HostPath {
    temporary(path, id, "partial")
}

/// What a thing that is taken back is called until that stands in the journal.
///
/// The inode is a part of it: an undo that was interrupted may have to put a second file of the same name aside.
pub fn undone(path: &HostPath, id: &JobId, inode: (u64, u64)) -> HostPath {
    temporary(path, id, &format!("{}.undone", inode.1))
}

/// What the old bytes of a file are called until they stand in its place again.
pub fn restored(path: &HostPath, id: &JobId) -> HostPath {
    temporary(path, id, "restored")
}

fn temporary(path: &HostPath, id: &JobId, what: &str) -> HostPath {
    let name = path.as_path().file_name().unwrap_or_default().as_bytes();
    let mut text = vec![b'.'];
    match name.get(..MOST) {
        Some(start) => {
            text.extend_from_slice(start);
            text.extend_from_slice(blake3::hash(name).to_hex().get(..16).unwrap_or_default().as_bytes());
        }
        None => text.extend_from_slice(name),
    }
    text.extend_from_slice(format!(".{id}.{what}").as_bytes());
    HostPath::new(path.as_path().with_file_name(OsString::from_vec(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_has_a_temporary_name_of_its_own_that_fits() {
        let id = JobId::parse("20261121-144501-0123456789abcdef").unwrap();
        assert_eq!(partial(&"/a/web.cfg".into(), &id), "/a/.web.cfg.20261121-144501-0123456789abcdef.partial".into());
        let long = |last: &str| HostPath::from(format!("/a/{}{last}", "x".repeat(254)));
        let (one, other) = (partial(&long("1"), &id), partial(&long("2"), &id));
        assert_ne!(one, other, "two files of one job would be written over each other");
        assert!(one.file_name().unwrap().len() <= 255, "a file with a long name could not be made");
    }
}
