//! `domkeep show NAME`: the state map of one domain. Memory, configuration, and each disk down to the metal.

use super::ink::{Ink, count, hang, wrap};
use crate::engine::{Picture, coverage};
use crate::model::bytes::{exact, human, human_or_unknown, percent};
use crate::model::{Backing, Disk, DiskKind, Domain, Inventory, MemoryState, Save, Stale, shown, told};

/// The state map of one domain.
pub fn text(picture: &Picture, domain: &Domain, ink: Ink) -> String {
    let inventory = &*picture.inventory;
    let mut out = format!("{}\n", ink.bold(&shown::text(&domain.name)));
    let mut facts = vec![domain.power.as_str().to_owned()];
    facts.extend(domain.domid.map(|id| format!("domain id {id}")));
    facts.extend(domain.guest_type.clone().map(|kind| shown::text(&kind)));
    facts.push(domain.toolstacks.iter().map(|stack| stack.as_str()).collect::<Vec<_>>().join(", "));
    line(&mut out, "Power", &facts.join(", "));
    line(&mut out, "UUID", &domain.uuid.as_deref().map_or_else(|| "?".to_owned(), shown::text));
    if let Some(started) = domain.started {
        line(&mut out, "Started", &started.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    }
    for note in &domain.notes {
        line(&mut out, "Note", &shown::text(note));
    }
    memory(&mut out, picture, domain, ink);
    configs(&mut out, inventory, domain, ink);
    if let Some(libvirt) = &domain.libvirt {
        out.push_str(&format!("\n{}\n", ink.bold("libvirt")));
        for line in libvirt.lines() {
            out.push_str(&hang(&line, ink.width.unwrap_or(80), "  ", "    "));
        }
    }
    disks(&mut out, inventory, domain, ink);
    backups(&mut out, inventory, domain, ink);
    let findings: Vec<_> = picture.verdicts.findings.iter().filter(|finding| finding.domains.contains(&domain.id)).collect();
    if !findings.is_empty() {
        out.push_str(&format!("\n{}\n", ink.bold("What is wrong")));
        for finding in findings {
            let text = format!("{} [{}]", shown::text(&finding.title), finding.code.0);
            let lead = format!("  {} ", finding.severity.mark());
            out.push_str(&ink.severity(finding.severity, hang(&text, ink.width.unwrap_or(80), &lead, "    ").trim_end()));
            out.push('\n');
        }
    }
    out
}

fn line(out: &mut String, label: &str, value: &str) {
    out.push_str(&format!("  {label:<10} {value}\n"));
}

fn memory(out: &mut String, picture: &Picture, domain: &Domain, ink: Ink) {
    out.push_str(&format!("\n{}\n", ink.bold("Memory")));
    let bytes = domain.memory.bytes.map_or_else(|| "?".to_owned(), human);
    let text = match domain.memory.state {
        MemoryState::InRam => format!("{bytes} in the host's RAM; it is lost with the host's power"),
        MemoryState::SaveImage => format!("{bytes} in a save image"),
        MemoryState::None => "none: the domain is off, and none is missing".to_owned(),
        MemoryState::Unknown => "?: not known".to_owned(),
    };
    out.push_str(&format!("  {text}\n"));
    for path in &domain.saves {
        let Some(save) = picture.inventory.save(path) else {
            out.push_str(&format!("  save image {path}\n"));
            continue;
        };
        let text = format!("save image {path}: {}", save_facts(picture, save));
        out.push_str(&hang(&text, ink.width.unwrap_or(80), "  ", "    "));
    }
}

/// A save image in a few words.
pub(super) fn save_facts(picture: &Picture, save: &Save) -> String {
    let complete = match save.complete {
        Some(true) => "complete",
        Some(false) => "CUT SHORT",
        None => "whether complete: ?",
    };
    let stale = match picture.verdicts.stale.get(&save.path).map(|verdict| verdict.stale) {
        Some(Stale::Yes) => "disks CHANGED since",
        Some(Stale::No) => "disks unchanged since",
        _ => "disks changed since: ?",
    };
    let created = save.created.map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    format!("{}, {}, {complete}, {stale}, written {created}", save.format.as_str(), human(save.bytes))
}

fn configs(out: &mut String, inventory: &Inventory, domain: &Domain, ink: Ink) {
    out.push_str(&format!("\n{}\n", ink.bold("Configuration")));
    for path in &domain.configs {
        let config = inventory.config(path);
        let mut facts = Vec::new();
        facts.extend(config.map(|config| format!("{} ({})", config.source.as_str(), config.grammar)));
        facts.extend(config.filter(|config| config.autostart).map(|_| "starts at boot".to_owned()));
        facts.extend(config.filter(|config| !config.accepted()).map(|_| "xl REFUSES it".to_owned()));
        let facts = if facts.is_empty() { "could not be read".to_owned() } else { facts.join(", ") };
        out.push_str(&format!("  {path}: {}\n", shown::text(&facts)));
    }
    for path in domain.saves.iter().filter(|path| inventory.packaged_config(path).is_some()) {
        out.push_str(&format!("  packaged in {path}: what a resume would use\n"));
    }
    match (&domain.likely_config, domain.configs.is_empty()) {
        (Some(likely), true) => out.push_str(&format!("  probably {likely}, which carries another name\n")),
        (None, true) => out.push_str("  none was found\n"),
        _ => {}
    }
}

fn disks(out: &mut String, inventory: &Inventory, domain: &Domain, ink: Ink) {
    out.push_str(&format!("\n{}\n", ink.bold("Disks")));
    if domain.disks.is_empty() {
        out.push_str("  none\n");
    }
    for disk in &domain.disks {
        let vdev = disk.vdev.as_deref().map_or_else(|| "root".to_owned(), shown::text);
        let mode = disk.mode.map_or("?", crate::model::Mode::as_str);
        let path = match (&disk.path, disk.kind) {
            (Some(path), _) => path.to_string(),
            (None, DiskKind::Empty) => "empty drive".to_owned(),
            (None, _) => "?".to_owned(),
        };
        out.push_str(&format!("  {vdev} {mode}  {path}\n"));
        let mut facts = vec![disk.kind.as_str().to_owned()];
        facts.extend(disk.format.as_deref().map(shown::text));
        facts.extend(disk.backend.as_deref().map(|backend| format!("served by {}", shown::text(backend))));
        facts.extend(disk.libvirt.iter().flat_map(crate::model::LibvirtDisk::facts));
        facts.push(presence(disk).to_owned());
        if disk.exists == Some(false) {
            facts.push("NOT THERE".to_owned());
        }
        out.push_str(&format!("      {}\n", facts.join(", ")));
        out.push_str(&format!("      size {}{}\n", disk.bytes.map_or_else(|| "?".to_owned(), exact), allocated(disk)));
        if let Some(script) = &disk.script {
            let given = disk.written_as.as_deref().map_or_else(String::new, |given| format!(", given `{}`", shown::text(given)));
            out.push_str(&wrap(&format!("made by the hotplug script {}{given}", shown::text(script)), ink.width.unwrap_or(80), "      "));
        }
        if disk.kind.managed_elsewhere() {
            out.push_str("      managed elsewhere: domkeep names it and leaves it alone\n");
        }
        if let Some(trouble) = &disk.trouble {
            out.push_str(&wrap(&format!("trouble: {}", shown::text(trouble)), ink.width.unwrap_or(80), "      "));
        }
        if let Some(backing) = inventory.backing(disk.backing.as_ref()) {
            stack(out, backing, ink);
        }
    }
}

/// What a restore could bring back. Of the host itself nothing is backed up.
fn backups(out: &mut String, inventory: &Inventory, domain: &Domain, ink: Ink) {
    let all = coverage(inventory);
    let Some(one) = all.iter().find(|one| one.domain.as_ref() == Some(&domain.id)) else { return };
    out.push_str(&format!("\n{}\n", ink.bold("Backups")));
    if let Some((point, said)) = one.newest_good(inventory).and_then(|point| Some((point, point.said.as_ref()?))) {
        let age = inventory.host.taken.map_or_else(|| "?".to_owned(), |now| told::age(said.instant, now));
        out.push_str(&format!("  {}, the newest good one {age} old\n", count(one.points.len(), "restore point")));
        // A path stays in one piece: it will be copied.
        out.push_str(&format!("  {}\n", point.path));
    }
    for lack in &one.lacks {
        out.push_str(&hang(&shown::text(&lack.says()), ink.width.unwrap_or(80), "  ! ", "    "));
    }
}

fn presence(disk: &Disk) -> &'static str {
    match (disk.attached, disk.in_config) {
        (true, true) => "attached, and in the configuration",
        (true, false) => "attached, NOT in the configuration",
        (false, true) => "in the configuration",
        (false, false) => "neither attached nor in a configuration",
    }
}

fn allocated(disk: &Disk) -> String {
    match (disk.allocated, percent(disk.allocated, disk.bytes)) {
        (Some(bytes), Some(share)) => format!(", takes {} ({share:.0} %)", human(bytes)),
        (Some(bytes), None) => format!(", takes {}", human(bytes)),
        (None, _) => String::new(),
    }
}

/// What lies below a disk, one line a layer.
fn stack(out: &mut String, backing: &Backing, ink: Ink) {
    let elbow = if ink.ascii { "`-" } else { "└─" };
    for (depth, layer) in backing.layers.iter().take(16).enumerate() {
        let indent = " ".repeat(6 + depth * 2);
        let bytes = layer.bytes.map(|bytes| format!(", {}", human(bytes))).unwrap_or_default();
        let used = layer.used.map(|used| format!(", {} used", human_or_unknown(Some(used)))).unwrap_or_default();
        out.push_str(&format!("{indent}{elbow} {} {}{bytes}{used}\n", shown::text(&layer.what), shown::text(&layer.name)));
    }
    for mount in &backing.mounts {
        let how = if mount.read_write { "read-write" } else { "read-only" };
        out.push_str(&format!("      mounted in dom0 at {} ({how})\n", mount.at));
    }
    if let Some((written, _)) = &backing.backing_file {
        out.push_str(&format!("      stands on {written}\n"));
    }
    for trouble in &backing.trouble {
        out.push_str(&wrap(&format!("? {}", shown::text(trouble)), ink.width.unwrap_or(80), "      "));
    }
}
