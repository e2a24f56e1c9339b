//! Telling how far it is: not too often, with a rate that is of late.

use std::time::{Duration, Instant};

use crate::model::Progress;

use super::Control;

/// Between two reports.
const BETWEEN: Duration = Duration::from_millis(250);
/// How far the rate looks back: its weight has halved after this time.
const MEMORY: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Teller {
    told: Option<Instant>,
    /// Bytes that had been read when it was last told.
    read: u64,
    rate: Option<f64>,
}

impl Teller {
    /// `read`: what an earlier copy had read.
    pub fn new(read: u64) -> Self {
        Self { told: None, read, rate: None }
    }

    /// Tells when it is time, or when it `must`. Holes take no time, so the rate is of what was read.
    pub fn tell(&mut self, progress: &Progress, must: bool, control: &mut dyn Control) {
        let now = Instant::now();
        let since = self.told.map(|told| now.saturating_duration_since(told));
        if !must && since.is_some_and(|since| since < BETWEEN) {
            return;
        }
        let read = progress.done.saturating_sub(progress.holes);
        if let Some(since) = since.filter(|since| *since >= BETWEEN) {
            let seconds = since.as_secs_f64();
            let fresh = read.saturating_sub(self.read) as f64 / seconds;
            let weight = (-seconds / MEMORY.as_secs_f64()).exp2();
            self.rate = Some(self.rate.map_or(fresh, |old| old * weight + fresh * (1.0 - weight)));
        }
        if since.is_none_or(|since| since >= BETWEEN) {
            self.told = Some(now);
            self.read = read;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for the eye; never negative")]
        let bytes_per_second = self.rate.map(|rate| rate as u64);
        control.progress(Progress { bytes_per_second, ..*progress });
    }
}
