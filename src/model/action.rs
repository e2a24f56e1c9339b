//! One deed of a plan. The enum is closed: what is not here, domkeep cannot do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bundle::Manifest;
use super::cmd::shell_word;
use super::plan::Check;
use super::{Cmd, FindChanged, HostPath, Keeping, Location};

/// One deed. [`Action::command`] alone derives the line for preview, script and execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Run a tool of the host. Its exit status decides; it is never killed.
    Run { cmd: Cmd },
    /// Look again and again until it holds; failed after the limit. Changes nothing.
    WaitFor { check: Check, limit_seconds: u64 },
    /// A new file, written under a partial name, synced, renamed without replacing.
    WriteFile { path: HostPath, bytes: Vec<u8>, mode: u32 },
    /// Replace a file whose present bytes hash to `expect_blake3`; the old one is kept in the job's folder, mode and owner stay.
    ReplaceFile { path: HostPath, bytes: Vec<u8>, expect_blake3: String },
    /// Write a file inside a tree that a stranger may have laid out (a mounted guest file system): no link of it leads outside.
    WriteBeneath { root: HostPath, path: HostPath, bytes: Vec<u8>, mode: u32 },
    /// A sparse file of this length that did not exist. It reads as zeros.
    MakeSparse { path: HostPath, bytes: u64, mode: u32 },
    /// A new file that shares its blocks with another one until either is written to (FICLONE; XFS and btrfs).
    Reflink { from: HostPath, to: HostPath, mode: u32 },
    /// One directory that did not exist.
    MakeDirectory { path: HostPath, mode: u32 },
    /// Give a file or directory another name on the same file system; nothing is replaced. `expect` is the device and inode of what must stand
    /// at `from` when this job did not make it.
    Rename { from: HostPath, to: HostPath, expect: Option<(u64, u64)> },
    /// Remove one file, when its device and inode are these. It cannot be taken back.
    Remove { path: HostPath, inode: (u64, u64) },
    /// Ask those who keep book what changed on these disks since the last backup. Where nobody can tell, all of it has.
    FindChanged { disks: Vec<FindChanged> },
    /// Copy blocks.
    Copy {
        copies: Vec<DiskCopy>,
        /// How many run at the same time.
        at_once: usize,
        /// Bytes per second of all together; nothing: as fast as it goes.
        rate: Option<u64>,
    },
    /// Bring pieces of a damaged backup back as far as they are readable. Nothing of it is good.
    Salvage { pieces: Vec<super::salvage::Salvage> },
    /// Say which files lie in the damaged ranges that the [`Action::Salvage`] of step `from` found.
    NameLostFiles { from: usize, disks: Vec<super::salvage::DamagedDisk> },
    /// Give a volume the state back that a snapshot of this job's holds; refused while somebody uses the volume, because LVM would put it off.
    MergeBack { snapshot: String, origin: HostPath },
    /// Remember what would tell that somebody wrote to these disks: sizes, times, write counters, samples; and that the domain is off.
    Witness { domain: Option<String>, disks: Vec<Location> },
    /// Compare with what the [`Action::Witness`] of this plan remembered. What differs makes the result torn, not good.
    CompareWitness,
    /// Write a running domain's memory to a file.
    SaveDomain { save: Box<super::SaveDomain> },
    /// Bring a domain back from its save image, unless it is there already. Refused when its disks are not as [`Action::SaveDomain`] of this
    /// plan left them.
    ResumeSaved {
        domain: String,
        image: HostPath,
        /// Nothing: xl drives it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        libvirt: Option<super::OfLibvirt>,
    },
    /// Write what a save image's disks are now beside it, so that whoever resumes it sees whether they changed since.
    RecordDisks { domain: String, image: HostPath, disks: Vec<super::saved::DiskFacts> },
    /// Do it if it can be done now; if not, that is noted, and a cleanup does it at the end.
    Try { that: Box<Action> },
    /// Hash a file of the bundle that no copy made, block by block.
    HashPiece { label: String, path: HostPath, hashes_to: HostPath },
    /// Write manifest and RESTORE.txt into a bundle that is still under its partial name, sync everything, and give it its final name.
    /// Digests, times and what was found unreadable or torn are filled in from the journal.
    SealBundle {
        partial: HostPath,
        bundle: HostPath,
        draft: Box<Manifest>,
        /// The step whose beginning is the instant of the backup; nothing: the first copy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instant: Option<usize>,
    },
    /// Remove a bundle that this job put aside: it gets the name `gone`, the files of these names in it are removed, and then itself. What else lies
    /// there stays.
    RemoveBundle { aside: HostPath, gone: HostPath, names: Vec<String> },
    /// End an overlay that a domain of libvirt's writes to: into the image below, proven, removed.
    FoldOverlay { fold: Box<super::FoldOverlay> },
    /// Read pieces of a bundle and compare them with their hashes; no names: all.
    VerifyBundle { bundle: HostPath, pieces: Vec<String> },
}

/// One copy of blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskCopy {
    /// What a person calls it: `xvda`, `config`.
    pub label: String,
    pub from: Location,
    pub to: Location,
    /// The destination is made by this copy (a new file, mode 0600), so that it is known to be zero where nothing is written.
    pub new: bool,
    /// Write the block hashes of what was copied to this file.
    pub hashes_to: Option<HostPath>,
    /// The block hashes that the source must have (a piece of a bundle).
    pub hashes_from: Option<HostPath>,
    /// Read the destination back and compare.
    pub verify: bool,
    /// How it lies at its destination, and what it takes over from an earlier backup.
    #[serde(default, skip_serializing_if = "Keeping::is_usual")]
    pub keeping: Keeping,
}

/// One command line, byte for byte, and what it reads. What runs, what is shown and what a script says are made of the same words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub argv: Vec<Vec<u8>>,
    /// Standard input; nothing: none.
    pub stdin: Option<Vec<u8>>,
}

impl Line {
    fn new<const N: usize>(words: [&[u8]; N]) -> Self {
        Self { argv: words.iter().map(|word| word.to_vec()).collect(), stdin: None }
    }

    fn reading(self, bytes: &[u8]) -> Self {
        Self { stdin: Some(bytes.to_vec()), ..self }
    }
}

/// The line one could paste into a shell. What is not UTF-8 cannot be pasted, and stands as U+FFFD; a script has its bytes.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.argv.iter().map(|word| shell_word(&String::from_utf8_lossy(word))).collect();
        f.write_str(&words.join(" "))
    }
}

impl Action {
    /// The command lines that do the same by hand, in order; umask 077 is taken for granted. None where no tool does it
    /// ([`Action::CompareWitness`]).
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Run { cmd } => vec![run(cmd)],
            Self::WaitFor { check, limit_seconds } => vec![wait(check, *limit_seconds)],
            Self::WriteFile { path, bytes, mode } => vec![write_new(path, bytes), change_mode(path, *mode)],
            Self::ReplaceFile { path, bytes, expect_blake3 } => replace(path, bytes, expect_blake3),
            Self::WriteBeneath { root, path, bytes, mode } => {
                let path = root.join(relative(path));
                // Removed first: a link that stands there is not followed.
                vec![Line::new([b"rm", b"-f", b"--", path.as_bytes()]), write_new(&path, bytes), change_mode(&path, *mode)]
            }
            Self::MakeSparse { path, bytes, mode } => {
                let (of, seek) = (join(b"of=", path.as_bytes()), format!("seek={bytes}"));
                let make = Line::new([b"dd", b"if=/dev/null", &of, b"bs=1", b"count=0", seek.as_bytes(), b"conv=excl", b"status=none"]);
                vec![make, change_mode(path, *mode)]
            }
            Self::Reflink { from, to, mode } => {
                let share = Line::new([b"cp", b"--reflink=always", b"-n", b"-T", b"--", from.as_bytes(), to.as_bytes()]);
                vec![share, change_mode(to, *mode)]
            }
            Self::MakeDirectory { path, mode } => {
                vec![Line::new([b"mkdir", b"-m", format!("{mode:o}").as_bytes(), b"--", path.as_bytes()])]
            }
            Self::Rename { from, to, .. } | Self::SealBundle { partial: from, bundle: to, .. } => vec![no_replace(from, to)],
            Self::Remove { path, .. } => vec![Line::new([b"rm", b"--", path.as_bytes()])],
            Self::Copy { copies, rate, .. } => copies.iter().map(|one| copy(one, *rate)).collect(),
            Self::MergeBack { snapshot, .. } => vec![run(&merge_back(snapshot))],
            Self::Salvage { pieces } => pieces.iter().flat_map(salvage).collect(),
            Self::NameLostFiles { disks, .. } => {
                disks.iter().map(|disk| Line::new([b"debugfs", b"-c", b"-R", b"icheck BLOCKS", disk.disk.as_bytes()])).collect()
            }
            Self::Witness { disks, .. } => {
                let mut line = Line::new([b"stat", b"-L", b"-c", b"%n %s %y %z", b"--"]);
                line.argv.extend(disks.iter().map(end));
                if disks.is_empty() { Vec::new() } else { vec![line] }
            }
            Self::RemoveBundle { aside, gone, .. } => vec![
                Line::new([b"mv", b"-n", b"-T", b"--", aside.as_bytes(), gone.as_bytes()]),
                Line::new([b"rm", b"-r", b"-f", b"--one-file-system", b"--", gone.as_bytes()]),
            ],
            // By hand, all is copied.
            Self::CompareWitness | Self::HashPiece { .. } | Self::FindChanged { .. } | Self::RecordDisks { .. } => Vec::new(),
            Self::SaveDomain { save } => {
                let partial = beside(&save.image, b".partial");
                let domain = save.domain.as_bytes();
                let prove = Line::new([b"domkeep", b"prove-save", b"--domain", domain, b"--", partial.as_bytes()]);
                vec![run(&save.cmd(&partial)), prove, change_mode(&partial, 0o600), no_replace(&partial, &save.image)]
            }
            Self::Try { that } => that.lines(),
            Self::FoldOverlay { fold } => {
                vec![run(&fold.commit()), Line::new([b"rm", b"--", fold.overlay.as_bytes()])]
            }
            Self::ResumeSaved { image, libvirt, .. } => vec![run(&super::saving::restore(image, libvirt.as_ref()))],
            Self::VerifyBundle { bundle, pieces } => {
                let mut line = Line::new([b"domkeep", b"verify", bundle.as_bytes()]);
                line.argv.extend(pieces.iter().map(|piece| piece.clone().into_bytes()));
                vec![line]
            }
        }
    }

    /// The first of [`Action::lines`]: the deed itself, what comes after it is its mode.
    pub fn command(&self) -> Vec<String> {
        let first = self.lines().into_iter().next();
        first.map_or_else(Vec::new, |line| line.argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }
}

/// Seconds. A classic merge copies every block that differs.
const LONGEST_MERGE: u64 = 24 * 60 * 60;

/// The command of [`Action::MergeBack`].
pub fn merge_back(snapshot: &str) -> Cmd {
    Cmd::changes("lvconvert", ["-y", "--merge", snapshot]).within(LONGEST_MERGE)
}

fn run(cmd: &Cmd) -> Line {
    let mut argv: Vec<Vec<u8>> = Vec::new();
    if !cmd.env.is_empty() {
        argv.push(b"env".to_vec());
        argv.extend(cmd.env.iter().map(|(key, value)| format!("{key}={value}").into_bytes()));
    }
    argv.extend(cmd.argv().map(|word| word.as_bytes().to_vec()));
    Line { argv, stdin: Some(cmd.stdin.clone()).filter(|bytes| !bytes.is_empty()) }
}

fn wait(check: &Check, limit_seconds: u64) -> Line {
    let mut args = Vec::new();
    let condition = check.condition(&mut args);
    // For timeout, 0 is no limit: what must hold now is looked at once.
    if limit_seconds == 0 {
        let mut line = Line::new([b"sh", b"-c", condition.as_bytes(), b"sh"]);
        line.argv.extend(args);
        return line;
    }
    let limit = limit_seconds.to_string();
    let program = format!("until {condition}; do sleep 1; done");
    let mut line = Line::new([b"timeout", limit.as_bytes(), b"sh", b"-c", program.as_bytes(), b"sh"]);
    line.argv.extend(args);
    line
}

/// A file that must not be there yet.
fn write_new(path: &HostPath, bytes: &[u8]) -> Line {
    Line::new([b"dd", &join(b"of=", path.as_bytes()), b"conv=excl,fsync", b"status=none"]).reading(bytes)
}

fn change_mode(path: &HostPath, mode: u32) -> Line {
    Line::new([b"chmod", format!("{mode:o}").as_bytes(), b"--", path.as_bytes()])
}

fn no_replace(from: &HostPath, to: &HostPath) -> Line {
    Line::new([b"mv", b"-n", b"-T", b"--", from.as_bytes(), to.as_bytes()])
}

fn beside(path: &HostPath, end: &[u8]) -> HostPath {
    HostPath::from_bytes(&[path.as_bytes(), end].concat())
}

/// The old file is kept, the new one gets its mode and owner, and takes its place in one moment.
fn replace(path: &HostPath, bytes: &[u8], expect_blake3: &str) -> Vec<Line> {
    let mark = expect_blake3.get(..12).unwrap_or(expect_blake3).as_bytes();
    let name = path.as_path().file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default();
    let kept = [b"/var/tmp/".as_slice(), name, b".", mark].concat();
    let above = HostPath::from(path.as_path().parent().unwrap_or(std::path::Path::new("/")));
    let new = above.join(HostPath::from_bytes(&[b".".as_slice(), name, b".", mark, b".new"].concat()));
    vec![
        Line::new([b"cp", b"-p", b"-n", b"-T", b"--", path.as_bytes(), &kept]),
        Line::new([b"cp", b"-p", b"-n", b"-T", b"--", path.as_bytes(), new.as_bytes()]),
        Line::new([b"dd", &join(b"of=", new.as_bytes()), b"conv=fsync", b"status=none"]).reading(bytes),
        Line::new([b"mv", b"-f", b"-T", b"--", new.as_bytes(), path.as_bytes()]),
    ]
}

fn copy(copy: &DiskCopy, rate: Option<u64>) -> Line {
    // `domkeep copy` knows paths.
    if let Location::Nbd { .. } = copy.from {
        return Line::new([b"qemu-img", b"convert", b"-f", b"raw", b"-O", b"raw", &end(&copy.from), &end(&copy.to)]);
    }
    let mut line = Line::new([b"domkeep", b"copy", b"--yes", b"--verify", if copy.verify { b"yes".as_slice() } else { b"no" }]);
    if let Some(rate) = rate {
        line.argv.extend([b"--rate".to_vec(), rate.to_string().into_bytes()]);
    }
    if !copy.new {
        line.argv.extend([b"--confirm".to_vec(), end(&copy.to)]);
    }
    line.argv.extend([b"--".to_vec(), end(&copy.from), end(&copy.to)]);
    line
}

/// What cannot be read becomes zeros, and the copy keeps its length. Segments are laid end to end, each at its place.
fn salvage(piece: &super::salvage::Salvage) -> Vec<Line> {
    let of = join(b"of=", &end(&piece.to));
    let dd = |from: &HostPath, seek: u64| {
        let seek = format!("seek={seek}");
        Line::new([b"dd", &join(b"if=", from.as_bytes()), &of, b"bs=1M", seek.as_bytes(), b"conv=noerror,sync,notrunc"])
    };
    match piece.segment {
        None => vec![dd(&piece.bundle.join(&piece.piece), 0)],
        Some(segment) => {
            let blocks = segment / super::bundle::HASH_BLOCK;
            let count = piece.bytes.div_ceil(segment.max(1));
            (0..count)
                .map(|number| {
                    dd(&piece.bundle.join(super::bundle_names::segment_path(&piece.piece, number)), number.saturating_mul(blocks))
                })
                .collect()
        }
    }
}

impl Check {
    /// The check as a condition for sh, whose words are `args`: `$1` is the first. What cannot be asked ends the shell with status 3.
    pub fn condition(&self, args: &mut Vec<Vec<u8>>) -> String {
        let word = |args: &mut Vec<Vec<u8>>, bytes: &[u8]| {
            args.push(bytes.to_vec());
            format!("\"${{{}}}\"", args.len())
        };
        match self {
            Self::Exists { path } => {
                let path = word(args, path.as_bytes());
                format!("{{ [ -e {path} ] || [ -L {path} ]; }}")
            }
            Self::Is { path, inode } => {
                format!("[ \"$(stat -c %d:%i -- {})\" = {}:{} ]", word(args, path.as_bytes()), inode.0, inode.1)
            }
            Self::Holds { path, blake3 } => {
                // Hexadecimal by its making; nothing else gets into the line.
                let hash: String = blake3.chars().filter(char::is_ascii_hexdigit).collect();
                format!("[ \"$(b3sum --no-names < {} || exit 3)\" = {hash} ]", word(args, path.as_bytes()))
            }
            Self::LiesOn { path, dev } => format!("[ \"$(stat -L -c %d -- {})\" = {dev} ]", word(args, path.as_bytes())),
            Self::Mounted { at } => format!("mountpoint -q -- {}", word(args, at.as_bytes())),
            Self::Space { path, bytes } => {
                format!("[ \"$(df -B1 --output=avail -- {} | tail -n 1)\" -ge {bytes} ]", word(args, path.as_bytes()))
            }
            Self::InUse { path } => {
                let path = word(args, path.as_bytes());
                format!("{{ fuser -s -- {path} || [ -n \"$(lsblk -n -o MOUNTPOINTS -- {path} 2>/dev/null | tr -d '[:space:]')\" ]; }}")
            }
            Self::DomainPresent { name } => {
                let dashes = if name.starts_with('-') { "-- " } else { "" };
                format!("{{ xl list >/dev/null || exit 3; xl domid {dashes}{} >/dev/null 2>&1; }}", word(args, name.as_bytes()))
            }
            Self::DomainIs { name, power } => {
                let dashes = if name.starts_with('-') { "-- " } else { "" };
                // The second word from the right: a name may hold blanks.
                let state = format!("$(xl list {dashes}{} 2>/dev/null | awk 'END {{ print $(NF - 1) }}')", word(args, name.as_bytes()));
                match state_pattern(*power) {
                    Some(pattern) => format!("case \"{state}\" in {pattern}) true ;; *) false ;; esac"),
                    None => "exit 3".into(),
                }
            }
            Self::SaveWhole { path, domain } => {
                format!("domkeep prove-save --domain {} -- {}", word(args, domain.as_bytes()), word(args, path.as_bytes()))
            }
            Self::Trusted { path } => {
                let path = word(args, path.as_bytes());
                format!(
                    "{{ [ -x {path} ] && [ \"$(stat -c %u -- {path})\" = 0 ] && [ -z \"$(find -P {path} -maxdepth 0 -perm /022)\" ]; }}"
                )
            }
            Self::DisksAsSaved { image, bytes_only } => {
                let only = if *bytes_only { " --bytes-only" } else { "" };
                format!("domkeep prove-disks{only} -- {}", word(args, image.as_bytes()))
            }
            Self::Says { cmd, text } => {
                let words: Vec<String> = cmd.argv().map(|part| word(args, part.as_bytes())).collect();
                format!("{{ {} | grep -q -F -e {}; }}", words.join(" "), word(args, text.as_bytes()))
            }
            Self::Libvirt(check) => check.condition(&mut |bytes| word(args, bytes)),
            Self::Not { that } => format!("! {}", that.condition(args)),
        }
    }
}

/// The six characters of `xl list` as a pattern of sh; nothing: they do not tell this.
fn state_pattern(power: super::Power) -> Option<&'static str> {
    use super::Power;
    match power {
        Power::Running => Some("[r-][b-]----"),
        Power::Paused => Some("??p---"),
        Power::Suspended => Some("???ss-"),
        Power::Crashed => Some("???s[cw]-"),
        _ => None,
    }
}

fn join(key: &[u8], value: &[u8]) -> Vec<u8> {
    [key, value].concat()
}

fn relative(path: &HostPath) -> &std::path::Path {
    path.as_path().strip_prefix("/").unwrap_or(path.as_path())
}

/// An end of a copy as an argument.
pub fn end(location: &Location) -> Vec<u8> {
    match location {
        Location::File { path } | Location::Device { path } => path.as_bytes().to_vec(),
        Location::Nbd { socket, export } => [b"nbd+unix:///", export.as_bytes(), b"?socket=", socket.as_bytes()].concat(),
        Location::Piece { bundle, piece } => [bundle.as_bytes(), b"/", piece.as_bytes()].concat(),
    }
}
