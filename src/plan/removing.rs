//! Removing a snapshot, a clone or a disk: only after a look at who depends on it, and with its name typed.
//!
//! LVM's own `lvremove -y` takes a classic origin's snapshots with it without a word; here an origin is refused, and the command itself
//! selects the one volume that was looked at, and no origin.

pub(super) mod dependents;

use super::draft::Draft;
use super::facts::{Facts, Go, each, no};
use super::{Setting, domains, lvm_now, paths, text};
use crate::model::cloning::Removing;
use crate::model::{Action, Check, Cmd, Config, HostPath, LogicalVolume, Plan, Question, Request, Stands, Undo, bytes, cmd::shell_word};

/// Seconds. LVM waits for a lock; discards take their time.
const SLOW: u64 = 600;

enum Thing<'a> {
    Volume(&'a LogicalVolume),
    File { path: HostPath, inode: (u64, u64), bytes: Option<u64> },
}

impl Thing<'_> {
    fn name(&self) -> String {
        match self {
            Self::Volume(volume) => volume.full_name(),
            Self::File { path, .. } => text(path),
        }
    }

    fn path(&self) -> HostPath {
        match self {
            Self::Volume(volume) => volume.path.clone(),
            Self::File { path, .. } => path.clone(),
        }
    }
}

/// A snapshot, named as one.
pub(super) fn snapshot(request: &Request, volume: &str, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let lvm = lvm_now::look(facts, &["lvremove"])?;
    let (found, _) = lvm_now::volume(lvm, volume)?;
    if found.origin.is_none() {
        return no(
            "no-snapshot",
            format!("{} is no snapshot: it is a volume with data of its own", found.full_name()),
            format!("`domkeep remove {}` removes a volume", shell_word(&found.full_name())),
        );
    }
    removal(request, &Removing { things: vec![found.full_name()], config: None }, facts, setting)
}

pub(super) fn plan(wanted: &Removing, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    removal(&Request::Remove(wanted.clone()), wanted, facts, setting)
}

fn removal(request: &Request, wanted: &Removing, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    if wanted.things.is_empty() {
        return no("nothing-named", "nothing is named that should be removed", "name a volume (VG/LV) or a file");
    }
    let config = wanted.config.as_ref().map(|path| config(facts, path)).transpose()?;
    let things = each(&wanted.things, |name| thing(facts, name))?;
    each(&things, |thing| look_at(facts, thing, &things, config.as_ref()))?;

    let names: Vec<String> = things.iter().map(Thing::name).collect();
    let mut draft = Draft::new(format!("Remove {}", names.join(", ")), request, setting);
    for thing in &things {
        draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), &thing.path(), &thing.path())));
    }
    if let Some(gone) = &config {
        set_aside(&mut draft, setting, gone);
    }
    let name = config.as_ref().map_or_else(|| names.join(" "), |gone| gone.domain.clone());
    for thing in &things {
        draft.confirm(&name, &loses(thing));
        match thing {
            Thing::Volume(volume) => remove_volume(&mut draft, volume),
            Thing::File { path, inode, .. } => remove_file(&mut draft, path, *inode),
        }
    }
    Ok(draft.finish())
}

/// A configuration that goes with its disks.
struct Gone<'a> {
    config: &'a Config,
    domain: String,
    path: HostPath,
    inode: Option<(u64, u64)>,
}

fn config<'a>(facts: &Facts<'a>, path: &HostPath) -> Go<Gone<'a>> {
    let Some(config) = facts.inventory().config(path) else {
        return no("no-config", format!("{path} is no configuration that domkeep has read"), "name a file that `domkeep show` lists");
    };
    let domain = config.name.clone().unwrap_or_default();
    if let Some(there) = facts.inventory().domains.iter().find(|found| found.name == domain && found.power.is_present()) {
        return no(
            "domain-running",
            format!("{domain} is {}", there.power.as_str()),
            format!("`xl shutdown {}` first", shell_word(&domain)),
        );
    }
    if config.autostart {
        return no("starts-at-boot", format!("{path} is started when the host boots"), "take its link out of /etc/xen/auto first");
    }
    paths::check(path)?;
    let (place, real) = paths::follow(facts, path)?;
    if place.stands != Stands::File || domain.is_empty() {
        return no("config-not-a-file", format!("{path} is no regular file with a domain's name in it"), "name an xl configuration file");
    }
    Ok(Gone { config, domain, path: real, inode: place.inode })
}

fn thing<'a>(facts: &Facts<'a>, name: &str) -> Go<Thing<'a>> {
    if !name.starts_with('/') || name.starts_with("/dev/") {
        let lvm = lvm_now::look(facts, &["lvremove"])?;
        if name.starts_with("/dev/") && lvm_now::volume_named(lvm, name).is_none() {
            return no(
                "not-removable",
                format!("{name} is no logical volume: a disk or partition is not made to be no more"),
                "wipe it with your own tools, when you are sure that nobody needs it",
            );
        }
        return Ok(Thing::Volume(lvm_now::volume(lvm, name)?.0));
    }
    let path = HostPath::from(name);
    paths::check(&path)?;
    let (place, real) = paths::follow(facts, &path)?;
    let (Stands::File, Some(inode)) = (place.stands, place.inode) else {
        return no("no-file", format!("{path} is no file that is there"), "name the disk's file, not a directory");
    };
    paths::check_storage(&real)?;
    if !facts.inventory().backings.values().any(|backing| backing.path == real || backing.aliases.contains(&path)) {
        return no(
            "no-disk",
            format!("{real} is no disk that domkeep knows of: only disks are removed"),
            "remove other files with `rm`, or name the directory with --look-in",
        );
    }
    Ok(Thing::File { path: real, inode, bytes: place.bytes })
}

fn look_at(facts: &Facts<'_>, thing: &Thing<'_>, all: &[Thing<'_>], config: Option<&Gone<'_>>) -> Go<()> {
    let path = thing.path();
    facts.want([Question::UseOf { path: path.clone() }])?;
    let users = facts.users(&path)?;
    if let Some(first) = users.first() {
        return no("disk-in-use", format!("{} is in use: {first}", thing.name()), "stop or unmount who uses it first");
    }
    let also = |name: &str| all.iter().any(|other| other.name() == name);
    let lvm = match thing {
        Thing::Volume(_) => Some(facts.lvm()?),
        Thing::File { .. } => None,
    };
    let volume = match thing {
        Thing::Volume(volume) => Some(*volume),
        Thing::File { .. } => None,
    };
    let found = dependents::of(facts.inventory(), lvm, &path, volume, config.map(|gone| &gone.config.path));
    let needing: Vec<String> =
        found.into_iter().filter(|dependent| !dependent.thing.as_deref().is_some_and(also)).map(|one| one.says).collect();
    if needing.is_empty() {
        return Ok(());
    }
    no(
        "needed",
        format!("{} is needed: {}", thing.name(), needing.join("; ")),
        "remove what depends on it first; a clone's disks and its configuration can go together (--config-file)",
    )
}

fn loses(thing: &Thing<'_>) -> String {
    match thing {
        Thing::Volume(volume) if volume.invalid => {
            format!("The snapshot {} overflowed: what was in it is lost already.", volume.full_name())
        }
        Thing::Volume(volume) if volume.is_thin_pool() => format!("The thin pool {} goes, with nothing in it.", volume.full_name()),
        Thing::Volume(volume) => match &volume.origin {
            Some(origin) => format!(
                "{} goes: what it kept of {origin}'s state of that time, and what was written to it since. {origin} itself stays as it is.",
                volume.full_name()
            ),
            None => format!("Everything on {} ({}) is lost.", volume.full_name(), bytes::human(volume.bytes)),
        },
        Thing::File { path, bytes, .. } => format!("Everything in {path} ({}) is lost.", bytes::human_or_unknown(*bytes)),
    }
}

/// Not deleted: what a domain was like is small, and can be wanted back.
fn set_aside(draft: &mut Draft, setting: &Setting, gone: &Gone<'_>) {
    let aside = paths::before(&gone.path, &setting.id);
    draft.lock(Plan::domain_lock(&gone.domain));
    let off = Check::DomainPresent { name: gone.domain.clone() }.negated();
    let step = draft.step(
        format!("Set the configuration of {} aside", gone.domain),
        format!("It stays as {aside} until you remove it: nothing starts from it any more."),
        Action::Rename { from: gone.path.clone(), to: aside, expect: gone.inode },
    );
    draft.assume(format!("{} is off", gone.domain), off, Some(step));
}

/// Whether the very volume is still there.
pub(super) fn is_there(volume: &LogicalVolume) -> Check {
    let select = format!("lv_uuid={}", volume.uuid);
    let cmd = Cmd::reads("lvs", ["--reportformat", "json", "--units", "b", "-o", "lv_full_name", "-S", &select]);
    Check::Says { cmd, text: format!("\"lv_full_name\":\"{}\"", volume.full_name()) }
}

fn remove_volume(draft: &mut Draft, volume: &LogicalVolume) {
    let name = volume.full_name();
    let there = is_there(volume);
    let select = format!("lv_uuid={} && lv_full_name={name} && lv_attr!~^[oO]", volume.uuid);
    let step = draft.run(
        format!("Remove {name}"),
        "By its uuid and name, and only while no snapshot hangs on it: LVM would take that away too.",
        Cmd::changes("lvremove", ["-y", "-S", &select, &volume.vg]).within(SLOW),
    );
    draft.done(step, there.clone().negated());
    draft.undo(step, Undo::Impossible { why: format!("what was on {name} is gone") });
    draft.assume(format!("nobody uses {name}"), Check::InUse { path: volume.path.clone() }.negated(), Some(step));
    draft.step(
        format!("Look whether {name} is gone"),
        "lvremove ends well where it found nothing to remove, too.",
        Action::WaitFor { check: there.negated(), limit_seconds: 10 },
    );
}

fn remove_file(draft: &mut Draft, path: &HostPath, inode: (u64, u64)) {
    let step = draft.step(
        format!("Remove {path}"),
        "Only the very file that was looked at. Blocks that it shares with others stay with them.",
        Action::Remove { path: path.clone(), inode },
    );
    draft.assume(format!("nobody uses {path}"), Check::InUse { path: path.clone() }.negated(), Some(step));
    draft.assume(format!("{path} is the file that was looked at"), Check::Is { path: path.clone(), inode }, Some(step));
}
