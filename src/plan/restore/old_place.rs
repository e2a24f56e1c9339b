//! Each piece to where it came from. What stands there is set aside where that can be done, and overwritten only with the name typed.

use super::{Job, before, device};
use crate::model::bundle::Piece;
use crate::model::saved::DiskFacts;
use crate::model::{Action, Check, HostPath, Location, LogicalVolume, Plan, Power, Question, Risk, Stands, Undo, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Go, if_known, no};
use crate::plan::save::place_of_record;
use crate::plan::{libvirt, new_file, paths};

pub(super) fn steps(job: &Job<'_>, draft: &mut Draft) -> Go<()> {
    look_at_domain(job)?;
    let libvirts = libvirt::restore::of(job.manifest);
    for piece in job.pieces {
        paths::check(&piece.source)?;
    }
    ask(job)?;
    draft.risk(Risk::Touches);
    *job.kept.borrow_mut() = before::decide(job, draft)?;
    // Disks first: nothing may be started from a configuration whose disks are not there yet.
    for piece in job.pieces.iter().filter(|piece| piece.kind == "disk") {
        disk(job, draft, piece)?;
    }
    for piece in job.pieces.iter().filter(|piece| piece.kind == "save") {
        save(job, draft, piece)?;
    }
    for piece in job.pieces.iter().filter(|piece| !matches!(piece.kind.as_str(), "disk" | "save")) {
        match piece.kind.as_str() {
            "config" => config(job, draft, piece)?,
            "nvram" => file(job, draft, piece)?,
            "xml" if libvirts.is_some() => {}
            "xml" => {
                draft
                    .warn(format!("{} is libvirt's: bring it back with `virsh define {}/{}`.", piece.name, job.request.bundle, piece.name));
            }
            other => draft.warn(format!("{} ({other}) is left in the backup: this version does not know where it belongs.", piece.name)),
        }
    }
    let Some(virsh) = libvirts else {
        let name = job.manifest.domain.clone();
        draft.assume(format!("{name} is off"), Check::DomainPresent { name }.negated(), None);
        return Ok(());
    };
    let xml = job.manifest.pieces.iter().find(|piece| piece.kind == "xml");
    let chosen = job.pieces.iter().copied().find(|piece| piece.kind == "xml");
    if let Some(piece) = xml {
        let definition = if chosen.is_some() { job.bytes(piece)? } else { &[] };
        let restored = libvirt::restore::Restored { facts: job.facts, setting: job.setting, virsh, piece, definition };
        restored.look_at_old_place(draft)?;
        if chosen.is_some() {
            let disks: Vec<&Piece> = job.pieces.iter().copied().filter(|piece| piece.kind == "disk").collect();
            restored.define_again(draft, &disks)?;
        }
    }
    Ok(())
}

/// All that is asked, in one round.
fn ask(job: &Job<'_>) -> Go<()> {
    let disk =
        |piece: &&Piece, kinds: &[&str]| piece.kind == "disk" && piece.source_kind.as_deref().is_some_and(|kind| kinds.contains(&kind));
    let places =
        job.pieces.iter().flat_map(|piece| [piece.source.clone(), paths::parent(&piece.source)]).map(|path| Question::Place { path });
    let to_files = job.pieces.iter().filter(|piece| piece.kind == "save" || disk(piece, &["file"])).filter(|_| !job.request.damaged);
    let rooms = to_files.map(|piece| Question::PieceRoom { bundle: job.request.bundle.clone(), piece: piece.name.clone() });
    let devices: Vec<&&Piece> = job.pieces.iter().filter(|piece| disk(piece, &["lvm", "partition", "disk"])).collect();
    let users = devices
        .iter()
        .flat_map(|piece| [Question::UseOf { path: piece.source.clone() }, Question::SignatureOf { path: piece.source.clone() }]);
    let volumes = devices.iter().any(|piece| job.facts.inventory().volumes.iter().any(|volume| volume.path == piece.source));
    let tools = ["lvs", "vgs", "pvs", "lvcreate", "lvremove", "lvconvert"].map(|name| Question::Tool { name: name.to_owned() });
    let lvm = tools.into_iter().chain([Question::Lvm]).filter(|_| volumes);
    job.facts.want(places.chain(rooms).chain(users).chain(lvm))
}

fn look_at_domain(job: &Job<'_>) -> Go<()> {
    let name = &job.manifest.domain;
    let present = job.facts.inventory().domains.iter().find(|domain| domain.name == *name && domain.power.is_present());
    if let Some(domain) = present {
        return no("domain-running", format!("{name} is {}", domain.power.as_str()), "shut it down first, or restore beside");
    }
    let Some(domain) = job.facts.inventory().domain(name) else { return Ok(()) };
    match domain.power {
        Power::Unknown => no(
            "domain-unknown",
            format!("whether {name} runs could not be found out"),
            "ask as root; `domkeep list` says what could not be read",
        ),
        Power::Saved => {
            let saves: Vec<String> = domain.saves.iter().map(ToString::to_string).collect();
            no(
                "domain-saved",
                format!(
                    "{name} is saved in {}: with other disks under it, that image would destroy them when it is resumed",
                    saves.join(", ")
                ),
                "resume the domain and shut it down, or remove the save image, or restore beside",
            )
        }
        _ => Ok(()),
    }
}

fn disk(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Go<()> {
    let to = &piece.source;
    match piece.source_kind.as_deref() {
        Some("file") => file(job, draft, piece),
        Some("lvm" | "partition" | "disk") => onto_device(job, draft, piece),
        other => no(
            "no-old-place",
            format!("{to} was a disk of the kind {}, which has no place to go back to", other.unwrap_or("unknown")),
            "restore it beside, and copy it where it belongs",
        ),
    }
}

fn file(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Go<()> {
    let to = &piece.source;
    paths::check_new(to)?;
    let (target, real) = paths::follow(job.facts, to)?;
    let (above, _) = paths::directory(job.facts, &paths::parent(&real))?;
    let aside = match target.stands {
        Stands::Nothing => None,
        Stands::File => {
            let users = job.facts.users(&real)?;
            if !users.is_empty() {
                return no("disk-in-use", format!("{real} is in use: {}", users.join(", ")), "stop who uses it first, or restore beside");
            }
            draft.confirm(
                &job.manifest.domain,
                &format!(
                    "{real} is replaced by the backup's. The present file stays beside it as {}.",
                    paths::before(&real, &job.setting.id)
                ),
            );
            target.inode
        }
        _ => return no("no-old-place", format!("something else than a file stands at {real}"), "move it away, or restore beside"),
    };
    job.file(draft, piece, &real, above, aside)
}

fn onto_device(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Go<()> {
    let to = &piece.source;
    if job.facts.place(to)?.stands != Stands::Device {
        let instead = match volume_name(to) {
            Some((group, name)) => {
                let facts = job.facts.inventory().volume_groups.iter().find(|known| known.name == group);
                if let Some(facts) = facts.filter(|facts| facts.free < piece.bytes) {
                    let (free, needs) = (bytes::human(facts.free), bytes::human(piece.bytes));
                    return no(
                        "no-room",
                        format!("there is no volume {to} any more, and its group {group} has {free} free of the {needs} that it needs"),
                        "make room in the group, or restore beside",
                    );
                }
                format!("make it first: lvcreate -L {}b -n {name} {group}; or restore beside", piece.bytes)
            }
            None => "bring the device back first, or restore beside".into(),
        };
        return no("device-missing", format!("there is no device {to}"), instead);
    }
    job.facts.want([Question::UseOf { path: to.clone() }, Question::SignatureOf { path: to.clone() }])?;
    device(job, draft, piece, &job.manifest.domain)?;
    let volume = job.facts.inventory().volumes.iter().find(|volume: &&LogicalVolume| volume.path == *to);
    if let (Some(volume), Some(uuid)) = (volume, piece.source_identity.strip_prefix("lv:"))
        && volume.uuid != uuid
    {
        draft.warn(format!("{to} is another volume than the one that was backed up: it was made anew under the old name."));
    }
    let what = piece.vdev.as_deref().unwrap_or(piece.name.as_str());
    let back = before::snapshot(job, draft, piece);
    let step = draft.step(
        format!("Copy {what} of the backup over {to}"),
        "Every block is written, zeros too, then read back and compared.",
        job.copy(piece, Location::Device { path: to.clone() }, false),
    );
    match back {
        Some((undo, stands)) => {
            draft.undo(step, undo);
            draft.done(step, stands);
        }
        None => draft.undo(step, Undo::Impossible { why: format!("what was on {to} is overwritten") }),
    }
    draft.assume(format!("nobody uses {to}"), Check::InUse { path: to.clone() }.negated(), Some(step));
    Ok(())
}

/// Group and name of a volume by its usual path.
fn volume_name(path: &HostPath) -> Option<(String, String)> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let (group, name) = text.strip_prefix("/dev/")?.split_once('/')?;
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
    (plain(group) && plain(name) && !matches!(group, "mapper" | "disk")).then(|| (group.to_owned(), name.to_owned()))
}

fn save(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Go<()> {
    let mut to = piece.source.clone();
    if paths::is_started_at_boot(&to) {
        let name =
            to.as_path().file_name().map_or_else(|| HostPath::from("memory.save"), |name| HostPath::from(std::path::Path::new(name)));
        to = paths::parent(&paths::parent(&to)).join(&name);
        draft.warn(format!(
            "The save image goes to {to}, not to {}: what lies there is resumed at the next boot of the host.",
            paths::parent(&piece.source)
        ));
        job.want_places(std::iter::once(&to))?;
    }
    let (place, real) = paths::vacant(job.facts, &to)?;
    job.file(draft, piece, &real, place, None)?;
    let by_libvirt = libvirt::restore::of(job.manifest).is_some();
    if !by_libvirt {
        place_of_record(job.facts, &real, "move it away, or restore without the memory (--pieces)")?;
        record(job, draft, &real);
    }
    let command = if by_libvirt { "virsh restore" } else { "domkeep resume" };
    draft.warn(format!(
        "The save image belongs to exactly the disks of this backup. Resume it before anything writes to them: {command} {real}"
    ));
    Ok(())
}

/// What the disks are that were just restored, beside the image: whoever resumes it sees whether they changed since.
fn record(job: &Job<'_>, draft: &mut Draft, image: &HostPath) {
    if !job.request.pieces.is_empty() || !job.manifest.left_out.is_empty() {
        draft.warn("Not all disks of the backup are restored by this: whether they fit the save image, nobody can tell.");
        return;
    }
    let facts = |piece: &Piece| {
        let file = piece.source_kind.as_deref() == Some("file");
        let path = piece.source.clone();
        let volume = job.facts.inventory().volumes.iter().find(|volume| volume.path == path).map(LogicalVolume::full_name);
        let at = if file { Location::File { path } } else { Location::Device { path } };
        DiskFacts { at, volume, spots: Vec::new(), keeps_time: false, snapshot: None }
    };
    let disks: Vec<DiskFacts> = job.pieces.iter().copied().filter(|piece| piece.kind == "disk").map(facts).collect();
    if disks.is_empty() {
        return;
    }
    draft.step(
        "Write down what the restored disks are, beside the save image",
        "`domkeep resume` compares them: the image must only be resumed over exactly these.",
        Action::RecordDisks { domain: job.manifest.domain.clone(), image: image.clone(), disks },
    );
}

fn config(job: &Job<'_>, draft: &mut Draft, piece: &Piece) -> Go<()> {
    let bytes = job.bytes(piece)?;
    let (target, real) = paths::follow(job.facts, &piece.source)?;
    match target.stands {
        Stands::Nothing => {
            paths::directory(job.facts, &paths::parent(&real))?;
            draft.edit(new_file::edit(&real, None, bytes));
            draft.step(
                format!("Write the configuration {real}"),
                "Byte for byte as it was.",
                Action::WriteFile { path: real.clone(), bytes: bytes.to_vec(), mode: 0o644 },
            );
        }
        Stands::File => {
            let Some((present, _)) = if_known(job.facts.bytes(&real))? else {
                return no("not-known", format!("{real} could not be read"), "ask as root");
            };
            if present == bytes {
                return Ok(());
            }
            draft.edit(new_file::edit(&real, Some(present), bytes));
            draft.warn(format!("{real} differs from the backup's and is replaced; the present file is kept in the job's folder."));
            draft.step(
                format!("Replace the configuration {real}"),
                "It belongs to the disks that are restored.",
                Action::ReplaceFile {
                    path: real.clone(),
                    bytes: bytes.to_vec(),
                    expect_blake3: blake3::hash(present).to_hex().to_string(),
                },
            );
        }
        _ => return no("no-old-place", format!("something else than a file stands at {real}"), "move it away, or restore beside"),
    }
    draft.lock(Plan::disk_lock(&real));
    Ok(())
}
