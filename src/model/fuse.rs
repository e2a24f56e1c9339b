//! Fuses: what fills until something breaks. A classic snapshot's store, and a thin pool's data and metadata.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Inventory, LogicalVolume, bytes};

/// Which store of a volume fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FusePart {
    /// A classic snapshot's exceptions. Full: the snapshot is lost for ever.
    Store,
    /// A thin pool's blocks. Full: writes wait, then fail.
    Data,
    /// A thin pool's mappings. Full: the pool turns read-only and may need a repair.
    Metadata,
}

impl FusePart {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Data => "data",
            Self::Metadata => "metadata",
        }
    }
}

/// How fast it filled between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    pub bytes_per_second: u64,
    /// Seconds between the looks.
    pub over_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fuse {
    pub vg: String,
    pub lv: String,
    pub part: FusePart,
    /// Size of the store.
    pub bytes: u64,
    pub used: u64,
    /// Nothing: it was looked at only once.
    pub pace: Option<Pace>,
}

/// More room for a fuse, up to a size and not by one: whoever does it twice, after a crash, makes it no larger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relief {
    pub vg: String,
    pub lv: String,
    pub part: FusePart,
    /// A whole number of extents.
    pub to_bytes: u64,
}

/// What a fuse's pace means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// One look tells no pace.
    Unknown,
    /// Nothing was added in so many seconds.
    Still {
        for_seconds: u64,
    },
    Full,
    /// Full in so many seconds, if it goes on like this.
    Fills {
        seconds: u64,
        bytes_per_second: u64,
    },
}

impl Fuse {
    /// `vg/lv`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.vg, self.lv)
    }

    pub fn left(&self) -> u64 {
        self.bytes.saturating_sub(self.used)
    }

    pub fn percent(&self) -> Option<f64> {
        bytes::percent(Some(self.used), Some(self.bytes))
    }

    pub fn forecast(&self) -> Forecast {
        match self.pace {
            _ if self.left() == 0 => Forecast::Full,
            None => Forecast::Unknown,
            Some(Pace { bytes_per_second: 0, over_seconds }) => Forecast::Still { for_seconds: over_seconds },
            Some(pace) => Forecast::Fills { seconds: self.left() / pace.bytes_per_second.max(1), bytes_per_second: pace.bytes_per_second },
        }
    }

    /// Seconds until it is full, when it fills.
    pub fn full_in(&self) -> Option<u64> {
        match self.forecast() {
            Forecast::Fills { seconds, .. } => Some(seconds),
            Forecast::Full => Some(0),
            Forecast::Unknown | Forecast::Still { .. } => None,
        }
    }

    /// The stores of a volume that fill: none of most, one of a snapshot, two of a pool. An overflowed snapshot has none any more, and what
    /// LVM does not tell the fill of (an inactive volume) neither.
    pub fn of(volume: &LogicalVolume, inventory: &Inventory) -> Vec<Self> {
        let fuse = |part, bytes: u64, percent: f64| Self {
            vg: volume.vg.clone(),
            lv: volume.name.clone(),
            part,
            bytes,
            used: share(bytes, percent),
            pace: None,
        };
        if let (Some(store), false) = (volume.store_bytes, volume.invalid) {
            return volume.data_percent.map(|percent| fuse(FusePart::Store, store, percent)).into_iter().collect();
        }
        if !volume.is_thin_pool() {
            return Vec::new();
        }
        let mapping = format!("{}_tmeta", volume.name);
        let metadata = inventory.volumes.iter().find(|part| part.vg == volume.vg && part.name == mapping).map(|part| part.bytes);
        let data = volume.data_percent.map(|percent| fuse(FusePart::Data, volume.bytes, percent));
        let metadata = metadata.zip(volume.metadata_percent).map(|(bytes, percent)| fuse(FusePart::Metadata, bytes, percent));
        data.into_iter().chain(metadata).collect()
    }
}

/// LVM's percent has two decimals.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percent is not negative and has at most five digits here")]
fn share(bytes: u64, percent: f64) -> u64 {
    let hundredths = (percent.clamp(0.0, 100.0) * 100.0).round() as u32;
    let share = u128::from(bytes) * u128::from(hundredths) / 10_000;
    u64::try_from(share).unwrap_or(bytes)
}

/// A length of time as people say it: `45 s`, `12 min`, `3 h`, `5 days`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// In a few words, for a line: `full in 3 min`, `not filling`, `pace ?`.
pub fn brief(fuse: &Fuse) -> String {
    match fuse.forecast() {
        Forecast::Unknown => "pace ?".to_owned(),
        Forecast::Still { .. } => "not filling".to_owned(),
        Forecast::Full => "FULL".to_owned(),
        Forecast::Fills { seconds, .. } => format!("full in {}", span(seconds)),
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("how fast it fills is not known yet: that takes two looks"),
            Self::Still { for_seconds } => write!(f, "it did not fill in the last {}", span(*for_seconds)),
            Self::Full => f.write_str("it is full"),
            Self::Fills { seconds, bytes_per_second } => {
                write!(f, "it fills by {} a second: full in {}", bytes::human(*bytes_per_second), span(*seconds))
            }
        }
    }
}

/// The last looks at one fuse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// When, and how many bytes were used; oldest first.
    seen: Vec<(DateTime<Utc>, u64)>,
}

impl Looks {
    /// What was longer ago tells nothing of today's pace.
    const OLDEST_SECONDS: i64 = 600;
    const MOST: usize = 64;

    /// Adds a look. A store that has less in it than before is another one of the same name, or was trimmed: its past does not count.
    pub fn add(&mut self, at: DateTime<Utc>, used: u64) {
        if self.seen.last().is_some_and(|(then, before)| used < *before || at < *then) {
            self.seen.clear();
        }
        if self.seen.last().is_some_and(|(then, _)| *then == at) {
            self.seen.pop();
        }
        self.seen.push((at, used));
        let surplus = self.seen.len().saturating_sub(Self::MOST);
        self.seen.drain(..surplus);
        // Of what is too old one stays while there is nothing newer to compare with.
        while self.seen.len() > 2 && self.seen.first().is_some_and(|(then, _)| (at - *then).num_seconds() > Self::OLDEST_SECONDS) {
            self.seen.remove(0);
        }
    }

    /// From the oldest look that counts to the last; nothing with one look, or two in the same second.
    pub fn pace(&self) -> Option<Pace> {
        let ((from, before), (to, now)) = (self.seen.first()?, self.seen.last()?);
        let over_seconds = u64::try_from((*to - *from).num_seconds()).ok().filter(|seconds| *seconds > 0)?;
        Some(Pace { bytes_per_second: now.saturating_sub(*before).div_ceil(over_seconds), over_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    fn fuse(used: u64, bytes: u64, looks: &[(i64, u64)]) -> Fuse {
        let mut seen = Looks::default();
        for (second, used) in looks {
            seen.add(at(*second), *used);
        }
        Fuse { vg: "vg".into(), lv: "snap".into(), part: FusePart::Store, bytes, used, pace: seen.pace() }
    }

    #[test]
    fn one_look_tells_no_pace_and_two_do() {
        assert_eq!(fuse(50, 100, &[(0, 50)]).forecast(), Forecast::Unknown, "a pace was made up from one look");
        assert_eq!(fuse(50, 100, &[(0, 50), (0, 60)]).forecast(), Forecast::Unknown, "two looks in one second tell no pace");
        assert_eq!(fuse(60, 100, &[(0, 50), (10, 60)]).forecast(), Forecast::Fills { seconds: 40, bytes_per_second: 1 });
        assert_eq!(fuse(50, 100, &[(0, 50), (30, 50)]).forecast(), Forecast::Still { for_seconds: 30 });
        assert_eq!(fuse(100, 100, &[(0, 50), (30, 100)]).forecast(), Forecast::Full);
    }

    #[test]
    fn a_new_snapshot_of_the_same_name_does_not_inherit_a_pace() {
        let fuse = fuse(1, 100, &[(0, 50), (10, 90), (20, 1)]);
        assert_eq!(fuse.forecast(), Forecast::Unknown, "a snapshot that was made anew has the old one's pace");
    }

    #[test]
    fn an_overflowed_snapshot_is_no_fuse_and_a_pool_is_two() {
        let pool = LogicalVolume {
            vg: "vg".into(),
            name: "pool".into(),
            attr: "twi-aotz--".into(),
            bytes: 1000,
            data_percent: Some(50.0),
            metadata_percent: Some(25.0),
            ..LogicalVolume::default()
        };
        let part = LogicalVolume { vg: "vg".into(), name: "pool_tmeta".into(), bytes: 400, hidden: true, ..LogicalVolume::default() };
        let inventory = Inventory { volumes: vec![pool.clone(), part], ..Inventory::default() };
        let fuses: Vec<_> = Fuse::of(&pool, &inventory).iter().map(|fuse| (fuse.part, fuse.used, fuse.bytes)).collect();
        assert_eq!(
            fuses,
            [(FusePart::Data, 500, 1000), (FusePart::Metadata, 100, 400)],
            "metadata that runs full unseen damages the whole pool"
        );
        let lost = LogicalVolume { store_bytes: Some(8), invalid: true, data_percent: Some(100.0), ..LogicalVolume::default() };
        assert!(Fuse::of(&lost, &inventory).is_empty(), "time to full was told of a snapshot that is lost already");
    }

    proptest! {
        #[test]
        fn a_steady_writer_is_forecast_to_the_second(rate in 1_u64..1 << 30, step in 1_i64..120, looks in 2_i64..100, size in 1_u64..1 << 50) {
            let mut seen = Looks::default();
            for look in 0..looks {
                seen.add(at(look * step), rate.saturating_mul(u64::try_from(look * step).unwrap()));
            }
            prop_assert_eq!(seen.pace().map(|pace| pace.bytes_per_second), Some(rate), "the pace of a steady writer is told wrong");
            let fuse = Fuse { vg: String::new(), lv: String::new(), part: FusePart::Data, bytes: size, used: 0, pace: seen.pace() };
            prop_assert_eq!(fuse.full_in(), Some(size / rate));
        }

        #[test]
        fn no_looks_bring_it_down(looks in proptest::collection::vec((-1000_i64..100_000, any::<u64>()), 0..200), bytes in any::<u64>(), percent in any::<f64>()) {
            let mut seen = Looks::default();
            for (second, used) in looks {
                seen.add(at(second), used);
                prop_assert!(seen.seen.len() <= Looks::MOST, "the memory for looks has no bound");
            }
            let _ = seen.pace();
            prop_assert!(share(bytes, percent) <= bytes);
        }
    }
}
