//! Domains come and go: what starting one checks and what it leaves on the machine.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::content::{Deed, do_to_superblock};
use super::guest::{Guest, GuestDisk, Plight, userdata};
use super::machine::{Domain, Loop, Machine, Power};
use super::tree::Tree;
use crate::host::{Answer, HostError};

/// Why xl would not start a domain or attach a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    NameTaken,
    NoMemory,
    NoKernel(String),
    DiskMissing {
        vdev: String,
        path: String,
    },
    /// The kernel backend's script found another user of the device.
    DiskTaken {
        device: String,
        by_dom0: bool,
    },
    Host(HostError),
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

/// Starts a domain; its new domid.
pub fn start(machine: &mut Machine, tree: &Tree, guest: &Guest, power: Power, started: DateTime<Utc>) -> Result<u32, Trouble> {
    let domid = machine.next_domid;
    // xl gives the number away even when nothing comes of it.
    machine.next_domid = machine.next_domid.saturating_add(1);
    if machine.domains.iter().any(|domain| domain.guest.name == guest.name) || guest.name == "Domain-0" {
        return Err(Trouble::NameTaken);
    }
    let taken: u64 = machine.domains.iter().map(|domain| domain.guest.memory_mib).sum();
    if guest.memory_mib.saturating_add(taken).saturating_add(machine.host.dom0_mib) > machine.host.memory_mib {
        return Err(Trouble::NoMemory);
    }
    for disk in guest.disks.iter().filter(|disk| !disk.path.is_empty() && disk.script.is_none()) {
        if !tree.exists(Path::new(&disk.path)) {
            return Err(Trouble::DiskMissing { vdev: disk.vdev.clone(), path: disk.path.clone() });
        }
    }
    for path in guest.kernel.iter().chain(&guest.ramdisk) {
        if guest.kind != "hvm" && !tree.exists(Path::new(path)) {
            return Err(Trouble::NoKernel(path.clone()));
        }
    }
    let bare = Guest { disks: Vec::new(), ..guest.clone() };
    machine.domains.push(Domain { domid, guest: bare, power, started, cpu_seconds: 0.0, unborn: false });
    for disk in &guest.disks {
        if let Err(trouble) = attach(machine, tree, domid, disk) {
            stop(machine, tree, domid)?;
            return Err(trouble);
        }
    }
    write_userdata(machine, tree, domid)?;
    Ok(domid)
}

/// Gives a domain a disk, as the kernel backend's script and QEMU would.
pub fn attach(machine: &mut Machine, tree: &Tree, domid: u32, disk: &GuestDisk) -> Result<(), Trouble> {
    let kind = machine.domains.iter().find(|domain| domain.domid == domid).map(|domain| domain.guest.kind.clone()).unwrap_or_default();
    if !disk.path.is_empty() {
        let Ok(real) = tree.resolve(&machine.source(disk)) else {
            return Err(Trouble::DiskMissing { vdev: disk.vdev.clone(), path: disk.path.clone() });
        };
        if disk.backend(&kind) == "phy" {
            match node_name(&real).and_then(|kname| machine.node(kname)) {
                // Only Xen's own script looks for other users.
                Some(_) if disk.script.is_some() => {}
                Some(node) => taken(machine, tree, disk, &real, (node.major, node.minor))?,
                None => bind_loop(machine, tree, domid, disk, &real)?,
            }
        }
    }
    if let Some(domain) = machine.domain_mut(domid) {
        domain.guest.disks.push(disk.clone());
    }
    Ok(())
}

fn node_name(real: &Path) -> Option<&str> {
    real.strip_prefix("/dev").ok()?.to_str()
}

/// The sharing check of /etc/xen/scripts/block: only devices, only among the kernel's own disks and mounts.
fn taken(machine: &Machine, tree: &Tree, disk: &GuestDisk, real: &Path, numbers: (u32, u32)) -> Result<(), Trouble> {
    let device = real.to_string_lossy().into_owned();
    let mounted = machine.mounts.iter().any(|mount| (mount.major, mount.minor) == numbers && (disk.write || !mount.read_only));
    if mounted {
        return Err(Trouble::DiskTaken { device, by_dom0: true });
    }
    let others = machine.domains.iter().flat_map(|domain| domain.guest.disks.iter().map(|other| (domain.guest.kind.as_str(), other)));
    for (kind, other) in others {
        let same =
            !other.is_refused() && other.backend(kind) == "phy" && tree.resolve(&machine.source(other)).is_ok_and(|path| path == real);
        if same && (disk.write || other.write) {
            return Err(Trouble::DiskTaken { device, by_dom0: false });
        }
    }
    Ok(())
}

fn loop_path(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/loop{number}"))
}

fn bind_loop(machine: &mut Machine, tree: &Tree, domid: u32, disk: &GuestDisk, real: &Path) -> Result<(), Trouble> {
    let number = (0..=u32::MAX).find(|number| machine.loops.iter().all(|one| one.number != *number)).unwrap_or(0);
    let bytes = tree.open_file(real, false)?.metadata().map_err(HostError::from)?.len() / 512 * 512;
    // A command that was killed may have left the name: the state, which is written last, knows nothing of it.
    tree.unlink_if_there(&loop_path(number))?;
    tree.hard_link(real, &loop_path(number))?;
    machine.loops.push(Loop {
        number,
        file: real.to_string_lossy().into_owned(),
        read_only: !disk.write,
        bytes,
        domid,
        vdev: disk.vdev.clone(),
    });
    machine.loops.sort_by_key(|one| one.number);
    Ok(())
}

/// Notes what became of a disk that a domain's record names.
pub fn leave(machine: &mut Machine, tree: &Tree, domid: u32, disk: &GuestDisk, plight: Plight) -> Answer<()> {
    if let Some(domain) = machine.domain_mut(domid) {
        let noted = GuestDisk { plight: Some(plight), ..disk.clone() };
        match domain.guest.disks.iter_mut().find(|other| other.number() == disk.number()) {
            Some(known) => *known = noted,
            None => domain.guest.disks.push(noted),
        }
    }
    write_userdata(machine, tree, domid)
}

/// Takes a disk away from a domain; whether it had one there.
pub fn detach(machine: &mut Machine, tree: &Tree, domid: u32, vdev: &str) -> Answer<bool> {
    let Some(domain) = machine.domain_mut(domid) else { return Ok(false) };
    let before = domain.guest.disks.len();
    domain.guest.disks.retain(|disk| disk.vdev != vdev);
    let had = domain.guest.disks.len() < before;
    unbind(machine, tree, |one| one.domid == domid && one.vdev == vdev)?;
    if had {
        write_userdata(machine, tree, domid)?;
    }
    Ok(had)
}

fn unbind(machine: &mut Machine, tree: &Tree, which: impl Fn(&Loop) -> bool) -> Answer<()> {
    for one in machine.loops.iter().filter(|one| which(one)) {
        tree.unlink_if_there(&loop_path(one.number))?;
    }
    machine.loops.retain(|one| !which(one));
    Ok(())
}

/// Ends a domain and frees what it held.
pub fn stop(machine: &mut Machine, tree: &Tree, domid: u32) -> Answer<()> {
    unbind(machine, tree, |one| one.domid == domid)?;
    if let Some(domain) = machine.domains.iter().find(|domain| domain.domid == domid) {
        tree.unlink_if_there(&userdata_path(domid, &domain.guest.uuid))?;
    }
    machine.domains.retain(|domain| domain.domid != domid);
    // What a guest wrote into xenstore goes with it.
    let own = format!("/local/domain/{domid}/");
    machine.xenstore.retain(|(path, _)| !path.starts_with(&own));
    Ok(())
}

fn userdata_path(domid: u32, uuid: &str) -> PathBuf {
    PathBuf::from(format!("/var/lib/xen/userdata-d.{domid}.{uuid}.libxl-json"))
}

/// Writes libxl's own record of a domain, as its devices are now.
pub fn write_userdata(machine: &Machine, tree: &Tree, domid: u32) -> Answer<()> {
    let Some(domain) = machine.domains.iter().find(|domain| domain.domid == domid) else { return Ok(()) };
    let path = userdata_path(domid, &domain.guest.uuid);
    tree.replace(&path, &userdata(&domain.guest), 0o600)?;
    tree.set_time(&path, domain.started)
}

/// A guest boots from its disks or shuts down: what that does to the file systems on them, and to the times of image files.
pub fn guest_does(tree: &Tree, guest: &Guest, deed: Deed, now: DateTime<Utc>) -> Answer<()> {
    use std::os::unix::fs::FileExt;
    for disk in guest.disks.iter().filter(|disk| disk.write && !disk.is_refused() && disk.format == "raw" && !disk.path.is_empty()) {
        let Ok(file) = tree.open_file(Path::new(&disk.path), true) else { continue };
        let mut block = [0; 1024];
        if file.read_exact_at(&mut block, 1024).is_ok() && do_to_superblock(&mut block, deed, now) {
            file.write_all_at(&block, 1024)?;
            tree.set_time(&tree.resolve(Path::new(&disk.path))?, now)?;
        }
    }
    Ok(())
}
