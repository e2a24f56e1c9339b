//! Answers to the questions of a plan. What cannot be answered is told as unknown, with the reason, and the plan is refused.

use std::path::Path;

use super::bytes_at::HostFile;
use super::holds::nearest_directory;
use super::mounts::Mount;
use super::{image, superblock, users, watchers};
use crate::bundle::manifest;
use crate::host::{Answer, FileType, HostError, Look, Space, Stat, read_whole};
use crate::model::bundle_names::MANIFEST;
use crate::model::{Check, Cmd, Fact, Held, HostPath, Inventory, PlaceFact, Question, Signature, Stands};

/// A config; a larger file is none.
const MOST_BYTES: usize = 1 << 20;
const MOST_OF_PROC: usize = 4 << 20;

/// Asks the host. The inventory only tells names apart: it may be minutes old.
pub fn answer(host: &dyn Look, inventory: &Inventory, question: &Question) -> Fact {
    let answered = match question {
        Question::Place { path } => place(host, path).map(|place| Fact::Place { path: path.clone(), place }),
        Question::SignatureOf { path } => signatures(host, path).map(|found| Fact::Signature { path: path.clone(), found }),
        Question::BytesOf { path } => bytes_of(host, path),
        Question::Tool { name } => host.has_tool(name).map(|there| Fact::Tool { name: name.clone(), there }),
        Question::Bundle { path } => bundle(host, path),
        Question::PieceRoom { bundle, piece } => super::bundles::piece_room(host, bundle, piece).map(|room| Fact::PieceRoom {
            bundle: bundle.clone(),
            piece: piece.clone(),
            room,
        }),
        Question::Bundles { directory } => bundles(host, directory),
        Question::UseOf { path } => use_of(host, path),
        Question::Lvm => super::lvm_now::ask(host).map(|lvm| Fact::Lvm { lvm: Box::new(lvm) }),
        Question::Holds { check } => holds(host, check),
        Question::Said { cmd } => said(host, cmd),
        Question::SavedDisks { image } => {
            crate::witness::record::compare(host, image, false).map(|disks| Fact::SavedDisks { image: image.clone(), disks })
        }
        Question::Watchers { domain } => {
            watchers::of(host, inventory, domain).map(|watchers| Fact::Watchers { domain: domain.clone(), watchers })
        }
        Question::LastBundle { directory } => {
            super::bundles::last_good(host, directory).map(|found| Fact::LastBundle { directory: directory.clone(), found })
        }
    };
    answered.unwrap_or_else(|error| Fact::Unknown { question: question.clone(), why: error.to_string() })
}

fn place(host: &dyn Look, path: &HostPath) -> Answer<PlaceFact> {
    if !path.is_absolute() {
        return Err(HostError::Refused { why: format!("{path} is not a full path") });
    }
    let there = match host.stat(path.as_path(), false) {
        Ok(stat) => Some(stat),
        Err(HostError::NotFound) => None,
        // Below a file, not below a directory: the look for the nearest directory says it in words.
        Err(HostError::Failed { .. }) if nearest_directory(host, path.as_path()).is_err() => None,
        Err(error) => return Err(error),
    };
    let (directory, above) = nearest_directory(host, path.as_path())?;
    let real = host.resolve(&directory)?;
    let mount = mount_of(host, &real)?;
    // A link of udev's (/dev/VG/LV) is a name of its device; any other link is a link.
    let device = there.as_ref().and_then(|_| host.stat(path.as_path(), true).ok()).filter(|stat| stat.kind == FileType::Block);
    let seen = device.or(there);
    let stands = seen.as_ref().map_or(Stands::Nothing, |stat| match stat.kind {
        FileType::Regular => Stands::File,
        FileType::Directory => Stands::Directory,
        FileType::Block => Stands::Device,
        FileType::Symlink => Stands::Link,
        FileType::Character | FileType::Fifo | FileType::Socket | FileType::Unknown => Stands::Other,
    });
    let bytes = match stands {
        Stands::Device => host.device(path.as_path()).ok().map(|facts| facts.bytes),
        Stands::File => seen.as_ref().map(|stat| stat.size),
        _ => None,
    };
    Ok(PlaceFact {
        stands,
        bytes,
        inode: seen.as_ref().map(|stat| (stat.dev, stat.ino)),
        modified: seen.as_ref().map(|stat| stat.modified),
        canonical: seen.as_ref().and_then(|_| host.resolve(path.as_path()).ok()).map(HostPath::from),
        dev: above.dev,
        free: free(host.space(&directory)?),
        read_only: mount.as_ref().is_some_and(|mount| !mount.mount.read_write) || !may_write(host, &above),
        file_system: mount.as_ref().map(|mount| mount.mount.fs.clone()),
        mounted_at: mount.map(|mount| mount.mount.at),
        directory: HostPath::from(directory),
    })
}

/// A file system without a size has no limit (tmpfs with size=0).
fn free(space: Space) -> u64 {
    if space.total == 0 { u64::MAX } else { space.free }
}

/// The mount that holds a canonical path: the deepest, and of those at one place the last, which covers the others.
fn mount_of(host: &dyn Look, real: &Path) -> Answer<Option<Mount>> {
    let table = read_whole(host, Path::new("/proc/self/mountinfo"), MOST_OF_PROC)?;
    let holding = super::mounts::parse_mountinfo(&table).into_iter().filter(|mount| real.starts_with(&mount.mount.at));
    Ok(holding.max_by_key(|mount| mount.mount.at.as_bytes().len()))
}

/// Numbers in a line of /proc/self/status.
fn own_numbers(status: &str, line: &str) -> Vec<u32> {
    let numbers = status.lines().find_map(|text| text.strip_prefix(line)).unwrap_or_default();
    numbers.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn own_status(host: &dyn Look) -> Option<String> {
    host.read_at(Path::new("/proc/self/status"), 0, 64 << 10).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the asker is root on that host; where nothing tells (the demo machine), yes.
pub(super) fn asker_is_root(host: &dyn Look) -> bool {
    own_status(host).is_none_or(|status| own_numbers(&status, "Uid:").get(1) == Some(&0))
}

/// By the permission bits of a directory: effective user and groups (path_resolution(7)).
fn may_write(host: &dyn Look, directory: &Stat) -> bool {
    own_status(host).is_none_or(|status| may_write_as(&status, directory))
}

fn may_write_as(status: &str, directory: &Stat) -> bool {
    let user = own_numbers(status, "Uid:").get(1).copied();
    let mut groups = own_numbers(status, "Groups:");
    groups.extend(own_numbers(status, "Gid:").get(1));
    let bits = match user {
        None | Some(0) => return true,
        Some(user) if user == directory.uid => directory.mode >> 6,
        Some(_) if groups.contains(&directory.gid) => directory.mode >> 3,
        Some(_) => directory.mode,
    };
    // To make a name one must be allowed to write and to search.
    bits & 3 == 3
}

fn size_of(host: &dyn Look, path: &HostPath) -> Answer<u64> {
    let stat = host.stat(path.as_path(), true)?;
    match stat.kind {
        FileType::Regular => Ok(stat.size),
        FileType::Block => Ok(host.device(path.as_path())?.bytes),
        _ => Err(HostError::Refused { why: format!("{path} is neither a file nor a block device") }),
    }
}

fn signatures(host: &dyn Look, path: &HostPath) -> Answer<Vec<Signature>> {
    let file = HostFile { host, path: path.as_path(), size: size_of(host, path)? };
    let mut found = superblock::signatures(&file, true)?;
    // An image format, which is no file system and yet somebody's data.
    let format = image::recognise(&file).ok().and_then(|seen| seen.format).filter(|format| format != "raw");
    if let Some(kind) = format {
        found.retain(|signature| signature.kind != "blank");
        found.push(Signature { offset: 0, partition: None, kind, uuid: None, label: None, bytes: None, times: None });
    }
    Ok(found)
}

fn bytes_of(host: &dyn Look, path: &HostPath) -> Answer<Fact> {
    let stat = host.stat(path.as_path(), true)?;
    let bytes = read_whole(host, path.as_path(), MOST_BYTES)?;
    Ok(Fact::Bytes { path: path.clone(), bytes, mode: stat.mode & 0o7777 })
}

fn bundle(host: &dyn Look, path: &HostPath) -> Answer<Fact> {
    let file = path.join(MANIFEST);
    match host.stat(file.as_path(), false) {
        Ok(stat) if stat.kind == FileType::Regular => {}
        Ok(_) => return Err(HostError::Refused { why: format!("{file} is no regular file: this is not what domkeep wrote") }),
        Err(HostError::NotFound) => {
            return Err(HostError::Failed { why: format!("there is no {file}: it is no bundle, or one that was never finished") });
        }
        Err(error) => return Err(error),
    }
    let bytes = read_whole(host, file.as_path(), manifest::LARGEST)?;
    let read = manifest::parse(&bytes).map_err(|wrong| HostError::Failed { why: format!("{file}: {wrong}") })?;
    Ok(Fact::Bundle { path: path.clone(), manifest: Box::new(read.manifest) })
}

fn said(host: &dyn Look, cmd: &Cmd) -> Answer<Fact> {
    let output = host.run(cmd)?;
    if output.ok() {
        return Ok(Fact::Said { cmd: cmd.clone(), said: output.stdout });
    }
    Err(HostError::Failed { why: format!("it ended with status {}: {}", output.exit, output.complaint()) })
}

fn holds(host: &dyn Look, check: &Check) -> Answer<Fact> {
    let yes = match super::holds::holds(host, check) {
        Held::Yes => true,
        Held::No { .. } => false,
        Held::Unknown { why } => return Err(HostError::Failed { why }),
    };
    Ok(Fact::Holds { check: Box::new(check.clone()), yes })
}

/// A directory that could not be read may hold the one good backup: then nobody knows which may go.
fn bundles(host: &dyn Look, directory: &HostPath) -> Answer<Fact> {
    let asker = super::ask::Asker::new(host);
    let found = super::bundles::look(&asker, &[directory.as_path().to_path_buf()]);
    match asker.into_gaps().first() {
        Some(gap) => Err(HostError::Failed { why: format!("{}: {}", gap.source, gap.why) }),
        None => Ok(Fact::Bundles { directory: directory.clone(), found }),
    }
}

fn use_of(host: &dyn Look, path: &HostPath) -> Answer<Fact> {
    let users = users::of(host, path);
    // A user that was found is reason enough, whatever else is not known.
    if users.found.is_empty() && !users.unknown.is_empty() {
        return Err(HostError::Failed { why: users.unknown.join("; ") });
    }
    Ok(Fact::Use { path: path.clone(), users: users.found, mounts: users.mounts })
}

#[cfg(test)]
mod tests;
