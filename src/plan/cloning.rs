//! Clones of a domain: its disks without copying them, and a configuration for each clone.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `ways` | which way of cloning a disk is possible here, and why the others are not |
//! | `origin` | the disks that are cloned, each with its way, and what there is to be said of them |
//! | `names` | what clones of volumes and files are called |
//! | `volumes`, `files` | the steps that make them |
//! | `room` | stores of classic snapshots: how large, how long they last, whether the group has room |
//! | `config` | the clone's configuration |
//! | `identity` | what must differ: uuid, MAC addresses |
//! | `inside` | what is changed inside: the file system's UUID, fstab, the host name |

mod config;
mod files;
mod identity;
mod inside;
mod names;
mod origin;
mod room;
mod volumes;
mod ways;

pub(super) use ways::{Way, ground, why_not};

use super::draft::Draft;
use super::facts::{Facts, Go, both, no};
use super::{Setting, domains, new_file, paths};
use crate::model::cloning::Cloning;
use crate::model::{Check, Domain, Plan, Power, Request};
use origin::Origin;
pub(super) use origin::shares;

/// More clones at once are a mistake, or a script that should make several plans.
const MOST_CLONES: usize = 32;

pub(super) fn plan(request: &Cloning, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &request.domain)?;
    domains::by_xl(domain, "clone it with virt-clone")?;
    look_at_power(domain)?;
    check_names(request, facts)?;
    let config = domains::config(facts, domain, request.config.as_ref())?;
    let (before, origins) = both(config::text(facts, config), origin::look(request, facts, domain, config))?;
    let (clones, ()) = both(names::all(request, facts, domain, &origins), paths::tools(facts, &tools(&origins)))?;
    let inside = inside::look(request, facts, setting, domain, &origins)?;
    let writes = |disk: usize| inside.as_ref().map_or(0, |inside| inside.writes(disk));
    let stores = room::look(request, facts, &origins, clones.len(), writes)?;
    let configs = config::look(facts, setting, config, before, &origins, &clones)?;

    let whole = Request::Clone(request.clone());
    let mut draft = Draft::new(format!("Clone {} as {}", domain.name, request.names.join(", ")), &whole, setting);
    lock(&mut draft, domain, &origins, request);
    say(&mut draft, domain, &origins);
    room::say(&mut draft, setting, facts, &origins, &stores);
    let mut last = 0;
    for clone in &clones {
        for (origin, target) in origins.iter().zip(&clone.targets) {
            last = match origin.way {
                Way::Classic | Way::Thin => volumes::make(&mut draft, setting, origin, target, stores.of(origin)),
                Way::Reflink => files::reflink(&mut draft, origin, target),
                Way::Overlay => files::overlay(&mut draft, setting, origin, target),
            };
        }
        if let Some(inside) = &inside {
            inside.steps(&mut draft, setting, clone);
        }
    }
    if !domain.power.is_present() {
        draft.assume(format!("{} is off", domain.name), Check::DomainPresent { name: domain.name.clone() }.negated(), Some(last));
    }
    for config in &configs {
        config.step(&mut draft);
    }
    Ok(draft.finish())
}

fn look_at_power(domain: &Domain) -> Go<()> {
    match domain.power {
        Power::Unknown => no(
            "domain-unknown",
            format!("whether {} runs could not be found out", domain.name),
            "ask as root; `domkeep list` says what could not be read",
        ),
        Power::Migrating | Power::Dying | Power::Suspended => {
            no("domain-not-still", format!("{} is {}", domain.name, domain.power.as_str()), "wait until that is over, and look again")
        }
        _ => Ok(()),
    }
}

fn check_names(request: &Cloning, facts: &Facts<'_>) -> Go<()> {
    if request.names.is_empty() {
        return no("no-names", "no clone has a name", "give one name, or several with commas: web02,web03");
    }
    if request.names.len() > MOST_CLONES {
        return no(
            "too-many-clones",
            format!("{} clones at once are more than {MOST_CLONES}", request.names.len()),
            "make them in several goes",
        );
    }
    for (at, name) in request.names.iter().enumerate() {
        new_file::check_name(facts.inventory(), name)?;
        if request.names.iter().take(at).any(|other| other == name) {
            return no("name-twice", format!("two clones would be called {name}"), "give each a name of its own");
        }
    }
    Ok(())
}

/// The programs that the steps run, and what is looked for so that a pool can be brought up again.
fn tools(origins: &[Origin<'_>]) -> Vec<(&'static str, &'static str)> {
    let mut tools = Vec::new();
    let any = |way: Way| origins.iter().any(|origin| origin.way == way);
    if any(Way::Classic) || any(Way::Thin) {
        tools.extend([("lvcreate", "lvm2"), ("lvremove", "lvm2"), ("lvs", "lvm2")]);
    }
    if any(Way::Thin) {
        tools.push(("thin_check", "thin-provisioning-tools"));
    }
    if any(Way::Overlay) {
        tools.extend([("qemu-img", "qemu-utils"), ("rm", "coreutils")]);
    }
    tools
}

fn lock(draft: &mut Draft, domain: &Domain, origins: &[Origin<'_>], request: &Cloning) {
    draft.lock(Plan::domain_lock(&domain.name));
    for name in &request.names {
        draft.lock(Plan::domain_lock(name));
    }
    for origin in origins {
        draft.lock(Plan::disk_lock(&domains::lock_of_backing(origin.backing)));
    }
}

fn say(draft: &mut Draft, domain: &Domain, origins: &[Origin<'_>]) {
    if domain.power.is_present() {
        draft.warn(format!(
            "{} is {}: the clones hold its disks as after a power cut. Their file systems are mended at the first boot; what the guest had not yet written is missing.",
            domain.name,
            domain.power.as_str()
        ));
        if origins.len() > 1 {
            draft.warn("Its disks are cloned one after the other, each at its own instant: what spans several of them (LVM or RAID inside, a database with its log on another disk) may not fit together. Shut it down first to be safe.");
        }
    } else if domain.power == Power::Saved {
        draft.warn(format!(
            "{} is saved: its memory is not cloned. The clones hold its disks as they were at that moment, and boot as after a power cut.",
            domain.name
        ));
    }
    for origin in origins {
        for warning in &origin.warnings {
            draft.warn(warning.clone());
        }
    }
    let any = |way: Way| origins.iter().any(|origin| origin.way == way);
    if any(Way::Overlay) {
        draft.warn(format!(
            "From now on nobody may write to the originals below the overlays: not even {} may be started. One write destroys every clone. domkeep does not start a domain that would write to them; other programs do.",
            domain.name
        ));
    } else if any(Way::Classic) {
        draft.warn(format!(
            "Keep the originals as they are: what {} writes to them fills the stores of all clones, and an original that is removed takes its clones with it.",
            domain.name
        ));
    }
    draft.warn("The clones have the same machine id, SSH host keys and settings inside as the original. Change what must differ before they run beside it in one network.");
}
