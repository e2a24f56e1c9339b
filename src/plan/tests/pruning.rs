//! Which restore points a plan removes, and every no.

use super::refusals::Case;
use super::*;
use crate::model::bundle::{BundleSaid, BundleState, FoundBundle};
use crate::model::request::Prune;
use crate::model::retention::Policy;
use crate::model::{Action, Risk};

pub(super) fn found(path: &str, manifest: &Manifest) -> FoundBundle {
    let state = match &manifest.torn {
        Some(why) => BundleState::Torn { why: why.clone() },
        None => BundleState::Good,
    };
    FoundBundle { path: path.into(), state, said: Some(BundleSaid::from(manifest)), allocated: Some(1 << 20) }
}

fn prune(policy: Policy) -> Request {
    Request::Prune(Prune { directory: "/srv".into(), only: None, policy })
}

fn the_last() -> Policy {
    Policy { last: 1, ..Policy::default() }
}

/// Three restore points of `web`, the newest last, and one of another domain.
fn points(world: &mut World) {
    world.setting.now = at(1_000_000);
    world.bundles.clear();
    for (number, domain) in [(1, "web"), (2, "web"), (3, "web"), (4, "db")] {
        let path = format!("/srv/backup/{number}");
        world.put(&path, Stands::Directory);
        world.bundles.insert(path, Manifest { instant: at(number), domain: domain.into(), torn: None, ..bundle() });
    }
}

pub(super) const CASES: &[Case] = &[
    ("no-rule", "", |_| prune(Policy::default())),
    ("no-bundles", "", |_| Request::Prune(Prune { directory: "/etc".into(), only: None, policy: the_last() })),
    ("bundle-moved", "", |world| {
        points(world);
        world.places.remove("/srv/backup/1");
        prune(the_last())
    }),
    ("read-only", "of backups", |world| {
        points(world);
        world.places.get_mut("/srv/backup/1").unwrap().read_only = true;
        prune(the_last())
    }),
];

fn put_aside(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .filter_map(|step| if let Action::Rename { from, .. } = &step.action { Some(from.to_string()) } else { None })
        .collect()
}

#[test]
fn what_no_rule_keeps_is_put_aside_first_and_removed_after_the_directory_was_typed() {
    let mut world = World::new();
    points(&mut world);
    let plan = world.plan(&prune(the_last())).unwrap();
    assert_eq!(put_aside(&plan), ["/srv/backup/2", "/srv/backup/1"], "another restore point would be removed");
    assert_eq!(plan.risk, Risk::Destroys);
    assert_eq!(plan.confirm.as_ref().map(|confirm| confirm.name.as_str()), Some("/srv"), "backups would be removed without a word typed");
    let first_removal = plan.steps.iter().position(|step| matches!(step.action, Action::RemoveBundle { .. }));
    assert_eq!(first_removal, Some(2), "one would be gone for good while another could not even be put aside");
    let (calendar, reasons): (Vec<_>, Vec<_>) = plan.evidence.iter().partition(|evidence| evidence.source.starts_with("the calendar"));
    assert_eq!(reasons.len(), 4, "a restore point would have no reason beside it");
    assert!(calendar.iter().any(|month| month.what.contains('+')) && calendar.iter().any(|month| month.what.contains('-')), "{calendar:?}");
}

#[test]
fn nothing_to_remove_is_a_plan_without_steps() {
    let mut world = World::new();
    points(&mut world);
    let plan = world.plan(&prune(Policy { last: 9, ..Policy::default() })).unwrap();
    assert!(plan.steps.is_empty() && plan.confirm.is_none(), "a timer would fail on a day without anything to remove");
}

#[test]
fn only_the_domain_that_was_asked_for_loses_any() {
    let mut world = World::new();
    points(&mut world);
    let only = Request::Prune(Prune { directory: "/srv".into(), only: Some("db".into()), policy: the_last() });
    let plan = world.plan(&only).unwrap();
    assert!(plan.steps.is_empty(), "restore points of another domain would be removed");
}
