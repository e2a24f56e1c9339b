//! Whether something that a plan takes for granted holds now.

use std::path::{Path, PathBuf};

use super::bytes_at::HostFile;
use super::save_image::{self, Budget};
use super::{users, xl};
use crate::host::{Answer, FileType, HostError, Look, Stat, read_whole};
use crate::model::{Check, Cmd, Effect, Held, HostPath, Power};

/// Files whose bytes are compared are configs and the like.
const MOST_BYTES: usize = 16 << 20;
/// For following the records of one save image.
const WALK: std::time::Duration = std::time::Duration::from_secs(60);
/// A text that a command printed, for a sentence.
const QUOTED: usize = 200;

/// The answer to a check, with its words either way: `Not` needs them.
enum Found {
    So(String),
    NotSo(String),
    Unknown(String),
}

impl Found {
    fn negated(self) -> Self {
        match self {
            Self::So(why) => Self::NotSo(why),
            Self::NotSo(why) => Self::So(why),
            unknown @ Self::Unknown(_) => unknown,
        }
    }
}

pub fn holds(host: &dyn Look, check: &Check) -> Held {
    match look(host, check) {
        Found::So(_) => Held::Yes,
        Found::NotSo(because) => Held::No { because },
        Found::Unknown(why) => Held::Unknown { why },
    }
}

fn look(host: &dyn Look, check: &Check) -> Found {
    let answer = match check {
        Check::Exists { path } => exists(host, path),
        Check::Is { path, inode } => is(host, path, *inode),
        Check::Holds { path, blake3 } => holds_bytes(host, path, blake3),
        Check::LiesOn { path, dev } => lies_on(host, path, *dev),
        Check::Mounted { at } => mounted(host, at),
        Check::Space { path, bytes } => space(host, path, *bytes),
        Check::InUse { path } => Ok(in_use(host, path)),
        Check::DomainPresent { name } => Ok(domain_present(host, name)),
        Check::DomainIs { name, power } => Ok(domain_is(host, name, *power)),
        Check::SaveWhole { path, domain } => save_whole(host, path, domain),
        Check::Trusted { path } => Ok(trusted(host, path)),
        Check::DisksAsSaved { image, bytes_only } => disks_as_saved(host, image, *bytes_only),
        Check::Says { cmd, text } => says(host, cmd, text),
        Check::Libvirt(check) => Ok(match super::libvirt::holds::ask(host, check) {
            Ok((true, why)) => Found::So(why),
            Ok((false, why)) => Found::NotSo(why),
            Err(why) => Found::Unknown(why),
        }),
        Check::Not { that } => Ok(look(host, that).negated()),
    };
    answer.unwrap_or_else(|error| Found::Unknown(error.to_string()))
}

fn there(host: &dyn Look, path: &HostPath) -> Answer<Option<Stat>> {
    match host.stat(path.as_path(), false) {
        Ok(stat) => Ok(Some(stat)),
        Err(HostError::NotFound) => Ok(None),
        Err(error) => Err(about(path, &error)),
    }
}

fn about(path: &HostPath, error: &HostError) -> HostError {
    HostError::Failed { why: format!("{path}: {error}") }
}

fn exists(host: &dyn Look, path: &HostPath) -> Answer<Found> {
    Ok(match there(host, path)? {
        Some(_) => Found::So(format!("something stands at {path}")),
        None => Found::NotSo(format!("there is no {path}")),
    })
}

fn is(host: &dyn Look, path: &HostPath, inode: (u64, u64)) -> Answer<Found> {
    Ok(match there(host, path)? {
        Some(stat) if (stat.dev, stat.ino) == inode => Found::So(format!("it is the same {path}")),
        Some(_) => Found::NotSo(format!("another file stands at {path} now")),
        None => Found::NotSo(format!("there is no {path}")),
    })
}

fn holds_bytes(host: &dyn Look, path: &HostPath, expected: &str) -> Answer<Found> {
    Ok(match there(host, path)? {
        None => Found::NotSo(format!("there is no {path}")),
        Some(stat) if stat.kind != FileType::Regular => Found::NotSo(format!("{path} is no regular file")),
        Some(stat) if stat.size > MOST_BYTES as u64 => Found::NotSo(format!("{path} is larger than such a file can be")),
        Some(_) => {
            let bytes = read_whole(host, path.as_path(), MOST_BYTES).map_err(|error| about(path, &error))?;
            if blake3::hash(&bytes).to_hex().as_str().eq_ignore_ascii_case(expected) {
                Found::So(format!("{path} is as it was"))
            } else {
                Found::NotSo(format!("{path} holds other bytes now"))
            }
        }
    })
}

/// The directory that a path names, or the nearest above it that is there.
pub fn nearest_directory(host: &dyn Look, path: &Path) -> Answer<(PathBuf, Stat)> {
    for above in path.ancestors() {
        match host.stat(above, true) {
            Ok(stat) if stat.kind == FileType::Directory => return Ok((above.to_path_buf(), stat)),
            // What stands at the path itself lies in the directory above it; and of a file where a directory should be, the next look
            // upwards tells.
            Ok(_) | Err(HostError::Failed { .. }) if above == path => {}
            Ok(_) => return Err(HostError::Refused { why: format!("{} is no directory", HostPath::from(above)) }),
            Err(HostError::NotFound) => {}
            Err(error) => return Err(about(&HostPath::from(above), &error)),
        }
    }
    Err(HostError::NotFound)
}

fn lies_on(host: &dyn Look, path: &HostPath, dev: u64) -> Answer<Found> {
    let found = match host.stat(path.as_path(), true) {
        Ok(stat) if stat.kind == FileType::Regular => stat.dev,
        _ => nearest_directory(host, path.as_path())?.1.dev,
    };
    let name = |dev: u64| format!("{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    Ok(if found == dev {
        Found::So(format!("{path} lies on device {}", name(dev)))
    } else {
        Found::NotSo(format!(
            "{path} lies on another file system than before (device {}, was {}): is it still mounted?",
            name(found),
            name(dev)
        ))
    })
}

fn mounted(host: &dyn Look, at: &HostPath) -> Answer<Found> {
    let table = Path::new("/proc/self/mountinfo");
    let bytes = read_whole(host, table, 4 << 20).map_err(|error| about(&HostPath::from(table), &error))?;
    let real = host.resolve(at.as_path()).map_or_else(|_| at.clone(), HostPath::from);
    let mount = super::mounts::parse_mountinfo(&bytes).into_iter().find(|mount| mount.mount.at == real);
    Ok(match mount {
        Some(mount) => Found::So(format!("{} is mounted at {at}", crate::model::shown::text(&mount.mount.source))),
        None => Found::NotSo(format!("nothing is mounted at {at}")),
    })
}

fn space(host: &dyn Look, path: &HostPath, bytes: u64) -> Answer<Found> {
    let (directory, _) = nearest_directory(host, path.as_path())?;
    let free = host.space(&directory).map_err(|error| about(path, &error))?.free;
    let human = crate::model::bytes::human;
    Ok(if free >= bytes {
        Found::So(format!("{} are free at {path}", human(free)))
    } else {
        Found::NotSo(format!("only {} are free at {path}, {} are needed", human(free), human(bytes)))
    })
}

fn in_use(host: &dyn Look, path: &HostPath) -> Found {
    let users = users::of(host, path);
    if !users.found.is_empty() {
        Found::So(format!("{path} is in use: {}", users.found.join(", ")))
    } else if users.unknown.is_empty() {
        Found::NotSo(format!("nobody uses {path}"))
    } else {
        Found::Unknown(format!("whether somebody uses {path} could not be found out: {}", users.unknown.join("; ")))
    }
}

fn domain_present(host: &dyn Look, name: &str) -> Found {
    domain_row(host, name, |_, _| true)
}

fn domain_is(host: &dyn Look, name: &str, wanted: Power) -> Found {
    domain_row(host, name, |row, name| xl::power(&row.state, name).0 == wanted)
}

/// Whole to the last record, and of that domain; what the toolstack itself does not look at when it resumes.
fn save_whole(host: &dyn Look, path: &HostPath, domain: &str) -> Answer<Found> {
    let Some(stat) = there(host, path)? else { return Ok(Found::NotSo(format!("there is no {path}"))) };
    if stat.kind != FileType::Regular {
        return Ok(Found::NotSo(format!("{path} is no regular file")));
    }
    let file = HostFile { host, path: path.as_path(), size: stat.size };
    let seen = save_image::recognise_within(&file, Budget::for_file(stat.size, WALK)).map_err(|error| about(path, &error))?;
    let Some(seen) = seen else { return Ok(Found::NotSo(format!("{path} is no save image"))) };
    Ok(match (seen.complete, seen.domain.as_deref()) {
        (Some(true), Some(name)) if name == domain => {
            Found::So(format!("{path} holds the whole memory of {}", crate::model::shown::text(name)))
        }
        (Some(true), name) => {
            Found::NotSo(format!("{path} holds the memory of {}", crate::model::shown::text(name.unwrap_or("somebody unnamed"))))
        }
        (Some(false), _) => Found::NotSo(format!("{path} is not whole: {}", seen.cut.unwrap_or_else(|| "its end is missing".into()))),
        (None, _) => Found::Unknown(format!("whether {path} is whole cannot be told")),
    })
}

/// Whatever cannot be looked at is not trusted.
fn trusted(host: &dyn Look, path: &HostPath) -> Found {
    let no = |at: &Path, why: &str| Found::NotSo(format!("{} {why}", HostPath::from(at)));
    if !path.is_absolute() || path.as_path().components().any(|part| part == std::path::Component::ParentDir) {
        return no(path.as_path(), "is no full path");
    }
    // Root's, on every host; on a machine that is laid out in a directory, who laid it out.
    let Ok(root) = host.stat(Path::new("/"), false) else { return no(Path::new("/"), "cannot be looked at") };
    for above in path.as_path().ancestors() {
        let Ok(stat) = host.stat(above, false) else { return no(above, "cannot be looked at") };
        let wanted = if above == path.as_path() { FileType::Regular } else { FileType::Directory };
        if stat.kind != wanted {
            return no(above, if wanted == FileType::Regular { "is no regular file" } else { "is a link, or no directory" });
        }
        if stat.uid != root.uid {
            return no(above, "does not belong to root");
        }
        if stat.mode & 0o022 != 0 {
            return no(above, "can be written by others than root");
        }
        if wanted == FileType::Regular && stat.mode & 0o100 == 0 {
            return no(above, "is not executable");
        }
    }
    Found::So(format!("{path} is root's alone"))
}

fn disks_as_saved(host: &dyn Look, image: &HostPath, bytes_only: bool) -> Answer<Found> {
    let Some(found) = crate::witness::record::compare(host, image, bytes_only)? else {
        return Ok(Found::Unknown(format!("nothing was written down of the disks of {image}")));
    };
    let changed: Vec<String> = found.changed.iter().map(|disk| format!("{}: {}", disk.path, disk.why)).collect();
    Ok(if !changed.is_empty() {
        Found::NotSo(format!("the disks are not as they were saved: {}", changed.join("; ")))
    } else if !found.unsure.is_empty() {
        Found::Unknown(found.unsure.join("; "))
    } else {
        Found::So(found.same.join("; "))
    })
}

fn domain_row(host: &dyn Look, name: &str, fits: impl Fn(&xl::Row, &str) -> bool) -> Found {
    let named = crate::model::shown::text(name);
    let unknown = |why: String| Found::Unknown(format!("whether {named} is there could not be found out: {why}"));
    let output = match host.run(&xl::list_verbose()) {
        Ok(output) if output.ok() => output,
        Ok(output) => return unknown(output.complaint()),
        Err(error) => return unknown(error.to_string()),
    };
    let (rows, lost) = xl::parse_verbose(&String::from_utf8_lossy(&output.stdout));
    // The table cuts trailing blanks.
    match rows.iter().find(|row| row.name.trim_end() == name.trim_end()) {
        Some(row) => {
            let says = format!("{named} is there: domid {}, {}", row.domid, xl::power(&row.state, name).0.as_str());
            if fits(row, name) { Found::So(says) } else { Found::NotSo(says) }
        }
        None if lost > 0 => unknown(format!("{lost} lines of `xl list -v` are not of the form that xl prints")),
        None => Found::NotSo(format!("{named} is off")),
    }
}

fn says(host: &dyn Look, cmd: &Cmd, text: &str) -> Answer<Found> {
    if cmd.effect != Effect::Reads {
        return Err(HostError::Refused { why: format!("`{cmd}` would change the host; it is not run to find something out") });
    }
    let output = host.run(cmd).map_err(|error| HostError::Failed { why: format!("`{cmd}`: {error}") })?;
    if output.exit == 127 {
        return Err(HostError::Failed { why: format!("`{cmd}`: {}", output.complaint()) });
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(if !output.ok() {
        Found::NotSo(format!("`{cmd}` failed: {}", output.complaint()))
    } else if said.contains(text) {
        Found::So(format!("`{cmd}` says {}", crate::model::shown::text(text)))
    } else {
        let first: String = said.trim().chars().take(QUOTED).collect();
        Found::NotSo(format!("`{cmd}` says {}", crate::model::shown::text(&first)))
    })
}

#[cfg(test)]
mod tests;
