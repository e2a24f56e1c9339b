//! Which restore points stay. Pure: the same points, policy and moment always give the same answer.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, Utc};
use serde::{Deserialize, Serialize};

/// How many restore points of one domain stay. Days, weeks (ISO 8601) and months are those of UTC; of each the newest point counts, and days
/// without one do not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    pub last: u64,
    pub daily: u64,
    pub weekly: u64,
    pub monthly: u64,
    /// Days. What is younger stays, whatever the other rules say.
    pub min_age_days: u64,
}

impl Policy {
    /// A policy without any rule would keep nothing but the last good point: nobody means that.
    pub fn has_no_rule(&self) -> bool {
        self.last == 0 && self.daily == 0 && self.weekly == 0 && self.monthly == 0
    }
}

/// One restore point of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub instant: DateTime<Utc>,
    /// Whole and not torn, as far as names and sizes tell. What is not good counts for no rule.
    pub good: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The rules that keep it: `newest`, `day 2026-11-20`.
    Stays {
        because: Vec<String>,
    },
    Goes {
        because: &'static str,
    },
}

/// The name of the period that an instant lies in.
type Period = fn(DateTime<Utc>) -> String;

/// The fate of each point of one domain, in the order they were given.
pub fn fates(policy: &Policy, now: DateTime<Utc>, points: &[Point]) -> Vec<Fate> {
    let mut newest_first: Vec<usize> = (0..points.len()).filter(|at| points.get(*at).is_some_and(|point| point.good)).collect();
    newest_first.sort_by_key(|at| std::cmp::Reverse((instant(points, *at), *at)));
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); points.len()];
    let mut keep = |at: usize, why: String| {
        if let Some(reasons) = reasons.get_mut(at) {
            reasons.push(why);
        }
    };
    if let Some(at) = newest_first.first() {
        keep(*at, "the newest that is good".to_owned());
    }
    for at in newest_first.iter().take(count(policy.last)) {
        keep(*at, format!("one of the last {}", policy.last));
    }
    let rules: [(u64, Period); 3] = [
        (policy.daily, |at| format!("day {}", at.format("%Y-%m-%d"))),
        (policy.weekly, |at| format!("week {}-{:02}", at.iso_week().year(), at.iso_week().week())),
        (policy.monthly, |at| format!("month {}", at.format("%Y-%m"))),
    ];
    for (most, period) in rules {
        let mut seen = BTreeSet::new();
        for at in &newest_first {
            let name = period(instant(points, *at));
            if seen.len() < count(most) && seen.insert(name.clone()) {
                keep(*at, name);
            }
        }
    }
    let last_good = newest_first.first().map(|at| instant(points, *at));
    let youngest = i64::try_from(policy.min_age_days).ok().and_then(Duration::try_days).unwrap_or(Duration::MAX);
    points
        .iter()
        .zip(reasons)
        .map(|(point, mut because)| {
            if point.instant > now {
                because.push("its time lies in the future".to_owned());
            } else if now.signed_duration_since(point.instant) < youngest {
                because.push(format!("younger than {} days", policy.min_age_days));
            }
            if !point.good && last_good.is_none_or(|good| good < point.instant) {
                because.push("torn, and there is no later one that is good".to_owned());
            }
            match (because.is_empty(), point.good) {
                (false, _) => Fate::Stays { because },
                (true, true) => Fate::Goes { because: "no rule keeps it" },
                (true, false) => Fate::Goes { because: "it is torn, and there is a later one that is good" },
            }
        })
        .collect()
}

fn instant(points: &[Point], at: usize) -> DateTime<Utc> {
    points.get(at).map_or(DateTime::UNIX_EPOCH, |point| point.instant)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn good(text: &str) -> Point {
        Point { instant: at(text), good: true }
    }

    fn stay(policy: &Policy, points: &[Point]) -> Vec<bool> {
        fates(policy, at("2026-11-21T12:00:00Z"), points).iter().map(|fate| matches!(fate, Fate::Stays { .. })).collect()
    }

    #[test]
    fn each_rule_keeps_the_newest_of_its_periods() {
        let points = [
            good("2026-11-20T03:00:00Z"),
            good("2026-11-20T01:00:00Z"),
            good("2026-11-19T03:00:00Z"),
            good("2026-11-10T03:00:00Z"),
            good("2026-10-31T03:00:00Z"),
            good("2026-09-30T03:00:00Z"),
        ];
        let only = |policy: Policy| stay(&policy, &points);
        let none = Policy::default();
        assert_eq!(only(Policy { last: 2, ..none.clone() }), [true, true, false, false, false, false]);
        assert_eq!(
            only(Policy { daily: 2, ..none.clone() }),
            [true, false, true, false, false, false],
            "a day would keep two of its points"
        );
        assert_eq!(only(Policy { weekly: 2, ..none.clone() }), [true, false, false, true, false, false]);
        assert_eq!(only(Policy { monthly: 3, ..none.clone() }), [true, false, false, false, true, true]);
        assert_eq!(only(Policy { last: 1, min_age_days: 12, ..none }), [true, true, true, true, false, false]);
    }

    #[test]
    fn what_is_torn_counts_for_nothing_and_goes_once_there_is_better() {
        let torn = Point { instant: at("2026-11-20T03:00:00Z"), good: false };
        let policy = Policy { last: 1, ..Policy::default() };
        assert_eq!(stay(&policy, &[torn, good("2026-11-01T00:00:00Z")]), [true, true], "the latest state would be gone, torn or not");
        assert_eq!(stay(&policy, &[good("2026-11-20T04:00:00Z"), torn]), [true, false]);
    }

    #[test]
    fn a_clock_that_went_wrong_costs_nothing() {
        let policy = Policy { last: 1, ..Policy::default() };
        assert_eq!(stay(&policy, &[good("2030-01-01T00:00:00Z"), good("2026-11-20T00:00:00Z")]), [true, false]);
        assert_eq!(stay(&policy, &[good("2031-01-01T00:00:00Z"), good("2030-01-01T00:00:00Z")]), [true, true]);
    }

    proptest! {
        #[test]
        fn the_newest_good_one_always_stays(
            seconds in prop::collection::vec((0_i64..4_000_000_000, any::<bool>()), 1..40),
            last in 0_u64..3, daily in 0_u64..3, weekly in 0_u64..3, monthly in 0_u64..3, min_age_days in prop_oneof![0_u64..3, Just(u64::MAX)],
        ) {
            let points: Vec<Point> = seconds.iter()
                .map(|(at, good)| Point { instant: DateTime::from_timestamp(*at, 0).unwrap(), good: *good }).collect();
            let policy = Policy { last, daily, weekly, monthly, min_age_days };
            let fates = fates(&policy, at("2026-11-21T12:00:00Z"), &points);
            prop_assert_eq!(fates.len(), points.len());
            let stays: Vec<&Point> = points.iter().zip(&fates).filter(|(_, fate)| matches!(fate, Fate::Stays { .. })).map(|(point, _)| point).collect();
            let newest = points.iter().filter(|point| point.good).map(|point| point.instant).max();
            prop_assert!(newest.is_none_or(|newest| stays.iter().any(|point| point.good && point.instant == newest)), "the last good backup would be removed");
            let good = stays.iter().filter(|point| point.good && point.instant <= at("2026-11-21T12:00:00Z")).count() as u64;
            if min_age_days == 0 {
                prop_assert!(good <= last + daily + weekly + monthly + 1, "more would stay than the rules say");
            }
        }
    }
}
