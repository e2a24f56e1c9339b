//! Bytes per second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a worker sleeps before it looks whether it should stop.
const NAP: Duration = Duration::from_millis(50);

/// A rate that all holders of a clone keep together: a bucket that fills with time and holds a quarter of a second's worth.
#[derive(Clone, Debug)]
pub struct Pacer {
    bytes_per_second: u64,
    /// When the bucket will be (or was) full to the brim with nothing owed: every byte taken moves it on.
    paid_until: Arc<Mutex<Option<Instant>>>,
    lifted: Arc<AtomicBool>,
}

impl Pacer {
    /// A rate of 0 is taken for 1: a copy that never moves would look like one that hangs.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_until: Arc::default(), lifted: Arc::default() }
    }

    /// From now on nobody waits.
    pub fn lift(&self) {
        self.lifted.store(true, Ordering::Relaxed);
    }

    /// Waits until so many bytes may pass, or until `stopped` says so.
    pub fn take(&self, bytes: u64, stopped: &dyn Fn() -> bool) {
        let due = self.book(bytes, Instant::now());
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() || stopped() || self.lifted.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(wait.min(NAP));
        }
    }

    /// The moment at which these bytes may pass.
    fn book(&self, bytes: u64, now: Instant) -> Instant {
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = Duration::from_millis(250);
        let earliest = now.checked_sub(burst).unwrap_or(now);
        let due = paid_until.map_or(earliest, |until| until.max(earliest));
        let costs = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        *paid_until = due.checked_add(costs);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_copies_share_one_rate() {
        let pacer = Pacer::new(1 << 20);
        let other = pacer.clone();
        let now = Instant::now();
        for _ in 0..5 {
            pacer.book(1 << 20, now);
            other.book(1 << 20, now);
        }
        let due = other.book(1, now).saturating_duration_since(now);
        let seconds = due.as_secs_f64();
        assert!((9.5..=10.0).contains(&seconds), "10 MiB at 1 MiB/s of two copies together took {seconds} s: the limit does not hold");
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_moment() {
        let pacer = Pacer::new(1000);
        let start = Instant::now();
        pacer.book(1000, start);
        let later = start + Duration::from_secs(3600);
        let burst: Vec<bool> = (0..10).map(|_| pacer.book(100, later) <= later).collect();
        assert_eq!(burst.iter().filter(|at_once| **at_once).count(), 3, "after a pause the disk would be flooded: {burst:?}");
    }
}
