//! A damaged backup, as far as it is readable.

use super::Job;
use crate::model::bundle::{Manifest, Piece};
use crate::model::bundle_names::segment_path;
use crate::model::request::Restore;
use crate::model::salvage::{DamagedDisk, Salvage};
use crate::model::{Action, HostPath, Location, Question};
use crate::plan::draft::Draft;
use crate::plan::facts::{Go, if_known};

pub(super) fn begin(draft: &mut Draft, manifest: &Manifest) {
    draft.confirm(
        &manifest.domain,
        "This backup is brought back although it may be damaged: what is not readable becomes zeros, and what is not as it was written is brought back as it lies there. The job names the ranges, and never calls the result good.",
    );
    if manifest.pieces.iter().any(|piece| piece.kind == "save") {
        draft.warn("The memory in it is not brought back: a guest that goes on from damaged memory, or over damaged disks, destroys them.");
    }
    if manifest.pieces.iter().any(|piece| piece.kind == "config") {
        draft.warn("The configuration is taken as it lies in the backup: read it before you start from it.");
    }
    draft.warn("Check every file system (e2fsck -f -n) before anything mounts it, and copy out what you need rather than run from it.");
}

pub(super) fn salvage(request: &Restore, piece: &Piece, to: Location, new: bool) -> Action {
    Action::Salvage {
        pieces: vec![Salvage {
            label: piece.vdev.clone().unwrap_or_else(|| piece.name.clone()),
            bundle: request.bundle.clone(),
            piece: piece.name.clone(),
            bytes: piece.bytes,
            segment: piece.segment_bytes,
            digest: piece.digest.clone(),
            to,
            new,
        }],
    }
}

/// Which files lie in the damage: looked for where they are restored by now, under their final names.
pub(super) fn end(job: &Job<'_>, draft: &mut Draft) -> Go<()> {
    let disks: Vec<&Piece> = job.pieces.iter().filter(|piece| piece.kind == "disk").copied().collect();
    let lies = |piece: &Piece| {
        let name = if piece.segment_bytes.is_some() { segment_path(&piece.name, 0) } else { piece.name.clone() };
        job.request.bundle.join(&name)
    };
    job.facts.want(disks.iter().map(|piece| Question::SignatureOf { path: lies(piece) }))?;
    if !job.facts.has_tool("debugfs")? {
        draft.warn("Which files lie in the damage cannot be said: there is no debugfs on this host (Debian's package e2fsprogs).");
        return Ok(());
    }
    for piece in disks {
        let found = if_known(job.facts.signatures(&lies(piece)))?.unwrap_or_default();
        let systems = found.iter().filter(|signature| signature.kind.starts_with("ext")).map(|signature| signature.offset).collect();
        let Some((from, disk)) = draft.salvaged(&job.request.bundle, &piece.name) else { continue };
        let label = piece.vdev.clone().unwrap_or_else(|| piece.name.clone());
        draft.step(
            format!("Look which files of {label} lie in damaged ranges"),
            "debugfs opens the file system for reading only. Whatever it finds is told, and listed in the job's folder.",
            Action::NameLostFiles { from, disks: vec![DamagedDisk { label, disk: final_name(draft, &disk), systems }] },
        );
    }
    Ok(())
}

/// What a file that was restored under a partial name is called in the end.
fn final_name(draft: &Draft, partial: &HostPath) -> HostPath {
    draft.renamed(partial).unwrap_or_else(|| partial.clone())
}
