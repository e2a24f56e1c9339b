//! Puts together what the sources said: live domains, configs and save images become domains with their disks.

use std::collections::BTreeMap;

use super::backings::{Attached, Backings};
use super::config_file::kind_of;
use super::config_file::nfs_root::nfsroot_of;
use super::libvirt;
use super::libxl_json::LibxlConfig;
use super::xenstore::{self, Tree, Vbd};
use super::xl::{self, Row};
use crate::model::{Config, ConfigSource, Disk, DiskKind, Domain, HostPath, Memory, MemoryState, Mode, Power, Save, SaveFormat, Toolstack};

/// What the running system said.
#[derive(Debug, Default)]
pub struct Live {
    /// Rows of `xl list -v`; `None` when xl did not answer.
    pub rows: Option<Vec<Row>>,
    /// `xl list -l`, by domid.
    pub long: BTreeMap<u32, LibxlConfig>,
    pub long_known: bool,
    /// xenstore's trees; `None` when it did not answer.
    pub store: Option<Tree>,
    /// Domids that libvirt's Xen driver owns (its mark in /var/lib/xen).
    pub libvirt_owned: Vec<u32>,
}

/// Domains from all sources, sorted by name.
pub fn domains(live: &Live, libvirt: &libvirt::look::Seen, configs: &[Config], saves: &[Save], backings: &mut Backings) -> Vec<Domain> {
    let mut domains: Vec<Domain> = match &live.rows {
        Some(rows) => rows.iter().map(|row| present(live, row, backings)).collect(),
        None => live.long.iter().map(|(domid, config)| listed_only(live, *domid, config, backings)).collect(),
    };
    libvirt::join::domains(&mut domains, libvirt, backings);
    for config in configs.iter().filter(|config| config.source != ConfigSource::SaveImage) {
        configured(&mut domains, config, live.rows.is_some());
    }
    let mut by_path: ByPath<'_> = BTreeMap::new();
    for config in configs.iter().filter(|config| config.source != ConfigSource::SaveImage) {
        by_path.entry(&config.path).or_default().push(config);
    }
    for domain in &mut domains {
        join_saves(domain, saves);
        join_config_disks(domain, &by_path);
        settle_power(domain, saves);
    }
    guess_configs(&mut domains, configs, live);
    tell_apart(&mut domains);
    domains.sort_by(|a, b| (&a.name, a.domid).cmp(&(&b.name, b.domid)));
    domains
}

fn present(live: &Live, row: &Row, backings: &mut Backings) -> Domain {
    let long = live.long.get(&row.domid);
    // The JSON has the name byte for byte; the table cuts trailing blanks.
    let name = long
        .and_then(|config| config.name.clone())
        .filter(|name| name.trim_end() == row.name.trim_end())
        .unwrap_or_else(|| row.name.clone());
    let (power, note) = xl::power(&row.state, &name);
    let mut notes: Vec<String> = note.into_iter().collect();
    if long.is_none() && live.long_known {
        notes.push("`xl list -l` leaves it out: its device model may be dead, or it is being made or destroyed".into());
    }
    let uuid = row.uuid.clone().or_else(|| long.and_then(|config| config.uuid.clone()));
    let libvirt = live.libvirt_owned.contains(&row.domid);
    let vbds = vbds(live, row.domid);
    let attached_unknown = vbds.is_none() && long.is_none();
    if attached_unknown {
        notes.push("which disks it has now is not known: neither xenstore nor `xl list -l` tells".into());
    }
    let disks = attached_disks(live, vbds.as_deref(), long, backings);
    Domain {
        id: name.clone(),
        toolstacks: vec![if libvirt { Toolstack::LibvirtXen } else { Toolstack::Xl }],
        power,
        domid: Some(row.domid),
        guest_type: long.and_then(|config| config.guest_type.clone()),
        vcpus: Some(row.vcpus),
        memory: Memory { state: MemoryState::InRam, bytes: Some(row.memory_bytes) },
        started: live.store.as_ref().zip(uuid.as_ref()).and_then(|(store, uuid)| xenstore::started(store, uuid)),
        attached_unknown,
        disks,
        uuid,
        name,
        notes,
        ..Domain::default()
    }
}

/// A domain of `xl list -l` when `xl list -v` did not answer: it is there, and what it is doing is not known.
fn listed_only(live: &Live, domid: u32, config: &LibxlConfig, backings: &mut Backings) -> Domain {
    let row = Row {
        name: config.name.clone().unwrap_or_else(|| format!("(domid {domid})")),
        domid,
        memory_bytes: 0,
        vcpus: 0,
        state: String::new(),
        uuid: config.uuid.clone(),
    };
    Domain {
        power: Power::Unknown,
        memory: Memory { state: MemoryState::InRam, bytes: None },
        vcpus: config.vcpus,
        ..present(live, &row, backings)
    }
}

/// The attached disks as xenstore knows them; `None` when it did not answer, or does not know the domain (half made, or not libxl's).
fn vbds(live: &Live, domid: u32) -> Option<Vec<Vbd>> {
    let store = live.store.as_ref()?;
    xenstore::knows(store, domid).then(|| xenstore::vbds(store, domid))
}

/// Disks that a present domain has: xenstore's word first, libxl's JSON for what xenstore lacks.
fn attached_disks(live: &Live, vbds: Option<&[Vbd]>, long: Option<&LibxlConfig>, backings: &mut Backings) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for told in long.map(|config| config.disks.as_slice()).unwrap_or_default() {
        let vbd = vbds.unwrap_or_default().iter().find(|vbd| vbd.vdev == told.vdev);
        // libxl's JSON keeps a disk that was detached; xenstore does not.
        if vbds.is_some() && vbd.is_none() && told.vdev.is_some() {
            continue;
        }
        disks.push(attach(live, told.clone(), vbd, backings));
    }
    for vbd in vbds.unwrap_or_default() {
        if !disks.iter().any(|disk| disk.vdev == vbd.vdev) {
            disks.push(attach(live, from_vbd(vbd), Some(vbd), backings));
        }
    }
    if let Some(root) = long.and_then(|config| nfsroot_of(config.cmdline.as_deref()?)) {
        disks.push(Disk { attached: true, in_config: false, ..root.disk() });
    }
    disks
}

fn from_vbd(vbd: &Vbd) -> Disk {
    Disk {
        vdev: vbd.vdev.clone(),
        mode: Some(if vbd.writable { Mode::Write } else { Mode::Read }),
        kind: kind_of(vbd.target.as_deref().unwrap_or_default().as_bytes(), vbd.script.as_deref(), vbd.target.is_none() && vbd.cdrom),
        path: vbd.target.clone().map(HostPath::from),
        format: if vbd.target.is_none() && vbd.cdrom { Some("empty".into()) } else { vbd.format.clone() },
        removable: vbd.cdrom,
        ..Disk::default()
    }
}

fn attach(live: &Live, mut disk: Disk, vbd: Option<&Vbd>, backings: &mut Backings) -> Disk {
    disk.in_config = false;
    disk.attached = true;
    let mut facts = Attached::default();
    if let Some(vbd) = vbd {
        disk.backend = vbd.backend_type.clone().or(disk.backend);
        // The usual script is not worth a word.
        let own = |script: &String| script.rsplit('/').next() != Some("block");
        disk.script = disk.script.or_else(|| vbd.script.clone().filter(own));
        if let Some(domid) = vbd.backend_domid.filter(|domid| *domid != 0) {
            disk.backend_domain = disk.backend_domain.or_else(|| Some(domid.to_string()));
        }
        disk.mode = Some(if vbd.writable { Mode::Write } else { Mode::Read });
        if matches!(vbd.hotplug_status.as_deref(), Some("busy" | "error")) {
            let why = vbd.hotplug_error.clone().unwrap_or_else(|| "the hotplug script refused it".into());
            disk.trouble = Some(why);
            disk.attached = false;
        }
        // The number is dom0's only when dom0 serves the disk.
        facts = Attached { device: vbd.device.filter(|_| disk.backend_domain.is_none()), bytes: vbd.bytes };
    }
    name_backend(&mut disk, live);
    settle(&mut disk, facts, backings);
    disk
}

/// A backend domain by its name, whether a config or libxl gave its name or its domid.
pub fn name_backend(disk: &mut Disk, live: &Live) {
    let Some(domid) = disk.backend_domain.as_deref().and_then(|told| told.parse::<u32>().ok()) else { return };
    if let Some(row) = live.rows.iter().flatten().find(|row| row.domid == domid) {
        disk.backend_domain = Some(row.name.clone());
    }
}

/// Finds a disk's backing and what follows from it.
pub fn settle(disk: &mut Disk, attached: Attached, backings: &mut Backings) {
    let Some(path) = disk.path.clone().filter(|path| !path.is_empty()) else { return };
    let elsewhere = disk.kind.managed_elsewhere() || disk.backend_domain.is_some() || disk.kind == DiskKind::Empty;
    let key = if elsewhere {
        if disk.kind == DiskKind::Empty {
            return;
        }
        backings.elsewhere(disk.kind, disk.backend_domain.as_deref(), &path)
    } else if path.is_absolute() || attached.device.is_some() {
        backings.resolve(&path, attached)
    } else {
        // A script's argument or a protocol that dom0 cannot open as a path.
        backings.elsewhere(disk.kind, None, &path)
    };
    backings.learn(&key, attached);
    if !elsewhere && disk.format.as_deref().is_some_and(|format| !matches!(format, "raw" | "unknown" | "empty")) {
        backings.as_image(&key, true);
    }
    if let Some(backing) = backings.get(&key) {
        if !elsewhere {
            disk.kind = match (backing.kind, is_loop_device(&path)) {
                (_, true) => DiskKind::Loop,
                (DiskKind::Unknown, _) => disk.kind,
                (kind, _) => kind,
            };
            // Show a volume by the name that people use, whatever alias the toolstack was given.
            if backing.volume.is_some() && backing.path != path {
                disk.written_as.get_or_insert_with(|| path.as_path().to_string_lossy().into_owned());
                disk.path = Some(backing.path.clone());
            }
        }
        disk.exists = backing.exists;
        disk.bytes = backing.bytes.or(attached.bytes);
        disk.allocated = backing.allocated;
    }
    disk.backing = Some(key);
}

fn is_loop_device(path: &HostPath) -> bool {
    path.as_path().strip_prefix("/dev").ok().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("loop"))
}

fn toolstack(config: &Config) -> Toolstack {
    match config.source {
        ConfigSource::Xend => Toolstack::Xend,
        ConfigSource::Libvirt => {
            let kind = config.settings.iter().find(|(key, _)| key == "type").map(|(_, kind)| kind.as_str());
            match kind {
                Some("xen") => Toolstack::LibvirtXen,
                Some("kvm" | "qemu" | "hvf") => Toolstack::LibvirtQemu,
                _ if config.path.starts_with("/etc/libvirt/qemu") => Toolstack::LibvirtQemu,
                _ if config.path.starts_with("/etc/libvirt/libxl") => Toolstack::LibvirtXen,
                _ => Toolstack::Libvirt,
            }
        }
        ConfigSource::File | ConfigSource::SaveImage => Toolstack::Xl,
    }
}

/// A config belongs to the domain of its name; a domain that has none yet is one that is off (or cannot be seen).
fn configured(domains: &mut Vec<Domain>, config: &Config, live_known: bool) {
    let Some(name) = config.name.as_ref() else { return };
    let tool = toolstack(config);
    // A QEMU domain is another machine than a Xen domain of its name; on Xen a name is one machine, elsewhere the uuid tells.
    let same = |domain: &Domain| {
        let of_one_host = if tool.is_xen() {
            domain.toolstacks.iter().any(|stack| stack.is_xen())
        } else {
            domain.toolstacks.contains(&tool) && (domain.uuid.is_none() || config.uuid.is_none() || domain.uuid == config.uuid)
        };
        &domain.name == name && of_one_host
    };
    let position = domains.iter().position(same);
    let domain = if let Some(domain) = position.and_then(|at| domains.get_mut(at)) {
        domain
    } else {
        // xl knows nothing of QEMU's domains: whether one runs cannot be said from here.
        let known_off = live_known && tool.is_xen();
        domains.push(Domain {
            id: name.clone(),
            name: name.clone(),
            uuid: config.uuid.clone(),
            power: if known_off { Power::Off } else { Power::Unknown },
            memory: Memory { state: if known_off { MemoryState::None } else { MemoryState::Unknown }, bytes: None },
            guest_type: config.guest_type.clone(),
            ..Domain::default()
        });
        let Some(domain) = domains.last_mut() else { return };
        domain
    };
    if !domain.toolstacks.contains(&tool) {
        domain.toolstacks.push(tool);
        domain.toolstacks.sort();
    }
    if domain.uuid.is_none() {
        domain.uuid.clone_from(&config.uuid);
    }
    domain.configs.push(config.path.clone());
}

/// Save images of a domain.
fn join_saves(domain: &mut Domain, saves: &[Save]) {
    let belongs = |save: &&Save| {
        let qemu = save.format == SaveFormat::LibvirtQemu;
        save.domain.as_ref() == Some(&domain.name) && domain.toolstacks.contains(&Toolstack::LibvirtQemu) == qemu
    };
    // The managed save that libvirt told of, which may not be readable.
    let managed = std::mem::take(&mut domain.saves).into_iter();
    domain.saves = saves.iter().filter(belongs).map(|save| save.path.clone()).collect();
    for path in managed {
        if !domain.saves.contains(&path) {
            domain.saves.push(path);
        }
    }
}

/// Configs that a toolstack starts domains from.
type ByPath<'c> = BTreeMap<&'c HostPath, Vec<&'c Config>>;

fn join_config_disks(domain: &mut Domain, configs: &ByPath<'_>) {
    let sources: Vec<&Config> = domain.configs.iter().filter_map(|path| configs.get(path)).flatten().copied().collect();
    // The disks of the config in force at the next start come first, the autostarted one's; other files add what only they name.
    let lead = sources.iter().find(|config| config.autostart).or(sources.first());
    for wanted in lead.into_iter().chain(&sources).flat_map(|config| &config.disks) {
        join_disk(domain, wanted);
    }
}

/// The target in the toolstack's own words: what a hotplug script was given is the same in xenstore and in the config, whatever device the
/// script made of it.
fn told(disk: &Disk) -> Option<String> {
    disk.written_as.clone().or_else(|| disk.path.as_ref().map(|path| path.as_path().to_string_lossy().into_owned()))
}

fn join_disk(domain: &mut Domain, wanted: &Disk) {
    let same = |disk: &&mut Disk| {
        disk.vdev == wanted.vdev
            && (disk.backing == wanted.backing && disk.path.is_some() == wanted.path.is_some()
                || disk.path == wanted.path
                || told(disk) == told(wanted))
    };
    if let Some(disk) = domain.disks.iter_mut().find(same) {
        disk.in_config = true;
        // What the file says more than the hypervisor: the spelling, and xm's `w!`.
        disk.written_as = disk.written_as.take().or_else(|| wanted.written_as.clone());
        if disk.format.is_none() {
            disk.format.clone_from(&wanted.format);
        }
    } else {
        domain.disks.push(Disk { in_config: true, attached: false, ..wanted.clone() });
    }
}

/// Off, with a complete save image: saved. (Whether that image is stale is another room's question.)
fn settle_power(domain: &mut Domain, saves: &[Save]) {
    if domain.power != Power::Off {
        return;
    }
    let usable =
        saves.iter().filter(|save| domain.saves.contains(&save.path) && save.complete != Some(false)).max_by_key(|save| save.created);
    if let Some(save) = usable {
        domain.power = Power::Saved;
        domain.memory = Memory { state: MemoryState::SaveImage, bytes: Some(save.bytes) };
        return;
    }
    let managed = domain.libvirt.as_ref().filter(|libvirt| libvirt.managed_save == Some(true)).map(|libvirt| &libvirt.paths.managed_save);
    // libvirt says that there is one, and it could not be read: whether it is whole is not known.
    if managed.is_some_and(|path| !saves.iter().any(|save| Some(&save.path) == path.as_ref())) {
        domain.power = Power::Saved;
        domain.memory = Memory { state: MemoryState::SaveImage, bytes: None };
    }
}

/// A present domain that no file names may come from one with overrides (`xl create FILE 'name="x"'`): the one file that fits, as a guess.
fn guess_configs(domains: &mut [Domain], configs: &[Config], live: &Live) {
    for domain in domains.iter_mut().filter(|domain| domain.power.is_present() && domain.configs.is_empty()) {
        let Some(long) = domain.domid.and_then(|domid| live.long.get(&domid)) else { continue };
        let mut scored: Vec<(usize, &Config)> = configs
            .iter()
            .filter(|config| config.source == ConfigSource::File)
            .map(|config| (likeness(long, config, domain), config))
            .filter(|(score, _)| *score > 0)
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        match scored.as_slice() {
            [(best, config), (second, _), ..] if best > second => domain.likely_config = Some(config.path.clone()),
            [(_, config)] => domain.likely_config = Some(config.path.clone()),
            _ => {}
        }
    }
}

/// Domains of one name (half-made ones, one of Xen and one of QEMU) get ids that differ: nothing of one must be taken for the other's.
fn tell_apart(domains: &mut [Domain]) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for domain in domains.iter() {
        *names.entry(domain.name.clone()).or_default() += 1;
    }
    for domain in domains.iter_mut().filter(|domain| names.get(&domain.name).is_some_and(|count| *count > 1)) {
        domain.id = match (domain.domid, domain.toolstacks.first()) {
            (Some(domid), _) => format!("{} (domid {domid})", domain.name),
            (None, Some(_)) if domain.libvirt.as_ref().is_some_and(|libvirt| !libvirt.uri.ends_with("/system")) => {
                let uri = domain.libvirt.as_ref().map(|libvirt| libvirt.uri.clone()).unwrap_or_default();
                format!("{} ({uri})", domain.name)
            }
            (None, Some(toolstack)) => format!("{} ({})", domain.name, toolstack.as_str()),
            (None, None) => continue,
        };
    }
}

/// How much a running domain looks like started from a file: the kernel must be the same; disks, memory and the name add.
fn likeness(long: &LibxlConfig, config: &Config, domain: &Domain) -> usize {
    let setting = |key: &str| config.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let same = |live: Option<&str>, key: &str| live.unwrap_or_default() == setting(key).unwrap_or_default();
    if !same(long.kernel.as_deref(), "kernel") || !same(long.ramdisk.as_deref(), "ramdisk") {
        return 0;
    }
    let mut score = 1;
    score += usize::from(config.memory_bytes.is_some() && config.memory_bytes == long.memory_bytes());
    let shared_disks = domain
        .disks
        .iter()
        .filter(|disk| disk.backing.is_some() && config.disks.iter().any(|wanted| wanted.backing == disk.backing))
        .count();
    score += 4 * shared_disks;
    let stem = config.name.as_deref().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
    score += usize::from(!stem.is_empty() && domain.name.starts_with(stem)) * 2;
    score
}

#[cfg(test)]
mod attached_tests;

#[cfg(test)]
mod tests;
