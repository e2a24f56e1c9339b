//! A new disk in a sparse file: made under a partial name, formatted, filled, checked, given its name, and named in a configuration.

pub(super) use super::new_disk::{check_name, edit};

use super::draft::Draft;
use super::facts::{Facts, Go};
use super::{Setting, new_disk, paths};
use crate::model::request::NewDisk;
use crate::model::{Action, Check, Plan, Request, bytes};

pub(super) fn plan(request: &NewDisk, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    paths::check_new(&request.path)?;
    facts.want(new_disk::questions(request))?;
    let (place, path) = paths::vacant(facts, &request.path)?;
    new_disk::check_in_file(request, place)?;
    let content = new_disk::look(request, facts, setting)?;

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
    content.filling.steps(&mut draft, request, &partial, setting);
    if let Some(cmd) = new_disk::check_command(request.file_system, &partial, true) {
        draft.run("Check the new file system", "It is looked at once more before anything relies on it. Nothing is changed.", cmd);
    }
    let named = draft.step(
        format!("Give it its name, {path}"),
        "Only a whole disk gets the name. What may have come to stand there meanwhile is not replaced.",
        Action::Rename { from: partial, to: path.clone(), expect: None },
    );
    content.attached.steps(&mut draft, request, &path);
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
