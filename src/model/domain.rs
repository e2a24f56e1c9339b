//! A domain: the persistent thing that a person means, running or not. (Xen's manuals use the word for the running thing only.)

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Disk, HostPath, Libvirt};

/// Who knows the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Toolstack {
    Xl,
    LibvirtXen,
    LibvirtQemu,
    /// Another driver of libvirt's: test, lxc, bhyve.
    Libvirt,
    Xend,
}

impl Toolstack {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xl => "xl",
            Self::LibvirtXen => "libvirt-xen",
            Self::LibvirtQemu => "libvirt-qemu",
            Self::Libvirt => "libvirt",
            Self::Xend => "xend",
        }
    }

    /// Its domains are driven through virsh.
    pub fn is_libvirt(self) -> bool {
        matches!(self, Self::LibvirtXen | Self::LibvirtQemu | Self::Libvirt)
    }

    /// Its domains run on Xen: xl sees them, and one of the same name is the same.
    pub fn is_xen(self) -> bool {
        matches!(self, Self::Xl | Self::LibvirtXen | Self::Xend)
    }
}

/// What a domain is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    Running,
    Paused,
    /// Suspended in memory (`---ss-`): a save at work, an interrupted save, or `xl suspend`.
    Suspended,
    /// Off, with a complete save image that a start would resume or ruin.
    Saved,
    Off,
    /// Crashed and kept (`---sc-`).
    Crashed,
    Dying,
    /// Shut down and kept (`---s--`): it still holds its memory and its disks.
    Preserved,
    Migrating,
    #[default]
    Unknown,
}

impl Power {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Saved => "saved",
            Self::Off => "off",
            Self::Crashed => "crashed",
            Self::Dying => "dying",
            Self::Preserved => "preserved",
            Self::Migrating => "migrating",
            Self::Unknown => "unknown",
        }
    }

    /// The hypervisor knows it now: it has a domid, memory and open disks.
    pub fn is_present(self) -> bool {
        !matches!(self, Self::Off | Self::Saved | Self::Unknown)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryState {
    InRam,
    SaveImage,
    /// Off and not saved: there is no memory state, and none is missing.
    None,
    #[default]
    Unknown,
}

impl MemoryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InRam => "in-ram",
            Self::SaveImage => "save-image",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub state: MemoryState,
    /// Bytes: what the hypervisor gave it, or the save image's size.
    pub bytes: Option<u64>,
}

/// One domain with its three kinds of state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Identity on this host for selections and jobs: the name; where several share it, with the domid or the toolstack.
    pub id: String,
    pub name: String,
    pub uuid: Option<String>,
    pub toolstacks: Vec<Toolstack>,
    pub power: Power,
    pub domid: Option<u32>,
    /// `pv`, `pvh`, `hvm`.
    pub guest_type: Option<String>,
    pub vcpus: Option<u32>,
    pub memory: Memory,
    /// When it was booted or restored (xenstore's /vm/UUID/start_time).
    pub started: Option<DateTime<Utc>>,
    /// Paths of its save images ([`super::Inventory::saves`] has the rest).
    pub saves: Vec<HostPath>,
    /// Paths of the config files that name it ([`super::Inventory::configs`] has the rest).
    pub configs: Vec<HostPath>,
    /// It runs from a file that does not carry its name; a guess, and shown as one.
    pub likely_config: Option<HostPath>,
    pub disks: Vec<Disk>,
    /// It is there, and nothing told which disks it has now: `attached` of its disks says nothing.
    #[serde(default)]
    pub attached_unknown: bool,
    /// What libvirt knows of it beside; nothing for a domain that libvirt does not know, or was not asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt: Option<Libvirt>,
    /// Facts for the detail view that no rule needs: `xl list -l left it out`, the shutdown reason.
    pub notes: Vec<String>,
}

impl Domain {
    /// xl has no say over it: libvirt would not know what xl did.
    pub fn by_libvirt_only(&self) -> bool {
        !self.toolstacks.is_empty() && self.toolstacks.iter().all(|stack| stack.is_libvirt())
    }

    /// `virsh -c URI`, as one would type it for this domain.
    pub fn virsh(&self) -> String {
        let usual = if self.toolstacks.contains(&Toolstack::LibvirtXen) { "xen:///system" } else { "qemu:///system" };
        let uri = self.libvirt.as_ref().map_or(usual, |libvirt| libvirt.uri.as_str());
        format!("virsh -c {}", super::cmd::shell_word(uri))
    }
}
