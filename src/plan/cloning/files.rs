//! Clones in files: one that shares its blocks with the original, and a qcow2 overlay on it.

use super::names::Target;
use super::origin::Origin;
use crate::model::{Action, Check, Cmd, HostPath};
use crate::plan::draft::Draft;
use crate::plan::{Setting, paths, text};

pub(super) fn reflink(draft: &mut Draft, origin: &Origin<'_>, target: &Target) -> usize {
    let Target::File { path, dev } = target else { return 0 };
    let step = draft.step(
        format!("Make {path}, which shares the blocks of {}", origin.path),
        "Nothing is copied: a block takes room of its own when it is written to, in the one or in the other. Each is whole without the other.",
        Action::Reflink { from: origin.path.clone(), to: path.clone(), mode: 0o600 },
    );
    expect(draft, path, *dev, step);
    step
}

pub(super) fn overlay(draft: &mut Draft, setting: &Setting, origin: &Origin<'_>, target: &Target) -> usize {
    let Target::File { path, dev } = target else { return 0 };
    let partial = paths::partial(path, &setting.id);
    draft.step(
        "Make an empty file for the overlay",
        "It has a temporary name, and belongs to this job: what is taken back is surely its own.",
        Action::MakeSparse { path: partial.clone(), bytes: 0, mode: 0o600 },
    );
    let (base, format, file) = (text(&origin.path), origin.format.as_str(), text(&partial));
    let step = draft.run(
        format!("Make it an overlay on {}", origin.path),
        "It holds only what differs; everything else is read from the original. The format below is named, so that no guest can pretend another.",
        Cmd::changes("qemu-img", ["create", "-q", "-f", "qcow2", "-F", format, "-b", &base, &file]),
    );
    let asks = Cmd::reads("qemu-img", ["info", "--output=json", "-U", "-f", "qcow2", &file]);
    draft.done(step, Check::Says { cmd: asks, text: format!("\"backing-filename-format\": \"{format}\"") });
    let named = draft.step(
        format!("Give it its name, {path}"),
        "Only a whole overlay gets the name.",
        Action::Rename { from: partial, to: path.clone(), expect: None },
    );
    expect(draft, path, *dev, named);
    if origin.users_now == 0 {
        draft.assume(format!("nobody uses {}", origin.path), Check::InUse { path: origin.path.clone() }.negated(), Some(named));
    }
    named
}

fn expect(draft: &mut Draft, path: &HostPath, dev: u64, step: usize) {
    draft.assume(format!("nothing stands at {path}"), Check::Exists { path: path.clone() }.negated(), Some(step));
    let above = paths::parent(path);
    draft.assume(format!("{above} is the file system that was looked at"), Check::LiesOn { path: above, dev }, Some(step));
}
