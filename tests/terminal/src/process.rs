//! What the kernel says about a process: `/proc/PID/stat`, see proc_pid_stat(5).

use std::time::Duration;

/// State and time of one process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// `R` running, `S` sleeping, `T` stopped, `Z` ended and not yet waited for.
    pub state: char,
    /// User and system time, without that of its children.
    pub cpu: Duration,
}

pub fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    read_stat(&text, rustix::param::clock_ticks_per_second())
}

fn read_stat(text: &str, ticks_per_second: u64) -> Option<Stat> {
    // The command name stands in parentheses and may itself hold blanks and parentheses.
    let (_, after_name) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    // utime and stime are fields 14 and 15 of the whole line; the state is field 3.
    let ticks = fields.get(11)?.parse::<u64>().ok()?.checked_add(fields.get(12)?.parse().ok()?)?;
    let milliseconds = ticks.checked_mul(1000)?.checked_div(ticks_per_second)?;
    Some(Stat { state, cpu: Duration::from_millis(milliseconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "12 (a) b (c)) T 1 12 12 0 -1 4194304 100 0 0 0 150 50 7 8 20 0 1 0 99";
        assert_eq!(read_stat(line, 100), Some(Stat { state: 'T', cpu: Duration::from_secs(2) }));
        assert_eq!(read_stat("12 (a) S 1", 100), None);
    }

    #[test]
    fn this_process_is_running() {
        assert!(stat(std::process::id()).unwrap().state.is_ascii_uppercase());
    }
}
