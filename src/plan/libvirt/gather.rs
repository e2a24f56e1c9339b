//! What belongs into the backup of a domain of libvirt's beside its disks: its definition, and its UEFI variables.

use super::Virsh;
use crate::model::bundle::{LeftOut, Piece};
use crate::model::request::ColdBackup;
use crate::model::{Action, Domain, HostPath, LibvirtIs};
use crate::plan::cold_backup::gather::{self, Gathered};
use crate::plan::cold_backup::place::Destination;
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::paths;

pub(in crate::plan) const XML: &str = "domain.xml";
const NVRAM: &str = "nvram.fd";

/// A domain's definition as libvirt prints it.
pub(super) struct Definition {
    said: Vec<u8>,
    pub piece: Piece,
}

/// Disks, definition and UEFI variables. Nothing is taken of a managed save: it belongs to libvirt, and to the next start.
pub(super) fn gather(request: &ColdBackup, facts: &Facts<'_>, domain: &Domain, virsh: &Virsh) -> Go<(Gathered, Definition)> {
    let definition = definition(facts, domain, virsh)?;
    let mut gathered = gather::disks(request, facts, domain)?;
    for source in &mut gathered.disks {
        let of_disk = domain.disks.iter().find(|disk| disk.vdev.is_some() && disk.vdev == source.piece.vdev);
        // libvirt never guesses: what its XML does not say is raw, whatever the bytes look like.
        if let Some(xml) = of_disk.and_then(|disk| disk.libvirt.as_ref()) {
            source.piece.format = Some(xml.format.clone().unwrap_or_else(|| "raw".to_owned()));
        }
    }
    let paths = domain.libvirt.as_ref().map(|facts| &facts.paths);
    if let Some(nvram) = paths.and_then(|paths| paths.nvram.as_ref()) {
        if domain.libvirt.as_ref().and_then(|facts| facts.nvram_there) == Some(false) {
            let why = "the file is not there: libvirt makes it anew from its template".to_owned();
            gathered.left_out.push(LeftOut { what: nvram.to_string(), why });
        } else {
            let bytes = paths::follow(facts, nvram)?.0.bytes.unwrap_or_default();
            let source = gather::file_piece(facts, nvram, NVRAM, "nvram", bytes)?;
            gathered.configs.push(source);
        }
    }
    if let Some(tpm) = paths.and_then(|paths| paths.tpm_state.as_ref()) {
        let why = "TPM state is not copied yet: a guest whose disk is sealed with it asks for its recovery key after a restore".to_owned();
        gathered.left_out.push(LeftOut { what: tpm.to_string(), why });
    }
    if domain.libvirt.as_ref().and_then(|facts| facts.snapshots.as_ref()).is_some_and(|snapshots| !snapshots.is_empty()) {
        gathered
            .warnings
            .push("libvirt's list of its snapshots is not in the backup; what they hold inside its images is, in a cold one.".into());
    }
    gather::settle(&mut gathered, domain)?;
    Ok((gathered, definition))
}

fn definition(facts: &Facts<'_>, domain: &Domain, virsh: &Virsh) -> Go<Definition> {
    let said = facts.said(&virsh.definition())?.to_vec();
    let named = std::str::from_utf8(&said).ok().and_then(|text| super::xml::names(text).ok());
    if !named.is_some_and(|(_, uuid)| uuid.eq_ignore_ascii_case(&virsh.uuid)) {
        return no("no-definition", format!("libvirt's definition of {} could not be read", domain.name), "look at it with virsh dumpxml");
    }
    let source = domain.libvirt.as_ref().and_then(|facts| facts.paths.config.clone());
    let source = source.unwrap_or_else(|| HostPath::from(format!("/etc/libvirt/qemu/{}.xml", virsh.name)));
    let bytes = trimmed(&said).len() as u64;
    let piece = Piece { source_identity: format!("libvirt:{}:{}", virsh.uri, virsh.uuid), ..Piece::new(XML, "xml", bytes, source) };
    Ok(Definition { said, piece })
}

/// Without the blank line that virsh puts behind it.
fn trimmed(said: &[u8]) -> Vec<u8> {
    let mut bytes = said.trim_ascii_end().to_vec();
    bytes.push(b'\n');
    bytes
}

impl Definition {
    /// As virsh printed it.
    pub fn said(&self) -> &[u8] {
        &self.said
    }

    /// Writes it into the bundle, and takes for granted up to there that nobody changes it. Gives the step.
    pub fn write(&self, draft: &mut Draft, virsh: &Virsh, destination: &Destination) -> usize {
        let step = draft.step(
            "Write libvirt's definition of it",
            "As the next start takes it, passwords of its consoles included: readable by its owner alone.",
            Action::WriteFile { path: destination.partial.join(XML), bytes: trimmed(&self.said), mode: 0o600 },
        );
        let is = LibvirtIs::Defined { blake3: crate::model::libvirt_check::fingerprint(&self.said) };
        draft.assume(format!("{} is defined as it was looked at", virsh.name), virsh.is(is), Some(step));
        step
    }
}
