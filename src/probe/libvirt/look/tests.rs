use std::time::Duration;

use super::*;
use crate::host::replay::{Replay, Writer};
use crate::host::{Entry, FileType, Listing, Stat};
use crate::model::Gap;

const UUID: &str = "0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01";
const SOCKET: &str = "/run/libvirt/libvirt-sock";

fn output(exit: i32, stdout: &str, stderr: &str) -> Output {
    Output { exit, stdout: stdout.into(), stderr: stderr.into(), took: Duration::from_millis(20) }
}

/// Answers in the order of the parts; parts without one are empty.
fn batch(parts: &[&str], answers: &[(&str, &str)]) -> String {
    let answer = |part: &str| answers.iter().find(|(name, _)| *name == part).map_or("", |(_, answer)| answer);
    parts.iter().map(|part| format!("domkeep:{part}\n{}\n\n", answer(part))).collect::<Vec<String>>().concat() + "domkeep:end\n"
}

fn list_of(answers: &[(&str, &str)]) -> Output {
    output(0, &batch(&virsh::LIST_PARTS.map(|(part, _)| part), answers), "")
}

fn stat(kind: FileType) -> Stat {
    let modified = chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    Stat { kind, dev: 1, ino: 7, size: 0, blocks: 0, mode: 0o777, uid: 0, gid: 0, modified, changed: modified, rdev: (0, 0) }
}

fn xml(disks: &str) -> String {
    format!(
        "<domain type='kvm'><name>web</name><uuid>{UUID}</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>{disks}</devices></domain>"
    )
}

/// What libvirt's part of a look finds on a host that the test writes down, and what it could not find out.
fn looked(uris: &[&str], prepare: impl FnOnce(&mut Writer)) -> (Seen, Vec<Gap>) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("host");
    let mut writer = Writer::create(&folder, "host", chrono::DateTime::UNIX_EPOCH).unwrap();
    prepare(&mut writer);
    writer.finish().unwrap();
    let host = Replay::open(&folder).unwrap();
    let asker = Asker::new(&host);
    let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    let seen = look(&asker, &uris);
    (seen, asker.into_gaps())
}

fn with_socket(writer: &mut Writer) {
    writer.stat(SOCKET.as_ref(), true, Ok(stat(FileType::Socket)));
    writer.stat("/run/libvirt/qemu/autostarted".as_ref(), true, Ok(stat(FileType::Regular)));
    for path in ["/etc/libvirt/libxl", "/run/libvirt/libxl", "/etc/libvirt/qemu", "/proc/xen"] {
        writer.missing(path.as_ref());
    }
}

#[test]
fn a_host_without_libvirt_is_asked_nothing() {
    let (seen, gaps) = looked(&["auto"], |writer| {
        for path in ["/etc/libvirt", "/run/libvirt", "/proc/xen", "/proc/self"] {
            writer.missing(path.as_ref());
        }
    });
    assert!(seen.answered.is_empty() && seen.domains.is_empty());
    assert_eq!(gaps, [], "every Xen host would be told that it lacks libvirt");
}

#[test]
fn a_daemon_that_is_stopped_is_told_with_what_ran_when_it_was_there() {
    let status = format!(
        "<domstatus state='running' reason='booted' pid='4242'>{}</domstatus>",
        xml("<disk type='file' device='disk'><source file='/srv/a.img'/><target dev='vda'/></disk>")
    );
    let (seen, gaps) = looked(&["auto"], |writer| {
        // systemd's socket is there: a question would start the daemon, and the daemon the domains.
        writer.stat(SOCKET.as_ref(), true, Ok(stat(FileType::Socket)));
        writer.missing("/run/libvirt/qemu/driver.pid".as_ref()).missing("/run/libvirt/qemu/autostarted".as_ref());
        let entries = vec![Entry { name: "web.xml".into(), kind: FileType::Regular }];
        writer.list("/run/libvirt/qemu".as_ref(), Ok(Listing { entries, cut: false }));
        writer.file("/run/libvirt/qemu/web.xml".as_ref(), Some(stat(FileType::Regular)), status.as_bytes());
        writer.read_answer("/proc/4242/comm".as_ref(), 0, 64, Ok(b"qemu-system-x86"));
        for path in ["/etc/libvirt", "/run/libvirt/libxl", "/proc/xen", "/proc/self"] {
            writer.missing(path.as_ref());
        }
    });
    let [gap] = gaps.as_slice() else { panic!("an empty list looks complete: {gaps:#?}") };
    assert!(gap.why.contains("libvirtd or virtqemud is not running") && gap.missing.contains(Inventory::WHICH_RUN), "{gap:?}");
    let [web] = seen.domains.as_slice() else { panic!("a guest that runs on without its daemon is not shown: {seen:#?}") };
    assert_eq!(web.facts.state, None, "its last word was taken for the truth");
    assert!(web.note.as_ref().unwrap().contains("process 4242, is there"), "{:?}", web.note);
}

#[test]
fn access_that_is_denied_and_a_virsh_that_is_missing_are_told() {
    let denied = "error: failed to connect to the hypervisor\nerror: authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.monitor'\n";
    let (_, gaps) = looked(&["auto"], |writer| {
        with_socket(writer);
        writer.command(&virsh::list("qemu:///system"), output(1, "", denied));
    });
    assert_eq!(gaps[0].reason, GapReason::PermissionDenied);
    assert!(gaps[0].why.contains("run domkeep as root"), "{gaps:?}");
    let (_, gaps) = looked(&["auto"], |writer| {
        with_socket(writer);
        writer.command_answer(&virsh::list("qemu:///system"), Err(HostError::NoTool { program: "virsh".into() }));
    });
    assert_eq!(gaps[0].reason, GapReason::Failed, "as a tool that nobody needs it would not count as something that hides domains");
    assert!(gaps[0].why.contains("no virsh on this host"), "{gaps:?}");
}

#[test]
fn a_driver_that_the_daemon_does_not_have_is_no_gap() {
    let (seen, gaps) = looked(&["auto"], |writer| {
        with_socket(writer);
        writer.command(&virsh::list("qemu:///system"), output(1, "", "error: no connection driver available for qemu:///system\n"));
    });
    assert!(seen.answered.is_empty());
    assert_eq!(gaps, [], "a dom0 with libvirt's Xen driver would never give a complete answer");
    let (_, gaps) = looked(&["qemu:///system"], |writer| {
        with_socket(writer);
        writer.command(&virsh::list("qemu:///system"), output(1, "", "error: no connection driver available for qemu:///system\n"));
    });
    assert_eq!(gaps.len(), 1, "somebody named it in the settings, and is not told");
}

#[test]
fn a_domain_is_read_with_its_snapshots_and_the_volumes_of_its_pools() {
    let disk = "<disk type='volume' device='disk'><driver type='qcow2'/><source pool='default' volume='web.qcow2'/><target dev='vda' bus='virtio'/></disk>";
    let wanted = Wanted { active: false, snapshots: true, checkpoints: false };
    let snapshot =
        "<domainsnapshot><name>it's off</name><state>shutoff</state><disks><disk name='vda' snapshot='internal'/></disks></domainsnapshot>";
    let (seen, gaps) = looked(&["auto"], |writer| {
        with_socket(writer);
        let all = format!("{UUID} web");
        writer.command(
            &virsh::list("qemu:///system"),
            list_of(&[("all", all.as_str()), ("shut-off", UUID), ("persistent", UUID), ("snapshot", UUID)]),
        );
        let answers = [("stored", xml(disk)), ("state", "shut off (crashed)".to_owned()), ("snapshots", "it's off".to_owned())];
        let answers = answers.each_ref().map(|(part, answer)| (*part, answer.as_str()));
        writer.command(&virsh::domain("qemu:///system", UUID, wanted), output(0, &batch(&virsh::domain_parts(wanted), &answers), ""));
        let names = ["it's off".to_owned()];
        writer.command(
            &virsh::moments("qemu:///system", UUID, Moments::Snapshots, &names),
            output(0, &batch(&["0"], &[("0", snapshot)]), ""),
        );
        writer.command(&virsh::volume_path("qemu:///system", "default", "web.qcow2"), output(0, "/pool/web.qcow2\n\n", ""));
    });
    assert_eq!(gaps, []);
    let web = &seen.domains[0];
    assert_eq!((web.facts.state.as_deref(), web.facts.reason.as_deref()), (Some("shut off"), Some("crashed")));
    assert_eq!((web.facts.persistent, web.facts.autostart, web.facts.managed_save), (Some(true), Some(false), Some(false)));
    assert_eq!(web.facts.snapshots.as_ref().unwrap()[0].name, "it's off");
    assert_eq!(web.facts.checkpoints, Some(vec![]));
    let mut configs = Vec::new();
    super::super::join::configs(&seen, &mut configs);
    assert_eq!(configs[0].disks[0].path, Some("/pool/web.qcow2".into()), "a disk in a storage pool would be one that lies nowhere");
}

#[test]
fn a_domain_that_does_not_answer_is_still_there() {
    let wanted = Wanted { active: true, snapshots: false, checkpoints: false };
    let (seen, gaps) = looked(&["auto"], |writer| {
        with_socket(writer);
        let all = format!("{UUID} web");
        writer.command(&virsh::list("qemu:///system"), list_of(&[("all", all.as_str()), ("running", UUID), ("persistent", UUID)]));
        writer.command_answer(&virsh::domain("qemu:///system", UUID, wanted), Err(HostError::TimedOut { seconds: 15 }));
    });
    assert_eq!(seen.domains[0].facts.state.as_deref(), Some("running"), "one guest that hangs made itself invisible");
    assert_eq!(gaps[0].reason, GapReason::TimedOut);
    assert!(gaps[0].missing.contains("of web"), "{gaps:?}");
}
