//! Checkpoints: from one backup to the next, QEMU keeps book in its qcow2 images of what is written to them.
//!
//! One is made at the instant of each backup that wants an increment, named after its bundle: `domkeep-BUNDLE`. The next backup reads what its bitmap
//! names; when that is whole, the older checkpoints go. A bundle is whole without them: a checkpoint that is lost costs a full read.

use std::collections::BTreeSet;

use roxmltree::{Document, ParsingOptions};

use super::aside::{self, Aside};
use super::{SOCKETS, Virsh};
use crate::model::libvirt_check::escaped;
use crate::model::{Action, Book, Check, Cmd, Domain, HostPath, LibvirtIs, Location, Undo};
use crate::plan::cold_backup::gather::{Gathered, Source};
use crate::plan::cold_backup::place;
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, if_known};
use crate::plan::increment::Increments;
use crate::plan::{Setting, text};

const OURS: &str = "domkeep-";

/// What a backup finds of the checkpoints of those before it.
pub(super) struct Chain {
    /// The checkpoint that this backup makes.
    new: String,
    file: HostPath,
    /// Disks of which QEMU can keep book.
    kept: Vec<String>,
    /// Those that earlier backups made, and the disks whose bitmap is whole; nothing: it could not be found out.
    old: Vec<(String, Option<BTreeSet<String>>)>,
}

impl Chain {
    pub fn look(facts: &Facts<'_>, setting: &Setting, domain: &Domain, virsh: &Virsh, offered: &[Aside]) -> Go<Self> {
        let id = place::random_part(setting);
        let kept = domain.disks.iter().filter(|disk| {
            let qcow2 = disk.libvirt.as_ref().is_some_and(|xml| xml.format.as_deref() == Some("qcow2"));
            qcow2 && offered.iter().any(|one| disk.vdev.as_ref() == Some(&one.vdev))
        });
        let kept = kept.filter_map(|disk| disk.vdev.clone()).collect();
        let known = domain.libvirt.as_ref().and_then(|facts| facts.checkpoints.as_ref());
        let mut old = Vec::new();
        for checkpoint in known.into_iter().flatten().filter(|checkpoint| is_ours(&checkpoint.name)) {
            let asked = virsh.reads("checkpoint-dumpxml", &["--checkpointname", &checkpoint.name, "--size", "--no-domain"]);
            old.push((checkpoint.name.clone(), if_known(facts.said(&asked))?.and_then(whole)));
        }
        let file = HostPath::from(SOCKETS).join(format!("{OURS}{id}.checkpoint.xml"));
        Ok(Self { new: format!("{OURS}{id}"), file, kept, old })
    }

    /// Who tells what changed on a disk that QEMU offers since a bundle was made; or why nobody does. Nothing: QEMU does not offer it.
    pub fn book(&self, source: &Source, since: &str) -> Option<Result<Book, String>> {
        let Location::Nbd { socket, export } = &source.from else { return None };
        if !self.kept.contains(export) {
            return Some(Err("QEMU keeps book of what is written only in qcow2 images, and this is none".into()));
        }
        let named = format!("{OURS}{since}");
        let found = self.old.iter().find(|(name, _)| *name == named).map(|(_, whole)| whole);
        Some(match found {
            None => Err("the checkpoint that the last backup made is gone".into()),
            Some(None) => Err(format!("what the checkpoint {named} holds could not be found out")),
            Some(Some(whole)) if whole.contains(export) => {
                Ok(Book::Bitmap { socket: socket.clone(), export: export.clone(), bitmap: bitmap(export) })
            }
            Some(Some(_)) => Err(format!("the bitmap of the checkpoint {named} is gone or broken, as it is after QEMU was killed")),
        })
    }

    /// Whether a checkpoint is made.
    pub fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The checkpoint's XML, in a file that virsh reads at the instant. Gives the file.
    pub fn before_begin(&self, draft: &mut Draft, virsh: &Virsh) -> HostPath {
        let there = self.is_there(virsh);
        let step = draft.step(
            "Write down which checkpoint is made",
            "From this instant on QEMU keeps book, in the images themselves, of what is written to them: the next backup reads only that.",
            Action::WriteFile { path: self.file.clone(), bytes: self.xml().into_bytes(), mode: 0o600 },
        );
        let remove = Cmd::changes("rm", ["-f".to_owned(), "--".to_owned(), text(&self.file)]);
        draft.cleanup(step, "Remove that file", remove, Check::Exists { path: self.file.clone() });
        let step = draft.step(
            format!("Look whether {} has no checkpoint of that name", virsh.name),
            "What this job makes is taken back with it.",
            Action::WaitFor { check: there.clone().negated(), limit_seconds: 0 },
        );
        draft.done(step, there);
        let delete = Action::Run { cmd: delete(virsh, &self.new, false) };
        draft.undo(step, Undo::By { action: Box::new(Action::Try { that: Box::new(delete) }) });
        self.file.clone()
    }

    fn is_there(&self, virsh: &Virsh) -> Check {
        virsh.is(LibvirtIs::HasCheckpoint { name: self.new.clone() })
    }

    /// See <https://libvirt.org/formatcheckpoint.html>. A disk that is not named gets no bitmap.
    fn xml(&self) -> String {
        let disks: Vec<String> = self.kept.iter().map(|vdev| format!("    <disk name='{vdev}' checkpoint='bitmap'/>")).collect();
        let name = escaped(&self.new);
        format!("<domaincheckpoint>\n  <name>{name}</name>\n  <disks>\n{}\n  </disks>\n</domaincheckpoint>\n", disks.join("\n"))
    }

    /// When the backup is whole: those before it go. One that is broken cannot be merged into what came before it, and is only forgotten.
    pub fn after_seal(&self, draft: &mut Draft, virsh: &Virsh) {
        for (name, whole) in &self.old {
            let broken = whole.as_ref().is_some_and(|whole| self.kept.iter().any(|vdev| !whole.contains(vdev)));
            draft.step(
                format!("Remove the checkpoint {name} of an earlier backup"),
                if broken { "Its bitmap is gone or broken: libvirt forgets it." } else { "The new one takes its place." },
                Action::Try { that: Box::new(Action::Run { cmd: delete(virsh, name, broken) }) },
            );
        }
    }
}

/// What is said of the disks that are read by their bitmaps, in the XML of the backup job.
pub(super) fn attributes(vdev: &str, gathered: &Gathered, domain: &Domain, increments: &Increments) -> String {
    let of_disk = |source: &&Source| aside::written(domain, source).is_some_and(|disk| disk.vdev.as_deref() == Some(vdev));
    let source = gathered.disks.iter().find(of_disk);
    let since = source.filter(|source| increments.is_told(&source.piece.name)).and_then(|source| source.keeping.since.as_ref());
    let Some(since) = since else { return String::new() };
    format!(" backupmode='incremental' incremental='{}' exportbitmap='{}'", escaped(&format!("{OURS}{}", since.id)), bitmap(vdev))
}

/// Made by a backup: `domkeep-` and a bundle's id.
fn is_ours(name: &str) -> bool {
    name.strip_prefix(OURS).is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn bitmap(vdev: &str) -> String {
    format!("{OURS}{vdev}")
}

fn delete(virsh: &Virsh, name: &str, only_forget: bool) -> Cmd {
    let mut more = vec!["--checkpointname", name];
    more.extend(only_forget.then_some("--metadata"));
    virsh.changes("checkpoint-delete", &more)
}

/// The disks of a checkpoint of whose bitmap libvirt tells what it names: of one that is gone, or was not closed well, it tells nothing.
fn whole(said: &[u8]) -> Option<BTreeSet<String>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 10_000, ..ParsingOptions::default() };
    let text = std::str::from_utf8(said).ok()?;
    let document = Document::parse_with_options(text.trim(), options).ok()?;
    let disks = document.descendants().filter(|node| node.has_tag_name("disk"));
    let told = disks.filter(|disk| disk.attribute("bitmap").is_some() && disk.attribute("size").is_some());
    Some(told.filter_map(|disk| disk.attribute("name").map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_of_which_libvirt_tells_no_size_is_not_gone_by() {
        let said = b"<domaincheckpoint><name>domkeep-c</name><disks>
            <disk name='vda' checkpoint='bitmap' bitmap='domkeep-c' size='0'/>
            <disk name='vdb' checkpoint='bitmap' bitmap='domkeep-c'/><disk name='vdc' checkpoint='no'/></disks></domaincheckpoint>\n\n";
        assert_eq!(whole(said), Some(BTreeSet::from(["vda".to_owned()])), "an increment would lack what was written");
        assert_eq!(whole(b"error"), None);
    }

    #[test]
    fn only_checkpoints_of_backups_are_ours() {
        assert!(is_ours("domkeep-0123456789abcdef"));
        for other in ["c1", "domkeep-", "domkeep-mine", "domkeep-0123456789abcdeg"] {
            assert!(!is_ours(other), "{other} would be removed under somebody's hands");
        }
    }
}
