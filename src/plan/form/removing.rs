//! Removing a snapshot, clone or disk, and rolling an origin back.

use super::answers::Answers;
use super::{Shape, as_value, choice, field};
use crate::model::cloning::Removing;
use crate::model::{FieldKind, Form, Inventory, LogicalVolume, Request, Subject, Wish};

pub(super) fn remove(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let thing = match subject {
        Some(Subject::Volume { name }) => name.clone(),
        Some(Subject::Backing { path }) => as_value(path),
        Some(Subject::Disk { domain, vdev }) => inventory
            .domain(domain)
            .and_then(|domain| domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(vdev)))
            .and_then(|disk| disk.path.as_ref())
            .map(as_value)
            .unwrap_or_default(),
        _ => String::new(),
    };
    let fields = vec![
        field("things", "What", FieldKind::Text, "A volume or snapshot as VG/LV, or a disk's file; several with commas.")
            .required()
            .starts_as(thing),
        field(
            "config-file",
            "Configuration that goes too",
            FieldKind::Path,
            "For a clone that is not wanted any more: its configuration is set aside, and no longer counts as somebody who needs the disks. May stay empty.",
        ),
    ];
    Form {
        wish: Wish::Remove,
        title: "Remove a disk".into(),
        teaches: "Removes a snapshot, a clone's disks, a volume or a disk file, after a look at everything that depends on it: domains, configurations, save images, snapshots, overlays, backups. While something does, nothing is removed.".into(),
        fields,
    }
}

pub(super) fn read_remove(answers: &mut Answers<'_>) -> Option<Request> {
    let things = answers.text("things").map(|_| answers.names("things"));
    let config = answers.path("config-file");
    Some(Request::Remove(Removing { things: things?, config }))
}

pub(super) fn roll_back(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let options: Vec<_> = inventory.volumes.iter().filter(|volume| !volume.hidden).filter_map(snapshot).collect();
    let chosen = match subject {
        Some(Subject::Volume { name }) if options.iter().any(|option| option.value == *name) => name.clone(),
        _ => String::new(),
    };
    let kind = if options.is_empty() { FieldKind::Text } else { FieldKind::Choice { options } };
    let fields = vec![
        field("snapshot", "Snapshot", kind, "The snapshot whose state its origin gets back. It is used up by that.")
            .required()
            .starts_as(chosen),
    ];
    Form {
        wish: Wish::RollBack,
        title: "Roll a volume back".into(),
        teaches: "A volume becomes again what it was when a snapshot of it was taken; what was written since is lost. The domain must be off: LVM would otherwise wait with it until the volume is opened the next time, perhaps at the next boot.".into(),
        fields,
    }
}

fn snapshot(volume: &LogicalVolume) -> Option<crate::model::form::Choice> {
    let origin = volume.origin.as_ref()?;
    let when = volume.created.map_or_else(String::new, |at| format!(", {}", at.format("%Y-%m-%d %H:%M UTC")));
    let not_here = volume.invalid.then(|| "it overflowed: what it held is lost".to_owned());
    Some(crate::model::form::Choice { not_here, ..choice(&volume.full_name(), &volume.full_name(), &format!("of {origin}{when}")) })
}

pub(super) fn read_roll_back(answers: &mut Answers<'_>) -> Option<Request> {
    Some(Request::RollBack { snapshot: answers.choice("snapshot")? })
}
