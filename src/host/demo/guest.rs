//! A guest's configuration as libxl holds it, and libxl's JSON of it (`xl list -l`, userdata files, save images).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    pub name: String,
    pub uuid: String,
    /// `pv`, `pvh`, `hvm`.
    pub kind: String,
    /// As the config says; libxl leaves the default of one out.
    pub vcpus: Option<u32>,
    pub memory_mib: u64,
    pub maxmem_mib: Option<u64>,
    pub kernel: Option<String>,
    pub ramdisk: Option<String>,
    pub cmdline: Option<String>,
    pub bootloader: Option<String>,
    pub boot: Option<String>,
    pub disks: Vec<GuestDisk>,
    pub nics: Vec<Nic>,
    pub on_poweroff: Option<String>,
    pub on_crash: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestDisk {
    /// Empty: a drive without a medium.
    pub path: String,
    pub vdev: String,
    pub format: String,
    pub write: bool,
    pub cdrom: bool,
    /// As the config asks; the usual choice is libxl's.
    pub backend: Option<String>,
    pub script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plight: Option<Plight>,
}

/// A disk that the guest's record names and that is not simply there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plight {
    /// The hotplug script refused it when it was plugged in, with these words. libxl takes nothing back.
    Refused(String),
    /// It was to be taken away, and the guest did not let go.
    Leaving,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    pub mac: String,
    pub bridge: String,
}

impl Guest {
    pub fn maximum_mib(&self) -> u64 {
        self.maxmem_mib.unwrap_or(self.memory_mib).max(self.memory_mib)
    }
}

impl GuestDisk {
    /// Who serves it (libxl's `libxl__device_disk_set_backend`): the kernel where it can, else QEMU.
    pub fn backend(&self, kind: &str) -> &str {
        match &self.backend {
            Some(asked) => asked,
            None if self.script.is_some() => "phy",
            None if self.format != "raw" || (self.cdrom && kind == "hvm") => "qdisk",
            None => "phy",
        }
    }

    /// What xenstore calls its backend.
    pub fn backend_name(&self, kind: &str) -> &str {
        match self.backend(kind) {
            "phy" => "vbd",
            other => other,
        }
    }

    /// Whether the hotplug script refused it, and nothing is behind it.
    pub fn is_refused(&self) -> bool {
        matches!(self.plight, Some(Plight::Refused(_)))
    }

    /// The number that names it in xenstore (xen-vbd-interface(7)).
    pub fn number(&self) -> u32 {
        device_number(&self.vdev).unwrap_or(0)
    }
}

pub fn device_number(vdev: &str) -> Option<u32> {
    let letters_end = vdev.find(|c: char| c.is_ascii_digit()).unwrap_or(vdev.len());
    let (letters, digits) = (vdev.get(..letters_end)?, vdev.get(letters_end..)?);
    let partition: u32 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let index = |prefix: &str| {
        let rest = letters.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        rest.bytes().try_fold(0_u32, |sum, letter| {
            let value = u32::from(letter.checked_sub(b'a').filter(|value| *value < 26)?) + 1;
            sum.checked_mul(26)?.checked_add(value)
        })
    };
    if let Some(index) = index("xvd") {
        let index = index - 1;
        return if index < 16 && partition < 16 {
            Some(202 << 8 | index << 4 | partition)
        } else {
            index.checked_mul(256)?.checked_add(1 << 28)?.checked_add(partition)
        };
    }
    if let Some(index) = index("hd").filter(|index| *index <= 4 && partition < 64) {
        let index = index - 1;
        return Some([3, 22][index as usize / 2] << 8 | (index % 2) << 6 | partition);
    }
    let index = index("sd").filter(|index| *index <= 16 && partition < 16)? - 1;
    Some(8 << 8 | index << 4 | partition)
}

/// Where the JSON goes: a running domain's list shows what the scheduler made of it, userdata and save images do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum JsonFor {
    List,
    Userdata,
}

/// libxl's JSON of a guest; fields that have their default are left out, as libxl does.
pub fn to_json(guest: &Guest, purpose: JsonFor) -> Value {
    let mut build = Map::new();
    let mut put = |key: &str, value: Value| {
        build.insert(key.to_owned(), value);
    };
    if let Some(vcpus) = guest.vcpus {
        put("max_vcpus", json!(vcpus));
        put("avail_vcpus", json!((0..vcpus).collect::<Vec<_>>()));
    }
    put("max_memkb", json!(guest.maximum_mib() * 1024));
    put("target_memkb", json!(guest.memory_mib * 1024));
    let hvm = guest.kind == "hvm";
    put("video_memkb", json!(if hvm { 8192 } else { 0 }));
    if hvm {
        put("shadow_memkb", json!(8192));
        put("device_model_version", json!("qemu_xen"));
    }
    put("sched_params", if purpose == JsonFor::List { json!({"sched": "credit2", "weight": 256, "cap": 0}) } else { json!({}) });
    put("claim_mode", json!("True"));
    if !hvm {
        for (key, value) in
            [("bootloader", &guest.bootloader), ("kernel", &guest.kernel), ("cmdline", &guest.cmdline), ("ramdisk", &guest.ramdisk)]
        {
            if let Some(value) = value {
                put(key, json!(value));
            }
        }
    }
    let kind = if hvm {
        let mut parts = json!({"vga": {}, "vnc": {"enable": "False"}, "sdl": {}, "spice": {}, "serial": "pty"});
        if let (Some(map), Some(boot)) = (parts.as_object_mut(), &guest.boot) {
            map.insert("boot".to_owned(), json!(boot));
        }
        if let Some(map) = parts.as_object_mut() {
            map.insert("rdm".to_owned(), json!({}));
        }
        parts
    } else {
        json!({})
    };
    put(&format!("type.{}", guest.kind), kind);
    put("arch_arm", json!({}));
    put("arch_x86", json!({"msr_relaxed": "False"}));

    let mut all = Map::new();
    all.insert(
        "c_info".to_owned(),
        json!({"type": guest.kind, "name": guest.name, "domid": u32::MAX, "uuid": guest.uuid, "run_hotplug_scripts": "True"}),
    );
    all.insert("b_info".to_owned(), Value::Object(build));
    if !guest.disks.is_empty() {
        all.insert("disks".to_owned(), guest.disks.iter().map(disk_json).collect());
    }
    if !guest.nics.is_empty() {
        let nic = |(devid, nic): (usize, &Nic)| json!({"devid": devid, "mac": nic.mac, "bridge": nic.bridge, "nictype": "vif"});
        all.insert("nics".to_owned(), guest.nics.iter().enumerate().map(nic).collect());
    }
    for (key, value, default) in [
        ("on_poweroff", guest.on_poweroff.as_deref(), "destroy"),
        ("on_reboot", Some("restart"), ""),
        ("on_crash", guest.on_crash.as_deref(), "destroy"),
        ("on_soft_reset", Some("soft_reset"), ""),
    ] {
        if let Some(value) = value.filter(|value| *value != default) {
            all.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(all)
}

fn disk_json(disk: &GuestDisk) -> Value {
    let mut map = Map::new();
    map.insert("pdev_path".to_owned(), json!(disk.path));
    map.insert("vdev".to_owned(), json!(disk.vdev));
    if let Some(backend) = &disk.backend {
        map.insert("backend".to_owned(), json!(backend));
    }
    map.insert("format".to_owned(), json!(disk.format));
    if let Some(script) = &disk.script {
        map.insert("script".to_owned(), json!(script));
    }
    if disk.cdrom {
        map.insert("removable".to_owned(), json!(1));
    }
    if disk.write {
        map.insert("readwrite".to_owned(), json!(1));
    }
    if disk.cdrom {
        map.insert("is_cdrom".to_owned(), json!(1));
    }
    map.insert("colo_restore_enable".to_owned(), json!("False"));
    Value::Object(map)
}

/// The guest that libxl's JSON describes: what `xl restore` reads from a save image.
pub fn from_json(value: &Value) -> Option<Guest> {
    let text = |map: &Value, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let (about, build) = (value.get("c_info")?, value.get("b_info")?);
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let is_set = |map: &Value, key: &str| map.get(key).and_then(Value::as_u64) == Some(1);
    let kind = text(about, "type")?;
    Some(Guest {
        name: text(about, "name")?,
        uuid: text(about, "uuid")?,
        vcpus: build.get("max_vcpus").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()),
        memory_mib: build.get("target_memkb").and_then(Value::as_u64)? / 1024,
        maxmem_mib: build.get("max_memkb").and_then(Value::as_u64).map(|kib| kib / 1024),
        kernel: text(build, "kernel"),
        ramdisk: text(build, "ramdisk"),
        cmdline: text(build, "cmdline"),
        bootloader: text(build, "bootloader"),
        boot: build.get("type.hvm").and_then(|hvm| text(hvm, "boot")),
        disks: list("disks")
            .iter()
            .map(|disk| GuestDisk {
                path: text(disk, "pdev_path").unwrap_or_default(),
                vdev: text(disk, "vdev").unwrap_or_default(),
                format: text(disk, "format").unwrap_or_else(|| "raw".to_owned()),
                write: is_set(disk, "readwrite"),
                cdrom: is_set(disk, "is_cdrom"),
                backend: text(disk, "backend"),
                script: text(disk, "script"),
                plight: None,
            })
            .collect(),
        nics: list("nics")
            .iter()
            .map(|nic| Nic { mac: text(nic, "mac").unwrap_or_default(), bridge: text(nic, "bridge").unwrap_or_default() })
            .collect(),
        on_poweroff: text(value, "on_poweroff"),
        on_crash: text(value, "on_crash"),
        kind,
    })
}

/// JSON as libxl prints it through yajl: four blanks a level, an empty line in an empty object.
pub fn beautify(value: &Value, depth: usize, out: &mut String) {
    let indent = |depth: usize| "    ".repeat(depth);
    let members: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Some(key), value)).collect(),
        Value::Array(list) => list.iter().map(|value| (None, value)).collect(),
        plain => return out.push_str(&plain.to_string()),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    out.push(open);
    out.push('\n');
    for (at, (key, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push_str(",\n");
        }
        out.push_str(&indent(depth + 1));
        if let Some(key) = key {
            out.push_str(&format!("{}: ", Value::String((*key).clone())));
        }
        beautify(value, depth + 1, out);
    }
    out.push('\n');
    out.push_str(&indent(depth));
    out.push(close);
}

/// A userdata file: the JSON, a line end and a NUL.
pub fn userdata(guest: &Guest) -> Vec<u8> {
    let mut text = String::new();
    beautify(&to_json(guest, JsonFor::Userdata), 0, &mut text);
    text.push_str("\n\0");
    text.into_bytes()
}
