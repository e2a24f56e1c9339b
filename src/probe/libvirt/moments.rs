//! Snapshots and checkpoints (https://libvirt.org/formatsnapshot.html, formatcheckpoint.html).

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::{child, child_text, children, with_document};
use crate::model::{CheckpointDisk, HostPath, LibvirtCheckpoint, LibvirtPart, LibvirtSnapshot};

/// A `<domainsnapshot>`; where its metadata lies is the caller's to fill in.
pub fn snapshot(bytes: &[u8]) -> Result<LibvirtSnapshot, String> {
    with_document(bytes, |root| {
        expect(root, "domainsnapshot")?;
        let part = |node: Node| LibvirtPart {
            target: node.attribute("name").map(str::to_owned),
            kind: node.attribute("snapshot").map(str::to_owned),
            file: node
                .attribute("file")
                .or_else(|| child(node, "source").and_then(|source| source.attribute("file").or_else(|| source.attribute("dev"))))
                .map(HostPath::from),
        };
        Ok(LibvirtSnapshot {
            name: child_text(root, "name").ok_or("a snapshot without a name")?,
            parent: parent(root),
            state: child_text(root, "state"),
            created: created(root),
            metadata: None,
            memory: child(root, "memory").map(part),
            disks: child(root, "disks").into_iter().flat_map(|disks| children(disks, "disk")).map(part).collect(),
        })
    })
}

/// A `<domaincheckpoint>`; where its metadata lies is the caller's to fill in.
pub fn checkpoint(bytes: &[u8]) -> Result<LibvirtCheckpoint, String> {
    with_document(bytes, |root| {
        expect(root, "domaincheckpoint")?;
        let disk = |node: Node| {
            Some(CheckpointDisk {
                target: node.attribute("name")?.to_owned(),
                bitmap: node.attribute("bitmap").map(str::to_owned),
                size: node.attribute("size").and_then(|size| size.parse().ok()),
            })
        };
        Ok(LibvirtCheckpoint {
            name: child_text(root, "name").ok_or("a checkpoint without a name")?,
            parent: parent(root),
            created: created(root),
            metadata: None,
            disks: child(root, "disks").into_iter().flat_map(|disks| children(disks, "disk")).filter_map(disk).collect(),
        })
    })
}

fn expect(root: Node, name: &str) -> Result<(), String> {
    let found = root.tag_name().name();
    if found == name { Ok(()) } else { Err(format!("<{}> where <{name}> should be", crate::model::shown::text(found))) }
}

fn parent(root: Node) -> Option<String> {
    child_text(child(root, "parent")?, "name")
}

/// Seconds since 1970.
fn created(root: Node) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(child_text(root, "creationTime")?.parse().ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_snapshot_names_the_overlay_that_the_guest_writes_to() {
        let xml = "<domainsnapshot><name>before-update</name><state>disk-snapshot</state><creationTime>1780000000</creationTime>\
                   <parent><name>first</name></parent><memory snapshot='no'/><disks>\
                   <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/var/lib/libvirt/images/web.before-update'/></disk>\
                   <disk name='vdb' snapshot='no'/></disks></domainsnapshot>";
        let seen = snapshot(xml.as_bytes()).unwrap();
        assert!(seen.is_external(), "a guest on an overlay would look like one without");
        assert_eq!((seen.name.as_str(), seen.parent.as_deref()), ("before-update", Some("first")));
        assert_eq!(seen.disks[0].file, Some("/var/lib/libvirt/images/web.before-update".into()));
        assert_eq!(seen.disks[1].kind.as_deref(), Some("no"));
        assert!(seen.created.is_some());
    }

    #[test]
    fn a_checkpoint_names_its_bitmaps() {
        let xml = "<domaincheckpoint><name>c1</name><creationTime>1780000000</creationTime><disks>\
                   <disk name='vda' checkpoint='bitmap' bitmap='c1' size='65536'/><disk name='vdb' checkpoint='no'/></disks></domaincheckpoint>";
        let seen = checkpoint(xml.as_bytes()).unwrap();
        assert_eq!((seen.disks[0].bitmap.as_deref(), seen.disks[0].size), (Some("c1"), Some(65536)));
        assert_eq!(seen.disks[1].bitmap, None, "a disk without a bitmap would be taken for one that is tracked");
        assert!(snapshot(xml.as_bytes()).is_err() && checkpoint(b"<domaincheckpoint/>").is_err() && checkpoint(b"no xml").is_err());
    }
}
