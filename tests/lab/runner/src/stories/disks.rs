//! Disks: every form, attached or only configured, and what is behind them.

use serde_json::json;

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

const MIB: u64 = 1 << 20;

/// vdev, what it is, path, kind, format, mode, bytes.
type Form = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, Option<u64>);

const FORMS: [Form; 9] = [
    ("xvda", "a volume (phy:)", "/dev/xenvols/rel0", "lvm", "raw", "w", Some(64 * MIB)),
    ("xvdb", "a file (file:)", "/srv/xen/img/file0.img", "file", "raw", "w", Some(64 * MIB)),
    ("xvdc", "a file (tap:aio:)", "/srv/xen/img/tap0.img", "file", "raw", "w", Some(64 * MIB)),
    ("xvdd", "a qcow2 image", "/srv/xen/img/qc0.qcow2", "file", "qcow2", "w", Some(1024 * MIB)),
    ("xvde", "a partition", "/dev/vdb2", "partition", "raw", "w", Some(256 * MIB)),
    ("xvdf", "a CD image", "/srv/xen/iso/tools.iso", "file", "raw", "r", Some(MIB)),
    ("xvdg", "a volume through QEMU (qdisk)", "/dev/xenvols/qd0", "lvm", "raw", "w", Some(64 * MIB)),
    ("xvdh", "a thin volume", "/dev/xenvols/thin0", "lvm", "raw", "w", Some(128 * MIB)),
    ("xvdi", "a volume that a hotplug script found", "", "", "", "w", None),
];

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("every form of disk that a domain has is shown with what is behind it", |host, see| {
            host.does("place forms\nplace forms2")?;
            let list = ask(host, see, &["list"])?;
            let list = &list;
            for (name, disks) in [("forms", 4), ("forms2", 5)] {
                let sentence = format!("a user would not see each disk of {name} once");
                see.count(list, &format!("domains[name={name}].disks[*]"), disks, &sentence);
            }
            for (vdev, what, path, kind, format, mode, bytes) in FORMS {
                let name = if vdev < "xvde" { "forms" } else { "forms2" };
                let disk = format!("domains[name={name}].disks[vdev={vdev}]");
                see.is(list, &format!("{disk}.attached"), true, &format!("a user would not see that {vdev}, {what}, is attached"));
                see.is(list, &format!("{disk}.in_config"), true, &format!("a user would believe that {vdev}, {what}, is lost at the next start"));
                see.is(list, &format!("{disk}.mode"), mode, &format!("a user would not know whether {vdev}, {what}, is written to"));
                if path.is_empty() {
                    continue;
                }
                see.is(list, &format!("{disk}.path"), path, &format!("a user would not find what {vdev}, {what}, lies on"));
                see.is(list, &format!("{disk}.kind"), kind, &format!("a user would take {vdev} for something else than {what}"));
                see.is(list, &format!("{disk}.format"), format, &format!("a user would not know the format of {vdev}, {what}"));
                see.is(list, &format!("{disk}.exists"), true, &format!("a user would believe that {vdev}, {what}, is missing"));
                see.is(list, &format!("{disk}.bytes"), json!(bytes), &format!("a user would not know the size of {vdev}, {what}"));
            }
            see.between(list, "domains[name=forms].disks[vdev=xvdd].allocated", 1.0, 2.0 * 1_048_576.0, "a user would not see that the qcow2 image takes little room");
            see.between(list, "domains[name=forms].disks[vdev=xvdb].allocated", 1.0, 60.0 * 1_048_576.0, "a user would not see that the file is sparse");
            see.is(list, "domains[name=forms2].disks[vdev=xvdf].removable", true, "a user would take the CD for a hard disk");
            see.is(list, "drift", json!([]), "a user would be told of a drift where config and domain agree");
            Ok(())
        })
        .short()
        .both(),
        scenario("what a hotplug script found is shown as the script's, not as a path", |host, see| {
            host.does("place forms2")?;
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, "findings[code=disk-missing,subject~xvdi]", "a user would be told that a disk is missing which its script has found");
            see.is(&list, "domains[name=forms2].disks[vdev=xvdi].attached", true, "a user would not see the disk that a script attached");
            let show = host.domkeep(&["show", "forms2"])?;
            see.that(show.text().contains("block-lab"), "a user would not see that a script of the host's own makes xvdi", || show.to_string());
            Ok(())
        })
        .both(),
        scenario("disks that only a config names: network backends, an empty drive, a relative path", |host, see| {
            let list = ask(host, see, &["list"])?;
            let disk = |vdev: &str, key: &str| format!("domains[name=elsewhere].disks[vdev={vdev}].{key}");
            see.is(&list, &disk("xvdb", "kind"), "drbd", "a user would not see that xvdb is DRBD's");
            see.is(&list, &disk("xvdc", "kind"), "iscsi", "a user would not see that xvdc comes over iSCSI");
            see.is(&list, &disk("xvdd", "kind"), "nbd", "a user would not see that xvdd comes over NBD");
            see.is(&list, &disk("xvde", "kind"), "empty", "a user would look for the medium of an empty drive");
            see.is(&list, &disk("xvde", "path"), json!(null), "a user would look for the medium of an empty drive");
            for vdev in ["xvdb", "xvdc", "xvdd", "xvde"] {
                see.has_no(&list, &format!("findings[code=disk-missing,subject~elsewhere {vdev}]"), &format!("{vdev} would be called missing"));
            }
            // `phy:vg/lv`: the manual promises a /dev/ before it; the real xl looks below the directory that it was started from.
            let relative = "findings[code=config-not-as-meant,about~elsewhere.cfg].evidence[what~relative]";
            see.has(&list, relative, "a user would believe what the manual says of a relative path, and xl does otherwise");
            let said = host.does("refused xl create -p /etc/xen/elsewhere.cfg 'disk=[\"phy:xenvols/rel0,xvda,w\"]'")?;
            let refused = said.text().contains("failed to stat: xenvols/rel0");
            see.that(refused, "xl itself would take it, and the finding would be a false alarm", || said.to_string());
            Ok(())
        })
        .short()
        .both(),
        scenario("an NFS root is shown as what it is", |host, see| {
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=nfs1].disks[*].kind", "nfs-root", "a user would look for a disk that nfs1 does not have");
            see.is(&list, "domains[name=nfs1].disks[*].path", "192.0.2.10:/export/nfs1", "a user would not learn where the root of nfs1 lies");
            Ok(())
        })
        .short()
        .both(),
        scenario("the drives of an HVM domain: a volume, an empty CD drive, a CD image", |host, see| {
            host.does("place hvm1")?;
            let list = ask(host, see, &["list"])?;
            let disk = |vdev: &str, key: &str| format!("domains[name=hvm1].disks[vdev={vdev}].{key}");
            see.count(&list, "domains[name=hvm1].disks[*]", 3, "a user would not see each drive of hvm1 once");
            see.is(&list, "domains[name=hvm1].guest_type", "hvm", "a user would not see that hvm1 is an HVM domain");
            see.is(&list, &disk("hda", "kind"), "lvm", "a user would not see hvm1's volume");
            see.is(&list, &disk("hdc", "kind"), "empty", "a user would look for the medium of an empty drive");
            see.is(&list, &disk("hdc", "attached"), true, "a user would not see the empty drive");
            see.is(&list, &disk("hdd", "path"), "/srv/xen/iso/tools.iso", "a user would not see which CD is in");
            see.has_no(&list, "findings[code=disk-missing,subject~hvm1]", "an empty drive would be called a missing disk");
            see.is(&list, "drift", json!([]), "a user would be told of a drift where config and domain agree");
            Ok(())
        })
        .short()
        .both(),
        scenario("a hot-plugged disk is shown, and that the config does not know it", |host, see| {
            host.does("place web1\nxl block-attach web1 'phy:/dev/xenvols/hot0,xvdc,w'\nxl block-attach web1 'vdev=xvdd,format=raw,access=ro,target=/srv/xen/img/hot1.img'")?;
            let list = ask(host, see, &["list"])?;
            for (vdev, path, mode) in [("xvdc", "/dev/xenvols/hot0", "w"), ("xvdd", "/srv/xen/img/hot1.img", "r")] {
                let disk = format!("domains[name=web1].disks[vdev={vdev}]");
                see.is(&list, &format!("{disk}.attached"), true, &format!("a user would not see that web1 has {vdev} now"));
                see.is(&list, &format!("{disk}.in_config"), false, &format!("a user would not see that {vdev} of web1 is lost at the next start"));
                see.is(&list, &format!("{disk}.path"), path, &format!("a user would not find what {vdev} of web1 lies on"));
                see.is(&list, &format!("{disk}.mode"), mode, &format!("a user would not know whether web1 writes to {vdev}"));
                see.is(&list, &format!("drift[domain=web1,vdev={vdev}].kind"), "attached-not-in-config", "a script that looks for drift would find none");
                see.has(&list, &format!("findings[code=drift-attached-not-in-config,subject~{vdev}]"), &format!("nobody would be told that {vdev} of web1 is lost at the next start"));
            }
            Ok(())
        })
        .short()
        .both(),
        scenario("a disk that xl refused to plug in, and left in the guest's record, is shown as what it is", |host, see| {
            host.does("place web1\nplace db1 /etc/xen/database.cfg\nrefused xl block-attach db1 'phy:/dev/xenvols/web1-disk,xvdx,w'")?;
            let list = ask(host, see, &["list"])?;
            let disk = "domains[name=db1].disks[vdev=xvdx]";
            see.is(&list, &format!("{disk}.attached"), false, "a user would believe that db1 writes to web1's disk");
            see.holds(&list, &format!("{disk}.trouble"), "is mounted in a guest domain", "a user would not learn why xvdx does not work");
            let left = "findings[code=disk-lost-by-tool,subject~db1 xvdx]";
            see.has(&list, left, "nobody would be told that db1 gets web1's disk after a save and restore");
            see.is(&list, "drift", json!([]), "a disk that is not there would be called plugged in");
            Ok(())
        })
        .both(),
        scenario("a disk that was taken away is shown as configured only", |host, see| {
            // Only a guest that works, and does not use the disk, lets go of it.
            host.does("start db1 /etc/xen/database.cfg 'extra=\"lab.disk=xvda\"'\nxl block-detach db1 xvdb")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=db1].disks[vdev=xvdb].attached", false, "a user would believe that db1 still has xvdb");
            see.is(&list, "domains[name=db1].disks[vdev=xvdb].in_config", true, "a user would not see that xvdb comes back at the next start");
            see.is(&list, "drift[domain=db1,vdev=xvdb].kind", "in-config-not-attached", "a script that looks for drift would find none");
            see.has(&list, "findings[code=drift-in-config-not-attached,subject~xvdb]", "nobody would be told that db1 runs without xvdb");
            Ok(())
        })
        .both(),
        scenario("a disk whose source is missing is a danger before anybody starts the domain", |host, see| {
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=spare1].disks[vdev=xvda].exists", false, "a user would not see that the volume of spare1 is gone");
            see.is(&list, "domains[name=spare1].disks[vdev=xvdb].exists", false, "a user would not see that the file of spare1 is gone");
            let check = host.domkeep(&["check", "--json"])?;
            let json: serde_json::Value = serde_json::from_slice(&check.out).unwrap_or_default();
            let check = crate::see::Answer { said: check, json };
            for vdev in ["xvda", "xvdb"] {
                see.has(&check, &format!("findings[code=disk-missing,subject~spare1 {vdev}]"), &format!("nobody would be told that spare1 cannot start without {vdev}"));
            }
            let refused = host.does("refused xl create -p /etc/xen/spare1.cfg");
            see.that(refused.is_ok(), "xl itself would start it, and the finding would be a false alarm", || format!("{refused:?}"));
            Ok(())
        })
        .short()
        .both(),
    ]
}
