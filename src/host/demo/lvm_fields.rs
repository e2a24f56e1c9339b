//! The fields of lvs, vgs and pvs, under the names and with the words of lvmreport(7).

use super::ids::lvm_uuid;
use super::lvm::{CHUNK, EXTENT, Part, Report, Row, START, Shown, joined, parts, pool_used, room, room_on, thin_volumes};
use super::machine::{DM_MAJOR, Group, Volume, VolumeKind, mapper_name};

impl Report<'_> {
    pub fn field(&self, row: &Row<'_>, asked: &str) -> Option<(&'static str, String)> {
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
        let is_open = active && (!whole || volume.is_pool()) || minor.is_some_and(|minor| self.open.contains(&minor));
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
        let percent = || percent(group, shown, active);
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
            "origin_uuid" => ("origin_uuid", uuid_of(group, origin)),
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
            "vg_tags" => ("vg_tags", group.tags.join(",")),
            "vg_profile" => ("vg_profile", String::new()),
            "vg_size" => ("vg_size", self.bytes(bytes)),
            "vg_free" => ("vg_free", self.bytes(free)),
            "vg_extent_size" => ("vg_extent_size", self.bytes(EXTENT)),
            "vg_extent_count" => ("vg_extent_count", (bytes / EXTENT).to_string()),
            "vg_free_count" => ("vg_free_count", (free / EXTENT).to_string()),
            "max_lv" => ("max_lv", text("0")),
            "max_pv" => ("max_pv", text("0")),
            "pv_count" => ("pv_count", (joined(self.machine, &group.name).count() + 1).to_string()),
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
        let (bytes, free) = room_on(self.machine, group);
        let drive = self.machine.node(&group.drive)?;
        let text = |text: &str| text.to_owned();
        Some(match asked {
            "pv_name" => ("pv_name", format!("/dev/{}", drive.kname)),
            "pv_uuid" => ("pv_uuid", group.drive_uuid.clone()),
            "pv_fmt" => ("pv_fmt", text("lvm2")),
            "pv_attr" => ("pv_attr", text(if group.name.is_empty() { "---" } else { "a--" })),
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

fn uuid_of(group: &Group, name: Option<&str>) -> String {
    let found = group.volumes.iter().find(|volume| Some(volume.name.as_str()) == name);
    found.map(|volume| volume.uuid.clone()).unwrap_or_default()
}

fn percent(group: &Group, shown: &Shown<'_>, active: bool) -> String {
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
