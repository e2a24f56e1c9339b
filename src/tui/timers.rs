//! Moments that were asked for, at most one of each kind. With none set the program sleeps until something happens.

use std::time::{Duration, Instant};

use super::msg::Timer;

#[derive(Debug, Default)]
pub struct Timers {
    set: Vec<(Instant, Timer)>,
}

impl Timers {
    /// Replaces a waiting one of the same kind.
    pub fn set(&mut self, after: Duration, timer: Timer) {
        self.set.retain(|(_, kind)| *kind != timer);
        // A time that no clock reaches is never.
        self.set.extend(Instant::now().checked_add(after).map(|at| (at, timer)));
    }

    /// Time until the next one.
    pub fn next(&self) -> Option<Duration> {
        self.set.iter().map(|(at, _)| at.saturating_duration_since(Instant::now())).min()
    }

    /// Takes those whose time has come.
    pub fn due(&mut self) -> Vec<Timer> {
        let now = Instant::now();
        let (due, rest) = std::mem::take(&mut self.set).into_iter().partition(|(at, _)| *at <= now);
        self.set = rest;
        let due: Vec<(Instant, Timer)> = due;
        due.into_iter().map(|(_, timer)| timer).collect()
    }
}
