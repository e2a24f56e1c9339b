//! Turns a stage of the Xen fixtures (outputs captured with other commands than ours) into a folder that `--replay` shows.
//!
//! A question that the fixtures do not answer is left out: the replay then says "the capture does not hold this", and so it is a gap.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use domkeep::host::replay::Writer;
use domkeep::host::{Entry, FileType, HostError, Listing, Stat};
use domkeep::model::{Cmd, HostPath, Output};
use domkeep::probe::{devices, lvm, xenstore, xl};

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xen")
}

/// One stage of the fixtures, by its folder's name.
pub struct Stage {
    dir: PathBuf,
    name: String,
}

impl Stage {
    pub fn new(name: &str) -> Self {
        Self { dir: fixtures().join(name), name: name.to_owned() }
    }

    fn read(&self, file: &str) -> Option<Vec<u8>> {
        fs::read(self.dir.join(file)).ok()
    }

    /// Writes the replay folder.
    pub fn import(&self, to: &Path) {
        let taken = Utc.with_ymd_and_hms(2026, 11, 21, 11, 0, 0).unwrap();
        let mut writer = Writer::create(to, "xenlab", taken).unwrap();
        self.commands(&mut writer);
        configs(&mut writer, taken);
        self.processes_and_mounts(&mut writer);
        self.saves(&mut writer);
        writer.finish().unwrap();
    }

    fn commands(&self, writer: &mut Writer) {
        let answers: [(Cmd, &str); 7] = [
            (xl::list_verbose(), "xl-list-v.txt"),
            (xl::list_long(), "xl-list-l.json"),
            (lvm::lvs(), "lvs.json"),
            (lvm::vgs(), "vgs.json"),
            (lvm::pvs(), "pvs.json"),
            (devices::lsblk(), "lsblk.json"),
            (devices::losetup(), "losetup.json"),
        ];
        for (cmd, file) in answers {
            if let Some(bytes) = self.read(file) {
                writer.command(&cmd, good(bytes));
            }
        }
        writer.command(&xl::info(), good(fs::read(fixtures().join("host/xl-info.txt")).unwrap()));
        if let Some(whole) = self.read("xenstore-ls-f.txt") {
            let whole = String::from_utf8(whole).unwrap();
            for tree in xenstore::TREES {
                let below =
                    |line: &&str| line.split(" = ").next().is_some_and(|path| path == tree || path.starts_with(&format!("{tree}/")));
                let part: String = whole.lines().filter(below).flat_map(|line| [line, "\n"]).collect();
                writer.command(&xenstore::list(tree), good(part.into_bytes()));
            }
        }
    }

    fn processes_and_mounts(&self, writer: &mut Writer) {
        if let Some(mounts) = self.read("proc-mounts.txt") {
            writer.file(Path::new("/proc/mounts"), None, &mounts);
        }
        if let Some(text) = self.read("userdata-ls.txt") {
            let entries = long_listing(&String::from_utf8(text).unwrap()).into_iter().map(|(kind, _, name)| entry(&name, kind)).collect();
            writer.list(Path::new("/var/lib/xen"), Ok(Listing { entries, cut: false }));
        }
    }

    /// Save images of stage 05: their list is captured in `04-hvm/save-ls.txt` (which has one image of the next step, `hvm1`).
    fn saves(&self, writer: &mut Writer) {
        let dir = Path::new("/var/lib/xen/save");
        if self.name != "05-after-lifecycle" {
            return;
        }
        let text = fs::read_to_string(fixtures().join("04-hvm/save-ls.txt")).unwrap();
        let made = Utc.with_ymd_and_hms(2026, 11, 21, 10, 53, 0).unwrap();
        let mut entries = Vec::new();
        for (kind, size, name) in long_listing(&text).into_iter().filter(|(kind, _, name)| *kind == FileType::Regular && name != "hvm1") {
            let path = dir.join(&name);
            let stat = regular(size, made);
            match name.as_str() {
                "empty" => writer.file(&path, Some(stat), b""),
                "notes" => writer.file(&path, Some(stat), &[b'x'; 45]),
                "web1.tiny" => writer.file(&path, Some(stat), &head("web1.head8k")[..1000]),
                "web1.truncated" => writer.file_parts(&path, Some(stat), [(0, head("web1.head64k").as_slice())]),
                whole => {
                    let tail = head(&format!("{whole}.tail4k"));
                    let at = size - tail.len() as u64;
                    writer.file_parts(&path, Some(stat), [(0, head(&format!("{whole}.head8k")).as_slice()), (at, tail.as_slice())])
                }
            };
            entries.push(entry(&name, kind));
        }
        writer.list(dir, Ok(Listing { entries, cut: false }));
        writer.stat(dir, true, Err(HostError::NotCaptured));
    }
}

/// The files of /etc/xen and the links in its `auto`.
fn configs(writer: &mut Writer, taken: DateTime<Utc>) {
    let etc = Path::new("/etc/xen");
    let mut entries = vec![entry("auto", FileType::Directory), entry("xl.conf", FileType::Regular)];
    let conf = fs::read(fixtures().join("host/xl.conf")).unwrap();
    writer.file(&etc.join("xl.conf"), None, &conf);
    for file in fs::read_dir(fixtures().join("etc-xen")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if Path::new(&name).extension().is_none_or(|ending| ending != "cfg") {
            continue;
        }
        let bytes = fs::read(file.path()).unwrap();
        let path = etc.join(&name);
        writer.file(&path, Some(regular(bytes.len() as u64, taken)), &bytes);
        writer.resolved(&path, Ok(path.clone()));
        entries.push(entry(&name, FileType::Regular));
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    writer.list(etc, Ok(Listing { entries, cut: false }));
    let links = fs::read_to_string(fixtures().join("etc-xen/LINKS.tsv")).unwrap();
    let mut auto = Vec::new();
    for line in links.lines().skip(1) {
        let (link, target) = line.split_once('\t').unwrap();
        let link = PathBuf::from(link);
        let real = etc.join(Path::new(target).file_name().unwrap());
        auto.push(entry(link.file_name().unwrap().to_str().unwrap(), FileType::Symlink));
        writer.link(&link, Ok(PathBuf::from(target)));
        writer.resolved(&link, Ok(real));
    }
    writer.list(&etc.join("auto"), Ok(Listing { entries: auto, cut: false }));
}

fn head(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("save").join(name)).unwrap_or_else(|error| panic!("fixture save/{name}: {error}"))
}

fn good(stdout: Vec<u8>) -> Output {
    Output { exit: 0, stdout, stderr: Vec::new(), took: Duration::from_millis(200) }
}

fn entry(name: &str, kind: FileType) -> Entry {
    Entry { name: HostPath::from(name), kind }
}

fn regular(size: u64, modified: DateTime<Utc>) -> Stat {
    // Inode numbers were not captured; sizes tell these few files apart.
    Stat {
        kind: FileType::Regular,
        dev: 1,
        ino: size + 2,
        size,
        blocks: size.div_ceil(512),
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        modified,
        changed: modified,
        rdev: (0, 0),
    }
}

/// `ls -la`: kind, size, name.
fn long_listing(text: &str) -> Vec<(FileType, u64, String)> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let kind = match line.bytes().next()? {
                b'-' => FileType::Regular,
                b'd' => FileType::Directory,
                _ => return None,
            };
            let name = (*words.get(8)?).to_owned();
            (!matches!(name.as_str(), "." | "..")).then(|| Some((kind, words.get(4)?.parse().ok()?, name)))?
        })
        .collect()
}
