//! Files in which QEMU keeps, for the time of a copy, what the guest writes or overwrites: beside the disk, where it may open files already.

use super::Virsh;
use crate::model::{Check, Disk, Domain, HostPath, Mode, Question, bytes};
use crate::plan::cold_backup::gather::{Gathered, Source};
use crate::plan::cold_backup::place;
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, paths};

/// Where QEMU's user may make files, for disks that are no files.
const IMAGES: &str = "/var/lib/libvirt/images";
/// The guest cannot write any more once there is no room: so much of each disk must be free at least, one part of so many.
const LEAST_SHARE: u64 = 20;

/// For one disk that the guest writes to.
pub(super) struct Aside {
    pub vdev: String,
    pub path: HostPath,
    /// Bytes that the guest sees.
    pub size: u64,
    /// What must be free there.
    least: u64,
}

/// The disk of what was gathered, when the guest may write to it.
pub(super) fn written<'a>(domain: &'a Domain, source: &Source) -> Option<&'a Disk> {
    let writes =
        |disk: &&Disk| disk.vdev.is_some() && disk.vdev == source.piece.vdev && disk.attached && disk.mode.is_none_or(Mode::writes);
    domain.disks.iter().find(writes)
}

/// One for each disk that is written to, in the order in which they were gathered.
pub(super) fn look(facts: &Facts<'_>, setting: &Setting, domain: &Domain, gathered: &mut Gathered, ending: &str) -> Go<Vec<Aside>> {
    let moving = |source: &&Source| written(domain, source).is_some();
    facts.want(gathered.disks.iter().filter(moving).map(|source| Question::Place { path: directory(source) }))?;
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    for source in &gathered.disks {
        let Some(disk) = written(domain, source) else { continue };
        let vdev = disk.vdev.clone().unwrap_or_default();
        check_word(&vdev)?;
        let size = facts.inventory().backing(disk.backing.as_ref()).and_then(|backing| backing.bytes).unwrap_or_default();
        let (place, real) = paths::directory(facts, &directory(source))?;
        let least = (size / LEAST_SHARE).max(1 << 20);
        let free = bytes::human(place.free);
        if place.free < least {
            return no(
                "no-room",
                format!("what {} writes to {vdev} while it is copied needs room in {real}, where {free} is free", domain.name),
                "make room there: without it the guest could not write any more",
            );
        }
        if place.free < size {
            warnings.push(format!(
                "While {vdev} is copied, what {} writes takes room in {real}, where {free} is free. When that is full, the guest cannot write any more.",
                domain.name
            ));
        }
        if !disk.in_config {
            warnings
                .push(format!("{vdev} was plugged in while {} runs: it is in the backup, and not in the definition that is.", domain.name));
        }
        let path = real.join(format!(".domkeep-{}-{vdev}.{ending}", place::random_part(setting)));
        found.push(Aside { vdev, path, size, least });
    }
    gathered.warnings.extend(warnings);
    if found.is_empty() {
        return no("strategy-not-here", format!("{} writes to none of its disks", domain.name), "see `domkeep strategies`");
    }
    Ok(found)
}

fn directory(source: &Source) -> HostPath {
    if source.piece.source_kind.as_deref() == Some("file") { paths::parent(&source.lock) } else { HostPath::from(IMAGES) }
}

/// It becomes a part of file names and of XML.
fn check_word(vdev: &str) -> Go<()> {
    if !vdev.is_empty() && vdev.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    no("disk-name", format!("{} is no usual name of a disk", crate::model::shown::text(vdev)), "leave it out")
}

/// What must hold up to the step that begins to use them.
pub(super) fn assume(draft: &mut Draft, virsh: &Virsh, asides: &[Aside], step: usize) {
    let name = &virsh.name;
    draft.assume(format!("{name} runs"), virsh.is(crate::model::LibvirtIs::Running), Some(step));
    draft.assume(format!("no job of libvirt's is at work on {name}"), virsh.is(crate::model::LibvirtIs::Idle), Some(step));
    for one in asides {
        let directory = paths::parent(&one.path);
        let check = Check::Space { path: directory.clone(), bytes: one.least };
        draft.assume(format!("{} is free in {directory}", bytes::human(one.least)), check, Some(step));
    }
}
