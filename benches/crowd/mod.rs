//! The answers of a host with many domains, in the forms in which the real tools print them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use domkeep::host::replay::Writer;
use domkeep::host::{Entry, FileType, Listing, Space, Stat};
use domkeep::model::{Cmd, HostPath, Output};
use domkeep::probe::{devices, lvm, xenstore, xl};
use serde_json::{Value, json};

const EXTENT: u64 = 4 << 20;
const DISK: u64 = 256 << 20;
const VIRTUAL_MACHINE: &str = "94b8a69a-85ce-4013-ba93-08d7c3ada5a8";

pub struct Crowd {
    pub verbose: String,
    pub long: Vec<u8>,
    /// Tree and text, as asked.
    pub stores: Vec<(&'static str, String)>,
    pub lvs: Vec<u8>,
    pub lsblk: Vec<u8>,
    pub losetup: Vec<u8>,
    pub configs: Vec<(PathBuf, Vec<u8>)>,
    domains: u32,
}

impl Crowd {
    pub fn new(domains: u32) -> Self {
        let numbers = || 1..=domains;
        Self {
            verbose: verbose(domains),
            long: long(domains),
            stores: stores(domains),
            lvs: lvs(domains),
            lsblk: serde_json::to_vec_pretty(&lsblk(domains)).unwrap(),
            losetup: serde_json::to_vec_pretty(&json!({"loopdevices": numbers().map(bound).collect::<Vec<_>>()})).unwrap(),
            configs: numbers()
                .map(|number| (PathBuf::from(format!("/etc/xen/{}.cfg", name(number))), config(number).into_bytes()))
                .collect(),
            domains,
        }
    }

    /// Writes them as a folder that `--replay` shows.
    pub fn write(&self, to: &Path) {
        let taken = Utc.with_ymd_and_hms(2026, 11, 21, 11, 0, 0).unwrap();
        let mut writer = Writer::create(to, "xenlab", taken).unwrap();
        self.commands(&mut writer);
        self.files(&mut writer, taken);
        let written = writer.finish().unwrap();
        assert_eq!(written.left_out, 0, "the host does not fit into a capture");
    }

    fn commands(&self, writer: &mut Writer) {
        let pvs = json!({"report": [{"pv": [{"pv_name": "/dev/vdb", "vg_name": "xenvols", "pv_size": "1099511627776", "pv_free": "536870912000", "pv_missing": ""}]}]});
        let vgs = json!({"report": [{"vg": [{"vg_name": "xenvols", "vg_uuid": "qxrvTu-V12U-o8kz-8ipR-Qf9D-MSoE-K98p3b", "vg_size": "1099511627776", "vg_free": "536870912000", "vg_extent_size": EXTENT.to_string(), "vg_missing_pv_count": "0"}]}]});
        let answers: [(Cmd, Vec<u8>); 8] = [
            (xl::list_verbose(), self.verbose.clone().into_bytes()),
            (xl::list_long(), self.long.clone()),
            (xl::info(), fixture("host/xl-info.txt").into_bytes()),
            (lvm::lvs(), self.lvs.clone()),
            (lvm::vgs(), vgs.to_string().into_bytes()),
            (lvm::pvs(), pvs.to_string().into_bytes()),
            (devices::lsblk(), self.lsblk.clone()),
            (devices::losetup(), self.losetup.clone()),
        ];
        for (cmd, stdout) in answers {
            writer.command(&cmd, good(stdout));
        }
        for (tree, text) in &self.stores {
            writer.command(&xenstore::list(tree), good(text.clone().into_bytes()));
        }
    }

    fn files(&self, writer: &mut Writer, taken: DateTime<Utc>) {
        let mountinfo: String = fixture("02-running/proc-mounts.txt")
            .lines()
            .enumerate()
            .filter_map(|(at, line)| {
                let words: Vec<&str> = line.split(' ').collect();
                let number = if words.get(1) == Some(&"/") { "254:0".to_owned() } else { format!("0:{}", at + 20) };
                Some(format!("{} 1 {number} / {} rw,noatime - {} {} rw\n", at + 20, words.get(1)?, words.get(2)?, words.first()?))
            })
            .collect();
        writer.file(Path::new("/proc/self/mountinfo"), None, mountinfo.as_bytes());
        writer.file(Path::new("/proc/sys/kernel/hostname"), None, b"xenlab\n");
        writer.space(Path::new("/"), Ok(Space { total: 1 << 40, free: 1 << 39 }));
        let front = front();
        let mut images = Vec::new();
        for number in 1..=self.domains {
            let stat = |kind, size, ino, rdev| Stat { kind, size, ino, rdev, blocks: size / 512, ..regular(taken) };
            let volume = PathBuf::from(format!("/dev/xenvols/{}-disk", name(number)));
            writer.file_parts(&volume, Some(stat(FileType::Block, 0, u64::from(number), (253, number))), [(0, front.as_slice())]);
            let image = PathBuf::from(format!("/srv/xen/img/{}.img", name(number)));
            writer.file_parts(&image, Some(stat(FileType::Regular, DISK, inode(number), (0, 0))), [(0, front.as_slice())]);
            images.push(entry(&format!("{}.img", name(number)), FileType::Regular));
        }
        listing(writer, "/srv/xen/img", images);
        listing(writer, "/srv/xen", vec![entry("img", FileType::Directory)]);
        listing(writer, "/srv", vec![entry("xen", FileType::Directory)]);
        let mut etc = vec![entry("auto", FileType::Directory)];
        for (at, (path, bytes)) in self.configs.iter().enumerate() {
            let size = bytes.len() as u64;
            writer.file(path, Some(Stat { size, blocks: 8, ino: 1_000_000 + at as u64, ..regular(taken) }), bytes);
            etc.push(entry(path.file_name().unwrap().to_str().unwrap(), FileType::Regular));
        }
        listing(writer, "/etc/xen", etc);
        listing(writer, "/etc/xen/auto", Vec::new());
        for missing in ["/var/lib/xen", "/var/lib/xend", "/var/lib/libvirt", "/etc/libvirt", "/root", "/home", "/var/backups", "/backup"] {
            writer.missing(Path::new(missing));
        }
    }
}

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xen").join(name)).unwrap()
}

fn name(number: u32) -> String {
    format!("guest-{number:04}")
}

fn uuid(number: u32) -> String {
    format!("94b8a69a-85ce-4013-ba93-{number:012x}")
}

fn inode(number: u32) -> u64 {
    17_000 + u64::from(number)
}

/// One that stands for all: every word of `web1` as that of another domain.
fn renamed(text: &str, number: u32) -> String {
    text.replace("web1", &name(number)).replace(VIRTUAL_MACHINE, &uuid(number))
}

fn verbose(domains: u32) -> String {
    let whole = fixture("02-running/xl-list-v.txt");
    let mut text: String = whole.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    for number in 1..=domains {
        let (name, uuid) = (name(number), uuid(number));
        let _ = writeln!(text, "{name:<40} {number:>5}    96     1     -b----       5.8 {uuid}        -                -");
    }
    text
}

fn long(domains: u32) -> Vec<u8> {
    let whole: Vec<Value> = serde_json::from_str(&fixture("02-running/xl-list-l.json")).unwrap();
    let (zero, web1) = (&whole[0], whole.iter().find(|domain| domain["config"]["c_info"]["name"] == "web1").unwrap());
    let text = web1.to_string();
    let all = (1..=domains).map(|number| {
        let mut domain: Value = serde_json::from_str(&renamed(&text, number)).unwrap();
        domain["domid"] = number.into();
        let disks = domain["config"]["disks"].as_array_mut().unwrap();
        let mut image = disks[0].clone();
        image["pdev_path"] = format!("/srv/xen/img/{}.img", name(number)).into();
        image["vdev"] = "xvdb".into();
        disks.push(image);
        domain
    });
    serde_json::to_vec_pretty(&std::iter::once(zero.clone()).chain(all).collect::<Vec<_>>()).unwrap()
}

/// The lines of `web1`, by domain; its disk twice.
fn stores(domains: u32) -> Vec<(&'static str, String)> {
    let whole = fixture("02-running/xenstore-ls-f.txt");
    let of_web1 = |line: &&str| {
        let path = line.split(" = ").next().unwrap_or_default();
        path.starts_with("/libxl/1/")
            || path.starts_with(&format!("/vm/{VIRTUAL_MACHINE}"))
            || path.strip_prefix("/local/domain/0/backend/").and_then(|rest| rest.split('/').nth(1)) == Some("1")
    };
    let lines: Vec<&str> = whole.lines().filter(of_web1).collect();
    xenstore::TREES
        .into_iter()
        .map(|tree| {
            let mut text = format!("{tree} = \"\"\n");
            let own: Vec<&&str> = lines.iter().filter(|line| line.starts_with(tree)).collect();
            for number in 1..=domains {
                for line in &own {
                    let line = moved(&renamed(line, number), number);
                    let _ = writeln!(text, "{line}");
                    if line.contains("/51712") {
                        let volume = format!("/dev/xenvols/{}-disk", name(number));
                        let second = line
                            .replace("51712", "51728")
                            .replace("xvda", "xvdb")
                            .replace(&volume, &format!("/srv/xen/img/{}.img", name(number)))
                            .replace(&format!("\"fd:{number:x}\""), &format!("\"7:{number:x}\""));
                        let _ = writeln!(text, "{second}");
                    }
                }
            }
            (tree, text)
        })
        .collect()
}

/// A line of domain 1 as that of another.
fn moved(line: &str, number: u32) -> String {
    let mut line = line
        .replace("/libxl/1/", &format!("/libxl/{number}/"))
        .replace("/local/domain/1/", &format!("/local/domain/{number}/"))
        .replace("\"fd:0\"", &format!("\"fd:{number:x}\""));
    for kind in ["vbd", "vif", "console"] {
        line = line.replace(&format!("/backend/{kind}/1"), &format!("/backend/{kind}/{number}"));
    }
    line
}

/// As `lvs` answers the fields that are asked for.
fn lvs(domains: u32) -> Vec<u8> {
    let row = |number: u32| {
        json!({
            "vg_name": "xenvols", "lv_name": format!("{}-disk", name(number)), "lv_uuid": format!("RZ2V3w-gP9d-atK0-2elG-WwQu-9SeD-{number:06}"),
            "lv_path": format!("/dev/xenvols/{}-disk", name(number)), "lv_attr": "-wi-ao----", "lv_size": DISK.to_string(),
            "lv_layout": "linear", "lv_role": "public", "lv_active": "active", "lv_device_open": "open", "origin": "", "origin_size": "",
            "pool_lv": "", "data_percent": "", "metadata_percent": "", "lv_snapshot_invalid": "unknown", "lv_merging": "",
            "lv_health_status": "", "lv_time": "2026-11-21 10:50:43 +0000", "lv_tags": "", "lv_kernel_major": "253",
            "lv_kernel_minor": number.to_string(),
        })
    };
    serde_json::to_vec_pretty(&json!({"report": [{"lv": (1..=domains).map(row).collect::<Vec<_>>()}]})).unwrap()
}

fn device(name: &str, kname: &str, number: &str, kind: &str, bytes: u64, at: Option<&str>) -> Value {
    json!({"name": name, "kname": kname, "pkname": null, "maj:min": number, "type": kind, "size": bytes, "ro": false, "fstype": "ext4",
           "label": null, "uuid": null, "mountpoint": at, "tran": null, "model": null})
}

fn lsblk(domains: u32) -> Value {
    let mut list: Vec<Value> = (1..=domains)
        .map(|number| device(&format!("loop{number}"), &format!("loop{number}"), &format!("7:{number}"), "loop", DISK, None))
        .collect();
    list.push(device("vda", "vda", "254:0", "disk", 1 << 40, Some("/")));
    let mut disk = device("vdb", "vdb", "254:16", "disk", 1 << 40, None);
    let volume = |number: u32| {
        let name = format!("xenvols-{}--disk", name(number).replace('-', "--"));
        device(&name, &format!("dm-{number}"), &format!("253:{number}"), "lvm", DISK, None)
    };
    disk["children"] = (1..=domains).map(volume).collect();
    list.push(disk);
    json!({ "blockdevices": list })
}

fn bound(number: u32) -> Value {
    json!({"name": format!("/dev/loop{number}"), "back-file": format!("/srv/xen/img/{}.img", name(number)), "back-ino": inode(number),
           "back-maj:min": "     254:0  ", "maj:min": format!("  7:{number}  "), "offset": 0, "sizelimit": 0, "ro": false, "dio": false})
}

fn config(number: u32) -> String {
    let text = renamed(&fixture("etc-xen/web1.cfg"), number);
    let image = format!("\"file:/srv/xen/img/{}.img,xvdb,w\" ]", name(number));
    text.replace("xvda,w\" ]", &format!("xvda,w\", {image}"))
}

/// The first 4 KiB of a disk with ext4 on it.
fn front() -> Vec<u8> {
    let hex =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/superblock/ext4-superblock-mounted.hex"));
    let mut bytes = vec![0; 1024];
    for line in hex.unwrap().lines().filter(|line| !line.starts_with('#')) {
        let digits: String = line.split_once(": ").unwrap().1.chars().take(40).filter(char::is_ascii_hexdigit).collect();
        bytes.extend((0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()));
    }
    bytes.resize(4096, 0);
    bytes
}

fn listing(writer: &mut Writer, dir: &str, mut entries: Vec<Entry>) {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let dir = Path::new(dir);
    writer.list(dir, Ok(Listing { entries, cut: false }));
}

fn good(stdout: Vec<u8>) -> Output {
    Output { exit: 0, stdout, stderr: Vec::new(), took: Duration::from_millis(200) }
}

fn entry(name: &str, kind: FileType) -> Entry {
    Entry { name: HostPath::from(name), kind }
}

fn regular(at: DateTime<Utc>) -> Stat {
    Stat {
        kind: FileType::Regular,
        dev: rustix::fs::makedev(254, 0),
        ino: 0,
        size: 0,
        blocks: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        modified: at,
        changed: at,
        rdev: (0, 0),
    }
}
