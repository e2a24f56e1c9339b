//! One deed of a plan. The enum is closed: what is not here, domkeep cannot do.

use serde::{Deserialize, Serialize};

use super::bundle::Manifest;
use super::plan::Check;
use super::{Cmd, HostPath, Location};

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
    /// One directory that did not exist.
    MakeDirectory { path: HostPath, mode: u32 },
    /// Give a file or directory another name on the same file system; nothing is replaced. `expect` is the device and inode of what must stand
    /// at `from` when this job did not make it.
    Rename { from: HostPath, to: HostPath, expect: Option<(u64, u64)> },
    /// Copy blocks.
    Copy {
        copies: Vec<DiskCopy>,
        /// How many run at the same time.
        at_once: usize,
        /// Bytes per second of all together; nothing: as fast as it goes.
        rate: Option<u64>,
    },
    /// Remember what would tell that somebody wrote to these disks: sizes, times, write counters, samples; and that the domain is off.
    Witness { domain: Option<String>, disks: Vec<Location> },
    /// Compare with what the [`Action::Witness`] of this plan remembered. What differs makes the result torn, not good.
    CompareWitness,
    /// Write manifest and RESTORE.txt into a bundle that is still under its partial name, sync everything, and give it its final name.
    /// Digests, times and what was found unreadable or torn are filled in from the journal.
    SealBundle { partial: HostPath, bundle: HostPath, draft: Box<Manifest> },
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
}

impl Action {
    /// The command line that does the same by hand: for the preview, the script and the log.
    pub fn command(&self) -> Vec<String> {
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Run { cmd } => cmd.argv().map(str::to_owned).collect(),
            Self::WaitFor { limit_seconds, .. } => words(&["domkeep", "wait", &limit_seconds.to_string()]),
            Self::WriteFile { path, mode, .. } => words(&["install", "-m", &format!("{mode:o}"), "FILE", &lossy(path)]),
            Self::ReplaceFile { path, .. } => words(&["install", "--backup=numbered", "FILE", &lossy(path)]),
            Self::WriteBeneath { root, path, .. } => words(&["install", "FILE", &lossy(&root.join(relative(path)))]),
            Self::MakeSparse { path, bytes, .. } => words(&["truncate", "-s", &bytes.to_string(), &lossy(path)]),
            Self::MakeDirectory { path, mode } => words(&["mkdir", "-m", &format!("{mode:o}"), &lossy(path)]),
            Self::Rename { from, to, .. } => words(&["mv", "-n", "-T", "--", &lossy(from), &lossy(to)]),
            Self::Copy { copies, .. } => {
                copies.first().map_or_else(Vec::new, |copy| words(&["domkeep", "copy", &end(&copy.from), &end(&copy.to)]))
            }
            Self::Witness { .. } | Self::CompareWitness => words(&["domkeep", "check"]),
            Self::SealBundle { partial, bundle, .. } => words(&["mv", "-n", "-T", "--", &lossy(partial), &lossy(bundle)]),
            Self::VerifyBundle { bundle, .. } => words(&["domkeep", "verify", &lossy(bundle)]),
        }
    }
}

fn lossy(path: &HostPath) -> String {
    path.as_path().to_string_lossy().into_owned()
}

fn relative(path: &HostPath) -> &std::path::Path {
    path.as_path().strip_prefix("/").unwrap_or(path.as_path())
}

fn end(location: &Location) -> String {
    match location {
        Location::File { path } | Location::Device { path } => lossy(path),
        Location::Nbd { socket, export } => format!("nbd+unix:///{export}?socket={}", lossy(socket)),
        Location::Piece { bundle, piece } => format!("{}/{piece}", lossy(bundle)),
    }
}
