//! Whether a process that the journal names still lives: by pid, start time and boot, so that a reused number is told apart.
#![allow(clippy::disallowed_methods, reason = "processes are this machine's own, also while the demo machine is looked at")]

use super::history::OpenChild;

/// Random at each boot; empty when it cannot be read, and then no child is taken for alive or dead by it.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

pub fn lives(child: &OpenChild) -> bool {
    let boot = boot_id();
    if !boot.is_empty() && !child.boot_id.is_empty() && boot != child.boot_id {
        return false;
    }
    state(child.pid).is_some_and(|(state, ticks)| ticks == child.started_ticks && !matches!(state, b'Z' | b'X'))
}

/// State letter and start time in ticks: fields 3 and 22 of /proc/PID/stat. The name before them may hold anything, also `) R 1`.
pub(super) fn state(pid: i32) -> Option<(u8, u64)> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(behind_name.saturating_add(1)..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let letter = *fields.next()?.as_bytes().first()?;
    Some((letter, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_number_is_not_the_child() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let (_, ticks) = state(pid).unwrap();
        let child = OpenChild { step: 0, pid, started_ticks: ticks, boot_id: boot_id() };
        assert!(lives(&child), "a command that still runs would not be waited for");
        assert!(!lives(&OpenChild { started_ticks: ticks + 1, ..child.clone() }), "a stranger's process is waited for");
        assert!(!lives(&OpenChild { boot_id: "another".into(), ..child }), "after a boot, a stranger's process is waited for");
    }
}
