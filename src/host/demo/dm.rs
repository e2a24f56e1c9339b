//! What dmsetup and lvmconfig answer: the fill of snapshots and pools, and the numbers of their devices.

use super::lvm::{CHUNK, pool_used};
use super::machine::{DM_MAJOR, Group, Machine, Volume, VolumeKind, mapper_name};
use super::reply::Reply;

const SECTOR: u64 = 512;
/// Chunk of the pools of this machine.
const POOL_CHUNK: u64 = 64 << 10;
/// Thin metadata in use, as the reports of this machine have it (`metadata_percent`).
const METADATA_USED_PER_MYRIAD: u64 = 1069;

pub fn dmsetup(machine: &Machine, words: &[String]) -> Option<Reply> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["status", "--noflush"] => {
            let lines = machine.groups.iter().flat_map(|group| group.volumes.iter().filter_map(move |volume| status(group, volume)));
            Some(Reply::good(lines.collect::<String>()))
        }
        ["info", "-c", "--noheadings", "--separator", "/", "-o", "major,minor,name"] => {
            let nodes = machine.nodes();
            let lines = nodes.iter().filter_map(|node| Some(format!("{}/{}/{}\n", node.major, node.minor, node.mapper.as_ref()?)));
            Some(Reply::good(lines.collect::<String>()))
        }
        _ => None,
    }
}

fn status(group: &Group, volume: &Volume) -> Option<String> {
    volume.minor.or(if volume.is_pool() { Some(DM_MAJOR) } else { None })?;
    let sectors = volume.bytes / SECTOR;
    let name = mapper_name(&group.name, &volume.name, "");
    Some(match &volume.kind {
        VolumeKind::Linear if volume.layer.is_some() => format!("{name}: 0 {sectors} snapshot-origin \n"),
        VolumeKind::Linear => format!("{name}: 0 {sectors} linear \n"),
        VolumeKind::Snapshot { invalid: true, .. } => format!("{name}: 0 {sectors} snapshot Invalid\n"),
        VolumeKind::Snapshot { used, store, .. } => {
            format!("{name}: 0 {sectors} snapshot {}/{} {}\n", used / SECTOR, store / SECTOR, CHUNK / SECTOR)
        }
        VolumeKind::Thin { mapped, .. } => {
            format!("{name}: 0 {sectors} thin {} {}\n", mapped / SECTOR, (mapped / SECTOR).saturating_sub(1))
        }
        VolumeKind::Pool { metadata, .. } => {
            let blocks = metadata / 4096;
            format!(
                "{}: 0 {sectors} thin-pool 1 {}/{blocks} {}/{} - rw discard_passdown queue_if_no_space - 1024\n",
                mapper_name(&group.name, &volume.name, "tpool"),
                blocks * METADATA_USED_PER_MYRIAD / 10_000,
                pool_used(group, &volume.name) / POOL_CHUNK,
                volume.bytes / POOL_CHUNK
            )
        }
    })
}

/// As a host that was never told otherwise: nothing is extended by itself.
pub fn lvmconfig(words: &[String]) -> Option<Reply> {
    let asked: Vec<&str> = words.iter().filter(|word| word.contains('/')).map(String::as_str).collect();
    let lines = asked.iter().map(|key| match *key {
        "activation/snapshot_autoextend_threshold" | "activation/thin_pool_autoextend_threshold" => {
            Some(format!("{}=100\n", key.rsplit('/').next().unwrap_or_default()))
        }
        _ => None,
    });
    lines.collect::<Option<String>>().map(Reply::good)
}
