//! Look -> Inventory. One file a source: the commands and files it needs, and pure parsers of what comes back.
//!
//! | file | source |
//! | --- | --- |
//! | [`xl`], [`libxl_json`] | `xl list -v`, `xl list -l`, `xl info` |
//! | [`xenstore`] | what is really attached |
//! | [`config_dirs`], [`config_file`], [`xl_config`], [`xl_disk`], [`vdev`], [`xm_config`], [`xend`], [`sxp`], [`libvirt`] | configurations |
//! | [`libvirt::look`], [`libvirt::virsh`] | libvirt's domains, their snapshots, checkpoints and jobs |
//! | [`save_dirs`], [`save_image`] | save images |
//! | [`lvm`], [`devices`], [`mounts`] | dom0's storage |
//! | [`dm_status`] | how full snapshots and pools are, to the sector |
//! | [`backings`], [`image`], [`superblock`], [`partitions`] | what a disk's target is, and what lies in it |
//! | [`image_dirs`] | image files that nobody refers to |
//! | [`bundles`] | backups that were made |
//! | [`merge`] | all of it as domains |
//! | [`facts`], [`holds`], [`users`], [`open_files`] | what a plan asks beside the inventory, and whether it still holds |

pub mod ask;
pub mod backings;
pub mod bundles;
pub mod bytes_at;
pub mod config_dirs;
pub mod config_file;
pub mod devices;
pub mod dm_status;
pub mod facts;
pub mod holds;
pub mod image;
pub mod image_dirs;
pub mod laid;
pub mod libvirt;
pub mod libxl_json;
pub mod lvm;
mod lvm_now;
pub mod merge;
pub mod mounts;
pub mod open_files;
pub mod partitions;
pub mod save_dirs;
pub mod save_image;
pub mod superblock;
pub mod sxp;
#[cfg(test)]
mod testing;
pub mod users;
pub mod vdev;
mod watchers;
pub mod xend;
pub mod xendomains;
pub mod xenstore;
pub mod xl;
pub mod xl_config;
pub mod xl_disk;
pub mod xm_config;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use crate::config::Settings;
use crate::host::{HostError, Look};
use crate::model::{Config, DiskKind, Domain, GapReason, HostFacts, HostPath, ImageFile, Inventory, Output, Store};
use ask::Asker;
use backings::{Attached, Backings, Ground};
use merge::Live;
use mounts::Mount;

const VAR_LIB_XEN: &str = "/var/lib/xen";
/// Files of /proc that are read whole.
const MAX_PROC: usize = 4 << 20;

/// One look at everything. What did not answer is in the inventory's gaps.
pub fn look(host: &dyn Look, settings: &Settings) -> Inventory {
    let asker = Asker::new(host);
    let mounts = read_mounts(&asker);
    let network: Vec<HostPath> =
        mounts.iter().filter(|mount| mounts::is_network(&mount.mount.fs)).map(|mount| mount.mount.at.clone()).collect();
    // The slow ones side by side: a look lasts as long as its slowest command, not as all of them.
    let (live, ground, configs, saves, facts, bundles, libvirt) = thread::scope(|scope| {
        let live = scope.spawn(|| live(&asker));
        let ground = scope.spawn(|| ground(&asker, mounts));
        let configs = scope.spawn(|| config_dirs::look(&asker, settings));
        let saves = scope.spawn(|| save_dirs::look(&asker, settings, &network));
        let facts = scope.spawn(|| facts(&asker));
        let bundles = scope.spawn(|| bundles::look(&asker, &settings.backup_dirs));
        let libvirt = scope.spawn(|| libvirt::look::look(&asker, &settings.libvirt_uris));
        (live.join(), ground.join(), configs.join(), saves.join(), facts.join(), bundles.join(), libvirt.join())
    });
    let (Ok(live), Ok(ground), Ok(configs), Ok(saves), Ok(facts)) = (live, ground, configs, saves, facts) else {
        fell_over(&asker, "everything");
        return Inventory { gaps: asker.into_gaps(), ..Inventory::default() };
    };
    let bundles = bundles.unwrap_or_else(|_| {
        fell_over(&asker, bundles::MISSING);
        Vec::new()
    });
    let libvirt = libvirt.unwrap_or_else(|_| {
        fell_over(&asker, "libvirt's domains");
        libvirt::look::Seen::default()
    });
    no_xen_here(&asker, &libvirt);
    told_by_the_daemon(&asker, &libvirt);
    Inventory { bundles, ..assemble(asker, settings, &live, &libvirt, ground, configs, saves, facts) }
}

/// Who is not root may not read libvirt's own files, and misses nothing where its daemon told what stands in them.
fn told_by_the_daemon(asker: &Asker, libvirt: &libvirt::look::Seen) {
    let dirs = libvirt.answered.iter().filter_map(|connection| connection.dirs.as_ref());
    let dirs: Vec<String> = dirs.map(|dirs| ask::shown(&dirs.config)).collect();
    let below = |gap: &crate::model::Gap| dirs.iter().any(|dir| Path::new(&gap.source).starts_with(dir));
    asker.forget(|gap| gap.reason == GapReason::PermissionDenied && below(gap));
}

/// Where libvirt told which domains run, and this is no Xen host, nobody misses xl.
fn no_xen_here(asker: &Asker, libvirt: &libvirt::look::Seen) {
    let told = !libvirt.answered.is_empty();
    if told && !libvirt::connections::is_dom0(asker.host) {
        let of_xen = |gap: &crate::model::Gap| ["xl ", "xenstore-ls "].iter().any(|tool| gap.source.starts_with(tool));
        asker.forget(|gap| gap.reason == GapReason::NoTool && of_xen(gap));
    }
}

/// A part of the look panicked: a fault of domkeep's, which must not pass for an answer.
fn fell_over(asker: &Asker, missing: &str) {
    let why = "domkeep failed while it read an answer; please report it with `domkeep capture`";
    asker.gap("this look", missing, GapReason::Unreadable, why);
}

/// What a part of the look found.
fn joined<T: Default>(asker: &Asker, missing: &str, part: thread::ScopedJoinHandle<'_, T>) -> T {
    part.join().unwrap_or_else(|_| {
        fell_over(asker, missing);
        T::default()
    })
}

#[allow(clippy::too_many_arguments, reason = "one for each part of the look")]
fn assemble(
    asker: Asker,
    settings: &Settings,
    live: &Live,
    libvirt: &libvirt::look::Seen,
    ground: Ground,
    found: config_dirs::Found,
    mut saves: save_dirs::Found,
    host: HostFacts,
) -> Inventory {
    let mut configs = found.configs;
    libvirt::join::configs(libvirt, &mut configs);
    configs.append(&mut saves.configs);
    let mut backings = Backings::new(&asker, &ground);
    for config in &mut configs {
        for disk in &mut config.disks {
            merge::name_backend(disk, live);
            merge::settle(disk, Attached::default(), &mut backings);
        }
    }
    let domains = merge::domains(live, libvirt, &configs, &saves.saves, &mut backings);
    let disk_files = files_of(&domains, &configs);
    let declared = domains
        .iter()
        .flat_map(|domain| &domain.disks)
        .chain(configs.iter().flat_map(|config| &config.disks))
        .filter_map(|disk| disk.backing.clone())
        .collect();
    let mut images = image_dirs::look(&asker, settings, &mut backings, &disk_files, &declared);
    let backings = backings.into_map();
    mark_references(&mut images, &domains, &configs, &backings);
    let stores =
        stores(&asker, &ground.mounts, &disk_files, &images, &saves.saves.iter().map(|save| save.path.clone()).collect::<Vec<_>>());
    Inventory {
        host,
        domains,
        saves: saves.saves,
        configs,
        unreadable_configs: found.unreadable,
        backings,
        volume_groups: ground.volume_groups,
        physical_volumes: ground.physical_volumes,
        volumes: ground.volumes,
        fuses: Vec::new(),
        stores,
        images,
        mounts: ground.mounts.into_iter().map(|mount| mount.mount).collect(),
        bundles: Vec::new(),
        gaps: asker.into_gaps(),
    }
}

fn facts(asker: &Asker) -> HostFacts {
    let host = asker.host;
    let line = |path: &str| {
        host.read_at(Path::new(path), 0, 4096)
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let info = host
        .run(&xl::info())
        .ok()
        .filter(Output::ok)
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let mebibytes =
        |key: &str| xl::info_value(&info, key).and_then(|text| text.parse::<u64>().ok()).and_then(|number| number.checked_mul(1 << 20));
    HostFacts {
        name: line("/proc/sys/kernel/hostname").or_else(|| xl::info_value(&info, "host")).unwrap_or_default(),
        place: host.place().to_string(),
        taken: Some(host.now()),
        xen: xl::info_value(&info, "xen_version"),
        kernel: line("/proc/sys/kernel/osrelease").or_else(|| xl::info_value(&info, "release")),
        memory_bytes: mebibytes("total_memory"),
        free_memory_bytes: mebibytes("free_memory"),
        root: line("/proc/self/status").and_then(|status| {
            let uids = status.lines().find_map(|line| line.strip_prefix("Uid:").map(str::to_owned))?;
            Some(uids.split_whitespace().nth(1) == Some("0"))
        }),
    }
}

/// A command's output as text; a failed one is a gap and nothing.
fn text(asker: &Asker, cmd: &crate::model::Cmd, missing: &str) -> Option<String> {
    let output = asker.run(cmd, missing).filter(Output::ok)?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A parser's error is a gap: what it stands for is not there, and that is said.
fn understood<T>(asker: &Asker, source: &str, missing: &str, parsed: Result<T, String>) -> Option<T> {
    parsed.map_err(|why| asker.gap(source, missing, GapReason::Unreadable, why)).ok()
}

fn live(asker: &Asker) -> Live {
    let mut live = Live::default();
    let (rows, long, stores) = thread::scope(|scope| {
        let rows = scope.spawn(|| text(asker, &xl::list_verbose(), Inventory::WHICH_RUN));
        let long = scope.spawn(|| text(asker, &xl::list_long(), "the disks of running domains, as libxl knows them"));
        let stores: Vec<_> = xenstore::TREES.iter().map(|tree| scope.spawn(|| store(asker, tree))).collect();
        (
            joined(asker, Inventory::WHICH_RUN, rows),
            joined(asker, "the disks of running domains, as libxl knows them", long),
            stores.into_iter().map(|tree| joined(asker, "which disks are really attached", tree)).collect::<Vec<_>>(),
        )
    });
    if let Some(text) = rows {
        let (rows, lost) = xl::parse_verbose(&text);
        if lost > 0 {
            asker.gap(
                "xl list -v",
                "some domains that run",
                GapReason::Unreadable,
                format!("{lost} lines are not of the form that xl prints"),
            );
        }
        live.rows = Some(rows);
    }
    if let Some(list) = long.and_then(|text| {
        understood(asker, "xl list -l", "the disks of running domains, as libxl knows them", xl::parse_long(text.as_bytes()))
    }) {
        live.long = list.into_iter().map(|long| (long.domid, long.config)).collect();
        live.long_known = true;
    }
    // Without libxl's tree nothing can be said of what is attached; the others only add to it.
    if stores.first().is_some_and(Option::is_some) {
        live.store = Some(stores.into_iter().flatten().flatten().collect());
    }
    live.libvirt_owned = libvirt_owned(asker);
    live
}

fn store(asker: &Asker, tree: &str) -> Option<xenstore::Tree> {
    let cmd = xenstore::list(tree);
    match asker.host.run(&cmd) {
        Ok(output) if output.ok() => {
            let (tree, odd) = xenstore::parse(&String::from_utf8_lossy(&output.stdout));
            if odd > 0 {
                asker.gap(
                    cmd.to_string(),
                    "some attached disks",
                    GapReason::Unreadable,
                    format!("{odd} lines are not of the form that xenstore-ls prints"),
                );
            }
            Some(tree)
        }
        // No such path: nothing was ever attached. An empty tree, and no gap.
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No such file or directory") => Some(xenstore::Tree::new()),
        Ok(_) => {
            asker.run(&cmd, "which disks are really attached");
            None
        }
        Err(error) => {
            asker.gap_of(cmd.to_string(), "which disks are really attached", &error);
            None
        }
    }
}

/// `/var/lib/xen/userdata-d.DOMID.UUID.libvirt-xml` marks a domain that libvirt started.
fn libvirt_owned(asker: &Asker) -> Vec<u32> {
    let Some(listing) = asker.list(Path::new(VAR_LIB_XEN), 5_000, "which domains libvirt started") else { return Vec::new() };
    listing
        .entries
        .iter()
        .filter_map(|entry| {
            entry.name.to_string().strip_prefix("userdata-d.")?.strip_suffix(".libvirt-xml")?.split('.').next()?.parse().ok()
        })
        .collect()
}

fn read_mounts(asker: &Asker) -> Vec<Mount> {
    let missing = "what is mounted in dom0";
    match asker.host.read_at(Path::new("/proc/self/mountinfo"), 0, MAX_PROC) {
        Ok(bytes) => mounts::parse_mountinfo(&bytes),
        Err(first) => {
            if let Ok(bytes) = asker.host.read_at(Path::new("/proc/mounts"), 0, MAX_PROC) {
                mounts::parse_proc_mounts(&bytes)
            } else {
                asker.gap_of("/proc/self/mountinfo", missing, &first);
                Vec::new()
            }
        }
    }
}

fn ground(asker: &Asker, mounts: Vec<Mount>) -> Ground {
    let report = |cmd: &crate::model::Cmd, missing: &str| asker.run(cmd, missing).map(|output| (output.ok(), output.stdout));
    let (lvs, vgs, pvs, lsblk, losetup) = thread::scope(|scope| {
        let lvs = scope.spawn(|| report(&lvm::lvs(), "logical volumes, snapshots and their fill"));
        let vgs = scope.spawn(|| report(&lvm::vgs(), "volume groups"));
        let pvs = scope.spawn(|| report(&lvm::pvs(), "physical volumes"));
        let lsblk = scope.spawn(|| report(&devices::lsblk(), "block devices and what stands on them"));
        let losetup = scope.spawn(|| report(&devices::losetup(), "loop devices"));
        let [lvs, vgs, pvs, lsblk, losetup] = [lvs, vgs, pvs, lsblk, losetup].map(|part| joined(asker, "dom0's storage", part));
        (lvs, vgs, pvs, lsblk, losetup)
    });
    // A tool that failed and printed nothing has its gap already.
    let parse =
        |answer: &Option<(bool, Vec<u8>)>| answer.as_ref().filter(|(ok, bytes)| *ok || !bytes.is_empty()).map(|(_, bytes)| bytes.clone());
    let volumes =
        parse(&lvs).and_then(|bytes| understood(asker, "lvs", "logical volumes, snapshots and their fill", lvm::parse_lvs(&bytes)));
    Ground {
        volumes_known: volumes.is_some() && lvs.is_some_and(|(ok, _)| ok),
        volumes: volumes.unwrap_or_default(),
        volume_groups: parse(&vgs).and_then(|bytes| understood(asker, "vgs", "volume groups", lvm::parse_vgs(&bytes))).unwrap_or_default(),
        physical_volumes: parse(&pvs)
            .and_then(|bytes| understood(asker, "pvs", "physical volumes", lvm::parse_pvs(&bytes)))
            .unwrap_or_default(),
        devices: parse(&lsblk)
            .and_then(|bytes| understood(asker, "lsblk", "block devices and what stands on them", devices::parse_lsblk(&bytes)))
            .unwrap_or_default(),
        loops: parse(&losetup)
            .and_then(|bytes| understood(asker, "losetup", "loop devices", devices::parse_losetup(&bytes)))
            .unwrap_or_default(),
        mounts,
    }
}

/// Files that are disks of domains or are named by configs.
fn files_of(domains: &[Domain], configs: &[Config]) -> BTreeSet<HostPath> {
    let disks = domains.iter().flat_map(|domain| &domain.disks).chain(configs.iter().flat_map(|config| &config.disks));
    disks.filter(|disk| disk.kind == DiskKind::File).filter_map(|disk| disk.path.clone()).collect()
}

fn mark_references(images: &mut [ImageFile], domains: &[Domain], configs: &[Config], backings: &BTreeMap<String, crate::model::Backing>) {
    let disks = domains.iter().flat_map(|domain| &domain.disks).chain(configs.iter().flat_map(|config| &config.disks));
    let mut referred: BTreeSet<&String> = disks.filter_map(|disk| disk.backing.as_ref()).collect();
    // A backing file is needed by whoever needs its overlay.
    loop {
        let below: Vec<&String> =
            referred.iter().filter_map(|key| backings.get(*key)?.backing_file.as_ref().map(|(_, below)| below)).collect();
        let before = referred.len();
        referred.extend(below);
        if referred.len() == before {
            break;
        }
    }
    let settings: BTreeSet<&str> = configs.iter().flat_map(|config| config.settings.iter().map(|(_, value)| value.as_str())).collect();
    for image in images {
        let named = image.path.as_path().to_str().is_some_and(|path| settings.contains(path));
        // Mounted, or bound to a loop device: dom0 itself uses it, for example as a physical volume.
        let used = backings.get(&image.backing).is_some_and(|b| !b.mounts.is_empty() || !b.holders.is_empty() || !b.loops.is_empty());
        image.referenced = referred.contains(&image.backing) || named || used;
    }
}

/// The file systems that hold image files and save images, with their room.
fn stores(asker: &Asker, mounts: &[Mount], files: &BTreeSet<HostPath>, images: &[ImageFile], saves: &[HostPath]) -> Vec<Store> {
    let mut used: BTreeMap<&HostPath, &Mount> = BTreeMap::new();
    for path in files.iter().chain(images.iter().map(|image| &image.path)).chain(saves) {
        // The last mount on a place covers the earlier ones.
        let holding = mounts.iter().filter(|mount| path.starts_with(&mount.mount.at)).max_by_key(|mount| mount.mount.at.as_bytes().len());
        if let Some(mount) = holding {
            used.insert(&mount.mount.at, mount);
        }
    }
    used.into_values()
        .map(|mount| {
            let space = asker.host.space(mount.mount.at.as_path());
            if let Err(error) = &space
                && !matches!(error, HostError::NotFound)
            {
                asker.gap_of(mount.mount.at.to_string(), "room left on this file system", error);
            }
            let space = space.ok();
            Store {
                mount: mount.mount.at.clone(),
                source: mount.mount.source.clone(),
                fs: mount.mount.fs.clone(),
                bytes: space.map(|space| space.total),
                free: space.map(|space| space.free),
                read_write: mount.mount.read_write,
            }
        })
        .collect()
}
