//! Paths that a plan may write to, and the names that it makes of them.

use std::path::{Component, Path};

use super::facts::{Facts, Go, no};
use crate::model::{HostPath, JobId, PlaceFact, Stands, shown};

/// Directories whose files the host starts or resumes at its next boot: nothing but what a person puts there on purpose may lie in them.
const STARTED_AT_BOOT: [&str; 2] = ["/etc/xen/auto", "/var/lib/xen/save"];
/// No storage: what is written there is the kernel's, or gone.
const NO_STORAGE: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
/// Room is left for what a temporary name adds to this (file systems take 255 bytes).
const LONGEST_NAME: usize = 180;
/// A file system with less is full: the smallest of what is made (a directory, a configuration, an empty qcow2 image) takes a part of it.
const LEAST_ROOM: u64 = 1 << 20;

/// A path as it may be planned with: absolute, without `..`, without control characters.
pub(super) fn check(path: &HostPath) -> Go<()> {
    if !path.is_absolute() {
        return no("path-relative", format!("{path} does not begin with /"), "give the whole path");
    }
    if path.as_path().components().any(|part| matches!(part, Component::ParentDir)) {
        return no("path-dots", format!("{path} has .. in it"), "give the path without it");
    }
    let Ok(text) = std::str::from_utf8(path.as_bytes()) else {
        return no(
            "path-not-utf8",
            format!("{path} is not UTF-8"),
            "the host's tools are told names as text: rename it, or choose another",
        );
    };
    if text.chars().any(|c| shown::is_unsafe(c) || c == '\0') {
        return no("path-control", format!("{path} has control or invisible characters in it"), "choose a name that can be read");
    }
    Ok(())
}

/// A path at which something new may be made.
pub(super) fn check_new(path: &HostPath) -> Go<()> {
    check(path)?;
    if path.as_path().file_name().is_none() || path.as_bytes().ends_with(b"/") {
        return no("path-no-name", format!("{path} names no file"), "add the file's name");
    }
    if path.as_path().file_name().is_some_and(|name| name.len() > LONGEST_NAME) {
        return no("name-too-long", format!("the name of {path} is longer than {LONGEST_NAME} bytes"), "choose a shorter one");
    }
    check_storage(path)
}

/// Refuses a path below which a host keeps no disks.
pub(super) fn check_storage(path: &HostPath) -> Go<()> {
    if let Some(dir) = STARTED_AT_BOOT.iter().find(|dir| path.starts_with(dir)) {
        return no(
            "path-at-boot",
            format!("what lies in {dir} is started or resumed at the next boot of the host"),
            "choose another directory",
        );
    }
    if let Some(dir) = NO_STORAGE.iter().find(|dir| path.starts_with(dir)) {
        return no("path-no-storage", format!("{dir} holds no files that last"), "choose a directory on a disk");
    }
    Ok(())
}

pub(super) fn is_started_at_boot(path: &HostPath) -> bool {
    STARTED_AT_BOOT.iter().any(|dir| path.starts_with(dir))
}

/// The directory above; `/` for what has none.
pub(super) fn parent(path: &HostPath) -> HostPath {
    HostPath::from(path.as_path().parent().unwrap_or(Path::new("/")))
}

/// The last part of a path, byte for byte.
fn name(path: &HostPath) -> HostPath {
    path.as_path().file_name().map_or_else(HostPath::default, |name| HostPath::from(Path::new(name)))
}

/// `.NAME.<id>.partial` beside it: nobody else's name, and hidden from what reads directories.
pub(super) fn partial(path: &HostPath, id: &JobId) -> HostPath {
    let mut bytes = b".".to_vec();
    bytes.extend_from_slice(name(path).as_bytes());
    bytes.extend_from_slice(format!(".{id}.partial").as_bytes());
    parent(path).join(HostPath::from_bytes(&bytes))
}

/// What a bundle is called while it is removed: not whole either.
pub(super) fn removed(path: &HostPath, id: &JobId) -> HostPath {
    let name = String::from_utf8_lossy(name(path).as_bytes()).into_owned();
    parent(path).join(format!(".{name}.{id}.removed.partial"))
}

/// `NAME.before-<id>` beside it: where something that stood in the way is kept.
pub(super) fn before(path: &HostPath, id: &JobId) -> HostPath {
    let mut bytes = name(path).as_bytes().to_vec();
    bytes.extend_from_slice(format!(".before-{id}").as_bytes());
    parent(path).join(HostPath::from_bytes(&bytes))
}

/// A directory that exists and may be written to; through links, the real one.
pub(super) fn directory<'a>(facts: &Facts<'a>, path: &HostPath) -> Go<(&'a PlaceFact, HostPath)> {
    let (place, real) = follow(facts, path)?;
    match place.stands {
        Stands::Directory => {}
        Stands::Nothing | Stands::Link => {
            return no(
                "directory-missing",
                format!("there is no directory {path}"),
                format!("make it first (the nearest that is there is {}), or mount what belongs there", place.directory),
            );
        }
        _ => return no("not-a-directory", format!("{path} is no directory"), "name a directory"),
    }
    if place.read_only {
        return no(
            "read-only",
            format!("nothing can be written in {path}: its file system is read-only, or you may not"),
            "choose another directory, or ask as root",
        );
    }
    check_storage(&real)?;
    Ok((place, real))
}

/// What stands at a path, or at the end of the link that it is; and its real path. A device keeps the name that people use for it.
pub(super) fn follow<'a>(facts: &Facts<'a>, path: &HostPath) -> Go<(&'a PlaceFact, HostPath)> {
    let place = facts.place(path)?;
    match (&place.canonical, place.stands) {
        (Some(real), Stands::Link) if real != path => Ok((facts.place(real)?, real.clone())),
        (Some(real), Stands::File | Stands::Directory) => Ok((place, real.clone())),
        _ => Ok((place, path.clone())),
    }
}

/// The place of something new: nothing stands there, its directory exists, and its file system is not full. Gives what is known of the
/// directory and the real path.
pub(super) fn vacant<'a>(facts: &Facts<'a>, path: &HostPath) -> Go<(&'a PlaceFact, HostPath)> {
    check_new(path)?;
    let above = parent(path);
    facts.want([crate::model::Question::Place { path: path.clone() }, crate::model::Question::Place { path: above.clone() }])?;
    if facts.place(path)?.stands != Stands::Nothing {
        return no("exists", format!("{path} is there already, and nothing is overwritten"), "choose another name, or move it away first");
    }
    let (place, real) = directory(facts, &above)?;
    not_full(place, &above)?;
    Ok((place, real.join(name(path))))
}

/// Refuses a file system on which not even the beginning of something new finds room.
pub(super) fn not_full(place: &PlaceFact, directory: &HostPath) -> Go<()> {
    if place.free >= LEAST_ROOM {
        return Ok(());
    }
    no(
        "no-room",
        format!("the file system of {directory} is full: {} free", crate::model::bytes::exact(place.free)),
        "make room there, or choose another directory",
    )
}

/// The host's programs that a plan runs.
pub(super) fn tools(facts: &Facts<'_>, wanted: &[(&str, &str)]) -> Go<()> {
    facts.want(wanted.iter().map(|(name, _)| crate::model::Question::Tool { name: (*name).to_owned() }))?;
    for (name, package) in wanted {
        if !facts.has_tool(name)? {
            return no(
                "tool-missing",
                format!("the program {name} is not on this host"),
                format!("install it; Debian's package is {package}"),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn temporary_names_carry_the_job_and_are_hidden() {
        let id = JobId::new(DateTime::from_timestamp(1_790_000_000, 0).unwrap(), 0xab);
        let path = HostPath::from_bytes(b"/srv/\xffx.img");
        let expected = [b"/srv/.\xffx.img.".as_slice(), id.as_str().as_bytes(), b".partial"].concat();
        assert_eq!(partial(&path, &id).as_bytes(), expected, "a stranger's file could be taken for the job's");
        assert!(before(&path, &id).as_bytes().starts_with(b"/srv/\xffx.img.before-"));
    }
}
