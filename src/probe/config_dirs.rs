//! Finds configuration files: /etc/xen, /etc/xen/auto, the directories of the settings, and xend's managed domains.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ask::{Asker, shown};
use super::config_file::{self, Reading};
use super::{libvirt, xend};
use crate::config::Settings;
use crate::host::{FileType, HostError};
use crate::model::{Config, GapReason, HostPath, UnreadableConfig};

const ETC_XEN: &str = "/etc/xen";
const AUTO: &str = "/etc/xen/auto";
const XEND_DOMAINS: &str = "/var/lib/xend/domains";
const LIBVIRT: [&str; 2] = ["/etc/libvirt/libxl", "/etc/libvirt/qemu"];
/// Larger files are not configs, whatever they are called.
const MAX_CONFIG: usize = 1 << 20;
const MAX_NAMES: usize = 5_000;
const MAX_DEPTH: usize = 3;
const MISSING: &str = "domains that are configured there";

/// What was found in configuration directories.
#[derive(Debug, Default)]
pub struct Found {
    pub configs: Vec<Config>,
    pub unreadable: Vec<UnreadableConfig>,
}

pub fn look(asker: &Asker, settings: &Settings) -> Found {
    let mut search = Search { asker, settings, found: Found::default(), seen: BTreeMap::new() };
    search.walk(Path::new(ETC_XEN), 0);
    for dir in &settings.config_dirs {
        if matches!(asker.host.stat(dir, true), Err(HostError::NotFound)) {
            asker.gap(shown(dir), MISSING, GapReason::Failed, "the settings name it, and there is no such directory");
        }
        search.walk(dir, 0);
    }
    search.autostart();
    search.xend();
    for dir in LIBVIRT {
        search.libvirt(Path::new(dir));
    }
    search.found
}

struct Search<'a, 'h> {
    asker: &'a Asker<'h>,
    settings: &'a Settings,
    found: Found,
    /// Canonical path -> index of its config, if it is one: a file that several links name is one config.
    seen: BTreeMap<PathBuf, Option<usize>>,
}

impl Search<'_, '_> {
    fn walk(&mut self, dir: &Path, depth: usize) {
        let Some(listing) = self.asker.list(dir, MAX_NAMES, MISSING) else { return };
        for entry in &listing.entries {
            let path = dir.join(&entry.name);
            let name = entry.name.to_string();
            let kind = match entry.kind {
                FileType::Unknown => self.asker.host.stat(&path, false).map_or(FileType::Regular, |stat| stat.kind),
                kind => kind,
            };
            match kind {
                FileType::Directory if depth == 0 && dir == Path::new(ETC_XEN) && matches!(name.as_str(), "auto" | "scripts") => {}
                FileType::Directory if name.starts_with('.') => {}
                FileType::Directory if depth >= MAX_DEPTH => {
                    self.asker.gap(
                        shown(&path),
                        MISSING,
                        GapReason::Refused,
                        "too deep; name it in the settings (config_dirs) to have it read",
                    );
                }
                FileType::Directory => self.walk(&path, depth + 1),
                _ if is_left_behind(&name) => {}
                kind => {
                    self.file(&path, kind);
                }
            }
        }
    }

    /// Reads one name; returns the index of its config.
    fn file(&mut self, path: &Path, kind: FileType) -> Option<usize> {
        let host = self.asker.host;
        if kind == FileType::Symlink {
            match host.stat(path, true) {
                Ok(stat) if stat.kind == FileType::Directory => {
                    self.asker.gap(
                        shown(path),
                        MISSING,
                        GapReason::Refused,
                        "a symbolic link to a directory is not followed; name the directory in the settings (config_dirs)",
                    );
                    return None;
                }
                Err(HostError::NotFound) => {
                    self.asker.gap(shown(path), MISSING, GapReason::Refused, "a symbolic link that leads nowhere");
                    return None;
                }
                _ => {}
            }
        }
        let real = host.resolve(path).unwrap_or_else(|_| path.to_path_buf());
        if let Some(known) = self.seen.get(&real) {
            return *known;
        }
        if self.is_image_among_images(path) {
            return None;
        }
        let bytes = self.asker.read(path, MAX_CONFIG, MISSING)?;
        let at = self.config(path, config_file::read(&HostPath::from(path), &bytes));
        self.seen.insert(real, at);
        at
    }

    /// In a directory that is searched for images too, a large binary file is one, and no config that could not be read.
    fn is_image_among_images(&self, path: &Path) -> bool {
        let host = self.asker.host;
        let among = self.settings.save_dirs.iter().chain(&self.settings.image_dirs).any(|dir| path.starts_with(dir));
        among
            && host.stat(path, true).is_ok_and(|stat| stat.kind == FileType::Regular && stat.size > MAX_CONFIG as u64)
            && host.read_at(path, 0, 4096).is_ok_and(|head| head.contains(&0))
    }

    fn config(&mut self, path: &Path, reading: Reading) -> Option<usize> {
        let mut config = match reading {
            Reading::Domain(file) => {
                self.found.unreadable.extend(file.unreadable);
                file.config
            }
            Reading::Unreadable(unreadable) => {
                self.found.unreadable.push(unreadable);
                return None;
            }
            Reading::NotADomain { .. } => return None,
        };
        config.modified = self.asker.host.stat(path, true).ok().map(|stat| stat.modified);
        self.found.configs.push(config);
        Some(self.found.configs.len() - 1)
    }

    fn autostart(&mut self) {
        let Some(listing) = self.asker.list(Path::new(AUTO), MAX_NAMES, "which domains start with the host") else { return };
        for entry in &listing.entries {
            if is_left_behind(&entry.name.to_string()) {
                continue;
            }
            let at = self.file(&Path::new(AUTO).join(&entry.name), entry.kind);
            if let Some(config) = at.and_then(|at| self.found.configs.get_mut(at)) {
                config.autostart = true;
            }
        }
    }

    fn xend(&mut self) {
        let Some(listing) = self.asker.list(Path::new(XEND_DOMAINS), MAX_NAMES, "xend's managed domains") else { return };
        for entry in &listing.entries {
            let path = Path::new(XEND_DOMAINS).join(&entry.name).join("config.sxp");
            let Some(bytes) = self.asker.read(&path, MAX_CONFIG, "a managed domain of xend") else { continue };
            match xend::config(&HostPath::from(path.as_path()), &bytes) {
                Ok(config) => self.found.configs.push(config),
                Err(why) => self.found.unreadable.push(UnreadableConfig {
                    path: HostPath::from(path),
                    line: Some(why.line),
                    why: why.to_string(),
                    column: None,
                    python: false,
                }),
            }
        }
    }

    fn libvirt(&mut self, dir: &Path) {
        let Some(listing) = self.asker.list(dir, MAX_NAMES, "domains that libvirt knows") else { return };
        for entry in &listing.entries {
            let name = entry.name.to_string();
            if entry.kind == FileType::Directory || !ends_in_xml(&name) {
                continue;
            }
            let path = dir.join(&entry.name);
            let Some(bytes) = self.asker.read(&path, MAX_CONFIG, "a domain that libvirt knows") else { continue };
            match libvirt::domain_xml(&bytes) {
                Ok(mut config) => {
                    config.path = HostPath::from(path.as_path());
                    config.autostart = self.asker.host.stat(&dir.join("autostart").join(&entry.name), true).is_ok();
                    config.modified = self.asker.host.stat(&path, true).ok().map(|stat| stat.modified);
                    self.found.configs.push(config);
                }
                Err(why) => self.found.unreadable.push(UnreadableConfig {
                    path: HostPath::from(path),
                    why,
                    line: None,
                    column: None,
                    python: false,
                }),
            }
        }
    }
}

/// libvirt's own files end so, in lower case.
pub(super) fn ends_in_xml(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending == "xml")
}

/// Examples, and what editors and package managers leave behind: nobody starts a domain from them.
fn is_left_behind(name: &str) -> bool {
    name.starts_with("xlexample")
        || name.starts_with("xmexample")
        || name.starts_with('.')
        || name.starts_with('#')
        || name.ends_with('~')
        || [".swp", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-bak", ".rpmnew", ".rpmsave", ".rpmorig", ".ucf-dist"]
            .iter()
            .any(|end| name.ends_with(end))
}
