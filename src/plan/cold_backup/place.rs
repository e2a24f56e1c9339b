//! Where the bundle goes.

use super::gather::Gathered;
use crate::model::bundle::Manifest;
use crate::model::request::ColdBackup;
use crate::model::{Action, Backing, Check, Domain, HostPath, Inventory, PlaceFact, Question, Stands, bundle_names, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, paths};

/// Manifest, hashes and what a file system takes for directories.
const MARGIN: u64 = 16 << 20;

pub(in crate::plan) struct Destination {
    /// The directory that was named, its links resolved.
    pub base: HostPath,
    pub dev: u64,
    /// Directories that are to be made, outermost first.
    missing: Vec<HostPath>,
    pub partial: HostPath,
    pub bundle: HostPath,
    pub warnings: Vec<String>,
}

pub(in crate::plan) fn look(
    request: &ColdBackup,
    facts: &Facts<'_>,
    setting: &Setting,
    domain: &Domain,
    gathered: &Gathered,
) -> Go<Destination> {
    paths::check(&request.destination)?;
    let (place, base) = paths::directory(facts, &request.destination)?;
    look_inside(facts.inventory(), place, &base, gathered)?;
    let sum = |needs: fn(&super::gather::Source) -> u64| gathered.all().fold(MARGIN, |sum, source| sum.saturating_add(needs(source)));
    let (surely, most) = (sum(|source| source.surely), sum(|source| source.needs));
    if place.free < surely {
        return no(
            "no-room",
            format!("the backup takes {}, and {} is free in {base}", bytes::human(surely), bytes::human(place.free)),
            "make room, leave disks out, or choose another directory",
        );
    }
    let mut warnings = warnings(facts.inventory(), place, &base, gathered);
    if place.free < most {
        warnings.push(format!(
            "The disks hold up to {}, and {} is free in {base}. Zeros take no room; if it gets full nevertheless, the job fails and takes back what it made.",
            bytes::human(most),
            bytes::human(place.free)
        ));
    }
    let host = base.join(bundle_names::component(&setting.host_id));
    let own = host.join(bundle_names::component(&domain.name));
    facts.want([&host, &own].map(|path| Question::Place { path: path.clone() }))?;
    let mut missing = Vec::new();
    for path in [&host, &own] {
        match facts.place(path)?.stands {
            Stands::Directory => {}
            Stands::Nothing => missing.push(path.clone()),
            _ => {
                return no(
                    "not-a-directory",
                    format!("{path} is in the way: it is no directory"),
                    "move it away, or choose another directory for backups",
                );
            }
        }
    }
    let name = bundle_names::directory_name(setting.now, random_part(setting));
    let partial = own.join(bundle_names::partial_name(&name));
    let bundle = own.join(name);
    Ok(Destination { warnings, base, dev: place.dev, missing, partial, bundle })
}

/// The random digits of the job's id: they name the bundle too.
pub(in crate::plan) fn random_part(setting: &Setting) -> &str {
    setting.id.as_str().rsplit('-').next().unwrap_or_default()
}

/// A backup into the disk that is copied would copy itself.
fn look_inside(inventory: &Inventory, place: &PlaceFact, base: &HostPath, gathered: &Gathered) -> Go<()> {
    let device = numbers(place.dev);
    for disk in &gathered.disks {
        let key = disk.lock.to_string();
        let backing: Option<&Backing> = inventory.backings.get(&key);
        let mounted_from_it = backing.is_some_and(|backing| {
            let here = |at: &HostPath| place.mounted_at.as_ref() == Some(at);
            backing.device == Some(device) || backing.loop_devices.contains(&device) || backing.mounts.iter().any(|mount| here(&mount.at))
        });
        if mounted_from_it || base.starts_with(disk.lock.as_path()) {
            return no(
                "inside-source",
                format!("{base} lies on the disk that is to be copied, {}", disk.piece.source),
                "choose a directory somewhere else",
            );
        }
    }
    Ok(())
}

fn warnings(inventory: &Inventory, place: &PlaceFact, base: &HostPath, gathered: &Gathered) -> Vec<String> {
    let mut warnings = Vec::new();
    let device = numbers(place.dev);
    // What the destination's own device lies on, when some backing tells.
    let mut under: Vec<(u32, u32)> = vec![device];
    under.extend(
        inventory.backings.values().filter(|backing| backing.device == Some(device)).flat_map(|backing| backing.lies_on.iter().copied()),
    );
    let shares =
        |disk: &&super::gather::Source| disk.file_system == Some(place.dev) || disk.lies_on.iter().any(|device| under.contains(device));
    let shared: Vec<String> = gathered.disks.iter().filter(shares).map(|disk| disk.piece.source.to_string()).collect();
    if !shared.is_empty() {
        warnings.push(format!("{base} lies on the same device as {}: when that device dies, the backup dies with it.", shared.join(", ")));
    }
    if place.mounted_at.as_ref().is_some_and(|at| at.as_bytes() == b"/") {
        warnings.push(format!("{base} lies on the host's root file system. If a disk for backups should be mounted there, it is not."));
    }
    warnings
}

/// Major and minor number, as makedev(3) packs them.
fn numbers(dev: u64) -> (u32, u32) {
    let part = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    (part(((dev >> 8) & 0xfff) | ((dev >> 32) & 0xffff_f000)), part((dev & 0xff) | ((dev >> 12) & 0xffff_ff00)))
}

impl Destination {
    /// Makes the directories. Gives the index of the last of these steps.
    pub fn steps(&self, draft: &mut Draft) -> usize {
        for path in self.missing.iter().filter(|path| !draft.makes_directory(path)).cloned().collect::<Vec<_>>() {
            draft.step(format!("Make {path}"), "Backups lie by host and by domain.", Action::MakeDirectory { path, mode: 0o700 });
        }
        draft.step(
            "Make the directory of this backup",
            "Under a temporary name until it is whole. Only its owner may read it: disks and memory hold passwords.",
            Action::MakeDirectory { path: self.partial.clone(), mode: 0o700 },
        )
    }

    /// Gives the step's index.
    pub fn seal(&self, draft: &mut Draft, manifest: Manifest, instant: Option<usize>) -> usize {
        draft.step(
            "Write the manifest and RESTORE.txt, and give the backup its name",
            "Until now it had a temporary name: a directory with a manifest is a whole backup. RESTORE.txt says how to restore it without domkeep.",
            Action::SealBundle { partial: self.partial.clone(), bundle: self.bundle.clone(), draft: Box::new(manifest), instant },
        )
    }

    pub fn read_back(&self, draft: &mut Draft, request: &ColdBackup) {
        if request.verify {
            draft.step(
                "Read the backup back and compare it",
                "A backup that was never read is a hope.",
                Action::VerifyBundle { bundle: self.bundle.clone(), pieces: Vec::new() },
            );
        }
    }

    /// What must hold of the place from the first step on.
    pub fn assumptions(&self, draft: &mut Draft, first: usize, sealed: usize) {
        draft.assume(
            format!("{} is the file system that was looked at", self.base),
            Check::LiesOn { path: self.base.clone(), dev: self.dev },
            Some(sealed),
        );
        draft.assume(format!("nothing stands at {}", self.bundle), Check::Exists { path: self.bundle.clone() }.negated(), Some(first));
    }
}
