//! Sizes that a file system or its host cannot have, and names that it cannot hold.

use crate::model::request::{FileSystem, NewDisk, Populate};
use crate::model::{PlaceFact, bytes};
use crate::plan::facts::{Go, no};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
/// A disk is counted in sectors.
const SECTOR: u64 = 512;

pub(crate) fn check_in_volume(request: &NewDisk) -> Go<()> {
    sizes(request)?;
    let (most, name) = (largest(request.file_system), request.file_system.as_str());
    if request.bytes > most {
        return no(
            "size-too-large",
            format!("{} is more than {name} can hold", bytes::human(request.bytes)),
            format!("take at most {}", bytes::human(most)),
        );
    }
    names(request)
}

fn sizes(request: &NewDisk) -> Go<()> {
    let file_system = request.file_system;
    let size = bytes::human(request.bytes);
    if !request.bytes.is_multiple_of(SECTOR) {
        return no(
            "size-no-sectors",
            format!("{} bytes are no whole number of sectors of {SECTOR} bytes", request.bytes),
            "round it up, best to whole MiB",
        );
    }
    let least = smallest(file_system);
    if request.bytes < least {
        return no(
            "size-too-small",
            format!("{size} is too small for {}", file_system.as_str()),
            format!("take at least {}", bytes::human(least)),
        );
    }
    Ok(())
}

pub(crate) fn check_in_file(request: &NewDisk, place: &PlaceFact) -> Go<()> {
    sizes(request)?;
    let file_system = request.file_system;
    let size = bytes::human(request.bytes);
    let host_fs = place.file_system.as_deref().unwrap_or_default();
    if !sparse(host_fs) {
        return no(
            "no-sparse-files",
            format!("{} is {host_fs}, which has no sparse files", place.directory),
            "choose a directory on ext4, XFS or btrfs",
        );
    }
    let most = largest_file(host_fs).min(largest(file_system));
    if request.bytes > most {
        return no(
            "size-too-large",
            format!("{size} is more than {host_fs} or {} can hold in one file", file_system.as_str()),
            format!("take at most {}", bytes::human(most)),
        );
    }
    let needed = metadata(file_system, request.bytes);
    if place.free < needed {
        return no(
            "no-room",
            format!(
                "the empty file system alone takes about {}, and {} is free in {}",
                bytes::human(needed),
                bytes::human(place.free),
                place.directory
            ),
            "make room, or choose another directory",
        );
    }
    names(request)
}

fn names(request: &NewDisk) -> Go<()> {
    if let Some(label) = &request.label {
        let longest = match request.file_system {
            FileSystem::Ext4 | FileSystem::Ext3 => 16,
            FileSystem::Xfs => 12,
            FileSystem::Btrfs | FileSystem::None => 255,
        };
        let plain = label.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '\\' | '"' | '\''));
        if label.len() > longest || !plain || label.starts_with('-') {
            return no(
                "label-bad",
                format!("`{label}` cannot be a label of {}", request.file_system.as_str()),
                format!("take at most {longest} letters, digits or `-_.`"),
            );
        }
    }
    if let Some(hostname) = &request.hostname {
        check_hostname(hostname)?;
    }
    let filled = !matches!(request.populate, Populate::Nothing);
    if request.file_system == FileSystem::None && filled {
        return no("no-file-system", "a disk without a file system cannot be filled", "choose a file system");
    }
    if !filled && (request.hostname.is_some() || request.fstab) {
        return no(
            "nothing-to-tailor",
            "fstab and host name are written into a system, and the disk stays empty",
            "fill it with a directory or an archive",
        );
    }
    Ok(())
}

pub(crate) fn check_hostname(hostname: &str) -> Go<()> {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if hostname.len() > 64 || !hostname.split('.').all(part) {
        return no("hostname-bad", format!("`{hostname}` is no host name"), "take letters, digits and -, at most 64");
    }
    Ok(())
}

/// What the makers of the file systems take (mke2fs with a journal; mkfs.xfs from 5.19; mkfs.btrfs with its usual profiles).
fn smallest(file_system: FileSystem) -> u64 {
    match file_system {
        FileSystem::Ext4 | FileSystem::Ext3 => 8 * MIB,
        FileSystem::Xfs => 300 * MIB,
        FileSystem::Btrfs => 114 * MIB,
        FileSystem::None => SECTOR,
    }
}

/// With blocks of 4 KiB.
fn largest(file_system: FileSystem) -> u64 {
    match file_system {
        FileSystem::Ext3 => 16 * TIB,
        FileSystem::Ext4 => 1024 * 1024 * TIB,
        FileSystem::Xfs | FileSystem::Btrfs | FileSystem::None => i64::MAX.unsigned_abs(),
    }
}

/// The largest file on the host's file system, with blocks of 4 KiB.
fn largest_file(host_fs: &str) -> u64 {
    match host_fs {
        "ext4" => 16 * TIB - 4096,
        "ext3" | "ext2" => 2 * TIB - 4096,
        _ => i64::MAX.unsigned_abs(),
    }
}

fn sparse(host_fs: &str) -> bool {
    !matches!(host_fs, "vfat" | "msdos" | "exfat" | "hfsplus" | "iso9660" | "squashfs")
}

/// About what making it writes: superblocks, bitmaps, the journal or log.
fn metadata(file_system: FileSystem, size: u64) -> u64 {
    match file_system {
        FileSystem::Ext4 | FileSystem::Ext3 => MIB + size / 2048,
        FileSystem::Xfs => 16 * MIB + size / 4096,
        FileSystem::Btrfs => 4 * MIB,
        FileSystem::None => 0,
    }
}
