//! Copying one disk to another place.

use super::draft::Draft;
use super::facts::{Facts, Go, if_known, no};
use super::{Setting, domains, paths, pool_room};
use crate::model::Keeping;
use crate::model::{Action, Backing, Check, DiskCopy, HostPath, Location, PlaceFact, Plan, Question, Request, Risk, Stands, Undo, bytes};

pub(super) struct Wanted<'a> {
    pub from: &'a Location,
    pub to: &'a Location,
    pub rate: Option<u64>,
    pub verify: bool,
}

pub(super) fn plan(wanted: &Wanted<'_>, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let from = source(wanted.from, facts)?;
    let (Location::File { path: to } | Location::Device { path: to }) = wanted.to else {
        return no("to-not-built", "only files and devices can be written to", "name a file or a device");
    };
    paths::check(to)?;
    facts.want([Question::Place { path: to.clone() }, Question::Place { path: paths::parent(to) }])?;
    let (target, real) = paths::follow(facts, to)?;
    if from.path.as_ref() == Some(&canonical(target, &real))
        || (target.inode.is_some() && target.inode == from.inode && target.stands == Stands::File)
    {
        return no("same-disk", "source and destination are the same", "name another destination");
    }
    let request = Request::Copy { from: wanted.from.clone(), to: wanted.to.clone(), rate: wanted.rate, verify: wanted.verify };
    let mut draft = Draft::new(format!("Copy {} to {real}", from.says), &request, setting);
    if let Some(path) = &from.path {
        draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), path, path)));
        look_at_users(&mut draft, facts, path)?;
    }
    draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), &real, &canonical(target, &real))));
    let copy = |to: Location, new: bool| Action::Copy {
        copies: vec![DiskCopy {
            label: super::text(&real).rsplit('/').next().unwrap_or_default().to_owned(),
            from: from.location.clone(),
            to,
            new,
            hashes_to: None,
            hashes_from: None,
            verify: wanted.verify,
            keeping: Keeping::default(),
        }],
        at_once: 1,
        rate: wanted.rate,
    };
    match target.stands {
        Stands::Nothing | Stands::File => to_file(&mut draft, facts, setting, &from, &real, target, copy)?,
        Stands::Device => to_device(&mut draft, facts, &from, &real, target, &copy)?,
        Stands::Directory => return no("is-a-directory", format!("{to} is a directory"), "add the file's name"),
        Stands::Link | Stands::Other => {
            return no("not-a-disk", format!("{to} is neither a file nor a block device"), "name another destination");
        }
    }
    Ok(draft.finish())
}

struct Source {
    location: Location,
    /// With every link resolved.
    path: Option<HostPath>,
    inode: Option<(u64, u64)>,
    bytes: Option<u64>,
    /// What it takes; at most what is read of it.
    allocated: Option<u64>,
    says: String,
}

fn source(from: &Location, facts: &Facts<'_>) -> Go<Source> {
    let path = match from {
        Location::File { path } | Location::Device { path } => path.clone(),
        Location::Piece { bundle, piece } => {
            let location = from.clone();
            let says = format!("{piece} of {bundle}");
            return Ok(Source { location, path: None, inode: None, bytes: None, allocated: None, says });
        }
        Location::Nbd { .. } => return no("from-not-built", "an NBD export cannot be copied yet", "name a file or a device"),
    };
    paths::check(&path)?;
    let (place, real) = paths::follow(facts, &path)?;
    let location = match place.stands {
        Stands::File => Location::File { path: real.clone() },
        Stands::Device => Location::Device { path: real.clone() },
        Stands::Nothing => return no("source-missing", format!("there is no {path}"), "name a file or a device that is there"),
        _ => return no("source-no-disk", format!("{path} is neither a file nor a block device"), "name a file or a device"),
    };
    let allocated = backing_at(facts, &real).and_then(|backing| backing.allocated);
    Ok(Source { location, path: Some(canonical(place, &real)), inode: place.inode, bytes: place.bytes, allocated, says: real.to_string() })
}

/// What locks and comparisons go by.
pub(super) fn canonical(place: &PlaceFact, path: &HostPath) -> HostPath {
    place.canonical.clone().unwrap_or_else(|| path.clone())
}

fn backing_at<'a>(facts: &Facts<'a>, path: &HostPath) -> Option<&'a Backing> {
    let inventory = facts.inventory();
    inventory.backings.get(&super::text(path)).or_else(|| inventory.backings.values().find(|backing| backing.path == *path))
}

fn look_at_users(draft: &mut Draft, facts: &Facts<'_>, path: &HostPath) -> Go<()> {
    match if_known(facts.users(path))? {
        Some([]) => {}
        Some(users) => {
            draft.warn(format!(
                "{path} is in use: {}. A disk that is written to while it is copied comes out torn, with parts of different moments.",
                users.join(", ")
            ));
        }
        None => draft.warn(format!("Who uses {path} could not be found out. If somebody writes to it meanwhile, the copy is torn.")),
    }
    Ok(())
}

fn to_file(
    draft: &mut Draft,
    facts: &Facts<'_>,
    setting: &Setting,
    from: &Source,
    to: &HostPath,
    target: &PlaceFact,
    copy: impl Fn(Location, bool) -> Action,
) -> Go<()> {
    paths::check_new(to)?;
    let above = paths::parent(to);
    let (place, _) = paths::directory(facts, &above)?;
    if let Some(needed) = from.allocated.or(from.bytes).filter(|needed| *needed > place.free) {
        let words =
            format!("{} has {} free, and {} has {} in it", place.directory, bytes::human(place.free), from.says, bytes::human(needed));
        if from.allocated.is_some() {
            return no("no-room", words, "make room, or choose another directory");
        }
        draft.warn(format!("{words}: unless much of it is zeros, the copy will not fit."));
    }
    let partial = paths::partial(to, &setting.id);
    let step = draft.step(
        format!("Copy {}", from.says),
        "Into a new file with a temporary name. Holes and zeros take no room in it.",
        copy(Location::File { path: partial.clone() }, true),
    );
    draft.assume(format!("{above} is the file system that was looked at"), Check::LiesOn { path: above, dev: place.dev }, Some(step));
    if target.stands == Stands::File {
        let users = facts.users(to)?;
        if !users.is_empty() {
            return no(
                "disk-in-use",
                format!("{to} is in use: {}", users.join(", ")),
                "stop who uses it first, or choose another destination",
            );
        }
        let aside = paths::before(to, &setting.id);
        draft.confirm(&super::text(to), &format!("{to} is replaced. The old file stays beside it as {aside} until you remove it."));
        draft.step(
            format!("Set the old {to} aside"),
            "Nothing is deleted.",
            Action::Rename { from: to.clone(), to: aside, expect: target.inode },
        );
    }
    draft.step(
        format!("Give the copy its name, {to}"),
        "Only a whole copy gets the name.",
        Action::Rename { from: partial, to: to.clone(), expect: None },
    );
    Ok(())
}

fn to_device(
    draft: &mut Draft,
    facts: &Facts<'_>,
    from: &Source,
    to: &HostPath,
    target: &PlaceFact,
    copy: &impl Fn(Location, bool) -> Action,
) -> Go<()> {
    facts.want([Question::UseOf { path: to.clone() }, Question::SignatureOf { path: to.clone() }])?;
    free_device(facts, to)?;
    large_enough(to, target, from.bytes)?;
    let taken: Vec<pool_room::Taken> = pool_room::of_device(facts, to, from.bytes.or(target.bytes).unwrap_or(0))?.into_iter().collect();
    pool_room::refuse_without_room(&taken)?;
    draft.confirm(&super::text(to), &overwritten(facts, to)?);
    if let Some(lost) = pool_room::lost_besides(&taken) {
        draft.confirm(&super::text(to), &lost);
    }
    draft.risk(Risk::Destroys);
    let step = draft.step(
        format!("Copy {} over {to}", from.says),
        "Every block is written, zeros too: what was on the device before must not shine through.",
        copy(Location::Device { path: to.clone() }, false),
    );
    draft.undo(step, Undo::Impossible { why: format!("what was on {to} is overwritten") });
    draft.assume(format!("nobody uses {to}"), Check::InUse { path: to.clone() }.negated(), Some(step));
    Ok(())
}

/// Refuses a device that somebody has.
pub(super) fn free_device(facts: &Facts<'_>, path: &HostPath) -> Go<()> {
    let users = facts.users(path)?;
    if users.is_empty() {
        return Ok(());
    }
    no("disk-in-use", format!("{path} is in use: {}", users.join(", ")), "stop or unmount who uses it first, or choose another destination")
}

pub(super) fn large_enough(to: &HostPath, target: &PlaceFact, wanted: Option<u64>) -> Go<()> {
    match (target.bytes, wanted) {
        (Some(there), Some(wanted)) if there < wanted => no(
            "device-too-small",
            format!("{to} has {}, and {} are to be written", bytes::exact(there), bytes::exact(wanted)),
            "take a device that is at least as large",
        ),
        (None, _) => no("not-known", format!("the size of {to} could not be found out"), "ask as root"),
        _ => Ok(()),
    }
}

/// What is lost when a device is written over.
pub(super) fn overwritten(facts: &Facts<'_>, path: &HostPath) -> Go<String> {
    let found = if_known(facts.signatures(path))?;
    let kinds: Vec<String> =
        found.unwrap_or_default().iter().filter(|signature| signature.kind != "blank").map(|signature| signature.kind.clone()).collect();
    Ok(match found {
        None => format!("Everything on {path} is overwritten; what lies on it could not be found out."),
        Some(_) if kinds.is_empty() => format!("Everything on {path} is overwritten. Nothing known was recognised on it."),
        Some(_) => format!("Everything on {path} is overwritten: {}.", kinds.join(", ")),
    })
}
