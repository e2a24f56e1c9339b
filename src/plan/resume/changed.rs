//! A save image whose disks were changed since: what can be done then.

use crate::model::saved::{ChangedDisk, SavedDisks};
use crate::model::{Action, Check, Cmd, Domain, HostPath, LogicalVolume, Lvm, Save, Stands, Undo, cmd::shell_word};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, if_known, no};
use crate::plan::{Setting, domains, lvm_now, paths, rolling_back, text};

/// Nothing is resumed; and every way out that there is.
pub(super) fn refuse<T>(facts: &Facts<'_>, save: &Save, disks: &SavedDisks, name: &str) -> Go<T> {
    let said: Vec<String> = disks.changed.iter().map(|disk| format!("{}: {}", disk.path, disk.why)).collect();
    let again = format!("domkeep resume {}", shell_word(&text(&save.path)));
    let mut ways = vec![format!("`{again} --if-changed boot` keeps the image aside and boots {name}, as after a power cut")];
    let rolls = disks.changed.iter().all(|disk| disk.snapshot.is_some());
    if rolls && if_known(roll_backs(facts, disks))?.is_some() {
        ways.push(format!("`{again} --if-changed roll-back` brings the disks back to the snapshots that were taken with it, and resumes"));
    }
    ways.push(format!("`{again} --if-changed resume` resumes all the same, and destroys their file systems"));
    no("disks-changed", format!("the disks of {name} are not what they were when it was saved: {}", said.join("; ")), ways.join("; "))
}

/// The image goes aside, and the domain boots from its configuration.
pub(super) fn boot(draft: &mut Draft, facts: &Facts<'_>, setting: &Setting, save: &Save, domain: &Domain) -> Go<()> {
    let config = domains::config(facts, domain, domain.likely_config.as_ref().filter(|_| domain.configs.is_empty()))?;
    paths::check(&config.path)?;
    domains::can_get_disks(facts.inventory(), domain, &config.disks)?;
    let kept = aside(&save.path, setting);
    let record = crate::model::saved::record_of(&save.path);
    facts.want([&kept, &record].map(|path| crate::model::Question::Place { path: path.clone() }))?;
    if facts.place(&kept)?.stands != Stands::Nothing {
        return no("exists", format!("{kept} is there already"), "move it away first");
    }
    draft.title(format!("Boot {}, and keep its save image aside", domain.name));
    draft.step(
        format!("Keep the save image as {kept}"),
        "Nothing is deleted. It can only be resumed over the disks as they were when it was written: from a backup of that moment.",
        Action::Rename { from: save.path.clone(), to: kept.clone(), expect: save.inode },
    );
    if let Some(inode) = facts.place(&record)?.inode {
        draft.step(
            "Keep what was written down of its disks beside it",
            "It belongs to the image.",
            Action::Rename { from: record, to: crate::model::saved::record_of(&kept), expect: Some(inode) },
        );
    }
    let step = draft.run(
        format!("Boot {} from {}", domain.name, config.path),
        "A fresh start, as after a power cut: what was only in its memory is lost.",
        Cmd::changes("xl", ["create".to_owned(), text(&config.path)]),
    );
    let there = Check::DomainPresent { name: domain.name.clone() };
    draft.done(step, there.clone());
    draft
        .undo(step, Undo::Impossible { why: "a domain that was booted has written to its disks; shut it down if it is not wanted".into() });
    draft.assume(format!("{} is not there", domain.name), there.negated(), Some(step));
    Ok(())
}

/// Beside it, and nowhere where the host resumes it at its next boot.
fn aside(image: &HostPath, setting: &Setting) -> HostPath {
    let kept = paths::before(image, &setting.id);
    if !paths::is_started_at_boot(&kept) {
        return kept;
    }
    let above = paths::parent(&paths::parent(&kept));
    kept.as_path().file_name().map_or_else(|| kept.clone(), |name| above.join(HostPath::from(std::path::Path::new(name))))
}

/// Each changed disk and the snapshot of the moment of the save.
fn roll_backs<'a>(facts: &Facts<'a>, disks: &SavedDisks) -> Go<Vec<(&'a LogicalVolume, &'a LogicalVolume)>> {
    let lvm = lvm_now::look(facts, &["lvconvert"])?;
    disks.changed.iter().map(|disk| roll_back_of(lvm, disk)).collect()
}

fn roll_back_of<'a>(lvm: &'a Lvm, disk: &ChangedDisk) -> Go<(&'a LogicalVolume, &'a LogicalVolume)> {
    let none = |why: &str| {
        no(
            "no-snapshot",
            format!("{} cannot be rolled back: {why}", disk.path),
            "choose another way: --if-changed boot; or bring the disks back from a backup of that moment",
        )
    };
    let Some(name) = &disk.snapshot else { return none("no snapshot was taken of it with the save") };
    let Some(snapshot) = lvm_now::volume_named(lvm, name) else { return none("its snapshot is gone") };
    let origin = rolling_back::origin(lvm, snapshot)?;
    if disk.volume.as_ref() != Some(&origin.full_name()) {
        return none("the snapshot of that name is another volume's");
    }
    Ok((origin, snapshot))
}

/// Merges the snapshots of the changed disks, and looks whether the bytes are back.
pub(super) fn roll_back(draft: &mut Draft, facts: &Facts<'_>, save: &Save, disks: &SavedDisks, name: &str) -> Go<()> {
    let pairs = roll_backs(facts, disks)?;
    for (origin, snapshot) in &pairs {
        rolling_back::unused(facts, origin)?;
        draft.confirm(
            name,
            &format!(
                "What was written to {} since the save is lost, and {} is used up. There is no way back.",
                origin.full_name(),
                snapshot.full_name()
            ),
        );
    }
    for (origin, snapshot) in pairs {
        rolling_back::steps(draft, origin, snapshot);
    }
    draft.step(
        "Look whether the disks are those of the save again",
        "By their sizes and by samples of their bytes.",
        Action::WaitFor { check: Check::DisksAsSaved { image: save.path.clone(), bytes_only: true }, limit_seconds: 0 },
    );
    Ok(())
}
