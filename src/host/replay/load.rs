//! Reads a capture's folder. Its files are opened beneath it, are plain files, and are bounded.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};

use super::answers::Answers;
use super::format::{ANSWERS, BLOBS, Bytes, Got, HEAD, Head, Line, SCHEMA, Said, from_hex, is_blob_name};
use crate::host::{Answer, HostError};
use crate::model::{Output, shown};

const MOST_HEAD: u64 = 1 << 20;
/// Of `answers.jsonl`, and of all bytes in memory.
const MOST: u64 = 1 << 30;
const MOST_LINE: u64 = 64 << 20;

pub fn load(dir: &Path) -> Answer<(Head, Answers)> {
    let folder = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let head = head(&folder)?;
    let mut loader = Loader { folder: &folder, blobs: None, room: MOST, answers: Answers::default() };
    let mut lines = BufReader::new(open_plain(&folder, ANSWERS, MOST)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let got = lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)?;
        if got == 0 {
            break;
        }
        let broken = |why: &str| HostError::Failed { why: format!("{ANSWERS}, line {number}: {why}") };
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(broken(if got as u64 == MOST_LINE { "longer than a line may be" } else { "cut short" }));
        }
        let parsed: Line = serde_json::from_slice(&line).map_err(|error| broken(&shown::text(&error.to_string())))?;
        loader.take(parsed, got as u64).map_err(|why| broken(&why))?;
    }
    Ok((head, loader.answers))
}

fn failed(why: String) -> HostError {
    HostError::Failed { why }
}

fn head(folder: &OwnedFd) -> Answer<Head> {
    let mut text = String::new();
    open_plain(folder, HEAD, MOST_HEAD)?.take(MOST_HEAD).read_to_string(&mut text).map_err(|error| failed(format!("{HEAD}: {error}")))?;
    // The schema first: a later one may well not fit the rest.
    let raw: toml::Table = text.parse().map_err(|error: toml::de::Error| failed(format!("{HEAD}: {}", shown::text(error.message()))))?;
    match raw.get("schema").and_then(toml::Value::as_integer) {
        Some(schema) if schema == i64::from(SCHEMA) => {}
        Some(schema) => return Err(failed(format!("{HEAD}: schema {schema}; this domkeep reads schema {SCHEMA}"))),
        None => return Err(failed(format!("{HEAD}: no schema"))),
    }
    raw.try_into().map_err(|error: toml::de::Error| failed(format!("{HEAD}: {}", shown::text(error.message()))))
}

/// Opens a plain file that lies directly in a folder, not one that a link leads to.
fn open_plain(folder: &OwnedFd, name: &str, most: u64) -> Answer<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let named = |why: &str| failed(format!("{name}: {why}"));
    let fd = rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT => named("missing: this is no capture, or not a whole one"),
        rustix::io::Errno::LOOP => named("a symbolic link"),
        other => named(&std::io::Error::from(other).to_string()),
    })?;
    let facts = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Err(named("not a plain file"));
    }
    if u64::try_from(facts.st_size).map_or(true, |size| size > most) {
        return Err(named("larger than a capture may be"));
    }
    Ok(File::from(fd))
}

struct Loader<'a> {
    folder: &'a OwnedFd,
    blobs: Option<OwnedFd>,
    /// Bytes that may still be taken into memory.
    room: u64,
    answers: Answers,
}

impl Loader<'_> {
    fn spend(&mut self, bytes: u64) -> Result<(), String> {
        self.room = self.room.checked_sub(bytes).ok_or("more than a capture may hold")?;
        Ok(())
    }

    fn take(&mut self, line: Line, length: u64) -> Result<(), String> {
        self.spend(length)?;
        match line {
            Line::Run { program, args, stdin, got } => {
                let stdin = stdin.map(|bytes| self.bytes(bytes)).transpose()?.unwrap_or_default();
                let answer = match got {
                    Got::Answer(said) => Ok(self.output(said)?),
                    Got::Failed(error) => Err(error),
                };
                let argv = std::iter::once(program).chain(args).collect();
                self.answers.runs.insert((argv, stdin), answer);
            }
            Line::Read { path, offset, got } => {
                let got = match got {
                    Got::Answer(piece) => Ok((self.bytes(piece.bytes)?, piece.end)),
                    Got::Failed(error) => Err(error),
                };
                let segments = self.answers.reads.entry(path.as_path().to_path_buf()).or_default();
                match got {
                    Ok((bytes, end)) if !segments.add(offset, &bytes, end) => return Err("a range beyond the end of any file".to_owned()),
                    Ok(_) => {}
                    Err(error) => segments.fail(offset, error),
                }
            }
            Line::List { path, got } => insert(&mut self.answers.lists, path.as_path(), got),
            Line::Stat { path, follow, got } => {
                self.answers.stats.insert((path.as_path().to_path_buf(), follow), got.into_result());
            }
            Line::Resolve { path, got } => {
                let answer = got.into_result().map(|target| target.as_path().to_path_buf());
                self.answers.resolves.insert(path.as_path().to_path_buf(), answer);
            }
            Line::Readlink { path, got } => {
                let answer = got.into_result().map(|target| target.as_path().to_path_buf());
                self.answers.links.insert(path.as_path().to_path_buf(), answer);
            }
            Line::Extents { path, got } => insert(&mut self.answers.extents, path.as_path(), got),
            Line::Space { path, got } => insert(&mut self.answers.spaces, path.as_path(), got),
            Line::Device { path, got } => insert(&mut self.answers.devices, path.as_path(), got),
            Line::Missing { path } => {
                self.answers.missing.insert(path.as_path().to_path_buf());
            }
        }
        Ok(())
    }

    fn output(&mut self, said: Said) -> Result<Output, String> {
        Ok(Output {
            exit: said.exit,
            stdout: self.bytes(said.stdout)?,
            stderr: self.bytes(said.stderr)?,
            took: Duration::from_millis(said.milliseconds),
        })
    }

    fn bytes(&mut self, bytes: Bytes) -> Result<Vec<u8>, String> {
        match bytes {
            Bytes::Text(text) => Ok(text.into_bytes()),
            Bytes::Hex { hex } => from_hex(&hex).ok_or_else(|| "hexadecimal digits that are none".to_owned()),
            Bytes::Blob { blob } => self.blob(&blob),
        }
    }

    fn blob(&mut self, name: &str) -> Result<Vec<u8>, String> {
        if !is_blob_name(name) {
            return Err(format!("{:?} is no blob's name", shown::text(name)));
        }
        let said = |error: HostError| format!("{BLOBS}/{error}");
        if self.blobs.is_none() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(self.folder, BLOBS, flags, Mode::empty());
            self.blobs = Some(opened.map_err(|error| format!("{BLOBS}: {}", std::io::Error::from(error)))?);
        }
        let Some(folder) = &self.blobs else { return Err(format!("{BLOBS}: missing")) };
        let file = open_plain(folder, name, self.room).map_err(said)?;
        let mut bytes = Vec::new();
        // The file may grow while it is read.
        file.take(self.room.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| said(error.into()))?;
        self.spend(bytes.len() as u64)?;
        Ok(bytes)
    }
}

fn insert<T>(map: &mut std::collections::BTreeMap<std::path::PathBuf, Answer<T>>, path: &Path, got: Got<T>) {
    map.insert(path.to_path_buf(), got.into_result());
}
