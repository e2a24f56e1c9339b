//! Removing restore points that no rule keeps. First each is put aside under a name that says it is not whole, so that the job can still be taken
//! back; then they are removed, one after the other.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, paths};
use crate::model::bundle::{BundleSaid, BundleState, FoundBundle};
use crate::model::bundle_names::{MANIFEST, RESTORE_TXT, hashes_name, segments_name};
use crate::model::request::Prune;
use crate::model::retention::{Fate, Point, fates};
use crate::model::{Action, Check, Cleanup, HostPath, Plan, Question, Request, Undo, bytes, shown};

pub(super) fn plan(wanted: &Prune, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    paths::check(&wanted.directory)?;
    if wanted.policy.has_no_rule() {
        return no("no-rule", "no rule says what stays", "give at least one of --keep-last, --keep-daily, --keep-weekly, --keep-monthly");
    }
    let found = facts.bundles(&wanted.directory)?;
    let mut draft = Draft::new("", &Request::Prune(wanted.clone()), setting);
    let mut going: Vec<(&FoundBundle, &BundleSaid)> = Vec::new();
    let mut points = 0_usize;
    for ((host, domain), bundles) in by_domain(found, wanted.only.as_deref()) {
        points = points.saturating_add(bundles.len());
        let whose = format!("{} of {}", shown::text(domain), shown::text(host));
        let looked: Vec<Point> =
            bundles.iter().map(|(found, said)| Point { instant: said.instant, good: found.state == BundleState::Good }).collect();
        let decided = fates(&wanted.policy, setting.now, &looked);
        for month in calendar(&looked, &decided) {
            draft.saw(format!("{whose}, {month}"), "the calendar: + a day with a restore point that stays, - with none that does");
        }
        for ((found, said), fate) in bundles.iter().zip(decided) {
            let name = format!("{} of {whose}", said.instant.format("%Y-%m-%d %H:%M UTC"));
            match fate {
                Fate::Stays { because } => draft.saw(format!("{name}: stays ({})", because.join(", ")), found.path.to_string()),
                Fate::Goes { because } => {
                    draft.saw(format!("{name}: goes, {because}"), found.path.to_string());
                    going.push((found, said));
                }
            }
        }
    }
    for one in found.iter().filter(|one| !one.state.is_judged()) {
        draft.warn(format!("{} stays: it is {}. Look at it, and remove it by hand if nobody needs it.", one.path, one.state.as_str()));
    }
    if points == 0 {
        let whose = wanted.only.as_ref().map_or_else(String::new, |domain| format!(" of {}", shown::text(domain)));
        return no(
            "no-bundles",
            format!("there is no restore point{whose} below {}", wanted.directory),
            "`domkeep bundles` lists where they are",
        );
    }
    facts.want(going.iter().map(|(found, _)| Question::Place { path: found.path.clone() }))?;
    remove(&mut draft, facts, setting, &going)?;
    if !going.is_empty() {
        let bytes = going.iter().filter_map(|(found, _)| found.allocated).fold(0, u64::saturating_add);
        let count = going.len();
        let loses = format!("{count} of {points} restore points are gone for good; they take {}.", bytes::human(bytes));
        draft.confirm(&String::from_utf8_lossy(wanted.directory.as_bytes()), &loses);
    }
    draft.title(format!("Remove {} of {points} restore points below {}", going.len(), wanted.directory));
    Ok(draft.finish())
}

/// A line for each month, the newest first: the days that have restore points. `2026-03: 12+ 13- 14+2` (two stay).
fn calendar(points: &[Point], fates: &[Fate]) -> Vec<String> {
    let mut months: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (point, fate) in points.iter().zip(fates) {
        let month = months.entry(point.instant.format("%Y-%m").to_string()).or_default();
        let stays = month.entry(point.instant.format("%d").to_string()).or_default();
        *stays = stays.saturating_add(usize::from(matches!(fate, Fate::Stays { .. })));
    }
    let day = |(day, stays): (&String, &usize)| match stays {
        0 => format!("{day}-"),
        1 => format!("{day}+"),
        many => format!("{day}+{many}"),
    };
    let line =
        |(month, days): (&String, &BTreeMap<String, usize>)| format!("{month}: {}", days.iter().map(day).collect::<Vec<_>>().join(" "));
    months.iter().rev().map(line).collect()
}

type Points<'a> = Vec<(&'a FoundBundle, &'a BundleSaid)>;

/// Restore points that can be judged, by host and domain, newest first.
fn by_domain<'a>(found: &'a [FoundBundle], only: Option<&str>) -> BTreeMap<(&'a str, &'a str), Points<'a>> {
    let mut all: BTreeMap<(&str, &str), Points<'a>> = BTreeMap::new();
    for one in found.iter().filter(|one| one.state.is_judged()) {
        if let Some(said) = one.said.as_ref().filter(|said| only.is_none_or(|domain| domain == said.domain)) {
            all.entry((&said.host, &said.domain)).or_default().push((one, said));
        }
    }
    for points in all.values_mut() {
        points.sort_by_key(|(_, said)| std::cmp::Reverse(said.instant));
    }
    all
}

fn remove(draft: &mut Draft, facts: &Facts<'_>, setting: &Setting, going: &[(&FoundBundle, &BundleSaid)]) -> Go<()> {
    let aside = |path: &HostPath| paths::partial(path, &setting.id);
    for (found, _) in going {
        let place = facts.place(&found.path)?;
        if place.inode.is_none() || place.canonical.as_ref() != Some(&found.path) {
            return no("bundle-moved", format!("{} is not what it was a moment ago", found.path), "try again");
        }
        if place.read_only {
            return no("read-only", format!("{} cannot be written to", found.path), "mount its file system read-write, or ask as root");
        }
        draft.lock(Plan::disk_lock(&found.path));
        draft.step(
            format!("Put {} aside", found.path),
            "Under a name that says it is not whole. Until the first one is removed, all can be taken back.",
            Action::Rename { from: found.path.clone(), to: aside(&found.path), expect: place.inode },
        );
    }
    for (found, said) in going {
        let pieces = said.pieces.iter().flat_map(|piece| {
            let bytes = if piece.segmented { segments_name(&piece.name) } else { piece.name.clone() };
            [bytes, hashes_name(&piece.name)]
        });
        let names = [MANIFEST, RESTORE_TXT].map(str::to_owned).into_iter().chain(pieces).collect();
        let gone = paths::removed(&found.path, &setting.id);
        let removal = Action::RemoveBundle { aside: aside(&found.path), gone: gone.clone(), names };
        let step = draft.step(
            format!("Remove {}", found.path),
            "What its manifest names, and nothing else: a file that somebody put there stays.",
            removal.clone(),
        );
        // Once it was begun there is no way back: what is left of one is no backup.
        let needed = Some(Check::Exists { path: gone });
        draft.cleanup_by(step, Cleanup { says: "Remove the rest of it".into(), action: removal, needed });
        draft.undo(step, Undo::Impossible { why: "a restore point that was removed is gone".into() });
    }
    Ok(())
}
