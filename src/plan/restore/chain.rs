//! Images that stand on other images: each names the one below it, and that has another place now.

use crate::model::bundle::Piece;
use crate::model::{Check, Cmd, HostPath};
use crate::plan::draft::Draft;
use crate::plan::text;

/// Each restored qcow2 image gets the new place of the image that it stands on. One whose image below is not restored stands on the old one.
pub(super) fn stand_on_each_other(draft: &mut Draft, moved: &[(&Piece, HostPath)]) {
    for (piece, path) in moved.iter().filter(|(piece, _)| piece.kind == "disk" && piece.format.as_deref() == Some("qcow2")) {
        let Some((below, under)) = below(&piece.name).and_then(|name| moved.iter().find(|(piece, _)| piece.name == name)) else { continue };
        let (path, under) = (text(path), text(under));
        let format = below.format.as_deref().unwrap_or("raw");
        let step = draft.run(
            format!("Let {path} stand on {under}"),
            "It names the image below it, which has another place now. Only that name is changed.",
            Cmd::changes("qemu-img", ["rebase", "-u", "-f", "qcow2", "-F", format, "-b", &under, &path]),
        );
        // What it prints is JSON.
        let word = serde_json::to_string(&under).unwrap_or_default();
        let info = Cmd::reads("qemu-img", ["info", "--output=json", "-U", "-f", "qcow2", &path]);
        draft.done(step, Check::Says { cmd: info, text: format!("\"backing-filename\": {word}") });
    }
}

/// `vda.img` stands on `vda.below-1.img`, and that on `vda.below-2.img`.
fn below(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".img")?;
    Some(match stem.rsplit_once(".below-") {
        Some((disk, depth)) => format!("{disk}.below-{}.img", depth.parse::<u32>().ok()?.checked_add(1)?),
        None => format!("{stem}.below-1.img"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_knows_the_next_one_below() {
        assert_eq!(below("vda.img").as_deref(), Some("vda.below-1.img"));
        assert_eq!(below("vda.below-1.img").as_deref(), Some("vda.below-2.img"));
        assert_eq!(below("memory.save"), None);
    }
}
