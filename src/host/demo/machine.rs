//! What the demo machine knows beside its files: domains, volumes, drives, mounts. Kept in `state.json`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::guest::{Guest, GuestDisk};

/// Grows when the state or the tree of files changes shape: a machine laid out by another version is laid out anew.
pub const LAYOUT: u32 = 1;

/// The device-mapper's block major, as on the captured host.
pub const DM_MAJOR: u32 = 253;
pub const LOOP_MAJOR: u32 = 7;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    pub layout: u32,
    pub name: String,
    /// Stands still; every change moves it by one minute.
    pub clock: DateTime<Utc>,
    pub host: Host,
    pub next_domid: u32,
    pub next_minor: u32,
    pub domains: Vec<Domain>,
    pub groups: Vec<Group>,
    /// Physical volumes without a group, as groups without a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub physical: Vec<Group>,
    pub drives: Vec<Drive>,
    pub loops: Vec<Loop>,
    pub mounts: Vec<Mount>,
    /// xenstore nodes beside those that follow from the domains: what a guest wrote.
    pub xenstore: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<Script>,
    /// Guests of libvirt's QEMU driver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kvm: Vec<super::kvm::Kvm>,
    /// What goes wrong next: for tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// A command that goes wrong, once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// How its line begins.
    pub words: String,
    /// So many of them go well first.
    pub after: u32,
    /// Not 0: it does nothing, and ends so, with these words on standard error.
    pub exit: i32,
    pub says: String,
    /// Of `xl save`: its file is half written, and the domain goes on.
    pub halfway: bool,
    /// Of `lvcreate -s`: the snapshot is lost at once.
    pub overflows: bool,
    /// What happens right after it.
    pub then: String,
}

/// A hotplug script of the host's own. The demo machine runs no shell: the device is what stands `before`, and the disk's target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub name: String,
    pub before: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub name: String,
    /// Without it there are no xl and no xenstore on this host.
    pub xen: bool,
    pub lvm: bool,
    pub memory_mib: u64,
    pub dom0_mib: u64,
    pub cpus: u32,
    /// The tools hang: no command answers within so many seconds, or its own limit if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    Running,
    #[default]
    Idle,
    Paused,
    /// Shut down and kept, as `on_poweroff = "preserve"` asks.
    Kept,
    Crashed,
    /// Suspended: an `xl save` that was killed.
    Suspended,
}

impl Power {
    /// The six characters of `xl list`.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Running => "r-----",
            Self::Idle => "-b----",
            Self::Paused => "--p---",
            Self::Kept => "---s--",
            Self::Crashed => "---sc-",
            Self::Suspended => "---ss-",
        }
    }

    /// `SHUTDOWN_*` of xen/include/public/sched.h; nothing while it lives.
    pub fn shutdown_reason(self) -> Option<u32> {
        match self {
            Self::Running | Self::Idle | Self::Paused => None,
            Self::Kept => Some(0),
            Self::Suspended => Some(2),
            Self::Crashed => Some(3),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub domid: u32,
    pub guest: Guest,
    pub power: Power,
    pub started: DateTime<Utc>,
    pub cpu_seconds: f64,
    /// Made and paused before its first instruction: no front end has met its back end yet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unborn: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_false(set: &bool) -> bool {
    !set
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub uuid: String,
    /// Kernel name of the one drive it lies on.
    pub drive: String,
    pub drive_uuid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    pub uuid: String,
    /// What a reader of the device sees; of a classic snapshot its origin's size.
    pub bytes: u64,
    pub kind: VolumeKind,
    /// Minor number of its device; nothing when it is not active.
    pub minor: Option<u32>,
    /// The hidden layer below a classic origin (`-real`) or snapshot (`-cow`).
    pub layer: Option<u32>,
    pub created: DateTime<Utc>,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    Linear,
    /// A classic snapshot with its exception store of `store` bytes.
    Snapshot {
        origin: String,
        store: u64,
        used: u64,
        invalid: bool,
    },
    Thin {
        pool: String,
        origin: Option<String>,
        id: u32,
        mapped: u64,
    },
    Pool {
        metadata: u64,
        tmeta: u32,
        tdata: u32,
        tpool: u32,
    },
}

impl Volume {
    pub fn is_pool(&self) -> bool {
        matches!(self.kind, VolumeKind::Pool { .. })
    }

    pub fn origin(&self) -> Option<&str> {
        match &self.kind {
            VolumeKind::Snapshot { origin, .. } => Some(origin),
            VolumeKind::Thin { origin, .. } => origin.as_deref(),
            VolumeKind::Linear | VolumeKind::Pool { .. } => None,
        }
    }

    /// Bytes taken from the volume group.
    pub fn taken(&self) -> u64 {
        match self.kind {
            VolumeKind::Linear => self.bytes,
            VolumeKind::Snapshot { store, .. } => store,
            VolumeKind::Thin { .. } => 0,
            // Its metadata, and as much for the spare that LVM keeps for a repair.
            VolumeKind::Pool { metadata, .. } => self.bytes.saturating_add(metadata.saturating_mul(2)),
        }
    }
}

/// A disk or partition that is no volume and no loop device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    pub name: String,
    pub major: u32,
    pub minor: u32,
    pub bytes: u64,
    /// The whole disk, of a partition.
    #[serde(default)]
    pub of: Option<String>,
    #[serde(default)]
    pub fs: Option<String>,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub uuid: Option<String>,
}

/// A loop device that the hotplug script made for a disk on a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loop {
    pub number: u32,
    pub file: String,
    pub read_only: bool,
    pub bytes: u64,
    /// The domain and disk that it serves.
    pub domid: u32,
    pub vdev: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// As mountinfo names the source.
    pub source: String,
    pub at: String,
    pub fs: String,
    pub major: u32,
    pub minor: u32,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub free: u64,
}

/// A block device of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kname: String,
    pub major: u32,
    pub minor: u32,
    pub bytes: u64,
    pub read_only: bool,
    /// Reading it fails: an overflowed snapshot.
    pub broken: bool,
    /// Below /dev/mapper, for a device of the device-mapper.
    pub mapper: Option<String>,
    /// `VG/LV`, for a volume that has a link there.
    pub volume: Option<String>,
}

/// A name below /dev/mapper: dashes doubled, parts joined by one (libdevmapper's `dm_build_dm_name`).
pub fn mapper_name(vg: &str, lv: &str, layer: &str) -> String {
    let doubled = |text: &str| text.replace('-', "--");
    let base = format!("{}-{}", doubled(vg), doubled(lv));
    if layer.is_empty() { base } else { format!("{base}-{layer}") }
}

impl Machine {
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub fn volume(&self, vg: &str, lv: &str) -> Option<&Volume> {
        self.group(vg)?.volumes.iter().find(|volume| volume.name == lv)
    }

    pub fn volume_mut(&mut self, vg: &str, lv: &str) -> Option<&mut Volume> {
        self.groups.iter_mut().find(|group| group.name == vg)?.volumes.iter_mut().find(|volume| volume.name == lv)
    }

    /// Names, then numbers, as xl looks a domain up.
    pub fn domain(&self, named: &str) -> Option<&Domain> {
        self.domains
            .iter()
            .find(|domain| domain.guest.name == named)
            .or_else(|| self.domains.iter().find(|domain| named.parse() == Ok(domain.domid)))
    }

    pub fn domain_mut(&mut self, domid: u32) -> Option<&mut Domain> {
        self.domains.iter_mut().find(|domain| domain.domid == domid)
    }

    /// The file or device behind a disk; of a disk with a script of the host's own, what the script makes of the target.
    pub fn source(&self, disk: &GuestDisk) -> PathBuf {
        let named = |script: &&Script| disk.script.as_deref().is_some_and(|asked| asked.rsplit('/').next() == Some(script.name.as_str()));
        let before = self.scripts.iter().find(named).map_or("", |script| script.before.as_str());
        PathBuf::from(format!("{before}{}", disk.path))
    }

    pub fn take_minor(&mut self) -> u32 {
        let minor = self.next_minor;
        self.next_minor = self.next_minor.saturating_add(1);
        minor
    }

    /// Every block device of the machine.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for drive in &self.drives {
            nodes.push(Node {
                kname: drive.name.clone(),
                major: drive.major,
                minor: drive.minor,
                bytes: drive.bytes,
                read_only: false,
                broken: false,
                mapper: None,
                volume: None,
            });
        }
        for one in &self.loops {
            nodes.push(Node {
                kname: format!("loop{}", one.number),
                major: LOOP_MAJOR,
                minor: one.number,
                bytes: one.bytes,
                read_only: one.read_only,
                broken: false,
                mapper: None,
                volume: None,
            });
        }
        for group in &self.groups {
            for volume in &group.volumes {
                nodes.extend(volume_nodes(group, volume));
            }
        }
        nodes
    }

    pub fn node(&self, kname: &str) -> Option<Node> {
        self.nodes().into_iter().find(|node| node.kname == kname)
    }

    /// The mount that holds a path.
    pub fn mount_of(&self, path: &std::path::Path) -> Option<&Mount> {
        self.mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.len())
    }
}

fn volume_nodes(group: &Group, volume: &Volume) -> Vec<Node> {
    let node = |minor: u32, bytes: u64, layer: &str| Node {
        kname: format!("dm-{minor}"),
        major: DM_MAJOR,
        minor,
        bytes,
        read_only: false,
        broken: false,
        mapper: Some(mapper_name(&group.name, &volume.name, layer)),
        volume: None,
    };
    let hidden = |minor: u32, bytes: u64, suffix: &str| Node {
        mapper: Some(mapper_name(&group.name, &format!("{}{suffix}", volume.name), "")),
        ..node(minor, bytes, "")
    };
    let mut nodes = Vec::new();
    match &volume.kind {
        VolumeKind::Pool { metadata, tmeta, tdata, tpool } => {
            nodes.push(hidden(*tmeta, *metadata, "_tmeta"));
            nodes.push(hidden(*tdata, volume.bytes, "_tdata"));
            nodes.push(node(*tpool, volume.bytes, "tpool"));
            nodes.extend(volume.minor.map(|minor| Node { read_only: true, ..node(minor, volume.bytes, "") }));
        }
        VolumeKind::Snapshot { store, invalid, .. } => {
            nodes.extend(volume.layer.map(|minor| node(minor, *store, "cow")));
            let link = format!("{}/{}", group.name, volume.name);
            nodes.extend(volume.minor.map(|minor| Node { broken: *invalid, volume: Some(link), ..node(minor, volume.bytes, "") }));
        }
        VolumeKind::Linear | VolumeKind::Thin { .. } => {
            nodes.extend(volume.layer.map(|minor| node(minor, volume.bytes, "real")));
            let link = format!("{}/{}", group.name, volume.name);
            nodes.extend(volume.minor.map(|minor| Node { volume: Some(link), ..node(minor, volume.bytes, "") }));
        }
    }
    nodes
}
