//! Drift mended by keeping: an attached disk is written into the configuration as it is attached.

use super::attach::file::File;
use super::attach::live::Live;
use super::attach::words::Words;
use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, config_text, domains, new_disk};
use crate::model::{HostPath, Plan, Request};

pub(super) fn plan(name: &str, vdev: &str, given: Option<&HostPath>, facts: &Facts<'_>, setting: &Setting) -> Go<Plan> {
    let domain = domains::named(facts, name)?;
    domains::by_xl(domain, "write it there with `virsh attach-disk --config`")?;
    new_disk::check_vdev(vdev)?;
    if !domain.power.is_present() {
        return no(
            "nothing-named",
            format!("no device or file was named, and {name} is off: it has no disk now that could be kept"),
            "name the device or file that it shall have as a disk",
        );
    }
    let live = Live::look(facts, domain, vdev)?;
    let Some(disk) = domain.disks.iter().find(|disk| disk.vdev.as_deref() == Some(vdev) && disk.attached) else {
        return no("not-attached", format!("{} has no disk {vdev} now", domain.name), "`domkeep show` lists the disks that it has");
    };
    let words = Words::of_disk(disk)?;
    let spec = words.text();
    let by_hand = format!("add this to the file's list `disk` by hand: {}", crate::model::shown::text(&spec));
    let file = File::open(facts, domain, given, &by_hand)?;
    if file.config.disks.iter().any(|named| named.vdev.as_deref() == Some(vdev)) {
        return no(
            "vdev-taken",
            format!("{} names another disk {vdev}", file.path),
            "take one of the two away first: `domkeep detach` with --where live or --where config",
        );
    }
    let after = file.edited(config_text::add_disk(file.before, spec.as_bytes()), &by_hand)?;

    let request = Request::PersistDisk { domain: name.to_owned(), vdev: vdev.to_owned(), config: given.cloned() };
    let mut draft = Draft::new(format!("Keep {vdev} of {} in its configuration", domain.name), &request, setting);
    draft.lock(Plan::domain_lock(&domain.name));
    draft.saw(format!("{} is attached as {vdev}", crate::model::shown::text(&words.target)), "xl list -l, xenstore");
    file.replace(
        &mut draft,
        format!("Name {} as {vdev} in {}", words.target, file.path),
        "As it is attached now, so that it is there at the next start too. The old file is kept in the job's folder.",
        after,
    );
    draft.assume(format!("{} still has its disk {vdev}", domain.name), live.has(), Some(0));
    Ok(draft.finish())
}
