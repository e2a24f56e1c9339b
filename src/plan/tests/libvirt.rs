//! Changes to domains of libvirt's: in which order virsh is asked for what, and what is refused.

use super::*;
use crate::model::{Action, Check, Cmd, Disk, Libvirt, LibvirtDisk, LibvirtIs, LibvirtPaths, Strategy, Toolstack, Undo};

const UUID: &str = "0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01";
const XML: &str = "<domain type='kvm'>
  <name>kvm1</name>
  <uuid>0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01</uuid>
  <os><nvram>/var/lib/libvirt/qemu/nvram/kvm1_VARS.fd</nvram></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/kvm1.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='52:54:00:0a:00:01'/><source network='default'/></interface>
    <graphics type='vnc' passwd='secret'/>
  </devices>
</domain>
";

/// `kvm1` of libvirt's, with one qcow2 image and UEFI variables.
pub(super) fn world(power: Power) -> World {
    let mut world = World::new();
    let image = Disk {
        format: Some("qcow2".into()),
        libvirt: Some(LibvirtDisk { device: "disk".into(), kind: "file".into(), format: Some("qcow2".into()), ..LibvirtDisk::default() }),
        ..disk("vda", "/srv/kvm1.qcow2", Mode::Write)
    };
    let mut domain = domain("kvm1", power, vec![image]);
    domain.uuid = Some(UUID.into());
    domain.toolstacks = vec![Toolstack::LibvirtQemu];
    domain.configs.clear();
    domain.libvirt = Some(Libvirt {
        uri: "qemu:///system".into(),
        state: Some(if power == Power::Running { "running" } else { "shut off" }.into()),
        persistent: Some(true),
        managed_save: Some(false),
        paths: LibvirtPaths {
            config: Some("/etc/libvirt/qemu/kvm1.xml".into()),
            nvram: Some("/var/lib/libvirt/qemu/nvram/kvm1_VARS.fd".into()),
            ..LibvirtPaths::default()
        },
        nvram_there: Some(true),
        snapshots: Some(Vec::new()),
        checkpoints: Some(Vec::new()),
        ..Libvirt::default()
    });
    let backing = crate::model::Backing {
        inode: Some((2049, 77)),
        file_bytes: Some(200 << 20),
        allocated: Some(200 << 20),
        format_seen: Some("qcow2".into()),
        ..crate::model::example::backing(&domain.disks[0]).unwrap()
    };
    world.inventory.backings.insert("/srv/kvm1.qcow2".into(), backing);
    world.inventory.domains.push(domain);
    for file in ["/srv/kvm1.qcow2", "/var/lib/libvirt/qemu/nvram/kvm1_VARS.fd"] {
        world.put(file, Stands::File);
    }
    world.put("/var/lib/libvirt/qemu/nvram", Stands::Directory);
    world.says.push(("dumpxml", XML.into()));
    world
}

fn libvirt(world: &mut World) -> &mut Libvirt {
    world.domain("kvm1").libvirt.as_mut().unwrap()
}

fn cold(how: WhenRunning) -> Request {
    Request::ColdBackup(ColdBackup { strategy: Some(Strategy::Cold), how, verify: false, ..backup("kvm1") })
}

fn commands(plan: &Plan) -> Vec<String> {
    let said = plan.steps.iter().map(|step| match &step.action {
        Action::Run { cmd } => cmd
            .args
            .iter()
            .filter(|word| !word.starts_with('-') && *word != "qemu:///system" && *word != UUID)
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
        Action::WaitFor { check: Check::Libvirt(check), limit_seconds } => format!("{} within {limit_seconds}", check.says()),
        Action::Copy { copies, .. } => format!("copy {}", copies.iter().map(|copy| copy.label.clone()).collect::<Vec<_>>().join(" ")),
        Action::WriteFile { path, .. } => format!("write {}", path.as_path().file_name().unwrap().to_string_lossy()),
        Action::MakeDirectory { .. } => "mkdir".into(),
        Action::Rename { .. } => "rename".into(),
        Action::Witness { domain, .. } => format!("witness {domain:?}"),
        Action::CompareWitness => "compare".into(),
        Action::SealBundle { .. } => "seal".into(),
        Action::VerifyBundle { .. } => "verify".into(),
        Action::SaveDomain { save } => {
            save.cmd(&"IMAGE".into()).args.iter().skip(3).filter(|word| *word != UUID).cloned().collect::<Vec<_>>().join(" ")
        }
        Action::ResumeSaved { libvirt, .. } => format!("resume {}", libvirt.is_some()),
        Action::HashPiece { label, .. } => format!("hash {label}"),
        Action::FoldOverlay { fold } => format!("fold {}", fold.vdev),
        other => format!("{other:?}"),
    });
    said.filter(|said| said != "mkdir").collect()
}

#[test]
fn a_domain_that_is_off_is_copied_with_its_definition_and_uefi_variables() {
    let plan = world(Power::Off).plan(&cold(WhenRunning::Refuse)).unwrap();
    let steps = ["write domain.xml", "witness None", "copy vda.img", "copy nvram.fd", "is off within 0", "compare", "seal"];
    assert_eq!(commands(&plan), steps);
    let Some(Action::SealBundle { draft, .. }) =
        plan.steps.iter().map(|step| &step.action).find(|action| matches!(action, Action::SealBundle { .. }))
    else {
        panic!()
    };
    let pieces: Vec<(&str, &str)> = draft.pieces.iter().map(|piece| (piece.name.as_str(), piece.kind.as_str())).collect();
    assert_eq!(pieces, [("vda.img", "disk"), ("nvram.fd", "nvram"), ("domain.xml", "xml")]);
    assert_eq!(draft.pieces[0].format.as_deref(), Some("qcow2"), "a restored qcow2 image would be read as raw");
    let is_asked =
        |is: fn(&LibvirtIs) -> bool| plan.assumptions.iter().any(|one| matches!(&one.check, Check::Libvirt(check) if is(&check.is)));
    assert!(is_asked(|is| *is == LibvirtIs::Off), "a domain that is started meanwhile would be copied");
    assert!(is_asked(|is| matches!(is, LibvirtIs::Defined { .. })), "an old definition would be written down");
    let written = plan.steps.iter().find_map(|step| match &step.action {
        Action::WriteFile { mode, .. } => Some(*mode),
        _ => None,
    });
    assert_eq!(written, Some(0o600), "everybody could read the passwords of its consoles");
}

#[test]
fn a_domain_that_runs_is_asked_to_shut_down_and_started_again_whatever_happens() {
    let world = world(Power::Running);
    assert_eq!(world.plan(&cold(WhenRunning::Refuse)).unwrap_err().rule, "domain-running");
    let plan = world.plan(&cold(WhenRunning::ShutDown { limit_seconds: 90 })).unwrap();
    let steps = [
        "shutdown",
        "is off within 90",
        "write domain.xml",
        "witness None",
        "copy vda.img",
        "copy nvram.fd",
        "is off within 0",
        "compare",
        "start",
        "seal",
    ];
    assert_eq!(commands(&plan), steps);
    let cleanup = plan.steps[0].cleanup.as_ref().unwrap();
    assert_eq!(cleanup.action.command().get(4).map(String::as_str), Some("start"), "a backup that fails would leave it off");
    assert!(plan.steps.iter().all(|step| step.action.command().get(4).is_none_or(|word| word != "destroy")));
}

const WAIT: WhenRunning = WhenRunning::ShutDown { limit_seconds: 90 };

/// On this host, with something else about the domain.
fn on(world: &mut World, power: Power, change: impl FnOnce(&mut World)) -> Request {
    *world = self::world(power);
    change(world);
    cold(WAIT)
}

fn pull() -> Request {
    Request::ColdBackup(ColdBackup { strategy: Some(Strategy::Pull), ..backup("kvm1") })
}

fn save_copy() -> Request {
    Request::ColdBackup(ColdBackup { strategy: Some(Strategy::SaveCopy), verify: false, ..backup("kvm1") })
}

fn overlay() -> Request {
    Request::ColdBackup(ColdBackup { strategy: Some(Strategy::Overlay), verify: false, ..backup("kvm1") })
}

fn back_to(world: &mut World, power: Power, to: RestoreTo, change: impl FnOnce(&mut World)) -> Request {
    *world = self::world(power);
    bundled(world);
    change(world);
    restore(to)
}

fn beside(name: Option<&str>) -> RestoreTo {
    RestoreTo::Beside { directory: "/srv/new".into(), name: name.map(str::to_owned) }
}

pub(super) const CASES: &[super::refusals::Case] = &[
    ("libvirt-connection", "", |world| on(world, Power::Off, |world| libvirt(world).uri = "qemu:///session".into())),
    ("domain-transient", "", |world| on(world, Power::Running, |world| libvirt(world).persistent = Some(false))),
    ("managed-save", "", |world| on(world, Power::Off, |world| libvirt(world).managed_save = Some(true))),
    ("managed-save", "unknown is not no", |world| on(world, Power::Off, |world| libvirt(world).managed_save = None)),
    ("job-at-work", "", |world| on(world, Power::Off, |world| libvirt(world).job = Some("Backup".into()))),
    ("no-definition", "", |world| on(world, Power::Off, |world| world.says.clear())),
    ("domain-running", "nobody asked for a shutdown", |world| {
        *world = self::world(Power::Running);
        cold(WhenRunning::Refuse)
    }),
    ("domain-not-still", "", |world| on(world, Power::Off, |world| world.domain("kvm1").power = Power::Paused)),
    ("domain-unknown", "", |world| on(world, Power::Off, |world| world.domain("kvm1").power = Power::Unknown)),
    ("domain-not-running", "", |world| {
        *world = self::world(Power::Off);
        pull()
    }),
    ("disk-name", "", |world| {
        *world = self::world(Power::Running);
        world.domain("kvm1").disks[0].vdev = Some("vd/a".into());
        pull()
    }),
    ("no-room", "the guest could not write any more", |world| {
        *world = self::world(Power::Running);
        world.places.get_mut("/srv").unwrap().free = 1 << 20;
        pull()
    }),
    ("strategy-not-here", "saved, nobody would know of it", |world| {
        *world = self::world(Power::Running);
        libvirt(world).persistent = Some(false);
        save_copy()
    }),
    ("strategy-not-here", "of Xen's domains only", |world| {
        *world = self::world(Power::Running);
        Request::ColdBackup(ColdBackup { strategy: Some(Strategy::Live), ..backup("kvm1") })
    }),
    ("strategy-not-here", "of libvirt's domains only", |_| {
        Request::ColdBackup(ColdBackup { strategy: Some(Strategy::Pull), ..backup("db") })
    }),
    ("strategy-not-here", "a block job is at work", |world| {
        *world = self::world(Power::Running);
        world.domain("kvm1").disks[0].libvirt.as_mut().unwrap().mirror = Some(crate::model::LibvirtMirror::default());
        pull()
    }),
    ("strategy-not-here", "if it stopped, nobody would know where its data is", |world| {
        *world = self::world(Power::Running);
        libvirt(world).persistent = Some(false);
        overlay()
    }),
    ("strategy-not-here", "it has checkpoints", |world| {
        *world = self::world(Power::Running);
        libvirt(world).checkpoints = None;
        overlay()
    }),
    ("domain-exists", "", |world| back_to(world, Power::Off, beside(None), |_| ())),
    ("domain-exists", "another one has its name now", |world| {
        back_to(world, Power::Off, RestoreTo::OldPlace, |world| world.domain("kvm1").uuid = Some("another".into()))
    }),
    ("managed-save", "it would be resumed on other disks", |world| {
        back_to(world, Power::Off, RestoreTo::OldPlace, |world| libvirt(world).managed_save = Some(true))
    }),
    ("definition-not-read", "", |world| {
        back_to(world, Power::Off, RestoreTo::OldPlace, |world| {
            world.bytes.insert("/srv/bundle/domain.xml".into(), b"<domain>".to_vec());
        })
    }),
];

/// A backup of `kvm1`, whose image stands on another.
fn bundled(world: &mut World) {
    let qcow2 = |name: &str, source: &str| Piece { format: Some("qcow2".into()), ..piece(name, "disk", source) };
    let vda = Piece { vdev: Some("vda".into()), ..qcow2("vda.img", "/srv/kvm1.qcow2") };
    let below = Piece { vdev: None, format: Some("raw".into()), ..qcow2("vda.below-1.img", "/srv/base.img") };
    let nvram = piece("nvram.fd", "nvram", "/var/lib/libvirt/qemu/nvram/kvm1_VARS.fd");
    let xml =
        Piece { source_identity: format!("libvirt:qemu:///system:{UUID}"), ..piece("domain.xml", "xml", "/etc/libvirt/qemu/kvm1.xml") };
    world.bundles.insert(
        "/srv/bundle".into(),
        Manifest { domain: "kvm1".into(), uuid: Some(UUID.into()), pieces: vec![vda, below, nvram, xml], ..bundle() },
    );
    world.bytes.insert("/srv/bundle/domain.xml".into(), XML.into());
    world.put("/srv/new", Stands::Directory);
}

fn restore(to: RestoreTo) -> Request {
    Request::Restore(Restore { bundle: "/srv/bundle".into(), pieces: Vec::new(), to, damaged: false })
}

fn defined(plan: &Plan) -> (&Cmd, &Undo) {
    let step =
        plan.steps.iter().find(|step| matches!(&step.action, Action::Run { cmd } if cmd.args.contains(&"define".to_owned()))).unwrap();
    let Action::Run { cmd } = &step.action else { panic!() };
    (cmd, &step.undo)
}

#[test]
fn a_restored_second_domain_shares_nothing_with_the_first() {
    let mut world = world(Power::Running);
    bundled(&mut world);
    let plan = world.plan(&restore(beside(Some("kvm1-b")))).unwrap();
    let (define, undo) = defined(&plan);
    let xml = String::from_utf8(define.stdin.clone()).unwrap();
    for old in [UUID, "52:54:00", "/srv/kvm1.qcow2", "kvm1_VARS.fd"] {
        assert!(!xml.contains(old), "{old} would be used by both: {xml}");
    }
    assert!(xml.contains("<source file='/srv/new/kvm1-b-vda.img'/>") && xml.contains("<nvram>/srv/new/kvm1-b-nvram.fd</nvram>"), "{xml}");
    let Undo::By { action } = undo else { panic!("a restore that fails would leave a domain without disks") };
    assert!(action.command().contains(&"undefine".to_owned()));
    let rebase = plan.steps.iter().find(|step| step.action.command().contains(&"rebase".to_owned())).unwrap();
    let line = rebase.action.command().join(" ");
    assert!(line.ends_with("rebase -u -f qcow2 -F raw -b /srv/new/kvm1-b-vda.below-1.img /srv/new/kvm1-b-vda.img"), "{line}");
    let last = commands(&plan).pop().unwrap();
    assert!(last.contains("define"), "libvirt would be told of it before its disks are there: {last}");
}

#[test]
fn one_name_is_not_given_twice() {
    let mut world = world(Power::Off);
    bundled(&mut world);
    let beside = || restore(beside(None));
    assert_eq!(world.plan(&beside()).unwrap_err().rule, "domain-exists");
    world.inventory.domains.retain(|domain| domain.name != "kvm1");
    let plan = world.plan(&beside()).unwrap();
    assert!(String::from_utf8(defined(&plan).0.stdin.clone()).unwrap().contains(UUID), "the domain itself comes back as another");
}

#[test]
fn over_the_old_place_only_while_it_is_off_and_has_no_managed_save() {
    let mut running = world(Power::Running);
    bundled(&mut running);
    assert_eq!(running.plan(&restore(RestoreTo::OldPlace)).unwrap_err().rule, "domain-running");
    let mut off = world(Power::Off);
    bundled(&mut off);
    let plan = off.plan(&restore(RestoreTo::OldPlace)).unwrap();
    assert!(plan.steps.iter().all(|step| !step.action.command().contains(&"define".to_owned())), "it is defined just so already");
    assert!(plan.assumptions.iter().any(|one| matches!(&one.check, Check::Libvirt(check) if check.is == LibvirtIs::Off)));
    off.says.clear();
    off.says.push(("dumpxml", XML.replace("secret", "other").replace("virtio", "sata")));
    let plan = off.plan(&restore(RestoreTo::OldPlace)).unwrap();
    let edit = plan.edits.first().unwrap();
    assert!(!edit.after.contains("secret") && !edit.before.as_ref().unwrap().contains("other"), "passwords would stand on the screen");
    let Undo::By { action } = defined(&plan).1 else { panic!("the old definition would be lost") };
    assert!(matches!(&**action, Action::Run { cmd } if String::from_utf8_lossy(&cmd.stdin).contains("sata")));
}

#[test]
fn a_backup_over_nbd_thaws_what_it_froze_and_ends_what_it_began() {
    let mut world = world(Power::Running);
    libvirt(&mut world).agent_channel = Some("connected".into());
    world.says.push(("guest-ping", "{\"return\":{}}".into()));
    let plan = world.plan(&pull()).unwrap();
    let steps = [
        "write domain.xml",
        "has no frozen file system within 0",
        "begin-frozen",
        "has no frozen file system within 20",
        "copy vda.img",
        "copy nvram.fd",
        "is being backed up by this job within 30",
        "domjobabort",
    ];
    let said = commands(&plan);
    assert_eq!(said[..steps.len()], steps, "{said:#?}");
    let cleanups: Vec<String> = plan
        .steps
        .iter()
        .filter_map(|step| step.cleanup.as_ref())
        .filter_map(|cleanup| cleanup.action.command().get(4).filter(|_| cleanup.action.command()[0] == "virsh").cloned())
        .collect();
    let wanted = ["domfsthaw", "domjobabort"];
    assert_eq!(cleanups, wanted, "the guest would stay frozen, or a job keep aside what it overwrites until the disk is full");
    let Some(Action::Copy { copies, .. }) = plan.steps.iter().map(|step| &step.action).find(|action| matches!(action, Action::Copy { .. }))
    else {
        panic!()
    };
    assert!(matches!(&copies[0].from, Location::Nbd { export, .. } if export == "vda"), "the moving image would be copied");
    let script = script(&plan);
    assert!(script.contains("qemu-img convert -f raw -O raw 'nbd+unix:///vda?socket=") && script.contains("<scratch file="), "{script}");
    world.says.retain(|(words, _)| *words != "guest-ping");
    let plan = world.plan(&pull()).unwrap();
    assert!(commands(&plan).contains(&"backup-begin /dev/stdin".to_owned()), "an agent that does not answer would be asked to freeze");
    assert!(plan.warnings.iter().any(|warning| warning.contains("power cut")), "{:?}", plan.warnings);
}

#[test]
fn what_was_written_meanwhile_goes_into_the_named_image_before_its_overlay_goes() {
    let mut world = world(Power::Running);
    libvirt(&mut world).agent_channel = Some("connected".into());
    world.says.push(("guest-ping", "{\"return\":{}}".into()));
    let plan = world.plan(&overlay()).unwrap();
    let said = commands(&plan);
    let snapshot = said.iter().position(|said| said.starts_with("snapshot-create-as")).unwrap();
    assert_eq!(
        said[snapshot + 1..],
        ["has no frozen file system within 20", "witness None", "copy vda.img", "copy nvram.fd", "compare", "fold vda", "seal"]
    );
    let words = plan.steps.iter().find(|step| step.action.command().contains(&"snapshot-create-as".to_owned())).unwrap().action.command();
    assert!(words.contains(&"--quiesce".to_owned()), "a runner that dies would leave the guest frozen");
    let cleaned = plan.steps.iter().filter_map(|step| step.cleanup.as_ref()).filter_map(|cleanup| match &cleanup.action {
        Action::FoldOverlay { fold } => Some(fold),
        _ => None,
    });
    let folds: Vec<_> = cleaned.collect();
    assert_eq!(folds.len(), 1, "a runner that dies would leave the guest on its overlay");
    let line = folds[0].commit().to_string();
    assert!(line.contains("--base /srv/kvm1.qcow2 --active --pivot"), "it could go into a template: {line}");
}

#[test]
fn a_saved_domain_is_copied_and_resumed_by_libvirt_and_never_by_xl() {
    let plan = world(Power::Running).plan(&save_copy()).unwrap();
    let steps = [
        "write domain.xml",
        "save --domain --file IMAGE --running",
        "copy vda.img",
        "copy nvram.fd",
        "compare",
        "resume true",
        "hash memory.save",
        "seal",
    ];
    assert_eq!(commands(&plan), steps);
    let saved = plan.steps.iter().find(|step| matches!(step.action, Action::SaveDomain { .. })).unwrap();
    let Undo::By { action } = &saved.undo else { panic!("a failed backup would leave the domain saved") };
    assert!(matches!(&**action, Action::ResumeSaved { libvirt: Some(_), .. }), "xl would be asked for a domain of libvirt's");
    assert!(!script(&plan).contains("xl "), "{}", script(&plan));
}

/// Of this host, with a backup before this one, and what libvirt says of the checkpoint that it made.
fn after_a_backup(said: &str) -> Plan {
    let mut world = world(Power::Running);
    let name = "domkeep-0123456789abcdef";
    libvirt(&mut world).checkpoints = Some(vec![
        crate::model::LibvirtCheckpoint { name: name.into(), ..Default::default() },
        crate::model::LibvirtCheckpoint { name: "nightly".into(), ..Default::default() },
    ]);
    world.says.insert(0, ("checkpoint-dumpxml", format!("<domaincheckpoint><name>{name}</name><disks>{said}</disks></domaincheckpoint>")));
    let before = Piece {
        vdev: Some("vda".into()),
        format: Some("raw".into()),
        segment_bytes: Some(1 << 20),
        source_identity: "file:2049:77".into(),
        ..piece("vda.img", "disk", "/srv/kvm1.qcow2")
    };
    let manifest = Manifest { domain: "kvm1".into(), pieces: vec![before], ..bundle() };
    world.last_bundle = Some(crate::model::LastBundle { path: "/srv/backup/host/kvm1/last".into(), manifest });
    let wanted =
        ColdBackup { strategy: Some(Strategy::Pull), incremental: crate::model::Incremental::Auto, verify: false, ..backup("kvm1") };
    world.plan(&Request::ColdBackup(wanted)).unwrap()
}

fn begun(plan: &Plan) -> String {
    let begin = plan.steps.iter().find_map(|step| match &step.action {
        Action::Run { cmd } if cmd.args.contains(&"backup-begin".to_owned()) => Some(cmd.clone()),
        _ => None,
    });
    let begin = begin.unwrap();
    assert!(begin.args.contains(&"--checkpointxml".to_owned()), "the next backup would read everything: {begin}");
    String::from_utf8(begin.stdin).unwrap()
}

#[test]
fn qemu_is_asked_what_changed_since_the_checkpoint_of_the_last_backup() {
    let plan = after_a_backup("<disk name='vda' checkpoint='bitmap' bitmap='domkeep-0123456789abcdef' size='65536'/>");
    let xml = begun(&plan);
    assert!(xml.contains("backupmode='incremental' incremental='domkeep-0123456789abcdef' exportbitmap='domkeep-vda'"), "{xml}");
    let found = plan.steps.iter().find_map(|step| match &step.action {
        Action::FindChanged { disks } => disks.first().map(|disk| disk.book.clone()),
        _ => None,
    });
    assert!(matches!(found, Some(crate::model::Book::Bitmap { bitmap, .. }) if bitmap == "domkeep-vda"), "all of it would be read");
    let said = commands(&plan);
    let (sealed, deleted) = (said.iter().position(|said| said == "seal").unwrap(), said.len() - 1);
    assert!(
        sealed < deleted && said[deleted].contains("checkpoint-delete"),
        "the old checkpoint goes before the new one is worth anything"
    );
    assert!(!said.iter().any(|said| said.contains("nightly")), "a checkpoint of somebody else's is removed: {said:?}");
    let looked = plan.steps.iter().find(|step| step.says.contains("has no checkpoint")).unwrap();
    assert!(matches!(looked.undo, Undo::By { .. }), "a failed backup would leave a checkpoint that no backup belongs to");
}

#[test]
fn a_broken_bitmap_means_that_all_is_read_and_it_is_said_why() {
    let plan = after_a_backup("<disk name='vda' checkpoint='bitmap' bitmap='domkeep-0123456789abcdef'/>");
    let xml = begun(&plan);
    assert!(!xml.contains("incremental"), "libvirt would refuse it: {xml}");
    assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::FindChanged { .. })), "a bitmap that is not believed is asked");
    assert!(plan.warnings.iter().any(|warning| warning.contains("gone or broken")), "{:?}", plan.warnings);
    assert!(commands(&plan).last().unwrap().contains("--metadata"), "libvirt would keep a checkpoint that it cannot remove");
}
