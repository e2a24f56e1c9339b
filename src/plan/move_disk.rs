//! A disk of a domain that is off goes to another place: from a file into a volume, from a volume into a file. Copied, compared, the
//! configuration's line changed. The old one stays.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::lvm::{self, Name};
use super::{Setting, again, config_text, domains, lvm_names, lvm_now, new_disk, paths, text};
use crate::model::volumes::{DiskPlace, MoveDisk};
use crate::model::{
    Action, Check, Cmd, Disk, DiskCopy, Domain, HostPath, Location, LogicalVolume, MemoryState, Plan, Power, Question, Request, Risk,
    Stands, bytes,
};

pub(super) fn plan(request: &MoveDisk, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, &request.domain)?;
    domains::by_xl(domain, "`virsh shutdown` it, copy the disk, and change it with `virsh edit`")?;
    off(domain)?;
    let source = Source::look(request, domain, facts)?;
    let config = Config::look(request, domain, facts)?;
    let whole = Request::MoveDisk(request.clone());
    let to = match &request.to {
        DiskPlace::File { path } => path.clone(),
        DiskPlace::Volume { group, name, .. } => HostPath::from(format!("/dev/{group}/{name}").as_str()),
    };
    let mut draft = Draft::new(format!("Move {} of {} to {to}", request.vdev, domain.name), &whole, setting);
    draft.lock(Plan::domain_lock(&domain.name));
    draft.lock(Plan::disk_lock(&source.lock));
    draft.lock(Plan::disk_lock(&to));
    draft.risk(Risk::Touches);
    draft.saw(format!("{} has {}", source.path, bytes::exact(source.bytes)), "the disk");
    draft.step(
        "Remember how the disk is now",
        "Whoever writes to it meanwhile is noticed before the configuration names the copy.",
        Action::Witness { domain: Some(domain.name.clone()), disks: vec![source.location.clone()] },
    );
    let (to, grown) = match &request.to {
        DiskPlace::File { path } => (into_file(&mut draft, request, &source, path, facts, setting)?, false),
        DiskPlace::Volume { group, name, pool } => {
            into_volume(&mut draft, request, &source, (group, name, pool.as_deref()), facts, setting)?
        }
    };
    draft.step(
        "Look whether anybody wrote to it meanwhile",
        "A copy of a disk that changed under it is torn, and nothing may start from it.",
        Action::CompareWitness,
    );
    let through = config.steps(&mut draft, request, &to)?;
    draft.assume(format!("{} is off", domain.name), Check::DomainPresent { name: domain.name.clone() }.negated(), Some(through));
    draft.assume(format!("nobody uses {}", source.path), Check::InUse { path: source.path.clone() }.negated(), Some(through));
    if grown {
        draft.warn(format!(
            "LVM counts in whole extents: the volume is a little larger than {}. The rest at its end is zeros.",
            bytes::exact(source.bytes)
        ));
    }
    draft.warn(format!(
        "{} stays as it is. When {} has started well from the new place, remove it: {}",
        source.path,
        domain.name,
        source.removal()
    ));
    Ok(draft.finish())
}

fn off(domain: &Domain) -> Go<()> {
    if domain.power.is_present() {
        return no(
            "domain-running",
            format!("{} is {}: its disk changes while it is copied", domain.name, domain.power.as_str()),
            "shut it down first",
        );
    }
    if domain.power == Power::Saved || domain.memory.state == MemoryState::SaveImage {
        return no(
            "domain-saved",
            format!("{} is saved, and its save image names the disk at its old place", domain.name),
            "resume it and shut it down first, or remove the save image when nobody needs it",
        );
    }
    Ok(())
}

/// The disk as it is now.
struct Source {
    /// As the host names it, links followed for a file.
    path: HostPath,
    lock: HostPath,
    location: Location,
    bytes: u64,
    allocated: Option<u64>,
    volume: bool,
}

impl Source {
    fn look(request: &MoveDisk, domain: &Domain, facts: &Facts<'_>) -> Go<Self> {
        let Some(disk) = domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(&request.vdev)) else {
            return no("no-such-disk", format!("{} has no disk {}", domain.name, request.vdev), "`domkeep show` lists its disks");
        };
        let path = path_of(disk, domain)?;
        paths::check(&path)?;
        let (place, real) = paths::follow(facts, &path)?;
        let location = match place.stands {
            Stands::File => Location::File { path: real.clone() },
            Stands::Device => Location::Device { path: real.clone() },
            Stands::Nothing => return no("disk-missing", format!("{path} is not there"), "bring it back first"),
            _ => return no("not-a-disk", format!("{path} is neither a file nor a block device"), "mend the configuration first"),
        };
        if disk.format.as_deref().is_some_and(|format| format != "raw") {
            return no(
                "not-raw",
                format!("{path} is {}, and only raw disks are moved", disk.format.as_deref().unwrap_or_default()),
                "convert it first: qemu-img convert -O raw",
            );
        }
        facts.want([Question::UseOf { path: real.clone() }])?;
        let users = facts.users(&real)?;
        if !users.is_empty() {
            return no("disk-in-use", format!("{real} is in use: {}", users.join(", ")), "stop or unmount who uses it first");
        }
        let inventory = facts.inventory();
        let other = inventory
            .domains
            .iter()
            .filter(|other| other.id != domain.id)
            .find(|other| other.disks.iter().any(|one| one.backing.is_some() && one.backing == disk.backing));
        if let Some(other) = other {
            return no(
                "disk-shared",
                format!("{path} is a disk of {} too, whose configuration would go on naming the old place", other.name),
                "give it a disk of its own first, or change both configurations by hand",
            );
        }
        let Some(bytes) = place.bytes else {
            return no("not-known", format!("the size of {path} could not be found out"), "ask as root");
        };
        if !bytes.is_multiple_of(512) {
            return no(
                "size-no-sectors",
                format!("{path} has {bytes} bytes, which are no whole number of sectors of 512"),
                "the guest sees only whole sectors: make it longer first, with `domkeep grow`",
            );
        }
        let backing = inventory.backing(disk.backing.as_ref());
        Ok(Self {
            lock: domains::lock_path(inventory, disk).unwrap_or_else(|| real.clone()),
            volume: backing.is_some_and(|backing| backing.volume.is_some()),
            allocated: backing.and_then(|backing| backing.allocated),
            path: real,
            location,
            bytes,
        })
    }

    fn removal(&self) -> String {
        let word = crate::model::cmd::shell_word(&text(&self.path));
        match self.location {
            Location::File { .. } => format!("rm {word}"),
            _ if self.volume => format!("lvremove {word}"),
            _ => format!("wipefs -a {word}"),
        }
    }
}

fn path_of(disk: &Disk, domain: &Domain) -> Go<HostPath> {
    let local = !disk.kind.managed_elsewhere() && disk.script.is_none() && disk.backend_domain.is_none();
    match disk.path.as_ref().filter(|path| local && path.is_absolute()) {
        Some(path) => Ok(path.clone()),
        None => no(
            "disk-elsewhere",
            format!("{} of {} is no file or device of this host", disk.vdev.as_deref().unwrap_or("the disk"), domain.name),
            "move it with the tools of the host that keeps it",
        ),
    }
}

/// The configuration with the disk's new place.
struct Config<'a> {
    path: HostPath,
    before: &'a [u8],
}

impl<'a> Config<'a> {
    fn look(request: &MoveDisk, domain: &Domain, facts: &Facts<'a>) -> Go<Self> {
        let config = domains::config(facts, domain, request.config.as_ref())?;
        let (place, real) = paths::follow(facts, &config.path)?;
        if place.stands != Stands::File || config.grammar != "xl" {
            return no(
                "config-not-xl",
                format!("{} is no xl configuration file, and is not edited", config.path),
                "copy the disk with `domkeep copy`, and name the copy by hand",
            );
        }
        paths::not_full(place, &paths::parent(&real))?;
        let (before, _) = facts.bytes(&real)?;
        Ok(Self { path: real, before })
    }

    fn after(&self, vdev: &str, to: &HostPath) -> Go<Vec<u8>> {
        let changed = config_text::map_strings(self.before, "disk", |spec| {
            let source = config_text::source_of(spec).ok().filter(|source| source.vdev == vdev && !source.empty)?;
            Some(config_text::disk_spec(to.as_bytes(), vdev, "raw", source.writes))
        });
        match changed {
            Ok(after) if after != self.before => Ok(after),
            Ok(_) => self.by_hand(&format!("its line for {vdev} is not surely understood"), vdev, to),
            Err(why) => self.by_hand(&why, vdev, to),
        }
    }

    fn by_hand<T>(&self, why: &str, vdev: &str, to: &HostPath) -> Go<T> {
        no(
            "config-not-edited",
            format!("{} is not edited: {why}", self.path),
            format!("copy the disk with `domkeep copy`, and let the line for {vdev} name {to} by hand"),
        )
    }

    fn steps(&self, draft: &mut Draft, request: &MoveDisk, to: &HostPath) -> Go<usize> {
        let after = self.after(&request.vdev, to)?;
        let hash = blake3::hash(self.before).to_hex().to_string();
        draft.edit(new_disk::edit(&self.path, Some(self.before), &after));
        let step = draft.step(
            format!("Name the new place of {} in {}", request.vdev, self.path),
            "The domain starts from it next time. The old file is kept in the job's folder.",
            Action::ReplaceFile { path: self.path.clone(), bytes: after, expect_blake3: hash.clone() },
        );
        draft.assume(format!("{} is as it was read", self.path), Check::Holds { path: self.path.clone(), blake3: hash }, Some(step));
        Ok(step)
    }
}

fn copy(source: &Source, to: Location, new: bool, request: &MoveDisk) -> Action {
    Action::Copy {
        copies: vec![DiskCopy {
            label: request.vdev.clone(),
            from: source.location.clone(),
            to,
            new,
            hashes_to: None,
            hashes_from: None,
            verify: true,
            keeping: crate::model::Keeping::default(),
        }],
        at_once: 1,
        rate: request.rate,
    }
}

fn into_file(
    draft: &mut Draft,
    request: &MoveDisk,
    source: &Source,
    path: &HostPath,
    facts: &Facts<'_>,
    setting: &Setting,
) -> Go<HostPath> {
    let (place, real) = paths::vacant(facts, path)?;
    let needed = source.allocated.unwrap_or(source.bytes);
    if needed > place.free && !source.volume {
        return no(
            "no-room",
            format!("{} has {} free, and {} has {} in it", place.directory, bytes::human(place.free), source.path, bytes::human(needed)),
            "make room, or choose another directory",
        );
    }
    if source.bytes > place.free {
        draft.warn(format!(
            "{} has {} free, less than the disk: unless enough of it is zeros, the copy will not fit, or the guest's writes will fail later.",
            place.directory,
            bytes::human(place.free)
        ));
    }
    let partial = paths::partial(&real, &setting.id);
    let step = draft.step(
        format!("Copy {} into a new file, and compare", source.path),
        "Under a temporary name. Holes and zeros take no room in it.",
        copy(source, Location::File { path: partial.clone() }, true, request),
    );
    let above = paths::parent(&real);
    draft.assume(format!("{above} is the file system that was looked at"), Check::LiesOn { path: above, dev: place.dev }, Some(step));
    let step = draft.step(
        format!("Give the copy its name, {real}"),
        "Only a whole copy gets the name. What may have come to stand there meanwhile is not replaced.",
        Action::Rename { from: partial, to: real.clone(), expect: None },
    );
    draft.assume(format!("nothing stands at {real}"), Check::Exists { path: real.clone() }.negated(), Some(step));
    Ok(real)
}

/// A copy fills a thin volume: the pool must hold all of it.
fn pool_has_room(pool: &LogicalVolume, bytes: u64) -> Go<()> {
    let Some(percent) = pool.data_percent else {
        return no(
            "not-known",
            format!("how full the thin pool {} is could not be found out", pool.full_name()),
            "activate it: lvchange -ay",
        );
    };
    let free = pool.bytes as f64 * (100.0 - percent) / 100.0;
    if (bytes as f64) < free {
        return Ok(());
    }
    no(
        "pool-no-room",
        format!("the thin pool {} is {percent:.1} % full, and the disk of {} does not fit", pool.full_name(), bytes::human(bytes)),
        "give the pool more room first: domkeep grow",
    )
}

fn into_volume(
    draft: &mut Draft,
    request: &MoveDisk,
    source: &Source,
    (vg, lv, pool): (&str, &str, Option<&str>),
    facts: &Facts<'_>,
    setting: &Setting,
) -> Go<(HostPath, bool)> {
    let now = lvm_now::look(facts, &["lvcreate", "lvremove"])?;
    lvm_names::check_name("volume group", vg)?;
    let group = lvm_now::group(now, vg)?;
    lvm_names::new_name(now, vg, lv)?;
    let bytes = group.rounded(source.bytes);
    let name = Name { vg, lv };
    let path = HostPath::from(format!("/dev/{}", name.full()).as_str());
    let size = format!("{bytes}b");
    let why = "Its size is the disk's, in whole extents. Its name is free, and only this job's own volume is ever taken back.";
    match pool {
        None => {
            lvm_now::room(group, bytes)?;
            lvm::create(draft, &setting.id, format!("Make the volume {}", name.full()), why, name, &["-L", &size, vg]);
        }
        Some(pool) => {
            let usable = super::new_volume::usable_pool(now, vg, pool)?;
            pool_has_room(usable, bytes)?;
            draft.warn("The copy writes every block, zeros too: the thin volume takes its whole size of the pool. `fstrim` in the guest gives back what is free.");
            let words = ["-V", &size, "--thinpool", pool, vg];
            lvm::create(draft, &setting.id, format!("Make the thin volume {}", name.full()), why, name, &words);
        }
    }
    let rest = bytes.saturating_sub(source.bytes);
    if rest > 0 && pool.is_none() {
        paths::tools(facts, &[("blkdiscard", "util-linux")])?;
        let words = ["-z".to_owned(), "-o".to_owned(), source.bytes.to_string(), "-l".to_owned(), rest.to_string(), text(&path)];
        let step = draft.run(
            "Write zeros behind the end of the disk",
            "The last extent is not filled by the copy, and holds what an old volume left there.",
            Cmd::changes("blkdiscard", words),
        );
        draft.done(step, again::never());
    }
    let step = draft.step(
        format!("Copy {} into it, and compare", source.path),
        "Every block is written, zeros too: what an old volume left there must not shine through.",
        copy(source, Location::Device { path: path.clone() }, false, request),
    );
    draft.undo(step, crate::model::Undo::Nothing);
    Ok((path, rest > 0))
}
