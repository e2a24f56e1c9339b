//! Plans that are made: what they promise whatever the wish, and what each of them must hold.

use super::*;
use crate::model::example::{put_backing, put_save};
use crate::model::{Action, Check, Evidence, Risk, Stale, StaleVerdict, Undo};

fn steps(plan: &Plan) -> Vec<&'static str> {
    let name = |action: &Action| match action {
        Action::Run { .. } => "run",
        Action::WaitFor { .. } => "wait",
        Action::WriteFile { .. } => "write",
        Action::ReplaceFile { .. } => "replace",
        Action::WriteBeneath { .. } => "write beneath",
        Action::MakeSparse { .. } => "make",
        Action::Reflink { .. } => "reflink",
        Action::MakeDirectory { .. } => "mkdir",
        Action::Rename { .. } => "rename",
        Action::Remove { .. } => "remove",
        Action::FindChanged { .. } => "find changed",
        Action::Copy { .. } => "copy",
        Action::MergeBack { .. } => "merge back",
        Action::Salvage { .. } => "salvage",
        Action::NameLostFiles { .. } => "name files",
        Action::Witness { .. } => "witness",
        Action::CompareWitness => "compare",
        Action::SaveDomain { .. } => "save",
        Action::RecordDisks { .. } => "record",
        Action::ResumeSaved { .. } => "resume",
        Action::Try { .. } => "try",
        Action::FoldOverlay { .. } => "fold",
        Action::HashPiece { .. } => "hash",
        Action::SealBundle { .. } => "seal",
        Action::RemoveBundle { .. } => "remove bundle",
        Action::VerifyBundle { .. } => "verify",
    };
    plan.steps.iter().map(|step| name(&step.action)).collect()
}

fn programs(plan: &Plan) -> Vec<String> {
    let runs = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Run { cmd } => Some(cmd.to_string()),
        _ => None,
    });
    runs.collect()
}

#[test]
fn what_is_not_whole_has_no_final_name() {
    let mut world = World::new();
    for can_mount in [true, false] {
        world.setting.can_mount = can_mount;
        let disk = NewDisk { populate: Populate::Directory { path: "/srv/tree".into() }, fstab: true, ..new_disk() };
        let plan = world.plan(&Request::NewFileDisk(disk)).unwrap();
        let named = steps(&plan).iter().position(|step| *step == "rename").unwrap();
        for step in plan.steps.iter().take(named) {
            let text = step.action.lines().iter().map(ToString::to_string).collect::<String>();
            assert!(!text.contains("/srv/new.img"), "a disk that is half made could be used: {text}");
        }
        assert_eq!(plan.risk, Risk::Adds);
    }
}

#[test]
fn a_new_disk_is_filled_mounted_and_unmounted_whatever_happens() {
    let disk = NewDisk {
        populate: Populate::Directory { path: "/srv/tree".into() },
        fstab: true,
        hostname: Some("web".into()),
        attach: Attach::Existing { domain: "web".into(), config: "/etc/xen/web.cfg".into(), vdev: "xvdb".into() },
        ..new_disk()
    };
    let plan = World::new().plan(&Request::NewFileDisk(disk)).unwrap();
    assert_eq!(steps(&plan), ["make", "run", "mkdir", "run", "run", "write beneath", "write beneath", "run", "run", "rename", "replace"]);
    let runs = programs(&plan);
    assert!(runs[1].starts_with("mount -o loop,nosuid,nodev,noexec "), "a guest's file system could act on the host: {}", runs[1]);
    let mounts = plan.steps.iter().find(|step| step.done == Some(Check::Mounted { at: mnt() })).unwrap();
    assert_eq!(mounts.cleanup.as_ref().unwrap().needed, Some(Check::Mounted { at: mnt() }), "the disk would stay mounted after an error");
    let Action::WriteBeneath { bytes, .. } = &plan.steps[5].action else { panic!("no fstab") };
    assert_eq!(
        String::from_utf8_lossy(bytes),
        "/dev/xvdb\t/\text4\tdefaults\t0\t1\nproc /proc proc defaults 0 0\n",
        "the guest would not find its root"
    );
    assert!(plan.edits[0].after.contains("vdev=xvdb,format=raw,access=rw,target=/srv/new.img"));
    assert_eq!(plan.risk, Risk::Touches);
}

fn mnt() -> HostPath {
    World::new().setting.job_dir.join("mnt")
}

#[test]
fn a_sparse_disk_may_be_larger_than_what_is_free_and_that_is_said() {
    let plan = World::new().plan(&Request::NewFileDisk(NewDisk { bytes: 1 << 40, ..new_disk() })).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("larger")), "{:?}", plan.warnings);
}

#[test]
fn a_cold_backup_never_destroys_and_starts_again_what_it_stopped() {
    let shut_down = ColdBackup { how: WhenRunning::ShutDown { limit_seconds: 60 }, ..backup("db") };
    let plan = World::new().plan(&Request::ColdBackup(shut_down)).unwrap();
    assert_eq!(steps(&plan), ["run", "wait", "mkdir", "mkdir", "mkdir", "witness", "copy", "copy", "compare", "run", "seal", "verify"]);
    assert_eq!(programs(&plan), ["xl shutdown db", "xl create /etc/xen/db.cfg"]);
    let cleanup = plan.steps[0].cleanup.as_ref().unwrap();
    assert_eq!(cleanup.needed, Some(Check::DomainPresent { name: "db".into() }.negated()), "it would stay off after an error");
    assert_eq!(cleanup.action.command(), ["xl", "create", "/etc/xen/db.cfg"]);
    assert!(
        !plan.assumptions.iter().any(|assumed| matches!(assumed.check, Check::Not { .. }) && assumed.says.contains("db is off")),
        "it cannot be off before it is shut down"
    );
}

#[test]
fn a_domain_must_be_off_when_its_disks_are_witnessed_and_later_the_comparison_speaks() {
    let plan = World::new().plan(&Request::ColdBackup(backup("web"))).unwrap();
    let names_of_steps = steps(&plan);
    let place = |name: &str| names_of_steps.iter().position(|step| *step == name);
    let off = plan.assumptions.iter().find(|assumed| assumed.says == "web is off").unwrap();
    assert_eq!(
        off.through,
        place("witness"),
        "a domain that is started in the middle would end the backup without a word about what is torn"
    );
    assert!(place("witness") < place("copy") && place("copy") < place("compare"), "what is written meanwhile would not be seen");
    let Action::SealBundle { partial, bundle, draft, .. } =
        &plan.steps.iter().find(|step| matches!(step.action, Action::SealBundle { .. })).unwrap().action
    else {
        panic!("no seal")
    };
    assert!(partial.file_name().unwrap().starts_with('.') && bundle.starts_with("/srv/backup/dom0.example.com/web/"));
    let names: Vec<&str> = draft.pieces.iter().map(|piece| piece.name.as_str()).collect();
    assert_eq!(names, ["xvda.img", "config"]);
    let copied: Vec<String> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Copy { copies, .. } => Some(copies.iter().map(|copy| copy.label.clone()).collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(copied, names, "the seal would not find the hashes of a piece");
}

#[test]
fn what_cannot_be_copied_is_said_in_the_backup() {
    let mut world = World::new();
    let mut network = disk("xvdb", "rbd:pool/image", Mode::Write);
    network.kind = crate::model::DiskKind::Rbd;
    world.domain("web").disks.push(network);
    world.domain("web").disks.push(crate::model::example::empty_drive("xvdc"));
    let plan = world.plan(&Request::ColdBackup(backup("web"))).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("xvdb")) && text.contains("managed elsewhere"), "{:?}", plan.warnings);
    assert!(plan.warnings.iter().any(|warning| warning.contains("xvdc")));
}

#[test]
fn a_saved_domain_is_backed_up_with_its_memory() {
    let mut world = World::new();
    put_save(&mut world.inventory, "/root/web.save", "web", vec![disk("xvda", "/srv/web.img", Mode::Write)]);
    world.put("/root/web.save", Stands::File);
    world.domain("web").power = Power::Saved;
    world
        .verdicts
        .stale
        .insert("/root/web.save".into(), StaleVerdict { stale: Stale::Yes, evidence: vec![Evidence::new("mounted later", "superblock")] });
    let plan = world.plan(&Request::ColdBackup(backup("web"))).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.contains("memory.save"), "the domain's memory would be missing");
    assert!(plan.warnings.iter().any(|warning| warning.contains("stale")), "{:?}", plan.warnings);
}

#[test]
fn several_disks_are_copied_at_once_only_where_that_is_faster() {
    let mut world = World::new();
    let second = disk("xvdb", "/srv/two.img", Mode::Write);
    put_backing(&mut world.inventory, &second);
    world.domain("web").disks.push(second);
    let at_once = |world: &World| {
        let plan = world.plan(&Request::ColdBackup(backup("web"))).unwrap();
        plan.steps.iter().find_map(|step| match &step.action {
            Action::Copy { at_once, .. } => Some(*at_once),
            _ => None,
        })
    };
    assert_eq!(at_once(&world), Some(1), "nobody knows where they lie");
    for (key, device) in [("/srv/web.img", (8, 1)), ("/srv/two.img", (8, 1))] {
        world.inventory.backings.get_mut(key).unwrap().lies_on = vec![device];
    }
    assert_eq!(at_once(&world), Some(1), "two readers on one disk only make its heads jump");
    world.inventory.backings.get_mut("/srv/two.img").unwrap().lies_on = vec![(8, 17)];
    assert_eq!(at_once(&world), Some(2));
}

#[test]
fn a_start_over_a_save_image_wants_the_name() {
    let mut world = World::new();
    put_save(&mut world.inventory, "/root/web.save", "web", vec![]);
    let plan = world.plan(&start("web")).unwrap();
    let confirm = plan.confirm.expect("the saved memory would be lost without a word");
    assert!(confirm.name == "web" && confirm.loses.contains("/root/web.save"));
    assert_eq!(plan.risk, Risk::Destroys);
    world.inventory.saves[0].complete = Some(false);
    let plan = world.plan(&start("web")).unwrap();
    assert!(plan.confirm.is_none() && plan.warnings.iter().any(|warning| warning.contains("damaged")));
}

#[test]
fn a_save_image_is_resumed_unasked_only_when_its_disks_are_proven_unchanged() {
    let mut world = World::new();
    put_save(&mut world.inventory, "/root/web.save", "web", vec![disk("xvda", "/srv/web.img", Mode::Write)]);
    for (stale, asks) in [(None, true), (Some(Stale::Unknown), true), (Some(Stale::Yes), true), (Some(Stale::No), false)] {
        world.verdicts.stale.clear();
        if let Some(stale) = stale {
            world
                .verdicts
                .stale
                .insert("/root/web.save".into(), StaleVerdict { stale, evidence: vec![Evidence::new("s_wtime", "superblock")] });
        }
        let plan = world.plan(&resume("/root/web.save")).unwrap();
        assert_eq!(plan.confirm.is_some(), asks, "{stale:?}: the guest would destroy its file systems without a word");
        assert_eq!(plan.evidence.is_empty(), stale.is_none(), "the evidence is not shown");
    }
}

#[test]
fn nothing_is_overwritten_without_the_name() {
    let plan = World::new().plan(&copy("/srv/web.img", "/dev/vg0/spare")).unwrap();
    assert_eq!(plan.confirm.unwrap().name, "/dev/vg0/spare");
    assert!(matches!(plan.steps[0].undo, Undo::Impossible { .. }));

    let mut world = World::new();
    world.put("/srv/other.img", Stands::File);
    let plan = world.plan(&copy("/srv/web.img", "/srv/other.img")).unwrap();
    assert_eq!(steps(&plan), ["copy", "rename", "rename"]);
    let Action::Rename { expect, to, .. } = &plan.steps[1].action else { panic!("not set aside") };
    assert!(expect.is_some() && to.file_name().unwrap().starts_with("other.img.before-"), "the old file would be lost");
    assert!(plan.confirm.is_some());

    let plan = World::new().plan(&Request::Restore(restore(RestoreTo::OldPlace))).unwrap();
    assert_eq!(steps(&plan), ["verify", "copy", "rename", "rename"], "the config is the same, and stays");
    assert_eq!(plan.confirm.unwrap().name, "web");
}

#[test]
fn a_torn_backup_is_never_restored_without_saying_so() {
    let mut world = World::new();
    world.bundles.get_mut("/srv/bundle").unwrap().torn = Some("xvda was written to".into());
    let plan = world.plan(&Request::Restore(restore(RestoreTo::Beside { directory: "/srv/backup".into(), name: None }))).unwrap();
    assert!(plan.confirm.expect("nobody was asked").loses.contains("torn"));
}

#[test]
fn a_restore_beside_names_only_the_new_disks() {
    let to = RestoreTo::Beside { directory: "/srv/backup".into(), name: Some("web2".into()) };
    let plan = World::new().plan(&Request::Restore(restore(to))).unwrap();
    let edit = &plan.edits[0];
    assert!(!edit.after.contains("/srv/web.img"), "the restored domain would write to the old disk:\n{}", edit.after);
    assert!(edit.after.contains("name = 'web2'") && edit.after.contains("target=/srv/backup/web2-xvda.img"), "{}", edit.after);
    assert!(plan.confirm.is_none(), "nothing is lost by it");

    let mut world = World::new();
    world.bytes.insert("/srv/bundle/config".into(), b"disk = [ '/srv/web.img,raw,xvda,w', '/srv/more.img,raw,xvdb,w' ]\n".to_vec());
    let to = RestoreTo::Beside { directory: "/srv/backup".into(), name: None };
    let plan = world.plan(&Request::Restore(restore(to))).unwrap();
    assert!(
        plan.edits.is_empty() && plan.warnings.iter().any(|warning| warning.contains("xvdb")),
        "a configuration half of whose disks are the old ones"
    );
}

#[test]
fn restored_config_that_differs_is_shown_and_the_present_one_kept() {
    let mut world = World::new();
    world.bytes.insert("/etc/xen/web.cfg".into(), b"name = 'web'\nmemory = 4096\n".to_vec());
    let plan = world.plan(&Request::Restore(restore(RestoreTo::OldPlace))).unwrap();
    let replaced = plan.steps.iter().any(|step| matches!(step.action, Action::ReplaceFile { .. }));
    assert!(replaced && plan.edits[0].before.as_deref().unwrap().contains("4096"));
}

#[test]
fn a_save_image_is_never_restored_to_where_the_host_resumes_it_by_itself() {
    let mut world = World::new();
    let bundle = world.bundles.get_mut("/srv/bundle").unwrap();
    bundle.pieces.push(piece("memory.save", "save", "/var/lib/xen/save/web"));
    let plan = world.plan(&Request::Restore(restore(RestoreTo::OldPlace))).unwrap();
    let lines: Vec<String> = plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect();
    let text = lines.join("\n");
    assert!(!text.contains("/var/lib/xen/save/") && text.contains("/var/lib/xen/web"), "{text}");
}

#[test]
fn a_restore_onto_a_thin_volume_counts_what_the_volume_has_already() {
    let mut world = World::new();
    // A half of 4 GiB is free; all 2 GiB of the volume are its own, and are written in place.
    let request = super::refusals::restores::onto_thin(&mut world, 60.0, 100.0);
    let plan = world.plan(&request).unwrap();
    assert!(plan.confirm.is_some());
}

#[test]
fn snapshots_that_overflow_by_a_restore_are_named_before() {
    let mut world = World::new();
    world.inventory.volumes.extend(world.lvm.volumes.iter().filter(|volume| volume.name == "base").cloned());
    world.put("/dev/vg0/base", Stands::Device);
    world.bundles.get_mut("/srv/bundle").unwrap().pieces[0] = piece("xvda.img", "disk", "/dev/vg0/base");
    let plan = world.plan(&Request::Restore(restore(RestoreTo::OldPlace))).unwrap();
    assert!(plan.confirm.unwrap().loses.contains("vg0/snap"), "a snapshot would be lost without a word");
}

#[test]
fn a_restore_that_may_not_fit_says_so() {
    let mut world = World::new();
    world.places.get_mut("/srv").unwrap().free = 256 << 20;
    let plan = world.plan(&Request::Restore(restore(RestoreTo::OldPlace))).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("may take up to")), "{:?}", plan.warnings);
}

#[test]
fn hooks_run_before_anything_and_after_everything_with_a_limit() {
    let mut world = World::new();
    world.setting.hooks = Hooks { before: Some("/etc/domkeep/hooks/a".into()), after: Some("/etc/domkeep/hooks/b".into()), seconds: 60 };
    let plan = world.plan(&Request::ColdBackup(backup("web"))).unwrap();
    let first = plan.steps.first().unwrap();
    let line = first.action.command().join(" ");
    assert!(line.starts_with("timeout -k 10s 60s /etc/domkeep/hooks/a before-backup web /srv/backup/"), "{line}");
    let after = first.cleanup.as_ref().unwrap().action.command().join(" ");
    assert!(after.contains("/etc/domkeep/hooks/b after-backup web"), "a failed backup would leave the application at rest: {after}");
    assert!(
        plan.assumptions.iter().any(|assumed| matches!(assumed.check, Check::Trusted { .. })),
        "a program that was exchanged would run as root"
    );
}

#[test]
fn a_restore_over_a_volume_keeps_what_stands_there_and_its_undo_brings_it_back() {
    let mut world = World::new();
    world.inventory.volumes.extend(world.lvm.volumes.iter().filter(|volume| volume.name == "spare").cloned());
    world.bundles.get_mut("/srv/bundle").unwrap().pieces[0] = piece("xvda.img", "disk", "/dev/vg0/spare");
    let request = Request::Restore(restore(RestoreTo::OldPlace));
    let plan = world.plan(&request).unwrap();
    let kept = plan.steps.iter().position(|step| step.action.command().first().is_some_and(|word| word == "lvcreate")).unwrap();
    let copied = plan.steps.iter().position(|step| matches!(step.action, Action::Copy { .. })).unwrap();
    assert!(kept < copied, "what stands there is kept when it is overwritten already");
    let Undo::By { action } = &plan.steps[copied].undo else { panic!("a restore over a volume cannot be taken back") };
    assert!(matches!(**action, Action::MergeBack { .. }));
    assert!(plan.steps[copied].done.is_some(), "a broken-off restore would not be taken back");
    // Half of what is free stays.
    world.inventory.volume_groups[0].free = 2 << 30;
    let plan = world.plan(&request).unwrap();
    assert!(!steps(&plan).contains(&"run") && plan.warnings.iter().any(|warning| warning.contains("is lost")), "{:?}", plan.warnings);
}
