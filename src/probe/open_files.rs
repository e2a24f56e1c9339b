//! Processes of this host that have a file or device open for writing: /proc/PID/fd and /proc/PID/fdinfo (proc(5)).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::host::Look;

/// A host with more processes, or more open files of one, is looked at in part: this look finds users that nothing else tells of, and
/// does not prove that there are none.
const MOST_PROCESSES: usize = 20_000;
const MOST_FILES: usize = 20_000;
const TIME: Duration = Duration::from_secs(1);

/// In words, one process each. What may not be looked at is passed over; our own process is none.
pub fn writers(host: &dyn Look, path: &Path) -> Vec<String> {
    let until = Instant::now() + TIME;
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    let processes = host.list(Path::new("/proc"), MOST_PROCESSES).map(|listing| listing.entries).unwrap_or_default();
    for process in processes {
        let pid = process.name.to_string();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if Instant::now() > until {
            break;
        }
        let dir = Path::new("/proc").join(&pid);
        let files = host.list(&dir.join("fd"), MOST_FILES).map(|listing| listing.entries).unwrap_or_default();
        let writes = |number: &Path| {
            host.readlink(&dir.join("fd").join(number)).is_ok_and(|open| open == path)
                && host.read_at(&dir.join("fdinfo").join(number), 0, 4096).map_or(true, |info| may_write(&info))
        };
        if files.iter().any(|file| writes(file.name.as_path())) {
            let name = host.read_at(&dir.join("comm"), 0, 64).unwrap_or_default();
            let name = String::from_utf8_lossy(&name).trim().to_owned();
            found.push(format!("open for writing in {} (process {pid})", crate::model::shown::text(&name)));
        }
    }
    found
}

/// The line `flags:` holds the flags of open(2) in octal; the last two bits are 0 for reading only.
fn may_write(info: &[u8]) -> bool {
    let text = String::from_utf8_lossy(info);
    let flags = text.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_none_or(|flags| flags & 3 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::Local;

    #[test]
    fn only_who_may_write_is_a_user() {
        assert!(may_write(b"pos:\t0\nflags:\t0100002\nmnt_id:\t25\n"), "a QEMU that writes to the disk is overlooked");
        assert!(may_write(b"flags:\t01\n") && may_write(b""), "a writer is overlooked");
        assert!(!may_write(b"pos:\t0\nflags:\t0100000\n"), "a backup that reads the disk would stand in the way");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test starts the process that it looks for")]
    fn a_process_that_writes_to_a_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("disk.img");
        let file = std::fs::File::create(&path).unwrap();
        assert!(writers(&Local::new(), &path).is_empty(), "domkeep stands in its own way");
        let mut child = std::process::Command::new("sleep").arg("20").stdout(file).spawn().unwrap();
        let found = writers(&Local::new(), &path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.iter().any(|user| user.contains(&format!("(process {})", child.id()))), "a writer was overlooked: {found:?}");
    }
}
