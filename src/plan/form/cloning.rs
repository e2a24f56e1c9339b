//! Clones of a domain.

use super::answers::Answers;
use super::{Shape, choice, domain_field, domain_of, field, title};
use crate::model::cloning::{CloneHow, Cloning};
use crate::model::form::Choice;
use crate::model::{Domain, FieldKind, Form, Inventory, Request, Subject, Wish};
use crate::plan::cloning::{Way, ground, why_not};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let fields = vec![
        domain_field(inventory, "Which domain is cloned. It is best off: the clones then hold what it left, and not what it was writing.", domain),
        field("names", "Names of the clones", FieldKind::Text, "One, or several with commas: web02,web03. Disks and configurations are called after them.").required(),
        field("config-file", "Configuration file", FieldKind::Path, "Needed only when several files name the domain."),
        field("disks", "Disks", FieldKind::Text, "Such as xvda,xvdb. Empty: every disk that the domain writes to. What is only read is shared; other disks are left out of the clones."),
        field("how", "How", FieldKind::Choice { options: ways(inventory, domain) }, "None of them copies the disk. They differ in what fills up, and in what the original may still do.")
            .required()
            .starts_as(CloneHow::Suited.as_str()),
        field(
            "store",
            "Room of a classic snapshot",
            FieldKind::Size,
            "What may change, in the clone or in its original, before the clone is lost. Empty: a tenth of the original. As large as the original: it can never overflow.",
        )
        .when("how", &["suited", "classic"]),
        field("directory", "Directory", FieldKind::Path, "Where clones in files go. Empty: beside the original's file.").when("how", &["suited", "reflink", "overlay"]),
        field("inside", "Change what is inside too", FieldKind::Flag, "Gives each clone's file systems UUIDs of their own, fstab lines that name them, and the clone's name as host name: ext on a disk or in a partition, XFS and btrfs on a whole disk. Not in overlays, and not what lies in LVM.")
            .required()
            .starts_as("no"),
    ];
    Form {
        wish: Wish::Clone,
        title: title("Clone", domain, "a domain"),
        teaches: "Makes one or several domains of one, at once: their disks are snapshots, shared files or overlays, and take room only for what differs. Each gets a configuration with a name, uuid and MAC addresses of its own. The original should stay as it is, as a master.".into(),
        fields,
    }
}

fn ways(inventory: &Inventory, domain: Option<&Domain>) -> Vec<Choice> {
    let words = |how: CloneHow| match how {
        CloneHow::Suited => (
            "what suits each disk",
            "thin for thin volumes, classic for others, shared files where the file system can, overlays elsewhere",
        ),
        CloneHow::Classic => {
            ("classic LVM snapshots", "each with room for a fixed amount of changes; when that is full, the clone is lost")
        }
        CloneHow::Thin => ("thin snapshots", "as fast as the original, and independent of it; the pool must not run full"),
        CloneHow::Reflink => ("files that share blocks", "independent of the original; XFS (made with reflink=1) and btrfs only"),
        CloneHow::Overlay => ("qcow2 overlays", "on any file or volume that nobody writes to; the original must never be written to again"),
    };
    let option = |how: CloneHow| {
        let (label, help) = words(how);
        let not_here = Way::asked(how).zip(domain).and_then(|(way, domain)| not_here(way, domain, inventory));
        Choice { not_here, ..choice(how.as_str(), label, help) }
    };
    CloneHow::ALL.into_iter().map(option).collect()
}

/// Why no disk of the domain can be cloned that way; nothing: one can, or nothing is known of its disks.
fn not_here(way: Way, domain: &Domain, inventory: &Inventory) -> Option<String> {
    let writes = |disk: &&crate::model::Disk| !disk.removable && disk.mode.is_none_or(crate::model::Mode::writes);
    let mut refusals = Vec::new();
    for ground in domain.disks.iter().filter(writes).filter_map(|disk| ground(inventory, disk)) {
        refusals.push(why_not(way, ground, inventory)?);
    }
    refusals.into_iter().next().map(|refusal| refusal.fact)
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let names = answers.text("names").map(|_| answers.names("names"));
    let config = answers.path("config-file");
    let disks = answers.names("disks");
    let how = answers.choice("how").and_then(|name| CloneHow::ALL.into_iter().find(|how| how.as_str() == name));
    let store = answers.size("store");
    let directory = answers.path("directory");
    let inside = answers.flag("inside");
    Some(Request::Clone(Cloning { domain: domain?, config, names: names?, disks, how: how?, store, directory, inside }))
}
