//! Block devices and loop devices of dom0: `lsblk --json` and `losetup --json` (util-linux).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{Cmd, HostPath};

const LSBLK_COLUMNS: &str = "NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,RO,FSTYPE,LABEL,UUID,MOUNTPOINT,TRAN,MODEL";
const LOSETUP_COLUMNS: &str = "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN,MAJ:MIN,OFFSET,SIZELIMIT,RO,DIO";

pub fn lsblk() -> Cmd {
    Cmd::reads("lsblk", ["--json", "-b", "-o", LSBLK_COLUMNS]).within(15)
}

pub fn losetup() -> Cmd {
    Cmd::reads("losetup", ["--json", "-l", "-O", LOSETUP_COLUMNS]).within(10)
}

/// One block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's name: `sda1`, `dm-3`.
    pub kname: String,
    /// The name that lsblk shows: `xenvols-web1--disk`.
    pub name: String,
    /// `disk`, `part`, `lvm`, `loop`, `crypt`, `raid1`, `mpath`, `rom` ...
    pub kind: String,
    pub number: (u32, u32),
    pub bytes: Option<u64>,
    pub read_only: bool,
    pub fs: Option<String>,
    pub mounted_at: Option<String>,
    /// `iscsi`, `sata`, `usb` ...
    pub transport: Option<String>,
    pub model: Option<String>,
}

/// All block devices, and who is stacked on whom.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    pub by_number: BTreeMap<(u32, u32), Device>,
    numbers: BTreeMap<String, (u32, u32)>,
    /// (below, above): sda -> sda1, sda1 -> dm-0.
    stacked: Vec<((u32, u32), (u32, u32))>,
}

impl Devices {
    pub fn by_kname(&self, kname: &str) -> Option<&Device> {
        self.by_number.get(self.numbers.get(kname)?)
    }

    /// Everything that stands on a device, at any height.
    pub fn above(&self, number: (u32, u32)) -> Vec<&Device> {
        self.reach(number, |edge| (edge.0, edge.1))
    }

    /// Everything that a device stands on, down to the disks.
    pub fn below(&self, number: (u32, u32)) -> Vec<&Device> {
        self.reach(number, |edge| (edge.1, edge.0))
    }

    fn reach(&self, from: (u32, u32), direction: impl Fn(&((u32, u32), (u32, u32))) -> ((u32, u32), (u32, u32))) -> Vec<&Device> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        let mut next = vec![from];
        while let Some(number) = next.pop() {
            for (start, end) in self.stacked.iter().map(&direction) {
                if start == number && !found.contains(&end) && end != from {
                    found.push(end);
                    next.push(end);
                }
            }
        }
        found.iter().filter_map(|number| self.by_number.get(number)).collect()
    }
}

/// The tree that `lsblk --json` prints; a device below several others appears under each of them.
pub fn parse_lsblk(json: &[u8]) -> Result<Devices, String> {
    let value: Value = serde_json::from_slice(json).map_err(|error| format!("not the JSON that lsblk prints: {error}"))?;
    let list = value.get("blockdevices").and_then(Value::as_array).ok_or("a report without `blockdevices`")?;
    let mut devices = Devices::default();
    // serde_json bounds the depth of what it parses, so a stack of (item, parent) cannot grow without end.
    let mut waiting: Vec<(&Value, Option<(u32, u32)>)> = list.iter().rev().map(|item| (item, None)).collect();
    while let Some((item, parent)) = waiting.pop() {
        let device = device(item)?;
        if let Some(parent) = parent
            && !devices.stacked.contains(&(parent, device.number))
        {
            devices.stacked.push((parent, device.number));
        }
        for child in item.get("children").and_then(Value::as_array).into_iter().flatten().rev() {
            waiting.push((child, Some(device.number)));
        }
        devices.numbers.insert(device.kname.clone(), device.number);
        devices.by_number.insert(device.number, device);
    }
    Ok(devices)
}

fn device(item: &Value) -> Result<Device, String> {
    let text = |field: &str| item.get(field).and_then(Value::as_str).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = text("name").ok_or("a device without a name")?;
    let number = text("maj:min").and_then(|text| numbers(&text)).ok_or_else(|| format!("device {name} without its number"))?;
    Ok(Device {
        kname: text("kname").unwrap_or_else(|| name.clone()),
        kind: text("type").unwrap_or_default(),
        number,
        bytes: item.get("size").and_then(number_or_text),
        read_only: item.get("ro").is_some_and(truth),
        fs: text("fstype"),
        mounted_at: text("mountpoint"),
        transport: text("tran"),
        model: text("model"),
        name,
    })
}

/// Old versions print numbers as text.
fn number_or_text(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_u64() == Some(1) || value.as_str() == Some("1"))
}

/// `253:0`, with blanks around.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.trim().parse().ok()?, minor.trim().parse().ok()?))
}

/// A bound loop device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopDevice {
    pub path: HostPath,
    /// The file, by the path it was bound under.
    pub file: HostPath,
    /// The file was unlinked since.
    pub deleted: bool,
    pub file_inode: Option<u64>,
    pub file_device: Option<(u32, u32)>,
    pub number: Option<(u32, u32)>,
    pub offset: u64,
    pub read_only: bool,
}

/// `losetup --json`. No loop devices: it prints nothing at all, or an empty list.
pub fn parse_losetup(json: &[u8]) -> Result<Vec<LoopDevice>, String> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| format!("not the JSON that losetup prints: {error}"))?;
    let list = value.get("loopdevices").and_then(Value::as_array).ok_or("a report without `loopdevices`")?;
    Ok(list
        .iter()
        .filter_map(|item| {
            let text = |field: &str| item.get(field).and_then(Value::as_str).map(str::trim);
            let file = text("back-file").filter(|file| !file.is_empty())?;
            let kept = file.strip_suffix(" (deleted)");
            Some(LoopDevice {
                path: text("name")?.to_owned().into(),
                deleted: kept.is_some(),
                file: kept.unwrap_or(file).to_owned().into(),
                file_inode: item.get("back-ino").and_then(number_or_text),
                file_device: text("back-maj:min").and_then(numbers),
                number: text("maj:min").and_then(numbers),
                offset: item.get("offset").and_then(number_or_text).unwrap_or_default(),
                read_only: item.get("ro").is_some_and(truth),
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_followed_both_ways() {
        let json = br#"{"blockdevices":[{"name":"sda","maj:min":"8:0","type":"disk","size":100,"children":[
          {"name":"sda1","maj:min":"8:1","type":"part","size":"50","ro":"0","children":[{"name":"vg-a","kname":"dm-0","maj:min":"253:0","type":"lvm"}]}]},
          {"name":"sdb","maj:min":"8:16","type":"disk","children":[{"name":"vg-a","kname":"dm-0","maj:min":"253:0","type":"lvm"}]}]}"#;
        let devices = parse_lsblk(json).unwrap();
        let names = |list: Vec<&Device>| list.iter().map(|device| device.kname.clone()).collect::<Vec<_>>();
        assert_eq!(names(devices.above((8, 0))), ["sda1", "dm-0"], "a mount on a partition of a shared disk would be overlooked");
        let mut below = names(devices.below((253, 0)));
        below.sort();
        assert_eq!(below, ["sda", "sda1", "sdb"], "the state map would not reach the metal");
    }

    #[test]
    fn deleted_loop_files_are_told_apart() {
        let json = br#"{"loopdevices":[{"name":"/dev/loop0","back-file":"/srv/a.img (deleted)","maj:min":"  7:0  ","back-ino":7}]}"#;
        let loops = parse_losetup(json).unwrap();
        assert!(loops[0].deleted && loops[0].number == Some((7, 0)), "a domain on a deleted image would look safe");
        assert_eq!(parse_losetup(b"").unwrap(), []);
    }

    proptest::proptest! {
        #[test]
        fn no_output_can_panic_the_readers(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse_lsblk(&bytes);
            let _ = parse_losetup(&bytes);
        }
    }
}
