use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// What matters of a specification in one line, defaults left out.
fn brief(spec: &str) -> String {
    match parse(spec.as_bytes()) {
        Err(error) => format!("E: {}{}", error.xl, error.near.map(|near| format!(": near `{near}'")).unwrap_or_default()),
        Ok(disk) => {
            let target = disk.target.as_deref().map_or("null".to_owned(), |t| String::from_utf8_lossy(t).into_owned());
            let mut out = format!("{target}|{}|{}|{}", disk.vdev.unwrap(), disk.format.unwrap(), u8::from(disk.readwrite));
            for (on, word) in [(disk.is_cdrom, "cdrom"), (disk.removable, "removable"), (disk.direct_io_safe, "direct_io_safe")] {
                if on {
                    write!(out, " {word}").unwrap();
                }
            }
            for (value, word) in [
                (disk.script, "script"),
                (disk.backend_domname, "domain"),
                (disk.backend.map(str::to_owned), "backend"),
                (disk.discard.map(|on| on.to_string()), "discard"),
            ] {
                if let Some(value) = value {
                    write!(out, " {word}={value}").unwrap();
                }
            }
            out
        }
    }
}

#[test]
fn the_examples_of_the_manual_and_the_old_forms_give_what_xl_gives() {
    let volume = "/dev/vg/guest-volume|hda|raw|1";
    for (spec, expected) in [
        ("/dev/vg/guest-volume,,hda", volume),
        ("/dev/vg/guest-volume,raw,hda,rw", volume),
        ("format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume", volume),
        ("raw:/dev/vg/guest-volume,hda,w", volume),
        ("phy:hda3,sda1,w", "hda3|sda1|raw|1"),
        ("phy:vg/lvm1,sda2,w", "vg/lvm1|sda2|raw|1"),
        ("phy:/dev/vg/a,ioemu:hda,w", "/dev/vg/a|hda|raw|1"),
        ("file:/full/path/to/vm1disk,sda1,w", "/full/path/to/vm1disk|sda1|raw|1"),
        ("file:/a b.img,xvda,w", "/a b.img|xvda|raw|1"),
        ("tap:aio:/some/x.img,xvda,w", "/some/x.img|xvda|raw|1"),
        ("tap2:tapdisk:aio:/a,xvda,w", "/a|xvda|raw|1"),
        ("tap:qcow2:/some/x.img,xvda,w", "/some/x.img|xvda|qcow2|1"),
        ("file:qcow2:/a,xvda,w", "/a|xvda|qcow2|1"),
        ("vhd:/a,xvda,w", "/a|xvda|vhd|1"),
        ("aio:/a,xvda,r", "/a|xvda|raw|0"),
        ("file:/a,xvda", "/a|xvda|raw|1"),
        ("/root/image.iso,,hdc,cdrom", "/root/image.iso|hdc|raw|0 cdrom removable"),
        ("/root/image.iso,,hdc,,cdrom", "/root/image.iso|hdc|raw|0 cdrom removable"),
        ("raw:/root/image.iso,hdc:cdrom,ro", "/root/image.iso|hdc|raw|0 cdrom removable"),
        ("/a,raw,xvda,w,devtype=cdrom", "/a|xvda|raw|0 cdrom removable"),
        ("devtype=cdrom,,,hdc", "|hdc|empty|0 cdrom removable"),
        (",,hdc:cdrom,r", "|hdc|empty|0 cdrom removable"),
        (",hdc:cdrom,r", "|hdc|empty|0 cdrom removable"),
        ("phy:,hdc:cdrom,r", "|hdc|empty|0 cdrom removable"),
        ("file:,hdc:cdrom,r", "|hdc|empty|0 cdrom removable"),
        ("vdev=hdc,access=r,devtype=cdrom", "null|hdc|empty|0 cdrom removable"),
        ("vdev=hdc,access=r,devtype=cdrom,target=", "|hdc|empty|0 cdrom removable"),
        ("iscsi:iqn.2001-05.com.x:0-8a,xvda,w", "iqn.2001-05.com.x:0-8a|xvda|raw|1 script=block-iscsi"),
        (
            "script=block-iscsi, vdev=xvda, target=iqn=iqn.2001:x,portal=1.2.3.4:3260",
            "iqn=iqn.2001:x,portal=1.2.3.4:3260|xvda|raw|1 script=block-iscsi",
        ),
        ("drbd:app01,hda,w", "app01|hda|raw|1 script=block-drbd"),
        ("nbd:host:1234,xvda,w", "host:1234|xvda|raw|1 script=block-nbd"),
        (
            "/dev/disk/by-path/ip-1.2.3.4:3260-iscsi-iqn.x:lun-0,raw,xvda,w",
            "/dev/disk/by-path/ip-1.2.3.4:3260-iscsi-iqn.x:lun-0|xvda|raw|1",
        ),
        ("vdev=xvda,target=/a,b", "/a,b|xvda|raw|1"),
        ("vdev=xvda,target=/a   ", "/a   |xvda|raw|1"),
        ("vdev=xvda,target=rbd:pool/img", "rbd:pool/img|xvda|raw|1"),
        ("backend=domu1,vdev=xvda,target=/a", "/a|xvda|raw|1 domain=domu1"),
        ("/a,raw,xvda,w,backendtype=qdisk", "/a|xvda|raw|1 backend=qdisk"),
        ("/a,,xvda,w,no-discard,direct-io-safe,backendtype=phy", "/a|xvda|raw|1 direct_io_safe backend=phy discard=false"),
        (",,xvda,w,target=/b", "/b|xvda|raw|1"),
        ("format=raw,format=raw,vdev=xvda,target=/a", "/a|xvda|raw|1"),
        ("/a,raw,d0p1", "/a|d0p1|raw|1"),
        ("/a,raw,51712", "/a|51712|raw|1"),
        ("/dev/disk/by-id/x,raw,xvda,rw,", "/dev/disk/by-id/x|xvda|raw|1"),
        (",raw,xvda,rw", "|xvda|raw|1"),
        ("a:b,raw,xvda", "a:b|xvda|raw|1"),
        ("vdev=xvda ,target=/a", "/a|xvda |raw|1"),
    ] {
        assert_eq!(brief(spec), expected, "`{spec}`: another disk would be shown than the one xl attaches");
    }
}

#[test]
fn what_xl_refuses_is_refused_for_the_same_reason() {
    for (spec, expected) in [
        ("/a,xvda,w", "E: unknown value for format: near `xvda'"),
        ("phy:/dev/vg/a,xvda,w!", "E: unknown value for access: near `w!'"),
        ("phy:/dev/vg/a,xvda,w,2", "E: too many positional parameters: near `2'"),
        ("vmdk:/a,xvda,w", "E: unknown deprecated disk prefix: near `vmdk:'"),
        ("qed:/a,xvda,w", "E: unknown deprecated disk prefix: near `qed:'"),
        ("tap:ram:/a,xvda,w", "E: unknown deprecated disk prefix: near `ram:'"),
        ("target=/a,vdev=xvda", "E: no vdev specified"),
        (" /a , raw , xvda , rw ", "E: unknown value for format: near `raw '"),
        ("/a,RAW,xvda,w", "E: unknown value for format: near `RAW'"),
        ("/a,raw,xvda,W", "E: unknown value for access: near `W'"),
        ("raw:qcow2:/a,xvda,w", "E: format respecified: near `qcow2'"),
        ("vdev=xvda,vdev=xvdb,target=/a", "E: vdev respecified: near `xvdb'"),
        ("/a,,xvda,w,target=/b", "E: target respecified: near `/b'"),
        ("/a=b,raw,xvda", "E: bad disk syntax: near `=b,raw,xvda'"),
        ("phy:UUID=abc,xvda,w", "E: bad disk syntax: near `=abc,xvda,w'"),
        ("format=raw vdev=xvda target=/a", "E: unknown value for format: near `raw vdev=xvda target=/a'"),
        ("/a,raw,xvda,w,foo=bar", "E: unknown parameter: near `foo=b'"),
        ("/a", "E: no vdev specified"),
        ("", "E: no vdev specified"),
        ("rbd:pool/x,xvda,w", "E: unknown value for format: near `xvda'"),
        ("/a,raw,hdc:floppy,w", "E: unknown deprecated type: near `floppy'"),
    ] {
        assert_eq!(brief(spec), expected, "`{spec}`: a configuration would be called good, or bad for another reason than xl's");
    }
}

#[test]
fn a_refused_disk_still_tells_what_it_could_be() {
    let error = parse(b"phy:/dev/xenvols/web1-disk,xvda,w!").unwrap_err();
    assert_eq!(error.partial.target.as_deref(), Some(b"/dev/xenvols/web1-disk".as_slice()), "the disk would be missing on the screen");
    assert_eq!(error.partial.vdev.as_deref(), Some("xvda"));
    assert!(error.what.contains("`w!`"), "{}", error.what);
    assert_eq!(error.offset, 32, "the screen would point at the wrong column");
    let swallowed = parse(b"target=/srv/new1.raw,format=raw,vdev=xvda,access=rw").unwrap_err();
    assert!(swallowed.what.contains("`target=` took the rest"), "{}", swallowed.what);
}

/// 43 specifications and what `xl` 4.17 made of them, or its complaint.
#[test]
fn a_real_xl_agrees() {
    let text = include_str!("../../../tests/fixtures/xen/diskspecs.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    assert_eq!(rows.len(), 43);
    for row in rows {
        let quoted = row["spec"].as_str().unwrap();
        let spec = &quoted[1..quoted.len() - 1];
        match (parse(spec.as_bytes()), row["disks"].get(0)) {
            (Ok(disk), Some(real)) => {
                let number = |key: &str| real[key].as_u64().unwrap_or(0) == 1;
                let target = disk.target.as_deref().map(|t| String::from_utf8_lossy(t).into_owned());
                assert_eq!(target.as_deref(), real["pdev_path"].as_str(), "{spec}: target");
                assert_eq!(disk.vdev.as_deref(), real["vdev"].as_str(), "{spec}: vdev");
                assert_eq!(disk.format, real["format"].as_str(), "{spec}: format");
                assert_eq!(disk.readwrite, number("readwrite"), "{spec}: access");
                assert_eq!(disk.removable, number("removable"), "{spec}: removable");
                assert_eq!(disk.is_cdrom, number("is_cdrom"), "{spec}: cdrom");
                assert_eq!(disk.backend, real["backend"].as_str(), "{spec}: backend");
                assert_eq!(disk.script.as_deref(), real["script"].as_str(), "{spec}: script");
                assert_eq!(disk.backend_domname.as_deref(), real["backend_domname"].as_str(), "{spec}: backend domain");
                assert_eq!(disk.direct_io_safe, real["direct_io_safe"].as_bool().unwrap_or(false), "{spec}: direct I/O");
                let discard = real["discard_enable"].as_str().map(|text| text == "True");
                assert_eq!(disk.discard, discard, "{spec}: discard");
            }
            (Err(error), None) => {
                let complaint = row["stderr"].as_str().unwrap();
                let near = error.near.map(|near| format!(": near `{near}'")).unwrap_or_default();
                assert!(complaint.contains(&format!("specification: {}{near} in `", error.xl)), "{complaint} is not {}", error.xl);
            }
            (mine, real) => panic!("{spec}: xl says {real:?}, here it is {mine:?}"),
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(spec in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&spec);
    }

    #[test]
    fn specifications_put_together_of_parts_are_answered(parts in proptest::collection::vec(prop::sample::select(vec![
        "phy:", "tap:", "qcow2:", "nbd:", "rbd:", "/dev/vg/a", "xvda", "hdc:cdrom", "w", "w!", ",", ", ", "=", "target=", "vdev=", "format=",
        "raw", "script=", "cdrom", "\n", "\0", "é", "backend=", "devtype=", "colo-port=", "grant_usage=1", ":",
    ]), 0..20)) {
        let spec = parts.concat();
        if let Ok(disk) = parse(spec.as_bytes()) {
            prop_assert!(disk.vdev.is_some(), "a disk without a name in the guest: {spec:?}");
            prop_assert!(disk.target.is_some() || disk.removable);
        }
    }
}
