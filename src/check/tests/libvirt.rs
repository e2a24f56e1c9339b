use super::{look, of, severity};
use crate::model::example::{at, backing, disk, domain, host, put_save};
use crate::model::{
    Disk, Domain, HostPath, Inventory, Libvirt, LibvirtDisk, LibvirtMirror, LibvirtPart, LibvirtPaths, LibvirtSnapshot, Mode, Power,
    SaveFormat, Severity, Toolstack,
};

const IMAGES: &str = "/var/lib/libvirt/images";

fn image(vdev: &str, name: &str) -> Disk {
    Disk { libvirt: Some(LibvirtDisk::default()), format: Some("qcow2".into()), ..disk(vdev, &format!("{IMAGES}/{name}"), Mode::Write) }
}

/// A domain of QEMU's, known to libvirt.
fn guest(name: &str, power: Power, disks: Vec<Disk>) -> Domain {
    let state = if power.is_present() { "running" } else { "shut off" };
    Domain {
        toolstacks: vec![Toolstack::LibvirtQemu],
        domid: None,
        libvirt: Some(Libvirt { uri: "qemu:///system".into(), state: Some(state.into()), snapshots: Some(vec![]), ..Libvirt::default() }),
        ..domain(name, power, disks)
    }
}

fn facts(inventory: &mut Inventory) -> &mut Libvirt {
    inventory.domains[0].libvirt.as_mut().unwrap()
}

/// `overlay` stands on `base`.
fn stack(inventory: &mut Inventory, overlay: &str, base: &str) {
    let below = disk("", &format!("{IMAGES}/{base}"), Mode::Write);
    let below = inventory.backings.entry(below.backing.clone().unwrap()).or_insert_with(|| backing(&below).unwrap()).key.clone();
    inventory.backings.get_mut(&format!("{IMAGES}/{overlay}")).unwrap().backing_file = Some((HostPath::from(below.as_str()), below));
}

#[test]
fn a_guest_on_the_overlay_of_a_snapshot_is_shown() {
    let code = "snapshot-overlay-left";
    let mut web = host(vec![guest("web", Power::Running, vec![image("vda", "web.nightly")])]);
    stack(&mut web, "web.nightly", "web.qcow2");
    assert_eq!(severity(&web, code), Some(Severity::Note), "an interrupted backup leaves the guest on a file that looks like rubbish");
    let part =
        LibvirtPart { target: Some("vda".into()), kind: Some("external".into()), file: Some(format!("{IMAGES}/web.nightly").into()) };
    facts(&mut web).snapshots =
        Some(vec![LibvirtSnapshot { name: "nightly".into(), disks: vec![part], created: Some(at(0)), ..LibvirtSnapshot::default() }]);
    let verdicts = look(&web);
    let [finding] = of(&verdicts, code)[..] else { panic!("{verdicts:#?}") };
    assert_eq!(finding.severity, Severity::Warning);
    let advice = finding.advice.join("\n");
    assert!(
        advice.contains("--base /var/lib/libvirt/images/web.qcow2 --pivot"),
        "without its base a commit goes into a template: {advice}"
    );
    assert!(advice.contains("virsh -c qemu:///system snapshot-delete web nightly --metadata"), "{advice}");
}

#[test]
fn a_clone_of_a_template_is_no_forgotten_snapshot() {
    let code = "snapshot-overlay-left";
    let mut clones = host(vec![
        guest("web", Power::Running, vec![image("vda", "debian.web")]),
        guest("db", Power::Off, vec![image("vda", "debian.db")]),
    ]);
    stack(&mut clones, "debian.web", "debian.qcow2");
    stack(&mut clones, "debian.db", "debian.qcow2");
    assert_eq!(severity(&clones, code), None, "who follows the advice commits a clone into its template");
    let mut other = host(vec![guest("web", Power::Running, vec![image("vda", "web.qcow2")])]);
    stack(&mut other, "web.qcow2", "debian.qcow2");
    assert_eq!(severity(&other, code), None);
}

#[test]
fn a_disk_that_is_meant_to_be_shared_is_only_noted() {
    let code = "disk-shared-rw";
    let shared = |marked: [bool; 2]| {
        let quorum = |shareable| Disk { libvirt: Some(LibvirtDisk { shareable, ..LibvirtDisk::default() }), ..image("vdb", "quorum.raw") };
        host(vec![guest("a", Power::Running, vec![quorum(marked[0])]), guest("b", Power::Running, vec![quorum(marked[1])])])
    };
    assert_eq!(severity(&shared([true, true]), code), Some(Severity::Note), "a cluster is told every day that it is in danger");
    assert_eq!(severity(&shared([true, false]), code), Some(Severity::Danger), "one of them does not know of the other");
    let verdicts = look(&shared([false, false]));
    let finding = of(&verdicts, code)[0];
    assert!(finding.advice[0].contains("virsh -c qemu:///system shutdown b"), "xl does not know it: {:?}", finding.advice);
    assert!(!finding.evidence.iter().any(|evidence| evidence.source.contains("/etc/xen/scripts")), "{:#?}", finding.evidence);
}

#[test]
fn a_disk_that_only_the_running_instance_has_is_told_with_virshs_words() {
    let mut web = host(vec![guest("web", Power::Running, vec![image("vda", "web.qcow2"), image("vdc", "scratch.qcow2")])]);
    web.configs[0].disks.pop();
    web.domains[0].disks[1].in_config = false;
    let verdicts = look(&web);
    let [finding] = of(&verdicts, "drift-attached-not-in-config")[..] else { panic!("{verdicts:#?}") };
    let wanted =
        "virsh -c qemu:///system attach-disk web /var/lib/libvirt/images/scratch.qcow2 vdc --driver qemu --subdriver qcow2 --config";
    assert!(finding.advice[0].contains(wanted), "{:?}", finding.advice);
    assert_eq!(finding.mend, None, "domkeep would offer to write an xl configuration");
}

#[test]
fn a_block_job_that_waits_for_its_end_is_shown() {
    let code = "block-job-open";
    let with = |ready| {
        let mirror = LibvirtMirror { job: Some("active-commit".into()), ready, source: Some(format!("{IMAGES}/web.qcow2")) };
        let vda = Disk { libvirt: Some(LibvirtDisk { mirror: Some(mirror), ..LibvirtDisk::default() }), ..image("vda", "web.tmp") };
        host(vec![guest("web", Power::Running, vec![vda])])
    };
    assert_eq!(severity(&with(true), code), Some(Severity::Warning), "the commit is lost when the guest stops");
    assert_eq!(severity(&with(false), code), Some(Severity::Note));
    let mut backup = host(vec![guest("web", Power::Running, vec![])]);
    assert_eq!(severity(&backup, code), None);
    facts(&mut backup).job = Some("Backup".into());
    assert_eq!(severity(&backup, code), Some(Severity::Note));
}

#[test]
fn a_guest_that_its_storage_stopped_is_shown() {
    let code = "paused-io-error";
    let mut web = host(vec![guest("web", Power::Paused, vec![image("vda", "web.qcow2")])]);
    facts(&mut web).state = Some("paused".into());
    facts(&mut web).reason = Some("user".into());
    assert_eq!(severity(&web, code), None);
    facts(&mut web).reason = Some("I/O error".into());
    assert_eq!(
        severity(&web, code),
        Some(Severity::Danger),
        "the guest stands still, and in a list it looks like one that somebody paused"
    );
}

#[test]
fn lost_uefi_variables_are_shown() {
    let code = "nvram-missing";
    let with = |power, there| {
        let mut web = host(vec![guest("web", power, vec![])]);
        facts(&mut web).paths = LibvirtPaths { nvram: Some("/var/lib/libvirt/qemu/nvram/web_VARS.fd".into()), ..LibvirtPaths::default() };
        facts(&mut web).nvram_there = there;
        web
    };
    assert_eq!(severity(&with(Power::Off, Some(false)), code), Some(Severity::Note), "after a restore the guest may not boot");
    assert_eq!(severity(&with(Power::Running, Some(false)), code), Some(Severity::Danger), "they are gone when the guest stops");
    assert_eq!(severity(&with(Power::Running, Some(true)), code), None);
    assert_eq!(severity(&with(Power::Running, None), code), None, "nobody could look, and it is said to be lost");
}

#[test]
fn a_stale_managed_save_is_told_with_the_command_that_would_resume_it() {
    let path = "/var/lib/libvirt/qemu/save/web.save";
    let mut web = host(vec![guest("web", Power::Saved, vec![image("vda", "web.qcow2")])]);
    put_save(&mut web, path, "web", vec![image("vda", "web.qcow2")]);
    web.saves[0].format = SaveFormat::LibvirtQemu;
    facts(&mut web).paths.managed_save = Some(path.into());
    web.backings.get_mut(&format!("{IMAGES}/web.qcow2")).unwrap().modified = Some(at(30));
    let verdicts = look(&web);
    let [finding] = of(&verdicts, "save-stale")[..] else { panic!("{verdicts:#?}") };
    let advice = finding.advice.join("\n");
    assert!(advice.contains("Do not run `virsh -c qemu:///system start web`") && advice.contains("managedsave-remove web"), "{advice}");
    assert!(!advice.contains("xl "), "xl cannot read it: {advice}");
}

#[test]
fn no_word_of_xl_is_said_of_a_domain_that_xl_does_not_know() {
    let mut all = host(vec![
        guest("crashed", Power::Crashed, vec![image("vda", "crashed.qcow2")]),
        guest("transient", Power::Running, vec![image("vda", "transient.qcow2")]),
        guest("asleep", Power::Suspended, vec![]),
    ]);
    all.domains[1].configs.clear();
    all.configs.retain(|config| config.name.as_deref() != Some("transient"));
    let verdicts = look(&all);
    assert!(!of(&verdicts, "preserved-holds-disks").is_empty() && !of(&verdicts, "domain-without-config").is_empty(), "{verdicts:#?}");
    for finding in &verdicts.findings {
        let said: Vec<&str> =
            finding.advice.iter().map(String::as_str).chain(finding.evidence.iter().map(|seen| seen.source.as_str())).collect();
        assert!(!said.iter().any(|words| words.contains("xl ") || words.contains("xenstore")), "{}: {said:?}", finding.code.0);
    }
}
