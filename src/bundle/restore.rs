//! `RESTORE.txt`: how a person brings a bundle back with what every host has, and without domkeep.
//!
//! Prose, and blocks of commands between `# begin sh: NAME` and `# end sh`, each a subshell of its own: pasted into a login shell it cannot
//! end it, and the first error ends the block. No stranger's text is a line of its own, so nobody can lay a block in it.

mod blocks;
#[cfg(test)]
mod tests;

use super::manifest::{Manifest, Piece};
use super::piece::in_words;
use crate::model::bytes::exact;
use crate::model::shown;

/// Unreadable ranges that are named one by one.
const MOST_RANGES: usize = 20;

/// What the commands for a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A file at its old path.
    File,
    /// Onto a block device that is found under its old path again.
    Device,
    /// A person must say where: a loop device has another number today.
    Ask,
    /// Given to libvirt.
    Define,
    /// Read where it lies, when the domain is started.
    Stay,
}

fn way(piece: &Piece) -> Way {
    match (piece.kind.as_str(), piece.source_kind.as_deref()) {
        ("disk", Some("file")) | ("config" | "nvram" | "tpm", _) => Way::File,
        ("disk", Some("lvm" | "partition" | "disk")) => Way::Device,
        ("xml", _) => Way::Define,
        ("save", _) => Way::Stay,
        _ => Way::Ask,
    }
}

/// The text for a bundle.
pub fn restore_txt(manifest: &Manifest) -> String {
    let mut out = String::from("HOW TO RESTORE THIS BACKUP WITHOUT domkeep\n\n");
    out.push_str(&about(manifest));
    out.push_str(&warnings(manifest));
    out.push_str(
        "How to use the commands\n\
         \x20   As root. Each block of commands stands between a line `# begin sh: NAME` and a line\n\
         \x20   `# end sh`. Change to the directory of this file, then paste a block into a shell, or\n\
         \x20   run it by its name:\n\
         \x20       sh -c \"$(sed -n '/^# begin sh: check$/,/^# end sh$/p' RESTORE.txt)\"\n\
         \x20   A block stops at the first error and says what is wrong. To restore to another place,\n\
         \x20   change the line that begins with `to=`.\n\n\
         1. Check that the backup is as it was written\n\n\
         \x20   `X.hashes` has one line for each 1048576 bytes of `X`: their blake3 in hexadecimal, or\n\
         \x20   the word `zero` where all of them are zero. `b3sum` is in the package b3sum.\n\n",
    );
    out.push_str(&blocks::check(manifest));
    out.push_str("\n2. Bring back what was backed up\n\n");
    out.push_str(
        "    Nobody may use a disk while it is restored: no domain (`xl list`), no mount (`findmnt`).\n\
         \x20   A disk goes to a block device with plain `dd`, never with `conv=sparse`: that skips zeros,\n\
         \x20   and where it skips, the device keeps its old bytes. The new disk would be a mixture.\n",
    );
    for (at, piece) in manifest.pieces.iter().enumerate() {
        out.push_str(&format!("\n{}", one(manifest, at + 1, piece)));
    }
    out.push_str("\n3. Start the domain\n\n");
    if manifest.pieces.iter().any(|piece| piece.kind == "disk") {
        out.push_str(
            "    Where a disk lies at another place than before, its configuration must say so first (`disk = [...]`); a save\n    \
             image then takes that configuration too: `xl restore CONFIGURATION IMAGE`.\n\n",
        );
    }
    out.push_str(&start(manifest));
    out
}

fn about(manifest: &Manifest) -> String {
    let mut out = format!(
        "What this is\n    A backup of the domain `{}` of the host `{}`, made by domkeep {}.\n    It holds the state of {} UTC: {}.\n",
        shown::text(&manifest.domain),
        shown::text(&manifest.host),
        shown::text(&manifest.tool),
        manifest.instant.format("%Y-%m-%d %H:%M:%S"),
        shown::text(&manifest.consistency)
    );
    out.push_str("    Where domkeep is at hand, `domkeep verify` and `domkeep restore` do what follows.\n\nWhat lies here\n");
    for piece in &manifest.pieces {
        let disk = piece.vdev.as_ref().map(|vdev| format!(" {}", shown::text(vdev))).unwrap_or_default();
        let kind = piece.source_kind.as_ref().map(|kind| format!(" ({})", shown::text(kind))).unwrap_or_default();
        let format = piece.format.as_ref().map(|format| format!(", to be read as {}", shown::text(format))).unwrap_or_default();
        out.push_str(&format!(
            "    {}: {}{disk}, {}, of {}{kind}{format}\n",
            shown::text(&piece.name),
            shown::text(&piece.kind),
            exact(piece.bytes),
            piece.source
        ));
        for (at, range) in piece.unreadable.iter().enumerate() {
            if at == MOST_RANGES {
                out.push_str(&format!("        and {} more ranges that could not be read\n", piece.unreadable.len() - MOST_RANGES));
                break;
            }
            out.push_str(&format!("        {} could not be read: zeros stand there instead\n", in_words(*range)));
        }
    }
    out.push('\n');
    out
}

fn warnings(manifest: &Manifest) -> String {
    let mut out = String::new();
    if let Some(why) = &manifest.torn {
        out.push_str(&format!(
            "WARNING: THIS BACKUP IS TORN\n    {}\n    Its disks hold states of different instants. A file system in it may be damaged in ways that nobody\n    \
             sees at once. Use it only when there is no other, and check its file systems before anything else.\n\n",
            shown::text(why)
        ));
    }
    if manifest.pieces.iter().any(|piece| piece.kind == "save") {
        out.push_str(
            "WARNING: THE SAVE IMAGE BELONGS TO EXACTLY THESE DISKS\n    \
             Restore all disks of this backup, then resume, and let nothing write to them in between: no start, no\n    \
             mount, no file system check. A save image that goes on with other disks destroys their file systems.\n\n",
        );
    }
    if !manifest.left_out.is_empty() {
        out.push_str("WARNING: NOT EVERYTHING OF THE DOMAIN IS IN HERE\n");
        for left in &manifest.left_out {
            out.push_str(&format!("    {}: {}\n", shown::text(&left.what), shown::text(&left.why)));
        }
        out.push('\n');
    }
    out
}

fn one(manifest: &Manifest, number: usize, piece: &Piece) -> String {
    let name = shown::text(&piece.name);
    let was = format!("it was {} ({})", piece.source, shown::text(&piece.source_identity));
    match way(piece) {
        Way::File if piece.kind == "disk" => {
            let words = format!("    {name}, a file of {} bytes; {was}.\n    Holes stay holes.\n\n", piece.bytes);
            words + &blocks::to_file(manifest, number, piece)
        }
        Way::File => format!("    {name}; {was}.\n\n") + &blocks::to_file(manifest, number, piece),
        Way::Device => {
            let words = format!(
                "    {name}, a block device of {} bytes; {was}.\n    Look first whether the device that is called so today is the one that you mean. Where it is gone,\n    \
                 make one of at least that size: `lvcreate -L {}b -n NAME GROUP`.\n\n",
                piece.bytes, piece.bytes
            );
            words + &blocks::to_device(manifest, number, piece)
        }
        Way::Ask => {
            let words = format!(
                "    {name}, {} bytes, of the kind `{}`; {was}.\n    Where it goes to is yours to say: `TO=/path/of/a/file/or/device` before the block.\n\n",
                piece.bytes,
                shown::text(&piece.kind)
            );
            words + &blocks::to_wherever(manifest, number, piece)
        }
        Way::Define => {
            let words = format!(
                "    {name}, libvirt's definition of the domain; {was}.\n    It must say how each disk is to be read: where `<driver type=...>` differs from what stands above beside the disk's\n    \
                 file (`raw` for what QEMU offered while the domain ran), change it first.\n\n"
            );
            words + &blocks::define(number, piece)
        }
        Way::Stay => format!("    {name}, the save image; {was}.\n    It is read where it lies, below.\n"),
    }
}

fn start(manifest: &Manifest) -> String {
    let of_kind = |kind: &str| manifest.pieces.iter().find(|piece| piece.kind == kind);
    if let Some(save) = of_kind("save") {
        let words = "    The domain was saved: its memory goes on where it stopped. All disks must be restored, and untouched since\n    \
                     (see the warning above). If they are not, do not resume; start the domain from its configuration: what was\n    \
                     in its memory is lost then, as after a power cut.\n\n";
        return words.to_owned() + &blocks::resume(manifest, save, of_kind("config").is_none() && of_kind("xml").is_some());
    }
    match (of_kind("config"), of_kind("xml")) {
        (Some(config), _) => blocks::create(manifest, config),
        (None, Some(_)) => blocks::virsh_start(manifest),
        (None, None) => "    This backup has no configuration of the domain: write one that names the restored disks.\n".to_owned(),
    }
}
