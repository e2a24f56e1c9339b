//! Several domains frozen in one instant: all are paused before the first disk is frozen, and none goes on before the last one is. Each gets a
//! bundle of its own.

use std::cell::RefCell;

use super::{Freezing, Making};
use crate::model::request::ColdBackup;
use crate::model::{Check, Domain, Plan, Power, Request, Risk, Strategy, bytes, shown};
use crate::plan::cold_backup::gather::{self, Gathered};
use crate::plan::cold_backup::place::{self, Destination};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::freeze::{self, Way};
use crate::plan::increment::{self, Increments};
use crate::plan::{Setting, cold_backup, domains, hooks, strategy};

/// More at once stand still for longer than anybody wants.
const MOST: usize = 16;

struct One<'a> {
    domain: &'a Domain,
    request: ColdBackup,
    gathered: Gathered,
    destination: Destination,
    increments: Increments,
    freezing: Freezing<'a>,
}

pub(in crate::plan) fn plan(request: &ColdBackup, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    if request.strategy.is_some_and(|strategy| strategy != Strategy::Live) {
        return no(
            "group-not-live",
            "several domains are backed up from one instant only by pausing and freezing all of them",
            "--strategy live; or back each up by itself",
        );
    }
    if request.with.len() >= MOST {
        return no(
            "group-too-large",
            format!("{} domains would stand still until the disks of all are frozen", request.with.len().saturating_add(1)),
            format!("take at most {MOST}"),
        );
    }
    let mut ones: Vec<One<'_>> = Vec::new();
    for name in std::iter::once(&request.domain).chain(&request.with) {
        let one = look(request, name, facts, setting)?;
        if ones.iter().any(|known| known.domain.id == one.domain.id) {
            return no("domain-twice", format!("{} is named twice", one.domain.name), "name each domain once");
        }
        ones.push(one);
    }
    room(facts, &ones)?;
    let ways: Vec<Way<'_>> = ones.iter().flat_map(|one| one.freezing.ways.iter().copied()).collect();
    let stores = freeze::pools(facts.inventory(), &ways).and_then(|_| freeze::stores(facts.inventory(), &ways));
    let stores = match stores {
        Ok(stores) => stores,
        Err(why) => return no("no-room", format!("the group {why}"), "make room, or back each up by itself"),
    };
    for one in &mut ones {
        one.freezing.stores.clone_from(&stores);
    }

    let names: Vec<String> = ones.iter().map(|one| one.domain.name.clone()).collect();
    let title = format!("Back up {} from one instant to {}", names.join(", "), request.destination);
    let mut draft = Draft::new(title, &Request::ColdBackup(request.clone()), setting);
    draft.risk(Risk::Touches);
    let mut made: Vec<Making<'_>> = Vec::new();
    let mut number = 0_usize;
    for one in &ones {
        let others: Vec<String> = names.iter().filter(|name| **name != one.domain.name).map(|name| shown::text(name)).collect();
        made.push(Making {
            inventory: facts.inventory(),
            request: &one.request,
            strategy: Strategy::Live,
            domain: one.domain,
            gathered: &one.gathered,
            destination: &one.destination,
            setting,
            freezing: &one.freezing,
            increments: &one.increments,
            kept: RefCell::default(),
            first_number: number,
            together: format!("; of the same instant as {}", others.join(", ")),
        });
        number = number.saturating_add(one.gathered.disks.len());
    }
    for one in &ones {
        hooks::steps(&mut draft, facts, setting, &one.domain.name, &one.destination.bundle)?;
    }
    steps(&mut draft, &ones, &made);
    Ok(draft.finish())
}

fn look<'a>(request: &ColdBackup, name: &str, facts: &Facts<'a>, setting: &Setting) -> Go<One<'a>> {
    let domain = domains::named(facts, name)?;
    domains::by_xl(domain, "libvirt's domains cannot be backed up yet; stop it and copy its disks with `domkeep copy`")?;
    let table = strategy::table(facts.inventory(), domain, &request.leave_out, &setting.figures);
    if let Some(why) = table.row(Strategy::Live).and_then(|row| row.not_here.clone()) {
        return no(
            "strategy-not-here",
            format!("live cannot be done with {}: {why}", domain.name),
            format!("leave {} out of the group; `domkeep strategies` says what is possible", domain.name),
        );
    }
    let leave_out =
        request.leave_out.iter().filter(|vdev| domain.disks.iter().any(|disk| disk.vdev.as_ref() == Some(vdev))).cloned().collect();
    let request =
        ColdBackup { domain: domain.name.clone(), strategy: Some(Strategy::Live), leave_out, with: Vec::new(), ..request.clone() };
    let mut gathered = gather::gather(&request, facts, domain)?;
    let destination = place::look(&request, facts, setting, domain, &gathered)?;
    let increments = increment::look(&request, facts, setting, &mut gathered, &destination)?;
    let freezing = Freezing::of(facts, domain, &gathered, Strategy::Live)?;
    Ok(One { domain, request, gathered, destination, increments, freezing })
}

fn room(facts: &Facts<'_>, ones: &[One<'_>]) -> Go<()> {
    let Some(first) = ones.first() else { return Ok(()) };
    let surely = ones.iter().flat_map(|one| one.gathered.all()).fold(0_u64, |sum, source| sum.saturating_add(source.surely));
    let free = facts.place(&first.destination.base)?.free;
    if surely <= free {
        return Ok(());
    }
    no(
        "no-room",
        format!("the backups take {}, and {} is free in {}", bytes::human(surely), bytes::human(free), first.destination.base),
        "make room, or choose another directory",
    )
}

fn steps(draft: &mut Draft, ones: &[One<'_>], made: &[Making<'_>]) {
    let mut firsts = Vec::new();
    for one in ones {
        cold_backup::begin(draft, one.domain, &one.gathered, &one.destination);
        for warning in &one.freezing.warnings {
            draft.warn_once(warning);
        }
        firsts.push(one.destination.steps(draft));
    }
    draft.warn("All of them stand still from the first pause until the last disk is frozen.");
    let paused: Vec<usize> = made.iter().map(|one| one.pause(draft)).collect();
    let instant = paused.last().copied().unwrap_or_default();
    let frozen: Vec<Vec<freeze::Frozen>> = made.iter().map(|one| one.freeze(draft)).collect();
    for one in made {
        one.stood_still(draft);
    }
    for one in made {
        one.unpause(draft);
    }
    for (one, paused) in ones.iter().zip(&paused) {
        let name = one.domain.name.clone();
        draft.assume(format!("{name} runs"), Check::DomainIs { name, power: Power::Running }, Some(*paused));
    }
    for (one, frozen) in made.iter().zip(&frozen) {
        one.copy_frozen(draft, frozen);
        one.rest(draft);
    }
    for ((one, made), first) in ones.iter().zip(made).zip(firsts) {
        let sealed = made.seal(draft, instant);
        one.destination.assumptions(draft, first, sealed);
        one.destination.read_back(draft, &one.request);
        one.increments.after_seal(draft, made.setting, &made.kept.borrow());
    }
}
