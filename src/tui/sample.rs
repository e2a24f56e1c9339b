//! A picture that has something of everything the screens show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};

use crate::engine::Picture;
use crate::engine::{CommandEntry, HostError};
use crate::model::bundle::{BundleSaid, BundleState, FoundBundle, LeftOut, PieceSaid};
use crate::model::*;

pub fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 14, hour, minute, 0).unwrap()
}

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

pub fn picture() -> Picture {
    let inventory = inventory();
    let verdicts = verdicts(&inventory);
    Picture { inventory: Arc::new(inventory), verdicts: Arc::new(verdicts) }
}

/// A host on which nothing could be asked.
pub fn empty(gaps: Vec<Gap>) -> Picture {
    let host = HostFacts { name: "laptop".to_owned(), place: "this machine".to_owned(), ..HostFacts::default() };
    Picture { inventory: Arc::new(Inventory { host, gaps, ..Inventory::default() }), verdicts: Arc::default() }
}

pub fn gap(source: &str, reason: GapReason, why: &str) -> Gap {
    Gap { source: source.to_owned(), missing: "what it would have said".to_owned(), reason, why: why.to_owned() }
}

/// A picture with one more domain of this name.
pub fn with_domain(picture: &Picture, name: &str) -> Picture {
    let mut inventory = (*picture.inventory).clone();
    inventory.domains.push(Domain { id: name.to_owned(), name: name.to_owned(), power: Power::Off, ..Domain::default() });
    Picture { inventory: Arc::new(inventory), verdicts: Arc::clone(&picture.verdicts) }
}

/// Every text that a stranger writes is this one.
pub fn hostile(name: &str) -> Picture {
    let mut inventory = inventory();
    let path = HostPath::from(format!("/srv/{name}"));
    inventory.host.name = name.to_owned();
    let backing = Backing {
        key: name.to_owned(),
        path: path.clone(),
        layers: vec![Layer { what: name.to_owned(), name: name.to_owned(), bytes: Some(1), used: Some(1) }],
        holders: vec![Holder { name: name.to_owned(), what: name.to_owned() }],
        signatures: vec![Signature {
            offset: 0,
            partition: None,
            kind: name.to_owned(),
            uuid: None,
            label: Some(name.to_owned()),
            bytes: None,
            times: None,
        }],
        mounts: vec![MountUse { source: name.to_owned(), at: path.clone(), read_write: true, fs: name.to_owned() }],
        trouble: vec![name.to_owned()],
        volume: Some(format!("{name}/{name}")),
        ..Backing::default()
    };
    inventory.backings.insert(name.to_owned(), backing);
    inventory.domains = vec![Domain {
        id: name.to_owned(),
        name: name.to_owned(),
        uuid: Some(name.to_owned()),
        guest_type: Some(name.to_owned()),
        saves: vec![path.clone()],
        configs: vec![path.clone()],
        notes: vec![name.to_owned()],
        disks: vec![Disk {
            vdev: Some(name.to_owned()),
            path: Some(path.clone()),
            written_as: Some(name.to_owned()),
            format: Some(name.to_owned()),
            script: Some(name.to_owned()),
            trouble: Some(name.to_owned()),
            backend: Some(name.to_owned()),
            backing: Some(name.to_owned()),
            ..Disk::default()
        }],
        ..Domain::default()
    }];
    inventory.configs = vec![Config {
        name: Some(name.to_owned()),
        settings: vec![(name.to_owned(), name.to_owned())],
        grammar: name.to_owned(),
        trouble: vec![ConfigTrouble { fatal: true, line: None, column: None, what: name.to_owned() }],
        ..config(&path.to_string(), "x", Vec::new())
    }];
    inventory.configs[0].path = path.clone();
    inventory.saves =
        vec![Save { path: path.clone(), cut: Some(name.to_owned()), complete: Some(false), notes: vec![name.to_owned()], ..save("x") }];
    inventory.volume_groups = vec![VolumeGroup { name: name.to_owned(), uuid: name.to_owned(), bytes: 10, ..VolumeGroup::default() }];
    inventory.volumes = vec![LogicalVolume {
        vg: name.to_owned(),
        name: name.to_owned(),
        path: path.clone(),
        layout: name.to_owned(),
        tags: vec![name.to_owned()],
        health: name.to_owned(),
        bytes: 5,
        origin: Some(name.to_owned()),
        ..LogicalVolume::default()
    }];
    inventory.stores = vec![Store { mount: path.clone(), source: name.to_owned(), fs: name.to_owned(), ..Store::default() }];
    inventory.images = vec![ImageFile { path: path.join(name), backing: name.to_owned(), referenced: false }];
    inventory.gaps = vec![gap(name, GapReason::Failed, name)];
    let mut strange = bundle(name, name, 1, BundleState::Damaged { why: name.to_owned() });
    strange.path = path.clone();
    if let Some(said) = &mut strange.said {
        said.consistency = name.to_owned();
        said.unreadable = 1;
        said.left_out = vec![LeftOut { what: name.to_owned(), why: name.to_owned() }];
        said.pieces.iter_mut().for_each(|piece| piece.name = name.to_owned());
    }
    inventory.bundles = vec![strange];
    let finding = Finding {
        code: Code("hostile"),
        severity: Severity::Danger,
        subject: Subject::Domain { name: name.to_owned() },
        domains: vec![name.to_owned()],
        title: name.to_owned(),
        evidence: vec![Evidence::new(name, name)],
        why: name.to_owned(),
        advice: vec![name.to_owned()],
        mend: None,
    };
    let stale = BTreeMap::from([(path, StaleVerdict { stale: Stale::Yes, evidence: vec![Evidence::new(name, name)] })]);
    let drift = vec![Drift { domain: name.to_owned(), vdev: name.to_owned(), path: None, kind: DriftKind::AttachedNotInConfig }];
    let verdicts = Verdicts { findings: vec![finding], stale, drift, ..Verdicts::default() };
    Picture { inventory: Arc::new(inventory), verdicts: Arc::new(verdicts) }
}

pub fn commands() -> Vec<CommandEntry> {
    let entry = |minute, program: &str, args: &[&str], took, result, complaint: Option<&str>| CommandEntry {
        at: at(9, minute),
        cmd: Cmd::reads(program, args.iter().copied()),
        took: Duration::from_millis(took),
        result,
        stdout_bytes: 1200,
        complaint: complaint.map(str::to_owned),
    };
    vec![
        entry(0, "xl", &["list", "-l"], 84, Ok(0), None),
        entry(0, "xenstore-ls", &["-f", "/local/domain"], 31, Ok(0), None),
        entry(
            0,
            "lvs",
            &["--reportformat", "json", "--units", "b", "-a", "-o", "lv_all"],
            210,
            Ok(5),
            Some("WARNING: VG vg0 is missing PV abcdef"),
        ),
        entry(1, "virsh", &["list", "--all"], 0, Err(HostError::NoTool { program: "virsh".to_owned() }), None),
        entry(1, "qemu-img", &["info", "/srv/it's; rm.img"], 10_000, Err(HostError::TimedOut { seconds: 10 }), None),
    ]
}

fn disk(vdev: &str, path: &str, kind: DiskKind, allocated: Option<u64>, size: Option<u64>) -> Disk {
    Disk {
        vdev: Some(vdev.to_owned()),
        mode: Some(Mode::Write),
        kind,
        path: Some(HostPath::from(path)),
        format: Some("raw".to_owned()),
        bytes: size,
        allocated,
        exists: Some(true),
        backend: Some(if kind == DiskKind::File { "qdisk" } else { "phy" }.to_owned()),
        in_config: true,
        backing: Some(path.to_owned()),
        ..Disk::default()
    }
}

fn domain(name: &str, power: Power, domid: Option<u32>, disks: Vec<Disk>) -> Domain {
    let state = if power.is_present() { MemoryState::InRam } else { MemoryState::None };
    let attached = power.is_present();
    Domain {
        id: name.to_owned(),
        name: name.to_owned(),
        uuid: Some(format!("00000000-0000-4000-8000-{:012}", name.len())),
        toolstacks: vec![Toolstack::Xl],
        power,
        domid,
        guest_type: Some("pvh".to_owned()),
        vcpus: Some(2),
        memory: Memory { state, bytes: attached.then_some(2 * GIB) },
        started: attached.then(|| at(6, 30)),
        configs: vec![HostPath::from(format!("/etc/xen/{name}.cfg"))],
        disks: disks.into_iter().map(|disk| Disk { attached, ..disk }).collect(),
        ..Domain::default()
    }
}

fn config(path: &str, name: &str, disks: Vec<Disk>) -> Config {
    Config {
        source: ConfigSource::File,
        path: HostPath::from(path),
        grammar: "xl".to_owned(),
        name: Some(name.to_owned()),
        uuid: None,
        memory_bytes: Some(2 * GIB),
        guest_type: Some("pvh".to_owned()),
        disks,
        autostart: name == "web01",
        modified: Some(at(5, 0)),
        trouble: Vec::new(),
        settings: vec![("kernel".to_owned(), "/boot/vmlinuz-guest".to_owned())],
    }
}

fn save(name: &str) -> Save {
    Save {
        path: HostPath::from(format!("/var/lib/xen/save/{name}")),
        format: SaveFormat::Xl,
        bytes: 512 * MIB,
        complete: Some(true),
        cut: None,
        created: Some(at(4, 0)),
        domain: Some(name.to_owned()),
        uuid: None,
        memory_bytes: Some(GIB),
        resumed_at_boot: true,
        readable_by_others: Some(true),
        inode: None,
        notes: vec!["written by Xen 4.17".to_owned()],
    }
}

fn volume(name: &str, size: u64) -> LogicalVolume {
    LogicalVolume {
        vg: "vg0".to_owned(),
        name: name.to_owned(),
        uuid: format!("lv-{name}"),
        path: HostPath::from(format!("/dev/vg0/{name}")),
        attr: "-wi-ao----".to_owned(),
        bytes: size,
        layout: "linear".to_owned(),
        active: true,
        open: true,
        created: Some(at(1, 0)),
        ..LogicalVolume::default()
    }
}

fn layer(what: &str, name: &str, bytes: Option<u64>, used: Option<u64>) -> Layer {
    Layer { what: what.to_owned(), name: name.to_owned(), bytes, used }
}

fn volume_backing(name: &str, size: u64) -> Backing {
    Backing {
        key: format!("/dev/vg0/{name}"),
        path: HostPath::from(format!("/dev/vg0/{name}")),
        kind: DiskKind::Lvm,
        exists: Some(true),
        bytes: Some(size),
        volume: Some(format!("vg0/{name}")),
        layers: vec![
            layer("volume", &format!("vg0/{name}"), Some(size), None),
            layer("volume group", "vg0", Some(200 * GIB), Some(152 * GIB)),
            layer("disk", "/dev/sda2", Some(200 * GIB), None),
        ],
        ..Backing::default()
    }
}

fn file_backing(path: &str, allocated: u64, size: u64, format: &str) -> Backing {
    Backing {
        key: path.to_owned(),
        path: HostPath::from(path),
        kind: DiskKind::File,
        exists: Some(true),
        bytes: Some(size),
        allocated: Some(allocated),
        format_seen: Some(format.to_owned()),
        layers: vec![
            layer("file", path, Some(size), Some(allocated)),
            layer("file system", "/srv/images (ext4 on /dev/sdb1)", Some(100 * GIB), Some(93 * GIB)),
        ],
        ..Backing::default()
    }
}

/// A backup of xvda alone.
fn bundle(domain: &str, host: &str, hour: u32, state: BundleState) -> FoundBundle {
    let piece = PieceSaid {
        name: "xvda.img".to_owned(),
        kind: "disk".to_owned(),
        bytes: 20 * GIB,
        vdev: Some("xvda".to_owned()),
        source: HostPath::from("/dev/vg0/web01-disk"),
        segmented: false,
    };
    let said = BundleSaid {
        id: "0123456789abcdef".to_owned(),
        domain: domain.to_owned(),
        host: host.to_owned(),
        consistency: "the domain was off".to_owned(),
        instant: at(hour, 0),
        ended: at(hour, 10),
        bytes: 20 * GIB,
        pieces: vec![piece],
        ..BundleSaid::default()
    };
    let path = format!("/backup/{host}/{domain}/20260314-{hour:02}0000-0123456789abcdef");
    FoundBundle { path: path.as_str().into(), state, said: Some(said), allocated: Some(3 * GIB) }
}

fn bundles() -> Vec<FoundBundle> {
    let torn = BundleState::Torn { why: "xvda was written to while it was copied".to_owned() };
    let half = HostPath::from("/backup/dom0.example.com/batch/.20260314-030000-00112233445566aa.partial");
    vec![
        bundle("web01", "dom0.example.com", 2, BundleState::Good),
        bundle("web01", "dom0.example.com", 6, torn),
        bundle("db01", "dom0.example.com", 7, BundleState::Good),
        bundle("retired", "old.example.com", 1, BundleState::Good),
        FoundBundle { path: half, state: BundleState::Partial, said: None, allocated: Some(GIB) },
    ]
}

fn inventory() -> Inventory {
    let web_disk = disk("xvda", "/dev/vg0/web01-disk", DiskKind::Lvm, Some(20 * GIB), Some(20 * GIB));
    let hot = Disk { in_config: false, ..disk("xvdc", "/srv/images/hot.img", DiskKind::File, Some(GIB / 4), Some(4 * GIB)) };
    let shared = disk("xvdb", "/srv/images/shared.img", DiskKind::File, Some(GIB), Some(8 * GIB));
    let missing = Disk {
        exists: Some(false),
        bytes: None,
        allocated: None,
        backing: None,
        ..disk("xvda", "/srv/images/gone.img", DiskKind::File, None, None)
    };
    let nfs = Disk {
        vdev: None,
        format: None,
        backend: None,
        backing: None,
        ..disk("", "192.0.2.7:/export/root", DiskKind::NfsRoot, None, None)
    };
    let empty = Disk {
        path: None,
        kind: DiskKind::Empty,
        removable: true,
        backing: None,
        mode: Some(Mode::Read),
        ..disk("hdc", "", DiskKind::Empty, None, None)
    };
    let mut web = domain("web01", Power::Running, Some(5), vec![web_disk.clone(), shared.clone()]);
    web.disks.push(Disk { attached: true, ..hot });
    let mut db =
        domain("db01", Power::Saved, None, vec![disk("xvda", "/dev/vg0/db01-disk", DiskKind::Lvm, Some(40 * GIB), Some(40 * GIB))]);
    db.memory = Memory { state: MemoryState::SaveImage, bytes: Some(512 * MIB) };
    db.saves = vec![HostPath::from("/var/lib/xen/save/db01")];
    let mut stray = domain("stray", Power::Paused, Some(9), vec![disk("xvda", "/dev/vg0/thin1", DiskKind::Lvm, None, Some(10 * GIB))]);
    stray.configs.clear();
    stray.likely_config = Some(HostPath::from("/etc/xen/other-name.cfg"));
    stray.notes = vec!["xl list -l left it out".to_owned()];
    let mut broken = domain("broken", Power::Off, None, vec![missing, empty]);
    broken.guest_type = None;
    let domains = vec![
        Domain { configs: Vec::new(), disks: Vec::new(), ..domain("Domain-0", Power::Running, Some(0), Vec::new()) },
        web,
        db,
        domain("batch", Power::Off, None, vec![shared.clone()]),
        domain("diskless", Power::Running, Some(7), vec![nfs]),
        stray,
        broken,
        Domain {
            power: Power::Unknown,
            memory: Memory::default(),
            configs: Vec::new(),
            disks: Vec::new(),
            ..domain("mystery", Power::Off, None, Vec::new())
        },
    ];
    let mut broken_config = config("/etc/xen/broken.cfg", "broken", Vec::new());
    broken_config.trouble = vec![ConfigTrouble {
        fatal: true,
        line: Some(7),
        column: Some(12),
        what: "the last line is a comment without a newline, which xl does not take; add one".to_owned(),
    }];
    let mut backings: BTreeMap<String, Backing> = ["web01-disk", "db01-disk", "thin1"]
        .into_iter()
        .map(|name| volume_backing(name, if name == "db01-disk" { 40 * GIB } else { 20 * GIB }))
        .chain([
            file_backing("/srv/images/shared.img", GIB, 8 * GIB, "raw"),
            file_backing("/srv/images/hot.img", GIB / 4, 4 * GIB, "raw"),
            file_backing("/srv/images/orphan.qcow2", 3 * GIB, 30 * GIB, "qcow2"),
        ])
        .map(|backing| (backing.key.clone(), backing))
        .collect();
    if let Some(db) = backings.get_mut("/dev/vg0/db01-disk") {
        db.signatures = vec![Signature {
            offset: 0,
            partition: None,
            kind: "ext4".to_owned(),
            uuid: None,
            label: Some("data".to_owned()),
            bytes: Some(40 * GIB),
            times: Some(SuperblockTimes { written: Some(at(8, 12)), ..SuperblockTimes::default() }),
        }];
        db.mounts = vec![MountUse {
            source: "/dev/vg0/db01-disk".to_owned(),
            at: HostPath::from("/mnt/rescue"),
            read_write: true,
            fs: "ext4".to_owned(),
        }];
    }
    let snapshot = |name: &str, percent, invalid| LogicalVolume {
        origin: Some("web01-disk".to_owned()),
        store_bytes: Some(2 * GIB),
        data_percent: percent,
        invalid,
        attr: "swi-a-s---".to_owned(),
        layout: "snapshot".to_owned(),
        ..volume(name, 20 * GIB)
    };
    let thin = LogicalVolume {
        pool: Some("pool0".to_owned()),
        data_percent: Some(22.5),
        attr: "Vwi-aotz--".to_owned(),
        layout: "thin".to_owned(),
        ..volume("thin1", 10 * GIB)
    };
    let volumes = vec![
        volume("web01-disk", 20 * GIB),
        volume("db01-disk", 40 * GIB),
        snapshot("web01-nightly", Some(93.4), false),
        snapshot("web01-old", None, true),
        LogicalVolume {
            data_percent: Some(71.0),
            metadata_percent: Some(12.0),
            attr: "twi-aotz--".to_owned(),
            layout: "thin-pool".to_owned(),
            ..volume("pool0", 80 * GIB)
        },
        thin.clone(),
        LogicalVolume {
            name: "thin1-before".to_owned(),
            origin: Some("thin1".to_owned()),
            path: HostPath::from("/dev/vg0/thin1-before"),
            data_percent: Some(20.0),
            ..thin
        },
        volume("orphan", 8 * GIB),
        LogicalVolume { hidden: true, ..volume("pool0_tdata", 80 * GIB) },
    ];
    Inventory {
        host: HostFacts {
            name: "dom0.example.com".to_owned(),
            place: "demo crowded".to_owned(),
            taken: Some(at(9, 0)),
            xen: Some("4.17".to_owned()),
            root: Some(true),
            ..HostFacts::default()
        },
        configs: vec![
            config("/etc/xen/web01.cfg", "web01", vec![web_disk, shared.clone()]),
            config("/etc/xen/db01.cfg", "db01", Vec::new()),
            config("/etc/xen/batch.cfg", "batch", vec![shared]),
            config("/etc/xen/other-name.cfg", "other-name", Vec::new()),
            config("/etc/xen/diskless.cfg", "diskless", Vec::new()),
            broken_config,
        ],
        domains,
        saves: vec![save("db01")],
        backings,
        volume_groups: vec![VolumeGroup {
            name: "vg0".to_owned(),
            uuid: "vg-uuid".to_owned(),
            bytes: 200 * GIB,
            free: 48 * GIB,
            extent_bytes: 4 * MIB,
            missing_pvs: 0,
        }],
        physical_volumes: vec![PhysicalVolume {
            path: HostPath::from("/dev/sda2"),
            vg: "vg0".to_owned(),
            bytes: 200 * GIB,
            free: 48 * GIB,
            missing: false,
        }],
        volumes,
        stores: vec![Store {
            mount: HostPath::from("/srv/images"),
            source: "/dev/sdb1".to_owned(),
            fs: "ext4".to_owned(),
            bytes: Some(100 * GIB),
            free: Some(7 * GIB),
            read_write: true,
        }],
        images: ["hot.img", "orphan.qcow2", "shared.img"]
            .into_iter()
            .map(|name| ImageFile {
                path: HostPath::from(format!("/srv/images/{name}")),
                backing: format!("/srv/images/{name}"),
                referenced: name != "orphan.qcow2",
            })
            .collect(),
        gaps: vec![
            gap("virsh list --all", GapReason::NoTool, "virsh is not on this host"),
            gap("/etc/xen/secret.cfg", GapReason::PermissionDenied, "permission denied"),
            gap("qemu-img info /srv/it's; rm.img", GapReason::TimedOut, "no answer in 10 s"),
        ],
        bundles: bundles(),
        ..Inventory::default()
    }
}

fn verdicts(inventory: &Inventory) -> Verdicts {
    let finding = |code, severity, subject, domains: &[&str], title: &str, seen: &str, source: &str| {
        Finding {
        code: Code(code),
        severity,
        subject,
        domains: domains.iter().map(|name| (*name).to_owned()).collect(),
        title: title.to_owned(),
        evidence: vec![Evidence::new(seen, source)],
        why: "A file system keeps a part of what it knows in memory. When somebody else writes to the disk behind its back, the two no longer agree, \
              and the next write destroys files without any message."
            .to_owned(),
        advice: vec!["Do not start it before the other one is off.".to_owned(), "xl block-list web01".to_owned()],
        mend: None,
    }
    };
    let disk = |domain: &str, vdev: &str| Subject::Disk { domain: domain.to_owned(), vdev: vdev.to_owned() };
    let saved = HostPath::from("/var/lib/xen/save/db01");
    Verdicts {
        findings: vec![
            finding(
                "save-stale",
                Severity::Danger,
                Subject::Save { path: saved.clone() },
                &["db01"],
                "The save image of db01 is older than its disk",
                "xvda was written at 08:12, the save ended at 04:00",
                "superblock of /dev/vg0/db01-disk",
            ),
            finding(
                "disk-shared",
                Severity::Danger,
                disk("web01", "xvdb"),
                &["web01", "batch"],
                "Two domains write to /srv/images/shared.img",
                "web01 has it attached as xvdb (w)",
                "xenstore-ls",
            ),
            finding(
                "disk-missing",
                Severity::Danger,
                disk("broken", "xvda"),
                &["broken"],
                "The disk xvda of broken is not there",
                "no such file",
                "/srv/images/gone.img",
            ),
            finding(
                "snapshot-filling",
                Severity::Warning,
                Subject::Volume { name: "vg0/web01-nightly".to_owned() },
                &["web01"],
                "The snapshot vg0/web01-nightly is 93 % full",
                "data_percent 93.4",
                "lvs",
            ),
            finding(
                "disk-hotplugged",
                Severity::Note,
                disk("web01", "xvdc"),
                &["web01"],
                "xvdc of web01 is not in its configuration",
                "attached now, in no config",
                "/etc/xen/web01.cfg",
            ),
        ],
        stale: inventory
            .saves
            .iter()
            .map(|save| {
                (
                    save.path.clone(),
                    StaleVerdict {
                        stale: Stale::Yes,
                        evidence: vec![Evidence::new(
                            "xvda was written at 08:12, the save ended at 04:00",
                            "superblock of /dev/vg0/db01-disk",
                        )],
                    },
                )
            })
            .collect(),
        shared_disks: Vec::new(),
        drift: vec![Drift {
            domain: "web01".to_owned(),
            vdev: "xvdc".to_owned(),
            path: Some(HostPath::from("/srv/images/hot.img")),
            kind: DriftKind::AttachedNotInConfig,
        }],
    }
}
