//! What lsblk(8) and losetup(8) of util-linux 2.38 answer with `--json`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::content;
use super::machine::{DM_MAJOR, LOOP_MAJOR, Machine, Node, Volume, VolumeKind, mapper_name};
use super::reply::{Args, Reply};
use super::tree::Tree;

pub fn lsblk(machine: &Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["--json", "-J", "-b", "--bytes", "-a", "--all"], &["-o", "--output"]).ok()?;
    if !args.has(&["--json", "-J"]) || !args.has(&["-b", "--bytes"]) || !args.operands.is_empty() {
        return None;
    }
    let columns: Vec<String> = args.value(&["-o", "--output"])?.split(',').map(str::to_ascii_lowercase).collect();
    let nodes = machine.nodes();
    let lister = Lister { machine, tree, nodes: &nodes, columns: &columns };
    let mut top: Vec<Value> = Vec::new();
    for node in nodes.iter().filter(|node| node.major == LOOP_MAJOR) {
        top.push(lister.device(node, None)?);
    }
    for drive in machine.drives.iter().filter(|drive| drive.of.is_none()) {
        top.push(lister.device(nodes.iter().find(|node| node.kname == drive.name)?, None)?);
    }
    Some(Reply::good(print("blockdevices", &top)))
}

struct Lister<'a> {
    machine: &'a Machine,
    tree: &'a Tree,
    nodes: &'a [Node],
    columns: &'a [String],
}

impl Lister<'_> {
    /// A device and those that lie on it; nothing when a column is asked for that the demo does not know.
    fn device(&self, node: &Node, parent: Option<&Node>) -> Option<Value> {
        let name = node.mapper.clone().unwrap_or_else(|| node.kname.clone());
        let drive = self.machine.drives.iter().find(|drive| drive.name == node.kname);
        let group = self.machine.groups.iter().find(|group| group.drive == node.kname);
        let kind = match (node.major, drive) {
            (DM_MAJOR, _) => "lvm",
            (LOOP_MAJOR, _) => "loop",
            (_, Some(drive)) if drive.of.is_some() => "part",
            _ => "disk",
        };
        let internal = node.mapper.is_some() && node.volume.is_none();
        let (fs, label, uuid) = match (drive, group) {
            (_, Some(group)) => (Some("LVM2_member".to_owned()), None, Some(group.drive_uuid.clone())),
            (Some(drive), _) if drive.fs.is_some() => (drive.fs.clone(), drive.label.clone(), drive.uuid.clone()),
            _ if internal || node.broken => (None, None, None),
            _ => {
                let first = self.tree.read_at(Path::new("/dev").join(&node.kname).as_path(), 0, 8192).unwrap_or_default();
                let (fs, label, uuid) = content::recognise(&first);
                (fs.map(str::to_owned), label, uuid)
            }
        };
        let mounts: Vec<&str> = self
            .machine
            .mounts
            .iter()
            .filter(|mount| (mount.major, mount.minor) == (node.major, node.minor))
            .map(|mount| mount.at.as_str())
            .collect();
        let mut map = Map::new();
        for column in self.columns {
            let value = match column.as_str() {
                "name" => json!(name),
                "kname" => json!(node.kname),
                "path" => json!(if node.mapper.is_some() { format!("/dev/mapper/{name}") } else { format!("/dev/{name}") }),
                "pkname" => json!(parent.map(|parent| &parent.kname)),
                "maj:min" => json!(format!("{}:{}", node.major, node.minor)),
                "type" => json!(kind),
                "size" => json!(node.bytes),
                "ro" => json!(node.read_only),
                "rm" => json!(false),
                "fstype" => json!(fs),
                "label" => json!(label),
                "uuid" => json!(uuid),
                "mountpoint" => json!(mounts.first()),
                "mountpoints" => json!(if mounts.is_empty() { vec![None] } else { mounts.iter().copied().map(Some).collect() }),
                "log-sec" | "phy-sec" => json!(512),
                "tran" => json!((kind == "disk").then_some(if node.kname.starts_with("nvme") { "nvme" } else { "sata" })),
                "model" | "serial" | "partlabel" | "parttype" | "partuuid" | "pttype" => Value::Null,
                "state" => json!((kind == "lvm").then_some("running")),
                _ => return None,
            };
            map.insert(column.clone(), value);
        }
        let children: Option<Vec<Value>> = self.on(node).iter().map(|child| self.device(child, Some(node))).collect();
        let children = children?;
        if !children.is_empty() {
            map.insert("children".to_owned(), Value::Array(children));
        }
        Some(Value::Object(map))
    }

    /// The devices that lie on one.
    fn on(&self, node: &Node) -> Vec<&Node> {
        let mut minors: Vec<u32> = Vec::new();
        if let Some(group) = self.machine.groups.iter().find(|group| group.drive == node.kname) {
            for volume in &group.volumes {
                match (&volume.kind, volume.layer) {
                    (VolumeKind::Pool { tmeta, tdata, .. }, _) => minors.extend([*tmeta, *tdata]),
                    (VolumeKind::Thin { .. }, _) => {}
                    (_, Some(layer)) => minors.push(layer),
                    (_, None) => minors.extend(volume.minor),
                }
            }
        }
        for group in &self.machine.groups {
            for volume in &group.volumes {
                minors.extend(above(group.volumes.as_slice(), volume, &group.name, node));
            }
        }
        let partitions = self.machine.drives.iter().filter(|drive| drive.of.as_deref() == Some(&node.kname));
        let mut found: Vec<&Node> = partitions.filter_map(|drive| self.nodes.iter().find(|other| other.kname == drive.name)).collect();
        let mut mapped: Vec<&Node> = self.nodes.iter().filter(|other| other.major == DM_MAJOR && minors.contains(&other.minor)).collect();
        mapped.sort_by_key(|other| other.minor);
        found.extend(mapped);
        found
    }
}

/// Minors of the devices that stand on `node`, as far as `volume` made it.
fn above(volumes: &[Volume], volume: &Volume, vg: &str, node: &Node) -> Vec<u32> {
    if node.major != DM_MAJOR {
        return Vec::new();
    }
    match &volume.kind {
        VolumeKind::Pool { tmeta, tdata, tpool, .. } => {
            if [*tmeta, *tdata].contains(&node.minor) {
                return vec![*tpool];
            }
            if *tpool != node.minor {
                return Vec::new();
            }
            let thin = |other: &&Volume| matches!(&other.kind, VolumeKind::Thin { pool, .. } if *pool == volume.name);
            volume.minor.into_iter().chain(volumes.iter().filter(thin).filter_map(|other| other.minor)).collect()
        }
        VolumeKind::Snapshot { .. } if volume.layer == Some(node.minor) => volume.minor.into_iter().collect(),
        _ if volume.layer == Some(node.minor) => {
            let of_this = |other: &&Volume| matches!(&other.kind, VolumeKind::Snapshot { origin, .. } if *origin == volume.name);
            debug_assert_eq!(node.mapper.as_deref(), Some(mapper_name(vg, &volume.name, "real").as_str()));
            volume.minor.into_iter().chain(volumes.iter().filter(of_this).filter_map(|other| other.minor)).collect()
        }
        _ => Vec::new(),
    }
}

pub fn losetup(machine: &Machine, tree: &Tree, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["--json", "-J", "-l", "--list", "-a", "--all"], &["-O", "--output"]).ok()?;
    if !args.has(&["--json", "-J"]) || !args.operands.is_empty() {
        return None;
    }
    let columns: Vec<String> = args.value(&["-O", "--output"])?.split(',').map(str::to_ascii_lowercase).collect();
    let mut rows = Vec::new();
    for one in &machine.loops {
        let path = Path::new(&one.file);
        let inode = tree.open_file(path, false).ok().and_then(|file| file.metadata().ok()).map_or(0, |facts| facts.ino());
        let mount = machine.mount_of(path);
        let numbers = mount.map_or((0, 0), |mount| (mount.major, mount.minor));
        let mut map = Map::new();
        for column in &columns {
            let value = match column.as_str() {
                "name" => json!(format!("/dev/loop{}", one.number)),
                "autoclear" | "partscan" | "dio" => json!(false),
                "back-file" => json!(one.file),
                "back-ino" => json!(inode),
                "back-maj:min" => json!(format!("     {}:{}  ", numbers.0, numbers.1)),
                "maj:min" => json!(format!("  {LOOP_MAJOR}:{}  ", one.number)),
                "offset" | "sizelimit" => json!(0),
                "ro" => json!(one.read_only),
                "log-sec" => json!(512),
                _ => return None,
            };
            map.insert(column.clone(), value);
        }
        rows.push(Value::Object(map));
    }
    Some(Reply::good(print("loopdevices", &rows)))
}

/// util-linux's JSON: three blanks a level, `},{` between objects.
fn print(key: &str, list: &[Value]) -> String {
    let mut out = format!("{{\n   \"{key}\": [\n");
    objects(list, 2, &mut out);
    out.push_str("   ]\n}\n");
    out
}

fn objects(list: &[Value], depth: usize, out: &mut String) {
    let indent = "   ".repeat(depth);
    for (at, object) in list.iter().enumerate() {
        out.push_str(&if at == 0 { format!("{indent}{{\n") } else { ",{\n".to_owned() });
        let members: Vec<String> = object
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                let key = Value::String(key.clone());
                match value.as_array() {
                    Some(inner) if inner.iter().all(Value::is_object) => {
                        let mut text = format!("{indent}   {key}: [\n");
                        objects(inner, depth + 2, &mut text);
                        text.push_str(&format!("{indent}   ]"));
                        text
                    }
                    Some(inner) => {
                        let items: Vec<String> = inner.iter().map(|item| format!("{indent}       {item}")).collect();
                        format!("{indent}   {key}: [\n{}\n{indent}   ]", items.join(",\n"))
                    }
                    None => format!("{indent}   {key}: {value}"),
                }
            })
            .collect();
        out.push_str(&format!("{}\n{indent}}}", members.join(",\n")));
    }
    out.push('\n');
}
