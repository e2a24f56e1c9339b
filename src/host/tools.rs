//! The host's tools: found in fixed directories, never in `PATH`. A `PATH` that a user or a cron job set must not decide which
//! `lvs` root runs.
#![allow(clippy::disallowed_methods, reason = "this is host: the rest of domkeep asks here")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::HostError;

/// `PATH` of every tool that domkeep runs, for the tools that these run themselves.
pub const FIXED_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Where tools are looked for, in this order. Xen's own tools of several releases may stand beside each other in `/usr/lib/xen-4.17`;
/// Debian's `/usr/sbin/xl` picks the one of the running hypervisor, so those come last.
const DIRECTORIES: [&str; 8] =
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/lib/xen/bin", "/usr/libexec/xen/bin"];

/// A tool that domkeep can use, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    pub name: &'static str,
    pub used_for: &'static str,
}

const fn tool(name: &'static str, used_for: &'static str) -> Tool {
    Tool { name, used_for }
}

/// Every tool that domkeep knows, by what it is needed for.
pub const KNOWN: &[Tool] = &[
    tool("xl", "Xen domains, their disks and memory"),
    tool("xm", "Xen domains of a host that still runs xend"),
    tool("xenstore-ls", "disks that are attached to running Xen domains"),
    tool("xenstore-watch", "noticing that a Xen domain started or ended"),
    tool("virsh", "libvirt's domains"),
    tool("qemu-img", "image files: format, size, backing file"),
    tool("qemu-nbd", "reading image files that are not raw"),
    tool("lvs", "logical volumes, snapshots and their fill"),
    tool("vgs", "volume groups and the room in them"),
    tool("pvs", "the disks under volume groups"),
    tool("lvcreate", "new volumes and snapshots"),
    tool("lvremove", "removing volumes and snapshots that a job made"),
    tool("lvextend", "growing volumes and snapshot stores"),
    tool("lsblk", "block devices and what lies on them"),
    tool("blkid", "signatures on a device"),
    tool("losetup", "files behind loop devices"),
    tool("dmsetup", "device-mapper tables: what a volume really lies on"),
    tool("findmnt", "what is mounted where"),
    tool("thin_delta", "blocks that differ between two thin volumes"),
    tool("mke2fs", "ext file systems on new disks, filled without mounting them"),
    tool("mkfs.ext4", "ext4 file systems on new disks"),
    tool("mkfs.ext3", "ext3 file systems on new disks"),
    tool("mkfs.xfs", "XFS on new disks"),
    tool("mkfs.btrfs", "btrfs on new disks"),
    tool("mkswap", "swap areas on new disks"),
    tool("e2fsck", "checking an ext file system, changing nothing"),
    tool("debugfs", "writing into an ext file system without mounting it"),
    tool("xfs_repair", "checking an XFS, changing nothing"),
    tool("btrfs", "checking a btrfs, changing nothing"),
    tool("mount", "mounting a new disk to fill it"),
    tool("umount", "unmounting a disk that was filled"),
    tool("cp", "filling a new disk from a directory"),
    tool("tar", "filling a new disk from an archive"),
    tool("rm", "removing what an archive was unpacked to"),
    tool("exportfs", "directories that are served by NFS"),
    tool("xenstore-read", "making sure that a Xen domain is the one that was looked at"),
    tool("truncate", "sparse files, in scripts of plans"),
    tool("fallocate", "giving back the room of a file's zeros"),
    tool("nbd-client", "disks that are served over the network"),
    tool("systemctl", "the services that start and stop domains with the host"),
    tool("systemd-run", "jobs that outlive a login"),
];

/// Where a known tool is on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub tool: Tool,
    pub path: Option<PathBuf>,
}

/// Finds tools by their bare names.
#[derive(Clone, Debug)]
pub struct Tools {
    directories: Vec<PathBuf>,
    /// Also `/usr/lib/xen-*/bin`.
    versioned_xen: bool,
}

impl Default for Tools {
    fn default() -> Self {
        Self { directories: DIRECTORIES.iter().map(PathBuf::from).collect(), versioned_xen: true }
    }
}

impl Tools {
    /// Only these directories.
    pub fn in_directories(directories: Vec<PathBuf>) -> Self {
        Self { directories, versioned_xen: false }
    }

    /// The full path of a tool.
    ///
    /// # Errors
    /// `Refused` for a name with a slash in it, or for a tool that another user than root could have put there while root asks;
    /// `NoTool` when it is in none of the directories.
    pub fn find(&self, name: &str) -> Result<PathBuf, HostError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(HostError::Refused { why: "a tool is named without a directory".to_owned() });
        }
        let versioned = self.versioned_xen.then(versioned_xen_directories).into_iter().flatten();
        for directory in self.directories.iter().cloned().chain(versioned) {
            let path = directory.join(name);
            match runnable(&path) {
                Runnable::Yes => return Ok(path),
                Runnable::No => {}
                Runnable::Untrusted => {
                    return Err(HostError::Refused {
                        why: format!("{} can be changed by others than root", crate::model::HostPath::from(path)),
                    });
                }
            }
        }
        Err(HostError::NoTool { program: name.to_owned() })
    }

    /// Every known tool and where it is, for `--health`.
    pub fn survey(&self) -> Vec<Found> {
        KNOWN.iter().map(|&tool| Found { tool, path: self.find(tool.name).ok() }).collect()
    }
}

enum Runnable {
    Yes,
    No,
    Untrusted,
}

fn runnable(path: &Path) -> Runnable {
    let Ok(facts) = fs::metadata(path) else { return Runnable::No };
    if !facts.is_file() || facts.mode() & 0o111 == 0 {
        return Runnable::No;
    }
    let writable_by_others = facts.uid() != 0 || facts.mode() & 0o002 != 0;
    if rustix::process::geteuid().is_root() && writable_by_others { Runnable::Untrusted } else { Runnable::Yes }
}

/// `/usr/lib/xen-4.17/bin` and its like, the newest first.
fn versioned_xen_directories() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib") else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("xen-"))
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn tool_in(dir: &Path, name: &str, mode: u32) {
        fs::write(dir.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_tool_is_found_only_by_its_bare_name_in_the_given_directories() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tool_in(first.path(), "lvs", 0o644);
        tool_in(second.path(), "lvs", 0o755);
        let tools = Tools::in_directories(vec![first.path().to_path_buf(), second.path().to_path_buf()]);
        assert_eq!(tools.find("lvs"), Ok(second.path().join("lvs")), "a file that cannot run hid the real tool");
        assert_eq!(
            tools.find("sh"),
            Err(HostError::NoTool { program: "sh".to_owned() }),
            "a tool was taken from outside the fixed directories"
        );
        for name in ["", "../lvs", "/bin/sh", ".", "..", "a\0b"] {
            assert!(matches!(tools.find(name), Err(HostError::Refused { .. })), "{name:?} could name any program");
        }
    }

    #[test]
    fn root_does_not_run_a_tool_that_anybody_can_write() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        tool_in(dir.path(), "xl", 0o777);
        let found = Tools::in_directories(vec![dir.path().to_path_buf()]).find("xl");
        assert!(matches!(found, Err(HostError::Refused { .. })), "any user could make root run a program: {found:?}");
    }

    #[test]
    fn the_survey_says_what_each_tool_is_for() {
        let survey = Tools::in_directories(Vec::new()).survey();
        assert!(survey.iter().all(|found| found.path.is_none() && !found.tool.used_for.is_empty()));
        let mut names: Vec<_> = survey.iter().map(|found| found.tool.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "--health would list a tool twice");
    }
}
