//! Which disks a running domain really has, where libxl's list and xenstore do not say the same.

use std::path::Path;

use super::*;
use crate::host::replay::{Replay, Writer};
use crate::probe::ask::Asker;
use crate::probe::backings::Ground;

const NAME: &str = "nfs1";
const DOMID: u32 = 6;
/// Xen 4.17 after `xl block-attach nfs1 phy:/dev/xenvols/web1-disk,xvdx,w` was refused, as another guest has that volume.
const REFUSED: &str = include_str!("../../../tests/fixtures/xen/errors/block-attach-in-use-after-xenstore.txt");
const REFUSED_LONG: &[u8] = include_bytes!("../../../tests/fixtures/xen/errors/block-attach-in-use-after-xl-list-l.json");

/// The disks of one running domain; nothing can be asked of dom0's storage.
fn disks(store: &str, long: &[u8]) -> Vec<Disk> {
    let long = serde_json::from_slice::<serde_json::Value>(long).unwrap();
    let long = if long.is_array() { long } else { serde_json::json!([long]) };
    let live = Live {
        rows: Some(vec![Row { name: NAME.into(), domid: DOMID, memory_bytes: 1 << 20, vcpus: 1, state: "-b----".into(), uuid: None }]),
        long: xl::parse_long(long.to_string().as_bytes()).unwrap().into_iter().map(|long| (long.domid, long.config)).collect(),
        long_known: true,
        store: Some(xenstore::parse(store).0),
        libvirt_owned: Vec::new(),
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("silent");
    Writer::create(&folder, "silent", chrono::DateTime::UNIX_EPOCH).unwrap().finish().unwrap();
    let silent = Replay::open(Path::new(&folder)).unwrap();
    let asker = Asker::new(&silent);
    let ground = Ground::default();
    let mut all = domains(&live, &libvirt::look::Seen::default(), &[], &[], &mut Backings::new(&asker, &ground));
    assert_eq!(all.len(), 1, "a running domain is not shown: {all:#?}");
    all.remove(0).disks.into_iter().filter(|disk| disk.vdev.is_some()).collect()
}

/// What the guest has, without the refusal.
fn connected() -> String {
    REFUSED.lines().filter(|line| !line.contains("hotplug-error")).map(|line| line.replace("\"busy\"", "\"connected\"") + "\n").collect()
}

fn without_disks() -> Vec<u8> {
    let mut long: serde_json::Value = serde_json::from_slice(REFUSED_LONG).unwrap();
    let domain = if long.is_array() { &mut long[0] } else { &mut long };
    domain["config"]["disks"] = serde_json::json!([]);
    long.to_string().into_bytes()
}

#[test]
fn a_disk_that_only_xenstore_knows_is_shown() {
    let disks = disks(&connected(), &without_disks());
    let shown: Vec<_> =
        disks.iter().map(|disk| (disk.vdev.as_deref(), disk.path.as_ref().map(ToString::to_string), disk.attached)).collect();
    assert_eq!(
        shown,
        [(Some("xvdx"), Some("/dev/xenvols/web1-disk".to_owned()), true)],
        "a disk that the guest was given while it runs, and writes to, would be on no screen"
    );
    assert_eq!(disks[0].mode, Some(Mode::Write), "its writer would pass for a reader");
}

#[test]
fn a_disk_that_is_gone_from_xenstore_is_not_attached() {
    let disks = disks("/libxl/6 = \"\"\n", REFUSED_LONG);
    assert_eq!(disks, [], "a disk that was detached, and that libxl's JSON still lists, would be shown as the guest's own");
}

#[test]
fn a_disk_that_the_hotplug_script_refused_is_not_attached_and_says_why() {
    let disks = disks(REFUSED, REFUSED_LONG);
    assert_eq!(disks.len(), 1, "{disks:#?}");
    assert!(!disks[0].attached, "a disk that the guest was refused would be shown as its own, and as written by two");
    let why = disks[0].trouble.as_deref().unwrap_or_default();
    assert!(why.contains("is mounted in a guest domain"), "nobody would learn why the disk is not there: {why:?}");
}
