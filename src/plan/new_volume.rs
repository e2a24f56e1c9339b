//! A new volume: from nothing if need be (physical volume, volume group, thin pool), then made, wiped, formatted, filled, checked, and named in
//! a configuration.

mod ground;
mod pool;

pub(super) use pool::usable as usable_pool;

use super::draft::Draft;
use super::facts::{Facts, Go};
use super::lvm::{self, Name};
use super::{Setting, again, lvm_names, lvm_now, new_disk, text};
use crate::model::volumes::{NewVolume, Wipe};
use crate::model::{Cmd, GroupNow, Lvm, Plan, Request, bytes};

/// Zeros are written as fast as the disk takes them.
const LONGEST_WIPE: u64 = 24 * 3600;

pub(super) fn plan(request: &NewVolume, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    lvm_names::check_name("volume group", &request.group)?;
    lvm_names::check_name("volume", &request.name)?;
    facts.want(new_disk::questions(&request.disk).into_iter().chain(ground::questions(request)))?;
    let now = lvm_now::look(facts, &["lvcreate", "lvremove"])?;
    let ground = ground::look(request, now, facts)?;
    lvm_names::new_name(now, &request.group, &request.name)?;
    new_disk::check_in_volume(&request.disk)?;
    let bytes = ground.group.rounded(request.disk.bytes);
    let pool = pool::look(request, now, &ground.group, bytes, facts)?;
    if pool.is_none() {
        lvm_now::room(&ground.group, bytes)?;
    }
    let wipes = pool.is_none() && request.wipe == Wipe::Zeros;
    if wipes {
        super::paths::tools(facts, &[("blkdiscard", "util-linux")])?;
    }
    let content = new_disk::look(&request.disk, facts, setting)?;

    let whole = Request::NewVolume(Box::new(request.clone()));
    let name = Name { vg: &request.group, lv: &request.name };
    let mut draft = Draft::new(format!("Make the volume {} of {}", name.full(), bytes::human(bytes)), &whole, setting);
    draft.lock(Plan::disk_lock(&request.disk.path));
    ground.steps(&mut draft, request, setting);
    match &pool {
        Some(pool) => pool.steps(&mut draft, request, bytes, setting),
        None => linear(&mut draft, &ground.group, name, bytes, setting),
    }
    if bytes != request.disk.bytes {
        draft.warn(format!("LVM counts in whole extents: the volume gets {}, a little more than was asked for.", bytes::exact(bytes)));
    }
    if wipes {
        wipe(&mut draft, request);
    } else if pool.is_none() {
        draft.warn(
            "What former volumes left on these blocks is not wiped: until it is overwritten, the new guest can read what an old one wrote.",
        );
    }
    content.filling.steps(&mut draft, &request.disk, &request.disk.path, setting);
    if let Some(cmd) = new_disk::check_command(request.disk.file_system, &request.disk.path, false) {
        let step =
            draft.run("Check the new file system", "It is looked at once more before anything relies on it. Nothing is changed.", cmd);
        draft.done(step, again::never());
    }
    content.attached.steps(&mut draft, &request.disk, &request.disk.path);
    Ok(draft.finish())
}

fn linear(draft: &mut Draft, group: &GroupNow, name: Name<'_>, bytes: u64, setting: &Setting) {
    draft.saw(format!("{} free in the volume group {}", bytes::human(group.group.free), name.vg), "vgs");
    let size = format!("{bytes}b");
    lvm::create(
        draft,
        &setting.id,
        format!("Make the volume {}", name.full()),
        "It has its room from its first moment on. Signatures that an old volume left at its beginning are wiped.",
        name,
        &["-L", &size, name.vg],
    );
}

/// `lvcreate` wipes 4 KiB. The rest is what other volumes left there.
fn wipe(draft: &mut Draft, request: &NewVolume) {
    let step = draft.run(
        "Write zeros over all of it",
        "LVM gives out blocks as the volumes before left them: without this a new guest could read what an old one wrote. It takes as long as \
         a copy of that size, or a moment on a disk that can write zeros by itself.",
        Cmd::changes("blkdiscard", ["-z".to_owned(), text(&request.disk.path)]).within(LONGEST_WIPE),
    );
    draft.done(step, again::never());
}

/// A group as it will be on a device of so many bytes.
fn future_group(name: &str, device_bytes: u64) -> GroupNow {
    use crate::model::VolumeGroup;
    let extent = 4 << 20;
    let bytes = super::physical::usable(device_bytes, extent);
    let group = VolumeGroup { name: name.to_owned(), bytes, free: bytes, extent_bytes: extent, ..VolumeGroup::default() };
    GroupNow { group, attr: "wz--n-".into() }
}

/// What a group's pools may need to know of it.
fn known<'a>(now: &'a Lvm, vg: &'a str) -> impl Iterator<Item = &'a crate::model::LogicalVolume> {
    now.volumes.iter().filter(move |volume| volume.vg == vg)
}
