//! A new disk in a sparse file.

use super::answers::Answers;
use super::{Shape, as_value, choice, domain_field, domain_of, field, populate, title};
use crate::model::request::{Attach, Boot, FileSystem, NewDisk};
use crate::model::{DiskKind, Domain, Field, FieldKind, Form, HostPath, Inventory, Request, Subject, Wish, bundle_names};

/// Where Xen's own documents put image files.
const USUAL_DIRECTORY: &str = "/var/lib/xen/images";
const POPULATE: populate::Words = populate::Words {
    nothing: "an empty file system",
    help: "What the new file system holds at first.",
    hostname: "Written to /etc/hostname inside the new disk. Empty: left as it is.",
    fstab: "Names the disk as / in /etc/fstab inside it, so that the guest finds its root. Its other lines stay.",
};
const SOME_DOMAIN: [&str; 2] = ["existing", "new"];

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let vdev = next_vdev(domain);
    let mut fields = vec![
        field("path", "File", FieldKind::Path, "The file that will hold the disk. It must not exist yet.")
            .required()
            .starts_as(usual_path(domain, &vdev)),
        field(
            "size",
            "Size",
            FieldKind::Size,
            "What the guest sees. The file is sparse: it takes only the room of what is written, and may be larger than what is free now.",
        )
        .required()
        .starts_as("10G"),
    ];
    fields.extend(content_fields(inventory, domain, &vdev));
    Form {
        wish: Wish::NewFileDisk,
        title: title("New disk for", domain, "a domain"),
        teaches: "Makes a file that a domain uses as a disk. The file is sparse: it shows its full size to the guest, and takes room only for what is written. Simple to move and to copy; slower under load than a logical volume.".into(),
        fields,
    }
}

/// What the disk holds and who gets it: the same questions for a file and for a volume.
pub(super) fn content_fields(inventory: &Inventory, domain: Option<&Domain>, vdev: &str) -> Vec<Field> {
    let attach = if domain.is_some() { "existing" } else { "nobody" };
    let file_systems = FileSystem::ALL.into_iter().map(|fs| {
        let help = match fs {
            FileSystem::Ext4 => "the usual one for Linux guests",
            FileSystem::Ext3 => "for guests older than 2008",
            FileSystem::Xfs => "for large files; can grow, never shrink; from 300 MiB",
            FileSystem::Btrfs => "with snapshots and checksums of its own; from 114 MiB",
            FileSystem::None => "the guest partitions and formats the disk itself",
        };
        choice(fs.as_str(), fs.as_str(), help)
    });
    let [populate, source, hostname, fstab] = populate::fields(&POPULATE);
    vec![
        field(
            "file-system",
            "File system",
            FieldKind::Choice { options: file_systems.collect() },
            "Made on the whole disk, without a partition table.",
        )
        .required()
        .starts_as("ext4"),
        field(
            "label",
            "Label",
            FieldKind::Text,
            "A name for the file system, seen by `blkid` and usable in fstab as LABEL=. May stay empty.",
        )
        .when("file-system", &["ext4", "ext3", "xfs", "btrfs"]),
        populate.when("file-system", &["ext4", "ext3", "xfs", "btrfs"]),
        source,
        hostname,
        fstab,
        field(
            "attach",
            "Give it to",
            FieldKind::Choice {
                options: vec![
                    choice("nobody", "nobody yet", "only the file is made"),
                    choice("existing", "a domain", "its configuration file gets one more disk; the old file is kept"),
                    choice("new", "a new domain", "a configuration file is written"),
                ],
            },
            "Whose configuration names the disk.",
        )
        .required()
        .starts_as(attach),
        domain_field(inventory, "Whose configuration gets the disk.", domain).when("attach", &["existing"]),
        field("config-file", "Configuration file", FieldKind::Path, "The domain's xl configuration file.")
            .required()
            .starts_as(config_of(domain))
            .when("attach", &SOME_DOMAIN),
        field("vdev", "Name in the guest", FieldKind::Text, "What the guest calls the disk: xvda is the first, xvdb the second.")
            .required()
            .starts_as(vdev.to_owned())
            .when("attach", &SOME_DOMAIN),
        field("name", "Name of the domain", FieldKind::Text, "The new domain's name. No other may have it.")
            .required()
            .when("attach", &["new"]),
        field("memory", "Memory in MiB", FieldKind::Number, "Memory of the new domain.")
            .required()
            .starts_as("1024")
            .when("attach", &["new"]),
        field("vcpus", "Virtual CPUs", FieldKind::Number, "CPUs that the new domain sees.")
            .required()
            .starts_as("1")
            .when("attach", &["new"]),
        field(
            "boot",
            "Boots by",
            FieldKind::Choice {
                options: vec![
                    choice("kernel", "a kernel of this host", "a kernel and ramdisk that lie here, outside of the disk"),
                    choice("pygrub", "pygrub", "reads the kernel and its menu from the disk; the disk must hold them"),
                    choice("hvm", "its own boot loader", "full virtualization (HVM): the disk must have a boot loader"),
                ],
            },
            "How the new domain starts.",
        )
        .required()
        .starts_as("kernel")
        .when("attach", &["new"]),
        field("kernel", "Kernel", FieldKind::Path, "A kernel image of this host.").required().when("boot", &["kernel"]),
        field("ramdisk", "Ramdisk", FieldKind::Path, "The initial ramdisk that belongs to the kernel. May stay empty.")
            .when("boot", &["kernel"]),
        field("extra", "Kernel arguments", FieldKind::Text, "Added to the kernel's command line, such as `root=/dev/xvda ro`.")
            .when("boot", &["kernel"]),
    ]
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let path = answers.path("path");
    let bytes = answers.size("size");
    read_content(answers, path, bytes).map(Request::NewFileDisk)
}

/// The disk that the answers describe, at its place; every wrong answer is told even where the place is wrong.
pub(super) fn read_content(answers: &mut Answers<'_>, path: Option<HostPath>, bytes: Option<u64>) -> Option<NewDisk> {
    let file_system = answers.choice("file-system").and_then(|name| FileSystem::ALL.into_iter().find(|fs| fs.as_str() == name));
    let label = answers.text("label");
    let populate = populate::read(answers);
    let hostname = answers.text("hostname");
    let fstab = answers.flag("fstab");
    let attach = attach(answers);
    Some(NewDisk { path: path?, bytes: bytes?, file_system: file_system?, label, populate: populate?, hostname, fstab, attach: attach? })
}

fn attach(answers: &mut Answers<'_>) -> Option<Attach> {
    let to = answers.choice("attach")?;
    if to == "nobody" {
        return Some(Attach::Nobody);
    }
    let config = answers.path("config-file");
    let vdev = answers.text("vdev");
    if to == "existing" {
        let domain = answers.choice("domain");
        return Some(Attach::Existing { domain: domain?, config: config?, vdev: vdev? });
    }
    let name = answers.text("name");
    let memory_mib = answers.number("memory", 16, 1 << 24);
    let vcpus = answers.number("vcpus", 1, 512).and_then(|number| u32::try_from(number).ok());
    let kernel = answers.path("kernel");
    let ramdisk = answers.path("ramdisk");
    let extra = answers.text("extra").unwrap_or_default();
    let boot = match answers.choice("boot")?.as_str() {
        "kernel" => Boot::Kernel { kernel: kernel?, ramdisk, extra },
        "pygrub" => Boot::Pygrub,
        _ => Boot::Hvm,
    };
    Some(Attach::New { config: config?, name: name?, vdev: vdev?, memory_mib: memory_mib?, vcpus: vcpus?, boot })
}

/// The first letter that is free, under the names that the domain's other disks have.
pub(super) fn next_vdev(domain: Option<&Domain>) -> String {
    let taken: Vec<&str> = domain.into_iter().flat_map(|domain| &domain.disks).filter_map(|disk| disk.vdev.as_deref()).collect();
    let prefix = ["xvd", "sd", "hd"].into_iter().find(|prefix| taken.iter().any(|vdev| vdev.starts_with(prefix))).unwrap_or("xvd");
    let letters = if prefix == "hd" { 'a'..='d' } else { 'a'..='p' };
    let is_free = |letter: &char| {
        let whole = format!("{prefix}{letter}");
        !taken.iter().any(|vdev| vdev.strip_prefix(whole.as_str()).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())))
    };
    letters.into_iter().find(is_free).map(|letter| format!("{prefix}{letter}")).unwrap_or_default()
}

/// Beside the domain's other image files.
fn usual_path(domain: Option<&Domain>, vdev: &str) -> String {
    let directory = domain
        .into_iter()
        .flat_map(|domain| &domain.disks)
        .filter(|disk| disk.kind == DiskKind::File && !disk.removable)
        .find_map(|disk| disk.path.as_ref()?.as_path().parent().map(HostPath::from))
        .unwrap_or_else(|| HostPath::from(USUAL_DIRECTORY));
    let name = domain.map_or_else(|| "new".to_owned(), |domain| bundle_names::component(&domain.name));
    as_value(&directory.join(format!("{name}-{vdev}.img")))
}

fn config_of(domain: Option<&Domain>) -> String {
    domain.and_then(|domain| domain.configs.first()).map(as_value).unwrap_or_default()
}
