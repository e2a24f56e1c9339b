//! Disk specifications to disks, and what their authors may not have meant.

use crate::model::{ConfigTrouble, Disk, DiskKind, HostPath, Mode, shown};

use super::super::xl_config::{Item, Position, Value};
use super::super::xl_disk::{self, DiskSpec};
use super::super::{vdev, xl_disk::DiskError};
use super::{Grammar, trouble};

/// More disks than a domain can have; what follows is not read.
const MAX_DISKS: usize = 4096;

/// A disk as xl would attach it, and a warning about a target that is not absolute.
pub fn disk(spec: &DiskSpec) -> (Disk, Option<String>) {
    let target = spec.target.as_deref().unwrap_or_default();
    let mut disk = Disk {
        vdev: spec.vdev.clone(),
        mode: Some(if spec.readwrite { Mode::Write } else { Mode::Read }),
        kind: kind_of(target, spec.script.as_deref(), spec.format == Some("empty")),
        path: if target.is_empty() { None } else { Some(HostPath::from_bytes(target)) },
        written_as: None,
        format: spec.format.map(str::to_owned),
        removable: spec.removable,
        backend: spec.backend.map(str::to_owned),
        backend_domain: spec.backend_domname.clone().filter(|name| !matches!(name.as_str(), "" | "0" | "Domain-0")),
        script: spec.script.clone(),
        in_config: true,
        ..Disk::default()
    };
    if disk.backend_domain.is_some() && !disk.kind.managed_elsewhere() && disk.kind != DiskKind::Empty {
        // The path is one of the backend domain's, where dom0 cannot look.
        disk.kind = DiskKind::Unknown;
        return (disk, None);
    }
    let relative = disk.kind != DiskKind::Empty && !disk.kind.managed_elsewhere() && spec.script.is_none() && !target.starts_with(b"/");
    if !relative {
        return (disk, None);
    }
    let written = shown::bytes(target);
    if target.is_empty() {
        return (disk, Some("no target: xl reads this, and then fails to start the domain".to_owned()));
    }
    disk.written_as = Some(String::from_utf8_lossy(target).into_owned());
    // xend put /dev/ before `phy:` targets and xl's manual still says so; other kinds of target were relative to xend's directory.
    let file_like = spec.prefixes.iter().any(|p| matches!(p.as_str(), "file" | "aio" | "tap" | "tap2" | "tapdisk"));
    if file_like || spec.format != Some("raw") {
        let what = format!("the target `{written}` is relative: xl takes it from the directory that it is started in; write it in full");
        return (disk, Some(what));
    }
    disk.path = Some(HostPath::from_bytes(&[b"/dev/", target].concat()));
    let what = format!(
        "the target `{written}` is relative: xl starts this only from /dev, and not again when the guest reboots; write `/dev/{written}`"
    );
    (disk, Some(what))
}

/// The kind of a disk as far as the text tells. Block devices of dom0 stay unknown: what they are shows when they are looked at.
pub fn kind_of(target: &[u8], script: Option<&str>, empty: bool) -> DiskKind {
    if empty {
        return DiskKind::Empty;
    }
    let script = script.map(|script| script.rsplit('/').next().unwrap_or(script));
    match script {
        Some("block-nbd" | "block-enbd") => return DiskKind::Nbd,
        Some("block-iscsi") => return DiskKind::Iscsi,
        Some("block-drbd") => return DiskKind::Drbd,
        Some("block-rbd") => return DiskKind::Rbd,
        Some("block") | None => {}
        Some(_) => return DiskKind::Unknown,
    }
    let begins = |starts: &[&str]| starts.iter().any(|start| target.starts_with(start.as_bytes()));
    if begins(&["rbd:", "/dev/rbd"]) {
        DiskKind::Rbd
    } else if begins(&["nbd:", "nbd+", "nbd://", "/dev/nbd"]) {
        DiskKind::Nbd
    } else if begins(&["iscsi:", "iqn.", "iqn="]) {
        DiskKind::Iscsi
    } else if begins(&["drbd:", "/dev/drbd"]) {
        DiskKind::Drbd
    } else if begins(&["/dev/"]) || !begins(&["/"]) {
        DiskKind::Unknown
    } else {
        DiskKind::File
    }
}

/// All disks of a `disk` list. A specification that xl refuses is fatal trouble; its disk is listed when target and vdev are clear.
pub(super) fn of_list(items: &[Item], grammar: Grammar) -> (Vec<Disk>, Vec<ConfigTrouble>) {
    let mut disks: Vec<Disk> = Vec::new();
    let mut troubles = Vec::new();
    for (index, item) in items.iter().enumerate().take(MAX_DISKS) {
        let number = index + 1;
        let Some(text) = item.value.text() else {
            let what = format!("disk {number}: a list in the list: xl stops here and leaves out this disk and all after it");
            troubles.push(trouble(false, Some(item.at), what));
            break;
        };
        let (found, said) = match grammar {
            Grammar::Xl => of_xl(text, item),
            Grammar::Xm => of_xm(text, item),
        };
        for (fatal, at, what) in said {
            troubles.push(trouble(fatal, Some(at), format!("disk {number}: {what}")));
        }
        if let Some(found) = found {
            if let Some(vdev) = found.vdev.as_ref().filter(|vdev| disks.iter().any(|other| other.vdev.as_ref() == Some(*vdev))) {
                let what = format!("disk {number}: the vdev {} is taken by an earlier disk", shown::text(vdev));
                troubles.push(trouble(false, Some(item.at), what));
            }
            disks.push(found);
        }
    }
    (disks, troubles)
}

type Said = Vec<(bool, Position, String)>;

fn of_xl(text: &[u8], item: &Item) -> (Option<Disk>, Said) {
    match xl_disk::parse(text) {
        Ok(spec) => {
            let (disk, warning) = disk(&spec);
            let mut said: Said = warning.into_iter().map(|what| (false, item.at, what)).collect();
            said.extend(bad_vdev(&disk).map(|what| (false, item.at, what)));
            (Some(disk), said)
        }
        Err(error) => {
            let at = place(item, &error);
            let said = vec![(true, at, error.what.clone())];
            let meant = if error.near.as_deref() == Some("w!") && error.partial.vdev.is_some() && error.partial.target.is_some() {
                let (mut disk, _) = disk(&error.partial);
                disk.mode = Some(Mode::ForceWrite);
                Some(disk)
            } else {
                xm_fields(text).map(|fields| fields.disk().0)
            };
            (meant, said)
        }
    }
}

/// xm's rules: `uname,dev,mode[,backend[,protocol]]`, read-only unless told otherwise; xl's own forms are taken too.
fn of_xm(text: &[u8], item: &Item) -> (Option<Disk>, Said) {
    if let Some(fields) = xm_fields(text) {
        let (disk, warning) = fields.disk();
        return (Some(disk), warning.into_iter().map(|what| (false, item.at, what)).collect());
    }
    of_xl(text, item)
}

fn bad_vdev(disk: &Disk) -> Option<String> {
    let vdev = disk.vdev.as_deref()?;
    if vdev::parse(vdev).is_some() {
        return None;
    }
    Some(format!("`{}` is no name that libxl knows for a disk (xvda, sda, hda, 51712): the domain does not start", shown::text(vdev)))
}

/// Where in the file the fault is: exact when the text holds no escapes, which change its length.
fn place(item: &Item, error: &DiskError) -> Position {
    let offset = u32::try_from(error.offset).unwrap_or(0);
    match item.value {
        Value::Str(ref text) if error.near.is_some() && text.is_ascii() && !text.contains(&b'\\') && item.at.column > 0 => {
            Position { line: item.at.line, column: item.at.column.saturating_add(1).saturating_add(offset) }
        }
        _ => item.at,
    }
}

/// The fields of an xm specification, with the prefix that xm demands and a device name that exists.
struct XmFields<'a> {
    prefixes: Vec<&'a str>,
    target: &'a str,
    device: &'a str,
    device_type: Option<&'a str>,
    mode: &'a str,
    backend: Option<&'a str>,
}

fn xm_fields(text: &[u8]) -> Option<XmFields<'_>> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('='))?;
    let mut fields = text.split(',').map(str::trim);
    let (uname, device) = (fields.next()?, fields.next()?);
    let mode = fields.next().unwrap_or("r");
    let backend = fields.next().filter(|backend| !backend.is_empty());
    // A fifth field is the protocol, which says nothing about the disk.
    if fields.nth(1).is_some() || !matches!(mode, "r" | "ro" | "w" | "rw" | "w!" | "!" | "") {
        return None;
    }
    let mut prefixes = Vec::new();
    let mut target = uname;
    while let Some((prefix, rest)) = target.split_once(':') {
        let word = !prefix.is_empty() && prefix.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !word || (!prefixes.is_empty() && !matches!(prefixes.first(), Some(&"tap" | &"tap2"))) {
            break;
        }
        prefixes.push(prefix);
        target = rest;
    }
    if prefixes.is_empty() {
        return None;
    }
    let device = device.strip_prefix("ioemu:").unwrap_or(device);
    let (device, device_type) = match device.rsplit_once(':') {
        Some((device, kind)) => (device, Some(kind)),
        None => (device, None),
    };
    vdev::parse(device)?;
    Some(XmFields { prefixes, target, device, device_type, mode, backend })
}

impl XmFields<'_> {
    fn disk(&self) -> (Disk, Option<String>) {
        let has = |word: &str| self.prefixes.contains(&word);
        let format = ["qcow2", "qcow", "vhd", "vmdk", "qed"].into_iter().find(|format| has(format));
        let cdrom = self.device_type == Some("cdrom");
        let script = ["nbd", "enbd", "iscsi", "drbd"].into_iter().find(|kind| has(kind)).map(|kind| format!("block-{kind}"));
        let empty = self.target.is_empty() && cdrom;
        // rbd had no script of its own: the prefix is all that tells the kind.
        let target = if has("rbd") { format!("rbd:{}", self.target) } else { self.target.to_owned() };
        let spec = DiskSpec {
            target: Some(target.into_bytes()),
            vdev: Some(self.device.to_owned()),
            format: Some(if empty { "empty" } else { "raw" }),
            readwrite: matches!(self.mode, "w" | "rw" | "w!" | "!") && !cdrom,
            removable: cdrom,
            is_cdrom: cdrom,
            backend_domname: self.backend.map(str::to_owned),
            script,
            prefixes: self.prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..DiskSpec::default()
        };
        let (mut disk, warning) = disk(&spec);
        if let Some(format) = format {
            disk.format = Some(format.to_owned());
        }
        if matches!(self.mode, "w!" | "!") && !cdrom {
            disk.mode = Some(Mode::ForceWrite);
        }
        (disk, warning)
    }
}
