//! What libvirt knows of a domain and of its disks beside what every toolstack knows (https://libvirt.org/formatdomain.html).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{HostPath, shown};

/// A domain as one libvirt connection knows it. `None` everywhere means "not known", never "none".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libvirt {
    /// The connection that knows it: `qemu:///system`.
    pub uri: String,
    /// Number of the running instance; nothing while it is off.
    pub id: Option<u32>,
    /// As `virsh domstate` calls it: `running`, `idle`, `paused`, `in shutdown`, `shut off`, `crashed`, `pmsuspended`.
    pub state: Option<String>,
    /// Why it is in that state: `booted`, `user`, `I/O error`, `saved`.
    pub reason: Option<String>,
    /// It has a stored definition; without one it is gone when it stops.
    pub persistent: Option<bool>,
    pub autostart: Option<bool>,
    /// libvirt keeps a save image that the next start resumes.
    pub managed_save: Option<bool>,
    pub title: Option<String>,
    pub paths: LibvirtPaths,
    /// The file with its UEFI variables is there; nothing when it has none, or nobody could look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvram_there: Option<bool>,
    pub snapshots: Option<Vec<LibvirtSnapshot>>,
    pub checkpoints: Option<Vec<LibvirtCheckpoint>>,
    /// Of the guest agent's channel: `connected` or `disconnected`; nothing when the domain has no such channel, or is off.
    pub agent_channel: Option<String>,
    /// The job that is at work on the whole domain: `Backup`, `Save`, `Snapshot`.
    pub job: Option<String>,
}

impl Libvirt {
    /// It has a running instance; `None` while nobody knows.
    pub fn is_active(&self) -> Option<bool> {
        self.state.as_deref().map(|state| state != "shut off")
    }
}

impl Libvirt {
    /// What a person wants to know of it, one fact a line, fit to be shown.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let known = |known: Option<bool>, yes: &str, no: &str, word: &str| match known {
            Some(true) => yes.to_owned(),
            Some(false) => no.to_owned(),
            None => format!("{word}: ?"),
        };
        lines.push(format!(
            "{}, {}, {}",
            shown::text(&self.uri),
            known(self.persistent, "persistent", "transient: gone when it stops", "persistent"),
            known(self.autostart, "starts with the host", "does not start with the host", "starts with the host")
        ));
        lines.extend(self.title.as_deref().map(|title| format!("title: {}", shown::text(title))));
        if self.managed_save == Some(true) {
            lines.push("a managed save: `virsh start` resumes it, and removes it".to_owned());
        }
        let paths = &self.paths;
        for (what, path) in [
            ("running instance", &paths.runtime),
            ("started by", &paths.autostart_link),
            ("UEFI variables", &paths.nvram),
            ("TPM state", &paths.tpm_state),
        ] {
            lines.extend(path.as_ref().map(|path| format!("{what}: {path}")));
        }
        lines.extend(self.agent_channel.as_deref().map(|state| format!("guest agent: {}", shown::text(state))));
        lines.extend(self.job.as_deref().map(|job| format!("job at work: {}", shown::text(job))));
        match &self.snapshots {
            Some(snapshots) => lines.extend(snapshots.iter().map(LibvirtSnapshot::line)),
            None => lines.push("snapshots: ?".to_owned()),
        }
        match &self.checkpoints {
            Some(checkpoints) => lines.extend(checkpoints.iter().map(LibvirtCheckpoint::line)),
            None => lines.push("checkpoints: ?".to_owned()),
        }
        lines
    }
}

impl LibvirtSnapshot {
    fn line(&self) -> String {
        let parts: Vec<String> = self
            .memory
            .iter()
            .chain(&self.disks)
            .filter(|part| part.kind.as_deref().is_some_and(|kind| kind != "no"))
            .map(|part| {
                let what = part.target.as_deref().map_or_else(|| "memory".to_owned(), shown::text);
                let file = part.file.as_ref().map_or_else(String::new, |file| format!(" {file}"));
                format!("{what} {}{file}", part.kind.as_deref().map_or_else(|| "?".to_owned(), shown::text))
            })
            .collect();
        format!("snapshot {}{}: {}", shown::text(&self.name), made(self.created), parts.join(", "))
    }
}

impl LibvirtCheckpoint {
    fn line(&self) -> String {
        let disks: Vec<String> = self.disks.iter().filter(|disk| disk.bitmap.is_some()).map(|disk| shown::text(&disk.target)).collect();
        format!("checkpoint {}{}: {}", shown::text(&self.name), made(self.created), disks.join(", "))
    }
}

fn made(created: Option<DateTime<Utc>>) -> String {
    created.map_or_else(String::new, |at| format!(" of {} UTC", at.format("%Y-%m-%d %H:%M")))
}

impl LibvirtDisk {
    /// What is worth a word beside path and format, fit to be shown.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        facts.extend(self.bus.as_deref().map(|bus| format!("on {}", shown::text(bus))));
        facts.extend(self.shareable.then(|| "shareable".to_owned()));
        facts.extend(self.transient.then(|| "transient: what is written is thrown away".to_owned()));
        facts.extend(self.encryption.as_deref().map(|format| format!("encrypted ({})", shown::text(format))));
        facts.extend(self.mirror.as_ref().map(|mirror| {
            let job = mirror.job.as_deref().map_or_else(|| "a block job".to_owned(), shown::text);
            let state = if mirror.ready { "waits for its pivot" } else { "at work" };
            let to = mirror.source.as_deref().map_or_else(String::new, |source| format!(" to {}", shown::text(source)));
            format!("{job}{to} {state}")
        }));
        facts
    }
}

/// Where a domain's parts lie beside its disks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtPaths {
    pub config: Option<HostPath>,
    pub autostart_link: Option<HostPath>,
    /// The running instance, as the daemon keeps it over its own restarts.
    pub runtime: Option<HostPath>,
    pub managed_save: Option<HostPath>,
    /// UEFI variables.
    pub nvram: Option<HostPath>,
    pub tpm_state: Option<HostPath>,
}

/// A snapshot of libvirt's: disks, and memory where `memory.kind` says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtSnapshot {
    pub name: String,
    pub parent: Option<String>,
    /// State of the domain at that moment: `running`, `shutoff`, `disk-snapshot`.
    pub state: Option<String>,
    pub created: Option<DateTime<Utc>>,
    pub metadata: Option<HostPath>,
    pub memory: Option<LibvirtPart>,
    pub disks: Vec<LibvirtPart>,
}

impl LibvirtSnapshot {
    /// It left an overlay that the guest writes to since.
    pub fn is_external(&self) -> bool {
        self.disks.iter().any(|disk| disk.kind.as_deref() == Some("external"))
    }
}

/// What a snapshot did to memory or to one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtPart {
    /// The disk's name in the guest; nothing for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `no`, `internal`, `external`, `manual`.
    pub kind: Option<String>,
    /// Of an external one: the overlay, or the file with the memory.
    pub file: Option<HostPath>,
}

/// A moment from which changed blocks are tracked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtCheckpoint {
    pub name: String,
    pub parent: Option<String>,
    pub created: Option<DateTime<Utc>>,
    pub metadata: Option<HostPath>,
    pub disks: Vec<CheckpointDisk>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointDisk {
    pub target: String,
    /// Name of the dirty bitmap in the image; nothing where the disk takes no part.
    pub bitmap: Option<String>,
    /// Bytes that changed since, where libvirt told.
    pub size: Option<u64>,
}

/// A disk as the domain's XML has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtDisk {
    pub bus: Option<String>,
    /// `disk`, `cdrom`, `floppy`, `lun`.
    pub device: String,
    /// `file`, `block`, `dir`, `network`, `volume`, `nvme`, `vhostuser`, `vhostvdpa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As it is written; where it is not, libvirt takes raw.
    pub format: Option<String>,
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub readonly: bool,
    /// Several domains may write, and no lock is taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shareable: bool,
    /// What is written is thrown away when the domain stops.
    #[serde(default, skip_serializing_if = "is_false")]
    pub transient: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What a snapshot does with it, where the XML says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// The images below the top one, as QEMU opened them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backing_chain: Vec<LibvirtImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<LibvirtMirror>,
}

/// One image of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtImage {
    #[serde(rename = "type")]
    pub kind: String,
    pub format: Option<String>,
    pub source: Option<String>,
}

/// A block job that writes a disk to a second place too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtMirror {
    /// `copy` or `active-commit`.
    pub job: Option<String>,
    /// Both places are equal; the job waits for a pivot or an end.
    pub ready: bool,
    pub source: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}
