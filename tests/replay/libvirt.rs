//! Turns the libvirt fixtures (answers of a real libvirtd, one command each) into a folder that `--replay` shows: domkeep asks the same
//! commands several at a time, so their answers are put together as virsh prints them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use domkeep::host::replay::Writer;
use domkeep::host::{Entry, FileType, HostError, Listing, Stat};
use domkeep::model::{HostPath, Output};
use domkeep::probe::libvirt::virsh::{self, Wanted};
use domkeep::probe::{xenstore, xl};
use serde_json::{Value, json};

const URI: &str = "qemu:///system";

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/libvirt/host-a")
}

fn text(file: &str) -> String {
    fs::read_to_string(fixtures().join(file)).unwrap_or_else(|error| panic!("fixture {file}: {error}"))
}

/// What the fixtures say of one domain.
struct Captured {
    dir: String,
    facts: BTreeMap<String, String>,
}

impl Captured {
    fn all() -> Vec<Self> {
        let mut dirs: Vec<String> =
            fs::read_dir(fixtures().join("domains")).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
        dirs.sort();
        dirs.into_iter()
            .map(|dir| {
                let info = text(&format!("domains/{dir}/dominfo.out"));
                let facts =
                    info.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
                Self { facts: facts.collect(), dir }
            })
            .collect()
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.facts[key] == value
    }

    fn answer(&self, name: &str) -> String {
        text(&format!("domains/{}/{name}.out", self.dir))
    }
}

/// Writes the replay folder.
pub fn import(to: &Path) {
    let taken = Utc.with_ymd_and_hms(2026, 11, 21, 11, 0, 0).unwrap();
    let mut writer = Writer::create(to, "kvm-a", taken).unwrap();
    commands(&mut writer);
    files(&mut writer, taken);
    writer.finish().unwrap();
}

fn commands(writer: &mut Writer) {
    for cmd in [xl::list_verbose(), xl::list_long(), xl::info()].into_iter().chain(xenstore::TREES.iter().map(|tree| xenstore::list(tree)))
    {
        let program = cmd.program.clone();
        writer.command_answer(&cmd, Err(HostError::NoTool { program }));
    }
    let domains = Captured::all();
    let uuids = |wanted: &dyn Fn(&Captured) -> bool| -> String {
        domains.iter().filter(|domain| wanted(domain)).map(|domain| domain.facts["UUID"].clone() + "\n").collect()
    };
    let parts = virsh::LIST_PARTS.map(|(part, _)| {
        let answer = match part {
            "all" => text("list/all-uuid-name.out"),
            "running" => uuids(&|domain| domain.is("State", "running")),
            "paused" => uuids(&|domain| domain.is("State", "paused")),
            "shut-off" => uuids(&|domain| domain.is("State", "shut off")),
            "other" => uuids(&|domain| domain.is("State", "crashed")),
            "persistent" => uuids(&|domain| domain.is("Persistent", "yes")),
            "autostart" => uuids(&|domain| domain.is("Autostart", "enable")),
            "managed-save" => uuids(&|domain| domain.is("Managed save", "yes")),
            _ => String::new(),
        };
        (part, answer)
    });
    writer.command(&virsh::list(URI), batch(&parts));
    for domain in &domains {
        let wanted = Wanted { active: !domain.is("State", "shut off"), snapshots: false, checkpoints: false };
        let parts: Vec<(&str, String)> = virsh::domain_parts(wanted)
            .into_iter()
            .map(|part| {
                let file = match part {
                    "stored" => "dumpxml-inactive",
                    "live" => "dumpxml",
                    "state" => "domstate",
                    _ => "domjobinfo",
                };
                (part, domain.answer(file))
            })
            .collect();
        writer.command(&virsh::domain(URI, &domain.facts["UUID"], wanted), batch(&parts));
    }
}

/// As virsh prints the answers of several commands: a blank line behind each.
fn batch(parts: &[(&str, String)]) -> Output {
    let mut stdout = String::new();
    for (part, answer) in parts {
        stdout.push_str(&format!("domkeep:{part}\n{answer}\n"));
    }
    stdout.push_str("domkeep:end\n");
    Output { exit: 0, stdout: stdout.into_bytes(), stderr: Vec::new(), took: Duration::from_millis(40) }
}

/// The trees that `find` listed: `f 600 4076 /etc/libvirt/qemu/web01.xml -> `.
fn files(writer: &mut Writer, taken: DateTime<Utc>) {
    let trees = ["host/tree-etc.out", "host/tree-var-lib.out", "host/tree-run.out"].map(text).concat();
    let mut dirs: BTreeMap<PathBuf, Vec<Entry>> = BTreeMap::new();
    for (number, line) in trees.lines().enumerate() {
        let (left, target) = line.split_once(" ->").unwrap();
        let [kind, mode, size, path] = left.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (path, size) = (PathBuf::from(path), size.parse().unwrap());
        let kind = match kind {
            "d" => FileType::Directory,
            "l" => FileType::Symlink,
            "s" => FileType::Socket,
            _ => FileType::Regular,
        };
        let stat = Stat {
            kind,
            dev: 1,
            ino: number as u64 + 2,
            size,
            blocks: size.div_ceil(512),
            mode: 0o100_000 | u32::from_str_radix(mode, 8).unwrap(),
            uid: 0,
            gid: 0,
            modified: taken,
            changed: taken,
            rdev: (0, 0),
        };
        let entry = Entry { name: HostPath::from(path.file_name().unwrap().to_str().unwrap()), kind };
        dirs.entry(path.parent().unwrap().to_owned()).or_default().push(entry);
        match kind {
            FileType::Directory => {
                dirs.entry(path.clone()).or_default();
                writer.stat(&path, false, Ok(stat.clone())).stat(&path, true, Ok(stat));
            }
            FileType::Symlink => {
                writer.link(&path, Ok(PathBuf::from(target.trim()))).stat(&path, false, Ok(stat.clone())).stat(&path, true, Ok(stat));
            }
            FileType::Regular => {
                regular(writer, &path, stat);
            }
            _ => {
                writer.stat(&path, false, Ok(stat.clone())).stat(&path, true, Ok(stat));
            }
        }
    }
    for (dir, mut entries) in dirs.into_iter().filter(|(dir, _)| dir.components().count() > 2) {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        writer.list(&dir, Ok(Listing { entries, cut: false }));
    }
    writer.missing(Path::new("/etc/xen")).missing(Path::new("/proc/xen"));
}

fn regular(writer: &mut Writer, path: &Path, stat: Stat) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let stem = name.strip_suffix(".xml").unwrap_or(name);
    let of_domain = |file: &str| fs::read(fixtures().join("domains").join(stem).join(file)).ok();
    let whole = match path.parent().unwrap().to_str().unwrap() {
        "/etc/libvirt/qemu" => of_domain("etc-libvirt-qemu.xml"),
        "/run/libvirt/qemu" => of_domain("run-libvirt-qemu.xml"),
        _ => None,
    };
    match whole {
        Some(bytes) => writer.file(path, Some(stat), &bytes),
        None if name == "saved01.save" => {
            let head = fs::read(fixtures().join("managedsave/saved01.head72k.bin")).unwrap();
            writer.file_parts(path, Some(stat), [(0, head.as_slice())])
        }
        // What lies in the images was not captured.
        None => writer.file_parts(path, Some(stat), []),
    };
}

/// What `list --json` shows of libvirt's domains, in the words of `expected.json`.
pub fn as_expected(report: &Value) -> Value {
    let domains: Vec<Value> = report["domains"].as_array().unwrap().iter().map(domain).collect();
    json!({"host": "kvm-a", "domains": domains})
}

fn domain(shown: &Value) -> Value {
    let mut domain = shown["libvirt"].clone();
    let all = shown["disks"].as_array().unwrap();
    let active = domain["state"] != "shut off";
    let has = |disk: &&Value, key: &str| disk[key] == true;
    let now: Vec<Value> = all.iter().filter(|disk| has(disk, if active { "attached" } else { "in_config" })).map(disk).collect();
    let stored: Vec<Value> = all.iter().filter(|disk| has(disk, "in_config")).map(disk).collect();
    let drifts = active && domain["persistent"] == true && all.iter().any(|disk| disk["attached"] != disk["in_config"]);
    domain["name"] = shown["name"].clone();
    domain["dir"] = shown["name"].clone();
    domain["uuid"] = shown["uuid"].clone();
    domain["disks"] = json!(now);
    domain["disks_inactive"] = if drifts { json!(stored) } else { Value::Null };
    assert_eq!(domain["uri"], URI);
    domain.as_object_mut().unwrap().remove("uri");
    domain
}

fn disk(shown: &Value) -> Value {
    let mut disk = shown["libvirt"].clone();
    disk["target"] = shown["vdev"].clone();
    disk
}
