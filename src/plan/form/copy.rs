//! Copying one disk.

use super::answers::Answers;
use super::{Shape, as_value, field};
use crate::model::{FieldKind, Form, HostPath, Inventory, Location, Request, Subject, Wish};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let from = match subject {
        Some(Subject::Backing { path }) => Some(path.clone()),
        Some(Subject::Volume { name }) => {
            inventory.volumes.iter().find(|volume| volume.full_name() == *name).map(|volume| volume.path.clone())
        }
        Some(Subject::Disk { domain, vdev }) => inventory
            .domain(domain)
            .and_then(|domain| domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(vdev)))
            .and_then(|disk| disk.path.clone()),
        _ => None,
    };
    let fields = vec![
        field("from", "From", FieldKind::Path, "A file or a block device.")
            .required()
            .starts_as(from.as_ref().map(as_value).unwrap_or_default()),
        field("to", "To", FieldKind::Path, "A new file, or a device that is at least as large and used by nobody.").required(),
        field(
            "rate",
            "Bytes per second at most",
            FieldKind::Size,
            "Such as 50M, so that domains do not suffer. Empty: as fast as it goes.",
        ),
        field("verify", "Read it back", FieldKind::Flag, "Reads the copy once more and compares it.").starts_as("yes"),
    ];
    Form {
        wish: Wish::Copy,
        title: "Copy a disk".into(),
        teaches:
            "Copies a file or a block device. Holes are not read, zeros take no room in a new file, and what could not be read is named."
                .into(),
        fields,
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let from = answers.path("from");
    let to = answers.path("to");
    let rate = answers.size("rate");
    let verify = answers.flag("verify");
    Some(Request::Copy { from: location(from?), to: location(to?), rate, verify })
}

/// What it is by its name; the plan looks what really stands there.
fn location(path: HostPath) -> Location {
    if path.starts_with("/dev") { Location::Device { path } } else { Location::File { path } }
}
