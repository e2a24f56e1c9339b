//! A new disk in a sparse file: made under a partial name, formatted, filled, checked, given its name, and named in a configuration.

mod attach;
mod fill;
mod limits;

pub(super) use attach::{check_name, check_vdev, edit, free_vdev};

use super::draft::Draft;
use super::facts::{Facts, Go};
use super::{Setting, paths, text};
use crate::model::request::{Attach, FileSystem, NewFileDisk};
use crate::model::{Action, Check, Cmd, HostPath, Plan, Question, Request, bytes};

/// Seconds. Reading the metadata of a large file system takes its time.
const LONGEST_CHECK: u64 = 3600;

pub(super) fn plan(request: &NewFileDisk, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    ask_ahead(request, facts)?;
    let (place, path) = paths::vacant(facts, &request.path)?;
    limits::check(request, place)?;
    let attached = attach::look(request, facts)?;
    let filling = fill::look(request, facts, setting, attached.vdev())?;
    paths::tools(facts, &filling.tools(request.file_system))?;

    let whole = Request::NewFileDisk(request.clone());
    let mut draft = Draft::new(format!("Make a disk of {} in {path}", bytes::human(request.bytes)), &whole, setting);
    draft.lock(Plan::disk_lock(&path));
    draft.saw(format!("{} free in {}", bytes::human(place.free), place.directory), "the file system");
    let partial = paths::partial(&path, &setting.id);
    draft.step(
        format!("Make a sparse file of {}", bytes::exact(request.bytes)),
        "It takes no room until something is written. It has a temporary name until it is ready, so that nobody uses it half made.",
        Action::MakeSparse { path: partial.clone(), bytes: request.bytes, mode: 0o600 },
    );
    filling.steps(&mut draft, request, &partial, setting);
    if let Some(cmd) = check_command(request.file_system, &partial) {
        draft.run("Check the new file system", "It is looked at once more before anything relies on it. Nothing is changed.", cmd);
    }
    let named = draft.step(
        format!("Give it its name, {path}"),
        "Only a whole disk gets the name. What may have come to stand there meanwhile is not replaced.",
        Action::Rename { from: partial, to: path.clone(), expect: None },
    );
    attached.steps(&mut draft, request, &path);
    draft.assume(format!("nothing stands at {path}"), Check::Exists { path: path.clone() }.negated(), Some(named));
    let directory = paths::parent(&path);
    draft.assume(
        format!("{directory} is the file system that was looked at"),
        Check::LiesOn { path: directory, dev: place.dev },
        Some(named),
    );
    if request.bytes > place.free {
        draft.warn(format!(
            "The disk is larger ({}) than what is free in {} ({}). That is no error of a sparse file, but when the guest writes that much, its writes will fail.",
            bytes::human(request.bytes),
            place.directory,
            bytes::human(place.free)
        ));
    }
    Ok(draft.finish())
}

/// What is surely needed, asked in one round.
fn ask_ahead(request: &NewFileDisk, facts: &Facts<'_>) -> Go<()> {
    let place = |path: &HostPath| Question::Place { path: path.clone() };
    let mut questions = vec![place(&request.path), place(&paths::parent(&request.path))];
    match &request.attach {
        Attach::Nobody => {}
        Attach::Existing { config, .. } => questions.extend([place(config), Question::BytesOf { path: config.clone() }]),
        Attach::New { config, .. } => questions.extend([place(config), place(&paths::parent(config))]),
    }
    questions.extend(fill::questions(request));
    paths::check_new(&request.path)?;
    facts.want(questions)
}

fn check_command(file_system: FileSystem, partial: &HostPath) -> Option<Cmd> {
    let file = text(partial);
    let cmd = match file_system {
        FileSystem::Ext4 | FileSystem::Ext3 => Cmd::reads("e2fsck", ["-f".to_owned(), "-n".to_owned(), file]),
        FileSystem::Xfs => Cmd::reads("xfs_repair", ["-n".to_owned(), "-f".to_owned(), file]),
        FileSystem::Btrfs => Cmd::reads("btrfs", ["check".to_owned(), "--readonly".to_owned(), file]),
        FileSystem::None => return None,
    };
    Some(cmd.within(LONGEST_CHECK))
}
