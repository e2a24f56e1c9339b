//! Locks on domains and disks, across processes: files that the runner holds under flock(2) for as long as it lives.

use std::fs::File;
use std::io::{Read, Write};

use rustix::fs::FlockOperation;

use super::dir::Dir;
use crate::model::JobId;
use crate::problem::Problem;

/// Locks that are held; dropped to give them up.
#[derive(Debug)]
pub struct Held {
    _files: Vec<File>,
}

/// Takes every lock for the job, or none.
pub fn take(dir: &Dir, names: &[String], id: &JobId) -> Result<Held, Problem> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    let mut files = Vec::new();
    for name in names {
        let cannot = |error: std::io::Error| Problem::new(format!("{name} cannot be locked")).because(error);
        let mut file = dir.open_for_writing(&file_name(name)).map_err(cannot)?;
        if !try_lock(&file).map_err(cannot)? {
            let holder = holder(&mut file).map_or_else(|| "another job".to_owned(), |holder| format!("job {holder}"));
            return Err(Problem::new(format!("{holder} works on {name}"))
                .because("two jobs on one domain or disk would spoil each other's work")
                .hint("wait for its end (`domkeep jobs follow ID`), or cancel it (`domkeep jobs cancel ID`)"));
        }
        file.set_len(0).and_then(|()| file.write_all(format!("{id}\n").as_bytes())).map_err(cannot)?;
        files.push(file);
    }
    Ok(Held { _files: files })
}

/// Without waiting. The lock goes with the last descriptor of the file, so with the process.
pub fn try_lock(file: &File) -> std::io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn holder(file: &mut File) -> Option<JobId> {
    let mut text = String::new();
    file.take(100).read_to_string(&mut text).ok()?;
    JobId::parse(text.trim())
}

/// A domain's name and a disk's path may hold anything.
fn file_name(lock: &str) -> String {
    blake3::hash(lock.as_bytes()).to_hex().to_string()
}
