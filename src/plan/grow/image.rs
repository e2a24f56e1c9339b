//! An image file: a sparse or full one of raw bytes, or qcow2.

use super::people::People;
use super::{inside, new_size, tools};
use crate::model::volumes::Grow;
use crate::model::{Check, Cmd, HostPath, Plan, Question, Request, Stands, Undo, bytes};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, again, domains, paths, text};

pub(super) fn plan(request: &Grow, whole: &Request, path: &HostPath, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    paths::check(path)?;
    if request.metadata {
        return no("not-a-pool", format!("{path} is a file, and has no metadata of its own"), "name a thin pool");
    }
    if let Some(device) = &request.device {
        return no("no-group", format!("{path} is a file, and lies in no volume group that {device} could join"), "leave the device out");
    }
    let (place, real) = paths::follow(facts, path)?;
    match place.stands {
        Stands::File => {}
        Stands::Nothing => return no("no-disk", format!("there is no {path}"), "name an image file, or a volume as VG/LV"),
        _ => return no("not-a-disk", format!("{path} is no file"), "name an image file, or a volume as VG/LV"),
    }
    if place.read_only {
        return no("read-only", format!("nothing can be written in {}", place.directory), "mount its file system read-write first");
    }
    facts.want([Question::UseOf { path: real.clone() }, Question::SignatureOf { path: real.clone() }])?;
    let found = facts.signatures(&real)?;
    let format =
        found.iter().map(|one| one.kind.as_str()).find(|kind| matches!(*kind, "qcow2" | "qcow" | "vhd" | "vhdx" | "vmdk" | "vdi" | "qed"));
    let people = People::of(&real, facts)?;
    let file = place.bytes.unwrap_or_default();
    match format {
        None => raw(request, whole, &real, file, place.free, &people, facts, setting),
        Some("qcow2") => qcow2(request, whole, &real, &people, facts, setting),
        Some(other) => no("image-format", format!("{real} is {other}, which domkeep does not grow"), "convert it: qemu-img convert"),
    }
}

#[allow(clippy::too_many_arguments, reason = "what was found out, each once")]
fn raw(
    request: &Grow,
    whole: &Request,
    path: &HostPath,
    old: u64,
    free: u64,
    people: &People,
    facts: &Facts<'_>,
    setting: &Setting,
) -> Go<Plan> {
    let new = new_size(request.size, old, &text(path))?.next_multiple_of(512);
    tools(facts, &[("truncate", "coreutils")])?;
    let growing = inside::Growing { disk: path, found: facts.signatures(path)?, new, has_snapshots: false };
    let inside = inside::look(request, growing, people, facts, setting)?;
    let mut draft = Draft::new(format!("Grow {path} to {}", bytes::human(new)), whole, setting);
    draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), path, path)));
    draft.saw(format!("{path} has {}", bytes::exact(old)), "its size");
    inside.before(&mut draft, setting);
    let step = draft.run(
        format!("Make the file {} long", bytes::exact(new)),
        "At its end it reads as zeros and takes no room until something is written. `>` never makes it shorter.",
        Cmd::changes("truncate", ["-c".to_owned(), "-s".to_owned(), format!(">{new}"), text(path)]),
    );
    draft.done(step, again::never());
    draft.undo(step, stays());
    if new.saturating_sub(old) > free {
        draft.warn(format!("Only {} are free below it: when the guest writes more than that, its writes fail.", bytes::human(free)));
    }
    if people.are_domains() {
        let bound = facts.inventory().backings.values().find(|one| one.path == *path).map(|one| one.loops.clone()).unwrap_or_default();
        if !bound.is_empty() {
            tools(facts, &[("losetup", "util-linux")])?;
        }
        for device in bound {
            let step = draft.run(
                format!("Tell {device} of it"),
                "The loop device serves the file to the domain, and looks at its length only when it is told to.",
                Cmd::changes("losetup", ["-c".to_owned(), text(&device)]),
            );
            draft.done(step, again::never());
            draft.assume(format!("{device} is there"), Check::Exists { path: device.clone() }, Some(step));
        }
    }
    let through = inside.after(&mut draft, step);
    people.assume(&mut draft, path, through);
    people.tell(&mut draft, &inside);
    Ok(draft.finish())
}

fn qcow2(request: &Grow, whole: &Request, path: &HostPath, people: &People, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    tools(facts, &[("qemu-img", "qemu-utils")])?;
    if people.are_domains() {
        return no(
            "qcow2-in-use",
            format!("{path} is open for a domain that runs: two that write to its tables destroy them"),
            "shut the domain down first, or use `virsh blockresize` where libvirt runs it",
        );
    }
    let backing = facts.inventory().backings.values().find(|one| one.path == *path);
    let Some(old) = backing.and_then(|one| one.bytes) else {
        return no(
            "not-known",
            format!("the size that {path} shows to a guest is not known"),
            "domkeep knows images that a configuration names",
        );
    };
    let above =
        facts.inventory().backings.values().find(|one| one.backing_file.as_ref().is_some_and(|(_, key)| key.as_bytes() == path.as_bytes()));
    if let Some(above) = above {
        return no(
            "has-overlays",
            format!("{} lies on {path}, which must not change any more", above.path),
            format!("grow {} instead", above.path),
        );
    }
    let new = new_size(request.size, old, &text(path))?.next_multiple_of(512);
    let mut draft = Draft::new(format!("Grow {path} to {}", bytes::human(new)), whole, setting);
    draft.lock(Plan::disk_lock(&domains::lock_of_path(facts.inventory(), path, path)));
    draft.saw(format!("it shows {} to a guest", bytes::exact(old)), "its header");
    let step = draft.run(
        format!("Let it show {} to the guest", bytes::human(new)),
        "Only its header and tables change; it takes room when something is written.",
        Cmd::changes("qemu-img", ["resize".to_owned(), "-q".to_owned(), "-f".to_owned(), "qcow2".to_owned(), text(path), new.to_string()]),
    );
    draft.done(step, again::never());
    draft.undo(step, stays());
    people.assume(&mut draft, path, Some(step));
    if request.inside {
        draft.warn(
            "What lies in a qcow2 image cannot be grown from here: after the next start, in the guest (growpart, resize2fs, xfs_growfs).",
        );
    }
    Ok(draft.finish())
}

fn stays() -> Undo {
    Undo::Impossible { why: "it stays larger; making a disk smaller could lose data, and more room loses none".into() }
}
