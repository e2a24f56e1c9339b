//! Finds save images by their content, wherever somebody put them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ask::{Asker, shown};
use super::bytes_at::HostFile;
use super::config_file::{self, Reading};
use super::libxl_json::{self, LibxlConfig};
use super::save_image::{self, Budget, Packaged, SaveSeen};
use super::{libvirt, xend, xendomains};
use crate::config::Settings;
use crate::host::{FileType, HostError, Stat};
use crate::model::{Config, ConfigSource, GapReason, HostPath, Save};

/// Usual places and how deep each is searched.
const OF_TOOLSTACKS: [(&str, usize); 5] = [
    ("/var/lib/xen/save", 2),
    ("/var/lib/xen", 1),
    ("/var/lib/libvirt/libxl/save", 1),
    ("/var/lib/libvirt/qemu/save", 1),
    ("/var/lib/xend/domains", 2),
];
/// Where people put things. Last, so that what lies there cannot use up the time of what matters.
const OF_PEOPLE: [(&str, usize); 5] = [("/root", 2), ("/srv", 4), ("/home", 3), ("/var/backups", 2), ("/backup", 3)];
const NAMED_DEPTH: usize = 6;
const MAX_NAMES: usize = 2_000;
/// Files whose first bytes are read in one look, over all places.
const MAX_FILES: usize = 20_000;
const MISSING: &str = "save images that lie there";
/// For following the records of all save images in one look. Each may take half of what is left: many files that were made to take long
/// take no longer together, and whole ones before and after them are still followed.
const WALKS: Duration = Duration::from_secs(20);
/// Packaged configurations that are kept in one look, in bytes. Real ones have a few KiB.
const MAX_PACKAGED: usize = 32 << 20;
/// The shortest header of any format.
const SHORTEST: u64 = 16;

/// Save images, and the configurations packaged inside.
#[derive(Debug, Default)]
pub struct Found {
    pub saves: Vec<Save>,
    pub configs: Vec<Config>,
}

pub fn look(asker: &Asker, settings: &Settings, network_mounts: &[HostPath]) -> Found {
    let resumed = xendomains::save_dir(asker);
    let mut search =
        Search { asker, found: Found::default(), seen: BTreeSet::new(), files: 0, network_mounts, time: WALKS, packaged: 0, resumed };
    if let Some(dir) = search.resumed.clone() {
        search.walk(&dir, 2, false);
    }
    for (dir, depth) in OF_TOOLSTACKS {
        search.walk(Path::new(dir), depth, false);
    }
    for dir in &settings.save_dirs {
        match asker.host.stat(dir, true) {
            Ok(stat) if stat.kind == FileType::Regular => search.file(dir),
            Err(HostError::NotFound) => {
                asker.gap(shown(dir), MISSING, GapReason::Failed, "the settings name it, and there is no such file or directory");
            }
            _ => search.walk(dir, NAMED_DEPTH, true),
        }
    }
    for (dir, depth) in OF_PEOPLE {
        search.walk(Path::new(dir), depth, false);
    }
    if search.files >= MAX_FILES {
        asker.gap(
            "save images",
            MISSING,
            GapReason::Refused,
            format!("the first {MAX_FILES} files were looked at; name the directories that matter in the settings (save_dirs)"),
        );
    }
    search.found
}

struct Search<'a, 'h> {
    asker: &'a Asker<'h>,
    found: Found,
    /// Directories and files seen, by device and inode: links and bind mounts must not show one image twice.
    seen: BTreeSet<(u64, u64)>,
    files: usize,
    network_mounts: &'a [HostPath],
    /// Left of [`WALKS`].
    time: Duration,
    /// Bytes of packaged configurations so far.
    packaged: usize,
    /// Where the next boot resumes every file.
    resumed: Option<PathBuf>,
}

impl Search<'_, '_> {
    fn walk(&mut self, dir: &Path, depth: usize, named: bool) {
        if !named && self.network_mounts.iter().any(|mount| dir.starts_with(mount)) {
            self.asker.gap(
                shown(dir),
                MISSING,
                GapReason::NotAsked,
                "a network file system; name it in the settings (save_dirs) to have it searched",
            );
            return;
        }
        let host = self.asker.host;
        if let Ok(stat) = host.stat(dir, true)
            && !self.seen.insert((stat.dev, stat.ino))
        {
            return;
        }
        let Some(listing) = self.asker.list(dir, MAX_NAMES, MISSING) else { return };
        for entry in &listing.entries {
            if self.files >= MAX_FILES {
                return;
            }
            let path: PathBuf = dir.join(&entry.name);
            match entry.kind {
                // The usual places are searched as deep as people save there; what somebody named is searched, or it is said.
                FileType::Directory if named && depth <= 1 => {
                    let why = "too deep; name it in the settings (save_dirs) to have it searched";
                    self.asker.gap(shown(&path), MISSING, GapReason::Refused, why);
                }
                FileType::Symlink if named => self.link(&path),
                FileType::Directory if depth > 1 && !entry.name.to_string().starts_with('.') => self.walk(&path, depth - 1, named),
                FileType::Regular | FileType::Unknown => self.file(&path),
                // A link to an image elsewhere counts as an image that lies here: the xendomains service follows it.
                FileType::Symlink if host.stat(&path, true).is_ok_and(|stat| stat.kind == FileType::Regular) => self.file(&path),
                _ => {}
            }
        }
    }

    /// A link in a directory that the settings name.
    fn link(&mut self, path: &Path) {
        let missing = |why: &str| self.asker.gap(shown(path), MISSING, GapReason::Refused, why);
        match self.asker.host.stat(path, true) {
            Ok(stat) if stat.kind == FileType::Directory => {
                missing("a symbolic link to a directory is not followed; name the directory in the settings (save_dirs)");
            }
            Err(HostError::NotFound) => missing("a symbolic link that leads nowhere"),
            _ => self.file(path),
        }
    }

    fn file(&mut self, path: &Path) {
        let host = self.asker.host;
        let stat = match host.stat(path, true) {
            Ok(stat) if stat.kind == FileType::Regular => stat,
            Ok(_) | Err(HostError::NotFound) => return,
            Err(error) => return self.asker.gap_of(shown(path), "whether this is a save image", &error),
        };
        if stat.size < SHORTEST || !self.seen.insert((stat.dev, stat.ino)) {
            return;
        }
        self.files += 1;
        let (start, time) = (Instant::now(), self.time / 2);
        let seen = save_image::recognise_within(&HostFile { host, path, size: stat.size }, Budget::for_file(stat.size, time));
        self.time = self.time.saturating_sub(start.elapsed().min(time));
        match seen {
            Ok(Some(seen)) => self.keep(path, &stat, seen),
            Ok(None) => {}
            Err(error) => self.asker.gap_of(shown(path), "whether this is a save image", &error),
        }
    }

    fn keep(&mut self, path: &Path, stat: &Stat, seen: SaveSeen) {
        let path = HostPath::from(path);
        let packaged_so_far = self.packaged.saturating_add(seen.packaged.bytes());
        let config = if packaged_so_far > MAX_PACKAGED {
            let why = "the configurations inside all save images together are larger than is read in one look";
            self.asker.gap(path.to_string(), "the configuration inside this save image", GapReason::Refused, why);
            None
        } else {
            self.packaged = packaged_so_far;
            packaged(&path, &seen.packaged)
        };
        let config =
            config.map(|config| Config { source: ConfigSource::SaveImage, path: path.clone(), modified: Some(stat.modified), ..config });
        let told = config.as_ref();
        self.found.saves.push(Save {
            resumed_at_boot: self.resumed.is_some() && path.as_path().parent() == self.resumed.as_deref(),
            // Who is in the file's group is not known, so its bit says nothing of others.
            readable_by_others: Some(stat.mode & 0o004 != 0),
            format: seen.format,
            bytes: stat.size,
            complete: seen.complete,
            cut: seen.cut,
            created: Some(stat.modified),
            domain: seen.domain.or_else(|| told?.name.clone()),
            uuid: seen.uuid.or_else(|| told?.uuid.clone()),
            memory_bytes: seen.memory_bytes.or_else(|| told?.memory_bytes),
            inode: Some((stat.dev, stat.ino)),
            notes: seen.notes,
            path,
        });
        self.found.configs.extend(config);
    }
}

/// The configuration inside a save image, in whichever form it was packaged.
fn packaged(path: &HostPath, packaged: &Packaged) -> Option<Config> {
    match packaged {
        Packaged::LibxlJson(bytes) => {
            let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
            let value = serde_json::from_slice(text).ok()?;
            Some(of_libxl(path, libxl_json::config(&value)))
        }
        Packaged::XlText(bytes) => match config_file::read(path, bytes) {
            Reading::Domain(file) => Some(file.config),
            Reading::Unreadable(_) | Reading::NotADomain { .. } => None,
        },
        Packaged::Sxp(bytes) => xend::config(path, bytes).ok(),
        Packaged::Xml(bytes) => libvirt::domain_xml(bytes).ok(),
        Packaged::Damaged | Packaged::None => None,
    }
}

/// libxl's own form of a configuration, as a config.
fn of_libxl(path: &HostPath, libxl: LibxlConfig) -> Config {
    let settings = [("kernel", &libxl.kernel), ("ramdisk", &libxl.ramdisk)];
    Config {
        source: ConfigSource::SaveImage,
        path: path.clone(),
        grammar: "json".into(),
        memory_bytes: libxl.memory_bytes(),
        settings: settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect(),
        name: libxl.name,
        uuid: libxl.uuid,
        guest_type: libxl.guest_type,
        disks: libxl.disks,
        autostart: false,
        modified: None,
        trouble: Vec::new(),
    }
}
