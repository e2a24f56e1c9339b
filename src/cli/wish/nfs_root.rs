//! `domkeep nfs-root`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct NfsRoot {
    /// The domain whose root it becomes
    pub domain: String,
    /// The guest's root on this host; made when it does not exist
    #[arg(long, value_name = "DIR")]
    pub directory: Option<String>,
    /// What a new directory is filled with: nothing, directory or archive
    #[arg(long, value_name = "WHAT")]
    pub populate: Option<String>,
    /// The directory or tar archive that it is filled with
    #[arg(long, value_name = "PATH")]
    pub source: Option<String>,
    /// Written to /etc/hostname inside
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Whether an fstab without disks is written inside
    #[arg(long, value_name = "yes|no")]
    pub fstab: Option<String>,
    /// Who may mount it: the guest's address or network
    #[arg(long, value_name = "ADDRESS")]
    pub clients: Option<String>,
    /// The address at which the guest reaches this host
    #[arg(long, value_name = "ADDRESS")]
    pub server: Option<String>,
    /// The guest's address: dhcp, or ADDRESS::GATEWAY:NETMASK:NAME:eth0:off
    #[arg(long, value_name = "IP")]
    pub network: Option<String>,
    /// The bridge for a network device, when the configuration has none
    #[arg(long, value_name = "NAME")]
    pub bridge: Option<String>,
    /// The configuration file, where several name the domain
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl NfsRoot {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("domain", Some(&self.domain)),
            ("directory", self.directory.as_ref()),
            ("populate", self.populate.as_ref()),
            ("source", self.source.as_ref()),
            ("hostname", self.hostname.as_ref()),
            ("fstab", self.fstab.as_ref()),
            ("clients", self.clients.as_ref()),
            ("server", self.server.as_ref()),
            ("network", self.network.as_ref()),
            ("bridge", self.bridge.as_ref()),
            ("config-file", self.config_file.as_ref()),
        ]
    }
}
