//! One fuse that is watched: its fill, its pace, what was said of it, and the job that is ready for it.

use std::time::Duration;

use super::ground::Ward;
use super::judge::{Case, Judgement, Pace, Worry};
use crate::model::{Fuse, JobId};
use crate::probe::dm_status::Status;

/// A job that lies ready: its plan is written, and nothing is begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
    pub id: JobId,
    pub to: u64,
    /// The size that it was planned from: another one makes it another plan.
    pub from: u64,
    pub command: String,
}

#[derive(Clone, Debug)]
pub struct Watched {
    pub ward: Ward,
    pub used: u64,
    pub bytes: u64,
    pub pace: Pace,
    /// Sectors written to its device, as last read.
    pub written: Option<u64>,
    pub armed: Option<Armed>,
    pub lost: bool,
    /// After a failure it is not tried again before.
    pub not_before: Duration,
    pub failures: u32,
    said: Vec<&'static str>,
}

impl Watched {
    pub fn new(ward: Ward) -> Self {
        let (used, bytes) = (ward.fuse.used, ward.fuse.bytes);
        Self {
            ward,
            used,
            bytes,
            pace: Pace::default(),
            written: None,
            armed: None,
            lost: false,
            not_before: Duration::ZERO,
            failures: 0,
            said: Vec::new(),
        }
    }

    pub fn lv(&self) -> String {
        self.ward.fuse.full_name()
    }

    pub fn part(&self) -> &'static str {
        self.ward.fuse.part.as_str()
    }

    pub fn is(&self, ward: &Ward) -> bool {
        self.ward.uuid == ward.uuid && self.ward.fuse.part == ward.fuse.part && self.ward.device == ward.device
    }

    /// Takes in what device-mapper says.
    pub fn see(&mut self, at: Duration, status: &Status) {
        use crate::model::FusePart::{Data, Metadata, Store};
        match (self.ward.fuse.part, status) {
            (Store, Status::Snapshot { used, bytes }) => {
                (self.used, self.bytes) = (*used, *bytes);
                self.pace.add(at, *used);
            }
            (Data, Status::Pool { data_used_chunks, data_chunks, data_bytes, .. }) => {
                let used = u128::from(*data_used_chunks) * u128::from(*data_bytes) / u128::from((*data_chunks).max(1));
                (self.used, self.bytes) = (u64::try_from(used).unwrap_or(*data_bytes), *data_bytes);
                self.pace.add(at, self.used);
            }
            (Metadata, Status::Pool { metadata_used, metadata_bytes, .. }) => {
                (self.used, self.bytes) = (*metadata_used, *metadata_bytes);
                self.pace.add(at, *metadata_used);
            }
            (_, Status::Lost | Status::Failed) => self.lost = true,
            _ => {}
        }
    }

    /// Nothing was written to its device since the last look.
    pub fn see_calm(&mut self, at: Duration) {
        self.pace.add(at, self.used);
    }

    pub fn judge(&self, latency: Duration, look: Duration, threshold_percent: u8, fastest: u64) -> Judgement {
        Case {
            bytes: self.bytes,
            used: self.used,
            pace: &self.pace,
            latency,
            look,
            threshold_percent,
            fastest,
            most: self.ward.most,
            enough: self.ward.enough,
            extent: self.ward.extent,
        }
        .judge()
    }

    pub fn is_safe(&self) -> bool {
        self.ward.enough.is_some_and(|enough| self.bytes >= enough)
    }

    /// It was said that its group has little room for it, or none.
    pub fn lacks_room(&self) -> bool {
        self.said.iter().any(|said| matches!(*said, "little room" | "no room"))
    }

    /// As the screens take it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn told(&self) -> Fuse {
        let pace = self
            .pace
            .mean()
            .map(|rate| crate::model::Pace { bytes_per_second: rate.ceil() as u64, over_seconds: self.pace.over().as_secs().max(1) });
        Fuse { used: self.used, bytes: self.bytes, pace, ..self.ward.fuse.clone() }
    }

    /// Worries that were not told of yet. What is over may be told again when it comes back.
    pub fn new_worries(&mut self, worries: &[Worry]) -> Vec<Worry> {
        let name = |worry: &Worry| match worry {
            Worry::TooFast { .. } => "too fast",
            Worry::LittleRoom { .. } => "little room",
            Worry::NoRoom => "no room",
        };
        let fresh = worries.iter().filter(|worry| !self.said.contains(&name(worry))).cloned().collect();
        self.said = worries.iter().map(name).collect();
        fresh
    }
}
