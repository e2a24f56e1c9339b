//! Volumes that a plan makes. Each carries a tag with the job's id from its first moment on (`lvcreate --addtag`), so that only what the
//! job made is ever taken back: `lvremove` selects by the tag and by the name, and does nothing where they do not both fit.

use super::draft::Draft;
use crate::model::{Action, Check, Cmd, JobId, Undo};

/// A volume's full name in its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub vg: &'a str,
    pub lv: &'a str,
}

impl Name<'_> {
    pub fn full(self) -> String {
        format!("{}/{}", self.vg, self.lv)
    }
}

/// The tag of everything that a job makes in LVM.
pub(super) fn tag(id: &JobId) -> String {
    format!("domkeep.{id}")
}

/// A step that makes a volume. `words` say what and of what size; the last of them may be the origin.
pub(super) fn create(draft: &mut Draft, id: &JobId, says: String, why: &str, name: Name<'_>, words: &[&str]) -> usize {
    let tag = tag(id);
    // A snapshot holds what its origin held, and a pool has nothing that could be wiped: LVM refuses the option for both.
    let wipe: &[&str] = if words.contains(&"-s") || words.contains(&"thin-pool") { &[] } else { &["-Wy"] };
    let fixed = ["--addtag", tag.as_str(), "-n", name.lv];
    let all = std::iter::once(&"-y").chain(wipe).chain(&fixed).chain(words);
    let step = draft.run(says, why, Cmd::changes("lvcreate", all.copied()));
    draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: remove_made(id, name) }) });
    draft.done(step, made(id, name));
    step
}

/// Whether the job's own volume of this name is there.
pub(super) fn made(id: &JobId, name: Name<'_>) -> Check {
    selected(&name.full(), &format!("lv_tags={}", tag(id)))
}

/// Whether a size of a volume, `lv_size` or `lv_metadata_size`, has reached so many bytes.
pub(super) fn is_at_least(full_name: &str, field: &str, bytes: u64) -> Check {
    selected(full_name, &format!("{field}>={bytes}b"))
}

fn selected(full_name: &str, select: &str) -> Check {
    let select = format!("{select} && lv_full_name={full_name}");
    let cmd = Cmd::reads("lvs", ["--reportformat", "json", "--units", "b", "-o", "lv_full_name", "-S", &select]);
    Check::Says { cmd, text: format!("\"lv_full_name\":\"{full_name}\"") }
}

/// Removes the job's own volume of this name. One that somebody took a snapshot of meanwhile stays: the snapshot would go with it.
pub(super) fn remove_made(id: &JobId, name: Name<'_>) -> Cmd {
    let select = format!("lv_tags={} && lv_full_name={} && lv_attr!~^[oO]", tag(id), name.full());
    Cmd::changes("lvremove", ["-y", "-S", &select, name.vg])
}
