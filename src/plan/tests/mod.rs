//! Plans on a small host made by hand, whose answers a test can change.
#![allow(clippy::disallowed_methods, reason = "tests read this room's sources, and run scripts in a directory of their own")]

mod cloning;
mod disks;
mod forms;
mod inside;
mod libvirt;
mod made;
mod nfs;
mod pruning;
mod refusals;
mod removing;
mod scripts;
mod strategies;
mod volumes;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::model::Incremental;
use crate::model::bundle::Manifest;
use crate::model::bundle::{MANIFEST_VERSION, Piece};
use crate::model::example::{at, disk, domain, host};
use crate::model::request::{Attach, ColdBackup, FileSystem, NewDisk, Populate, Restore, RestoreTo, WhenRunning};
use crate::model::{Location, Mode, MountUse, PlaceFact, Power, Stands};

/// What the host answers.
pub(super) struct World {
    pub inventory: Inventory,
    pub verdicts: Verdicts,
    pub places: BTreeMap<String, PlaceFact>,
    pub bytes: BTreeMap<String, Vec<u8>>,
    pub no_tools: Vec<&'static str>,
    pub watchers: Vec<crate::model::question::Watcher>,
    pub last_bundle: Option<crate::model::LastBundle>,
    /// Of every save image.
    pub saved_disks: Option<crate::model::saved::SavedDisks>,
    /// Of every piece.
    pub piece_room: crate::model::PieceRoom,
    pub users: BTreeMap<String, Vec<String>>,
    /// Those of them that are mounts.
    pub mounts: BTreeMap<String, Vec<MountUse>>,
    pub bundles: BTreeMap<String, Manifest>,
    pub signatures: BTreeMap<String, Vec<crate::model::Signature>>,
    pub lvm: crate::model::Lvm,
    /// Words of looking commands that do not say what a plan hopes for.
    pub denied: Vec<&'static str>,
    /// What looking commands say: words of the command, and its output.
    pub says: Vec<(&'static str, String)>,
    /// Questions that nobody can answer.
    pub silent: Vec<Question>,
    pub setting: Setting,
}

pub(super) fn stands(stands: Stands, path: &str) -> PlaceFact {
    let above = Path::new(path).parent().map_or_else(|| HostPath::from("/"), HostPath::from);
    let inode = path.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % 100_000;
    PlaceFact {
        stands,
        bytes: matches!(stands, Stands::File | Stands::Device).then_some(1 << 30),
        inode: Some((2049, inode)),
        modified: None,
        canonical: Some(path.into()),
        directory: if stands == Stands::Directory { path.into() } else { above },
        dev: 2049,
        file_system: Some("ext4".into()),
        mounted_at: Some("/srv".into()),
        free: 500 << 30,
        read_only: false,
    }
}

impl World {
    /// `web` is off, with a disk in a file; `db` runs, with a volume; `old` is off, and its volume too is there.
    pub fn new() -> Self {
        let web = domain("web", Power::Off, vec![disk("xvda", "/srv/web.img", Mode::Write)]);
        let db = domain("db", Power::Running, vec![disk("xvda", "/dev/vg0/db", Mode::Write)]);
        let old = domain("old", Power::Off, vec![disk("xvda", "/dev/vg0/old", Mode::Write)]);
        let mut world = Self {
            inventory: host(vec![web, db, old]),
            verdicts: Verdicts::default(),
            places: BTreeMap::new(),
            bytes: BTreeMap::new(),
            no_tools: Vec::new(),
            watchers: Vec::new(),
            last_bundle: None,
            saved_disks: None,
            piece_room: crate::model::PieceRoom { most: 1 << 30, least: 64 << 20 },
            users: BTreeMap::new(),
            mounts: BTreeMap::new(),
            bundles: BTreeMap::new(),
            signatures: BTreeMap::new(),
            lvm: lvm(),
            denied: Vec::new(),
            says: Vec::new(),
            silent: Vec::new(),
            setting: Setting {
                figures: Figures::default(),
                hooks: Hooks::default(),
                id: JobId::new(at(0), 0xab),
                job_dir: HostPath::from("/var/lib/domkeep/jobs").join(JobId::new(at(0), 0xab).as_str()),
                now: at(0),
                host_id: "dom0.example.com".into(),
                can_mount: true,
            },
        };
        for dir in ["/", "/srv", "/srv/backup", "/srv/tree", "/srv/tree/etc", "/etc", "/etc/xen", "/boot", "/var/lib/xen", "/srv/bundle"] {
            world.put(dir, Stands::Directory);
        }
        for file in ["/srv/web.img", "/boot/vmlinuz", "/srv/tree.tar", "/srv/tree/etc/fstab"] {
            world.put(file, Stands::File);
        }
        for device in ["/dev/vg0/db", "/dev/vg0/old", "/dev/vg0/spare"] {
            world.put(device, Stands::Device);
        }
        for (name, target) in [("web", "/srv/web.img"), ("db", "/dev/vg0/db"), ("old", "/dev/vg0/old")] {
            let path = format!("/etc/xen/{name}.cfg");
            world.put(&path, Stands::File);
            world.bytes.insert(path, format!("name = '{name}'\ndisk = [ '{target},raw,xvda,w' ]\n").into_bytes());
        }
        world.bytes.insert("/srv/tree/etc/fstab".into(), b"/dev/sda1 / ext3 defaults 0 1\nproc /proc proc defaults 0 0\n".to_vec());
        world.bytes.insert("/srv/bundle/config".into(), b"name = 'web'\ndisk = [ '/srv/web.img,raw,xvda,w' ]\n".to_vec());
        world.bundles.insert("/srv/bundle".into(), bundle());
        world
    }

    pub fn put(&mut self, path: &str, what: Stands) {
        self.places.insert(path.to_owned(), stands(what, path));
    }

    pub fn domain(&mut self, name: &str) -> &mut crate::model::Domain {
        self.inventory.domains.iter_mut().find(|domain| domain.name == name).unwrap()
    }

    fn answer(&self, question: &Question) -> Fact {
        if self.silent.contains(question) {
            return Fact::Unknown { question: question.clone(), why: "permission denied".into() };
        }
        let unknown = || Fact::Unknown { question: question.clone(), why: "no such file".into() };
        let key = |path: &HostPath| String::from_utf8_lossy(path.as_bytes()).into_owned();
        match question {
            Question::Bundles { directory } => {
                let below = self.bundles.iter().filter(|(path, _)| Path::new(path).starts_with(directory.as_path()));
                let found = below.map(|(path, manifest)| pruning::found(path, manifest)).collect();
                Fact::Bundles { directory: directory.clone(), found }
            }
            Question::PieceRoom { bundle, piece } => {
                Fact::PieceRoom { bundle: bundle.clone(), piece: piece.clone(), room: self.piece_room }
            }
            Question::LastBundle { directory } => Fact::LastBundle { directory: directory.clone(), found: self.last_bundle.clone() },
            Question::Place { path } => {
                let place = self.places.get(&key(path)).cloned().unwrap_or_else(|| {
                    let near = path.as_path().ancestors().skip(1).find_map(|above| self.places.get(&above.to_string_lossy().into_owned()));
                    let near = near.cloned().unwrap_or_else(|| stands(Stands::Directory, "/"));
                    PlaceFact { stands: Stands::Nothing, bytes: None, inode: None, canonical: None, ..near }
                });
                Fact::Place { path: path.clone(), place }
            }
            Question::SignatureOf { path } => {
                Fact::Signature { path: path.clone(), found: self.signatures.get(&key(path)).cloned().unwrap_or_default() }
            }
            Question::BytesOf { path } => match self.bytes.get(&key(path)) {
                Some(bytes) => Fact::Bytes { path: path.clone(), bytes: bytes.clone(), mode: 0o644 },
                None => unknown(),
            },
            Question::Tool { name } => Fact::Tool { name: name.clone(), there: !self.no_tools.contains(&name.as_str()) },
            Question::Bundle { path } => match self.bundles.get(&key(path)) {
                Some(manifest) => Fact::Bundle { path: path.clone(), manifest: Box::new(manifest.clone()) },
                None => unknown(),
            },
            Question::Lvm => Fact::Lvm { lvm: Box::new(self.lvm.clone()) },
            Question::Holds { check } => {
                let says = format!("{check:?}");
                Fact::Holds { check: check.clone(), yes: !self.denied.iter().any(|word| says.contains(word)) }
            }
            Question::Said { cmd } => {
                let said = self.says.iter().find(|(words, _)| cmd.to_string().contains(words)).map(|(_, said)| said.as_bytes().to_vec());
                Fact::Said { cmd: cmd.clone(), said: said.unwrap_or_default() }
            }
            Question::SavedDisks { image } => Fact::SavedDisks { image: image.clone(), disks: self.saved_disks.clone() },
            Question::Watchers { domain } => Fact::Watchers { domain: domain.clone(), watchers: self.watchers.clone() },
            Question::UseOf { path } => Fact::Use {
                path: path.clone(),
                users: self.users.get(&key(path)).cloned().unwrap_or_default(),
                mounts: self.mounts.get(&key(path)).cloned().unwrap_or_default(),
            },
        }
    }

    /// Asks and answers until the plan is made or refused. More rounds than the engine goes are a mistake.
    pub fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        let mut facts: Vec<Fact> = Vec::new();
        for _ in 0..8 {
            let known = Known { inventory: &self.inventory, verdicts: &self.verdicts, facts: &facts };
            let questions = questions(request, known, &self.setting);
            if questions.is_empty() {
                return make(request, known, &self.setting);
            }
            assert!(
                !facts.iter().any(|fact| matches!(fact, Fact::Unknown { question, .. } if questions.contains(question))),
                "asked twice"
            );
            facts.extend(questions.iter().map(|question| self.answer(question)));
        }
        panic!("the plan asks and asks: {request:?}");
    }
}

/// A group with 8 GiB free, the volumes of the domains, a classic snapshot and a pool with a thin volume.
fn lvm() -> crate::model::Lvm {
    use crate::model::{GroupNow, LogicalVolume, Lvm, VolumeGroup};
    let group = VolumeGroup { name: "vg0".into(), bytes: 64 << 30, free: 8 << 30, extent_bytes: 4 << 20, ..VolumeGroup::default() };
    let volume = |name: &str, attr: &str, bytes: u64| LogicalVolume {
        vg: "vg0".into(),
        name: name.into(),
        path: format!("/dev/vg0/{name}").as_str().into(),
        attr: attr.into(),
        bytes,
        active: true,
        hidden: name.contains("_t") || name.contains("_pm"),
        ..LogicalVolume::default()
    };
    let snap = LogicalVolume {
        store_bytes: Some(100 << 20),
        origin: Some("base".into()),
        data_percent: Some(71.5),
        ..volume("snap", "swi-a-s---", 1 << 30)
    };
    let thin = LogicalVolume { pool: Some("pool".into()), ..volume("thin", "Vwi-a-tz--", 2 << 30) };
    Lvm {
        groups: vec![GroupNow { group, attr: "wz--n-".into() }],
        volumes: vec![
            volume("db", "-wi-ao----", 1 << 30),
            volume("old", "-wi-a-----", 1 << 30),
            volume("spare", "-wi-a-----", 1 << 30),
            volume("base", "owi-a-s---", 1 << 30),
            snap,
            volume("pool", "twi-aotz--", 4 << 30),
            volume("pool_tmeta", "ewi-ao----", 8 << 20),
            volume("lvol0_pmspare", "ewi-------", 8 << 20),
            thin,
        ],
        physical: Vec::new(),
    }
}

pub(super) fn piece(name: &str, kind: &str, source: &str) -> Piece {
    let disk = kind == "disk";
    Piece {
        name: name.into(),
        kind: kind.into(),
        bytes: if disk { 1 << 30 } else { 64 },
        source: source.into(),
        source_identity: "file:2049:7".into(),
        vdev: disk.then(|| "xvda".into()),
        source_kind: disk.then(|| if source.starts_with("/dev/") { "lvm".into() } else { "file".into() }),
        format: None,
        digest: "blake3:00".into(),
        compression: "none".into(),
        segment_bytes: None,
        unreadable: Vec::new(),
        increment: None,
    }
}

pub(super) fn bundle() -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        id: "0123456789abcdef".into(),
        domain: "web".into(),
        uuid: None,
        host: "dom0.example.com".into(),
        tool: "0.1.0".into(),
        consistency: "cold: the domain was off".into(),
        strategy: None,
        torn: None,
        full_because: None,
        started: at(-60),
        instant: at(-60),
        ended: at(-50),
        pieces: vec![piece("xvda.img", "disk", "/srv/web.img"), piece("config", "config", "/etc/xen/web.cfg")],
        left_out: Vec::new(),
    }
}

pub(super) fn new_disk() -> NewDisk {
    NewDisk {
        path: "/srv/new.img".into(),
        bytes: 1 << 30,
        file_system: FileSystem::Ext4,
        label: None,
        populate: Populate::Nothing,
        hostname: None,
        fstab: false,
        attach: Attach::Nobody,
    }
}

pub(super) fn backup(domain: &str) -> ColdBackup {
    ColdBackup {
        incremental: Incremental::No,
        domain: domain.into(),
        with: Vec::new(),
        destination: "/srv/backup".into(),
        strategy: Some(crate::model::Strategy::Cold),
        how: WhenRunning::Refuse,
        verify: true,
        rate: None,
        leave_out: Vec::new(),
    }
}

pub(super) fn restore(to: RestoreTo) -> Restore {
    Restore { bundle: "/srv/bundle".into(), pieces: Vec::new(), to, damaged: false }
}

pub(super) fn copy(from: &str, to: &str) -> Request {
    Request::Copy { from: Location::File { path: from.into() }, to: Location::File { path: to.into() }, rate: None, verify: true }
}

pub(super) fn start(domain: &str) -> Request {
    Request::Start { domain: domain.into(), config: None }
}

pub(super) fn resume(save: &str) -> Request {
    Request::Resume { save: save.into(), if_changed: crate::model::saved::IfChanged::Refuse }
}
