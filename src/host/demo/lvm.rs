//! What lvs, vgs and pvs answer with `--reportformat json --units b` (lvmreport(7)): every value a string, hidden volumes in brackets.

use std::collections::HashSet;
use std::path::Path;

use super::machine::{DM_MAJOR, Group, Machine, Volume, VolumeKind, lvm_uuid, mapper_name};
use super::reply::{Args, Reply};
use super::tree::Tree;

pub const EXTENT: u64 = 4 << 20;
/// Before the first extent: LVM's label and metadata.
pub const START: u64 = 1 << 20;
const CHUNK: u64 = 4096;

/// One row of a report, before fields are picked: where a field comes from.
struct Row<'a> {
    group: &'a Group,
    volume: Option<Shown<'a>>,
}

/// A volume or a hidden part of a pool.
#[derive(Clone)]
struct Shown<'a> {
    /// Without brackets.
    name: String,
    part: Part,
    of: &'a Volume,
    /// First extent on the drive.
    start: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Data,
    Metadata,
    Spare,
}

pub struct Report<'a> {
    machine: &'a Machine,
    open: HashSet<u32>,
    suffix: &'static str,
}

/// `lvs`, `vgs` or `pvs` with its words; nothing when the demo does not know what they ask.
pub fn look(machine: &Machine, tree: &Tree, program: &str, words: &[String]) -> Option<Reply> {
    let flags = ["-a", "--all", "--nosuffix", "--readonly", "--noheadings", "--nolocking"];
    let args = Args::parse(words, &flags, &["--reportformat", "--units", "-o", "--options"]).ok()?;
    match args.value(&["--reportformat"])? {
        "json" => {}
        other => {
            return Some(Reply::bad(
                3,
                format!("  Invalid argument for --reportformat: {other}\n  Error during parsing of command line.\n"),
            ));
        }
    }
    if args.value(&["--units"])? != "b" {
        return None;
    }
    let fields: Vec<&str> = args.value(&["-o", "--options"])?.split(',').collect();
    let report = Report { machine, open: open_minors(machine, tree), suffix: if args.has(&["--nosuffix"]) { "" } else { "B" } };
    let all = args.has(&["-a", "--all"]);
    let (key, rows) = match program {
        "lvs" => ("lv", volume_rows(machine, all)),
        "vgs" => ("vg", group_rows(machine, |group| group.name.clone())),
        "pvs" => ("pv", group_rows(machine, |group| group.drive.clone())),
        _ => return None,
    };
    let (rows, missing) = chosen(machine, rows, &args.operands, program);
    let mut lines = Vec::new();
    for row in &rows {
        let mut values = Vec::new();
        for field in &fields {
            let Some((name, value)) = report.field(row, field) else {
                let out = "  {\n      \"report\": [\n      ]\n  }\n";
                return Some(Reply { exit: 5, out: out.to_owned(), err: format!("  Unrecognised field: {field}\n") });
            };
            values.push(format!("\"{name}\":{}", serde_json::Value::String(value)));
        }
        lines.push(format!("                  {{{}}}", values.join(", ")));
    }
    let body = if lines.is_empty() { String::new() } else { format!("{}\n", lines.join(",\n")) };
    let out = format!(
        "  {{\n      \"report\": [\n          {{\n              \"{key}\": [\n{body}              ]\n          }}\n      ]\n  }}\n"
    );
    Some(Reply { exit: if missing.is_empty() { 0 } else { 5 }, out, err: missing })
}

fn chosen<'a>(machine: &Machine, rows: Vec<Row<'a>>, operands: &[String], program: &str) -> (Vec<Row<'a>>, String) {
    if operands.is_empty() {
        return (rows, String::new());
    }
    let mut missing = String::new();
    let mut wanted = Vec::new();
    for operand in operands {
        let plain = operand.strip_prefix("/dev/").unwrap_or(operand);
        match plain.split_once('/') {
            None if program == "pvs" => wanted.push((None, None, Some(plain.to_owned()))),
            None if machine.group(plain).is_some() => wanted.push((Some(plain.to_owned()), None, None)),
            None => missing.push_str(&format!("  Volume group \"{plain}\" not found\n  Cannot process volume group {plain}\n")),
            Some((vg, lv)) if machine.volume(vg, lv).is_some() => wanted.push((Some(vg.to_owned()), Some(lv.to_owned()), None)),
            Some(_) => missing.push_str(&format!("  Failed to find logical volume \"{plain}\"\n")),
        }
    }
    let fits = |row: &Row<'_>| {
        wanted.iter().any(|(vg, lv, pv)| {
            vg.as_ref().is_none_or(|vg| *vg == row.group.name)
                && lv.as_ref().is_none_or(|lv| row.volume.as_ref().is_some_and(|volume| volume.name == *lv))
                && pv.as_ref().is_none_or(|pv| *pv == row.group.drive)
        })
    };
    (rows.into_iter().filter(fits).collect(), missing)
}

fn group_rows(machine: &Machine, order: impl Fn(&Group) -> String) -> Vec<Row<'_>> {
    let mut groups: Vec<&Group> = machine.groups.iter().collect();
    groups.sort_by_key(|group| order(group));
    groups.into_iter().map(|group| Row { group, volume: None }).collect()
}

fn volume_rows(machine: &Machine, all: bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut groups: Vec<&Group> = machine.groups.iter().collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    for group in groups {
        let mut shown = parts(group);
        shown.retain(|part| all || part.part == Part::Whole);
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        rows.extend(shown.into_iter().map(|volume| Row { group, volume: Some(volume) }));
    }
    rows
}

/// Every volume and hidden part of a group, laid on the drive one after the other.
fn parts(group: &Group) -> Vec<Shown<'_>> {
    let mut shown = Vec::new();
    let mut next = 0;
    let mut spared = false;
    for volume in &group.volumes {
        let mut add = |name: String, part, bytes: u64| {
            shown.push(Shown { name, part, of: volume, start: next });
            next += bytes / EXTENT;
        };
        match &volume.kind {
            VolumeKind::Pool { metadata, .. } => {
                // One spare serves every pool of the group.
                if !std::mem::replace(&mut spared, true) {
                    add("lvol0_pmspare".to_owned(), Part::Spare, *metadata);
                }
                add(format!("{}_tdata", volume.name), Part::Data, volume.bytes);
                add(format!("{}_tmeta", volume.name), Part::Metadata, *metadata);
                add(volume.name.clone(), Part::Whole, 0);
            }
            _ => add(volume.name.clone(), Part::Whole, volume.taken()),
        }
    }
    shown
}

/// Bytes of a group's drive that volumes may use, and how many are free.
pub fn room(machine: &Machine, group: &Group) -> (u64, u64) {
    let drive = machine.drives.iter().find(|drive| drive.name == group.drive).map_or(0, |drive| drive.bytes);
    let bytes = drive.saturating_sub(START) / EXTENT * EXTENT;
    let taken: u64 = group.volumes.iter().map(Volume::taken).sum();
    (bytes, bytes.saturating_sub(taken))
}

/// Minors of the device-mapper that a domain or a mount holds open.
pub fn open_minors(machine: &Machine, tree: &Tree) -> HashSet<u32> {
    let attached = machine.domains.iter().flat_map(|domain| &domain.guest.disks).filter_map(|disk| {
        let real = tree.resolve(Path::new(&disk.path)).ok()?;
        real.strip_prefix("/dev").ok()?.to_str()?.strip_prefix("dm-")?.parse().ok()
    });
    attached.chain(machine.mounts.iter().filter(|mount| mount.major == DM_MAJOR).map(|mount| mount.minor)).collect()
}

impl Report<'_> {
    fn field(&self, row: &Row<'_>, asked: &str) -> Option<(&'static str, String)> {
        let in_volume = row.volume.as_ref().and_then(|volume| self.volume_field(row.group, volume, asked));
        in_volume
            .or_else(|| self.group_field(row.group, asked))
            .or_else(|| self.drive_field(row.group, asked).filter(|_| row.volume.is_none()))
    }

    fn bytes(&self, bytes: u64) -> String {
        format!("{bytes}{}", self.suffix)
    }

    fn volume_field(&self, group: &Group, shown: &Shown<'_>, asked: &str) -> Option<(&'static str, String)> {
        let volume = shown.of;
        let whole = shown.part == Part::Whole;
        let own = if whole { Some(volume) } else { None };
        let minor = match (&volume.kind, shown.part) {
            (_, Part::Spare) => None,
            (VolumeKind::Pool { tmeta, .. }, Part::Metadata) => Some(*tmeta),
            (VolumeKind::Pool { tdata, .. }, Part::Data) => Some(*tdata),
            (VolumeKind::Pool { tpool, .. }, Part::Whole) => volume.minor.or(Some(*tpool)),
            _ => volume.minor,
        };
        let active = minor.is_some();
        let is_open = !whole && active || volume.is_pool() && active || minor.is_some_and(|minor| self.open.contains(&minor));
        let thin = matches!(volume.kind, VolumeKind::Thin { .. });
        let pool = whole && volume.is_pool();
        let origin = own.and_then(|own| own.origin());
        let snapshots: Vec<&Volume> = group.volumes.iter().filter(|other| whole && other.origin() == Some(volume.name.as_str())).collect();
        let classic_origin = snapshots.iter().any(|other| matches!(other.kind, VolumeKind::Snapshot { .. }));
        let thin_origin = snapshots.iter().any(|other| matches!(other.kind, VolumeKind::Thin { .. }));
        let (classic, invalid) = match &volume.kind {
            VolumeKind::Snapshot { invalid, .. } => (true, *invalid),
            _ => (false, false),
        };
        let visible = whole && !pool;
        let text = |text: &str| text.to_owned();
        let when = |set: bool, value: &str| if set { value.to_owned() } else { String::new() };
        let pool_of = match &volume.kind {
            VolumeKind::Thin { pool, .. } => group.volumes.iter().find(|other| other.name == *pool),
            _ => None,
        };
        let percent = || self.percent(group, shown, active);
        let layout = if pool {
            "thin,pool"
        } else if thin {
            "thin,sparse"
        } else {
            "linear"
        };
        let bytes = match (&volume.kind, shown.part) {
            (VolumeKind::Snapshot { store, .. }, _) => *store,
            (VolumeKind::Pool { metadata, .. }, Part::Metadata | Part::Spare) => *metadata,
            _ => volume.bytes,
        };
        Some(match asked {
            "lv_name" => ("lv_name", if whole { shown.name.clone() } else { format!("[{}]", shown.name) }),
            "vg_name" => ("vg_name", group.name.clone()),
            "lv_full_name" => ("lv_full_name", format!("{}/{}", group.name, shown.name)),
            "lv_path" => ("lv_path", when(visible, &format!("/dev/{}/{}", group.name, shown.name))),
            "lv_dm_path" => ("lv_dm_path", format!("/dev/mapper/{}", mapper_name(&group.name, &shown.name, ""))),
            "lv_uuid" => ("lv_uuid", if whole { volume.uuid.clone() } else { lvm_uuid(&format!("{}/{}", volume.uuid, shown.name)) }),
            "lv_attr" => ("lv_attr", {
                let kind = match (&volume.kind, shown.part) {
                    (VolumeKind::Pool { .. }, Part::Whole) => 't',
                    (_, Part::Data) => 'T',
                    (_, Part::Metadata | Part::Spare) => 'e',
                    (VolumeKind::Thin { .. }, _) => 'V',
                    (VolumeKind::Snapshot { .. }, _) => 's',
                    _ if classic_origin => 'o',
                    _ => '-',
                };
                let state = match (active, invalid) {
                    (false, _) => '-',
                    (true, true) => 'I',
                    (true, false) => 'a',
                };
                let target = match (thin || pool, classic || classic_origin) {
                    (true, _) => 't',
                    (false, true) => 's',
                    (false, false) => '-',
                };
                let open = if is_open { 'o' } else { '-' };
                let zero = if thin || pool { 'z' } else { '-' };
                let skip = if thin && origin.is_some() { 'k' } else { '-' };
                format!("{kind}wi-{state}{open}{target}{zero}-{skip}")
            }),
            "lv_size" => ("lv_size", self.bytes(bytes)),
            "lv_active" => ("lv_active", when(active, "active")),
            "lv_active_locally" => ("lv_active_locally", when(active, "active locally")),
            "lv_device_open" => ("lv_device_open", if active { when(is_open, "open") } else { text("unknown") }),
            "lv_layout" => ("lv_layout", text(layout)),
            "lv_role" => (
                "lv_role",
                text(match (shown.part, pool) {
                    (Part::Data, _) => "private,thin,pool,data",
                    (Part::Metadata, _) => "private,thin,pool,metadata",
                    (Part::Spare, _) => "private,pool,spare",
                    (Part::Whole, true) => "private",
                    _ if classic => "public,snapshot,thicksnapshot",
                    _ if thin && origin.is_some() => "public,snapshot,thinsnapshot",
                    _ if thin_origin => "public,origin,thinorigin",
                    _ if classic_origin => "public,origin,thickorigin",
                    _ => "public",
                }),
            ),
            "lv_permissions" => ("lv_permissions", text(if active { "writeable" } else { "unknown" })),
            "lv_health_status" => ("lv_health_status", String::new()),
            "lv_when_full" => ("lv_when_full", when(pool, "queue")),
            "lv_snapshot_invalid" => ("lv_snapshot_invalid", if classic { when(invalid, "snapshot invalid") } else { text("unknown") }),
            "lv_merging" => ("lv_merging", String::new()),
            "lv_merge_failed" => ("lv_merge_failed", when(!classic, "unknown")),
            "lv_kernel_major" => ("lv_kernel_major", minor.map_or_else(|| text("-1"), |_| DM_MAJOR.to_string())),
            "lv_kernel_minor" => ("lv_kernel_minor", minor.map_or_else(|| text("-1"), |minor| minor.to_string())),
            "lv_time" => ("lv_time", volume.created.format("%Y-%m-%d %H:%M:%S +0000").to_string()),
            "lv_host" => ("lv_host", self.machine.host.name.clone()),
            "lv_tags" => ("lv_tags", when(whole, &volume.tags.join(","))),
            "lv_profile" => ("lv_profile", String::new()),
            "lv_parent" => ("lv_parent", when(!whole && shown.part != Part::Spare, &volume.name)),
            "lv_ancestors" => ("lv_ancestors", origin.unwrap_or("").to_owned()),
            "lv_descendants" => ("lv_descendants", snapshots.iter().map(|other| other.name.as_str()).collect::<Vec<_>>().join(",")),
            "origin" => ("origin", origin.unwrap_or("").to_owned()),
            "origin_uuid" => ("origin_uuid", self.uuid_of(group, origin)),
            "origin_size" => ("origin_size", if classic || classic_origin { self.bytes(volume.bytes) } else { String::new() }),
            "pool_lv" => ("pool_lv", pool_of.map(|pool| pool.name.clone()).unwrap_or_default()),
            "pool_lv_uuid" => ("pool_lv_uuid", pool_of.map(|pool| pool.uuid.clone()).unwrap_or_default()),
            "data_lv" => ("data_lv", when(pool, &format!("[{}_tdata]", shown.name))),
            "metadata_lv" => ("metadata_lv", when(pool, &format!("[{}_tmeta]", shown.name))),
            "lv_metadata_size" => (
                "lv_metadata_size",
                match volume.kind {
                    VolumeKind::Pool { metadata, .. } if whole => self.bytes(metadata),
                    _ => String::new(),
                },
            ),
            "data_percent" => ("data_percent", percent()),
            "snap_percent" => ("snap_percent", percent()),
            "metadata_percent" => ("metadata_percent", when(pool, "10.69")),
            "copy_percent" => ("copy_percent", String::new()),
            "convert_lv" => ("convert_lv", String::new()),
            "segtype" => (
                "segtype",
                text(if pool {
                    "thin-pool"
                } else if thin {
                    "thin"
                } else {
                    "linear"
                }),
            ),
            "stripes" => ("stripes", text(if thin { "0" } else { "1" })),
            "chunk_size" => (
                "chunk_size",
                self.bytes(if pool {
                    65536
                } else if classic {
                    CHUNK
                } else {
                    0
                }),
            ),
            "thin_id" => (
                "thin_id",
                match volume.kind {
                    VolumeKind::Thin { id, .. } => id.to_string(),
                    _ => String::new(),
                },
            ),
            "thin_count" => ("thin_count", if pool { thin_volumes(group, &shown.name).count().to_string() } else { String::new() }),
            "discards" => ("discards", when(pool || thin, "passdown")),
            "zero" => ("zero", text(if pool || thin { "zero" } else { "unknown" })),
            "transaction_id" => (
                "transaction_id",
                match volume.kind {
                    VolumeKind::Thin { id, .. } => id.saturating_sub(1).to_string(),
                    VolumeKind::Pool { .. } if whole => thin_volumes(group, &shown.name).count().to_string(),
                    _ => String::new(),
                },
            ),
            "seg_count" => ("seg_count", text("1")),
            "devices" => (
                "devices",
                if pool {
                    format!("{}_tdata(0)", shown.name)
                } else if thin {
                    String::new()
                } else {
                    format!("/dev/{}({})", group.drive, shown.start)
                },
            ),
            "modules" | "lv_modules" => (
                "lv_modules",
                text(match (thin, pool, classic || classic_origin) {
                    (true, _, _) => "thin,thin-pool",
                    (_, true, _) => "thin-pool",
                    (_, _, true) => "snapshot",
                    _ => "",
                }),
            ),
            "lv_read_ahead" => ("lv_read_ahead", text("auto")),
            _ => return None,
        })
    }

    fn uuid_of(&self, group: &Group, name: Option<&str>) -> String {
        let found = group.volumes.iter().find(|volume| Some(volume.name.as_str()) == name);
        found.map(|volume| volume.uuid.clone()).unwrap_or_default()
    }

    fn percent(&self, group: &Group, shown: &Shown<'_>, active: bool) -> String {
        let volume = shown.of;
        let share = |part: u64, whole: u64| {
            // lvs never rounds up to 100.
            let share = (part as f64 * 100.0 / whole.max(1) as f64).min(if part < whole { 99.99 } else { 100.0 });
            format!("{share:.2}")
        };
        match &volume.kind {
            VolumeKind::Snapshot { store, used, invalid, .. } => share(if *invalid { *store } else { *used }, *store),
            VolumeKind::Thin { mapped, .. } if active => share(*mapped, volume.bytes),
            VolumeKind::Pool { .. } if shown.part == Part::Whole => share(pool_used(group, &volume.name), volume.bytes),
            _ => String::new(),
        }
    }

    fn group_field(&self, group: &Group, asked: &str) -> Option<(&'static str, String)> {
        let (bytes, free) = room(self.machine, group);
        let text = |text: &str| text.to_owned();
        let volumes = parts(group).iter().filter(|part| part.part == Part::Whole).count();
        let snapshots = group.volumes.iter().filter(|volume| matches!(volume.kind, VolumeKind::Snapshot { .. })).count();
        Some(match asked {
            "vg_name" => ("vg_name", group.name.clone()),
            "vg_uuid" => ("vg_uuid", group.uuid.clone()),
            "vg_fmt" => ("vg_fmt", text("lvm2")),
            "vg_attr" => ("vg_attr", text("wz--n-")),
            "vg_permissions" => ("vg_permissions", text("writeable")),
            "vg_extendable" => ("vg_extendable", text("extendable")),
            "vg_autoactivation" => ("vg_autoactivation", text("enabled")),
            "vg_allocation_policy" => ("vg_allocation_policy", text("normal")),
            "vg_exported" => ("vg_exported", String::new()),
            "vg_partial" => ("vg_partial", String::new()),
            "vg_clustered" => ("vg_clustered", String::new()),
            "vg_shared" => ("vg_shared", String::new()),
            "vg_sysid" => ("vg_sysid", String::new()),
            "vg_systemid" => ("vg_systemid", String::new()),
            "vg_lock_type" => ("vg_lock_type", String::new()),
            "vg_lock_args" => ("vg_lock_args", String::new()),
            "vg_tags" => ("vg_tags", String::new()),
            "vg_profile" => ("vg_profile", String::new()),
            "vg_size" => ("vg_size", self.bytes(bytes)),
            "vg_free" => ("vg_free", self.bytes(free)),
            "vg_extent_size" => ("vg_extent_size", self.bytes(EXTENT)),
            "vg_extent_count" => ("vg_extent_count", (bytes / EXTENT).to_string()),
            "vg_free_count" => ("vg_free_count", (free / EXTENT).to_string()),
            "max_lv" => ("max_lv", text("0")),
            "max_pv" => ("max_pv", text("0")),
            "pv_count" => ("pv_count", text("1")),
            "vg_missing_pv_count" => ("vg_missing_pv_count", text("0")),
            "lv_count" => ("lv_count", volumes.to_string()),
            "snap_count" => ("snap_count", snapshots.to_string()),
            "vg_seqno" => ("vg_seqno", (group.volumes.len() + 4).to_string()),
            "vg_mda_count" => ("vg_mda_count", text("1")),
            "vg_mda_used_count" => ("vg_mda_used_count", text("1")),
            "vg_mda_free" => ("vg_mda_free", self.bytes(516_608)),
            "vg_mda_size" => ("vg_mda_size", self.bytes(1_044_480)),
            "vg_mda_copies" => ("vg_mda_copies", text("unmanaged")),
            _ => return None,
        })
    }

    fn drive_field(&self, group: &Group, asked: &str) -> Option<(&'static str, String)> {
        let (bytes, free) = room(self.machine, group);
        let drive = self.machine.drives.iter().find(|drive| drive.name == group.drive)?;
        let text = |text: &str| text.to_owned();
        Some(match asked {
            "pv_name" => ("pv_name", format!("/dev/{}", drive.name)),
            "pv_uuid" => ("pv_uuid", group.drive_uuid.clone()),
            "pv_fmt" => ("pv_fmt", text("lvm2")),
            "pv_attr" => ("pv_attr", text("a--")),
            "pv_size" => ("pv_size", self.bytes(bytes)),
            "pv_free" => ("pv_free", self.bytes(free)),
            "pv_used" => ("pv_used", self.bytes(bytes.saturating_sub(free))),
            "dev_size" => ("dev_size", self.bytes(drive.bytes)),
            "pv_major" => ("pv_major", drive.major.to_string()),
            "pv_minor" => ("pv_minor", drive.minor.to_string()),
            "pv_mda_free" => ("pv_mda_free", self.bytes(516_608)),
            "pv_mda_size" => ("pv_mda_size", self.bytes(1_044_480)),
            "pv_ext_vsn" => ("pv_ext_vsn", text("2")),
            "pe_start" => ("pe_start", self.bytes(START)),
            "pv_allocatable" => ("pv_allocatable", text("allocatable")),
            "pv_exported" => ("pv_exported", String::new()),
            "pv_missing" => ("pv_missing", String::new()),
            "pv_pe_count" => ("pv_pe_count", (bytes / EXTENT).to_string()),
            "pv_pe_alloc_count" => ("pv_pe_alloc_count", (bytes.saturating_sub(free) / EXTENT).to_string()),
            "pv_tags" => ("pv_tags", String::new()),
            "pv_mda_count" => ("pv_mda_count", text("1")),
            "pv_mda_used_count" => ("pv_mda_used_count", text("1")),
            "pv_ba_start" => ("pv_ba_start", self.bytes(0)),
            "pv_ba_size" => ("pv_ba_size", self.bytes(0)),
            "pv_in_use" => ("pv_in_use", text("used")),
            "pv_duplicate" => ("pv_duplicate", String::new()),
            "pv_device_id" => ("pv_device_id", String::new()),
            "pv_device_id_type" => ("pv_device_id_type", String::new()),
            _ => return None,
        })
    }
}

fn thin_volumes<'a>(group: &'a Group, pool: &'a str) -> impl Iterator<Item = &'a Volume> {
    group.volumes.iter().filter(move |volume| matches!(&volume.kind, VolumeKind::Thin { pool: of, .. } if of == pool))
}

/// Bytes that the thin volumes drew from a pool.
pub fn pool_used(group: &Group, pool: &str) -> u64 {
    let mapped = |volume: &Volume| match volume.kind {
        VolumeKind::Thin { mapped, .. } => mapped,
        _ => 0,
    };
    thin_volumes(group, pool).map(mapped).sum()
}
