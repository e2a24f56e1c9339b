//! What the guard says.

use serde::Serialize;

use super::judge::Worry;
use crate::model::bytes::human;
use crate::model::fuse::span;
use crate::model::shown;

/// One word of the guard's, for its log and for scripts (`--json`: one a line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub enum Word {
    /// It is at work.
    Watching {
        fuses: usize,
        latency_ms: u64,
        measured: bool,
        locked_in_memory: bool,
        jobs: String,
    },
    /// A fuse, as it is seen first.
    Sees {
        lv: String,
        part: &'static str,
        used: u64,
        bytes: u64,
        /// Nothing: not known yet.
        full_in_seconds: Option<u64>,
        most: u64,
        /// Writers up to this speed are outrun.
        outruns: u64,
        /// It cannot overflow: its store is as large as its origin.
        safe: bool,
    },
    /// What would be done now, had it not been asked to do nothing.
    Would {
        lv: String,
        part: &'static str,
        to: u64,
        command: String,
        now: bool,
    },
    TooFast {
        lv: String,
        part: &'static str,
        writer: u64,
        outruns: u64,
        lacks: u64,
    },
    LittleRoom {
        lv: String,
        part: &'static str,
        left: u64,
    },
    NoRoom {
        lv: String,
        part: &'static str,
    },
    Extended {
        lv: String,
        part: &'static str,
        from: u64,
        to: u64,
        used: u64,
        bytes_per_second: u64,
        took_ms: u64,
        left_after: Option<u64>,
        job: String,
    },
    NotExtended {
        lv: String,
        part: &'static str,
        why: String,
    },
    /// It overflowed, or the pool failed.
    Lost {
        lv: String,
        part: &'static str,
    },
    /// The host does it already.
    LeftAlone {
        lv: String,
        why: String,
    },
    Gone {
        lv: String,
        part: &'static str,
    },
    /// A record of an earlier guard was found.
    Recovered {
        job: String,
        how: String,
    },
    Trouble {
        what: String,
    },
    Stopped {
        why: String,
    },
}

impl Word {
    pub fn of(worry: &Worry, lv: &str, part: &'static str) -> Self {
        let lv = lv.to_owned();
        match *worry {
            Worry::TooFast { writer, outruns, lacks } => Self::TooFast { lv, part, writer, outruns, lacks },
            Worry::LittleRoom { left } => Self::LittleRoom { lv, part, left },
            Worry::NoRoom => Self::NoRoom { lv, part },
        }
    }

    /// Whether somebody should look: systemd's log levels are made of it.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::TooFast { .. }
                | Self::LittleRoom { .. }
                | Self::NoRoom { .. }
                | Self::NotExtended { .. }
                | Self::Lost { .. }
                | Self::Trouble { .. }
        )
    }

    pub fn text(&self) -> String {
        shown::text(&self.sentence())
    }

    fn sentence(&self) -> String {
        match self {
            Self::Watching { fuses, latency_ms, measured, locked_in_memory, jobs } => {
                let source = if *measured { "measured" } else { "estimated from a rehearsal" };
                let locked = if *locked_in_memory { "" } else { "; its memory could not be locked and may be paged out" };
                format!("watching {fuses} stores; an extension takes {latency_ms} ms here ({source}); its jobs lie in {jobs}{locked}")
            }
            Self::Sees { lv, part, used, bytes, full_in_seconds, most, outruns, safe } => {
                let head = format!("{lv} {part}: {} of {} used", human(*used), human(*bytes));
                let pace = full_in_seconds.map_or_else(String::new, |seconds| format!(", full in {}", span(seconds)));
                if *safe {
                    return format!("{head}; it has room for its whole origin and cannot overflow");
                }
                format!("{head}{pace}; may grow to {}; keeps it against writers of up to {} a second", human(*most), human(*outruns))
            }
            Self::Would { lv, part, to, command, now } => {
                let when = if *now { "now" } else { "when it is time" };
                format!("{lv} {part}: would extend it to {} {when}: {command}", human(*to))
            }
            Self::TooFast { lv, part, writer, outruns, lacks } => format!(
                "warning: {lv} {part}: a writer of {} a second fills it before it can be extended; up to {} a second it is kept. \
                 With {} more room it would be: extend it by hand, or make it larger from the start",
                human(*writer),
                human(*outruns),
                human(*lacks)
            ),
            Self::LittleRoom { lv, part, left } => format!(
                "warning: {lv} {part}: it may grow by {} more and no further (room in its group, less what the settings keep free, or their limit)",
                human(*left)
            ),
            Self::NoRoom { lv, part } => {
                format!("warning: {lv} {part}: it cannot grow at all: add a disk to its group, or raise the limits in the settings")
            }
            Self::Extended { lv, part, from, to, used, bytes_per_second, took_ms, job, .. } => format!(
                "{lv} {part}: extended from {} to {} in {took_ms} ms; {} were used, filling by {} a second (job {job})",
                human(*from),
                human(*to),
                human(*used),
                human(*bytes_per_second)
            ),
            Self::NotExtended { lv, part, why } => format!("warning: {lv} {part}: not extended: {why}"),
            Self::Lost { lv, part: "store" } => {
                format!("LOST: snapshot {lv} overflowed. Its content is gone, and only `lvremove` helps; its origin is whole")
            }
            Self::Lost { lv, part } => {
                format!("LOST: thin pool {lv} has failed ({part}): `lvs -a -o +lv_health_status` and `dmesg` say how")
            }
            Self::LeftAlone { lv, why } => format!("{lv}: left alone: {why}"),
            Self::Gone { lv, part } => format!("{lv} {part}: is there no more"),
            Self::Recovered { job, how } => format!("job {job} of an earlier guard: {how}"),
            Self::Trouble { what } => format!("warning: {what}"),
            Self::Stopped { why } => format!("stopped: {why}"),
        }
    }
}
