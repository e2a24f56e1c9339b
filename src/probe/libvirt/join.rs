//! libvirt's answers as domains: new ones, and what it knows more of those that another toolstack has told of.

use super::look::{Seen, SeenDomain};
use crate::model::{Config, Disk, Domain, HostPath, Memory, MemoryState, Power, Toolstack};
use crate::probe::backings::{Attached, Backings};
use crate::probe::merge::settle;

/// The stored definitions as configurations. One whose file was read already is that file; what only the daemon knows of it is added.
pub fn configs(seen: &Seen, configs: &mut Vec<Config>) {
    for domain in &seen.domains {
        let Some(xml) = &domain.stored else { continue };
        let path = config_path(domain);
        let autostart = domain.facts.autostart == Some(true);
        if let Some(file) = configs.iter_mut().find(|config| config.path == path) {
            file.autostart |= autostart;
            continue;
        }
        configs.push(Config { path, autostart, ..xml.config.clone() });
    }
    for config in configs.iter_mut() {
        let uri = |domain: &&SeenDomain| config_path(domain) == config.path;
        let Some(uri) = seen.domains.iter().find(uri).map(|domain| domain.facts.uri.clone()) else { continue };
        for disk in &mut config.disks {
            find_volume(seen, &uri, disk);
        }
    }
}

/// The file of a stored definition; where nobody knows it, the domain as a URI.
fn config_path(domain: &SeenDomain) -> HostPath {
    domain.facts.paths.config.clone().unwrap_or_else(|| HostPath::from(format!("{}/{}", domain.facts.uri, domain.name)))
}

/// A volume of a storage pool gets its path.
fn find_volume(seen: &Seen, uri: &str, disk: &mut Disk) {
    let Some(words) = disk.written_as.clone().filter(|_| disk.path.is_none()) else { return };
    if let Some(path) = seen.volumes.get(&(uri.to_owned(), words)) {
        disk.path = Some(path.clone());
        if path.is_absolute() {
            disk.kind = super::kind_of_path(&path.as_path().to_string_lossy());
        }
    }
}

/// Adds libvirt's domains to those that xl told of. One that both know is one domain.
pub fn domains(domains: &mut Vec<Domain>, seen: &Seen, backings: &mut Backings) {
    for told in &seen.domains {
        let known = domains.iter_mut().find(|domain| is_same(domain, told));
        if let Some(domain) = known {
            if !domain.toolstacks.contains(&told.toolstack) {
                domain.toolstacks.push(told.toolstack);
                domain.toolstacks.sort();
            }
            domain.libvirt = Some(told.facts.clone());
        } else {
            let mut domain = new(told);
            let uri = &told.facts.uri;
            for disk in told.live.iter().flat_map(|xml| &xml.config.disks) {
                let mut disk = Disk { attached: true, in_config: false, ..disk.clone() };
                find_volume(seen, uri, &mut disk);
                settle(&mut disk, Attached::default(), backings);
                if let (Some(key), Some(xml)) = (&disk.backing, &disk.libvirt) {
                    backings.chain(key, &xml.backing_chain);
                }
                domain.disks.push(disk);
            }
            domains.push(domain);
        }
    }
}

/// xl lists every running domain of libvirt's Xen driver.
fn is_same(domain: &Domain, told: &SeenDomain) -> bool {
    let xen = told.toolstack == Toolstack::LibvirtXen && domain.toolstacks.iter().any(|stack| stack.is_xen());
    xen && match (&domain.uuid, domain.domid, told.facts.id) {
        (Some(uuid), _, _) if uuid.eq_ignore_ascii_case(&told.uuid) => true,
        (None, Some(domid), Some(id)) => domid == id,
        _ => false,
    }
}

fn new(told: &SeenDomain) -> Domain {
    let facts = &told.facts;
    let power = power(facts.state.as_deref(), facts.reason.as_deref());
    let xml = told.live.as_ref().or(told.stored.as_ref());
    let memory = match (facts.is_active(), facts.managed_save) {
        (Some(true), _) => Memory { state: MemoryState::InRam, bytes: told.live.as_ref().and_then(|xml| xml.config.memory_bytes) },
        (Some(false), Some(false)) => Memory { state: MemoryState::None, bytes: None },
        (Some(false), Some(true)) => Memory { state: MemoryState::SaveImage, bytes: None },
        _ => Memory::default(),
    };
    let mut notes = Vec::new();
    if facts.persistent == Some(false) {
        notes.push("transient: libvirt has no stored definition of it, it is gone when it stops".to_owned());
    }
    if let (Some(state), Some(reason)) = (&facts.state, facts.reason.as_ref().filter(|reason| worth_telling(reason))) {
        notes.push(format!("{state} ({reason})"));
    }
    notes.extend(told.note.clone());
    notes.extend(facts.job.as_ref().map(|job| format!("a job is at work on it: {job}")));
    Domain {
        id: told.name.clone(),
        name: told.name.clone(),
        uuid: Some(told.uuid.clone()),
        toolstacks: vec![told.toolstack],
        power,
        // xl's number of it; QEMU's domains have none.
        domid: facts.id.filter(|_| told.toolstack == Toolstack::LibvirtXen),
        guest_type: xml.and_then(|xml| xml.config.guest_type.clone()),
        vcpus: xml.and_then(|xml| xml.vcpus),
        memory,
        started: told.started,
        attached_unknown: facts.is_active() != Some(false) && told.live.is_none(),
        saves: facts.paths.managed_save.iter().cloned().collect(),
        libvirt: Some(facts.clone()),
        notes,
        ..Domain::default()
    }
}

/// The usual reasons say nothing that the state does not.
fn worth_telling(reason: &str) -> bool {
    !matches!(reason, "unknown" | "booted" | "user" | "shutdown" | "saved" | "destroyed" | "restored" | "unpaused")
}

fn power(state: Option<&str>, reason: Option<&str>) -> Power {
    match (state, reason) {
        (Some("paused"), Some("migrating")) => Power::Migrating,
        (Some("running" | "idle"), _) => Power::Running,
        (Some("paused"), _) => Power::Paused,
        (Some("in shutdown"), _) => Power::Dying,
        (Some("shut off"), _) => Power::Off,
        (Some("crashed"), _) => Power::Crashed,
        (Some("pmsuspended"), _) => Power::Suspended,
        _ => Power::Unknown,
    }
}
