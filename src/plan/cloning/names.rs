//! What the clones of volumes and files are called, and whether these names are free.

use std::collections::BTreeSet;

use super::origin::Origin;
use super::ways::Way;
use crate::model::cloning::Cloning;
use crate::model::{Domain, HostPath, bundle_names};
use crate::plan::facts::{Facts, Go, each, no};
use crate::plan::{paths, text};

/// Where overlays of devices go when nobody says otherwise: where Xen's own documents put image files.
const USUAL_DIRECTORY: &str = "/var/lib/xen/images";
/// LVM's own limit.
const LONGEST_VOLUME: usize = 127;

/// One clone of the domain.
pub(super) struct Named {
    pub name: String,
    /// One for each origin, in their order.
    pub targets: Vec<Target>,
}

/// What holds a cloned disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Volume {
        vg: String,
        lv: String,
    },
    /// `dev`: the device number of its file system.
    File {
        path: HostPath,
        dev: u64,
    },
}

impl Target {
    /// As a configuration names it.
    pub fn path(&self) -> HostPath {
        match self {
            Self::Volume { vg, lv } => HostPath::from(format!("/dev/{vg}/{lv}")),
            Self::File { path, .. } => path.clone(),
        }
    }
}

pub(super) fn all(request: &Cloning, facts: &Facts<'_>, domain: &Domain, origins: &[Origin<'_>]) -> Go<Vec<Named>> {
    let mut taken = BTreeSet::new();
    each(&request.names, |name| {
        let targets = each(origins, |origin| match origin.way {
            Way::Classic | Way::Thin => volume(facts, origin, domain, name, &mut taken),
            Way::Reflink | Way::Overlay => file(request, facts, origin, domain, name, &mut taken),
        })?;
        Ok(Named { name: name.clone(), targets })
    })
}

/// `web01-root` becomes `web02-root`; what does not carry the domain's name is called after the clone and the disk.
fn derived(origin: &str, domain: &str, clone: &str, vdev: &str) -> String {
    if !domain.is_empty() && origin.contains(domain) { origin.replacen(domain, clone, 1) } else { format!("{clone}-{vdev}") }
}

fn volume(facts: &Facts<'_>, origin: &Origin<'_>, domain: &Domain, clone: &str, taken: &mut BTreeSet<String>) -> Go<Target> {
    let Some(of) = origin.volume else {
        return no("not-a-volume", format!("{} is no logical volume of this host", origin.path), "choose a way for files");
    };
    let mut lv = derived(&of.name, &domain.name, clone, &origin.vdev);
    if taken.contains(&format!("{}/{lv}", of.vg)) {
        lv = format!("{clone}-{}", origin.vdev);
    }
    if let Some(why) = bad_volume(&lv) {
        return no("volume-name", format!("`{lv}` cannot be a volume's name: {why}"), "choose another name for the clone");
    }
    if facts.inventory().volumes.iter().any(|volume| volume.vg == of.vg && volume.name == lv) || !taken.insert(format!("{}/{lv}", of.vg)) {
        return no(
            "exists",
            format!("there is a volume {}/{lv} already", of.vg),
            "choose another name for the clone, or remove the volume first",
        );
    }
    Ok(Target::Volume { vg: of.vg.clone(), lv })
}

/// What LVM refuses (lvm(8), VALID NAMES).
fn bad_volume(name: &str) -> Option<&'static str> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "+_.-".contains(c));
    if !plain || name.is_empty() {
        return Some("LVM takes letters, digits and +_.- only");
    }
    if name.len() > LONGEST_VOLUME {
        return Some("it is longer than 127 characters");
    }
    let inside = [
        "_cdata", "_cmeta", "_corig", "_iorig", "_mimage", "_mlog", "_pmspare", "_rimage", "_rmeta", "_tdata", "_tmeta", "_vdata",
        "_vorigin", "_wcorig",
    ];
    let reserved = name.starts_with('-')
        || matches!(name, "." | "..")
        || ["snapshot", "pvmove"].iter().any(|start| name.starts_with(start))
        || inside.iter().any(|part| name.contains(part));
    reserved.then_some("LVM keeps such names for itself")
}

fn file(
    request: &Cloning,
    facts: &Facts<'_>,
    origin: &Origin<'_>,
    domain: &Domain,
    clone: &str,
    taken: &mut BTreeSet<String>,
) -> Go<Target> {
    let is_file = origin.backing.kind == crate::model::DiskKind::File;
    let directory = match &request.directory {
        Some(directory) => directory.clone(),
        None if is_file => paths::parent(&origin.path),
        None => HostPath::from(USUAL_DIRECTORY),
    };
    paths::check(&directory)?;
    let whole = origin.path.as_path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, ending) = whole.rsplit_once('.').filter(|(stem, _)| is_file && !stem.is_empty()).unwrap_or((whole.as_str(), "img"));
    let ending = if origin.way == Way::Overlay { "qcow2" } else { ending };
    let safe = bundle_names::component(clone);
    let mut path = directory.join(format!("{}.{ending}", derived(stem, &domain.name, &safe, &origin.vdev)));
    if taken.contains(&text(&path)) {
        path = directory.join(format!("{safe}-{}.{ending}", origin.vdev));
    }
    let (place, real) = paths::vacant(facts, &path)?;
    if !taken.insert(text(&real)) {
        return no("exists", format!("two disks would be called {real}"), "choose another name for the clone");
    }
    if origin.way == Way::Reflink && facts.place(&paths::parent(&origin.path))?.dev != place.dev {
        return no(
            "other-file-system",
            format!("{real} would lie on another file system than {}: they could share no blocks", origin.path),
            "choose a directory on the same one",
        );
    }
    Ok(Target::File { path: real, dev: place.dev })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_called_after_its_domain_wherever_the_original_is() {
        assert_eq!(derived("web01-root", "web01", "web02", "xvda"), "web02-root");
        assert_eq!(derived("disk7", "web01", "web02", "xvda"), "web02-xvda", "two clones would want one name");
        assert_eq!(derived("disk7", "", "web02", "xvda"), "web02-xvda");
    }

    #[test]
    fn names_that_lvm_keeps_for_itself_are_refused_before_it_does() {
        for name in ["snapshot1", "a_tmeta", "-x", "a b", "ü", "..", ""] {
            assert!(bad_volume(name).is_some(), "{name} would be refused by lvcreate in the middle of the job");
        }
        assert_eq!(bad_volume("web-02_a.b+c"), None);
    }
}
