//! Who uses a disk now: dom0 (mounts, swap, what is stacked on it, processes that write to it) and the domains that are there.
//!
//! Asked of the host anew each time: an inventory of a minute ago does not know the domain that was started since.

use std::path::Path;

use super::ask::Asker;
use super::backings::{Attached, Backings, Ground};
use super::{merge, open_files};
use crate::config::AUTOMATIC;
use crate::host::{FileType, HostError, Look, Place};
use crate::model::{Backing, Cmd, Domain, Gap, GapReason, HostPath, Inventory, MountUse};

/// Files of images below images.
const MOST_BELOW: usize = 16;
const SWAPS: &str = "/proc/swaps";
const MOST_OF_SWAPS: usize = 1 << 20;

/// Who was found, and what could not be found out. Nobody uses it only when both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// In words, one user each: `mounted at /mnt`, `xvda of web01 (running)`.
    pub found: Vec<String>,
    /// The mounts among them.
    pub mounts: Vec<MountUse>,
    pub unknown: Vec<String>,
}

/// The users of a file or block device. What is not there, or is neither, has none.
pub fn of(host: &dyn Look, path: &HostPath) -> Users {
    let mut users = Users::default();
    let real = match host.resolve(path.as_path()).and_then(|real| Ok((host.stat(&real, true)?, real))) {
        Err(HostError::NotFound) => return users,
        Err(error) => {
            users.unknown.push(format!("what {path} is: {error}"));
            return users;
        }
        Ok((stat, _)) if !matches!(stat.kind, FileType::Regular | FileType::Block) => return users,
        Ok((_, real)) => HostPath::from(real),
    };
    let asker = Asker::new(host);
    let mounts = super::read_mounts(&asker);
    let (live, ground, libvirt) = std::thread::scope(|scope| {
        let live = scope.spawn(|| super::live(&asker));
        let ground = scope.spawn(|| super::ground(&asker, mounts));
        let libvirt = scope.spawn(|| super::libvirt::look::look(&asker, &[AUTOMATIC.to_owned()]));
        (live.join(), ground.join(), libvirt.join())
    });
    let (Ok(live), Ok(ground), Ok(libvirt)) = (live, ground, libvirt) else {
        users.unknown.push("domkeep failed while it read an answer".into());
        return users;
    };
    let mut backings = Backings::new(&asker, &ground);
    let domains = merge::domains(&live, &libvirt, &[], &[], &mut backings);
    let key = backings.resolve(&real, Attached::default());
    let known = backings.into_map();
    let Some(disk) = known.get(&key) else { return users };

    of_dom0(host, disk, &real, &ground, &mut users);
    let mut by_domain = false;
    for domain in &domains {
        if domain.attached_unknown {
            users.unknown.push(format!("which disks {} has", crate::model::shown::text(&domain.name)));
        }
        for used in domain.disks.iter().filter(|used| used.attached) {
            let theirs = used.backing.as_ref().and_then(|key| known.get(key));
            let Some(how) = theirs.and_then(|theirs| shares(disk, theirs, &known)) else { continue };
            let vdev = used.vdev.as_deref().unwrap_or("a disk");
            by_domain = true;
            users.found.push(format!("{how}{} of {}", crate::model::shown::text(vdev), named(domain)));
        }
    }
    // The hotplug script binds one for a domain's disk; that is no second user. And a loop device that was asked for does not use itself.
    if !by_domain {
        users.found.extend(disk.loops.iter().filter(|bound| **bound != real).map(|bound| format!("bound to {bound}")));
    }
    let gaps = asker.into_gaps();
    users.unknown.extend(gaps.iter().filter(|gap| counts(gap)).map(|gap| format!("{} ({}: {})", gap.missing, gap.source, gap.why)));
    domains_unseen(host, &gaps, live.rows.is_some(), &mut users);
    if matches!(host.place(), Place::ThisMachine) {
        users.found.extend(open_files::writers(host, real.as_path()));
    }
    users
}

fn named(domain: &Domain) -> String {
    format!("{} ({})", crate::model::shown::text(&domain.name), domain.power.as_str())
}

fn of_dom0(host: &dyn Look, disk: &Backing, real: &HostPath, ground: &Ground, users: &mut Users) {
    users.found.extend(disk.mounts.iter().map(|mount| format!("mounted at {}", mount.at)));
    users.mounts.clone_from(&disk.mounts);
    users.found.extend(disk.holders.iter().map(|holder| format!("held by {} ({})", holder.name, holder.what)));
    for physical in &ground.physical_volumes {
        if host.resolve(physical.path.as_path()).is_ok_and(|path| path == real.as_path()) {
            users.found.push(match physical.vg.as_str() {
                "" => "a physical volume of LVM".to_owned(),
                vg => format!("a physical volume of the group {}", crate::model::shown::text(vg)),
            });
        }
    }
    match host.read_at(Path::new(SWAPS), 0, MOST_OF_SWAPS) {
        Ok(text) => {
            let swap = text.split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.split(|byte| matches!(byte, b' ' | b'\t')).next());
            // The kernel names it by the path that swapon(8) was given.
            let is_ours = |name: &[u8]| {
                let name = HostPath::from_bytes(&super::mounts::unescape(name));
                name == *real || name.is_absolute() && host.resolve(name.as_path()).is_ok_and(|path| path == real.as_path())
            };
            if swap.filter(|name| !name.is_empty()).any(is_ours) {
                users.found.push("swap space of this host".into());
            }
        }
        // A kernel without swap has no such file.
        Err(HostError::NotFound) => {}
        Err(error) => users.unknown.push(format!("the swap space of this host: {error}")),
    }
}

/// How a domain's disk is this one: the same, on it, below it, or an image on top of it.
fn shares(ours: &Backing, theirs: &Backing, known: &std::collections::BTreeMap<String, Backing>) -> Option<&'static str> {
    if ours.key == theirs.key {
        return Some("");
    }
    if ours.device.is_some_and(|device| theirs.lies_on.contains(&device)) {
        return Some("it holds ");
    }
    if theirs.device.is_some_and(|device| ours.lies_on.contains(&device)) {
        return Some("it lies on ");
    }
    let mut above = theirs;
    for _ in 0..MOST_BELOW {
        let (_, below) = above.backing_file.as_ref()?;
        if *below == ours.key {
            return Some("it is a backing file of ");
        }
        above = known.get(below)?;
    }
    None
}

/// Without this answer a user may have been overlooked.
fn counts(gap: &Gap) -> bool {
    ["lsblk", "losetup", "/proc/self/mountinfo"].iter().any(|source| gap.source.starts_with(source))
}

/// Whether there may be domains that nobody told of.
fn domains_unseen(host: &dyn Look, gaps: &[Gap], told: bool, users: &mut Users) {
    if told {
        return;
    }
    let gap = gaps.iter().find(|gap| gap.missing == Inventory::WHICH_RUN);
    let no_xl = gap.is_some_and(|gap| gap.reason == GapReason::NoTool);
    let dom0 = host.read_at(Path::new("/proc/xen/capabilities"), 0, 64).is_ok_and(|text| text.starts_with(b"control_d"));
    if !no_xl || dom0 {
        let why = gap.map_or_else(|| "no answer".to_owned(), |gap| gap.why.clone());
        users.unknown.push(format!("{} ({why})", Inventory::WHICH_RUN));
    } else if !super::facts::asker_is_root(host) && host.run(&Cmd::reads("virsh", ["--version"])).is_ok() {
        // QEMU's open files tell, but to root only.
        users.unknown.push("which domains of libvirt run (only root can see what QEMU has open)".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::Local;
    use crate::host::local::acting::tests::Loop;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test lays out what is asked for")]
    fn a_file_that_is_bound_to_a_loop_device_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("disk.img");
        std::fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
        let local = Local::new();
        assert_eq!(of(&local, &path.clone().into()).found, Vec::<String>::new());
        let Some(device) = Loop::of(&path) else { return };
        assert_eq!(of(&local, &device.0.clone().into()).found, Vec::<String>::new(), "nothing could ever be copied onto a loop device");
        let users = of(&local, &path.into());
        assert_eq!(users.found, [format!("bound to {}", device.0.display())], "a disk that dom0 works on would be copied: {users:?}");
    }
}
