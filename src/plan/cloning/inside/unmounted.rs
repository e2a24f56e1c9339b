//! ext: read and written by its own tools without mounting it. In a partition they find it by `DISK?offset=BYTES`.

use super::super::origin::Origin;
use super::found::{Files, Kind, System};
use super::{Renamed, SLOW, Work};
use crate::model::{Check, Cmd, Question};
use crate::plan::draft::Draft;
use crate::plan::ext::place;
use crate::plan::facts::{Facts, Go, each, no};
use crate::plan::new_disk::{Inner, Tailored, tailor};
use crate::plan::{again, paths};

/// More of an fstab is not read.
const LONGEST: usize = 64 << 10;
const FSTAB: &str = "etc/fstab";
const HOSTNAME: &str = "etc/hostname";

pub(super) fn look(facts: &Facts<'_>, origins: &[Origin<'_>], systems: &mut [System]) -> Go<()> {
    let ext = || systems.iter().filter(|system| system.kind == Kind::Ext);
    if ext().next().is_none() {
        return Ok(());
    }
    paths::tools(facts, &[("e2fsck", "e2fsprogs"), ("tune2fs", "e2fsprogs"), ("debugfs", "e2fsprogs")])?;
    let files = each(ext(), |system| match origins.get(system.disk) {
        Some(origin) => found(facts, &place(&origin.path, system.offset), &system.name),
        None => no("disk-unknown", format!("nothing is known of {}", system.name), "look again"),
    })?;
    for (system, files) in systems.iter_mut().filter(|system| system.kind == Kind::Ext).zip(files) {
        system.files = Some(files);
    }
    Ok(())
}

fn found(facts: &Facts<'_>, disk: &str, name: &str) -> Go<Files> {
    let asks = |words: String| Cmd::reads("debugfs", ["-R".to_owned(), words, disk.to_owned()]);
    let cat = |name: &str| asks(format!("cat /{name}"));
    let root = asks("stat /".to_owned());
    facts.want([cat(FSTAB), cat(HOSTNAME), root.clone()].map(|cmd| Question::Said { cmd }))?;
    // debugfs ends well whatever went wrong: what it could not open has no root directory.
    if facts.said(&root)?.is_empty() {
        return no(
            "inside-unreadable",
            format!("debugfs cannot look into the file system on {name}"),
            "leave it as it is (--inside no), or let e2fsck mend the original first, while nobody uses it",
        );
    }
    let fstab = facts.said(&cat(FSTAB))?;
    if fstab.len() > LONGEST {
        return no("fstab-too-large", format!("the fstab on {name} is no fstab"), "leave it as it is (--inside no)");
    }
    Ok(Files { fstab: fstab.to_vec(), has_hostname: !facts.said(&cat(HOSTNAME))?.is_empty() })
}

pub(super) fn steps(draft: &mut Draft, work: &Work<'_>) {
    let Work { setting, system, renamed, uuid, name, prefix, disk } = work;
    let disk = place(disk, system.offset);
    let first = draft.run(
        format!("Check the file system on {disk}"),
        "Its UUID is changed only on one that is whole. What a crash left is mended as at a boot (e2fsck then ends with 1).",
        Cmd::changes("e2fsck", ["-f".to_owned(), "-p".to_owned(), disk.clone()]).or_exit(1).within(SLOW),
    );
    draft.done(first, again::never());
    let step = draft.run(
        format!("Give the file system on {disk} a UUID of its own"),
        "So that whoever sees original and clone at once can tell them apart.",
        Cmd::changes("tune2fs", ["-U".to_owned(), uuid.clone(), disk.clone()]).within(SLOW),
    );
    let asks = Cmd::reads("tune2fs", ["-l".to_owned(), disk.clone()]);
    draft.done(step, Check::Says { cmd: asks, text: format!("Filesystem UUID:          {uuid}") });
    let files: Vec<Inner> = system.files.iter().flat_map(|files| files.fstab(renamed).into_iter().chain(files.hostname(name))).collect();
    if !files.is_empty() {
        tailor(draft, setting, &Tailored { disk: &disk, files: &files, prefix: &format!("{prefix}.") });
    }
    draft.stretch(first, None);
    let step = draft.run(
        "Check it once more",
        "Before a guest relies on it. Nothing is changed.",
        Cmd::reads("e2fsck", ["-f".to_owned(), "-n".to_owned(), disk]).within(SLOW),
    );
    draft.done(step, again::never());
}

impl Files {
    fn fstab(&self, renamed: &Renamed<'_>) -> Option<Inner> {
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
fn with_new(fstab: &[u8], renamed: &Renamed<'_>) -> Option<Vec<u8>> {
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
