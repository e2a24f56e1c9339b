//! What `list --json` prints: the picture of a host in one documented shape.
//!
//! The keys and their words are a promise to scripts: they are never renamed, and what is not known is `null`, never a guess. Further keys
//! may come. `schema` counts the changes that break a reader.

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::{self, Picture};
use crate::model::{
    Config, ConfigSource, Disk, Domain, Drift, Finding, Gap, HostFacts, HostPath, Inventory, LogicalVolume, MemoryState, Power, Save,
    SharedDisk, Stale, Subject, Toolstack, UnreadableConfig,
};

/// The whole of `list --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub schema: u32,
    pub host: HostFacts,
    pub domains: Vec<DomainReport>,
    pub saves_without_domain: Vec<SaveReport>,
    pub unreadable_configs: Vec<UnreadableConfig>,
    pub shared_disks: Vec<SharedDisk>,
    pub drift: Vec<Drift>,
    pub snapshots: Vec<SnapshotReport>,
    /// What fills until something breaks: snapshots' stores, thin pools' data and metadata.
    pub fuses: Vec<FuseReport>,
    pub unreferenced: Vec<UnreferencedReport>,
    pub findings: Vec<FindingReport>,
    pub gaps: Vec<Gap>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DomainReport {
    pub name: String,
    pub uuid: Option<String>,
    pub toolstacks: Vec<Toolstack>,
    pub power: Power,
    pub domid: Option<u32>,
    pub memory: MemoryReport,
    pub saves: Vec<SaveReport>,
    pub configs: Vec<ConfigReport>,
    pub disks: Vec<DiskReport>,
    /// Extra: identity within this report, unique where names are not.
    pub id: String,
    pub guest_type: Option<String>,
    pub vcpus: Option<u32>,
    pub started: Option<chrono::DateTime<chrono::Utc>>,
    pub likely_config: Option<HostPath>,
    pub notes: Vec<String>,
    /// What libvirt knows of it; left out of a domain that libvirt does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libvirt: Option<crate::model::Libvirt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemoryReport {
    pub state: MemoryState,
    pub bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SaveReport {
    pub path: HostPath,
    pub format: crate::model::SaveFormat,
    pub complete: Option<bool>,
    #[serde(serialize_with = "rfc3339")]
    pub created: Option<chrono::DateTime<chrono::Utc>>,
    pub stale: Stale,
    /// Extra: the file's size, whose memory it is, and where it was cut.
    pub bytes: u64,
    pub domain: Option<String>,
    pub uuid: Option<String>,
    pub cut: Option<String>,
    pub resumed_at_boot: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigReport {
    pub source: ConfigSource,
    pub path: Option<HostPath>,
    pub autostart: bool,
    /// Extra: whether the toolstack takes it; nothing when it could not be read.
    pub accepted: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiskReport {
    pub vdev: Option<String>,
    pub mode: Option<crate::model::Mode>,
    pub kind: crate::model::DiskKind,
    pub path: Option<HostPath>,
    pub format: Option<String>,
    pub bytes: Option<u64>,
    pub allocated: Option<u64>,
    pub exists: Option<bool>,
    pub in_config: bool,
    pub attached: bool,
    /// Extra: a removable drive; who serves it; `vg/lv` of a volume; what is wrong with it.
    pub removable: bool,
    pub backend: Option<String>,
    pub volume: Option<String>,
    /// The target as the config has it, where that is not the path that is meant.
    pub written_as: Option<String>,
    /// The hotplug script that makes it, when it is not the usual one.
    pub script: Option<String>,
    /// Its bytes lie under somebody else's care (rbd, nbd, iscsi, drbd, an NFS root).
    pub managed_elsewhere: bool,
    pub trouble: Option<String>,
    /// As libvirt's XML has it: its bus, form, shareable, the chain of images below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libvirt: Option<crate::model::LibvirtDisk>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotReport {
    /// `vg/lv`.
    pub lv: String,
    pub origin: Option<String>,
    pub data_percent: Option<f64>,
    pub invalid: bool,
    /// Extra: bytes of a classic snapshot's store; nothing for a thin one.
    pub store_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FuseReport {
    /// `vg/lv`.
    pub lv: String,
    pub part: crate::model::FusePart,
    pub bytes: u64,
    pub used: u64,
    /// Nothing while it is not known: one look tells no pace.
    pub bytes_per_second: Option<u64>,
    /// Nothing while it is not known, and when it does not fill.
    pub full_in_seconds: Option<u64>,
}

impl FuseReport {
    fn new(fuse: &crate::model::Fuse) -> Self {
        Self {
            lv: fuse.full_name(),
            part: fuse.part,
            bytes: fuse.bytes,
            used: fuse.used,
            bytes_per_second: fuse.pace.map(|pace| pace.bytes_per_second),
            full_in_seconds: fuse.full_in(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnreferencedReport {
    pub path: HostPath,
    pub kind: &'static str,
    pub bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingReport {
    pub code: &'static str,
    pub severity: crate::model::Severity,
    /// The subject in a few words; `about` has its parts.
    pub subject: String,
    pub title: String,
    pub domains: Vec<String>,
    pub about: Subject,
    pub evidence: Vec<crate::model::Evidence>,
    pub why: String,
    pub advice: Vec<String>,
}

impl Report {
    /// The picture of a host as its report. Pure.
    pub fn new(picture: &Picture) -> Self {
        let inventory = &*picture.inventory;
        let stale = |save: &Save| picture.verdicts.stale.get(&save.path).map_or(Stale::Unknown, |verdict| verdict.stale);
        let save = |save: &Save| SaveReport::new(save, stale(save));
        Self {
            schema: 1,
            host: inventory.host.clone(),
            domains: inventory
                .domains
                .iter()
                .map(|domain| {
                    DomainReport::new(inventory, domain, domain.saves.iter().filter_map(|path| inventory.save(path)).map(save).collect())
                })
                .collect(),
            saves_without_domain: without_domain(inventory).map(save).collect(),
            unreadable_configs: inventory.unreadable_configs.clone(),
            shared_disks: picture.verdicts.shared_disks.clone(),
            drift: picture.verdicts.drift.clone(),
            snapshots: inventory
                .volumes
                .iter()
                .filter(|volume| !volume.hidden && volume.origin.is_some())
                .map(SnapshotReport::new)
                .collect(),
            fuses: inventory.fuses.iter().map(FuseReport::new).collect(),
            unreferenced: engine::unreferenced(inventory)
                .into_iter()
                .map(|thing| UnreferencedReport { path: thing.path, kind: thing.kind, bytes: thing.bytes })
                .collect(),
            findings: picture.verdicts.findings.iter().map(FindingReport::new).collect(),
            gaps: inventory.gaps.clone(),
        }
    }

    /// The report as JSON text, safe to be shown on a terminal.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        text(self)
    }
}

/// Any part of a report as JSON text: two blanks of indent, a line end at its end, and no character that could steer a terminal.
pub fn text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = crate::model::shown::json(&serde_json::to_string_pretty(value)?);
    text.push('\n');
    Ok(text)
}

/// What `check --json` prints: the findings and gaps of a report, under the same keys.
pub fn check(report: &Report) -> Value {
    json!({"schema": report.schema, "host": report.host, "findings": report.findings, "gaps": report.gaps})
}

/// Save images that belong to no domain of this host.
pub(super) fn without_domain(inventory: &Inventory) -> impl Iterator<Item = &Save> {
    inventory.saves.iter().filter(|save| !inventory.domains.iter().any(|domain| domain.saves.contains(&save.path)))
}

impl DomainReport {
    fn new(inventory: &Inventory, domain: &Domain, saves: Vec<SaveReport>) -> Self {
        Self {
            name: domain.name.clone(),
            uuid: domain.uuid.clone(),
            toolstacks: domain.toolstacks.clone(),
            power: domain.power,
            domid: domain.domid,
            memory: MemoryReport { state: domain.memory.state, bytes: domain.memory.bytes },
            saves,
            configs: configs(inventory, domain),
            disks: domain.disks.iter().map(|disk| DiskReport::new(inventory, disk)).collect(),
            id: domain.id.clone(),
            guest_type: domain.guest_type.clone(),
            vcpus: domain.vcpus,
            started: domain.started,
            likely_config: domain.likely_config.clone(),
            notes: domain.notes.clone(),
            libvirt: domain.libvirt.clone(),
        }
    }
}

/// The domain's configurations. One that lies only inside a save image counts when there is no other: it is what a resume would use.
fn configs(inventory: &Inventory, domain: &Domain) -> Vec<ConfigReport> {
    let mut configs: Vec<ConfigReport> = domain
        .configs
        .iter()
        .map(|path| match inventory.config(path) {
            Some(config) => ConfigReport::new(config),
            None => ConfigReport { source: ConfigSource::File, path: shown_path(path), autostart: false, accepted: None },
        })
        .collect();
    // A saved domain goes on with what its image packages, whatever the file says by then.
    if configs.is_empty() || domain.power == Power::Saved {
        configs.extend(domain.saves.iter().filter_map(|save| inventory.packaged_config(save)).map(ConfigReport::new));
    }
    configs
}

fn shown_path(path: &HostPath) -> Option<HostPath> {
    Some(path.clone()).filter(|path| !path.is_empty())
}

impl ConfigReport {
    fn new(config: &Config) -> Self {
        Self { source: config.source, path: shown_path(&config.path), autostart: config.autostart, accepted: Some(config.accepted()) }
    }
}

impl SaveReport {
    fn new(save: &Save, stale: Stale) -> Self {
        Self {
            path: save.path.clone(),
            format: save.format,
            complete: save.complete,
            created: save.created,
            stale,
            bytes: save.bytes,
            domain: save.domain.clone(),
            uuid: save.uuid.clone(),
            cut: save.cut.clone(),
            resumed_at_boot: save.resumed_at_boot,
        }
    }
}

impl DiskReport {
    fn new(inventory: &Inventory, disk: &Disk) -> Self {
        Self {
            vdev: disk.vdev.clone(),
            mode: disk.mode,
            kind: disk.kind,
            path: disk.path.clone(),
            format: disk.format.clone(),
            bytes: disk.bytes,
            allocated: disk.allocated,
            exists: disk.exists,
            in_config: disk.in_config,
            attached: disk.attached,
            removable: disk.removable,
            backend: disk.backend.clone(),
            volume: inventory.backing(disk.backing.as_ref()).and_then(|backing| backing.volume.clone()),
            written_as: disk.written_as.clone(),
            script: disk.script.clone(),
            managed_elsewhere: disk.kind.managed_elsewhere(),
            trouble: disk.trouble.clone(),
            libvirt: disk.libvirt.clone(),
        }
    }
}

impl SnapshotReport {
    fn new(volume: &LogicalVolume) -> Self {
        Self {
            lv: volume.full_name(),
            origin: volume.origin.clone(),
            data_percent: volume.data_percent,
            invalid: volume.invalid,
            store_bytes: volume.store_bytes,
        }
    }
}

impl FindingReport {
    fn new(finding: &Finding) -> Self {
        Self {
            code: finding.code.0,
            severity: finding.severity,
            subject: finding.subject.label(),
            title: finding.title.clone(),
            domains: finding.domains.clone(),
            about: finding.subject.clone(),
            evidence: finding.evidence.clone(),
            why: finding.why.clone(),
            advice: finding.advice.clone(),
        }
    }
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn rfc3339<S: serde::Serializer>(time: &Option<chrono::DateTime<chrono::Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        None => serializer.serialize_none(),
    }
}
