//! A save image: a domain's memory in a file, wherever somebody put it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::HostPath;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaveFormat {
    /// `Xen saved domain, xl format` (xl.h, libxl-migration-stream).
    Xl,
    /// xend's `LinuxGuestRecord`.
    Xend,
    /// libvirt's Xen driver (`libvirt-xml`).
    LibvirtXen,
    /// libvirt's QEMU driver (`LibvirtQemudSave` or `...Part`).
    LibvirtQemu,
}

impl SaveFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xl => "xl",
            Self::Xend => "xend",
            Self::LibvirtXen => "libvirt-xen",
            Self::LibvirtQemu => "libvirt-qemu",
        }
    }

    /// virsh resumes it, and xl cannot read it.
    pub fn is_libvirt(self) -> bool {
        matches!(self, Self::LibvirtXen | Self::LibvirtQemu)
    }
}

/// One save image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Save {
    pub path: HostPath,
    pub format: SaveFormat,
    pub bytes: u64,
    /// Whether the records reach the END; unknown for formats that have no end mark.
    pub complete: Option<bool>,
    /// Where and why the walk stopped, when it is not complete: `cut at byte 4999168, in a record of ...`.
    pub cut: Option<String>,
    /// When writing ended: the file's modification time.
    pub created: Option<DateTime<Utc>>,
    /// The domain's name and uuid as the image's packaged configuration says.
    pub domain: Option<String>,
    pub uuid: Option<String>,
    pub memory_bytes: Option<u64>,
    /// Lies where the xendomains service resumes every file at the next boot.
    pub resumed_at_boot: bool,
    /// Others may read the file: guest memory holds keys and passwords.
    pub readable_by_others: Option<bool>,
    /// Identity of the file.
    pub inode: Option<(u64, u64)>,
    /// Facts about the format: the Xen that wrote it, `paused when saved`, compression.
    pub notes: Vec<String>,
}
