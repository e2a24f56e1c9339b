//! A disk that exists, for a domain; and away from one.

use super::answers::Answers;
use super::{Shape, as_value, choice, config_field, domain_field, domain_of, field, new_disk, title};
use crate::model::{
    AttachDisk, DetachDisk, Disk, DiskKind, DiskSource, Domain, FieldKind, Form, HostPath, Inventory, Request, Subject, Where, Wish,
};

pub(super) fn attach(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let known = disk_of(domain, subject);
    let vdev = known.and_then(|disk| disk.vdev.clone()).unwrap_or_else(|| new_disk::next_vdev(domain));
    let fields = vec![
        domain_field(inventory, "Which domain gets the disk.", domain),
        field(
            "target",
            "Device or file",
            FieldKind::Text,
            "A partition, disk, volume or image file of this host; or what a block script makes of its argument, such as script=block-iscsi,target=iqn=...,portal=... Empty: the disk that the domain has now (for its configuration), or that its configuration names (live).",
        )
        .starts_as(target_of(subject, known)),
        field("vdev", "Name in the guest", FieldKind::Text, "What the guest calls the disk: xvda is the first, xvdb the second.")
            .required()
            .starts_as(vdev),
        field(
            "mode",
            "The guest may",
            FieldKind::Choice {
                options: vec![
                    choice("rw", "read and write", "only when nobody else has the disk: two that write to one ordinary file system destroy it"),
                    choice("ro", "only read", "several may read, as long as nobody writes meanwhile"),
                ],
            },
            "What the guest may do with it. To share files between domains, let one of them serve them by NFS, or use a cluster file system (OCFS2, GFS2).",
        )
        .required()
        .starts_as("rw"),
        where_field(domain, known),
        field(
            "format",
            "Format",
            FieldKind::Choice {
                options: vec![
                    choice("auto", "as its content says", "a device is always raw"),
                    choice("raw", "raw", "the bytes are the disk"),
                    choice("qcow2", "qcow2", "QEMU's own format"),
                    choice("vhd", "vhd", "Microsoft's older format"),
                ],
            },
            "How the bytes of an image file are to be read.",
        )
        .required()
        .starts_as("auto"),
        config_field(domain),
    ];
    Form {
        wish: Wish::Attach,
        title: title("Attach a disk to", domain, "a domain"),
        teaches: "Gives a domain a disk that exists: a partition, a disk, a volume, an image file or a network target. In the running domain, in its configuration, or both in one go: xl alone forgets at the next start what was only attached.".into(),
        fields,
    }
}

pub(super) fn detach(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let known = disk_of(domain, subject);
    let vdev = known.and_then(|disk| disk.vdev.clone()).unwrap_or_default();
    let fields = vec![
        domain_field(inventory, "Which domain loses the disk.", domain),
        field("vdev", "Name in the guest", FieldKind::Text, "What the guest calls the disk, such as xvdb. Unmount it in the guest first.")
            .required()
            .starts_as(vdev),
        where_field(domain, known),
        config_field(domain),
    ];
    Form {
        wish: Wish::Detach,
        title: title("Detach a disk from", domain, "a domain"),
        teaches: "Takes a disk away from a domain: from the running one, out of its configuration, or both. What lies on the disk stays as it is, and nothing is deleted.".into(),
        fields,
    }
}

fn where_field(domain: Option<&Domain>, known: Option<&Disk>) -> crate::model::Field {
    let options = Where::ALL.map(|place| {
        let (label, help) = match place {
            Where::Both => ("now and at every start", "in the running domain and in its configuration file"),
            Where::Live => ("now", "only in the running domain; its next start is as the configuration says"),
            Where::Config => ("from the next start on", "only in the configuration file"),
        };
        choice(place.as_str(), label, help)
    });
    let start = match known {
        // A disk of which the two sides differ: what is missing is done.
        Some(Disk { attached: true, in_config: false, .. }) => Where::Config,
        Some(Disk { attached: false, in_config: true, .. }) if domain.is_some_and(|domain| domain.power.is_present()) => Where::Live,
        _ if domain.is_some_and(|domain| domain.power.is_present()) => Where::Both,
        _ => Where::Config,
    };
    let help = "xl never writes a configuration file: what is attached only to the running domain is gone after its next shutdown.";
    field("where", "When", FieldKind::Choice { options: options.to_vec() }, help).required().starts_as(start.as_str())
}

fn disk_of<'a>(domain: Option<&'a Domain>, subject: Option<&Subject>) -> Option<&'a Disk> {
    let Some(Subject::Disk { vdev, .. }) = subject else { return None };
    domain?.disks.iter().find(|disk| disk.vdev.as_ref() == Some(vdev) && disk.kind != DiskKind::Empty)
}

/// A volume or image that one stands on. Of a domain's own disk it stays empty: that one is meant.
fn target_of(subject: Option<&Subject>, known: Option<&Disk>) -> String {
    match subject {
        Some(Subject::Volume { name }) if known.is_none() => format!("/dev/{name}"),
        Some(Subject::Backing { path }) => as_value(path),
        _ => String::new(),
    }
}

pub(super) fn read_attach(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let target = answers.text("target");
    let vdev = answers.text("vdev");
    let writes = answers.choice("mode").map(|mode| mode == "rw");
    let place = place(answers);
    let format = answers.choice("format").filter(|format| format != "auto");
    let config = answers.path("config-file");
    let (domain, vdev, writes, place) = (domain?, vdev?, writes?, place?);
    let source = match target {
        Some(text) => match source_of(&text, format) {
            Ok(source) => source,
            Err(says) => {
                answers.wrong("target", says);
                return None;
            }
        },
        None if place == Where::Config => return Some(Request::PersistDisk { domain, vdev, config }),
        None if place == Where::Live => DiskSource::Configured,
        None => {
            answers.wrong(
                "target",
                "which device or file? Only what the domain has (--where config) or its configuration names (--where live) needs no name",
            );
            return None;
        }
    };
    Some(Request::AttachDisk(AttachDisk { domain, source, vdev, writes, place, config }))
}

/// `/path`, `script=NAME,target=REST`, or xm's `iscsi:REST`, `nbd:REST`, `drbd:REST`.
fn source_of(text: &str, format: Option<String>) -> Result<DiskSource, String> {
    if text.starts_with('/') {
        return Ok(DiskSource::Path { path: HostPath::from(text), format });
    }
    let named = text.strip_prefix("script=").and_then(|rest| rest.split_once(",target="));
    let short = || {
        let (kind, rest) = text.split_once(':')?;
        matches!(kind, "iscsi" | "nbd" | "drbd").then(|| (format!("block-{kind}"), rest))
    };
    let found = named.map(|(script, rest)| (script.to_owned(), rest)).or_else(short);
    match found {
        Some((script, argument)) => Ok(DiskSource::Script { script, argument: argument.to_owned() }),
        None => Err("a whole path, or script=NAME,target=REST".into()),
    }
}

pub(super) fn read_detach(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let vdev = answers.text("vdev");
    let place = place(answers);
    let config = answers.path("config-file");
    Some(Request::DetachDisk(DetachDisk { domain: domain?, vdev: vdev?, place: place?, config }))
}

fn place(answers: &mut Answers<'_>) -> Option<Where> {
    let chosen = answers.choice("where")?;
    Where::ALL.into_iter().find(|place| place.as_str() == chosen)
}
