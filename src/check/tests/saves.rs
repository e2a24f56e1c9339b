use super::{look, of, severity};
use crate::model::example::{at, disk, domain, empty_drive, ext4, host, put_save, volume};
use crate::model::{Disk, DiskKind, Inventory, Mode, MountUse, Power, Severity, Stale, SuperblockTimes};

const SAVE: &str = "/var/lib/xen/save/web";
const IMAGE: &str = "/srv/xen/web.img";

/// A domain that was saved and is off since, with one disk.
fn saved(path: &str) -> Inventory {
    let web = disk("xvda", path, Mode::Write);
    let mut inventory = host(vec![domain("web", Power::Off, vec![web.clone()])]);
    put_save(&mut inventory, SAVE, "web", vec![web]);
    inventory
}

fn stale(inventory: &Inventory) -> (Stale, Option<Severity>) {
    let verdicts = look(inventory);
    let verdict = verdicts.stale.get(&SAVE.into()).expect("a save image without a verdict");
    assert!(!verdict.evidence.is_empty(), "an answer without a reason");
    (verdict.stale, of(&verdicts, "save-stale").first().map(|finding| finding.severity))
}

const YES: (Stale, Option<Severity>) = (Stale::Yes, Some(Severity::Danger));
const LEANING: (Stale, Option<Severity>) = (Stale::Unknown, Some(Severity::Warning));
const UNKNOWN: (Stale, Option<Severity>) = (Stale::Unknown, Some(Severity::Note));
const NO: (Stale, Option<Severity>) = (Stale::No, None);

fn change(path: &str, how: impl FnOnce(&mut Inventory)) -> (Stale, Option<Severity>) {
    let mut inventory = saved(path);
    how(&mut inventory);
    stale(&inventory)
}

#[test]
fn times_never_prove_that_nothing_was_changed() {
    assert_eq!(change(IMAGE, |_| ()), UNKNOWN, "an old modification time was taken for a proof");
    assert_eq!(change("/dev/vg0/web", |_| ()), UNKNOWN);
}

#[test]
fn a_guest_without_anything_to_write_to_is_safe_to_resume() {
    let mut inventory = host(vec![domain("web", Power::Off, vec![])]);
    put_save(&mut inventory, SAVE, "web", vec![]);
    assert_eq!(stale(&inventory), NO);
    let mut inventory = host(vec![domain("web", Power::Off, vec![])]);
    put_save(&mut inventory, SAVE, "web", vec![disk("xvda", IMAGE, Mode::Read), Disk { mode: Some(Mode::Write), ..empty_drive("hdc") }]);
    assert_eq!(stale(&inventory), NO);
    let mut unread = saved(IMAGE);
    unread.configs.retain(|config| config.path != SAVE.into());
    assert_eq!(stale(&unread), UNKNOWN, "an image whose disks are not known was called safe");
}

#[test]
fn a_file_that_was_written_later_is_proof_but_closing_it_is_not() {
    let modified = |minutes| change(IMAGE, |host| host.backings.get_mut(IMAGE).unwrap().modified = Some(at(minutes)));
    assert_eq!(modified(5), YES, "resuming this image destroys the file system, and domkeep said nothing");
    assert_eq!(modified(0), UNKNOWN);
    let seconds = change(IMAGE, |host| host.backings.get_mut(IMAGE).unwrap().modified = Some(at(0) + chrono::TimeDelta::seconds(2)));
    assert_eq!(seconds, UNKNOWN, "every fresh save image on qcow2 would be called stale, for closing the disk touches it");
    let node = change("/dev/vg0/web", |host| host.backings.get_mut("/dev/vg0/web").unwrap().modified = Some(at(5)));
    assert_eq!(node, UNKNOWN, "the time of a device node says nothing about what is written to it");
}

#[test]
fn a_backing_file_that_was_written_later_is_proof_too() {
    let verdict = change(IMAGE, |host| {
        let base = Disk { exists: Some(true), ..disk("x", "/srv/base.qcow2", Mode::Read) };
        crate::model::example::put_backing(host, &base);
        host.backings.get_mut("/srv/base.qcow2").unwrap().modified = Some(at(30));
        host.backings.get_mut(IMAGE).unwrap().backing_file = Some(("base.qcow2".into(), "/srv/base.qcow2".to_owned()));
    });
    assert_eq!(verdict, YES);
}

#[test]
fn the_running_domain_is_proof() {
    let running = |how: fn(&mut crate::model::Domain)| {
        change("/dev/vg0/web", |host| {
            host.domains[0] = domain("web", Power::Running, vec![disk("xvda", "/dev/vg0/web", Mode::Write)]);
            host.domains[0].saves = vec![SAVE.into()];
            how(&mut host.domains[0]);
        })
    };
    assert_eq!(running(|_| ()), YES, "a checkpoint whose domain runs on is stale with its next write");
    assert_eq!(running(|web| web.started = Some(at(10))), YES);
    assert_eq!(running(|web| web.power = Power::Preserved), YES, "it ran on and shut down");
    let paused = running(|web| web.power = Power::Paused);
    assert_eq!(paused, LEANING, "a domain that is paused since its save may have written nothing");
    assert_eq!(running(|web| (web.power, web.started) = (Power::Paused, Some(at(10)))), YES, "it was started after the save");
    assert_eq!(running(|web| (web.power, web.uuid) = (Power::Off, None)), UNKNOWN);
}

#[test]
fn another_domain_on_its_disk_is_proof_but_one_of_its_name_only_is_not() {
    let other = change("/dev/vg0/web", |host| {
        host.domains.push(domain("rescue", Power::Running, vec![disk("xvdb", "/dev/vg0/web", Mode::Write)]));
    });
    assert_eq!(other, YES, "a rescue system writes to the saved guest's disk");
    let reader = change("/dev/vg0/web", |host| {
        host.domains.push(domain("rescue", Power::Running, vec![disk("xvdb", "/dev/vg0/web", Mode::Read)]));
    });
    assert_eq!(reader, UNKNOWN);
    let namesake = change("/dev/vg0/web", |host| {
        host.domains[0] = domain("web", Power::Running, vec![disk("xvda", "/dev/vg0/new", Mode::Write)]);
        host.domains[0].uuid = Some("another".to_owned());
    });
    assert_eq!(namesake.0, Stale::Unknown, "another machine with the same name is not the saved one");
}

#[test]
fn the_file_system_tells_of_later_mounts() {
    let superblock =
        |times: SuperblockTimes| change("/dev/vg0/web", |host| host.backings.get_mut("/dev/vg0/web").unwrap().signatures.push(ext4(times)));
    let dirty = SuperblockTimes { mounted: Some(at(-100)), written: Some(at(-90)), needs_recovery: Some(true), ..Default::default() };
    assert_eq!(superblock(dirty.clone()), UNKNOWN, "a mounted file system's superblock stands still; that proves nothing");
    assert_eq!(superblock(SuperblockTimes { mounted: Some(at(9)), ..dirty.clone() }), YES);
    assert_eq!(superblock(SuperblockTimes { written: Some(at(9)), ..dirty.clone() }), YES);
    assert_eq!(superblock(SuperblockTimes { needs_recovery: Some(false), ..dirty }), LEANING, "a clean one may have been repaired since");
}

#[test]
fn mounts_new_volumes_and_lost_ones_are_seen() {
    let mount = |read_write| {
        change("/dev/vg0/web", |host| {
            let mount = MountUse { source: "/dev/vg0/web".to_owned(), at: "/mnt".into(), read_write, fs: "ext4".to_owned() };
            host.backings.get_mut("/dev/vg0/web").unwrap().mounts.push(mount);
        })
    };
    assert_eq!(mount(true), YES);
    assert_eq!(mount(false), LEANING);
    let made = |minutes| change("/dev/vg0/web", |host| host.volumes[0].created = Some(at(minutes)));
    assert_eq!(made(5), YES, "the volume is another one than the guest was saved with");
    assert_eq!(made(-5), UNKNOWN);
    let gone = |pvs| {
        change("/dev/vg0/web", |host| {
            host.volumes.clear();
            host.volume_groups[0].missing_pvs = pvs;
            host.backings.get_mut("/dev/vg0/web").unwrap().exists = Some(false);
        })
    };
    assert_eq!(gone(0), YES);
    assert_eq!(gone(1), LEANING, "with a disk of the group missing, the volume may still be there");
}

#[test]
fn a_later_image_of_the_same_domain_is_a_hint() {
    let mut inventory = saved("/dev/vg0/web");
    put_save(&mut inventory, "/root/web.later", "web", vec![disk("xvda", "/dev/vg0/web", Mode::Write)]);
    inventory.saves[1].created = Some(at(60));
    assert_eq!(stale(&inventory), LEANING);
    let verdicts = look(&inventory);
    assert_eq!(of(&verdicts, "save-stale").len(), 2, "each image has its own answer");
}

#[test]
fn a_network_disk_leaves_the_answer_open() {
    let verdict = change("/dev/vg0/web", |host| {
        let packaged = host.configs.iter_mut().find(|config| config.path == SAVE.into()).unwrap();
        packaged.disks[0].kind = DiskKind::Rbd;
    });
    assert_eq!(verdict, UNKNOWN);
}

#[test]
fn a_cut_image_is_shown_as_lost_memory() {
    let mut inventory = saved(IMAGE);
    assert_eq!(severity(&inventory, "save-truncated"), None);
    inventory.saves[0].complete = None;
    assert_eq!(severity(&inventory, "save-truncated"), None, "`not known` was shown as `cut short`");
    inventory.saves[0].complete = Some(false);
    assert_eq!(severity(&inventory, "save-truncated"), Some(Severity::Danger), "somebody counts on memory that is not there");
    inventory.domains[0].power = Power::Running;
    assert_eq!(severity(&inventory, "save-truncated"), Some(Severity::Warning), "the guest runs on, its memory is not lost");
}

#[test]
fn what_the_next_boot_resumes_is_said() {
    let code = "save-resumed-at-boot";
    let mut inventory = saved(IMAGE);
    assert_eq!(severity(&inventory, code), None, "an image elsewhere is resumed by nobody");
    inventory.saves[0].resumed_at_boot = true;
    assert_eq!(severity(&inventory, code), Some(Severity::Warning), "nobody would know that the next boot resumes this image");
    inventory.backings.get_mut(IMAGE).unwrap().modified = Some(at(5));
    assert_eq!(severity(&inventory, code), Some(Severity::Danger), "the next boot destroys this guest's file system");
    inventory.saves[0].complete = Some(false);
    assert_eq!(severity(&inventory, code), None, "a cut image cannot be resumed");
}

#[test]
fn memory_that_everybody_may_read_is_said() {
    let mut inventory = saved(IMAGE);
    assert_eq!(severity(&inventory, "save-readable-by-others"), None);
    inventory.saves[0].readable_by_others = Some(true);
    assert_eq!(severity(&inventory, "save-readable-by-others"), Some(Severity::Warning));
    assert_eq!(volume("vg0/x").full_name(), "vg0/x");
}

#[test]
fn a_copied_uuid_with_other_disks_is_no_proof() {
    let copied = change("/dev/vg0/web", |host| {
        host.domains[0] = domain("web", Power::Running, vec![disk("xvda", "/dev/vg0/new", Mode::Write)]);
    });
    assert_eq!(copied, LEANING, "a domain that does not have the saved disks was said to have changed them");
}

#[test]
fn a_clock_that_runs_ahead_is_no_proof() {
    let superblock = |minutes| {
        change("/dev/vg0/web", |host| {
            host.host.taken = Some(at(60));
            let times = SuperblockTimes { written: Some(at(minutes)), needs_recovery: Some(true), ..Default::default() };
            host.backings.get_mut("/dev/vg0/web").unwrap().signatures.push(ext4(times));
        })
    };
    assert_eq!(superblock(30), YES);
    assert_eq!(superblock(600), LEANING, "a guest whose clock is ten hours ahead made a good image look ruined");
    let file = |minutes| {
        change("/srv/web.img", |host| {
            host.host.taken = Some(at(60));
            host.backings.get_mut("/srv/web.img").unwrap().modified = Some(at(minutes));
        })
    };
    assert_eq!((file(30), file(600)), (YES, LEANING), "a time in the future was taken for a proof");
}

#[test]
fn a_resume_that_would_not_use_the_file_is_said() {
    let differs = |change: &dyn Fn(&mut crate::model::Config)| {
        let mut inventory = saved(IMAGE);
        let packaged = inventory.packaged_config(&SAVE.into()).expect("a packaged config").clone();
        let mut file = crate::model::Config {
            source: crate::model::ConfigSource::File,
            path: "/etc/xen/web.cfg".into(),
            name: Some("web".into()),
            ..packaged
        };
        change(&mut file);
        inventory.configs.push(file);
        inventory.domains[0].configs.push("/etc/xen/web.cfg".into());
        let verdicts = look(&inventory);
        of(&verdicts, "save-config-differs").iter().flat_map(|finding| finding.evidence.iter().map(|e| e.what.clone())).collect::<Vec<_>>()
    };
    assert_eq!(differs(&|_| ()), Vec::<String>::new(), "a user would be sent after a difference that is none");
    assert_eq!(differs(&|file| file.disks.push(disk("xvdb", "/srv/xen/new.img", Mode::Write))), ["xvdb is in the file only"]);
    assert_eq!(differs(&|file| file.disks.clear()), ["xvda is in the image's configuration only"]);
    assert_eq!(differs(&|file| file.disks[0].mode = Some(Mode::Read)), ["xvda: mode w in the image, r in the file"]);
    let moved = differs(&|file| file.disks[0] = disk("xvda", "/srv/xen/other.img", Mode::Write));
    assert_eq!(moved.len(), 1, "a user would resume on another disk than the file names, and not know: {moved:?}");
}
