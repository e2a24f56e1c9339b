//! Making the file system and filling it: by mounting it, or where nothing may be mounted, by mke2fs and debugfs.

use crate::model::request::{FileSystem, NewDisk, Populate};
use crate::model::{Action, Check, Cleanup, Cmd, HostPath, Question, Stands, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, if_known, no};
use crate::plan::mounting::{self, Mounting};
use crate::plan::{Setting, again, paths, text};

/// A copy of a whole system takes its time; it is told as slow after this, never killed.
pub(crate) const SLOW: u64 = 3600;
/// More of an fstab is not read.
const LONGEST_FSTAB: usize = 64 << 10;

/// How the new file system comes to its files.
pub(crate) struct Filling {
    way: Way,
    /// What will stand in /etc/fstab and /etc/hostname inside.
    fstab: Option<Vec<u8>>,
    hostname: Option<Vec<u8>>,
    warnings: Vec<String>,
    /// The fstab or the directory /etc is there in the source, as far as that can be known.
    has_etc: bool,
    /// It comes out of an archive.
    unpacks: bool,
}

/// A volume is a device, and no file.
fn in_volume(request: &NewDisk) -> bool {
    request.path.starts_with("/dev")
}

#[derive(PartialEq)]
enum Way {
    /// Only the file system, or not even that.
    Bare,
    Mounted,
    /// `mke2fs -d`.
    Unmounted,
}

pub(super) fn questions(request: &NewDisk) -> Vec<Question> {
    match &request.populate {
        Populate::Nothing => Vec::new(),
        Populate::Directory { path } => {
            let place = |path: HostPath| Question::Place { path };
            let mut questions = vec![place(path.clone()), place(path.join("etc"))];
            if request.fstab {
                questions.push(Question::BytesOf { path: path.join("etc/fstab") });
            }
            questions
        }
        Populate::Archive { path } => vec![Question::Place { path: path.clone() }],
    }
}

pub(super) fn look(request: &NewDisk, facts: &Facts<'_>, setting: &Setting, vdev: Option<&str>) -> Go<Filling> {
    let mut warnings = Vec::new();
    let mut has_etc = true;
    let way = match &request.populate {
        Populate::Nothing => Way::Bare,
        _ if setting.can_mount => Way::Mounted,
        _ if matches!(request.file_system, FileSystem::Ext4 | FileSystem::Ext3) => Way::Unmounted,
        _ => {
            return no(
                "needs-mount",
                format!("{} can only be filled while it is mounted, which is not possible here", request.file_system.as_str()),
                "run domkeep as root on the host itself, or choose ext4",
            );
        }
    };
    match &request.populate {
        Populate::Nothing => {}
        Populate::Directory { path } => {
            paths::check(path)?;
            let (place, real) = paths::follow(facts, path)?;
            if place.stands != Stands::Directory {
                return no("source-missing", format!("{path} is no directory of this host"), "name one that is there");
            }
            if request.path.starts_with(&real) && real.as_bytes() != b"/" {
                return no(
                    "inside-source",
                    format!("{} lies in {path}: the copy would copy itself", request.path),
                    "put the disk somewhere else",
                );
            }
            has_etc = if_known(facts.place(&path.join("etc")))?.is_none_or(|place| place.stands == Stands::Directory);
            warnings.push(format!("What is mounted below {path} is not copied: a separate /var or /home comes out empty."));
            if real.as_bytes() == b"/" {
                warnings.push("The running system is copied: files that change meanwhile are copied as they are at that moment.".into());
            }
        }
        Populate::Archive { path } => {
            paths::check(path)?;
            let (place, _) = paths::follow(facts, path)?;
            if place.stands != Stands::File {
                return no("source-missing", format!("{path} is no file of this host"), "name an archive that is there");
            }
            let room = if in_volume(request) { request.bytes } else { facts.place(&paths::parent(&request.path))?.free.min(request.bytes) };
            if place.bytes.is_some_and(|packed| packed > room) {
                let packed = bytes::human(place.bytes.unwrap_or_default());
                return no(
                    "no-room",
                    format!("the archive alone is {packed}, more than the new disk or the room for it"),
                    "take a larger disk, or make room",
                );
            }
        }
    }
    if way == Way::Unmounted {
        warnings.push("Nothing can be mounted here, so the file system is filled without mounting it: files that you may not read are missing, and the rest belongs to whom you see as its owner.".into());
        if matches!(request.populate, Populate::Archive { .. }) {
            warnings.push("The archive is unpacked by an ordinary user first: owners, device nodes and some attributes are lost. As root on the host they are kept.".into());
        }
        if text(&setting.job_dir).contains(['"', '\n']) {
            return no(
                "job-folder-name",
                format!("debugfs cannot be told of {}", setting.job_dir),
                "use a state directory without quotation marks in its name",
            );
        }
    }
    let fstab = if request.fstab { Some(fstab(request, facts, vdev, &mut warnings)?) } else { None };
    let hostname = request.hostname.as_ref().map(|name| format!("{name}\n").into_bytes());
    if !has_etc && (fstab.is_some() || hostname.is_some()) {
        return no(
            "no-etc",
            "there is no directory /etc in the source, so this is no system that could be tailored",
            "leave fstab and host name alone, or name the root of a system",
        );
    }
    Ok(Filling { way, fstab, hostname, warnings, has_etc, unpacks: matches!(request.populate, Populate::Archive { .. }) })
}

/// The source's fstab with another root, or a fresh one.
fn fstab(request: &NewDisk, facts: &Facts<'_>, vdev: Option<&str>, warnings: &mut Vec<String>) -> Go<Vec<u8>> {
    let device = match (vdev, &request.label) {
        (Some(vdev), _) => format!("/dev/{vdev}"),
        (None, Some(label)) => format!("LABEL={label}"),
        (None, None) => {
            warnings.push("fstab names /dev/xvda as /: that is right when the disk becomes the first one of a domain.".into());
            "/dev/xvda".into()
        }
    };
    let root = format!("{device}\t/\t{}\tdefaults\t0\t1\n", request.file_system.as_str());
    let Populate::Directory { path } = &request.populate else {
        warnings.push("fstab is written anew: what the archive has in it is replaced.".into());
        return Ok(root.into_bytes());
    };
    let Some((old, _)) = if_known(facts.bytes(&path.join("etc/fstab")))? else {
        return Ok(root.into_bytes());
    };
    if old.len() > LONGEST_FSTAB {
        return no("fstab-too-large", "the source's fstab is no fstab", "leave it alone, and write it by hand");
    }
    let (text, others) = with_root(old, root.as_bytes());
    if others > 0 {
        warnings.push(format!("{others} other lines of the source's fstab stay: if they name disks that the guest does not have, its boot waits or stops there."));
    }
    Ok(text)
}

/// Every line but those that mount /; and how many of the others mount something from a device.
fn with_root(old: &[u8], root: &[u8]) -> (Vec<u8>, usize) {
    let mut out = root.to_vec();
    let mut others = 0;
    for line in old.split_inclusive(|c| *c == b'\n') {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (what, at) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let comment = what.starts_with(b"#");
        if !comment && at == b"/" {
            continue;
        }
        others += usize::from(!comment && (what.starts_with(b"/dev/") || what.contains(&b'=')));
        out.extend_from_slice(line);
    }
    (out, others)
}

impl Filling {
    pub fn tools(&self, file_system: FileSystem) -> Vec<(&'static str, &'static str)> {
        let mut tools = match file_system {
            FileSystem::Ext4 | FileSystem::Ext3 => vec![("mke2fs", "e2fsprogs"), ("e2fsck", "e2fsprogs")],
            FileSystem::Xfs => vec![("mkfs.xfs", "xfsprogs"), ("xfs_repair", "xfsprogs")],
            FileSystem::Btrfs => vec![("mkfs.btrfs", "btrfs-progs"), ("btrfs", "btrfs-progs")],
            FileSystem::None => Vec::new(),
        };
        match self.way {
            Way::Mounted => tools.extend(mounting::TOOLS.into_iter().chain([("cp", "coreutils"), ("tar", "tar")])),
            Way::Unmounted => {
                tools.extend(self.tailors().then_some(("debugfs", "e2fsprogs")));
                if self.unpacks {
                    tools.extend([("tar", "tar"), ("rm", "coreutils")]);
                }
            }
            Way::Bare => {}
        }
        tools
    }

    fn tailors(&self) -> bool {
        self.fstab.is_some() || self.hostname.is_some()
    }

    /// Makes the file system on `partial`, a file or device that the job made, and fills it.
    pub fn steps(&self, draft: &mut Draft, request: &NewDisk, partial: &HostPath, setting: &Setting) {
        for warning in &self.warnings {
            draft.warn(warning.clone());
        }
        match self.way {
            Way::Bare => bare(draft, request, partial),
            Way::Mounted => self.mounted(draft, request, partial, &setting.job_dir.join("mnt")),
            Way::Unmounted => self.unmounted(draft, request, partial, setting),
        }
    }

    fn mounted(&self, draft: &mut Draft, request: &NewDisk, partial: &HostPath, at: &HostPath) {
        let since = format(draft, request, partial, None);
        let mounting = Mounting {
            disk: partial,
            options: if in_volume(request) { &[] } else { &["loop"] },
            at,
            says: "Mount the new file system",
            why: "Without devices, programs and set-user-id files: what is copied into it cannot act on this host.",
            since,
            slow: SLOW,
        };
        mounting.around(draft, |draft| {
            put_into(draft, &request.populate, at, true);
            for (name, content) in self.files() {
                draft.step(
                    format!("Write /{name} inside"),
                    "So that the guest finds its own disk and name. No link inside the new file system can lead the file out of it.",
                    Action::WriteBeneath { root: at.clone(), path: HostPath::from(name), bytes: content.clone(), mode: 0o644 },
                );
            }
        });
    }

    fn unmounted(&self, draft: &mut Draft, request: &NewDisk, partial: &HostPath, setting: &Setting) {
        let since = draft.len();
        let mut reset = None;
        let source = match &request.populate {
            Populate::Directory { path } => path.clone(),
            Populate::Nothing => return bare(draft, request, partial),
            Populate::Archive { path } => {
                let staging = setting.job_dir.join("unpacked");
                draft.step(
                    "Make a place to unpack the archive",
                    "In the job's own folder.",
                    Action::MakeDirectory { path: staging.clone(), mode: 0o700 },
                );
                let step = draft.run(
                    format!("Unpack {path}"),
                    "mke2fs fills a file system from a directory.",
                    Cmd::changes("tar", untar(path, &staging, false)).within(SLOW),
                );
                let remove = removal(&staging, "Remove what was unpacked");
                draft.cleanup_by(step, remove.clone());
                reset = Some(remove);
                staging
            }
        };
        format(draft, request, partial, Some(&source));
        if !self.tailors() {
            draft.stretch(since, reset);
            return;
        }
        let first_line = |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|c| *c == b'\n').next().unwrap_or_default()).into_owned();
        let files: Vec<Inner> = self.files().map(|(name, bytes)| Inner { name, bytes: bytes.clone(), tells: first_line(bytes) }).collect();
        tailor(draft, setting, &Tailored { disk: &text(partial), files: &files, prefix: "" });
        draft.stretch(since, reset);
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &Vec<u8>)> {
        let fstab = self.fstab.iter().map(|bytes| ("etc/fstab", bytes));
        fstab.chain(self.hostname.iter().map(|bytes| ("etc/hostname", bytes))).filter(|_| self.has_etc)
    }
}

/// A file that is written into a file system.
pub(crate) struct Inner {
    /// Without a slash before it.
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// What only the new file has in it.
    pub tells: String,
}

/// Files that are written into an ext file system without mounting it.
pub(crate) struct Tailored<'a> {
    /// As the tools of ext call it.
    pub disk: &'a str,
    pub files: &'a [Inner],
    /// Of the names that they have in the job's folder.
    pub prefix: &'a str,
}

pub(crate) fn tailor(draft: &mut Draft, setting: &Setting, wanted: &Tailored<'_>) {
    let Tailored { disk, files, prefix } = wanted;
    let mut script = String::new();
    for Inner { name, bytes, .. } in *files {
        let (directory, file) = name.rsplit_once('/').unwrap_or(("", name));
        let kept = setting.job_dir.join(format!("{prefix}{file}").as_str());
        draft.step(
            format!("Write the new /{name}"),
            "Into the job's folder first.",
            Action::WriteFile { path: kept.clone(), bytes: bytes.clone(), mode: 0o600 },
        );
        // debugfs removes a file only where there is one, says so otherwise, and goes on.
        script.push_str(&format!("cd /{directory}\nrm {file}\nwrite \"{}\" {file}\n", text(&kept)));
        script.push_str(&format!("sif {file} mode 0100644\nsif {file} uid 0\nsif {file} gid 0\n"));
    }
    let orders = setting.job_dir.join(format!("{prefix}debugfs.orders").as_str());
    draft.step(
        "Write down what debugfs shall do",
        "Only fixed names inside the new file system.",
        Action::WriteFile { path: orders.clone(), bytes: script.into_bytes(), mode: 0o600 },
    );
    let step = draft.run(
        "Put them into the file system",
        "debugfs writes into it without mounting it.",
        Cmd::changes("debugfs", ["-w".to_owned(), "-f".to_owned(), text(&orders), (*disk).to_owned()]),
    );
    // The orders remove first what they write.
    draft.done(step, again::never());
    for Inner { name, tells, .. } in *files {
        // debugfs ends well whatever went wrong.
        let cmd = Cmd::reads("debugfs", ["-R".to_owned(), format!("cat /{name}"), (*disk).to_owned()]);
        let check = Check::Says { cmd, text: tells.clone() };
        draft.step(
            format!("Look whether /{name} is in it"),
            "debugfs says nothing when it could not write.",
            Action::WaitFor { check, limit_seconds: 5 },
        );
    }
}

/// The file system alone.
fn bare(draft: &mut Draft, request: &NewDisk, partial: &HostPath) {
    if let Some(step) = format(draft, request, partial, None) {
        draft.stretch(step, None);
    }
}

/// Makes the file system, and gives the step; `-F` and `-f` force only what this job made, also what an interruption left on it.
fn format(draft: &mut Draft, request: &NewDisk, partial: &HostPath, from: Option<&HostPath>) -> Option<usize> {
    let mut args: Vec<String> = Vec::new();
    let program = match request.file_system {
        FileSystem::Ext4 | FileSystem::Ext3 => {
            args.extend(["-t", request.file_system.as_str(), "-F", "-q"].map(str::to_owned));
            "mke2fs"
        }
        FileSystem::Xfs => {
            args.extend(["-f", "-q"].map(str::to_owned));
            "mkfs.xfs"
        }
        FileSystem::Btrfs => {
            args.extend(["-f", "-q"].map(str::to_owned));
            "mkfs.btrfs"
        }
        FileSystem::None => return None,
    };
    if let Some(label) = &request.label {
        args.extend(["-L".to_owned(), label.clone()]);
    }
    if let Some(from) = from {
        args.extend(["-d".to_owned(), text(from)]);
    }
    args.push(text(partial));
    let says = match from {
        Some(from) => format!("Make {} on it, with what lies in {from}", request.file_system.as_str()),
        None => format!("Make {} on it", request.file_system.as_str()),
    };
    let made = if in_volume(request) {
        "On the volume that this job made, and nothing else."
    } else {
        "On the file that this job made, and nothing else."
    };
    Some(draft.run(says, made, Cmd::changes(program, args).within(SLOW)))
}

/// The step that brings a source into an empty directory, when there is a source. Gives its index.
pub(crate) fn put_into(draft: &mut Draft, populate: &Populate, at: &HostPath, as_root: bool) -> Option<usize> {
    match populate {
        Populate::Nothing => None,
        Populate::Directory { path } => {
            let from = format!("{}/.", text(path).trim_end_matches('/'));
            let cmd = Cmd::changes("cp", ["-ax".to_owned(), "--".to_owned(), from, format!("{}/", text(at))]).within(SLOW);
            let why = "With owners, times, links and attributes, and without what is mounted below it.";
            Some(draft.run(format!("Copy {path} into it"), why, cmd))
        }
        Populate::Archive { path } => {
            let cmd = Cmd::changes("tar", untar(path, at, as_root)).within(SLOW);
            let why = "With the owners by their numbers, as they are in the archive, and with extended attributes.";
            Some(draft.run(format!("Unpack {path} into it"), why, cmd))
        }
    }
}

/// Takes a directory of the job's own away, with all that lies in it.
pub(crate) fn removal(directory: &HostPath, says: &str) -> Cleanup {
    let words = ["-r", "-f", "--one-file-system", "--"].map(str::to_owned).into_iter().chain([text(directory)]);
    Cleanup {
        says: says.into(),
        action: Action::Run { cmd: Cmd::changes("rm", words) },
        needed: Some(Check::Exists { path: directory.clone() }),
    }
}

/// A name with a colon in it is no other host (`--force-local`).
fn untar(archive: &HostPath, into: &HostPath, as_root: bool) -> Vec<String> {
    let mut words: Vec<String> = ["--force-local", "--numeric-owner"].map(str::to_owned).to_vec();
    words.push(if as_root { "--same-owner".into() } else { "--no-same-owner".into() });
    if as_root {
        words.extend(["--xattrs", "--xattrs-include=*"].map(str::to_owned));
    }
    words.extend(["-x".to_owned(), "-p".to_owned(), "-f".to_owned(), text(archive), "-C".to_owned(), text(into)]);
    words
}
