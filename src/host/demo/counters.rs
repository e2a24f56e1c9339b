//! `/sys/dev/block/MAJ:MIN/stat`: what a device has written. On the demo machine a count that grows with every write to the file that
//! stands for the device, whoever writes.

use std::path::Path;

use super::machine::Machine;
use super::tree::Tree;
use crate::host::{Answer, HostError};

/// The device that such a path is about.
pub fn device_of(path: &Path) -> Option<(u32, u32)> {
    let (major, minor) = path.strip_prefix("/sys/dev/block").ok()?.to_str()?.strip_suffix("/stat")?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The line as the kernel prints it (Documentation/block/stat.rst); only the two counts of writes mean something. The last change of an
/// inode moves with every write and never back, as a count does.
pub fn stat(machine: &Machine, tree: &Tree, number: (u32, u32)) -> Answer<String> {
    let node = machine.nodes().into_iter().find(|node| (node.major, node.minor) == number).ok_or(HostError::NotFound)?;
    let (found, _) = tree.locate(&Path::new("/dev").join(&node.kname), true)?;
    let facts = rustix::fs::fstat(&found)?;
    let seconds = u64::try_from(facts.st_ctime).unwrap_or(0);
    let nanoseconds = facts.st_ctime_nsec;
    let writes = seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000);
    let sectors = writes.saturating_mul(8);
    Ok(format!("{:>8} {:>8} {:>8} {:>8} {writes:>8} {:>8} {sectors:>8} {:>8} {:>8} {:>8} {:>8}\n", 0, 0, 0, 0, 0, 0, 0, 0, 0))
}
