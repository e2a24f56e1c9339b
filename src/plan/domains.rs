//! What several plans ask of a domain: which one is meant, which configuration it starts from, who else has its disks.

use super::facts::{Facts, Go, no};
use crate::model::{Backing, Config, ConfigSource, Disk, DiskKind, Domain, HostPath, Inventory, Toolstack};

/// The domain that a request names.
pub(super) fn named<'a>(facts: &Facts<'a>, name: &str) -> Go<&'a Domain> {
    let inventory = facts.inventory();
    let Some(domain) = inventory.domain(name) else {
        return no("no-domain", format!("there is no domain {name} on this host"), "`domkeep list` shows all");
    };
    if domain.id != name && inventory.domains.iter().filter(|other| other.name == name).count() > 1 {
        return no(
            "domain-ambiguous",
            format!("several domains are called {name}"),
            "give the one that is meant as `domkeep list` names it",
        );
    }
    if domain.name.is_empty() || domain.name.chars().all(|c| c.is_ascii_digit()) {
        return no(
            "domain-name-a-number",
            format!("xl takes the name `{}` for the number of a domain", domain.name),
            "give the domain another name first",
        );
    }
    Ok(domain)
}

/// Refuses a domain that xl has no say over. `instead` is the command of the one who has.
pub(super) fn by_xl(domain: &Domain, instead: &str) -> Go<()> {
    let runs_there = domain.libvirt.as_ref().is_some_and(|libvirt| libvirt.is_active() == Some(true));
    if !runs_there && (domain.toolstacks.is_empty() || domain.toolstacks.contains(&Toolstack::Xl)) {
        return Ok(());
    }
    if domain.toolstacks.contains(&Toolstack::Xend) {
        return no("xend-domain", format!("{} belongs to xend", domain.name), "stop it with xend's own tools and move it to xl first");
    }
    no("libvirt-domain", format!("{} belongs to libvirt, which would not know of it", domain.name), instead.to_owned())
}

/// The words of a command that name a domain: a name that begins with a dash is no option.
pub(super) fn word(name: &str) -> Vec<String> {
    if name.starts_with('-') { vec!["--".into(), name.into()] } else { vec![name.into()] }
}

/// The file that the domain starts from: the one that was given, or the only one that there is.
pub(super) fn config<'a>(facts: &Facts<'a>, domain: &Domain, given: Option<&HostPath>) -> Go<&'a Config> {
    let inventory = facts.inventory();
    let path = match (given, domain.configs.as_slice()) {
        (Some(path), _) | (None, [path]) => path,
        (None, []) => {
            return no("no-config", format!("no configuration file of {} was found", domain.name), "name the file that it starts from");
        }
        (None, several) => {
            let all: Vec<String> = several.iter().map(ToString::to_string).collect();
            return no("which-config", format!("several files name {}: {}", domain.name, all.join(", ")), "say which one");
        }
    };
    let Some(config) = inventory.config(path) else {
        return no("no-config", format!("{path} is no configuration that domkeep has read"), "name a file that `domkeep show` lists");
    };
    if config.source != ConfigSource::File {
        return no(
            "config-not-a-file",
            format!("{path} is {}'s own record, no file for xl", config.source.as_str()),
            "name an xl configuration file",
        );
    }
    if config.name.as_deref() != Some(domain.name.as_str()) {
        let other = config.name.as_deref().unwrap_or("nobody");
        return no(
            "config-of-other",
            format!("{path} is the configuration of {other}, not of {}", domain.name),
            "name the file of this domain",
        );
    }
    if let Some(trouble) = config.trouble.iter().find(|trouble| trouble.fatal) {
        let line = trouble.line.map_or_else(String::new, |line| format!(" (line {line})"));
        return no("config-refused", format!("xl refuses {path}{line}: {}", trouble.what), "mend the file first");
    }
    Ok(config)
}

/// Somebody who has a disk open now, besides one domain.
pub(super) struct User {
    pub says: String,
    pub rule: &'static str,
    pub writes: bool,
}

/// Who uses a backing now: other domains that are there, mounts of dom0, what is stacked on it.
pub(super) fn users(inventory: &Inventory, backing: &Backing, except: &Domain) -> Vec<User> {
    let mut users = Vec::new();
    for domain in inventory.domains.iter().filter(|domain| domain.id != except.id && domain.power.is_present()) {
        let has = |disk: &&Disk| (disk.attached || domain.attached_unknown) && disk.backing.as_ref() == Some(&backing.key);
        for disk in domain.disks.iter().filter(has) {
            let vdev = disk.vdev.as_deref().unwrap_or("?");
            let writes = disk.mode.is_none_or(crate::model::Mode::writes);
            users.push(User { says: format!("{vdev} of {} ({})", domain.name, domain.power.as_str()), rule: "disk-in-use", writes });
        }
    }
    for mount in &backing.mounts {
        let how = if mount.read_write { "read-write" } else { "read-only" };
        users.push(User { says: format!("mounted {how} at {} in dom0", mount.at), rule: "disk-mounted", writes: mount.read_write });
    }
    for holder in &backing.holders {
        users.push(User { says: format!("held by {} ({})", holder.name, holder.what), rule: "disk-held", writes: true });
    }
    users
}

/// Looks whether a domain can get its disks: each is there, and nobody has it who writes, or whom it would write under.
pub(super) fn can_get_disks(inventory: &Inventory, domain: &Domain, disks: &[Disk]) -> Go<()> {
    for disk in disks.iter().filter(|disk| !matches!(disk.kind, DiskKind::Empty | DiskKind::NfsRoot)) {
        let vdev = disk.vdev.as_deref().unwrap_or("?");
        let path = disk.path.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        if disk.exists == Some(false) {
            return no(
                "disk-missing",
                format!("{vdev} of {} is not there: {path}", domain.name),
                "bring it back, or take it out of the configuration",
            );
        }
        let Some(backing) = inventory.backing(disk.backing.as_ref()) else { continue };
        let writes = disk.mode.is_none_or(crate::model::Mode::writes);
        let overlay = inventory.backings.values().find(|above| above.backing_file.as_ref().is_some_and(|(_, below)| *below == backing.key));
        if let Some(overlay) = overlay.filter(|_| writes) {
            return no(
                "base-of-overlay",
                format!(
                    "{path} ({vdev} of {}) is what the image {} stands on: one write to it destroys that image",
                    domain.name, overlay.path
                ),
                "start a clone of it instead; or remove the images that stand on it first",
            );
        }
        if let Some(user) = users(inventory, backing, domain).into_iter().find(|user| user.writes || writes) {
            let instead = match user.rule {
                "disk-mounted" => "unmount it first",
                "disk-held" => "take down what stands on it first",
                _ => "stop the other domain first; two that write to one disk destroy its file system",
            };
            return no(user.rule, format!("{path} ({vdev} of {}) is {}", domain.name, user.says), instead);
        }
    }
    Ok(())
}

/// What locks call a disk of a domain.
pub(super) fn lock_path(inventory: &Inventory, disk: &Disk) -> Option<HostPath> {
    match inventory.backing(disk.backing.as_ref()) {
        Some(backing) => Some(lock_of_backing(backing)),
        None => disk.path.clone().filter(HostPath::is_absolute),
    }
}

/// What locks call a backing: its canonical path, the same for everybody who names it.
pub(super) fn lock_of_backing(backing: &Backing) -> HostPath {
    let key = HostPath::from(backing.key.as_str());
    if key.is_absolute() { key } else { backing.path.clone() }
}

/// What locks call the disk at a path: as its domains' plans do, whichever of its names was given.
pub(super) fn lock_of_path(inventory: &Inventory, path: &HostPath, canonical: &HostPath) -> HostPath {
    let is_it = |backing: &&Backing| {
        [path, canonical]
            .into_iter()
            .any(|name| backing.key.as_bytes() == name.as_bytes() || backing.path == *name || backing.aliases.contains(name))
    };
    inventory.backings.values().find(is_it).map_or_else(|| canonical.clone(), lock_of_backing)
}
