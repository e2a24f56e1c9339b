//! Who has the disk that grows: nobody, dom0 that mounts it, or domains.

use super::inside::Inside;
use crate::model::{Check, Domain, HostPath, MemoryState, MountUse, Toolstack};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};

pub(super) enum People {
    Nobody,
    /// Mounted there in dom0, and nobody else has it.
    Mounted(HostPath),
    Domains(Vec<Told>),
}

/// A domain that runs with the disk.
pub(super) struct Told {
    name: String,
    vdev: String,
    /// The kernel serves it (phy): it learns of the new size by itself.
    by_kernel: bool,
    libvirt: bool,
}

impl People {
    pub fn of(path: &HostPath, facts: &Facts<'_>) -> Go<Self> {
        let inventory = facts.inventory();
        let is_it = |disk: &&crate::model::Disk| {
            disk.path.as_ref() == Some(path)
                || inventory.backing(disk.backing.as_ref()).is_some_and(|one| one.path == *path || one.aliases.contains(path))
        };
        let with: Vec<(&Domain, &crate::model::Disk)> =
            inventory.domains.iter().filter_map(|domain| Some((domain, domain.disks.iter().find(is_it)?))).collect();
        if let Some((domain, _)) = with.iter().find(|(domain, _)| domain.memory.state == MemoryState::SaveImage) {
            return no(
                "domain-saved",
                format!(
                    "{} is saved: its memory knows the disk as it is, and a resume over a changed one destroys its file system",
                    domain.name
                ),
                "resume it first and grow the disk while it runs, or shut it down for good",
            );
        }
        let (users, mounts) = facts.uses(path)?;
        let present: Vec<Told> = with
            .iter()
            .filter(|(domain, disk)| domain.power.is_present() && (disk.attached || domain.attached_unknown))
            .map(|(domain, disk)| Told {
                name: domain.name.clone(),
                vdev: disk.vdev.clone().unwrap_or_else(|| "the disk".into()),
                by_kernel: disk.backend.as_deref() != Some("qdisk"),
                libvirt: domain.toolstacks.iter().any(|one| matches!(one, Toolstack::LibvirtXen | Toolstack::LibvirtQemu)),
            })
            .collect();
        if !present.is_empty() {
            return Ok(Self::Domains(present));
        }
        if users.is_empty() {
            return Ok(Self::Nobody);
        }
        match mounts {
            [MountUse { at, read_write: true, .. }] if users.iter().all(|user| *user == format!("mounted at {at}")) => {
                Ok(Self::Mounted(at.clone()))
            }
            _ => no("disk-in-use", format!("{path} is in use: {}", users.join(", ")), "stop or unmount who uses it first"),
        }
    }

    /// What was seen still holds up to this step; nothing: before every step.
    pub fn assume(&self, draft: &mut Draft, path: &HostPath, through: Option<usize>) {
        match self {
            Self::Nobody => draft.assume(format!("nobody uses {path}"), Check::InUse { path: path.clone() }.negated(), through),
            Self::Mounted(at) => draft.assume(format!("{path} is mounted at {at}"), Check::Mounted { at: at.clone() }, through),
            Self::Domains(_) => {}
        }
    }

    /// What the domains learn of it, and what is left to do in them.
    pub fn tell(&self, draft: &mut Draft, inside: &Inside) {
        let Self::Domains(domains) = self else { return };
        for told in domains {
            let (name, vdev) = (&told.name, &told.vdev);
            draft.warn(if told.by_kernel {
                format!(
                    "{name} runs. Its kernel is told of the new size when it next reads or writes {vdev} (the host's log says `VBD Resize`). Then, in \
                     the guest: {}",
                    inside.in_guest(vdev)
                )
            } else if told.libvirt {
                format!("{name} runs, and QEMU serves {vdev}: tell it with `virsh blockresize`. Then, in the guest: {}", inside.in_guest(vdev))
            } else {
                format!(
                    "{name} runs, and QEMU serves {vdev}: nothing tells it of the new size. It sees it after its next start (a reboot from inside \
                     is enough for xl). Then, in the guest: {}",
                    inside.in_guest(vdev)
                )
            });
        }
    }

    pub fn are_domains(&self) -> bool {
        matches!(self, Self::Domains(_))
    }
}
