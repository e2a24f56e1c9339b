//! Names that LVM takes for something new.

use super::facts::{Go, no};
use crate::model::Lvm;

/// lvm.conf(5): parts of names that are LVM's own.
const RESERVED_PARTS: [&str; 14] = [
    "_cdata", "_cmeta", "_corig", "_iorig", "_mimage", "_mlog", "_pmspare", "_rimage", "_rmeta", "_tdata", "_tmeta", "_vdata", "_vorigin",
    "_wcorig",
];
const LONGEST_NAME: usize = 127;
/// device-mapper's limit, counting the group, the volume and what LVM adds to them.
const LONGEST_BOTH: usize = 116;

/// A name that LVM takes for a new volume, and that no other has.
pub(super) fn new_name(lvm: &Lvm, vg: &str, lv: &str) -> Go<()> {
    check_name("volume", lv)?;
    if let Some(start) = ["snapshot", "pvmove"].iter().find(|start| lv.starts_with(**start)) {
        return no("name-reserved", format!("names that begin with {start} are LVM's own"), "choose another name");
    }
    if let Some(part) = RESERVED_PARTS.iter().find(|part| lv.contains(**part)) {
        return no("name-reserved", format!("names with {part} in them are LVM's own"), "choose another name");
    }
    if lvm.volume(vg, lv).is_some() {
        return no("exists", format!("there is a volume {vg}/{lv} already, and nothing is overwritten"), "choose another name");
    }
    let doubled = |name: &str| name.len() + name.matches('-').count();
    if doubled(vg) + doubled(lv) > LONGEST_BOTH {
        return no("name-too-long", format!("{vg}/{lv} is too long for the device-mapper"), "choose a shorter name");
    }
    Ok(())
}

/// What LVM takes for a name at all (lvm(8), VALID NAMES).
pub(super) fn check_name(what: &str, name: &str) -> Go<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    let bad = name.is_empty() || name.starts_with('-') || matches!(name, "." | "..") || !name.chars().all(plain);
    if bad || name.len() > LONGEST_NAME {
        return no(
            "name-bad",
            format!("`{name}` cannot be a {what}'s name"),
            "take letters, digits and _.+-, not first a dash, at most 127",
        );
    }
    Ok(())
}
