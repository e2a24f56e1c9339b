//! Volumes: a new one, another place for a disk, more room.

use super::answers::Answers;
use super::{Shape, choice, domain_field, domain_of, field, new_disk, title};
use crate::model::volumes::{DiskPlace, Grow, MoveDisk, NewSize, NewVolume, ThinPool, Wipe};
use crate::model::{FieldKind, Form, HostPath, Inventory, Request, Subject, Wish, bundle_names};

pub(super) fn new_form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let vdev = new_disk::next_vdev(domain);
    let group = inventory.volume_groups.iter().max_by_key(|group| group.free).map(|group| group.name.as_str()).unwrap_or_default();
    let name = domain.map_or_else(|| "new".to_owned(), |domain| bundle_names::component(&domain.name));
    let suggested = if group.is_empty() { String::new() } else { format!("{group}/{name}-{vdev}") };
    let mut fields = vec![
        field(
            "volume",
            "Volume",
            FieldKind::Text,
            "GROUP/NAME: the volume group it takes its room from, and its name in it. The name must be free.",
        )
        .required()
        .starts_as(suggested),
        field("size", "Size", FieldKind::Size, "What the guest sees. LVM rounds it up to whole extents.").required().starts_as("10G"),
        field(
            "device",
            "Disk for the group",
            FieldKind::Path,
            "A partition, disk or loop device with nothing on it. A group that is not there yet is made on it; one that is full gets it as more room. Empty: the group has room.",
        ),
        field(
            "thin-pool",
            "Thin pool",
            FieldKind::Text,
            "A thin volume takes blocks from this pool only when they are written, and has cheap snapshots. Empty: a linear volume, which has all \
             its room from the first moment.",
        ),
        field(
            "pool-size",
            "Make the pool of",
            FieldKind::Size,
            "Only where the pool is not there yet: how much data it can hold. Its metadata is added. Empty: the pool is there.",
        ),
        field(
            "wipe",
            "What old volumes left",
            FieldKind::Choice {
                options: vec![
                    choice(
                        "zeros",
                        "is overwritten with zeros",
                        "sure; takes as long as a copy of that size, or a moment on disks that can do it",
                    ),
                    choice(
                        "leave",
                        "stays until it is overwritten",
                        "fast; the guest can read what an old guest wrote. Only for disks that never held anything",
                    ),
                ],
            },
            "LVM gives blocks out as the volumes before left them. A thin pool gives them out as zeros by itself.",
        )
        .required()
        .starts_as("zeros"),
    ];
    fields.extend(new_disk::content_fields(inventory, domain, &vdev));
    Form {
        wish: Wish::NewVolume,
        title: title("New volume for", domain, "a domain"),
        teaches: "Makes a logical volume that a domain uses as a disk, and the volume group or thin pool below it where there is none yet. Faster than a file, can grow while it is used, and can be frozen in a snapshot.".into(),
        fields,
    }
}

pub(super) fn read_new(answers: &mut Answers<'_>) -> Option<Request> {
    let named = volume(answers, "volume");
    let device = answers.path("device");
    let pool = answers.text("thin-pool");
    let pool_size = if answers.text("pool-size").is_some() { answers.size("pool-size") } else { None };
    if pool.is_none() && pool_size.is_some() {
        answers.wrong("thin-pool", "needs the pool's name");
        return None;
    }
    let wipe = if answers.choice("wipe")? == "leave" { Wipe::Leave } else { Wipe::Zeros };
    let path = named.as_ref().map(|(group, name)| HostPath::from(format!("/dev/{group}/{name}").as_str()));
    let bytes = answers.size("size");
    let disk = new_disk::read_content(answers, path, bytes);
    let (group, name) = named?;
    let pool = pool.map(|name| ThinPool { name, make: pool_size });
    Some(Request::NewVolume(Box::new(NewVolume { group, device, name, pool, wipe, disk: disk? })))
}

/// `GROUP/NAME`, with or without /dev/ before it.
fn volume(answers: &mut Answers<'_>, key: &str) -> Option<(String, String)> {
    let text = answers.text(key)?;
    if let Some(named) = split(&text) {
        Some(named)
    } else {
        answers.wrong(key, "a volume group and a name, as vg0/web01");
        None
    }
}

fn split(text: &str) -> Option<(String, String)> {
    let (group, name) = text.strip_prefix("/dev/").unwrap_or(text).split_once('/')?;
    let whole = !group.is_empty() && !name.is_empty() && !name.contains('/') && group != "mapper";
    whole.then(|| (group.to_owned(), name.to_owned()))
}

pub(super) fn move_form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let vdev = match subject {
        Some(Subject::Disk { vdev, .. }) => vdev.clone(),
        _ => domain.into_iter().flat_map(|domain| &domain.disks).find_map(|disk| disk.vdev.clone()).unwrap_or_default(),
    };
    let fields = vec![
        domain_field(inventory, "It must be off.", domain),
        field("vdev", "Disk", FieldKind::Text, "As the guest calls it, such as xvda.").required().starts_as(vdev),
        field(
            "to",
            "Its new place",
            FieldKind::Text,
            "A file, as /srv/xen/web01.img, or a volume, as vg0/web01. It must not be there yet.",
        )
        .required(),
        field(
            "thin-pool",
            "Thin pool",
            FieldKind::Text,
            "For a volume: a thin one in this pool, which must be there. Empty: a linear one.",
        ),
        field("config-file", "Configuration file", FieldKind::Path, "Where several files name the domain: the one that it starts from."),
        field("rate", "At most", FieldKind::Size, "Bytes per second, as 50M. Empty: as fast as it goes."),
    ];
    Form {
        wish: Wish::MoveDisk,
        title: title("Move a disk of", domain, "a domain"),
        teaches: "Copies a disk of a domain that is off into a new volume or a new file, compares, and lets the configuration name the new place. The old disk stays until you remove it.".into(),
        fields,
    }
}

pub(super) fn read_move(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let vdev = answers.text("vdev");
    let to = answers.text("to");
    let pool = answers.text("thin-pool");
    let config = answers.path("config-file");
    let rate = if answers.text("rate").is_some() { answers.size("rate") } else { None };
    let to = to?;
    let place = if to.starts_with('/') && !to.starts_with("/dev/") {
        DiskPlace::File { path: HostPath::from(to.as_str()) }
    } else if let Some((group, name)) = split(&to) {
        DiskPlace::Volume { group, name, pool: pool.clone() }
    } else {
        answers.wrong("to", "a whole path, or a volume group and a name, as vg0/web01");
        return None;
    };
    if pool.is_some() && matches!(place, DiskPlace::File { .. }) {
        answers.wrong("thin-pool", "a file has none; give a volume as the new place");
        return None;
    }
    Some(Request::MoveDisk(MoveDisk { domain: domain?, vdev: vdev?, config, to: place, rate }))
}

pub(super) fn grow_form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let target = match subject {
        Some(Subject::Volume { name }) => name.clone(),
        Some(Subject::Backing { path }) => super::as_value(path),
        Some(Subject::Disk { domain, vdev }) => {
            let disks = inventory.domain(domain).into_iter().flat_map(|domain| &domain.disks);
            disks
                .filter(|disk| disk.vdev.as_ref() == Some(vdev))
                .find_map(|disk| disk.path.as_ref())
                .map(super::as_value)
                .unwrap_or_default()
        }
        _ => String::new(),
    };
    let fields = vec![
        field("target", "Grow", FieldKind::Text, "A volume, snapshot or thin pool as vg0/web01, or an image file with its whole path.")
            .required()
            .starts_as(target),
        field("by", "By", FieldKind::Size, "How much is added, as 5G. Leave it empty to give the new size."),
        field("to", "To", FieldKind::Size, "The new size, as 20G. Leave it empty to say how much is added."),
        field(
            "inside",
            "The file system too",
            FieldKind::Flag,
            "Grows ext, XFS or btrfs on the disk, or in its last partition, and the partition with it. A domain that runs does it itself; what it must run is said.",
        )
        .required()
        .starts_as("yes"),
        field("metadata", "A pool's metadata", FieldKind::Flag, "Of a thin pool: more room for its metadata, not for data.")
            .required()
            .starts_as("no"),
        field(
            "device",
            "Disk for its group",
            FieldKind::Path,
            "Only where the volume group has no room: a partition, disk or loop device with nothing on it, which joins the group first.",
        ),
    ];
    Form {
        wish: Wish::Grow,
        title: "Grow a disk, snapshot or pool".into(),
        teaches: "Gives a volume, a snapshot's store, a thin pool or an image file more room, and the file system on it where that can be done from here. Nothing is ever made smaller.".into(),
        fields,
    }
}

pub(super) fn read_grow(answers: &mut Answers<'_>) -> Option<Request> {
    let target = answers.text("target");
    let given = (answers.text("by").is_some(), answers.text("to").is_some());
    let size = match given {
        (true, false) => answers.size("by").map(NewSize::By),
        (false, true) => answers.size("to").map(NewSize::To),
        _ => {
            answers.wrong("by", "give either how much is added (by), or the new size (to)");
            None
        }
    };
    let inside = answers.flag("inside");
    let metadata = answers.flag("metadata");
    let device = answers.path("device");
    Some(Request::Grow(Grow { target: target?, size: size?, inside, metadata, device }))
}
