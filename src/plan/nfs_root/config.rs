//! The domain's configuration: xl knows only the kernel's command line. What xm made of `nfs_server`, `nfs_root`, `dhcp` and the addresses
//! is written into it, and those lines become comments: xl passes over them in silence.

use crate::model::NfsRoot;
use crate::plan::config_text::{self, Wont};

/// Keys of xm's that xl ignores, and that say nothing once the command line says it.
const OF_XM: [&str; 8] = ["nfs_server", "nfs_root", "dhcp", "ip", "netmask", "gateway", "hostname", "interface"];

/// The text with its root on NFS.
pub(super) fn translated(text: &[u8], wanted: &NfsRoot, export: &str) -> Result<Vec<u8>, Wont> {
    let mut out = text.to_vec();
    if let Some(line) = config_text::text_of(text, "cmdline")? {
        // xl then ignores `root` and `extra`.
        out = config_text::set_text(&out, "cmdline", words(&line, wanted, export, true)?.as_bytes())?;
    } else {
        let extra = config_text::text_of(text, "extra")?.unwrap_or_default();
        out = config_text::set_text(&out, "root", b"/dev/nfs")?;
        out = config_text::set_text(&out, "extra", words(&extra, wanted, export, false)?.as_bytes())?;
    }
    for key in OF_XM {
        out = config_text::comment_out(&out, key)?;
    }
    if config_text::strings(&out, "vif")?.is_empty() {
        let bridge = wanted.bridge.as_deref().ok_or("it has no network device (`vif`), and no bridge was named for one")?;
        out = config_text::add_string(&out, "vif", format!("bridge={bridge}").as_bytes())?;
    }
    Ok(out)
}

/// The kernel's words: what asks for the root first, then what else stood there.
fn words(line: &[u8], wanted: &NfsRoot, export: &str, with_root: bool) -> Result<String, Wont> {
    let line = std::str::from_utf8(line).map_err(|_| "its kernel arguments are not UTF-8")?;
    if line.contains('"') {
        return Err("its kernel arguments hold quotation marks".into());
    }
    let root = ["root=", "nfsroot=", "nfsaddrs=", "ip=", "rootfstype=", "rootflags="];
    let stays = |word: &&str| !root.iter().any(|key| word.starts_with(key)) && !matches!(*word, "ro" | "rw");
    let nfsroot = format!("nfsroot={}:{export},vers=3,tcp", wanted.server);
    let network = format!("ip={}", wanted.network);
    let mut words = vec![nfsroot.as_str(), network.as_str(), "rw"];
    if with_root {
        words.insert(0, "root=/dev/nfs");
    }
    words.extend(line.split_ascii_whitespace().filter(stays));
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::Populate;

    fn translated(text: &str) -> String {
        let wanted = NfsRoot {
            domain: "web".into(),
            config: None,
            directory: "/srv/web".into(),
            populate: Populate::Nothing,
            hostname: None,
            fstab: false,
            clients: "192.0.2.21".into(),
            server: "192.0.2.10".into(),
            network: "dhcp".into(),
            bridge: Some("xenbr0".into()),
        };
        String::from_utf8(super::translated(text.as_bytes(), &wanted, "/srv/web").unwrap()).unwrap()
    }

    #[test]
    fn an_old_configuration_says_what_xl_understands() {
        let old = "name = 'web'\nkernel = '/boot/k'\nroot = '/dev/nfs'\nnfs_server = '192.0.2.10'\nnfs_root = '/srv/web'\ndhcp = 'dhcp'\nvif = [ '' ]\nextra = '4'\n";
        let new = "name = 'web'\nkernel = '/boot/k'\nroot = '/dev/nfs'\n# nfs_server = '192.0.2.10'\n# nfs_root = '/srv/web'\n# dhcp = 'dhcp'\nvif = [ '' ]\n\
                   extra = 'nfsroot=192.0.2.10:/srv/web,vers=3,tcp ip=dhcp rw 4'\n";
        assert_eq!(translated(old), new, "the guest would not find its root");
        assert_eq!(translated(new), new, "a second time changes nothing");
    }

    #[test]
    fn a_command_line_of_its_own_is_the_one_that_counts() {
        assert_eq!(
            translated("cmdline = 'root=/dev/xvda ro quiet ip=off console=hvc0'\nvif = [ 'bridge=b' ]\n"),
            "cmdline = 'root=/dev/nfs nfsroot=192.0.2.10:/srv/web,vers=3,tcp ip=dhcp rw quiet console=hvc0'\nvif = [ 'bridge=b' ]\n"
        );
    }

    #[test]
    fn a_domain_without_a_network_gets_one() {
        assert!(translated("name = 'web'\n").ends_with("vif = [ 'bridge=xenbr0' ]\n"), "it could not reach its root");
        assert!(translated("vif = [ ]\n").contains("vif = [ 'bridge=xenbr0' ]"));
    }
}
