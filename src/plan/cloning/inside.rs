//! What is changed inside a clone so that it does not collide with its original: the file system's UUID, the lines of its fstab that name it,
//! the host name. Done to the clone alone, before anybody can start it; what goes wrong takes the clone away again.
//!
//! Only ext, which its own tools change without mounting it: the kernel refuses two XFS or btrfs with one UUID at a time.

use super::identity;
use super::names::Named;
use super::origin::Origin;
use super::ways::Way;
use crate::model::cloning::Cloning;
use crate::model::{Check, Cmd, Signature};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, each, no};
use crate::plan::new_disk::{Inner, Tailored, check_hostname, tailor};
use crate::plan::{Setting, paths, text};

const SLOW: u64 = 3600;
/// More of an fstab is not read.
const LONGEST: usize = 64 << 10;
const FSTAB: &str = "etc/fstab";
const HOSTNAME: &str = "etc/hostname";

/// What lies inside an original, by its disks in their order; nothing for what stays as it is.
pub(super) struct Inside {
    disks: Vec<Option<Found>>,
    warnings: Vec<String>,
}

struct Found {
    uuid: String,
    fstab: Vec<u8>,
    has_hostname: bool,
}

pub(super) fn look(request: &Cloning, facts: &Facts<'_>, setting: &Setting, origins: &[Origin<'_>]) -> Go<Option<Inside>> {
    if !request.inside {
        return Ok(None);
    }
    paths::tools(facts, &[("e2fsck", "e2fsprogs"), ("tune2fs", "e2fsprogs"), ("debugfs", "e2fsprogs")])?;
    if text(&setting.job_dir).contains(['"', '\n']) {
        return no(
            "job-folder-name",
            format!("debugfs cannot be told of {}", setting.job_dir),
            "use a state directory without quotation marks in its name",
        );
    }
    let mut warnings = Vec::new();
    let mut ext = Vec::new();
    for origin in origins {
        ext.push(uuid_of(origin, &mut warnings)?);
    }
    if ext.iter().all(Option::is_none) {
        return no(
            "nothing-inside",
            "none of the disks is an ext file system as a whole: what is in partitions, LVM or other file systems is not changed from outside",
            "leave it as it is (--inside no), and change the clones when they run for the first time, without a network",
        );
    }
    let disks = each(origins.iter().zip(ext), |(origin, uuid)| uuid.map(|uuid| found(facts, origin, uuid)).transpose())?;
    if disks.iter().flatten().any(|found| found.has_hostname) {
        for name in &request.names {
            check_hostname(name)?;
        }
    }
    Ok(Some(Inside { disks, warnings }))
}

fn uuid_of(origin: &Origin<'_>, warnings: &mut Vec<String>) -> Go<Option<String>> {
    let whole = |signature: &&Signature| signature.offset == 0 && signature.partition.is_none();
    let signature = origin.backing.signatures.iter().find(whole);
    let ext = signature.filter(|one| matches!(one.kind.as_str(), "ext2" | "ext3" | "ext4")).and_then(|one| one.uuid.clone());
    if ext.is_none() {
        let kind = signature.map_or("not known", |one| one.kind.as_str());
        warnings.push(format!("What is on {} ({kind}) stays as it is inside: its identities are the original's.", origin.vdev));
    } else if origin.way == Way::Overlay {
        return no(
            "inside-overlay",
            format!("the overlay on {} is a qcow2 image, and no tool of the file system can look into it", origin.vdev),
            "leave it as it is (--inside no), or choose another way of cloning",
        );
    }
    Ok(ext)
}

fn found(facts: &Facts<'_>, origin: &Origin<'_>, uuid: String) -> Go<Found> {
    let disk = text(&origin.path);
    let asks = |words: String| Cmd::reads("debugfs", ["-R".to_owned(), words, disk.clone()]);
    let cat = |name: &str| asks(format!("cat /{name}"));
    let root = asks("stat /".to_owned());
    facts.want([cat(FSTAB), cat(HOSTNAME), root.clone()].map(|cmd| crate::model::Question::Said { cmd }))?;
    // debugfs ends well whatever went wrong: what it could not open has no root directory.
    if facts.said(&root)?.is_empty() {
        return no(
            "inside-unreadable",
            format!("debugfs cannot look into the file system on {}", origin.vdev),
            "leave it as it is (--inside no), or let e2fsck mend the original first, while nobody uses it",
        );
    }
    let fstab = facts.said(&cat(FSTAB))?;
    if fstab.len() > LONGEST {
        return no("fstab-too-large", format!("the fstab on {} is no fstab", origin.vdev), "leave it as it is (--inside no)");
    }
    Ok(Found { uuid, fstab: fstab.to_vec(), has_hostname: !facts.said(&cat(HOSTNAME))?.is_empty() })
}

impl Inside {
    /// After the clone's disks were made.
    pub fn steps(&self, draft: &mut Draft, setting: &Setting, origins: &[Origin<'_>], clone: &Named) {
        for warning in &self.warnings {
            draft.warn_once(warning);
        }
        draft.warn_once("A boot loader or ramdisk inside that names the old UUID of the root does not find it: what boots by root=/dev/xvda, or by a label, does.");
        let new = |vdev: &str| identity::uuid(&setting.id, &clone.name, &format!("file system {vdev}"));
        let renamed: Vec<(&str, String)> = origins
            .iter()
            .zip(&self.disks)
            .filter_map(|(origin, found)| Some((found.as_ref()?.uuid.as_str(), new(&origin.vdev))))
            .collect();
        for ((origin, found), target) in origins.iter().zip(&self.disks).zip(&clone.targets) {
            let Some(found) = found else { continue };
            let disk = target.path();
            let step = draft.run(
                format!("Check the file system on {disk}"),
                "Its UUID is changed only on one that is whole. What a crash left is mended as at a boot (e2fsck then ends with 1).",
                Cmd::changes("e2fsck", ["-f".to_owned(), "-p".to_owned(), text(&disk)]).or_exit(1).within(SLOW),
            );
            draft.done(step, crate::plan::again::never());
            let first = step;
            let uuid = new(&origin.vdev);
            let step = draft.run(
                format!("Give the file system on {disk} a UUID of its own"),
                "So that whoever sees original and clone at once can tell them apart.",
                Cmd::changes("tune2fs", ["-U".to_owned(), uuid.clone(), text(&disk)]).within(SLOW),
            );
            let asks = Cmd::reads("tune2fs", ["-l".to_owned(), text(&disk)]);
            draft.done(step, Check::Says { cmd: asks, text: format!("Filesystem UUID:          {uuid}") });
            let files: Vec<Inner> = found.fstab(&renamed).into_iter().chain(found.hostname(&clone.name)).collect();
            if !files.is_empty() {
                let prefix = format!("{}.{}.", crate::model::bundle_names::component(&clone.name), origin.vdev);
                tailor(draft, setting, &Tailored { disk: &disk, files: &files, prefix: &prefix });
            }
            draft.stretch(first, None);
            let step = draft.run(
                "Check it once more",
                "Before a guest relies on it. Nothing is changed.",
                Cmd::reads("e2fsck", ["-f".to_owned(), "-n".to_owned(), text(&disk)]).within(SLOW),
            );
            draft.done(step, crate::plan::again::never());
        }
    }
}

impl Found {
    fn fstab(&self, renamed: &[(&str, String)]) -> Option<Inner> {
        let bytes = with_new(&self.fstab, renamed)?;
        let has = |new: &&(&str, String)| bytes.windows(new.1.len()).any(|part| part == new.1.as_bytes());
        let tells = renamed.iter().find(has).map(|(_, new)| new.clone()).unwrap_or_default();
        Some(Inner { name: FSTAB, bytes, tells })
    }

    fn hostname(&self, name: &str) -> Option<Inner> {
        self.has_hostname.then(|| Inner { name: HOSTNAME, bytes: format!("{name}\n").into_bytes(), tells: name.to_owned() })
    }
}

/// The fstab with the new UUIDs in the place of the old ones, in either case of letters; nothing: it names none of them.
fn with_new(fstab: &[u8], renamed: &[(&str, String)]) -> Option<Vec<u8>> {
    let mut after = fstab.to_vec();
    for (old, new) in renamed.iter().filter(|(old, _)| !old.is_empty()) {
        let mut at = 0_usize;
        while let Some(part) = after.get(at..at.saturating_add(old.len())) {
            if part.eq_ignore_ascii_case(old.as_bytes()) {
                after.splice(at..at.saturating_add(old.len()), new.bytes());
                at = at.saturating_add(new.len());
            } else {
                at = at.saturating_add(1);
            }
        }
    }
    (after != fstab).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_the_old_uuid_name_the_new_one() {
        let old = "0f5c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01";
        let fstab = format!("# UUID={old}\nUUID={} / ext4 defaults 0 1\n/dev/xvdb /srv xfs defaults\n", old.to_uppercase());
        let after = String::from_utf8(with_new(fstab.as_bytes(), &[(old, "new".into())]).unwrap()).unwrap();
        assert_eq!(after, "# UUID=new\nUUID=new / ext4 defaults 0 1\n/dev/xvdb /srv xfs defaults\n", "the clone would not find its root");
        assert_eq!(with_new(b"/dev/xvda / ext4\n", &[(old, "new".into())]), None, "a file would be written that stays the same");
        assert_eq!(with_new(b"", &[(old, "new".into())]), None, "an fstab would be made where there is none");
    }
}
