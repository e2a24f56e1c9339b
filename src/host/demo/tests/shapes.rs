//! Each answer has a counterpart in the captures with the same shape.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const LVS: &str = "lv_name,vg_name,lv_full_name,lv_path,lv_dm_path,lv_uuid,lv_attr,lv_size,lv_active,lv_active_locally,lv_device_open,\
                   lv_layout,lv_role,lv_permissions,lv_health_status,lv_when_full,lv_snapshot_invalid,lv_merging,lv_merge_failed,\
                   lv_kernel_major,lv_kernel_minor,lv_time,lv_host,lv_tags,lv_profile,lv_parent,lv_ancestors,lv_descendants,origin,\
                   origin_uuid,origin_size,pool_lv,pool_lv_uuid,data_lv,metadata_lv,lv_metadata_size,data_percent,snap_percent,\
                   metadata_percent,copy_percent,convert_lv,segtype,stripes,chunk_size,thin_id,thin_count,discards,zero,\
                   transaction_id,seg_count,devices,modules,lv_read_ahead";

/// Every path of keys in a JSON text, list positions left out; with the kind of the value at its end.
fn shape(text: &str) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, &format!("{path}/{key}"), out)),
            Value::Array(list) => list.iter().for_each(|value| walk(value, &format!("{path}[]"), out)),
            Value::Null => {}
            Value::Bool(_) => drop(out.insert(format!("{path}: bool"))),
            Value::Number(_) => drop(out.insert(format!("{path}: number"))),
            Value::String(_) => drop(out.insert(format!("{path}: string"))),
        }
    }
    let mut out = BTreeSet::new();
    walk(&serde_json::from_str(text).unwrap(), "", &mut out);
    out
}

fn known(files: &[&str]) -> BTreeSet<String> {
    files.iter().flat_map(|file| shape(&fixture(file))).collect()
}

#[test]
fn json_answers_have_no_key_that_the_real_tools_do_not_have() {
    let guides = laid("guides");
    let lsblk = "lsblk --json -b -o NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,RO,FSTYPE,LABEL,UUID,MOUNTPOINT,PATH,RM,MOUNTPOINTS,MODEL";
    let losetup = "losetup --json -l -O NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN,MAJ:MIN,OFFSET,SIZELIMIT,RO,DIO";
    let report = "--reportformat json --units b -a -o";
    let vg =
        "vg_name,vg_uuid,vg_attr,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,lv_count,snap_count,pv_count,vg_tags,vg_fmt,vg_seqno";
    let pv = "pv_name,pv_uuid,vg_name,pv_size,pv_free,pv_used,pv_attr,pv_missing,dev_size,pv_major,pv_minor,pe_start,pv_in_use,vg_uuid";
    for (line, files) in [
        ("xl list -l".to_owned(), ["02-running/xl-list-l.json", "05-after-lifecycle/xl-list-l.json"].as_slice()),
        (lsblk.to_owned(), &["02-running/lsblk.json"]),
        (losetup.to_owned(), &["02-running/losetup.json"]),
        (format!("lvs {report} {LVS}"), &["02-running/lvs.json", "06-lvm/b-overflow/lvs.json"]),
        (format!("vgs {report} {vg}"), &["02-running/vgs.json"]),
        (format!("pvs {report} {pv}"), &["02-running/pvs.json"]),
    ] {
        let ours = shape(&ask(&guides.demo, &line));
        let theirs = known(files);
        // Keys that this host has and the captured ones happened not to: settings of a domain that xl takes from its config.
        let settings = ["[]/config/on_poweroff: string", "[]/config/c_info/uuid: string"];
        // How deep a device lies makes no difference to what is said of it.
        let flat = |keys: &BTreeSet<String>| keys.iter().map(|key| key.replace("/children[]", "")).collect::<BTreeSet<_>>();
        let theirs = flat(&theirs);
        let strange: Vec<String> =
            flat(&ours).into_iter().filter(|key| !theirs.contains(key) && !settings.contains(&key.as_str())).collect();
        assert!(strange.is_empty(), "{line}: the real tool never printed {strange:?}; a parser that relies on it fails on a real host");
    }
}

/// Field names of a report, in order.
fn fields(text: &str, key: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(text).unwrap();
    report["report"][0][key][0].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn lvs_prints_the_asked_fields_in_order_and_bytes_with_or_without_their_letter() {
    let guides = laid("guides");
    let all = ask(&guides.demo, &format!("lvs --reportformat json --units b -a -o {LVS}"));
    assert_eq!(fields(&all, "lv"), fields(&fixture("06-lvm/b-overflow/lvs.json"), "lv"));
    assert!(all.contains("\"lv_size\":\"8589934592B\""));
    let plain = ask(&guides.demo, "lvs --reportformat json --units b --nosuffix -o lv_size,lv_name");
    assert!(plain.contains("{\"lv_size\":\"8589934592\", \"lv_name\":\"web01-disk\"}"), "the order of -o is the order of the answer");
    assert!(!plain.contains("[pool0_tdata]"), "hidden volumes are shown without -a");
    let bad = guides.demo.machine(&words("lvs --reportformat json --units b -o no_such_field"));
    assert_eq!(bad.exit, 5);
}

#[test]
fn a_volume_of_each_kind_looks_as_it_did_on_the_captured_host() {
    /// The lvs rows of a report by attributes, without what names or sizes a volume.
    fn rows(text: &str) -> BTreeSet<String> {
        let keep =
            ["lv_attr", "lv_layout", "lv_role", "lv_permissions", "lv_active", "lv_device_open", "lv_when_full", "segtype", "stripes"];
        let more = ["lv_snapshot_invalid", "lv_merge_failed", "zero", "discards", "chunk_size", "lv_modules"];
        let report: Value = serde_json::from_str(text).unwrap();
        let row = |row: &Value| keep.iter().chain(&more).map(|key| format!("{key}={} ", row[key])).collect::<String>();
        report["report"][0]["lv"].as_array().unwrap().iter().map(row).collect()
    }
    let guides = laid("guides");
    let ours = rows(&ask(&guides.demo, &format!("lvs --reportformat json --units b -a -o {LVS}")));
    let theirs: BTreeSet<String> =
        ["02-running/lvs.json", "06-lvm/b-overflow/lvs.json"].iter().flat_map(|file| rows(&fixture(file))).collect();
    let strange: Vec<&String> = ours.difference(&theirs).filter(|row| !row.contains("swi-I-s") && !row.contains("owi-aos")).collect();
    // One thing is here that was not captured: a thin volume that is active and closed.
    let strange: Vec<_> = strange.into_iter().filter(|row| !row.contains("\"Vwi-a-tz--\"")).collect();
    assert!(strange.is_empty(), "no real volume ever looked like {strange:#?}");
}

#[test]
fn xl_lists_in_the_real_columns() {
    let guides = laid("guides");
    for (line, file) in [("xl list", "02-running/xl-list.txt"), ("xl list -v", "05-after-lifecycle/xl-list-v.txt")] {
        let (ours, theirs) = (ask(&guides.demo, line), fixture(file));
        assert_eq!(ours.lines().next(), theirs.lines().next(), "{line}: another header");
        let columns = |row: &str| row.char_indices().filter(|(at, c)| *at > 40 && *c == ' ').map(|(at, _)| at).collect::<Vec<_>>();
        let widths: BTreeSet<usize> = theirs.lines().skip(1).map(str::len).collect();
        for row in ours.lines().skip(1) {
            assert!(widths.contains(&row.len()), "{line}: no captured row is as wide as `{row}`");
            assert!(!columns(row).is_empty());
        }
    }
}

#[test]
fn xl_info_has_every_line_of_the_real_one() {
    let keys = |text: &str| text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&ask(&laid("guides").demo, "xl info")), keys(&fixture("host/xl-info.txt")));
}

/// A xenstore path with its numbers and names made general.
fn general(line: &str) -> String {
    let path = line.split(" = ").next().unwrap();
    path.split('/')
        .map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) || part.len() == 36 { "N" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn xenstore_has_no_node_that_a_real_one_has_not() {
    let guides = laid("guides");
    let ours = ask(&guides.demo, "xenstore-ls -f");
    let theirs: BTreeSet<String> = ["02-running/xenstore-ls-f.txt", "05-after-lifecycle/xenstore-ls-f.txt"]
        .iter()
        .flat_map(|file| fixture(file).lines().map(general).collect::<Vec<_>>())
        .collect();
    let strange: BTreeSet<String> = ours.lines().map(general).filter(|path| !theirs.contains(path)).collect();
    assert!(strange.is_empty(), "no real xenstore holds {strange:#?}");
    let part = ask(&guides.demo, "xenstore-ls -f /libxl");
    assert!(part.lines().all(|line| line.starts_with("/libxl/")) && part.lines().all(|line| ours.contains(line)));
    let none = laid("empty").demo.machine(&words("xenstore-ls -f /vm"));
    assert_eq!((none.exit, none.complaint().as_str()), (1, "xenstore-ls: xs_directory (/vm): No such file or directory"));
}

#[test]
fn userdata_and_save_images_are_byte_for_byte_in_the_real_layout() {
    let web1 = guest::from_json(
        &serde_json::from_str(
            fixture("02-running/userdata/userdata-d.1.94b8a69a-85ce-4013-ba93-08d7c3ada5a8.libxl-json").trim_end_matches('\0'),
        )
        .unwrap(),
    )
    .unwrap();
    let real = fixture("02-running/userdata/userdata-d.1.94b8a69a-85ce-4013-ba93-08d7c3ada5a8.libxl-json");
    assert_eq!(String::from_utf8(guest::userdata(&web1)).unwrap(), real, "a parser that was tried on the demo may fail on a real file");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xen/save/web1.head8k");
    let real = std::fs::read(path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create_new(dir.path().join("image")).unwrap();
    save_image::write(&mut file, &web1).unwrap();
    let ours = std::fs::read(dir.path().join("image")).unwrap();
    assert_eq!(ours[..44], real[..44], "the header");
    let config = |bytes: &[u8]| 48 + u32::from_le_bytes(bytes[44..48].try_into().unwrap()) as usize;
    let (at, there) = (config(&ours), config(&real));
    assert_eq!(ours[at..at + 64], real[there..there + 64], "the headers of both streams");
}
