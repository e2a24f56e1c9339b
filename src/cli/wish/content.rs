//! What a new disk holds and who gets it: the same options for a file and for a volume.

use clap::Args as ClapArgs;

use super::Given;

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Content {
    /// ext4, ext3, xfs, btrfs or none
    #[arg(long, value_name = "FS")]
    pub file_system: Option<String>,
    /// A name for the file system
    #[arg(long)]
    pub label: Option<String>,
    /// nothing, directory or archive
    #[arg(long, value_name = "WHAT")]
    pub populate: Option<String>,
    /// The directory or tar archive that it is filled with
    #[arg(long, value_name = "PATH")]
    pub source: Option<String>,
    /// Written to /etc/hostname inside
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Whether fstab inside names the disk as /
    #[arg(long, value_name = "yes|no")]
    pub fstab: Option<String>,
    /// Who gets it: nobody, existing (a domain) or new (a new domain)
    #[arg(long, value_name = "TO")]
    pub attach: Option<String>,
    /// The domain whose configuration gets the disk
    #[arg(long)]
    pub domain: Option<String>,
    /// The configuration file, where several name the domain, or the new one
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    /// What the guest calls the disk
    #[arg(long)]
    pub vdev: Option<String>,
    /// A new domain's name
    #[arg(long)]
    pub name: Option<String>,
    /// A new domain's memory in MiB
    #[arg(long, value_name = "MIB")]
    pub memory: Option<String>,
    /// A new domain's CPUs
    #[arg(long, value_name = "NUMBER")]
    pub vcpus: Option<String>,
    /// How a new domain boots: kernel, pygrub or hvm
    #[arg(long, value_name = "HOW")]
    pub boot: Option<String>,
    /// A kernel of this host
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<String>,
    /// The kernel's initial ramdisk
    #[arg(long, value_name = "FILE")]
    pub ramdisk: Option<String>,
    /// Added to the kernel's command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub extra: Option<String>,
}

impl Content {
    /// Whoever names a domain and does not say who gets the disk means a new domain.
    pub fn names_new_domain(&self) -> bool {
        self.attach.is_none() && self.name.is_some()
    }

    pub fn given(&self) -> Given<'_> {
        vec![
            ("file-system", self.file_system.as_ref()),
            ("label", self.label.as_ref()),
            ("populate", self.populate.as_ref()),
            ("source", self.source.as_ref()),
            ("hostname", self.hostname.as_ref()),
            ("fstab", self.fstab.as_ref()),
            ("attach", self.attach.as_ref()),
            ("domain", self.domain.as_ref()),
            ("config-file", self.config_file.as_ref()),
            ("vdev", self.vdev.as_ref()),
            ("name", self.name.as_ref()),
            ("memory", self.memory.as_ref()),
            ("vcpus", self.vcpus.as_ref()),
            ("boot", self.boot.as_ref()),
            ("kernel", self.kernel.as_ref()),
            ("ramdisk", self.ramdisk.as_ref()),
            ("extra", self.extra.as_ref()),
        ]
    }
}
