//! Lays a described machine out in a directory.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::content::{self, Format};
use super::describe::{self, Description};
use super::ids::{lvm_uuid, uuid};
use super::machine::{Drive, Group, LAYOUT, Machine, Mount, Node, Volume, VolumeKind};
use super::tree::Tree;
use super::{config, domains, save_image};
use crate::host::{Answer, HostError};

pub const KERNEL: &str = "6.1.0-31-amd64";
const EXTENT: u64 = super::lvm::EXTENT;

const DIRECTORIES: [&str; 22] = [
    "/boot",
    "/dev/mapper",
    "/dev/pts",
    "/etc",
    "/etc/xen/auto",
    "/etc/xen/scripts",
    "/mnt",
    "/proc/fs/nfsd",
    "/proc/self",
    "/proc/sys/kernel/random",
    "/root",
    "/run",
    "/srv",
    "/sys",
    "/tmp",
    "/usr/sbin",
    "/var/lib/nfs",
    "/var/lib/xen/dump",
    "/var/lib/xen/images",
    "/var/lib/xen/save",
    "/var/lock",
    "/var/log/xen",
];

fn wrong(what: &str, why: impl std::fmt::Display) -> HostError {
    HostError::Failed { why: format!("{what}: {why}") }
}

/// Lays out everything; the state that belongs to the tree.
pub fn lay_out(name: &str, described: &Description, tree: &Tree) -> Answer<Machine> {
    let mut machine = Machine {
        layout: LAYOUT,
        name: name.to_owned(),
        clock: described.clock,
        host: described.host.clone(),
        next_domid: 1,
        xenstore: described.xenstore.clone(),
        scripts: described.script.clone(),
        kvm: described.kvm.clone(),
        faults: Vec::new(),
        ..Machine::default()
    };
    for dir in DIRECTORIES.iter().filter(|dir| described.host.xen || !dir.contains("xen")) {
        tree.make_dir(Path::new(dir), 0o755)?;
    }
    drives(&mut machine, described);
    volumes(&mut machine, described)?;
    for node in machine.nodes() {
        make_node(tree, &node)?;
    }
    fill_drives(&machine, described, tree)?;
    fill_volumes(&machine, described, tree)?;
    mounts(&mut machine, described, tree)?;
    for image in &described.image {
        make_image(&machine, image, tree)?;
    }
    system_files(&machine, tree)?;
    for file in &described.file {
        let path = Path::new(&file.path);
        tree.make_dir(path.parent().unwrap_or(path), 0o755)?;
        tree.write(path, file.text.as_bytes(), file.mode.unwrap_or(0o644))?;
        tree.set_time(path, file.modified.unwrap_or(described.clock - chrono::Duration::days(30)))?;
    }
    for link in &described.link {
        let path = Path::new(&link.path);
        tree.make_dir(path.parent().unwrap_or(path), 0o755)?;
        tree.symlink(Path::new(&link.to), path)?;
        tree.set_time(path, described.clock - chrono::Duration::days(30))?;
    }
    for save in &described.save {
        make_save(&machine, save, tree)?;
    }
    for domain in &described.domain {
        run_domain(&mut machine, domain, tree)?;
    }
    Ok(machine)
}

fn drives(machine: &mut Machine, described: &Description) {
    for drive in &described.drive {
        machine.drives.push(Drive {
            name: drive.name.clone(),
            major: drive.numbers.0,
            minor: drive.numbers.1,
            bytes: drive.size,
            of: drive.of.clone(),
            fs: drive.fs.clone(),
            label: drive.label.clone(),
            uuid: drive.fs.as_ref().map(|_| uuid(&format!("{}/{}", machine.name, drive.name))),
        });
    }
}

fn volumes(machine: &mut Machine, described: &Description) -> Answer<()> {
    for group in &described.group {
        let seed = format!("{}/{}", machine.name, group.name);
        machine.groups.push(Group {
            name: group.name.clone(),
            uuid: lvm_uuid(&seed),
            drive: group.drive.clone(),
            drive_uuid: lvm_uuid(&format!("{seed}/drive")),
            tags: Vec::new(),
            volumes: Vec::new(),
        });
        let mut thin_id = 0;
        for volume in &group.volume {
            let made = make_volume(machine, group, volume, &mut thin_id)?;
            if let Some(own) = machine.groups.last_mut() {
                own.volumes.push(made);
            }
        }
    }
    Ok(())
}

fn make_volume(machine: &mut Machine, group: &describe::Group, volume: &describe::Volume, thin_id: &mut u32) -> Answer<Volume> {
    let origin_bytes = volume.origin.as_ref().and_then(|origin| machine.volume(&group.name, origin)).map(|origin| origin.bytes);
    let bytes = volume.size.or(origin_bytes).ok_or_else(|| wrong(&volume.name, "a volume without a size"))?.next_multiple_of(EXTENT);
    let kind = match volume {
        describe::Volume { pool_metadata: Some(metadata), .. } => VolumeKind::Pool {
            metadata: metadata.next_multiple_of(EXTENT),
            tmeta: machine.take_minor(),
            tdata: machine.take_minor(),
            tpool: machine.take_minor(),
        },
        describe::Volume { pool: Some(pool), origin, mapped, .. } => {
            *thin_id += 1;
            VolumeKind::Thin { pool: pool.clone(), origin: origin.clone(), id: *thin_id, mapped: mapped.unwrap_or(0) }
        }
        describe::Volume { origin: Some(origin), store: Some(store), used, .. } => {
            let store = store.next_multiple_of(EXTENT);
            let used = used.unwrap_or(0).min(store);
            // The origin's first snapshot puts a layer below it.
            let layered = machine.volume(&group.name, origin).is_some_and(|origin| origin.layer.is_some());
            if !layered {
                let layer = machine.take_minor();
                if let Some(origin) = machine.volume_mut(&group.name, origin) {
                    origin.layer = Some(layer);
                }
            }
            VolumeKind::Snapshot { origin: origin.clone(), store, used, invalid: used == store }
        }
        _ => VolumeKind::Linear,
    };
    let layer = matches!(kind, VolumeKind::Snapshot { .. }).then(|| machine.take_minor());
    Ok(Volume {
        name: volume.name.clone(),
        uuid: lvm_uuid(&format!("{}/{}/{}", machine.name, group.name, volume.name)),
        bytes,
        kind,
        minor: (!volume.inactive).then(|| machine.take_minor()),
        layer,
        created: volume.created,
        tags: volume.tags.clone(),
    })
}

/// A block device: underneath a sparse file of its size, with the links that udev makes.
pub fn make_node(tree: &Tree, node: &Node) -> Answer<()> {
    // A command that was killed may have left it: the state, which is written last, knows nothing of it.
    remove_node(tree, node)?;
    tree.create(&Path::new("/dev").join(&node.kname), node.bytes, 0o660)?;
    let target = format!("../{}", node.kname);
    if let Some(mapper) = &node.mapper {
        tree.symlink(Path::new(&target), &Path::new("/dev/mapper").join(mapper))?;
    }
    if let Some(volume) = &node.volume {
        let link = Path::new("/dev").join(volume);
        tree.make_dir(link.parent().unwrap_or(&link), 0o755)?;
        tree.symlink(Path::new(&target), &link)?;
    }
    Ok(())
}

pub fn remove_node(tree: &Tree, node: &Node) -> Answer<()> {
    tree.unlink_if_there(&Path::new("/dev").join(&node.kname))?;
    if let Some(mapper) = &node.mapper {
        tree.unlink_if_there(&Path::new("/dev/mapper").join(mapper))?;
    }
    match &node.volume {
        Some(volume) => tree.unlink_if_there(&Path::new("/dev").join(volume)),
        None => Ok(()),
    }
}

fn fill_drives(machine: &Machine, described: &Description, tree: &Tree) -> Answer<()> {
    for drive in &described.drive {
        if let Some(format) = &drive.format {
            let mut file = tree.open_file(&Path::new("/dev").join(&drive.name), true)?;
            put_format(&mut file, format, drive.size, &format!("{}/{}", machine.name, drive.name))?;
        }
    }
    Ok(())
}

fn fill_volumes(machine: &Machine, described: &Description, tree: &Tree) -> Answer<()> {
    for group in &described.group {
        for volume in &group.volume {
            // A snapshot holds what its origin held; the machines' descriptions may say how that differed.
            let origin = volume.origin.as_ref().and_then(|origin| group.volume.iter().find(|other| other.name == *origin));
            let format = volume.format.as_ref().or_else(|| origin.and_then(|origin| origin.format.as_ref()));
            let seed = format!("{}/{}/{}", machine.name, group.name, volume.origin.as_ref().unwrap_or(&volume.name));
            let laid = machine.volume(&group.name, &volume.name);
            if let (Some(format), Some(Volume { minor: Some(minor), bytes, .. })) = (format, laid) {
                let mut file = tree.open_file(Path::new(&format!("/dev/dm-{minor}")), true)?;
                put_format(&mut file, format, *bytes, &seed)?;
                put_data(&mut file, 16 << 10, *bytes, &seed)?;
            }
        }
    }
    Ok(())
}

fn put_format(file: &mut std::fs::File, format: &Format, bytes: u64, seed: &str) -> Answer<()> {
    for (at, piece) in content::pieces(format, bytes, seed) {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&piece)?;
    }
    Ok(())
}

/// Bytes that can be told from each other and from zeros, in pieces over the disk.
fn put_data(file: &mut std::fs::File, length: u64, bytes: u64, seed: &str) -> Answer<()> {
    const PIECE: u64 = 64 << 10;
    let pieces = length.div_ceil(PIECE).max(1);
    let step = (bytes.saturating_sub(1 << 20) / pieces) & !(PIECE - 1);
    let hash = blake3::hash(seed.as_bytes());
    let mut left = length;
    for piece in 0..pieces {
        let count = left.min(PIECE);
        left -= count;
        let at = (1 << 20) + piece * step.max(PIECE);
        if at.saturating_add(count) > bytes {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&hash.as_bytes().repeat(usize::try_from(count / 32).unwrap_or(0)))?;
    }
    Ok(())
}

fn mounts(machine: &mut Machine, described: &Description, tree: &Tree) -> Answer<()> {
    let mut anonymous = 20;
    for mount in &described.mount {
        tree.make_dir(Path::new(&mount.at), 0o755)?;
        let real = tree.resolve(Path::new(&mount.source)).ok();
        let node = real.and_then(|real| machine.node(real.strip_prefix("/dev").ok()?.to_str()?));
        let (major, minor) = match (&node, mount.source.starts_with('/')) {
            (Some(node), _) => (node.major, node.minor),
            (None, true) => return Err(wrong(&mount.source, "a mount of a device that is not there")),
            (None, false) => {
                anonymous += 1;
                (0, anonymous)
            }
        };
        machine.mounts.push(Mount {
            source: mount.source.clone(),
            at: mount.at.clone(),
            fs: mount.fs.clone(),
            major,
            minor,
            read_only: mount.read_only,
            bytes: mount.size.unwrap_or(0),
            free: mount.free.unwrap_or(0),
        });
    }
    Ok(())
}

fn make_image(machine: &Machine, image: &describe::Image, tree: &Tree) -> Answer<()> {
    let path = Path::new(&image.path);
    tree.make_dir(path.parent().unwrap_or(path), 0o755)?;
    let seed = format!("{}{}", machine.name, image.path);
    if image.qcow2 {
        tree.write(path, &content::qcow2(image.size, image.backing.as_deref()), 0o644)?;
    } else {
        let mut file = tree.create(path, image.size, 0o644)?;
        if let Some(format) = &image.format {
            put_format(&mut file, format, image.size, &seed)?;
        }
        if let Some(data) = image.data {
            put_data(&mut file, data, image.size, &seed)?;
        }
    }
    tree.set_time(path, image.modified)
}

fn system_files(machine: &Machine, tree: &Tree) -> Answer<()> {
    let mut info = String::new();
    let mut mounts = String::new();
    for (at, mount) in machine.mounts.iter().enumerate() {
        let mode = if mount.read_only { "ro" } else { "rw" };
        let id = 22 + at;
        let parent = if at == 0 { 1 } else { 22 };
        let Mount { source, at: point, fs, major, minor, .. } = mount;
        let point = point.replace(' ', "\\040");
        info.push_str(&format!("{id} {parent} {major}:{minor} / {point} {mode},relatime shared:{} - {fs} {source} {mode}\n", at + 1));
        mounts.push_str(&format!("{source} {point} {fs} {mode},relatime 0 0\n"));
    }
    let mut swaps = String::from("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    for drive in machine.drives.iter().filter(|drive| drive.fs.as_deref() == Some("swap")) {
        let name = format!("/dev/{}", drive.name);
        swaps.push_str(&format!("{name:<40}partition\t{}\t\t0\t\t-2\n", (drive.bytes / 1024).saturating_sub(4)));
    }
    let kernel = format!("{KERNEL}\n");
    let release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
                   VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n\
                   SUPPORT_URL=\"https://www.debian.org/support\"\nBUG_REPORT_URL=\"https://bugs.debian.org/\"\n";
    let host = format!("{}\n", machine.host.name);
    let files: [(&str, &str); 12] = [
        ("/proc/self/mountinfo", &info),
        ("/proc/self/mounts", &mounts),
        ("/proc/swaps", &swaps),
        ("/proc/cmdline", "placeholder root=/dev/sda2 ro console=tty0 console=hvc0\n"),
        ("/proc/sys/kernel/osrelease", &kernel),
        ("/proc/sys/kernel/hostname", &host),
        ("/proc/sys/kernel/random/boot_id", "4b0f0a52-7c1e-4d8f-9a53-6e2f1f0c9b11\n"),
        ("/proc/uptime", "950400.12 3801600.34\n"),
        ("/proc/fs/nfsd/threads", "8\n"),
        ("/etc/exports", "# /etc/exports: the access control list for filesystems which may be exported to NFS clients. See exports(5).\n"),
        ("/etc/hostname", &host),
        ("/etc/os-release", release),
    ];
    for (path, text) in files {
        tree.write(Path::new(path), text.as_bytes(), 0o644)?;
    }
    tree.symlink(Path::new("self/mounts"), Path::new("/proc/mounts"))?;
    if !machine.host.xen {
        return Ok(());
    }
    for path in ["/var/lib/xen/images/vmlinuz", "/var/lib/xen/images/initrd.gz"] {
        tree.write(Path::new(path), b"(an empty kernel of the demo machine)\n", 0o644)?;
        tree.set_time(Path::new(path), machine.clock - chrono::Duration::days(90))?;
    }
    for script in ["block", "vif-bridge"] {
        tree.write(&Path::new("/etc/xen/scripts").join(script), b"#!/bin/sh\nexit 0\n", 0o755)?;
    }
    tree.make_dir(Path::new("/proc/xen"), 0o755)?;
    tree.write(Path::new("/proc/xen/capabilities"), b"control_d\n", 0o444)?;
    let dom0 = "/var/lib/xen/userdata-d.0.00000000-0000-0000-0000-000000000000.libxl-json";
    tree.write(Path::new(dom0), DOM0, 0o600)
}

const DOM0: &[u8] = b"{\n    \"c_info\": {\n        \"type\": \"pv\",\n        \"name\": \"Domain-0\"\n    },\n    \"b_info\": {\n        \
                      \"sched_params\": {\n\n        },\n        \"type.pv\": {\n\n        },\n        \"arch_arm\": {\n\n        },\n        \
                      \"arch_x86\": {\n\n        }\n    }\n}\n\0";

/// The guest of a config on the machine.
fn guest_of(machine: &Machine, tree: &Tree, file: &str, overrides: &[String]) -> Answer<super::guest::Guest> {
    let text = tree.read(Path::new(file)).map_err(|error| wrong(file, error))?;
    let mut settings = config::read(&String::from_utf8_lossy(&text), file).map_err(|why| wrong(file, why))?;
    for text in overrides {
        config::override_with(&mut settings, text, file).map_err(|why| wrong(file, why))?;
    }
    config::guest(&settings, file, &machine.name).map_err(|why| wrong(file, why))
}

fn make_save(machine: &Machine, save: &describe::SaveImage, tree: &Tree) -> Answer<()> {
    let guest = guest_of(machine, tree, &save.config, &save.overrides)?;
    write_save(tree, Path::new(&save.path), &guest, save.mode.unwrap_or(0o644), save.saved)?;
    if let Some(cut) = save.cut {
        tree.open_file(Path::new(&save.path), true)?.set_len(cut)?;
        tree.set_time(Path::new(&save.path), save.saved)?;
    }
    Ok(())
}

/// Writes a save image over what may stand there, as `xl save` does; the length of its config's record.
pub fn write_save(tree: &Tree, path: &Path, guest: &super::guest::Guest, mode: u32, saved: DateTime<Utc>) -> Answer<usize> {
    let mut file = if tree.exists(path) {
        let file = tree.open_file(path, true)?;
        file.set_len(0)?;
        file
    } else {
        tree.create(path, 0, mode)?
    };
    let length = save_image::write(&mut file, guest)?;
    tree.set_time(path, saved)?;
    Ok(length)
}

fn run_domain(machine: &mut Machine, domain: &describe::Domain, tree: &Tree) -> Answer<()> {
    let mut guest = guest_of(machine, tree, &domain.config, &domain.overrides)?;
    if let Some(name) = &domain.name {
        guest.name.clone_from(name);
    }
    let started = domains::start(machine, tree, &guest, domain.power, domain.started);
    let domid = started.map_err(|trouble| wrong(&guest.name, format!("{trouble:?}")))?;
    for spec in &domain.attached {
        let disk = config::disk(spec).map_err(|why| wrong(spec, why))?;
        domains::attach(machine, tree, domid, &disk).map_err(|trouble| wrong(spec, format!("{trouble:?}")))?;
    }
    if let Some(running) = machine.domain_mut(domid) {
        running.cpu_seconds = domain.cpu_seconds;
    }
    domains::write_userdata(machine, tree, domid)
}
