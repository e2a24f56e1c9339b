//! Each piece as a file in a directory, with a configuration that names these files.

use super::{Job, chain};
use crate::model::bundle::Piece;
use crate::model::{Action, HostPath, bundle_names};
use crate::plan::draft::Draft;
use crate::plan::facts::Go;
use crate::plan::{config_text, libvirt, new_file, paths};

pub(super) fn steps(job: &Job<'_>, draft: &mut Draft, directory: &HostPath, name: Option<&str>) -> Go<()> {
    paths::check(directory)?;
    let (place, base) = paths::directory(job.facts, directory)?;
    let name = name.unwrap_or(&job.manifest.domain);
    let renamed = name != job.manifest.domain;
    if renamed {
        new_file::check_name(job.facts.inventory(), name)?;
    }
    let prefix = bundle_names::component(name);
    let mut moved: Vec<(&Piece, HostPath)> = Vec::new();
    let files = job.pieces.iter().filter(|piece| !matches!(piece.kind.as_str(), "config" | "xml"));
    let files: Vec<(&Piece, HostPath)> = files.map(|piece| (*piece, base.join(format!("{prefix}-{}", piece.name)))).collect();
    job.want_places(files.iter().map(|(_, to)| to))?;
    job.want_rooms(files.iter().map(|(piece, _)| *piece))?;
    for (piece, to) in files {
        let (_, real) = paths::vacant(job.facts, &to)?;
        job.file(draft, piece, &real, place, None)?;
        moved.push((piece, real));
    }
    if moved.iter().any(|(piece, _)| piece.kind == "save") {
        draft.warn("The save image names the disks at their old place: resumed as it is, it would write to those. Start the restored domain from its configuration instead.");
    }
    for piece in job.pieces.iter().filter(|piece| piece.kind == "config") {
        config(job, draft, piece, &moved, &base.join(format!("{prefix}.{}", extension(&piece.name))), renamed.then_some(name))?;
    }
    chain::stand_on_each_other(draft, &moved);
    for piece in job.pieces.iter().filter(|piece| piece.kind == "xml") {
        if let Some(virsh) = libvirt::restore::of(job.manifest) {
            let restored =
                libvirt::restore::Restored { facts: job.facts, setting: job.setting, virsh, piece, definition: job.bytes(piece)? };
            restored.define_beside(draft, name, &moved)?;
            continue;
        }
        draft.warn(format!("{} is libvirt's, and stays in the backup: change its paths and define it with virsh.", piece.name));
    }
    Ok(())
}

/// `config` becomes `web01.cfg`, `config-2` `web01.config-2.cfg`.
fn extension(piece: &str) -> String {
    if piece == "config" { "cfg".into() } else { format!("{}.cfg", bundle_names::component(piece)) }
}

fn config(job: &Job<'_>, draft: &mut Draft, piece: &Piece, moved: &[(&Piece, HostPath)], to: &HostPath, name: Option<&str>) -> Go<()> {
    let old = job.bytes(piece)?;
    let (_, real) = paths::vacant(job.facts, to)?;
    let new = match rewritten(old, moved, name) {
        Ok(new) => new,
        Err(why) => {
            draft.warn(format!(
                "The configuration is not adapted ({why}). It stays in the backup as {}: before you start from it, change its disks to the new files{}.",
                piece.name,
                if name.is_some() { ", and its name, uuid and MAC addresses" } else { "" }
            ));
            return Ok(());
        }
    };
    if name.is_none() {
        draft.warn(format!("{real} carries the old name and identity: do not run it beside the old domain."));
    }
    draft.edit(new_file::edit(&real, Some(old), &new));
    draft.step(
        format!("Write a configuration that names the new files, {real}"),
        "The old one names the old disks: started from it, the domain would write to those. Move it to /etc/xen to keep it, or use --look-in.",
        Action::WriteFile { path: real, bytes: new, mode: 0o644 },
    );
    Ok(())
}

fn rewritten(old: &[u8], moved: &[(&Piece, HostPath)], name: Option<&str>) -> Result<Vec<u8>, String> {
    for spec in config_text::strings(old, "disk")? {
        let source = config_text::source_of(&spec)?;
        let known = |(piece, _): &&(&Piece, HostPath)| piece.kind == "disk" && piece.vdev.as_deref() == Some(source.vdev.as_str());
        if !source.empty && !moved.iter().any(|found| known(&found)) {
            return Err(format!("its disk {} is not restored", source.vdev));
        }
    }
    let mut new = config_text::map_strings(old, "disk", |spec| {
        let source = config_text::source_of(spec).ok().filter(|source| !source.empty)?;
        let (_, path) = moved.iter().find(|(piece, _)| piece.kind == "disk" && piece.vdev.as_deref() == Some(source.vdev.as_str()))?;
        Some(config_text::disk_spec(path.as_bytes(), &source.vdev, &source.format, source.writes))
    })?;
    if let Some(name) = name {
        new = config_text::set_text(&new, "name", name.as_bytes())?;
        new = config_text::comment_out(&new, "uuid")?;
        new = config_text::map_strings(&new, "vif", |vif| Some(without_mac(vif)))?;
    }
    Ok(new)
}

/// A network interface without its address: xl then makes a new one.
fn without_mac(vif: &[u8]) -> Vec<u8> {
    let parts = vif.split(|c| *c == b',').filter(|part| !part.trim_ascii().to_ascii_lowercase().starts_with(b"mac="));
    parts.collect::<Vec<_>>().join(b",".as_slice())
}
