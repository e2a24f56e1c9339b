//! A root file system on an NFS server, as a kernel command line asks for it.
//!
//! Source: the kernel's Documentation/admin-guide/nfs/nfsroot.rst: `root=/dev/nfs nfsroot=[SERVER:]DIR[,OPTIONS] ip=CLIENT:SERVER:...`;
//! dracut.cmdline(7): `root=nfs[4]:SERVER:DIR[:OPTIONS]`.

use crate::model::{Disk, DiskKind, HostPath};

/// Where a diskless domain has its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NfsRoot {
    /// Unknown when DHCP tells it to the guest.
    pub server: Option<String>,
    /// Unknown when it is not in the command line: DHCP tells it, or the guest does not find its root.
    pub dir: Option<String>,
    pub options: Option<String>,
}

impl NfsRoot {
    /// `server:/dir`, once both are known.
    pub fn source(&self) -> Option<String> {
        match (&self.server, &self.dir) {
            (Some(server), Some(dir)) => Some(format!("{server}:{dir}")),
            _ => None,
        }
    }

    /// The domain's disk that stands for it: without vdev, mode and format.
    pub fn disk(&self) -> Disk {
        let source = self.source();
        Disk {
            kind: DiskKind::NfsRoot,
            written_as: if source.is_none() { self.dir.clone() } else { None },
            path: source.map(HostPath::from),
            in_config: true,
            ..Disk::default()
        }
    }
}

/// The NFS root of a kernel command line; nothing when the root is elsewhere.
pub fn nfsroot_of(cmdline: &str) -> Option<NfsRoot> {
    let words = words(cmdline);
    let last = |key: &str| words.iter().rev().find_map(|word| word.strip_prefix(key)).map(str::to_owned);
    let root = last("root=")?;
    if let Some(spec) = root.strip_prefix("nfs:").or_else(|| root.strip_prefix("nfs4:")) {
        return Some(dracut(spec));
    }
    if root != "/dev/nfs" && root != "nfs" {
        return None;
    }
    let server_of_ip = last("ip=").and_then(|ip| ip.split(':').nth(1).filter(|s| !s.is_empty()).map(str::to_owned));
    let Some(nfsroot) = last("nfsroot=") else { return Some(NfsRoot { server: server_of_ip, ..NfsRoot::default() }) };
    let (place, options) = match nfsroot.split_once(',') {
        Some((place, options)) => (place.to_owned(), Some(options.to_owned())),
        None => (nfsroot, None),
    };
    // A server is only there when the text does not begin with the directory.
    let (server, dir) = match place.rsplit_once(":/") {
        Some((server, dir)) if !place.starts_with('/') => (Some(server.to_owned()), format!("/{dir}")),
        _ => (None, place),
    };
    Some(NfsRoot { server: server.filter(|s| !s.is_empty()).or(server_of_ip), dir: Some(dir).filter(|d| !d.is_empty()), options })
}

fn dracut(spec: &str) -> NfsRoot {
    let (server, rest) = match spec.split_once(":/") {
        Some((server, rest)) if !spec.starts_with('/') => (Some(server.to_owned()), format!("/{rest}")),
        _ => (None, spec.to_owned()),
    };
    let (dir, options) = match rest.split_once([':', ',']) {
        Some((dir, options)) => (dir.to_owned(), Some(options.to_owned())),
        None => (rest, None),
    };
    NfsRoot { server: server.filter(|s| !s.is_empty()), dir: Some(dir).filter(|d| !d.is_empty()), options }
}

/// A command line's words; double quotes hold blanks together, as in the kernel.
fn words(cmdline: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in cmdline.chars() {
        match character {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(cmdline: &str) -> Option<String> {
        nfsroot_of(cmdline).and_then(|root| root.source())
    }

    #[test]
    fn the_server_and_path_of_a_diskless_domain_are_found() {
        for cmdline in [
            "root=/dev/nfs nfsroot=192.0.2.10:/export/nfs1,vers=3,tcp ip=dhcp",
            "root=/dev/xvda nfsroot=192.0.2.10:/export/nfs1 root=/dev/nfs",
            "root=/dev/nfs nfsroot=/export/nfs1 ip=192.0.2.21:192.0.2.10:192.0.2.1:255.255.255.0:nfs1:eth0:off",
            "root=nfs:192.0.2.10:/export/nfs1:vers=3",
            "root=nfs4:192.0.2.10:/export/nfs1",
            "\"root=/dev/nfs\" nfsroot=192.0.2.10:/export/nfs1",
        ] {
            assert_eq!(source(cmdline).as_deref(), Some("192.0.2.10:/export/nfs1"), "`{cmdline}`: the domain would seem to have no state");
        }
    }

    #[test]
    fn what_dhcp_tells_stays_unknown() {
        let root = nfsroot_of("root=/dev/nfs nfsroot=/export/x ip=dhcp").unwrap();
        assert_eq!((root.server.as_deref(), root.dir.as_deref(), root.source()), (None, Some("/export/x"), None));
        assert_eq!(root.disk().path, None);
        assert_eq!(nfsroot_of("root=/dev/nfs ip=dhcp"), Some(NfsRoot::default()));
    }

    #[test]
    fn a_domain_with_a_disk_has_no_nfs_root() {
        assert_eq!(nfsroot_of("root=/dev/xvda1 nfsroot=192.0.2.10:/export/x"), None);
        assert_eq!(nfsroot_of(""), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,120}", tail in ".{0,40}") {
            let _ = nfsroot_of(&text);
            let _ = nfsroot_of(&format!("root=/dev/nfs nfsroot={tail}"));
            let _ = nfsroot_of(&format!("root=nfs:{tail}"));
        }
    }
}
