//! Makes a capture's folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::format::{ANSWERS, BLOBS, Bytes, Got, HEAD, Head, Line, Piece, SCHEMA, Said, to_hex};
use super::recording::{MOST, Recording};
use crate::host::mask::{mask, masked};
use crate::host::{Answer, DeviceFacts, HostError, Listing, Space, Stat};
use crate::model::{Cmd, Extent, HostPath, Output, shown};

/// More text than this goes into a blob, so that a line can be looked at.
const MOST_TEXT: usize = 64 << 10;
const MOST_HEX: usize = 4 << 10;

/// Gathers answers and writes them as a folder that [`super::Replay`] reads. Secrets are masked as they are written.
///
/// Nothing has the final name before all of it is on the disk. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    target: PathBuf,
    partial: PathBuf,
    head: Head,
    recording: Recording,
    finished: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub answers: usize,
    pub blobs: usize,
    /// Answers that did not fit into a capture.
    pub left_out: usize,
}

impl Writer {
    /// Begins a folder beside its final name.
    ///
    /// # Errors
    /// `Refused` when there is already something at `dir` other than an empty directory.
    pub fn create(dir: &Path, host: &str, taken: DateTime<Utc>) -> Answer<Self> {
        refuse_occupied(dir)?;
        let name = dir.file_name().ok_or_else(|| HostError::Refused { why: "the capture's folder has no name".to_owned() })?;
        let mut partial_name = std::ffi::OsString::from(".");
        partial_name.push(name);
        partial_name.push(format!(".partial-{}", std::process::id()));
        let partial = dir.with_file_name(partial_name);
        DirBuilder::new().mode(0o700).create(&partial).map_err(|error| named(&partial, &error))?;
        Ok(Self {
            target: dir.to_path_buf(),
            partial,
            head: Head {
                schema: SCHEMA,
                domkeep: env!("CARGO_PKG_VERSION").to_owned(),
                host: host.to_owned(),
                taken,
                place: "this machine".to_owned(),
                notes: Vec::new(),
            },
            recording: Recording::default(),
            finished: false,
        })
    }

    /// Where the answers come from, in words.
    pub fn place(&mut self, place: &str) -> &mut Self {
        place.clone_into(&mut self.head.place);
        self
    }

    pub fn note(&mut self, note: &str) -> &mut Self {
        self.head.notes.push(masked(note));
        self
    }

    /// Answers that were gathered elsewhere, in place of those that are here.
    pub fn recorded(&mut self, recording: Recording) -> &mut Self {
        self.recording = recording;
        self
    }

    pub fn command(&mut self, cmd: &Cmd, output: Output) -> &mut Self {
        self.command_answer(cmd, Ok(output))
    }

    pub fn command_answer(&mut self, cmd: &Cmd, answer: Answer<Output>) -> &mut Self {
        self.recording.command(cmd, answer);
        self
    }

    /// A whole file. Without a `stat` its size and times stay unknown. It is taken to be itself, not a link.
    pub fn file(&mut self, path: &Path, stat: Option<Stat>, bytes: &[u8]) -> &mut Self {
        self.head_of(path, stat);
        self.read_answer(path, 0, bytes.len().saturating_add(1), Ok(bytes))
    }

    /// Parts of a file, by offset; what lies between them and its end stay unknown.
    pub fn file_parts<'a>(&mut self, path: &Path, stat: Option<Stat>, parts: impl IntoIterator<Item = (u64, &'a [u8])>) -> &mut Self {
        self.head_of(path, stat);
        for (offset, bytes) in parts {
            self.read_answer(path, offset, bytes.len(), Ok(bytes));
        }
        self
    }

    fn head_of(&mut self, path: &Path, stat: Option<Stat>) {
        if let Some(stat) = stat {
            self.stat(path, false, Ok(stat));
        }
        self.recording.is_itself(path);
    }

    /// What a read of `len` bytes answered; fewer than that means that the file ended there.
    pub fn read_answer(&mut self, path: &Path, offset: u64, len: usize, answer: Answer<&[u8]>) -> &mut Self {
        self.recording.read(path, offset, len, answer);
        self
    }

    pub fn list(&mut self, dir: &Path, answer: Answer<Listing>) -> &mut Self {
        self.recording.list(dir, answer);
        self
    }

    pub fn stat(&mut self, path: &Path, follow: bool, answer: Answer<Stat>) -> &mut Self {
        self.recording.stat(path, follow, answer);
        self
    }

    /// A symbolic link and what is written in it.
    pub fn link(&mut self, path: &Path, answer: Answer<PathBuf>) -> &mut Self {
        self.recording.readlink(path, answer);
        self
    }

    pub fn resolved(&mut self, path: &Path, answer: Answer<PathBuf>) -> &mut Self {
        self.recording.resolve(path, answer);
        self
    }

    pub fn extents(&mut self, path: &Path, answer: Answer<Vec<Extent>>) -> &mut Self {
        self.recording.extents(path, answer);
        self
    }

    pub fn space(&mut self, path: &Path, answer: Answer<Space>) -> &mut Self {
        self.recording.space(path, answer);
        self
    }

    pub fn device(&mut self, path: &Path, answer: Answer<DeviceFacts>) -> &mut Self {
        self.recording.device(path, answer);
        self
    }

    /// There is nothing at this path, nor below it.
    pub fn missing(&mut self, path: &Path) -> &mut Self {
        self.recording.missing(path);
        self
    }

    /// Writes everything, syncs it, and gives the folder its name.
    pub fn finish(mut self) -> Answer<Written> {
        if self.recording.left_out > 0 {
            let most = crate::model::bytes::human(MOST as u64);
            let note = format!("{} answers were left out: a capture holds at most {most}", self.recording.left_out);
            self.head.notes.push(note);
        }
        let written = self.write().map_err(|error| named(&self.partial, &error))?;
        refuse_occupied(&self.target)?;
        // Onto an empty directory a rename is allowed, onto anything else the kernel refuses it (rename(2)).
        fs::rename(&self.partial, &self.target).map_err(|error| named(&self.target, &error))?;
        self.finished = true;
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| named(parent, &error))?;
        Ok(written)
    }

    fn write(&self) -> std::io::Result<Written> {
        DirBuilder::new().mode(0o700).create(self.partial.join(BLOBS))?;
        let head = toml::to_string(&self.head).map_err(std::io::Error::other)?;
        let mut file = create(&self.partial.join(HEAD))?;
        file.write_all(head.as_bytes())?;
        file.sync_all()?;
        let mut sheet =
            Sheet { out: BufWriter::new(create(&self.partial.join(ANSWERS))?), blobs: self.partial.join(BLOBS), lines: 0, count: 0 };
        self.write_answers(&mut sheet)?;
        let written = Written { answers: sheet.lines, blobs: sheet.count, left_out: self.recording.left_out };
        sheet.out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        File::open(self.partial.join(BLOBS))?.sync_all()?;
        File::open(&self.partial)?.sync_all()?;
        Ok(written)
    }

    fn write_answers(&self, sheet: &mut Sheet) -> std::io::Result<()> {
        let answers = &self.recording.answers;
        for ((argv, stdin), answer) in &answers.runs {
            let mut words = masked_words(argv).into_iter();
            let program = words.next().unwrap_or_default();
            let args = words.collect();
            let stdin = (!stdin.is_empty()).then(|| sheet.bytes(stdin)).transpose()?;
            let got = match answer {
                Ok(output) => Got::Answer(Said {
                    exit: output.exit,
                    stdout: sheet.bytes(&output.stdout)?,
                    stderr: sheet.bytes(&output.stderr)?,
                    milliseconds: u64::try_from(output.took.as_millis()).unwrap_or(u64::MAX),
                }),
                Err(error) => Got::Failed(masked_error(error)),
            };
            sheet.line(&Line::Run { program, args, stdin, got })?;
        }
        for (path, segments) in &answers.reads {
            let path = HostPath::from(path.as_path());
            let mut end_told = false;
            for (offset, part) in segments.parts() {
                let end = segments.end() == offset.checked_add(part.len() as u64);
                end_told |= end;
                let piece = Piece { bytes: sheet.bytes(part)?, end };
                sheet.line(&Line::Read { path: path.clone(), offset, got: Got::Answer(piece) })?;
            }
            if let Some(end) = segments.end().filter(|_| !end_told) {
                let piece = Piece { bytes: Bytes::Text(String::new()), end: true };
                sheet.line(&Line::Read { path: path.clone(), offset: end, got: Got::Answer(piece) })?;
            }
            for (offset, error) in segments.failures() {
                sheet.line(&Line::Read { path: path.clone(), offset, got: Got::Failed(masked_error(error)) })?;
            }
        }
        for (path, answer) in &answers.lists {
            sheet.line(&Line::List { path: path.as_path().into(), got: got(answer) })?;
        }
        for ((path, follow), answer) in &answers.stats {
            sheet.line(&Line::Stat { path: path.as_path().into(), follow: *follow, got: got(answer) })?;
        }
        for (path, answer) in &answers.resolves {
            sheet.line(&Line::Resolve { path: path.as_path().into(), got: got(&answer.clone().map(HostPath::from)) })?;
        }
        for (path, answer) in &answers.links {
            sheet.line(&Line::Readlink { path: path.as_path().into(), got: got(&answer.clone().map(HostPath::from)) })?;
        }
        for (path, answer) in &answers.extents {
            sheet.line(&Line::Extents { path: path.as_path().into(), got: got(answer) })?;
        }
        for (path, answer) in &answers.spaces {
            sheet.line(&Line::Space { path: path.as_path().into(), got: got(answer) })?;
        }
        for (path, answer) in &answers.devices {
            sheet.line(&Line::Device { path: path.as_path().into(), got: got(answer) })?;
        }
        for path in &answers.missing {
            sheet.line(&Line::Missing { path: path.as_path().into() })?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // Ours alone: `create` made it and fails when it is there already.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

fn refuse_occupied(dir: &Path) -> Answer<()> {
    let why = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(dir, &error)),
        Ok(facts) if !facts.is_dir() => "is not a directory",
        Ok(_) if fs::read_dir(dir).map_err(|error| named(dir, &error))?.next().is_none() => return Ok(()),
        Ok(_) => "is not empty",
    };
    Err(HostError::Refused { why: format!("{} {why}", HostPath::from(dir)) })
}

/// A command line masked as a whole: a password may be the word after its option.
fn masked_words(argv: &[String]) -> Vec<String> {
    let whole = masked(&argv.join("\0"));
    let words: Vec<String> = whole.split('\0').map(str::to_owned).collect();
    if words.len() == argv.len() { words } else { argv.iter().map(|word| masked(word)).collect() }
}

fn got<T: Clone>(answer: &Answer<T>) -> Got<T> {
    match answer {
        Ok(answer) => Got::Answer(answer.clone()),
        Err(error) => Got::Failed(masked_error(error)),
    }
}

fn masked_error(error: &HostError) -> HostError {
    match error {
        HostError::Failed { why } => HostError::Failed { why: masked(why) },
        HostError::Refused { why } => HostError::Refused { why: masked(why) },
        other => other.clone(),
    }
}

fn named(path: &Path, error: &std::io::Error) -> HostError {
    HostError::Failed { why: format!("{}: {error}", HostPath::from(path)) }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// `answers.jsonl` and the blobs beside it.
struct Sheet {
    out: BufWriter<File>,
    blobs: PathBuf,
    lines: usize,
    count: usize,
}

impl Sheet {
    fn line(&mut self, line: &Line) -> std::io::Result<()> {
        let text = serde_json::to_string(line).map_err(std::io::Error::other)?;
        // Fit to be looked at with any pager: a guest's escape sequences stay escaped.
        writeln!(self.out, "{}", shown::json(&text))?;
        self.lines += 1;
        Ok(())
    }

    /// The one place where a host's bytes become a capture's: here they are masked.
    fn bytes(&mut self, bytes: &[u8]) -> std::io::Result<Bytes> {
        let mut bytes = bytes.to_vec();
        mask(&mut bytes);
        if bytes.len() <= MOST_TEXT && std::str::from_utf8(&bytes).is_ok() {
            return Ok(Bytes::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if bytes.len() <= MOST_HEX {
            return Ok(Bytes::Hex { hex: to_hex(&bytes) });
        }
        self.count += 1;
        let blob = format!("{:04}", self.count);
        let mut file = create(&self.blobs.join(&blob))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(Bytes::Blob { blob })
    }
}
