//! Naming the new disk in a configuration: an existing one, edited and shown as a diff, or a new one.

use crate::model::request::{Attach, Boot, NewDisk};
use crate::model::{Action, Check, Config, Domain, Edit, HostPath, Inventory, Plan, Risk, Stands};
use crate::plan::config_text::{self, disk_spec};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{domains, paths};

/// What was found out about the configuration.
pub(crate) enum Attached<'a> {
    Nobody,
    Existing { domain: &'a Domain, config: HostPath, vdev: String, before: &'a [u8] },
    New { config: HostPath, name: String, vdev: String, memory_mib: u64, vcpus: u32, boot: Boot },
}

pub(super) fn look<'a>(request: &NewDisk, facts: &Facts<'a>) -> Go<Attached<'a>> {
    match &request.attach {
        Attach::Nobody => Ok(Attached::Nobody),
        Attach::Existing { domain, config, vdev } => existing(facts, domain, config, vdev, request),
        Attach::New { config, name, vdev, memory_mib, vcpus, boot } => {
            let config = vacant_config(facts, config)?;
            check_name(facts.inventory(), name)?;
            check_vdev(vdev)?;
            if let Boot::Kernel { kernel, ramdisk, extra } = boot {
                check_boot(facts, kernel, ramdisk.as_ref())?;
                check_text("kernel arguments", extra)?;
            }
            Ok(Attached::New { config, name: name.clone(), vdev: vdev.clone(), memory_mib: *memory_mib, vcpus: *vcpus, boot: boot.clone() })
        }
    }
}

fn existing<'a>(facts: &Facts<'a>, name: &str, path: &HostPath, vdev: &str, request: &NewDisk) -> Go<Attached<'a>> {
    let domain = domains::named(facts, name)?;
    domains::by_xl(domain, "make the disk for nobody, and give it with `virsh attach-disk --config`")?;
    let config = domains::config(facts, domain, Some(path))?;
    if config.grammar != "xl" {
        return no("config-not-xl", format!("{path} is written for {}, and is not edited", config.grammar), by_hand(request, vdev));
    }
    check_vdev(vdev)?;
    free_vdev(domain, Some(config), vdev)?;
    let (place, real) = paths::follow(facts, path)?;
    if place.stands != Stands::File {
        return no("config-not-a-file", format!("{path} is no regular file"), "name an xl configuration file");
    }
    let (before, _) = facts.bytes(&real)?;
    let spec = disk_spec(request.path.as_bytes(), vdev, "raw", true);
    if let Err(why) = config_text::add_disk(before, &spec) {
        return no("config-not-edited", format!("{path} is not edited: {why}"), by_hand(request, vdev));
    }
    Ok(Attached::Existing { domain, config: real, vdev: vdev.to_owned(), before })
}

fn by_hand(request: &NewDisk, vdev: &str) -> String {
    let spec = disk_spec(request.path.as_bytes(), vdev, "raw", true);
    let line = config_text::quoted(&spec).unwrap_or_default();
    format!("make the disk for nobody, and add this to the file's list `disk` by hand: {}", crate::model::shown::bytes(&line))
}

fn vacant_config(facts: &Facts<'_>, config: &HostPath) -> Go<HostPath> {
    let (_, real) = paths::vacant(facts, config)?;
    Ok(real)
}

pub(crate) fn check_name(inventory: &Inventory, name: &str) -> Go<()> {
    check_text("the name", name)?;
    if name.is_empty() || name.starts_with('-') || name.contains(['/', '\\']) || name.chars().all(|c| c.is_ascii_digit()) || name.len() > 80
    {
        return no("name-bad", format!("`{name}` cannot be a domain's name"), "take letters, digits and -_., not only digits, at most 80");
    }
    let configured = |config: &&Config| config.name.as_deref() == Some(name);
    if inventory.domain(name).is_some() {
        return no("name-taken", format!("there is a domain {name} already"), "choose another name");
    }
    if let Some(config) = inventory.configs.iter().find(configured) {
        return no("name-taken", format!("{} names a domain {name} already", config.path), "choose another name");
    }
    Ok(())
}

fn check_text(what: &str, text: &str) -> Go<()> {
    if text.chars().any(crate::model::shown::is_unsafe) {
        return no("text-control", format!("{what} has control or invisible characters in it"), "leave them out");
    }
    Ok(())
}

fn check_boot(facts: &Facts<'_>, kernel: &HostPath, ramdisk: Option<&HostPath>) -> Go<()> {
    for (what, path) in [("kernel", Some(kernel)), ("ramdisk", ramdisk)] {
        let Some(path) = path else { continue };
        paths::check(path)?;
        if paths::follow(facts, path)?.0.stands != Stands::File {
            return no("boot-file-missing", format!("the {what} {path} is no file of this host"), "name one that is there");
        }
    }
    Ok(())
}

/// `xvda` to `xvdzz`, `hda` to `hdd`, `sda` to `sdp`, whole or a partition (`xl-disk-configuration(5)`).
pub(crate) fn check_vdev(vdev: &str) -> Go<()> {
    let known = [("xvd", 2, 'z'), ("hd", 1, 'd'), ("sd", 1, 'p')].into_iter().any(|(prefix, letters, last)| {
        vdev.strip_prefix(prefix).is_some_and(|rest| {
            let digits = rest.trim_start_matches(|c: char| ('a'..=last).contains(&c));
            let named = rest.len() - digits.len();
            let number = digits.parse::<u8>();
            (1..=letters).contains(&named) && (digits.is_empty() || (!digits.starts_with('0') && number.is_ok_and(|n| n <= 15)))
        })
    });
    if known { Ok(()) } else { no("vdev-bad", format!("`{vdev}` is no name of a disk"), "take one such as xvdb") }
}

pub(crate) fn free_vdev(domain: &Domain, config: Option<&Config>, vdev: &str) -> Go<()> {
    // An HVM guest sees hda and xvda as one disk.
    let types = [Some(&domain.guest_type), config.map(|config| &config.guest_type)];
    let hvm = types.into_iter().flatten().flatten().any(|kind| kind == "hvm");
    let place = |name: &str| ["xvd", "hd", "sd"].into_iter().find_map(|prefix| name.strip_prefix(prefix)).map(str::to_owned);
    let same = |other: &str| other == vdev || (hvm && place(other) == place(vdev));
    let configured = config.into_iter().flat_map(|config| &config.disks);
    let taken = domain.disks.iter().chain(configured).filter_map(|disk| disk.vdev.as_deref()).find(|other| same(other));
    match taken {
        Some(other) => no("vdev-taken", format!("{} has a disk {other} already", domain.name), "choose the next letter"),
        None => Ok(()),
    }
}

impl Attached<'_> {
    pub fn vdev(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Existing { vdev, .. } | Self::New { vdev, .. } => Some(vdev),
        }
    }

    pub fn steps(&self, draft: &mut Draft, request: &NewDisk, disk: &HostPath) {
        match self {
            Self::Nobody => {}
            Self::Existing { domain, config, vdev, before } => {
                let Ok(after) = config_text::add_disk(before, &disk_spec(disk.as_bytes(), vdev, "raw", true)) else { return };
                draft.risk(Risk::Touches);
                draft.lock(Plan::domain_lock(&domain.name));
                let hash = blake3::hash(before).to_hex().to_string();
                draft.edit(edit(config, Some(before), &after));
                let step = draft.step(
                    format!("Name it as {vdev} in {config}"),
                    "The domain gets the disk at its next start. The old file is kept in the job's folder.",
                    Action::ReplaceFile { path: config.clone(), bytes: after, expect_blake3: hash.clone() },
                );
                draft.assume(format!("{config} is as it was read"), Check::Holds { path: config.clone(), blake3: hash }, Some(step));
                if domain.power.is_present() {
                    let spec = String::from_utf8_lossy(&disk_spec(disk.as_bytes(), vdev, "raw", true)).into_owned();
                    draft.warn(format!(
                        "{} runs: it sees the disk after its next start. To give it at once: xl block-attach {} {}",
                        domain.name,
                        crate::model::cmd::shell_word(&domain.name),
                        crate::model::cmd::shell_word(&spec)
                    ));
                }
            }
            Self::New { config, name, .. } => {
                let after = self.new_config(disk);
                draft.lock(Plan::domain_lock(name));
                draft.edit(edit(config, None, &after));
                let step = draft.step(
                    format!("Write the configuration of {name}, {config}"),
                    format!("`domkeep start {}` boots the domain from it.", crate::model::cmd::shell_word(name)),
                    Action::WriteFile { path: config.clone(), bytes: after, mode: 0o644 },
                );
                draft.assume(format!("nothing stands at {config}"), Check::Exists { path: config.clone() }.negated(), Some(step));
                if let Self::New { boot: Boot::Pygrub | Boot::Hvm, .. } = self
                    && matches!(request.populate, crate::model::request::Populate::Nothing)
                {
                    draft.warn("The new disk is empty: the domain finds nothing to boot from until a system is put on it.");
                }
            }
        }
    }

    fn new_config(&self, disk: &HostPath) -> Vec<u8> {
        let Self::New { name, vdev, memory_mib, vcpus, boot, .. } = self else { return Vec::new() };
        // Every text was looked at for control characters: it can be quoted.
        let quoted = |text: &[u8]| config_text::quoted(text).unwrap_or_else(|_| b"''".to_vec());
        let mut out = b"# An xl configuration; see xl.cfg(5).\n".to_vec();
        let mut line = |key: &str, value: &[u8]| out.extend([key.as_bytes(), b" = ", value, b"\n"].concat());
        line("name", &quoted(name.as_bytes()));
        match boot {
            Boot::Kernel { kernel, ramdisk, extra } => {
                line("kernel", &quoted(kernel.as_bytes()));
                if let Some(ramdisk) = ramdisk {
                    line("ramdisk", &quoted(ramdisk.as_bytes()));
                }
                if !extra.is_empty() {
                    line("extra", &quoted(extra.as_bytes()));
                }
            }
            Boot::Pygrub => {
                line("bootloader", b"'pygrub'");
            }
            // Every release of xl knows this word; `type` only those from 4.10 on.
            Boot::Hvm => line("builder", b"'hvm'"),
        }
        line("memory", memory_mib.to_string().as_bytes());
        line("vcpus", vcpus.to_string().as_bytes());
        line("disk", &[b"[ ", quoted(&disk_spec(disk.as_bytes(), vdev, "raw", true)).as_slice(), b" ]"].concat());
        line("vif", b"[ ]");
        out
    }
}

pub(crate) fn edit(path: &HostPath, before: Option<&[u8]>, after: &[u8]) -> Edit {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Edit { path: path.clone(), before: before.map(text), after: text(after) }
}
