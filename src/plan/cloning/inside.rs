//! What is changed inside a clone so that it does not collide with its original: the file systems' UUIDs, the lines of fstab that name them,
//! the host name. Done to the clone alone, before anybody can start it; what goes wrong takes the clone away again.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `found` | the file systems on an original, and which of them can be changed from outside |
//! | `unmounted` | ext: its own tools change it without mounting it, in a partition too |
//! | `mounted` | XFS and btrfs on a whole disk: their files can only be changed while they are mounted |

mod found;
mod mounted;
mod unmounted;

use super::identity;
use super::names::Named;
use super::origin::Origin;
use crate::model::cloning::Cloning;
use crate::model::{Domain, bundle_names};
use crate::plan::Setting;
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::new_disk::check_hostname;
use found::{Kind, System};

const SLOW: u64 = 3600;

/// What lies inside the originals.
pub(super) struct Inside {
    systems: Vec<System>,
    warnings: Vec<String>,
}

/// The old UUIDs, and the clone's own.
type Renamed<'a> = [(&'a str, String)];

pub(super) fn look(request: &Cloning, facts: &Facts<'_>, setting: &Setting, domain: &Domain, origins: &[Origin<'_>]) -> Go<Option<Inside>> {
    if !request.inside {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    let mut systems = found::systems(origins, &mut warnings)?;
    let mounts = systems.iter().any(|system| system.kind != Kind::Ext);
    if mounts && !setting.can_mount {
        return no(
            "needs-mount",
            "XFS and btrfs can be changed inside only while they are mounted, which is not possible here",
            "run domkeep as root on the host itself, or leave them as they are (--inside no)",
        );
    }
    let names = [&setting.job_dir].into_iter().chain(origins.iter().map(|origin| &origin.path));
    if let Some(path) = names.into_iter().find(|path| crate::plan::text(path).contains(['"', '\n', '?', '*', '[', '\\'])) {
        return no(
            "inside-names",
            format!("the tools cannot be told of {path}: quotation marks, `?`, `*`, `[` and backslashes mean something to them"),
            "leave the clones as they are inside (--inside no), or use names without these signs",
        );
    }
    unmounted::look(facts, origins, &mut systems)?;
    mounted::look(facts, domain, origins, &mut systems)?;
    if systems.iter().any(System::names_host) {
        for name in &request.names {
            check_hostname(name)?;
        }
    }
    Ok(Some(Inside { systems, warnings }))
}

impl Inside {
    /// Bytes that are written to each clone of a disk: more than a snapshot's small store may hold.
    pub fn writes(&self, disk: usize) -> u64 {
        self.systems.iter().filter(|system| system.disk == disk).map(|system| system.writes).fold(0, u64::saturating_add)
    }

    /// After the clone's disks were made.
    pub fn steps(&self, draft: &mut Draft, setting: &Setting, clone: &Named) {
        for warning in &self.warnings {
            draft.warn_once(warning);
        }
        draft.warn_once("A boot loader or ramdisk inside that names the old UUID of the root does not find it: what boots by root=/dev/xvda, or by a label, does.");
        draft.warn_once("Files that are written inside have no SELinux label: a guest that enforces SELinux needs `restorecon /etc/fstab /etc/hostname`, or enforcing=0 for its first boot.");
        let new = |system: &System| identity::uuid(&setting.id, &clone.name, &format!("file system {}", system.name));
        let renamed: Vec<(&str, String)> = self.systems.iter().map(|system| (system.uuid.as_str(), new(system))).collect();
        for (at, target) in clone.targets.iter().enumerate() {
            for system in self.systems.iter().filter(|system| system.disk == at) {
                let prefix = format!("{}.{}", bundle_names::component(&clone.name), system.name);
                let work = Work { setting, renamed: &renamed, system, uuid: new(system), name: &clone.name, prefix, disk: target.path() };
                match system.kind {
                    Kind::Ext => unmounted::steps(draft, &work),
                    Kind::Xfs | Kind::Btrfs => mounted::steps(draft, &work),
                }
            }
        }
    }
}

/// One file system of one clone.
struct Work<'a> {
    setting: &'a Setting,
    system: &'a System,
    renamed: &'a Renamed<'a>,
    uuid: String,
    /// The clone's.
    name: &'a str,
    /// Of names in the job's folder.
    prefix: String,
    disk: crate::model::HostPath,
}

impl Work<'_> {
    fn in_file(&self) -> bool {
        !self.disk.starts_with("/dev")
    }
}
