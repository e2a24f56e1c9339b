//! A domain's root on an NFS server: this host.

use serde::{Deserialize, Serialize};

use super::HostPath;
use super::request::Populate;

/// Make a directory the root of a domain, served by this host's NFS server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NfsRoot {
    pub domain: String,
    /// Nothing: the only one that there is.
    pub config: Option<HostPath>,
    /// It is made when it is not there.
    pub directory: HostPath,
    /// What a new directory is filled with.
    pub populate: Populate,
    /// Written to /etc/hostname inside.
    pub hostname: Option<String>,
    /// Write /etc/fstab inside.
    pub fstab: bool,
    /// Who may mount it, as exports(5) names clients: an address or a network.
    pub clients: String,
    /// The IPv4 address at which the guest reaches this host.
    pub server: String,
    /// What follows `ip=` on the kernel's command line: `dhcp`, or the colon form.
    pub network: String,
    /// The bridge of a network device that the configuration gets when it has none.
    pub bridge: Option<String>,
}
