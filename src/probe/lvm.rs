//! LVM reports as JSON (lvmreport(7)). All values are strings; hidden volumes come in brackets; an exit status other than 0 means that
//! the list is not whole.

use serde_json::Value;

use crate::model::{Cmd, GroupNow, LogicalVolume, PhysicalVolume, VolumeGroup};

/// No field of segments is asked for: `lvs` would print a volume in two pieces twice.
const LV_FIELDS: &str = "vg_name,lv_name,lv_uuid,lv_path,lv_attr,lv_size,lv_layout,lv_role,lv_active,lv_device_open,origin,origin_size,pool_lv,data_percent,metadata_percent,lv_snapshot_invalid,lv_merging,lv_health_status,lv_time,lv_tags,lv_kernel_major,lv_kernel_minor";
const VG_FIELDS: &str = "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,vg_missing_pv_count";
/// For plans: `vg_attr` too.
const VG_NOW_FIELDS: &str = "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,vg_attr";
const PV_FIELDS: &str = "pv_name,vg_name,pv_size,pv_free,pv_missing";

fn report(tool: &str, fields: &str) -> Cmd {
    let mut words = vec!["--reportformat", "json", "--units", "b", "--nosuffix"];
    if tool == "lvs" {
        words.push("-a");
    }
    Cmd::reads(tool, words.into_iter().chain(["-o", fields])).within(20)
}

pub fn lvs() -> Cmd {
    report("lvs", LV_FIELDS)
}

pub fn vgs() -> Cmd {
    report("vgs", VG_FIELDS)
}

/// [`vgs`] with the groups' attributes.
pub fn vgs_now() -> Cmd {
    report("vgs", VG_NOW_FIELDS)
}

pub fn pvs() -> Cmd {
    report("pvs", PV_FIELDS)
}

/// The rows of a report: `{"report":[{"lv":[...]}]}`.
fn rows(bytes: &[u8], kind: &str) -> Result<Vec<Value>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("not the JSON that LVM prints: {error}"))?;
    let parts = value.get("report").and_then(Value::as_array).ok_or("a report without its part `report`")?;
    let mut rows = Vec::new();
    for part in parts {
        let list = part.get(kind).and_then(Value::as_array).ok_or_else(|| format!("a report without its part `{kind}`"))?;
        rows.extend(list.iter().cloned());
    }
    Ok(rows)
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn filled(row: &Value, field: &str) -> Option<String> {
    Some(text(row, field)).filter(|value| !value.is_empty()).map(unbracketed)
}

/// A number of bytes, with or without the unit that `--nosuffix` takes away.
fn bytes(row: &Value, field: &str) -> Option<u64> {
    text(row, field).trim_end_matches('B').parse().ok()
}

fn percent(row: &Value, field: &str) -> Option<f64> {
    text(row, field).parse().ok().filter(|percent: &f64| percent.is_finite())
}

fn unbracketed(name: &str) -> String {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).to_owned()
}

/// A row must name itself and have its size: a report whose fields were renamed is an error, not a host without volumes.
fn needed(row: &Value, fields: &[&str]) -> Result<(), String> {
    match fields.iter().find(|field| row.get(**field).and_then(Value::as_str).is_none()) {
        Some(field) => Err(format!("a row without its field `{field}`")),
        None => Ok(()),
    }
}

pub fn parse_lvs(json: &[u8]) -> Result<Vec<LogicalVolume>, String> {
    let mut volumes: Vec<LogicalVolume> = Vec::new();
    for row in rows(json, "lv")? {
        needed(&row, &["lv_name", "vg_name", "lv_attr", "lv_size"])?;
        let volume = volume(&row);
        // Printed once for each of its pieces when somebody asked for a segment's field.
        if !volumes.iter().any(|known| known.vg == volume.vg && known.name == volume.name) {
            volumes.push(volume);
        }
    }
    Ok(volumes)
}

fn volume(row: &Value) -> LogicalVolume {
    let attr = text(row, "lv_attr").to_owned();
    let at = |index: usize| attr.as_bytes().get(index).copied().unwrap_or(b'-');
    let size = bytes(row, "lv_size").unwrap_or_default();
    // `s`, `S`: a classic snapshot, whose lv_size is its store. Thin snapshots show `V`.
    let classic = matches!(at(0), b's' | b'S');
    let name = text(row, "lv_name");
    let vg = text(row, "vg_name").to_owned();
    let path = match text(row, "lv_path") {
        "" => format!("/dev/{vg}/{}", unbracketed(name)),
        path => path.to_owned(),
    };
    LogicalVolume {
        path: path.into(),
        uuid: text(row, "lv_uuid").to_owned(),
        bytes: if classic { bytes(row, "origin_size").unwrap_or(size) } else { size },
        layout: text(row, "lv_layout").to_owned(),
        role: text(row, "lv_role").to_owned(),
        active: matches!(at(4), b'a' | b's' | b'I' | b'S' | b'm' | b'M' | b'c' | b'C'),
        open: at(5) == b'o',
        hidden: name.starts_with('['),
        origin: filled(row, "origin"),
        store_bytes: classic.then_some(size),
        data_percent: percent(row, "data_percent"),
        metadata_percent: percent(row, "metadata_percent"),
        invalid: matches!(at(4), b'I' | b'S') && classic || text(row, "lv_snapshot_invalid") == "snapshot invalid",
        merging: matches!(at(0), b'S') || text(row, "lv_merging") == "merging",
        pool: filled(row, "pool_lv"),
        created: time(text(row, "lv_time")),
        tags: text(row, "lv_tags").split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        health: text(row, "lv_health_status").to_owned(),
        device: text(row, "lv_kernel_major").parse().ok().zip(text(row, "lv_kernel_minor").parse().ok()),
        name: unbracketed(name),
        vg,
        attr,
    }
}

/// `2026-11-21 10:50:43 +0000`.
fn time(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z").ok().map(|time| time.to_utc())
}

pub fn parse_vgs(json: &[u8]) -> Result<Vec<VolumeGroup>, String> {
    rows(json, "vg")?.iter().map(group).collect()
}

fn group(row: &Value) -> Result<VolumeGroup, String> {
    needed(row, &["vg_name", "vg_size", "vg_free"])?;
    Ok(VolumeGroup {
        name: text(row, "vg_name").to_owned(),
        uuid: text(row, "vg_uuid").to_owned(),
        bytes: bytes(row, "vg_size").unwrap_or_default(),
        free: bytes(row, "vg_free").unwrap_or_default(),
        extent_bytes: bytes(row, "vg_extent_size").unwrap_or_default(),
        missing_pvs: text(row, "vg_missing_pv_count").parse().unwrap_or_default(),
    })
}

/// The answer to [`vgs_now`].
pub fn parse_groups_now(json: &[u8]) -> Result<Vec<GroupNow>, String> {
    rows(json, "vg")?
        .iter()
        .map(|row| {
            needed(row, &["vg_attr", "vg_extent_size"])?;
            Ok(GroupNow { group: group(row)?, attr: text(row, "vg_attr").to_owned() })
        })
        .collect()
}

pub fn parse_pvs(json: &[u8]) -> Result<Vec<PhysicalVolume>, String> {
    rows(json, "pv")?
        .iter()
        .map(|row| {
            needed(row, &["pv_name", "pv_size"])?;
            Ok(PhysicalVolume {
                path: text(row, "pv_name").to_owned().into(),
                vg: text(row, "vg_name").to_owned(),
                bytes: bytes(row, "pv_size").unwrap_or_default(),
                free: bytes(row, "pv_free").unwrap_or_default(),
                missing: !text(row, "pv_missing").is_empty(),
            })
        })
        .collect()
}

/// device-mapper's name of a volume: `VG-LV`, every `-` inside a name doubled.
pub fn dm_name(vg: &str, lv: &str) -> String {
    format!("{}-{}", vg.replace('-', "--"), lv.replace('-', "--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_keep_origin_fill_and_loss() {
        let json = br#"{"report":[{"lv":[
          {"lv_name":"snap","vg_name":"vg","lv_attr":"swi-I-s---","lv_size":"8388608","origin":"base","origin_size":"134217728","data_percent":"100.00","lv_snapshot_invalid":"snapshot invalid"},
          {"lv_name":"[pool_tdata]","vg_name":"vg","lv_attr":"Twi-ao----","lv_size":"10B"},
          {"lv_name":"[pool_tdata]","vg_name":"vg","lv_attr":"Twi-ao----","lv_size":"10B"}]}]}"#;
        let volumes = parse_lvs(json).unwrap();
        assert_eq!(volumes.len(), 2, "a volume in two pieces would be listed twice");
        assert!(volumes[0].invalid && volumes[0].is_classic_snapshot(), "an overflowed snapshot would look like a good backup");
        assert_eq!(
            (volumes[0].bytes, volumes[0].store_bytes),
            (134_217_728, Some(8_388_608)),
            "the size of a snapshot's store would pass for that of its disk"
        );
        assert_eq!(
            (volumes[1].name.as_str(), volumes[1].hidden),
            ("pool_tdata", true),
            "nobody finds the parts of a pool by the name that LVM puts in brackets"
        );
    }

    #[test]
    fn an_error_is_not_an_empty_host() {
        assert!(parse_lvs(br#"{"report":[]}"#).is_ok_and(|list| list.is_empty()));
        assert!(parse_lvs(br#"{"report":[{"lv":[{"name":"x"}]}]}"#).is_err(), "renamed fields would hide every volume without a word");
        assert!(parse_vgs(b"no json").is_err());
        assert_eq!(dm_name("my-vg", "a"), "my--vg-a");
    }
}
