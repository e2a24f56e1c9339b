//! The processes of xl that wait for a domain's end: `xl create` and `xl restore` stay behind, their output in /var/log/xen/xl-NAME.log
//! (xl_vmcontrol.c, `do_daemonize`). They clear the domain away after a poweroff, and start it again after a reboot.

use std::path::Path;

use crate::host::{Answer, HostError, Look, read_whole};
use crate::model::question::Watcher;
use crate::model::{Cmd, HostPath};

const MOST_PROCESSES: usize = 20_000;
const LONGEST: usize = 64 << 10;
/// Their standard output and errors.
const OUTPUTS: [&str; 2] = ["1", "2"];

pub fn of(host: &dyn Look, domain: &str) -> Answer<Vec<Watcher>> {
    let log = HostPath::from(format!("/var/log/xen/xl-{domain}.log"));
    let processes = match host.list(Path::new("/proc"), MOST_PROCESSES) {
        Ok(listing) if listing.cut => return Err(HostError::Refused { why: format!("there are more than {MOST_PROCESSES} processes") }),
        Ok(listing) => listing.entries,
        Err(HostError::NotFound) => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for process in processes {
        let Ok(pid) = process.name.to_string().parse::<i32>() else { continue };
        let dir = Path::new("/proc").join(pid.to_string());
        // One that ended meanwhile waits for nothing.
        let Ok(words) = read_whole(host, &dir.join("cmdline"), LONGEST) else { continue };
        if !is_xl(&words) {
            continue;
        }
        let links = OUTPUTS.iter().map(|output| host.readlink(&dir.join("fd").join(output)));
        if links.collect::<Answer<Vec<_>>>()?.iter().any(|open| open.as_path() == log.as_path()) {
            found.extend(described(host, pid)?);
        }
    }
    Ok(found)
}

/// Its first word is `xl`, wherever that lies.
fn is_xl(words: &[u8]) -> bool {
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    first.rsplit(|byte| *byte == b'/').next() == Some(b"xl")
}

fn described(host: &dyn Look, pid: i32) -> Answer<Option<Watcher>> {
    let pid_word = pid.to_string();
    let output = host.run(&Cmd::reads("ps", ["-o", "lstart=,args=", "-p", pid_word.as_str()]))?;
    let says = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.ok() && !says.is_empty()).then_some(Watcher { pid, says }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_xl_itself_waits_for_a_domain() {
        assert!(is_xl(b"xl\0create\0/etc/xen/web1.cfg\0") && is_xl(b"/usr/lib/xen-4.17/bin/xl\0restore\0"));
        assert!(!is_xl(b"less\0/var/log/xen/xl-web1.log\0"), "somebody who reads the log would be stopped");
        assert!(!is_xl(b""), "a kernel thread would be stopped");
    }
}
