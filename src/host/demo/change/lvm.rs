//! `lvcreate`: a volume, a classic or thin snapshot, a thin pool, a thin volume; with the messages of LVM 2.03.16.

use std::path::Path;

use super::lvm_more::{extents, human};
use crate::host::Answer;
use crate::host::demo::ids::{lvm_uuid, size};
use crate::host::demo::layout::make_node;
use crate::host::demo::lvm::{EXTENT, room};
use crate::host::demo::machine::{Machine, Node, Volume, VolumeKind};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

const FLAGS: [&str; 6] = ["-y", "--yes", "-s", "--snapshot", "-T", "--thin"];
const VALUED: [&str; 21] = [
    "-L",
    "--size",
    "-n",
    "--name",
    "-V",
    "--virtualsize",
    "--thinpool",
    "--type",
    "--poolmetadatasize",
    "--addtag",
    "-k",
    "--setactivationskip",
    "-W",
    "--wipesignatures",
    "-Z",
    "--zero",
    "-c",
    "--chunksize",
    "--errorwhenfull",
    "-a",
    "--activate",
];

/// What a command line asks for, names already split.
struct Wish {
    vg: String,
    /// Origin or pool of the operand `VG/LV`.
    of: Option<String>,
    name: String,
    bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    pool: Option<String>,
    metadata: u64,
    snapshot: bool,
    thin: bool,
    active: bool,
    tags: Vec<String>,
}

pub fn create(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &FLAGS, &VALUED) else { return Ok(None) };
    let [operand] = args.operands.as_slice() else { return Ok(None) };
    let operand = operand.strip_prefix("/dev/").unwrap_or(operand);
    let (vg, of) = operand.split_once('/').map_or((operand, None), |(vg, lv)| (vg, Some(lv.to_owned())));
    let sized = |names: &[&str]| args.value(names).map(size);
    let (Some(bytes), Some(virtual_bytes)) =
        (sized(&["-L", "--size"]).map_or(Some(None), |s| s.map(Some)), sized(&["-V", "--virtualsize"]).map_or(Some(None), |s| s.map(Some)))
    else {
        return Ok(Some(Reply::bad(3, "  Invalid argument for --size\n  Error during parsing of command line.\n")));
    };
    let thin = args.has(&["-T", "--thin"]) || args.value(&["--thinpool"]).is_some() || args.value(&["--type"]) == Some("thin-pool");
    let making_pool = thin && virtual_bytes.is_none();
    let pool = args.value(&["--thinpool"]).map(str::to_owned).or_else(|| of.clone().filter(|_| thin));
    let name = args.value(&["-n", "--name"]).map(str::to_owned).or_else(|| pool.clone().filter(|_| making_pool));
    let Some(group) = machine.group(vg) else {
        return Ok(Some(Reply::bad(5, format!("  Volume group \"{vg}\" not found\n  Cannot process volume group {vg}\n"))));
    };
    let name =
        name.unwrap_or_else(|| (0..=u32::MAX).map(|n| format!("lvol{n}")).find(|n| machine.volume(vg, n).is_none()).unwrap_or_default());
    if let Some(why) = bad_name(&name) {
        return Ok(Some(Reply::bad(3, format!("{why}  Run `lvcreate --help' for more information.\n"))));
    }
    if group.volumes.iter().any(|volume| volume.name == name) {
        return Ok(Some(Reply::bad(5, format!("  Logical Volume \"{name}\" already exists in volume group \"{vg}\"\n"))));
    }
    let wish = Wish {
        vg: vg.to_owned(),
        of,
        name,
        bytes,
        virtual_bytes,
        pool,
        metadata: args.value(&["--poolmetadatasize"]).and_then(size).unwrap_or(4 << 20).next_multiple_of(EXTENT),
        snapshot: args.has(&["-s", "--snapshot"]),
        thin,
        active: args.value(&["-k", "--setactivationskip"]) == Some("n"),
        tags: args.values(&["--addtag"]).map(str::to_owned).collect(),
    };
    Ok(match wish {
        Wish { snapshot: true, .. } => Some(snapshot(machine, tree, &wish)?),
        Wish { thin: true, virtual_bytes: Some(_), .. } => Some(thin_volume(machine, tree, &wish)?),
        Wish { thin: true, bytes: Some(_), .. } | Wish { bytes: Some(_), of: None, .. } => Some(pool_or_linear(machine, tree, &wish)?),
        _ => None,
    })
}

fn bad_name(name: &str) -> Option<String> {
    let plain = !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c));
    if !plain {
        return Some(format!("  Logical volume name \"{name}\" is invalid.\n"));
    }
    ["snapshot", "pvmove"]
        .iter()
        .find(|reserved| name.starts_with(**reserved))
        .map(|reserved| format!("  Names starting \"{reserved}\" are reserved. Please choose a different LV name.\n"))
}

/// Refuses when the group has no room for so many bytes.
fn no_room(machine: &Machine, vg: &str, bytes: u64) -> Option<Reply> {
    let (_, free) = room(machine, machine.group(vg)?);
    (bytes > free).then(|| {
        let (free, needed) = (free / EXTENT, bytes / EXTENT);
        Reply::bad(5, format!("  Volume group \"{vg}\" has insufficient free space ({free} extents): {needed} required.\n"))
    })
}

fn add(machine: &mut Machine, tree: &Tree, wish: &Wish, bytes: u64, kind: VolumeKind, active: bool) -> Answer<()> {
    let before: Vec<Node> = machine.nodes();
    let layer = matches!(kind, VolumeKind::Snapshot { .. }).then(|| machine.take_minor());
    let volume = Volume {
        name: wish.name.clone(),
        uuid: lvm_uuid(&format!("{}/{}/{}/{}", machine.name, wish.vg, wish.name, machine.clock.timestamp())),
        bytes,
        kind,
        minor: active.then(|| machine.take_minor()),
        layer,
        created: machine.clock,
        tags: wish.tags.clone(),
    };
    if let Some(group) = machine.groups.iter_mut().find(|group| group.name == wish.vg) {
        group.volumes.push(volume);
    }
    for node in machine.nodes().iter().filter(|node| !before.iter().any(|old| old.kname == node.kname)) {
        make_node(tree, node)?;
    }
    Ok(())
}

fn created(name: &str, notes: &str) -> Reply {
    Reply::good(format!("{notes}  Logical volume \"{name}\" created.\n"))
}

fn rounded(bytes: u64) -> (u64, String) {
    let whole = bytes.max(1).next_multiple_of(EXTENT);
    let note = if whole == bytes { String::new() } else { format!("  Rounding up size to full physical extent {}\n", human(whole)) };
    (whole, note)
}

fn pool_or_linear(machine: &mut Machine, tree: &Tree, wish: &Wish) -> Answer<Reply> {
    let (bytes, note) = rounded(wish.bytes.unwrap_or(0));
    let needed = if wish.thin { bytes.saturating_add(wish.metadata * 2) } else { bytes };
    if let Some(refusal) = no_room(machine, &wish.vg, needed) {
        return Ok(refusal);
    }
    let kind = if wish.thin {
        VolumeKind::Pool { metadata: wish.metadata, tmeta: machine.take_minor(), tdata: machine.take_minor(), tpool: machine.take_minor() }
    } else {
        VolumeKind::Linear
    };
    add(machine, tree, wish, bytes, kind, true)?;
    Ok(created(&wish.name, &note))
}

fn thin_volume(machine: &mut Machine, tree: &Tree, wish: &Wish) -> Answer<Reply> {
    let pool = wish.pool.clone().unwrap_or_default();
    if !machine.volume(&wish.vg, &pool).is_some_and(Volume::is_pool) {
        return Ok(Reply::bad(5, format!("  Thin pool {}/{pool} not found.\n", wish.vg)));
    }
    let (bytes, note) = rounded(wish.virtual_bytes.unwrap_or(0));
    let kind = VolumeKind::Thin { id: next_thin_id(machine, &wish.vg), pool, origin: None, mapped: 0 };
    add(machine, tree, wish, bytes, kind, true)?;
    Ok(created(&wish.name, &note))
}

fn next_thin_id(machine: &Machine, vg: &str) -> u32 {
    let id = |volume: &Volume| match volume.kind {
        VolumeKind::Thin { id, .. } => id,
        _ => 0,
    };
    machine.group(vg).and_then(|group| group.volumes.iter().map(id).max()).unwrap_or(0).saturating_add(1)
}

fn snapshot(machine: &mut Machine, tree: &Tree, wish: &Wish) -> Answer<Reply> {
    let name = wish.of.clone().unwrap_or_default();
    let Some(origin) = machine.volume(&wish.vg, &name).cloned() else {
        return Ok(Reply::bad(5, format!("  Snapshot origin LV {name} not found in Volume group {}.\n", wish.vg)));
    };
    let (kind, notes, active) = match (&origin.kind, wish.bytes) {
        (VolumeKind::Pool { .. }, _) => {
            return Ok(Reply::bad(5, "  Snapshots of thin pool type volumes are not supported.\n"));
        }
        (VolumeKind::Snapshot { .. }, _) => {
            return Ok(Reply::bad(5, "  Snapshots of snapshots are not supported.\n"));
        }
        (VolumeKind::Thin { pool, mapped, .. }, None) => {
            let id = next_thin_id(machine, &wish.vg);
            (VolumeKind::Thin { pool: pool.clone(), origin: Some(name.clone()), id, mapped: *mapped }, String::new(), wish.active)
        }
        (_, None) => return Ok(Reply::bad(3, "  Please specify either size or extents with snapshots.\n")),
        (_, Some(asked)) => {
            let (mut store, mut note) = rounded(asked);
            // The origin, and 16 bytes for each of its 4 KiB chunks.
            let most = origin.bytes.saturating_add(origin.bytes / 256 + 4096).next_multiple_of(EXTENT);
            if store > most {
                note = format!("  Reducing COW size {} down to maximum usable size {}.\n", human(store), human(most));
                store = most;
            }
            if let Some(refusal) = no_room(machine, &wish.vg, store) {
                return Ok(refusal);
            }
            if origin.layer.is_none() {
                let layer = machine.take_minor();
                if let Some(origin) = machine.volume_mut(&wish.vg, &name) {
                    origin.layer = Some(layer);
                }
                let real = machine.node(&format!("dm-{layer}"));
                real.map_or(Ok(()), |node| make_node(tree, &node))?;
            }
            (VolumeKind::Snapshot { origin: name.clone(), store, used: 0, invalid: false }, note, true)
        }
    };
    debug_assert_eq!(extents(origin.bytes) * EXTENT, origin.bytes);
    add(machine, tree, wish, origin.bytes, kind, active)?;
    // The instant that the snapshot holds: a copy of the origin's data, holes left out.
    let minor = machine.volume(&wish.vg, &wish.name).and_then(|volume| volume.minor);
    if let (Some(from), Some(to)) = (origin.minor, minor) {
        copy(tree, from, to)?;
    }
    Ok(created(&wish.name, &notes))
}

pub fn copy(tree: &Tree, from: u32, to: u32) -> Answer<()> {
    use std::os::unix::fs::FileExt;
    let path = |minor: u32| format!("/dev/dm-{minor}");
    let target = tree.open_file(Path::new(&path(to)), true)?;
    for extent in tree.extents(Path::new(&path(from)))? {
        if extent.kind == crate::model::ExtentKind::Data {
            let mut at = extent.start;
            while at < extent.end() {
                let length = usize::try_from((extent.end() - at).min(1 << 20)).unwrap_or(1 << 20);
                let bytes = tree.read_at(Path::new(&path(from)), at, length)?;
                if bytes.is_empty() {
                    break;
                }
                target.write_all_at(&bytes, at)?;
                at += bytes.len() as u64;
            }
        }
    }
    Ok(())
}
