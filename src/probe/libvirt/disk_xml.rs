//! What a `<disk>` says beside what every toolstack's disks have.

use roxmltree::Node;

use super::{child, child_text, children};
use crate::model::{LibvirtDisk, LibvirtImage, LibvirtMirror};

/// QEMU's own limit of images below images is far lower.
const DEEPEST: usize = 64;

pub(super) fn disk(node: Node) -> LibvirtDisk {
    let kind = node.attribute("type").unwrap_or("file");
    let has = |name| child(node, name).is_some();
    LibvirtDisk {
        bus: child(node, "target").and_then(|target| target.attribute("bus")).map(str::to_owned),
        device: node.attribute("device").unwrap_or("disk").to_owned(),
        kind: kind.to_owned(),
        format: child(node, "driver").and_then(|driver| driver.attribute("type")).map(str::to_owned),
        source: child(node, "source").and_then(|source| source_words(kind, source)),
        readonly: has("readonly"),
        shareable: has("shareable"),
        transient: has("transient"),
        serial: child_text(node, "serial"),
        snapshot: node.attribute("snapshot").map(str::to_owned),
        encryption: child(node, "source")
            .and_then(|source| child(source, "encryption"))
            .or_else(|| child(node, "encryption"))
            .map(|encryption| encryption.attribute("format").unwrap_or("?").to_owned()),
        backing_chain: chain(node),
        mirror: child(node, "mirror").map(mirror),
    }
}

/// The images below the top one. An empty `<backingStore/>` ends the chain; where there is none at all nobody looked.
fn chain(disk: Node) -> Vec<LibvirtImage> {
    let mut images = Vec::new();
    let mut below = child(disk, "backingStore");
    while let Some(store) = below {
        let Some(source) = child(store, "source") else { break };
        if images.len() >= DEEPEST {
            break;
        }
        let kind = store.attribute("type").unwrap_or("file");
        images.push(LibvirtImage {
            kind: kind.to_owned(),
            format: child(store, "format").and_then(|format| format.attribute("type")).map(str::to_owned),
            source: source_words(kind, source),
        });
        below = child(store, "backingStore");
    }
    images
}

fn mirror(node: Node) -> LibvirtMirror {
    LibvirtMirror {
        job: node.attribute("job").map(str::to_owned),
        ready: matches!(node.attribute("ready"), Some("yes" | "pivot")),
        source: child(node, "source").and_then(|source| source_words(node.attribute("type").unwrap_or("file"), source)),
    }
}

/// A source in one word: the path, `pool/volume`, or an address.
fn source_words(kind: &str, source: Node) -> Option<String> {
    let attribute = |name| source.attribute(name).filter(|value: &&str| !value.is_empty());
    match kind {
        "file" => attribute("file").map(str::to_owned),
        "block" | "vhostvdpa" => attribute("dev").map(str::to_owned),
        "dir" => attribute("dir").map(str::to_owned),
        "vhostuser" => attribute("path").map(str::to_owned),
        "volume" => Some(volume_words(attribute("pool")?, attribute("volume")?)),
        "network" => {
            let snapshot = children(source, "snapshot").find_map(|snapshot| snapshot.attribute("name"));
            let address = super::network(source).path?.to_string();
            Some(snapshot.map_or_else(|| address.clone(), |snapshot| format!("{address}@{snapshot}")))
        }
        "nvme" => {
            let address = child(source, "address")?;
            let part = |name| address.attribute(name).unwrap_or("?").trim_start_matches("0x").to_owned();
            let namespace = attribute("namespace").unwrap_or("?");
            Some(format!("nvme {}:{}:{}.{} namespace {namespace}", part("domain"), part("bus"), part("slot"), part("function")))
        }
        _ => None,
    }
}

/// A volume of a storage pool, as a disk that is only named that way is written.
pub(super) fn volume_words(pool: &str, volume: &str) -> String {
    format!("volume {volume} of pool {pool}")
}
