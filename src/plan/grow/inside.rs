//! The file system on a disk that grows, or in its last partition: checked first and grown while nobody has it, grown where dom0 mounts it, or
//! left to the guest.

use super::people::People;
use super::table::{self, Last};
use super::tools;
use crate::model::volumes::Grow;
use crate::model::{Cmd, HostPath, Signature};
use crate::plan::draft::Draft;
use crate::plan::ext;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::mounting::{self, Mounting};
use crate::plan::{Setting, again, text};

/// Seconds. Growing moves few blocks, checking reads all metadata.
const SLOW: u64 = 6 * 3600;

pub(super) struct Inside {
    disk: HostPath,
    kind: Kind,
    how: How,
    in_file: bool,
    /// The partition that grows with the disk, and has the file system.
    last: Option<Last>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ext,
    Xfs,
    Btrfs,
    /// A partition table; the number of the last partition that was recognised and what is in it.
    Partitions(Option<u32>, Option<String>),
    Physical,
    Swap,
    Other(String),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// Nobody has it.
    Offline,
    /// Nobody has it, and it grows only while it is mounted: there.
    MountedAt(HostPath),
    Online(HostPath),
    /// Not here.
    Left(Option<String>),
}

fn kind(found: &[Signature]) -> Kind {
    if found.iter().any(|one| matches!(one.kind.as_str(), "gpt" | "mbr")) {
        let last = found.iter().filter(|one| one.partition.is_some()).max_by_key(|one| one.offset);
        return Kind::Partitions(last.and_then(|one| one.partition), last.map(|one| one.kind.clone()));
    }
    let whole: Vec<&Signature> = found.iter().filter(|one| one.partition.is_none() && one.kind != "blank").collect();
    match whole.as_slice() {
        [] => Kind::Nothing,
        [one] => single(&one.kind),
        // Two at once: nobody knows which one is true.
        several => Kind::Other(several.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>().join(" and ")),
    }
}

/// The disk that grows.
#[derive(Clone, Copy)]
pub(super) struct Growing<'a> {
    pub disk: &'a HostPath,
    /// What was recognised on it.
    pub found: &'a [Signature],
    /// Bytes that it will have.
    pub new: u64,
    /// What has the same identity as the file system on it.
    pub has_snapshots: bool,
}

pub(super) fn look(request: &Grow, growing: Growing<'_>, people: &People, facts: &Facts<'_>, setting: &Setting) -> Go<Inside> {
    let Growing { disk, found, new, .. } = growing;
    let whole = kind(found);
    let in_file = !disk.starts_with("/dev");
    // Where a domain runs, its own kernel must be the one that changes the table.
    let last = match (&whole, people) {
        (Kind::Partitions(..), People::Nobody) if request.inside => Some(table::look(disk, found, new, facts)?),
        _ => None,
    };
    let kind = last.as_ref().map_or(whole, |last| single(&last.kind));
    let mut how = how(request, growing, &kind, people, facts, setting)?;
    if kind == Kind::Ext && last.is_some() && in_file {
        // resize2fs cuts a regular file where the file system would end if it began at the file's first byte.
        how = How::Left(Some(
            "The file system in the partition stays as it is: resize2fs would cut the file short. In the guest: resize2fs.".into(),
        ));
    }
    Ok(Inside { disk: disk.clone(), kind, how, in_file, last })
}

/// A file system or other content, by the name of its signature.
fn single(kind: &str) -> Kind {
    match kind {
        "ext2" | "ext3" | "ext4" => Kind::Ext,
        "xfs" => Kind::Xfs,
        "btrfs" => Kind::Btrfs,
        "lvm2-pv" => Kind::Physical,
        "swap" => Kind::Swap,
        other => Kind::Other(other.to_owned()),
    }
}

fn how(request: &Grow, growing: Growing<'_>, kind: &Kind, people: &People, facts: &Facts<'_>, setting: &Setting) -> Go<How> {
    let Growing { disk, has_snapshots, .. } = growing;
    if !request.inside || people.are_domains() {
        return Ok(How::Left(None));
    }
    let left = |why: &str| Ok(How::Left(Some(why.to_owned())));
    let online = match people {
        People::Mounted(at) => Some(at.clone()),
        _ => None,
    };
    match kind {
        Kind::Nothing | Kind::Swap => Ok(How::Left(None)),
        Kind::Physical => left("The physical volume of LVM in it belongs to the guest and stays as it is until the guest runs pvresize."),
        Kind::Other(what) if what == "luks" => {
            left("What is encrypted in it stays as it is: cryptsetup resize in the guest, and then the file system in it.")
        }
        Kind::Other(what) => left(&format!("{what} on it stays as it is: domkeep does not know how to grow it.")),
        Kind::Partitions(..) => {
            left("The partition table on it stays as it is: the last partition, and what is in it, are grown in the guest.")
        }
        Kind::Ext => {
            tools(facts, &[("resize2fs", "e2fsprogs"), ("e2fsck", "e2fsprogs")])?;
            Ok(online.map_or(How::Offline, How::Online))
        }
        Kind::Xfs | Kind::Btrfs => {
            let tool = if *kind == Kind::Xfs { ("xfs_growfs", "xfsprogs") } else { ("btrfs", "btrfs-progs") };
            tools(facts, &[tool])?;
            if let Some(at) = online {
                return Ok(How::Online(at));
            }
            if has_snapshots {
                return no(
                    "grows-only-mounted",
                    format!("the file system on {disk} grows only while it is mounted, and a snapshot of it has the same identity"),
                    "grow the disk alone (--inside no), and the file system in the guest",
                );
            }
            if !setting.can_mount {
                return no(
                    "needs-mount",
                    format!("the file system on {disk} grows only while it is mounted, which is not possible here"),
                    "run domkeep as root on the host itself, or grow the disk alone (--inside no)",
                );
            }
            tools(facts, &mounting::TOOLS)?;
            Ok(How::MountedAt(setting.job_dir.join("mnt")))
        }
    }
}

impl Inside {
    pub fn before(&self, draft: &mut Draft, setting: &Setting) {
        if let Some(last) = &self.last {
            last.keep(draft, &self.disk, setting);
        }
        if self.kind == Kind::Ext && self.how == How::Offline {
            let step = draft.run(
                "Check the file system first",
                "resize2fs wants one that was checked. What a crash left is mended as at a boot (e2fsck then ends with 1); anything worse stops here, before anything grows.",
                Cmd::changes("e2fsck", ["-f".to_owned(), "-p".to_owned(), self.place()]).or_exit(1).within(SLOW),
            );
            draft.done(step, again::never());
        }
    }

    /// Grows it after `step` made the disk larger. Gives the last step before which it must be as it was found; nothing: before every step.
    pub fn after(&self, draft: &mut Draft, step: usize) -> Option<usize> {
        if let Some(last) = &self.last {
            last.grow(draft, &self.disk);
        }
        match &self.how {
            How::Left(why) => {
                if let Some(why) = why {
                    draft.warn(why.clone());
                }
                Some(draft.len().saturating_sub(1).max(step))
            }
            How::Offline => {
                self.grow(draft, None);
                let step = draft.run(
                    "Check it once more",
                    "Before a guest relies on it. Nothing is changed.",
                    Cmd::reads("e2fsck", ["-f".to_owned(), "-n".to_owned(), self.place()]).within(SLOW),
                );
                draft.done(step, again::never());
                None
            }
            How::Online(at) => {
                self.grow(draft, Some(at));
                None
            }
            How::MountedAt(at) => Some(self.mounted(draft, at)),
        }
    }

    /// Gives the step that mounts it.
    fn mounted(&self, draft: &mut Draft, at: &HostPath) -> usize {
        let place = self.last.iter().flat_map(|last| [format!("offset={}", last.offset), format!("sizelimit={}", last.new)]);
        let loops = (self.in_file || self.last.is_some()).then(|| "loop".to_owned());
        let options: Vec<String> = loops.into_iter().chain(place).collect();
        let mounting = Mounting {
            disk: &self.disk,
            options: &options.iter().map(String::as_str).collect::<Vec<_>>(),
            at,
            says: "Mount it",
            why: "This file system grows only while it is mounted. Without devices, programs and set-user-id files: it cannot act on this host.",
            since: None,
            slow: SLOW,
        };
        mounting.around(draft, |draft| self.grow(draft, Some(at)))
    }

    /// As the tools of ext call it.
    fn place(&self) -> String {
        ext::place(&self.disk, self.last.as_ref().map(|last| last.offset))
    }

    fn grow(&self, draft: &mut Draft, at: Option<&HostPath>) {
        let mounted = at.map(text).unwrap_or_default();
        let cmd = match self.kind {
            // In a partition it would take the rest of the disk for its own.
            Kind::Ext => {
                let size = self.last.as_ref().map(|last| format!("{}s", last.new / 512));
                Cmd::changes("resize2fs", [self.place()].into_iter().chain(size))
            }
            Kind::Xfs => Cmd::changes("xfs_growfs", [mounted]),
            Kind::Btrfs => Cmd::changes("btrfs", ["filesystem".to_owned(), "resize".to_owned(), "max".to_owned(), mounted]),
            _ => return,
        };
        let step = draft.run(
            "Grow the file system over the new room",
            "It takes all of it. Where it has that size already, nothing is done.",
            cmd.within(SLOW),
        );
        draft.done(step, again::never());
    }

    /// What is left to do in the guest, in its words.
    pub fn in_guest(&self, vdev: &str) -> String {
        let disk = format!("/dev/{vdev}");
        match &self.kind {
            Kind::Ext => format!("resize2fs {disk}"),
            Kind::Xfs => format!("xfs_growfs, with the place where {disk} is mounted"),
            Kind::Btrfs => format!("btrfs filesystem resize max, with the place where {disk} is mounted"),
            Kind::Physical => format!("pvresize {disk}"),
            Kind::Partitions(number, what) => {
                let number = number.map_or_else(|| "N".to_owned(), |number| number.to_string());
                let last = match what.as_deref() {
                    Some("ext2" | "ext3" | "ext4") => format!(", and resize2fs {disk}{number}"),
                    Some("lvm2-pv") => format!(", and pvresize {disk}{number}"),
                    _ => ", and then what is in it".to_owned(),
                };
                format!("growpart {disk} {number} (or parted){last}")
            }
            Kind::Swap => format!("swapoff, mkswap {disk}, swapon"),
            Kind::Other(_) | Kind::Nothing => "whatever lies on it is grown by its own tools".to_owned(),
        }
    }
}
