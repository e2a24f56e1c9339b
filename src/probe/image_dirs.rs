//! Directories with image files: what lies there that no domain refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::ask::{Asker, shown};
use super::backings::{Attached, Backings};
use crate::config::Settings;
use crate::host::{FileType, HostError};
use crate::model::{DiskKind, GapReason, HostPath, ImageFile};

const PLACES: [&str; 3] = ["/var/lib/xen/images", "/var/lib/libvirt/images", "/srv/xen"];
const MAX_NAMES: usize = 1_000;
const MISSING: &str = "image files that no domain refers to";
/// Smaller files are no disks.
const SMALLEST: u64 = 64 << 10;

/// Image files in the usual places, in the settings' directories, and beside every disk that is a file.
/// `declared` are the backings of disks: their configs say what they are.
pub fn look(
    asker: &Asker,
    settings: &Settings,
    backings: &mut Backings,
    disk_files: &BTreeSet<HostPath>,
    declared: &BTreeSet<String>,
) -> Vec<ImageFile> {
    let mut dirs: BTreeSet<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
    dirs.extend(settings.image_dirs.iter().cloned());
    dirs.extend(disk_files.iter().filter_map(|file| file.as_path().parent().map(Path::to_path_buf)).filter(|dir| dir.parent().is_some()));
    let mut images = Vec::new();
    for dir in dirs {
        if settings.image_dirs.contains(&dir) && matches!(asker.host.stat(&dir, true), Err(HostError::NotFound)) {
            asker.gap(shown(&dir), MISSING, GapReason::Failed, "the settings name it, and there is no such directory");
            continue;
        }
        let Some(listing) = asker.list(&dir, MAX_NAMES, MISSING) else { continue };
        for entry in listing.entries.iter().filter(|entry| entry.kind == FileType::Regular) {
            let path = HostPath::from(dir.join(&entry.name));
            let Ok(stat) = asker.host.stat(path.as_path(), false) else { continue };
            if stat.size < SMALLEST {
                continue;
            }
            let key = backings.resolve(&path, Attached::default());
            let image = backings.get(&key).is_some_and(|backing| backing.kind == DiskKind::File && is_image(&path, backing));
            if image && !is_kernel(asker, &path) {
                if !declared.contains(&key) {
                    backings.as_image(&key, false);
                }
                images.push(ImageFile { path, backing: key, referenced: false });
            }
        }
    }
    images
}

/// A Linux kernel ends its first sector like a boot record (Documentation/arch/x86/boot.rst: `HdrS` at byte 0x202).
fn is_kernel(asker: &Asker, path: &HostPath) -> bool {
    asker.host.read_at(path.as_path(), 0x202, 4).is_ok_and(|bytes| bytes == b"HdrS")
}

/// By content; by the name's ending only where the content says nothing (a blank or encrypted disk).
fn is_image(path: &HostPath, backing: &crate::model::Backing) -> bool {
    let recognised = backing.format_seen.as_deref().is_some_and(|format| format != "raw")
        || backing.signatures.iter().any(|signature| signature.kind != "blank");
    let ending = path.as_path().extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    recognised || matches!(ending, "img" | "raw" | "disk" | "qcow2" | "qcow" | "vhd" | "vmdk" | "vdi" | "vhdx" | "iso")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Backing;

    #[test]
    fn a_file_that_dom0_has_bound_to_a_loop_device_is_in_use() {
        let marked = |loops: Vec<HostPath>| {
            let mut images = [ImageFile { path: "/srv/vg.img".into(), backing: "/srv/vg.img".to_owned(), referenced: false }];
            let backing = Backing { key: "/srv/vg.img".to_owned(), loops, ..Backing::default() };
            crate::probe::mark_references(&mut images, &[], &[], &BTreeMap::from([("/srv/vg.img".to_owned(), backing)]));
            images[0].referenced
        };
        assert!(marked(vec!["/dev/loop0".into()]), "the physical volume of a whole group was offered as rubbish");
        assert!(!marked(Vec::new()));
    }
}
