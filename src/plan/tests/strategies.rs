//! Which ways to back a domain up are possible, and what each of them does, in which order.

use super::*;
use crate::model::question::Watcher;
use crate::model::{Action, Check, Disk, DiskKind, Figures, Store, Strategy, Undo};

fn wanted(domain: &str, strategy: Option<Strategy>) -> Request {
    Request::ColdBackup(ColdBackup { strategy, ..backup(domain) })
}

/// `db` is a PV guest that runs, on a volume.
fn world() -> World {
    let mut world = World::new();
    world.domain("db").guest_type = Some("pv".into());
    world
}

fn programs(plan: &Plan) -> Vec<String> {
    let said = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Run { cmd } => Some(cmd.to_string()),
        Action::Try { that } => Some(format!("try {}", that.command().join(" "))),
        Action::SaveDomain { save } => Some(save.cmd(&"IMAGE".into()).to_string()),
        Action::ResumeSaved { .. } => Some("xl restore".into()),
        Action::Copy { copies, .. } => Some(format!("copy {}", copies.iter().map(|copy| copy.label.clone()).collect::<Vec<_>>().join(" "))),
        Action::WaitFor { check: Check::DomainIs { power, .. }, limit_seconds } => {
            Some(format!("is {} within {limit_seconds}", power.as_str()))
        }
        Action::HashPiece { label, .. } => Some(format!("hash {label}")),
        _ => None,
    });
    said.collect()
}

const TAG: &str = "domkeep.20260528-202640-00000000000000ab";
const SNAPSHOT: &str = "domkeep-00000000000000ab-0";

fn create() -> String {
    format!("lvcreate -y --addtag {TAG} -n {SNAPSHOT} -s -L 214958080b vg0/db")
}

fn remove() -> String {
    format!("try lvremove -y -S lv_tags={TAG} && lv_full_name=vg0/{SNAPSHOT} && lv_attr!~^[oO] vg0")
}

#[track_caller]
fn does(plan: &Plan, steps: &[&str]) {
    let programs = programs(plan);
    assert_eq!(programs.len(), steps.len(), "{programs:#?}");
    for (did, wanted) in programs.iter().zip(steps) {
        assert!(did.starts_with(wanted), "`{did}` is done where it should be `{wanted}`: {programs:#?}");
    }
}

#[test]
fn saved_and_copied_while_nobody_has_the_disks() {
    let plan = world().plan(&wanted("db", Some(Strategy::SaveCopy))).unwrap();
    does(&plan, &["xl save db IMAGE", "copy xvda.img", "xl restore", "hash memory.save", "copy config"]);
    let saved = plan.steps.iter().find(|step| matches!(step.action, Action::SaveDomain { .. })).unwrap();
    let Undo::By { action } = &saved.undo else { panic!("a failed backup would leave the domain saved") };
    assert!(matches!(**action, Action::ResumeSaved { .. }), "the disks would not be looked at before the domain comes back");
    let Action::SaveDomain { save } = &saved.action else { panic!() };
    assert_eq!(save.disks.len(), 1, "a disk would not be witnessed");
}

#[test]
fn saved_frozen_and_resumed_before_anything_is_copied() {
    let plan = world().plan(&wanted("db", Some(Strategy::SaveSnapshot))).unwrap();
    does(&plan, &["xl save db IMAGE", &create(), "xl restore", "copy xvda.img", &remove(), "hash memory.save", "copy config"]);
    for step in plan.steps.iter().filter(|step| step.action.command().first().is_some_and(|word| word == "lvcreate")) {
        assert!(step.cleanup.is_some() && matches!(step.undo, Undo::By { .. }), "a snapshot would stay for ever, and fill");
    }
    let copied = plan.steps.iter().find_map(|step| match &step.action {
        Action::Copy { copies, .. } => copies.first(),
        _ => None,
    });
    assert_eq!(
        copied.unwrap().from,
        Location::Device { path: format!("/dev/vg0/{SNAPSHOT}").as_str().into() },
        "the moving disk would be copied"
    );
}

#[test]
fn a_checkpoint_hides_the_suspend_from_who_waits_for_the_end() {
    let mut world = world();
    world.watchers = vec![Watcher { pid: 1675, says: "Sat Nov 21 18:39:23 2026 /usr/lib/xen/bin/xl create /etc/xen/db.cfg".into() }];
    let plan = world.plan(&wanted("db", Some(Strategy::Checkpoint))).unwrap();
    let steps = [
        "kill -STOP 1675",
        "xl save -p db IMAGE",
        &create(),
        "is paused within 0",
        "kill -CONT 1675",
        "xl unpause db",
        "is running within 20",
        "copy xvda.img",
        &remove(),
        "hash memory.save",
        "copy config",
    ];
    does(&plan, &steps);
    let cleanups: Vec<String> =
        plan.steps.iter().filter_map(|step| step.cleanup.as_ref()).map(|cleanup| cleanup.action.command().join(" ")).collect();
    assert!(cleanups.contains(&"kill -CONT 1675".into()), "xl would sleep for ever: {cleanups:?}");
    assert!(cleanups.contains(&"xl unpause db".into()), "the domain would stand still for ever: {cleanups:?}");
    assert!(
        plan.assumptions.iter().any(|assumed| matches!(&assumed.check, Check::Says { text, .. } if text.contains("xl create"))),
        "a reused number would stop a stranger"
    );
}

#[test]
fn live_is_paused_only_for_its_snapshots() {
    let plan = world().plan(&wanted("db", Some(Strategy::Live))).unwrap();
    does(
        &plan,
        &[
            "xl pause db",
            &create(),
            "is paused within 0",
            "xl unpause db",
            "is running within 20",
            "copy xvda.img",
            &remove(),
            "copy config",
        ],
    );
    let Action::SealBundle { draft, instant, .. } =
        &plan.steps.iter().find(|step| matches!(step.action, Action::SealBundle { .. })).unwrap().action
    else {
        panic!()
    };
    assert!(draft.consistency.contains("crash-consistent") && draft.strategy.as_deref() == Some("live"), "{draft:?}");
    let paused = plan.steps.iter().position(|step| step.action.command().join(" ") == "xl pause db");
    assert_eq!(*instant, paused, "the backup would claim another instant than its own");
}

#[test]
fn auto_takes_the_best_that_all_disks_allow() {
    let best = |world: &World, name: &str| {
        let domain = world.inventory.domain(name).unwrap();
        let table = strategies(&world.inventory, domain, &Figures::default());
        table.best().map(|row| row.strategy)
    };
    let mut world = world();
    assert_eq!(best(&world, "web"), Some(Strategy::Cold), "what is off would be touched");
    assert_eq!(best(&world, "db"), Some(Strategy::Checkpoint));
    world.domain("db").guest_type = Some("hvm".into());
    assert_eq!(best(&world, "db"), Some(Strategy::Live), "a guest that may not come back would be tried");
    // A second disk, in a file that cannot be frozen.
    let file = Disk { attached: true, ..disk("xvdb", "/srv/db.img", Mode::Write) };
    crate::model::example::put_backing(&mut world.inventory, &file);
    world.domain("db").disks.push(file);
    assert_eq!(best(&world, "db"), Some(Strategy::SaveCopy), "a mixed domain would not get the best that all its disks allow");
    world.inventory.stores.push(Store { mount: "/srv".into(), fs: "xfs".into(), ..Store::default() });
    assert_eq!(best(&world, "db"), Some(Strategy::Live));
    world.put("/srv/db.img", Stands::File);
    world.places.get_mut("/srv").unwrap().file_system = Some("xfs".into());
    let plan = world.plan(&wanted("db", None)).unwrap();
    let shared = plan.steps.iter().find_map(|step| match &step.action {
        Action::Reflink { from, to, .. } => Some(format!("{from} {to}")),
        _ => None,
    });
    assert!(shared.as_ref().is_some_and(|shared| shared.starts_with("/srv/db.img /srv/.db.img.")), "{shared:?}");
}

#[test]
fn what_is_not_possible_says_why() {
    let refused = |world: &World, strategy| {
        let refusal = world.plan(&wanted("db", Some(strategy))).unwrap_err();
        assert_eq!(refusal.rule, "strategy-not-here");
        refusal.fact
    };
    let mut full = world();
    full.inventory.volume_groups[0].free = 8 << 20;
    assert!(refused(&full, Strategy::Live).contains("for snapshots in vg0, where 8 MiB is free"), "{}", refused(&full, Strategy::Live));
    let mut hvm = world();
    hvm.domain("db").guest_type = Some("hvm".into());
    assert!(refused(&hvm, Strategy::Checkpoint).contains("only PV guests"), "{}", refused(&hvm, Strategy::Checkpoint));
    let mut partition = world();
    let backing = partition.inventory.backings.get_mut("/dev/vg0/db").unwrap();
    (backing.kind, backing.volume) = (DiskKind::Partition, None);
    assert!(refused(&partition, Strategy::SaveSnapshot).contains("cannot be frozen"), "{}", refused(&partition, Strategy::SaveSnapshot));
    let mut paused = world();
    paused.domain("db").power = Power::Paused;
    assert!(refused(&paused, Strategy::Live).contains("paused"), "a domain that somebody paused would be let go on");
    let mut pool = world();
    let thin =
        |name: &str, percent: f64| crate::model::LogicalVolume { data_percent: Some(percent), ..crate::model::example::volume(name) };
    pool.inventory.volumes.retain(|volume| volume.name != "db");
    pool.inventory.volumes.push(crate::model::LogicalVolume { pool: Some("pool".into()), ..thin("vg0/db", 50.0) });
    pool.inventory.volumes.push(thin("vg0/pool", 97.0));
    assert!(refused(&pool, Strategy::Live).contains("a full pool stops all that lies on it"), "{}", refused(&pool, Strategy::Live));
    pool.inventory.volumes.last_mut().unwrap().data_percent = Some(90.0);
    let plan = pool.plan(&wanted("db", Some(Strategy::Live))).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("thin pool vg0/pool")), "{:?}", plan.warnings);
    assert!(world().plan(&wanted("web", Some(Strategy::Live))).unwrap_err().fact.contains("cold"), "what is off would be paused");
}

#[test]
fn what_was_measured_is_promised_and_nothing_else() {
    let world = world();
    let domain = world.inventory.domain("db").unwrap();
    let downtime = |figures: &Figures, strategy| strategies(&world.inventory, domain, figures).row(strategy).unwrap().downtime.milliseconds;
    let none = Figures::default();
    assert!(
        Strategy::BEST_FIRST.iter().all(|strategy| downtime(&none, *strategy).is_none()),
        "a time that nobody measured would be promised"
    );
    let figures = Figures { snapshot_ms: Some(400), pause_ms: Some(60), save_rate: Some(64 << 20), resume_rate: Some(32 << 20), ..none };
    assert_eq!(downtime(&figures, Strategy::Live), Some(460));
    assert_eq!(downtime(&figures, Strategy::SaveSnapshot), Some(4000 + 400 + 8000));
    assert_eq!(downtime(&figures, Strategy::SaveCopy), None, "the copy was never measured");
}
