//! The JSON in which libxl writes a domain's configuration: `xl list -l`, `xl create -n`, save images, /var/lib/xen/userdata-*.
//!
//! Source: Xen's tools/libs/light/libxl_types.idl. Fields that have their default are left out: a disk without `readwrite` is read-only.

use serde_json::Value;

use crate::model::{Disk, DiskKind, HostPath, Mode};

use super::config_file::kind_of;

/// A domain has fewer disks than this.
const MAX_DISKS: usize = 4096;

/// LIBXL_MEMKB_DEFAULT: not decided yet.
const MEMKB_DEFAULT: u64 = u64::MAX;

/// What domkeep uses of a libxl_domain_config. Nothing where the field is left out or of another type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LibxlConfig {
    pub name: Option<String>,
    pub uuid: Option<String>,
    /// `pv`, `pvh`, `hvm`.
    pub guest_type: Option<String>,
    /// Reservation in KiB.
    pub max_memkb: Option<u64>,
    /// Target in KiB.
    pub target_memkb: Option<u64>,
    pub vcpus: Option<u32>,
    pub kernel: Option<String>,
    pub ramdisk: Option<String>,
    pub cmdline: Option<String>,
    pub bootloader: Option<String>,
    /// `in_config` and `attached` are for the caller to say; relative paths are as libxl keeps them.
    pub disks: Vec<Disk>,
}

impl LibxlConfig {
    /// Bytes that the domain is to have.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.target_memkb.or(self.max_memkb).and_then(|kib| kib.checked_mul(1024))
    }
}

/// Reads the object that has `c_info`, `b_info` and `disks`.
pub fn config(value: &Value) -> LibxlConfig {
    let (create, build) = (&value["c_info"], &value["b_info"]);
    let vcpus = number(&build["max_vcpus"]).or_else(|| build["avail_vcpus"].as_array().and_then(|cpus| u64::try_from(cpus.len()).ok()));
    LibxlConfig {
        name: text(&create["name"]),
        uuid: text(&create["uuid"]),
        guest_type: text(&create["type"]).filter(|kind| kind != "invalid"),
        max_memkb: number(&build["max_memkb"]).filter(|kib| *kib != MEMKB_DEFAULT),
        target_memkb: number(&build["target_memkb"]).filter(|kib| *kib != MEMKB_DEFAULT),
        vcpus: vcpus.and_then(|count| u32::try_from(count).ok()),
        kernel: text(&build["kernel"]).or_else(|| in_type(build, "kernel")),
        ramdisk: text(&build["ramdisk"]).or_else(|| in_type(build, "ramdisk")),
        cmdline: text(&build["cmdline"]).or_else(|| in_type(build, "cmdline")),
        bootloader: text(&build["bootloader"]).or_else(|| in_type(build, "bootloader")),
        disks: value["disks"].as_array().map(|disks| disks.iter().take(MAX_DISKS).filter_map(disk).collect()).unwrap_or_default(),
    }
}

/// Older libxl kept the kernel in the part of the guest type (`u.pv` in C, `type.pv` in JSON).
fn in_type(build: &Value, key: &str) -> Option<String> {
    ["type.pv", "type.hvm", "type.pvh"].into_iter().find_map(|kind| text(&build[kind][key]))
}

fn disk(value: &Value) -> Option<Disk> {
    if !value.is_object() {
        return None;
    }
    let target = text(&value["pdev_path"]).unwrap_or_default();
    let script = text(&value["script"]);
    let removable = yes(&value["removable"]);
    let format = text(&value["format"]).filter(|format| format != "unknown");
    let empty = format.as_deref() == Some("empty") || (target.is_empty() && (removable || yes(&value["is_cdrom"])));
    let backend_domain = text(&value["backend_domname"])
        .or_else(|| number(&value["backend_domid"]).filter(|id| *id != 0).map(|id| id.to_string()))
        .filter(|name| name != "0" && name != "Domain-0");
    let mut kind = kind_of(target.as_bytes(), script.as_deref(), empty);
    if backend_domain.is_some() && kind == DiskKind::File {
        kind = DiskKind::Unknown;
    }
    Some(Disk {
        vdev: text(&value["vdev"]),
        mode: Some(if yes(&value["readwrite"]) { Mode::Write } else { Mode::Read }),
        kind,
        path: if target.is_empty() { None } else { Some(HostPath::from(target)) },
        format: if empty { Some("empty".to_owned()) } else { format },
        removable: removable || yes(&value["is_cdrom"]),
        backend: text(&value["backend"]).filter(|backend| backend != "unknown"),
        backend_domain,
        script,
        ..Disk::default()
    })
}

/// A text that is not empty.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// libxl writes a yes as 1, true or "True".
fn yes(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => matches!(text.as_str(), "True" | "true" | "1"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn left_out_fields_have_libxls_meaning() {
        let read = config(&json!({
            "c_info": {"name": "a", "type": "pv"},
            "b_info": {"max_memkb": 2048, "target_memkb": 1024, "cmdline": "quiet"},
            "disks": [
                {"pdev_path": "/dev/vg/a", "vdev": "xvda", "format": "raw"},
                {"pdev_path": "", "vdev": "hdc", "removable": 1, "is_cdrom": 1},
                {"pdev_path": "/srv/b.img", "vdev": "xvdb", "readwrite": "True", "backend": "unknown", "format": "unknown"},
            ],
        }));
        assert_eq!(read.memory_bytes(), Some(1 << 20), "libxl counts KiB: a domain of 1 GiB would be shown with 1 MiB");
        assert_eq!(read.disks[0].mode, Some(Mode::Read), "a read-only disk would be shown as writable");
        assert_eq!((read.disks[1].kind, read.disks[1].path.as_ref()), (DiskKind::Empty, None));
        assert_eq!((read.disks[2].mode, read.disks[2].backend.as_ref(), read.disks[2].format.as_ref()), (Some(Mode::Write), None, None));
    }

    #[test]
    fn json_of_another_shape_gives_nothing() {
        for odd in
            [json!(null), json!([]), json!("x"), json!({"disks": {"a": 1}, "c_info": 5, "b_info": []}), json!({"disks": [null, 3, []]})]
        {
            assert_eq!(config(&odd), LibxlConfig::default(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn damaged_json_is_answered(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = include_bytes!("../../tests/fixtures/xen/dryrun/hvm1.json").to_vec();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
                let _ = config(&value);
            }
        }
    }
}
