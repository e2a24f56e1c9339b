//! What to do about one fuse: pure. Numbers in, decision out, so that every writer can be tried as data.

use std::collections::VecDeque;
use std::time::Duration;

/// The counters of a device are read this often at most.
pub const SHORTEST: Duration = Duration::from_millis(25);
/// However calm it is. A new snapshot is noticed by then, too.
pub const LONGEST: Duration = Duration::from_secs(10);
/// A measured latency is exceeded at times: the group's lock is waited for, a disk is busy.
const CAUTION: f64 = 1.5;
/// How long an extension lasts at the present rate: so many latencies, and a second. More would take from others of the group what a burst
/// of a moment never fills.
const LASTS_LEADS: f64 = 2.5;
const LASTS_SECONDS: f64 = 1.0;
/// Share of its size that a store grows by at least, in percent.
const STEP_PERCENT: u64 = 20;
/// A writer that stops for a moment is still the same writer.
const MEMORY: Duration = Duration::from_secs(10);

/// How fast a store fills, from looks whose times are counted from the guard's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    seen: VecDeque<(Duration, u64)>,
    peak: f64,
}

impl Pace {
    pub fn add(&mut self, at: Duration, used: u64) {
        if let Some((then, before)) = self.seen.back().copied() {
            if used < before || at < then {
                self.seen.clear();
            } else if at == then {
                self.seen.pop_back();
            } else {
                self.peak = self.peak.max(rate(then, before, at, used));
            }
        }
        self.seen.push_back((at, used));
        while self.seen.len() > 2 && self.seen.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) > MEMORY) {
            self.seen.pop_front();
        }
        while self.seen.len() > 512 {
            self.seen.pop_front();
        }
    }

    /// Bytes per second: the fastest stretch between two neighbouring looks of the last seconds. What a writer did a moment ago it can do again.
    pub fn now(&self) -> f64 {
        let pairs = self.seen.iter().zip(self.seen.iter().skip(1));
        pairs.map(|((then, before), (at, used))| rate(*then, *before, *at, *used)).fold(0.0, f64::max)
    }

    /// Bytes per second over all looks of the last seconds; nothing with one look.
    pub fn mean(&self) -> Option<f64> {
        let ((then, before), (at, used)) = (self.seen.front()?, self.seen.back()?);
        (at > then).then(|| rate(*then, *before, *at, *used))
    }

    /// The fastest that was ever seen here.
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// Seconds between the first look that counts and the last.
    pub fn over(&self) -> Duration {
        self.seen.back().zip(self.seen.front()).map_or(Duration::ZERO, |((at, _), (then, _))| at.saturating_sub(*then))
    }
}

fn rate(then: Duration, before: u64, at: Duration, used: u64) -> f64 {
    // Two looks within a millisecond tell more of the clock than of the writer.
    let seconds = at.saturating_sub(then).as_secs_f64().max(0.001);
    used.saturating_sub(before) as f64 / seconds
}

/// What is known of one fuse when it is judged. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub bytes: u64,
    pub used: u64,
    pub pace: &'a Pace,
    /// From the decision to the extended store: the worst of the last measured ones.
    pub latency: Duration,
    /// What one look takes.
    pub look: Duration,
    /// Extended when it is so full, however slowly it fills.
    pub threshold_percent: u8,
    /// The fastest writer to be expected while none was seen: bytes per second.
    pub fastest: u64,
    /// The size that it may reach: the settings' limit, and the room in its group.
    pub most: u64,
    /// The size at which it cannot overflow any more.
    pub enough: Option<u64>,
    /// Sizes are whole extents.
    pub extent: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub extend_now: bool,
    /// The size to extend it to when it is time; nothing: it may not or need not grow.
    pub to: Option<u64>,
    pub next_look: Duration,
    /// The fastest writer that can be outrun from here, in bytes per second.
    pub outruns: u64,
    pub worries: Vec<Worry>,
}

/// What an admin must hear before it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worry {
    /// A writer of this speed fills it before it can be extended; with so many bytes more it could be kept.
    TooFast { writer: u64, outruns: u64, lacks: u64 },
    /// It may grow by so many bytes only, which is less than two more steps.
    LittleRoom { left: u64 },
    /// It fills and cannot be extended at all.
    NoRoom,
}

impl Case<'_> {
    fn left(&self) -> u64 {
        self.bytes.saturating_sub(self.used)
    }

    /// It has room for every block of its origin.
    pub fn is_safe(&self) -> bool {
        self.enough.is_some_and(|enough| self.bytes >= enough)
    }

    /// Seconds from the look that sees a store in need to the extended store.
    fn lead(&self) -> f64 {
        self.latency.as_secs_f64() * CAUTION + self.look.as_secs_f64()
    }

    fn percent(&self) -> u64 {
        u64::try_from(u128::from(self.used) * 100 / u128::from(self.bytes.max(1))).unwrap_or(100)
    }

    /// One extension at the present rate, before any limit.
    fn step(&self) -> u64 {
        let by_rate = whole(self.pace.now() * (self.lead() * LASTS_LEADS + LASTS_SECONDS));
        let extent = self.extent.max(1);
        let step = by_rate.max(self.bytes / 100 * STEP_PERCENT).max(extent.saturating_mul(2));
        step.checked_next_multiple_of(extent).unwrap_or(step)
    }

    fn ceiling(&self) -> u64 {
        self.enough.map_or(self.most, |enough| self.most.min(enough))
    }

    fn to(&self) -> Option<u64> {
        Some(self.bytes.saturating_add(self.step()).min(self.ceiling())).filter(|to| *to > self.bytes && !self.is_safe())
    }

    fn outruns(&self) -> u64 {
        whole(self.left() as f64 / (self.lead() + 2.0 * SHORTEST.as_secs_f64()))
    }

    fn is_due(&self) -> bool {
        let rate = self.pace.now();
        self.percent() >= u64::from(self.threshold_percent)
            || self.left() as f64 <= rate * (self.lead() + 2.0 * SHORTEST.as_secs_f64()) * 1.25
    }

    fn next_look(&self) -> Duration {
        if self.is_safe() {
            return LONGEST;
        }
        let fastest = (self.pace.now() * 2.0).max(self.pace.peak()).max(self.fastest as f64).max(1.0);
        let spare = self.left() as f64 / fastest - self.lead();
        // Half of it: what is seen then leaves time to be seen once more.
        Duration::try_from_secs_f64(spare / 2.0).unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST)
    }

    pub fn judge(&self) -> Judgement {
        let (to, outruns) = (self.to(), self.outruns());
        let extend_now = to.is_some() && self.is_due();
        let mut worries = Vec::new();
        if !self.is_safe() {
            let writer = self.fastest.max(whole(self.pace.now()));
            if outruns < writer {
                let wanted = whole(writer as f64 * (self.lead() + 2.0 * SHORTEST.as_secs_f64()));
                worries.push(Worry::TooFast { writer, outruns, lacks: wanted.saturating_sub(self.left()) });
            }
            let left = self.ceiling().saturating_sub(self.bytes);
            let can_end = self.enough.is_some_and(|enough| self.ceiling() >= enough);
            if to.is_none() {
                worries.push(Worry::NoRoom);
            } else if left < self.step().saturating_mul(2) && !can_end {
                worries.push(Worry::LittleRoom { left });
            }
        }
        Judgement { extend_now, to, next_look: self.next_look(), outruns, worries }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and takes no number for 0")]
pub fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    /// A host on which lvextend takes `latency`, and a writer that begins after `calm` and writes `rate` bytes a second.
    struct World {
        bytes: u64,
        latency: Duration,
        look: Duration,
        calm: Duration,
        rate: u64,
        most: u64,
        enough: Option<u64>,
        guarded: bool,
    }

    impl World {
        fn used(&self, at: Duration) -> u64 {
            whole(at.saturating_sub(self.calm).as_secs_f64() * self.rate as f64)
        }

        /// Whether the store lives until `end`, and how large it then is.
        fn lives(&self, end: Duration) -> (bool, u64, usize) {
            let (mut at, mut bytes, mut pace, mut looks) = (Duration::ZERO, self.bytes, Pace::default(), 0);
            while at < end {
                looks += 1;
                at += self.look;
                if self.used(at) >= bytes && self.enough.is_none_or(|enough| bytes < enough) {
                    return (false, bytes, looks);
                }
                pace.add(at, self.used(at));
                let case = self.case(bytes, self.used(at), &pace);
                let judged = case.judge();
                if let (true, Some(to), true) = (judged.extend_now, judged.to, self.guarded) {
                    at += self.latency;
                    if self.used(at) >= bytes {
                        return (false, bytes, looks);
                    }
                    bytes = to;
                } else {
                    at += judged.next_look;
                }
            }
            (true, bytes, looks)
        }

        fn case<'a>(&self, bytes: u64, used: u64, pace: &'a Pace) -> Case<'a> {
            Case {
                bytes,
                used,
                pace,
                latency: self.latency,
                look: self.look,
                threshold_percent: 80,
                fastest: 100 * MIB,
                most: self.most,
                enough: self.enough,
                extent: 4 * MIB,
            }
        }
    }

    fn world() -> World {
        World {
            bytes: 64 * MIB,
            latency: Duration::from_millis(400),
            look: Duration::from_millis(20),
            calm: Duration::from_secs(7),
            rate: 0,
            most: 1 << 50,
            enough: None,
            guarded: true,
        }
    }

    #[test]
    fn a_calm_store_is_not_touched_and_seldom_looked_at() {
        let calm = World { bytes: 10 << 30, ..world() };
        let (alive, bytes, looks) = calm.lives(Duration::from_secs(3600));
        assert!(alive && bytes == 10 << 30, "a store that does not fill was extended");
        assert!(looks < 500, "{looks} looks in an hour at a store that does not fill");
    }

    #[test]
    fn where_nobody_can_win_it_is_said_before_it_begins() {
        let slow = World { bytes: 16 * MIB, latency: Duration::from_secs(1), ..world() };
        let judged = slow.case(slow.bytes, 0, &Pace::default()).judge();
        assert!(judged.outruns < 100 * MIB, "{judged:?}");
        assert!(
            judged.worries.iter().any(|worry| matches!(worry, Worry::TooFast { lacks, .. } if *lacks > 100 * MIB)),
            "a snapshot that a fast guest kills before lvextend can help got no word beforehand: {judged:?}"
        );
    }

    #[test]
    fn a_group_without_room_is_told_of_while_there_is_still_time() {
        let (full, pace) = (World { most: 64 * MIB, ..world() }, Pace::default());
        assert!(full.case(64 * MIB, 1, &pace).judge().worries.contains(&Worry::NoRoom), "no room, and no word of it");
        let short = World { most: 72 * MIB, ..world() };
        assert!(matches!(short.case(64 * MIB, 1, &pace).judge().worries.last(), Some(Worry::LittleRoom { left }) if *left == 8 * MIB));
        let whole = World { enough: Some(72 * MIB), ..short };
        assert!(
            !whole.case(64 * MIB, 1, &pace).judge().worries.iter().any(|worry| matches!(worry, Worry::LittleRoom { .. })),
            "an admin was woken for a snapshot that can be made large enough for its whole origin"
        );
    }

    #[test]
    fn a_store_as_large_as_its_origin_is_left_alone() {
        let safe = World { enough: Some(60 * MIB), ..world() };
        let judged = safe.case(64 * MIB, 63 * MIB, &Pace::default()).judge();
        assert!(!judged.extend_now && judged.worries.is_empty(), "a snapshot that cannot overflow was extended or warned of: {judged:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn whatever_can_be_outrun_is_outrun(
            size_mib in 4_u64..4096, latency_ms in 5_u64..3000, look_ms in 1_u64..200, calm_ms in 0_u64..30_000, percent in 1_u64..80,
        ) {
            let mut world = World {
                bytes: size_mib * MIB,
                latency: Duration::from_millis(latency_ms),
                look: Duration::from_millis(look_ms),
                calm: Duration::from_millis(calm_ms),
                ..world()
            };
            let outruns = world.case(world.bytes, 0, &Pace::default()).judge().outruns;
            // The promise is for writers up to the setting, and up to what was said to be outrun.
            world.rate = outruns.min(100 * MIB) * percent / 100;
            let end = world.calm + Duration::from_secs(120);
            let (alive, bytes, _) = world.lives(end);
            prop_assert!(alive, "a snapshot of {} that fills by {} a second was lost, and {} had been promised", bytes, world.rate, outruns);
            if world.used(end) > world.bytes {
                world.guarded = false;
                prop_assert!(!world.lives(end).0, "the writer was too slow to show anything");
            }
        }

        #[test]
        fn it_never_grows_beyond_what_it_may(
            size_mib in 4_u64..4096, room_mib in 0_u64..4096, rate_mib in 0_u64..500, enough in proptest::option::of(4_u64..8192),
        ) {
            let world = World {
                bytes: size_mib * MIB, most: (size_mib + room_mib) * MIB, rate: rate_mib * MIB, enough: enough.map(|mib| mib * MIB), ..world()
            };
            let (_, bytes, _) = world.lives(Duration::from_secs(60));
            prop_assert!(bytes <= world.most, "it grew to {} and may reach {}", bytes, world.most);
            prop_assert!(bytes == world.bytes || world.enough.is_none_or(|enough| bytes <= enough), "it grew beyond what it can ever need");
        }

        #[test]
        fn no_numbers_bring_it_down(
            bytes in any::<u64>(), used in any::<u64>(), most in any::<u64>(), extent in any::<u64>(), fastest in any::<u64>(),
            enough in any::<Option<u64>>(), latency in any::<u32>(), looks in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..20),
        ) {
            let mut pace = Pace::default();
            for (at, used) in looks {
                pace.add(Duration::from_millis(u64::from(at)), used);
            }
            let (latency, look) = (Duration::from_millis(u64::from(latency)), Duration::ZERO);
            let case = Case { bytes, used, pace: &pace, latency, look, threshold_percent: 80, fastest, most, enough, extent };
            let judged = case.judge();
            prop_assert!(judged.next_look >= SHORTEST && judged.next_look <= LONGEST);
            prop_assert!(judged.to.is_none_or(|to| to > bytes && to <= most), "{:?}", judged);
        }
    }
}
