//! What is looked at before a root is put on NFS: names that become words of other files, the host's own directories, how the domain boots.

use std::net::Ipv4Addr;

use crate::model::{Config, Domain, HostPath, NfsRoot};
use crate::plan::facts::{Go, no};

/// Whoever may write there as root owns the host.
const OF_THE_HOST: [&str; 16] = [
    "/etc",
    "/boot",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/root",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/lib/xen",
    "/var/lib/domkeep",
    "/var/lib/nfs",
];
/// Everything of their kind lies below them.
const WHOLE: [&str; 7] = ["/", "/var", "/var/lib", "/home", "/srv", "/mnt", "/opt"];

pub(super) fn names(wanted: &NfsRoot) -> Go<()> {
    let client_word = |c: char| c.is_ascii_alphanumeric() || ".:/-_@*?".contains(c);
    if wanted.clients.is_empty() || !wanted.clients.chars().all(client_word) || wanted.clients.starts_with('-') {
        return no(
            "client-bad",
            format!("`{}` is no client of an export", crate::model::shown::text(&wanted.clients)),
            "give the guest's address, such as 192.0.2.21, or its network, such as 192.0.2.0/24",
        );
    }
    if wanted.clients.chars().all(|c| "*?.".contains(c)) || wanted.clients.ends_with("/0") {
        return no(
            "export-to-world",
            format!("`{}` is everybody: any host could mount the domain's root and be root in it", wanted.clients),
            "give the guest's address, such as 192.0.2.21, or its network, such as 192.0.2.0/24",
        );
    }
    if wanted.server.parse::<Ipv4Addr>().is_err() {
        return no(
            "server-no-address",
            format!("`{}` is no IPv4 address, and a kernel that boots asks no name server", crate::model::shown::text(&wanted.server)),
            "give the address at which the guest reaches this host, such as that of its bridge",
        );
    }
    network(wanted)?;
    let plain =
        |name: &String| !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if wanted.hostname.as_ref().is_some_and(|name| !plain(name)) {
        return no("hostname-bad", "the host name is none", "take letters, digits, - and ., at most 64");
    }
    if wanted.bridge.as_ref().is_some_and(|name| !plain(name)) {
        return no("bridge-bad", "the name of the bridge is none", "`ip link show type bridge` lists them");
    }
    Ok(())
}

/// `dhcp`, or ADDRESS:SERVER:GATEWAY:NETMASK:NAME:DEVICE:HOW (Documentation/admin-guide/nfs/nfsroot.rst).
fn network(wanted: &NfsRoot) -> Go<()> {
    let bad = || {
        no(
            "network-bad",
            format!("`{}` tells the guest's kernel no address", crate::model::shown::text(&wanted.network)),
            "dhcp, or as 192.0.2.21::192.0.2.1:255.255.255.0:NAME:eth0:off",
        )
    };
    if matches!(wanted.network.as_str(), "dhcp" | "bootp" | "rarp" | "on" | "any" | "both") {
        return Ok(());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-_".contains(c);
    let parts: Vec<&str> = wanted.network.split(':').collect();
    let address = parts.first().and_then(|first| first.parse::<Ipv4Addr>().ok());
    let (Some(address), true) = (address, wanted.network.chars().all(plain) && (4..=10).contains(&parts.len())) else { return bad() };
    if may_mount(&wanted.clients, address) == Some(false) {
        return no(
            "client-not-the-guest",
            format!("the guest has the address {address}, and only {} may mount its root", wanted.clients),
            "give the guest's address or its network as the client",
        );
    }
    Ok(())
}

/// Whether a client as exports(5) has it is this address; nothing: a name, which is not looked up.
fn may_mount(client: &str, address: Ipv4Addr) -> Option<bool> {
    if let Ok(only) = client.parse::<Ipv4Addr>() {
        return Some(only == address);
    }
    let (network, mask) = client.split_once('/')?;
    let network = u32::from(network.parse::<Ipv4Addr>().ok()?);
    let mask = match mask.parse::<u32>() {
        Ok(bits) => u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0),
        Err(_) => u32::from(mask.parse::<Ipv4Addr>().ok()?),
    };
    Some(network & mask == u32::from(address) & mask)
}

pub(super) fn not_the_hosts_own(path: &HostPath) -> Go<()> {
    let own = OF_THE_HOST.iter().find(|dir| path.starts_with(dir)).or_else(|| WHOLE.iter().find(|dir| path.as_bytes() == dir.as_bytes()));
    match own {
        Some(_) => no(
            "export-of-host",
            format!("{path} is this host's own: the guest would be root in it"),
            "choose a directory of its own, such as one below /srv",
        ),
        None => Ok(()),
    }
}

/// A boot loader or a BIOS reads a disk, and would not find the kernel.
pub(super) fn boots_by_a_kernel(domain: &Domain, config: &Config) -> Go<()> {
    let is_set = |key: &str| config.settings.iter().any(|(name, value)| name == key && !value.is_empty());
    let hvm = [&domain.guest_type, &config.guest_type].into_iter().flatten().any(|kind| kind == "hvm");
    if hvm || is_set("bootloader") || !is_set("kernel") {
        return no(
            "no-kernel",
            format!("{} names no kernel of this host: a boot loader reads it from a disk", config.path),
            "write kernel = and ramdisk = into the configuration first; the kernel must be able to mount its root by NFS",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_could_not_mount_its_root_is_seen() {
        let address = Ipv4Addr::new(192, 0, 2, 21);
        for (client, may) in [
            ("192.0.2.21", Some(true)),
            ("192.0.2.22", Some(false)),
            ("192.0.2.0/24", Some(true)),
            ("192.0.2.0/255.255.255.0", Some(true)),
            ("192.0.3.0/24", Some(false)),
            ("192.0.2.21/32", Some(true)),
            ("192.0.2.20/32", Some(false)),
            ("192.0.2.0/33", None),
            ("web.example.com", None),
        ] {
            assert_eq!(may_mount(client, address), may, "{client}");
        }
    }
}
