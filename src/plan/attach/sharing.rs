//! Who else has a disk, and whether one more may.
//!
//! Two that write to one ordinary file system destroy it, and one that reads what another writes sees nonsense. Xen's own script refuses
//! some of that, of block devices only. So: free, or read-only among readers, or a file system that is made for sharing.

use std::collections::BTreeSet;

use crate::model::{Backing, Domain, HostPath, Inventory, Power};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};

const INSTEAD: &str = "to share files, let the one that has the disk serve them by NFS; to look at them, attach a snapshot or a copy. Only a cluster \
                       file system (OCFS2, GFS2), set up on all that mount it, may be written to by several";

/// The answer, when it is no refusal.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Nobody else has it now.
    pub free: bool,
    /// A cluster file system that others have too: Xen's script would refuse the kernel's back end for it.
    pub cluster: bool,
    warnings: Vec<String>,
    /// What is lost when the others are forgotten.
    loses: Vec<String>,
}

impl Shared {
    pub fn tell(&self, draft: &mut Draft, name: &str) {
        for warning in &self.warnings {
            draft.warn(warning.clone());
        }
        for loses in &self.loses {
            draft.confirm(name, loses);
        }
    }
}

/// A disk's backing, by any of its names.
pub(super) fn backing_of<'a>(inventory: &'a Inventory, path: &HostPath, real: &HostPath) -> Option<&'a Backing> {
    inventory.backings.values().find(|backing| {
        [path, real]
            .into_iter()
            .any(|name| backing.key.as_bytes() == name.as_bytes() || backing.path == *name || backing.aliases.contains(name))
    })
}

/// Looks at everybody who has a disk, asked anew, and at whose configuration names it.
pub(super) fn look(facts: &Facts<'_>, domain: &Domain, path: &HostPath, real: &HostPath, writes: bool) -> Go<Shared> {
    let users = facts.users(real)?;
    let inventory = facts.inventory();
    let backing = backing_of(inventory, path, real);
    let mut shared = Shared { free: users.is_empty(), ..Shared::default() };
    let cluster = || -> Go<Option<String>> {
        let found = facts.signatures(real)?;
        Ok(found.iter().map(|signature| &signature.kind).find(|kind| matches!(kind.as_str(), "gfs2" | "ocfs2")).cloned())
    };
    let readers = backing.map(|backing| readers(inventory, backing)).unwrap_or_default();
    if let Some(user) = users.iter().find(|user| writes || !readers.contains(*user)) {
        let by_cluster = if is_no_mount(user) { None } else { cluster()? };
        let Some(kind) = by_cluster else { return refused(path, user, writes) };
        shared.cluster = true;
        shared.warnings.push(format!(
            "{path} is {user} too. It holds {kind}, which is made for that: make sure that every system that mounts it is in the same cluster. \
             QEMU serves the disk, because Xen's script refuses a second user of a device."
        ));
        if writes {
            shared
                .loses
                .push(format!("The file system on {path} is destroyed if one of those that write to it is not in the cluster ({user})."));
        }
    } else if !users.is_empty() {
        shared.warnings.push(format!("{path} is {} too, read-only: all may read it, and none may write while they do.", users.join(", ")));
    }
    for other in backing.into_iter().flat_map(|backing| named_by(inventory, backing, domain)) {
        if !writes && !other.writes || shared.cluster || users.iter().any(|user| user.contains(&format!(" of {} ", other.name))) {
            continue;
        }
        if other.saved {
            shared.loses.push(format!(
                "{} is saved, and {path} is its disk: once somebody else has written to it, its memory cannot be resumed any more.",
                other.name
            ));
        } else {
            shared.loses.push(format!(
                "The configuration of {} names {path} too: if both domains ever run at the same time, its file system is destroyed.",
                other.name
            ));
        }
    }
    Ok(shared)
}

/// What holds a disk in dom0 cannot share it, whatever lies on it.
fn is_no_mount(user: &str) -> bool {
    ["held by", "a physical volume", "swap space", "bound to", "it lies on", "it holds"].iter().any(|word| user.starts_with(word))
}

fn refused<T>(path: &HostPath, user: &str, writes: bool) -> Go<T> {
    let would = if writes { "two that write to one disk destroy its file system" } else { "who reads it would see it change underneath" };
    let fact = format!("{path} is {user}: {would}");
    if user.starts_with("mounted") {
        return no("disk-mounted", fact, format!("unmount it first; {INSTEAD}"));
    }
    if is_no_mount(user) && !user.starts_with("it ") {
        return no("disk-held", fact, format!("take down what stands on it first; {INSTEAD}"));
    }
    no("disk-in-use", fact, format!("detach it there, or stop that domain first; {INSTEAD}"))
}

/// Those that have it and do not write, in the words of the answer to the question who uses it.
fn readers(inventory: &Inventory, backing: &Backing) -> BTreeSet<String> {
    let mut readers = BTreeSet::new();
    for mount in backing.mounts.iter().filter(|mount| !mount.read_write) {
        readers.insert(format!("mounted at {}", mount.at));
    }
    for domain in inventory.domains.iter().filter(|domain| domain.power.is_present()) {
        let reads = |disk: &&crate::model::Disk| disk.attached && disk.mode.is_some_and(|mode| !mode.writes());
        for disk in domain.disks.iter().filter(reads).filter(|disk| disk.backing.as_ref() == Some(&backing.key)) {
            let vdev = disk.vdev.as_deref().unwrap_or("a disk");
            let shown = crate::model::shown::text;
            readers.insert(format!("{} of {} ({})", shown(vdev), shown(&domain.name), domain.power.as_str()));
        }
    }
    readers
}

struct Named {
    name: String,
    writes: bool,
    saved: bool,
}

/// Other domains whose configuration names it, once each.
fn named_by(inventory: &Inventory, backing: &Backing, domain: &Domain) -> Vec<Named> {
    let others = inventory.domains.iter().filter(|other| other.id != domain.id);
    others
        .filter_map(|other| {
            let mut disks = other.disks.iter().filter(|disk| disk.backing.as_ref() == Some(&backing.key)).peekable();
            disks.peek()?;
            let writes = disks.any(|disk| disk.mode.is_none_or(crate::model::Mode::writes));
            Some(Named { name: other.name.clone(), writes, saved: other.power == Power::Saved })
        })
        .collect()
}
