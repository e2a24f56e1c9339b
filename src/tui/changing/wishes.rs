//! What can be asked for from where one stands, and why something cannot.

use super::draft;
use crate::model::{DiskKind, Domain, Finding, HostPath, MemoryState, Subject, Wish};
use crate::tui::keymap::Action;
use crate::tui::model::{Model, Screen};
use crate::tui::msg::Effect;
use crate::tui::screen::{self, Target};
use crate::tui::{travel, update};

/// The wish behind a key.
pub fn of(action: Action) -> Option<Wish> {
    Some(match action {
        Action::BackUp => Wish::ColdBackup,
        Action::NewDisk => Wish::NewFileDisk,
        Action::Start => Wish::Start,
        Action::Resume => Wish::Resume,
        Action::Restore => Wish::Restore,
        _ => return None,
    })
}

/// A wish in a word or two, and what it does in a line.
pub fn words(wish: Wish) -> (&'static str, &'static str) {
    match wish {
        Wish::NewFileDisk => ("new disk", "Make a sparse file disk, fill it, name it in a config"),
        Wish::ColdBackup => ("back up", "Copy a domain, running, off or saved, into files"),
        Wish::Restore => ("restore", "Bring a backup back, whole or one disk of it"),
        Wish::Start => ("start", "Boot the domain, having looked what that would lose"),
        Wish::Resume => ("resume", "Resume a save image, having looked at its disks"),
        Wish::Save => ("save", "Save a domain to a file that it goes on from"),
        Wish::Copy => ("copy a disk", "Copy one disk to another place, holes stay holes"),
        Wish::NewVolume => ("new volume", "Make a volume, its group or pool first if need be"),
        Wish::MoveDisk => ("move a disk", "Move a disk from a file into a volume, or back"),
        Wish::Grow => ("grow", "More room for a volume, snapshot, pool or image"),
        Wish::Attach => ("attach a disk", "Give a domain a disk that exists, now and at every start"),
        Wish::Prune => ("prune", "Remove the restore points that no rule keeps"),
        Wish::Detach => ("detach a disk", "Take a disk away from a domain; its bytes stay"),
        Wish::Remove => ("remove", "Remove a snapshot, clone or disk that nothing depends on"),
        Wish::RollBack => ("roll back", "Give a volume the state back that a snapshot holds"),
        Wish::Clone => ("clone", "Clone a domain without copying its disks: snapshots, shared files, overlays"),
        Wish::NfsRoot => ("root on NFS", "Let a domain boot from a directory of this host"),
    }
}

/// The domain that the selected line is about.
pub fn domain(model: &Model) -> Option<&Domain> {
    match model.screen() {
        Screen::Domains | Screen::Domain(_) => model.domain(model.selected_domain()?),
        Screen::Findings => of_target(model, screen::findings::target(model)),
        Screen::Storage => of_target(model, screen::storage::target(model)),
        Screen::Backups => of_target(model, screen::backups::target(model)),
        _ => None,
    }
}

fn of_target(model: &Model, target: Option<Target>) -> Option<&Domain> {
    match target? {
        Target::Domain(id) => model.domain(&id),
        _ => None,
    }
}

/// The finding that the selected line is.
pub fn finding(model: &Model) -> Option<&Finding> {
    match model.screen() {
        Screen::Findings => screen::findings::selected(model),
        Screen::Domain(_) if model.focus() == 1 => screen::findings::named(model, model.selected(1)?),
        _ => None,
    }
}

/// What a form is made for.
fn subject(model: &Model, wish: Wish) -> Option<Subject> {
    let name = || domain(model).map(|domain| Subject::Domain { name: domain.name.clone() });
    match wish {
        Wish::Restore | Wish::Prune => bundle(model).or_else(name),
        Wish::Resume => save(model).map(|path| Subject::Save { path }),
        Wish::Copy | Wish::Grow | Wish::Remove | Wish::RollBack => disk(model),
        Wish::MoveDisk => disk(model).filter(|subject| matches!(subject, Subject::Disk { .. })).or_else(name),
        Wish::Attach | Wish::Detach => disk_of_finding(model).or_else(|| own_disk(model, wish)).or_else(name),
        _ => name(),
    }
}

fn save(model: &Model) -> Option<HostPath> {
    if let Some(Finding { subject: Subject::Save { path }, .. }) = finding(model) {
        return Some(path.clone());
    }
    domain(model)?.saves.first().cloned()
}

/// The backup under the cursor.
fn bundle(model: &Model) -> Option<Subject> {
    let on_it = *model.screen() == Screen::Backups;
    screen::backups::selected(model).filter(|_| on_it).map(|path| Subject::Bundle { path: path.clone() })
}

/// The disk, volume or image under the cursor.
fn disk(model: &Model) -> Option<Subject> {
    match model.screen() {
        Screen::Domain(_) => {
            let domain = domain(model)?;
            let number = model.selected(0)?.strip_prefix("disk ")?.split(' ').next()?.parse::<usize>().ok()?;
            let disk = domain.disks.get(number).filter(|disk| disk.kind != DiskKind::Empty)?;
            Some(Subject::Disk { domain: domain.name.clone(), vdev: disk.vdev.clone()? })
        }
        Screen::Storage => {
            let (kind, name) = model.selected(0)?.split_once(' ')?;
            let inventory = model.inventory()?;
            match kind {
                "volume" => Some(Subject::Volume { name: name.to_owned() }),
                "image" => {
                    let image = inventory.images.iter().find(|image| image.path.to_string() == name)?;
                    Some(Subject::Backing { path: image.path.clone() })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The disk that the selected finding is about: its other way out than to be mended.
fn disk_of_finding(model: &Model) -> Option<Subject> {
    match finding(model) {
        Some(Finding { subject: subject @ Subject::Disk { .. }, .. }) => Some(subject.clone()),
        _ => None,
    }
}

/// The disk under the cursor, where that is what is meant: to take it away from its domain, or to give a volume to one.
fn own_disk(model: &Model, wish: Wish) -> Option<Subject> {
    let of_domain = matches!(model.screen(), Screen::Domain(_));
    disk(model).filter(|_| of_domain == (wish == Wish::Detach))
}

/// Why a wish cannot be asked for here and now.
pub fn why_not(model: &Model, wish: Wish) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    if let Some(why) = nothing_can_change(model) {
        return Some(why);
    }
    let domain = domain(model);
    let is_host = domain.is_some_and(|domain| domain.domid == Some(0));
    match wish {
        Wish::ColdBackup | Wish::Start | Wish::Save | Wish::Clone if domain.is_none() => no("no domain is selected: press 1"),
        Wish::ColdBackup | Wish::Start | Wish::Save | Wish::Clone if is_host => no("that is the host itself"),
        Wish::Start if domain.is_some_and(|domain| domain.power.is_present()) => no("it is there already"),
        Wish::Save if domain.is_some_and(|domain| !domain.power.is_present()) => no("it does not run"),
        Wish::Resume if save(model).is_none() => {
            let running = domain.is_some_and(|domain| domain.memory.state == MemoryState::InRam);
            no(if running { "it runs: there is nothing to resume" } else { "there is no save image of it" })
        }
        _ => None,
    }
}

/// Why nothing at all can be changed now.
pub fn nothing_can_change(model: &Model) -> Option<String> {
    match (&model.changing.fixed, &model.picture) {
        (Some(why), _) => Some(why.clone()),
        (None, None) => Some("the host is still being looked at".to_owned()),
        _ => None,
    }
}

/// Asks for the form; one that was filled in for the same thing is opened again.
pub fn begin(model: &mut Model, wish: Wish) -> Vec<Effect> {
    if let Some(why) = why_not(model, wish) {
        return update::say(model, format!("Not now: {why}."));
    }
    let subject = subject(model, wish);
    let kept = |draft: &draft::Draft| draft.form.wish == wish && draft.subject == subject && draft.is_touched();
    if model.changing.draft.as_ref().is_some_and(kept) {
        travel::enter(model, Screen::Form);
        return update::say(model, "What you filled in before is still here.".to_owned());
    }
    vec![Effect::Form(wish, subject)]
}

pub fn why_not_mend(model: &Model) -> Option<String> {
    match finding(model) {
        None => Some("no finding is selected: press 4".to_owned()),
        Some(finding) if finding.mend.is_none() => Some("domkeep has no change that mends it; what to do is said below".to_owned()),
        Some(_) => nothing_can_change(model),
    }
}

/// A finding knows its request: there is nothing to fill in, the plan is shown at once.
pub fn mend(model: &mut Model) -> Vec<Effect> {
    match finding(model).and_then(|finding| finding.mend.clone()) {
        Some(request) => super::proposal::propose(model, request),
        None => Vec::new(),
    }
}
