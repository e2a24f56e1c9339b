//! Giving a restored domain back to libvirt: its definition, adapted to where its disks lie now.

use std::collections::BTreeMap;

use super::xml::{self, Wanted};
use super::{SYSTEM, Virsh};
use crate::model::bundle::{Manifest, Piece};
use crate::model::{Cmd, Domain, Edit, HostPath, LibvirtIs, Plan, Undo, cmd::shell_word, shown};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, text};

/// Where the definition is shown to lie, for a diff.
const SHOWN: &str = "/etc/libvirt/qemu";

/// The connection and uuid of the domain whose definition a bundle holds; nothing: it holds none of a connection that is changed.
pub(in crate::plan) fn of(manifest: &Manifest) -> Option<Virsh> {
    let piece = manifest.pieces.iter().find(|piece| piece.kind == "xml")?;
    let (uri, uuid) = piece.source_identity.strip_prefix("libvirt:")?.rsplit_once(':')?;
    (uri == SYSTEM).then(|| Virsh { uri: uri.to_owned(), uuid: uuid.to_owned(), name: manifest.domain.clone() })
}

/// What is needed of a restore.
pub(in crate::plan) struct Restored<'a> {
    pub facts: &'a Facts<'a>,
    pub setting: &'a Setting,
    pub virsh: Virsh,
    pub piece: &'a Piece,
    /// The definition as it lies in the bundle.
    pub definition: &'a [u8],
}

impl Restored<'_> {
    fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(self.definition).map_err(|_| "it is not UTF-8".to_owned())
    }

    /// A domain under another name and uuid, or the old one anew where libvirt does not know it any more, on the files that were restored.
    pub fn define_beside(&self, draft: &mut Draft, name: &str, moved: &[(&Piece, HostPath)]) -> Go<()> {
        let renamed = name != self.virsh.name;
        let known: Option<&Domain> = self.facts.inventory().domains.iter().find(|domain| is_libvirts(domain) && domain.name == name);
        let same = |domain: &&Domain| domain.uuid.as_deref() == Some(self.virsh.uuid.as_str()) && is_libvirts(domain);
        if let Some(domain) = known.or_else(|| self.facts.inventory().domains.iter().find(same).filter(|_| !renamed)) {
            return no(
                "domain-exists",
                format!("libvirt has a domain {} already, and two cannot have one name", domain.name),
                "give the restored one another name, or restore only its disks by naming their pieces",
            );
        }
        let uuid = if renamed { new_uuid(self.setting.id.as_str()) } else { self.virsh.uuid.clone() };
        let at: Vec<(String, &Piece)> = moved.iter().map(|(piece, path)| (text(path), *piece)).collect();
        let disks = at.iter().filter(|(_, piece)| piece.kind == "disk");
        let disks =
            disks.filter_map(|(path, piece)| Some((piece.vdev.as_deref()?, (path.clone(), piece.format.as_deref().unwrap_or("raw")))));
        let nvram = at.iter().find(|(_, piece)| piece.kind == "nvram").map(|(path, _)| path.clone());
        let disks: BTreeMap<&str, (String, &str)> = disks.collect();
        let wanted = Wanted { identity: Some((name, &uuid)), disks, nvram, ..Wanted::default() };
        let new = match self.text().and_then(|text| xml::rewritten(text, &wanted)) {
            Ok(new) => new,
            Err(why) => {
                draft.warn(format!(
                    "libvirt is not told of the restored domain ({why}). Its definition stays in the backup as {}: change its name, uuid, addresses and \
                     disks before you define it.",
                    self.piece.name
                ));
                return Ok(());
            }
        };
        if renamed {
            draft.lock(Plan::domain_lock(name));
            draft.saw(format!("{name} gets the uuid {uuid}; libvirt gives its network cards new addresses"), "the plan");
        }
        let virsh = Virsh { uuid, name: name.to_owned(), ..self.virsh.clone() };
        let step = draft.run(
            format!("Tell libvirt of {name}"),
            "Its definition names the restored files. It is not started, and does not start with the host.",
            define(&virsh, &new),
        );
        draft.done(step, virsh.is(LibvirtIs::Known));
        draft.undo(step, Undo::By { action: Box::new(crate::model::Action::Run { cmd: undefine(&virsh) }) });
        draft.edit(Edit { path: shown_path(name), before: None, after: xml::without_secrets(&new) });
        Ok(())
    }

    /// The domain as it was. `disks`: those that were restored where they were.
    pub fn define_again(&self, draft: &mut Draft, disks: &[&Piece]) -> Go<()> {
        let name = &self.virsh.name;
        let formats = disks.iter().filter_map(|piece| Some((piece.vdev.as_deref()?, piece.format.as_deref()?))).collect();
        let wanted = Wanted { formats, ..Wanted::default() };
        let new = match self.text().and_then(|text| xml::rewritten(text, &wanted)) {
            Ok(new) => new,
            Err(why) => return no("definition-not-read", format!("{} cannot be used: {why}", self.piece.name), "restore only its disks"),
        };
        let inventory = self.facts.inventory();
        let other = inventory.domains.iter().filter(|domain| is_libvirts(domain)).find(|domain| domain.name == *name);
        let Some(present) = other else {
            let step = draft.run(
                format!("Tell libvirt of {name} again"),
                "The definition of the backup. It is not started.",
                define(&self.virsh, &new),
            );
            draft.done(step, self.virsh.is(LibvirtIs::Known));
            draft.undo(step, Undo::By { action: Box::new(crate::model::Action::Run { cmd: undefine(&self.virsh) }) });
            draft.edit(Edit { path: shown_path(name), before: None, after: xml::without_secrets(&new) });
            return Ok(());
        };
        if present.uuid.as_deref() != Some(self.virsh.uuid.as_str()) {
            return no(
                "domain-exists",
                format!("another domain is called {name} now, with the uuid {}", shown::text(present.uuid.as_deref().unwrap_or("?"))),
                "restore beside, under another name",
            );
        }
        let old = String::from_utf8_lossy(self.facts.said(&self.virsh.definition())?).into_owned();
        if old.trim() == new.trim() {
            return Ok(());
        }
        draft.warn(format!(
            "{name} is defined otherwise than in the backup: its present definition is replaced, and stays in this job's plan."
        ));
        let defined = LibvirtIs::Defined { blake3: crate::model::libvirt_check::fingerprint(old.as_bytes()) };
        let step = draft.run(
            format!("Give {name} the definition of the backup"),
            "It belongs to the disks that are restored.",
            define(&self.virsh, &new),
        );
        draft.done(step, self.virsh.is(defined.clone()).negated());
        draft.undo(step, Undo::By { action: Box::new(crate::model::Action::Run { cmd: define(&self.virsh, &old) }) });
        draft.assume(format!("{name} is defined as it was looked at"), self.virsh.is(defined), Some(step));
        draft.edit(Edit { path: shown_path(name), before: Some(xml::without_secrets(&old)), after: xml::without_secrets(&new) });
        Ok(())
    }

    /// What the inventory says against a restore over the old place.
    pub fn look_at_old_place(&self, draft: &mut Draft) -> Go<()> {
        let inventory = self.facts.inventory();
        let Some(domain) = inventory.domains.iter().find(|domain| domain.uuid.as_deref() == Some(self.virsh.uuid.as_str())) else {
            draft.assume(
                format!("libvirt does not know {}", self.virsh.name),
                self.virsh.is(LibvirtIs::Known).negated(),
                Some(draft.len()),
            );
            return Ok(());
        };
        let facts = domain.libvirt.as_ref();
        if facts.and_then(|facts| facts.managed_save) != Some(false) {
            return no(
                "managed-save",
                format!(
                    "libvirt keeps a managed save of {}, or could not say that there is none: with other disks under it, it would destroy them",
                    domain.name
                ),
                format!("start the domain and shut it down, or virsh managedsave-remove {}; or restore beside", shell_word(&domain.name)),
            );
        }
        let checkpoints = facts.and_then(|facts| facts.checkpoints.as_ref()).is_some_and(|checkpoints| !checkpoints.is_empty());
        let snapshots = facts.and_then(|facts| facts.snapshots.as_ref()).is_some_and(|snapshots| !snapshots.is_empty());
        if checkpoints || snapshots {
            draft.warn(format!(
                "libvirt's snapshots and checkpoints of {} are of the disks that are replaced: what it lists will not fit.",
                domain.name
            ));
        }
        draft.assume(format!("{} is off", domain.name), self.virsh.is(LibvirtIs::Off), None);
        Ok(())
    }
}

fn is_libvirts(domain: &Domain) -> bool {
    domain.libvirt.as_ref().is_some_and(|facts| facts.uri == SYSTEM)
}

fn define(virsh: &Virsh, xml: &str) -> Cmd {
    let words = ["-q", "-c", &virsh.uri, "define", "--file", "/dev/stdin"];
    Cmd { stdin: xml.as_bytes().to_vec(), ..Cmd::changes("virsh", words) }
}

/// Files stay: they are the job's own to take back.
fn undefine(virsh: &Virsh) -> Cmd {
    virsh.changes("undefine", &["--keep-nvram"])
}

fn shown_path(name: &str) -> HostPath {
    HostPath::from(SHOWN).join(format!("{}.xml", crate::model::bundle_names::component(name)))
}

/// One that this job alone makes, and makes again the same when it is looked at twice (RFC 4122, as if it were random).
fn new_uuid(seed: &str) -> String {
    let hash = blake3::hash(format!("domkeep restored {seed}").as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = bytes.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_uuid_is_one() {
        let uuid = new_uuid("20261121-144501-0123456789abcdef");
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_bytes()[14], b'4', "libvirt would refuse it, or two would be alike: {uuid}");
        assert_ne!(uuid, new_uuid("20261121-144501-0123456789abcdee"));
    }
}
