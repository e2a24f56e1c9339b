//! The file systems on the originals: what can be given an identity of its own from outside, and what cannot, and why.

use super::super::origin::Origin;
use super::super::ways::Way;
use crate::model::Signature;
use crate::plan::facts::{Go, no};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ext,
    Xfs,
    Btrfs,
}

/// A file system that gets a UUID of its own.
pub(super) struct System {
    /// Index of its disk.
    pub disk: usize,
    /// As the guest calls the disk or partition: `xvda`, `xvdb2`.
    pub name: String,
    pub kind: Kind,
    /// Of a partition: the byte at which it begins.
    pub offset: Option<u64>,
    pub uuid: String,
    /// Bytes that its tools write when they change it, where these are many.
    pub writes: u64,
    /// Of one that can be read without mounting it.
    pub files: Option<Files>,
}

/// What of it is changed.
pub(super) struct Files {
    pub fstab: Vec<u8>,
    pub has_hostname: bool,
}

impl System {
    /// Whether the host's name may stand in it.
    pub fn names_host(&self) -> bool {
        self.files.as_ref().is_none_or(|files| files.has_hostname)
    }
}

pub(super) fn systems(origins: &[Origin<'_>], warnings: &mut Vec<String>) -> Go<Vec<System>> {
    let mut systems = Vec::new();
    let mut lvm = Vec::new();
    for (disk, origin) in origins.iter().enumerate() {
        let before = systems.len();
        let mut stays = Vec::new();
        for signature in origin.backing.signatures.iter().filter(|one| !matches!(one.kind.as_str(), "gpt" | "mbr" | "blank")) {
            let name = name(&origin.vdev, signature);
            match changeable(signature) {
                Some((kind, uuid)) => {
                    let offset = signature.partition.map(|_| signature.offset);
                    systems.push(System { disk, name, kind, offset, uuid, writes: 0, files: None });
                }
                None => stays.push(format!("{name} ({})", signature.kind)),
            }
            if signature.kind == "lvm2-pv" {
                lvm.push(origin.vdev.clone());
            }
        }
        if origin.way == Way::Overlay && systems.len() > before {
            return no(
                "inside-overlay",
                format!("the overlay on {} is a qcow2 image, and no tool of the file system can look into it", origin.vdev),
                "leave it as it is (--inside no), or choose another way of cloning",
            );
        }
        if systems.len() == before && stays.is_empty() {
            stays.push(format!("{} (not known)", origin.vdev));
        }
        if !stays.is_empty() {
            warnings.push(format!("Stays as it is inside, with the original's identities: {}.", stays.join(", ")));
        }
    }
    if !systems.is_empty() {
        return Ok(systems);
    }
    if let Some(vdev) = lvm.first() {
        return no(
            "inside-lvm",
            format!(
                "the file systems on {vdev} lie in the guest's own volume group: original and clone have the same names and UUIDs of group, \
                 physical and logical volumes, and this host would have to take the group for its own to change them"
            ),
            "leave it as it is (--inside no): each guest sees only its own disk, and boots. Before one guest, or this host, sees both, run \
             `vgimportclone` there on the clone",
        );
    }
    no(
        "nothing-inside",
        "none of the disks holds ext, or XFS or btrfs as a whole: what else lies on them is not changed from outside",
        "leave it as it is (--inside no), and change the clones when they run for the first time, without a network",
    )
}

/// `xvda`, or its partition: what ends in a digit has a p between.
fn name(vdev: &str, signature: &Signature) -> String {
    match signature.partition {
        None => vdev.to_owned(),
        Some(number) if vdev.ends_with(|c: char| c.is_ascii_digit()) => format!("{vdev}p{number}"),
        Some(number) => format!("{vdev}{number}"),
    }
}

fn changeable(signature: &Signature) -> Option<(Kind, String)> {
    let kind = match signature.kind.as_str() {
        "ext2" | "ext3" | "ext4" => Kind::Ext,
        // Their tools know no place within a disk.
        "xfs" if signature.partition.is_none() => Kind::Xfs,
        "btrfs" if signature.partition.is_none() => Kind::Btrfs,
        _ => return None,
    };
    let uuid = signature.uuid.clone()?;
    uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()).then_some((kind, uuid))
}
