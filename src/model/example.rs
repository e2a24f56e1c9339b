//! A small host made by hand, for tests: everything on it is well until a test changes it.

#![allow(clippy::missing_panics_doc, reason = "for tests only, where a panic is the answer")]

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Backing, Config, ConfigSource, Disk, DiskKind, Domain, HostPath, Inventory, LogicalVolume, Memory, MemoryState, Mode, Power, Save,
    SaveFormat, Signature, SuperblockTimes, Toolstack, VolumeGroup,
};

/// A moment, in minutes from the one at which [`save`]s are made.
pub fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// A disk that a config names: a volume under /dev, a file elsewhere.
pub fn disk(vdev: &str, path: &str, mode: Mode) -> Disk {
    Disk {
        vdev: Some(vdev.to_owned()),
        mode: Some(mode),
        kind: if path.starts_with("/dev/") { DiskKind::Lvm } else { DiskKind::File },
        path: Some(path.into()),
        format: Some("raw".to_owned()),
        bytes: Some(1 << 30),
        allocated: Some(1 << 30),
        exists: Some(true),
        in_config: true,
        backing: Some(path.to_owned()),
        ..Disk::default()
    }
}

/// A drive without a medium.
pub fn empty_drive(vdev: &str) -> Disk {
    Disk { vdev: Some(vdev.to_owned()), mode: Some(Mode::Read), kind: DiskKind::Empty, removable: true, in_config: true, ..Disk::default() }
}

/// A domain with a config of its own name. When it is there, its configured disks are attached.
pub fn domain(name: &str, power: Power, disks: Vec<Disk>) -> Domain {
    let present = power.is_present();
    let disks = disks.into_iter().map(|disk| Disk { attached: present, ..disk }).collect();
    Domain {
        id: name.to_owned(),
        name: name.to_owned(),
        uuid: Some(format!("uuid-of-{name}")),
        toolstacks: vec![Toolstack::Xl],
        power,
        domid: present.then_some(7),
        memory: Memory { state: if present { MemoryState::InRam } else { MemoryState::None }, bytes: present.then_some(256 << 20) },
        started: present.then(|| at(-600)),
        configs: vec![format!("/etc/xen/{name}.cfg").into()],
        disks,
        ..Domain::default()
    }
}

pub fn config(path: &str, name: &str, disks: Vec<Disk>) -> Config {
    Config {
        source: ConfigSource::File,
        path: path.into(),
        grammar: "xl".to_owned(),
        name: Some(name.to_owned()),
        uuid: None,
        memory_bytes: None,
        guest_type: None,
        disks,
        autostart: false,
        modified: None,
        trouble: Vec::new(),
        settings: Vec::new(),
    }
}

/// What a disk lies on, when nothing is wrong with it.
pub fn backing(disk: &Disk) -> Option<Backing> {
    let path = disk.path.clone()?;
    let volume = disk.backing.as_deref()?.strip_prefix("/dev/").filter(|_| disk.kind == DiskKind::Lvm).map(str::to_owned);
    Some(Backing {
        key: disk.backing.clone()?,
        path,
        kind: disk.kind,
        exists: disk.exists,
        bytes: disk.bytes,
        allocated: disk.allocated,
        volume,
        modified: (disk.kind == DiskKind::File).then(|| at(-60)),
        ..Backing::default()
    })
}

pub fn volume(name: &str) -> LogicalVolume {
    let (vg, lv) = name.split_once('/').unwrap();
    LogicalVolume {
        vg: vg.to_owned(),
        name: lv.to_owned(),
        path: format!("/dev/{name}").into(),
        attr: "-wi-ao----".to_owned(),
        bytes: 1 << 30,
        active: true,
        ..LogicalVolume::default()
    }
}

/// A classic snapshot in the same group as its origin.
pub fn snapshot(name: &str, origin: &str, percent: f64) -> LogicalVolume {
    LogicalVolume {
        origin: Some(origin.to_owned()),
        store_bytes: Some(100 << 20),
        data_percent: Some(percent),
        attr: "swi-a-s---".to_owned(),
        ..volume(name)
    }
}

/// A host with these domains, a config for each, and everything that their disks lie on.
pub fn host(domains: Vec<Domain>) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.host.name = "dom0.example.com".to_owned();
    inventory.host.place = "this machine".to_owned();
    for domain in &domains {
        let disks: Vec<Disk> = domain.disks.iter().filter(|disk| disk.in_config).cloned().collect();
        for path in &domain.configs {
            inventory.configs.push(config(&path.to_string(), &domain.name, disks.clone()));
        }
        for disk in &domain.disks {
            put_backing(&mut inventory, disk);
        }
    }
    inventory.domains = domains;
    inventory
}

/// Adds what a disk lies on, with its volume and group.
pub fn put_backing(inventory: &mut Inventory, disk: &Disk) {
    let Some(backing) = backing(disk) else { return };
    if let Some(name) = &backing.volume {
        let group = name.split('/').next().unwrap().to_owned();
        if !inventory.volume_groups.iter().any(|vg| vg.name == group) {
            inventory.volume_groups.push(VolumeGroup { name: group, bytes: 100 << 30, free: 50 << 30, ..VolumeGroup::default() });
        }
        if disk.exists == Some(true) && !inventory.volumes.iter().any(|volume| &volume.full_name() == name) {
            inventory.volumes.push(volume(name));
        }
    }
    inventory.backings.entry(backing.key.clone()).or_insert(backing);
}

/// Adds a complete save image of a domain, made at [`at`]`(0)`, with these disks packaged, and gives it to the domain of that name.
pub fn put_save(inventory: &mut Inventory, path: &str, name: &str, disks: Vec<Disk>) {
    for disk in &disks {
        put_backing(inventory, disk);
    }
    inventory.saves.push(Save {
        path: path.into(),
        format: SaveFormat::Xl,
        bytes: 256 << 20,
        complete: Some(true),
        cut: None,
        created: Some(at(0)),
        domain: Some(name.to_owned()),
        uuid: Some(format!("uuid-of-{name}")),
        memory_bytes: Some(256 << 20),
        resumed_at_boot: false,
        readable_by_others: Some(false),
        inode: None,
        notes: Vec::new(),
    });
    inventory.configs.push(Config { source: ConfigSource::SaveImage, grammar: "json".to_owned(), ..config(path, name, disks) });
    if let Some(domain) = inventory.domains.iter_mut().find(|domain| domain.name == name) {
        domain.saves.push(HostPath::from(path));
    }
}

/// An ext4 file system at the start of a disk.
pub fn ext4(times: SuperblockTimes) -> Signature {
    Signature { offset: 0, partition: None, kind: "ext4".to_owned(), uuid: None, label: None, bytes: None, times: Some(times) }
}
