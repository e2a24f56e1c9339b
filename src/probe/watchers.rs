//! The processes of xl that wait for a domain's end: `xl create` and `xl restore` stay behind, their output in /var/log/xen/xl-NAME.log
//! (xl_vmcontrol.c, `do_daemonize`). They clear the domain away after a poweroff, and start it again after a reboot.

use std::path::Path;

use crate::host::{Answer, HostError, Look, read_whole};
use crate::model::question::Watcher;
use crate::model::{Cmd, Inventory, shown};

const MOST_PROCESSES: usize = 20_000;
const LONGEST: usize = 64 << 10;
/// Their standard output and errors.
const OUTPUTS: [&str; 2] = ["1", "2"];
/// What a process must be doing to stay until a domain ends.
const STAYING: [&str; 3] = ["create", "restore", "migrate-receive"];

/// An error when there is a process that may wait for this domain, or for another one: one that stays in the foreground, or whose domain was
/// renamed since.
pub fn of(host: &dyn Look, inventory: &Inventory, domain: &str) -> Answer<Vec<Watcher>> {
    let processes = match host.list(Path::new("/proc"), MOST_PROCESSES) {
        Ok(listing) if listing.cut => return Err(HostError::Refused { why: format!("there are more than {MOST_PROCESSES} processes") }),
        Ok(listing) => listing.entries,
        Err(HostError::NotFound) => Vec::new(),
        Err(error) => return Err(error),
    };
    let (mut found, mut doubtful) = (Vec::new(), None);
    for process in processes {
        let Ok(pid) = process.name.to_string().parse::<i32>() else { continue };
        let dir = Path::new("/proc").join(pid.to_string());
        // One that ended meanwhile waits for nothing.
        let Ok(words) = read_whole(host, &dir.join("cmdline"), LONGEST) else { continue };
        if !stays(&words) {
            continue;
        }
        match waits_for(host, &dir)? {
            Some(name) if name == domain => found.extend(described(host, pid)?),
            Some(name) if inventory.domains.iter().any(|other| other.name == name) => {}
            Some(name) => {
                let why = format!("process {pid} of xl waits for the end of {}, which is not there: was it renamed?", shown::text(&name));
                doubtful.get_or_insert(why);
            }
            None if described(host, pid)?.is_some() => {
                doubtful.get_or_insert(format!("process {pid} of xl does not tell for whose end it waits (`xl create -F`?)"));
            }
            None => {}
        }
    }
    match doubtful {
        Some(why) if found.is_empty() => Err(HostError::Refused { why }),
        _ => Ok(found),
    }
}

/// Its first word is `xl`, wherever that lies, and it does what does not end before a domain ends.
fn stays(words: &[u8]) -> bool {
    let mut words = words.split(|byte| *byte == 0);
    let first = words.next().unwrap_or_default();
    let is_xl = first.rsplit(|byte| *byte == b'/').next() == Some(b"xl");
    is_xl && words.any(|word| STAYING.iter().any(|staying| word == staying.as_bytes()))
}

/// The name in its log's name; nothing: it has no such log.
fn waits_for(host: &dyn Look, dir: &Path) -> Answer<Option<String>> {
    for output in OUTPUTS {
        match host.readlink(&dir.join("fd").join(output)) {
            Ok(open) => {
                if let Some(name) = name_in(&open) {
                    return Ok(Some(name));
                }
            }
            Err(HostError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// `web1` of `/var/log/xen/xl-web1.log`, also when the log was put aside (`.1`, `.2.old`) or removed since.
fn name_in(log: &Path) -> Option<String> {
    let text = log.to_str()?;
    let text = text.strip_suffix(" (deleted)").unwrap_or(text);
    let name = text.strip_prefix("/var/log/xen/xl-")?;
    if let Some(name) = name.strip_suffix(".log") {
        return Some(name.to_owned());
    }
    let (name, aside) = name.rsplit_once(".log")?;
    aside.starts_with(['.', '-']).then(|| name.to_owned())
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
        assert!(stays(b"xl\0create\0/etc/xen/web1.cfg\0") && stays(b"/usr/lib/xen-4.17/bin/xl\0restore\0/x\0"));
        assert!(stays(b"xl\0-v\0create\0x\0"), "a domain that was created talkatively would lose who waits for its end");
        assert!(!stays(b"less\0/var/log/xen/xl-web1.log\0"), "somebody who reads the log would be stopped");
        assert!(!stays(b"xl\0list\0"), "a look at the domains would be taken for one who waits");
        assert!(!stays(b""), "a kernel thread would be stopped");
    }

    #[test]
    fn a_log_tells_for_whom_even_when_it_was_put_aside() {
        let name = |path: &str| name_in(Path::new(path));
        assert_eq!(name("/var/log/xen/xl-web1.log").as_deref(), Some("web1"));
        assert_eq!(name("/var/log/xen/xl-web1.log.1").as_deref(), Some("web1"), "logrotate would hide who waits");
        assert_eq!(name("/var/log/xen/xl-web1.log (deleted)").as_deref(), Some("web1"));
        assert_eq!(name("/var/log/xen/xl-a.log.b.log").as_deref(), Some("a.log.b"), "another domain's process would be stopped");
        assert_eq!(name("/dev/pts/3"), None);
        assert_eq!(name("/var/log/xen/xl-web1.logs"), None);
    }
}
