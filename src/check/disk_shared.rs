//! One backing, several domains.

use super::scene::{Use, nested};
use super::{Explanation, Rule, Scene};
use crate::model::cmd::shell_word;
use crate::model::{Backing, Domain, Evidence, Finding, HostPath, Severity, Subject};

const XEN_DOES_NOT_SEE: &str = "Xen's own check lives in the script for block devices. It misses raw files (it compares a device number in \
                                hexadecimal with one in decimal), qcow2 and every disk that QEMU serves, and two domains with one uuid.";

pub(super) static SHARED_RW: Rule = Rule {
    explanation: Explanation {
        code: "disk-shared-rw",
        title: "More than one domain may write to the same disk.",
        what: "Two or more domains name the same file, volume or device, and more than one of them has it read-write. Each guest keeps its own \
               idea of the file system in its memory and writes it back over the other's. An ordinary file system (ext4, XFS, NTFS) is \
               destroyed by that, for certain and soon; fsck cannot bring it back.",
        how_it_comes: "A configuration was copied for a new domain and the disk line was left; a clone was started beside its original; \
                       or the same disk is named by two paths (/dev/VG/LV and /dev/mapper/VG-LV, a link, a loop device), so that it does \
                       not look the same.",
        looked_at: "The disks of all running domains and of all configurations, each followed to the file (device and inode), volume or \
                    device that holds its bytes. A cluster file system on it (GFS2, OCFS2) is made for sharing and is only noted, and so is a \
                    disk that libvirt's XML marks <shareable/> in every domain that writes to it.",
        mend: &[
            "If both run: stop one of them at once.",
            "  xl shutdown NAME",
            "Then give every domain its own disk, or share files by NFS from one of them. Check the file system before its next start, from dom0 or a rescue system:",
            "  fsck -n /dev/VG/LV",
            "If it is meant to be shared, it needs a cluster file system.",
        ],
        proves_not: "That damage was done already; nor that nobody else has it: another host on the same storage is not seen from here.",
    },
    why: "Two systems that write to one ordinary file system destroy it: each overwrites what it does not know the other has changed. \
          Xen does not reliably refuse it.",
    look: look_rw,
};

pub(super) static SHARED_MIXED: Rule = Rule {
    explanation: Explanation {
        code: "disk-shared-mixed",
        title: "One domain writes to a disk that others read.",
        what: "One domain has the disk read-write, others have it read-only. The readers keep old blocks in memory while the writer \
               changes them underneath: they see torn directories, read errors, or another file's content.",
        how_it_comes: "A data disk is given to a second domain `only to look`, or a template is still used read-write by the domain it was \
                       made in.",
        looked_at: "The disks of all running domains and configurations, followed to what holds their bytes.",
        mend: &[
            "Share the files by NFS from the domain that writes, or give the readers a snapshot:",
            "  lvcreate -s -L SIZE -n NAME /dev/VG/LV",
        ],
        proves_not: "That the writer's data is harmed: it is not. The readers are the ones who see nonsense.",
    },
    why: "The readers do not notice what the writer changes: they read a file system that moves under them.",
    look: look_mixed,
};

fn look_rw(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    look_nested(scene, findings);
    for (key, users) in &scene.uses {
        let writers: Vec<&Use<'_>> = users.iter().filter(|user| user.mode.writes()).collect();
        if writers.len() < 2 {
            continue;
        }
        let path = scene.path_of(key);
        let backing = scene.inventory.backings.get(key);
        let now = writers.iter().filter(|user| user.writes_now()).count();
        let cluster = backing.and_then(cluster_file_system);
        let told = writers.iter().all(|user| shareable(user));
        let severity = match (cluster, now) {
            _ if told => Severity::Note,
            (Some(_), _) => Severity::Note,
            (None, 2..) => Severity::Danger,
            _ => Severity::Warning,
        };
        let names = names(&writers);
        let title = match (now, writers.len()) {
            (2.., _) => format!("{names} write to {path} at the same time."),
            (_, 2) => format!("{names} would both write to {path}."),
            _ => format!("{names} would all write to {path}."),
        };
        let mut finding = finding(&SHARED_RW, severity, &path, users, title);
        if let Some(kind) = cluster {
            finding
                .evidence
                .push(Evidence::new(format!("{kind} is on it, a cluster file system: made for several writers"), path.to_string()));
        } else if writers.iter().any(|user| !user.domain.by_libvirt_only()) {
            finding.evidence.push(Evidence::new(XEN_DOES_NOT_SEE, "/etc/xen/scripts/block"));
        }
        for user in &writers {
            if let (Some(_), Some(config)) = (&user.disk.libvirt, user.domain.configs.first()) {
                let what = if shareable(user) { "<shareable/>: it is meant to be shared" } else { "it is not marked <shareable/>" };
                finding.evidence.push(Evidence::new(format!("in {}, {what}", user.domain.name), config.to_string()));
            }
        }
        finding.advice = match severity {
            Severity::Danger => {
                let last = writers.iter().rfind(|user| user.writes_now());
                let stop = last.map_or_else(|| "xl shutdown NAME".to_owned(), |user| shutdown(user.domain));
                vec![
                    format!("Stop one of them at once: `{stop}`"),
                    "Check the file system before its next start; bring it back from a backup if it is damaged.".to_owned(),
                ]
            }
            Severity::Warning => vec!["Never start them at the same time. Give each its own disk in its configuration.".to_owned()],
            Severity::Note if told => {
                vec!["Make sure that what runs in them shares it: a cluster file system, or programs with a lock of their own.".to_owned()]
            }
            Severity::Note => vec!["Make sure that every domain that uses it is in the same cluster.".to_owned()],
        };
        findings.push(finding);
    }
}

/// Somebody wrote into the domain's XML that several may write.
fn shareable(user: &Use<'_>) -> bool {
    user.disk.libvirt.as_ref().is_some_and(|xml| xml.shareable)
}

fn shutdown(domain: &Domain) -> String {
    let name = shell_word(&domain.name);
    if domain.by_libvirt_only() { format!("{} shutdown {name}", domain.virsh()) } else { format!("xl shutdown {name}") }
}

/// One domain has a whole disk, another a part of it: no name is the same, the bytes are.
fn look_nested(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (outer, inner) in nested(scene.inventory, &scene.uses) {
        let (Some(whole), Some(part)) = (scene.uses.get(outer), scene.uses.get(inner)) else { continue };
        for user in whole {
            let others: Vec<&Use<'_>> = part.iter().filter(|other| other.domain.id != user.domain.id).collect();
            if others.is_empty() || !(user.mode.writes() || others.iter().any(|other| other.mode.writes())) {
                continue;
            }
            let (whole_path, part_path) = (scene.path_of(outer), scene.path_of(inner));
            let both_now = user.writes_now() && others.iter().any(|other| other.writes_now());
            let severity = if both_now { Severity::Danger } else { Severity::Warning };
            let title = format!("{} has {whole_path}, and {part_path}, a disk of {}, lies in it.", user.domain.name, names(&others));
            let mut finding = SHARED_RW.finding(severity, Subject::Backing { path: part_path.clone() }, title);
            finding.domains = others.iter().copied().chain([user]).map(|user| user.domain.id.clone()).collect();
            finding.evidence = vec![
                Evidence::new(format!("{whole_path}: disk of {}", user.label()), user.source()),
                Evidence::new(format!("{part_path} lies on {whole_path}"), "lsblk"),
            ];
            finding
                .evidence
                .extend(others.iter().map(|other| Evidence::new(format!("{part_path}: disk of {}", other.label()), other.source())));
            finding.advice = vec!["Never start them at the same time. Give each its own disk in its configuration.".to_owned()];
            findings.push(finding);
        }
    }
}

fn look_mixed(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for (key, users) in &scene.uses {
        let writers = users.iter().filter(|user| user.mode.writes()).count();
        if writers != 1 || users.len() < 2 {
            continue;
        }
        let cluster = scene.inventory.backings.get(key).and_then(cluster_file_system).is_some();
        let path = scene.path_of(key);
        let severity = if cluster { Severity::Note } else { Severity::Warning };
        let writer = users.iter().find(|user| user.mode.writes()).map_or("?", |user| user.domain.name.as_str());
        let readers: Vec<&Use<'_>> = users.iter().filter(|user| !user.mode.writes()).collect();
        let now = users.iter().any(Use::writes_now) && readers.iter().any(|user| user.disk.attached && user.domain.power.is_present());
        let title = match (now, readers.len()) {
            (true, 1) => format!("{writer} writes to {path} while {} reads it.", names(&readers)),
            (true, _) => format!("{writer} writes to {path} while {} read it.", names(&readers)),
            (false, _) => format!("{writer} would write to {path} while {} would read it.", names(&readers)),
        };
        let mut finding = finding(&SHARED_MIXED, severity, &path, users, title);
        finding.advice = vec!["Give the readers a snapshot or a copy, or share the files by NFS.".to_owned()];
        findings.push(finding);
    }
}

fn finding(rule: &Rule, severity: Severity, path: &HostPath, users: &[Use<'_>], title: String) -> Finding {
    let mut finding = rule.finding(severity, Subject::Backing { path: path.clone() }, title);
    finding.domains = users.iter().map(|user| user.domain.id.clone()).collect();
    finding.evidence = users
        .iter()
        .map(|user| {
            let has = if user.disk.attached { "has" } else { "names" };
            let vdev = user.disk.vdev.as_deref().unwrap_or("?");
            let named =
                user.disk.path.as_ref().filter(|named| *named != path).map(|named| format!(" by the name {named}")).unwrap_or_default();
            let mode = if user.disk.mode.is_none() { "; the mode is not known, the default is to write" } else { "" };
            Evidence::new(format!("{} {has} it as {vdev}{named}{mode}", user.label()), user.source())
        })
        .collect();
    finding
}

fn cluster_file_system(backing: &Backing) -> Option<&str> {
    backing.signatures.iter().map(|signature| signature.kind.as_str()).find(|kind| matches!(*kind, "gfs2" | "ocfs2"))
}

/// `a and b`, `a, b and c`.
fn names(users: &[&Use<'_>]) -> String {
    let names: Vec<&str> = users.iter().map(|user| user.domain.name.as_str()).collect();
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => String::new(),
    }
}
