//! The clones' configurations: the original's text with another name, uuid, other MAC addresses and disks.

use super::identity;
use super::names::Named;
use super::origin::{Origin, stays};
use super::ways::Way;
use crate::model::{Action, Check, Config, HostPath, Stands, bundle_names};
use crate::plan::config_text::{self, disk_spec};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, each, no};
use crate::plan::{Setting, new_file, paths};

/// Where a configuration is written when the original's directory is no place for it.
const USUAL_DIRECTORY: &str = "/etc/xen";
/// Settings that name a thing which two domains cannot have at the same time.
const ONE_AT_A_TIME: [&str; 9] = ["pci", "usbdev", "usbdevice", "vncdisplay", "spiceport", "dtdev", "vtpm", "p9", "serial"];

pub(super) struct Written<'a> {
    path: HostPath,
    clone: String,
    before: &'a [u8],
    after: Vec<u8>,
    warnings: Vec<String>,
}

/// The text that the clones' are made of.
pub(super) fn text<'a>(facts: &Facts<'a>, config: &Config) -> Go<&'a [u8]> {
    if config.grammar != "xl" {
        return no(
            "config-not-xl",
            format!("{} is written for {}, and no other is made of it", config.path, config.grammar),
            "write it for xl first; `domkeep show` tells what it amounts to",
        );
    }
    paths::check(&config.path)?;
    let (place, real) = paths::follow(facts, &config.path)?;
    if place.stands != Stands::File {
        return no("config-not-a-file", format!("{} is no regular file", config.path), "name an xl configuration file");
    }
    facts.bytes(&real).map(|(bytes, _)| bytes)
}

pub(super) fn look<'a>(
    facts: &Facts<'_>,
    setting: &Setting,
    config: &Config,
    before: &'a [u8],
    origins: &[Origin<'_>],
    clones: &[Named],
) -> Go<Vec<Written<'a>>> {
    let beside = paths::parent(&config.path);
    let directory = if paths::is_started_at_boot(&config.path) { HostPath::from(USUAL_DIRECTORY) } else { beside };
    each(clones, |clone| {
        let (_, path) = paths::vacant(facts, &directory.join(format!("{}.cfg", bundle_names::component(&clone.name))))?;
        match rewritten(setting, config, before, origins, clone) {
            Ok(after) => Ok(Written { path, clone: clone.name.clone(), before, after, warnings: warnings(config, before, origins) }),
            Err(why) => no(
                "config-not-edited",
                format!("no configuration can be made of {}: {why}", config.path),
                "bring it into the plain form of xl.cfg(5) first: one statement a key, disks as a list of strings",
            ),
        }
    })
}

fn rewritten(setting: &Setting, config: &Config, before: &[u8], origins: &[Origin<'_>], clone: &Named) -> Result<Vec<u8>, String> {
    let target = |vdev: &str| origins.iter().zip(&clone.targets).find(|(origin, _)| origin.vdev == vdev);
    let mut understood = Vec::new();
    for spec in config_text::strings(before, "disk")? {
        understood.push(config_text::source_of(&spec).map(|source| source.vdev));
    }
    if let Some(lost) = origins.iter().find(|origin| !understood.iter().any(|vdev| vdev.as_ref() == Ok(&origin.vdev))) {
        return Err(understood.into_iter().find_map(Result::err).unwrap_or_else(|| format!("its disk {} is not in the list", lost.vdev)));
    }
    let stays = |vdev: &str| config.disks.iter().any(|disk| disk.vdev.as_deref() == Some(vdev) && stays(disk));
    let mut after = config_text::map_strings(before, "disk", |spec| {
        let source = config_text::source_of(spec).ok()?;
        let (origin, target) = target(&source.vdev)?;
        let format = if origin.way == Way::Overlay { "qcow2" } else { source.format.as_str() };
        Some(disk_spec(target.path().as_bytes(), &source.vdev, format, source.writes))
    })?;
    // What is not cloned and could be written to would be the original's own disk. What is not understood is one of those that stay, or goes.
    let goes = |spec: &[u8]| match config_text::source_of(spec) {
        Ok(source) => target(&source.vdev).is_none() && !source.empty && source.writes && !stays(&source.vdev),
        Err(_) => !config.disks.iter().any(|disk| stays(disk.vdev.as_deref().unwrap_or_default()) && names(spec, disk)),
    };
    after = config_text::drop_strings(&after, "disk", goes)?;
    after = config_text::set_text(&after, "name", clone.name.as_bytes())?;
    after = config_text::set_text(&after, "uuid", identity::uuid(&setting.id, &clone.name, "domain").as_bytes())?;
    let numbers = std::cell::Cell::new(0);
    config_text::map_strings(&after, "vif", |vif| {
        let number = numbers.replace(numbers.get() + 1);
        Some(with_mac(vif, &identity::mac(&setting.id, &clone.name, number)))
    })
}

/// Whether a disk's specification speaks of this vdev: as a word of its own.
fn names(spec: &[u8], disk: &crate::model::Disk) -> bool {
    let vdev = disk.vdev.as_deref().unwrap_or_default().as_bytes();
    spec.split(|c| matches!(c, b',' | b'=' | b':' | b' ')).any(|word| word == vdev)
}

/// A network interface with another address, and without the name that its end in dom0 was given.
fn with_mac(vif: &[u8], mac: &str) -> Vec<u8> {
    let key = |part: &&[u8], key: &[u8]| part.trim_ascii().to_ascii_lowercase().starts_with(key);
    let kept = vif.split(|c| *c == b',').filter(|part| !part.trim_ascii().is_empty() && !key(part, b"mac=") && !key(part, b"vifname="));
    let mac = format!("mac={mac}");
    let mut parts: Vec<&[u8]> = vec![mac.as_bytes()];
    parts.extend(kept.map(<[u8]>::trim_ascii));
    parts.join(b",".as_slice())
}

fn warnings(config: &Config, before: &[u8], origins: &[Origin<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    let left: Vec<&str> = config
        .disks
        .iter()
        .filter(|disk| !stays(disk))
        .filter_map(|disk| disk.vdev.as_deref())
        .filter(|vdev| !origins.iter().any(|origin| origin.vdev == *vdev))
        .collect();
    if !left.is_empty() {
        warnings.push(format!(
            "Not cloned, and left out of the clones' configurations: {}. Two domains that write to one disk destroy it.",
            left.join(", ")
        ));
    }
    let both: Vec<&str> =
        ONE_AT_A_TIME.into_iter().filter(|key| config.settings.iter().any(|(set, value)| set == key && !value.is_empty())).collect();
    if !both.is_empty() {
        warnings.push(format!(
            "Original and clones name the same {}: where that is one thing of this host, only one of them can have it at a time.",
            both.join(", ")
        ));
    }
    let text = String::from_utf8_lossy(before).to_lowercase();
    if text.contains("ip=") {
        warnings.push("An IP address stands in the configuration (`ip=`), and stands in the clones' too: change it there.".to_owned());
    }
    warnings
}

impl Written<'_> {
    pub fn step(&self, draft: &mut Draft) {
        for warning in &self.warnings {
            draft.warn_once(warning);
        }
        draft.edit(new_file::edit(&self.path, Some(self.before), &self.after));
        let step = draft.step(
            format!("Write the configuration of {}, {}", self.clone, self.path),
            format!(
                "`domkeep start {}` boots it. It comes last: what it names is there by then.",
                crate::model::cmd::shell_word(&self.clone)
            ),
            Action::WriteFile { path: self.path.clone(), bytes: self.after.clone(), mode: 0o600 },
        );
        draft.assume(format!("nothing stands at {}", self.path), Check::Exists { path: self.path.clone() }.negated(), Some(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_gets_another_address_and_keeps_its_bridge() {
        let new = |vif: &str| String::from_utf8(with_mac(vif.as_bytes(), "00:16:3e:01:02:03")).unwrap();
        assert_eq!(new("mac=00:16:3e:aa:bb:cc,bridge=xenbr0"), "mac=00:16:3e:01:02:03,bridge=xenbr0");
        assert_eq!(new("bridge=xenbr0, MAC=00:16:3E:aa:bb:cc, vifname=web01.0"), "mac=00:16:3e:01:02:03,bridge=xenbr0");
        assert_eq!(new(""), "mac=00:16:3e:01:02:03", "a clone's address would change with each boot");
    }
}
