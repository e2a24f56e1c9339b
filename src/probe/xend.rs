//! Domains of xend: its managed domains' config.sxp, and the same expression inside an `xm save` file.
//!
//! Source: Xen 4.1, tools/python/xen/xend (XendConfig.py, XendDomain.py).

use crate::model::{Config, ConfigSource, ConfigTrouble, Disk, HostPath, Mode};

use super::sxp::{self, Sxp, SxpError};
use super::xl_disk::DiskSpec;

const MAX_DEVICES: usize = 4096;

/// The configuration in a config.sxp (or in a save image, with the image's path).
pub fn config(path: &HostPath, bytes: &[u8]) -> Result<Config, SxpError> {
    let all = sxp::parse(bytes)?;
    let domain = all
        .iter()
        .find(|expression| matches!(expression.head(), Some(b"domain" | b"vm")))
        .ok_or(SxpError { line: 1, what: "there is no (domain ...) in it" })?;
    let first = |names: &[&str]| names.iter().find_map(|name| domain.string(name));
    let memory =
        first(&["memory"]).or_else(|| first(&["maxmem"])).and_then(|mib| mib.parse::<u64>().ok()).and_then(|mib| mib.checked_mul(1 << 20));
    let image = domain.value("image");
    let mut trouble = Vec::new();
    let disks = devices(domain, &mut trouble);
    Ok(Config {
        source: ConfigSource::Xend,
        path: path.clone(),
        grammar: "sxp".to_owned(),
        name: first(&["name", "name_label"]),
        uuid: first(&["uuid"]),
        memory_bytes: memory.or_else(|| first(&["memory_static_max"]).and_then(|bytes| bytes.parse().ok())),
        guest_type: image.and_then(Sxp::head).map(|kind| if kind == b"hvm" { "hvm".to_owned() } else { "pv".to_owned() }),
        disks,
        autostart: first(&["on_xend_start"]).is_some_and(|action| action == "start"),
        modified: None,
        trouble,
        settings: settings(domain, image),
    })
}

fn settings(domain: &Sxp, image: Option<&Sxp>) -> Vec<(String, String)> {
    let of_image = ["kernel", "ramdisk", "args", "root"].into_iter().filter_map(|key| Some((key, image?.string(key)?)));
    let of_domain = ["memory", "maxmem", "vcpus", "bootloader", "on_poweroff", "on_reboot", "on_crash", "on_xend_start", "on_xend_stop"]
        .into_iter()
        .filter_map(|key| Some((key, domain.string(key)?)));
    of_image.chain(of_domain).map(|(key, value)| (key.to_owned(), super::config_file::secrets::masked(&value))).collect()
}

fn devices(domain: &Sxp, trouble: &mut Vec<ConfigTrouble>) -> Vec<Disk> {
    let mut disks = Vec::new();
    for device in domain.children("device").take(MAX_DEVICES) {
        let Some(vbd) = device.rest().first().filter(|vbd| matches!(vbd.head(), Some(b"vbd" | b"tap" | b"tap2"))) else { continue };
        let (found, warning) = disk(vbd);
        disks.push(found);
        if let Some(what) = warning {
            trouble.push(ConfigTrouble { fatal: false, line: None, column: None, what });
        }
    }
    disks
}

/// `(vbd (uname phy:/dev/vg/lv) (dev xvda:disk) (mode w))`.
fn disk(vbd: &Sxp) -> (Disk, Option<String>) {
    let uname = vbd.string("uname").unwrap_or_default();
    let device = vbd.string("dev").unwrap_or_default();
    let mode = vbd.string("mode").unwrap_or_default();
    let device = device.strip_prefix("ioemu:").unwrap_or(&device);
    let (device, kind) = device.rsplit_once(':').unwrap_or((device, "disk"));
    let mut prefixes = Vec::new();
    let mut target = uname.as_str();
    while let Some((prefix, rest)) = target.split_once(':') {
        let word = !prefix.is_empty() && prefix.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !word || (!prefixes.is_empty() && !matches!(prefixes.first().map(String::as_str), Some("tap" | "tap2"))) {
            break;
        }
        prefixes.push(prefix.to_owned());
        target = rest;
    }
    let script =
        ["nbd", "enbd", "iscsi", "drbd"].into_iter().find(|kind| prefixes.iter().any(|p| p == kind)).map(|kind| format!("block-{kind}"));
    let format = ["qcow2", "qcow", "vhd", "vmdk"].into_iter().find(|format| prefixes.iter().any(|p| p == format));
    let cdrom = kind == "cdrom";
    let spec = DiskSpec {
        target: Some(target.as_bytes().to_vec()),
        vdev: Some(device.to_owned()).filter(|device| !device.is_empty()),
        format: Some(if target.is_empty() && cdrom { "empty" } else { "raw" }),
        readwrite: mode.starts_with('w'),
        removable: cdrom,
        is_cdrom: cdrom,
        script,
        backend_domname: vbd.string("backend"),
        prefixes,
        ..DiskSpec::default()
    };
    let (mut disk, warning) = super::config_file::disk_of_spec(&spec);
    if let Some(format) = format {
        disk.format = Some(format.to_owned());
    }
    if mode == "w!" {
        disk.mode = Some(Mode::ForceWrite);
    }
    (disk, warning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAVED: &str = "(domain (domid 3) (name 'web 1') (uuid 7d0c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01) (memory 64) (vcpus 1)
        (image (linux (kernel /boot/vmlinuz) (ramdisk ) (args 'root=/dev/sda1 ro')))
        (device (vif (mac 00:16:3e:00:00:01)))
        (device (vbd (uname phy:vg/web1) (dev sda1:disk) (mode w)))
        (device (tap (uname tap:aio:/srv/a.img) (dev sdb:disk) (mode r)))
        (device (vbd (uname file:/srv/c.iso) (dev hdc:cdrom) (mode r))))";

    #[test]
    fn a_managed_domain_shows_its_name_memory_and_disks() {
        let config = config(&HostPath::from("/var/lib/xend/domains/x/config.sxp"), SAVED.as_bytes()).unwrap();
        assert_eq!(config.name.as_deref(), Some("web 1"));
        assert_eq!(config.memory_bytes, Some(64 << 20));
        assert_eq!(config.guest_type.as_deref(), Some("pv"));
        let disks: Vec<_> =
            config.disks.iter().map(|d| (d.vdev.as_deref().unwrap(), d.path.as_ref().unwrap().to_string(), d.mode)).collect();
        assert_eq!(
            disks,
            [
                ("sda1", "/dev/vg/web1".to_owned(), Some(Mode::Write)),
                ("sdb", "/srv/a.img".to_owned(), Some(Mode::Read)),
                ("hdc", "/srv/c.iso".to_owned(), Some(Mode::Read)),
            ],
            "the disks that `xm restore` opens would not be shown"
        );
        assert!(config.settings.contains(&("kernel".to_owned(), "/boot/vmlinuz".to_owned())));
    }

    #[test]
    fn another_expression_is_no_domain() {
        assert!(config(&HostPath::from("/etc/xen/xend-config.sxp"), b"(xend-http-server no)").is_err());
    }

    proptest! {
        #[test]
        fn damaged_files_are_answered(at in 0..SAVED.len(), byte in any::<u8>()) {
            let mut bytes = SAVED.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = config(&HostPath::from("/x"), &bytes);
        }
    }
}
