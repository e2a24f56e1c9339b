//! How long an extension takes on this host, from the decision to the larger store: measured, and kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::Look;
use crate::model::{Cmd, FusePart};

/// The last so many count.
const MOST: usize = 16;
/// While nothing is known.
const GUESS: Duration = Duration::from_secs(1);
/// A rehearsal writes nothing and suspends nothing: the real thing takes longer.
const REHEARSAL_TIMES: u32 = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Milliseconds, oldest first.
    measured: Vec<u64>,
    #[serde(skip)]
    rehearsed: Option<Duration>,
}

impl Latency {
    /// As it was kept; of what is no such record, nothing.
    pub fn kept(bytes: &[u8]) -> Self {
        let mut kept: Self = serde_json::from_slice(bytes).unwrap_or_default();
        let surplus = kept.measured.len().saturating_sub(MOST);
        kept.measured.drain(..surplus);
        kept
    }

    pub fn add(&mut self, took: Duration) {
        self.measured.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let surplus = self.measured.len().saturating_sub(MOST);
        self.measured.drain(..surplus);
    }

    pub fn rehearsed(&mut self, took: Duration) {
        self.rehearsed = Some(self.rehearsed.map_or(took, |before| before.max(took)));
    }

    /// The worst of the last ones.
    pub fn expected(&self) -> Duration {
        let measured = self.measured.iter().max().map(|most| Duration::from_millis(*most));
        measured.or_else(|| self.rehearsed.map(|took| took.saturating_mul(REHEARSAL_TIMES))).unwrap_or(GUESS)
    }

    pub fn is_measured(&self) -> bool {
        !self.measured.is_empty()
    }
}

/// Plays an extension through without doing it. It tells how long LVM needs to read and lock the group, and whether it would refuse; and it
/// brings LVM's program and libraries into memory, so that they need not be read from a disk that may be filling.
pub fn rehearse(host: &dyn Look, lv: &str, part: FusePart, to: u64) -> Result<Duration, String> {
    let option = if part == FusePart::Metadata { "--poolmetadatasize" } else { "-L" };
    let size = format!("{to}b");
    let cmd = Cmd::reads("lvextend", ["--test", "-y", "-An", option, &size, lv]).within(30);
    let output = host.run(&cmd).map_err(|error| error.to_string())?;
    if output.ok() { Ok(output.took) } else { Err(output.complaint()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_the_last_is_expected() {
        let mut latency = Latency::default();
        assert_eq!(latency.expected(), GUESS, "with nothing measured an extension was thought to take no time");
        latency.rehearsed(Duration::from_millis(50));
        assert_eq!(latency.expected(), Duration::from_millis(150));
        for ms in [200, 900, 100] {
            latency.add(Duration::from_millis(ms));
        }
        assert_eq!(latency.expected(), Duration::from_millis(900));
        let kept = Latency::kept(&serde_json::to_vec(&latency).unwrap());
        assert_eq!(kept.expected(), latency.expected(), "what was measured is forgotten at the next start");
        (0..MOST).for_each(|_| latency.add(Duration::from_millis(150)));
        assert_eq!(latency.expected(), Duration::from_millis(150), "one slow moment is held against the host for ever");
        assert_eq!(Latency::kept(b"garbage"), Latency::default());
    }
}
